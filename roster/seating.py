"""One hour from nearby: its seats, who fills them, and what this member of staff may do. Reads only.

What may be done is asked again by the verbs; here it only decides which buttons are shown.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from django.db.models import Q

from institutions.access import Staff
from roster.candidates import Candidate, rank
from roster.grid import is_coming, ours
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
    has_begun: bool
    is_over: bool

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
    # The platform's may give it to any institution.
    may_deal: bool

    @property
    def is_free(self) -> bool:
        return not any(seated.is_active for seated in self.people)


def places_of(hour: ConsultationHour, now: datetime, staff: Staff) -> list[Place]:
    """Return the seats of the hour with who fills them; a constant number of queries."""
    duties = hour.duties.filter(status__in=SHOWN).select_related("credited_to", "seat")
    named = dict(
        Duty.objects.visible_to(staff)
        .filter(hour=hour, status__in=SHOWN)
        .values_list("pk", "worker__name")
    )
    requests = {request.duty_id: request for request in requests_of(hour, staff)}
    seated: dict[int, list[Seated]] = defaultdict(list)
    for duty in duties.order_by("start", "pk"):
        request = requests.get(duty.pk)
        # Who is absent is nobody's news, but that somebody is needed is.
        if duty.status == Duty.Status.SICK and request is None:
            continue
        seated[duty.seat_id].append(_seated(duty, named.get(duty.pk, ""), request, now, staff))
    seats = list(hour.seats.select_related("owed_by").order_by("no"))
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
        )
        for seat in seats
    ]


def requests_of(hour: ConsultationHour, staff: Staff) -> CoverRequestQuerySet:
    """The live requests in an hour that somebody has a part in, or may have one of theirs claim."""
    live = CoverRequest.objects.live().filter(duty__hour=hour)
    seen = Q(pk__in=CoverRequest.objects.visible_to(staff).values("pk"))
    if staff.is_coordinator:
        seen |= Q(state=CoverRequest.State.OPEN, to_worker__isnull=True)
    return live.filter(seen)


def _coordinates(seat: Seat, staff: Staff) -> bool:
    return staff.is_platform_coordinator or seat.owed_by_id in staff.coordinator_of


def _seated(
    duty: Duty, name: str, request: CoverRequest | None, now: datetime, staff: Staff
) -> Seated:
    acts = staff.is_platform_coordinator or duty.credited_to_id in staff.coordinator_of
    is_me = duty.worker_id == staff.user.pk
    is_over = duty.end <= now
    states = CoverRequest.State
    is_open = (
        request is not None
        and request.state == states.OPEN
        and request.kind != CoverRequest.Kind.EXCHANGE
        and not is_over
    )
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
        has_begun=duty.start <= now,
        is_over=is_over,
    )


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
) -> Candidates:
    """Return who can come: on a seat, or instead of somebody, else on any free seat."""
    # Of what goes on, the rest.
    if instead_of is None:
        ranked = rank(hour, now, seat=seat, span=(max(hour.start, now), hour.end))
    else:
        duty, request = instead_of.duty, instead_of.request
        start, end = duty.start, duty.end
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
