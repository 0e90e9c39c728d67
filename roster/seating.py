"""One hour from nearby: its seats, who fills them, and what this member of staff may do. Reads only.

What may be done is asked again by the verbs; here it only decides which buttons are shown.
"""

from collections import defaultdict
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from institutions.access import Staff
from roster.candidates import Candidate, rank
from roster.grid import ours
from roster.models import ConsultationHour, CoverRequest, Duty, Seat

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
    may_decide: bool
    is_over: bool

    @property
    def is_active(self) -> bool:
        return self.duty.status in Duty.ACTIVE

    @property
    def may_ask(self) -> bool:
        return self.duty.status == Duty.Status.CONFIRMED and (self.is_me or self.may_act)

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

    @property
    def is_free(self) -> bool:
        return not any(seated.is_active for seated in self.people)


def places_of(hour: ConsultationHour, now: datetime, staff: Staff) -> list[Place]:
    """Return the seats of the hour with who fills them; a constant number of queries."""
    duties = hour.duties.filter(status__in=SHOWN).select_related("credited_to")
    named = dict(
        Duty.objects.visible_to(staff)
        .filter(hour=hour, status__in=SHOWN)
        .values_list("pk", "worker__name")
    )
    requests = {
        request.duty_id: request
        for request in CoverRequest.objects.live()
        .visible_to(staff)
        .filter(duty__hour=hour)
        .distinct()
    }
    seated: dict[int, list[Seated]] = defaultdict(list)
    for duty in duties.order_by("start", "pk"):
        request = requests.get(duty.pk)
        # Who is absent is nobody's news, but that somebody is needed is.
        if duty.status == Duty.Status.SICK and request is None:
            continue
        seated[duty.seat_id].append(_seated(duty, named.get(duty.pk, ""), request, now, staff))
    is_over = hour.end <= now
    is_coming = not is_over and hour.status == ConsultationHour.Status.PLANNED
    return [
        Place(
            seat=seat,
            people=seated[seat.pk],
            is_ours=seat.owed_by_id in ours(staff),
            may_give=is_coming and seat.owed_by_id is not None and _coordinates(seat, staff),
            may_take=is_coming
            and bool(staff.coordinator_of)
            and seat.owed_by_id not in staff.coordinator_of,
        )
        for seat in hour.seats.select_related("owed_by").order_by("no")
    ]


def _coordinates(seat: Seat, staff: Staff) -> bool:
    return staff.is_platform_coordinator or seat.owed_by_id in staff.coordinator_of


def _seated(
    duty: Duty, name: str, request: CoverRequest | None, now: datetime, staff: Staff
) -> Seated:
    acts = staff.is_platform_coordinator or duty.credited_to_id in staff.coordinator_of
    is_me = duty.worker_id == staff.user.pk
    is_over = duty.end <= now
    states = CoverRequest.State
    return Seated(
        duty=duty,
        name=name,
        is_me=is_me,
        is_part=(duty.start, duty.end) != (duty.hour.start, duty.hour.end),
        request=request,
        may_act=acts and not is_me and not is_over,
        may_claim=request is not None
        and request.state == states.OPEN
        and request.kind != CoverRequest.Kind.EXCHANGE
        and staff.is_worker
        and not is_me
        and request.to_worker_id in (None, staff.user.pk)
        and not is_over,
        may_decide=request is not None
        and request.state == states.AWAITING_APPROVAL
        and not is_me
        and request.claimed_by_id != staff.user.pk
        and (acts or request.claimed_for_id in staff.coordinator_of),
        is_over=is_over,
    )


def candidates_of(
    hour: ConsultationHour, now: datetime, staff: Staff, *, seat: Seat | None = None
) -> tuple[list[Candidate], list[Candidate]]:
    """Return whom a coordinator may put here, and the own candidacies of the one who asks."""
    all_of_them = rank(hour, now, seat=seat)
    return (
        [
            one
            for one in all_of_them
            if staff.is_platform_coordinator or one.institution.pk in staff.coordinator_of
        ],
        [one for one in all_of_them if one.worker.pk == staff.user.pk],
    )


def free_for_all_from(hour: ConsultationHour) -> date | None:
    """The day from which the empty seats of this hour are everybody's; None: they always were."""
    if hour.period is None:
        return None
    return hour.local_date - timedelta(days=hour.period.free_for_all_days)
