"""What a proposal starts from. Frozen data: hours with seats, workers, quotas, duties that are there.

Identifiers are whole numbers of the caller (primary keys) and come back as they are. Times are in
UTC; `local_date` is the date on the wall calendar of the line, and the week of an hour is the ISO
week of that date. A span is half-open: one hour may begin when another ends.

Four rules are law-like and never broken: nobody is on duty twice at a time, nor while
unavailable, nor on a seat without the qualification that it requires, nor before having rested
`rest_minutes`. Everything else is a matter of cost (`Weights`), so that there always is an answer.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from enum import IntEnum
from typing import Any

# Raise when the meaning of the input changes: old proposals then count as outdated.
FORMAT = 1


class Wish(IntEnum):
    """What a worker said about an hour."""

    UNAVAILABLE = 0
    POSSIBLE = 1
    PREFERRED = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class Weights:
    """What each thing costs, in hundredths of a minute off quota.

    Each tier weighs far more than the next: hours below their minimum, own maximum, seats short,
    required mix, quotas, published duties, and at the end burdens and wishes. A proposal takes a
    published duty away for a quarter of an hour less off quota, but not for a minute.
    """

    below_min: int = 100_000_000  # per hour that cannot open
    over_limit: int = 10_000_000  # per duty above what a worker wants at most
    short: int = 1_000_000  # per seat below the target
    mix: int = 300_000  # per worker of a required kind that an hour misses
    off_quota: int = 100  # per minute, summed over institutions
    largest_off: int = 25  # per minute of the institution that is furthest off
    changed: int = 1_500  # per published duty that disappears
    crowded: int = 1_000  # per worker above the maximum of one institution in an hour
    under_limit: int = 500  # per duty below what a worker wants at least
    not_owed: int = 30  # per seat filled by another institution than the one that owes it
    not_preferred: int = 10  # per duty that is possible but not preferred
    load: int = 3  # a worker's n-th duty costs n times this


@dataclass(frozen=True, kw_only=True, slots=True)
class Seat:
    """One place in an hour. `requires`: a qualification that its worker must have."""

    id: int
    owed_by: int | None = None
    requires: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Hour:
    """One consultation hour. `seats` are in the order in which they should be filled.

    A proposal fills up to `target_staff`; the seats above that stay free for who wants them.
    `mix`: how many of its workers should have a qualification, for example one with experience.
    """

    id: int
    local_date: date
    start: datetime
    end: datetime
    min_staff: int
    target_staff: int
    seats: tuple[Seat, ...]
    mix: Mapping[str, int] = field(default_factory=dict)

    @property
    def minutes(self) -> int:
        return minutes(self.start, self.end)

    @property
    def week(self) -> tuple[int, int]:
        return iso_week(self.local_date)


@dataclass(frozen=True, kw_only=True, slots=True)
class Elsewhere:
    """When a worker is on duty outside these hours: counts for overlap, rest and the week."""

    start: datetime
    end: datetime
    local_date: date


@dataclass(frozen=True, kw_only=True, slots=True)
class Worker:
    """Who may be proposed. An hour that `wishes` does not name is one in which they are unavailable.

    Who works for several institutions is credited to one of them per duty. The limits count
    duties: per ISO week, and over the whole problem.
    """

    id: int
    institutions: tuple[int, ...]
    wishes: Mapping[int, Wish]
    qualifications: frozenset[str] = frozenset()
    max_per_week: int | None = None
    min_per_period: int = 0
    max_per_period: int | None = None
    elsewhere: tuple[Elsewhere, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Duty:
    """A duty that is there already. Without times it is for the whole hour.

    Locked and confirmed duties are fixed: they stay, and take their seat even if they break a
    rule. One that is published only may move, at a cost. A part of an hour is always fixed.
    """

    seat: int
    worker: int
    institution: int
    start: datetime | None = None
    end: datetime | None = None
    is_fixed: bool = True


@dataclass(frozen=True, kw_only=True, slots=True)
class Problem:
    """All that a proposal looks at. Raises ValueError when it contradicts itself.

    `quotas`: minutes that each institution should do in these hours, fixed duties included; an
    institution that is not named should do none. The order of hours, workers and duties does not
    matter: neither to the answer nor to the hash.
    """

    hours: tuple[Hour, ...]
    workers: tuple[Worker, ...]
    quotas: Mapping[int, int]
    duties: tuple[Duty, ...] = ()
    rest_minutes: int = 0
    max_per_institution: int | None = 2
    weights: Weights = Weights()

    def __post_init__(self) -> None:
        _refuse_nonsense(self)

    @property
    def input_hash(self) -> str:
        """The same for the same input, today and on another machine; another one otherwise."""
        text = json.dumps([FORMAT, _plain(self)], sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


def minutes(start: datetime, end: datetime) -> int:
    return (end - start) // timedelta(minutes=1)


def iso_week(day: date) -> tuple[int, int]:
    year, week, _weekday = day.isocalendar()
    return year, week


def _refuse_nonsense(problem: Problem) -> None:
    hours = {hour.id: hour for hour in problem.hours}
    workers = {worker.id for worker in problem.workers}
    seats = {seat.id: hour for hour in problem.hours for seat in hour.seats}
    if len(hours) != len(problem.hours) or len(workers) != len(problem.workers):
        raise ValueError("an hour or a worker is there twice")
    if len(seats) != sum(len(hour.seats) for hour in problem.hours):
        raise ValueError("a seat is there twice")
    for hour in problem.hours:
        _refuse_odd_span(f"hour {hour.id}", hour.start, hour.end)
        if not 0 <= hour.min_staff <= hour.target_staff <= len(hour.seats):
            raise ValueError(f"hour {hour.id} needs 0 <= min <= target <= seats")
    for worker in problem.workers:
        if len(set(worker.institutions)) != len(worker.institutions):
            raise ValueError(f"worker {worker.id} is of an institution twice")
        for other in worker.elsewhere:
            _refuse_odd_span(f"worker {worker.id} elsewhere", other.start, other.end)
    taken: set[int] = set()
    for duty in problem.duties:
        if duty.seat not in seats or duty.worker not in workers:
            raise ValueError(f"a duty on seat {duty.seat} has an unknown seat or worker")
        if duty.seat in taken:
            raise ValueError(f"seat {duty.seat} is filled twice")
        taken.add(duty.seat)
        hour = seats[duty.seat]
        start, end = duty.start or hour.start, duty.end or hour.end
        _refuse_odd_span(f"the duty on seat {duty.seat}", start, end)
        if not hour.start <= start < end <= hour.end:
            raise ValueError(f"the duty on seat {duty.seat} lies outside its hour")
        if not duty.is_fixed and (start, end) != (hour.start, hour.end):
            raise ValueError(f"the duty on seat {duty.seat} is a part, so it must be fixed")
    if problem.rest_minutes < 0 or any(quota < 0 for quota in problem.quotas.values()):
        raise ValueError("rest and quotas are not negative")


def _refuse_odd_span(what: str, start: datetime, end: datetime) -> None:
    if start.utcoffset() != timedelta(0) or end.utcoffset() != timedelta(0):
        raise ValueError(f"{what}: times are in UTC")
    if end <= start:
        raise ValueError(f"{what}: ends before it starts")


def _moment(at: datetime | None) -> str | None:
    return at.astimezone(UTC).isoformat() if at else None


def _plain(problem: Problem) -> dict[str, Any]:
    """The problem as lists, numbers and words, in one order whatever the order it came in."""
    return {
        "hours": [
            [
                hour.id,
                hour.local_date.isoformat(),
                _moment(hour.start),
                _moment(hour.end),
                hour.min_staff,
                hour.target_staff,
                [[seat.id, seat.owed_by, seat.requires] for seat in hour.seats],
                sorted(hour.mix.items()),
            ]
            for hour in sorted(problem.hours, key=lambda hour: hour.id)
        ],
        "workers": [
            [
                worker.id,
                sorted(worker.institutions),
                sorted((hour, int(wish)) for hour, wish in worker.wishes.items() if wish),
                sorted(worker.qualifications),
                worker.max_per_week,
                worker.min_per_period,
                worker.max_per_period,
                sorted(
                    [_moment(other.start), _moment(other.end), other.local_date.isoformat()]
                    for other in worker.elsewhere
                ),
            ]
            for worker in sorted(problem.workers, key=lambda worker: worker.id)
        ],
        "quotas": sorted(problem.quotas.items()),
        "duties": [
            [
                duty.seat,
                duty.worker,
                duty.institution,
                _moment(duty.start),
                _moment(duty.end),
                duty.is_fixed,
            ]
            for duty in sorted(problem.duties, key=lambda duty: duty.seat)
        ],
        "rules": [problem.rest_minutes, problem.max_per_institution],
        "weights": {name: getattr(problem.weights, name) for name in Weights.__slots__},
    }
