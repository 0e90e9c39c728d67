"""The forms of the editor: one part of a questionnaire at a time.

A draft may be unfinished, so these ask only that what is typed fits; what still has to be done
before publishing is `triage.checking`'s to say, and is shown at the field that it is about.
"""

from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from chat import topics
from chat.models import Conversation
from institutions.models import Skill
from triage import parts, readable
from triage.checking import CONTACT_KINDS, KINDS, LANGUAGES, LEVELS, LONGEST, MOST, WITH_OPTIONS

Data = dict[str, Any]
URGENCIES = [(code, Conversation.Urgency(code).label) for code in LEVELS[1:]]
# The highest weight of an answer.
HEAVIEST = 9


class WordedForm(forms.Form):
    """Has a field in each language for each of its texts: `text_nl`, `text_en`."""

    # Name of a text: its label, and the rows of its field (0: one line).
    wording: dict[str, tuple[Any, int]] = {}

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        worded = {
            f"{name}_{language}": forms.CharField(
                label=f"{label} ({readable.LANGUAGE_NAMES[language]})",
                max_length=LONGEST["text"],
                required=False,
                widget=forms.Textarea(attrs={"rows": rows, "lang": language})
                if rows
                else forms.TextInput(attrs={"lang": language}),
            )
            for name, (label, rows) in self.wording.items()
            for language in LANGUAGES
        }
        self.fields = worded | self.fields
        self.order_fields(self.field_order)

    @classmethod
    def worded(cls, part: Data) -> Data:
        """The texts of a part, as these fields have them."""
        return {
            f"{name}_{language}": part.get(name, {}).get(language, "")
            for name in cls.wording
            for language in LANGUAGES
        }

    def text(self, name: str) -> dict[str, str]:
        """What was typed; a language without a text is left out."""
        typed = {one: self.cleaned_data[f"{name}_{one}"] for one in LANGUAGES}
        return {language: text for language, text in typed.items() if text}


def topic_choices() -> list[Any]:
    """Groups with their subcategories, then the words of municipalities."""
    groups: list[Any] = [("", "–")]
    for group in topics.data()["groups"]:
        name = readable.topic_name(group["code"])
        details = [
            (f"{group['code']}.{detail['code']}", f"{name}: {readable.said(detail['text'])}")
            for detail in group["details"]
        ]
        groups.append((name, [(group["code"], name), *details]))
    municipal = [(word["code"], readable.said(word["text"])) for word in topics.data()["municipal"]]
    return [*groups, (_("woorden van gemeenten"), municipal)]


class PartForm(WordedForm):
    """Shows a part, and makes one of what was typed."""

    def __init__(self, draft: Data, part: Data, sent: Any = None, **options: Any) -> None:
        self.draft = draft
        self.before = part
        super().__init__(sent, initial=self.initial_of(part), **options)

    def initial_of(self, part: Data) -> Data:
        return self.worded(part)

    @property
    def part(self) -> Data:
        raise NotImplementedError

    def tell(self, way: str, text: str) -> None:
        """Show a problem of the stored part at the field that it is about."""
        name = self.field_of(way)
        self.problems.setdefault(name if name in self.fields else "", []).append(text)

    def field_of(self, way: str) -> str:
        first, _dot, rest = way.partition(".")
        return f"{first}_{rest}" if rest in LANGUAGES else first

    @property
    def problems(self) -> dict[str, list[str]]:
        if not hasattr(self, "_problems"):
            self._problems: dict[str, list[str]] = {}
        return self._problems

    @property
    def general_problems(self) -> list[str]:
        return self.problems.get("", [])

    def __getitem__(self, name: str) -> Any:
        field = super().__getitem__(name)
        field.problems = self.problems.get(name, [])  # type: ignore[attr-defined]
        return field


