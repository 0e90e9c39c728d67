"""What an answer costs, and which law-like rules it breaks. The yardstick of every solver.

Written for clarity, not for speed: a solver keeps its own running sums, and the tests hold those
against this.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from roster.fairness import coverage
from roster.proposals.problem import Hour, Problem, Seat, Weights, Wish, iso_week, minutes


@dataclass(frozen=True, order=True, slots=True)
class Placement:
    """A proposed duty, for the whole hour of the seat and to the credit of the institution."""

    seat: int
    worker: int
    institution: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """How much there is of each thing that `Weights` gives a price, fixed duties included."""

    below_min: int
    over_limit: int
    short: int
    mix: int
    off_quota: int
    largest_off: int
    changed: int
    crowded: int
    under_limit: int
    not_owed: int
    not_preferred: int
    load: int

    def cost(self, weights: Weights) -> int:
        return sum(getattr(self, name) * getattr(weights, name) for name in self.__slots__)


@dataclass(frozen=True, slots=True)
class Presence:
    """One person in one hour, be it fixed, published or proposed."""

    seat: Seat
    hour: Hour
    worker: int
    institution: int
    start: datetime
    end: datetime
    is_fixed: bool

    @property
    def minutes(self) -> int:
        return minutes(self.start, self.end)


def presences(problem: Problem, placements: Iterable[Placement]) -> list[Presence]:
    """Who is on duty when these placements come on top of the fixed duties."""
    seats = {seat.id: (seat, hour) for hour in problem.hours for seat in hour.seats}
    found = [
        Presence(
            *seats[duty.seat],
            duty.worker,
            duty.institution,
            duty.start or seats[duty.seat][1].start,
            duty.end or seats[duty.seat][1].end,
            True,
        )
        for duty in problem.duties
        if duty.is_fixed
    ]
    for one in placements:
        seat, hour = seats[one.seat]
        found.append(Presence(seat, hour, one.worker, one.institution, hour.start, hour.end, False))
    return found


def covered(hour: Hour, there: Iterable[Presence]) -> int:
    """How many are there at the thinnest moment of an hour."""
    spans = coverage(hour.start, hour.end, [(one.start, one.end) for one in there])
    return min(span.count for span in spans)


def evaluate(problem: Problem, placements: Sequence[Placement]) -> Score:
    """Count what an answer costs. It may be an incomplete one, or one that breaks rules."""
    there = presences(problem, placements)
    by_hour: defaultdict[int, list[Presence]] = defaultdict(list)
    for one in there:
        by_hour[one.hour.id].append(one)
    workers = {worker.id: worker for worker in problem.workers}

    below_min = short = missing = crowded = 0
    for hour in problem.hours:
        mine = by_hour[hour.id]
        count = covered(hour, mine)
        below_min += count < hour.min_staff
        short += max(0, hour.target_staff - count)
        for qualification, wanted in hour.mix.items():
            has = sum(qualification in workers[one.worker].qualifications for one in mine)
            missing += max(0, wanted - has)
        if problem.max_per_institution is not None:
            crowd = Counter(one.institution for one in mine)
            crowded += sum(max(0, n - problem.max_per_institution) for n in crowd.values())

    off = [abs(minutes) for minutes in off_quota(problem, there).values()]
    loads = Counter(one.worker for one in there)
    weeks = Counter((one.worker, one.hour.week) for one in there)
    over = under = 0
    for worker in problem.workers:
        weeks.update((worker.id, iso_week(other.local_date)) for other in worker.elsewhere)
        under += max(0, worker.min_per_period - loads[worker.id])
        if worker.max_per_period is not None:
            over += max(0, loads[worker.id] - worker.max_per_period)
    for (worker_id, _week), count in weeks.items():
        maximum = workers[worker_id].max_per_week
        if maximum is not None:
            over += max(0, count - maximum)

    here = {(one.worker, one.hour.id) for one in there}
    hour_of = {seat.id: hour.id for hour in problem.hours for seat in hour.seats}
    published = {(duty.worker, hour_of[duty.seat]) for duty in problem.duties if not duty.is_fixed}
    free = [one for one in there if not one.is_fixed]
    return Score(
        below_min=below_min,
        over_limit=over,
        short=short,
        mix=missing,
        off_quota=sum(off),
        largest_off=max(off, default=0),
        changed=len(published - here),
        crowded=crowded,
        under_limit=under,
        not_owed=sum(one.seat.owed_by not in (None, one.institution) for one in free),
        not_preferred=sum(
            workers[one.worker].wishes.get(one.hour.id) != Wish.PREFERRED for one in free
        ),
        load=sum(count * (count + 1) // 2 for count in loads.values()),
    )


def off_quota(problem: Problem, there: Iterable[Presence]) -> dict[int, int]:
    """Minutes that each institution does above its quota; negative below it."""
    off = {institution: 0 for worker in problem.workers for institution in worker.institutions}
    off |= {institution: -quota for institution, quota in problem.quotas.items()}
    for one in there:
        off[one.institution] = off.get(one.institution, 0) + one.minutes
    return off


def broken_rules(problem: Problem, placements: Sequence[Placement]) -> list[str]:
    """Name each law-like rule that a placement breaks; nothing for what a solver may answer.

    What fixed duties break among themselves is somebody's decision and not named.
    """
    return list(_broken_rules(problem, placements))


def _broken_rules(problem: Problem, placements: Sequence[Placement]) -> Iterator[str]:
    there = presences(problem, placements)
    workers = {worker.id: worker for worker in problem.workers}
    taken = Counter(one.seat.id for one in there)
    yield from (f"seat {seat} is filled twice" for seat, count in taken.items() if count > 1)
    spans: defaultdict[int, list[tuple[datetime, datetime, bool]]] = defaultdict(list)
    for one in there:
        spans[one.worker].append((one.start, one.end, one.is_fixed))
        if one.is_fixed:
            continue
        worker = workers[one.worker]
        if one.institution not in worker.institutions:
            yield f"worker {worker.id} does not work for institution {one.institution}"
        if not worker.wishes.get(one.hour.id):
            yield f"worker {worker.id} is unavailable in hour {one.hour.id}"
        if one.seat.requires and one.seat.requires not in worker.qualifications:
            yield f"worker {worker.id} is not qualified for seat {one.seat.id}"
    rest = timedelta(minutes=problem.rest_minutes)
    for worker in problem.workers:
        mine = spans[worker.id]
        mine += [(other.start, other.end, True) for other in worker.elsewhere]
        for number, (start, end, is_fixed) in enumerate(mine):
            for other_start, other_end, is_other_fixed in mine[:number]:
                near = start < other_end + rest and other_start < end + rest
                if near and not (is_fixed and is_other_fixed):
                    yield f"worker {worker.id} has too little rest around {max(start, other_start)}"
