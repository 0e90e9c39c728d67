"""Who owes what: nothing is lost in rounding, and everybody bears a fair part of each burden."""

import itertools
from collections import Counter, defaultdict
from datetime import UTC, date, datetime, time, timedelta
from fractions import Fraction
from time import perf_counter
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from roster.fairness import (
    CostKind,
    CostLine,
    ShareKey,
    Slot,
    SlotClass,
    costs_by_key,
    costs_by_shortfall,
    costs_mixed,
    coverage,
    deal,
    largest_remainder,
    shares,
    slot_class,
    staffing,
)

few = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))

PARTIES = st.integers(1, 9)
WEIGHTS = st.dictionaries(PARTIES, st.integers(0, 50), min_size=1, max_size=9)
SOME_WEIGHT = WEIGHTS.filter(lambda weights: any(weights.values()))
FIRST, LAST = date(2026, 9, 7), date(2026, 12, 6)
NINETY_ONE = (LAST - FIRST).days + 1


# --- Shares ---------------------------------------------------------------------------------------


@few
@given(st.integers(0, 10**9), SOME_WEIGHT)
def test_parts_add_up_and_are_the_exact_part_rounded(total: int, weights: dict[int, int]) -> None:
    parts = largest_remainder(total, weights)
    assert sum(parts.values()) == total
    assert parts.keys() == weights.keys()
    for party, weight in weights.items():
        assert abs(parts[party] - Fraction(total * weight, sum(weights.values()))) < 1
        assert weight or not parts[party]


@few
@given(st.integers(0, 10**6), SOME_WEIGHT)
def test_parts_do_not_depend_on_the_order_of_who_is_named(
    total: int, weights: dict[int, int]
) -> None:
    turned = dict(reversed(weights.items()))
    assert largest_remainder(total, turned) == largest_remainder(total, weights)


def test_what_is_left_goes_to_the_largest_remainder_and_then_in_order() -> None:
    assert largest_remainder(10, {"a": 1, "b": 1, "c": 2}) == {"a": 3, "b": 2, "c": 5}
    assert largest_remainder(100, {1: 1, 2: 1, 3: 1}) == {1: 34, 2: 33, 3: 33}
    assert largest_remainder(7, {1: Fraction(1, 3), 2: Fraction(2, 3)}) == {1: 2, 2: 5}


def test_nothing_to_split_needs_no_weight() -> None:
    assert largest_remainder(0, {1: 0, 2: 0}) == {1: 0, 2: 0}
    assert largest_remainder(0, {}) == {}


@pytest.mark.parametrize(
    ("total", "weights"), [(-1, {1: 1}), (1, {1: 2, 2: -1}), (1, {1: 0}), (1, {})]
)
def test_what_cannot_be_split_is_refused(total: int, weights: dict[int, int]) -> None:
    with pytest.raises(ValueError):
        largest_remainder(total, weights)


@few
@given(SOME_WEIGHT, st.lists(st.integers(0, 20), max_size=30))
def test_many_small_splits_favour_nobody(weights: dict[int, int], totals: list[int]) -> None:
    behind = dict.fromkeys(weights, Fraction(0))
    for total in totals:
        parts = largest_remainder(total, weights, behind)
        assert sum(parts.values()) == total
        for party, weight in weights.items():
            behind[party] += Fraction(total * weight, sum(weights.values())) - parts[party]
    assert all(abs(minutes) < 2 for minutes in behind.values())


KEYS = st.builds(
    ShareKey,
    weight=st.integers(0, 9),
    minutes=st.none() | st.none() | st.integers(0, 3000),
    first=st.none() | st.dates(FIRST - timedelta(7), LAST + timedelta(7)),
    last=st.none() | st.dates(FIRST - timedelta(7), LAST + timedelta(7)),
)


