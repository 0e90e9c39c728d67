"""The clock of the installation: what runs when, and what waits after an outage."""

import asyncio

import pytest

from klikvoor.tick import CALM_SECONDS, Job, Tick, jobs

pytestmark = pytest.mark.django_db(transaction=True)


def now() -> float:
    return asyncio.get_running_loop().time()


def named(log: list[str], name: str, *, fails: bool = False, judges: bool = False) -> Job:
    def run(_now: object) -> None:
        log.append(name)
        if fails:
            raise RuntimeError

    return Job(run, 0, judges=judges)


def test_what_calls_people_lost_judges_and_nothing_else_does() -> None:
    assert {job.run.__name__ for job in jobs() if job.judges} == {
        "return_lost_chats",
        "end_lost_visits",
        "follow_presence",
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
