"""Everything that a page of a visit can send."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chat.commands import BadCommand, clean_text

MAX_WORDS = 500


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


class StepForm(forms.Form):
    """One step of a questionnaire. `cleaned_data` holds what was answered and nothing else."""

    def __init__(self, step: dict[str, Any], *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        for question in step["questions"]:
            self.fields[question["code"]] = (
                OwnWords(limit=MAX_WORDS, required=False)
                if question["kind"] == "text"
                else forms.ChoiceField(
                    choices=[(option["code"], "") for option in question["options"]],
                    required=False,
                    error_messages={"invalid_choice": _("Kies een van de antwoorden.")},
                )
            )
        only = step["questions"][0]
        self.must_choose = len(step["questions"]) == 1 and only["kind"] != "text"

    def clean(self) -> dict[str, Any]:
        given = {code: value for code, value in self.cleaned_data.items() if value}
        if self.must_choose and not given and not self.errors:
            raise forms.ValidationError(_("Je hebt nog niets gekozen. Kies iets, of sla over."))
        return given


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
