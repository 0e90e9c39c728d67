"""From rows to the answer, and the memory of it."""

import threading
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from django.db import DatabaseError, connection, connections
from django.utils import timezone

from institutions.models import Institution, User
from roster import opening
from roster.models import (
    ConsultationHour,
    Duty,
    OpeningLog,
    OpeningState,
    OpenOverride,
    Presence,
    ServiceLine,
)
from roster.opening import Load, Reason, State, evaluate, look
from tests.people import be_present, open_hour_for

ROOM = Load(free_places=4, waiting=0, wait_minutes=0)


def seconds(number: int) -> timedelta:
    return timedelta(seconds=number)


def test_open_needs_an_hour_with_workers_who_are_there(
    line: ServiceLine, open_hour: ConsultationHour
) -> None:
    found = look(line, ROOM, timezone.now())
    assert (found.state, found.admits) == (State.OPEN, True)
    assert found.until == open_hour.end
    assert found.numbers == {
        "rostered": 2,
        "needed": 1,
        "present": 2,
        "present_anybody": 2,
        "free_places": 4,
        "waiting": 0,
        "wait_minutes": 0,
    }


def test_without_anything_it_is_closed(line: ServiceLine) -> None:
    found = look(line, ROOM, timezone.now())
    assert (found.state, found.reason, found.next_start) == (State.CLOSED, Reason.NO_HOUR, None)


def test_only_who_has_a_duty_now_counts(line: ServiceLine, anna: User, carla: User) -> None:
    open_hour_for(line, anna)
    be_present(carla)
    found = look(line, ROOM, timezone.now())
    assert not found.admits
    assert (found.numbers["present"], found.numbers["present_anybody"]) == (0, 1)


@pytest.mark.parametrize("status", [status for status in Duty.Status if status not in Duty.ACTIVE])
def test_a_duty_that_does_not_hold_does_not_count(
    line: ServiceLine, anna: User, status: str
) -> None:
    open_hour_for(line, anna)
    be_present(anna)
    assert look(line, ROOM, timezone.now()).admits
    Duty.objects.update(status=status)
    assert look(line, ROOM, timezone.now()).reason == Reason.TOO_FEW_ROSTERED


def test_a_paused_worker_is_not_there(line: ServiceLine, anna: User) -> None:
    open_hour_for(line, anna)
    be_present(anna)
    be_present(anna, state=Presence.State.PAUSED)
    found = look(line, ROOM, timezone.now())
    assert not found.admits
    assert found.numbers["present"] == 0


def test_a_disabled_worker_is_not_there(line: ServiceLine, anna: User) -> None:
    open_hour_for(line, anna)
    be_present(anna)
    User.objects.filter(pk=anna.pk).update(is_active=False)
    found = look(line, ROOM, timezone.now())
    assert (found.numbers["rostered"], found.numbers["present_anybody"]) == (0, 0)