class OptionForm(WordedForm):
    """One answer of a question. An empty one is no answer."""

    code = forms.CharField(required=False, max_length=16, widget=forms.HiddenInput)
    wording = {"text": (gettext_lazy("Antwoord"), 0)}
    weight = forms.TypedChoiceField(
        label=gettext_lazy("Gewicht"),
        choices=[(number, str(number)) for number in range(HEAVIEST + 1)],
        coerce=int,
        empty_value="0",
        required=False,
    )
    topic = forms.ChoiceField(
        label=gettext_lazy("Onderwerp"), choices=topic_choices, required=False
    )

    @property
    def is_empty(self) -> bool:
        given = self.cleaned_data
        return not given.get("code") and not any(given.get(f"text_{one}") for one in LANGUAGES)


class QuestionForm(PartForm):
    field_order = ("kind", "text_nl", "text_en", "help_nl", "help_en", "is_sensitive")
    wording = {
        "text": (gettext_lazy("Vraag"), 2),
        "help": (gettext_lazy("Uitleg onder de vraag"), 2),
    }
    kind = forms.ChoiceField(
        label=gettext_lazy("Soort vraag"),
        choices=lambda: [(kind, readable.KIND_NAMES[kind]) for kind in KINDS],
    )
    is_sensitive = forms.BooleanField(
        label=gettext_lazy(
            "Gevoelig: woorden hieruit staan niet in de wachtrij, maar pas in het gesprek"
        ),
        required=False,
    )

    def __init__(self, draft: Data, part: Data, sent: Any = None, **options: Any) -> None:
        super().__init__(draft, part, sent, **options)
        self.has_options = part.get("kind") in WITH_OPTIONS
        if sent is None:
            rows = [self.row_of(option) for option in part.get("options", [])]
            self.rows = [*rows, {}] if rows or not part.get("code") else rows
            if not part.get("code"):
                self.rows = [{}, {}, {}]
        else:
            self.rows = self.rows_sent(sent)
        self.options = self.forms_of(self.rows, bound=sent is not None)

    def initial_of(self, part: Data) -> Data:
        return super().initial_of(part) | {
            "kind": part.get("kind", "choice"),
            "is_sensitive": part.get("is_sensitive", False),
        }

    @staticmethod
    def row_of(option: Data) -> Data:
        return {
            "code": option.get("code", ""),
            "weight": option.get("weight", 0),
            "topic": option.get("topic", ""),
            **OptionForm.worded(option),
        }

    @staticmethod
    def rows_sent(sent: Mapping[str, Any]) -> list[Data]:
        names = ("code", "weight", "topic", *(f"text_{one}" for one in LANGUAGES))
        try:
            count = min(int(sent.get("rows", 0)), MOST["options"] + 10)
        except ValueError:
            count = 0
        return [
            {name: sent.get(f"option-{number}-{name}", "") for name in names}
            for number in range(max(count, 0))
        ]

    @staticmethod
    def forms_of(rows: list[Data], *, bound: bool) -> list[OptionForm]:
        found = []
        for number, row in enumerate(rows):
            prefix = f"option-{number}"
            sent = {f"{prefix}-{name}": value for name, value in row.items()} if bound else None
            found.append(OptionForm(sent, initial=row, prefix=prefix))
        return found

    def rearrange(self, deed: str, number: int) -> None:
        """Move, add or take out a row of what was typed; nothing is stored yet."""
        rows = self.rows
        if deed == "more" and len(rows) < MOST["options"] + 10:
            rows.append({})
        elif number < len(rows):
            if deed == "less":
                del rows[number]
            elif deed in ("up", "down"):
                to = number + (1 if deed == "down" else -1)
                if 0 <= to < len(rows):
                    rows[number], rows[to] = rows[to], rows[number]
        self.options = self.forms_of(rows, bound=True)

    def clean(self) -> Data | None:
        given = super().clean()
        wrong = [option for option in self.options if not option.is_valid()]
        if wrong:
            self.add_error(None, _("Kijk de antwoorden na."))
        return given

    @property
    def part(self) -> Data:
        given = self.cleaned_data
        taken = {question["code"] for _s, _p, question in parts.questions(self.draft)}
        text = self.text("text")
        code = self.before.get("code") or parts.code_for(
            text.get("en") or readable.said(text), taken
        )
        part: Data = {"code": code, "kind": given["kind"], "text": text}
        if help_text := self.text("help"):
            part["help"] = help_text
        if given["is_sensitive"]:
            part["is_sensitive"] = True
        if options := self.options_given():
            part["options"] = options
        return part

    def options_given(self) -> list[Data]:
        given = [form for form in self.options if not form.is_empty]
        taken = {form.cleaned_data["code"] for form in given}
        options = []
        for form in given:
            row, texts = form.cleaned_data, form.text("text")
            code = row["code"] or parts.code_for(texts.get("en") or readable.said(texts), taken)
            taken.add(code)
            option: Data = {"code": code}
            if weight := int(row["weight"]):
                option["weight"] = weight
            if row["topic"]:
                option["topic"] = row["topic"]
            options.append(option | {"text": texts})
        return options

    def tell(self, way: str, text: str) -> None:
        if way.startswith("options."):
            _options, number, *rest = way.split(".")
            if int(number) < len(self.options):
                name = "_".join(rest)
                form = self.options[int(number)]
                told = f"{form.fields[name].label}: {text}" if name in form.fields else text
                form.problems = [*getattr(form, "problems", []), told]  # type: ignore[attr-defined]
                return
        super().tell(way, text)


