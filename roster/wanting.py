"""When workers can and want to be on duty: their own words held against hours.

Who says nothing can be asked for any hour. Who names times at which they can is asked for those
only. "Cannot" goes before "can", whatever was said first; an hour must lie wholly within a time at
which somebody can, and is preferred when it lies wholly within one they like.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from roster.models import Absence, Availability, ConsultationHour
from roster.proposals.problem import Wish
from roster.time import days, span

Span = tuple[datetime, datetime]


@dataclass
class _Said:
    """What one worker said, as spans, and whether they named times at which they can."""

    cannot: list[Span] = field(default_factory=list)
    can: list[Span] = field(default_factory=list)
    likes: list[Span] = field(default_factory=list)
    absent: list[tuple[date, date]] = field(default_factory=list)
    is_choosy: bool = False

    def wish(self, hour: ConsultationHour) -> Wish:
        if any(first <= hour.local_date <= last for first, last in self.absent):
            return Wish.UNAVAILABLE
        if any(start < hour.end and hour.start < end for start, end in self.cannot):
            return Wish.UNAVAILABLE
        if _is_within(hour, self.likes):
            return Wish.PREFERRED
        if not self.is_choosy or _is_within(hour, self.can):
            return Wish.POSSIBLE
        return Wish.UNAVAILABLE


def wishes_of(
    workers: Collection[int], hours: Sequence[ConsultationHour]
) -> dict[int, dict[int, Wish]]:
    """Return, by worker and hour, what each said of the hours in which they can; two queries."""
    if not hours:
        return {worker: {} for worker in workers}
    first = min(hour.local_date for hour in hours)
    last = max(hour.local_date for hour in hours)
    said: defaultdict[int, _Said] = defaultdict(_Said)
    for absence in Absence.objects.filter(worker__in=workers).between(first, last):
        said[absence.worker_id].absent.append((absence.first_date, absence.last_date))
    start = min(hour.start for hour in hours)
    end = max(hour.end for hour in hours)
    told = Availability.objects.filter(worker__in=workers)
    for one in (told.spans(start, end) | told.weekly(first, last)).order_by("pk"):
        _note(said[one.worker_id], one, first, last)
    found: dict[int, dict[int, Wish]] = {}
    for worker in workers:
        mine = said[worker]
        mine.can.sort()
        mine.likes.sort()
        wishes = {hour.pk: mine.wish(hour) for hour in hours}
        found[worker] = {hour: wish for hour, wish in wishes.items() if wish}
    return found


def _note(said: _Said, one: Availability, first: date, last: date) -> None:
    spans = list(_spans(one, first, last))
    if one.kind == Availability.Kind.UNAVAILABLE:
        said.cannot += spans
        return
    said.is_choosy = True
    said.can += spans
    if one.kind == Availability.Kind.PREFERRED:
        said.likes += spans


def _spans(one: Availability, first: date, last: date) -> Iterable[Span]:
    """The spans of what somebody said from the day before `first` (nights!) to `last`."""
    if one.weekday is None:
        if one.start and one.end:
            yield one.start, one.end
        return
    if one.local_start is None or one.local_end is None:
        return
    zone = ZoneInfo(one.tz)
    begin = max(first - timedelta(days=1), one.valid_from or first - timedelta(days=1))
    # Straight to the right weekday, and from there by weeks.
    begin += timedelta(days=(one.weekday - begin.weekday()) % 7)
    for day in days(begin, min(last, one.valid_until or last)):
        if day.weekday() == one.weekday:
            yield span(day, one.local_start, one.local_end, zone)


def _is_within(hour: ConsultationHour, spans: Iterable[Span]) -> bool:
    """Whether the hour lies in these spans (sorted) together; two that adjoin count as one."""
    reached = hour.start
    for start, end in spans:
        if start > reached:
            break
        reached = max(reached, end)
        if reached >= hour.end:
            return True
    return False
