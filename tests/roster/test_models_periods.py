"""Periods: which state leads to which, and what a period may hold."""

from datetime import timedelta
from itertools import product
from typing import Any

import pytest

from institutions.models import Institution, User
from roster.models import (
    Proposal,
    ProposalLine,
    RosterPeriod,
    RosterRefused,
    RosterVersion,
    ServiceLine,
    ShareKey,
)
from tests.people import rights_of
from tests.roster.making import MONDAY, NOW, make_hour, make_period, refused

State = RosterPeriod.State


def in_state(line: ServiceLine, state: str) -> RosterPeriod:
    published_at = NOW if state in RosterPeriod.PUBLIC else None
    return make_period(line, state=state, published_at=published_at)


@pytest.mark.parametrize(("old", "new"), list(product(State.values, State.values)))
def test_a_period_moves_as_the_table_says(
    line: ServiceLine, dirk: User, old: str, new: str
) -> None:
    period = in_state(line, old)
    published = {"published_at": NOW if new in RosterPeriod.PUBLIC else None}
    if new in RosterPeriod.TRANSITIONS[old]:
        period._move(new, by=dirk, now=NOW, **published)
        assert period.state == new
        change = period.changes.get()
        assert (change.old, change.new, change.by, change.at) == (old, new, dirk, NOW)
    else:
        with pytest.raises(RosterRefused, match="wrong_state"):
            period._move(new, by=dirk, **published)
        period.refresh_from_db()
        assert period.state == old
        assert not period.changes.exists()


def test_every_state_is_in_the_table() -> None:
    assert set(RosterPeriod.TRANSITIONS) == set(State.values)


def test_who_comes_second_is_told_so(line: ServiceLine, dirk: User) -> None:
    mine = make_period(line)
    theirs = RosterPeriod.objects.get(pk=mine.pk)
    mine._move(State.SIGNUP, by=dirk)
    with pytest.raises(RosterRefused, match="changed"):
        theirs._move(State.PUBLISHED, by=None, published_at=NOW)
    mine.refresh_from_db()
    assert (mine.state, mine.published_at, mine.changes.count()) == (State.SIGNUP, None, 1)


def test_a_period_that_began_is_published(line: ServiceLine) -> None:
    with refused("published_has_a_time"):
        make_period(line, state=State.RUNNING)
    with refused("published_has_a_time"):
        make_period(line, state=State.SIGNUP, published_at=NOW)
    with refused("period_ends_after_start"):
        make_period(line, days=0)


def test_workers_do_not_see_a_draft(line: ServiceLine, anna: User, dirk: User) -> None:
    period = make_period(line)
    assert list(RosterPeriod.objects.visible_to(rights_of(dirk))) == [period]
    assert not RosterPeriod.objects.visible_to(rights_of(anna)).exists()
    period._move(State.SIGNUP, by=dirk)
    assert list(RosterPeriod.objects.visible_to(rights_of(anna))) == [period]
    assert not RosterPeriod.objects.public().exists()
    period._move(State.PUBLISHED, by=dirk, published_at=NOW)
    assert list(RosterPeriod.objects.public()) == [period]
    assert period.is_public


def test_a_period_is_found_by_a_day(line: ServiceLine) -> None:
    period = make_period(line, days=7)
    for day, found in ((-1, []), (0, [period]), (6, [period]), (7, [])):
        assert list(RosterPeriod.objects.on(MONDAY + timedelta(days=day))) == found


def test_versions_of_a_period_are_numbered(line: ServiceLine, dirk: User) -> None:
    period = make_period(line)

    def version(number: int) -> None:
        RosterVersion.objects.create(period=period, number=number, snapshot=[], author=dirk)

    version(1)
    with refused():
        version(1)
    with refused():
        version(0)
    version(2)


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("share_is_weight_or_minutes", {}),
        ("share_is_weight_or_minutes", {"weight": 1, "fixed_minutes": 60}),
        (
            "share_left_after_joined",
            {"weight": 1, "joined": MONDAY, "left": MONDAY - timedelta(days=1)},
        ),
    ],
    ids=str,
)
def test_a_share_that_makes_no_sense_is_refused(
    line: ServiceLine, zuid: Institution, constraint: str, wrong: dict[str, Any]
) -> None:
    with refused(constraint):
        ShareKey.objects.create(period=make_period(line), institution=zuid, **wrong)


def test_an_institution_has_one_share_in_a_period(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    period = make_period(line)
    ShareKey.objects.create(period=period, institution=zuid, weight=0, joined=MONDAY, left=MONDAY)
    with refused():
        ShareKey.objects.create(period=period, institution=zuid, fixed_minutes=60)
    ShareKey.objects.create(period=period, institution=maas, fixed_minutes=60)


# --- Proposals -----------------------------------------------------------------------------------


def test_one_proposal_of_a_period_is_made_at_a_time(line: ServiceLine, dirk: User) -> None:
    first = {"period": make_period(line), "author": dirk, "input_hash": "0" * 64}
    proposal = Proposal.objects.create(**first)
    with refused():
        Proposal.objects.create(**first)
    Proposal.objects.filter(pk=proposal.pk).update(state="dropped")
    Proposal.objects.create(**first)


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("ready_proposal_has_a_time", {"state": "ready"}),
        ("ready_proposal_has_a_time", {"state": "running", "ready_at": NOW}),
        ("applied_by_a_person", {"state": "applied", "ready_at": NOW}),
        ("applied_by_a_person", {"state": "applied", "ready_at": NOW, "applied_at": NOW}),
        ("applied_by_a_person", {"state": "ready", "ready_at": NOW, "applied_at": NOW}),
    ],
    ids=str,
)
def test_a_proposal_is_applied_by_a_person_once_it_is_ready(
    line: ServiceLine, dirk: User, constraint: str, wrong: dict[str, Any]
) -> None:
    same = {"period": make_period(line), "author": dirk, "input_hash": "0" * 64}
    with refused(constraint):
        Proposal.objects.create(**same, **wrong)
    applied = {"state": "applied", "ready_at": NOW, "applied_at": NOW, "applied_by": dirk}
    Proposal.objects.create(**same, **applied)


def test_a_proposal_says_once_who_sits_where_and_for_whom(
    line: ServiceLine, dirk: User, anna: User, zuid: Institution
) -> None:
    proposal = Proposal.objects.create(
        period=make_period(line), author=dirk, input_hash="0" * 64, seed=-1
    )
    first, second = make_hour(line).seats.all()[:2]
    empty = ProposalLine.objects.create(proposal=proposal, seat=first, reason="nobody")
    assert not empty.is_change
    with refused():
        ProposalLine.objects.create(proposal=proposal, seat=first, reason="nobody")
    with refused("proposed_worker_is_credited"):
        ProposalLine.objects.create(proposal=proposal, seat=second, reason="best", worker=anna)
    line_of_anna = ProposalLine.objects.create(
        proposal=proposal, seat=second, reason="best", worker=anna, credited_to=zuid
    )
    assert line_of_anna.is_change
