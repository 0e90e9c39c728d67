"""What the platform's coordinators fill in to plan: rules, exceptions, periods, shares."""

from collections.abc import Iterable
from datetime import date
from typing import Any, cast

from django import forms
from django.utils.dates import WEEKDAYS
from django.utils.formats import date_format
from django.utils.text import get_text_list
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution
from roster.models import (
    CostRun,
    DateException,
    HoursRule,
    Qualification,
    RosterPeriod,
    ServiceLine,
)

_CHOOSE_DAYS = _("Kies een of meer dagen van de week.")
_CHOOSE_DATE = _("Kies een dag.")
_CHOOSE_TIME = _("Kies een tijd.")


class DayInput(forms.DateInput):
    """The browser's own calendar. It wants ISO, whatever the language."""

    input_type = "date"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%Y-%m-%d")


class ClockInput(forms.TimeInput):
    input_type = "time"

    def __init__(self, attrs: dict[str, Any] | None = None) -> None:
        super().__init__(attrs, format="%H:%M")


def day_field(label: Any, *, required: bool = True, help_text: Any = "") -> forms.DateField:
    return forms.DateField(
        label=label,
        required=required,
        help_text=help_text,
        widget=DayInput(),
        error_messages={"required": _CHOOSE_DATE, "invalid": _CHOOSE_DATE},
    )


def clock_field(label: Any, *, required: bool = True, help_text: Any = "") -> forms.TimeField:
    return forms.TimeField(
        label=label,
        required=required,
        help_text=help_text,
        widget=ClockInput(),
        error_messages={"required": _CHOOSE_TIME, "invalid": _CHOOSE_TIME},
    )


def staff_field(label: Any, *, required: bool = True, help_text: Any = "") -> forms.IntegerField:
    return forms.IntegerField(
        label=label, required=required, help_text=help_text, min_value=1, max_value=60
    )


class Staffed(forms.Form):
    """How many people: minimum, target, maximum, and how many of a kind among them."""

    min_staff = staff_field(_("Minstens"), help_text=_("Met minder mensen gaat de chat niet open."))
    target_staff = staff_field(_("Streven"), help_text=_("Zoveel plekken vult een voorstel."))
    max_staff = staff_field(_("Hoogstens"), help_text=_("Zoveel plekken zijn er."))
    mix_trainee = forms.IntegerField(
        label=_("Daarvan in opleiding"), required=False, min_value=0, max_value=60
    )
    mix_backup = forms.IntegerField(
        label=_("Daarvan achterwacht"), required=False, min_value=0, max_value=60
    )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        numbers = [data.get(name) for name in ("min_staff", "target_staff", "max_staff")]
        known = [number for number in numbers if number is not None]
        if len(known) == 3 and known != sorted(known):
            self.add_error(
                "target_staff",
                _("Het minimum mag niet boven het streven liggen, en dat niet boven het maximum."),
            )
        elif 0 < len(known) < 3 and not self.errors:
            self.add_error("min_staff", _("Vul alle drie de getallen in, of geen."))
        mix = {
            str(kind): data[name]
            for kind in (Qualification.Kind.TRAINEE, Qualification.Kind.BACKUP)
            if data.get(name := f"mix_{kind}")
        }
        if known and sum(mix.values()) > max(known):
            self.add_error("mix_trainee", _("Er zijn minder plekken dan mensen nodig zijn."))
        data["mix"] = mix
        return data


def staffing_of(rule: HoursRule) -> dict[str, Any]:
    """What a form of `Staffed` shows at first."""
    return {
        "min_staff": rule.min_staff,
        "target_staff": rule.target_staff,
        "max_staff": rule.max_staff,
        "mix_trainee": rule.mix.get(Qualification.Kind.TRAINEE),
        "mix_backup": rule.mix.get(Qualification.Kind.BACKUP),
    }


def _weekdays() -> list[tuple[int, Any]]:
    return list(WEEKDAYS.items())


