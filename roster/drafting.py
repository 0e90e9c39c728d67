"""What a proposal starts from: the rows of a period as a problem of `roster/proposals`."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta

from institutions.models import Institution, Membership
from roster import fairness
from roster.availability import wishes_of
from roster.models import (
    ConsultationHour,
    Duty,
    Qualification,
    RosterPeriod,
    Seat,
    WorkerWishes,
)
from roster.models.ledger import keys_of
from roster.proposals import problem as draft

# Duties this long before and after the hours still count for rest and the week.
AROUND = timedelta(days=8)


def problem_of(period: RosterPeriod, since: datetime) -> draft.Problem:
    """All that a proposal looks at: the hours of a period that begin after `since`."""
    hours = list(period.hours.planned().filter(start__gt=since).order_by("start", "pk"))
    seats: defaultdict[int, list[Seat]] = defaultdict(list)
    for seat in Seat.objects.filter(hour__in=hours).order_by("no"):
        seats[seat.hour_id].append(seat)
    workers = _institutions_of_workers()
    busy = _duties_around(hours)
    inside = {hour.pk for hour in hours}
    duties, elsewhere = _split(busy, inside)
    # Who is on duty stays in the picture, also after leaving the institution.
    for duty in duties:
        workers.setdefault(duty.worker, (duty.institution,))
    return draft.Problem(
        hours=tuple(_hour(hour, seats[hour.pk]) for hour in hours),
        workers=_workers(workers, hours, elsewhere),
        quotas=quotas_of(period, hours),
        duties=tuple(duties),
        rest_minutes=period.line.short_rest_minutes,
    )


def _hour(hour: ConsultationHour, seats: list[Seat]) -> draft.Hour:
    return draft.Hour(
        id=hour.pk,
        local_date=hour.local_date,
        start=hour.start.astimezone(UTC),
        end=hour.end.astimezone(UTC),
        min_staff=min(hour.min_staff, len(seats)),
        target_staff=min(hour.target_staff, len(seats)),
        # Those that ask for something special first, so that the target holds them. Plain words
        # instead of choices: the solver's process has no models.
        seats=tuple(
            draft.Seat(id=seat.pk, owed_by=seat.owed_by_id, requires=str(seat.needs))
            for seat in sorted(seats, key=lambda seat: (not seat.qualification, seat.no))
        ),
        mix=dict(hour.mix),
    )


def _institutions_of_workers() -> dict[int, tuple[int, ...]]:
    found: defaultdict[int, list[int]] = defaultdict(list)
    rows = (
        Membership.objects.active()
        .workers()
        .filter(user__is_active=True, institution__is_active=True)
        .values_list("user_id", "institution_id")
    )
    for worker, institution in rows:
        if institution is not None:
            found[worker].append(institution)
    return {worker: tuple(sorted(own)) for worker, own in found.items()}


def _duties_around(hours: list[ConsultationHour]) -> list[Duty]:
    if not hours:
        return []
    start = min(hour.start for hour in hours) - AROUND
    end = max(hour.end for hour in hours) + AROUND
    return list(
        Duty.objects.active().overlapping(start, end).select_related("hour").order_by("start", "pk")
    )


def _split(
    busy: list[Duty], inside: set[int]
) -> tuple[list[draft.Duty], dict[int, list[draft.Elsewhere]]]:
    """Tell the duties of the problem's own hours from those elsewhere.

    A seat holds one duty there; where several share a seat, the longest stands for it and the
    others only keep their workers busy.
    """
    elsewhere: defaultdict[int, list[draft.Elsewhere]] = defaultdict(list)
    of_seat: dict[int, Duty] = {}
    for duty in sorted(busy, key=lambda duty: (-duty.minutes, duty.pk)):
        if duty.hour_id in inside and duty.seat_id not in of_seat:
            of_seat[duty.seat_id] = duty
        else:
            elsewhere[duty.worker_id].append(
                draft.Elsewhere(
                    start=duty.start.astimezone(UTC),
                    end=duty.end.astimezone(UTC),
                    local_date=duty.hour.local_date,
                )
            )
    duties = []
    for seat, duty in of_seat.items():
        is_part = (duty.start, duty.end) != (duty.hour.start, duty.hour.end)
        duties.append(
            draft.Duty(
                seat=seat,
                worker=duty.worker_id,
                institution=duty.credited_to_id,
                start=duty.start.astimezone(UTC) if is_part else None,
                end=duty.end.astimezone(UTC) if is_part else None,
                is_fixed=is_part or not may_move(duty),
            )
        )
    return duties, elsewhere


def may_move(duty: Duty) -> bool:
    """Whether a proposal may give this duty to somebody else: nobody chose, locked or asked for it."""
    return (
        duty.source == Duty.Source.PROPOSAL
        and duty.status == Duty.Status.CONFIRMED
        and not duty.is_locked
    )


def _workers(
    institutions: Mapping[int, tuple[int, ...]],
    hours: list[ConsultationHour],
    elsewhere: Mapping[int, list[draft.Elsewhere]],
) -> tuple[draft.Worker, ...]:
    kinds = Qualification.of(institutions)
    wishes = wishes_of(institutions, hours)
    limits = {one.worker_id: one for one in WorkerWishes.objects.filter(worker__in=institutions)}
    workers = []
    for worker, own in sorted(institutions.items()):
        limit = limits.get(worker)
        workers.append(
            draft.Worker(
                id=worker,
                institutions=own,
                wishes=wishes[worker],
                qualifications=frozenset(str(kind) for kind in kinds[worker]),
                max_per_week=limit.max_per_week if limit else None,
                min_per_period=(limit.min_per_period or 0) if limit else 0,
                max_per_period=limit.max_per_period if limit else None,
                elsewhere=tuple(elsewhere.get(worker, ())),
            )
        )
    return tuple(workers)


def quotas_of(period: RosterPeriod, hours: Iterable[ConsultationHour]) -> dict[int, int]:
    """The minutes that each institution should do in these hours, by the period's share key.

    What they need is every seat up to the target. Fixed minutes are of the whole period: of a part
    of it they count for that part. Without a key everybody who has workers bears the same.
    """
    need = sum(hour.minutes * hour.target_staff for hour in hours)
    keys = keys_of(period)
    if not keys:
        active = Institution.objects.active_on(period.first_date).filter(
            memberships__role=Membership.Role.WORKER
        )
        keys = {one.pk: fairness.ShareKey(weight=1) for one in active.distinct()}
    if not keys or not need:
        return dict.fromkeys(keys, 0)
    whole = sum(hour.minutes * hour.target_staff for hour in period.hours.planned())
    parts = fairness.shares(whole, keys, period.first_date, period.last_date)
    return fairness.largest_remainder(need, parts)
