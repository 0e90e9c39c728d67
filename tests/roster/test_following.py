"""Registered presence follows the leases at the desk, and says what was really there."""

from datetime import datetime, timedelta

import pytest

from chat import jobs as chat_jobs
from chat.models import Conversation
from institutions.models import User
from roster.jobs import KEEP_STRETCHES, follow_presence, purge_stretches, settle_hours
from roster.models import LEASE, ConsultationHour, DutyPresence, Presence, ServiceLine
from tests.people import rights_of
from tests.roster.making import HOUR, NOW, make_duty, make_hour
from tests.roster.settling import put_on

SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
READY, PAUSED = Presence.State.AVAILABLE, Presence.State.PAUSED


def be_there(worker: User, now: datetime, state: str = READY) -> None:
    Presence.renew(worker.pk, now=now, state=state)


def stretches(worker: User) -> list[tuple[str, float, float | None]]:
    """State, begin and end of each, in seconds from the start of the hour."""
    return [
        (
            one.state,
            (one.start - NOW).total_seconds(),
            one.end and (one.end - NOW).total_seconds(),
        )
        for one in DutyPresence.objects.filter(worker=worker)
    ]


def test_who_is_at_the_desk_in_an_hour_is_registered_with_the_duty(
    line: ServiceLine, anna: User, bilal: User
) -> None:
    duty = make_duty(line, anna)
    be_there(anna, NOW)
    be_there(bilal, NOW, PAUSED)
    assert follow_presence(NOW) == 2
    assert follow_presence(NOW + SECOND) == 0
    hers, his = DutyPresence.objects.get(worker=anna), DutyPresence.objects.get(worker=bilal)
    assert (hers.hour, hers.duty, hers.state, hers.end) == (duty.hour, duty, "ready", None)
    assert (his.hour, his.duty, his.state) == (duty.hour, None, "paused")


def test_nobody_is_registered_while_no_hour_goes_on(line: ServiceLine, anna: User) -> None:
    hour = make_duty(line, anna, NOW + HOUR).hour
    be_there(anna, NOW)
    assert follow_presence(NOW) == 0
    ConsultationHour.objects.update(status="cancelled", cancelled_at=NOW)
    be_there(anna, hour.start)
    assert follow_presence(hour.start) == 0


def test_each_state_is_a_stretch_of_its_own(line: ServiceLine, anna: User) -> None:
    make_duty(line, anna)
    be_there(anna, NOW)
    follow_presence(NOW)
    be_there(anna, NOW + 10 * SECOND)
    follow_presence(NOW + 10 * SECOND, busy={anna.pk})
    be_there(anna, NOW + 20 * SECOND, PAUSED)
    follow_presence(NOW + 20 * SECOND, busy={anna.pk})
    follow_presence(NOW + 25 * SECOND)
    assert stretches(anna) == [("ready", 0, 10), ("busy", 10, 25), ("paused", 25, None)]


def test_a_stretch_ends_when_the_lease_ran_out_however_late_that_is_seen(
    line: ServiceLine, anna: User
) -> None:
    make_duty(line, anna)
    be_there(anna, NOW)
    follow_presence(NOW)
    be_there(anna, NOW + 20 * SECOND)
    assert follow_presence(NOW + 49 * SECOND) == 0
    assert follow_presence(NOW + 40 * MINUTE) == 1
    assert stretches(anna) == [("ready", 0, 50)]
    be_there(anna, NOW + 41 * MINUTE)
    follow_presence(NOW + 41 * MINUTE)
    assert stretches(anna)[1:] == [("ready", 41 * 60, None)]


def test_a_page_that_is_loaded_again_leaves_no_hole(line: ServiceLine, anna: User) -> None:
    make_duty(line, anna)
    be_there(anna, NOW)
    follow_presence(NOW)
    be_there(anna, NOW + LEASE - SECOND)
    follow_presence(NOW + LEASE)
    assert stretches(anna) == [("ready", 0, None)]


def test_after_an_outage_who_came_back_was_never_away(line: ServiceLine, anna: User) -> None:
    """The job judges leases, so it runs only once people could renew theirs."""
    make_duty(line, anna)
    be_there(anna, NOW)
    follow_presence(NOW)
    be_there(anna, NOW + 20 * MINUTE)
    follow_presence(NOW + 20 * MINUTE + SECOND)
    assert stretches(anna) == [("ready", 0, None)]


