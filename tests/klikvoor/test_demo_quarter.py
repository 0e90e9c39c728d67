"""The demonstration in its real size: filled once, open, with a past that adds up."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.mail import EmailMessage, get_connection
from django.core.management import call_command
from django.db.models import F, Sum
from django.test import Client
from django.utils import timezone

from chat.queue import opening_of
from institutions.models import Institution, Membership, StaffMail, User
from klikvoor.demo.people import COORDINATOR, WORKERS
from roster import coverage, jobs
from roster.models import (
    Absence,
    Availability,
    ConsultationHour,
    CoverRequest,
    Duty,
    DutyPresence,
    HoursEntry,
    LedgerEntry,
    Seat,
    ServiceLine,
    ShareKey,
)
from roster.opening import State

MODELS = (
    User,
    Institution,
    Membership,
    ShareKey,
    ConsultationHour,
    Seat,
    Duty,
    DutyPresence,
    HoursEntry,
    LedgerEntry,
    CoverRequest,
    Absence,
    Availability,
    StaffMail,
)


@pytest.fixture(autouse=True)
def demo(settings: Any, db: None) -> None:
    settings.DEMO = True


def rows() -> dict[str, int]:
    return {model.__name__: model.objects.count() for model in MODELS}


def fill() -> dict[str, int]:
    call_command("demo", quarter=True, verbosity=0)
    opening = opening_of(ServiceLine.objects.get(), timezone.now())
    assert (opening.state, opening.admits) == (State.OPEN, True)
    return rows()


def test_the_quarter_has_a_past_that_adds_up_and_a_future_with_gaps(client: Client) -> None:
    # A Saturday evening: in an hour of the quarter, for which the desk is held as well.
    with time_machine.travel(datetime(2026, 11, 21, 18, 30, tzinfo=UTC), tick=False):
        now = timezone.now()
        counts = fill()
        assert counts["Institution"] == 36
        assert 140 <= counts["User"] <= 180
        assert counts["StaffMail"] < 10, "nobody who is made up is told anything"
        assert not any(user.has_usable_password() for user in User.objects.all())
        period = ServiceLine.objects.get().periods.get()
        assert period.is_public
        assert (period.last_date - period.first_date).days == 13 * 7 - 1
        assert period.shares.count() == 36
        owed = Seat.objects.filter(hour__period=period, owed_by__isnull=False)
        assert owed.values("owed_by").distinct().count() == 36

        assert jobs.unsettled(now) == []
        over = list(period.hours.filter(end__lte=now))
        assert over[0].start < now - timedelta(weeks=5)
        need = sum(hour.target_staff * hour.minutes for hour in over)
        done = sum(entry.minutes for entry in HoursEntry.objects.all())
        ledger = LedgerEntry.objects
        assert ledger.filter(kind="obligation").balance() == -need
        assert ledger.filter(kind="worked").balance() == done > 0.7 * need
        assert len(ledger.balances()) == 36
        # Where everybody came, all institutions together are even.
        entries = HoursEntry.objects.filter(measured_minutes=F("planned_minutes"))
        full = [
            hour for hour in over if entries.filter(duty__hour=hour).count() == hour.target_staff
        ]
        assert full
        for hour in full:
            worked = [f"duty:{duty.pk}" for duty in hour.duties.all()]
            of_hour = ledger.filter(source__in=[f"hour:{hour.pk}", *worked])
            assert of_hour.aggregate(sum=Sum("minutes"))["sum"] == 0

        ahead = coverage.of(period.hours.filter(start__gt=now, start__lt=now + timedelta(weeks=4)))
        levels = [covered.level for covered in ahead.values()]
        assert set(levels) == set(coverage.Level)
        assert levels.count(coverage.Level.ENOUGH) > len(levels) / 3
        assert CoverRequest.objects.open().count() >= 3
        assert HoursEntry.objects.claimed().exists()

        page = client.get("/accounts/login/").content.decode()
        assert page.count("/accounts/demo/") == 7
        for name, full_name, _employer in [*WORKERS, COORDINATOR]:
            assert name in page, full_name


def test_a_second_start_adds_nothing_and_a_later_one_only_what_happened_since(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # A shorter plan than usual is made faster.
    monkeypatch.setattr("klikvoor.demo.quarter.WEEKS", 5)
    monkeypatch.setattr("klikvoor.demo.quarter.WEEKS_BEFORE", 1)
    with time_machine.travel(datetime(2026, 11, 25, 3, 10, tzinfo=UTC), tick=False) as clock:
        before = fill()
        assert fill() == before
        clock.shift(timedelta(days=3))
        after = fill()
        for name in ("User", "Institution", "ShareKey", "CoverRequest", "Absence", "Availability"):
            assert after[name] == before[name]
        assert after["HoursEntry"] > before["HoursEntry"]
        assert jobs.unsettled(timezone.now()) == []
        # The desk is held in an hour of the quarter too, and in the gap before it.
        clock.shift(timedelta(hours=14, minutes=20))
        fill()
        clock.shift(timedelta(days=1))
        fill()
        assert jobs.unsettled(timezone.now()) == []


def test_mail_of_the_demonstration_is_written_for_those_whom_one_may_be(
    settings: Any, tmp_path: Path
) -> None:
    settings.EMAIL_FILE_PATH = str(tmp_path)
    connection = get_connection("klikvoor.demo.mail.EmailBackend")
    for name in ("medewerker12", "anna"):
        to = [f"{name}@demo.klikvoor.example"]
        assert EmailMessage("Rooster", "Tekst", to=to, connection=connection).send() == 1
    (file,) = tmp_path.iterdir()
    assert "anna@" in file.read_text()
    assert "medewerker" not in file.read_text()
