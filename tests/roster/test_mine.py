"""A worker's own pages: duties, seats to take, what colleagues ask, and hours."""

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.http import HttpResponse
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from institutions.models import Institution, Membership, User
from roster.availability import said_by
from roster.models import (
    Absence,
    Availability,
    ConsultationHour,
    CoverRequest,
    Duty,
    HoursEntry,
    Qualification,
    ServiceLine,
)
from tests.people import make_user, sign_in
from tests.roster.making import HOUR, NOW, make_duty, make_hour, make_period

MINE, FREE, HOURS = "roster_mine", "roster_free", "roster_my_hours"


def in_days(days: float) -> datetime:
    return timezone.now().replace(second=0, microsecond=0) + timedelta(days=days)


def get(worker: User, name: str = MINE, *args: Any) -> str:
    answer = sign_in(worker).get(reverse(name, args=args))
    assert answer.status_code == 200
    return answer.content.decode()


def post(worker: User, name: str, *args: Any, **data: Any) -> HttpResponse:
    return sign_in(worker).post(reverse(name, args=args), data, follow=True)


def of(duty: Duty) -> Duty:
    duty.refresh_from_db()
    return duty


# --- Own duties -----------------------------------------------------------------------------------


def test_own_duties_to_come_are_there_and_nobody_elses(
    line: ServiceLine, anna: User, bilal: User
) -> None:
    mine, past, theirs = (
        make_duty(line, anna, in_days(3)),
        make_duty(line, anna, in_days(-3)),
        make_duty(line, bilal, in_days(4)),
    )

    found = get(anna)

    assert reverse("roster_do_duty", args=[mine.pk, "release"]) in found
    for other in (past, theirs):
        assert reverse("roster_do_duty", args=[other.pk, "release"]) not in found
    assert "Je hebt nu geen diensten." in get(
        make_user("Els", (anna.memberships.get().institution, "worker"))
    )


def test_giving_back_in_time(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna, in_days(3))

    answer = post(anna, "roster_do_duty", duty.pk, "release")

    assert "Je dienst is teruggegeven." in answer.content.decode()
    assert of(duty).status == "released"


def test_giving_back_too_late_is_refused_and_not_offered(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna, in_days(0.5))
    address = reverse("roster_do_duty", args=[duty.pk, "release"])

    assert address not in get(anna)
    answer = sign_in(anna).post(address, follow=True)

    assert "Teruggeven kan niet meer." in answer.content.decode()
    assert of(duty).status == "confirmed"


@pytest.mark.parametrize("days", [5, 0.2, -0.02])
def test_i_cannot_come_is_one_button_until_the_end(
    line: ServiceLine, anna: User, days: float
) -> None:
    duty = make_duty(line, anna, in_days(days))
    assert reverse("roster_do_duty", args=[duty.pk, "cannot-come"]) in get(anna)

    answer = post(anna, "roster_do_duty", duty.pk, "cannot-come")

    assert "Je bent afgemeld." in answer.content.decode()
    assert "We zoeken iemand anders." in answer.content.decode()
    assert Duty.objects.filter(worker=anna, status="sick").count() == 1
    assert CoverRequest.objects.open().count() == 1


def test_who_can_come_after_all_takes_it_back(line: ServiceLine, anna: User) -> None:
    call = make_duty(line, anna, in_days(3)).cannot_come(anna)
    assert "Ik kan toch komen" in get(anna)

    post(anna, "roster_do_request", call.pk, "claim")

    assert Duty.objects.active().get().worker == anna
    assert "Ik kan toch komen" not in get(anna)


def test_after_the_end_it_is_too_late(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna, in_days(-1))

    answer = post(anna, "roster_do_duty", duty.pk, "cannot-come")

    assert "Dat is al begonnen of voorbij." in answer.content.decode()
    assert of(duty).status == "confirmed"


def test_asking_all_and_taking_the_question_back(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna, in_days(3))

    post(anna, "roster_do_duty", duty.pk, "ask")

    assert of(duty).status == "cover_wanted"
    (asked,) = CoverRequest.objects.open()
    assert "Je zoekt vervanging." in get(anna)
    answer = post(anna, "roster_do_request", asked.pk, "withdraw")
    assert "Je vraag is ingetrokken." in answer.content.decode()
    assert of(duty).status == "confirmed"


