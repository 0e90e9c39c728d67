"""Gaps and thin spots: who counts, at the thinnest moment, against a count minute by minute."""

import random
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from institutions.models import Institution, User
from roster import coverage
from roster.coverage import Coverage, Level
from roster.models import ConsultationHour, Duty, Qualification, ServiceLine
from tests.people import make_user
from tests.roster.making import HOUR, NOW

BEFORE = NOW - timedelta(days=10)


@pytest.fixture
def hour(line: ServiceLine) -> ConsultationHour:
    return ConsultationHour.plan_extra(
        line, NOW, NOW + 2 * HOUR, min_staff=1, target_staff=2, max_staff=4
    )


def of(hour: ConsultationHour) -> Coverage:
    return coverage.of([hour])[hour.pk]


def test_below_the_minimum_is_a_gap_and_below_the_target_thin(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution
) -> None:
    assert (of(hour).level, of(hour).missing, of(hour).free) == (Level.GAP, 1, 4)
    hour.fill(anna, zuid, now=BEFORE)
    assert (of(hour).level, of(hour).missing, of(hour).free) == (Level.THIN, 0, 3)
    hour.fill(bilal, zuid, now=BEFORE)
    assert (of(hour).level, of(hour).missing, of(hour).free) == (Level.ENOUGH, 0, 2)


def test_an_hour_is_as_good_as_its_thinnest_moment(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution
) -> None:
    hour.fill(anna, zuid, end=NOW + HOUR, now=BEFORE)
    hour.fill(bilal, zuid, start=NOW + timedelta(minutes=30), end=NOW + HOUR, now=BEFORE)
    covered = of(hour)
    assert [(one.count, one.level) for one in covered.stretches] == [
        (1, Level.THIN),
        (2, Level.ENOUGH),
        (0, Level.GAP),
    ]
    assert [(one.start, one.end) for one in covered.gaps] == [(NOW + HOUR, hour.end)]
    assert [one.end for one in covered.thin_spots] == [NOW + timedelta(minutes=30)]
    assert covered.level == Level.GAP
    assert covered.count_between(NOW, NOW + HOUR) == 1


@pytest.mark.parametrize(
    ("status", "counts"),
    [("confirmed", 1), ("done", 1), ("cover_wanted", 0), ("sick", 0), ("proposed", 0)],
)
def test_who_wants_cover_or_is_absent_does_not_count(
    hour: ConsultationHour, anna: User, zuid: Institution, status: str, counts: int
) -> None:
    hour.fill(anna, zuid, now=BEFORE)
    Duty.objects.update(status=status)
    assert of(hour).count == counts


def test_the_mix_must_be_there_too(hour: ConsultationHour, anna: User, zuid: Institution) -> None:
    hour.mix = {"backup": 1, "duty": 1}
    hour.save()
    hour.fill(anna, zuid, now=BEFORE)
    assert of(hour).lacking == {"backup": 1}
    assert of(hour).level == Level.GAP
    for kind in ("backup", "duty"):
        Qualification.objects.create(user=anna, kind=kind)
    assert of(hour).lacking == {}


def test_it_agrees_with_counting_every_minute(
    line: ServiceLine, hour: ConsultationHour, zuid: Institution
) -> None:
    chance = random.Random(1)
    for number in range(4):
        worker = make_user(f"Hulp{number}", (zuid, "worker"), second_factor=False)
        first, last = sorted(chance.sample(range(121), 2))
        start, end = NOW + timedelta(minutes=first), NOW + timedelta(minutes=last)
        hour.fill(worker, zuid, start=start, end=end, now=BEFORE)
    spans = list(Duty.objects.values_list("start", "end"))
    covered = of(hour)
    for minute in range(120):
        moment = NOW + timedelta(minutes=minute)
        count = sum(start <= moment < end for start, end in spans)
        one = next(one for one in covered.stretches if one.start <= moment < one.end)
        assert one.count == count, minute


def test_two_queries_however_many_hours(
    line: ServiceLine, hour: ConsultationHour, anna: User, zuid: Institution
) -> None:
    hour.fill(anna, zuid, now=BEFORE)
    hours = [hour] + [
        ConsultationHour.plan_extra(line, NOW + d, NOW + d + HOUR)
        for d in (timedelta(days=n) for n in range(1, 8))
    ]
    for some in (hours[:1], hours):
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(coverage.of(some)) == len(some)
        assert len(queries) == 2