class ScreenForm(PartForm):
    wording = {"text": (gettext_lazy("Zin boven de vragen"), 2)}

    def initial_of(self, part: Data) -> Data:
        return super().initial_of({"text": part})

    def field_of(self, way: str) -> str:
        return f"text_{way}" if way in LANGUAGES else super().field_of(way.removeprefix("text."))

    @property
    def part(self) -> Data:
        return self.text("text")


class ConditionForm(PartForm):
    """A part that asks something of the answers: for each question with answers its own fields."""

    def __init__(self, draft: Data, part: Data, sent: Any = None, **options: Any) -> None:
        super().__init__(draft, part, sent, **options)
        self.asked = [
            question for _s, _p, question in parts.questions(draft) if question.get("options")
        ]
        for question in self.asked:
            self.add_fields(question)

    def add_fields(self, question: Data) -> None:
        code, answers = question["code"], question["options"]
        heaviest = max(option.get("weight", 0) for option in answers)
        weights = [("", _("maakt niet uit"))]
        for number in range(1, heaviest + 1):
            names = [readable.said(o.get("text")) for o in answers if o.get("weight", 0) >= number]
            weights.append((str(number), f"{number}: {', '.join(names)}"))
        wanted = self.before.get("at_least", {}).get(code)
        if wanted and wanted > heaviest:
            weights.append((str(wanted), str(wanted)))
        self.fields[f"at_least-{code}"] = forms.ChoiceField(
            label=_("Weegt minstens"),
            choices=weights,
            required=False,
            initial=str(wanted or ""),
        )
        chosen = self.before.get("chosen", {}).get(code, [])
        known = [option["code"] for option in answers]
        self.fields[f"chosen-{code}"] = forms.MultipleChoiceField(
            label=_("Is een van deze antwoorden"),
            choices=[
                *((o["code"], readable.said(o.get("text")) or o["code"]) for o in answers),
                # An answer that is no longer there stays in sight until it is taken out.
                *((code, code) for code in chosen if code not in known),
            ],
            required=False,
            initial=chosen,
            widget=forms.CheckboxSelectMultiple,
        )
        if question.get("kind") == "choices":
            self.fields[f"count-{code}"] = forms.IntegerField(
                label=_("Zoveel antwoorden met een gewicht, of meer"),
                min_value=1,
                max_value=MOST["options"],
                required=False,
                initial=self.before.get("count", {}).get(code),
            )

    @property
    def by_question(self) -> list[Data]:
        """What the template shows: each question with its fields, open where something is asked."""
        found = []
        for question in self.asked:
            code = question["code"]
            fields = [
                self[f"{name}-{code}"]
                for name in ("at_least", "chosen", "count")
                if f"{name}-{code}" in self.fields
            ]
            asks = [field for field in fields if field.value() or field.errors or field.problems]
            found.append(
                {"title": readable.title_of(question), "fields": fields, "is_open": bool(asks)}
            )
        return found

    @property
    def plain_fields(self) -> list[Any]:
        """The fields that are not about one question."""
        return [self[name] for name in self.fields if "-" not in name]

    def conditions(self) -> Data:
        """What is asked now. Of questions that are no longer there nothing stays."""
        asked: Data = {}
        for question in self.asked:
            code = question["code"]
            if least := self.cleaned_data.get(f"at_least-{code}"):
                asked.setdefault("at_least", {})[code] = int(least)
            if chosen := self.cleaned_data.get(f"chosen-{code}"):
                asked.setdefault("chosen", {})[code] = chosen
            if count := self.cleaned_data.get(f"count-{code}"):
                asked.setdefault("count", {})[code] = count
        return asked

    def field_of(self, way: str) -> str:
        name, _dot, rest = way.partition(".")
        if name in ("at_least", "chosen", "count"):
            return f"{name}-{rest}"
        return super().field_of(way)


