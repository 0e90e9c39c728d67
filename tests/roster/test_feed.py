"""The calendar feed: when somebody is on duty, for who has the address, and nothing else."""

import logging
from datetime import time, timedelta
from io import StringIO

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from icalendar import Calendar, Event

from institutions.models import Membership, User
from klikvoor.logs import Handler, LineFormatter
from roster.feed import calendar_of
from roster.models import ConsultationHour, Duty, FeedToken, ServiceLine
from roster.views import feed as feed_view
from tests.people import sign_in
from tests.roster.making import HOUR, NOW, make_duty, make_period

FEED = "roster_feed"
# In time for everything.
EARLIER = NOW - timedelta(days=5)


def events(worker: User) -> dict[str, Event]:
    calendar = Calendar.from_ical(calendar_of(worker, NOW))
    return {str(event["uid"]): event for event in calendar.walk("VEVENT")}


def address_of(worker: User) -> str:
    return reverse("roster_feed_ics", args=[FeedToken.make(worker)[1]])


def test_a_duty_is_an_event_in_utc_that_tells_only_when(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna)

    event = events(anna)[duty.uid]

    assert event.start == duty.start
    assert event.end == duty.end
    assert event["summary"] == "Dienst"
    assert event["status"] == "CONFIRMED"
    text = calendar_of(anna, NOW).decode()
    assert "DTSTART:20260302T180000Z\r\n" in text
    for secret in ("Anna", "Zuid", "chat", line.name, "example.org"):
        assert secret not in text


def test_who_waits_for_cover_is_still_on_duty(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna)
    Duty.objects.filter(pk=duty.pk).update(status="cover_wanted")

    assert events(anna)[duty.uid]["status"] == "CONFIRMED"
    assert events(anna)[duty.uid]["summary"] == "Dienst (vervanging gevraagd)"


@pytest.mark.parametrize("status", ["sick", "released", "replaced"])
def test_what_is_gone_stays_as_cancelled(line: ServiceLine, anna: User, status: str) -> None:
    duty = make_duty(line, anna)
    Duty.objects.filter(pk=duty.pk).update(status=status)

    assert events(anna)[duty.uid]["status"] == "CANCELLED"


def test_an_event_keeps_its_name_and_its_number_rises_when_the_hour_moves(
    line: ServiceLine, anna: User, dirk: User
) -> None:
    duty = make_duty(line, anna)
    before = events(anna)[duty.uid]
    hour = duty.hour

    hour.move(dirk, hour.local_date + timedelta(days=1), time(20), time(22, 30), now=EARLIER)

    (moved,) = events(anna).values()
    assert moved["uid"] == before["uid"]
    assert moved.start == before.start + timedelta(days=1, hours=1)
    assert moved["sequence"] > before["sequence"]
    assert moved["status"] == "CONFIRMED"


def test_a_cancelled_hour_cancels_its_events(line: ServiceLine, anna: User, dirk: User) -> None:
    duty = make_duty(line, anna)
    before = events(anna)[duty.uid]

    duty.hour.cancel(dirk, now=EARLIER)

    (cancelled,) = events(anna).values()
    assert cancelled["status"] == "CANCELLED"
    assert cancelled["sequence"] > before["sequence"]


def test_so_does_one_that_is_cancelled_too_late_to_be_free(
    line: ServiceLine, anna: User, dirk: User
) -> None:
    duty = make_duty(line, anna)

    duty.hour.cancel(dirk, now=NOW - HOUR)

    assert events(anna)[duty.uid]["status"] == "CANCELLED"


def test_a_taken_duty_moves_to_the_calendar_of_the_taker(
    line: ServiceLine, anna: User, bilal: User
) -> None:
    duty = make_duty(line, anna)
    asked = duty.ask_cover(anna, kind="give_away", now=EARLIER)
    asked.claim(bilal, duty.credited_to, EARLIER)

    assert events(anna)[duty.uid]["status"] == "CANCELLED"
    (taken,) = events(bilal).values()
    assert taken["status"] == "CONFIRMED"
    assert taken["uid"] != duty.uid


def test_only_a_published_plan_is_told(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna)
    period = make_period(line)
    ConsultationHour.objects.update(period=period)
    assert not events(anna)

    type(period).objects.update(state="published", published_at=NOW)
    assert set(events(anna)) == {duty.uid}

    Duty.objects.update(status="proposed")
    assert not events(anna)


