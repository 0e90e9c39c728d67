"""The clock of the installation: runs what is due, again and again, in a pool thread.

Which process ticks does not matter and two may: every job finds its work in the database by a due
time and acts conditionally. `serve` ticks unless `--no-jobs`; `manage.py jobs` only ticks.
"""

import asyncio
import logging
import random
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.db import connection
from django.utils import timezone

from chat import jobs as chat_jobs
from chat import letter_jobs
from chat.database import in_pool
from chat.models import WORKER_LOST
from institutions import jobs as institution_jobs
from institutions.models import JobRun
from klikvoor.running import runs
from mail import jobs as mail_jobs
from roster import jobs as roster_jobs
from roster import reminders
from roster.proposing import make_proposals
from triage.models import forget_old as forget_old_intakes
from triage.weighing import weigh_waiting

log = logging.getLogger("klikvoor.tick")

# Clocks are corrected by less than this while they run.
CLOCK_STEP = 5.0
# Browsers come back within 30 s and half as much again; nobody is lost sooner than this anyway.
CALM_SECONDS = WORKER_LOST.total_seconds()


@dataclass
class Job:
    """Something that runs about every `seconds`; `due_at` is on the loop's clock.

    `judges`: it acts on leases that ran out, or takes away what is old, and so waits until everybody
    could renew theirs, and a wrong clock was set right.
    `is_slow`: it waits for somebody else's machine, or has much to do after an outage, and must hold
    up neither the others nor the end of the process, which may come in the middle of it.
    `is_watched`: somebody is told when it did not succeed for a day (`JobRun`); it returns a count.
    """

    run: Callable[[datetime], object]
    seconds: float
    judges: bool = False
    is_slow: bool = False
    is_watched: bool = False
    due_at: float = 0.0

    def run_watched(self, now: datetime) -> None:
        """Run it and write down that it succeeded, with its count, or failed."""
        name = self.run.__name__
        try:
            count = self.run(now)
        except Exception as error:
            JobRun.failed(name, now, error)
            raise
        JobRun.succeeded(name, now, count if isinstance(count, int) else 0)


def jobs() -> list[Job]:
    """Return everything that the clock does, most urgent first."""
    due = [
        Job(chat_jobs.return_lost_chats, 5, judges=True),
        Job(chat_jobs.end_lost_visits, 10, judges=True),
        Job(chat_jobs.ring_after_reservations, 5),
        Job(weigh_waiting, 2),
        Job(chat_jobs.alert_coordinators, 5),
        Job(chat_jobs.evaluate_openings, 5),
        Job(chat_jobs.follow_presence, 10, judges=True),
        Job(roster_jobs.settle_hours, 60, is_slow=True),
        Job(chat_jobs.end_waiting_after_hours, 60, judges=True),
        Job(letter_jobs.return_lost_letters, 60),
        Job(letter_jobs.give_owners, 60),
        Job(letter_jobs.promise_again, 60),
        Job(letter_jobs.watch_promises, 60),
        Job(forget_old_intakes, 600, judges=True),
        Job(chat_jobs.forget_old_visits, 600, judges=True),
        Job(chat_jobs.close_quiet_letters, 600, judges=True, is_watched=True),
        Job(chat_jobs.erase_old_texts, 600, judges=True, is_watched=True),
        Job(chat_jobs.scrub_log, 600, is_slow=True),
        Job(institution_jobs.tell_of_late_jobs, 600),
        Job(make_proposals, 2),
        Job(institution_jobs.deliver_staff_mail, 10, is_slow=True),
        Job(mail_jobs.tell_visitors, 10),
        Job(mail_jobs.deliver_visitor_mail, 10, is_slow=True),
        Job(mail_jobs.fetch_mail, 30, is_slow=True),
        Job(mail_jobs.forget_erased_mail, 60, is_watched=True),
        Job(reminders.expire_requests, 60),
        Job(reminders.ask_further, 60),
        Job(reminders.remind_open_requests, 300),
        Job(reminders.warn_understaffed, 60),
        Job(roster_jobs.generate_hours, 3600),
        Job(roster_jobs.move_periods, 600),
        Job(roster_jobs.deal_letter_duty, 3600),
        Job(roster_jobs.purge_opening_log, 24 * 3600),
        Job(roster_jobs.purge_stretches, 24 * 3600),
        Job(institution_jobs.forget_old_mail, 24 * 3600),
        Job(runs.write_down, 60),
    ]
    if settings.DEMO:
        from klikvoor.demo import keep_colleagues_present
        from klikvoor.demo.quarter import settle_as_worked

        due.insert(0, Job(keep_colleagues_present, 10))
        for job in due:
            if job.run is roster_jobs.settle_hours:
                job.run = settle_as_worked
    return due


