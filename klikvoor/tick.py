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
from chat.database import in_pool
from chat.models import WORKER_LOST
from institutions import jobs as institution_jobs
from roster import jobs as roster_jobs
from roster import reminders
from roster.proposing import make_proposals
from triage.models import forget_old as forget_old_intakes

log = logging.getLogger("klikvoor.tick")

# Browsers come back within 30 s and half as much again; nobody is lost sooner than this anyway.
CALM_SECONDS = WORKER_LOST.total_seconds()


@dataclass
class Job:
    """Something that runs about every `seconds`; `due_at` is on the loop's clock.

    `judges`: it acts on leases that ran out, and so waits until everybody could renew theirs.
    `is_slow`: it waits for somebody else's machine, or has much to do after an outage, and must hold
    up neither the others nor the end of the process, which may come in the middle of it.
    """

    run: Callable[[datetime], object]
    seconds: float
    judges: bool = False
    is_slow: bool = False
    due_at: float = 0.0


def jobs() -> list[Job]:
    """Return everything that the clock does, most urgent first."""
    due = [
        Job(chat_jobs.return_lost_chats, 5, judges=True),
        Job(chat_jobs.end_lost_visits, 10, judges=True),
        Job(chat_jobs.ring_after_reservations, 5),
        Job(chat_jobs.evaluate_openings, 5),
        Job(chat_jobs.follow_presence, 10, judges=True),
        Job(roster_jobs.settle_hours, 60, is_slow=True),
        Job(chat_jobs.end_waiting_after_hours, 60),
        Job(forget_old_intakes, 600),
        Job(chat_jobs.forget_old_visits, 600),
        Job(chat_jobs.erase_old_texts, 600),
        Job(make_proposals, 2),
        Job(institution_jobs.deliver_staff_mail, 10, is_slow=True),
        Job(reminders.expire_requests, 60),
        Job(reminders.ask_further, 60),
        Job(reminders.remind_open_requests, 300),
        Job(reminders.warn_understaffed, 60),
        Job(roster_jobs.generate_hours, 3600),
        Job(roster_jobs.move_periods, 600),
        Job(roster_jobs.purge_opening_log, 24 * 3600),
        Job(roster_jobs.purge_stretches, 24 * 3600),
        Job(institution_jobs.forget_old_mail, 24 * 3600),
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
    await asyncio.gather(_tick(quick), *(_tick([job]) for job in slow))


async def _tick(todo: list[Job]) -> None:
    tick = Tick(todo)
    while True:
        await tick.run_due()
        # Jittered, so that several processes do not tick in step.
        await asyncio.sleep(random.uniform(0.8, 1.2))  # noqa: S311


class Tick:
    """The jobs of one process, and since when nothing went wrong.

    After an outage every lease has run out, of people who are only just coming back. So nobody is
    called lost before the clock ran undisturbed for as long as that takes.
    """

    def __init__(self, todo: list[Job]) -> None:
        self.todo = todo
        self.calm_at = asyncio.get_running_loop().time() + CALM_SECONDS

    async def run_due(self) -> None:
        loop = asyncio.get_running_loop()
        for job in self.todo:
            if loop.time() < max(job.due_at, self.calm_at if job.judges else 0.0):
                continue
            job.due_at = loop.time() + job.seconds
            try:
                await (_aside if job.is_slow else in_pool)(job.run, timezone.now())
            except Exception as error:
                self.calm_at = loop.time() + CALM_SECONDS
                log.error("the job %s failed", job.run.__name__, exc_info=error)


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
