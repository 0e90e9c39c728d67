"""The page of one hour: each deed is one press of a button, and who may not hears so."""

import pytest
from django.utils import timezone

from institutions.models import AuditEvent, Institution, User
from roster.models import ConsultationHour, CoverRequest, Duty, ServiceLine
from tests.people import make_user, open_hour_for, sign_in
from tests.roster.hour_page import on_duty, page, press, said, soon
from tests.roster.making import make_period


@pytest.fixture
def hour(line: ServiceLine) -> ConsultationHour:
    return soon(line)


# --- Workers -------------------------------------------------------------------------------------


def test_a_worker_takes_a_duty_in_two_clicks(
    line: ServiceLine, hour: ConsultationHour, anna: User
) -> None:
    """One on the hour in the week, one on the button."""
    client = sign_in(anna)
    week = client.get("/roster/week/", {"day": hour.local_date}).content.decode()
    assert f'href="/roster/hours/{hour.pk}/"' in week
    assert 'value="take"' in page(anna, hour)

    said(press(anna, hour, "take"), "Deze dienst is van jou.")

    assert on_duty(hour) == [anna]
    assert 'value="take"' not in page(anna, hour)


def test_who_cannot_come_reads_why_and_is_refused(
    line: ServiceLine, hour: ConsultationHour, zuid: Institution, anna: User
) -> None:
    other = ConsultationHour.plan_extra(line, hour.start, hour.end)
    other.fill(anna, zuid)

    shown = page(anna, hour)
    assert "Jij kunt deze dienst nu niet nemen" in shown
    assert "heeft dan al een dienst" in shown
    said(press(anna, hour, "take"), "heeft dan al een dienst")
    assert on_duty(hour) == []


def test_a_seat_of_another_institution_is_theirs_until_its_day(
    line: ServiceLine, hour: ConsultationHour, maas: Institution, anna: User
) -> None:
    period = make_period(
        line,
        hour.local_date,
        days=7,
        state="published",
        published_at=timezone.now(),
        free_for_all_days=1,
    )
    ConsultationHour.objects.filter(pk=hour.pk).update(period=period)
    hour.seats.update(owed_by=maas)

    said(press(anna, hour, "take"), "nu nog van een andere instelling")
    assert "Daarna mag iedereen hem nemen" in page(anna, hour)
    assert on_duty(hour) == []


def test_as_long_as_nobody_may_sign_up_there_is_no_button(
    line: ServiceLine, hour: ConsultationHour, anna: User
) -> None:
    period = make_period(line, hour.local_date, days=7, state="proposed")
    ConsultationHour.objects.filter(pk=hour.pk).update(period=period)

    shown = page(anna, hour)

    assert "Inschrijven kan nog niet" in shown
    assert 'value="take"' not in shown
    said(press(anna, hour, "take"), "Inschrijven kan nog niet")


def test_a_worker_steps_in_while_it_goes_on(line: ServiceLine, anna: User, carla: User) -> None:
    hour = open_hour_for(line, carla)

    assert "Val nu in" in page(anna, hour)
    said(press(anna, hour, "take"), "Je valt in")

    duty = hour.duties.get(worker=anna)
    assert duty.source == Duty.Source.ADHOC


def test_a_duty_is_given_away_and_taken_over_in_two_clicks(
    hour: ConsultationHour, zuid: Institution, anna: User, bilal: User
) -> None:
    duty = hour.fill(anna, zuid)

    said(press(anna, hour, "ask", duty=duty.pk), "Er wordt vervanging gezocht")
    request = duty.cover_requests.get()
    assert on_duty(hour) == [anna]
    assert "Neem over" in page(bilal, hour)

    said(press(bilal, hour, "claim", request=request.pk), "Je hebt de dienst overgenomen")
    assert on_duty(hour) == [bilal]


def test_a_worker_takes_the_question_back(
    hour: ConsultationHour, zuid: Institution, anna: User
) -> None:
    duty = hour.fill(anna, zuid)
    request = duty.ask_cover(anna, kind=CoverRequest.Kind.GIVE_AWAY)

    said(press(anna, hour, "withdraw", request=request.pk), "geen vervanging meer gezocht")

    duty.refresh_from_db()
    assert duty.status == Duty.Status.CONFIRMED


def test_who_cannot_come_is_absent_at_once_and_a_colleague_takes_over(
    hour: ConsultationHour, zuid: Institution, anna: User, carla: User
) -> None:
    duty = hour.fill(anna, zuid)

    said(press(anna, hour, "absent", duty=duty.pk), "Afgemeld")

    assert on_duty(hour) == []
    shown = page(carla, hour)
    assert "kan niet komen" in shown
    assert anna.name not in shown
    press(carla, hour, "claim", request=duty.cover_requests.get().pk)
    assert on_duty(hour) == [carla]


def test_of_a_duty_that_began_is_only_offered_what_can_still_be_done(
    line: ServiceLine, anna: User, dirk: User
) -> None:
    running = open_hour_for(line, anna)
    duty = running.duties.get()
    for person in (anna, dirk):
        shown = page(person, running)
        assert 'value="absent"' in shown
        assert 'value="ask"' not in shown
        assert 'value="release"' not in shown
    said(press(anna, running, "absent", duty=duty.pk), "Afgemeld")