def test_nobody_of_an_institution_that_stopped_is_there(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    open_hour_for(line, anna)
    be_present(anna)
    Institution.objects.update(is_active=False)
    assert look(line, ROOM, timezone.now()).numbers["present_anybody"] == 0


def test_a_cancelled_hour_is_no_hour(line: ServiceLine, open_hour: ConsultationHour) -> None:
    ConsultationHour.objects.update(
        status=ConsultationHour.Status.CANCELLED, cancelled_at=timezone.now()
    )
    found = look(line, ROOM, timezone.now())
    assert (found.state, found.reason) == (State.CLOSED, Reason.NO_HOUR)


def test_another_line_does_not_open_this_one(
    line: ServiceLine, open_hour: ConsultationHour
) -> None:
    other = ServiceLine.objects.create(name="Klikvoor opvoeding")
    assert look(other, ROOM, timezone.now()).state == State.CLOSED
    assert look(line, ROOM, timezone.now()).state == State.OPEN


def test_the_next_hour_is_the_first_with_enough_people(line: ServiceLine, anna: User) -> None:
    hour = open_hour_for(line, anna)
    before = hour.start - timedelta(hours=3)
    assert look(line, ROOM, before).next_start == hour.start
    ConsultationHour.objects.update(min_staff=2)
    assert look(line, ROOM, before).next_start is None


def test_part_of_an_hour_counts_for_that_part(line: ServiceLine, anna: User) -> None:
    hour = open_hour_for(line, anna)
    be_present(anna)
    Duty.objects.update(start=hour.start, end=timezone.now() - seconds(1))
    assert look(line, ROOM, timezone.now()).reason == Reason.TOO_FEW_ROSTERED


def test_looking_takes_the_same_queries_however_much_is_planned(
    line: ServiceLine,
    anna: User,
    bilal: User,
    open_hour: ConsultationHour,
    django_assert_num_queries: Callable,
) -> None:
    now = timezone.now()
    with django_assert_num_queries(5):
        look(line, ROOM, now)
    for day in range(1, 8):
        ConsultationHour.plan_extra(
            line, now + timedelta(days=day), now + timedelta(days=day, hours=1), min_staff=1
        ).fill(anna, anna.memberships.first().institution)
    with django_assert_num_queries(5):
        look(line, ROOM, now)


def test_when_the_database_does_not_answer_it_is_closed(
    line: ServiceLine, open_hour: ConsultationHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: object) -> None:
        raise DatabaseError("gone")

    monkeypatch.setattr(opening, "_present", broken)
    found = look(line, ROOM, timezone.now())
    assert (found.state, found.admits, found.reason) == (State.CLOSED, False, Reason.UNKNOWN)


# --- Memory and log ------------------------------------------------------------------------------


def test_a_change_is_logged_once_with_its_numbers(
    line: ServiceLine, open_hour: ConsultationHour
) -> None:
    now = timezone.now()
    assert evaluate(line, ROOM, now).changed
    assert not evaluate(line, ROOM, now + seconds(10)).changed
    row = OpeningLog.objects.get()
    assert (row.old, row.new, row.reason) == (State.CLOSED, State.OPEN, Reason.STAFFED)
    assert row.numbers["present"] == 2
    memory = OpeningState.objects.get()
    assert (memory.state, memory.since) == (State.OPEN, now)


def test_looking_remembers_nothing(line: ServiceLine, open_hour: ConsultationHour) -> None:
    look(line, ROOM, timezone.now())
    assert not OpeningState.objects.exists()
    assert not OpeningLog.objects.exists()


def test_a_new_reason_is_a_change_and_keeps_since(
    line: ServiceLine, open_hour: ConsultationHour
) -> None:
    now = timezone.now()
    evaluate(line, Load(0, 2, 20), now)
    assert evaluate(line, Load(0, 20, 110), now + seconds(10)).changed
    assert OpeningState.objects.get().since == now
    assert list(OpeningLog.objects.values_list("new", "reason")) == [
        (State.BUSY, Reason.QUEUE_FULL),
        (State.BUSY, Reason.NO_PLACE_FREE),
    ]


def test_a_reload_changes_nothing_and_leaving_interrupts_within_two_minutes(
    line: ServiceLine, anna: User
) -> None:
    open_hour_for(line, anna)
    be_present(anna)
    start = timezone.now()
    left = start + seconds(20)
    states: list[tuple[int, str]] = []
    for second in range(0, 400, 10):
        now = start + seconds(second)
        # Away from 20 s until 80 s (a slow reload); for good after 200 s.
        if not left <= now < start + seconds(80) and second <= 200:
            Presence.renew(anna.pk, now=now)
        state = evaluate(line, ROOM, now).state
        if not states or states[-1][1] != state:
            states.append((second, state))
    assert states == [(0, State.OPEN), (320, State.INTERRUPTED)]


def test_after_an_interruption_it_takes_half_a_minute_to_open(
    line: ServiceLine, anna: User
) -> None:
    open_hour_for(line, anna)
    start = timezone.now()
    assert evaluate(line, ROOM, start).state == State.INTERRUPTED
    states = []
    for second in range(0, 50, 10):
        Presence.renew(anna.pk, now=start + seconds(second), state=Presence.State.AVAILABLE)
        states.append(evaluate(line, ROOM, start + seconds(second)).state)
    assert states == [State.INTERRUPTED] * 3 + [State.OPEN] * 2


def test_a_memory_of_open_does_not_open_an_empty_desk(
    line: ServiceLine, open_hour: ConsultationHour
) -> None:
    """No tick ran since everybody left: the rows alone say that nobody is there."""
    now = timezone.now()
    evaluate(line, ROOM, now)
    assert look(line, ROOM, now + seconds(119)).admits
    assert not look(line, ROOM, now + seconds(121)).admits


def test_a_change_of_shift_closes_nothing(line: ServiceLine, anna: User, carla: User) -> None:
    zuid = anna.memberships.get().institution
    maas = carla.memberships.get().institution
    change = timezone.now().replace(second=0, microsecond=0) + timedelta(hours=1)
    staffing = {"min_staff": 1, "target_staff": 1, "max_staff": 1}
    for start, worker, institution in (
        (change - timedelta(hours=1), anna, zuid),
        (change, carla, maas),
    ):
        hour = ConsultationHour.plan_extra(line, start, start + timedelta(hours=1), **staffing)
        hour.fill(worker, institution)
    states = set()
    for second in range(-60, 70, 10):
        now = change + seconds(second)
        if second <= 0:
            Presence.renew(anna.pk, now=now, state=Presence.State.AVAILABLE)
        if second >= 20:
            Presence.renew(carla.pk, now=now, state=Presence.State.AVAILABLE)
        if second >= -20:
            states.add(evaluate(line, ROOM, now).state)
        else:
            evaluate(line, ROOM, now)
    assert states == {State.OPEN}


@pytest.mark.django_db(transaction=True)
def test_two_processes_that_find_a_change_write_it_once(
    line: ServiceLine, open_hour: ConsultationHour, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have read the memory before either writes."""
    now = timezone.now()
    OpeningState.objects.create(line=line, state=State.CLOSED, since=now)
    both = threading.Barrier(2, timeout=10)
    decide = opening.decide

    def decide_together(facts: opening.Facts) -> opening.Opening:
        both.wait()
        return decide(facts)

    monkeypatch.setattr(opening, "decide", decide_together)
    found = _at_once([lambda: evaluate(line, ROOM, now)] * 2)
    assert sorted(one.changed for one in found) == [False, True]
    assert OpeningLog.objects.count() == 1


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_many_processes_at_once_write_a_change_once(
    line: ServiceLine, open_hour: ConsultationHour
) -> None:
    """Also the very first time, when the memory does not exist yet."""
    now = timezone.now()
    found = _at_once([lambda: evaluate(line, ROOM, now)] * 12)
    assert sum(one.changed for one in found) == 1
    assert OpeningLog.objects.count() == 1


def _at_once(deeds: list[Callable]) -> list:
    results: list = []

    def run(deed: Callable) -> None:
        try:
            results.append(deed())
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(results) == len(deeds)
    return results


# --- By hand -------------------------------------------------------------------------------------


def force(line: ServiceLine, dirk: User, *, is_open: bool, until: datetime) -> OpenOverride:
    return OpenOverride.force(line, is_open=is_open, until=until, reason="Storing", author=dirk)


def test_closed_by_hand_until_its_end_and_then_the_roster_decides(
    line: ServiceLine, open_hour: ConsultationHour, dirk: User
) -> None:
    now = timezone.now()
    until = now + timedelta(minutes=30)
    force(line, dirk, is_open=False, until=until)
    found = look(line, ROOM, timezone.now())
    assert (found.state, found.admits, found.next_start) == (State.FORCED, False, until)
    Presence.objects.update(ready_at=until, seen_at=until)
    assert look(line, ROOM, until).state == State.OPEN


def test_the_last_word_counts_and_withdrawing_gives_it_back(
    line: ServiceLine, open_hour: ConsultationHour, dirk: User
) -> None:
    until = timezone.now() + timedelta(hours=1)
    first = force(line, dirk, is_open=True, until=until)
    second = force(line, dirk, is_open=False, until=until)
    assert look(line, ROOM, timezone.now()).reason == Reason.FORCED_CLOSED
    assert not first.withdraw(dirk)
    assert second.withdraw(dirk)
    assert not second.withdraw(dirk)
    assert look(line, ROOM, timezone.now()).state == State.OPEN


def test_open_by_hand_lets_nobody_in_without_a_worker(
    line: ServiceLine, anna: User, dirk: User
) -> None:
    force(line, dirk, is_open=True, until=timezone.now() + timedelta(hours=1))
    found = look(line, ROOM, timezone.now())
    assert (found.admits, found.reason) == (False, Reason.FORCED_OPEN_NOBODY)
    be_present(anna)
    assert look(line, ROOM, timezone.now()).admits


def test_sqlite_and_postgresql_agree_about_hours_to_come(line: ServiceLine, anna: User) -> None:
    """Microseconds in `now`, none in the rows: compared as text on SQLite."""
    hour = open_hour_for(line, anna)
    exactly = hour.start
    assert look(line, ROOM, exactly).numbers["rostered"] == 1
    assert look(line, ROOM, exactly - timedelta(microseconds=1)).state == State.SOON
    assert look(line, ROOM, hour.end).reason == Reason.NO_HOUR
    assert connection.vendor in {"sqlite", "postgresql"}
