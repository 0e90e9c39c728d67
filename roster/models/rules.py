"""What repeats and its exceptions: rules only generate, the plan is rows.

Wall time and zone are the truth and UTC is derived from them (`roster/time.py`), so that 19:00
stays 19:00 on both sides of a clock change. Dates are those of the line's wall calendar, and a
last day is always included.
"""

from datetime import date, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution
from roster.models.hours import ConsultationHour
from roster.models.line import ServiceLine
from roster.models.staffing import Staffing, is_mix
from roster.time import days, span


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def are_weekdays(value: object) -> None:
    """Accept one or more different whole numbers from 0 (Monday) to 6."""
    if (
        not isinstance(value, list)
        or not value
        or any(type(day) is not int or not 0 <= day <= 6 for day in value)
        or len(set(value)) != len(value)
    ):
        raise ValidationError(_("Kies een of meer dagen van de week."))


class HoursRule(Staffing):
    """A recurring consultation hour. To change one, end it and start another: the past stays."""

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="rules")
    weekdays = models.JSONField(validators=[are_weekdays], help_text="Numbers, Monday is 0.")
    local_start = models.TimeField()
    local_end = models.TimeField(help_text="At or before the start: on the next day.")
    valid_from = models.DateField()
    valid_until = models.DateField(null=True, blank=True, help_text="Last day, included.")
    every_weeks = models.PositiveSmallIntegerField(
        default=1,
        validators=[MinValueValidator(1), MaxValueValidator(52)],
        help_text="1: every week; 2: every other week.",
    )
    anchor = models.DateField(
        null=True,
        blank=True,
        help_text="A day in a week that counts, weeks from Monday; empty: the first day.",
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(min_staff__lte=models.F("target_staff"))
                & models.Q(target_staff__lte=models.F("max_staff")),
                name="rule_min_target_max",
            ),
            models.CheckConstraint(
                condition=models.Q(every_weeks__gte=1), name="rule_every_week_or_fewer"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.local_start:%H:%M}-{self.local_end:%H:%M}"

    def clean(self) -> None:
        super().clean()
        if self.valid_until and self.valid_until < self.valid_from:
            raise ValidationError({"valid_until": _("De laatste dag ligt voor de eerste.")})

    def holds_on(self, day: date) -> bool:
        """Whether this rule has an hour on a date: its weekdays, its weeks and its days."""
        if day < self.valid_from or (self.valid_until and day > self.valid_until):
            return False
        weeks = (_monday(day) - _monday(self.anchor or self.valid_from)).days // 7
        return day.weekday() in self.weekdays and weeks % self.every_weeks == 0

    def generate(self, first: date, last: date) -> int:
        """Make the consultation hours from `first` to `last`, both included, that are missing.

        Returns how many were made. Safe to run twice and from two processes; never touches an
        hour that exists, so what a person changed or cancelled stays that way.
        """
        first = max(first, self.valid_from)
        if self.valid_until:
            last = min(last, self.valid_until)
        known = set(
            self.hours.filter(local_date__range=(first, last)).values_list("local_date", flat=True)
        )
        return sum(
            self._make(day) for day in days(first, last) if day not in known and self.holds_on(day)
        )

    def _make(self, day: date) -> bool:
        start, end = span(day, self.local_start, self.local_end, self.line.zone)
        if end <= start:  # the clock skips this whole hour tonight
            return False
        with transaction.atomic():
            hour, is_new = ConsultationHour.objects.get_or_create(
                rule=self,
                local_date=day,
                defaults={
                    "line": self.line,
                    "local_start": self.local_start,
                    "local_end": self.local_end,
                    "tz": self.line.tz,
                    **self.staffing,
                },
            )
            if is_new:
                hour.make_seats()
        return is_new

    def stop(self, last: date) -> int:
        """Let this rule end after `last`. Hours after it that nobody has a duty in disappear.

        Returns how many hours after it stay, because somebody has a duty in them: a person
        decides about those.
        """
        with transaction.atomic():
            HoursRule.objects.filter(pk=self.pk).update(valid_until=last)
            self.valid_until = last
            later = self.hours.filter(local_date__gt=last, start__gt=timezone.now())
            later.filter(duties__isnull=True, status=ConsultationHour.Status.PLANNED).delete()
            return later.planned().count()


