"""Rules, exceptions, hours, seats and duties: what rows they may be, and who may see them."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from django.utils import timezone

from institutions.models import Institution, User
from roster.models import ConsultationHour, DateException, Duty, HoursRule, ServiceLine
from tests.people import rights_of
from tests.roster.making import HOUR, MONDAY, NOW, make_duty, make_hour, make_period, refused

EVENING = {"local_start": time(19), "local_end": time(21)}
STAFF = {"min_staff": 1, "target_staff": 2, "max_staff": 3}


def make_rule(line: ServiceLine, **fields: Any) -> HoursRule:
    rule = HoursRule(
        **{"line": line, "weekdays": [0, 2], "valid_from": MONDAY, **EVENING, **fields}
    )
    rule.full_clean()
    rule.save()
    return rule


# --- Rules ---------------------------------------------------------------------------------------


def test_a_rule_of_every_other_week_skips_a_week(line: ServiceLine) -> None:
    rule = make_rule(line, weekdays=[0], every_weeks=2)
    assert rule.generate(MONDAY, MONDAY + timedelta(weeks=5)) == 3
    days = list(rule.hours.values_list("local_date", flat=True))
    assert days == [MONDAY + timedelta(weeks=week) for week in (0, 2, 4)]


def test_the_anchor_says_which_weeks(line: ServiceLine) -> None:
    sunday_of_next_week = MONDAY + timedelta(days=13)
    rule = make_rule(line, weekdays=[0], every_weeks=2, anchor=sunday_of_next_week)
    assert not rule.holds_on(MONDAY)
    assert rule.holds_on(MONDAY + timedelta(weeks=1))
    early = make_rule(line, weekdays=[0], every_weeks=3, anchor=MONDAY - timedelta(weeks=5))
    weeks = [week for week in range(7) if early.holds_on(MONDAY + timedelta(weeks=week))]
    assert weeks == [1, 4]


def test_a_rule_holds_on_its_weekdays_within_its_days(line: ServiceLine) -> None:
    rule = make_rule(line, valid_until=MONDAY + timedelta(days=6))
    days = [MONDAY + timedelta(days=day) for day in range(-7, 14)]
    assert [day for day in days if rule.holds_on(day)] == [MONDAY, MONDAY + timedelta(days=2)]


def test_the_hours_of_a_rule_keep_its_mix(line: ServiceLine) -> None:
    rule = make_rule(line, mix={"duty": 2, "trainee": 1})
    rule.generate(MONDAY, MONDAY)
    rule.mix = {}
    rule.save()
    assert ConsultationHour.objects.get().mix == {"duty": 2, "trainee": 1}


@pytest.mark.parametrize(
    "wrong",
    [
        {"mix": {"boss": 1}},
        {"mix": {"duty": 0}},
        {"mix": {"duty": True}},
        {"mix": ["duty"]},
        {"mix": {"duty": 5, "backup": 2}},
        {"every_weeks": 0},
        {"every_weeks": 53},
    ],
    ids=str,
)
def test_a_rule_with_a_wrong_mix_or_interval_is_refused(
    line: ServiceLine, wrong: dict[str, Any]
) -> None:
    with pytest.raises(ValidationError):
        make_rule(line, **wrong)


def test_a_rule_does_not_hold_every_zero_weeks(line: ServiceLine) -> None:
    rule = make_rule(line)
    with refused("rule_every_week_or_fewer"):
        HoursRule.objects.filter(pk=rule.pk).update(every_weeks=0)


# --- Exceptions ----------------------------------------------------------------------------------


def make_exception(line: ServiceLine, **fields: Any) -> DateException:
    return DateException.objects.create(
        **{"line": line, "first_date": MONDAY, "last_date": MONDAY, **fields}
    )


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("exception_ends_after_start", {"last_date": MONDAY - timedelta(days=1)}),
        ("exception_has_both_times", {"kind": "changed", "local_start": time(19)}),
        ("exception_has_both_times", {"kind": "changed", "local_end": time(19)}),
        ("exception_min_target_max", {"kind": "changed", "min_staff": 1}),
        ("exception_min_target_max", {"kind": "changed", **STAFF, "min_staff": 0}),
        ("exception_min_target_max", {"kind": "changed", **STAFF, "min_staff": 3}),
        ("exception_min_target_max", {"kind": "changed", **STAFF, "target_staff": 4}),
        ("closed_has_no_times", {"kind": "closed", **EVENING}),
        ("closed_has_no_times", {"kind": "closed", **STAFF}),
        ("extra_has_times_and_staff", {"kind": "extra", **EVENING}),
        ("extra_has_times_and_staff", {"kind": "extra", **STAFF}),
        ("exception_has_an_author", {"state": "confirmed"}),
        ("exception_has_an_author", {"state": "dismissed"}),
    ],
    ids=str,
)
def test_an_exception_that_makes_no_sense_is_refused(
    line: ServiceLine, constraint: str, wrong: dict[str, Any]
) -> None:
    with refused(constraint):
        make_exception(line, **wrong)


def test_a_confirmed_change_changes_something(line: ServiceLine, dirk: User) -> None:
    confirmed = {"kind": "changed", "state": "confirmed", "author": dirk}
    with refused("changed_changes_something"):
        make_exception(line, **confirmed)
    for something in (EVENING, STAFF, {"mix": {}}):
        make_exception(line, **confirmed, **something)
    make_exception(line, kind="changed")


def test_exceptions_are_found_by_their_days_and_state(line: ServiceLine, dirk: User) -> None:
    friday = MONDAY + timedelta(days=4)
    suggestion = make_exception(line, last_date=friday)
    closed = make_exception(
        line, first_date=friday, last_date=friday, state="confirmed", author=dirk
    )
    make_exception(line, first_date=friday, last_date=friday, state="dismissed", author=dirk)
    make_exception(line, kind="extra", **EVENING, **STAFF)
    assert list(DateException.objects.confirmed()) == [closed]
    assert DateException.objects.suggested().count() == 2
    assert suggestion in DateException.objects.between(friday, friday)
    assert closed not in DateException.objects.between(MONDAY, friday - timedelta(days=1))


def test_a_holiday_is_suggested_once_also_after_it_was_dismissed(
    line: ServiceLine, dirk: User
) -> None:
    holiday = {"source": "holidays", "name": "Voorjaarsvakantie", "region": "noord"}
    make_exception(line, **holiday, state="dismissed", author=dirk)
    with refused():
        make_exception(line, **holiday)
    make_exception(line, **holiday | {"region": "zuid"})
    for _twice in range(2):
        make_exception(line, **holiday | {"source": "manual"})


# --- Hours ---------------------------------------------------------------------------------------


def test_a_cancelled_hour_says_when(line: ServiceLine) -> None:
    hour = make_hour(line)
    mine = ConsultationHour.objects.filter(pk=hour.pk)
    with refused("cancelled_hour_has_a_time"):
        mine.update(status="cancelled")
    with refused("cancelled_hour_has_a_time"):
        mine.update(cancelled_at=NOW)
    mine.update(status="cancelled", cancelled_at=timezone.now(), public_reason="Koningsdag")


def test_an_hour_is_public_with_its_period_or_without_one(line: ServiceLine) -> None:
    free = make_hour(line)
    draft = make_period(line)
    later = make_period(line, MONDAY + timedelta(days=28), state="published", published_at=NOW)
    for period in (draft, later):
        hour = make_hour(line, NOW + timedelta(days=28))
        hour.period = period
        hour.save()
    assert set(ConsultationHour.objects.published()) == {free, later.hours.get()}


def test_the_minutes_of_an_hour_are_those_that_pass(line: ServiceLine) -> None:
    """In the night to 29 March the clock goes from 02:00 to 03:00."""
    hour = make_hour(line, datetime(2026, 3, 28, 23, tzinfo=UTC), hours=3)
    assert (hour.local_start, hour.local_end) == (time(0), time(4))
    assert hour.minutes == 180
    hour.start, hour.end = hour.start.astimezone(line.zone), hour.end.astimezone(line.zone)
    assert hour.minutes == 180


# --- Seats and duties ----------------------------------------------------------------------------


def test_seats_are_found_by_who_owes_them_and_whether_they_are_free(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    hour = make_hour(line)
    hour.seats.filter(no=2).update(owed_by=zuid)
    duty = hour.fill(anna, zuid, now=NOW)
    assert [seat.no for seat in hour.seats.owed_by({zuid.pk})] == [2] == [duty.seat.no]
    assert [seat.no for seat in hour.seats.free()] == [1, 3]
    Duty.objects.update(status=Duty.Status.SICK)
    assert [seat.no for seat in hour.seats.free()] == [1, 2, 3]


def test_a_seat_needs_an_ordinary_worker_unless_it_says_otherwise(line: ServiceLine) -> None:
    seat = make_hour(line).seats.first()
    assert seat.needs == "duty"
    seat.qualification = "backup"
    seat.full_clean()
    assert seat.needs == "backup"
    seat.qualification = "boss"
    with pytest.raises(ValidationError):
        seat.full_clean()


def test_only_a_replaced_duty_has_a_successor(line: ServiceLine, anna: User, bilal: User) -> None:
    old, new = make_duty(line, anna), make_duty(line, bilal)
    mine = Duty.objects.filter(pk=old.pk)
    with refused("only_replaced_has_a_successor"):
        mine.update(replaced_by=new)
    mine.update(replaced_by=new, status=Duty.Status.REPLACED)
    assert list(new.replaces.all()) == [old]


def test_who_assigned_a_duty_is_known(line: ServiceLine, anna: User, dirk: User) -> None:
    duty = make_duty(line, anna)
    mine = Duty.objects.filter(pk=duty.pk)
    with refused("assigned_by_a_coordinator"):
        mine.update(assigned_by=dirk)
    with refused("assigned_by_a_coordinator"):
        mine.update(source=Duty.Source.COORDINATOR)
    mine.update(source=Duty.Source.COORDINATOR, assigned_by=dirk)
    for source in (Duty.Source.PROPOSAL, Duty.Source.COVER, Duty.Source.ADHOC):
        mine.update(source=source)


def test_whoever_wants_cover_is_active_and_not_covered(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna)
    assert duty.minutes == 120
    assert list(Duty.objects.covered()) == [duty]
    Duty.objects.update(status=Duty.Status.COVER_WANTED)
    assert list(Duty.objects.active()) == [duty]
    assert not Duty.objects.covered().exists()


def test_duties_overlap_half_open(line: ServiceLine, anna: User) -> None:
    make_duty(line, anna)
    assert Duty.objects.overlapping(NOW + HOUR, NOW + 3 * HOUR).exists()
    assert not Duty.objects.overlapping(NOW + 2 * HOUR, NOW + 3 * HOUR).exists()
    assert not Duty.objects.overlapping(NOW - HOUR, NOW).exists()


def test_whose_a_duty_is_is_for_colleagues_and_those_in_the_same_hour(
    line: ServiceLine, anna: User, bilal: User, carla: User, dirk: User, maas: Institution
) -> None:
    duty = make_duty(line, anna)

    def seen(person: User) -> bool:
        return Duty.objects.visible_to(rights_of(person)).filter(pk=duty.pk).exists()

    assert (seen(anna), seen(bilal), seen(dirk)) == (True, True, True)
    assert not seen(carla)
    together = duty.hour.fill(carla, maas, now=NOW)
    assert seen(carla)
    Duty.objects.filter(pk=together.pk).update(status=Duty.Status.RELEASED)
    assert not seen(carla)
    assert list(Duty.objects.visible_to(rights_of(carla))) == [together]


def test_an_institution_takes_part_on_its_days(zuid: Institution, maas: Institution) -> None:
    zuid.active_from, zuid.active_until = MONDAY, MONDAY + timedelta(days=1)
    zuid.full_clean()
    zuid.save()
    active = {
        day: set(Institution.objects.active_on(MONDAY + timedelta(days=day)))
        for day in (-1, 0, 1, 2)
    }
    assert active == {-1: {maas}, 0: {zuid, maas}, 1: {zuid, maas}, 2: {maas}}
    Institution.objects.filter(pk=maas.pk).update(is_active=False)
    assert not Institution.objects.active_on(date(2030, 1, 1)).exists()
    with refused("institution_ends_after_start"):
        Institution.objects.filter(pk=zuid.pk).update(active_until=MONDAY - timedelta(days=1))
