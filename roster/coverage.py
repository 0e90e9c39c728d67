"""Where hours have too few people: gaps (below the minimum) and thin spots (below the target)."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from roster.models import ConsultationHour


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
    thinnest moment, with how many. `missing` (people below the minimum) and `free` (seats that
    nobody has for the whole hour) are numbers of the thinnest moment and are never one sum.
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


def of(hours: Iterable[ConsultationHour]) -> dict[int, Coverage]:
    """Return the coverage of each of these hours, by id; at most two queries."""
    raise NotImplementedError
