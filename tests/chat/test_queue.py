"""Who comes first, and what we dare to promise about the wait."""

from datetime import UTC, datetime, timedelta
from time import process_time
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from chat.models import Conversation, QueueRules
from chat.models.first import Helper, Wants
from chat.queue import (
    LEVEL_OF,
    OWN,
    WINDOW,
    Capacity,
    Waiting,
    capacity_on,
    expected_waits,
    honest_places,
    order,
    place_of,
    places,
    round_up,
    windows,
)
from institutions.models import Brand, User
from roster.models import LEASE, ConsultationHour, Presence, ServiceLine
from tests.people import be_present, begin_visit, rights_of

NOW = datetime(2026, 11, 21, 20, 0, tzinfo=UTC)
RULES = QueueRules()
SOON_AFTER, FIRST_AFTER = RULES.soon_after_minutes, RULES.first_after_minutes


def waits(name: str, minutes: float, urgency: str = "normal", **fields: Any) -> Waiting:
    return Waiting(name, urgency, NOW - timedelta(minutes=minutes), **fields)


def names(waiting: list[Waiting], **about: Any) -> list[str]:
    return [one.waiting.conversation for one in order(waiting, NOW, RULES, **about)]


@pytest.mark.parametrize(
    ("waiting", "expected"),
    [
        ([waits("late", 1), waits("early", 5)], ["early", "late"]),
        ([waits("normal", 5), waits("soon", 1, "soon")], ["soon", "normal"]),
        ([waits("normal", 20), waits("now", 0, "now")], ["now", "normal"]),
        ([waits("soon", 5, "soon"), waits("now", 0, "now")], ["now", "soon"]),
        # Waiting counts: after a while as soon, and after the floor before whoever came later.
        ([waits("patient", SOON_AFTER), waits("soon", 5, "soon")], ["patient", "soon"]),
        ([waits("patient", FIRST_AFTER), waits("now", 0, "now")], ["patient", "now"]),
        ([waits("patient", FIRST_AFTER - 0.1), waits("now", 0, "now")], ["now", "patient"]),
        # In the middle of a talk: a worker was lost or handed over.
        ([waits("now", 5, "now"), waits("back", 0, returned=True)], ["back", "now"]),
        # Invited from a letter: after who needs help now, before everybody else.
        (
            [waits("soon", 5, "soon"), waits("kept", 0, keeps_place=True), waits("now", 0, "now")],
            ["now", "kept", "soon"],
        ),
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
        st.sampled_from(list(LEVEL_OF)),
        keeps_place=st.booleans(),
        wants=st.builds(Wants, st.sampled_from(["", "GM0917", "GM0935"])),
    ),
    max_size=30,
)
crews = st.lists(
    st.builds(
        Helper,
        st.integers(1, 9),
        st.frozensets(st.sampled_from(["GM0917", "GM0935"])),
        free=st.integers(0, 2),
    ),
    max_size=6,
    unique_by=lambda one: one.worker,
)


@given(queues, st.floats(0, 240), st.sampled_from(list(LEVEL_OF)))
def test_nobody_stands_behind_later_people_beyond_the_floor(
    others: list[Waiting], minutes: float, urgency: str
) -> None:
    me = waits("me", minutes, urgency)
    ahead = names([*others, me])
    ahead = ahead[: ahead.index("me")]
    later = [one for one in others if one.conversation in ahead and one.since > me.since]
    if minutes >= FIRST_AFTER:
        assert later == []
    if minutes >= SOON_AFTER:
        assert all(one.urgency == "now" or one.keeps_place for one in later)


@given(queues, queues, crews, st.integers(1, 9))
def test_the_order_of_two_does_not_depend_on_the_others(
    some: list[Waiting], others: list[Waiting], crew: list[Helper], viewer: int
) -> None:
    for about in ({}, {"helpers": crew}, {"helpers": crew, "viewer": viewer}):
        alone = names(some, **about)
        together = [name for name in names([*some, *others], **about) if name in alone]
        assert together == alone


@given(queues, st.randoms(use_true_random=False))
def test_the_order_does_not_depend_on_how_the_rows_come(
    waiting: list[Waiting], random: Any
) -> None:
    shuffled = random.sample(waiting, len(waiting))
    assert names(shuffled) == names(waiting)
    assert sorted(names(waiting)) == sorted(one.conversation for one in waiting)


