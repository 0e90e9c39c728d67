"""The rule alone: facts in, answer out. No database."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st

from roster.opening import (
    GRACE,
    UNDERWAY,
    Facts,
    Hour,
    Load,
    Opening,
    Override,
    Present,
    Reason,
    State,
    decide,
    short_since,
)

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
# A Tuesday: in Amsterdam the hour is from 19:00 until 21:00.
START = datetime(2026, 3, 3, 18, tzinfo=UTC)
END = START + timedelta(hours=2)
HOUR = Hour(START, END, min_staff=2, rostered=3)
NEXT = Hour(START + timedelta(days=1), END + timedelta(days=1), min_staff=2, rostered=2)
ROOM = Load(free_places=3, waiting=0, wait_minutes=0)


def minutes(number: float) -> timedelta:
    return timedelta(minutes=number)


def there(
    now: int, steady: int | None = None, lately: int | None = None, anybody: int = 9
) -> Present:
    return Present(
        now=now,
        steady=now if steady is None else steady,
        lately=now if lately is None else lately,
        anybody=anybody,
    )


FACTS = Facts(
    now=START + minutes(30),
    zone=AMSTERDAM,
    last_call=minutes(15),
    hours=(HOUR, NEXT),
    present=there(2),
    load=ROOM,
    was=State.OPEN,
)
NOBODY = there(0, anybody=0)
CLOSED_BY_HAND = Override(is_open=False, until=START + minutes(60))
OPEN_BY_HAND = Override(is_open=True, until=START + minutes(60))
LONG_BEFORE = START - timedelta(hours=5)

TABLE = {
    # Hours and roster
    "nothing planned": ({"hours": ()}, State.CLOSED, False, Reason.NO_HOUR),
    "before the hour": (
        {"now": START - minutes(15) - timedelta(seconds=1)},
        State.CLOSED,
        False,
        Reason.NO_HOUR,
    ),
    "a quarter before": ({"now": START - minutes(15)}, State.SOON, False, Reason.STARTS_SOON),
    "a quarter before, too few rostered": (
        {"now": START - minutes(15), "hours": (replace(HOUR, rostered=1),)},
        State.CLOSED,
        False,
        Reason.NO_HOUR,
    ),
    "the first instant": ({"now": START, "was": State.SOON}, State.OPEN, True, Reason.STAFFED),
    "the end is not in the hour": ({"now": END}, State.CLOSED, False, Reason.NO_HOUR),
    "exactly enough rostered": (
        {"hours": (replace(HOUR, rostered=2),)},
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    "one too few rostered": (
        {"hours": (replace(HOUR, rostered=1), NEXT)},
        State.CLOSED,
        False,
        Reason.TOO_FEW_ROSTERED,
    ),
    # Presence on the way up
    "not yet steady, just begun": (
        {"now": START + minutes(1), "present": there(2, steady=1), "was": State.SOON},
        State.SOON,
        False,
        Reason.GETTING_READY,
    ),
    "nobody came": (
        {"now": START + GRACE, "present": there(0), "was": State.SOON},
        State.INTERRUPTED,
        False,
        Reason.TOO_FEW_PRESENT,
    ),
    "steady at last": (
        {"present": there(2), "was": State.INTERRUPTED},
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    "back but not steady": (
        {"present": there(2, steady=1), "was": State.INTERRUPTED},
        State.INTERRUPTED,
        False,
        Reason.SETTLING,
    ),
    "present but not on duty": (
        {"present": Present(now=0, steady=0, lately=0, anybody=5), "was": State.CLOSED},
        State.INTERRUPTED,
        False,
        Reason.TOO_FEW_PRESENT,
    ),
    # Presence on the way down
    "a worker reloads": (
        {"present": there(1, lately=2)},
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    "just within the grace": (
        {
            "present": there(1, lately=2),
            "short_since": FACTS.now - GRACE + timedelta(seconds=1),
        },
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    "the grace is over": (
        {"present": there(1, lately=2), "short_since": FACTS.now - GRACE},
        State.INTERRUPTED,
        False,
        Reason.TOO_FEW_PRESENT,
    ),
    "gone for too long, and no tick noticed": (
        {"present": there(1, lately=1)},
        State.INTERRUPTED,
        False,
        Reason.TOO_FEW_PRESENT,
    ),
    "a newcomer after the reload": (
        {"present": there(2, steady=1, lately=2)},
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    "back in time, though the memory is old": (
        {"present": there(2, steady=0, lately=2), "short_since": FACTS.now - GRACE},
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    # Room
    "no place free": (
        {"load": Load(0, 4, 20)},
        State.BUSY,
        True,
        Reason.NO_PLACE_FREE,
    ),
    "the wait just fits": (
        {"load": Load(0, 4, 75)},
        State.BUSY,
        True,
        Reason.NO_PLACE_FREE,
    ),
    "the wait ends after last call": (
        {"load": Load(0, 4, 76)},
        State.BUSY,
        False,
        Reason.QUEUE_FULL,
    ),
    "the wait ends after the hour": (
        {"load": Load(0, 9, 91)},
        State.LAST_CALL,
        False,
        Reason.WAIT_TOO_LONG,
    ),
    "just before last call": (
        {"now": END - minutes(15) - timedelta(seconds=1)},
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    "last call": ({"now": END - minutes(15)}, State.LAST_CALL, False, Reason.CLOSING_TIME),
    "last call, too few present": (
        {"now": END - minutes(15), "present": NOBODY},
        State.INTERRUPTED,
        False,
        Reason.TOO_FEW_PRESENT,
    ),
    "an adjoining hour follows": (
        {
            "now": END - minutes(15),
            "hours": (HOUR, Hour(END, END + minutes(60), 2, 2)),
        },
        State.OPEN,
        True,
        Reason.STAFFED,
    ),
    "an adjoining hour has too few": (
        {
            "now": END - minutes(15),
            "hours": (HOUR, Hour(END, END + minutes(60), 2, 1)),
        },
        State.LAST_CALL,
        False,
        Reason.CLOSING_TIME,
    ),
    # By hand
    "closed by hand": (
        {"override": CLOSED_BY_HAND},
        State.FORCED,
        False,
        Reason.FORCED_CLOSED,
    ),
    "closed by hand, presence unknown": (
        {"override": CLOSED_BY_HAND, "present": None},
        State.FORCED,
        False,
        Reason.FORCED_CLOSED,
    ),
    "open by hand without a roster": (
        {"hours": (), "override": OPEN_BY_HAND, "present": there(0, anybody=1)},
        State.FORCED,
        True,
        Reason.FORCED_OPEN,
    ),
    "open by hand with nobody there": (
        {"hours": (), "override": OPEN_BY_HAND, "present": NOBODY},
        State.FORCED,
        False,
        Reason.FORCED_OPEN_NOBODY,
    ),
    "open by hand, last call": (
        {"now": START + minutes(45), "hours": (), "override": OPEN_BY_HAND},
        State.FORCED,
        False,
        Reason.FORCED_OPEN_ENDING,
    ),
    "open by hand in an hour that goes on": (
        {"now": START + minutes(45), "override": OPEN_BY_HAND},
        State.FORCED,
        True,
        Reason.FORCED_OPEN,
    ),
    "open by hand, the wait does not fit": (
        {"hours": (), "override": OPEN_BY_HAND, "load": Load(0, 3, 30)},
        State.FORCED,
        False,
        Reason.FORCED_OPEN_FULL,
    ),
    # Not known
    "presence unknown": ({"present": None}, State.CLOSED, False, Reason.UNKNOWN),
    "load unknown": ({"load": None}, State.CLOSED, False, Reason.UNKNOWN),
    "open by hand, presence unknown": (
        {"override": OPEN_BY_HAND, "present": None},
        State.CLOSED,
        False,
        Reason.UNKNOWN,
    ),
}


@pytest.mark.parametrize(("changes", "state", "admits", "reason"), TABLE.values(), ids=TABLE)
def test_the_state_follows_from_the_facts(
    changes: dict, state: State, admits: bool, reason: Reason
) -> None:
    opening = decide(replace(FACTS, **changes))
    assert (opening.state, opening.admits, opening.reason) == (state, admits, reason)


def test_every_state_and_reason_is_in_the_table() -> None:
    assert {row[1] for row in TABLE.values()} == set(State)
    assert {row[3] for row in TABLE.values()} == set(Reason)


def test_a_reloading_worker_does_not_make_it_flap() -> None:
    """Gone for 60 s and back for 60 s, again and again: the chat stays open throughout."""
    facts, seen = FACTS, set()
    for second in range(0, 1200, 10):
        is_gone = second % 120 < 60
        present = there(1, steady=1, lately=2) if is_gone else there(2, steady=1, lately=2)
        facts = replace(facts, now=START + minutes(30) + timedelta(seconds=second), present=present)
        opening = decide(facts)
        seen.add(opening.state)
        facts = replace(facts, was=opening.state, short_since=short_since(facts, opening))
    assert seen == {State.OPEN}


def test_the_last_worker_leaves_and_within_two_minutes_it_is_interrupted() -> None:
    facts, states = FACTS, {}
    for second in range(0, 180, 10):
        # The lease runs out after 30 s; 90 s later nobody was there lately.
        present = there(2 if second < 30 else 0, lately=2 if second < 120 else 0)
        facts = replace(facts, now=START + minutes(30) + timedelta(seconds=second), present=present)
        opening = decide(facts)
        states[second] = opening.state
        facts = replace(facts, was=opening.state, short_since=short_since(facts, opening))
    assert states[110] == State.OPEN
    assert states[120] == State.INTERRUPTED
    assert states[170] == State.INTERRUPTED


def test_the_numbers_explain_the_decision() -> None:
    opening = decide(replace(FACTS, load=Load(0, 4, 20)))
    assert opening.numbers == {
        "rostered": 3,
        "needed": 2,
        "present": 2,
        "present_anybody": 9,
        "free_places": 0,
        "waiting": 4,
        "wait_minutes": 20,
    }


def test_overlapping_hours_open_with_the_smaller_need_and_close_at_the_later_end() -> None:
    extra = Hour(START + minutes(15), END + minutes(60), min_staff=1, rostered=1)
    opening = decide(replace(FACTS, hours=(HOUR, extra), present=there(1), was=State.CLOSED))
    assert opening.state == State.OPEN
    assert opening.until == extra.end


# --- What the public reads -----------------------------------------------------------------------

SENTENCES = {
    "De chat is open tot 21:00.": {},
    "De chat is open tot 21:00. Het is druk, dus je moet even wachten.": {"load": Load(0, 1, 20)},
    "De chat opent vandaag om 19:00.": {"now": START - minutes(10)},
    "De chat gaat zo open.": {"now": START, "present": NOBODY, "was": State.SOON},
    "De chat is nu dicht. De chat opent vandaag om 19:00.": {"now": LONG_BEFORE},
    "De chat is nu dicht. De chat opent morgen om 19:00.": {"now": END + minutes(1)},
    "De chat is nu dicht. De chat opent dinsdag 3 maart om 19:00.": {
        "now": START - timedelta(days=5)
    },
    "De chat is nu dicht.": {"hours": ()},
    "De chat gaat zo dicht. Je kunt nu niet meer beginnen. De chat opent morgen om 19:00.": {
        "now": END - minutes(10)
    },
    "Het is nu te druk in de chat. Er kan niemand meer bij. De chat opent morgen om 19:00.": {
        "load": Load(0, 9, 100)
    },
    "De chat is nu even niet open. Probeer het over een paar minuten nog eens.": {
        "present": NOBODY
    },
    "De chat is nu dicht. De chat opent vandaag om 20:00.": {"override": CLOSED_BY_HAND},
    "De chat is open tot 20:00.": {"override": OPEN_BY_HAND, "hours": ()},
}


@pytest.mark.parametrize(("sentence", "changes"), SENTENCES.items())
def test_the_public_sentence(sentence: str, changes: dict) -> None:
    with translation.override("nl"):
        assert decide(replace(FACTS, **changes)).text() == sentence


def test_an_hour_past_midnight_names_its_end_without_a_day() -> None:
    night = Hour(START, START + timedelta(hours=7), 2, 2)
    with translation.override("nl"):
        assert decide(replace(FACTS, hours=(night,))).text() == "De chat is open tot 02:00."


def test_times_are_those_of_the_line() -> None:
    with translation.override("nl"):
        opening = decide(replace(FACTS, zone=ZoneInfo("America/Curacao")))
        assert opening.text() == "De chat is open tot 16:00."


def test_every_reason_has_a_public_and_a_staff_sentence() -> None:
    with translation.override("nl"):
        for reason in Reason:
            opening = Opening(State.CLOSED, admits=False, reason=reason)
            assert opening.text().endswith(".")
            assert opening.why().endswith(".")


# --- Whatever the facts --------------------------------------------------------------------------

moments = st.integers(-200, 400).map(lambda number: START + minutes(number))
hours = st.builds(
    lambda start, length, need, rostered: Hour(start, start + minutes(length), need, rostered),
    moments,
    st.integers(1, 240),
    st.integers(1, 4),
    st.integers(0, 5),
)
people = st.integers(0, 5)
some_facts = st.builds(
    Facts,
    now=moments,
    zone=st.just(AMSTERDAM),
    last_call=st.integers(0, 60).map(minutes),
    hours=st.lists(hours, max_size=4).map(
        lambda found: tuple(sorted(found, key=lambda h: h.start))
    ),
    present=st.none()
    | st.tuples(people, people, people, people).map(
        # Who is steady is there now, and who is there now was there lately.
        lambda n: Present(now=max(n[:2]), steady=min(n[:2]), lately=max(n[:3]), anybody=max(n))
    ),
    load=st.none() | st.builds(Load, st.integers(0, 3), st.integers(0, 20), st.integers(0, 300)),
    override=st.none() | st.builds(Override, st.booleans(), moments),
    was=st.sampled_from(["", *State]),
    short_since=st.none() | moments,
)


@given(some_facts)
def test_nobody_is_let_in_without_hour_staff_worker_and_time(facts: Facts) -> None:
    if facts.override and facts.override.until <= facts.now:
        facts = replace(facts, override=None)  # `look` never brings an old one
    opening = decide(facts)
    staffed = [hour for hour in facts.hours if hour.covers(facts.now) and hour.is_staffed]
    if opening.admits:
        assert facts.present is not None
        assert facts.load is not None
        assert opening.until is not None
        turn = facts.now + minutes(facts.load.wait_minutes)
        assert turn <= opening.until - facts.last_call
        if facts.override:
            assert facts.override.is_open
            assert facts.present.anybody >= 1
        else:
            assert staffed
            assert opening.state in {State.OPEN, State.BUSY}
            need = min(hour.min_staff for hour in staffed)
            assert facts.present.steady >= need or facts.was in UNDERWAY
            assert facts.present.lately >= need
    if facts.override:
        assert opening.state in {State.FORCED, State.CLOSED}
    else:
        assert opening.state != State.FORCED
        if not staffed:
            assert opening.state in {State.CLOSED, State.SOON}
    assert opening.next_start is None or opening.next_start > facts.now
    with translation.override("nl"):
        assert opening.text()


@given(some_facts)
def test_what_is_promised_next_really_has_enough_people(facts: Facts) -> None:
    opening = decide(facts)
    if opening.next_start and opening.reason != Reason.FORCED_CLOSED:
        assert any(hour.start == opening.next_start and hour.is_staffed for hour in facts.hours)
