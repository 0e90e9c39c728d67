"""Working days of the Netherlands: what the promise of an answer to a letter counts in.

Weekends and public holidays are none; school holidays are. Unlike hours, which a coordinator decides
about, this looks the calendar up: the day that comes out is stored with the letter and stays.
"""

from datetime import date, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from roster.time import to_utc

# On this hour of the wall clock a working day is over.
DAY_ENDS = time(17)
# The answer to a letter is promised within so many working days.
PROMISE = 2


@lru_cache(maxsize=16)
def _holidays(year: int) -> frozenset[date]:
    # Takes long to import, and nobody who chats should wait for that when the server starts.
    import holidays

    return frozenset(holidays.country_holidays("NL", years=year, categories=("public",)))


def is_workday(day: date) -> bool:
    return day.weekday() < 5 and day not in _holidays(day.year)


def workday_after(day: date, count: int = 1) -> date:
    """Return the `count`-th working day after this date; the date itself does not count."""
    while count:
        day += timedelta(days=1)
        count -= is_workday(day)
    return day


def promised(at: datetime, zone: ZoneInfo, days: int = PROMISE) -> datetime:
    """Return until when an answer is promised to what came in at `at`: the end of a working day.

    The day on which it came does not count. Half of the promise is `promised(at, zone, days=1)`.
    """
    return to_utc(workday_after(at.astimezone(zone).date(), days), DAY_ENDS, zone)


def half_of(due_at: datetime, zone: ZoneInfo) -> datetime:
    """Return when half of a promise has passed: the end of the working day before its last."""
    day = due_at.astimezone(zone).date() - timedelta(days=1)
    while not is_workday(day):
        day -= timedelta(days=1)
    return to_utc(day, DAY_ENDS, zone)