class DateExceptionQuerySet(models.QuerySet["DateException"]):
    def confirmed(self) -> "DateExceptionQuerySet":
        return self.filter(state=DateException.State.CONFIRMED)

    def suggested(self) -> "DateExceptionQuerySet":
        return self.filter(state=DateException.State.SUGGESTED)

    def between(self, first: date, last: date) -> "DateExceptionQuerySet":
        """Those that touch a day from `first` to `last`, both included."""
        return self.filter(first_date__lte=last, last_date__gte=first)


class DateException(models.Model):
    """Days that differ from the rules: closed, other times or staffing, or an extra hour.

    Written by coordinators of the platform, and by the import of holidays as a suggestion. Only a
    confirmed one changes anything, and it changes rows of hours once, when it is confirmed: what
    a person changes in them afterwards stays.
    """

    class Kind(models.TextChoices):
        CLOSED = "closed", _("dicht")
        CHANGED = "changed", _("anders")
        EXTRA = "extra", _("extra spreekuur")

    class Source(models.TextChoices):
        MANUAL = "manual", _("met de hand")
        HOLIDAYS = "holidays", _("feestdagen en vakanties")

    class State(models.TextChoices):
        SUGGESTED = "suggested", _("voorstel")
        CONFIRMED = "confirmed", _("bevestigd")
        DISMISSED = "dismissed", _("niet overgenomen")

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="exceptions")
    rule = models.ForeignKey(
        HoursRule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="exceptions",
        help_text="Only the hours of this rule; empty: all hours of the line.",
    )
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.CLOSED)
    first_date = models.DateField()
    last_date = models.DateField(help_text="Included.")
    local_start = models.TimeField(null=True, blank=True)
    local_end = models.TimeField(
        null=True, blank=True, help_text="At or before the start: on the next day."
    )
    min_staff = models.PositiveSmallIntegerField(null=True, blank=True)
    target_staff = models.PositiveSmallIntegerField(null=True, blank=True)
    max_staff = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(60)]
    )
    mix = models.JSONField(null=True, blank=True, validators=[is_mix])
    public_reason = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.MANUAL)
    name = models.CharField(max_length=80, blank=True, help_text="Of the holiday.")
    region = models.CharField(
        max_length=6,
        choices=Institution.SchoolRegion.choices,
        blank=True,
        help_text="Of a school holiday; empty: the whole country.",
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.SUGGESTED)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who confirmed or dismissed it; empty as long as nobody did.",
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = DateExceptionQuerySet.as_manager()

    class Meta:
        ordering = ["first_date", "pk"]
        indexes = [models.Index(fields=["line", "first_date"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_date__gte=F("first_date")), name="exception_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(local_start__isnull=True, local_end__isnull=True)
                | Q(local_start__isnull=False, local_end__isnull=False),
                name="exception_has_both_times",
            ),
            models.CheckConstraint(
                condition=Q(
                    min_staff__isnull=True, target_staff__isnull=True, max_staff__isnull=True
                )
                | Q(
                    min_staff__gte=1,
                    min_staff__lte=F("target_staff"),
                    target_staff__lte=F("max_staff"),
                    min_staff__isnull=False,
                    target_staff__isnull=False,
                    max_staff__isnull=False,
                ),
                name="exception_min_target_max",
            ),
            models.CheckConstraint(
                condition=~Q(kind="closed") | Q(local_start__isnull=True, min_staff__isnull=True),
                name="closed_has_no_times",
            ),
            models.CheckConstraint(
                condition=~Q(kind="extra") | Q(local_start__isnull=False, min_staff__isnull=False),
                name="extra_has_times_and_staff",
            ),
            models.CheckConstraint(
                condition=~Q(kind="changed", state="confirmed")
                | Q(local_start__isnull=False)
                | Q(min_staff__isnull=False)
                | Q(mix__isnull=False),
                name="changed_changes_something",
            ),
            models.CheckConstraint(
                condition=Q(state="suggested") | Q(author__isnull=False),
                name="exception_has_an_author",
            ),
            # So the import may run again, and does not bring back what was dismissed.
            models.UniqueConstraint(
                fields=["line", "first_date", "name", "region"],
                condition=Q(source="holidays"),
                name="one_suggestion_per_holiday",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.kind} {self.first_date} to {self.last_date}"
