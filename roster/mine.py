"""What a worker is on, is asked, and may take. Reads only, a constant number of queries.

The verbs decide: what is offered here may be gone a moment later, and they say so.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Prefetch, Q, QuerySet

from institutions.access import Staff
from institutions.models import Institution, Membership, User
from roster.availability import Said, said_by
from roster.models import (
    Availability,
    ConsultationHour,
    CoverRequest,
    Duty,
    Qualification,
    RosterPeriod,
    Seat,
)
from roster.models.fitness import Fitness, choose

# Within this time before a duty, not coming is what its card is about.
SOON = timedelta(hours=24)
# How far ahead a colleague's duty may lie to exchange with.
EXCHANGE_AHEAD = timedelta(days=56)


def institutions_of(staff: Staff) -> list[Institution]:
    """For whom this worker can be on duty."""
    return list(Institution.objects.filter(pk__in=staff.worker_of))


# --- Own duties -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class MyDuty:
    """A duty to come or going on, and what its worker can do about it now."""

    duty: Duty
    request: CoverRequest | None
    is_now: bool
    is_soon: bool
    is_absent: bool
    # Until when it can simply be given back; None: not any more.
    release_until: datetime | None
    can_ask: bool

    @property
    def is_part(self) -> bool:
        return (self.duty.start, self.duty.end) != (self.duty.hour.start, self.duty.hour.end)


def my_duties(staff: Staff, now: datetime) -> list[MyDuty]:
    """What this worker has still to do, the first one first."""
    duties = list(
        Duty.objects.filter(
            worker=staff.user,
            status__in=(Duty.Status.CONFIRMED, Duty.Status.COVER_WANTED),
            end__gt=now,
        )
        .select_related("hour__line", "hour__period", "credited_to")
        .order_by("start", "pk")
    )
    if not duties:
        return []
    live = {
        request.duty_id: request
        for request in CoverRequest.objects.live()
        .filter(duty__in=duties)
        .select_related("to_worker", "claimed_by")
    }
    me = staff.user.pk
    said = said_by([me], duties[0].start, duties[-1].end)[me]
    return [my_duty(duty, live.get(duty.pk), said, now) for duty in duties]


def away(staff: Staff, now: datetime) -> list[Duty]:
    """What this worker said not to come to; `open_calls` is there as long as nobody took it."""
    return list(
        Duty.objects.filter(worker=staff.user, status=Duty.Status.SICK, end__gt=now)
        .select_related("hour__line")
        .prefetch_related(
            Prefetch("cover_requests", CoverRequest.objects.open(), to_attr="open_calls")
        )
        .order_by("start", "pk")
    )


def my_duty(duty: Duty, request: CoverRequest | None, said: Said, now: datetime) -> MyDuty:
    until = duty.start - timedelta(hours=duty.hour.line.release_hours)
    return MyDuty(
        duty=duty,
        request=request,
        is_now=duty.start <= now,
        is_soon=duty.start - now < SOON,
        is_absent=said.is_absent(duty.hour),
        release_until=until if now <= until else None,
        can_ask=request is None and duty.status == Duty.Status.CONFIRMED and duty.start > now,
    )


# --- Hours with room ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Chance:
    """An hour in which this worker could take a seat, for one of these institutions."""

    hour: ConsultationHour
    institutions: list[Institution]
    # People who are sure to come at its thinnest: without those who look for cover.
    count: int
    # A seat that is owed by an institution of theirs is empty.
    is_our_turn: bool
    leaning: str

    @property
    def is_short(self) -> bool:
        """Without somebody more it cannot open."""
        return self.count < self.hour.min_staff

    @property
    def is_thin(self) -> bool:
        return self.count < self.hour.target_staff

    @property
    def is_liked(self) -> bool:
        return self.leaning == Availability.Kind.PREFERRED

    @property
    def is_unliked(self) -> bool:
        return self.leaning == Availability.Kind.UNAVAILABLE


def chances(staff: Staff, now: datetime, until: datetime) -> list[Chance]:
    """The hours that begin from now until then in which this worker may take a seat."""
    hours = _with_seats(
        ConsultationHour.objects.planned()
        .filter(start__gt=now, start__lt=until)
        .filter(Q(period=None) | Q(period__state__in=RosterPeriod.TAKES_SIGNUPS))
    )
    return _possible(staff, hours, now, until, is_stepping_in=False)


def step_ins(staff: Staff, now: datetime) -> list[Chance]:
    """The hours that go on now in which this worker may step in, until the end."""
    hours = _with_seats(ConsultationHour.objects.planned().published().covering(now))
    return _possible(staff, hours, now, now + timedelta(days=1), is_stepping_in=True)


def _with_seats(hours: QuerySet[ConsultationHour]) -> list[ConsultationHour]:
    active = Duty.objects.active().order_by("start", "pk")
    return list(
        hours.select_related("line", "period")
        .prefetch_related(
            Prefetch("seats", Seat.objects.order_by("no")),
            Prefetch("duties", active, to_attr="active_duties"),
        )
        .order_by("start", "pk")
    )


def _possible(
    staff: Staff,
    hours: list[ConsultationHour],
    now: datetime,
    until: datetime,
    *,
    is_stepping_in: bool,
) -> list[Chance]:
    if not hours:
        return []
    me = staff.user.pk
    institutions = institutions_of(staff)
    kinds = Qualification.of([me])
    said = said_by([me], now, until + timedelta(days=1))[me]
    around = timedelta(days=2)
    busy = list(
        Duty.objects.active()
        .filter(worker=me)
        .overlapping(now - around, until + around)
        .values_list("hour_id", "start", "end")
    )
    found = []
    for hour in hours:
        fitness = Fitness(
            rest=timedelta(minutes=hour.line.short_rest_minutes),
            employers={me: tuple(staff.worker_of)},
            kinds=kinds,
            busy={me: busy},
            absent=frozenset({me} if said.is_absent(hour) else ()),
            hour_id=hour.pk,
        )
        start = max(now, hour.start)
        is_any_seat = is_stepping_in or hour.is_free_for_all(now)
        duties: list[Duty] = hour.active_duties  # type: ignore[attr-defined]
        taken = {duty.seat_id for duty in duties if duty.end > start}
        free = [seat for seat in hour.seats.all() if seat.pk not in taken]
        may = [
            one
            for one in institutions
            if not fitness.obstacle(me, one.pk, start, hour.end)
            and not isinstance(choose(free, kinds[me], one.pk, is_any_seat=is_any_seat), str)
        ]
        if may:
            found.append(
                Chance(
                    hour=hour,
                    institutions=may,
                    count=_thinnest(hour, start, duties),
                    is_our_turn=any(
                        seat.owed_by_id in staff.worker_of and fitness.can(me, seat.needs)
                        for seat in free
                    ),
                    leaning=said.about(hour.start, hour.end),
                )
            )
    return found


def _thinnest(hour: ConsultationHour, start: datetime, duties: list[Duty]) -> int:
    """The least number of people who are sure to come at any moment from `start` to the end."""
    sure = [duty for duty in duties if duty.status in Duty.COVERED]
    moments = {start, *(duty.end for duty in sure if start < duty.end < hour.end)}
    return min(sum(duty.start <= one < duty.end for duty in sure) for one in moments)


# --- What colleagues ask --------------------------------------------------------------------------


@dataclass(frozen=True)
class Asked:
    """A request that this worker may claim."""

    request: CoverRequest
    # Whose duty it is; empty for who may not know.
    name: str
    start: datetime
    end: datetime
    institutions: list[Institution]
    # Of an exchange that leaves it open: own duties that could be offered.
    offers: list[Duty]
    leaning: str

    @property
    def is_for_me(self) -> bool:
        return self.request.to_worker_id is not None

    @property
    def is_exchange(self) -> bool:
        return self.request.kind == CoverRequest.Kind.EXCHANGE


def asked(staff: Staff, now: datetime, mine: list[MyDuty]) -> list[Asked]:
    """The open requests that this worker may claim; asked of them alone first, then the soonest."""
    me = staff.user
    requests = list(
        CoverRequest.objects.open()
        .filter(Q(to_worker=None) | Q(to_worker=me))
        .filter(duty__hour__status=ConsultationHour.Status.PLANNED, duty__end__gt=now)
        .exclude(duty__worker=me)
        .exclude(declines__worker=me)
        .select_related(
            "duty__hour__line",
            "duty__worker",
            "duty__credited_to",
            "duty__seat",
            "offered_duty__hour",
        )
        .order_by("duty__start", "pk")
    )
    requests = [one for one in requests if one.pk not in _late(requests, now)]
    if not requests:
        return []
    known = set(
        Duty.objects.visible_to(staff)
        .filter(pk__in=[one.duty_id for one in requests])
        .values_list("pk", flat=True)
    )
    institutions = institutions_of(staff)
    kinds = Qualification.of([me.pk])
    last = max(one.duty.end for one in requests)
    said = said_by([me.pk], now, last)[me.pk]
    around = timedelta(days=2)
    own = list(Duty.objects.active().filter(worker=me).overlapping(now - around, last + around))
    found = []
    for one in requests:
        hour = one.duty.hour
        start = max(one.part_start or one.duty.start, now)
        end = one.part_end or one.duty.end
        # What is exchanged away is not in the way.
        offers = [
            item.duty
            for item in mine
            if one.kind == CoverRequest.Kind.EXCHANGE
            and one.offered_duty_id in (None, item.duty.pk)
            and item.request is None
            and item.duty.start > now
        ]
        gone = {duty.pk for duty in offers}
        fitness = Fitness(
            rest=timedelta(minutes=hour.line.short_rest_minutes),
            employers={me.pk: tuple(staff.worker_of)},
            kinds=kinds,
            busy={me.pk: [(d.hour_id, d.start, d.end) for d in own if d.pk not in gone]},
            absent=frozenset({me.pk} if said.is_absent(hour) else ()),
            hour_id=hour.pk,
        )
        may = [i for i in institutions if not fitness.obstacle(me.pk, i.pk, start, end)]
        if one.kind == CoverRequest.Kind.EXCHANGE and not offers:
            may = []
        if not fitness.can(me.pk, one.duty.seat.needs):
            may = []
        # What was asked of this worker alone is shown in any case, to be declined.
        if may or one.to_worker_id == me.pk:
            found.append(
                Asked(
                    request=one,
                    name=one.duty.worker.name if one.duty_id in known else "",
                    start=start,
                    end=end,
                    institutions=may,
                    offers=offers,
                    leaning=said.about(hour.start, hour.end),
                )
            )
    return sorted(found, key=lambda item: not item.is_for_me)


def _late(requests: list[CoverRequest], now: datetime) -> set[int]:
    """Those of a duty that began, unless its worker is absent: the rest of that can be covered."""
    return {
        one.pk for one in requests if one.duty.start <= now and one.duty.status != Duty.Status.SICK
    }


def claims(staff: Staff) -> list[CoverRequest]:
    """What this worker claimed and is not decided yet."""
    return list(
        CoverRequest.objects.live()
        .filter(claimed_by=staff.user)
        .select_related("duty__hour__line")
        .order_by("duty__start", "pk")
    )


# --- Whom and what to ask -------------------------------------------------------------------------


def colleagues(duty: Duty, institutions: Collection[int]) -> list[User]:
    """Workers of these institutions who are not on duty at that time, by name.

    What they said of when they can is left out of it, because that is theirs and their
    coordinators'.
    """
    own = Membership.objects.active().workers().filter(institution__in=institutions)
    busy = Duty.objects.active().overlapping(duty.start, duty.end)
    return list(
        User.objects.filter(pk__in=own.values("user"))
        .exclude(pk=duty.worker_id)
        .exclude(pk__in=busy.values("worker"))
        .order_by("name", "pk")
    )


def exchanges(duty: Duty, institutions: Collection[int], now: datetime) -> list[Duty]:
    """Duties of others, for these institutions, that its worker could do instead of `duty`."""
    own = list(Duty.objects.active().filter(worker=duty.worker_id, end__gt=now).exclude(pk=duty.pk))
    theirs = (
        Duty.objects.filter(
            status=Duty.Status.CONFIRMED,
            credited_to__in=institutions,
            hour__line=duty.hour.line_id,
            hour__status=ConsultationHour.Status.PLANNED,
            start__gt=now,
            start__lt=now + EXCHANGE_AHEAD,
        )
        .exclude(worker=duty.worker_id)
        .exclude(hour=duty.hour_id)
        .select_related("worker", "hour")
        .order_by("start", "worker__name")
    )
    return [
        one
        for one in theirs
        if not any(mine.start < one.end and one.start < mine.end for mine in own)
    ]
