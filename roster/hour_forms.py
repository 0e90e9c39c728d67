"""What a coordinator of the platform may change of one hour."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from roster.models import ConsultationHour


class CancelForm(forms.Form):
    public_reason = forms.CharField(
        label=_("Waarom (jongeren lezen dit)"),
        max_length=ConsultationHour._meta.get_field("public_reason").max_length,
        required=False,
    )


class MoveForm(forms.Form):
    """Wall times of the line, whoever fills them in. An end before the start is the next day."""

    day = forms.DateField(
        label=_("Dag"),
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages={"required": _("Kies een dag."), "invalid": _("Kies een dag.")},
    )
    start = forms.TimeField(
        label=_("Van"),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"required": _("Kies een tijd."), "invalid": _("Kies een tijd.")},
    )
    end = forms.TimeField(
        label=_("Tot"),
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages={"required": _("Kies een tijd."), "invalid": _("Kies een tijd.")},
    )


class StaffingForm(forms.Form):
    min_staff = forms.IntegerField(label=_("Minimaal"), min_value=1, max_value=60)
    target_staff = forms.IntegerField(label=_("Streven"), min_value=1, max_value=60)
    max_staff = forms.IntegerField(label=_("Hooguit"), min_value=1, max_value=60)

    def clean(self) -> dict[str, Any]:
        numbers: dict[str, Any] = super().clean() or {}
        if not self.errors and not (
            numbers["min_staff"] <= numbers["target_staff"] <= numbers["max_staff"]
        ):
            raise forms.ValidationError(
                _("Het minimum mag niet boven het streven liggen, en dat niet boven het maximum.")
            )
        return numbers