class RaisingForm(PartForm):
    """What rules and word lists have in common: how urgent, and why in words."""

    wording = {"reason": (gettext_lazy("Reden, zoals de hulpverlener die leest"), 0)}
    urgency = forms.ChoiceField(
        label=gettext_lazy("Dan is de urgentie minstens"), choices=URGENCIES
    )
    danger = forms.BooleanField(
        label=gettext_lazy("Laat dan meteen de hulplijnen zien (112, 113, Veilig Thuis)"),
        required=False,
    )

    def initial_of(self, part: Data) -> Data:
        return super().initial_of(part) | {
            "urgency": part.get("urgency", "soon"),
            "danger": part.get("danger", False),
        }

    def raising(self) -> Data:
        given = self.cleaned_data
        found: Data = {"urgency": given["urgency"]}
        if given["danger"]:
            found["danger"] = True
        return found | {"reason": self.text("reason")}


class RuleForm(ConditionForm, RaisingForm):
    """When answers weigh so much, or are these: how urgent, and why."""

    @property
    def part(self) -> Data:
        return self.conditions() | self.raising()


def phrases(text: str) -> list[str]:
    """One on each line, each once, as they were typed."""
    return list(dict.fromkeys(" ".join(line.split()) for line in text.splitlines() if line.strip()))


class WordsForm(RaisingForm):
    question = forms.ChoiceField(label=gettext_lazy("Kijkt naar de antwoorden op"))
    phrases = forms.CharField(
        label=gettext_lazy("Woorden en zinnen, elk op een eigen regel"),
        required=False,
        max_length=MOST["phrases"] * (LONGEST["phrase"] + 2),
        widget=forms.Textarea(attrs={"rows": 12, "spellcheck": "false", "translate": "no"}),
        help_text=gettext_lazy(
            "Zet * achter een woord dat nog verder mag gaan: “snij*” vindt ook “snijden”. Hoofdletters, "
            "accenten en tikfouten maken niet uit. “Niet” of “geen” er vlak voor telt als ontkenning."
        ),
    )
    excepted = forms.CharField(
        label=gettext_lazy("Behalve als het hier staat, elk op een eigen regel"),
        required=False,
        max_length=MOST["phrases"] * (LONGEST["phrase"] + 2),
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "translate": "no"}),
        help_text=gettext_lazy(
            "Uitdrukkingen die hetzelfde woord hebben, maar iets anders zeggen."
        ),
    )
    field_order = ("question", "phrases", "excepted", "urgency", "danger", "reason_nl", "reason_en")

    def __init__(self, draft: Data, part: Data, sent: Any = None, **options: Any) -> None:
        super().__init__(draft, part, sent, **options)
        choices = [
            (question["code"], readable.title_of(question))
            for _s, _p, question in parts.questions(draft)
            if question.get("kind") == "text"
        ]
        known = [code for code, _title in choices]
        if (now := part.get("question")) and now not in known:
            choices.append((now, now))
        self.fields["question"].choices = choices  # type: ignore[attr-defined]

    def initial_of(self, part: Data) -> Data:
        return super().initial_of(part) | {
            "question": part.get("question", ""),
            "phrases": "\n".join(part.get("phrases", [])),
            "excepted": "\n".join(part.get("except", [])),
        }

    def tell(self, way: str, text: str) -> None:
        """A problem of one phrase names the phrase."""
        name, _dot, number = way.partition(".")
        if name in ("phrases", "except") and number.isdigit():
            text = f"“{self.before[name][int(number)]}”: {text}"
        super().tell("excepted" if name == "except" else name if number.isdigit() else way, text)

    @property
    def part(self) -> Data:
        given = self.cleaned_data
        found: Data = {"question": given["question"]}
        found |= self.raising() | {"phrases": phrases(given["phrases"])}
        if excepted := phrases(given["excepted"]):
            found["except"] = excepted
        return found


