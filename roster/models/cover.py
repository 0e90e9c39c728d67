"""Asking a colleague to take a duty over. The giver stays responsible until it is done."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster import notices
from roster.models import handing_over
from roster.models.acting import coordinators_of, record
from roster.models.duties import Duty
from roster.models.fitness import coordinates, coordinates_one, lock, minute
from roster.models.moves import Moving, RosterRefused

if TYPE_CHECKING:
    from institutions.access import Staff


# A request to all reaches its candidates by mail at once when the duty begins so soon.
ASK_AT_ONCE_WITHIN = timedelta(days=2)
# So many are asked together; the next ones when nobody said yes.
ASKED_AT_ONCE = 10

_REJECTED = _("Een coördinator keurde de vervanging niet goed.")
_DECLINED = _("Je collega kan deze dienst niet overnemen.")
_UNCLAIMED = _("Je collega kan deze dienst toch niet overnemen.")
_WITHDRAWN = _("Een coördinator trok je vraag om vervanging in.")
_EXPIRED = _("Er is op tijd niemand gevonden.")


class CoverRequestQuerySet(models.QuerySet["CoverRequest"]):
    def open(self) -> "CoverRequestQuerySet":
        """Those that may still be claimed."""
        return self.filter(state=CoverRequest.State.OPEN)

    def live(self) -> "CoverRequestQuerySet":
        return self.filter(state__in=CoverRequest.LIVE)

    def too_late(self, now: datetime) -> "CoverRequestQuerySet":
        """Live ones that nobody can do any more.

        The duty began; of somebody who is absent, it ended, because the rest of it can be covered.
        """
        absent = Q(duty__status=Duty.Status.SICK)
        return self.live().filter(Q(absent, duty__end__lte=now) | Q(~absent, duty__start__lte=now))

    def void(self, by: User | None, now: datetime) -> int:
        """End the live ones because their duty changed; returns how many. For other verbs.

        A duty for which cover was wanted is its worker's again. Takers and who was asked alone
        get a mail. Part of the caller's transaction.
        """
        ended = 0
        for request in self.live().select_related("duty"):
            with transaction.atomic():
                told = [person for person in (request.claimed_by, request.to_worker) if person]
                try:
                    request.end(CoverRequest.State.VOID, by, now)
                except RosterRefused:
                    continue  # it ended by itself meanwhile
                for person in dict.fromkeys(told):
                    notices.no_longer(request, person)
            ended += 1
        return ended

    def visible_to(self, staff: "Staff") -> "CoverRequestQuerySet":
        """Those that a member of staff has a part in, may claim, or coordinates on either side.

        It shows the request and not whose it is: for that ask `Duty.objects.visible_to`.
        """
        if staff.is_platform_coordinator:
            return self.all()
        mine = (
            Q(duty__worker=staff.user)
            | Q(requested_by=staff.user)
            | Q(to_worker=staff.user)
            | Q(claimed_by=staff.user)
            | Q(duty__credited_to__in=staff.coordinator_of)
            | Q(claimed_for__in=staff.coordinator_of)
        )
        if staff.is_worker:
            mine |= Q(state=CoverRequest.State.OPEN, to_worker__isnull=True)
        return self.filter(mine)


class CoverRequest(Moving):
    """One duty for which somebody else is sought; bound to the duty, not to a time.

    At most one live one per duty. Made by the worker, or by a coordinator for them
    (`requested_by`). Times are UTC. Of a duty that is `sick` nobody stays responsible: it is the
    call for who can come now.
    """

    class Kind(models.TextChoices):
        GIVE_AWAY = "give_away", _("weggeven")
        EXCHANGE = "exchange", _("ruilen")
        PART = "part", _("een deel weggeven")

    class State(models.TextChoices):
        OPEN = "open", _("gevraagd")
        CLAIMED = "claimed", _("iemand wil")
        AWAITING_APPROVAL = "awaiting_approval", _("wacht op akkoord")
        DONE = "done", _("overgenomen")
        WITHDRAWN = "withdrawn", _("ingetrokken")
        DECLINED = "declined", _("afgewezen")
        EXPIRED = "expired", _("te laat")
        VOID = "void", _("vervallen")

    # Done to open: the taker gives it back in time and the giver is responsible again.
    TRANSITIONS = {
        State.OPEN: frozenset(
            {State.CLAIMED, State.WITHDRAWN, State.DECLINED, State.EXPIRED, State.VOID}
        ),
        State.CLAIMED: frozenset(
            {
                State.AWAITING_APPROVAL,
                State.DONE,
                State.OPEN,
                State.WITHDRAWN,
                State.EXPIRED,
                State.VOID,
            }
        ),
        State.AWAITING_APPROVAL: frozenset(
            {
                State.DONE,
                State.OPEN,
                State.WITHDRAWN,
                State.DECLINED,
                State.EXPIRED,
                State.VOID,
            }
        ),
        State.DONE: frozenset({State.OPEN}),
        State.WITHDRAWN: frozenset(),
        State.DECLINED: frozenset(),
        State.EXPIRED: frozenset(),
        State.VOID: frozenset(),
    }
    LIVE = (State.OPEN, State.CLAIMED, State.AWAITING_APPROVAL)

    duty = models.ForeignKey(Duty, on_delete=models.PROTECT, related_name="cover_requests")
    kind = models.CharField(max_length=9, choices=Kind.choices, default=Kind.GIVE_AWAY)
    state = models.CharField(max_length=17, choices=State.choices, default=State.OPEN)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    to_worker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cover_asked",
        help_text="Empty: everybody who may.",
    )
    offered_duty = models.ForeignKey(
        Duty,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cover_offered",
        help_text="Of an exchange: the taker's duty that the giver gets, known once claimed.",
    )
    part_start = models.DateTimeField(null=True, blank=True)
    part_end = models.DateTimeField(null=True, blank=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cover_claimed",
    )
    claimed_for = models.ForeignKey(
        Institution,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Which of the taker's institutions gets the minutes.",
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = CoverRequestQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["state", "duty"])]
        constraints = [
            models.UniqueConstraint(
                fields=["duty"],
                condition=Q(state__in=["open", "claimed", "awaiting_approval"]),
                name="one_live_cover_request_per_duty",
            ),
            models.UniqueConstraint(
                fields=["offered_duty"],
                condition=Q(state__in=["claimed", "awaiting_approval"]),
                name="one_exchange_per_offered_duty",
            ),
            models.CheckConstraint(
                condition=Q(offered_duty__isnull=True) | Q(kind="exchange"),
                name="only_exchange_offers_a_duty",
            ),
            models.CheckConstraint(
                condition=~Q(kind="exchange", state__in=("claimed", "awaiting_approval", "done"))
                | Q(offered_duty__isnull=False),
                name="claimed_exchange_has_a_duty",
            ),
            models.CheckConstraint(
                condition=Q(offered_duty__isnull=True) | ~Q(offered_duty=F("duty")),
                name="exchange_is_of_two_duties",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind="part",
                    part_start__isnull=False,
                    part_end__isnull=False,
                    part_end__gt=F("part_start"),
                )
                | Q(
                    kind__in=("give_away", "exchange"),
                    part_start__isnull=True,
                    part_end__isnull=True,
                ),
                name="part_has_a_span",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="open",
                    claimed_by__isnull=True,
                    claimed_for__isnull=True,
                    claimed_at__isnull=True,
                )
                | Q(
                    state__in=("claimed", "awaiting_approval", "done"),
                    claimed_by__isnull=False,
                    claimed_for__isnull=False,
                    claimed_at__isnull=False,
                )
                | Q(state__in=("withdrawn", "declined", "expired", "void")),
                name="claimed_has_a_taker",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=("open", "claimed", "awaiting_approval"), ended_at__isnull=True
                )
                | Q(
                    state__in=("done", "withdrawn", "declined", "expired", "void"),
                    ended_at__isnull=False,
                ),
                name="ended_cover_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"cover request {self.pk} {self.state}"

    @property
    def planned_span(self) -> tuple[datetime, datetime]:
        """What it is about: the part, else the whole duty."""
        if self.part_start and self.part_end:
            return self.part_start, self.part_end
        return self.duty.start, self.duty.end

    @property
    def is_urgent(self) -> bool:
        """Of somebody who is absent: nobody is responsible for it any more."""
        return self.duty.status == Duty.Status.SICK

    @property
    def taker(self) -> tuple[User, Institution]:
        """Who claimed it, and for which institution. Raises RosterRefused: wrong_state."""
        if self.claimed_by is None or self.claimed_for is None:
            raise RosterRefused("wrong_state")
        return self.claimed_by, self.claimed_for

    @property
    def taken(self) -> Duty | None:
        """The taker's duty that came out of it, as long as it is one."""
        return (
            Duty.objects.filter(
                seat=self.duty.seat_id,
                worker=self.claimed_by,
                source=Duty.Source.COVER,
                status__in=Duty.UNDERWAY,
            )
            .overlapping(*self.planned_span)
            .first()
        )

    # --- Verbs -----------------------------------------------------------------------------------

    def ask(self, now: datetime) -> int:
        """Mail the next ones who can come, or the one it is asked of; returns how many.

        Those of a request to all are asked only when it presses: the duty begins within two days
        and the hour falls below its target without it; the others read of it in their digest.
        Nobody is asked twice. Part of the caller's transaction.
        """
        from roster import candidates, coverage

        if self.to_worker:
            people = [] if self.asks.exists() else [self.to_worker]
        else:
            start, end = self.span(now)
            covered = coverage.of([self.duty.hour])[self.duty.hour_id]
            enough = covered.count_between(start, end) >= self.duty.hour.target_staff
            if start >= end or start - now > ASK_AT_ONCE_WITHIN or enough:
                return 0
            known = {
                self.duty.worker_id,
                *self.asks.values_list("worker_id", flat=True),
                *self.declines.values_list("worker_id", flat=True),
            }
            people = [
                candidate.worker
                for candidate in candidates.rank(
                    self.duty.hour, now, seat=self.duty.seat, span=(start, end), for_cover=True
                )
                if candidate.is_possible
                and "unavailable" not in candidate.codes
                and candidate.worker.pk not in known
            ][:ASKED_AT_ONCE]
        for person in people:
            if self.asks.get_or_create(worker=person, defaults={"at": now})[1]:
                notices.asked(self, person)
        return len(people)

    def ask_further(self, now: datetime) -> int:
        """The clock: ask the next ones, as long as it is open; returns how many."""
        with transaction.atomic():
            # Two clocks would ask two batches.
            self._lock()
            return self.ask(now) if self.state == self.State.OPEN else 0

    def claim(
        self,
        worker: User,
        institution: Institution,
        now: datetime | None = None,
        *,
        by: User | None = None,
        offered_duty: Duty | None = None,
    ) -> None:
        """Take the duty over; of many at once, one wins. `by`: a coordinator of `institution`.

        Done at once within one institution, and for who is absent; else as the line's
        `cover_policy` says: then it may wait for approval. Of an exchange that leaves it open,
        `offered_duty` is the taker's duty that the giver gets.
        Raises RosterRefused: not_yours, taken (somebody else was first), wrong_state (it ended),
        not_asked (it is asked of somebody else), self, past, cancelled, no_offer (an exchange
        without a duty of the taker), elsewhere, absent, overlap, rest, qualification.
        """
        now = now or timezone.now()
        by = by or worker
        with transaction.atomic():
            self._lock(worker, offered_duty)
            if by.pk != worker.pk and not coordinates(by, institution.pk):
                raise RosterRefused("not_yours")
            if self.state in (self.State.CLAIMED, self.State.AWAITING_APPROVAL, self.State.DONE):
                raise RosterRefused("taken")
            if self.to_worker_id and self.to_worker_id != worker.pk:
                raise RosterRefused("not_asked")
            if worker.pk == self.duty.worker_id and not self.is_urgent:
                raise RosterRefused("self")
            offer = offered_duty or self.offered_duty if self.kind == self.Kind.EXCHANGE else None
            self._claimed(worker, institution, offer, by, now)
            if handing_over.waits_for_approval(self):
                self._move(self.State.AWAITING_APPROVAL, by=by, now=now)
                notices.between_institutions(self, handing_over.coordinators(self))
            else:
                handing_over.finish(self, by, now)
            if by.pk != worker.pk:
                self._record(by, "assigned", worker, institution)

    @classmethod
    def exchange(
        cls, duty: Duty, other: Duty, by: User, now: datetime | None = None
    ) -> "CoverRequest":
        """Let two workers exchange duties at once. `by` coordinates both sides, or the platform.

        Both get a mail. Raises RosterRefused: not_yours, and what `ask_cover` and `claim` refuse.
        """
        now = now or timezone.now()
        with transaction.atomic():
            lock({duty.worker_id, other.worker_id}, {duty.hour_id, other.hour_id})
            if not coordinates(by, duty.credited_to_id, other.credited_to_id):
                raise RosterRefused("not_yours")
            kind = cls.Kind.EXCHANGE
            request = duty.ask_cover(by, kind=kind, offered_duty=other, now=now, is_agreed=True)
            request._claimed(other.worker, other.credited_to, other, by, now)
            handing_over.finish(request, by, now, approved_by=by)
            request._record(by, "assigned", other.worker, other.credited_to)
        return request

    def unclaim(self, by: User, now: datetime | None = None) -> None:
        """Take back a claim that waits for approval: others may claim it; asked of one, it ended.

        `by`: the taker, or a coordinator of theirs. The giver is told.
        Raises RosterRefused: not_yours, wrong_state (nothing waits), changed.
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock(self.claimed_by)
            if self.state != self.State.AWAITING_APPROVAL:
                raise RosterRefused("wrong_state")
            taker, institution = self.taker
            if by.pk != taker.pk and not coordinates(by, institution.pk):
                raise RosterRefused("not_yours")
            self.declines.get_or_create(worker=taker, defaults={"at": now})
            if self.to_worker_id:
                self.end(self.State.DECLINED, by, now)
            else:
                self.reopen(by, now)
            notices.still_yours(self, "unclaimed", why=_UNCLAIMED)
            if by.pk != taker.pk:
                self._record(by, "cover_unclaimed", taker, institution)
                notices.no_longer(self, taker)

    def approve(self, by: User, now: datetime | None = None) -> None:
        """Let a claim that waits happen. `by`: a coordinator of either institution or the platform.

        Raises RosterRefused: not_yours, self (giver and taker do not decide), wrong_state, changed,
        and what `claim` refuses.
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock(self.claimed_by, self.offered_duty)
            self._require_judge(by)
            handing_over.require_fit(self, now)
            handing_over.finish(self, by, now, approved_by=by)
            self._record(by, "cover_approved", self.duty.worker, self.duty.credited_to)

    def reject(self, by: User, now: datetime | None = None) -> None:
        """Refuse a claim that waits: others may claim it; asked of one, it has ended.

        Raises RosterRefused: not_yours, self, wrong_state, changed.
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock(self.claimed_by)
            self._require_judge(by)
            taker, _institution = self.taker
            notices.no_longer(self, taker)
            self.declines.get_or_create(worker=taker, defaults={"at": now})
            if self.to_worker_id:
                self.end(self.State.DECLINED, by, now)
                notices.still_yours(self, "rejected", why=_REJECTED)
            else:
                self.reopen(by, now)
            self._record(by, "cover_rejected", self.duty.worker, self.duty.credited_to)

    def decline(self, worker: User, now: datetime | None = None) -> None:
        """Say no: never asked again for this one. Asked of this worker alone, it has ended.

        Raises RosterRefused: wrong_state, changed, not_asked (it is asked of somebody else).
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock()
            if self.to_worker_id not in (None, worker.pk):
                raise RosterRefused("not_asked")
            if self.state != self.State.OPEN:
                raise RosterRefused("wrong_state")
            self.declines.get_or_create(worker=worker, defaults={"at": now})
            if self.to_worker_id:
                self.end(self.State.DECLINED, worker, now)
                notices.still_yours(self, "declined", why=_DECLINED)

    def withdraw(self, by: User, now: datetime | None = None) -> None:
        """Stop asking: the giver does it after all. `by`: the giver or a coordinator of theirs.

        Raises RosterRefused: not_yours, wrong_state, changed.
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock()
            if by.pk != self.duty.worker_id and not coordinates(by, self.duty.credited_to_id):
                raise RosterRefused("not_yours")
            self.end(self.State.WITHDRAWN, by, now)
            for person in (self.claimed_by, self.to_worker):
                if person:
                    notices.no_longer(self, person)
            if by.pk != self.duty.worker_id:
                self._record(by, "cover_withdrawn", self.duty.worker, self.duty.credited_to)
                notices.still_yours(self, "withdrawn", why=_WITHDRAWN)

    def release(self, by: User, now: datetime | None = None) -> None:
        """Give back what was taken over, so that the giver is responsible and it is asked again.

        `by`: the taker, or a coordinator of theirs. Raises RosterRefused: not_yours, wrong_state,
        past, too_late (a taker within the line's `release_hours`), changed (the duty was changed
        since), overlap (the giver is on duty elsewhere by now), asked (the giver asks again).
        """
        now = now or timezone.now()
        with transaction.atomic():
            self._lock(self.claimed_by, self.offered_duty)
            taker, institution = self.taker
            is_alone = by.pk == taker.pk
            if not is_alone and not coordinates(by, institution.pk):
                raise RosterRefused("not_yours")
            taken = self.taken
            if self.state != self.State.DONE or taken is None:
                raise RosterRefused("wrong_state")
            if taken.start <= now:
                raise RosterRefused("past")
            hours = taken.hour.line.release_hours
            if is_alone and taken.start - now < timedelta(hours=hours):
                raise RosterRefused("too_late")
            if not is_alone:
                self._record(by, "released", taker, institution)
                notices.taken_off(taken)
            handing_over.give_back(self, by, now)

    def expire(self, now: datetime) -> None:
        """The clock: nobody was found in time, so the giver stays and the coordinators hear it.

        Raises RosterRefused: wrong_state (it is not too late, or has ended), changed.
        """
        with transaction.atomic():
            self._lock()
            if not CoverRequest.objects.too_late(now).filter(pk=self.pk).exists():
                raise RosterRefused("wrong_state")
            self.end(self.State.EXPIRED, None, now)
            notices.still_yours(self, "expired", why=_EXPIRED)
            notices.nobody_found(self, coordinators_of([self.duty.credited_to_id]))

    # --- Inside ------------------------------------------------------------------------------------

    def span(self, now: datetime) -> tuple[datetime, datetime]:
        """What can still be taken over: of somebody who is absent, what is left from now."""
        start, end = self.planned_span
        return (max(start, minute(now)) if self.is_urgent else start), end

    def _lock(self, taker: User | None = None, offered: Duty | None = None) -> None:
        """Let others wait who change either side, and look again at what it is now."""
        was, offered = self.claimed_by_id, offered or self.offered_duty
        workers = {self.duty.worker_id, *([taker.pk] if taker else [])}
        if offered:
            workers.add(offered.worker_id)
        lock(workers, {self.duty.hour_id, *([offered.hour_id] if offered else [])})
        self.refresh_from_db()
        if was not in (None, self.claimed_by_id):
            raise RosterRefused("changed")

    def _claimed(
        self, worker: User, institution: Institution, offer: Duty | None, by: User, now: datetime
    ) -> None:
        self._move(
            self.State.CLAIMED,
            by=by,
            now=now,
            claimed_by=worker,
            claimed_for=institution,
            claimed_at=now,
            **handing_over.offer(self, worker, offer, now),
        )
        handing_over.require_fit(self, now)

    def end(self, state: str, by: User | None, now: datetime) -> None:
        """End without a taker: the duty is its worker's again."""
        self._move(state, by=by, now=now, ended_at=now)
        wanted = Duty.objects.filter(pk=self.duty_id, status=Duty.Status.COVER_WANTED)
        wanted.update(status=Duty.Status.CONFIRMED)
        self.duty.refresh_from_db()

    def reopen(self, by: User | None, now: datetime) -> None:
        nobody = {"claimed_by": None, "claimed_for": None, "claimed_at": None, "approved_by": None}
        offered = self.offered_duty if self.to_worker_id else None
        self._move(self.State.OPEN, by=by, now=now, ended_at=None, offered_duty=offered, **nobody)
        confirmed = Duty.objects.filter(pk=self.duty_id, status=Duty.Status.CONFIRMED)
        confirmed.update(status=Duty.Status.COVER_WANTED)
        self.duty.refresh_from_db()

    def _require_judge(self, by: User) -> None:
        if self.state != self.State.AWAITING_APPROVAL or self.claimed_for_id is None:
            raise RosterRefused("wrong_state")
        if not coordinates_one(by, self.duty.credited_to_id, self.claimed_for_id):
            raise RosterRefused("not_yours")
        if by.pk in (self.duty.worker_id, self.claimed_by_id):
            raise RosterRefused("self")

    def _record(self, by: User, deed: str, person: User, institution: Institution) -> None:
        record(by, deed, self.duty.hour.local_date, person=person, institution=institution)
