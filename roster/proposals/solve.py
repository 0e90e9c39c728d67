"""A proposal in pure Python: greed, chains for the gaps, then a search within a limit.

    proposal = solve(problem, seed=1)

What is promised: no law-like rule is ever broken, fixed duties stay, and the same problem, seed and
steps give the same placements on any machine, whatever the order of the input. The one exception:
when the clock ends the search before its steps are taken, the answer depends on the speed of the
machine, and `is_repeatable` is False. It is then still the best answer seen so far.
"""

import time
from dataclasses import dataclass

from roster.proposals.board import Board
from roster.proposals.chains import pass_on
from roster.proposals.fill import fill
from roster.proposals.problem import Problem
from roster.proposals.score import Placement, Score, evaluate
from roster.proposals.search import COLDEST, Search
from roster.proposals.tables import Tables

# With what is read before and weighed afterwards, ten at most.
SECONDS = 9.5
STEPS_PER_SEAT = 7_000
MOST_STEPS = 1_200_000
# Parts of the steps, and how hot each begins. Later ones start from the best answer so far. Two are
# so hot that the second may end somewhere else: one alone now and then ends far off quota.
ROUNDS = ((1 / 3, 1.0), (1 / 3, 1.0), (1 / 6, 1 / 3), (1 / 6, 1 / 3))


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A draft for a person to judge. `placements` come on top of the fixed duties."""

    placements: tuple[Placement, ...]
    score: Score
    cost: int
    input_hash: str
    method: str
    seed: int
    steps: int
    seconds: float
    is_repeatable: bool
    # What no answer can cost less than, where the method knows.
    bound: int | None = None


def solve(
    problem: Problem, *, seed: int = 0, steps: int | None = None, seconds: float = SECONDS
) -> Proposal:
    """Propose who fills the open seats. `steps`: how long to search; by default what the size asks."""
    started = time.monotonic()
    tables = Tables(problem)
    board = Board(tables)
    fill(board)
    if steps is None:
        steps = min(MOST_STEPS, STEPS_PER_SEAT * len(tables.seats))

    def is_late() -> bool:
        return time.monotonic() - started > seconds

    search = Search(board, seed)
    search.relieve()
    # A third of the longest hour, off quota.
    hottest = max(COLDEST, tables.weights.off_quota * max(tables.minutes, default=0) / 3)
    wanted = taken = 0
    for part, heat in ROUNDS:
        wanted += int(steps * part)
        taken += search.anneal(int(steps * part), max(COLDEST, hottest * heat), is_late)
        pass_on(search, is_late)
        search.relieve()
    placements = board.placements()
    score = evaluate(problem, placements)
    return Proposal(
        placements=placements,
        score=score,
        cost=score.cost(problem.weights),
        input_hash=problem.input_hash,
        method="search",
        seed=seed,
        steps=taken,
        seconds=time.monotonic() - started,
        is_repeatable=taken == wanted or not search.seats,
    )
