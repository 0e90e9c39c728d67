"""Who owes what: shares, dealt seats, coverage and costs. Plain functions on whole numbers.

Minutes and cents are split without losing or inventing one: what rounding leaves over goes to the
largest remainders. Parties are identified by number or name, and equal claims go in that order, so
the same input always gives the same answer. Spans are half-open: [start, end).
"""

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import StrEnum
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import lcm
from typing import Generic, TypeVar

from roster.evenness import even_out

Party = TypeVar("Party", int, str)
Place = TypeVar("Place", bound=Hashable)
Number = int | Fraction

# --- Shares ---------------------------------------------------------------------------------------


def largest_remainder(
    total: int, weights: Mapping[Party, Number], behind: Mapping[Party, Number] | None = None
) -> dict[Party, int]:
    """Split a total in whole parts by weight; the parts add up to it exactly.

    Everybody gets the exact part rounded down, and what is left goes one by one to the largest
    remainders. `behind` is what earlier splits left somebody short of the exact part (negative: gave
    too much): it decides who gets what is left, so that many small splits favour nobody.
    Raises ValueError for a negative total or weight, and when there is something to split but no
    weight.
    """
    if total < 0 or any(weight < 0 for weight in weights.values()):
        raise ValueError("totals and weights are not negative")
    whole = sum(weights.values())
    if not whole:
        if total:
            raise ValueError("nobody has a weight")
        return dict.fromkeys(weights, 0)
    exact = {party: Fraction(total * weight) / whole for party, weight in weights.items()}
    parts = {party: int(part) for party, part in exact.items()}
    claims = {party: exact[party] - parts[party] for party in weights}
    if behind:
        claims = {party: claim + behind.get(party, 0) for party, claim in claims.items()}
    first = sorted((party for party in weights if weights[party]), key=lambda p: (-claims[p], p))
    for party in first[: total - sum(parts.values())]:
        parts[party] += 1
    return parts


@dataclass(frozen=True, kw_only=True, slots=True)
class ShareKey:
    """What an institution should bear: by weight, or minutes that were agreed.

    `first` and `last`: the days from and until which it takes part, both included. A weight counts
    for the days of the period in which it does; agreed minutes are agreed.
    """

    weight: int = 0
    minutes: int | None = None
    first: date | None = None
    last: date | None = None

    def days(self, first: date, last: date) -> int:
        """How many days of a period the institution takes part."""
        first, last = max(first, self.first or first), min(last, self.last or last)
        return max(0, (last - first).days + 1)


def shares(need: int, keys: Mapping[Party, ShareKey], first: date, last: date) -> dict[Party, int]:
    """Split the minutes needed from `first` to `last` over institutions; adds up to the need.

    Agreed minutes go first and the rest is split by weight. When more was agreed than is needed,
    or nobody has a weight for the rest, the agreements count as weights.
    """
    there = {party: key for party, key in keys.items() if key.days(first, last)}
    agreed = {party: key.minutes for party, key in there.items() if key.minutes is not None}
    weights = {
        party: key.weight * key.days(first, last)
        for party, key in there.items()
        if key.minutes is None
    }
    parts: dict[Party, int] = dict.fromkeys(keys, 0)
    rest = need - sum(agreed.values())
    if rest < 0 or not any(weights.values()):
        return parts | largest_remainder(need, agreed)
    return parts | agreed | largest_remainder(rest, weights)


# --- Dealing owed seats -----------------------------------------------------------------------------


class SlotClass(StrEnum):
    """Equal minutes are not an equal burden: each of these is dealt out fairly by itself."""

    HOLIDAY = "holiday"
    WEEKEND = "weekend"
    EVENING = "evening"
    DAY = "day"


EVENING_FROM = time(18)


def slot_class(local_date: date, local_start: time, *, is_holiday: bool = False) -> SlotClass:
    """Return the rarest class that an hour falls in, by its wall time."""
    if is_holiday:
        return SlotClass.HOLIDAY
    if local_date.weekday() >= 5:
        return SlotClass.WEEKEND
    return SlotClass.EVENING if local_start >= EVENING_FROM else SlotClass.DAY


@dataclass(frozen=True, slots=True)
class Slot(Generic[Place]):
    """A seat to be dealt: what identifies it and its hour, its class and how long it lasts."""

    seat: Place
    hour: Place
    kind: SlotClass
    minutes: int