async def tick_forever() -> None:
    """Run each job when it is due; one that fails is logged and tried again next time."""
    todo = jobs()
    slow, quick = [job for job in todo if job.is_slow], [job for job in todo if not job.is_slow]
    runs.expect({job.run.__name__: job.seconds for job in todo})
    try:
        await asyncio.gather(_tick(quick, turn=runs.turned), *(_tick([job]) for job in slow))
    finally:
        runs.forget()


async def _tick(todo: list[Job], turn: Callable[[], None] = lambda: None) -> None:
    tick = Tick(todo)
    while True:
        await tick.run_due()
        turn()
        # Jittered, so that several processes do not tick in step.
        await asyncio.sleep(random.uniform(0.8, 1.2))  # noqa: S311


class Tick:
    """The jobs of one process, and since when nothing went wrong.

    After an outage every lease has run out, of people who are only just coming back, and after a
    jump of the clock everybody's. So nobody is called lost before the clock ran undisturbed for as
    long as it takes to renew them.
    """

    def __init__(self, todo: list[Job]) -> None:
        self.todo = todo
        self.calm_at = asyncio.get_running_loop().time() + CALM_SECONDS
        self._ahead = self._clock_is_ahead()

    def _clock_is_ahead(self) -> float:
        """How far the clock on the wall is ahead of the one that cannot jump."""
        return timezone.now().timestamp() - asyncio.get_running_loop().time()

    def _mind_the_clock(self) -> None:
        before, self._ahead = self._ahead, self._clock_is_ahead()
        if abs(self._ahead - before) > CLOCK_STEP:
            log.warning("the clock jumped by %d s", round(self._ahead - before))
            self.calm_at = asyncio.get_running_loop().time() + CALM_SECONDS

    async def run_due(self) -> None:
        loop = asyncio.get_running_loop()
        for job in self.todo:
            self._mind_the_clock()
            if loop.time() < max(job.due_at, self.calm_at if job.judges else 0.0):
                continue
            began_at = loop.time()
            job.due_at = began_at + job.seconds
            failure: Exception | None = None
            try:
                run = job.run_watched if job.is_watched else job.run
                await (_aside if job.is_slow else in_pool)(run, timezone.now())
            except Exception as error:
                failure = error
                self.calm_at = loop.time() + CALM_SECONDS
                log.error("the job %s failed", job.run.__name__, exc_info=error)
            runs.ran(job.run.__name__, loop.time() - began_at, failure, job.is_watched)


async def _aside(run: Callable[[datetime], object], now: datetime) -> None:
    """Run in a thread of its own, that nobody waits for when the process ends."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def tell(error: BaseException | None) -> None:
        if done.cancelled():
            return
        if error is None:
            done.set_result(None)
        else:
            done.set_exception(error)

    def work() -> None:
        failure: BaseException | None = None
        try:
            run(now)
        except Exception as error:
            failure = error
        finally:
            connection.close()
        with suppress(RuntimeError):  # the loop ended before we did
            loop.call_soon_threadsafe(tell, failure)

    threading.Thread(target=work, name="slow job", daemon=True).start()
    await done
