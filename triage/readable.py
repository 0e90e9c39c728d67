"""A questionnaire, and what differs between two of them, in words for a coordinator."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from django.utils.translation import get_language, gettext, gettext_lazy
from django.utils.translation import gettext as _

from chat import topics
from chat.models import Conversation
from institutions.models import Skill
from triage import parts
from triage.checking import CONDITIONS, LANGUAGES

Data = dict[str, Any]

KIND_NAMES = {
    "choice": gettext_lazy("één antwoord kiezen"),
    "choices": gettext_lazy("meer antwoorden kiezen"),
    "scale": gettext_lazy("schaal"),
    "age": gettext_lazy("leeftijd"),
    "text": gettext_lazy("eigen woorden"),
    "place": gettext_lazy("gemeente of postcode"),
}


def said(text: Any) -> str:
    """A text in the reader's language, else in another one."""
    if not isinstance(text, dict):
        return ""
    languages = (str(get_language())[:2], *LANGUAGES)
    return next((str(text[one]) for one in languages if text.get(one)), "")


def in_order(text: Any) -> dict[str, str]:
    """A text in the order of the languages; PostgreSQL keeps none."""
    return {one: text[one] for one in LANGUAGES if text and text.get(one)}


def title_of(question: Data) -> str:
    return said(question.get("text")) or _("vraag zonder tekst (%(code)s)") % question


def urgency_name(code: str) -> str:
    return str(dict(Conversation.Urgency.choices).get(code, code))


def contact_kind_name(code: str) -> str:
    return str(dict(Conversation.ContactKind.choices).get(code, code))


def wish_name(code: str) -> str:
    return str(dict(Skill.choices).get(code, code))


def topic_name(code: str) -> str:
    """What a topic of an option is called: a group, a subcategory, or a municipal word."""
    for word in topics.data()["municipal"]:
        if word["code"] == code:
            return said(word["text"])
    group, _dot, detail = code.partition(".")
    name = str(dict(Conversation.Topic.choices).get(group, group))
    return f"{name}: {said(topics.details()[group].get(detail))}" if detail else name


def conditions(data: Data, part: Data) -> list[str]:
    """What a rule or a wish asks of the answers; all of it must hold."""
    told = []
    places = {
        question["code"]: place for place, (*_at, question) in enumerate(parts.questions(data))
    }
    for name in CONDITIONS:
        asked = sorted(part.get(name, {}).items(), key=lambda one: places.get(one[0], len(places)))
        for code, wanted in asked:
            question = parts.question_of(data, code) or {"code": code}
            about = title_of(question)
            options = question.get("options", [])
            if name == "at_least":
                names = [said(o["text"]) for o in options if o.get("weight", 0) >= wanted]
                sentence = _("“%(question)s”: gewicht %(n)s of hoger (%(answers)s)")
            elif name == "chosen":
                names = [said(o["text"]) for o in options if o.get("code") in wanted]
                sentence = _("“%(question)s”: een van %(answers)s")
            else:
                names = []
                sentence = _("“%(question)s”: minstens %(n)s antwoorden met een gewicht")
            answers = ", ".join(names) or "–"
            told.append(sentence % {"question": about, "n": wanted, "answers": answers})
    return told


# --- The whole, for looking at -------------------------------------------------------------------


def outline(data: Data) -> Data:
    """Everything of a questionnaire, in words and in order, for a page."""
    return {
        "screens": [
            {
                "key": step["questions"][0].get("code", ""),
                "seen": parts.fingerprint(step.get("text", {})),
                "text": said(step.get("text")),
                "texts": in_order(step.get("text")),
                "questions": [_question(question) for question in step["questions"]],
            }
            for step in data["steps"]
            if step["questions"]
        ],
        "rules": [_rule(data, number, rule) for number, rule in enumerate(data["rules"])],
        "words": [_words(data, number, group) for number, group in enumerate(data["words"])],
        "wishes": [
            {
                "key": str(number),
                "seen": parts.fingerprint(wish),
                "name": wish_name(wish.get("wish", "")),
                "conditions": conditions(data, wish),
            }
            for number, wish in enumerate(data.get("routing", {}).get("wishes", []))
        ],
    }


