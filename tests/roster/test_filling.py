"""Filling seats: who may, on which seat, and what is refused."""

from datetime import timedelta

import pytest

from institutions.models import AuditEvent, Institution, StaffMail, User
from roster.models import (
    Absence,
    ConsultationHour,
    Duty,
    Qualification,
    RosterRefused,
    ServiceLine,
)
from tests.people import make_user
from tests.roster.making import HOUR, MONDAY, NOW, make_hour, make_period

BEFORE = NOW - timedelta(days=30)


@pytest.fixture
def hour(line: ServiceLine) -> ConsultationHour:
    return make_hour(line)


def in_period(line: ServiceLine, hour: ConsultationHour, state: str = "signup") -> None:
    published = None if state in ("draft", "signup", "proposed") else BEFORE
    hour.period = make_period(line, state=state, published_at=published)
    hour.save(update_fields=["period"])


# --- Signing up ----------------------------------------------------------------------------------


def test_a_worker_signs_up_for_the_whole_hour(
    hour: ConsultationHour, anna: User, zuid: Institution
) -> None:
    duty = hour.fill(anna, zuid, now=BEFORE)
    assert (duty.worker, duty.credited_to, duty.source) == (anna, zuid, Duty.Source.SELF)
    assert (duty.start, duty.end, duty.status) == (hour.start, hour.end, "confirmed")
    # Who does something for themselves leaves no trail and needs no mail.
    assert not AuditEvent.objects.exists()
    assert not StaffMail.objects.exists()


def test_two_share_a_seat_one_after_the_other(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution
) -> None:
    hour = make_hour(line, seats=1)
    hour.fill(anna, zuid, end=NOW + HOUR, now=BEFORE)
    with pytest.raises(RosterRefused, match="full"):
        hour.fill(bilal, zuid, now=BEFORE)
    assert hour.fill(bilal, zuid, start=NOW + HOUR, now=BEFORE).seat.no == 1


def test_what_is_over_or_cancelled_is_not_filled(
    hour: ConsultationHour, anna: User, zuid: Institution
) -> None:
    with pytest.raises(RosterRefused, match="past"):
        hour.fill(anna, zuid, now=hour.end)
    with pytest.raises(RosterRefused, match="past"):
        hour.fill(anna, zuid, end=NOW + HOUR, now=NOW + HOUR)
    assert hour.fill(anna, zuid, now=hour.end - timedelta(minutes=1)).pk
    ConsultationHour.objects.update(status="cancelled", cancelled_at=NOW)
    with pytest.raises(RosterRefused, match="cancelled"):
        hour.fill(anna, zuid, now=BEFORE)


def test_a_stranger_and_a_former_worker_fill_nothing(
    hour: ConsultationHour, anna: User, maas: Institution, zuid: Institution
) -> None:
    with pytest.raises(RosterRefused, match="elsewhere"):
        hour.fill(anna, maas, now=BEFORE)
    anna.is_active = False
    anna.save()
    with pytest.raises(RosterRefused, match="elsewhere"):
        hour.fill(anna, zuid, now=BEFORE)


@pytest.mark.parametrize("days", [0, 1])
def test_who_is_absent_that_day_is_not_on_duty(
    hour: ConsultationHour, anna: User, zuid: Institution, days: int
) -> None:
    first = MONDAY - timedelta(days=3)
    Absence.objects.create(worker=anna, first_date=first, last_date=MONDAY - timedelta(days=days))
    if days:
        assert hour.fill(anna, zuid, now=BEFORE).pk
    else:
        with pytest.raises(RosterRefused, match="absent"):
            hour.fill(anna, zuid, now=BEFORE)


@pytest.mark.parametrize("gap", [0, 59, 60])
def test_there_is_rest_between_two_duties(
    line: ServiceLine, hour: ConsultationHour, anna: User, zuid: Institution, gap: int
) -> None:
    line.short_rest_minutes = 60
    line.save()
    hour.fill(anna, zuid, now=BEFORE)
    next_one = make_hour(line, hour.end + timedelta(minutes=gap))
    if gap < 60:
        with pytest.raises(RosterRefused, match="rest"):
            next_one.fill(anna, zuid, now=BEFORE)
    else:
        assert next_one.fill(anna, zuid, now=BEFORE).pk


def test_a_seat_may_ask_for_another_kind_of_worker(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution
) -> None:
    hour.seats.update(qualification="trainee")
    with pytest.raises(RosterRefused, match="qualification"):
        hour.fill(anna, zuid, now=BEFORE)
    Qualification.objects.create(user=bilal, kind="trainee")
    assert hour.fill(bilal, zuid, now=BEFORE).pk
    # A trainee is no ordinary duty worker.
    hour.seats.filter(duties=None).update(qualification="")
    Duty.objects.all().delete()
    hour.seats.update(qualification="")
    with pytest.raises(RosterRefused, match="qualification"):
        hour.fill(bilal, zuid, now=BEFORE)


# --- Whose seat ----------------------------------------------------------------------------------


def test_a_seat_of_another_institution_waits_for_the_free_for_all_day(
    line: ServiceLine, hour: ConsultationHour, anna: User, zuid: Institution, maas: Institution
) -> None:
    in_period(line, hour)
    hour.seats.update(owed_by=maas)
    first_free = NOW - timedelta(days=14)
    with pytest.raises(RosterRefused, match="wave"):
        hour.fill(anna, zuid, now=first_free - timedelta(days=1))
    assert hour.fill(anna, zuid, now=first_free).credited_to == zuid