def test_a_stretch_ends_with_its_hour(line: ServiceLine, anna: User) -> None:
    hour = make_duty(line, anna).hour
    be_there(anna, NOW)
    follow_presence(NOW)
    be_there(anna, hour.end + MINUTE)
    follow_presence(hour.end + MINUTE)
    assert stretches(anna) == [("ready", 0, 7200)]


def test_the_next_hour_begins_a_stretch_of_its_own(line: ServiceLine, anna: User) -> None:
    make_duty(line, anna)
    second = make_duty(line, anna, NOW + 2 * HOUR)
    be_there(anna, NOW + HOUR)
    follow_presence(NOW + HOUR)
    be_there(anna, second.start)
    follow_presence(second.start + 5 * SECOND)
    assert stretches(anna) == [("ready", 3600, 7200), ("ready", 7205, None)]
    assert DutyPresence.objects.running().get().duty == second


def test_a_duty_that_ends_midway_is_not_followed_further(line: ServiceLine, anna: User) -> None:
    duty = make_duty(line, anna)
    be_there(anna, NOW)
    follow_presence(NOW)
    duty.end = NOW + HOUR
    duty.save()
    be_there(anna, NOW + HOUR + MINUTE)
    follow_presence(NOW + HOUR + MINUTE)
    assert stretches(anna) == [("ready", 0, 3600), ("ready", 3660, None)]
    assert DutyPresence.objects.running().get().duty is None


def test_who_is_absent_from_now_on_is_followed_without_the_duty(
    line: ServiceLine, anna: User
) -> None:
    duty = make_duty(line, anna)
    be_there(anna, NOW)
    follow_presence(NOW)
    duty.status = "sick"
    duty.save()
    follow_presence(NOW + 10 * SECOND)
    assert [one.duty for one in DutyPresence.objects.filter(worker=anna)] == [duty, None]


def test_two_lines_at_once_are_told_apart(line: ServiceLine, anna: User, bilal: User) -> None:
    other = ServiceLine.objects.create(name="Opvoeding")
    first, second = make_hour(line), make_hour(other)
    duties = {anna.pk: put_on(second, anna), bilal.pk: put_on(first, bilal)}
    for worker in (anna, bilal):
        be_there(worker, NOW)
    follow_presence(NOW)
    assert {one.worker_id: one.duty for one in DutyPresence.objects.all()} == duties


def test_a_clock_that_went_back_leaves_no_stretch_behind(line: ServiceLine, anna: User) -> None:
    make_duty(line, anna)
    be_there(anna, NOW)
    follow_presence(NOW + 10 * SECOND)
    follow_presence(NOW + 5 * SECOND, busy={anna.pk})
    assert stretches(anna) == [("busy", 5, None)]


def test_following_costs_the_same_however_many_there_are(
    line: ServiceLine, anna: User, bilal: User, django_assert_num_queries: object
) -> None:
    hour = make_hour(line)
    for number, worker in enumerate((anna, bilal), start=1):
        put_on(hour, worker, number)
        be_there(worker, NOW)
    follow_presence(NOW)
    with django_assert_num_queries(5):  # type: ignore[operator]
        follow_presence(NOW + SECOND)


def test_when_people_were_there_is_forgotten_once_it_was_measured(
    line: ServiceLine, anna: User
) -> None:
    hour = make_duty(line, anna).hour
    be_there(anna, NOW)
    follow_presence(NOW)
    follow_presence(hour.end)
    later = hour.end + KEEP_STRETCHES
    assert purge_stretches(later) == 0
    settle_hours(later)
    assert purge_stretches(later) == 1
    assert purge_stretches(later) == 0


@pytest.mark.usefixtures("open_hour")
def test_the_chat_says_who_is_in_a_conversation(
    active_conversation: Conversation, anna: User, bilal: User
) -> None:
    now = Presence.objects.get(worker=anna).seen_at
    assert chat_jobs.follow_presence(now) == 2
    assert DutyPresence.objects.get(worker=anna).state == "busy"
    assert DutyPresence.objects.get(worker=bilal).state == "ready"
    active_conversation.close(
        rights_of(anna), reason="finished", contact_kind="about_self", topic="peers"
    )
    chat_jobs.follow_presence(now + SECOND)
    assert DutyPresence.objects.running().get(worker=anna).state == "ready"
