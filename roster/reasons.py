"""Why a proposal puts somebody on a seat, and why a seat stays empty: codes and numbers.

The screens put them into words (`roster/texts.py`). The reason is the one that weighs most; all
numbers behind it are in `why`.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from datetime import timedelta

from roster.proposals.problem import Hour, Problem, Seat, Wish, Worker, iso_week
from roster.proposals.score import Placement, off_quota, presences

Why = dict[str, int]


class Reasons:
    """Looks at one answer to one problem."""

    def __init__(self, problem: Problem, placements: Iterable[Placement]) -> None:
        self.problem = problem
        there = presences(problem, placements)
        self.off: Mapping[int, int] = off_quota(problem, there)
        self.workers = {worker.id: worker for worker in problem.workers}
        self.before = {duty.seat: duty.worker for duty in problem.duties}
        self.loads = Counter(one.worker for one in there)
        self.weeks = Counter((one.worker, one.hour.week) for one in there)
        self.busy = defaultdict(list)
        for one in there:
            self.busy[one.worker].append((one.start, one.end))
        for worker in problem.workers:
            for other in worker.elsewhere:
                self.busy[worker.id].append((other.start, other.end))
                self.weeks[worker.id, iso_week(other.local_date)] += 1
        self.qualified: dict[str | None, list[Worker]] = {}

    def _qualified(self, requires: str | None) -> list[Worker]:
        if requires not in self.qualified:
            self.qualified[requires] = [
                worker
                for worker in self.problem.workers
                if requires is None or requires in worker.qualifications
            ]
        return self.qualified[requires]

    def chosen(self, hour: Hour, one: Placement) -> tuple[str, Why]:
        """Why this worker: the place was theirs, it is their turn, they like it, or they can."""
        seat = next(seat for seat in hour.seats if seat.id == one.seat)
        worker = self.workers[one.worker]
        is_liked = worker.wishes.get(hour.id) == Wish.PREFERRED
        is_owed = seat.owed_by == one.institution
        why = {
            "candidates": sum(
                bool(other.wishes.get(hour.id)) for other in self._qualified(seat.requires)
            ),
            "duties": self.loads[one.worker],
            "liked": int(is_liked),
            "owed": int(is_owed),
            "off": self.off.get(one.institution, 0),
        }
        if self.before.get(one.seat) == one.worker:
            return "kept", why
        if is_owed:
            return "owed", why
        if is_liked:
            return "liked", why
        return ("turn" if why["off"] <= 0 else "can"), why

    def empty(self, hour: Hour, seat: Seat) -> tuple[str, Why]:
        """Why nobody: how many fell out by each rule. `nobody`: all of them did."""
        fell: Counter[str] = Counter()
        for worker in self.problem.workers:
            fell[self._obstacle(worker, hour, seat)] += 1
        free = fell.pop("", 0)
        return ("enough" if free else "nobody"), dict(fell) | ({"free": free} if free else {})

    def _obstacle(self, worker: Worker, hour: Hour, seat: Seat) -> str:
        if seat.requires and seat.requires not in worker.qualifications:
            return "qualification"
        if not worker.wishes.get(hour.id):
            return "unavailable"
        rest = timedelta(minutes=self.problem.rest_minutes)
        if any(start < hour.end and hour.start < end for start, end in self.busy[worker.id]):
            return "overlap"
        if any(
            start < hour.end + rest and hour.start < end + rest
            for start, end in self.busy[worker.id]
        ):
            return "rest"
        if worker.max_per_week is not None and (
            self.weeks[worker.id, hour.week] >= worker.max_per_week
        ):
            return "week_full"
        if worker.max_per_period is not None and self.loads[worker.id] >= worker.max_per_period:
            return "period_full"
        return ""