class RuleForm(Staffed):
    """A recurring consultation hour, from a first day on."""

    weekdays = forms.TypedMultipleChoiceField(
        label=_("Dagen"),
        coerce=int,
        choices=_weekdays,
        widget=forms.CheckboxSelectMultiple,
        error_messages={"required": _CHOOSE_DAYS, "invalid_choice": _CHOOSE_DAYS},
    )
    local_start = clock_field(_("Van"))
    local_end = clock_field(
        _("Tot"), help_text=_("Is dit vroeger dan het begin, dan is het de volgende dag.")
    )
    every_weeks = forms.IntegerField(
        label=_("Om de hoeveel weken"),
        min_value=1,
        max_value=52,
        initial=1,
        help_text=_("1 is elke week, 2 is om de week."),
    )
    valid_from = day_field(_("Eerste dag"))
    valid_until = day_field(
        _("Laatste dag"), required=False, help_text=_("Leeg: tot je het zelf stopt.")
    )

    field_order = ["weekdays", "local_start", "local_end", "every_weeks", "valid_from",
                   "valid_until", "min_staff", "target_staff", "max_staff"]  # fmt: skip

    def __init__(self, *args: Any, earliest: date | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.earliest = earliest
        if earliest:
            self.fields["valid_from"].widget.attrs["min"] = f"{earliest:%Y-%m-%d}"

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        first, last = data.get("valid_from"), data.get("valid_until")
        if first and self.earliest and first < self.earliest:
            self.add_error(
                "valid_from", _("Kies een dag die nog moet komen. Wat geweest is, blijft.")
            )
        if first and last and last < first:
            self.add_error("valid_until", _("De laatste dag ligt voor de eerste."))
        return data

    @property
    def rule(self) -> dict[str, Any]:
        """The fields of a rule that this form fills."""
        names = ("weekdays", "local_start", "local_end", "every_weeks", "valid_until",
                 "min_staff", "target_staff", "max_staff", "mix")  # fmt: skip
        return {name: self.cleaned_data[name] for name in names}


class LastDayForm(forms.Form):
    """Until when something holds."""

    last = day_field(_("Laatste dag"))

    def __init__(self, *args: Any, earliest: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.earliest = earliest
        self.fields["last"].widget.attrs["min"] = f"{earliest:%Y-%m-%d}"

    def clean_last(self) -> date:
        last: date = self.cleaned_data["last"]
        if last < self.earliest:
            raise forms.ValidationError(_("Kies vandaag of een dag die nog moet komen."))
        return last


class ExceptionForm(Staffed):
    """Days that differ. Which fields count depends on the kind."""

    kind = forms.ChoiceField(label=_("Wat"), choices=DateException.Kind.choices)
    rule = forms.ModelChoiceField(
        HoursRule.objects.none(),
        label=_("Welk vast spreekuur"),
        required=False,
        empty_label=_("alle spreekuren van die dagen"),
    )
    first_date = day_field(_("Eerste dag"))
    last_date = day_field(_("Laatste dag"), required=False, help_text=_("Leeg: alleen die dag."))
    local_start = clock_field(_("Van"), required=False)
    local_end = clock_field(_("Tot"), required=False)
    public_reason = forms.CharField(
        label=_("Reden, voor iedereen te lezen"),
        required=False,
        max_length=200,
        help_text=_("Staat op de openbare pagina. Bijvoorbeeld: eerste kerstdag."),
    )

    field_order = ["kind", "first_date", "last_date", "rule", "public_reason", "local_start",
                   "local_end", "min_staff", "target_staff", "max_staff"]  # fmt: skip

    def __init__(self, *args: Any, line: ServiceLine, earliest: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.earliest = earliest
        self.fields["first_date"].widget.attrs["min"] = f"{earliest:%Y-%m-%d}"
        for name in ("min_staff", "target_staff", "max_staff"):
            self.fields[name].required = False
            self.fields[name].help_text = ""
        rule = cast("forms.ModelChoiceField[HoursRule]", self.fields["rule"])
        rule.queryset = line.rules.all()
        rule.label_from_instance = told_rule  # type: ignore[method-assign,assignment]

    def clean(self) -> dict[str, Any]:
        data = super().clean()
        first = data.get("first_date")
        last = data["last_date"] = data.get("last_date") or first
        if first and first < self.earliest:
            self.add_error("first_date", _("Kies vandaag of een dag die nog moet komen."))
        if first and last and last < first:
            self.add_error("last_date", _("De laatste dag ligt voor de eerste."))
        if (data.get("local_start") is None) != (data.get("local_end") is None):
            self.add_error("local_end", _("Vul begin en einde in, of geen van beide."))
        if not self.errors:
            self._fit(data)
        return data

    def _fit(self, data: dict[str, Any]) -> None:
        """Leave out what does not go with the kind; ask for what is missing."""
        times, staff = data["local_start"] is not None, data["min_staff"] is not None
        if data["kind"] == DateException.Kind.CLOSED:
            data |= dict.fromkeys(
                ("local_start", "local_end", "min_staff", "target_staff", "max_staff")
            )
            data["mix"] = None
        elif data["kind"] == DateException.Kind.EXTRA:
            data["rule"] = None
            if not times:
                self.add_error(
                    "local_start", _("Een extra spreekuur heeft een begin en een einde.")
                )
            if not staff:
                self.add_error("min_staff", _("Vul in hoeveel mensen er nodig zijn."))
        else:
            data["mix"] = data["mix"] or None
            if not (times or staff or data["mix"]):
                self.add_error(
                    "local_start", _("Vul in wat er anders is: de tijd of de bezetting.")
                )

    @property
    def exception(self) -> dict[str, Any]:
        names = ("kind", "rule", "first_date", "last_date", "local_start", "local_end",
                 "min_staff", "target_staff", "max_staff", "mix", "public_reason")  # fmt: skip
        return {name: self.cleaned_data[name] for name in names}


class PeriodForm(forms.ModelForm):
    """A stretch of the calendar that is planned as one."""

    first_date = day_field(_("Eerste dag"))
    last_date = day_field(_("Laatste dag"))

    class Meta:
        model = RosterPeriod
        fields = ["first_date", "last_date", "free_for_all_days"]
        labels = {"free_for_all_days": _("Lege plekken zijn voor iedereen, zoveel dagen vooraf")}
        help_texts = {
            "free_for_all_days": _("Tot dan kiest eerst de instelling die aan de beurt is."),
        }

    def __init__(self, *args: Any, line: ServiceLine, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.line = line
        self.instance.line = line

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first, last = data.get("first_date"), data.get("last_date")
        if first and last:
            if last < first:
                self.add_error("last_date", _("De laatste dag ligt voor de eerste."))
            elif (last - first).days > 370:
                self.add_error("last_date", _("Kies een periode van hoogstens een jaar."))
            elif self.line.periods.filter(first_date__lte=last, last_date__gte=first).exists():
                self.add_error("first_date", _("Een deel van deze dagen zit al in een periode."))
        return data


def told_days(weekdays: Iterable[int]) -> str:
    """ "maandag, dinsdag en vrijdag"."""
    return get_text_list([str(WEEKDAYS[day]) for day in sorted(weekdays)], gettext("en"))


def told_rule(rule: HoursRule) -> str:
    return f"{told_days(rule.weekdays)}, {rule.local_start:%H:%M}–{rule.local_end:%H:%M}"


class SharesForm(forms.Form):
    """The share key of a period: for each institution a weight or minutes, and its days.

    Both empty: it owes nothing in this period.
    """

    def __init__(
        self, *args: Any, period: RosterPeriod, institutions: Iterable[Institution], **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        self.period = period
        self.institutions = list(institutions)
        known = {share.institution_id: share for share in period.shares.all()}
        for one in self.institutions:
            share = known.get(one.pk)
            # Without a key yet, everybody bears the same.
            weight = share.weight if share else (None if known else 1)
            self._add(one, "weight", forms.IntegerField, weight, min_value=1, max_value=100_000)
            minutes = share.fixed_minutes if share else None
            hours = None if minutes is None else minutes / 60
            self._add(one, "hours", forms.FloatField, hours, min_value=0, max_value=100_000)
            joined = share.joined if share else _within(one.active_from, period)
            self._add(one, "joined", forms.DateField, joined, widget=DayInput())
            left = share.left if share else _within(one.active_until, period)
            self._add(one, "left", forms.DateField, left, widget=DayInput())

    def _add(
        self, one: Institution, name: str, kind: type[forms.Field], value: Any, **options: Any
    ) -> None:
        label = f"{SHARE_LABELS[name]}: {one.name}"
        field = kind(required=False, initial=value, label=label, **options)
        field.widget.attrs["aria-label"] = label
        self.fields[f"{name}_{one.pk}"] = field

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        for one in self.institutions:
            weight, hours = data.get(f"weight_{one.pk}"), data.get(f"hours_{one.pk}")
            if weight is not None and hours is not None:
                self.add_error(f"hours_{one.pk}", _("Kies een gewicht of vaste uren, niet beide."))
            joined, left = data.get(f"joined_{one.pk}"), data.get(f"left_{one.pk}")
            if joined and left and left < joined:
                self.add_error(f"left_{one.pk}", _("De laatste dag ligt voor de eerste."))
        return data

    @property
    def rows(self) -> list[dict[str, Any]]:
        """For the page: each institution with its four fields."""
        return [
            {"institution": one, **{name: self[f"{name}_{one.pk}"] for name in SHARE_LABELS}}
            for one in self.institutions
        ]

    @property
    def parts(self) -> dict[int, dict[str, Any]]:
        """What `ShareKey.agree` wants."""
        parts = {}
        for one in self.institutions:
            weight, hours, joined, left = (
                self.cleaned_data.get(f"{name}_{one.pk}") for name in SHARE_LABELS
            )
            if weight is not None or hours is not None:
                parts[one.pk] = {
                    "weight": weight,
                    "fixed_minutes": None if hours is None else round(hours * 60),
                    "joined": joined,
                    "left": left,
                }
        return parts


SHARE_LABELS = {
    "weight": _("Gewicht"),
    "hours": _("Vaste uren"),
    "joined": _("Doet mee vanaf"),
    "left": _("Doet mee tot en met"),
}


def _within(day: date | None, period: RosterPeriod) -> date | None:
    return day if day and period.holds(day) else None


class DaysForm(forms.Form):
    """Whole days at once: closed, or all of them moved by as many days."""

    what = forms.ChoiceField(
        label=_("Wat"),
        choices=[("close", _("sluiten")), ("move", _("verplaatsen"))],
        initial="close",
    )
    first = day_field(_("Eerste dag"))
    last = day_field(_("Laatste dag"), required=False, help_text=_("Leeg: alleen die dag."))
    target = day_field(
        _("De eerste dag gaat naar"),
        required=False,
        help_text=_("Alleen bij verplaatsen. De andere dagen schuiven even ver mee."),
    )
    public_reason = forms.CharField(
        label=_("Reden, voor iedereen te lezen"),
        required=False,
        max_length=200,
        help_text=_("Alleen bij sluiten. Staat op de openbare pagina."),
    )

    def __init__(self, *args: Any, earliest: date, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.earliest = earliest
        self.fields["first"].widget.attrs["min"] = f"{earliest:%Y-%m-%d}"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        first = data.get("first")
        last = data["last"] = data.get("last") or first
        if first and first < self.earliest:
            self.add_error("first", _("Kies vandaag of een dag die nog moet komen."))
        elif first and last and last < first:
            self.add_error("last", _("De laatste dag ligt voor de eerste."))
        elif first and last and (last - first).days > 62:
            self.add_error("last", _("Kies hoogstens twee maanden tegelijk."))
        if data.get("what") == "close":
            data["target"] = None
        elif not data.get("target") and "target" not in self.errors:
            self.add_error("target", _("Kies waar de eerste dag naartoe gaat."))
        elif first and data.get("target") in (None, first):
            self.add_error("target", _("Kies een andere dag."))
        return data


class CostForm(forms.Form):
    """What a division of costs starts from; amounts in euros."""

    period = forms.ModelChoiceField(
        RosterPeriod.objects.none(), label=_("Periode"), empty_label=None
    )
    method = forms.ChoiceField(
        label=_("Hoe"),
        choices=CostRun.Method.choices,
        help_text=_(
            "Naar sleutel: ieder draagt het afgesproken deel. Naar tekort: wie minder deed dan "
            "het deel, betaalt per uur. Allebei: eerst het tekort, dan de rest naar sleutel."
        ),
    )
    total = forms.DecimalField(
        label=_("Totaal in euro"),
        required=False,
        min_value=0,
        max_digits=12,
        decimal_places=2,
        localize=False,
        help_text=_("Niet nodig bij “naar tekort”: daar volgt het totaal uit de uren."),
    )
    tariff = forms.DecimalField(
        label=_("Tarief per uur tekort, in euro"),
        required=False,
        min_value=0,
        max_digits=8,
        decimal_places=2,
    )

    def __init__(self, *args: Any, line: ServiceLine, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        period = cast("forms.ModelChoiceField[RosterPeriod]", self.fields["period"])
        period.queryset = line.periods.public().order_by("-first_date")
        period.label_from_instance = told_period  # type: ignore[method-assign,assignment]

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        method = data.get("method")
        wanted = {
            "total": (CostRun.Method.SHORTFALL, _("Vul het totaal in.")),
            "tariff": (CostRun.Method.KEY, _("Vul het tarief in.")),
        }
        for name, (without, text) in wanted.items():
            if method != without and data.get(name) is None and name not in self.errors:
                self.add_error(name, text)
        for name in ("total", "tariff"):
            amount = data.get(name)
            data[f"{name}_cents"] = None if amount is None else int(amount * 100)
        return data


class PostingForm(forms.Form):
    """A posting in the ledger by hand: hand over, let off, or correct. Hours and minutes."""

    what = forms.ChoiceField(
        label=_("Wat"),
        choices=[
            ("transfer", _("uren overdragen aan een andere instelling")),
            ("waive", _("uren kwijtschelden")),
            ("add", _("uren erbij (correctie)")),
            ("take", _("uren eraf (correctie)")),
        ],
    )
    institution = forms.ModelChoiceField(
        Institution.objects.filter(is_active=True), label=_("Instelling")
    )
    other = forms.ModelChoiceField(
        Institution.objects.filter(is_active=True),
        label=_("Aan"),
        required=False,
        help_text=_("Alleen bij overdragen: deze instelling krijgt de uren."),
    )
    hours = forms.IntegerField(label=_("Uren"), min_value=0, max_value=10_000, initial=0)
    minutes = forms.IntegerField(label=_("Minuten"), min_value=0, max_value=59, initial=0)
    text = forms.CharField(label=_("Waarom"), max_length=200)
    key = forms.CharField(widget=forms.HiddenInput, max_length=40)

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        data["sum"] = (data.get("hours") or 0) * 60 + (data.get("minutes") or 0)
        if not data["sum"] and not self.errors:
            self.add_error("hours", _("Vul in hoeveel."))
        if data.get("what") == "transfer" and not data.get("other"):
            self.add_error("other", _("Kies aan wie."))
        return data


class CarryForm(forms.Form):
    """How much of a balance goes along to the next period, at most."""

    hours = forms.IntegerField(label=_("Hoogstens, in uren"), min_value=0, max_value=10_000)


def told_period(period: RosterPeriod) -> str:
    first, last = (date_format(day, "j F Y") for day in (period.first_date, period.last_date))
    return f"{first} – {last}"
