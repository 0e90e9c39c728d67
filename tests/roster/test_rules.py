"""Rules and exceptions on hours that are there already: what follows them and what stays."""

from datetime import date, time, timedelta
from typing import Any

import pytest
import time_machine
from django.core.exceptions import ValidationError

from institutions.models import Institution, StaffMail, User
from roster.holidays import suggest
from roster.jobs import generate_hours
from roster.models import ConsultationHour, DateException, Duty, RosterRefused, ServiceLine
from tests.people import make_user
from tests.roster.making import HOUR, MONDAY, NOW, make_hour, make_period
from tests.roster.planning import (
    BEFORE,
    EVENING,
    STAFF,
    ask_cover,
    hour_on,
    mails_to,
    make_exception,
    make_rule,
    publish,
    put_on,
)

WEDNESDAY = MONDAY + timedelta(days=2)
NEXT = MONDAY + timedelta(days=7)
LAST = MONDAY + timedelta(days=13)


@pytest.fixture(autouse=True)
def _before() -> Any:
    """It is Friday; the first hour is on Monday."""
    with time_machine.travel(BEFORE, tick=False):
        yield


@pytest.fixture
def hours(line: ServiceLine) -> dict[date, ConsultationHour]:
    """Two weeks of Mondays and Wednesdays."""
    make_rule(line).generate(MONDAY, LAST)
    return {hour.local_date: hour for hour in line.hours.all()}


def planned(line: ServiceLine) -> list[date]:
    return list(line.hours.planned().values_list("local_date", flat=True))


# --- A rule that changes -------------------------------------------------------------------------


def test_a_rule_changes_from_a_day_on(
    line: ServiceLine, hours: dict[date, ConsultationHour], dirk: User
) -> None:
    old = line.rules.get()
    new = old.change(dirk, NEXT, local_start=time(20), local_end=time(22), max_staff=4)
    assert (old.valid_until, new.valid_from) == (NEXT - timedelta(days=1), NEXT)
    assert hour_on(line, WEDNESDAY).local_start == time(19)
    changed = hour_on(line, NEXT)
    assert (changed.pk, changed.rule, changed.local_start) == (hours[NEXT].pk, new, time(20))
    assert (changed.max_staff, changed.seats.count(), changed.is_detached) == (4, 4, False)
    # Running it again, by the clock too, changes and doubles nothing.
    before = list(line.hours.values())
    assert old.generate(MONDAY, LAST) + new.generate(MONDAY, LAST) == 0
    assert list(line.hours.values()) == before


def test_duties_follow_a_changed_rule_and_people_hear_it_in_one_mail(
    line: ServiceLine,
    hours: dict[date, ConsultationHour],
    anna: User,
    zuid: Institution,
    dirk: User,
) -> None:
    duties = [put_on(hours[day], anna, zuid) for day in (MONDAY, NEXT, NEXT + timedelta(days=2))]
    line.rules.get().change(dirk, NEXT, local_start=time(20), local_end=time(22))
    for duty, start in zip(duties, (19, 20, 20), strict=True):
        duty.refresh_from_db()
        assert duty.start.astimezone(line.zone).hour == start
        assert duty.status == "confirmed"
    (body,) = mails_to(anna)
    assert body.count("Verplaatst") == 2


def test_days_that_a_changed_rule_drops_disappear_or_are_cancelled(
    line: ServiceLine,
    hours: dict[date, ConsultationHour],
    anna: User,
    zuid: Institution,
    dirk: User,
) -> None:
    duty = put_on(hours[NEXT], anna, zuid)
    request = ask_cover(duty)
    line.rules.get().change(dirk, WEDNESDAY, weekdays=[1, 2])
    assert planned(line) == [MONDAY, WEDNESDAY, NEXT + timedelta(days=1), NEXT + timedelta(days=2)]
    cancelled = hour_on(line, NEXT)
    assert cancelled.status == "cancelled"
    duty.refresh_from_db()
    request.refresh_from_db()
    assert (duty.status, request.state) == ("released", "void")
    assert len(mails_to(anna)) == 1


def test_a_rule_that_changes_during_an_hour_leaves_it_alone(
    line: ServiceLine, hours: dict[date, ConsultationHour], dirk: User
) -> None:
    with time_machine.travel(NOW + HOUR, tick=False):
        line.rules.get().change(dirk, MONDAY, local_start=time(20), local_end=time(22))
    assert hour_on(line, MONDAY).local_start == time(19)
    assert hour_on(line, WEDNESDAY).local_start == time(20)
    assert line.hours.count() == 4