def _question(question: Data) -> Data:
    return {
        "key": question["code"],
        "seen": parts.fingerprint(question),
        "title": title_of(question),
        "texts": in_order(question.get("text")),
        "help": in_order(question.get("help")),
        "kind": KIND_NAMES.get(question.get("kind", ""), question.get("kind")),
        "is_sensitive": question.get("is_sensitive", False),
        "options": [
            {
                "text": said(option.get("text")) or option["code"],
                "texts": in_order(option.get("text")),
                "weight": option.get("weight", 0),
                "topic": topic_name(option["topic"]) if option.get("topic") else "",
            }
            for option in question.get("options", [])
        ],
    }


def _rule(data: Data, number: int, rule: Data) -> Data:
    return {
        "key": str(number),
        "seen": parts.fingerprint(rule),
        "title": said(rule.get("reason")) or _("regel zonder reden"),
        "texts": rule.get("reason", {}),
        "urgency": rule.get("urgency", ""),
        "urgency_name": urgency_name(rule.get("urgency", "")),
        "danger": rule.get("danger", False),
        "conditions": conditions(data, rule),
    }


def _words(data: Data, number: int, group: Data) -> Data:
    question = parts.question_of(data, group.get("question", "")) or {
        "code": group.get("question", "")
    }
    return {
        "key": str(number),
        "seen": parts.fingerprint(group),
        "title": said(group.get("reason")) or _("woordenlijst zonder reden"),
        "texts": group.get("reason", {}),
        "urgency": group.get("urgency", ""),
        "urgency_name": urgency_name(group.get("urgency", "")),
        "danger": group.get("danger", False),
        "question": title_of(question),
        "phrases": group.get("phrases", []),
        "except": group.get("except", []),
    }


# --- Where something is -------------------------------------------------------------------------

FIELDS = {
    "text": gettext_lazy("tekst"),
    "help": gettext_lazy("uitleg"),
    "reason": gettext_lazy("reden"),
    "kind": gettext_lazy("soort"),
    "code": gettext_lazy("code"),
    "weight": gettext_lazy("gewicht"),
    "topic": gettext_lazy("onderwerp"),
    "phrases": gettext_lazy("woord"),
    "except": gettext_lazy("uitzondering"),
    "options": gettext_lazy("antwoord"),
    "urgency": gettext_lazy("urgentie"),
    "question": gettext_lazy("vraag"),
    "name": gettext_lazy("naam"),
    "contact_kind": gettext_lazy("soort contact"),
    **dict.fromkeys(CONDITIONS, gettext_lazy("voorwaarde")),
}
LANGUAGE_NAMES = {"nl": gettext_lazy("Nederlands"), "en": gettext_lazy("Engels")}


def where(way: str) -> str:
    """The way to a field inside a part, in words: "antwoord 2, tekst (Engels)"."""
    told: list[str] = []
    for name in way.split("."):
        if name.isdigit() and told:
            told[-1] += f" {int(name) + 1}"
        elif name in LANGUAGE_NAMES and told:
            told[-1] += f" ({LANGUAGE_NAMES[name]})"
        elif name in FIELDS:
            told.append(str(FIELDS[name]))
    return ", ".join(told)


def part_name(data: Data, place: str) -> str:
    """What the part at this place is called."""
    first, *numbers = place.split(".")
    found = [int(number) for number in numbers if number.isdigit()]
    if first == "steps" and len(found) == 2:
        question = data["steps"][found[0]]["questions"][found[1]]
        return _("Vraag “%(title)s”") % {"title": title_of(question)}
    if first == "steps" and found:
        return _("Scherm %(n)s") % {"n": found[0] + 1}
    told = outline(data)
    if first == "rules" and found:
        return _("Regel “%(title)s”") % told["rules"][found[0]]
    if first == "words" and found:
        return _("Woordenlijst “%(title)s”") % told["words"][found[0]]
    if first == "routing" and found:
        return _("Wens “%(name)s”") % told["wishes"][found[0]]
    return _("De vragenlijst")


