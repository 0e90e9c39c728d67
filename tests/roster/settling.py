"""A quarter in small for tests: a period with share keys, hours that were worked, people who came."""

import threading
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any

from django.db import connection

from institutions.models import Institution, User
from roster.jobs import settle_hours
from roster.models import (
    ConsultationHour,
    Duty,
    DutyPresence,
    RosterPeriod,
    ServiceLine,
    ShareKey,
)
from tests.roster.making import HOUR, MONDAY, NOW, make_hour, make_period

LATER = NOW + timedelta(days=100)


def shared_period(
    line: ServiceLine, shares: dict[Institution, Any], first: date = MONDAY, days: int = 28
) -> RosterPeriod:
    """A published period in which each institution has this weight, or these fields of a key."""
    period = make_period(line, first, days, state="published", published_at=NOW)
    for institution, share in shares.items():
        fields = share if isinstance(share, dict) else {"weight": share}
        ShareKey.objects.create(period=period, institution=institution, **fields)
    assert isinstance(period, RosterPeriod)
    return period


def hour_in(period: RosterPeriod, day: int = 0, seats: int = 3, **fields: Any) -> ConsultationHour:
    """An hour from 19 to 21 o'clock, so many days after the first one of the tests."""
    hour = make_hour(period.line, NOW + timedelta(days=day), seats=seats)
    ConsultationHour.objects.filter(pk=hour.pk).update(period=period, **fields)
    hour.refresh_from_db()
    return hour


def put_on(
    hour: ConsultationHour, worker: User, no: int = 1, institution: Institution | None = None
) -> Duty:
    membership = worker.memberships.workers().first()
    assert membership is not None
    return Duty.objects.create(
        hour=hour,
        seat=hour.seats.get(no=no),
        worker=worker,
        credited_to=institution or membership.institution,
        start=hour.start,
        end=hour.end,
    )


def was_there(
    duty: Duty, start: datetime | None = None, end: datetime | None = None, state: str = "ready"
) -> None:
    """The worker was at the desk: all the time, or from start to end."""
    DutyPresence.objects.create(
        worker=duty.worker,
        hour=duty.hour,
        duty=duty,
        state=state,
        start=start or duty.start,
        end=end or duty.end,
    )


def worked(hour: ConsultationHour, worker: User, no: int = 1, *, settle: bool = True) -> Duty:
    """Somebody did a whole duty, and the clock has seen it."""
    duty = put_on(hour, worker, no)
    was_there(duty)
    if settle:
        settle_hours(hour.end)
        duty.refresh_from_db()
    return duty


def at_once(deed: Callable[[], object], times: int = 4) -> list[BaseException]:
    """Do it so many times at the same moment; return what went wrong."""
    barrier, errors = threading.Barrier(times), []

    def run() -> None:
        try:
            barrier.wait()
            deed()
        except BaseException as error:
            errors.append(error)
        finally:
            connection.close()

    threads = [threading.Thread(target=run) for _one in range(times)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return errors


__all__ = [
    "HOUR",
    "LATER",
    "NOW",
    "at_once",
    "hour_in",
    "put_on",
    "shared_period",
    "was_there",
    "worked",
]