def test_what_was_changed_by_hand_stays_and_gets_no_double(
    line: ServiceLine, hours: dict[date, ConsultationHour], dirk: User
) -> None:
    hours[MONDAY].move(dirk, MONDAY, time(18), time(20))
    hours[WEDNESDAY].cancel(dirk, "Storing")
    hours[NEXT].move(dirk, NEXT + timedelta(days=1), time(19), time(21))
    new = line.rules.get().change(dirk, MONDAY, local_start=time(20), local_end=time(22))
    new.generate(MONDAY, LAST)
    assert hour_on(line, MONDAY).local_start == time(18)
    assert hour_on(line, WEDNESDAY).status == "cancelled"
    assert planned(line) == [MONDAY, NEXT + timedelta(days=1), NEXT + timedelta(days=2)]


def test_a_changed_rule_keeps_its_weeks_and_owed_and_filled_seats(
    line: ServiceLine, anna: User, zuid: Institution, maas: Institution, dirk: User
) -> None:
    rule = make_rule(line, weekdays=[0], every_weeks=2)
    rule.generate(MONDAY, MONDAY + timedelta(weeks=4))
    hour = hour_on(line, MONDAY + timedelta(weeks=2))
    hour.seats.filter(no=2).update(owed_by=maas)
    put_on(hour, anna, zuid)
    rule.change(dirk, NEXT, min_staff=1, target_staff=1, max_staff=2)
    assert planned(line) == [MONDAY + timedelta(weeks=week) for week in (0, 2, 4)]
    assert list(hour.seats.values_list("no", "owed_by")) == [(1, None), (2, maas.pk)]