class WishForm(ConditionForm):
    wish = forms.ChoiceField(
        label=gettext_lazy("Dan past een hulpverlener met"), choices=Skill.choices
    )

    def initial_of(self, part: Data) -> Data:
        return {"wish": part.get("wish", "")}

    @property
    def part(self) -> Data:
        return {"wish": self.cleaned_data["wish"]} | self.conditions()


FORMS: dict[str, type[PartForm]] = {
    "question": QuestionForm,
    "screen": ScreenForm,
    "rule": RuleForm,
    "words": WordsForm,
    "wish": WishForm,
}


class NameForm(forms.Form):
    """What is about the whole: a name, and what registrations begin with."""

    name = forms.CharField(label=gettext_lazy("Naam van de vragenlijst"), max_length=60)
    contact_kind = forms.ChoiceField(
        label=gettext_lazy("Soort contact dat bij het registreren al klaarstaat"),
        required=False,
        help_text=gettext_lazy("De hulpverlener kan altijd iets anders kiezen."),
    )

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["contact_kind"].choices = [  # type: ignore[attr-defined]
            ("", _("niets")),
            *((kind, readable.contact_kind_name(kind)) for kind in CONTACT_KINDS),
        ]

    def put(self, data: Data) -> Data:
        """The questionnaire with these in it."""
        given = {name: value for name, value in self.cleaned_data.items() if value}
        return {name: value for name, value in data.items() if name != "contact_kind"} | given


class FileForm(forms.Form):
    file = forms.FileField(label=gettext_lazy("Bestand (YAML)"), max_length=200)


class TryForm(forms.Form):
    """All questions at once, as far as urgency goes. `answers` is what a visitor's would be."""

    def __init__(self, data: Data, language: str, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.steps = data["steps"]
        self.language = language
        for _step, _place, question in parts.questions(data):
            self.fields[question["code"]] = self.field_for(question, language)

    @property
    def screens(self) -> list[Data]:
        """What a visitor sees at once: the sentence above it, and the fields."""
        return [
            {
                "intro": step.get("text", {}).get(self.language, ""),
                "fields": [self[question["code"]] for question in step["questions"]],
            }
            for step in self.steps
        ]

    @staticmethod
    def field_for(question: Data, language: str) -> forms.Field:
        def say(text: Data) -> str:
            return str(text.get(language) or "") or readable.said(text)

        more: Data = {
            "label": say(question.get("text", {})) or question["code"],
            "help_text": say(question.get("help", {})),
            "required": False,
        }
        choices = [
            (option["code"], say(option.get("text", {})) or option["code"])
            for option in question.get("options", [])
        ]
        if question["kind"] == "choices":
            return forms.MultipleChoiceField(
                choices=choices, widget=forms.CheckboxSelectMultiple, **more
            )
        if question["kind"] in WITH_OPTIONS:
            return forms.ChoiceField(choices=choices, widget=forms.RadioSelect, **more)
        widget = forms.Textarea(attrs={"rows": 3}) if question["kind"] == "text" else None
        return forms.CharField(max_length=500, widget=widget, **more)

    @property
    def answers(self) -> dict[str, Any]:
        return {code: value for code, value in self.cleaned_data.items() if value}


class ExampleForm(forms.Form):
    name = forms.CharField(label=gettext_lazy("Naam van het voorbeeld"), max_length=80)
    urgency = forms.ChoiceField(
        label=gettext_lazy("Zo urgent hoort het te zijn"), choices=Conversation.Urgency.choices
    )