@few
@given(st.integers(0, 60_000), st.dictionaries(PARTIES, KEYS, max_size=9))
def test_shares_add_up_to_the_need(need: int, keys: dict[int, ShareKey]) -> None:
    keys = {**keys, 10: ShareKey(weight=1)}
    parts = shares(need, keys, FIRST, LAST)
    assert sum(parts.values()) == need
    assert parts.keys() == keys.keys()
    assert all(part >= 0 for part in parts.values())
    for party, key in keys.items():
        if not key.days(FIRST, LAST):
            assert not parts[party]


def test_who_joins_halfway_bears_half() -> None:
    halfway = FIRST + timedelta(days=NINETY_ONE // 2 + 1)
    keys = {1: ShareKey(weight=1), 2: ShareKey(weight=1, first=halfway)}
    days = (LAST - halfway).days + 1
    parts = shares(NINETY_ONE + days, keys, FIRST, LAST)
    assert parts == {1: NINETY_ONE, 2: days}
    assert days == NINETY_ONE // 2
    # The last day counts too.
    keys = {1: ShareKey(weight=1), 2: ShareKey(weight=1, first=LAST, last=LAST)}
    assert shares(NINETY_ONE + 1, keys, FIRST, LAST) == {1: NINETY_ONE, 2: 1}


def test_agreed_minutes_go_first() -> None:
    keys = {1: ShareKey(minutes=300), 2: ShareKey(weight=1), 3: ShareKey(weight=2)}
    assert shares(900, keys, FIRST, LAST) == {1: 300, 2: 200, 3: 400}


def test_more_agreed_than_needed_counts_as_weight() -> None:
    keys = {1: ShareKey(minutes=300), 2: ShareKey(minutes=100), 3: ShareKey(weight=5)}
    assert shares(200, keys, FIRST, LAST) == {1: 150, 2: 50, 3: 0}


def test_less_agreed_than_needed_and_nobody_for_the_rest() -> None:
    keys = {1: ShareKey(minutes=300), 2: ShareKey(minutes=100), 3: ShareKey(weight=0)}
    assert shares(800, keys, FIRST, LAST) == {1: 600, 2: 200, 3: 0}


# --- Dealing --------------------------------------------------------------------------------------


def make_slots(kinds: list[SlotClass], minutes: int = 120) -> list[Slot[int]]:
    """A seat of its own hour for each."""
    return [Slot(number, number, kind, minutes) for number, kind in enumerate(kinds)]


def counted(slots: list[Slot[int]], owed: dict[int, int]) -> Counter[tuple[int, SlotClass]]:
    return Counter((owed[slot.seat], slot.kind) for slot in slots)


KINDS = st.lists(st.sampled_from(SlotClass), min_size=1, max_size=40)


@few
@given(KINDS, st.integers(1, 9))
def test_equals_get_equally_many_of_each_kind_but_for_one_seat(
    kinds: list[SlotClass], parties: int
) -> None:
    slots = make_slots(kinds)
    owed = deal(slots, dict.fromkeys(range(parties), 1))
    assert owed.keys() == {slot.seat for slot in slots}
    per_party = counted(slots, owed)
    for kind in SlotClass:
        each = [per_party[party, kind] for party in range(parties)]
        assert max(each) - min(each) <= 1
    in_all = Counter(owed.values())
    each = [in_all[party] for party in range(parties)]
    assert max(each) - min(each) <= 1


@few
@given(KINDS, st.lists(st.integers(1, 60), min_size=1, max_size=8))
def test_everybody_is_within_one_seat_of_their_share_of_each_kind_and_in_all(
    kinds: list[SlotClass], weights: list[int]
) -> None:
    """However unequal the shares are: rounded down or up, and never further off."""
    slots = make_slots(kinds)
    per_party = counted(slots, deal(slots, dict(enumerate(weights))))
    sizes = Counter(kinds)
    for party, weight in enumerate(weights):
        part = Fraction(weight, sum(weights))
        for kind in SlotClass:
            assert abs(per_party[party, kind] - sizes[kind] * part) < 1
        in_all = sum(per_party[party, kind] for kind in SlotClass)
        assert abs(in_all - len(kinds) * part) < 1


def test_a_quarter_with_very_unequal_shares_is_dealt_within_one_seat_and_soon() -> None:
    kinds = [SlotClass.EVENING] * 9 + [SlotClass.WEEKEND] * 3 + [SlotClass.DAY]
    slots = [
        Slot(10 * hour + at, hour, SlotClass.HOLIDAY if hour in (40, 99) else kinds[hour % 13], 120)
        for hour in range(169)
        for at in range(3)
    ]
    weights = {party: (party * party) % 97 + 1 for party in range(36)}
    began = perf_counter()
    owed = deal(slots, weights, max_per_hour=1)
    assert perf_counter() - began < 5, "a page waits for it"
    per_party = counted(slots, owed)
    sizes = Counter(slot.kind for slot in slots)
    for party, weight in weights.items():
        part = Fraction(weight, sum(weights.values()))
        for kind, size in sizes.items():
            assert abs(per_party[party, kind] - size * part) < 1
        assert abs(sum(per_party[party, kind] for kind in sizes) - len(slots) * part) < 1
    assert max(Counter((owed[slot.seat], slot.hour) for slot in slots).values()) == 1


@few
@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 3))
def test_nobody_gets_two_seats_of_an_hour_while_others_can_take_them(
    parties: int, seats: int, most: int
) -> None:
    slots = [
        Slot(10 * hour + at, hour, SlotClass.DAY, 60) for hour in range(4) for at in range(seats)
    ]
    owed = deal(slots, {party: party + 1 for party in range(parties)}, max_per_hour=most)
    assert len(owed) == len(slots)
    in_hour = Counter((owed[slot.seat], slot.hour) for slot in slots)
    if seats <= parties * most:
        assert max(in_hour.values()) <= most