def test_a_stranger_may_do_nothing_to_somebody_elses_duty(
    hour: ConsultationHour, zuid: Institution, anna: User, bilal: User, carla: User
) -> None:
    duty = hour.fill(anna, zuid)
    before = Duty.objects.values().get(pk=duty.pk)

    for person in (bilal, carla):
        shown = page(person, hour)
        assert "Geef weg" not in shown
        assert "Vervang" not in shown
        for action in ("release", "absent", "lock", "unlock", "ask"):
            assert press(person, hour, action, duty=duty.pk).status_code == 403, action
        worker = f"{bilal.pk}:{zuid.pk}"
        for action in ("assign", "replace"):
            response = press(person, hour, action, duty=duty.pk, worker=worker)
            assert response.status_code in (403, 404), action
    assert Duty.objects.values().get(pk=duty.pk) == before
    assert on_duty(hour) == [anna]


# --- Coordinators ----------------------------------------------------------------------------------


def test_a_coordinator_assigns_an_own_worker_in_two_clicks(
    hour: ConsultationHour,
    zuid: Institution,
    maas: Institution,
    edith: User,
    anna: User,
    carla: User,
) -> None:
    shown = page(edith, hour)
    assert f'value="{anna.pk}:{zuid.pk}"' in shown
    # Another institution's people are not even in the list.
    assert carla.name not in shown

    said(press(edith, hour, "assign", worker=f"{anna.pk}:{zuid.pk}"), "is ingedeeld")

    assert on_duty(hour) == [anna]
    assert hour.duties.get().assigned_by == edith
    assert AuditEvent.objects.filter(actor=edith, person=anna, verb="roster").exists()
    other = f"{carla.pk}:{maas.pk}"
    assert press(edith, hour, "assign", worker=other).status_code == 404
    assert on_duty(hour) == [anna]


def test_the_platform_fills_a_chosen_seat_with_anybody(
    hour: ConsultationHour, maas: Institution, dirk: User, carla: User
) -> None:
    seat = hour.seats.get(no=3)
    assert "Wie komt er op plek 3?" in page(dirk, hour, seat=seat.pk)

    press(dirk, hour, "assign", worker=f"{carla.pk}:{maas.pk}", seat=seat.pk)

    assert hour.duties.get().seat == seat


def test_who_is_put_on_a_seat_of_an_hour_that_goes_on_comes_from_now(
    line: ServiceLine, zuid: Institution, edith: User, anna: User, bilal: User
) -> None:
    hour = open_hour_for(line, anna)

    press(edith, hour, "assign", worker=f"{bilal.pk}:{zuid.pk}")

    duty = hour.duties.get(worker=bilal)
    assert hour.start < duty.start <= timezone.now()
    assert duty.end == hour.end


def test_a_coordinator_replaces_somebody(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User, bilal: User
) -> None:
    duty = hour.fill(anna, zuid)
    shown = page(edith, hour, duty=duty.pk)
    assert f"Wie neemt de dienst van {anna.name} over?" in shown

    press(edith, hour, "replace", duty=duty.pk, worker=f"{bilal.pk}:{zuid.pk}")

    assert on_duty(hour) == [bilal]


def test_a_coordinator_acts_for_a_worker(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User
) -> None:
    duty = hour.fill(anna, zuid)

    said(press(edith, hour, "lock", duty=duty.pk), "staat vast")
    duty.refresh_from_db()
    assert duty.is_locked
    press(edith, hour, "unlock", duty=duty.pk)
    said(press(edith, hour, "release", duty=duty.pk), "De plek is weer vrij.")
    assert on_duty(hour) == []


def test_a_coordinator_agrees_with_cover_by_another_institution(
    line: ServiceLine,
    hour: ConsultationHour,
    zuid: Institution,
    edith: User,
    anna: User,
    carla: User,
) -> None:
    ServiceLine.objects.filter(pk=line.pk).update(cover_policy="approval")
    hour = ConsultationHour.objects.get(pk=hour.pk)
    duty = hour.fill(anna, zuid)
    request = duty.ask_cover(anna, kind=CoverRequest.Kind.GIVE_AWAY)

    said(press(carla, hour, "claim", request=request.pk), "Een coördinator kijkt ernaar.")
    assert on_duty(hour) == [anna]
    assert "wacht op jouw akkoord" in page(edith, hour)

    press(edith, hour, "approve", request=request.pk)
    assert on_duty(hour) == [carla]


def test_a_coordinator_lets_an_own_worker_take_over_elsewhere(
    hour: ConsultationHour,
    zuid: Institution,
    maas: Institution,
    edith: User,
    anna: User,
    carla: User,
) -> None:
    duty = hour.fill(carla, maas)
    request = duty.ask_cover(carla, kind=CoverRequest.Kind.GIVE_AWAY)
    assert "Laat iemand overnemen" in page(edith, hour)
    shown = page(edith, hour, duty=duty.pk)
    assert 'value="claim_for"' in shown
    assert f'value="{anna.pk}:{zuid.pk}"' in shown
    assert carla.name not in shown

    press(edith, hour, "claim_for", request=request.pk, worker=f"{anna.pk}:{zuid.pk}")

    assert on_duty(hour) == [anna]


