"""The clock of the installation: what runs when, and what waits after an outage."""

import asyncio
import threading
from datetime import timedelta

import pytest
import time_machine
from django.utils import timezone

from klikvoor.tick import CALM_SECONDS, Job, Tick, jobs, tick_forever

pytestmark = pytest.mark.django_db(transaction=True)


def now() -> float:
    return asyncio.get_running_loop().time()


def named(log: list[str], name: str, *, fails: bool = False, judges: bool = False) -> Job:
    def run(_now: object) -> None:
        log.append(name)
        if fails:
            raise RuntimeError

    return Job(run, 0, judges=judges)


def test_what_calls_people_lost_or_takes_away_judges_and_nothing_else_does() -> None:
    assert {job.run.__name__ for job in jobs() if job.judges} == {
        "return_lost_chats",
        "end_lost_visits",
        "follow_presence",
        "end_waiting_after_hours",
        "forget_old",
        "forget_old_visits",
        "close_quiet_letters",
        "erase_old_texts",
    }


async def test_nobody_is_called_lost_right_after_a_start() -> None:
    log: list[str] = []
    tick = Tick([named(log, "judge", judges=True), named(log, "other")])
    await tick.run_due()
    assert log == ["other"]
    assert tick.calm_at == pytest.approx(now() + CALM_SECONDS, abs=5)
    tick.calm_at = now()
    await tick.run_due()
    assert log == ["other", "judge", "other"]


async def test_a_job_that_fails_stops_no_other_and_puts_judging_off(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    tick = Tick(
        [named(log, "broken", fails=True), named(log, "other"), named(log, "judge", judges=True)]
    )
    tick.calm_at = now()
    await tick.run_due()
    assert log == ["broken", "other"]
    assert "RuntimeError" in caplog.text


async def test_a_job_runs_again_only_when_it_is_due() -> None:
    log: list[str] = []
    job = named(log, "hourly")
    job.seconds = 3600
    tick = Tick([job])
    await tick.run_due()
    await tick.run_due()
    assert log == ["hourly"]


async def test_what_waits_for_another_machine_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A mail server that hangs must not keep the chat from opening."""
    assert "deliver_staff_mail" in {job.run.__name__ for job in jobs() if job.is_slow}
    log: list[str] = []
    answer = threading.Event()
    hanging = Job(lambda _now: answer.wait(30), 0, is_slow=True)
    monkeypatch.setattr("klikvoor.tick.jobs", lambda: [hanging, named(log, "quick")])
    ticking = asyncio.ensure_future(tick_forever())
    try:
        async with asyncio.timeout(10):
            while len(log) < 2:
                await asyncio.sleep(0.05)
    finally:
        answer.set()
        ticking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ticking


async def test_a_slow_job_that_fails_is_logged_and_tried_again(
    caplog: pytest.LogCaptureFixture,
) -> None:
    log: list[str] = []
    job = named(log, "mail", fails=True)
    job.is_slow = True
    tick = Tick([job])
    await tick.run_due()
    await tick.run_due()
    assert log == ["mail", "mail"]
    assert "RuntimeError" in caplog.text


@pytest.mark.parametrize("jump", [timedelta(hours=1), timedelta(hours=-1), timedelta(hours=25)])
async def test_after_a_jump_of_the_clock_nobody_is_called_lost(
    jump: timedelta, caplog: pytest.LogCaptureFixture
) -> None:
    log: list[str] = []
    tick = Tick([named(log, "other"), named(log, "judge", judges=True)])
    tick.calm_at = now()
    await tick.run_due()
    assert log == ["other", "judge"]
    with time_machine.travel(timezone.now() + jump, tick=True):
        await tick.run_due()
        assert log == ["other", "judge", "other"]
        assert "the clock jumped" in caplog.text
        # It stays there: everybody renewed their lease by it meanwhile.
        tick.calm_at = now()
        await tick.run_due()
        assert log[3:] == ["other", "judge"]
