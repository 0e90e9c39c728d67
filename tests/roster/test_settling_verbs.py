"""From the desk to the ledger: what people do in an hour comes out as minutes of institutions."""

from collections.abc import Iterable
from datetime import datetime, timedelta

import pytest

from institutions.models import Institution, User
from roster.jobs import follow_presence, settle_hours
from roster.models import (
    ConsultationHour,
    Duty,
    HoursEntry,
    LedgerEntry,
    Presence,
    RosterPeriod,
    ServiceLine,
)
from tests.roster.settling import LATER, NOW, hour_in, shared_period

MINUTE = timedelta(minutes=1)


@pytest.fixture
def period(line: ServiceLine, zuid: Institution, maas: Institution) -> RosterPeriod:
    return shared_period(line, {zuid: 1, maas: 1})


def at(minutes: int) -> datetime:
    return NOW + minutes * MINUTE


def stay(workers: Iterable[User], first: int, last: int) -> None:
    """These are at their desks from minute to minute, and the clock looks now and then."""
    everybody = list(workers)
    for step in range(first * 3, last * 3 + 1):
        now = NOW + step * timedelta(seconds=20)
        for worker in everybody:
            Presence.renew(worker.pk, now=now, state=Presence.State.AVAILABLE)
        if step % 9 == 0 or step == last * 3:
            follow_presence(now)
    follow_presence(at(last) + MINUTE)


def worked() -> dict[str, int]:
    names = dict(Institution.objects.values_list("pk", "name"))
    sums = LedgerEntry.objects.filter(kind="worked").balances()
    return {names[pk]: minutes for pk, minutes in sums.items()}


def status(duty: Duty) -> str:
    return Duty.objects.get(pk=duty.pk).status


def test_who_falls_ill_midway_keeps_what_was_done_and_who_steps_in_gets_the_rest(
    period: RosterPeriod, zuid: Institution, maas: Institution, anna: User, carla: User
) -> None:
    hour = hour_in(period)
    duty = hour.fill(anna, zuid, now=at(-600))
    stay([anna], 0, 40)
    duty.cannot_come(anna, at(40))
    hour.step_in(carla, maas, at(50))
    stay([carla], 50, 120)
    settle_hours(LATER)
    assert worked() == {"Welzijn Zuid": 40, "Maaskracht": 70}
    assert sorted(Duty.objects.values_list("status", flat=True)) == ["done", "done", "sick"]
    assert LedgerEntry.objects.filter(kind="obligation").balance() == -120


def test_who_takes_over_a_call_gets_the_minutes(
    period: RosterPeriod, zuid: Institution, maas: Institution, anna: User, carla: User
) -> None:
    duty = hour_in(period).fill(anna, zuid, now=at(-600))
    call = duty.cannot_come(anna, at(-60))
    call.claim(carla, maas, at(-50))
    stay([carla], 0, 120)
    settle_hours(LATER)
    assert worked() == {"Maaskracht": 120}
    assert LedgerEntry.objects.balances() == {zuid.pk: -60, maas.pk: 60}


def test_who_says_so_just_after_the_start_is_absent_and_no_no_show(
    period: RosterPeriod, zuid: Institution, anna: User
) -> None:
    duty = hour_in(period).fill(anna, zuid, now=at(-600))
    duty.cannot_come(anna, at(5))
    settle_hours(LATER)
    assert {one.status for one in Duty.objects.all()} == {"sick"}
    assert HoursEntry.objects.get().minutes == 0
    assert worked() == {}


def test_who_neither_comes_nor_calls_is_a_no_show(
    period: RosterPeriod, zuid: Institution, maas: Institution, anna: User, carla: User
) -> None:
    hour = hour_in(period)
    hers, his = (
        hour.fill(who, where, now=at(-600)) for who, where in ((anna, zuid), (carla, maas))
    )
    stay([carla], 3, 120)
    settle_hours(LATER)
    assert (status(hers), status(his)) == ("no_show", "done")
    assert worked() == {"Maaskracht": 120}


def test_a_visit_to_the_desk_between_is_what_it_was(
    period: RosterPeriod, zuid: Institution, anna: User
) -> None:
    """Away for half an hour in the middle: the lease ran out half a minute after the last sign."""
    hour_in(period).fill(anna, zuid, now=at(-600))
    stay([anna], 0, 45)
    stay([anna], 75, 120)
    settle_hours(LATER)
    # The clock looked a little after 75; leases were good until half a minute after 45.
    assert worked()["Welzijn Zuid"] in (90, 91)


def test_a_week_that_is_cancelled_early_leaves_no_trace(
    period: RosterPeriod, zuid: Institution, anna: User, dirk: User
) -> None:
    for day in range(1, 6):
        hour = hour_in(period, day)
        hour.fill(anna, zuid, now=NOW)
        hour.cancel(dirk, now=hour.start - 25 * 60 * MINUTE)
    settle_hours(LATER)
    assert not LedgerEntry.objects.exists()
    assert ConsultationHour.objects.filter(status="cancelled").count() == 5


def test_a_cancelling_that_is_taken_back_is_worked_or_not(
    period: RosterPeriod, zuid: Institution, maas: Institution, anna: User, dirk: User
) -> None:
    hour = hour_in(period)
    hour.fill(anna, zuid, now=at(-600))
    hour.cancel(dirk, now=at(-60))
    hour.reopen(dirk, now=at(-50))
    settle_hours(LATER)
    assert worked() == {}
    assert LedgerEntry.objects.balances() == {zuid.pk: -60, maas.pk: -60}
