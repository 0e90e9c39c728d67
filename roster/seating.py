"""One hour from nearby: its seats, who fills them, and what this member of staff may do. Reads only.

What may be done is asked again by the verbs; here it only decides which buttons are shown.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q

from institutions.access import Staff
from institutions.models import User
from roster import mine
from roster.candidates import Candidate, rank
from roster.fairness import coverage
from roster.grid import is_coming, ours
from roster.mine import EXCHANGE_AHEAD
from roster.models import ConsultationHour, CoverRequest, Duty, Seat
from roster.models.cover import CoverRequestQuerySet

# Absent is shown too: the call for somebody else hangs on it.
SHOWN = (*Duty.ACTIVE, Duty.Status.SICK)


@dataclass(frozen=True)
class Seated:
    """A duty on a seat. `name` is empty for who may not know it."""

    duty: Duty
    name: str
    is_me: bool
    is_part: bool
    request: CoverRequest | None
    # A coordinator who may act for this worker.
    may_act: bool
    may_claim: bool
    # A coordinator may let one of theirs claim it.
    may_claim_for: bool
    may_decide: bool
    may_unclaim: bool
    has_begun: bool
    is_over: bool
    # Of a wish to exchange: the duties that this one may give for it.
    offers: list[Duty]
    # What acting for somebody leaves to be seen: who assigned, or asked, when that was another.
    assigned_by: str
    asked_by: str

    @property
    def is_active(self) -> bool:
        return self.duty.status in Duty.ACTIVE

    @property
    def may_ask(self) -> bool:
        is_theirs = self.is_me or self.may_act
        return is_theirs and self.duty.status == Duty.Status.CONFIRMED and not self.has_begun

    @property
    def may_withdraw(self) -> bool:
        return self.request is not None and self.is_active and (self.is_me or self.may_act)


@dataclass(frozen=True)
class Place:
    """A seat of the hour."""

    seat: Seat
    people: list[Seated]
    is_ours: bool
    # The own institutions' coordinator may give it away, or take it over.
    may_give: bool
    may_take: bool
    # The platform's may give it to any institution; who owes it may ask another one.
    may_deal: bool
    may_offer: bool
    # It is offered to an institution of theirs.
    may_answer: bool
    # What is left of a seat that is filled in part.
    holes: list[tuple[datetime, datetime]]

    @property
    def is_free(self) -> bool:
        return not any(seated.is_active for seated in self.people)


def places_of(hour: ConsultationHour, now: datetime, staff: Staff) -> list[Place]:
    """Return the seats of the hour with who fills them; a constant number of queries."""
    duties = hour.duties.filter(status__in=SHOWN).select_related(
        "credited_to", "seat", "hour", "assigned_by"
    )
    named = dict(
        Duty.objects.visible_to(staff)
        .filter(hour=hour, status__in=SHOWN)
        .values_list("pk", "worker__name")
    )
    asked = requests_of(hour, staff).select_related("requested_by", "offered_duty", "to_worker")
    requests = {request.duty_id: request for request in asked}
    offers = _offers(hour, list(requests.values()), now, staff)
    seated: dict[int, list[Seated]] = defaultdict(list)
    for duty in duties.order_by("start", "pk"):
        request = requests.get(duty.pk)
        # Who is absent is nobody's news, but that somebody is needed is.
        if duty.status == Duty.Status.SICK and request is None:
            continue
        name = named.get(duty.pk, "")
        seated[duty.seat_id].append(_seated(duty, name, request, offers, now, staff))
    seats = list(hour.seats.select_related("owed_by", "offered_to").order_by("no"))
    # Who owes an empty seat may change until the hour begins.
    movable = {
        seat.pk
        for seat in seats
        if is_coming(hour, now)
        and now < hour.start
        and not any(one.is_active for one in seated[seat.pk])
    }
    return [
        Place(
            seat=seat,
            people=seated[seat.pk],
            is_ours=seat.owed_by_id in ours(staff),
            may_give=seat.pk in movable
            and seat.owed_by_id is not None
            and _coordinates(seat, staff),
            may_take=seat.pk in movable
            and bool(staff.coordinator_of)
            and seat.owed_by_id not in staff.coordinator_of,
            may_deal=seat.pk in movable and staff.is_platform_coordinator,
            may_offer=seat.pk in movable
            and seat.owed_by_id in staff.coordinator_of
            and not staff.is_platform_coordinator,
            may_answer=seat.pk in movable and seat.offered_to_id in staff.coordinator_of,
            holes=_holes(hour, seated[seat.pk], now) if is_coming(hour, now) else [],
        )
        for seat in seats
    ]


def requests_of(hour: ConsultationHour, staff: Staff) -> CoverRequestQuerySet:
    """The live requests in an hour that somebody has a part in, or may have one of theirs claim."""
    live = CoverRequest.objects.live().filter(duty__hour=hour)
    seen = Q(pk__in=CoverRequest.objects.visible_to(staff).values("pk"))
    if staff.is_coordinator:
        seen |= Q(state=CoverRequest.State.OPEN, to_worker__isnull=True)
        # Who is asked to exchange may be an own worker, for whom this coordinator may say yes.
        seen |= Q(offered_duty__credited_to__in=staff.coordinator_of)
    return live.filter(seen)


def _offers(
    hour: ConsultationHour, requests: list[CoverRequest], now: datetime, staff: Staff
) -> list[Duty]:
    """The duties that this one, or an own worker, could give in an exchange; one query."""
    if not any(request.kind == CoverRequest.Kind.EXCHANGE for request in requests):
        return []
    theirs = Q(worker=staff.user) | Q(credited_to__in=staff.coordinator_of)
    found = Duty.objects.filter(
        Q() if staff.is_platform_coordinator else theirs,
        status=Duty.Status.CONFIRMED,
        hour__line=hour.line_id,
        hour__status=ConsultationHour.Status.PLANNED,
        start__gt=now,
        start__lt=now + EXCHANGE_AHEAD,
    ).exclude(hour=hour)
    return list(found.select_related("worker").order_by("start", "worker__name", "pk"))


def _holes(
    hour: ConsultationHour, people: list[Seated], now: datetime
) -> list[tuple[datetime, datetime]]:
    spans = [(one.duty.start, one.duty.end) for one in people if one.is_active]
    start = max(hour.start, now.replace(second=0, microsecond=0))
    if not spans or start >= hour.end:
        return []
    return [(one.start, one.end) for one in coverage(start, hour.end, spans) if not one.count]


def _coordinates(seat: Seat, staff: Staff) -> bool:
    return staff.is_platform_coordinator or seat.owed_by_id in staff.coordinator_of


def _seated(
    duty: Duty,
    name: str,
    request: CoverRequest | None,
    offers: list[Duty],
    now: datetime,
    staff: Staff,
) -> Seated:
    acts = staff.is_platform_coordinator or duty.credited_to_id in staff.coordinator_of
    is_me = duty.worker_id == staff.user.pk
    is_over = duty.end <= now
    states = CoverRequest.State
    is_asked = request is not None and request.state == states.OPEN and not is_over
    is_exchange = request is not None and request.kind == CoverRequest.Kind.EXCHANGE
    is_open = is_asked and not is_exchange
    is_close = acts or is_me
    return Seated(
        duty=duty,
        name=name,
        is_me=is_me,
        is_part=(duty.start, duty.end) != (duty.hour.start, duty.hour.end),
        request=request,
        may_act=acts and not is_me and not is_over,
        may_claim=is_open
        and request is not None
        and staff.is_worker
        and not is_me
        and request.to_worker_id in (None, staff.user.pk),
        # Of an own worker who is still on duty, the coordinator simply puts another one there.
        may_claim_for=is_open
        and request is not None
        and request.to_worker_id is None
        and staff.is_coordinator
        and (not acts or duty.status == Duty.Status.SICK),
        may_decide=request is not None
        and request.state == states.AWAITING_APPROVAL
        and not is_me
        and request.claimed_by_id != staff.user.pk
        and (acts or request.claimed_for_id in staff.coordinator_of),
        may_unclaim=request is not None
        and request.state == states.AWAITING_APPROVAL
        and (
            request.claimed_by_id == staff.user.pk
            or request.claimed_for_id in staff.coordinator_of
            or staff.is_platform_coordinator
        ),
        has_begun=duty.start <= now,
        is_over=is_over,
        offers=[
            one
            for one in offers
            if is_asked
            and is_exchange
            and request is not None
            and one.worker_id != duty.worker_id
            and request.to_worker_id in (None, one.worker_id)
            and request.offered_duty_id in (None, one.pk)
        ],
        assigned_by=duty.assigned_by.name if is_close and duty.assigned_by else "",
        asked_by=request.requested_by.name
        if is_close and request is not None and request.requested_by_id != duty.worker_id
        else "",
    )


@dataclass(frozen=True)
class Asking:
    """Whom a coordinator may ask for a worker, and what they may exchange with."""

    seated: Seated
    colleagues: list[User]
    exchanges: list[Duty]
    # Those that may be exchanged at once, because both workers are theirs.
    direct: frozenset[int]


def asking_for(seated: Seated, staff: Staff, now: datetime) -> Asking:
    """Return what can be asked for somebody else, in institutions whose people one may know."""
    duty = seated.duty
    theirs = duty.worker.memberships.active().workers().values_list("institution_id", flat=True)
    known = {
        pk
        for pk in theirs
        if pk is not None and (staff.is_platform_coordinator or pk in staff.coordinator_of)
    }
    found = mine.exchanges(duty, known, now)
    return Asking(
        seated=seated,
        colleagues=mine.colleagues(duty, known),
        exchanges=found,
        direct=frozenset(one.pk for one in found if _coordinates_duty(one, staff)),
    )


def _coordinates_duty(duty: Duty, staff: Staff) -> bool:
    return staff.is_platform_coordinator or duty.credited_to_id in staff.coordinator_of


@dataclass(frozen=True)
class Candidates:
    """Who can come, for the one who asks: whom they may put here, and they themselves."""

    possible: list[Candidate]
    impossible: list[Candidate]
    own: list[Candidate]


def candidates_of(
    hour: ConsultationHour,
    now: datetime,
    staff: Staff,
    *,
    seat: Seat | None = None,
    instead_of: Seated | None = None,
    part: tuple[datetime, datetime] | None = None,
) -> Candidates:
    """Return who can come: on a seat, or instead of somebody, else on any free seat.

    With `part` for that part of it.
    """
    # Of what goes on, the rest.
    if instead_of is None:
        start, end = part or (hour.start, hour.end)
        ranked = rank(hour, now, seat=seat, span=(max(start, now), end))
    else:
        duty, request = instead_of.duty, instead_of.request
        start, end = part or (duty.start, duty.end)
        if instead_of.may_claim_for and request is not None:
            start, end = request.part_start or start, request.part_end or end
        ranked = rank(hour, now, seat=duty.seat, span=(max(start, now), end), for_cover=True)
    possible: list[Candidate] = []
    impossible: list[Candidate] = []
    for one in ranked:
        if staff.is_platform_coordinator or one.institution.pk in staff.coordinator_of:
            # The platform's coordinator need not wait until the seats of others are everybody's.
            waits = one.codes[:1] == ("wave",) and staff.is_platform_coordinator
            (possible if one.is_possible or waits else impossible).append(one)
    return Candidates(
        possible=possible,
        impossible=impossible,
        own=[one for one in ranked if one.worker.pk == staff.user.pk],
    )


def free_for_all_from(hour: ConsultationHour) -> date | None:
    """The day from which the empty seats of this hour are everybody's; None: they always were."""
    if hour.period is None:
        return None
    return hour.local_date - timedelta(days=hour.period.free_for_all_days)
