"""Wall time to UTC on ordinary days and on both change nights."""

from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster.time import day_span, days, span, to_utc

AMSTERDAM = ZoneInfo("Europe/Amsterdam")
SPRING, AUTUMN = date(2026, 3, 29), date(2026, 10, 25)


def utc(day: date, hour: int, minute: int = 0) -> datetime:
    return datetime(day.year, day.month, day.day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "start", "end", "expected"),
    [
        # 19:00 stays 19:00 on both sides of a clock change.
        (date(2026, 3, 28), time(19), time(21), (utc(date(2026, 3, 28), 18), timedelta(hours=2))),
        (SPRING, time(19), time(21), (utc(SPRING, 17), timedelta(hours=2))),
        # Over midnight, and over both changes.
        (date(2026, 3, 2), time(22), time(2), (utc(date(2026, 3, 2), 21), timedelta(hours=4))),
        (date(2026, 3, 28), time(22), time(6), (utc(date(2026, 3, 28), 21), timedelta(hours=7))),
        (date(2026, 10, 24), time(22), time(6), (utc(date(2026, 10, 24), 20), timedelta(hours=9))),
        # 02:30 does not exist: the first instant after the jump, 03:00 there.
        (SPRING, time(2, 30), time(4), (utc(SPRING, 1), timedelta(hours=1))),
        # 02:30 comes twice: a start is the first, an end the last.
        (AUTUMN, time(2, 30), time(4), (utc(AUTUMN, 0, 30), timedelta(hours=2, minutes=30))),
        (
            AUTUMN,
            time(1),
            time(2, 30),
            (utc(date(2026, 10, 24), 23), timedelta(hours=2, minutes=30)),
        ),
        # Midnight as an end is the end of the day.
        (date(2026, 3, 2), time(20), time(0), (utc(date(2026, 3, 2), 19), timedelta(hours=4))),
    ],
)
def test_a_span_in_utc(
    day: date, start: time, end: time, expected: tuple[datetime, timedelta]
) -> None:
    first, last = span(day, start, end, AMSTERDAM)
    assert (first, last - first) == expected


@pytest.mark.parametrize("zone", ["Europe/Amsterdam", "America/New_York", "Australia/Lord_Howe"])
def test_adjoining_hours_never_leave_a_gap(zone: str) -> None:
    """Through eleven years, split at each half hour of the night."""
    info = ZoneInfo(zone)
    for day in days(date(2020, 1, 1), date(2030, 12, 31)):
        for at in (time(1, 30), time(2), time(2, 30), time(3)):
            assert to_utc(day, at, info) <= to_utc(day, at, info, end=True)


@given(
    st.dates(date(2020, 1, 1), date(2030, 12, 31)),
    st.times().map(lambda t: t.replace(second=0, microsecond=0, fold=0)),
)
def test_an_existing_wall_time_comes_back_unchanged(day: date, wall: time) -> None:
    moment = to_utc(day, wall, AMSTERDAM).astimezone(AMSTERDAM)
    naive = moment.replace(tzinfo=None)
    assert naive == datetime.combine(day, wall) or naive == datetime.combine(day, time(3))


def test_days_have_23_24_and_25_hours() -> None:
    lengths = [
        (end - start) // timedelta(hours=1)
        for start, end in (day_span(day, AMSTERDAM) for day in (SPRING, date(2026, 3, 2), AUTUMN))
    ]
    assert lengths == [23, 24, 25]


def test_days_are_counted_with_both_ends() -> None:
    assert len(list(days(SPRING, SPRING))) == 1
    assert len(list(days(SPRING, SPRING + timedelta(days=2)))) == 3
    assert list(days(SPRING, SPRING - timedelta(days=1))) == []