# --- What differs -------------------------------------------------------------------------------


@dataclass
class Difference:
    """One part that is new, gone or changed. `changes`: what about it, before, after."""

    sort: str
    title: str
    changes: list[tuple[str, str, str]] = field(default_factory=list)

    @property
    def sort_name(self) -> str:
        names = {
            "new": _("nieuw"),
            "gone": _("weg"),
            "changed": _("veranderd"),
            "order": _("volgorde"),
        }
        return names[self.sort]


class Listed(str):
    """Words beside each other; of two such lists only what differs is told."""

    words: tuple[str, ...]

    @classmethod
    def of(cls, words: list[str]) -> "Listed":
        listed = cls(", ".join(words))
        listed.words = tuple(words)
        return listed

    def without(self, other: "Listed") -> str:
        return ", ".join(word for word in self.words if word not in other.words)


# Title and fields of a part: its label, and its value in words.
Entry = tuple[str, dict[str, str]]


def differences(before: Data, after: Data) -> list[Difference]:
    """What a coordinator who publishes `after` in place of `before` changes; nothing for the same."""
    found = []
    whole = {
        _("Naam"): [str(one.get("name", "")) for one in (before, after)],
        _("Soort contact"): [
            contact_kind_name(one.get("contact_kind", "")) for one in (before, after)
        ],
    }
    changes = [(label, old, new) for label, (old, new) in whole.items() if old != new]
    if changes:
        found.append(Difference("changed", _("De vragenlijst"), changes))
    found += _order(before, after)
    for old, new in (
        (dict(_question_entries(before)), dict(_question_entries(after))),
        *(_paired(before, after, kind) for kind in parts.LISTS),
    ):
        found += _compare(old, new)
    if not found and before != after:
        # Something that is not told in words, such as the order of rules.
        found.append(Difference("changed", _("De vragenlijst"), []))
    return found


def _compare(old: dict[str, Entry], new: dict[str, Entry]) -> Iterator[Difference]:
    for key, (title, fields) in old.items():
        if key not in new:
            yield Difference("gone", title, [(label, value, "") for label, value in fields.items()])
    for key, (title, fields) in new.items():
        if key not in old:
            yield Difference("new", title, [(label, "", value) for label, value in fields.items()])
            continue
        was = old[key][1]
        labels = list(dict.fromkeys((*was, *fields)))
        changes = [
            (label, *_what_differs(was.get(label, ""), fields.get(label, "")))
            for label in labels
            if was.get(label, "") != fields.get(label, "")
        ]
        if changes:
            yield Difference("changed", title, changes)


def _what_differs(old: str, new: str) -> tuple[str, str]:
    if isinstance(old, Listed) and isinstance(new, Listed):
        gone, come = old.without(new), new.without(old)
        if gone or come:
            return gone, come
    return old, new


def _order(before: Data, after: Data) -> Iterator[Difference]:
    """Other screens, or another order, of the questions that both have."""
    common = {q["code"] for _s, _p, q in parts.questions(before)} & {
        q["code"] for _s, _p, q in parts.questions(after)
    }

    def screens(data: Data) -> list[list[str]]:
        kept = [[q for q in step["questions"] if q["code"] in common] for step in data["steps"]]
        return [[title_of(q) for q in some] for some in kept if some]

    def codes(data: Data) -> list[list[str]]:
        kept = [[q["code"] for q in step["questions"]] for step in data["steps"]]
        kept = [[code for code in some if code in common] for some in kept]
        return [some for some in kept if some]

    if codes(before) != codes(after):
        old, new = (
            " · ".join(" + ".join(some) for some in screens(one)) for one in (before, after)
        )
        yield Difference("order", _("Volgorde van de vragen"), [(_("Schermen"), old, new)])
    intros = [
        {
            step["questions"][0]["code"]: step.get("text", {})
            for step in data["steps"]
            if step["questions"]
        }
        for data in (before, after)
    ]
    for code in dict.fromkeys((*intros[0], *intros[1])):
        old, new = intros[0].get(code, {}), intros[1].get(code, {})
        changes = [
            (
                _label(_("Zin boven het scherm"), language),
                old.get(language, ""),
                new.get(language, ""),
            )
            for language in LANGUAGES
            if old.get(language, "") != new.get(language, "")
        ]
        if changes:
            yield Difference("changed", _("Scherm"), changes)