def test_it_looks_thirty_days_back_and_half_a_year_ahead(line: ServiceLine, anna: User) -> None:
    shown = [make_duty(line, anna, NOW + timedelta(days=days)).uid for days in (-29, 179)]
    for days in (-31, 181):
        make_duty(line, anna, NOW + timedelta(days=days))

    assert list(events(anna)) == shown


def test_the_night_of_the_clock_keeps_its_real_length(line: ServiceLine, anna: User) -> None:
    # From 01:00 to 04:00 in the night that the clock skips 02:00.
    start = NOW.replace(month=3, day=29, hour=0)
    hour = ConsultationHour.plan_extra(line, start, start + 2 * HOUR, min_staff=1, target_staff=1)
    membership = anna.memberships.get()
    assert membership.institution is not None
    duty = hour.fill(anna, membership.institution, now=NOW)

    event = events(anna)[duty.uid]

    assert event.end - event.start == 2 * HOUR


def test_a_worker_makes_uses_and_revokes_an_address(line: ServiceLine, anna: User) -> None:
    now = timezone.now().replace(second=0, microsecond=0)
    duty = make_duty(line, anna, now)
    page = sign_in(anna)
    assert "Je hebt nog geen adres." in page.get(reverse(FEED)).content.decode()

    made = page.post(reverse(FEED), {"action": "make"})
    address = made.context["address"]
    assert address in made.content.decode()
    assert address not in page.get(reverse(FEED)).content.decode(), "shown once"
    assert "Nog niet" in page.get(reverse(FEED)).content.decode()

    anybody = Client()
    answer = anybody.get(address)
    assert answer.status_code == 200
    assert answer["Content-Type"] == "text/calendar; charset=utf-8"
    assert duty.uid in answer.content.decode()
    assert not answer.cookies
    assert "Nog niet" not in page.get(reverse(FEED)).content.decode()

    page.post(reverse(FEED), {"action": "revoke"})
    assert anybody.get(address).status_code == 404


def test_a_new_address_ends_the_one_before(line: ServiceLine, anna: User) -> None:
    old = address_of(anna)
    new = address_of(anna)

    assert Client().get(old).status_code == 404
    assert Client().get(new).status_code == 200
    assert FeedToken.objects.valid().filter(user=anna).count() == 1


def test_somebody_elses_address_is_not_touched(line: ServiceLine, anna: User, bilal: User) -> None:
    address = address_of(anna)
    make_duty(line, bilal, timezone.now().replace(second=0, microsecond=0))

    sign_in(bilal).post(reverse(FEED), {"action": "revoke"})

    assert "VEVENT" not in Client().get(address).content.decode()


def test_who_is_shut_out_or_works_nowhere_has_no_calendar(anna: User, bilal: User) -> None:
    shut_out, left = address_of(anna), address_of(bilal)
    User.objects.filter(pk=anna.pk).update(is_active=False)
    Membership.objects.filter(user=bilal).delete()

    assert Client().get(shut_out).status_code == 404
    assert Client().get(left).status_code == 404


def test_a_wrong_address_is_not_there(anna: User) -> None:
    wrong = reverse("roster_feed_ics", args=["x" * 43])

    assert Client().get(wrong).status_code == 404
    assert Client().post(address_of(anna)).status_code == 405


def test_who_asks_all_the_time_has_to_wait(line: ServiceLine, anna: User, bilal: User) -> None:
    address = address_of(anna)
    answers = [Client().get(address) for _ in range(feed_view.REQUESTS + 1)]

    assert [one.status_code for one in answers] == [200] * feed_view.REQUESTS + [429]
    assert answers[-1]["Retry-After"] == "60"
    assert Client().get(address_of(bilal)).status_code == 200


def test_a_failure_does_not_write_the_address_down(
    anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = address_of(anna)

    def fail(*args: object) -> bytes:
        raise RuntimeError(address)

    monkeypatch.setattr(feed_view, "calendar_of", fail)
    written = StringIO()
    ours = Handler(written)
    ours.setFormatter(LineFormatter())
    logging.getLogger("django.request").addHandler(ours)
    try:
        answer = Client(raise_request_exception=False).get(address)
    finally:
        logging.getLogger("django.request").removeHandler(ours)

    assert answer.status_code == 500
    assert "RuntimeError" in written.getvalue()
    assert address.rsplit("/", 1)[-1] not in written.getvalue()
