"""The plan: rules generate hours, hours have seats, duties fill seats.

Rules only generate; the plan is rows. Wall time and zone are the truth and UTC is derived from
them (`roster/time.py`), so that 19:00 stays 19:00 on both sides of a clock change. Spans are
half-open: [start, end). That nobody is on duty twice at a time: `roster/guards.py`.
"""

import secrets
import zoneinfo
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster.models.line import ServiceLine, is_zone
from roster.time import days, span


class RosterRefused(Exception):
    """A change of the plan that may not happen. `code`: full, overlap, outside, elsewhere."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def are_weekdays(value: object) -> None:
    """Accept one or more different whole numbers from 0 (Monday) to 6."""
    if (
        not isinstance(value, list)
        or not value
        or any(type(day) is not int or not 0 <= day <= 6 for day in value)
        or len(set(value)) != len(value)
    ):
        raise ValidationError(_("Kies een of meer dagen van de week."))


class Staffing(models.Model):
    """How many seats there are, and how many must be filled before the chat may open."""

    min_staff = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(1)])
    target_staff = models.PositiveSmallIntegerField(default=3)
    max_staff = models.PositiveSmallIntegerField(default=6, validators=[MaxValueValidator(60)])

    class Meta:
        abstract = True

    def clean(self) -> None:
        if not self.min_staff <= self.target_staff <= self.max_staff:
            raise ValidationError(
                _("Het minimum mag niet boven het streven liggen, en dat niet boven het maximum.")
            )

    @property
    def staffing(self) -> dict[str, int]:
        return {
            "min_staff": self.min_staff,
            "target_staff": self.target_staff,
            "max_staff": self.max_staff,
        }


class HoursRule(Staffing):
    """A recurring consultation hour. To change one, end it and start another: the past stays."""

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="rules")
    weekdays = models.JSONField(validators=[are_weekdays], help_text="Numbers, Monday is 0.")
    local_start = models.TimeField()
    local_end = models.TimeField(help_text="At or before the start: on the next day.")
    valid_from = models.DateField()
    valid_until = models.DateField(null=True, blank=True, help_text="Last day, included.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(min_staff__lte=models.F("target_staff"))
                & models.Q(target_staff__lte=models.F("max_staff")),
                name="rule_min_target_max",
            )
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.local_start:%H:%M}-{self.local_end:%H:%M}"

    def clean(self) -> None:
        super().clean()
        if self.valid_until and self.valid_until < self.valid_from:
            raise ValidationError({"valid_until": _("De laatste dag ligt voor de eerste.")})

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
            self._make(day)
            for day in days(first, last)
            if day.weekday() in self.weekdays and day not in known
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


class ConsultationHourQuerySet(models.QuerySet["ConsultationHour"]):
    def planned(self) -> "ConsultationHourQuerySet":
        return self.filter(status=ConsultationHour.Status.PLANNED)

    def covering(self, now: datetime) -> "ConsultationHourQuerySet":
        return self.filter(start__lte=now, end__gt=now)

    def overlapping(self, start: datetime, end: datetime) -> "ConsultationHourQuerySet":
        return self.filter(start__lt=end, end__gt=start)

    def with_rostered(self, now: datetime) -> "ConsultationHourQuerySet":
        """Annotate `rostered`: workers on duty now, or at the start of an hour to come."""
        at_start = models.Q(
            start__gt=now, duties__start__lte=models.F("start"), duties__end__gt=models.F("start")
        )
        at_now = models.Q(start__lte=now, duties__start__lte=now, duties__end__gt=now)
        return self.annotate(
            rostered=models.Count(
                "duties__worker",
                filter=models.Q(duties__status__in=Duty.ACTIVE, duties__worker__is_active=True)
                & (at_start | at_now),
                distinct=True,
            )
        )


class ConsultationHour(Staffing):
    """One concrete period on one date in which the chat can be open."""

    class Status(models.TextChoices):
        PLANNED = "planned", _("gepland")
        CANCELLED = "cancelled", _("vervallen")

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="hours")
    rule = models.ForeignKey(
        HoursRule, on_delete=models.PROTECT, null=True, blank=True, related_name="hours"
    )
    local_date = models.DateField()
    local_start = models.TimeField()
    local_end = models.TimeField()
    tz = models.CharField(max_length=40, validators=[is_zone])
    start = models.DateTimeField(editable=False)
    end = models.DateTimeField(editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PLANNED)

    objects = ConsultationHourQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        indexes = [models.Index(fields=["line", "start"])]
        constraints = [
            models.UniqueConstraint(
                fields=["rule", "local_date"], name="one_hour_per_rule_and_day"
            ),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")), name="hour_ends_after_start"
            ),
            models.CheckConstraint(
                condition=models.Q(min_staff__lte=models.F("target_staff"))
                & models.Q(target_staff__lte=models.F("max_staff")),
                name="hour_min_target_max",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.local_date} {self.local_start:%H:%M}-{self.local_end:%H:%M}"

    def clean(self) -> None:
        super().clean()
        if self.local_date and self.local_start and self.local_end and self.tz:
            start, end = self._span()
            if end <= start:
                raise ValidationError(_("Die nacht slaat de klok dit hele spreekuur over."))

    def _span(self) -> tuple[datetime, datetime]:
        return span(self.local_date, self.local_start, self.local_end, zoneinfo.ZoneInfo(self.tz))

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Wall time is the truth: start and end follow from it, also in a partial save."""
        self.start, self.end = self._span()
        if (fields := kwargs.get("update_fields")) is not None:
            kwargs["update_fields"] = {*fields, "start", "end"}
        super().save(*args, **kwargs)

    @classmethod
    def plan_extra(
        cls, line: ServiceLine, start: datetime, end: datetime, **staffing: int
    ) -> "ConsultationHour":
        """Plan an hour outside the rules, between two instants less than a day apart."""
        start, end = start.astimezone(line.zone), end.astimezone(line.zone)
        with transaction.atomic():
            hour = cls(
                line=line,
                local_date=start.date(),
                local_start=start.time(),
                local_end=end.time(),
                tz=line.tz,
                **staffing,
            )
            hour.full_clean(exclude=["rule"])
            hour.save()
            hour.make_seats()
        return hour

    def make_seats(self) -> None:
        """Give the hour its seats, up to the maximum; who owes them is decided later."""
        Seat.objects.bulk_create(
            [Seat(hour=self, no=no) for no in range(1, self.max_staff + 1)], ignore_conflicts=True
        )

    def fill(
        self,
        worker: User,
        institution: Institution,
        *,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> "Duty":
        """Put a worker on the first free seat, for the whole hour or the part given.

        Raises RosterRefused: `full`, `overlap` (on duty elsewhere at that time), `outside` (not
        within the hour), `elsewhere` (does not work for that institution). The database has the
        last word about seats and overlap, so two at once are never both right.
        """
        start, end = start or self.start, end or self.end
        if not self.start <= start < end <= self.end:
            raise RosterRefused("outside")
        if not worker.memberships.active().workers().filter(institution=institution).exists():
            raise RosterRefused("elsewhere")
        busy = Duty.objects.active().filter(worker=worker, start__lt=end, end__gt=start)
        # Own seats first, then the free ones, then those that others owe.
        free = self.seats.exclude(duties__status__in=Duty.ACTIVE).order_by(
            models.Case(
                models.When(owed_by=institution, then=0),
                models.When(owed_by=None, then=1),
                default=2,
            ),
            "no",
        )
        for seat in list(free):
            try:
                with transaction.atomic():
                    return Duty.objects.create(
                        hour=self,
                        seat=seat,
                        worker=worker,
                        credited_to=institution,
                        start=start,
                        end=end,
                    )
            except IntegrityError:
                if busy.exists():
                    raise RosterRefused("overlap") from None
        raise RosterRefused("overlap" if busy.exists() else "full")


class Seat(models.Model):
    """One place in a consultation hour, owed by an institution (none: free for all)."""

    hour = models.ForeignKey(ConsultationHour, on_delete=models.CASCADE, related_name="seats")
    no = models.PositiveSmallIntegerField()
    owed_by = models.ForeignKey(
        Institution, on_delete=models.PROTECT, null=True, blank=True, related_name="seats"
    )

    class Meta:
        ordering = ["hour", "no"]
        constraints = [models.UniqueConstraint(fields=["hour", "no"], name="seats_are_numbered")]

    def __str__(self) -> str:
        return f"{self.hour} · {self.no}"


def duty_uid() -> str:
    return secrets.token_hex(16)


class DutyQuerySet(models.QuerySet["Duty"]):
    def active(self) -> "DutyQuerySet":
        return self.filter(status__in=Duty.ACTIVE)

    def covering(self, now: datetime) -> "DutyQuerySet":
        return self.filter(start__lte=now, end__gt=now)


class Duty(models.Model):
    """A worker filling a seat, for the whole hour or part of it."""

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("voorgesteld")
        CONFIRMED = "confirmed", _("bevestigd")
        COVER_WANTED = "cover_wanted", _("vervanging gevraagd")
        SICK = "sick", _("afwezig")
        RELEASED = "released", _("vrijgegeven")
        REPLACED = "replaced", _("overgenomen")
        DONE = "done", _("gedaan")
        NO_SHOW = "no_show", _("niet gekomen")

    # The giver of a cover request stays responsible until somebody accepted.
    ACTIVE = (Status.CONFIRMED, Status.COVER_WANTED, Status.DONE)

    hour = models.ForeignKey(ConsultationHour, on_delete=models.PROTECT, related_name="duties")
    seat = models.ForeignKey(Seat, on_delete=models.PROTECT, related_name="duties")
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="duties"
    )
    credited_to = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="duties", help_text="At that time."
    )
    start = models.DateTimeField()
    end = models.DateTimeField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.CONFIRMED)
    uid = models.CharField(max_length=32, unique=True, default=duty_uid, editable=False)

    objects = DutyQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        indexes = [models.Index(fields=["worker", "start"])]
        constraints = [
            models.UniqueConstraint(
                fields=["seat"],
                condition=models.Q(status__in=["confirmed", "cover_wanted", "done"]),
                name="no_seat_filled_twice",
            ),
            models.CheckConstraint(
                condition=models.Q(end__gt=models.F("start")), name="duty_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} · {self.hour}"

    def clean(self) -> None:
        if self.seat_id and self.seat.hour_id != self.hour_id:
            raise ValidationError({"seat": _("Deze plek hoort bij een ander spreekuur.")})
        if self.hour_id and not self.hour.start <= self.start < self.end <= self.hour.end:
            raise ValidationError(_("De dienst valt niet binnen het spreekuur."))
