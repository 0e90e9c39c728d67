"""Consultation hours: the concrete rows of the plan.

Wall time and zone are the truth and UTC is derived from them (`roster/time.py`). Spans are
half-open: [start, end). That nobody is on duty twice at a time: `roster/guards.py`.
"""

import zoneinfo
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster import notices
from roster.models import changing
from roster.models.acting import record, require_planner
from roster.models.cover import CoverRequest
from roster.models.duties import Duty
from roster.models.fitness import Fitness, choose, coordinates, lock, minute, plans
from roster.models.line import ServiceLine, is_zone
from roster.models.moves import RosterRefused
from roster.models.periods import RosterPeriod
from roster.models.seats import Seat
from roster.models.staffing import Staffing
from roster.news import News, tell
from roster.time import minutes_between, span

if TYPE_CHECKING:
    from institutions.access import Staff


class ConsultationHourQuerySet(models.QuerySet["ConsultationHour"]):
    def planned(self) -> "ConsultationHourQuerySet":
        return self.filter(status=ConsultationHour.Status.PLANNED)

    def covering(self, now: datetime) -> "ConsultationHourQuerySet":
        return self.filter(start__lte=now, end__gt=now)

    def published(self) -> "ConsultationHourQuerySet":
        """Those whose plan is public: their period is published, or they are in none."""
        return self.filter(
            models.Q(period__isnull=True) | models.Q(period__state__in=RosterPeriod.PUBLIC)
        )

    def visible_to(self, staff: "Staff") -> "ConsultationHourQuerySet":
        """Those in no period, or in one that this member of staff may see."""
        periods = RosterPeriod.objects.visible_to(staff)
        return self.filter(models.Q(period__isnull=True) | models.Q(period__in=periods))

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
        "roster.HoursRule", on_delete=models.PROTECT, null=True, blank=True, related_name="hours"
    )
    period = models.ForeignKey(
        RosterPeriod, on_delete=models.PROTECT, null=True, blank=True, related_name="hours"
    )
    local_date = models.DateField()
    local_start = models.TimeField()
    local_end = models.TimeField()
    tz = models.CharField(max_length=40, validators=[is_zone])
    start = models.DateTimeField(editable=False)
    end = models.DateTimeField(editable=False)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PLANNED)
    is_detached = models.BooleanField(
        default=False, help_text="Changed by hand: no rule or exception changes it any more."
    )
    version = models.PositiveIntegerField(
        default=1, help_text="One higher at each change of times, staffing or status."
    )
    public_reason = models.CharField(
        max_length=200, blank=True, help_text="Why it was cancelled, for everybody to read."
    )
    cancelled_at = models.DateTimeField(null=True, blank=True)

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
            models.CheckConstraint(
                condition=models.Q(status="planned", cancelled_at__isnull=True)
                | models.Q(status="cancelled", cancelled_at__isnull=False),
                name="cancelled_hour_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.local_date} {self.local_start:%H:%M}-{self.local_end:%H:%M}"

    @property
    def minutes(self) -> int:
        """How long it really takes, in whole minutes; a change of the clock counts."""
        return minutes_between(self.start, self.end)

    @property
    def is_cancelled(self) -> bool:
        return self.status == self.Status.CANCELLED

    @property
    def is_published(self) -> bool:
        """Whether its plan is public: its period is published, or it is in none."""
        return self.period is None or self.period.is_public

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
        cls, line: ServiceLine, start: datetime, end: datetime, **staffing: Any
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
            [
                Seat(hour=self, no=no, qualification=kind)
                for no, kind in enumerate(changing.kinds_of(self.mix, self.max_staff), start=1)
            ],
            ignore_conflicts=True,
        )

    # --- Changing it by hand: no rule or exception touches it any more ---------------------------

    def cancel(self, by: User, public_reason: str = "", *, now: datetime | None = None) -> None:
        """Let the hour not go on: its duties are released, questions about them void, people told.

        Cancelled late (`line.late_cancel_hours`) counts as worked, so then its duties are done.
        Raises RosterRefused: not_yours, began, cancelled.
        """
        now = now or timezone.now()
        require_planner(by)
        with transaction.atomic():
            changing.lock([self])
            self._tell(changing.cancel(self, by, now, public_reason, by_hand=True), now)

    def reopen(self, by: User, *, now: datetime | None = None) -> None:
        """Let a cancelled hour go on after all. Its seats are empty: people may have other plans.

        Raises RosterRefused: not_yours, began, wrong_state.
        """
        now = now or timezone.now()
        require_planner(by)
        with transaction.atomic():
            changing.lock([self])
            self._tell(changing.reopen(self, now, by_hand=True), now)

    def move(
        self, by: User, day: date, start: time, end: time, *, now: datetime | None = None
    ) -> None:
        """Give the hour other times, also on another day. Its duties go along and are told.

        Who cannot be there then is released; questions for cover are void. An end at or before
        the start is on the next day. A running hour may only get another end. Raises
        RosterRefused: not_yours, past, began, cancelled, no_time.
        """
        now = now or timezone.now()
        require_planner(by)
        with transaction.atomic():
            changing.lock([self])
            self._tell(changing.move(self, by, now, day, start, end, by_hand=True), now)

    def staff(
        self,
        by: User,
        minimum: int,
        target: int,
        maximum: int,
        mix: dict[str, int] | None = None,
        *,
        now: datetime | None = None,
    ) -> None:
        """Give the hour other numbers of people; filled seats stay, free ones come and go.

        Raises RosterRefused: not_yours, past, cancelled, numbers, filled.
        """
        now = now or timezone.now()
        require_planner(by)
        with transaction.atomic():
            changing.lock([self])
            changing.staff(self, now, minimum, target, maximum, mix, by_hand=True)

    def _tell(self, news: list[News], now: datetime) -> None:
        tell(news, "hour_changed", f"hour:{self.pk}:{self.version}")

    # --- Who comes -------------------------------------------------------------------------------

    def fill(
        self,
        worker: User,
        institution: Institution,
        *,
        by: User | None = None,
        source: str | None = None,
        seat: Seat | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        now: datetime | None = None,
    ) -> "Duty":
        """Put a worker on a seat, for the whole hour or the part given, credited to an institution.

        Without `by` the worker signs up; `by` is a coordinator of that institution or of the
        platform, who acts for them: it is in the audit trail and the worker gets a mail. Without
        `seat` it is the best free one: of the own institution, else free for all, else (from the
        period's free-for-all day on) owed by another; the platform's coordinator need not wait
        for that day. Two at once are never both right.

        Raises RosterRefused: not_yours, cancelled, past, outside, not_open (the period takes no
        sign-ups yet), elsewhere (does not work for that institution), absent, overlap, rest,
        qualification, wave (what is left is owed by another institution, for now), full.
        """
        now = now or timezone.now()
        by = None if by is not None and by.pk == worker.pk else by
        with transaction.atomic():
            lock([worker.pk], [self.pk])
            self.refresh_from_db()
            start, end = start or self.start, end or self.end
            if by is not None and not coordinates(by, institution.pk):
                raise RosterRefused("not_yours")
            if by is None and self.period and self.period.state not in self.period.TAKES_SIGNUPS:
                raise RosterRefused("not_open")
            is_any_seat = self.is_free_for_all(now) or (by is not None and plans(by))
            duty = self._seat(
                worker,
                institution,
                seat,
                (start, end),
                now,
                is_any_seat=is_any_seat,
                source=source or (Duty.Source.COORDINATOR if by else Duty.Source.SELF),
                assigned_by=by,
            )
            if by is not None:
                day = self.local_date
                record(by, "assigned", day, person=worker, institution=institution)
                if self.is_published:
                    notices.assigned(duty)
        return duty

    def step_in(
        self, worker: User, institution: Institution, now: datetime | None = None
    ) -> "Duty":
        """Help out from now to the end of this hour that is going on: an ad hoc duty, with credit.

        Any free seat will do. Raises RosterRefused: cancelled, past, outside (it has not begun),
        not_open (its plan is not public), elsewhere, absent, overlap, rest, qualification, full.
        """
        now = now or timezone.now()
        with transaction.atomic():
            lock([worker.pk], [self.pk])
            self.refresh_from_db()
            if now < self.start:
                raise RosterRefused("outside")
            if not self.is_published:
                raise RosterRefused("not_open")
            span = max(self.start, minute(now)), self.end
            return self._seat(
                worker,
                institution,
                None,
                span,
                now,
                is_any_seat=True,
                source=Duty.Source.ADHOC,
                assigned_by=None,
            )

    def is_free_for_all(self, now: datetime) -> bool:
        """Whether its empty seats are everybody's by now."""
        if self.period is None:
            return True
        first = self.local_date - timedelta(days=self.period.free_for_all_days)
        return self.line.today(now) >= first

    def _seat(
        self,
        worker: User,
        institution: Institution,
        seat: Seat | None,
        span: tuple[datetime, datetime],
        now: datetime,
        *,
        is_any_seat: bool,
        source: str,
        assigned_by: User | None,
    ) -> "Duty":
        """Find a seat and put the worker on it. The caller holds the locks."""
        start, end = span
        if self.is_cancelled:
            raise RosterRefused("cancelled")
        if self.end <= now:
            raise RosterRefused("past")
        if not self.start <= start < end <= self.end:
            raise RosterRefused("outside")
        if end <= now:
            raise RosterRefused("past")
        fitness = Fitness.look(self, [worker.pk])
        if code := fitness.obstacle(worker.pk, institution.pk, start, end):
            raise RosterRefused(code)
        taken = Duty.objects.active().filter(hour=self).overlapping(start, end)
        free = [
            one
            for one in self.seats.exclude(pk__in=taken.values("seat")).order_by("no")
            if seat is None or one.pk == seat.pk
        ]
        best = choose(free, fitness.kinds[worker.pk], institution.pk, is_any_seat=is_any_seat)
        if isinstance(best, str):
            raise RosterRefused(best)
        try:
            with transaction.atomic():
                duty = Duty.objects.create(
                    hour=self,
                    seat=best,
                    worker=worker,
                    credited_to=institution,
                    start=start,
                    end=end,
                    source=source,
                    assigned_by=assigned_by,
                )
        except IntegrityError:
            # The database has the last word, whoever went round the locks.
            raise RosterRefused("changed") from None
        calls = CoverRequest.objects.filter(duty__seat=best, duty__status=Duty.Status.SICK)
        calls.filter(duty__start__lt=end, duty__end__gt=start).void(assigned_by or worker, now)
        return duty
