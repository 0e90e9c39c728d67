"""Rows of the roster for tests, with as little said as possible."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from institutions.models import Institution, User
from roster.models import ConsultationHour, CoverRequest, Duty, RosterPeriod, ServiceLine

# A Monday evening, and its date.
NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
MONDAY = date(2026, 3, 2)
HOUR = timedelta(hours=1)


@contextmanager
def refused(constraint: str = "") -> Iterator[None]:
    """Expect that the database refuses, and by which of its rules.

    Of a unique constraint SQLite tells only the columns: leave its name out.
    """
    with pytest.raises(IntegrityError) as refusal, transaction.atomic():
        yield
    assert constraint in str(refusal.value)


def make_hour(
    line: ServiceLine, start: datetime = NOW, hours: int = 2, seats: int = 3
) -> ConsultationHour:
    return ConsultationHour.plan_extra(
        line, start, start + hours * HOUR, min_staff=1, target_staff=1, max_staff=seats
    )


def make_duty(line: ServiceLine, worker: User, start: datetime = NOW) -> Duty:
    """Make an hour of two hours in which this worker is on duty, for their first institution."""
    membership = worker.memberships.workers().first()
    assert membership is not None
    assert membership.institution is not None
    return make_hour(line, start).fill(worker, membership.institution, now=start)


def make_period(line: ServiceLine, first: date = MONDAY, days: int = 28, **fields: Any) -> Any:
    last = first + timedelta(days=days - 1)
    return RosterPeriod.objects.create(line=line, first_date=first, last_date=last, **fields)


def make_request(duty: Duty, **fields: Any) -> CoverRequest:
    return CoverRequest.objects.create(
        **{"duty": duty, "requested_by": duty.worker, "created_at": NOW, **fields}
    )


def taker(worker: User, institution: Institution) -> dict[str, Any]:
    """What a request says once somebody claimed it."""
    return {"claimed_by": worker, "claimed_for": institution, "claimed_at": NOW}