def _label(name: str, language: str) -> str:
    return f"{name} ({language})"


def _texts(name: str, texts: Data) -> Iterator[tuple[str, str]]:
    for language in LANGUAGES:
        if texts.get(language):
            yield _label(name, language), str(texts[language])


def _yes(value: object) -> str:
    return gettext("ja") if value else gettext("nee")


def _question_entries(data: Data) -> Iterator[tuple[str, Entry]]:
    for _step, _place, question in parts.questions(data):
        fields = dict(_texts(_("Tekst"), question.get("text", {})))
        fields |= dict(_texts(_("Uitleg"), question.get("help", {})))
        fields[_("Soort")] = str(KIND_NAMES.get(question.get("kind", ""), question.get("kind")))
        fields[_("Gevoelig")] = _yes(question.get("is_sensitive"))
        for option in question.get("options", []):
            texts = " / ".join(str(option.get("text", {}).get(one, "–")) for one in LANGUAGES)
            told = _("%(texts)s · gewicht %(weight)s") % {
                "texts": texts,
                "weight": option.get("weight", 0),
            }
            if option.get("topic"):
                told += f" · {topic_name(option['topic'])}"
            fields[_("Antwoord %(code)s") % {"code": option["code"]}] = told
        options = [
            said(option.get("text")) or option["code"] for option in question.get("options", [])
        ]
        if options:
            fields[_("Volgorde van de antwoorden")] = ", ".join(options)
        yield question["code"], (_("Vraag “%(title)s”") % {"title": title_of(question)}, fields)


def _list_entries(data: Data, kind: str) -> list[Entry]:
    entries = []
    told = outline(data)
    if kind == "wish":
        for wish in told["wishes"]:
            title = _("Wens “%(name)s”") % wish
            entries.append((title, {_("Als"): "; ".join(wish["conditions"])}))
        return entries
    for part in told["rules" if kind == "rule" else "words"]:
        fields = dict(_texts(_("Reden"), part["texts"]))
        fields[_("Urgentie")] = part["urgency_name"]
        fields[_("Hulplijnen meteen in beeld")] = _yes(part["danger"])
        if kind == "rule":
            title = _("Regel “%(title)s”") % part
            fields[_("Als")] = "; ".join(part["conditions"])
        else:
            title = _("Woordenlijst “%(title)s”") % part
            fields[_("Bij de vraag")] = part["question"]
            fields[_("Woorden")] = Listed.of(part["phrases"])
            fields[_("Behalve")] = Listed.of(part["except"])
        entries.append((title, fields))
    return entries


def _paired(before: Data, after: Data, kind: str) -> tuple[dict[str, Entry], dict[str, Entry]]:
    """Give parts without a name of their own one, by which they are compared: those of the same title
    are one. What is the same in both is left out, whatever the questions around it say."""
    olds = _with_entries(before, kind)
    news = _with_entries(after, kind)
    rest = []
    for raw, entry in olds:
        twin = next((one for one in news if one[0] == raw), None)
        if twin is None:
            rest.append(entry)
        else:
            news.remove(twin)
    named: tuple[dict[str, Entry], dict[str, Entry]] = ({}, {})
    left = [entry for _raw, entry in news]
    for number, entry in enumerate(rest):
        named[0][f"old {number}"] = entry
        same_title = next((one for one in left if one[0] == entry[0]), None)
        if same_title is not None:
            left.remove(same_title)
            named[1][f"old {number}"] = same_title
    for number, entry in enumerate(left):
        named[1][f"new {number}"] = entry
    return named


def _with_entries(data: Data, kind: str) -> list[tuple[Data, Entry]]:
    raw = parts.listed(copy.deepcopy(data), kind)
    return list(zip(raw, _list_entries(data, kind), strict=True))
