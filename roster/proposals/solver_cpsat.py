"""A proposal by OR-tools CP-SAT, an optional extra: `requirements-solver.txt` installs it.

The same rules and the same cost as the default, whose answer it starts from, so it never does worse;
and it says what no answer can cost less than. It takes all the memory and processor time that it
is given (hundreds of megabytes), so it belongs in a job and never in a process that serves people.
"""

import itertools
import math
import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from roster.proposals.problem import Problem
from roster.proposals.score import Placement, evaluate
from roster.proposals.solve import SECONDS, Proposal, solve
from roster.proposals.tables import Tables


class SolverMissing(RuntimeError):
    """OR-tools is not installed."""


def is_installed() -> bool:
    try:
        _cp_model()
    except SolverMissing:
        return False
    return True


def _cp_model() -> Any:
    try:
        # Only here: the extra is large, and most sites do without it.
        from ortools.sat.python import cp_model
    except ImportError as error:
        raise SolverMissing(
            "OR-tools is missing. Install it with: pip install -r requirements-solver.txt"
        ) from error
    return cp_model


def solve_with_cpsat(
    problem: Problem, *, seed: int = 0, seconds: float = 60.0, threads: int = 2
) -> Proposal:
    """Propose who fills the open seats, within about so many seconds.

    Raises SolverMissing when OR-tools is not there. Two runs may differ among answers of equal
    cost, and by what they reach when the time ends the search.
    """
    cp_model = _cp_model()
    started = time.monotonic()
    first = solve(problem, seed=seed, seconds=min(SECONDS, seconds / 3))
    model = _Model(cp_model, Tables(problem))
    model.hint(first.placements)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(1.0, started + seconds - time.monotonic())
    solver.parameters.num_workers = threads
    solver.parameters.random_seed = seed
    status = solver.solve(model.model)
    answer = replace(first, method="cp-sat", is_repeatable=False)
    if status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        placements = model.placements(solver)
        score = evaluate(problem, placements)
        if (cost := score.cost(problem.weights)) < first.cost:
            answer = replace(answer, placements=placements, score=score, cost=cost)
    return replace(
        answer,
        seconds=time.monotonic() - started,
        bound=max(0, math.ceil(solver.best_objective_bound - 1e-6)),
    )


