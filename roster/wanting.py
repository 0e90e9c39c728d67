"""When workers can and want to be on duty: their own words held against many hours at once.

Who says nothing can be asked for any hour; who names times at which they can is asked for those
only, and for what they like. "Cannot" goes before all else. An hour must lie wholly within a time at
which somebody can, and is preferred when it lies wholly within one that they like.
"""

from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from roster.models import Absence, Availability, ConsultationHour
from roster.proposals.problem import Wish
from roster.time import span

Span = tuple[datetime, datetime]


class Times:
    """Spans put together: sorted, and those that touch are one. Made once, asked often."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self.starts: list[datetime] = []
        self.ends: list[datetime] = []
        for start, end in sorted(spans):
            if self.ends and start <= self.ends[-1]:
                self.ends[-1] = max(self.ends[-1], end)
            else:
                self.starts.append(start)
                self.ends.append(end)

    def touch(self, hour: ConsultationHour) -> bool:
        """Whether any of it is in the hour."""
        last = bisect_left(self.starts, hour.end) - 1
        return last >= 0 and self.ends[last] > hour.start

    def hold(self, hour: ConsultationHour) -> bool:
        """Whether the whole hour is in it."""
        last = bisect_right(self.starts, hour.start) - 1
        return last >= 0 and self.ends[last] >= hour.end


@dataclass
class _Said:
    """What one worker said, as spans, and whether they named times at which they can."""

    cannot: list[Span] = field(default_factory=list)
    can: list[Span] = field(default_factory=list)
    likes: list[Span] = field(default_factory=list)
    absent: list[tuple[date, date]] = field(default_factory=list)
    is_choosy: bool = False

    def wishes(self, hours: Sequence[ConsultationHour]) -> dict[int, Wish]:
        """The hours in which they can."""
        cannot, can, likes = Times(self.cannot), Times(self.can), Times(self.likes)
        found = {}
        for hour in hours:
            if self.absent and any(first <= hour.local_date <= last for first, last in self.absent):
                continue
            if cannot.touch(hour):
                continue
            if likes.hold(hour):
                found[hour.pk] = Wish.PREFERRED
            elif not self.is_choosy or can.hold(hour):
                found[hour.pk] = Wish.POSSIBLE
        return found


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
    return {worker: said[worker].wishes(hours) for worker in workers}


def _note(said: _Said, one: Availability, first: date, last: date) -> None:
    spans = list(_spans(one, first, last))
    if one.kind == Availability.Kind.UNAVAILABLE:
        said.cannot += spans
        return
    said.can += spans
    if one.kind == Availability.Kind.PREFERRED:
        said.likes += spans
    else:
        said.is_choosy = True


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
    begin += timedelta(days=(one.weekday - begin.weekday()) % 7)
    until = min(last, one.valid_until or last)
    while begin <= until:
        yield span(begin, one.local_start, one.local_end, zone)
        begin += timedelta(days=7)