def test_asking_one_colleague(line: ServiceLine, anna: User, bilal: User, carla: User) -> None:
    duty = make_duty(line, anna, in_days(3))
    page = get(anna, "roster_my_duty", duty.pk)
    assert bilal.name in page
    assert carla.name not in page, "of another institution"

    assert post(anna, "roster_do_duty", duty.pk, "ask", to=carla.pk).status_code == 404
    post(anna, "roster_do_duty", duty.pk, "ask", to=bilal.pk)

    assert CoverRequest.objects.get().to_worker == bilal
    assert f"Je hebt {bilal.name} gevraagd." in get(anna)
    assert "aan jou gevraagd" in get(bilal)


def test_who_is_asked_does_not_tell_who_is_away(line: ServiceLine, anna: User, bilal: User) -> None:
    duty = make_duty(line, anna, in_days(3))
    day = duty.hour.local_date
    Absence.objects.create(worker=bilal, first_date=day, last_date=day)

    assert bilal.name in get(anna, "roster_my_duty", duty.pk)


def test_giving_a_part_away(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna, in_days(3))
    local = duty.start.astimezone(line.zone)
    times = {"start": f"{local + HOUR:%H:%M}", "end": f"{local + 2 * HOUR:%H:%M}"}

    post(anna, "roster_do_duty", duty.pk, "part", **times)

    asked = CoverRequest.objects.get()
    assert (asked.part_start, asked.part_end) == (duty.start + HOUR, duty.end)


def test_a_part_outside_the_duty_is_refused(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna, in_days(3))
    local = duty.start.astimezone(line.zone)

    answer = post(
        anna,
        "roster_do_duty",
        duty.pk,
        "part",
        start=f"{local:%H:%M}",
        end=f"{local + 5 * HOUR:%H:%M}",
    )

    assert "Kies een tijd binnen je dienst." in answer.content.decode()
    assert not CoverRequest.objects.exists()


def test_a_part_after_midnight(line: ServiceLine, anna: User) -> None:
    midnight = in_days(4).astimezone(line.zone).replace(hour=0, minute=0)
    duty = make_duty(line, anna, midnight - HOUR)

    post(anna, "roster_do_duty", duty.pk, "part", start="00:00", end="01:00")

    assert CoverRequest.objects.get().part_start == midnight


def test_exchanging_with_a_colleague(line: ServiceLine, anna: User, bilal: User) -> None:
    mine, theirs = make_duty(line, anna, in_days(3)), make_duty(line, bilal, in_days(5))

    post(anna, "roster_do_duty", mine.pk, "exchange", **{"with": theirs.pk})
    asked = CoverRequest.objects.get()
    assert "wil ruilen met jouw dienst" in get(bilal)
    post(bilal, "roster_do_request", asked.pk, "claim")

    assert Duty.objects.active().get(seat=mine.seat).worker == bilal
    assert Duty.objects.active().get(seat=theirs.seat).worker == anna


def test_exchanging_with_everybody(line: ServiceLine, anna: User, bilal: User) -> None:
    mine, theirs = make_duty(line, anna, in_days(3)), make_duty(line, bilal, in_days(5))

    post(anna, "roster_do_duty", mine.pk, "exchange")
    assert f'<option value="{theirs.pk}">' in get(bilal)
    asked = CoverRequest.objects.get()
    post(bilal, "roster_do_request", asked.pk, "claim", offered=theirs.pk)

    assert Duty.objects.active().get(seat=theirs.seat).worker == anna


@pytest.mark.parametrize("deed", ["release", "cannot-come", "ask", "exchange", "part", "nonsense"])
def test_a_stranger_and_even_a_colleague_cannot(
    line: ServiceLine, anna: User, bilal: User, carla: User, deed: str
) -> None:
    duty = make_duty(line, anna, in_days(3))

    for other in (bilal, carla):
        assert post(other, "roster_do_duty", duty.pk, deed).status_code == 404
        assert sign_in(other).get(reverse("roster_my_duty", args=[duty.pk])).status_code == 404
    assert of(duty).status == "confirmed"
    assert post(anna, "roster_do_duty", duty.pk, "nonsense").status_code == 404


# --- What colleagues ask --------------------------------------------------------------------------