def test_the_own_seat_comes_first_then_a_free_one(
    line: ServiceLine, hour: ConsultationHour, anna: User, bilal: User, zuid: Institution,
    maas: Institution,
) -> None:  # fmt: skip
    in_period(line, hour)
    hour.seats.filter(no=1).update(owed_by=maas)
    hour.seats.filter(no=3).update(owed_by=zuid)
    assert [hour.fill(w, zuid, now=BEFORE).seat.no for w in (anna, bilal)] == [3, 2]


def test_the_seat_that_somebody_names_is_the_one(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution
) -> None:
    seat = hour.seats.get(no=2)
    assert hour.fill(anna, zuid, seat=seat, now=BEFORE).seat == seat
    with pytest.raises(RosterRefused, match="full"):
        hour.fill(bilal, zuid, seat=seat, now=BEFORE)


@pytest.mark.parametrize("state", ["draft", "signup", "proposed", "published"])
def test_workers_sign_up_when_the_period_takes_sign_ups(
    line: ServiceLine, hour: ConsultationHour, anna: User, zuid: Institution, dirk: User,
    bilal: User, state: str,
) -> None:  # fmt: skip
    in_period(line, hour, state)
    if state in ("signup", "published"):
        assert hour.fill(anna, zuid, now=BEFORE).pk
    else:
        with pytest.raises(RosterRefused, match="not_open"):
            hour.fill(anna, zuid, now=BEFORE)
    # A coordinator plans in any state, and before it is public nobody is mailed one by one.
    assert hour.fill(bilal, zuid, by=dirk, now=BEFORE).pk
    assert StaffMail.objects.filter(to=bilal).exists() == (state == "published")


# --- For somebody else ---------------------------------------------------------------------------


def test_a_coordinator_puts_a_worker_on_duty_visibly(
    hour: ConsultationHour, anna: User, zuid: Institution
) -> None:
    zoe = make_user("Zoë", (zuid, "coordinator"))
    duty = hour.fill(anna, zuid, by=zoe, now=BEFORE)
    assert (duty.source, duty.assigned_by) == (Duty.Source.COORDINATOR, zoe)
    event = AuditEvent.objects.get()
    assert (event.actor, event.person, event.institution) == (zoe, anna, zuid)
    assert event.detail == "assigned 2026-03-02"
    mail = StaffMail.objects.get()
    assert mail.to == anna
    assert "maandag 2 maart, 19:00-21:00" in mail.subject


def test_colleagues_and_other_coordinators_put_nobody_on_duty(
    hour: ConsultationHour, anna: User, bilal: User, zuid: Institution, maas: Institution
) -> None:
    for by in (bilal, make_user("Max", (maas, "coordinator"))):
        with pytest.raises(RosterRefused, match="not_yours"):
            hour.fill(anna, zuid, by=by, now=BEFORE)
    assert not Duty.objects.exists()
    assert not AuditEvent.objects.exists()


def test_only_the_platform_need_not_wait_for_the_free_for_all_day(
    line: ServiceLine, hour: ConsultationHour, anna: User, zuid: Institution, maas: Institution,
    dirk: User,
) -> None:  # fmt: skip
    in_period(line, hour)
    hour.seats.update(owed_by=maas)
    with pytest.raises(RosterRefused, match="wave"):
        hour.fill(anna, zuid, by=make_user("Zoë", (zuid, "coordinator")), now=BEFORE)
    assert hour.fill(anna, zuid, by=dirk, now=BEFORE).pk


# --- Stepping in ---------------------------------------------------------------------------------


def test_who_steps_in_is_on_duty_from_now_with_credit(
    line: ServiceLine, hour: ConsultationHour, anna: User, zuid: Institution, maas: Institution
) -> None:
    in_period(line, hour, "running")
    hour.seats.update(owed_by=maas)
    duty = hour.step_in(anna, zuid, NOW + timedelta(minutes=20, seconds=31))
    assert duty.start == NOW + timedelta(minutes=20)
    assert (duty.end, duty.source, duty.credited_to) == (hour.end, "adhoc", zuid)


def test_nobody_steps_in_before_after_or_twice(
    hour: ConsultationHour, anna: User, zuid: Institution, maas: Institution
) -> None:
    with pytest.raises(RosterRefused, match="outside"):
        hour.step_in(anna, zuid, NOW - timedelta(seconds=1))
    with pytest.raises(RosterRefused, match="past"):
        hour.step_in(anna, zuid, hour.end)
    with pytest.raises(RosterRefused, match="elsewhere"):
        hour.step_in(anna, maas, NOW)
    assert hour.step_in(anna, zuid, NOW).start == NOW
    with pytest.raises(RosterRefused, match="overlap"):
        hour.step_in(anna, zuid, NOW + HOUR)


def test_nobody_steps_in_where_no_seat_is_left_or_the_plan_is_not_public(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution
) -> None:
    hour = make_hour(line, seats=1)
    hour.fill(anna, zuid, now=BEFORE)
    with pytest.raises(RosterRefused, match="full"):
        hour.step_in(bilal, zuid, NOW)
    Duty.objects.all().delete()
    in_period(line, hour, "draft")
    with pytest.raises(RosterRefused, match="not_open"):
        hour.step_in(bilal, zuid, NOW)
