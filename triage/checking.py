"""Can this be a questionnaire? Everything that is wrong, at once, in words for who made it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils.translation import gettext as _

from chat import topics
from chat.commands import FORBIDDEN
from institutions.models import Skill

# From light to heavy; the codes of chat.models.Conversation.Urgency.
LEVELS = ("normal", "soon", "now")
LANGUAGES = ("nl", "en")
# One of these answers, or several of them; the rest is own words and places.
ONE = ("choice", "scale", "age")
WITH_OPTIONS = (*ONE, "choices")
KINDS = (*WITH_OPTIONS, "text", "place")
CODE = frozenset("abcdefghijklmnopqrstuvwxyz0123456789_")
LONGEST = {"code": 16, "text": 300, "phrase": 60}
MOST = {"steps": 12, "questions": 4, "options": 20, "rules": 100, "words": 30, "phrases": 400}

# What a condition asks of the answers; all that it names must hold.
CONDITIONS = ("at_least", "chosen", "count")
# What a site may say beforehand of all its contacts; the others only a worker can tell.
CONTACT_KINDS = ("about_self", "about_child")


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong. `place` is the way to it in the data ("steps.1.questions.0.text.en"),
    `question` the code of the question that it is about, if any, and `field` the last part of the
    way that a screen has a field for ("text", "options", "at_least" …)."""

    place: str
    text: str
    question: str = ""

    @property
    def field(self) -> str:
        names = [part for part in self.place.split(".") if not part.isdigit()]
        known = [name for name in names if name not in LANGUAGES]
        return known[-1] if known else ""

    def __str__(self) -> str:
        return f"{self.place}: {self.text}" if self.place else self.text