@given(queues)
def test_being_more_urgent_never_puts_anybody_further_back(waiting: list[Waiting]) -> None:
    for one in waiting:
        for urgency in LEVEL_OF:
            if LEVEL_OF[urgency] <= LEVEL_OF[one.urgency]:
                rest = [other for other in waiting if other != one]
                raised = names([*rest, one._replace(urgency=urgency)])
                assert raised.index(one.conversation) <= names(waiting).index(one.conversation)


@given(queues, st.floats(0, 60))
def test_waiting_longer_never_puts_anybody_behind_who_came_later(
    waiting: list[Waiting], minutes: float
) -> None:
    """Whoever stands behind me and came later, stays behind me as time goes by, without holds."""
    before = order(waiting, NOW, RULES)
    after = [
        one.waiting.conversation for one in order(waiting, NOW + timedelta(minutes=minutes), RULES)
    ]
    for at, one in enumerate(before):
        for other in before[at + 1 :]:
            if other.waiting.since > one.waiting.since:
                mine = after.index(one.waiting.conversation)
                assert mine < after.index(other.waiting.conversation)


# --- Own region, language and wishes first, for a moment -----------------------------------------

HEERLEN = Wants("GM0917")
LOCAL = Helper(1, frozenset({"GM0917"}))
STRANGER = Helper(2)


def test_somebody_is_first_for_the_own_region_for_a_moment_and_then_everybodys() -> None:
    mine = waits("mine", 0.3, wants=HEERLEN)
    crew = [LOCAL, STRANGER]
    assert order([mine], NOW, RULES, crew)[0].hold.is_held_from(2)
    assert not order([mine], NOW, RULES, crew)[0].hold.is_held_from(1)
    assert not order([waits("mine", 1, wants=HEERLEN)], NOW, RULES, crew)[0].hold
    other = waits("other", 0.1)
    assert names([mine, other], helpers=crew, viewer=2) == ["other", "mine"]
    assert names([mine, other], helpers=crew, viewer=1) == ["mine", "other"]


def test_own_region_goes_before_who_waits_longer_only_when_a_colleague_has_a_place() -> None:
    mine, older = waits("mine", 0.3, wants=HEERLEN), waits("older", 0.9)
    assert names([mine, older], helpers=[LOCAL, STRANGER], viewer=1) == ["mine", "older"]
    full = Helper(2, free=0)
    assert names([mine, older], helpers=[LOCAL, full], viewer=1) == ["older", "mine"]


@pytest.mark.parametrize(
    ("waiting", "crew"),
    [
        (waits("nobody there", 0.3, wants=HEERLEN), [STRANGER]),
        (
            waits("no place", 0.3, wants=HEERLEN),
            [Helper(1, frozenset({"GM0917"}), free=0), STRANGER],
        ),
        (waits("needs help now", 0.3, "now", wants=HEERLEN), [LOCAL, STRANGER]),
        (waits("was in a talk", 0.3, returned=True, wants=HEERLEN), [LOCAL, STRANGER]),
    ],
    ids=lambda one: getattr(one, "conversation", ""),
)
def test_nobody_waits_for_a_region_without_use(waiting: Waiting, crew: list[Helper]) -> None:
    assert not order([waiting], NOW, RULES, crew)[0].hold


def test_two_half_matches_do_not_keep_somebody_waiting() -> None:
    wants = Wants("GM0917", frozenset({"en"}))
    english = Helper(3, skills=frozenset({"en"}))
    hold = order([waits("both", 0.3, wants=wants)], NOW, RULES, [LOCAL, english])[0].hold
    assert (hold.because, hold.workers) == ("wish", {3})
    all_of_it = Helper(4, frozenset({"GM0917"}), frozenset({"en"}))
    crew = [LOCAL, english, all_of_it]
    hold = order([waits("both", 0.3, wants=wants)], NOW, RULES, crew)[0].hold
    assert (hold.because, hold.workers) == ("both", {4})


@given(queues, crews)
def test_a_visitor_is_never_told_a_better_place_than_any_stranger_sees(
    waiting: list[Waiting], crew: list[Helper]
) -> None:
    told = {
        one.waiting.conversation: number for one, number in honest_places(waiting, NOW, RULES, crew)
    }
    for listed in (names(waiting), names(waiting, helpers=crew, viewer=-1)):
        assert all(told[name] >= at for at, name in enumerate(listed, start=1))


