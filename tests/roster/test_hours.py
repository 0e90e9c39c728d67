"""Changing an hour by hand: what happens to its seats, its duties, and whom it is told."""

from datetime import UTC, date, datetime, time, timedelta
from typing import Any

import pytest

from institutions.models import AuditEvent, Institution, StaffMail, User
from roster.models import Absence, ConsultationHour, Duty, RosterRefused, ServiceLine
from tests.roster.making import HOUR, MONDAY, NOW, make_hour, make_period, taker
from tests.roster.planning import BEFORE, ask_cover, mails_to, make_rule, publish, put_on

TUESDAY = MONDAY + timedelta(days=1)
LATE = NOW - timedelta(hours=23)


@pytest.fixture
def hour(line: ServiceLine) -> ConsultationHour:
    """Monday 2 March, 19:00-21:00, with three seats."""
    return make_hour(line)


VERBS: dict[str, Any] = {
    "cancel": lambda hour, by: hour.cancel(by, now=BEFORE),
    "reopen": lambda hour, by: hour.reopen(by, now=BEFORE),
    "move": lambda hour, by: hour.move(by, TUESDAY, time(19), time(21), now=BEFORE),
    "staff": lambda hour, by: hour.staff(by, 1, 1, 2, now=BEFORE),
}


@pytest.mark.parametrize("verb", VERBS)
def test_only_the_coordinator_of_the_platform_changes_hours(
    hour: ConsultationHour, anna: User, zuid: Institution, verb: str
) -> None:
    edith = User.objects.create_user("edith@example.org", None, name="Edith", chat_name="Edith")
    edith.memberships.create(institution=zuid, role="coordinator")
    for stranger in (anna, edith):
        with pytest.raises(RosterRefused, match="not_yours"):
            VERBS[verb](hour, stranger)
    hour.refresh_from_db()
    assert (hour.version, hour.is_detached) == (1, False)


@pytest.mark.parametrize("verb", ["cancel", "move"])
def test_an_hour_that_began_stays(hour: ConsultationHour, dirk: User, verb: str) -> None:
    verbs = {
        "cancel": lambda: hour.cancel(dirk, now=NOW),
        "move": lambda: hour.move(dirk, MONDAY, time(20), time(22), now=NOW),
    }
    with pytest.raises(RosterRefused, match="began"):
        verbs[verb]()


# --- Cancelling ----------------------------------------------------------------------------------


