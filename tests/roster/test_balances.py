"""Balances say who is ahead and behind, to date and with what is planned, and why."""

from datetime import timedelta
from typing import Any

import pytest

from institutions.models import Institution, User
from roster.balances import Balance, balances, hours_of, visible
from roster.fairness import SlotClass
from roster.jobs import settle_hours
from roster.models import DateException, HoursEntry, LedgerEntry, RosterPeriod, ServiceLine
from tests.people import make_user, rights_of
from tests.roster.making import MONDAY
from tests.roster.settling import LATER, NOW, hour_in, put_on, shared_period, was_there, worked

DAY = timedelta(days=1)


def by_name(some: list[Balance]) -> dict[str, Balance]:
    return {one.institution.name: one for one in some}


def test_to_date_and_with_what_is_planned(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User, carla: User, dirk: User
) -> None:
    period = shared_period(line, {zuid: 1, maas: 2})
    first = hour_in(period)
    worked(first, anna)
    put_on(hour_in(period, 1), carla)
    put_on(hour_in(period, 2), carla)
    LedgerEntry.waive(line, maas, 20, dirk, period=period)
    found = by_name(balances(line, first.end, period=period))
    assert list(found) == ["Maaskracht", "Welzijn Zuid"]
    ours, theirs = found["Welzijn Zuid"], found["Maaskracht"]
    assert (ours.owed, ours.worked, ours.other, ours.balance) == (40, 120, 0, 80)
    assert (ours.index, ours.owed_ahead, ours.planned, ours.planned_balance) == (3.0, 80, 0, 0)
    assert (theirs.owed, theirs.worked, theirs.other, theirs.balance) == (80, 0, 20, -60)
    assert (theirs.owed_ahead, theirs.planned, theirs.planned_balance) == (160, 240, 20)
    assert theirs.index == 0.25
    assert theirs.planned_index == 260 / 240
    assert ours.weighted == 150 - 50


def test_the_sum_is_that_of_the_ledger_whatever_was_corrected(
    line: ServiceLine, zuid: Institution, anna: User, dirk: User
) -> None:
    period = shared_period(line, {zuid: 1})
    duty = put_on(hour_in(period), anna)
    was_there(duty, end=duty.start + timedelta(minutes=50))
    settle_hours(LATER)
    HoursEntry.objects.get().approve(dirk, 110)
    (one,) = balances(line, LATER, period=period)
    assert (one.worked, one.balance) == (110, -10)
    assert one.balance == LedgerEntry.objects.balance()
    assert one.burden[SlotClass.EVENING] == 110


def test_evenings_weekends_and_holidays_stand_beside_it(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    period = shared_period(line, {zuid: 1})
    DateException.objects.create(
        line=line, first_date=MONDAY + DAY, last_date=MONDAY + DAY, source="holidays", name="Feest"
    )
    DateException.objects.create(
        line=line,
        first_date=MONDAY,
        last_date=MONDAY + 9 * DAY,
        source="holidays",
        name="Voorjaarsvakantie",
        region="zuid",
    )
    for day in (0, 1, 2, 5):
        worked(hour_in(period, day), anna, settle=False)
    settle_hours(LATER)
    (one,) = balances(line, LATER, period=period)
    assert one.burden == {
        SlotClass.HOLIDAY: 120,
        SlotClass.WEEKEND: 120,
        SlotClass.EVENING: 240,
        SlotClass.DAY: 0,
    }


def test_who_owes_nothing_has_no_index(line: ServiceLine, zuid: Institution, anna: User) -> None:
    worked(hour_in(shared_period(line, {})), anna)
    (one,) = balances(line, LATER)
    assert (one.balance, one.index, one.planned_index) == (120, None, None)


def test_of_all_periods_together(line: ServiceLine, zuid: Institution, anna: User) -> None:
    for start, day in ((MONDAY, 0), (MONDAY + 28 * DAY, 30)):
        period = shared_period(line, {zuid: 1}, start)
        worked(hour_in(period, day), anna, settle=False)
    settle_hours(NOW + 10 * DAY)
    (one,) = balances(line, NOW + 10 * DAY)
    assert (one.owed, one.worked, one.owed_ahead, one.planned) == (120, 120, 120, 120)
    other = ServiceLine.objects.create(name="Opvoeding")
    assert balances(other, LATER) == []


def test_planned_leaves_out_what_is_cancelled_given_away_or_over(
    line: ServiceLine, zuid: Institution, anna: User, dirk: User
) -> None:
    period = shared_period(line, {zuid: 1})
    hours = [hour_in(period, day) for day in range(4)]
    duties = [put_on(hour, anna) for hour in hours]
    hours[1].cancel(dirk, now=NOW - 10 * DAY)
    type(duties[2]).objects.filter(pk=duties[2].pk).update(status="released")
    settle_hours(hours[0].end)
    (one,) = balances(line, hours[0].end, period=period)
    assert one.planned == 120


def test_a_coordinator_sees_the_own_institutions(
    line: ServiceLine, zuid: Institution, maas: Institution, dirk: User
) -> None:
    hour_in(shared_period(line, {zuid: 1, maas: 1}))
    settle_hours(LATER)
    some = balances(line, LATER)
    stranger = make_user("Max", (maas, "coordinator"))
    assert list(by_name(visible(some, rights_of(stranger)))) == ["Maaskracht"]
    assert visible(some, rights_of(dirk)) == some


def test_a_quarter_of_36_institutions_asks_as_little_as_a_week_of_two(
    line: ServiceLine,
    zuid: Institution,
    maas: Institution,
    anna: User,
    django_assert_num_queries: Any,
) -> None:
    period = shared_period(line, {zuid: 1, maas: 1}, days=91)
    for day in range(2):
        worked(hour_in(period, day), anna)

    def ask() -> list[Balance]:
        with django_assert_num_queries(8):
            return balances(line, NOW + 2 * DAY, period=period)

    assert len(ask()) == 2
    for number in range(34):
        institution = Institution.objects.create(name=f"Instelling {number}")
        period.shares.create(institution=institution, weight=number + 1)
    for day in range(2, 60):
        put_on(hour_in(period, day), anna)
    assert len(ask()) == 36


# --- A worker's own ------------------------------------------------------------------------------


def test_my_hours(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User, dirk: User
) -> None:
    period: RosterPeriod = shared_period(line, {zuid: 1})
    hours = [hour_in(period, day) for day in (0, 1, 40)]
    first = worked(hours[0], anna)
    worked(hours[0], bilal, 2, settle=False)
    second = worked(hours[1], anna)
    put_on(hours[2], anna)
    HoursEntry.objects.get(duty=first).claim(anna, 130)
    mine = hours_of(anna, MONDAY, MONDAY + 60 * DAY, NOW + 2 * DAY)
    assert [entry.duty for entry in mine.entries] == [second, first]
    assert (mine.worked, mine.planned, mine.waiting) == (240, 120, 1)
    assert mine.burden[SlotClass.EVENING] == 240
    assert hours_of(anna, MONDAY, MONDAY, NOW + 2 * DAY).worked == 120


@pytest.mark.django_db
def test_nobody_has_no_hours(anna: User) -> None:
    mine = hours_of(anna, MONDAY, MONDAY, NOW)
    assert (mine.entries, mine.worked, mine.planned, mine.waiting) == ([], 0, 0, 0)