@given(queues, crews)
def test_a_short_queue_is_shown_whole_in_the_workers_own_order(
    waiting: list[Waiting], crew: list[Helper]
) -> None:
    shown = windows(order(waiting, NOW, RULES, crew), crew, {}, [1, 2])
    for viewer, window in shown.items():
        assert [one.waiting.conversation for one in window] == names(
            waiting, helpers=crew, viewer=viewer
        )


def test_of_a_long_queue_a_desk_shows_the_front_and_what_is_its_own_to_see() -> None:
    patient = [waits(f"patient {n:04}", FIRST_AFTER + n) for n in range(2 * WINDOW)]
    acute = [waits(f"now {n:04}", 1, "now") for n in range(2 * WINDOW)]
    normal = [waits(f"normal {n:04}", 2) for n in range(1000)]
    local = [waits(f"local {n:04}", 0.5, wants=HEERLEN) for n in range(2 * OWN)]
    crew = [LOCAL, STRANGER]
    standings = order([*patient, *acute, *normal, *local], NOW, RULES, crew)
    reserved = {"normal 0900": LOCAL.worker, "normal 0901": 99}
    shown = windows(standings, crew, reserved, [LOCAL.worker, STRANGER.worker])
    mine = [one.waiting.conversation for one in shown[LOCAL.worker]]
    theirs = [one.waiting.conversation for one in shown[STRANGER.worker]]
    front = [one.conversation for one in reversed(patient)][:WINDOW]
    first_now = [one.conversation for one in acute[:WINDOW]]
    assert mine == [*front, *first_now, *(f"local {n:04}" for n in range(OWN)), "normal 0900"]
    assert theirs == [*front, *first_now]


def test_ten_thousand_waiting_are_ordered_in_no_time() -> None:
    waiting = [
        waits(f"{n:05}", n * 7 % 240, list(LEVEL_OF)[n % 3], wants=HEERLEN) for n in range(10_000)
    ]
    began = process_time()
    order(waiting, NOW, RULES, [LOCAL, STRANGER], viewer=1)
    # About 13 ms (bench/queue.py); the bound is for slow machines, and busy ones count our own time only.
    assert process_time() - began < 1.0


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
def test_of_a_long_queue_a_place_is_good_for_a_moment_and_a_newcomer_has_one(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.queue.LONG", 1)
    monkeypatch.setattr("chat.queue._recent", {})
    first, second = (Conversation.start(visitor=begin_visit(brand), line=line) for _ in range(2))
    now = timezone.now()

    def places_of(*chats: Conversation, after: float = 0) -> list[int]:
        found = [place_of(one, now + timedelta(seconds=after)) for one in chats]
        return [one.place for one in found if one]

    assert places_of(first, second) == [1, 2]
    Conversation.objects.filter(pk=first.pk).update(status="abandoned", ended_at=now)
    assert places_of(second) == [2], "a moment old"
    assert places_of(second, after=2.5) == [1]
    third = Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    assert places_of(third, after=2.5) == [1], "who is not known yet is looked up"
    first.refresh_from_db()
    assert places_of(first) == [], "who does not wait has no place"


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


def test_a_wait_ends_with_the_chats_that_began_first_of_who_is_there(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User, bilal: User
) -> None:
    now = timezone.now()
    be_present(anna, bilal)
    anna.chat_cap = 3
    anna.save()
    for minutes, worker in ((20, anna), (25, anna), (10, anna), (29, bilal)):
        chat = Conversation.start(visitor=begin_visit(brand), line=line)
        chat.claim(rights_of(worker), despite=True)
        began = now - timedelta(minutes=minutes)
        Conversation.objects.filter(pk=chat.pk).update(claimed_at=began)
    Presence.objects.filter(worker=bilal).update(seen_at=now - LEASE)
    capacity = capacity_on(line, now, 2)
    assert capacity.elapsed == (timedelta(minutes=25), timedelta(minutes=20))
    assert (capacity.free, capacity.slots) == (0, 3), "only places of who is there"
    everything = capacity_on(line, now, 100)
    assert len(everything.elapsed) == 3
    assert expected_waits(capacity, 2) == expected_waits(everything, 2)
