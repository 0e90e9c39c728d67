"""What passed through this process since it began, in plain numbers.

Counted where it happens, because an addition costs next to nothing there, and read only when
somebody asks (`klikvoor/metrics.py`). What numbers are kept apart by comes from fixed sets of our
own: never a conversation, a person, or anything that a browser sent. Numbers that two threads add
to at the same moment may miss one; nothing rests on them.
"""

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256, 512)


class Spread:
    """How values were spread: how many were at most each bound, how many there were, their sum."""

    __slots__ = ("bounds", "counts", "total")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.total = 0.0

    def add(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.total += value


class Counts:
    """The counts of one process."""

    def __init__(self) -> None:
        # Messages: stored, acknowledged once more, and not taken, by the code of the refusal.
        self.stored = 0
        self.repeated = 0
        self.refused: dict[str, int] = defaultdict(int)
        # Commands that a window may not give, or that came too late, by code.
        self.commands_refused: dict[str, int] = defaultdict(int)
        # What the writer put in one transaction, posts and marks, and how long that took.
        self.batch_sizes = Spread(SIZES)
        self.batch_seconds = Spread(SECONDS)
        # Messages that left for a window: at the doorbell's ring, or read from the database.
        self.rung = 0
        self.read = 0
        # How often a window was behind what is stored and the watch was the one to find out.
        self.missed = 0
        # Windows that opened, and that we closed, by close code.
        self.opened: dict[str, int] = defaultdict(int)
        self.closed: dict[int, int] = defaultdict(int)
        self.cut_off = 0

    def settled(self, outcomes: Iterable[tuple[Any, Any]]) -> None:
        """The writer knows what became of these posts."""
        for _post, outcome in outcomes:
            if outcome.is_new:
                self.stored += 1
            elif outcome.event is not None:
                self.repeated += 1
            else:
                self.refused[outcome.code] += 1

    def wrote(self, size: int, seconds: float) -> None:
        """The writer is done with one batch."""
        self.batch_sizes.add(size)
        self.batch_seconds.add(seconds)


counts = Counts()
