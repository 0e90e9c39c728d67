"""The duty roster: when help is offered, which seats that takes, and who fills them.

Rules only generate; the plan is rows. Wall time and zone are the truth and UTC is derived from
them (`roster/time.py`), so that 19:00 stays 19:00 on both sides of a clock change. Spans are
half-open: [start, end).
"""

import secrets
import zoneinfo
from datetime import date, datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Brand, Institution
from roster.time import span

# A lease on presence lasts this long and is renewed by the desk's heartbeat (every 20-25 s).
LEASE = timedelta(seconds=30)


class ServiceLine(models.Model):
    """What is staffed together: one queue, one roster, shown by one or more brands."""

    name = models.CharField(max_length=60, unique=True)
    brands = models.ManyToManyField(Brand, related_name="lines")
    tz = models.CharField(max_length=40, default="Europe/Amsterdam")
    last_call_minutes = models.PositiveSmallIntegerField(
        default=15, help_text="This long before the end nobody new joins the queue."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tz)

    def clean(self) -> None:
        if self.tz not in zoneinfo.available_timezones():
            raise ValidationError({"tz": _("Deze tijdzone bestaat niet.")})


class Staffing(models.Model):
    """How many seats there are, and how many must be filled before the chat may open."""

    min_staff = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(1)])
    target_staff = models.PositiveSmallIntegerField(default=3)
    max_staff = models.PositiveSmallIntegerField(default=6, validators=[MaxValueValidator(60)])

    class Meta:
        abstract = True


class HoursRule(Staffing):
    """A recurring consultation hour. To change one, end it and start another: the past stays."""

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="rules")
    weekdays = models.JSONField(help_text="Numbers, Monday is 0.")
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

    def generate(self, first: date, last: date) -> int:
        """Make the consultation hours from `first` to `last`, both included, that are missing.

        Returns how many were made. Safe to run twice and from two processes; never touches an
        hour that exists, so what a person changed stays changed.
        """
        made = 0
        first = max(first, self.valid_from)
        if self.valid_until:
            last = min(last, self.valid_until)
        existing = set(
            self.hours.filter(local_date__range=(first, last)).values_list("local_date", flat=True)
        )
        day = first
        while day <= last:
            if day.weekday() in self.weekdays and day not in existing:
                hour, is_new = ConsultationHour.objects.get_or_create(
                    rule=self,
                    local_date=day,
                    defaults={
                        "line": self.line,
                        "local_start": self.local_start,
                        "local_end": self.local_end,
                        "tz": self.line.tz,
                        "min_staff": self.min_staff,
                        "target_staff": self.target_staff,
                        "max_staff": self.max_staff,
                    },
                )
                if is_new:
                    hour.make_seats()
                    made += 1
            day += timedelta(days=1)
        return made


class ConsultationHourQuerySet(models.QuerySet["ConsultationHour"]):
    def planned(self) -> "ConsultationHourQuerySet":
        return self.filter(status=ConsultationHour.Status.PLANNED)

    def covering(self, now: datetime) -> "ConsultationHourQuerySet":
        return self.filter(start__lte=now, end__gt=now)

    def with_filled(self) -> "ConsultationHourQuerySet":
        """Annotate `filled`: how many seats an active duty fills."""
        return self.annotate(
            filled=models.Count("duties", filter=models.Q(duties__status__in=Duty.ACTIVE))
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
    tz = models.CharField(max_length=40)
    start = models.DateTimeField(editable=False)
    end = models.DateTimeField(editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PLANNED)

    objects = ConsultationHourQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        indexes = [models.Index(fields=["line", "start"])]
        constraints = [
            models.UniqueConstraint(fields=["rule", "local_date"], name="one_hour_per_rule_and_day"),
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

    def save(self, *args: object, **kwargs: object) -> None:
        self.start, self.end = span(
            self.local_date, self.local_start, self.local_end, zoneinfo.ZoneInfo(self.tz)
        )
        super().save(*args, **kwargs)

    def make_seats(self) -> None:
        """Give the hour its seats, up to the maximum; who owes them is decided later."""
        Seat.objects.bulk_create(
            [Seat(hour=self, no=no) for no in range(1, self.max_staff + 1)], ignore_conflicts=True
        )


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


class Presence(models.Model):
    """A worker at the desk right now, by lease: never inferred from a socket that closed.

    `seen_at` is the last heartbeat, `ready_at` the last one while available, and `ready_since`
    when this unbroken stretch of readiness began.
    """

    class State(models.TextChoices):
        AVAILABLE = "available", _("beschikbaar")
        PAUSED = "paused", _("even pauze")

    worker = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="presence"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.PAUSED)
    seen_at = models.DateTimeField(db_index=True)
    ready_at = models.DateTimeField(null=True)
    ready_since = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.worker} {self.state}"

    @classmethod
    def renew(cls, worker_id: int, *, now: datetime, state: str | None = None) -> "Presence":
        """Renew the worker's lease; with `state`, also set whether new chats are welcome."""
        presence, is_new = cls.objects.get_or_create(worker_id=worker_id, defaults={"seen_at": now})
        if state is not None:
            presence.state = state
        presence.seen_at = now
        if presence.state == cls.State.AVAILABLE:
            if presence.ready_at is None or now - presence.ready_at > LEASE:
                presence.ready_since = now
            presence.ready_at = now
        presence.save(update_fields=["state", "seen_at", "ready_at", "ready_since"])
        return presence


class OpenOverride(models.Model):
    """A coordinator holds the chat open or closed until a time, and says why."""

    line = models.ForeignKey(ServiceLine, on_delete=models.CASCADE, related_name="overrides")
    is_open = models.BooleanField()
    until = models.DateTimeField()
    reason = models.CharField(_("reden"), max_length=200)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering = ["-pk"]

    def __str__(self) -> str:
        return f"{self.line} {'open' if self.is_open else 'closed'} until {self.until:%H:%M}"


class OpeningState(models.Model):
    """What the last evaluation found: the memory that keeps the state from flapping."""

    line = models.OneToOneField(ServiceLine, on_delete=models.CASCADE, related_name="opening")
    state = models.CharField(max_length=12)
    since = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.line} {self.state}"


class OpeningLog(models.Model):
    """Every change of the opening with its numbers: answers "why was it closed on Tuesday"."""

    line = models.ForeignKey(ServiceLine, on_delete=models.CASCADE, related_name="opening_log")
    at = models.DateTimeField()
    old = models.CharField(max_length=12)
    new = models.CharField(max_length=12)
    reason = models.CharField(max_length=40)
    numbers = models.JSONField()

    class Meta:
        ordering = ["-at", "-pk"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.old} to {self.new}: {self.reason}"
