"""What coordinators of the platform post: reversals, transfers, waivers, corrections, carry."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from institutions.models import Institution, User
from roster.jobs import settle_hours
from roster.models import LedgerEntry, RosterPeriod, RosterRefused, ServiceLine
from tests.people import make_user
from tests.roster.making import MONDAY
from tests.roster.settling import LATER, hour_in, shared_period, worked


@pytest.fixture
def period(line: ServiceLine, zuid: Institution, maas: Institution, anna: User) -> RosterPeriod:
    """Zuid worked two hours, of which it owed one."""
    period = shared_period(line, {zuid: 1, maas: 1})
    worked(hour_in(period), anna)
    return period


def code(deed: Callable[[], object]) -> str:
    with pytest.raises(RosterRefused) as refusal:
        deed()
    return refusal.value.code


def test_a_transfer_is_zero_together_and_done_once(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    for is_done in (True, False):
        done = LedgerEntry.transfer(
            line, zuid, maas, 60, dirk, period=period, text="Afgesproken", key="form-1"
        )
        assert done is is_done
    assert LedgerEntry.objects.balances() == {zuid.pk: 0, maas.pk: 0}
    entry = LedgerEntry.objects.filter(kind="transfer", institution=maas).get()
    assert (entry.minutes, entry.author, entry.text) == (60, dirk, "Afgesproken")
    assert LedgerEntry.transfer(line, zuid, maas, 60, dirk, period=period)
    assert LedgerEntry.transfer(line, zuid, maas, 60, dirk, period=period)
    assert LedgerEntry.objects.balances() == {zuid.pk: -120, maas.pk: 120}


def test_a_key_is_for_one_deed(
    line: ServiceLine, zuid: Institution, maas: Institution, dirk: User
) -> None:
    third = Institution.objects.create(name="Derde")
    LedgerEntry.transfer(line, maas, third, 60, dirk, key="k")
    assert code(lambda: LedgerEntry.transfer(line, zuid, maas, 60, dirk, key="k")) == "changed"
    assert LedgerEntry.objects.balances() == {maas.pk: -60, third.pk: 60}


def test_waivers_and_corrections(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    assert LedgerEntry.waive(line, maas, 45, dirk, period=period)
    assert LedgerEntry.correct(line, zuid, -20, dirk, period=period, text="Dubbel geteld")
    assert LedgerEntry.objects.balances() == {zuid.pk: 40, maas.pk: -15}


def test_a_reversal_is_the_opposite_once(
    period: RosterPeriod, zuid: Institution, dirk: User
) -> None:
    entry = LedgerEntry.objects.get(kind="obligation", institution=zuid)
    reversal = entry.reverse(dirk, "Was afgesproken")
    assert (reversal.minutes, reversal.weighted_minutes) == (60, 75)
    assert (reversal.kind, reversal.period, reversal.author) == ("obligation", period, dirk)
    assert code(lambda: entry.reverse(dirk)) == "reversed"
    assert code(lambda: reversal.reverse(dirk)) == "reversed"
    assert LedgerEntry.objects.filter(institution=zuid).balance() == 120
    # The clock does not charge it again.
    settle_hours(LATER)
    assert LedgerEntry.objects.filter(institution=zuid).balance() == 120


def test_what_cannot_be_posted(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    other = ServiceLine.objects.create(name="Opvoeding")
    post = LedgerEntry
    assert code(lambda: post.transfer(line, zuid, maas, 0, dirk)) == "minutes"
    assert code(lambda: post.transfer(line, zuid, zuid, 60, dirk)) == "self"
    assert code(lambda: post.waive(line, zuid, -5, dirk)) == "minutes"
    assert code(lambda: post.correct(line, zuid, 0, dirk)) == "minutes"
    assert code(lambda: post.correct(other, zuid, 5, dirk, period=period)) == "outside"
    RosterPeriod.objects.update(state="settled")
    period.refresh_from_db()
    entry = LedgerEntry.objects.filter(period=period)[0]
    assert code(lambda: post.transfer(line, zuid, maas, 60, dirk, period=period)) == "settled"
    assert code(lambda: entry.reverse(dirk)) == "settled"
    assert post.objects.count() == 3


def test_only_the_platforms_coordinators_post(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, anna: User
) -> None:
    entry = LedgerEntry.objects.all()[0]
    for person in (anna, make_user("Zoë", (zuid, "coordinator"))):
        for deed in (
            lambda by: LedgerEntry.transfer(line, zuid, maas, 60, by),
            lambda by: LedgerEntry.waive(line, zuid, 60, by),
            lambda by: LedgerEntry.correct(line, zuid, 60, by),
            lambda by: LedgerEntry.carry(period, period, by, most=60),
            lambda by: entry.reverse(by),
        ):
            assert code(lambda deed=deed, person=person: deed(person)) == "not_yours"


def test_balances_are_carried_up_to_a_limit_and_once(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    new = shared_period(line, {zuid: 1}, MONDAY + timedelta(days=28))
    assert code(lambda: LedgerEntry.carry(period, new, dirk, most=40)) == "wrong_state"
    RosterPeriod.objects.filter(pk=period.pk).update(state="closed")
    period.refresh_from_db()
    assert LedgerEntry.carry(period, new, dirk, most=40) == 2
    assert LedgerEntry.carry(period, new, dirk, most=40) == 0
    assert period.ledger.all().balances() == {zuid.pk: 20, maas.pk: -20}
    assert new.ledger.all().balances() == {zuid.pk: 40, maas.pk: -40}
    assert LedgerEntry.objects.balances() == {zuid.pk: 60, maas.pk: -60}


def test_what_cannot_be_carried(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, dirk: User
) -> None:
    new = shared_period(line, {zuid: 1}, MONDAY + timedelta(days=28))
    RosterPeriod.objects.update(state="closed")
    for one in (period, new):
        one.refresh_from_db()
    assert code(lambda: LedgerEntry.carry(new, period, dirk, most=40)) == "outside"
    assert code(lambda: LedgerEntry.carry(period, new, dirk, most=-1)) == "minutes"
    RosterPeriod.objects.filter(pk=new.pk).update(state="settled")
    new.refresh_from_db()
    assert code(lambda: LedgerEntry.carry(period, new, dirk, most=40)) == "settled"
