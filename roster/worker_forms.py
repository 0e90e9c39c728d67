"""What a worker tells of themselves by form: when they can, when not, and how much they like."""

from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.utils.translation import gettext_lazy as _

from roster.models import Availability, ConsultationHour, Duty, ServiceLine, WorkerWishes
from roster.time import span, to_utc

WEEKDAYS = [
    (0, _("maandag")),
    (1, _("dinsdag")),
    (2, _("woensdag")),
    (3, _("donderdag")),
    (4, _("vrijdag")),
    (5, _("zaterdag")),
    (6, _("zondag")),
]
DATE = {"invalid": _("Kies een dag.")}
TIME = {"invalid": _("Kies een tijd, bijvoorbeeld 19:00.")}


def day(label: Any, **options: Any) -> forms.DateField:
    return forms.DateField(
        label=label,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        error_messages=DATE | {"required": _("Kies een dag.")},
        **options,
    )


def wall_time(label: Any) -> forms.TimeField:
    return forms.TimeField(
        label=label,
        required=False,
        widget=forms.TimeInput(attrs={"type": "time"}, format="%H:%M"),
        error_messages=TIME,
    )


class WorkerForm(forms.Form):
    """A form among others on one page: each has a name, so that no two fields share an id."""

    name: str

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.auto_id = f"{self.name}_%s"
        if self.is_bound:
            for field in self.errors:
                if field in self.fields:
                    self.fields[field].widget.attrs |= {
                        "aria-invalid": "true",
                        "aria-describedby": f"{self.name}_{field}_error",
                    }


class TimesForm(WorkerForm):
    """Asks what somebody can between two wall times; both left empty is the whole day."""

    kind = forms.ChoiceField(
        label=_("Ik"),
        choices=[
            (Availability.Kind.PREFERRED, _("doe dan graag een dienst")),
            (Availability.Kind.POSSIBLE, _("kan dan")),
            (Availability.Kind.UNAVAILABLE, _("kan dan niet")),
        ],
        widget=forms.RadioSelect,
        error_messages={
            "required": _("Kies of je dan kunt."),
            "invalid_choice": _("Kies of je dan kunt."),
        },
    )
    local_start = wall_time(_("Van"))
    local_end = wall_time(_("Tot"))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if "local_start" in cleaned and "local_end" in cleaned:
            start, end = cleaned["local_start"], cleaned["local_end"]
            if (start is None) != (end is None):
                empty = "local_end" if end is None else "local_start"
                self.add_error(empty, _("Vul van en tot in. De hele dag? Laat ze allebei leeg."))
            cleaned["local_start"], cleaned["local_end"] = start or time(), end or time()
        return cleaned


class WeeklyForm(TimesForm):
    """The same every week, on one or more days."""

    name = "weekly"

    weekdays = forms.TypedMultipleChoiceField(
        label=_("Op"),
        choices=WEEKDAYS,
        coerce=int,
        widget=forms.CheckboxSelectMultiple,
        error_messages={
            "required": _("Kies een of meer dagen."),
            "invalid_choice": _("Kies een of meer dagen."),
        },
    )
    valid_from = day(_("Vanaf"), required=False)
    valid_until = day(_("Tot en met"), required=False)

    field_order = ["weekdays", "local_start", "local_end", "kind", "valid_from", "valid_until"]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        first, last = cleaned.get("valid_from"), cleaned.get("valid_until")
        if first and last and last < first:
            self.add_error("valid_until", _("De laatste dag ligt voor de eerste."))
        return cleaned


class SpanForm(TimesForm):
    """One day, or a part of it that may end after midnight. Gives `start` and `end` in UTC."""

    name = "span"

    day = day(_("Dag"))

    field_order = ["day", "local_start", "local_end", "kind"]

    def __init__(self, *args: Any, zone: ZoneInfo, now: datetime, **kwargs: Any) -> None:
        self.zone, self.now = zone, now
        super().__init__(*args, **kwargs)
        self.fields["day"].widget.attrs["min"] = f"{now.astimezone(zone):%Y-%m-%d}"

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if not self.errors:
            start, end = span(
                cleaned["day"], cleaned["local_start"], cleaned["local_end"], self.zone
            )
            if end <= start:
                self.add_error("local_end", _("Die nacht slaat de klok deze tijd over."))
            elif end <= self.now:
                self.add_error("day", _("Dit is al voorbij."))
            cleaned["start"], cleaned["end"] = start, end
        return cleaned


