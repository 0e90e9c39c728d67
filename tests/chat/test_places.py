"""Everybody who waits comes back at once: the queue is read once for all of them."""

from collections.abc import Callable
from typing import Any

import pytest

from chat.models import Conversation, Visitor
from chat.visitor_peer import Places
from institutions.models import Brand
from roster.models import ServiceLine


@pytest.fixture
def queue_of_five(db: None, brand: Brand, line: ServiceLine) -> list[Conversation]:
    return [Conversation.start(visitor=Visitor.begin(brand, "nl")[0], line=line) for _ in range(5)]


def test_a_crowd_reads_the_queue_once(
    queue_of_five: list[Conversation], django_assert_num_queries: Callable[..., Any]
) -> None:
    places = Places()
    first = places.of(queue_of_five[0])
    for one in queue_of_five:
        one.line  # noqa: B018  # as the hello has it
    with django_assert_num_queries(0):
        found = [places.of(one) for one in queue_of_five]
    assert found[0] == first
    assert [place and place.place for place in found] == [1, 2, 3, 4, 5]


def test_who_came_after_the_reading_is_found(
    queue_of_five: list[Conversation], brand: Brand, line: ServiceLine
) -> None:
    places = Places()
    places.of(queue_of_five[0])
    new = Conversation.start(visitor=Visitor.begin(brand, "nl")[0], line=line)
    place = places.of(new)
    assert place is not None
    assert place.place == 6


def test_who_does_not_wait_any_more_has_no_place(
    queue_of_five: list[Conversation], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.visitor_peer.PLACES_SECONDS", -1.0)
    places = Places()
    queue_of_five[0].abandon(reason="left")
    assert places.of(queue_of_five[0]) is None
    second = places.of(queue_of_five[1])
    assert second is not None
    assert second.place == 1
