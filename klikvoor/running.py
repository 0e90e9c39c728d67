"""How the jobs of this process go: when each ran last, how long it took, how often it failed.

The tick says so after every run. Once a minute it is written down for all of them together, so that
`manage.py doctor` sees from outside whether somebody runs the jobs at all.
"""

import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime

from institutions.models import JobRun

# A turn of the clock takes a second, and now and then as long as its slowest quick job.
STUCK_SECONDS = 60.0
# The row of the clock itself.
TICK = "tick"


@dataclass
class Run:
    """One job since this process began."""

    every: float = 0.0
    succeeded: int = 0
    failed: int = 0
    seconds: float = 0.0
    succeeded_at: datetime | None = None
    failed_at: datetime | None = None
    error: str = ""
    is_watched: bool = False
    is_news: bool = False


class Runs:
    """All jobs of this process; none in one that does not tick."""

    def __init__(self) -> None:
        self.jobs: dict[str, Run] = {}
        self.turned_at: float | None = None
        self._lock = threading.Lock()

    def expect(self, every: dict[str, float]) -> None:
        """The clock starts, with these jobs and how often they are due."""
        self.jobs = {name: Run(every=seconds) for name, seconds in every.items()}
        self.turned()

    def forget(self) -> None:
        """The clock stopped."""
        self.jobs = {}
        self.turned_at = None

    def turned(self) -> None:
        """The clock went round: every quick job that was due has run."""
        self.turned_at = time.monotonic()

    @property
    def is_ticking(self) -> bool:
        """Whether this process runs the jobs."""
        return self.turned_at is not None

    @property
    def is_stuck(self) -> bool:
        """Whether it should run the jobs and does not get round."""
        return self.turned_at is not None and time.monotonic() - self.turned_at > STUCK_SECONDS

    def ran(self, name: str, seconds: float, error: Exception | None, is_watched: bool) -> None:
        """A job came to its end, well or not."""
        now = datetime.now(UTC)
        with self._lock:
            run = self.jobs.setdefault(name, Run())
            run.seconds += seconds
            run.is_watched, run.is_news = is_watched, True
            if error is None:
                run.succeeded += 1
                run.succeeded_at, run.failed_at, run.error = now, None, ""
            else:
                run.failed += 1
                run.failed_at, run.error = now, type(error).__name__[:60]

    def write_down(self, now: datetime) -> int:
        """Keep the last run of every job that ran since the last time; return of how many.

        Watched jobs wrote theirs themselves, in the process where they ran.
        """
        with self._lock:
            news = {name: run for name, run in self.jobs.items() if run.is_news}
            for run in news.values():
                run.is_news = False
        rows = [JobRun(name=TICK, is_watched=False, first_tried_at=now, ran_at=now)]
        rows += [
            JobRun(
                name=name,
                is_watched=False,
                first_tried_at=now,
                ran_at=run.succeeded_at,
                failed_at=run.failed_at,
                error=run.error,
            )
            for name, run in news.items()
            if not run.is_watched
        ]
        well = [row for row in rows if row.ran_at is not None]
        never = [row for row in rows if row.ran_at is None]
        for some, fields in (
            (well, ["ran_at", "failed_at", "error"]),
            (never, ["failed_at", "error"]),
        ):
            JobRun.objects.bulk_create(
                some, update_conflicts=True, unique_fields=["name"], update_fields=fields
            )
        return len(rows)


runs = Runs()
