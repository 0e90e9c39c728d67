"""The duties that fill seats. Two at once in one place: `roster/guards.py`."""

import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster import notices
from roster.models.acting import coordinators_of, platform_coordinators, record
from roster.models.fitness import Fitness, coordinates, lock, minute
from roster.models.moves import RosterRefused
from roster.models.seats import Seat
from roster.time import minutes_between

if TYPE_CHECKING:
    from institutions.access import Staff
    from roster.models.cover import CoverRequest


def duty_uid() -> str:
    return secrets.token_hex(16)


class DutyQuerySet(models.QuerySet["Duty"]):
    def active(self) -> "DutyQuerySet":
        return self.filter(status__in=Duty.ACTIVE)

    def covering(self, now: datetime) -> "DutyQuerySet":
        return self.filter(start__lte=now, end__gt=now)

    def overlapping(self, start: datetime, end: datetime) -> "DutyQuerySet":
        return self.filter(start__lt=end, end__gt=start)

    def covered(self) -> "DutyQuerySet":
        """Those that need nobody else: active, and no cover is asked for."""
        return self.filter(status__in=Duty.COVERED)

    def visible_to(self, staff: "Staff") -> "DutyQuerySet":
        """Those of which this member of staff may know whose they are.

        The own ones, those of the own institutions, and those in hours in which the worker has an
        active duty too; the platform's coordinator knows all.
        """
        if staff.is_platform_coordinator:
            return self.all()
        together = Duty.objects.active().filter(worker=staff.user)
        return self.filter(
            Q(worker=staff.user)
            | Q(credited_to__in=staff.worker_of | staff.coordinator_of)
            | Q(hour__in=together.values("hour"))
        )


