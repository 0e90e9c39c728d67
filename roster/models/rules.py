"""What repeats: rules only generate, the plan is rows. Exceptions: `exceptions.py`.

Wall time and zone are the truth and UTC is derived from them (`roster/time.py`), so that 19:00
stays 19:00 on both sides of a clock change. Dates are those of the line's wall calendar, and a
last day is always included.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import User
from roster.models import changing
from roster.models.acting import require_planner
from roster.models.hours import ConsultationHour
from roster.models.line import ServiceLine
from roster.models.moves import RosterRefused
from roster.models.periods import RosterPeriod
from roster.models.staffing import Staffing
from roster.news import News, tell
from roster.time import days, span

if TYPE_CHECKING:
    from roster.models.exceptions import DateException


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

        Returns how many were made. Confirmed exceptions count: on a closed day the hour is made
        cancelled, with the reason. Safe to run twice and from two processes; never touches an
        hour that exists, so what a person changed or cancelled stays that way.
        """
        first = max(first, self.valid_from)
        if self.valid_until:
            last = min(last, self.valid_until)
        known = set(
            self.hours.filter(local_date__range=(first, last)).values_list("local_date", flat=True)
        )
        todo = [day for day in days(first, last) if day not in known and self.holds_on(day)]
        if not todo:
            return 0
        exceptions = list(self.line.exceptions.confirmed().between(first, last))
        periods = list(self.line.periods.filter(first_date__lte=last, last_date__gte=first))
        return sum(self._make(day, self.wants(day, exceptions), periods) for day in todo)

    def wants(self, day: date, exceptions: Iterable["DateException"]) -> "Wanted":
        """What this rule and these confirmed exceptions make of a day on which it holds.

        An exception for this rule alone outweighs one for the whole line; else the last one does.
        """
        wanted = Wanted(self.local_start, self.local_end, self.staffing)
        theirs = [one for one in exceptions if one.touches(self, day)]
        for one in sorted(theirs, key=lambda one: (one.rule_id is not None, one.pk)):
            wanted = one.applied_to(wanted)
        return wanted

    def _make(self, day: date, wanted: "Wanted", periods: Iterable[RosterPeriod]) -> bool:
        start, end = span(day, wanted.local_start, wanted.local_end, self.line.zone)
        if end <= start:  # the clock skips this whole hour tonight
            return False
        fields: dict[str, Any] = {}
        if wanted.is_closed:
            fields = {
                "status": ConsultationHour.Status.CANCELLED,
                "cancelled_at": timezone.now(),
                "public_reason": wanted.reason,
            }
        with transaction.atomic():
            hour, is_new = ConsultationHour.objects.get_or_create(
                rule=self,
                local_date=day,
                defaults={
                    "line": self.line,
                    "period": next((period for period in periods if period.holds(day)), None),
                    "local_start": wanted.local_start,
                    "local_end": wanted.local_end,
                    "tz": self.line.tz,
                    **wanted.staffing,
                    **fields,
                },
            )
            if is_new:
                hour.make_seats()
        return is_new

    def change(self, by: User, first_date: date, **fields: Any) -> "HoursRule":
        """End this rule before `first_date`, start another from there, and return that one.

        `fields` are those that differ: weekdays, times, staffing, weeks, `valid_until`. Hours to
        come follow the new rule: their seats and duties stay where it has an hour on that day too,
        and its people are told of other times; the others are cancelled, or disappear when nobody
        ever had a duty in them. What has begun and what was changed by hand stays as it is.

        Raises RosterRefused: not_yours, past (before today), ended (this rule did), changed
        (somebody ended it meanwhile); ValidationError when the new rule makes no sense.
        """
        require_planner(by)
        now = timezone.now()
        if first_date < self.line.today(now):
            raise RosterRefused("past")
        if self.valid_until and self.valid_until < first_date:
            raise RosterRefused("ended")
        with transaction.atomic():
            old = HoursRule.objects.select_for_update().get(pk=self.pk)
            if old.valid_until != self.valid_until:
                raise RosterRefused("changed")
            same = {
                field.name: getattr(old, field.name)
                for field in HoursRule._meta.concrete_fields
                if not field.primary_key
            }
            # Every other week goes on in the same weeks.
            same["anchor"] = old.anchor or old.valid_from
            new = HoursRule(**same | {"valid_from": first_date} | fields)
            new.full_clean()
            new.save()
            HoursRule.objects.filter(pk=old.pk).update(valid_until=first_date - timedelta(days=1))
            later = list(old.hours.filter(local_date__gte=first_date).select_related("line"))
            changing.lock(later)
            old._hand_exceptions_to(new, first_date)
            tell(new.adopt(later, by, now), "hours_changed", f"rule:{new.pk}")
            if later:
                new.generate(first_date, max(hour.local_date for hour in later))
        self.refresh_from_db()
        return new

    def _hand_exceptions_to(self, new: "HoursRule", first_date: date) -> None:
        """What was decided for this rule alone goes on for the new one, from its first day."""
        for one in self.exceptions.filter(last_date__gte=first_date):
            began = one.first_date
            one.rule, one.first_date = new, max(began, first_date)
            one.save(update_fields=["rule", "first_date"])
            if began < first_date:
                one.pk, one.rule = None, self
                one.first_date, one.last_date = began, first_date - timedelta(days=1)
                one.save(force_insert=True)

    def adopt(self, hours: Iterable[ConsultationHour], by: User, now: datetime) -> list[News]:
        """Take over hours of a rule that this one replaces; return what to tell.

        What began or was changed by hand only gets another rule, and stays what it was.
        """
        news: list[News] = []
        exceptions = list(self.line.exceptions.confirmed())
        for hour in hours:
            if self.holds_on(hour.local_date):
                # Also what began today or was changed by hand: else this rule makes a second one.
                ConsultationHour.objects.filter(pk=hour.pk).update(rule=self)
                hour.refresh_from_db()
                if not hour.is_detached:
                    news += conform(hour, self.wants(hour.local_date, exceptions), by, now)
            elif not hour.is_detached and hour.start > now:
                news += remove(hour, by, now, "")
        return news

    def stop(self, last: date) -> int:
        """Let this rule end after `last`. Hours after it that nobody has a duty in disappear.

        Returns how many hours after it stay, because somebody has a duty in them: a person
        decides about those.
        """
        with transaction.atomic():
            HoursRule.objects.filter(pk=self.pk).update(valid_until=last)
            self.valid_until = last
            later = self.hours.filter(local_date__gt=last, start__gt=timezone.now())
            by_rule = Q(status=ConsultationHour.Status.PLANNED) | Q(is_detached=False)
            later.filter(by_rule, duties__isnull=True).delete()
            return later.planned().count()


