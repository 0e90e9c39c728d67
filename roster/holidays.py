"""Holidays and school holidays of the Netherlands, as suggestions that a coordinator decides about.

Written into `DateException` once and then frozen: the calendar is never looked up for a decision,
because such lists change their mind. Help is often needed on a holiday, so nothing closes by itself.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from institutions.models import Institution
from roster.models import DateException, ServiceLine


@dataclass(frozen=True)
class Holiday:
    """Days in a row with one name. `region` is empty when they hold in the whole country."""

    name: str
    first: date
    last: date
    region: str = ""


def suggest(line: ServiceLine, first: date, last: date) -> int:
    """Suggest to close a line on the holidays that touch a day from `first` to `last`.

    Returns how many suggestions are new. Safe to run again: what was confirmed or dismissed, and
    what was suggested before, stays as it is.
    """
    made = 0
    for holiday in _between(first, last):
        _suggestion, is_new = DateException.objects.get_or_create(
            line=line,
            source=DateException.Source.HOLIDAYS,
            first_date=holiday.first,
            name=holiday.name,
            region=holiday.region,
            defaults={
                "kind": DateException.Kind.CLOSED,
                "last_date": holiday.last,
                "public_reason": holiday.name,
            },
        )
        made += is_new
    return made


def _between(first: date, last: date) -> Iterator[Holiday]:
    # A year more on both sides: a school holiday begins on the same day whoever asks for it.
    years = range(first.year - 1, last.year + 2)
    found = [
        Holiday(name, day, day) for day, name in _calendar(("public", "optional"), years, None)
    ]
    for region in Institution.SchoolRegion.values:
        found += _stretches(_calendar(("school",), years, region.capitalize()), region)
    for holiday in found:
        if holiday.first <= last and holiday.last >= first:
            yield holiday


def _calendar(
    categories: tuple[str, ...], years: range, region: str | None
) -> list[tuple[date, str]]:
    # Takes long to import, and nobody who chats should wait for that when the server starts.
    import holidays

    found = holidays.country_holidays(
        "NL", subdiv=region, years=years, categories=categories, language="nl"
    )
    return sorted(found.items())


def _stretches(days: list[tuple[date, str]], region: str) -> Iterator[Holiday]:
    """Put days in a row with the same name together."""
    first = last = None
    name = ""
    for day, called in days:
        if last and called == name and day - last == timedelta(days=1):
            last = day
            continue
        if first and last:
            yield Holiday(name, first, last, region)
        first, last, name = day, day, called
    if first and last:
        yield Holiday(name, first, last, region)