class _Model:
    """The problem in the words of CP-SAT. Seats of one hour that are alike share their variables."""

    def __init__(self, cp_model: Any, tables: Tables) -> None:
        self.tables = tables
        self.model = cp_model.CpModel()
        self.costs: list[Any] = []
        # Open seats that are alike, and who of the choices sits on one of them.
        self.alike: list[list[int]] = []
        self.sits: list[dict[int, Any]] = []
        self.in_hour: defaultdict[int, list[tuple[int, Any]]] = defaultdict(list)
        self._seat()
        self._staff_hours()
        self._keep_rules_of_workers()
        self._weigh_quotas()
        self._weigh_crowds()
        self.model.minimize(sum(self.costs))

    def _seat(self) -> None:
        tables = self.tables
        for hour, seats in enumerate(tables.seats_of):
            kinds: defaultdict[Any, list[int]] = defaultdict(list)
            for seat in seats:
                kinds[tables.seats[seat].owed_by, tables.seats[seat].requires].append(seat)
            for alike in kinds.values():
                sits = {number: self.model.new_bool_var("") for number in tables.options[alike[0]]}
                self.model.add(sum(sits.values()) <= len(alike))
                self.alike.append(alike)
                self.sits.append(sits)
                self.in_hour[hour] += sits.items()
                self.costs += [
                    tables.burden(alike[0], number) * sits[number] for number in sorted(sits)
                ]
        self.costs.append(tables.weights.changed * len(tables.published))

    def _staff_hours(self) -> None:
        tables, model, weights = self.tables, self.model, self.tables.weights
        for at, hour in enumerate(tables.hours):
            placed = sum(sits for _number, sits in self.in_hour[at])
            model.add(placed <= tables.room[at])
            if (need := hour.min_staff - tables.base[at]) > 0:
                is_below = model.new_bool_var("")
                model.add(placed + need * is_below >= need)
                self.costs.append(weights.below_min * is_below)
            self._weigh_excess(hour.target_staff - tables.base[at], placed, weights.short)
            for kind, need in tables.mix[at].items():
                has = sum(
                    sits
                    for number, sits in self.in_hour[at]
                    if kind in tables.workers[tables.choices[number].worker].qualifications
                )
                self._weigh_excess(need, has, weights.mix)

    def _weigh_excess(self, amount: Any, limit: Any, weight: int) -> None:
        """Let each unit of the amount above the limit cost something."""
        if weight:
            excess = self.model.new_int_var(0, 10_000, "")
            self.model.add(excess >= amount - limit)
            self.costs.append(weight * excess)

    def _keep_rules_of_workers(self) -> None:
        tables, weights = self.tables, self.tables.weights
        of: list[defaultdict[int, list[Any]]] = [defaultdict(list) for _worker in tables.workers]
        for hour, pairs in sorted(self.in_hour.items()):
            for number, sits in pairs:
                of[tables.choices[number].worker][hour].append(sits)
        for at, worker in enumerate(tables.workers):
            mine = of[at]
            for together in _clashing(tables, mine):
                self.model.add_at_most_one(sits for hour in together for sits in mine[hour])
            every = [sits for hour in mine for sits in mine[hour]]
            weeks: defaultdict[int, list[Any]] = defaultdict(list)
            for hour, sits in mine.items():
                weeks[tables.week_of[hour]] += sits
            if worker.max_per_week is not None:
                for week, count in enumerate(tables.in_week[at]):
                    amount = count + sum(weeks[week])
                    self._weigh_excess(amount, worker.max_per_week, weights.over_limit)
            total = tables.load[at] + sum(every)
            if worker.max_per_period is not None:
                self._weigh_excess(total, worker.max_per_period, weights.over_limit)
            self._weigh_excess(worker.min_per_period, total, weights.under_limit)
            self._weigh_load(tables.load[at], every)

    def _weigh_load(self, before: int, duties: list[Any]) -> None:
        weight = self.tables.weights.load
        # The duties that are fixed cost what they cost; the n-th one more costs more than the last.
        self.costs.append(weight * (before * (before + 1) // 2))
        if not weight or not duties:
            return
        # Few workers have more than this many; they pay for the others at the price of the last.
        steps = [self.model.new_bool_var("") for _duty in duties[:30]]
        more = self.model.new_int_var(0, len(duties), "")
        self.model.add(sum(steps) + more == sum(duties))
        for lower, higher in itertools.pairwise(steps):
            self.model.add_implication(higher, lower)
        self.costs += [weight * (before + n) * step for n, step in enumerate(steps, 1)]
        self.costs.append(weight * (before + len(steps)) * more)

    def _weigh_quotas(self) -> None:
        tables, weights = self.tables, self.tables.weights
        done: defaultdict[int, list[Any]] = defaultdict(list)
        for hour, pairs in self.in_hour.items():
            for number, sits in pairs:
                done[tables.choices[number].institution].append(tables.minutes[hour] * sits)
        most = sum(map(abs, tables.off)) + sum(
            length * len(seats)
            for length, seats in zip(tables.minutes, tables.seats_of, strict=True)
        )
        largest = self.model.new_int_var(0, most, "")
        for at, before in enumerate(tables.off):
            off = self.model.new_int_var(0, most, "")
            self.model.add(off >= before + sum(done[at]))
            self.model.add(off >= -before - sum(done[at]))
            self.model.add(largest >= off)
            self.costs.append(weights.off_quota * off)
        self.costs.append(weights.largest_off * largest)

    def _weigh_crowds(self) -> None:
        tables = self.tables
        limit = tables.problem.max_per_institution
        if limit is None:
            return
        for at, fixed in enumerate(tables.crowd):
            # Also those of whom nobody more can come: else the bound would leave them out.
            crowds: dict[int, list[Any]] = {institution: [] for institution in sorted(fixed)}
            for number, sits in self.in_hour[at]:
                crowds.setdefault(tables.choices[number].institution, []).append(sits)
            for institution, crowd in crowds.items():
                there = fixed[institution]
                if there + len(crowd) > limit:
                    self._weigh_excess(there + sum(crowd), limit, tables.weights.crowded)

    def hint(self, placements: Iterable[Placement]) -> None:
        """Start from this answer."""
        chosen = set(placements)
        for alike, sits in zip(self.alike, self.sits, strict=True):
            for number, variable in sits.items():
                is_there = any(self.tables.placement(seat, number) in chosen for seat in alike)
                self.model.add_hint(variable, is_there)

    def placements(self, solver: Any) -> tuple[Placement, ...]:
        found: list[Placement] = []
        for alike, sits in zip(self.alike, self.sits, strict=True):
            there = [number for number, variable in sits.items() if solver.value(variable)]
            found += map(self.tables.placement, alike, there)
        return tuple(sorted(found))


def _clashing(tables: Tables, hours: Iterable[int]) -> list[list[int]]:
    """Sets of hours of which a worker can have one at most; together they say all there is to say.

    Hours with their rest are spans on one line, so those that clash with the one that starts last
    also clash with each other.
    """
    ordered = sorted(hours)
    sets = [
        [other for other in ordered if other <= hour and tables.clash[hour] >> other & 1]
        for hour in ordered
    ]
    return [
        one
        for at, one in enumerate(sets)
        if not (at + 1 < len(sets) and set(one) <= set(sets[at + 1]))
    ]
