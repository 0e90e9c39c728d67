"""The page of one hour: a part of it, exchanges, and what is done for somebody else."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from institutions.models import AuditEvent, Institution, StaffMail, User
from roster.models import ConsultationHour, CoverRequest, RosterRefused, ServiceLine
from tests.people import make_user, sign_in
from tests.roster.hour_page import on_duty, page, press, said, soon


@pytest.fixture
def hour(line: ServiceLine) -> ConsultationHour:
    return soon(line)


def wall(hour: ConsultationHour, minutes: int) -> str:
    """So many minutes after the beginning, on the wall clock of the line."""
    moment = (hour.start + timedelta(minutes=minutes)).astimezone(hour.line.zone)
    return f"{moment:%H:%M}"


def spans(hour: ConsultationHour) -> list[tuple[str, int, int]]:
    """Who is there, from which minute until which."""
    minute = timedelta(minutes=1)
    return [
        (
            duty.worker.chat_name,
            (duty.start - hour.start) // minute,
            (duty.end - hour.start) // minute,
        )
        for duty in hour.duties.active().select_related("worker").order_by("start", "pk")
    ]


def test_a_coordinator_fills_a_part_and_then_the_hole_beside_it(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User, bilal: User, dirk: User
) -> None:
    seat = hour.seats.get(no=1)
    half = {"start": wall(hour, 0), "end": wall(hour, 60)}
    shown = page(edith, hour, seat=seat.pk, **half)
    assert f"Alleen van {half['start']} tot {half['end']}" in shown
    assert f'name="end" value="{half["end"]}"' in shown

    worker = f"{anna.pk}:{zuid.pk}"
    said(press(edith, hour, "assign", seat=seat.pk, worker=worker, **half), "is ingedeeld")

    assert spans(hour) == [("Anna", 0, 60)]
    rest = {"start": wall(hour, 60), "end": wall(hour, 120)}
    assert f"{rest['start']} – {rest['end']} leeg" in page(edith, hour)
    said(press(bilal, hour, "take", seat=seat.pk, **rest), "Deze dienst is van jou.")
    assert spans(hour) == [("Anna", 0, 60), ("Bilal", 60, 120)]
    assert {duty.seat_id for duty in hour.duties.all()} == {seat.pk}
    assert "leeg</span>" not in page(edith, hour).partition("Plek 2")[0]


def test_a_coordinator_replaces_a_part_of_a_duty(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User, bilal: User
) -> None:
    duty = hour.fill(anna, zuid)
    part = {"start": wall(hour, 60), "end": wall(hour, 120)}
    shown = page(edith, hour, duty=duty.pk, **part)
    assert f"Alleen van {part['start']} tot {part['end']}" in shown

    worker = f"{bilal.pk}:{zuid.pk}"
    said(press(edith, hour, "replace", duty=duty.pk, worker=worker, **part), "dat deel")

    assert spans(hour) == [("Anna", 0, 60), ("Bilal", 60, 120)]


def test_a_time_outside_the_hour_is_refused(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User
) -> None:
    wrong = {"start": wall(hour, 60), "end": wall(hour, 180)}
    worker = f"{anna.pk}:{zuid.pk}"
    assert "valt niet binnen het spreekuur" in page(edith, hour, **wrong)
    said(press(edith, hour, "assign", worker=worker, **wrong), "valt niet binnen het spreekuur")
    said(press(anna, hour, "take", start="nonsense"), "valt niet binnen het spreekuur")
    assert on_duty(hour) == []


def test_a_coordinator_asks_for_a_worker_and_that_can_be_seen(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User, bilal: User
) -> None:
    duty = hour.fill(anna, zuid)
    assert f"?for={duty.pk}#asking" in page(edith, hour)
    shown = page(edith, hour, **{"for": duty.pk})
    assert f"Je doet dit voor {anna.name}" in shown

    part = {"start": wall(hour, 0), "end": wall(hour, 60)}
    said(press(edith, hour, "ask_part", duty=duty.pk, **part), "voor dat deel")

    request = duty.cover_requests.get()
    assert (request.kind, request.requested_by) == ("part", edith)
    assert f"gevraagd door {edith.name}" in page(anna, hour)
    assert f"voor {part['start']} – {part['end']}" in page(bilal, hour)
    assert AuditEvent.objects.filter(actor=edith, person=anna, detail__startswith="cover_asked")
    press(bilal, hour, "claim", request=request.pk)
    assert spans(hour) == [("Bilal", 0, 60), ("Anna", 60, 120)]


def test_a_coordinator_asks_one_colleague_for_a_worker(
    hour: ConsultationHour, zuid: Institution, edith: User, anna: User, bilal: User, carla: User
) -> None:
    duty = hour.fill(anna, zuid)

    assert press(edith, hour, "ask_one", duty=duty.pk, to=carla.pk).status_code == 403
    said(press(edith, hour, "ask_one", duty=duty.pk, to=bilal.pk), "krijgt de vraag")

    assert duty.cover_requests.get().to_worker == bilal


def other_hour(line: ServiceLine, hour: ConsultationHour, days: int = 1) -> ConsultationHour:
    later = timedelta(days=days)
    return ConsultationHour.plan_extra(line, hour.start + later, hour.end + later)


def test_a_coordinator_exchanges_two_duties_at_once_and_both_hear_it(
    line: ServiceLine,
    hour: ConsultationHour,
    zuid: Institution,
    edith: User,
    anna: User,
    bilal: User,
) -> None:
    duty = hour.fill(anna, zuid)
    later = other_hour(line, hour)
    other = later.fill(bilal, zuid)
    assert f'<option value="{other.pk}">' in page(edith, hour, **{"for": duty.pk})

    said(press(edith, hour, "exchange", duty=duty.pk, **{"with": other.pk}), "Geruild.")

    assert on_duty(hour) == [bilal]
    assert on_duty(later) == [anna]
    told = StaffMail.objects.values_list("to", flat=True)
    assert set(told) == {anna.pk, bilal.pk}
    assert "doet je collega nu" in StaffMail.objects.get(to=bilal).body
    people = AuditEvent.objects.filter(actor=edith, verb="roster").values_list("person", flat=True)
    assert set(people) == {anna.pk, bilal.pk}


def test_who_wants_to_exchange_is_answered_on_the_page(
    line: ServiceLine,
    hour: ConsultationHour,
    zuid: Institution,
    edith: User,
    anna: User,
    bilal: User,
    carla: User,
) -> None:
    duty = hour.fill(anna, zuid)
    later = other_hour(line, hour)
    other = later.fill(bilal, zuid)
    press(edith, hour, "ask_exchange", duty=duty.pk)
    request = duty.cover_requests.get()
    assert on_duty(hour) == [anna]

    assert f'<option value="{other.pk}">' in page(bilal, hour)
    assert 'value="claim_exchange"' not in page(carla, hour)
    stranger = press(carla, hour, "claim_exchange", request=request.pk, offered=other.pk)
    assert stranger.status_code == 403
    press(bilal, hour, "claim_exchange", request=request.pk, offered=other.pk)

    assert on_duty(hour) == [bilal]
    assert on_duty(later) == [anna]


def test_nobody_exchanges_or_asks_for_another_institutions_worker(
    line: ServiceLine,
    hour: ConsultationHour,
    zuid: Institution,
    maas: Institution,
    edith: User,
    anna: User,
    carla: User,
) -> None:
    mine, theirs = hour.fill(anna, zuid), other_hour(line, hour).fill(carla, maas)
    # Carla's duty is not even in the list of an institution that is not hers.
    assert f'<option value="{theirs.pk}">' not in page(edith, hour, **{"for": mine.pk})
    said(press(edith, hour, "exchange", duty=mine.pk, **{"with": theirs.pk}), "Kies een dienst")
    for person in (anna, carla):
        for action in ("ask_one", "exchange", "ask_exchange"):
            response = press(person, hour, action, duty=mine.pk, to=carla.pk)
            assert response.status_code == 403, action
    with pytest.raises(RosterRefused, match="not_yours"):
        CoverRequest.exchange(mine, theirs, edith)
    assert not CoverRequest.objects.exists()
    assert on_duty(hour) == [anna]


def test_a_taker_takes_a_claim_back_that_waits(
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
    press(carla, hour, "claim", request=request.pk)
    assert "Ik kan toch niet" in page(carla, hour)
    # Neither the giver nor the giver's coordinator can take back what another offered.
    assert press(anna, hour, "unclaim", request=request.pk).status_code == 403
    assert press(edith, hour, "unclaim", request=request.pk).status_code == 403

    said(press(carla, hour, "unclaim", request=request.pk), "Ingetrokken")

    request.refresh_from_db()
    assert (request.state, request.claimed_by) == ("open", None)
    assert "toch niet overnemen" in StaffMail.objects.filter(to=anna).latest("pk").body
    said(press(carla, hour, "unclaim", request=request.pk), "kan nu niet meer")
    assert on_duty(hour) == [anna]


# --- Seats between institutions ---------------------------------------------------------------------


def test_a_seat_is_offered_and_the_other_coordinator_says_yes(
    hour: ConsultationHour, zuid: Institution, maas: Institution, edith: User, anna: User
) -> None:
    greta = make_user("Greta", (maas, "coordinator"))
    seat = hour.seats.get(no=1)
    hour.seats.filter(pk=seat.pk).update(owed_by=zuid)
    assert 'value="offer"' in page(edith, hour)

    said(press(edith, hour, "offer", seat=seat.pk, institution=maas.pk), "krijgt de vraag")

    seat.refresh_from_db()
    assert (seat.owed_by, seat.offered_to) == (zuid, maas)
    assert "Welzijn Zuid vraagt" in StaffMail.objects.get(to=greta).body
    assert "Ja, neem over" in page(greta, hour)
    assert "Ja, neem over" not in page(edith, hour)
    # A worker, and whoever offered it, cannot say yes for Maas.
    for person in (anna, edith):
        response = press(person, hour, "owe", seat=seat.pk, institution=maas.pk)
        assert response.status_code == 403
    said(press(greta, hour, "owe", seat=seat.pk, institution=maas.pk), "nu van Maaskracht")
    seat.refresh_from_db()
    assert (seat.owed_by, seat.offered_to) == (maas, None)
    assert StaffMail.objects.filter(to=edith, kind="seat_given").exists()


def test_a_seat_that_was_offered_stays_when_the_other_says_no(
    hour: ConsultationHour, zuid: Institution, maas: Institution, edith: User
) -> None:
    greta = make_user("Greta", (maas, "coordinator"))
    seat = hour.seats.get(no=1)
    hour.seats.filter(pk=seat.pk).update(owed_by=zuid)
    press(edith, hour, "offer", seat=seat.pk, institution=maas.pk)

    said(press(greta, hour, "keep", seat=seat.pk), "blijft van wie hij was")

    seat.refresh_from_db()
    assert (seat.owed_by, seat.offered_to) == (zuid, None)
    assert "blijft van Welzijn Zuid" in StaffMail.objects.get(to=edith).body
    assert press(greta, hour, "offer", seat=seat.pk, institution=maas.pk).status_code == 403
    # Who asked may stop asking, and there is nothing left to answer.
    press(edith, hour, "offer", seat=seat.pk, institution=maas.pk)
    press(edith, hour, "keep", seat=seat.pk)
    said(press(edith, hour, "keep", seat=seat.pk), "kan nu niet meer")


def test_the_page_asks_as_much_for_a_full_hour_as_for_an_empty_one(
    line: ServiceLine,
    hour: ConsultationHour,
    zuid: Institution,
    dirk: User,
    anna: User,
    bilal: User,
    carla: User,
    maas: Institution,
    django_assert_max_num_queries: Any,
) -> None:
    duty = hour.fill(anna, zuid, by=dirk)
    other_hour(line, hour).fill(bilal, zuid)
    client = sign_in(dirk)
    address = f"/roster/hours/{hour.pk}/?for={duty.pk}"
    client.get(address)
    with CaptureQueriesContext(connection) as few:
        client.get(address)
    for worker, institution in ((bilal, zuid), (carla, maas)):
        one = hour.fill(worker, institution, by=dirk)
        one.ask_cover(dirk, kind=CoverRequest.Kind.EXCHANGE)
    for day in range(2, 9):
        other_hour(line, hour, day).fill(carla, maas)
    # What somebody may offer for an exchange is looked up once.
    with django_assert_max_num_queries(len(few) + 1):
        client.get(address)
