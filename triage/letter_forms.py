"""What the pages of a letter can send."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chat.letters import MAX_LETTER
from chat.models import Conversation
from triage.forms import OwnWords


class AnswerForm(forms.Form):
    """How she hears of an answer, and the e-mail address that goes with it.

    `has_address`: one was left before; leaving the field empty keeps it. It is never shown again.
    """

    def __init__(self, *args: Any, has_address: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        self.has_address = has_address

    answer_by = forms.ChoiceField(
        choices=Conversation.AnswerBy.choices,
        error_messages={
            "required": _("Kies hoe je het antwoord wilt krijgen."),
            "invalid_choice": _("Kies hoe je het antwoord wilt krijgen."),
        },
    )
    address = forms.EmailField(
        required=False,
        max_length=254,
        error_messages={"invalid": _("Dit is geen e-mailadres. Kijk het nog eens na.")},
    )

    def clean(self) -> dict[str, Any]:
        given = self.cleaned_data
        if given.get("answer_by") == Conversation.AnswerBy.CODE:
            # Filled in, and then another choice made: then we do not want to have it.
            self.errors.pop("address", None)
            given["address"] = ""
        elif (
            "answer_by" in given
            and not given.get("address")
            and "address" not in self.errors
            and not self.has_address
        ):
            self.add_error("address", _("Vul je e-mailadres in, of kies alleen de code."))
        return given


class LetterForm(AnswerForm):
    """A new letter."""

    client_id = forms.UUIDField()
    text = OwnWords(limit=MAX_LETTER)


class CodeForm(forms.Form):
    """The return code, however it was typed; `chat/return_words` reads it."""

    words = forms.CharField(
        max_length=400,
        error_messages={
            "required": _("Vul je zeven woorden in."),
            "max_length": _("Dat zijn er te veel. Vul alleen je zeven woorden in."),
        },
    )