def test_a_colleague_takes_it_over(line: ServiceLine, anna: User, bilal: User) -> None:
    duty = make_duty(line, anna, in_days(3))
    asked = duty.ask_cover(anna, kind="give_away")
    assert anna.name in get(bilal)

    answer = post(bilal, "roster_do_request", asked.pk, "claim")

    assert "Gelukt." in answer.content.decode()
    assert Duty.objects.active().get(seat=duty.seat).worker == bilal
    assert of(duty).status == "replaced"


def test_what_was_taken_over_goes_back_to_who_gave_it(
    line: ServiceLine, anna: User, bilal: User
) -> None:
    duty = make_duty(line, anna, in_days(3))
    asked = duty.ask_cover(anna, kind="give_away")
    post(bilal, "roster_do_request", asked.pk, "claim")

    post(bilal, "roster_do_duty", Duty.objects.active().get(worker=bilal).pk, "release")

    assert of(duty).status == "cover_wanted"
    assert CoverRequest.objects.open().exists()


def test_somebody_of_another_institution_reads_no_name(
    line: ServiceLine, anna: User, carla: User
) -> None:
    duty = make_duty(line, anna, in_days(3))
    asked = duty.ask_cover(anna, kind="give_away")

    page = get(carla)

    assert reverse("roster_do_request", args=[asked.pk, "claim"]) in page
    assert "Een collega" in page
    assert anna.name not in page


def test_saying_no_is_remembered(line: ServiceLine, anna: User, bilal: User) -> None:
    duty = make_duty(line, anna, in_days(3))
    asked = duty.ask_cover(anna, kind="give_away")

    post(bilal, "roster_do_request", asked.pk, "decline")

    assert reverse("roster_do_request", args=[asked.pk, "claim"]) not in get(bilal)
    assert asked.declines.get().worker == bilal


def test_who_was_second_hears_so(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User, carla: User
) -> None:
    asked = make_duty(line, anna, in_days(3)).ask_cover(anna, kind="give_away")
    second = make_user("Els", (zuid, "worker"))
    asked.claim(bilal, zuid)

    answer = post(second, "roster_do_request", asked.pk, "claim")

    assert answer.status_code == 404 or "net voor" in answer.content.decode()
    assert Duty.objects.active().get(seat=asked.duty.seat).worker == bilal


def test_what_is_asked_of_another_is_not_there(
    line: ServiceLine, anna: User, bilal: User, carla: User
) -> None:
    duty = make_duty(line, anna, in_days(3))
    asked = duty.ask_cover(anna, kind="give_away", to_worker=bilal)

    assert reverse("roster_do_request", args=[asked.pk, "claim"]) not in get(carla)
    for deed in ("claim", "decline", "withdraw"):
        assert post(carla, "roster_do_request", asked.pk, deed).status_code == 404


def test_a_colleague_cannot_take_the_question_back(
    line: ServiceLine, anna: User, bilal: User
) -> None:
    asked = make_duty(line, anna, in_days(3)).ask_cover(anna, kind="give_away")

    answer = post(bilal, "roster_do_request", asked.pk, "withdraw")

    assert "Daar ga jij niet over." in answer.content.decode()
    assert CoverRequest.objects.open().exists()


def test_who_is_busy_or_away_is_not_asked_in_vain(
    line: ServiceLine, anna: User, bilal: User, carla: User
) -> None:
    duty = make_duty(line, anna, in_days(3))
    asked = duty.ask_cover(anna, kind="give_away")
    make_duty(line, bilal, duty.start + HOUR)
    day = duty.hour.local_date
    Absence.objects.create(worker=carla, first_date=day, last_date=day)

    for worker in (bilal, carla):
        assert reverse("roster_do_request", args=[asked.pk, "claim"]) not in get(worker)


# --- Seats ----------------------------------------------------------------------------------------


def test_taking_a_free_seat(line: ServiceLine, anna: User, zuid: Institution) -> None:
    hour = make_hour(line, in_days(3))
    assert reverse("roster_take", args=[hour.pk]) in get(anna, FREE)

    answer = post(anna, "roster_take", hour.pk)

    assert "Je hebt er een dienst bij" in answer.content.decode()
    duty = Duty.objects.get()
    assert (duty.worker, duty.credited_to, duty.source) == (anna, zuid, "self")
    assert reverse("roster_take", args=[hour.pk]) not in get(anna, FREE)


