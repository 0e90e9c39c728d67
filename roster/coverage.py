"""Where hours have too few people: gaps (below the minimum) and thin spots (below the target).

Measured against planned hours, not the clock around, and per hour: adding up people over hours
would hide a shortage in one behind the plenty in another.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from roster import fairness
from roster.models import ConsultationHour, Duty, Qualification


class Level(StrEnum):
    GAP = "gap"
    THIN = "thin"
    ENOUGH = "enough"


@dataclass(frozen=True)
class Stretch:
    """A part of an hour in which the same number of people is on duty."""

    start: datetime
    end: datetime
    count: int
    level: Level


@dataclass(frozen=True)
class Coverage:
    """How an hour is filled. Who wants cover or is absent does not count.

    `lacking` are the kinds of qualification of which the mix asks more than there are at the
    thinnest moment, with how many. `missing` (people below the minimum) and `free` (seats below
    the maximum) are of the thinnest moment, and are never added up to one sum.
    """

    hour: ConsultationHour
    stretches: tuple[Stretch, ...]
    lacking: dict[str, int]

    @property
    def count(self) -> int:
        """People at the thinnest moment."""
        return min((stretch.count for stretch in self.stretches), default=0)

    @property
    def missing(self) -> int:
        return max(0, self.hour.min_staff - self.count)

    @property
    def free(self) -> int:
        return max(0, self.hour.max_staff - self.count)

    @property
    def level(self) -> Level:
        if self.missing or self.lacking:
            return Level.GAP
        return Level.THIN if self.count < self.hour.target_staff else Level.ENOUGH

    @property
    def gaps(self) -> list[Stretch]:
        return [stretch for stretch in self.stretches if stretch.level == Level.GAP]

    @property
    def thin_spots(self) -> list[Stretch]:
        return [stretch for stretch in self.stretches if stretch.level == Level.THIN]

    def count_between(self, start: datetime, end: datetime) -> int:
        """People at the thinnest moment of a part of the hour."""
        within = (one.count for one in self.stretches if one.start < end and one.end > start)
        return min(within, default=0)


def of(hours: Iterable[ConsultationHour]) -> dict[int, Coverage]:
    """Return the coverage of each of these hours, by id; two queries, however many there are."""
    hours = list(hours)
    spans: dict[int, list[tuple[int, datetime, datetime]]] = {hour.pk: [] for hour in hours}
    for hour_id, worker, start, end in (
        Duty.objects.covered()
        .filter(hour__in=hours, worker__is_active=True)
        .values_list("hour_id", "worker_id", "start", "end")
    ):
        spans[hour_id].append((worker, start, end))
    workers = {worker for some in spans.values() for worker, _start, _end in some}
    kinds = Qualification.of(workers)
    return {hour.pk: _coverage(hour, spans[hour.pk], kinds) for hour in hours}


def _coverage(
    hour: ConsultationHour,
    spans: list[tuple[int, datetime, datetime]],
    kinds: dict[int, frozenset[str]],
) -> Coverage:
    swept = fairness.coverage(hour.start, hour.end, [(start, end) for _w, start, end in spans])
    lacking = {}
    for kind, asked in hour.mix.items():
        able = [(start, end) for worker, start, end in spans if kind in kinds[worker]]
        there = min(one.count for one in fairness.coverage(hour.start, hour.end, able))
        if there < asked:
            lacking[kind] = asked - there
    return Coverage(
        hour=hour,
        stretches=tuple(
            Stretch(one.start, one.end, one.count, _level(hour, one.count)) for one in swept
        ),
        lacking=lacking,
    )


def _level(hour: ConsultationHour, count: int) -> Level:
    if count < hour.min_staff:
        return Level.GAP
    return Level.THIN if count < hour.target_staff else Level.ENOUGH