class AbsenceForm(WorkerForm):
    """Days on which somebody is away. There is no place for a reason."""

    name = "absence"

    first_date = day(_("Eerste dag"))
    last_date = day(_("Laatste dag"), required=False)

    def __init__(self, *args: Any, today: date, **kwargs: Any) -> None:
        self.today = today
        super().__init__(*args, **kwargs)
        for name in ("first_date", "last_date"):
            self.fields[name].widget.attrs["min"] = today.isoformat()

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        first = cleaned.get("first_date")
        last = cleaned["last_date"] = cleaned.get("last_date") or first
        if first and last:
            if last < first:
                self.add_error("last_date", _("De laatste dag ligt voor de eerste."))
            elif last < self.today:
                self.add_error("last_date", _("Dit is al voorbij."))
            elif (last - first).days > 366:
                self.add_error(
                    "last_date", _("Dit is langer dan een jaar. Kies een dag die eerder is.")
                )
        return cleaned


def number(label: Any, most: int) -> forms.IntegerField:
    wrong = _("Vul een heel getal in, of laat dit leeg.")
    return forms.IntegerField(
        label=label,
        required=False,
        min_value=0,
        max_value=most,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        error_messages={"invalid": wrong, "min_value": wrong},
    )


class WishesForm(WorkerForm):
    """How much somebody likes to do; everything may be left empty."""

    name = "wishes"

    max_per_week = number(_("Hoogstens zoveel diensten per week"), 14)
    min_per_period = number(_("Minstens zoveel diensten per roosterperiode"), 200)
    max_per_period = number(_("Hoogstens zoveel diensten per roosterperiode"), 200)
    preferred_line = forms.ModelChoiceField(
        ServiceLine.objects.all(),
        label=_("Het liefst bij"),
        required=False,
        empty_label=_("Geen voorkeur"),
    )

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        least, most = cleaned.get("min_per_period"), cleaned.get("max_per_period")
        if least is not None and most is not None and most < least:
            self.add_error("max_per_period", _("Dit is minder dan het minste dat je wilt."))
        return cleaned


WISHES = ("max_per_week", "min_per_period", "max_per_period", "preferred_line")


def wishes_of(worker: Any) -> dict[str, Any]:
    """What the form shows first."""
    wishes = WorkerWishes.objects.filter(worker=worker).first()
    return {name: getattr(wishes, name) for name in WISHES} if wishes else {}


class PartForm(forms.Form):
    """Which part of a duty or an hour it is about, in wall times. Gives `part` in UTC."""

    start = wall_time(_("Van"))
    end = wall_time(_("Tot"))

    def __init__(self, *args: Any, within: Duty | ConsultationHour, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.within = within
        self.hour = within.hour if isinstance(within, Duty) else within
        for name in ("start", "end"):
            self.fields[name].required = True
            self.fields[name].error_messages["required"] = _("Vul van en tot in.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            part = (
                self._instant(cleaned["start"], end=False),
                self._instant(cleaned["end"], end=True),
            )
            if not self.within.start <= part[0] < part[1] <= self.within.end:
                raise forms.ValidationError(
                    _("Kies een tijd binnen je dienst.")
                    if isinstance(self.within, Duty)
                    else _("Kies een tijd binnen het spreekuur.")
                )
            cleaned["part"] = part
        return cleaned

    def _instant(self, wall: time, *, end: bool) -> datetime:
        """A time before the hour began is after midnight; so is its beginning as an end."""
        hour = self.hour
        is_next_day = wall < hour.local_start or (end and wall == hour.local_start)
        date = hour.local_date + timedelta(days=is_next_day)
        return to_utc(date, wall, ZoneInfo(hour.tz), end=end)


class ClaimHoursForm(forms.Form):
    """How long somebody really worked. Gives `total` in minutes."""

    hours = forms.IntegerField(label=_("Uren"), min_value=0, max_value=24, required=False)
    minutes = forms.IntegerField(label=_("Minuten"), min_value=0, max_value=59, required=False)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            for code in ("invalid", "min_value", "max_value"):
                field.error_messages[code] = _("Vul hele uren en minuten in.")

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if not self.errors:
            if cleaned.get("hours") is None and cleaned.get("minutes") is None:
                raise forms.ValidationError(_("Vul in hoe lang je werkte."))
            cleaned["total"] = (cleaned.get("hours") or 0) * 60 + (cleaned.get("minutes") or 0)
        return cleaned
