"""Two working days, counted as people do: without weekends and holidays, on the wall clock."""

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster.workdays import half_of, is_workday, promised

AMSTERDAM = ZoneInfo("Europe/Amsterdam")


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=AMSTERDAM)


@pytest.mark.parametrize(
    ("came", "half", "due"),
    [
        # An ordinary week: Monday, Thursday, Friday, Saturday, Sunday.
        ("2026-11-23 15:00", "2026-11-24 17:00", "2026-11-25 17:00"),
        ("2026-11-26 23:59", "2026-11-27 17:00", "2026-11-30 17:00"),
        ("2026-11-27 09:00", "2026-11-30 17:00", "2026-12-01 17:00"),
        ("2026-11-28 00:00", "2026-11-30 17:00", "2026-12-01 17:00"),
        ("2026-11-29 23:59", "2026-11-30 17:00", "2026-12-01 17:00"),
        # After five o'clock the day still counts as that day.
        ("2026-11-23 22:00", "2026-11-24 17:00", "2026-11-25 17:00"),
        # Christmas 2026 is on Friday and Saturday.
        ("2026-12-23 12:00", "2026-12-24 17:00", "2026-12-28 17:00"),
        ("2026-12-24 12:00", "2026-12-28 17:00", "2026-12-29 17:00"),
        # New Year's Day 2027 is a Friday.
        ("2026-12-30 12:00", "2026-12-31 17:00", "2027-01-04 17:00"),
        # Good Friday is 26 March 2027, Easter Monday the 29th; the clock goes forward in between.
        ("2027-03-26 12:00", "2027-03-30 17:00", "2027-03-31 17:00"),
        # King's Day, a Tuesday in 2027.
        ("2027-04-26 12:00", "2027-04-28 17:00", "2027-04-29 17:00"),
        # Ascension Day, Thursday 6 May 2027, and Whit Monday, 17 May.
        ("2027-05-05 12:00", "2027-05-07 17:00", "2027-05-10 17:00"),
        ("2027-05-14 12:00", "2027-05-18 17:00", "2027-05-19 17:00"),
        # Over the night in which the clock goes back, and over the one in which it goes forward.
        ("2026-10-23 12:00", "2026-10-26 17:00", "2026-10-27 17:00"),
        ("2027-03-25 12:00", "2027-03-30 17:00", "2027-03-31 17:00"),
        # In the hour that comes twice.
        ("2026-10-25 02:30", "2026-10-26 17:00", "2026-10-27 17:00"),
    ],
)
def test_a_promise_is_the_end_of_the_second_working_day(came: str, half: str, due: str) -> None:
    found = promised(at(came), AMSTERDAM)

    assert found == at(due)
    assert half_of(found, AMSTERDAM) == at(half)
    assert promised(at(came), AMSTERDAM, days=1) == at(half)


def test_the_day_is_that_of_the_wall_clock() -> None:
    """Eleven at night in UTC is Tuesday already in Amsterdam."""
    monday_night = datetime(2026, 11, 23, 23, 30, tzinfo=UTC)

    assert promised(monday_night, AMSTERDAM) == at("2026-11-26 17:00")


@given(st.datetimes(datetime(2025, 1, 1), datetime(2035, 12, 31)))
def test_a_promise_is_always_kept_on_a_working_day_and_within_a_week_and_a_half(
    naive: datetime,
) -> None:
    came = naive.replace(tzinfo=AMSTERDAM)
    due = promised(came, AMSTERDAM)

    assert is_workday(due.astimezone(AMSTERDAM).date())
    assert timedelta(hours=24) < due - came.astimezone(UTC) < timedelta(days=10)
    assert came < half_of(due, AMSTERDAM) < due
