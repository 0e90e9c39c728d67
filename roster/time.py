"""Wall time and zone to UTC, safe on both change nights. Plain functions without Django.

The rule: a start is the first instant of its wall time and an end the last one; a wall time that
the clock skips becomes the first instant after the jump. So adjoining hours may overlap on the
night that the clock goes back, and never leave a gap.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo


def to_utc(day: date, wall: time, zone: ZoneInfo, *, end: bool = False) -> datetime:
    """Return the instant, in UTC, of a wall time on a day in a zone."""
    naive = datetime.combine(day, wall)
    first = naive.replace(tzinfo=zone)
    if first.astimezone(UTC).astimezone(zone).replace(tzinfo=None) == naive:
        return naive.replace(tzinfo=zone, fold=1 if end else 0).astimezone(UTC)
    # The clock skips this time: look for the jump between an instant before and one after it.
    low = (naive - timedelta(hours=3)).replace(tzinfo=zone).astimezone(UTC)
    high = (naive + timedelta(hours=3)).replace(tzinfo=zone).astimezone(UTC)
    before = low.astimezone(zone).utcoffset()
    while high - low > timedelta(seconds=1):
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)


def span(day: date, start: time, end: time, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return start and end in UTC; an end at or before the start falls on the next day."""
    last_day = day + timedelta(days=1) if end <= start else day
    return to_utc(day, start, zone), to_utc(last_day, end, zone, end=True)


def days(first: date, last: date) -> Iterator[date]:
    """Every date from first to last, both included; nothing when last lies before first."""
    for number in range((last - first).days + 1):
        yield first + timedelta(days=number)


def day_span(day: date, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """The instants, in UTC, at which a date begins and ends in a zone: 23, 24 or 25 hours."""
    return to_utc(day, time(), zone), to_utc(day + timedelta(days=1), time(), zone)


def minutes_between(start: datetime, end: datetime) -> int:
    """Whole minutes that really pass. Subtracting within one zone would give wall time instead."""
    return int((end.astimezone(UTC) - start.astimezone(UTC)).total_seconds()) // 60
