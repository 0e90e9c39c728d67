"""When an hour is: by day, in the evening, in the weekend, on a holiday."""

from collections.abc import Collection, Iterable
from datetime import date

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from roster.fairness import SlotClass, slot_class
from roster.models.exceptions import DateException
from roster.models.hours import ConsultationHour
from roster.models.line import ServiceLine
from roster.time import days

NAMES: dict[SlotClass, Promise] = {
    SlotClass.DAY: _("overdag"),
    SlotClass.EVENING: _("avond"),
    SlotClass.WEEKEND: _("weekend"),
    SlotClass.HOLIDAY: _("feestdag"),
}


def holidays_of(line: ServiceLine, first: date, last: date) -> frozenset[date]:
    """The days from first to last that are a holiday in the whole country; one query.

    Whether the line closes on it or not: helping on a holiday is what makes it count.
    """
    spans = line.exceptions.filter(
        source=DateException.Source.HOLIDAYS, region="", first_date__lte=last, last_date__gte=first
    ).values_list("first_date", "last_date")
    return frozenset(day for start, end in spans for day in days(max(start, first), min(end, last)))


def slot_of(hour: ConsultationHour, holidays: Collection[date]) -> SlotClass:
    """Return when an hour is, by its own date and wall time."""
    return slot_class(hour.local_date, hour.local_start, is_holiday=hour.local_date in holidays)


def by_slot(some: Iterable[tuple[SlotClass, int]]) -> dict[SlotClass, int]:
    """Add minutes up per slot; every slot is there."""
    sums = dict.fromkeys(SlotClass, 0)
    for slot, minutes in some:
        sums[slot] += minutes
    return sums