def test_who_works_for_two_says_for_which(
    line: ServiceLine, anna: User, maas: Institution, zuid: Institution
) -> None:
    Membership.objects.create(user=anna, institution=maas, role="worker")
    hour = make_hour(line, in_days(3))
    page = get(anna, FREE)
    assert "Neem voor Maaskracht" in page
    assert "Neem voor Welzijn Zuid" in page

    assert post(anna, "roster_take", hour.pk).status_code == 404
    post(anna, "roster_take", hour.pk, institution=maas.pk)

    assert Duty.objects.get().credited_to == maas


def test_nobody_takes_for_an_institution_of_others(
    line: ServiceLine, anna: User, maas: Institution
) -> None:
    hour = make_hour(line, in_days(3))

    assert post(anna, "roster_take", hour.pk, institution=maas.pk).status_code == 404
    assert post(anna, "roster_take", hour.pk, institution="x").status_code == 404
    assert not Duty.objects.exists()


def test_what_cannot_be_taken_is_not_offered(
    line: ServiceLine, anna: User, bilal: User, maas: Institution, zuid: Institution
) -> None:
    full = make_hour(line, in_days(2), seats=1)
    full.fill(bilal, zuid)
    cancelled = make_hour(line, in_days(3))
    ConsultationHour.objects.filter(pk=cancelled.pk).update(
        status="cancelled", cancelled_at=timezone.now()
    )
    overlapping = make_hour(line, make_duty(line, anna, in_days(4)).start + HOUR)
    away = make_hour(line, in_days(6))
    Absence.objects.create(worker=anna, first_date=away.local_date, last_date=away.local_date)
    trainee = make_hour(line, in_days(8), seats=1)
    trainee.seats.update(qualification=Qualification.Kind.TRAINEE)
    draft = make_hour(line, in_days(10))
    theirs = make_hour(line, in_days(27), seats=1)
    theirs.seats.update(owed_by=maas)
    ConsultationHour.objects.filter(pk=draft.pk).update(
        period=make_period(line, draft.local_date, 1)
    )
    ConsultationHour.objects.filter(pk=theirs.pk).update(
        period=make_period(line, theirs.local_date, 1, state="signup")
    )
    free = make_hour(line, in_days(12))

    page = get(anna, FREE)

    assert reverse("roster_take", args=[free.pk]) in page
    for hour in (full, cancelled, overlapping, away, trainee, draft, theirs):
        address = reverse("roster_take", args=[hour.pk])
        assert address not in page
        answer = sign_in(anna).post(address, follow=True)
        assert "notice-danger" in answer.content.decode(), "the verb refuses the same"