def test_who_owes_much_already_waits() -> None:
    slots = make_slots([SlotClass.WEEKEND] * 2)
    assert set(deal(slots, {1: 1, 2: 1}, {(1, SlotClass.WEEKEND): 480}).values()) == {2}


def test_without_a_share_nothing_is_dealt() -> None:
    slots = make_slots([SlotClass.DAY] * 3)
    assert deal(slots, {}) == deal(slots, {1: 0}) == {}
    assert set(deal(slots, {1: 0, 2: 3}).values()) == {2}
    assert deal([], {1: 1}) == {}


@pytest.mark.parametrize(
    ("day", "start", "is_holiday", "kind"),
    [
        (date(2026, 9, 7), time(15, 30), False, SlotClass.DAY),
        (date(2026, 9, 7), time(17, 59), False, SlotClass.DAY),
        (date(2026, 9, 7), time(18), False, SlotClass.EVENING),
        (date(2026, 9, 11), time(19), False, SlotClass.EVENING),
        (date(2026, 9, 12), time(19), False, SlotClass.WEEKEND),
        (date(2026, 9, 13), time(10), True, SlotClass.HOLIDAY),
        (date(2026, 9, 7), time(19), True, SlotClass.HOLIDAY),
    ],
)
def test_an_hour_is_of_its_rarest_kind(
    day: date, start: time, is_holiday: bool, kind: SlotClass
) -> None:
    assert slot_class(day, start, is_holiday=is_holiday) == kind


# --- Coverage -------------------------------------------------------------------------------------

START = datetime(2026, 9, 7, 17, tzinfo=UTC)
LONG = 90
END = START + timedelta(minutes=LONG)
# Also people who come before it begins, stay after it ends, or are not there at all.
SPANS = st.lists(st.tuples(st.integers(-30, 120), st.integers(-30, 120)), max_size=8)


def at(minute: int) -> datetime:
    return START + timedelta(minutes=minute)


def by_minute(spans: list[tuple[int, int]]) -> list[int]:
    return [sum(first <= minute < last for first, last in spans) for minute in range(LONG)]