def deal(
    slots: Sequence[Slot[Place]],
    shares: Mapping[Party, Number],
    dealt: Mapping[tuple[Party, SlotClass], int] | None = None,
    *,
    max_per_hour: int = 1,
) -> dict[Place, Party]:
    """Say for each seat who owes it, in the order of `slots`, by a deficit round robin per class.

    Each seat goes to the institution that would be least far ahead with it, in its class and over
    all classes together, as a part of its share; `evenness` mends what that leaves. `dealt` is what institutions owe already, in minutes
    per class. Nobody gets more than `max_per_hour` seats of an hour while others can take them.
    Who has no share gets nothing; without any share nothing is dealt.
    """
    parties = sorted(party for party, share in shares.items() if share > 0)
    if not parties:
        return {}
    by_class = {(party, kind): 0 for party in parties for kind in SlotClass}
    by_class |= {key: minutes for key, minutes in (dealt or {}).items() if key in by_class}
    in_all = {party: sum(by_class[party, kind] for kind in SlotClass) for party in parties}
    size = dict.fromkeys(SlotClass, 0)
    for (_party, kind), minutes in by_class.items():
        size[kind] += minutes
    for slot in slots:
        size[slot.kind] += slot.minutes
    whole = sum(size.values())
    in_hour: dict[tuple[Party, Place], int] = {}
    owed: dict[Place, Party] = {}
    # What one over each share comes to in whole numbers: a fraction for each seat and institution
    # would take ten times as long.
    turned = {party: 1 / Fraction(shares[party]) for party in parties}
    common = lcm(*(part.denominator for part in turned.values()))
    weight = {party: int(part * common) for party, part in turned.items()}

    def ahead(slot: Slot[Place], party: Party) -> tuple[bool, int, Party]:
        # With half of the seat: else small shares round up, and everybody's first seat comes before
        # anybody's second. Both parts are multiplied by twice both sizes.
        in_class = (2 * by_class[party, slot.kind] + slot.minutes) * whole
        over_all = (2 * in_all[party] + slot.minutes) * size[slot.kind]
        is_full = in_hour.get((party, slot.hour), 0) >= max_per_hour
        return is_full, (in_class + over_all) * weight[party], party

    # The rarest class first: what its large steps leave uneven, the later ones make good.
    for kind in sorted(SlotClass, key=lambda kind: (size[kind], kind)):
        for slot in [one for one in slots if one.kind == kind]:
            party = min(parties, key=partial(ahead, slot))
            owed[slot.seat] = party
            by_class[party, kind] += slot.minutes
            in_all[party] += slot.minutes
            in_hour[party, slot.hour] = in_hour.get((party, slot.hour), 0) + 1
    if slots:
        total = Fraction(sum(Fraction(shares[party]) for party in parties))
        exact = {party: Fraction(shares[party]) / total for party in parties}
        before = {key: minutes for key, minutes in (dealt or {}).items() if key[0] in exact}
        even_out(owed, slots, exact, before, max_per_hour)
    return owed


# --- Taking turns ---------------------------------------------------------------------------------


def claims(turns: Iterable[tuple[Mapping[Party, Number], Party]]) -> dict[Party, Fraction]:
    """What each party still has coming after these turns: its exact part of them, less its own.

    A turn is who shared in it, by weight, and who took it. Together the claims are nothing.
    """
    found: dict[Party, Fraction] = {}
    for weights, taken in turns:
        whole = sum(weights.values())
        for party, weight in weights.items():
            if weight:
                found[party] = found.get(party, Fraction(0)) + Fraction(weight) / Fraction(whole)
        found[taken] = found.get(taken, Fraction(0)) - 1
    return found


def turn(weights: Mapping[Party, Number], behind: Mapping[Party, Fraction]) -> Party:
    """Say whose turn it is: who would be first to be a whole turn short, of those with a claim.

    `behind` is what `claims` gives. With the same weights every time nobody is ever a whole turn
    ahead or behind (it is scheduling by earliest deadline), and nothing is lost when they change.
    Raises ValueError when nobody has a weight.
    """
    weights = {party: weight for party, weight in weights.items() if weight > 0}
    if not weights:
        raise ValueError("nobody has a weight")
    whole = Fraction(sum(weights.values()))
    parts = {party: Fraction(weight) / whole for party, weight in weights.items()}
    due = {party: behind.get(party, Fraction(0)) + part for party, part in parts.items()}
    # Somebody who left with a claim can leave the others without any: then it goes on all the same.
    able = [party for party in parts if due[party] > 0] or list(parts)
    return min(able, key=lambda party: ((1 - due[party]) / parts[party], party))