def test_filled_seats_stay_also_above_the_new_maximum(
    line: ServiceLine,
    hours: dict[date, ConsultationHour],
    anna: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    put_on(hours[NEXT], anna, zuid)
    put_on(hours[NEXT], carla, maas)
    line.rules.get().change(dirk, NEXT, min_staff=1, target_staff=1, max_staff=1)
    hour = hour_on(line, NEXT)
    assert (hour.max_staff, hour.duties.active().count(), hour.seats.count()) == (2, 2, 2)


def test_exceptions_of_a_rule_go_on_for_the_changed_one(
    line: ServiceLine, hours: dict[date, ConsultationHour], dirk: User
) -> None:
    rule = line.rules.get()
    closed = make_exception(line, rule=rule, last_date=LAST, public_reason="Verbouwing")
    assert closed.confirm(dirk) == 4
    new = rule.change(dirk, NEXT, weekdays=[0, 2, 4])
    assert not line.hours.planned().exists()
    assert new.hours.count() == 2
    new.generate(NEXT, LAST)
    friday = hour_on(line, NEXT + timedelta(days=4))
    assert (friday.status, friday.public_reason) == ("cancelled", "Verbouwing")
    assert set(line.exceptions.values_list("rule", "first_date", "last_date", "state")) == {
        (rule.pk, MONDAY, NEXT - timedelta(days=1), "confirmed"),
        (new.pk, NEXT, LAST, "confirmed"),
    }


def test_a_rule_that_changes_on_a_change_night(line: ServiceLine, dirk: User) -> None:
    """Sunday 29 March has no 02:30: an hour at that time begins after the jump, or is not there."""
    sunday = date(2026, 3, 29)
    rule = make_rule(line, weekdays=[6], local_start=time(23), local_end=time(0))
    rule.generate(MONDAY, sunday + timedelta(days=7))
    rule.change(dirk, sunday, local_start=time(2), local_end=time(3))
    assert hour_on(line, sunday).status == "cancelled"
    later = hour_on(line, sunday + timedelta(days=7))
    assert (later.status, later.minutes) == ("planned", 60)


def test_changing_a_rule_has_its_limits(line: ServiceLine, anna: User, dirk: User) -> None:
    rule = make_rule(line, valid_until=LAST)
    for code, by, first in (
        ("not_yours", anna, NEXT),
        ("past", dirk, BEFORE.date() - timedelta(days=1)),
        ("ended", dirk, LAST + timedelta(days=1)),
    ):
        with pytest.raises(RosterRefused, match=code):
            rule.change(by, first, local_start=time(18))
    with pytest.raises(ValidationError):
        rule.change(dirk, NEXT, weekdays=[])
    line.rules.update(valid_until=NEXT)
    with pytest.raises(RosterRefused, match="changed"):
        rule.change(dirk, NEXT, local_start=time(18))
    assert line.rules.count() == 1


# --- Exceptions ----------------------------------------------------------------------------------


def test_a_closed_day_cancels_once_and_a_reopened_hour_stays_open(
    line: ServiceLine,
    hours: dict[date, ConsultationHour],
    anna: User,
    zuid: Institution,
    dirk: User,
) -> None:
    put_on(hours[MONDAY], anna, zuid)
    closed = make_exception(line, last_date=WEDNESDAY, public_reason="Carnaval")
    assert closed.confirm(dirk) == 2
    assert planned(line) == [NEXT, NEXT + timedelta(days=2)]
    monday = hour_on(line, MONDAY)
    assert (monday.public_reason, monday.is_detached) == ("Carnaval", False)
    assert "Carnaval" in mails_to(anna)[0]
    monday.reopen(dirk)
    # Nothing closes it again: no generator, no second decision about the same days.
    generate_hours(BEFORE)
    closed.withdraw(dirk)
    closed.confirm(dirk)
    assert hour_on(line, MONDAY).status == "planned"
    assert hour_on(line, WEDNESDAY).status == "cancelled"


def test_hours_that_are_made_later_obey_exceptions(line: ServiceLine, dirk: User) -> None:
    rule = make_rule(line)
    make_exception(line, public_reason="Dicht").confirm(dirk)
    make_exception(
        line, WEDNESDAY, kind="changed", local_start=time(14), local_end=time(16), mix={"duty": 2}
    ).confirm(dirk)
    make_exception(line, NEXT)  # nobody decided
    assert rule.generate(MONDAY, LAST) == 4
    assert (hour_on(line, MONDAY).status, hour_on(line, MONDAY).public_reason) == (
        "cancelled",
        "Dicht",
    )
    changed = hour_on(line, WEDNESDAY)
    assert (changed.local_start, changed.mix, changed.is_detached) == (time(14), {"duty": 2}, False)
    assert hour_on(line, NEXT).local_start == time(19)


def test_a_changed_day_moves_duties_and_withdrawn_moves_them_back(
    line: ServiceLine,
    hours: dict[date, ConsultationHour],
    anna: User,
    zuid: Institution,
    dirk: User,
) -> None:
    duty = put_on(hours[MONDAY], anna, zuid)
    changed = make_exception(line, kind="changed", local_start=time(14), local_end=time(16))
    assert changed.confirm(dirk) == 1
    duty.refresh_from_db()
    assert duty.start.astimezone(line.zone).hour == 14
    assert changed.withdraw(dirk) == 1
    duty.refresh_from_db()
    assert (duty.start, duty.status, duty.sequence) == (NOW, "confirmed", 2)
    assert (changed.state, changed.author) == ("dismissed", dirk)


def test_withdrawing_a_closed_day_opens_it_with_empty_seats(
    line: ServiceLine,
    hours: dict[date, ConsultationHour],
    anna: User,
    zuid: Institution,
    dirk: User,
) -> None:
    put_on(hours[MONDAY], anna, zuid)
    closed = make_exception(line)
    closed.confirm(dirk)
    closed.withdraw(dirk)
    assert hour_on(line, MONDAY).status == "planned"
    assert not Duty.objects.active().exists()
    assert len(mails_to(anna)) == 2


def test_an_exception_for_one_rule_outweighs_that_for_all(
    line: ServiceLine, hours: dict[date, ConsultationHour], dirk: User
) -> None:
    other = make_rule(line, weekdays=[0], local_start=time(10), local_end=time(12))
    other.generate(MONDAY, MONDAY)
    shorter = make_exception(
        line, kind="changed", rule=other, local_start=time(11), local_end=time(12)
    )
    shorter.confirm(dirk)
    make_exception(line).confirm(dirk)
    evening, morning = hours[MONDAY], other.hours.get()
    evening.refresh_from_db()
    assert (evening.status, morning.status, morning.local_start) == (
        "cancelled",
        "planned",
        time(11),
    )


def test_extra_hours_come_once_and_go(
    line: ServiceLine, anna: User, zuid: Institution, dirk: User
) -> None:
    period = make_period(line)
    tuesday = MONDAY + timedelta(days=1)
    extra = make_exception(line, tuesday, kind="extra", **EVENING, **STAFF)
    DateException.objects.filter(pk=extra.pk).update(last_date=WEDNESDAY)
    extra.refresh_from_db()
    assert extra.confirm(dirk) == 2
    assert planned(line) == [tuesday, WEDNESDAY]
    assert set(line.hours.values_list("period", flat=True)) == {period.pk}
    assert line.hours.first().seats.count() == 3
    with pytest.raises(RosterRefused, match="changed"):
        extra.confirm(dirk)
    put_on(hour_on(line, WEDNESDAY), anna, zuid)
    assert extra.withdraw(dirk) == 2
    assert [hour.status for hour in line.hours.all()] == ["cancelled"]
    assert len(mails_to(anna)) == 1


def test_an_hour_that_began_is_not_touched_by_an_exception(
    line: ServiceLine, hours: dict[date, ConsultationHour], dirk: User
) -> None:
    closed = make_exception(line, last_date=WEDNESDAY)
    assert closed.confirm(dirk, now=NOW + HOUR) == 1
    assert hour_on(line, MONDAY).status == "planned"


def test_who_decides_about_exceptions(
    line: ServiceLine, anna: User, zuid: Institution, dirk: User
) -> None:
    edith = make_user("Edith", (zuid, "coordinator"), second_factor=False)
    one = make_exception(line)
    for stranger in (anna, edith):
        for verb in (one.confirm, one.dismiss, one.withdraw):
            with pytest.raises(RosterRefused, match="not_yours"):
                verb(stranger)
    with pytest.raises(RosterRefused, match="changed"):
        one.withdraw(dirk)
    one.dismiss(dirk)
    assert one.state == "dismissed"
    with pytest.raises(RosterRefused, match="changed"):
        one.dismiss(dirk)
    one.confirm(dirk)
    assert one.state == "confirmed"
    with pytest.raises(RosterRefused, match="incomplete"):
        make_exception(line, kind="changed").confirm(dirk)


# --- Holidays ------------------------------------------------------------------------------------


def test_holidays_are_suggested_and_change_nothing(line: ServiceLine, dirk: User) -> None:
    make_rule(line, weekdays=[0]).generate(date(2026, 4, 27), date(2026, 4, 27))
    first, last = date(2026, 4, 1), date(2026, 5, 31)
    made = suggest(line, first, last)
    assert made == line.exceptions.count()
    king = line.exceptions.get(name="Koningsdag")
    assert (king.state, king.kind, king.region) == ("suggested", "closed", "")
    assert hour_on(line, date(2026, 4, 27)).status == "planned"
    spring = line.exceptions.filter(name__icontains="mei", region="zuid").get()
    assert (spring.last_date - spring.first_date).days >= 8
    king.dismiss(dirk)
    assert suggest(line, first, last) == 0
    # A part of the same days finds the same suggestions: each begins on its own first day.
    assert suggest(line, spring.first_date + timedelta(days=3), last) == 0
    assert not StaffMail.objects.exists()


def test_a_school_holiday_over_new_year_is_one_suggestion(line: ServiceLine) -> None:
    suggest(line, date(2027, 1, 1), date(2027, 1, 2))
    found = line.exceptions.filter(region="noord").get()
    assert found.first_date.year == 2026
    assert found.last_date.year == 2027


# --- The generator -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("saturday", "minutes"), [(date(2026, 3, 28), 180), (date(2026, 10, 24), 300)], ids=str
)
def test_a_night_hour_lasts_what_the_clock_makes_of_it(
    line: ServiceLine, dirk: User, saturday: date, minutes: int
) -> None:
    """From 23:00 to 03:00 is four hours on the wall; generated or changed afterwards, it is one."""
    night = {"weekdays": [5], "local_start": time(23), "local_end": time(3)}
    made = make_rule(line, **night)
    moved = make_rule(line, weekdays=[5])
    for rule in (made, moved):
        rule.generate(saturday - timedelta(days=7), saturday)
    new = moved.change(dirk, saturday - timedelta(days=7), **night)
    for rule in (made, new):
        assert [hour.minutes for hour in rule.hours.order_by("start")] == [240, minutes]