def test_whose_turn_it_is_and_where_it_presses(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    hour = make_hour(line, in_days(3), seats=2)
    hour.seats.update(owed_by=zuid)
    day = hour.start.astimezone(line.zone)
    Availability.add_weekly(
        anna, "preferred", [day.weekday()], day.time(), (day + 2 * HOUR).time(), tz=line.tz
    )

    page = get(anna, FREE)

    for words in ("te weinig mensen", "onze beurt", "graag"):
        assert words in page


def test_times_at_which_somebody_cannot_come_last(line: ServiceLine, anna: User) -> None:
    hour = make_hour(line, in_days(3))
    Availability.add_span(anna, "unavailable", hour.start, hour.start + HOUR)

    page = get(anna, FREE)

    assert "Nog 1 op een tijd waarop je niet kunt" in page


def test_further_ahead_on_request(line: ServiceLine, anna: User) -> None:
    address = reverse("roster_take", args=[make_hour(line, in_days(40)).pk])

    assert address not in get(anna, FREE)
    assert address in sign_in(anna).get(reverse(FREE) + "?more=1").content.decode()


def test_stepping_in(line: ServiceLine, anna: User) -> None:
    hour = make_hour(line, in_days(-0.02))
    assert "Kun je nu invallen?" in get(anna)

    answer = post(anna, "roster_step_in", hour.pk)

    assert "Je hebt nu dienst tot" in answer.content.decode()
    duty = Duty.objects.get()
    assert (duty.source, duty.end) == ("adhoc", hour.end)
    assert "Kun je nu invallen?" not in get(anna)


def test_stepping_in_where_there_is_nothing_to_step_into(line: ServiceLine, anna: User) -> None:
    later, full = make_hour(line, in_days(1)), make_hour(line, in_days(-0.02), seats=1)
    full.seats.update(qualification=Qualification.Kind.BACKUP)

    assert "Kun je nu invallen?" not in get(anna)
    for hour in (later, full):
        assert "notice-danger" in post(anna, "roster_step_in", hour.pk).content.decode()
    assert not Duty.objects.exists()


def test_a_coordinator_who_is_no_worker_has_no_such_pages(line: ServiceLine, dirk: User) -> None:
    hour = make_hour(line, in_days(3))

    for name in (MINE, FREE, HOURS):
        assert sign_in(dirk).get(reverse(name)).status_code == 403
    assert post(dirk, "roster_take", hour.pk).status_code == 403


# --- Hours ----------------------------------------------------------------------------------------


@pytest.fixture
def entry(line: ServiceLine, anna: User) -> HoursEntry:
    duty = make_duty(line, anna, in_days(-2))
    Duty.objects.filter(pk=duty.pk).update(status="done")
    return HoursEntry.objects.create(duty=duty, planned_minutes=120, measured_minutes=95)


def test_hours_are_shown_and_corrected(entry: HoursEntry, anna: User) -> None:
    page = get(anna, HOURS)
    assert "1 uur en 35 min" in page
    assert "van 2 uur" in page

    answer = post(anna, "roster_claim_hours", entry.pk, hours="2", minutes="0")

    assert "je vroeg 2 uur" in answer.content.decode()
    entry.refresh_from_db()
    assert (entry.state, entry.claimed_minutes) == ("claimed", 120)


def test_a_correction_is_taken_back_before_it_is_decided(entry: HoursEntry, anna: User) -> None:
    entry.claim(anna, 120)
    assert "Trek je correctie in" in get(anna, HOURS)

    post(anna, "roster_claim_hours", entry.pk, action="withdraw")

    entry.refresh_from_db()
    assert (entry.state, entry.claimed_minutes) == ("measured", None)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({}, "Vul in hoe lang je werkte."),
        ({"hours": "x"}, "Vul hele uren en minuten in."),
        ({"hours": "-1"}, "Vul hele uren en minuten in."),
        ({"hours": "23", "minutes": "59"}, "Dat kan niet kloppen."),
        ({"hours": "1", "minutes": "35"}, "Zo lang staat er al."),
    ],
)
def test_hours_that_cannot_be(
    entry: HoursEntry, anna: User, data: dict[str, str], sentence: str
) -> None:
    answer = post(anna, "roster_claim_hours", entry.pk, **data)

    assert sentence in answer.content.decode()
    entry.refresh_from_db()
    assert entry.state == "measured"


def test_somebody_elses_hours_are_not_there(entry: HoursEntry, bilal: User) -> None:
    assert "1 uur en 35 min" not in get(bilal, HOURS)
    assert post(bilal, "roster_claim_hours", entry.pk, hours="2").status_code == 404


# --- All pages ------------------------------------------------------------------------------------


def test_a_constant_number_of_queries(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution
) -> None:
    def fill(first: int, count: int) -> None:
        for number in range(first, first + count):
            make_hour(line, in_days(number + 0.1))
            make_duty(line, anna, in_days(number + 0.3))
            make_duty(line, bilal, in_days(number + 0.5)).ask_cover(bilal, kind="give_away")

    browser = sign_in(anna)

    def count(name: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert browser.get(reverse(name)).status_code == 200
        return len(queries)

    fill(1, 1)
    few = [count(name) for name in (MINE, FREE)]
    fill(2, 6)

    assert [count(name) for name in (MINE, FREE)] == few
    assert max(few) < 30


def test_what_is_said_holds_after_midnight(line: ServiceLine, anna: User) -> None:
    # Monday from 22:00 for six hours, said of Mondays from 20:00 to 06:00.
    start = NOW.replace(hour=21)
    hour = make_hour(line, start, hours=6)
    monday = start.astimezone(line.zone).weekday()
    night = {"tz": line.tz}
    Availability.add_weekly(
        anna,
        "preferred",
        [monday],
        start.replace(hour=20).time(),
        start.replace(hour=6).time(),
        **night,
    )

    said = said_by([anna.pk], hour.start, hour.end)[anna.pk]
    assert said.about(hour.start, hour.end) == "preferred"

    next_day = (monday + 1) % 7
    Availability.add_weekly(
        anna,
        "unavailable",
        [next_day],
        start.replace(hour=0).time(),
        start.replace(hour=2).time(),
        **night,
    )
    said = said_by([anna.pk], hour.start, hour.end)[anna.pk]
    assert said.about(hour.start, hour.end) == "unavailable"