# --- Coverage ---------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Stretch:
    """A time in which the same number of people is there."""

    start: datetime
    end: datetime
    count: int

    @property
    def minutes(self) -> int:
        return (self.end - self.start) // timedelta(minutes=1)


def coverage(
    start: datetime, end: datetime, spans: Iterable[tuple[datetime, datetime]]
) -> list[Stretch]:
    """Count who is there between two instants; neighbouring stretches differ."""
    steps = {start: 0, end: 0}
    for first, last in spans:
        first, last = max(first, start), min(last, end)
        if first < last:
            steps[first] = steps.get(first, 0) + 1
            steps[last] = steps.get(last, 0) - 1
    moments = sorted(steps)
    found: list[Stretch] = []
    count = 0
    for since, until in pairwise(moments):
        count += steps[since]
        if found and found[-1].count == count:
            found[-1] = Stretch(found[-1].start, until, count)
        else:
            found.append(Stretch(since, until, count))
    return found


@dataclass(frozen=True, kw_only=True, slots=True)
class Staffing:
    """How an hour is staffed. The two sums are minutes of people and never make up for each other.

    `gaps` are below the minimum, `thin` stretches reach it but not the target. `missing` is what
    it takes to reach the minimum everywhere, `free` what fits below the maximum.
    """

    stretches: tuple[Stretch, ...]
    gaps: tuple[Stretch, ...]
    thin: tuple[Stretch, ...]
    missing: int
    free: int


def staffing(
    start: datetime,
    end: datetime,
    spans: Iterable[tuple[datetime, datetime]],
    *,
    min_staff: int,
    target_staff: int,
    max_staff: int,
) -> Staffing:
    """Hold who is there in an hour against what it needs."""
    stretches = coverage(start, end, spans)
    return Staffing(
        stretches=tuple(stretches),
        gaps=tuple(one for one in stretches if one.count < min_staff),
        thin=tuple(one for one in stretches if min_staff <= one.count < target_staff),
        missing=sum(max(0, min_staff - one.count) * one.minutes for one in stretches),
        free=sum(max(0, max_staff - one.count) * one.minutes for one in stretches),
    )


# --- Costs ------------------------------------------------------------------------------------------


class CostKind(StrEnum):
    KEY = "key"
    SHORTFALL = "shortfall"


@dataclass(frozen=True, slots=True)
class CostLine(Generic[Party]):
    """What a party pays, in cents; negative is what it gets back."""

    party: Party
    kind: CostKind
    cents: int


def costs_by_key(total: int, weights: Mapping[Party, Number]) -> list[CostLine[Party]]:
    """Split a total in cents by weight. Parties without a part have no line."""
    return _lines(CostKind.KEY, largest_remainder(total, weights))


def costs_by_shortfall(
    shortfalls: Mapping[Party, int], cents_per_hour: int
) -> list[CostLine[Party]]:
    """Charge minutes that somebody owed and did not do. Zero and less is no shortfall.

    The lines add up to all minutes together at the tariff, halves of a cent rounded up.
    """
    if cents_per_hour < 0:
        raise ValueError("a tariff is not negative")
    short = {party: minutes for party, minutes in shortfalls.items() if minutes > 0}
    total = (sum(short.values()) * cents_per_hour + 30) // 60
    return _lines(CostKind.SHORTFALL, largest_remainder(total, short))


def costs_mixed(
    total: int,
    weights: Mapping[Party, Number],
    shortfalls: Mapping[Party, int],
    cents_per_hour: int,
) -> list[CostLine[Party]]:
    """Charge shortfalls first and split what remains by weight; the lines add up to the total.

    When the shortfalls bring in more than the total, everybody gets the rest back by weight.
    """
    if total < 0:
        raise ValueError("a total is not negative")
    charged = costs_by_shortfall(shortfalls, cents_per_hour)
    rest = total - sum(line.cents for line in charged)
    parts = largest_remainder(abs(rest), weights)
    sign = 1 if rest > 0 else -1
    return charged + _lines(CostKind.KEY, {party: sign * part for party, part in parts.items()})


def _lines(kind: CostKind, parts: Mapping[Party, int]) -> list[CostLine[Party]]:
    return [CostLine(party, kind, parts[party]) for party in sorted(parts) if parts[party]]
