"""Rules generate, rows are the plan, and the database keeps it honest."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.core.exceptions import ValidationError
from django.db import IntegrityError, connections, transaction
from django.utils import timezone

from institutions.models import Institution, User
from roster.jobs import HORIZON_DAYS, generate_hours, purge_opening_log
from roster.models import (
    ConsultationHour,
    Duty,
    HoursRule,
    OpeningLog,
    RosterRefused,
    Seat,
    ServiceLine,
)
from tests.people import make_user

# A Monday evening.
NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
MONDAY = date(2026, 3, 2)


def make_rule(line: ServiceLine, **fields: object) -> HoursRule:
    rule = HoursRule(
        **{
            "line": line,
            "weekdays": [0, 2],
            "local_start": time(19),
            "local_end": time(21),
            "valid_from": date(2026, 1, 1),
            **fields,
        }
    )
    rule.full_clean()
    rule.save()
    return rule


def make_hour(
    line: ServiceLine, start: datetime, hours: int = 2, seats: int = 3
) -> ConsultationHour:
    return ConsultationHour.plan_extra(
        line, start, start + timedelta(hours=hours), min_staff=1, target_staff=1, max_staff=seats
    )


# --- The generator -------------------------------------------------------------------------------


def test_hours_are_generated_four_weeks_ahead_with_their_seats(line: ServiceLine) -> None:
    make_rule(line, weekdays=[0])
    assert generate_hours(NOW) == 5
    days = list(ConsultationHour.objects.values_list("local_date", flat=True))
    assert days == [MONDAY + timedelta(weeks=week) for week in range(5)]
    assert days[-1] == MONDAY + timedelta(days=HORIZON_DAYS)
    hour = ConsultationHour.objects.first()
    assert hour.start == datetime(2026, 3, 2, 18, tzinfo=UTC)
    assert list(hour.seats.values_list("no", flat=True)) == [1, 2, 3, 4, 5, 6]


def test_the_clock_change_does_not_move_the_evening(line: ServiceLine) -> None:
    make_rule(line, weekdays=[0])
    generate_hours(NOW)
    last = ConsultationHour.objects.last()
    assert last.local_date == date(2026, 3, 30)
    assert last.start == datetime(2026, 3, 30, 17, tzinfo=UTC)


def test_generating_twice_makes_nothing_new(line: ServiceLine) -> None:
    make_rule(line)
    assert generate_hours(NOW) > 0
    assert generate_hours(NOW) == 0
    assert generate_hours(NOW + timedelta(days=1)) == 0
    assert generate_hours(NOW + timedelta(days=2)) == 1


def test_the_generator_leaves_alone_what_a_person_changed(line: ServiceLine) -> None:
    make_rule(line)
    generate_hours(NOW)
    cancelled, moved = ConsultationHour.objects.all()[:2]
    ConsultationHour.objects.filter(pk=cancelled.pk).update(
        status=ConsultationHour.Status.CANCELLED, cancelled_at=timezone.now()
    )
    moved.local_start = time(20)
    moved.save(update_fields=["local_start"])
    assert generate_hours(NOW) == 0
    cancelled.refresh_from_db()
    moved.refresh_from_db()
    assert cancelled.status == ConsultationHour.Status.CANCELLED
    assert moved.local_start == time(20)
    assert moved.start.astimezone(line.zone).time() == time(20)


def test_a_rule_holds_from_its_first_to_its_last_day(line: ServiceLine) -> None:
    make_rule(line, valid_from=date(2026, 3, 4), valid_until=date(2026, 3, 16))
    generate_hours(NOW)
    assert list(ConsultationHour.objects.values_list("local_date", flat=True)) == [
        date(2026, 3, 4),
        date(2026, 3, 9),
        date(2026, 3, 11),
        date(2026, 3, 16),
    ]


def test_an_hour_that_the_clock_skips_is_not_made(line: ServiceLine) -> None:
    """Sunday 29 March 2026 has no time between 02:00 and 03:00."""
    make_rule(line, weekdays=[6], local_start=time(2), local_end=time(3))
    generate_hours(NOW)
    days = set(ConsultationHour.objects.values_list("local_date", flat=True))
    assert date(2026, 3, 22) in days
    assert date(2026, 3, 29) not in days


def test_a_rule_that_stops_takes_its_empty_hours_along(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    today = line.today(timezone.now())
    rule = make_rule(line, weekdays=list(range(7)), valid_from=today)
    generate_hours(timezone.now())
    kept = ConsultationHour.objects.get(local_date=today + timedelta(days=9))
    kept.fill(anna, zuid, now=NOW)
    assert rule.stop(today + timedelta(days=5)) == 1
    later = ConsultationHour.objects.filter(local_date__gt=today + timedelta(days=5))
    assert list(later) == [kept]
    assert generate_hours(timezone.now()) == 0


@pytest.mark.parametrize(
    "wrong",
    [
        {"weekdays": []},
        {"weekdays": [7]},
        {"weekdays": [0, 0]},
        {"weekdays": ["0"]},
        {"weekdays": [True]},
        {"weekdays": "0"},
        {"weekdays": {"0": 1}},
        {"min_staff": 0},
        {"min_staff": 4, "target_staff": 3},
        {"target_staff": 7, "max_staff": 6},
        {"max_staff": 61, "target_staff": 3},
        {"valid_until": date(2025, 12, 31)},
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(line: ServiceLine, wrong: dict) -> None:
    with pytest.raises(ValidationError):
        make_rule(line, **wrong)


def test_a_zone_that_does_not_exist_is_refused(line: ServiceLine) -> None:
    line.tz = "Europe/Atlantis"
    with pytest.raises(ValidationError):
        line.full_clean()


def test_an_extra_hour_may_cross_midnight(line: ServiceLine) -> None:
    start = datetime(2026, 3, 2, 22, 30, tzinfo=UTC)  # 23:30 in Amsterdam
    hour = make_hour(line, start)
    assert (hour.local_date, hour.start, hour.end) == (MONDAY, start, start + timedelta(hours=2))


def test_the_log_is_kept_for_a_year(line: ServiceLine) -> None:
    for days in (364, 366):
        OpeningLog.objects.create(
            line=line,
            at=NOW - timedelta(days=days),
            old="closed",
            new="open",
            reason="staffed",
            numbers={},
        )
    assert purge_opening_log(NOW) == 1
    assert OpeningLog.objects.count() == 1


# --- Seats and duties ----------------------------------------------------------------------------


def test_a_worker_gets_a_seat_of_their_own_institution_first(
    line: ServiceLine, anna: User, carla: User, zuid: Institution, maas: Institution
) -> None:
    hour = make_hour(line, NOW)
    hour.seats.filter(no=1).update(owed_by=maas)
    hour.seats.filter(no=3).update(owed_by=zuid)
    assert hour.fill(anna, zuid, now=NOW).seat.no == 3
    assert hour.fill(carla, maas, now=NOW).seat.no == 1


def test_a_full_hour_is_full(line: ServiceLine, anna: User, bilal: User, zuid: Institution) -> None:
    hour = make_hour(line, NOW, seats=1)
    hour.fill(anna, zuid, now=NOW)
    with pytest.raises(RosterRefused, match="full"):
        hour.fill(bilal, zuid, now=NOW)
    Duty.objects.update(status=Duty.Status.SICK)
    assert hour.fill(bilal, zuid, now=NOW).seat.no == 1


def test_nobody_fills_a_seat_for_an_institution_that_does_not_employ_them(
    line: ServiceLine, anna: User, maas: Institution, dirk: User, zuid: Institution
) -> None:
    hour = make_hour(line, NOW)
    for worker, institution in ((anna, maas), (dirk, zuid)):
        with pytest.raises(RosterRefused, match="elsewhere"):
            hour.fill(worker, institution, now=NOW)


def test_a_duty_lies_within_its_hour(line: ServiceLine, anna: User, zuid: Institution) -> None:
    hour = make_hour(line, NOW)
    for start, end in (
        (hour.start - timedelta(minutes=1), hour.end),
        (hour.start, hour.end + timedelta(minutes=1)),
        (hour.end, hour.start),
    ):
        with pytest.raises(RosterRefused, match="outside"):
            hour.fill(anna, zuid, start=start, end=end, now=NOW)


def test_a_duty_belongs_to_the_hour_of_its_seat(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    duty = make_hour(line, NOW).fill(anna, zuid, now=NOW)
    duty.seat = Seat.objects.get(hour=make_hour(line, NOW + timedelta(days=1)), no=1)
    with pytest.raises(ValidationError):
        duty.full_clean()


# --- Nobody is on duty twice at a time -----------------------------------------------------------


def test_overlapping_duties_are_refused(line: ServiceLine, anna: User, zuid: Institution) -> None:
    make_hour(line, NOW).fill(anna, zuid, now=NOW)
    with pytest.raises(RosterRefused, match="overlap"):
        make_hour(line, NOW + timedelta(hours=1)).fill(anna, zuid, now=NOW)


def test_duties_back_to_back_are_fine(line: ServiceLine, anna: User, zuid: Institution) -> None:
    first, second = make_hour(line, NOW), make_hour(line, NOW + timedelta(hours=2))
    ends = first.fill(anna, zuid, now=NOW).end
    assert ends == second.fill(anna, zuid, now=NOW).start


def test_colleagues_overlap(line: ServiceLine, anna: User, bilal: User, zuid: Institution) -> None:
    hour = make_hour(line, NOW)
    hour.fill(anna, zuid, now=NOW)
    assert hour.fill(bilal, zuid, now=NOW).pk


def test_what_no_longer_holds_does_not_stand_in_the_way(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    sick = make_hour(line, NOW).fill(anna, zuid, now=NOW)
    Duty.objects.update(status=Duty.Status.SICK)
    make_hour(line, NOW + timedelta(hours=1)).fill(anna, zuid, now=NOW)
    # … and cannot become true again beside the new one.
    with pytest.raises(IntegrityError), transaction.atomic():
        Duty.objects.filter(pk=sick.pk).update(status=Duty.Status.CONFIRMED)


def test_moving_a_duty_onto_another_is_refused(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    make_hour(line, NOW).fill(anna, zuid, now=NOW)
    later = make_hour(line, NOW + timedelta(hours=2)).fill(anna, zuid, now=NOW)
    with pytest.raises(IntegrityError), transaction.atomic():
        Duty.objects.filter(pk=later.pk).update(start=NOW + timedelta(minutes=119))
    Duty.objects.filter(pk=later.pk).update(end=later.end - timedelta(minutes=1))


def _at_once(deeds: list[Callable[[], object]]) -> list[object]:
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


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_ten_people_at_once_fit_in_three_seats(line: ServiceLine, zuid: Institution) -> None:
    hour = make_hour(line, NOW, seats=3)
    people = [make_user(f"Hulp{n}", (zuid, "worker"), second_factor=False) for n in range(10)]
    results = _at_once(
        [lambda person=person: hour.fill(person, zuid, now=NOW) for person in people]
    )
    assert results.count("full") == 7
    assert Duty.objects.count() == 3


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_one_person_at_once_in_six_overlapping_hours_gets_one(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    hours = [make_hour(line, NOW + timedelta(minutes=10 * n)) for n in range(6)]
    results = _at_once([lambda hour=hour: hour.fill(anna, zuid, now=NOW) for hour in hours])
    assert results.count("overlap") == 5
    assert Duty.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_generators_at_once_make_each_hour_once(line: ServiceLine) -> None:
    make_rule(line, weekdays=list(range(7)))
    made = _at_once([lambda: generate_hours(NOW)] * 3)
    assert sum(made) == ConsultationHour.objects.count() == HORIZON_DAYS + 1
    assert Seat.objects.count() == 6 * (HORIZON_DAYS + 1)
