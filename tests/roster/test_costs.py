"""Costs are divided to the cent, from frozen numbers, and corrected in the next run."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from institutions.models import Institution, User
from roster.jobs import settle_hours
from roster.models import CostRun, LedgerEntry, RosterPeriod, RosterRefused, ServiceLine
from tests.people import make_user
from tests.roster.making import MONDAY, make_period
from tests.roster.settling import LATER, hour_in, shared_period, worked


@pytest.fixture
def period(line: ServiceLine, zuid: Institution, maas: Institution, anna: User) -> RosterPeriod:
    """Zuid is an hour ahead, Maas one behind; the key is one to two."""
    period = shared_period(line, {zuid: 1, maas: 2})
    worked(hour_in(period, target_staff=1), anna)
    hour_in(period, 1, target_staff=1)
    settle_hours(LATER)
    assert period.ledger.all().balances() == {zuid.pk: 40, maas.pk: -160}
    return period


def lines(run: CostRun) -> dict[tuple[str, str], int]:
    found = {(line.institution.name, line.kind): line.cents for line in run.lines.all()}
    assert sum(found.values()) == run.total_cents
    return found


def code(deed: Callable[[], object]) -> str:
    with pytest.raises(RosterRefused) as refusal:
        deed()
    return refusal.value.code


def test_by_key_to_the_cent(line: ServiceLine, period: RosterPeriod, dirk: User) -> None:
    run = CostRun.make(line, period, "key", 10_001, None, dirk)
    assert lines(run) == {("Welzijn Zuid", "key"): 3334, ("Maaskracht", "key"): 6667}
    assert (run.author, run.tariff_cents) == (dirk, None)


def test_by_shortfall_the_total_follows_from_the_tariff(
    line: ServiceLine, period: RosterPeriod, dirk: User
) -> None:
    run = CostRun.make(line, period, "shortfall", None, 4_500, dirk)
    assert lines(run) == {("Maaskracht", "shortfall"): 12_000}


def test_mixed_charges_shortfall_first(line: ServiceLine, period: RosterPeriod, dirk: User) -> None:
    run = CostRun.make(line, period, "mixed", 15_000, 4_500, dirk)
    assert lines(run) == {
        ("Maaskracht", "shortfall"): 12_000,
        ("Maaskracht", "key"): 2_000,
        ("Welzijn Zuid", "key"): 1_000,
    }
    # More than there was to pay comes back by key.
    run = CostRun.make(line, period, "mixed", 9_000, 4_500, dirk)
    assert lines(run)["Welzijn Zuid", "key"] == -1_000


def test_the_inputs_are_frozen(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    run = CostRun.make(line, period, "mixed", 15_000, 4_500, dirk)
    period.shares.filter(institution=zuid).update(weight=9)
    Institution.objects.filter(pk=zuid.pk).update(name="Anders")
    run.refresh_from_db()
    assert run.inputs["weights"] == {str(zuid.pk): 80, str(maas.pk): 160}
    assert run.inputs["balances"] == {str(zuid.pk): 40, str(maas.pk): -160}
    assert run.inputs["names"][str(zuid.pk)] == "Welzijn Zuid"
    assert (run.inputs["need"], run.inputs["total_cents"]) == (240, 15_000)


def test_what_turned_out_otherwise_is_corrected_in_the_next_run_and_once(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    CostRun.make(line, period, "shortfall", None, 6_000, dirk)
    LedgerEntry.correct(line, maas, 60, dirk, period=period)
    new = shared_period(line, {zuid: 1, maas: 1}, MONDAY + timedelta(days=28))
    hour_in(new, 30)
    run = CostRun.make(line, new, "key", 10_000, None, dirk)
    assert lines(run) == {
        ("Welzijn Zuid", "key"): 5_000,
        ("Maaskracht", "key"): 5_000,
        ("Maaskracht", "correction"): -6_000,
    }
    after = CostRun.make(line, new, "key", 10_000, None, dirk)
    assert set(lines(after)) == {("Welzijn Zuid", "key"), ("Maaskracht", "key")}


def test_a_changed_key_is_corrected_to_zero_together(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, dirk: User
) -> None:
    CostRun.make(line, period, "key", 10_000, None, dirk)
    period.shares.filter(institution=zuid).update(weight=2)
    found = lines(CostRun.make(line, period, "key", 10_000, None, dirk))
    assert found["Welzijn Zuid", "correction"] == 5_000 - 3_333
    assert found["Maaskracht", "correction"] == 5_000 - 6_667


def test_what_cannot_be_divided(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    other = ServiceLine.objects.create(name="Opvoeding")
    draft = make_period(line, MONDAY + timedelta(days=28))
    nobody = shared_period(line, {}, MONDAY + timedelta(days=56))
    make = CostRun.make
    assert code(lambda: make(other, period, "key", 1, None, dirk)) == "outside"
    assert code(lambda: make(line, draft, "key", 1, None, dirk)) == "wrong_state"
    assert code(lambda: make(line, nobody, "key", 1, None, dirk)) == "no_key"
    assert code(lambda: make(line, period, "key", None, None, dirk)) == "total"
    assert code(lambda: make(line, period, "key", -1, None, dirk)) == "total"
    assert code(lambda: make(line, period, "mixed", 2**31, 1, dirk)) == "total"
    assert code(lambda: make(line, period, "mixed", 1, None, dirk)) == "tariff"
    assert code(lambda: make(line, period, "shortfall", None, -1, dirk)) == "tariff"
    make(line, period, "shortfall", None, 6_000, dirk)
    LedgerEntry.waive(line, maas, 160, dirk, period=period)
    # Only money to give back.
    assert code(lambda: make(line, period, "shortfall", None, 6_000, dirk)) == "total"
    assert CostRun.objects.count() == 1


def test_only_the_platforms_coordinators_divide(
    line: ServiceLine, period: RosterPeriod, zuid: Institution, anna: User
) -> None:
    for person in (anna, make_user("Zoë", (zuid, "coordinator"))):
        assert (
            code(lambda person=person: CostRun.make(line, period, "key", 1, None, person))
            == "not_yours"
        )


class LinesAddUp(TestCase):
    @settings(max_examples=25, deadline=None)
    @given(
        runs=st.lists(
            st.tuples(
                st.sampled_from(["key", "shortfall", "mixed"]),
                st.integers(0, 10_000_000),
                st.integers(0, 20_000),
                st.integers(-300, 300),
            ),
            min_size=1,
            max_size=3,
        ),
        weights=st.lists(st.integers(0, 50), min_size=1, max_size=8).filter(any),
    )
    def test_to_the_cent_whatever_changes_in_between(
        self, runs: list[Any], weights: list[int]
    ) -> None:
        line = ServiceLine.objects.create(name="Lijn")
        by = make_user("Dirk", (None, "coordinator"), second_factor=False)
        shares = {
            Institution.objects.create(name=f"Instelling {number}"): weight
            for number, weight in enumerate(weights)
        }
        period = shared_period(line, shares)
        hour_in(period)
        settle_hours(LATER)
        refusals: list[str] = []
        for method, total, tariff, correction in runs:
            if correction:
                LedgerEntry.correct(line, next(iter(shares)), correction, by, period=period)
            try:
                run = CostRun.make(line, period, method, total, tariff, by)
            except RosterRefused as refused:
                refusals.append(refused.code)
                continue
            assert sum(line.cents for line in run.lines.all()) == run.total_cents
            own = [line for line in run.lines.all() if line.kind != "correction"]
            if method != "shortfall":
                assert sum(line.cents for line in own) == total
        # More to give back than to pay.
        assert set(refusals) <= {"total"}