class Unsound(ValueError):
    """This cannot be a questionnaire; `problems` says all that is wrong with it."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = problems


def check(data: Any, languages: tuple[str, ...] = LANGUAGES) -> None:
    """Raise Unsound with everything that is wrong, if this cannot be a questionnaire.

    Takes whatever somebody may upload: no data makes it fail in another way.
    """
    checker = Checker(languages)
    checker.check(data)
    if checker.problems:
        raise Unsound(checker.problems)


class Checker:
    """Walks through the data and collects problems."""

    def __init__(self, languages: tuple[str, ...]) -> None:
        self.languages = languages
        self.problems: list[Problem] = []
        # Per question its kind and the weight of each of its options.
        self.kinds: dict[str, str] = {}
        self.weights: dict[str, dict[str, int]] = {}
        self.question = ""

    def say(self, place: str, text: str) -> None:
        self.problems.append(Problem(place, text, self.question))

    # --- Parts --------------------------------------------------------------------------------

    def keys(self, place: str, value: Any, needed: set[str], allowed: set[str]) -> bool:
        """Is this a mapping with these names in it? Says which are missing, and which unknown."""
        if not isinstance(value, Mapping):
            self.say(place, _("Hier horen namen met waarden te staan."))
            return False
        for name in sorted(needed - value.keys()):
            self.say(f"{place}.{name}".lstrip("."), _("Dit ontbreekt."))
        self.only(place, value, needed | allowed)
        return True

    def only(self, place: str, value: Mapping[str, Any], known: set[str]) -> None:
        """Say which names there should not be. They may be of any length, and hold anything."""
        for name in sorted(map(str, value.keys() - known)):
            shown = FORBIDDEN.sub("?", name[: LONGEST["phrase"]])
            self.say(f"{place}.{shown}".lstrip("."), _("Dit kennen we niet."))

    def each(self, place: str, value: Any, kind: str, least: int = 0) -> Iterator[tuple[str, Any]]:
        """Go through a list that has at least so many, and not too many, things in it."""
        if not isinstance(value, list):
            self.say(place, _("Hier hoort een lijst te staan."))
            return
        if len(value) < least:
            self.say(place, _("Hier moet nog iets bij."))
        if len(value) > MOST[kind]:
            self.say(place, _("Dit zijn er te veel: hoogstens %(n)s.") % {"n": MOST[kind]})
            return
        for number, one in enumerate(value):
            yield f"{place}.{number}", one

    def code(self, place: str, value: Any) -> str:
        if not isinstance(value, str) or not value or not CODE.issuperset(value):
            self.say(place, _("Gebruik kleine letters, cijfers en _."))
            return ""
        if len(value) > LONGEST["code"]:
            self.say(place, _("Dit is te lang: hoogstens %(n)s tekens.") % {"n": LONGEST["code"]})
        return value

    def letters(self, place: str, text: str) -> None:
        """Nothing that a database cannot keep, or that turns a line of text around."""
        if FORBIDDEN.search(text.replace("\r\n", "\n")):
            self.say(place, _("Er staan tekens in die we niet kunnen bewaren. Haal ze weg."))

    def texts(self, place: str, value: Any) -> None:
        """A text in every language."""
        if not isinstance(value, Mapping):
            self.say(place, _("Hier hoort een tekst in elke taal te staan."))
            return
        self.only(place, value, set(LANGUAGES))
        for language in self.languages:
            text = value.get(language)
            if not isinstance(text, str) or not text.strip():
                self.say(f"{place}.{language}", _("De tekst in deze taal ontbreekt."))
            elif len(text) > LONGEST["text"]:
                long = _("Dit is te lang: hoogstens %(n)s tekens.") % {"n": LONGEST["text"]}
                self.say(f"{place}.{language}", long)
            else:
                self.letters(f"{place}.{language}", text)

    def flag(self, place: str, value: Any) -> None:
        if not isinstance(value, bool):
            self.say(place, _("Dit is ja of nee."))

    # --- The whole ----------------------------------------------------------------------------

    def check(self, data: Any) -> None:
        if not self.keys(
            "", data, {"name", "steps", "rules", "words"}, {"contact_kind", "routing"}
        ):
            return
        name = data.get("name")
        if not isinstance(name, str) or not name.strip() or len(name) > 60:
            self.say("name", _("Geef een naam van hoogstens 60 tekens."))
        else:
            self.letters("name", name)
        if data.get("contact_kind", "") not in ("", *CONTACT_KINDS):
            self.say("contact_kind", _("Deze soort contact kennen we niet."))
        for place, step in self.each("steps", data.get("steps"), "steps", least=1):
            self.step(place, step)
        self.question = ""
        for kind in ("age", "place"):
            if list(self.kinds.values()).count(kind) > 1:
                self.say("steps", _("Vraag leeftijd en plaats elk hoogstens één keer."))
        for place, rule in self.each("rules", data.get("rules"), "rules"):
            self.rule(place, rule)
        for place, group in self.each("words", data.get("words"), "words"):
            self.group(place, group)
        self.routing("routing", data.get("routing", {}))

    def step(self, place: str, step: Any) -> None:
        self.question = ""
        if not self.keys(place, step, {"questions"}, {"text"}):
            return
        if "text" in step:
            self.texts(f"{place}.text", step["text"])
        questions = f"{place}.questions"
        for one, question in self.each(questions, step.get("questions"), "questions", least=1):
            self.one_question(one, question)

    def one_question(self, place: str, question: Any) -> None:
        self.question = ""
        allowed = {"help", "options", "is_sensitive"}
        if not self.keys(place, question, {"code", "kind", "text"}, allowed):
            return
        code = self.question = self.code(f"{place}.code", question.get("code"))
        if code in self.kinds:
            self.say(f"{place}.code", _("Deze code staat al bij een andere vraag."))
        kind = question.get("kind")
        if kind not in KINDS:
            self.say(f"{place}.kind", _("Deze soort vraag kennen we niet."))
            kind = ""
        self.kinds[code] = kind
        self.weights[code] = {}
        self.texts(f"{place}.text", question.get("text"))
        if "help" in question:
            self.texts(f"{place}.help", question["help"])
        if "is_sensitive" in question:
            self.flag(f"{place}.is_sensitive", question["is_sensitive"])
        if kind in WITH_OPTIONS:
            options = f"{place}.options"
            for one, option in self.each(options, question.get("options"), "options", least=2):
                self.option(one, option, code)
        elif kind and question.get("options"):
            self.say(f"{place}.options", _("Bij deze soort vraag horen geen antwoorden."))

    def option(self, place: str, option: Any, question: str) -> None:
        if not self.keys(place, option, {"code", "text"}, {"weight", "topic"}):
            return
        code = self.code(f"{place}.code", option.get("code"))
        if code in self.weights[question]:
            self.say(f"{place}.code", _("Deze code staat al bij een ander antwoord."))
        self.texts(f"{place}.text", option.get("text"))
        weight = option.get("weight", 0)
        if not isinstance(weight, int) or isinstance(weight, bool) or not 0 <= weight <= 9:
            self.say(f"{place}.weight", _("Het gewicht is een heel getal van 0 tot en met 9."))
            weight = 0
        self.weights[question][code] = weight
        topic = option.get("topic", "")
        if topic and (not isinstance(topic, str) or topics.find(topic) is None):
            self.say(f"{place}.topic", _("Dit onderwerp kennen we niet."))

    # --- Rules --------------------------------------------------------------------------------

    def rule(self, place: str, rule: Any) -> None:
        self.question = ""
        allowed = {*CONDITIONS, "danger"}
        if not self.keys(place, rule, {"urgency", "reason"}, allowed):
            return
        self.raises(place, rule)
        self.condition(place, rule)

    def raises(self, place: str, rule: Mapping[str, Any]) -> None:
        if rule.get("urgency") not in LEVELS[1:]:
            self.say(f"{place}.urgency", _("Kies “snel” of “nu”: een regel kan alleen verhogen."))
        if "danger" in rule:
            self.flag(f"{place}.danger", rule["danger"])
        self.texts(f"{place}.reason", rule.get("reason"))

    def condition(self, place: str, rule: Mapping[str, Any]) -> None:
        if not any(rule.get(name) for name in CONDITIONS):
            self.say(place, _("Deze regel geldt altijd: noem minstens één antwoord."))
        for name in CONDITIONS:
            value = rule.get(name, {})
            where = f"{place}.{name}"
            if not isinstance(value, Mapping):
                self.say(where, _("Hier horen namen met waarden te staan."))
                continue
            for code, wanted in value.items():
                self.question = code if code in self.kinds else ""
                if not self.weights.get(code):
                    self.say(f"{where}.{code}", _("Er is geen vraag met antwoorden die zo heet."))
                elif name == "chosen":
                    self.chosen(f"{where}.{code}", self.weights[code], wanted)
                else:
                    self.number(f"{where}.{code}", name, code, wanted)
        self.question = ""

    def number(self, place: str, name: str, code: str, wanted: Any) -> None:
        if not isinstance(wanted, int) or isinstance(wanted, bool) or wanted < 1:
            self.say(place, _("Dit is een heel getal vanaf 1."))
            return
        weights = self.weights[code].values()
        if name == "at_least":
            reachable = any(weight >= wanted for weight in weights)
        else:
            reachable = self.kinds[code] == "choices" and sum(map(bool, weights)) >= wanted
        if not reachable:
            self.say(place, _("Zo zwaar kan het antwoord op deze vraag niet worden."))

    def chosen(self, place: str, weights: dict[str, int], wanted: Any) -> None:
        if not isinstance(wanted, list) or not wanted:
            self.say(place, _("Noem minstens één antwoord."))
            return
        known = [code for code in wanted if isinstance(code, str) and code in weights]
        if len(known) < len(wanted):
            self.say(place, _("Dit antwoord staat niet bij de vraag."))
        lightest = min((weights[code] for code in known), default=0)
        left_out = [code for code, weight in weights.items() if weight > lightest]
        if known and not set(left_out) <= set(known):
            # Else somebody who answers something worse would count for less.
            self.say(place, _("Noem ook de antwoorden die zwaarder wegen."))

    def group(self, place: str, group: Any) -> None:
        self.question = ""
        needed = {"question", "urgency", "reason", "phrases"}
        if not self.keys(place, group, needed, {"danger", "except"}):
            return
        self.raises(place, group)
        question = group.get("question")
        if not isinstance(question, str) or self.kinds.get(question) != "text":
            self.say(f"{place}.question", _("Er is geen open vraag die zo heet."))
        for name, least in (("phrases", 1), ("except", 0)):
            phrases = self.each(f"{place}.{name}", group.get(name, []), "phrases", least)
            for one, phrase in phrases:
                letters = phrase.strip("* ") if isinstance(phrase, str) else ""
                if len(letters) < 3 or len(phrase) > LONGEST["phrase"] or "*" in letters:
                    self.say(one, _("Schrijf 3 tot 60 letters, met hoogstens een * aan het eind."))
                else:
                    self.letters(one, phrase)

    def routing(self, place: str, routing: Any) -> None:
        self.question = ""
        if not self.keys(place, routing, set(), {"wishes"}):
            return
        for where, wish in self.each(f"{place}.wishes", routing.get("wishes", []), "rules"):
            if self.keys(where, wish, {"wish"}, set(CONDITIONS)):
                if wish.get("wish") not in Skill.values:
                    self.say(f"{where}.wish", _("Deze wens kennen we niet."))
                self.condition(where, wish)
