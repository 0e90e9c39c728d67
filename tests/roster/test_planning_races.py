"""Two coordinators at once, or a coordinator and a worker: one is first, and nothing is half done."""

import threading
from collections.abc import Callable
from datetime import time, timedelta

import pytest
from django.db import connections

from institutions.models import Institution, StaffMail, User
from roster.dealing import deal
from roster.models import (
    ConsultationHour,
    DateException,
    Duty,
    RosterPeriod,
    RosterRefused,
    Seat,
    ServiceLine,
    ShareKey,
)
from tests.roster.making import MONDAY, NOW, make_hour, make_period
from tests.roster.planning import BEFORE, make_exception, make_rule, put_on

pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]

DAY = timedelta(days=1)


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """Do these at the same moment, each on its own connection; refusals are told by their code."""
    results: list[object] = []
    barrier = threading.Barrier(len(deeds))

    def run(deed: Callable[[], object]) -> None:
        try:
            barrier.wait(20)
            results.append(deed())
        except RosterRefused as refused:
            results.append(refused.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == len(deeds)
    return results


def test_published_twice_at_once_is_published_once(
    line: ServiceLine, anna: User, zuid: Institution, dirk: User
) -> None:
    period = make_period(line)
    put_on(make_hour(line), anna, zuid)
    copies = [RosterPeriod.objects.get(pk=period.pk) for _n in range(4)]
    results = at_once(*[lambda one=one: one.publish(dirk, now=BEFORE) for one in copies])
    assert results.count("changed") == 3
    assert period.versions.count() == StaffMail.objects.count() == 1
    # And again, with what a proposal added.
    put_on(make_hour(line, NOW + DAY), anna, zuid, source="proposal")
    copies = [RosterPeriod.objects.get(pk=period.pk) for _n in range(4)]
    at_once(*[lambda one=one: one.publish(dirk, now=BEFORE) for one in copies])
    assert period.versions.count() == StaffMail.objects.count() == 2


def test_nobody_is_left_on_duty_in_an_hour_that_is_cancelled_meanwhile(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    hours = [make_hour(line, NOW + n * DAY) for n in range(4)]
    deeds: list[Callable[[], object]] = []
    for hour in hours:
        for worker in (anna, bilal):
            mine = ConsultationHour.objects.get(pk=hour.pk)
            deeds.append(lambda mine=mine, worker=worker: bool(mine.fill(worker, zuid, now=BEFORE)))
        deeds.append(lambda hour=hour: hour.cancel(dirk, now=BEFORE))
    results = at_once(*deeds)
    assert set(results) <= {True, None, "cancelled"}
    assert not Duty.objects.active().exists()


def test_two_hours_of_one_person_do_not_move_to_the_same_time(
    line: ServiceLine, anna: User, zuid: Institution, dirk: User
) -> None:
    hours = [make_hour(line, NOW + n * DAY) for n in range(3)]
    for hour in hours:
        put_on(hour, anna, zuid)
    there = MONDAY + 5 * DAY
    at_once(
        *[
            lambda hour=hour: hour.move(dirk, there, time(19), time(21), now=BEFORE)
            for hour in hours
        ]
    )
    assert line.hours.planned().filter(local_date=there).count() == 3
    assert Duty.objects.active().count() == 1


def test_two_coordinators_who_deal_at_once_deal_once(
    line: ServiceLine, zuid: Institution, maas: Institution, dirk: User
) -> None:
    period = make_period(line)
    make_rule(line)
    period.generate(BEFORE)
    for institution in (zuid, maas):
        ShareKey.objects.create(period=period, institution=institution, weight=1)
    dealt = at_once(*[lambda: deal(period, dirk, now=BEFORE).changes] * 3)
    assert sorted(dealt) == [0, 0, Seat.objects.exclude(owed_by=None).count()]


def test_an_exception_is_confirmed_once(line: ServiceLine, dirk: User) -> None:
    extra = make_exception(
        line,
        kind="extra",
        local_start=time(10),
        local_end=time(12),
        min_staff=1,
        target_staff=1,
        max_staff=1,
    )
    copies = [DateException.objects.get(pk=extra.pk) for _n in range(4)]
    results = at_once(*[lambda one=one: one.confirm(dirk, now=BEFORE) for one in copies])
    assert sorted(results, key=str) == [1, "changed", "changed", "changed"]
    assert line.hours.count() == 1


def test_a_rule_changed_twice_at_once_has_one_successor(line: ServiceLine, dirk: User) -> None:
    start = line.today(NOW) + 3650 * DAY  # in the future, whenever this runs
    rule = make_rule(line, valid_from=start)
    rule.generate(start, start + 20 * DAY)
    hours = line.hours.count()
    copies = [type(rule).objects.get(pk=rule.pk) for _n in range(3)]
    results = at_once(
        *[
            lambda one=one: one.change(dirk, start + 7 * DAY, local_start=time(18)).pk
            for one in copies
        ]
    )
    assert results.count("changed") == 2
    assert (line.rules.count(), line.hours.count()) == (2, hours)
