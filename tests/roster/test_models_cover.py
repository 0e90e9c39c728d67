"""Cover requests: which state leads to which, and what one may say."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from institutions.models import Institution, User
from roster.models import (
    CoverAsk,
    CoverDecline,
    CoverRequest,
    Duty,
    RosterRefused,
    ServiceLine,
)
from tests.people import make_user, rights_of
from tests.roster.making import HOUR, NOW, make_duty, make_request, refused, taker

State = CoverRequest.State
TAKEN = (State.CLAIMED, State.AWAITING_APPROVAL, State.DONE)
NOBODY: dict[str, Any] = {"claimed_by": None, "claimed_for": None, "claimed_at": None}


def fields_of(state: str, bilal: User, zuid: Institution) -> dict[str, Any]:
    """What a request in this state says of its taker and its end."""
    return {
        **(taker(bilal, zuid) if state in TAKEN else NOBODY),
        "ended_at": None if state in CoverRequest.LIVE else NOW,
    }


@pytest.fixture
def duty(line: ServiceLine, anna: User) -> Duty:
    return make_duty(line, anna)


@pytest.mark.parametrize(("old", "new"), list(product(State.values, State.values)))
def test_a_request_moves_as_the_table_says(
    duty: Duty, bilal: User, zuid: Institution, old: str, new: str
) -> None:
    request = make_request(duty, state=old, **fields_of(old, bilal, zuid))
    changes = fields_of(new, bilal, zuid)
    if new in CoverRequest.TRANSITIONS[old]:
        request._move(new, by=bilal, **changes)
        assert request.state == new
        change = request.changes.get()
        assert (change.old, change.new, change.by) == (old, new, bilal)
    else:
        with pytest.raises(RosterRefused, match="wrong_state"):
            request._move(new, by=bilal, **changes)
        assert not request.changes.exists()


def test_every_state_is_in_the_table() -> None:
    assert set(CoverRequest.TRANSITIONS) == set(State.values)


def test_of_two_who_claim_one_wins(
    duty: Duty, bilal: User, carla: User, zuid: Institution, maas: Institution
) -> None:
    mine = make_request(duty)
    theirs = CoverRequest.objects.get(pk=mine.pk)
    mine._move(State.CLAIMED, by=bilal, **taker(bilal, zuid))
    with pytest.raises(RosterRefused, match="changed"):
        theirs._move(State.CLAIMED, by=carla, **taker(carla, maas))
    mine.refresh_from_db()
    assert mine.claimed_by == bilal


@pytest.mark.parametrize("state", CoverRequest.LIVE)
def test_a_duty_has_one_live_request(
    duty: Duty, bilal: User, zuid: Institution, state: str
) -> None:
    request = make_request(duty, state=state, **fields_of(state, bilal, zuid))
    with refused():
        make_request(duty)
    CoverRequest.objects.filter(pk=request.pk).update(state=State.VOID, ended_at=NOW)
    make_request(duty)


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("part_has_a_span", {"kind": "part"}),
        ("part_has_a_span", {"kind": "part", "part_start": NOW}),
        ("part_has_a_span", {"kind": "part", "part_start": NOW, "part_end": NOW}),
        ("part_has_a_span", {"part_start": NOW, "part_end": NOW + HOUR}),
        ("claimed_has_a_taker", {"state": "claimed"}),
        ("claimed_has_a_taker", {"claimed_at": NOW}),
        ("claimed_has_a_taker", {"state": "awaiting_approval", "claimed_at": NOW}),
        ("claimed_has_a_taker", {"state": "done", "ended_at": NOW}),
        ("ended_cover_has_a_time", {"ended_at": NOW}),
        ("ended_cover_has_a_time", {"state": "withdrawn"}),
    ],
    ids=str,
)
def test_a_request_that_makes_no_sense_is_refused(
    duty: Duty, constraint: str, wrong: dict[str, Any]
) -> None:
    with refused(constraint):
        make_request(duty, **wrong)


def test_a_part_has_a_span(duty: Duty) -> None:
    assert make_request(duty, kind="part", part_start=NOW, part_end=NOW + HOUR).pk


def test_an_exchange_is_of_two_duties(
    line: ServiceLine, duty: Duty, bilal: User, zuid: Institution
) -> None:
    theirs = make_duty(line, bilal, NOW + timedelta(days=1))
    with refused("only_exchange_offers_a_duty"):
        make_request(duty, offered_duty=theirs)
    with refused("exchange_is_of_two_duties"):
        make_request(duty, kind="exchange", offered_duty=duty)
    request = make_request(duty, kind="exchange")
    mine = CoverRequest.objects.filter(pk=request.pk)
    with refused("claimed_exchange_has_a_duty"):
        mine.update(state="claimed", **taker(bilal, zuid))
    mine.update(state="claimed", offered_duty=theirs, **taker(bilal, zuid))


def test_a_duty_is_given_in_one_exchange_only(
    line: ServiceLine, duty: Duty, bilal: User, carla: User, zuid: Institution, maas: Institution
) -> None:
    theirs = make_duty(line, bilal, NOW + timedelta(days=1))
    other = make_duty(line, carla, NOW + timedelta(days=2))
    for asked in (duty, other):
        make_request(asked, kind="exchange", offered_duty=theirs)
    CoverRequest.objects.filter(duty=duty).update(state="claimed", **taker(bilal, zuid))
    with refused():
        CoverRequest.objects.filter(duty=other).update(state="claimed", **taker(bilal, zuid))


def test_who_was_asked_and_who_said_no_is_known_once(duty: Duty, bilal: User) -> None:
    request = make_request(duty)
    for model in (CoverAsk, CoverDecline):
        model.objects.create(request=request, worker=bilal)
        with refused():
            model.objects.create(request=request, worker=bilal)
    assert request.asks.get().worker == request.declines.get().worker == bilal


def test_it_is_too_late_when_the_duty_begins_but_for_the_absent_when_it_ends(duty: Duty) -> None:
    request = make_request(duty)
    too_late = CoverRequest.objects.too_late
    assert not too_late(NOW - timedelta(seconds=1)).exists()
    assert list(too_late(NOW)) == [request]
    Duty.objects.update(status=Duty.Status.SICK)
    assert not too_late(NOW + HOUR).exists()
    assert list(too_late(NOW + 2 * HOUR)) == [request]
    CoverRequest.objects.update(state=State.EXPIRED, ended_at=NOW)
    assert not too_late(NOW + 2 * HOUR).exists()


def test_a_request_to_all_is_seen_by_every_worker_until_somebody_claims_it(
    duty: Duty, bilal: User, carla: User, zuid: Institution, maas: Institution
) -> None:
    stranger = make_user("Max", (maas, "coordinator"))
    own_coordinator = make_user("Zoë", (zuid, "coordinator"))
    request = make_request(duty)

    def seen_by() -> set[User]:
        people = (duty.worker, bilal, carla, stranger, own_coordinator)
        visible = CoverRequest.objects.visible_to
        return {person for person in people if visible(rights_of(person)).exists()}

    assert seen_by() == {duty.worker, bilal, carla, own_coordinator}
    assert list(CoverRequest.objects.open()) == [request]
    request._move(State.CLAIMED, by=carla, **taker(carla, maas))
    assert seen_by() == {duty.worker, carla, own_coordinator, stranger}


def test_a_request_to_one_is_theirs_and_the_coordinators(
    duty: Duty, bilal: User, carla: User, dirk: User
) -> None:
    make_request(duty, to_worker=bilal)
    people = (duty.worker, bilal, carla, dirk)
    seen = [p for p in people if CoverRequest.objects.visible_to(rights_of(p)).exists()]
    assert seen == [duty.worker, bilal, dirk]