class Duty(models.Model):
    """A worker filling a seat, for the whole hour or part of it.

    Start and end are UTC, whole minutes, half-open. Never says why somebody is absent. Several
    may share a seat, one after the other.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("voorgesteld")
        CONFIRMED = "confirmed", _("bevestigd")
        COVER_WANTED = "cover_wanted", _("vervanging gevraagd")
        SICK = "sick", _("afwezig")
        RELEASED = "released", _("vrijgegeven")
        REPLACED = "replaced", _("overgenomen")
        DONE = "done", _("gedaan")
        NO_SHOW = "no_show", _("niet gekomen")

    class Source(models.TextChoices):
        SELF = "self", _("zelf gekozen")
        COORDINATOR = "coordinator", _("ingedeeld")
        PROPOSAL = "proposal", _("uit een voorstel")
        COVER = "cover", _("overgenomen van een collega")
        ADHOC = "adhoc", _("ingevallen")

    # The giver of a cover request stays responsible until somebody accepted.
    ACTIVE = (Status.CONFIRMED, Status.COVER_WANTED, Status.DONE)
    COVERED = (Status.CONFIRMED, Status.DONE)
    # What a worker can still leave.
    UNDERWAY = (Status.CONFIRMED, Status.COVER_WANTED)

    hour = models.ForeignKey(
        "roster.ConsultationHour", on_delete=models.PROTECT, related_name="duties"
    )
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
    sequence = models.PositiveIntegerField(
        default=0, help_text="Of the calendar feed: one higher at each change that it shows."
    )
    source = models.CharField(max_length=11, choices=Source.choices, default=Source.SELF)
    is_locked = models.BooleanField(
        default=False, help_text="Stays as it is when a proposal is made or applied."
    )
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The coordinator who acted for the worker; empty: the worker did.",
    )
    replaced_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaces"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = DutyQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        indexes = [models.Index(fields=["worker", "start"])]
        constraints = [
            models.UniqueConstraint(
                # The start makes whole duties wait for each other; `guards` knows the parts.
                fields=["seat", "start"],
                condition=Q(status__in=["confirmed", "cover_wanted", "done"]),
                name="no_seat_filled_twice",
            ),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="duty_ends_after_start"),
            models.CheckConstraint(
                condition=Q(replaced_by__isnull=True) | Q(status="replaced"),
                name="only_replaced_has_a_successor",
            ),
            models.CheckConstraint(
                condition=Q(source="self", assigned_by__isnull=True)
                | Q(source="coordinator", assigned_by__isnull=False)
                | Q(source__in=("proposal", "cover", "adhoc")),
                name="assigned_by_a_coordinator",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} · {self.hour}"

    @property
    def minutes(self) -> int:
        """How long it really takes, in whole minutes; a change of the clock counts."""
        return minutes_between(self.start, self.end)

    def clean(self) -> None:
        if self.seat_id and self.seat.hour_id != self.hour_id:
            raise ValidationError({"seat": _("Deze plek hoort bij een ander spreekuur.")})
        if self.hour_id and not self.hour.start <= self.start < self.end <= self.hour.end:
            raise ValidationError(_("De dienst valt niet binnen het spreekuur."))

    # --- What its worker and coordinators do -------------------------------------------------------
    # `by` is the worker, or a coordinator of `credited_to` or of the platform: else `not_yours`.

    def release(self, by: User, now: datetime | None = None) -> None:
        """Give the seat back. A duty that came by cover goes back to who gave it away.

        Raises RosterRefused: not_yours, wrong_state (no longer active), past (it began), too_late
        (a worker alone, within the line's `release_hours`).
        """
        now = now or timezone.now()
        with transaction.atomic():
            request = self._brought_by()
            self._lock(*([request.duty.worker] if request else []), request=request)
            is_alone = self._require(by)
            self._require_status(*self.UNDERWAY)
            if self.start <= now:
                raise RosterRefused("past")
            if is_alone and self.start - now < timedelta(hours=self.hour.line.release_hours):
                raise RosterRefused("too_late")
            if request is None or not self._give_back(request, by, now):
                self.cover_requests.void(by, now)
                self.change(status=self.Status.RELEASED)
            if not is_alone:
                self._record(by, "released")
                if self.hour.is_published:
                    notices.taken_off(self)
        self.refresh_from_db()

    def cannot_come(self, by: User, now: datetime | None = None) -> "CoverRequest":
        """The sick button, until the end of the duty: absent at once, and no reason is asked.

        What was worked before now stays a duty. Returns the call for somebody else; those who
        can come are asked at once when the hour falls below its target.
        Raises RosterRefused: not_yours, wrong_state (no longer active), past (it ended).
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock()
            is_alone = self._require(by)
            self._require_status(*self.UNDERWAY)
            if self.end <= now:
                raise RosterRefused("past")
            self.cover_requests.void(by, now)
            missed = self
            if self.start < (moment := minute(now)):
                rest, self.end = self.end, moment
                self.change(end=moment)
                missed = self._copy(start=moment, end=rest, status=self.Status.SICK)
            else:
                self.change(status=self.Status.SICK)
            request = missed.cover_requests.create(requested_by=by, created_at=now)
            request.ask(now)
            missed._tell_coordinators()
            if not is_alone:
                self._record(by, "sick")
                notices.taken_off(missed)
        self.refresh_from_db()
        return request

    def reassign(
        self,
        worker: User,
        institution: Institution,
        by: User,
        now: datetime | None = None,
        *,
        part: tuple[datetime, datetime] | None = None,
    ) -> "Duty":
        """Give this seat, or the `part`, to another worker; the rest of it when it is going on.

        `by` coordinates both institutions, or the platform. Returns the new duty.
        Raises RosterRefused: not_yours, wrong_state (also: a part of who is absent), past,
        cancelled, outside (the part), self (the same worker for the same institution), elsewhere,
        absent, overlap, rest, qualification.
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock(worker)
            if not coordinates(by, self.credited_to_id, institution.pk):
                raise RosterRefused("not_yours")
            self._require_status(*self.UNDERWAY, *(() if part else (self.Status.SICK,)))
            first, end = part or (self.start, self.end)
            if not self.start <= first < end <= self.end:
                raise RosterRefused("outside")
            if end <= now:
                raise RosterRefused("past")
            if self.hour.is_cancelled:
                raise RosterRefused("cancelled")
            if (worker.pk, institution.pk) == (self.worker_id, self.credited_to_id):
                raise RosterRefused("self")
            start = max(first, minute(now))
            self.require_fit(worker, institution, start, end, ignoring=[self.pk])
            self.cover_requests.void(by, now)
            was_active = self.status != self.Status.SICK
            new = self.pass_on(
                worker, institution, start, end, source=self.Source.COORDINATOR, assigned_by=by
            )
            self._record(by, "reassigned")
            new._record(by, "assigned")
            if self.hour.is_published:
                if was_active and self.worker_id not in (worker.pk, by.pk):
                    notices.taken_off(self, (start, end))
                if worker.pk != by.pk:
                    notices.assigned(new)
        self.refresh_from_db()
        return new

    def lock(self, by: User) -> None:
        """Keep it as it is when a proposal is made. Coordinators only. Raises: not_yours."""
        self._set_locked(by, is_locked=True)

    def unlock(self, by: User) -> None:
        """Let proposals change it again. Coordinators only. Raises: not_yours."""
        self._set_locked(by, is_locked=False)

    def ask_cover(
        self,
        by: User,
        *,
        kind: str,
        to_worker: User | None = None,
        offered_duty: "Duty | None" = None,
        part: tuple[datetime, datetime] | None = None,
        now: datetime | None = None,
        is_agreed: bool = False,
    ) -> "CoverRequest":
        """Look for somebody else, all or one (`to_worker`). The giver stays responsible.

        `kind` is one of CoverRequest.Kind; `part` is the span of a part. For an exchange,
        `offered_duty` may say which duty of another worker is wanted: then it is asked of them.
        `is_agreed`: the caller claims it in the same transaction, so nobody is asked.
        Raises RosterRefused: not_yours, wrong_state (not active), asked (there is a live request),
        past (it began), cancelled, outside (the part), self, elsewhere (that worker is none, any
        more), no_offer (the wanted duty is not to be had).
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock()
            is_alone = self._require(by)
            if self.cover_requests.live().exists():
                raise RosterRefused("asked")
            self._require_status(self.Status.CONFIRMED)
            if self.start <= now:
                raise RosterRefused("past")
            if self.hour.is_cancelled:
                raise RosterRefused("cancelled")
            if kind == "part":
                if not part or not self.start <= part[0] < part[1] <= self.end:
                    raise RosterRefused("outside")
                if any(minute(moment) != moment for moment in part):
                    raise RosterRefused("outside")
                if part == (self.start, self.end):
                    kind = "give_away"
            if offered_duty:
                wanted = Duty.objects.filter(pk=offered_duty.pk, status=self.Status.CONFIRMED)
                if kind != "exchange" or not wanted.filter(start__gt=now).exists():
                    raise RosterRefused("no_offer")
                to_worker = offered_duty.worker
            if to_worker:
                if to_worker.pk == self.worker_id:
                    raise RosterRefused("self")
                if not to_worker.memberships.active().workers().exists():
                    raise RosterRefused("elsewhere")
            request = self.cover_requests.create(
                kind=kind,
                requested_by=by,
                to_worker=to_worker,
                offered_duty=offered_duty,
                part_start=part[0] if part and kind == "part" else None,
                part_end=part[1] if part and kind == "part" else None,
                created_at=now,
            )
            self.change(status=self.Status.COVER_WANTED)
            if not is_agreed:
                request.ask(now)
            if not is_alone:
                self._record(by, "cover_asked")
        self.refresh_from_db()
        return request

    # --- For the verbs above, of hours and of cover requests ---------------------------------------

    def require_fit(
        self,
        worker: User,
        institution: Institution,
        start: datetime,
        end: datetime,
        *,
        ignoring: Collection[int] = (),
    ) -> None:
        """Raises RosterRefused when this worker may not have this seat for this span."""
        fitness = Fitness.look(self.hour, [worker.pk], ignoring)
        if code := fitness.obstacle(worker.pk, institution.pk, start, end):
            raise RosterRefused(code)
        if not fitness.can(worker.pk, self.seat.needs):
            raise RosterRefused("qualification")

    def pass_on(
        self,
        worker: User,
        institution: Institution,
        start: datetime,
        end: datetime,
        *,
        source: str,
        assigned_by: User | None = None,
    ) -> "Duty":
        """Give this span of the duty to somebody else; before and after it, it stays as it is.

        Of somebody who is absent nothing changes but the seat. The caller holds the locks, and
        asked `require_fit`. Raises RosterRefused: changed (the database does not agree).
        """
        is_whole = (start, end) == (self.start, self.end)
        is_absent = self.status == self.Status.SICK
        try:
            with transaction.atomic():
                if is_whole and not is_absent:
                    self.change(status=self.Status.REPLACED)
                elif not is_absent:
                    self._cut_out(start, end)
                new = Duty.objects.create(
                    hour=self.hour,
                    seat=self.seat,
                    worker=worker,
                    credited_to=institution,
                    start=start,
                    end=end,
                    source=source,
                    assigned_by=assigned_by,
                )
                if is_whole and not is_absent:
                    Duty.objects.filter(pk=self.pk).update(replaced_by=new)
        except IntegrityError:
            raise RosterRefused("changed") from None
        self.refresh_from_db()
        return new

    def take_back(self, taken: "Duty") -> None:
        """Undo `pass_on`: this worker is responsible again for what `taken`, released now, held.

        The caller holds the locks. Raises RosterRefused: changed, overlap.
        """
        busy = Duty.objects.active().filter(worker=self.worker).exclude(pk=self.pk)
        if busy.overlapping(taken.start, taken.end).exists():
            raise RosterRefused("overlap")
        if self.status == self.Status.REPLACED and self.replaced_by_id == taken.pk:
            self.change(status=self.Status.CONFIRMED, replaced_by=None)
        elif self.status in self.UNDERWAY and taken.end == self.start:
            self.change(start=taken.start)
        elif self.status in self.UNDERWAY and taken.start == self.end:
            self.change(end=taken.end)
        else:
            raise RosterRefused("changed")

    def _cut_out(self, start: datetime, end: datetime) -> None:
        tail = self.end
        if start > self.start:
            self.change(end=start)
            if end < tail:
                self._copy(start=end, end=tail, status=self.Status.CONFIRMED)
        else:
            self.change(start=end)

    def _lock(self, *others: User, request: "CoverRequest | None" = None) -> None:
        """Let others wait who change this duty, and look again at what it is now."""
        offered = request.offered_duty if request else None
        hours = [self.hour_id, *([offered.hour_id] if offered else [])]
        lock([self.worker_id, *(other.pk for other in others)], hours)
        self.refresh_from_db()

    def _require(self, by: User) -> bool:
        """Whether the worker acts alone; False: a coordinator does. Raises: not_yours."""
        if by.pk == self.worker_id and by.is_active:
            return True
        if coordinates(by, self.credited_to_id):
            return False
        raise RosterRefused("not_yours")

    def _require_status(self, *statuses: str) -> None:
        if self.status not in statuses:
            raise RosterRefused("wrong_state")

    def change(self, **fields: Any) -> None:
        """Write fields that the calendar feed shows."""
        Duty.objects.filter(pk=self.pk).update(sequence=F("sequence") + 1, **fields)
        self.refresh_from_db()

    def _copy(self, **fields: Any) -> "Duty":
        """Another duty of the same worker on the same seat."""
        same = ("hour", "seat", "worker", "credited_to", "source", "assigned_by", "is_locked")
        return Duty.objects.create(**{name: getattr(self, name) for name in same} | fields)

    def _brought_by(self) -> "CoverRequest | None":
        """The request by which this worker took the duty over, if so."""
        from roster.models.cover import CoverRequest

        done = CoverRequest.objects.filter(
            state="done", claimed_by=self.worker_id, duty__seat=self.seat_id
        ).select_related("duty__worker", "offered_duty")
        return next((one for one in done.order_by("-pk") if one.taken == self), None)

    @staticmethod
    def _give_back(request: "CoverRequest", by: User, now: datetime) -> bool:
        """Give a duty that came by cover back to its giver; False when it cannot go back."""
        try:
            with transaction.atomic():
                from roster.models import handing_over

                handing_over.give_back(request, by, now)
        except RosterRefused:
            return False
        return True

    def _tell_coordinators(self) -> None:
        from roster import coverage

        covered = coverage.of([self.hour])[self.hour_id]
        missing = self.hour.min_staff - covered.count_between(self.start, self.end)
        people = coordinators_of([self.credited_to_id])
        if missing > 0:
            people = sorted({*people, *platform_coordinators()}, key=lambda person: person.pk)
        notices.absent(self, people, max(0, missing))

    def _set_locked(self, by: User, *, is_locked: bool) -> None:
        with transaction.atomic():
            if not coordinates(by, self.credited_to_id):
                raise RosterRefused("not_yours")
            rows = Duty.objects.filter(pk=self.pk, is_locked=not is_locked)
            if rows.update(is_locked=is_locked):
                self._record(by, "locked" if is_locked else "unlocked")
        self.is_locked = is_locked

    def _record(self, by: User, deed: str) -> None:
        record(by, deed, self.hour.local_date, person=self.worker, institution=self.credited_to)
