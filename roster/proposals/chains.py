"""Seats passed on along a chain of institutions, or round a circle of them, to come closer to the quotas.

The search moves two or three people at once. Sometimes the one that should do an hour less has
nobody who could be replaced by the one that should do more, but others stand between them: each
gives a seat to the next, and who gave a long one may get a short one back. Hours off quota that are
left when the search has cooled down mostly go this way.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from roster.proposals.board import NOBODY, Board
from roster.proposals.search import Changes, Search

# So many institutions in a chain, and chains that are tried before new ones are looked for.
LONGEST = 5
TRIED = 400
# So often in a row may all chains turn out to be no good: somebody would be in two places.
MOST_FAILURES = 6
# Shorter than any difference that a cost makes.
COLD = 1e-9

Edge = tuple[int, int]  # a seat and its new holder


@dataclass(frozen=True, slots=True)
class _Way:
    """How minutes came to an institution: what that cost, by which seat, and by which way before."""

    at: int
    got: int
    cost: float
    edge: Edge
    before: "_Way | None"

    def changes(self) -> Iterator[Edge]:
        way: _Way | None = self
        while way:
            yield way.edge
            way = way.before

    def meets(self, institution: int) -> bool:
        way: _Way | None = self
        while way:
            if way.at == institution:
                return True
            way = way.before
        return False


def pass_on(search: Search, is_late: Callable[[], bool]) -> None:
    """Follow chains as long as one makes the answer better."""
    board = search.board
    no_good: set[Edge] = set()
    failures = 0
    search.temperature = COLD
    while failures < MOST_FAILURES and not is_late():
        is_better = False
        chains = find(board, no_good)
        for changes in chains:
            before = search.cost
            search.attempt(changes)
            if search.cost < before:
                is_better = True
                break
        if not chains:
            break
        if is_better:
            no_good.clear()
            failures = 0
        else:
            # Other people may do what these could not.
            no_good.update(edge for changes in chains for edge in changes)
            failures += 1
    board.restore(search.best_holder)
    search.cost = search.best


def find(board: Board, no_good: set[Edge]) -> list[Changes]:
    """The chains that save most, the best one first; those that begin where it helps to do less or more."""
    edges = _edges(board, no_good)
    lengths = sorted({minutes for giver in edges for minutes, _taker, _cost, _edge in giver})
    steps = {0, *lengths, *(a - b for a in lengths for b in lengths)}
    ends: list[tuple[float, Changes]] = []
    for start, off in enumerate(board.off):
        if any(abs(off + step) < abs(off) or abs(off - step) < abs(off) for step in steps):
            for first in lengths:
                ends += _from(board, edges, start, first)
    ends.sort(key=lambda end: (end[0], end[1]))
    return [changes for _saved, changes in ends[:TRIED]]


def _from(
    board: Board, edges: "list[list[tuple[int, int, float, Edge]]]", start: int, first: int
) -> Iterator[tuple[float, Changes]]:
    """The chains that begin by giving a seat of this length away, with what each costs; below nothing."""
    fairness, off = board.tables.weights.off_quota, board.off

    def price(institution: int, change: int) -> float:
        return fairness * (abs(off[institution] + change) - abs(off[institution]))

    ways: dict[tuple[int, int], _Way] = {}
    for minutes, taker, cost, edge in edges[start]:
        if minutes == first:
            ways[taker, minutes] = _Way(taker, minutes, cost, edge, None)
    for _length in range(LONGEST):
        for way in ways.values():
            whole = way.cost + price(start, -first) + price(way.at, way.got)
            if whole < -0.5:
                yield whole, list(way.changes())
        further: dict[tuple[int, int], _Way] = {}
        for way in ways.values():
            for minutes, taker, cost, edge in edges[way.at]:
                total = way.cost + cost + price(way.at, way.got - minutes)
                if taker == start:
                    whole = total + price(start, minutes - first)
                    if whole < -0.5:
                        yield whole, [edge, *way.changes()]
                    continue
                known = further.get((taker, minutes))
                if (known is None or total < known.cost) and not way.meets(taker):
                    further[taker, minutes] = _Way(taker, minutes, total, edge, way)
        ways = further


def _edges(board: Board, no_good: set[Edge]) -> "list[list[tuple[int, int, float, Edge]]]":
    """By giver: minutes, taker, and the seat that costs least to pass on, with its new holder."""
    tables = board.tables
    found: dict[tuple[int, int, int], tuple[float, Edge]] = {}
    for seat, holder in enumerate(board.holder):
        if holder == NOBODY:
            continue
        giver, hour = board.institution[holder], tables.hour_of[seat]
        minutes, clash = tables.minutes[hour], tables.clash[hour]
        burden = board.burden[seat]
        for number in tables.options[seat]:
            taker = board.institution[number]
            if taker == giver or board.busy[board.worker[number]] & clash:
                continue
            if (seat, number) in no_good or not board.is_within_limits(seat, number):
                continue
            cost = float(burden[number] - burden[holder])
            key = (giver, minutes, taker)
            if key not in found or cost < found[key][0]:
                found[key] = (cost, (seat, number))
    edges: list[list[tuple[int, int, float, Edge]]] = [[] for _one in board.off]
    for (giver, minutes, taker), (cost, edge) in found.items():
        edges[giver].append((minutes, taker, cost, edge))
    return edges
