"""The demonstration: filled at every start, open at every start, and never without DEMO."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.utils import timezone

from chat.models import QuickReply
from chat.queue import opening_of
from institutions.models import Brand, Institution, Membership, User
from klikvoor.demo import keep_colleagues_present
from klikvoor.demo.plan import OPEN_FOR
from klikvoor.demo.quarter import settle_as_worked
from klikvoor.tick import jobs
from roster.models import (
    ConsultationHour,
    CoverRequest,
    Duty,
    HoursRule,
    OpenOverride,
    Presence,
    RosterPeriod,
    Seat,
    ServiceLine,
)
from roster.opening import Opening, Reason, State
from triage.models import Questionnaire


@pytest.fixture
def demo(settings: Any, monkeypatch: pytest.MonkeyPatch, db: None) -> None:
    settings.DEMO = True
    # A shorter plan than usual is made faster.
    monkeypatch.setattr("roster.jobs.HORIZON_DAYS", 3)


def fill() -> Opening:
    call_command("demo", verbosity=0)
    line = ServiceLine.objects.get()
    return opening_of(line, timezone.now())


def rows() -> dict[str, int]:
    models = (
        User,
        Institution,
        Membership,
        Brand,
        ServiceLine,
        HoursRule,
        ConsultationHour,
        Duty,
        QuickReply,
        Questionnaire,
        Presence,
    )
    return {model.__name__: model.objects.count() for model in models}


def test_without_demo_nobody_is_made_up(db: None) -> None:
    with pytest.raises(CommandError, match="DEMO=1"):
        call_command("demo")
    with pytest.raises(RuntimeError):
        keep_colleagues_present(timezone.now())
    assert not User.objects.exists()


def test_everything_that_a_newcomer_needs_is_there(demo: None) -> None:
    assert fill().admits
    counts = rows()
    assert (counts["Institution"], counts["User"], counts["Brand"]) == (3, 7, 1)
    assert counts["QuickReply"] >= 12
    assert QuickReply.objects.exclude(institution=None).count() == 3
    anna = User.objects.get(email="anna@demo.klikvoor.example")
    assert not anna.has_usable_password()
    assert anna.duties.active().covering(timezone.now()).exists()
    dirk = User.objects.get(email="dirk@demo.klikvoor.example")
    assert {m.institution and m.institution.name for m in dirk.memberships.all()} == {
        None,
        "Welzijn Zuid",
    }


# Ordinary times, around midnight, in the week's own hours, on both change nights (Amsterdam).
MOMENTS = [
    datetime(2026, 11, 21, 9, 3, 30, tzinfo=UTC),
    datetime(2026, 11, 21, 22, 2, tzinfo=UTC),
    datetime(2026, 11, 21, 22, 59, 59, tzinfo=UTC),
    datetime(2026, 11, 21, 23, 0, tzinfo=UTC),
    datetime(2026, 11, 21, 23, 2, tzinfo=UTC),
    datetime(2026, 11, 23, 17, 58, tzinfo=UTC),
    datetime(2026, 11, 23, 18, 0, tzinfo=UTC),
    datetime(2026, 11, 23, 20, 50, tzinfo=UTC),
    datetime(2026, 11, 23, 21, 3, tzinfo=UTC),
    datetime(2026, 11, 25, 15, 10, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 30, tzinfo=UTC),
    datetime(2026, 3, 29, 0, 58, tzinfo=UTC),
    datetime(2026, 10, 24, 23, 45, tzinfo=UTC),
    datetime(2026, 10, 25, 0, 40, tzinfo=UTC),
    datetime(2026, 10, 25, 1, 20, tzinfo=UTC),
]


@pytest.mark.parametrize("start", MOMENTS, ids=str)
def test_the_chat_is_open_at_every_start(
    demo: None, start: datetime, kind_of_database: str
) -> None:
    """Started, again after ten minutes, when the hour is nearly over, and the next day."""
    if kind_of_database == "postgresql" and start not in MOMENTS[:3]:
        pytest.skip("about the clock: SQLite tries every moment, PostgreSQL three")
    for later in (0, 10, 110, 24 * 60):
        now = start + timedelta(minutes=later)
        with time_machine.travel(now, tick=False):
            opening = fill()
            assert (opening.state, opening.admits) == (State.OPEN, True), f"{later} min"
            assert opening.until is not None
            assert opening.until >= now + OPEN_FOR
            assert opening.until <= now + timedelta(hours=12)
            hours = list(ConsultationHour.objects.planned().order_by("start"))
            for one, next_one in pairwise(hours):
                assert one.end <= next_one.start, "hours of the demonstration never overlap"


def test_a_second_start_adds_nothing(demo: None) -> None:
    with time_machine.travel(MOMENTS[0], tick=False):
        fill()
        before = rows()
        fill()
        assert rows() == before


def test_there_is_a_published_period_with_a_plan(demo: None) -> None:
    with time_machine.travel(MOMENTS[0], tick=False):
        fill()
        line = ServiceLine.objects.get()
        period = line.periods.get()
        assert (period.state, period.versions.count()) == ("published", 1)
        assert period.first_date <= line.today(timezone.now()) < period.last_date
        owed = Seat.objects.filter(hour__period=period).values("owed_by")
        assert owed.exclude(owed_by=None).distinct().count() == 3
        assert CoverRequest.objects.get().state == "open"
    # When it is over, the next one begins on the day after it.
    with time_machine.travel(MOMENTS[0] + timedelta(days=20), tick=False):
        assert fill().admits
        assert line.periods.count() == 2
        assert line.periods.last().is_public


def test_a_draft_that_somebody_tried_does_not_close_the_chat(demo: None) -> None:
    with time_machine.travel(MOMENTS[0], tick=False):
        fill()
        RosterPeriod.objects.update(state="draft", published_at=None)
        assert fill().admits


def test_a_later_start_makes_the_same_hour_longer(demo: None) -> None:
    with time_machine.travel(MOMENTS[0], tick=False):
        fill()
        before = rows()
    with time_machine.travel(MOMENTS[0] + timedelta(minutes=100), tick=False):
        fill()
        assert rows() == before


def test_what_somebody_tried_stays_but_a_closed_door_opens(demo: None) -> None:
    fill()
    User.objects.filter(email__startswith="anna").update(chat_name="Annie")
    QuickReply.objects.first().delete()
    replies = QuickReply.objects.count()
    OpenOverride.force(
        ServiceLine.objects.get(),
        is_open=False,
        until=timezone.now() + timedelta(hours=3),
        reason="Even proberen",
        author=User.objects.get(email__startswith="dirk"),
    )
    assert fill().admits
    assert User.objects.get(email__startswith="anna").chat_name == "Annie"
    assert QuickReply.objects.count() == replies


def test_colleagues_keep_the_desk_open_and_without_them_it_closes(demo: None) -> None:
    with time_machine.travel(MOMENTS[0], tick=False) as clock:
        fill()
        line = ServiceLine.objects.get()
        for _ in range(30):
            clock.shift(10)
            keep_colleagues_present(timezone.now())
            assert opening_of(line, timezone.now()).admits
        clock.shift(121)
        found = opening_of(line, timezone.now())
        assert (found.state, found.reason) == (State.INTERRUPTED, Reason.TOO_FEW_PRESENT)
        # A start that took long (a first install) does not make anybody wait again.
        keep_colleagues_present(timezone.now())
        assert opening_of(line, timezone.now()).admits


def test_made_up_people_were_there_in_an_hour_that_ends_while_it_is_served(demo: None) -> None:
    settle = next(job.run for job in jobs() if job.run.__name__ == "settle_as_worked")
    assert "settle_hours" not in {job.run.__name__ for job in jobs()}
    with time_machine.travel(MOMENTS[0], tick=False) as clock:
        fill()
        clock.shift(timedelta(days=2))
        over = Duty.objects.filter(end__lte=timezone.now(), status__in=Duty.ACTIVE)
        assert (count := over.count()) > 3
        settle(timezone.now())
    assert Duty.objects.filter(status=Duty.Status.DONE).count() > count * 0.8
    assert Duty.objects.filter(status=Duty.Status.NO_SHOW).count() <= 2


def test_outside_a_demonstration_nobody_was_there(db: None) -> None:
    with pytest.raises(RuntimeError):
        settle_as_worked(timezone.now())
    assert "settle_hours" in {job.run.__name__ for job in jobs()}


def test_a_colleague_whom_somebody_plays_may_pause(demo: None) -> None:
    fill()
    els = User.objects.get(email__startswith="els")
    now = timezone.now()
    Presence.renew(els.pk, now=now, state=Presence.State.PAUSED)
    keep_colleagues_present(now + timedelta(seconds=10))
    assert Presence.objects.get(worker=els).state == Presence.State.PAUSED
    keep_colleagues_present(now + timedelta(minutes=2))
    assert Presence.objects.get(worker=els).state == Presence.State.AVAILABLE