@dataclass(frozen=True)
class Wanted:
    """What rules and exceptions make of one day."""

    local_start: time
    local_end: time
    staffing: dict[str, Any]
    is_closed: bool = False
    reason: str = ""


def conform(hour: ConsultationHour, wanted: Wanted, by: User, now: datetime) -> list[News]:
    """Make an hour to come what is wanted; return what there is to tell.

    The caller leaves out what was changed by hand. Does nothing to an hour that has begun.
    """
    is_cancelled = hour.status == ConsultationHour.Status.CANCELLED
    times = (hour.local_start, hour.local_end) == (wanted.local_start, wanted.local_end)
    is_so = not is_cancelled and times and hour.staffing == wanted.staffing
    if hour.start <= now or (is_so and not wanted.is_closed):
        return []
    if wanted.is_closed:
        return [] if is_cancelled else changing.cancel(hour, by, now, wanted.reason, by_hand=False)
    news = changing.reopen(hour, now, by_hand=False) if is_cancelled else []
    try:
        news += changing.move(
            hour, by, now, hour.local_date, wanted.local_start, wanted.local_end, by_hand=False
        )
    except RosterRefused as refused:
        if refused.code not in ("no_time", "past"):
            raise
        # The new time is over already, or the clock skips it: then there is no hour that day.
        return news + changing.cancel(hour, by, now, "", by_hand=False)
    people = changing.taken(hour)
    maximum = max(wanted.staffing["max_staff"], people)
    changing.staff(
        hour,
        now,
        wanted.staffing["min_staff"],
        wanted.staffing["target_staff"],
        maximum,
        wanted.staffing["mix"],
        by_hand=False,
    )
    return news


def remove(hour: ConsultationHour, by: User, now: datetime, reason: str) -> list[News]:
    """Take away an hour to come that nothing asks for any more; cancel it if it had duties."""
    if not hour.duties.exists():
        hour.delete()
        return []
    if hour.status == ConsultationHour.Status.CANCELLED:
        return []
    return changing.cancel(hour, by, now, reason, by_hand=False)
