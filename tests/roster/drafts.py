"""Small problems for proposals, made at random or by hand, and what to hold answers against."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st

from roster.proposals.problem import Duty, Elsewhere, Hour, Problem, Seat, Wish, Worker
from roster.proposals.score import Placement, broken_rules, evaluate
from roster.proposals.solve import Proposal
from roster.proposals.tables import Tables

SENIOR = "senior"
# A Monday, seven in the evening in Amsterdam.
MONDAY = datetime(2026, 9, 7, 17, tzinfo=UTC)
ONE, TWO = 1, 2

few = settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))


# --- By hand, and at random -------------------------------------------------------------------


def make_hour(number: int, day: int = 0, at: int = 0, hours: int = 2, **more: Any) -> Hour:
    """One hour with two seats, of which one is needed. `at`: hours after seven."""
    start = MONDAY + timedelta(days=day, hours=at)
    seats = more.pop("seats", (Seat(id=10 * number), Seat(id=10 * number + 1)))
    more = {"min_staff": 1, "target_staff": len(seats)} | more
    end = start + timedelta(hours=hours)
    return Hour(id=number, local_date=start.date(), start=start, end=end, seats=seats, **more)


def make_worker(number: int, *hours: int, at: tuple[int, ...] = (ONE,), **more: Any) -> Worker:
    """Somebody who would like to be there in these hours."""
    wishes = more.pop("wishes", dict.fromkeys(hours, Wish.PREFERRED))
    return Worker(id=number, institutions=at, wishes=wishes, **more)


def make_problem(*hours_and_workers: Hour | Worker, **more: Any) -> Problem:
    more = {"quotas": {}} | more
    return Problem(
        hours=tuple(one for one in hours_and_workers if isinstance(one, Hour)),
        workers=tuple(one for one in hours_and_workers if isinstance(one, Worker)),
        **more,
    )


def who(proposal: Proposal) -> dict[int, int]:
    return {one.seat: one.worker for one in proposal.placements}


@st.composite
def hours(draw: st.DrawFn, most: int = 4) -> tuple[Hour, ...]:
    """Hours with at most four seats together; some overlap, touch, or leave little rest."""
    found: list[Hour] = []
    seat = 0
    for number in range(draw(st.integers(1, most))):
        size = draw(st.integers(1, min(3, 4 - seat)))
        target = draw(st.integers(0, size))
        seats = tuple(
            Seat(
                id=seat + at,
                owed_by=draw(st.sampled_from([None, ONE, TWO])),
                requires=draw(st.sampled_from([None, None, SENIOR])),
            )
            for at in range(size)
        )
        seat += size
        found.append(
            make_hour(
                number,
                draw(st.sampled_from([0, 0, 1, 7])),
                draw(st.sampled_from([0, 0, 1, 2, 4])),
                draw(st.sampled_from([1, 2, 3])),
                seats=seats,
                min_staff=draw(st.integers(0, target)),
                target_staff=target,
                mix=draw(st.sampled_from([{}, {SENIOR: 1}])),
            )
        )
        if seat == 4:
            break
    return tuple(found)


@st.composite
def workers(draw: st.DrawFn, number: int, known: Sequence[Hour]) -> Worker:
    limits = st.sampled_from([None, None, 0, 1, 2])
    elsewhere = Elsewhere(
        start=MONDAY + timedelta(hours=1),
        end=MONDAY + timedelta(hours=2),
        local_date=MONDAY.date(),
    )
    return Worker(
        id=number,
        institutions=draw(st.sampled_from([(ONE,), (TWO,), (ONE, TWO)])),
        wishes={hour.id: draw(st.sampled_from(Wish)) for hour in known},
        qualifications=frozenset(draw(st.sampled_from([(), (SENIOR,)]))),
        max_per_week=draw(limits),
        min_per_period=draw(st.sampled_from([0, 0, 1])),
        max_per_period=draw(limits),
        elsewhere=draw(st.sampled_from([(), (), (elsewhere,)])),
    )


@st.composite
def duties(draw: st.DrawFn, hour: Hour, seat: Seat, staff: Sequence[Worker]) -> Duty | None:
    """Mostly none; else a published, a fixed or a partial one, which may break rules itself."""
    kind = draw(st.sampled_from([None, None, None, "published", "fixed", "part"]))
    if kind is None:
        return None
    worker = draw(st.sampled_from(staff))
    half = hour.start + timedelta(minutes=30) if kind == "part" else None
    institution = draw(st.sampled_from(worker.institutions))
    return Duty(
        seat=seat.id,
        worker=worker.id,
        institution=institution,
        end=half,
        is_fixed=kind != "published",
    )


@st.composite
def problems(draw: st.DrawFn) -> Problem:
    known = draw(hours())
    staff = [draw(workers(number, known)) for number in range(draw(st.integers(1, 3)))]
    there = [draw(duties(hour, seat, staff)) for hour in known for seat in hour.seats]
    return Problem(
        hours=known,
        workers=tuple(staff),
        quotas={one: 60 * draw(st.integers(0, 4)) for one in (ONE, TWO)},
        duties=tuple(duty for duty in there if duty),
        rest_minutes=draw(st.sampled_from([0, 0, 11 * 60])),
        max_per_institution=draw(st.sampled_from([None, 1, 2])),
    )


def middling() -> Problem:
    """Two weeks of evenings and nine people: too much to try everything."""
    known = [
        make_hour(n, day=n, seats=tuple(Seat(id=10 * n + at) for at in range(3)), min_staff=2)
        for n in range(14)
    ]
    staff = [
        make_worker(
            n,
            at=((ONE,), (TWO,), (ONE, TWO))[n % 3],
            wishes={hour.id: Wish((hour.id * (n + 2) + n) % 3) for hour in known},
            qualifications=frozenset({SENIOR, f"kind{n}"}),
            max_per_week=3,
        )
        for n in range(9)
    ]
    return make_problem(*known, *staff, quotas={ONE: 3000, TWO: 1500}, rest_minutes=660)


def mixed_up(problem: Problem) -> Problem:
    """The same, in another order."""
    return replace(
        problem,
        hours=problem.hours[::-1],
        workers=tuple(
            replace(worker, wishes=dict(reversed(worker.wishes.items())))
            for worker in problem.workers[::-1]
        ),
        quotas=dict(reversed(problem.quotas.items())),
        duties=problem.duties[::-1],
    )


# --- What the answers are held against ------------------------------------------------------------


def fixed_of(problem: Problem) -> list[Duty]:
    return [duty for duty in problem.duties if duty.is_fixed]


def assert_lawful(problem: Problem, placements: Sequence[Placement]) -> None:
    """Hold an answer against the four rules, written down a second time."""
    hour_of = {seat.id: hour for hour in problem.hours for seat in hour.seats}
    seat_of = {seat.id: seat for hour in problem.hours for seat in hour.seats}
    staff = {worker.id: worker for worker in problem.workers}
    fixed = fixed_of(problem)
    filled = Counter([duty.seat for duty in fixed] + [one.seat for one in placements])
    assert set(filled.values()) <= {1}
    rest = timedelta(minutes=problem.rest_minutes)
    busy = {
        worker.id: [(other.start, other.end) for other in worker.elsewhere]
        + [
            (duty.start or hour_of[duty.seat].start, duty.end or hour_of[duty.seat].end)
            for duty in fixed
            if duty.worker == worker.id
        ]
        for worker in problem.workers
    }
    for one in placements:
        worker, hour = staff[one.worker], hour_of[one.seat]
        assert worker.wishes[hour.id] != Wish.UNAVAILABLE
        assert seat_of[one.seat].requires in {None, *worker.qualifications}
        assert one.institution in worker.institutions
        for start, end in busy[worker.id]:
            assert hour.start >= end + rest or start >= hour.end + rest
        busy[worker.id].append((hour.start, hour.end))


def cheapest(problem: Problem) -> int:
    """The cost of the best answer, by trying all of them."""
    tables = Tables(problem)
    room = {hour.id: room for hour, room in zip(tables.hours, tables.room, strict=True)}
    hour_of = {seat.id: hour.id for hour in problem.hours for seat in hour.seats}
    open_seats = sorted(set(hour_of) - {duty.seat for duty in fixed_of(problem)})
    options = [(worker.id, one) for worker in problem.workers for one in worker.institutions]
    chosen: list[Placement] = []

    def costs(at: int) -> int:
        if at == len(open_seats):
            return evaluate(problem, chosen).cost(problem.weights)
        seat = open_seats[at]
        least = costs(at + 1)
        if sum(hour_of[one.seat] == hour_of[seat] for one in chosen) == room[hour_of[seat]]:
            return least
        for worker, institution in options:
            chosen.append(Placement(seat, worker, institution))
            if not broken_rules(problem, chosen):
                least = min(least, costs(at + 1))
            chosen.pop()
        return least

    return costs(0)


def can_all_be_filled(problem: Problem) -> bool:
    """Whether each seat can have somebody, when all hours are at one time: a matching."""
    seats = [(hour, seat) for hour in problem.hours for seat in hour.seats]
    holder: dict[int, Seat] = {}

    def find(hour: Hour, seat: Seat, tried: set[int]) -> bool:
        for worker in problem.workers:
            fits = worker.wishes[hour.id] and seat.requires in {None, *worker.qualifications}
            if not fits or worker.id in tried:
                continue
            tried.add(worker.id)
            other = holder.get(worker.id)
            if other is None or find(hours_of[other.id], other, tried):
                holder[worker.id] = seat
                return True
        return False

    hours_of = {seat.id: hour for hour, seat in seats}
    return all(find(hour, seat, set()) for hour, seat in seats)
