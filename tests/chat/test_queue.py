"""Who comes first, and what we dare to promise about the wait."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.models import Conversation
from chat.queue import (
    HEAD_START,
    Capacity,
    Waiting,
    expected_waits,
    order,
    places,
    round_up,
)
from institutions.models import Brand
from roster.models import ConsultationHour, ServiceLine
from tests.people import begin_visit

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)


def waits(name: str, minutes: float, urgency: str = "normal", **fields: bool) -> Waiting:
    return Waiting(name, urgency, NOW - timedelta(minutes=minutes), **fields)


def names(waiting: list[Waiting]) -> list[str]:
    return [one.conversation for one in order(waiting)]


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ([waits("late", 1), waits("early", 5)], ["early", "late"]),
        ([waits("normal", 5), waits("soon", 1, "soon")], ["soon", "normal"]),
        ([waits("normal", 20), waits("now", 0, "now")], ["now", "normal"]),
        ([waits("soon", 5, "soon"), waits("now", 0, "now")], ["now", "soon"]),
        # The floor: half an hour of waiting outweighs urgency that came later.
        ([waits("patient", 31), waits("now", 0, "now")], ["patient", "now"]),
        # In the middle of a talk: a worker was lost or handed over.
        ([waits("now", 5, "now"), waits("back", 0, returned=True)], ["back", "now"]),
    ],
)
def test_urgency_comes_first_then_waiting_time_with_a_floor(
    waiting: list[Waiting], expected: list[str]
) -> None:
    assert names(waiting) == expected


queues = st.lists(
    st.builds(
        waits,
        st.uuids().map(str),
        st.floats(0, 240),
        st.sampled_from(list(HEAD_START)),
    ),
    max_size=30,
)


@given(queues, st.floats(0, 240))
def test_nobody_waits_behind_later_people_longer_than_the_floor(
    others: list[Waiting], minutes: float
) -> None:
    me = waits("me", minutes)
    ahead = order([*others, me])
    ahead = ahead[: ahead.index(me)]
    latest = me.since + max(HEAD_START.values())
    assert all(one.since <= latest for one in ahead)


@given(queues, queues)
def test_the_order_of_two_does_not_depend_on_the_others(
    some: list[Waiting], others: list[Waiting]
) -> None:
    alone = names(some)
    together = [name for name in names([*some, *others]) if name in alone]
    assert together == alone


@given(queues)
def test_being_more_urgent_never_puts_anybody_further_back(waiting: list[Waiting]) -> None:
    for one in waiting:
        for urgency in HEAD_START:
            if HEAD_START[urgency] >= HEAD_START[one.urgency]:  # type: ignore[index]
                raised = Waiting(one.conversation, urgency, one.since)
                rest = [other for other in waiting if other != one]
                assert order([*rest, raised]).index(raised) <= order([*rest, one]).index(one)


def test_a_free_place_is_taken_at_once_and_then_chats_have_to_end() -> None:
    half_hour = timedelta(minutes=30)
    capacity = Capacity(free=1, slots=3, elapsed=(timedelta(minutes=20), timedelta(minutes=28)))
    assert expected_waits(capacity, 4) == [0, 5, 10, 30]
    assert expected_waits(Capacity(0, 1, (half_hour * 2,)), 2) == [5, 35]


def test_without_anybody_at_a_desk_no_wait_is_promised() -> None:
    assert expected_waits(Capacity(free=0, slots=0), 2) == [None, None]


@given(
    st.integers(0, 5),
    st.lists(st.integers(0, 90).map(lambda m: timedelta(minutes=m)), max_size=8),
    st.integers(0, 40),
)
def test_who_stands_further_back_is_never_promised_a_shorter_wait(
    free: int, elapsed: list[timedelta], count: int
) -> None:
    capacity = Capacity(free, free + len(elapsed), tuple(elapsed))
    promised = expected_waits(capacity, count)
    known = [wait for wait in promised if wait is not None]
    assert known == sorted(known)


@pytest.mark.parametrize(
    ("minutes", "said"), [(-3, 0), (0, 0), (0.5, 2), (2, 2), (2.1, 5), (5, 5), (11, 15)]
)
def test_a_wait_is_rounded_up(minutes: float, said: int) -> None:
    assert round_up(timedelta(minutes=minutes)) == said


@pytest.mark.django_db
def test_the_place_in_the_queue_says_whether_the_turn_still_comes(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour
) -> None:
    for urgency in ("normal", "normal", "now", "normal", "normal", "normal"):
        Conversation.start(visitor=begin_visit(brand), line=line, urgency=urgency)
    now = datetime.now(UTC)
    found = places(line, now, now + timedelta(minutes=40))
    first = Conversation.objects.get(pk=found[0].conversation)
    assert first.urgency == "now"
    assert [place.place for place in found] == [1, 2, 3, 4, 5, 6]
    assert [place.minutes for place in found] == [0, 0, 0, 0, 30, 30]
    assert [place.fits for place in found] == [True, True, True, True, False, False]
