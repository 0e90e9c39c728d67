"""What a worker fills in around a letter."""

import uuid
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from chat.commands import BadCommand, clean_text
from chat.letters import MAX_LETTER
from chat.models import Conversation, SecondReading, able_institutions, hours_to_invite_to
from institutions.access import Staff
from institutions.models import Institution, User
from roster.models import ConsultationHour

MAX_NOTE = 2000


def cleaned(text: str, limit: int) -> str:
    """Raises ValidationError: not text as it is stored, or too long."""
    try:
        return clean_text(text, limit=limit, required=False)
    except BadCommand as bad:
        if bad.code == "too_long":
            raise forms.ValidationError(_("Deze tekst is te lang.")) from None
        raise forms.ValidationError(_("Hier staat een teken in dat niet kan.")) from None


class AnswerForm(forms.Form):
    """The answer that is being written, and what its writer had seen."""

    text = forms.CharField(required=False, strip=False)
    version = forms.IntegerField(min_value=0)
    seen = forms.IntegerField(min_value=0)
    client_id = forms.UUIDField()

    def clean_text(self) -> str:
        return cleaned(self.cleaned_data["text"], MAX_LETTER)

    def clean_client_id(self) -> str:
        client_id: uuid.UUID = self.cleaned_data["client_id"]
        return str(client_id)


class NoteForm(forms.Form):
    note = forms.CharField(strip=False)
    client_id = forms.UUIDField()

    def clean_note(self) -> str:
        return cleaned(self.cleaned_data["note"], MAX_NOTE)


class ReaderForm(forms.Form):
    """Whom to ask to read along; empty: whoever has time."""

    reader = forms.ModelChoiceField(User.objects.none(), required=False)

    def __init__(self, *args: Any, letter: Conversation, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["reader"].queryset = letter.colleagues(staff)  # type: ignore[attr-defined]


class VerdictForm(forms.Form):
    verdict = forms.ChoiceField(choices=SecondReading.Verdict.choices)
    note = forms.CharField(required=False, strip=False)

    def clean_note(self) -> str:
        return cleaned(self.cleaned_data["note"], MAX_NOTE)


class TransferForm(forms.Form):
    to = forms.ModelChoiceField(Institution.objects.none())
    note = forms.CharField(required=False, strip=False)

    def __init__(self, *args: Any, letter: Conversation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        others = able_institutions().exclude(pk=letter.institution_id or 0)
        self.fields["to"].queryset = others  # type: ignore[attr-defined]

    def clean_note(self) -> str:
        return cleaned(self.cleaned_data["note"], MAX_NOTE)


class InviteForm(forms.Form):
    hour = forms.ModelChoiceField(ConsultationHour.objects.none())

    def __init__(self, *args: Any, letter: Conversation, now: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["hour"].queryset = hours_to_invite_to(letter.line, now)  # type: ignore[attr-defined]


class RegisterForm(forms.Form):
    contact_kind = forms.ChoiceField(choices=Conversation.ContactKind.choices)
    topic = forms.ChoiceField(choices=Conversation.Topic.choices, required=False)
    topic_detail = forms.CharField(required=False)
    risk = forms.ChoiceField(choices=Conversation.Risk.choices, required=False)

    def clean_topic(self) -> str:
        topic: str = self.cleaned_data["topic"]
        return topic or Conversation.Topic.UNKNOWN


# The young person's own reasons, and the clock's, are no worker's.
REASONS = [
    (Conversation.ClosingReason.FINISHED, _("de vraag is beantwoord")),
    (Conversation.ClosingReason.REFERRED, _("doorverwezen")),
    (Conversation.ClosingReason.VISITOR_LEFT, _("de jongere reageert niet meer")),
    (Conversation.ClosingReason.MISUSE, _("misbruik")),
]


class CloseForm(RegisterForm):
    reason = forms.ChoiceField(choices=REASONS)
    seen = forms.IntegerField(min_value=0)

    field_order = ("reason", "contact_kind", "topic", "topic_detail", "risk", "seen")
