"""Giving back, not coming, reassigning, locking."""

from datetime import timedelta

import pytest

from institutions.models import AuditEvent, Institution, StaffMail, User
from roster.models import (
    Absence,
    Availability,
    CoverRequest,
    Duty,
    RosterRefused,
    ServiceLine,
)
from tests.people import make_user
from tests.roster.making import HOUR, MONDAY, NOW, make_duty, make_hour

BEFORE = NOW - timedelta(days=30)
FIVE_MINUTES = timedelta(minutes=5)
Status = Duty.Status


@pytest.fixture
def duty(line: ServiceLine, anna: User) -> Duty:
    return make_duty(line, anna)


def mails_to(person: User) -> list[str]:
    return list(StaffMail.objects.filter(to=person).values_list("kind", flat=True))


# --- Giving back ---------------------------------------------------------------------------------


def test_a_worker_gives_a_duty_back_in_time(duty: Duty, anna: User) -> None:
    duty.release(anna, NOW - timedelta(hours=24))
    assert (duty.status, duty.sequence) == (Status.RELEASED, 1)
    assert duty.hour.seats.free().count() == 3
    assert not AuditEvent.objects.exists()


def test_later_than_that_only_a_coordinator_can(duty: Duty, anna: User, dirk: User) -> None:
    late = NOW - timedelta(hours=24) + timedelta(minutes=1)
    with pytest.raises(RosterRefused, match="too_late"):
        duty.release(anna, late)
    duty.release(dirk, late)
    assert duty.status == Status.RELEASED
    assert AuditEvent.objects.get().detail == "released 2026-03-02"
    assert mails_to(anna) == ["taken_off"]


def test_what_began_or_ended_is_not_given_back(duty: Duty, anna: User, dirk: User) -> None:
    with pytest.raises(RosterRefused, match="past"):
        duty.release(dirk, NOW)
    duty.release(anna, BEFORE)
    with pytest.raises(RosterRefused, match="wrong_state"):
        duty.release(anna, BEFORE)


def test_a_question_for_cover_ends_with_the_duty(duty: Duty, anna: User, bilal: User) -> None:
    request = duty.ask_cover(anna, kind="give_away", to_worker=bilal, now=BEFORE)
    duty.release(anna, BEFORE)
    request.refresh_from_db()
    assert (request.state, duty.status) == ("void", Status.RELEASED)
    assert mails_to(bilal) == ["cover_asked", "cover_off"]


@pytest.mark.parametrize("deed", ["release", "cannot_come", "ask_cover", "lock"])
def test_a_duty_of_somebody_else_is_left_alone(
    duty: Duty, bilal: User, carla: User, maas: Institution, deed: str
) -> None:
    """Neither a colleague nor another institution's coordinator may touch it."""
    how = {"ask_cover": {"kind": "give_away", "now": BEFORE}, "lock": {}}.get(deed, {"now": BEFORE})
    for stranger in (bilal, carla, make_user("Max", (maas, "coordinator"))):
        with pytest.raises(RosterRefused, match="not_yours"):
            getattr(duty, deed)(stranger, **how)
    duty.refresh_from_db()
    assert (duty.status, duty.is_locked) == (Status.CONFIRMED, False)
    assert not StaffMail.objects.exists()


# --- The sick button -----------------------------------------------------------------------------


def test_five_minutes_before_the_start_candidates_are_asked_at_once(
    duty: Duty, anna: User, bilal: User, carla: User, dirk: User
) -> None:
    request = duty.cannot_come(anna, NOW - FIVE_MINUTES)
    assert (duty.status, duty.start, duty.end) == (Status.SICK, NOW, NOW + 2 * HOUR)
    assert (request.state, request.duty) == ("open", duty)
    assert {ask.worker for ask in request.asks.all()} == {bilal, carla}
    assert mails_to(bilal) == mails_to(carla) == ["cover_asked"]
    # The own coordinator hears who; and that nobody is there now.
    mail = StaffMail.objects.get(to=dirk)
    assert "Anna Voorbeeld kan niet komen" in mail.body
    assert "1 hulpverlener te weinig" in mail.body
    assert not mails_to(anna)
    # Whoever is asked is not told who is absent, and nobody is told why.
    assert not any("Anna" in mail.body for mail in StaffMail.objects.exclude(to=dirk))


def test_who_is_asked_takes_it_over_at_once_also_across_institutions(
    line: ServiceLine, duty: Duty, anna: User, carla: User, maas: Institution
) -> None:
    line.cover_policy = "approval"
    line.save()
    request = duty.cannot_come(anna, NOW - FIVE_MINUTES)
    request.claim(carla, maas, NOW - FIVE_MINUTES)
    assert request.state == "done"
    new = Duty.objects.get(worker=carla)
    assert (new.seat, new.start, new.end) == (duty.seat, duty.start, duty.end)
    assert (new.source, new.credited_to, new.status) == ("cover", maas, "confirmed")
    duty.refresh_from_db()
    assert duty.status == Status.SICK


def test_during_the_hour_what_was_worked_stays_a_duty(
    duty: Duty, anna: User, bilal: User, zuid: Institution
) -> None:
    request = duty.cannot_come(anna, NOW + timedelta(minutes=40, seconds=20))
    missed = request.duty
    assert missed != duty
    assert (duty.status, duty.start, duty.end) == ("confirmed", NOW, NOW + timedelta(minutes=40))
    assert (missed.status, missed.end) == (Status.SICK, NOW + 2 * HOUR)
    assert missed.start == duty.end
    assert missed.uid != duty.uid
    assert request.asks.filter(worker=bilal).exists()
    # Who comes ten minutes later has the rest, from then on.
    request.claim(bilal, zuid, NOW + timedelta(minutes=50))
    new = Duty.objects.get(worker=bilal)
    assert (new.start, new.end) == (NOW + timedelta(minutes=50), NOW + 2 * HOUR)