def test_cancelling_frees_everybody_and_tells_them_once(
    hour: ConsultationHour,
    anna: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    duty = put_on(hour, anna, zuid)
    put_on(hour, carla, maas)
    hour.cancel(dirk, "Koningsdag", now=BEFORE)
    assert (hour.status, hour.cancelled_at) == ("cancelled", BEFORE)
    assert (hour.public_reason, hour.is_detached, hour.version) == ("Koningsdag", True, 2)
    assert set(hour.duties.values_list("status", "sequence")) == {("released", 1)}
    (body,) = mails_to(anna)
    assert "maandag 2 maart, 19:00-21:00" in body
    assert "Koningsdag" in body
    assert "Carla" not in body
    assert len(mails_to(anna, carla)) == 2
    trail = AuditEvent.objects.filter(verb="roster", person=anna).get()
    assert (trail.actor, trail.institution, trail.detail) == (dirk, zuid, "cancelled 2026-03-02")
    assert "vervallen" in trail.explanation
    # Anna is free for something else at that time.
    assert put_on(make_hour(hour.line), anna, zuid).pk != duty.pk
    with pytest.raises(RosterRefused, match="cancelled"):
        hour.cancel(dirk, now=BEFORE)


def test_cancelled_late_counts_as_worked(
    hour: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    put_on(hour, anna, zuid)
    hour.cancel(dirk, now=LATE)
    assert hour.duties.get().status == Duty.Status.DONE


def test_cancelling_voids_what_was_asked_about_it(
    hour: ConsultationHour,
    anna: User,
    bilal: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    asked = ask_cover(put_on(hour, anna, zuid))
    wanted = ask_cover(put_on(hour, carla, maas), state="claimed", **taker(bilal, zuid))
    hour.cancel(dirk, now=BEFORE)
    for request in (asked, wanted):
        request.refresh_from_db()
        assert (request.state, request.ended_at) == ("void", BEFORE)
        assert request.changes.get().by == dirk
    assert "vervallen" in mails_to(bilal)[0]
    assert set(hour.duties.values_list("status", flat=True)) == {"released"}


def test_a_question_for_which_a_cancelled_duty_was_offered_is_open_again(
    hour: ConsultationHour,
    anna: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    offered = put_on(hour, carla, maas)
    other = make_hour(hour.line, NOW + 24 * HOUR)
    request = ask_cover(
        put_on(other, anna, zuid),
        kind="exchange",
        offered_duty=offered,
        state="claimed",
        **taker(carla, maas),
    )
    hour.cancel(dirk, now=BEFORE)
    request.refresh_from_db()
    assert (request.state, request.offered_duty, request.claimed_by) == ("open", None, None)
    assert other.duties.get().status == Duty.Status.COVER_WANTED


def test_nobody_hears_of_a_duty_that_they_do_not_know_of(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    period = make_period(hour.line)
    ConsultationHour.objects.update(period=period)
    put_on(hour, anna, zuid, source="proposal")
    put_on(hour, bilal, zuid, source="self")
    hour.refresh_from_db()
    hour.cancel(dirk, now=BEFORE)
    assert list(StaffMail.objects.values_list("to", flat=True)) == [bilal.pk]


# --- Reopening -----------------------------------------------------------------------------------


def test_a_reopened_hour_is_empty_and_people_are_told(
    hour: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    put_on(hour, anna, zuid)
    hour.cancel(dirk, "Ziek", now=LATE)
    hour.reopen(dirk, now=LATE)
    assert (hour.status, hour.cancelled_at, hour.public_reason) == ("planned", None, "")
    assert (hour.is_detached, hour.seats.count()) == (True, 3)
    assert hour.duties.get().status == Duty.Status.RELEASED
    assert "gaat door" in mails_to(anna)[-1]
    with pytest.raises(RosterRefused, match="wrong_state"):
        hour.reopen(dirk, now=LATE)


def test_what_is_over_is_not_reopened(hour: ConsultationHour, dirk: User) -> None:
    hour.cancel(dirk, now=LATE)
    with pytest.raises(RosterRefused, match="began"):
        hour.reopen(dirk, now=NOW)


# --- Moving --------------------------------------------------------------------------------------


def test_duties_move_along_with_their_hour(
    hour: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    duty = put_on(hour, anna, zuid)
    uid = duty.uid
    hour.move(dirk, TUESDAY, time(20), time(22), now=BEFORE)
    duty.refresh_from_db()
    assert (hour.local_date, hour.local_start, hour.version) == (TUESDAY, time(20), 2)
    assert hour.is_detached
    assert (duty.start, duty.end) == (hour.start, hour.end)
    assert (duty.status, duty.uid, duty.sequence) == ("confirmed", uid, 1)
    (body,) = mails_to(anna)
    assert "maandag 2 maart, 19:00-21:00 wordt dinsdag 3 maart, 20:00-22:00" in body


def test_parts_of_a_seat_move_along_in_their_order(
    hour: ConsultationHour,
    anna: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    seat = hour.seats.first()
    first = put_on(hour, anna, zuid, seat=seat, end=NOW + HOUR)
    second = put_on(hour, carla, maas, seat=seat, start=NOW + HOUR)
    hour.move(dirk, MONDAY, time(20), time(22), now=BEFORE)
    for duty, start in ((first, NOW + HOUR), (second, NOW + 2 * HOUR)):
        duty.refresh_from_db()
        assert (duty.start, duty.end, duty.status) == (start, start + HOUR, "confirmed")


def test_a_shorter_hour_cuts_off_what_falls_outside_it(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    seat = hour.seats.first()
    lost = put_on(hour, anna, zuid, seat=seat, end=NOW + HOUR / 2)
    kept = put_on(hour, bilal, zuid, seat=seat, start=NOW + HOUR / 2)
    hour.move(dirk, MONDAY, time(20), time(21), now=BEFORE)
    lost.refresh_from_db()
    kept.refresh_from_db()
    assert lost.status == Duty.Status.RELEASED
    assert (kept.start, kept.end, kept.status) == (NOW + HOUR, NOW + 2 * HOUR, "confirmed")
    assert "jij kunt dan niet" in mails_to(anna)[0]


def test_who_is_elsewhere_or_absent_then_is_let_go(
    hour: ConsultationHour,
    anna: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    put_on(make_hour(hour.line, NOW + 24 * HOUR), anna, zuid)
    busy, away = put_on(hour, anna, zuid), put_on(hour, carla, maas)
    Absence.objects.create(worker=carla, first_date=TUESDAY, last_date=TUESDAY)
    hour.move(dirk, TUESDAY, time(19, 30), time(21), now=BEFORE)
    for duty, person in ((busy, anna), (away, carla)):
        duty.refresh_from_db()
        assert (duty.status, duty.start) == ("released", NOW)
        assert "jij kunt dan niet" in mails_to(person)[0]


def test_who_would_have_too_little_rest_is_let_go_and_reads_so(
    line: ServiceLine, hour: ConsultationHour, zuid: Institution, anna: User, dirk: User
) -> None:
    """As in filling; but never from an hour that goes on, where they are already."""
    ServiceLine.objects.filter(pk=line.pk).update(short_rest_minutes=600)
    hour = ConsultationHour.objects.get(pk=hour.pk)
    duty = hour.fill(anna, zuid, now=BEFORE)
    other = make_hour(line, NOW + timedelta(hours=14)).fill(anna, zuid, now=BEFORE)

    hour.move(dirk, MONDAY, time(19), time(22), now=NOW + timedelta(minutes=1))
    duty.refresh_from_db()
    assert duty.status == Duty.Status.CONFIRMED
    other.hour.move(dirk, TUESDAY, time(7), time(9), now=NOW + timedelta(minutes=1))

    other.refresh_from_db()
    assert other.status == Duty.Status.RELEASED
    assert "te weinig rust" in mails_to(anna)[-1]


def test_moving_voids_a_question_and_the_giver_has_the_duty(
    hour: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    request = ask_cover(put_on(hour, anna, zuid))
    hour.move(dirk, TUESDAY, time(19), time(21), now=BEFORE)
    request.refresh_from_db()
    assert (request.state, request.duty.status) == ("void", "confirmed")
    assert "Je vraag om vervanging is vervallen" in mails_to(anna)[0]


def test_the_rule_makes_no_second_hour_on_the_day_that_one_left(
    line: ServiceLine, dirk: User
) -> None:
    rule = make_rule(line)
    period = make_period(line, days=1)
    rule.generate(MONDAY, MONDAY + timedelta(days=6))
    hour = line.hours.first()
    hour.move(dirk, TUESDAY, time(19), time(21), now=BEFORE)
    assert rule.generate(MONDAY, MONDAY + timedelta(days=6)) == 0
    assert (hour.rule, hour.period) == (None, None)
    left = line.hours.get(local_date=MONDAY)
    assert (left.status, left.is_detached, left.period) == ("cancelled", True, period)
    assert line.hours.planned().count() == 2


def test_a_running_hour_may_only_end_at_another_time(hour: ConsultationHour, dirk: User) -> None:
    hour.move(dirk, MONDAY, time(19), time(22), now=NOW + HOUR)
    assert hour.end == NOW + 3 * HOUR
    with pytest.raises(RosterRefused, match="past"):
        hour.move(dirk, MONDAY, time(19), time(20), now=NOW + 2 * HOUR)
    with pytest.raises(RosterRefused, match="began"):
        hour.move(dirk, MONDAY, time(18), time(22), now=NOW + HOUR)


@pytest.mark.parametrize(
    ("code", "day", "start", "end"),
    [
        ("past", MONDAY - timedelta(days=7), time(19), time(21)),
        ("no_time", date(2026, 3, 29), time(2), time(3)),
    ],
)
def test_an_hour_does_not_move_to_a_time_that_is_not_there(
    hour: ConsultationHour, dirk: User, code: str, day: date, start: time, end: time
) -> None:
    with pytest.raises(RosterRefused, match=code):
        hour.move(dirk, day, start, end, now=BEFORE)
    hour.refresh_from_db()
    assert (hour.start, hour.version) == (NOW, 1)


@pytest.mark.parametrize(
    ("day", "minutes"), [(date(2026, 3, 28), 120), (date(2026, 10, 24), 240)], ids=str
)
def test_an_hour_that_moves_to_a_change_night_takes_its_duties_along(
    hour: ConsultationHour, anna: User, zuid: Institution, dirk: User, day: date, minutes: int
) -> None:
    """From 01:00 to 04:00 on the wall is two hours in March and four in October."""
    duty = put_on(hour, anna, zuid)
    hour.move(dirk, day + timedelta(days=1), time(1), time(4), now=BEFORE)
    duty.refresh_from_db()
    assert hour.minutes == duty.minutes == minutes


def test_moving_to_the_same_time_changes_nothing(hour: ConsultationHour, dirk: User) -> None:
    hour.move(dirk, MONDAY, time(19), time(21), now=BEFORE)
    hour.refresh_from_db()
    assert (hour.version, hour.is_detached) == (1, False)


# --- Staffing ------------------------------------------------------------------------------------


def test_seats_come_and_go_but_never_a_filled_one(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    last = hour.seats.last()
    put_on(hour, anna, zuid, seat=last)
    given_back = put_on(hour, bilal, zuid, seat=hour.seats.get(no=2))
    Duty.objects.filter(pk=given_back.pk).update(status="released")
    hour.staff(dirk, 1, 1, 1, now=BEFORE)
    assert list(hour.seats.all()) == [last]
    assert (hour.max_staff, hour.version, hour.is_detached) == (1, 2, True)
    given_back.refresh_from_db()
    assert given_back.seat == last
    hour.staff(dirk, 1, 2, 4, now=BEFORE)
    assert list(hour.seats.values_list("no", flat=True)) == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("code", "numbers"),
    [
        ("numbers", (0, 1, 2)),
        ("numbers", (2, 1, 2)),
        ("numbers", (1, 3, 2)),
        ("numbers", (1, 1, 61)),
        ("numbers", (1, 1, 2, {"trainee": 3})),
        ("filled", (1, 1, 1)),
    ],
    ids=str,
)
def test_numbers_that_do_not_fit_are_refused(
    hour: ConsultationHour,
    anna: User,
    bilal: User,
    zuid: Institution,
    dirk: User,
    code: str,
    numbers: tuple[Any, ...],
) -> None:
    put_on(hour, anna, zuid)
    put_on(hour, bilal, zuid)
    with pytest.raises(RosterRefused, match=code):
        hour.staff(dirk, *numbers, now=BEFORE)
    assert hour.seats.count() == 3


def test_what_is_over_or_cancelled_is_not_staffed(hour: ConsultationHour, dirk: User) -> None:
    with pytest.raises(RosterRefused, match="past"):
        hour.staff(dirk, 1, 1, 2, now=NOW + 2 * HOUR)
    hour.cancel(dirk, now=BEFORE)
    with pytest.raises(RosterRefused, match="cancelled"):
        hour.staff(dirk, 1, 1, 2, now=BEFORE)


def test_seats_ask_for_the_mix_and_filled_ones_keep_what_they_asked(
    line: ServiceLine, anna: User, zuid: Institution, dirk: User
) -> None:
    rule = make_rule(line, mix={"duty": 1, "trainee": 1})
    rule.generate(MONDAY, MONDAY)
    hour = line.hours.get()
    assert list(hour.seats.values_list("qualification", flat=True)) == ["", "trainee", ""]
    put_on(hour, anna, zuid, seat=hour.seats.get(no=2))
    hour.staff(dirk, 1, 2, 4, {"backup": 1, "trainee": 1}, now=BEFORE)
    assert dict(hour.seats.values_list("no", "qualification")) == {
        1: "backup",
        2: "trainee",
        3: "",
        4: "",
    }


def test_a_public_period_tells_whoever_was_planned_in_it(
    hour: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    period = make_period(hour.line)
    publish(period)
    ConsultationHour.objects.update(period=period)
    put_on(hour, anna, zuid, source="proposal")
    hour.refresh_from_db()
    hour.move(dirk, TUESDAY, time(19), time(21), now=BEFORE)
    assert len(mails_to(anna)) == 1
    assert hour.start == datetime(2026, 3, 3, 18, tzinfo=UTC)
