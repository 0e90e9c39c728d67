"""What a coordinator of the platform may change of one hour."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from roster.models import ConsultationHour, Qualification


class HourForm(forms.Form):
    """About this hour."""

    def __init__(self, *args: Any, hour: ConsultationHour, **kwargs: Any) -> None:
        self.hour = hour
        super().__init__(*args, **kwargs)


class CancelForm(HourForm):
    public_reason = forms.CharField(
        label=_("Waarom (jongeren lezen dit)"),
        max_length=ConsultationHour._meta.get_field("public_reason").max_length,
        required=False,
    )


class MoveForm(HourForm):
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


class StaffingForm(HourForm):
    """How many people, and how many of a kind among them. Gives `mix` too."""

    min_staff = forms.IntegerField(label=_("Minimaal"), min_value=1, max_value=60)
    target_staff = forms.IntegerField(label=_("Streven"), min_value=1, max_value=60)
    max_staff = forms.IntegerField(label=_("Hooguit"), min_value=1, max_value=60)
    mix_trainee = forms.IntegerField(
        label=_("Daarvan in opleiding"), required=False, min_value=0, max_value=60
    )
    mix_backup = forms.IntegerField(
        label=_("Daarvan achterwacht"), required=False, min_value=0, max_value=60
    )

    # Ordinary duties that a rule asks for stay as they are.
    KINDS = (Qualification.Kind.TRAINEE, Qualification.Kind.BACKUP)

    def __init__(self, *args: Any, hour: ConsultationHour, **kwargs: Any) -> None:
        kwargs.setdefault(
            "initial",
            hour.staffing | {f"mix_{kind}": hour.mix.get(kind) for kind in self.KINDS},
        )
        super().__init__(*args, hour=hour, **kwargs)
        self.kept = {kind: n for kind, n in hour.mix.items() if kind not in self.KINDS}

    def clean(self) -> dict[str, Any]:
        numbers: dict[str, Any] = super().clean() or {}
        if not self.errors and not (
            numbers["min_staff"] <= numbers["target_staff"] <= numbers["max_staff"]
        ):
            raise forms.ValidationError(
                _("Het minimum mag niet boven het streven liggen, en dat niet boven het maximum.")
            )
        mix = self.kept | {
            str(kind): count for kind in self.KINDS if (count := numbers.get(f"mix_{kind}"))
        }
        if not self.errors and sum(mix.values()) > numbers["max_staff"]:
            raise forms.ValidationError(_("Er zijn minder plekken dan mensen nodig zijn."))
        numbers["mix"] = mix
        return numbers
