"""What people may ask of the roster by form."""

from datetime import datetime
from typing import Any

from django import forms
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from roster.models import LONGEST_OVERRIDE, OpenOverride, ServiceLine


class OverrideForm(forms.Form):
    """Hold the chat open or closed. Times are wall times of the line, whoever fills them in."""

    is_open = forms.ChoiceField(
        choices=[("open", _("Open zetten")), ("closed", _("Dicht zetten"))],
        error_messages={
            "required": _("Kies of de chat open of dicht moet."),
            "invalid_choice": _("Kies of de chat open of dicht moet."),
        },
    )
    until = forms.DateTimeField(
        label=_("Tot"),
        input_formats=["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S"],
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
        error_messages={
            "required": _("Kies tot wanneer."),
            "invalid": _("Kies een dag en een tijd."),
        },
    )
    reason = forms.CharField(
        label=_("Waarom"),
        max_length=OpenOverride._meta.get_field("reason").max_length,
        error_messages={"required": _("Schrijf kort op waarom.")},
    )

    def __init__(self, *args: Any, line: ServiceLine, now: datetime, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.line, self.now = line, now
        with timezone.override(line.zone):
            local = timezone.localtime(now)
            self.fields["until"].widget.attrs |= {
                "min": f"{local:%Y-%m-%dT%H:%M}",
                "max": f"{timezone.localtime(now + LONGEST_OVERRIDE):%Y-%m-%dT%H:%M}",
            }
        for name in ("until", "reason"):
            if self.is_bound and self.errors.get(name):
                self.fields[name].widget.attrs |= {
                    "aria-invalid": "true",
                    "aria-describedby": f"error_{name}",
                }

    def full_clean(self) -> None:
        with timezone.override(self.line.zone):
            super().full_clean()

    def clean_is_open(self) -> bool:
        return bool(self.cleaned_data["is_open"] == "open")

    def clean_until(self) -> datetime:
        until: datetime = self.cleaned_data["until"]
        if not self.now < until <= self.now + LONGEST_OVERRIDE:
            raise forms.ValidationError(_("Kies een tijd in de komende 24 uur."))
        return until
