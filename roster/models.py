"""The duty roster: when help is offered, which seats that takes, and who fills them.

Rules only generate; the plan is rows. Wall time and zone are the truth and UTC is derived from
them (`roster/time.py`), so that 19:00 stays 19:00 on both sides of a clock change. Spans are
half-open: [start, end).
"""

import secrets
import zoneinfo
from collections.abc import Collection
from datetime import date, datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import AuditEvent, Brand, Institution, User
from roster.time import days, span

# A lease on presence lasts this long and is renewed by the desk's heartbeat (every 20-25 s).
LEASE = timedelta(seconds=30)
# A coordinator may hold the chat open or closed at most this long.
LONGEST_OVERRIDE = timedelta(hours=24)


class RosterRefused(Exception):
    """A change of the plan that may not happen. `code`: full, overlap, outside, elsewhere."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


def is_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("Deze tijdzone bestaat niet."))


def are_weekdays(value: object) -> None:
    """Accept one or more different whole numbers from 0 (Monday) to 6."""
    if (
        not isinstance(value, list)
        or not value
        or any(type(day) is not int or not 0 <= day <= 6 for day in value)
        or len(set(value)) != len(value)
    ):
        raise ValidationError(_("Kies een of meer dagen van de week."))


class ServiceLine(models.Model):
    """What is staffed together: one queue, one roster, shown by one or more brands."""

    name = models.CharField(max_length=60, unique=True)
    brands = models.ManyToManyField(Brand, related_name="lines")
    tz = models.CharField(max_length=40, default="Europe/Amsterdam", validators=[is_zone])
    last_call_minutes = models.PositiveSmallIntegerField(
        default=15,
        validators=[MaxValueValidator(120)],
        help_text="This long before the end nobody new joins the queue.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tz)

    def today(self, now: datetime) -> date:
        """The date on the wall calendar of this line."""
        return now.astimezone(self.zone).date()


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
        """Annotate `rostered`: active duties that cover now, or the start of an hour to come."""
        at_start = models.Q(
            start__gt=now, duties__start__lte=models.F("start"), duties__end__gt=models.F("start")
        )
        at_now = models.Q(start__lte=now, duties__start__lte=now, duties__end__gt=now)
        return self.annotate(
            rostered=models.Count(
                "duties__worker",
                filter=models.Q(duties__status__in=Duty.ACTIVE) & (at_start | at_now),
                distinct=True,
            )
        )

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


class PresenceQuerySet(models.QuerySet["Presence"]):
    def at_the_desk(self, now: datetime) -> "PresenceQuerySet":
        """Whose lease runs now, available or paused."""
        return self.filter(seen_at__gt=now - LEASE, worker__is_active=True)


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

    objects = PresenceQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.worker} {self.state}"

    @classmethod
    def renew(cls, worker_id: int, *, now: datetime, state: str | None = None) -> "Presence":
        """Renew the worker's lease; with `state`, also set whether new chats are welcome.

        One UPDATE that reads and writes: the heartbeat of one window must not undo the pause
        that the same worker asks for in another.
        """
        mine = cls.objects.filter(worker_id=worker_id)
        changes: dict[str, Any] = {"seen_at": now}
        if state is not None:
            changes["state"] = state
        if state != cls.State.PAUSED:
            ready = models.Q(worker_id=worker_id)
            if state is None:
                ready &= models.Q(state=cls.State.AVAILABLE)
            lapsed = models.Q(ready_at__isnull=True) | models.Q(ready_at__lte=now - LEASE)
            changes["ready_since"] = models.Case(
                models.When(ready & lapsed, then=models.Value(now)),
                default=models.F("ready_since"),
                output_field=models.DateTimeField(),
            )
            changes["ready_at"] = models.Case(
                models.When(ready, then=models.Value(now)),
                default=models.F("ready_at"),
                output_field=models.DateTimeField(),
            )
        if not mine.update(**changes):
            cls.objects.get_or_create(worker_id=worker_id, defaults={"seen_at": now})
            mine.update(**changes)
        return mine.get()


class OpenOverrideQuerySet(models.QuerySet["OpenOverride"]):
    def holding(self, now: datetime) -> "OpenOverrideQuerySet":
        return self.filter(withdrawn_at__isnull=True, until__gt=now)

    @classmethod
    def renew_all(cls, workers: Collection[int], *, now: datetime) -> None:
        """Renew the leases of workers whose desks gave a sign of life; states stay as they are."""
        present = cls.objects.filter(worker_id__in=workers)
        ready = present.filter(state=cls.State.AVAILABLE)
        present.update(seen_at=now)
        ready.filter(models.Q(ready_at=None) | models.Q(ready_at__lt=now - LEASE)).update(
            ready_since=now
        )
        ready.update(ready_at=now)


class OpenOverride(models.Model):
    """A coordinator holds the chat open or closed until a time, and says why."""

    line = models.ForeignKey(ServiceLine, on_delete=models.CASCADE, related_name="overrides")
    is_open = models.BooleanField()
    until = models.DateTimeField()
    reason = models.CharField(_("reden"), max_length=200)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = OpenOverrideQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["line", "until"])]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(until__gt=models.F("created_at")), name="override_has_an_end"
            ),
            models.UniqueConstraint(
                fields=["line"],
                condition=models.Q(withdrawn_at__isnull=True),
                name="one_override_per_line",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {'open' if self.is_open else 'closed'} until {self.until:%H:%M}"

    @classmethod
    def force(
        cls, line: ServiceLine, *, is_open: bool, until: datetime, reason: str, author: User
    ) -> "OpenOverride":
        """Hold the line open or closed from now on. Takes the place of the override before."""
        now = timezone.now()
        if not now < until <= now + LONGEST_OVERRIDE:
            raise ValidationError({"until": _("Kies een tijd in de komende 24 uur.")})
        if not reason.strip():
            raise ValidationError({"reason": _("Schrijf kort op waarom.")})
        with transaction.atomic():
            # Two coordinators at once: the row of the line makes them come one after the other.
            ServiceLine.objects.select_for_update().get(pk=line.pk)
            line.overrides.filter(withdrawn_at__isnull=True).update(withdrawn_at=now)
            override = cls.objects.create(
                line=line,
                is_open=is_open,
                until=until,
                reason=reason.strip(),
                author=author,
                created_at=now,
            )
            override._audit(author, "open" if is_open else "closed")
        return override

    def withdraw(self, by: User) -> bool:
        """Let the roster decide again. False: it was withdrawn or had ended already."""
        now = timezone.now()
        with transaction.atomic():
            mine = OpenOverride.objects.filter(pk=self.pk).holding(now)
            if not mine.update(withdrawn_at=now):
                return False
            self._audit(by, "withdrawn")
        return True

    def _audit(self, actor: User, deed: str) -> None:
        AuditEvent.objects.create(
            actor=actor, verb=AuditEvent.Verb.FORCE, detail=f"line {self.line_id} {deed}"
        )


class OpeningState(models.Model):
    """What the last evaluation found: the memory that keeps the state from flapping.

    Written by `roster.opening.evaluate` only; `version` lets exactly one process write a change.
    """

    line = models.OneToOneField(ServiceLine, on_delete=models.CASCADE, related_name="opening")
    state = models.CharField(max_length=12)
    reason = models.CharField(max_length=24, blank=True)
    since = models.DateTimeField()
    short_since = models.DateTimeField(
        null=True, help_text="Since when an open chat has too few workers present."
    )
    version = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.line} {self.state}"


class OpeningLog(models.Model):
    """Every change of the opening with its numbers: answers "why was it closed on Tuesday"."""

    line = models.ForeignKey(ServiceLine, on_delete=models.CASCADE, related_name="opening_log")
    at = models.DateTimeField()
    old = models.CharField(max_length=12)
    new = models.CharField(max_length=12)
    reason = models.CharField(max_length=24)
    numbers = models.JSONField()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["line", "at"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.old} to {self.new}: {self.reason}"
