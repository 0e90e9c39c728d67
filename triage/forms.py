"""Everything that a page of a visit can send."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chat.commands import BadCommand, clean_text
from institutions.places import Found, find, municipalities
from triage.told import UNSAID

MAX_WORDS = 500
MAX_PLACE = 60


class OwnWords(forms.CharField):
    """Text as chat stores it. The limit counts what is left after cleaning, so not the browser's
    two characters for a line end."""

    def __init__(self, *, limit: int, **options: Any) -> None:
        super().__init__(strip=False, **options)
        self.limit = limit

    def clean(self, value: Any) -> str:
        try:
            return clean_text(value or "", limit=self.limit, required=self.required)
        except BadCommand as bad:
            if bad.code == "too_long":
                message = _("Dit is te lang. Er passen %(limit)s letters en tekens in.")
                raise forms.ValidationError(message, params={"limit": self.limit}) from None
            if not (value or "").strip():
                raise forms.ValidationError(_("Je hebt nog niets geschreven.")) from None
            message = _("Er staan tekens in die we niet kunnen bewaren. Haal ze weg.")
            raise forms.ValidationError(message) from None


class Place(forms.CharField):
    """A municipality: chosen from a short list, or found by what was typed.

    Three inputs of one name: `NAME` the choice (a code, or "unsaid"), `NAME_text` what was typed, and
    `NAME_seen` what was typed when the choice was offered. Who types something new means that, and
    not what they chose before. When it is not clear, `choices` holds what it may be.
    """

    choices: list[Found]

    def __init__(self) -> None:
        super().__init__(required=False)
        self.choices = []
        self.widget = PlaceInput()

    def clean(self, value: Any) -> str:
        choice, typed, seen = value
        if choice == UNSAID and typed in ("", seen):
            return UNSAID
        if choice and typed == seen:
            if choice not in municipalities():
                raise forms.ValidationError(_("Kies een van de antwoorden."))
            return str(choice)
        if not typed:
            return ""
        found = find(typed) if len(typed) <= MAX_PLACE else []
        if len({one.code for one in found}) == 1:
            return found[0].code
        self.choices = found
        if found:
            raise forms.ValidationError(_("We weten niet zeker wat je bedoelt. Kies je gemeente."))
        raise forms.ValidationError(
            _("Die plaats kennen we niet. Kijk of er een typfout in zit, of sla deze vraag over.")
        )


class PlaceInput(forms.Widget):
    """Reads the three inputs of a place; the page draws them."""

    def value_from_datadict(self, data: Any, files: Any, name: str) -> tuple[str, str, str]:
        choice, typed, seen = (
            str(data.get(one, "")).strip() for one in (name, f"{name}_text", f"{name}_seen")
        )
        return choice, typed, seen


class StepForm(forms.Form):
    """One step of a questionnaire. `cleaned_data` holds what was answered and nothing else."""

    def __init__(self, step: dict[str, Any], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for question in step["questions"]:
            self.fields[question["code"]] = field_of(question)
        only = step["questions"][0]
        self.must_choose = len(step["questions"]) == 1 and only["kind"] != "text"
        self.kind = only["kind"]

    def given(self, code: str) -> Any:
        """What was just sent for this question, right or wrong, as the page shows it."""
        sent = self.fields[code].widget.value_from_datadict(self.data, self.files, code)
        return "" if sent is None else sent

    def clean(self) -> dict[str, Any]:
        given = {code: value for code, value in self.cleaned_data.items() if value}
        if self.must_choose and not given and not self.errors:
            if self.kind == "place":
                nothing = _("Je hebt nog niets ingevuld. Vul iets in, of sla over.")
            else:
                nothing = _("Je hebt nog niets gekozen. Kies iets, of sla over.")
            raise forms.ValidationError(nothing)
        return given


def field_of(question: dict[str, Any]) -> forms.Field:
    """The field in which an answer to this kind of question comes in."""
    if question["kind"] == "text":
        return OwnWords(limit=MAX_WORDS, required=False)
    if question["kind"] == "place":
        return Place()
    field = forms.MultipleChoiceField if question["kind"] == "choices" else forms.ChoiceField
    return field(
        choices=[(option["code"], "") for option in question["options"]],
        required=False,
        error_messages={"invalid_choice": _("Kies een van de antwoorden.")},
    )


class StepNumberForm(forms.Form):
    """Which step the page showed."""

    step = forms.IntegerField(min_value=0, max_value=99)


class LanguageForm(forms.Form):
    language = forms.ChoiceField(choices=[("nl", "nl"), ("en", "en")])


class PostForm(forms.Form):
    """A message from the page that works without JavaScript; chat itself cleans the text."""

    client_id = forms.UUIDField()


class FeedbackForm(forms.Form):
    heard = forms.IntegerField(min_value=1, max_value=5, required=False)
    better = forms.IntegerField(min_value=1, max_value=5, required=False)

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if not self.errors and given.get("heard") is None and given.get("better") is None:
            raise forms.ValidationError(_("Je hebt nog niets gekozen."))
        return given
