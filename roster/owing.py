"""What each institution owes of one consultation hour. Plain functions on whole minutes.

The obligation is posted hour by hour, so that a balance means the same on any day: who joins
halfway owes nothing of what came before. Agreed minutes are spread over the hours that are still
to be charged, the rest of each hour is split by weight. Nothing is lost in rounding: the parts of
an hour add up to its need, and who got too little before comes first.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from fractions import Fraction

from roster.fairness import ShareKey, SlotClass, largest_remainder

# How an hour's burden weighs, in percent. Shown beside the minutes, never counted into them.
WEIGHTS = {
    SlotClass.DAY: 100,
    SlotClass.EVENING: 125,
    SlotClass.WEEKEND: 150,
    SlotClass.HOLIDAY: 200,
}


def weighted(minutes: int, slot: SlotClass) -> int:
    """Return the minutes with their burden weighed, halves rounded up."""
    return (minutes * WEIGHTS[slot] + 50) // 100


@dataclass(frozen=True, slots=True)
class Need:
    """The minutes that an hour takes from all institutions together, on its local date."""

    hour: int
    day: date
    minutes: int


def keys_on(keys: Mapping[int, ShareKey], day: date) -> dict[int, ShareKey]:
    """The keys of who takes part on this date."""
    return {party: key for party, key in keys.items() if key.days(day, day)}


def uncharged(keys: Mapping[int, ShareKey], needs: Iterable[Need]) -> dict[int, int]:
    """For who agreed on minutes: the need of the hours, not charged yet, that they are spread over."""
    ahead = {party: 0 for party, key in keys.items() if key.minutes is not None}
    for need in needs:
        for party in ahead:
            if keys[party].days(need.day, need.day):
                ahead[party] += need.minutes
    return ahead


def owed(
    need: Need,
    keys: Mapping[int, ShareKey],
    *,
    ahead: Mapping[int, int],
    charged: Mapping[int, int],
    behind: Mapping[int, Fraction],
) -> dict[int, int]:
    """Split an hour's need over institutions; the parts add up to it, or there are none at all.

    `ahead`: see `uncharged`, this hour included. `charged`: what each institution was charged in
    the period so far. `behind`: see `short_of`.
    """
    there = keys_on(keys, need.day)
    agreed = {}
    for party, key in there.items():
        if key.minutes is not None:
            left = max(0, key.minutes - charged.get(party, 0))
            spread = max(need.minutes, ahead.get(party, 0))
            agreed[party] = Fraction(left * need.minutes, spread)
    weights = {party: key.weight for party, key in there.items() if key.minutes is None}
    whole = sum(weights.values())
    rest_of_need = need.minutes - sum(agreed.values())
    exact: dict[int, Fraction]
    if rest_of_need <= 0 or not whole:
        # More was agreed than is needed, or nobody has a weight for the rest.
        exact = agreed
        if not any(exact.values()):
            exact = {p: Fraction(k.minutes) for p, k in there.items() if k.minutes is not None}
    else:
        exact = agreed | {p: rest_of_need * Fraction(w, whole) for p, w in weights.items()}
    if not any(exact.values()):
        return {}
    return largest_remainder(need.minutes, exact, behind)


def short_of(
    keys: Mapping[int, ShareKey], charges: Iterable[tuple[date, Mapping[int, int]]]
) -> dict[int, Fraction]:
    """What rounding left each weight short of its exact part in hours charged before.

    `charges`: the date of each hour and the minutes that each institution was charged for it.
    """
    # Hours in which the same institutions took part are split as one.
    together: dict[tuple[int, ...], int] = {}
    on: dict[date, tuple[int, ...]] = {}
    got: dict[int, int] = {}
    for day, parts in charges:
        if day not in on:
            there = keys_on(keys, day).items()
            on[day] = tuple(p for p, key in there if key.minutes is None and key.weight)
        rest = 0
        for party in on[day]:
            part = parts.get(party, 0)
            got[party] = got.get(party, 0) + part
            rest += part
        together[on[day]] = together.get(on[day], 0) + rest
    behind = {party: Fraction(-minutes) for party, minutes in got.items()}
    for parties, rest in together.items():
        whole = sum(keys[party].weight for party in parties)
        for party in parties:
            behind[party] += Fraction(rest * keys[party].weight, whole)
    return behind


def to_come(
    needs: Iterable[Need], keys: Mapping[int, ShareKey], charged: Mapping[int, int]
) -> dict[int, int]:
    """What each institution will owe of the hours that are not charged yet."""
    waiting = list(needs)
    ahead = uncharged(keys, waiting)
    so_far = dict(charged)
    behind: dict[int, Fraction] = {}
    coming = dict.fromkeys(keys, 0)
    for need in waiting:
        parts = owed(need, keys, ahead=ahead, charged=so_far, behind=behind)
        for party, minutes in parts.items():
            so_far[party] = so_far.get(party, 0) + minutes
            coming[party] += minutes
        for party, short in short_of(keys, [(need.day, parts)]).items():
            behind[party] = behind.get(party, Fraction(0)) + short
        for party in keys_on(keys, need.day):
            if party in ahead:
                ahead[party] -= need.minutes
    return coming