def test_a_coordinator_fills_the_seat_of_who_is_absent(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User, bilal: User
) -> None:
    duty = hour.fill(anna, zuid)
    request = duty.cannot_come(anna)
    assert 'value="claim_for"' in page(edith, hour, duty=duty.pk)

    press(edith, hour, "claim_for", request=request.pk, worker=f"{bilal.pk}:{zuid.pk}")

    assert on_duty(hour) == [bilal]


def test_what_is_asked_of_one_worker_is_for_nobody_else(
    hour: ConsultationHour,
    zuid: Institution,
    edith: User,
    anna: User,
    bilal: User,
    carla: User,
) -> None:
    duty = hour.fill(anna, zuid)
    request = duty.ask_cover(anna, kind=CoverRequest.Kind.GIVE_AWAY, to_worker=bilal)
    greta = make_user("Greta", (carla.memberships.get().institution, "coordinator"))

    assert press(carla, hour, "claim", request=request.pk).status_code == 404
    worker = f"{carla.pk}:{carla.memberships.get().institution_id}"
    response = press(greta, hour, "claim_for", request=request.pk, worker=worker)
    assert response.status_code == 404
    assert on_duty(hour) == [anna]


def test_a_seat_goes_from_one_institution_to_another(
    hour: ConsultationHour, zuid: Institution, maas: Institution, edith: User, dirk: User
) -> None:
    seat = hour.seats.get(no=1)

    said(press(edith, hour, "owe", seat=seat.pk, institution=zuid.pk), "nu van Welzijn Zuid")
    seat.refresh_from_db()
    assert seat.owed_by == zuid
    said(press(edith, hour, "give", seat=seat.pk), "nu van niemand")
    press(dirk, hour, "owe", seat=seat.pk, institution=maas.pk)
    seat.refresh_from_db()
    assert seat.owed_by == maas
    # What is of Maas, the coordinator of Zuid may take over and not give away.
    assert press(edith, hour, "give", seat=seat.pk).status_code == 403
    assert 'value="owe"' in page(edith, hour)


# --- The hour itself -------------------------------------------------------------------------------


def test_the_platform_cancels_and_reopens(
    hour: ConsultationHour, zuid: Institution, dirk: User, anna: User
) -> None:
    hour.fill(anna, zuid)

    said(press(dirk, hour, "cancel", public_reason="Storing"), "gaat niet door")
    hour.refresh_from_db()
    assert hour.status == ConsultationHour.Status.CANCELLED
    assert on_duty(hour) == []
    press(dirk, hour, "reopen")
    hour.refresh_from_db()
    assert hour.status == ConsultationHour.Status.PLANNED


def test_the_platform_moves_it_and_changes_the_numbers(hour: ConsultationHour, dirk: User) -> None:
    press(dirk, hour, "move", day=hour.local_date, start="09:00", end="12:00")
    press(dirk, hour, "staff", min_staff=2, target_staff=3, max_staff=5, mix_trainee=1)

    hour.refresh_from_db()
    assert hour.mix == {"trainee": 1}
    assert hour.seats.filter(qualification="trainee").count() == 1
    assert f"{hour.local_start:%H:%M} {hour.local_end:%H:%M}" == "09:00 12:00"
    assert (hour.min_staff, hour.target_staff, hour.max_staff) == (2, 3, 5)
    assert hour.seats.count() == 5


def test_what_was_filled_in_wrongly_is_said_beside_it(hour: ConsultationHour, dirk: User) -> None:
    said(press(dirk, hour, "move", day="nonsense", start="9", end=""), "Kies een dag.")
    said(
        press(dirk, hour, "staff", min_staff=4, target_staff=3, max_staff=5),
        "Het minimum mag niet boven het streven liggen",
    )
    said(
        press(dirk, hour, "staff", min_staff=1, target_staff=1, max_staff=2, mix_backup=3),
        "minder plekken dan mensen",
    )
    before = hour.min_staff
    hour.refresh_from_db()
    assert hour.min_staff == before


def test_only_the_platform_changes_the_hour(
    hour: ConsultationHour, edith: User, anna: User
) -> None:
    for person in (edith, anna):
        assert "Dit spreekuur veranderen" not in page(person, hour)
        for action, data in (
            ("cancel", {}),
            ("reopen", {}),
            ("move", {"day": hour.local_date, "start": "09:00", "end": "12:00"}),
            ("staff", {"min_staff": 1, "target_staff": 1, "max_staff": 2}),
        ):
            assert press(person, hour, action, **data).status_code == 403, action


def test_what_no_button_sends_is_a_bad_request(hour: ConsultationHour, dirk: User) -> None:
    for action, data in (
        ("nonsense", {}),
        ("", {}),
        ("release", {}),
        ("release", {"duty": "x"}),
        ("assign", {"worker": "1"}),
        ("owe", {"seat": "1"}),
    ):
        assert press(dirk, hour, action, **data).status_code in (400, 404), action