@few
@given(SPANS)
def test_a_sweep_counts_what_counting_each_minute_counts(spans: list[tuple[int, int]]) -> None:
    stretches = coverage(START, END, [(at(first), at(last)) for first, last in spans])
    assert [one.count for one in stretches for _minute in range(one.minutes)] == by_minute(spans)
    assert stretches[0].start == START
    assert stretches[-1].end == END
    for one, following in itertools.pairwise(stretches):
        assert one.end == following.start
        assert one.count != following.count


@few
@given(SPANS, st.lists(st.integers(0, 5), min_size=3, max_size=3).map(sorted))
def test_gaps_and_free_places_are_those_of_each_minute(
    spans: list[tuple[int, int]], needs: list[int]
) -> None:
    low, target, high = needs
    staffed = staffing(
        START,
        END,
        [(at(first), at(last)) for first, last in spans],
        min_staff=low,
        target_staff=target,
        max_staff=high,
    )
    minutes = by_minute(spans)
    assert sum(one.minutes for one in staffed.gaps) == sum(count < low for count in minutes)
    assert sum(one.minutes for one in staffed.thin) == sum(
        low <= count < target for count in minutes
    )
    assert staffed.missing == sum(max(0, low - count) for count in minutes)
    assert staffed.free == sum(max(0, high - count) for count in minutes)


def test_who_takes_over_leaves_no_gap() -> None:
    halves = [(at(0), at(45)), (at(45), at(90))]
    (whole,) = coverage(START, END, halves)
    assert (whole.count, whole.minutes) == (1, LONG)


# --- Costs ----------------------------------------------------------------------------------------

CENTS = st.integers(0, 10**8)
SHORTFALLS = st.dictionaries(PARTIES, st.integers(-500, 5000), max_size=9)


def cents_of(lines: list[CostLine[Any]]) -> dict[Any, int]:
    found: defaultdict[Any, int] = defaultdict(int)
    for line in lines:
        found[line.party] += line.cents
    return dict(found)


@few
@given(CENTS, SOME_WEIGHT)
def test_costs_by_weight_add_up_to_the_cent(total: int, weights: dict[int, int]) -> None:
    lines = costs_by_key(total, weights)
    assert sum(line.cents for line in lines) == total
    assert all(line.cents > 0 and line.kind == CostKind.KEY for line in lines)


@few
@given(SHORTFALLS, st.integers(0, 20_000))
def test_costs_of_shortfalls_add_up_to_the_cent(short: dict[int, int], tariff: int) -> None:
    lines = costs_by_shortfall(short, tariff)
    owed = Fraction(sum(max(0, minutes) for minutes in short.values()) * tariff, 60)
    assert abs(sum(line.cents for line in lines) - owed) <= Fraction(1, 2)
    for line in lines:
        assert line.kind == CostKind.SHORTFALL
        assert abs(line.cents - Fraction(short[line.party] * tariff, 60)) < 2


@few
@given(CENTS, SOME_WEIGHT, SHORTFALLS, st.integers(0, 20_000))
def test_mixed_costs_add_up_to_the_cent(
    total: int, weights: dict[int, int], short: dict[int, int], tariff: int
) -> None:
    lines = costs_mixed(total, weights, short, tariff)
    assert sum(line.cents for line in lines) == total


def test_who_fell_short_pays_first_and_the_rest_is_split() -> None:
    assert cents_of(costs_mixed(10_000, {1: 1, 2: 1}, {1: 60}, 4_000)) == {1: 7_000, 2: 3_000}


def test_more_shortfall_than_costs_is_given_back_by_weight() -> None:
    lines = costs_mixed(1_000, {1: 1, 2: 3}, {1: 60}, 5_000)
    assert cents_of(lines) == {1: 4_000, 2: -3_000}


def test_half_a_cent_is_rounded_up() -> None:
    (line,) = costs_by_shortfall({1: 30}, 1)
    assert line.cents == 1


def test_negative_amounts_are_refused() -> None:
    with pytest.raises(ValueError):
        costs_by_key(-1, {1: 1})
    with pytest.raises(ValueError):
        costs_by_shortfall({1: 60}, -1)
    with pytest.raises(ValueError):
        costs_mixed(-1, {1: 1}, {}, 100)