def test_the_button_works_until_the_end_and_not_after(duty: Duty, anna: User) -> None:
    with pytest.raises(RosterRefused, match="past"):
        duty.cannot_come(anna, NOW + 2 * HOUR)
    request = duty.cannot_come(anna, NOW + 2 * HOUR - timedelta(minutes=1))
    assert request.duty.minutes == 1
    with pytest.raises(RosterRefused, match="wrong_state"):
        request.duty.cannot_come(anna, NOW + 2 * HOUR - timedelta(minutes=1))


def test_nobody_is_mailed_while_there_are_enough_people(
    line: ServiceLine, anna: User, bilal: User, carla: User, zuid: Institution, dirk: User
) -> None:
    hour = make_hour(line)
    duty = hour.fill(anna, zuid, now=BEFORE)
    hour.fill(bilal, zuid, now=BEFORE)
    request = duty.cannot_come(anna, NOW - FIVE_MINUTES)
    assert request.state == "open"
    assert not request.asks.exists()
    assert not mails_to(carla)
    assert "te weinig" not in StaffMail.objects.get(to=dirk).body


def test_who_cannot_or_is_absent_is_not_asked(
    duty: Duty, anna: User, bilal: User, carla: User, maas: Institution
) -> None:
    Availability.objects.create(worker=bilal, kind="unavailable", start=NOW, end=NOW + HOUR)
    Absence.objects.create(worker=carla, first_date=MONDAY, last_date=MONDAY)
    max_ = make_user("Max", (maas, "worker"))
    request = duty.cannot_come(anna, NOW - FIVE_MINUTES)
    assert [ask.worker for ask in request.asks.all()] == [max_]


def test_a_coordinator_reports_somebody_absent_visibly(duty: Duty, anna: User, dirk: User) -> None:
    duty.cannot_come(dirk, NOW - HOUR)
    assert duty.status == Status.SICK
    event = AuditEvent.objects.get()
    assert (event.person, event.detail) == (anna, "sick 2026-03-02")
    assert mails_to(anna) == ["taken_off"]


def test_an_earlier_question_for_cover_makes_way_for_the_call(
    duty: Duty, anna: User, bilal: User
) -> None:
    old = duty.ask_cover(anna, kind="give_away", now=BEFORE)
    new = duty.cannot_come(anna, NOW - FIVE_MINUTES)
    old.refresh_from_db()
    assert (old.state, new.state) == ("void", "open")
    assert duty.cover_requests.live().get() == new


def test_the_call_ends_when_somebody_fills_the_seat(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    hour = make_hour(line, seats=1)
    request = hour.fill(anna, zuid, now=BEFORE).cannot_come(anna, NOW - FIVE_MINUTES)
    hour.fill(bilal, zuid, by=dirk, now=NOW - FIVE_MINUTES)
    request.refresh_from_db()
    assert request.state == "void"


# --- Reassigning ---------------------------------------------------------------------------------


def test_a_coordinator_gives_the_seat_to_another(
    duty: Duty, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    new = duty.reassign(bilal, zuid, dirk, BEFORE)
    assert (duty.status, duty.replaced_by) == (Status.REPLACED, new)
    assert (new.worker, new.seat, new.source) == (bilal, duty.seat, "coordinator")
    assert mails_to(anna) == ["taken_off"]
    assert mails_to(bilal) == ["assigned"]
    assert {event.person for event in AuditEvent.objects.all()} == {anna, bilal}


def test_of_what_is_going_on_the_rest_is_given(
    duty: Duty, bilal: User, zuid: Institution, dirk: User
) -> None:
    new = duty.reassign(bilal, zuid, dirk, NOW + HOUR)
    assert (duty.status, duty.end) == ("confirmed", NOW + HOUR)
    assert (new.start, new.end) == (NOW + HOUR, NOW + 2 * HOUR)


def test_a_seat_is_not_reassigned_to_who_may_not(
    line: ServiceLine,
    duty: Duty,
    bilal: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    zoe = make_user("Zoë", (zuid, "coordinator"))
    make_duty(line, bilal)
    for worker, institution, by, now, code in (
        (bilal, zuid, zoe, BEFORE, "overlap"),
        (duty.worker, zuid, zoe, BEFORE, "self"),
        (bilal, zuid, zoe, NOW + 2 * HOUR, "past"),
        (carla, maas, zoe, BEFORE, "not_yours"),
        (carla, zuid, dirk, BEFORE, "elsewhere"),
        (bilal, zuid, bilal, BEFORE, "not_yours"),
    ):
        with pytest.raises(RosterRefused, match=code):
            duty.reassign(worker, institution, by, now)
    assert duty.reassign(carla, maas, dirk, BEFORE).credited_to == maas


def test_a_duty_is_locked_and_unlocked_by_coordinators(duty: Duty, anna: User, dirk: User) -> None:
    duty.lock(dirk)
    duty.lock(dirk)
    assert Duty.objects.get().is_locked
    with pytest.raises(RosterRefused, match="not_yours"):
        duty.unlock(anna)
    duty.unlock(dirk)
    assert not Duty.objects.get().is_locked
    details = AuditEvent.objects.values_list("detail", flat=True)
    assert list(details) == ["locked 2026-03-02", "unlocked 2026-03-02"]


def test_sick_requests_and_duties_never_say_why() -> None:
    fields = {field.name for model in (Duty, CoverRequest) for field in model._meta.get_fields()}
    assert not fields & {"reason", "note", "text", "comment"}
