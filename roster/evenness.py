"""The last step of dealing: exchange what one has too many of, until nobody gains by it.

Dealing seat by seat comes close, but very unequal shares leave somebody a few seats off. How many
seats each institution gets in all, of each class, and of each length within it, is a flow from
institutions to kinds of seats; being off costs more the further it is. As long as some round of
exchanges makes it cheaper, that is done. No round left means that no deal is better, so everybody
is within one seat of their exact part, of each class and in all: with seats of one length, and as
long as nobody must take two seats of an hour for it.
"""

from collections import defaultdict
from collections.abc import Collection, Hashable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil, floor
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from roster.fairness import Slot

# Being further off than rounding must be goes before all else.
TOO_FAR = 1000.0
WORTH_IT = 1e-6
# Far more rounds than were ever needed; each takes some milliseconds.
MOST_ROUNDS = 300

# A node of the flow: everybody together, a party, its class, and a kind of seat.
Node = tuple[Any, ...]
ALL: Node = ("all",)


@dataclass
class _Count:
    """How many seats something has, and its exact part of them."""

    target: Fraction
    count: int = 0

    def __post_init__(self) -> None:
        self.exact = float(self.target)
        self.least, self.most = floor(self.target), ceil(self.target)

    def more(self) -> float:
        return self._cost(self.count + 1) - self._cost(self.count)

    def fewer(self) -> float:
        return self._cost(self.count - 1) - self._cost(self.count)

    def _cost(self, count: int) -> float:
        off = count - self.exact
        return off * off + TOO_FAR * max(0, self.least - count, count - self.most)


def even_out(
    owed: MutableMapping[Any, Any],
    slots: Sequence["Slot[Any]"],
    shares: Mapping[Any, Fraction],
    dealt: Mapping[tuple[Any, Any], int],
    max_per_hour: int,
) -> None:
    """Change who owes which of these seats, in place, until no exchange makes it more even.

    `shares` are parts of one; `dealt`: minutes that each owes already, per class.
    """
    deal = _Deal(owed, slots, shares, dealt, max_per_hour)
    barred: set[tuple[Node, Node]] = set()
    for _round in range(MOST_ROUNDS):
        cycle = deal.cheaper_round(barred)
        if not cycle:
            return
        # Where an hour would hold somebody too often, another round is looked for.
        no_way = deal.do(cycle)
        barred = barred | {no_way} if no_way else set()


class _Deal:
    def __init__(
        self,
        owed: MutableMapping[Any, Any],
        slots: Sequence["Slot[Any]"],
        shares: Mapping[Any, Fraction],
        dealt: Mapping[tuple[Any, Any], int],
        max_per_hour: int,
    ) -> None:
        self.owed, self.max_per_hour = owed, max_per_hour
        self.parties = sorted(shares)
        self.in_hour: dict[tuple[Any, Hashable], int] = defaultdict(int)
        self.seats: dict[tuple[Any, Any], list[Slot[Any]]] = defaultdict(list)
        of_class: dict[Any, list[int]] = defaultdict(list)
        of_kind: dict[tuple[Any, int], int] = defaultdict(int)
        for slot in slots:
            of_class[slot.kind].append(slot.minutes)
            of_kind[slot.kind, slot.minutes] += 1
        self.kinds = sorted(of_kind)
        self.counts: dict[tuple[Node, Node], _Count] = {}
        whole = sum(map(sum, of_class.values())) + sum(dealt.values())
        length = Fraction(sum(map(sum, of_class.values())), len(slots))
        for party, share in shares.items():
            before = sum(dealt.get((party, kind), 0) for kind in {k for _p, k in dealt})
            self.counts[ALL, (party,)] = _Count((share * whole - before) / length)
            for kind, minutes in of_class.items():
                mean = Fraction(sum(minutes), len(minutes))
                size = sum(minutes) + sum(dealt.get((one, kind), 0) for one in shares)
                left = share * size - dealt.get((party, kind), 0)
                self.counts[(party,), (party, kind)] = _Count(left / mean)
            for kind, minute in self.kinds:
                # What is left of the class, spread over its lengths.
                part = self.counts[(party,), (party, kind)].target / len(of_class[kind])
                target = max(Fraction(0), part * of_kind[kind, minute])
                self.counts[(party, kind), ("seat", kind, minute)] = _Count(target)
        self.nodes = list(dict.fromkeys(node for edge in self.counts for node in edge))
        self.number = {node: number for number, node in enumerate(self.nodes)}
        for slot in slots:
            self._add(owed[slot.seat], slot, 1)

    def _add(self, party: Any, slot: "Slot[Any]", step: int) -> None:
        self.in_hour[party, slot.hour] += step
        theirs = self.seats[party, (slot.kind, slot.minutes)]
        if step > 0:
            theirs.append(slot)
        else:
            theirs.remove(slot)
        for edge in self._path(party, slot.kind, slot.minutes):
            self.counts[edge].count += step

    @staticmethod
    def _path(party: Any, kind: Any, minutes: int) -> Iterator[tuple[Node, Node]]:
        yield ALL, (party,)
        yield (party,), (party, kind)
        yield (party, kind), ("seat", kind, minutes)

    def cheaper_round(self, barred: Collection[tuple[Node, Node]]) -> list[Node]:
        """A circle of nodes along which moving one seat each makes it cheaper; empty: none."""
        edges: list[tuple[int, int, float]] = []
        for (start, end), count in self.counts.items():
            first, last = self.number[start], self.number[end]
            if (start, end) not in barred:
                edges.append((first, last, count.more()))
            if count.count > 0:
                edges.append((last, first, count.fewer()))
        distance = [0.0] * len(self.nodes)
        before = [-1] * len(self.nodes)
        for _step in self.nodes:
            changed = -1
            for first, last, cost in edges:
                if (nearer := distance[first] + cost) < distance[last] - WORTH_IT:
                    distance[last] = nearer
                    before[last] = first
                    changed = last
            if changed < 0:
                return []
            if circle := _circle(before, changed):
                return [self.nodes[number] for number in circle]
        return []

    def do(self, cycle: list[Node]) -> tuple[Node, Node] | None:
        """Give seats along the circle, or none: then return where somebody can take no other."""
        done: list[tuple[Any, Any, Slot[Any]]] = []
        for at, node in enumerate(cycle):
            if node[0] != "seat":
                continue
            # The circle comes from who gets one more, and goes on to who gets one less.
            taker, giver = cycle[at - 1][0], cycle[(at + 1) % len(cycle)][0]
            theirs = self.seats[giver, node[1:]]
            fit = [one for one in theirs if self.in_hour[taker, one.hour] < self.max_per_hour]
            if not fit:
                for was, now, slot in reversed(done):
                    self._give(slot, now, was)
                return cycle[at - 1], node
            # From the middle of what they have, so that nobody's seats end up at one end.
            slot = fit[len(fit) // 2]
            self._give(slot, giver, taker)
            done.append((giver, taker, slot))
        return None

    def _give(self, slot: "Slot[Any]", giver: Any, taker: Any) -> None:
        self._add(giver, slot, -1)
        self._add(taker, slot, 1)
        self.owed[slot.seat] = taker


def _circle(before: Sequence[int], number: int) -> list[int]:
    """The circle that leads to this node, in the direction of the flow; empty: there is none."""
    seen: dict[int, int] = {}
    path: list[int] = []
    while number >= 0:
        if number in seen:
            return path[seen[number] :][::-1]
        seen[number] = len(path)
        path.append(number)
        number = before[number]
    return []