def test_hours_know_their_period_and_reach_its_end(line: ServiceLine) -> None:
    make_rule(line, weekdays=[0])
    period = make_period(line, NEXT, days=70)
    generate_hours(BEFORE)
    days = list(line.hours.values_list("local_date", "period"))
    assert days[0] == (MONDAY, None)
    assert days[1] == (NEXT, period.pk)
    assert days[-1][0] == NEXT + timedelta(days=63)
    assert generate_hours(BEFORE) == 0


def test_a_rule_that_stops_takes_along_what_an_exception_closed(
    line: ServiceLine, hours: dict[date, ConsultationHour], dirk: User
) -> None:
    make_exception(line, NEXT).confirm(dirk)
    hours[NEXT + timedelta(days=2)].cancel(dirk, "Storing")
    line.rules.get().stop(WEDNESDAY)
    left = list(line.hours.values_list("local_date", "status"))
    assert left[:2] == [(MONDAY, "planned"), (WEDNESDAY, "planned")]
    assert left[2:] == [(NEXT + timedelta(days=2), "cancelled")]


def test_only_published_hours_open_the_chat(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    from roster.opening import look

    hour = make_hour(line)
    put_on(hour, anna, zuid)
    assert look(line, None, BEFORE).next_start == NOW
    period = make_period(line)
    assert period.adopt(BEFORE) == 1
    assert look(line, None, BEFORE).next_start is None
    publish(period)
    assert look(line, None, BEFORE).next_start == NOW
