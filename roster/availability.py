"""When workers can and want to be on duty: their own words held against times. The one reader of them.

Away or "cannot" goes before all else, and counts as soon as it touches a time. Liking and being
able count when they hold all of it, also when several that touch do so together. Who says nothing
can be asked for any hour; a proposal asks who names times at which they can for those only, and for
what they like.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from roster.models import Absence, Availability, ConsultationHour
from roster.proposals.problem import Wish
from roster.time import span

Span = tuple[datetime, datetime]
# Dates are of a wall calendar, and what begins on an evening may end on the next day.
A_DAY = timedelta(days=1)


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

    def touch(self, start: datetime, end: datetime) -> bool:
        """Whether any of it is in there."""
        last = bisect_left(self.starts, end) - 1
        return last >= 0 and self.ends[last] > start

    def hold(self, start: datetime, end: datetime) -> bool:
        """Whether all of it is in there."""
        last = bisect_right(self.starts, start) - 1
        return last >= 0 and self.ends[last] >= end


@dataclass(frozen=True)
class Said:
    """What one worker said about a stretch of time."""

    cannot: Times
    can: Times
    likes: Times
    away: tuple[tuple[date, date], ...]
    # They named times at which they can.
    is_choosy: bool

    def is_absent(self, hour: ConsultationHour) -> bool:
        return any(first <= hour.local_date <= last for first, last in self.away)

    def about(self, start: datetime, end: datetime) -> str:
        """A kind of Availability; empty: nothing was said of this time."""
        if self.cannot.touch(start, end):
            return Availability.Kind.UNAVAILABLE
        if self.likes.hold(start, end):
            return Availability.Kind.PREFERRED
        return Availability.Kind.POSSIBLE if self.can.hold(start, end) else ""


@dataclass
class _Spans:
    cannot: list[Span] = field(default_factory=list)
    can: list[Span] = field(default_factory=list)
    likes: list[Span] = field(default_factory=list)
    away: list[tuple[date, date]] = field(default_factory=list)
    is_choosy: bool = False

    def said(self) -> Said:
        cannot, can, likes = Times(self.cannot), Times(self.can), Times(self.likes)
        return Said(cannot, can, likes, tuple(self.away), self.is_choosy)


def said_by(workers: Collection[int], start: datetime, end: datetime) -> dict[int, Said]:
    """Look up what these workers said about the time between two instants; two queries."""
    first, last = (start - A_DAY).date(), (end + A_DAY).date()
    found = {worker: _Spans() for worker in workers}
    for absence in Absence.objects.filter(worker__in=workers).between(first, last):
        found[absence.worker_id].away.append((absence.first_date, absence.last_date))
    told = Availability.objects.filter(worker__in=workers)
    for one in (told.spans(start, end) | told.weekly(first, last)).order_by("pk"):
        spans, theirs = list(_spans(one, first, last)), found[one.worker_id]
        if one.kind == Availability.Kind.UNAVAILABLE:
            theirs.cannot += spans
            continue
        theirs.can += spans
        if one.kind == Availability.Kind.PREFERRED:
            theirs.likes += spans
        else:
            theirs.is_choosy = True
    return {worker: spans.said() for worker, spans in found.items()}


def wishes_of(
    workers: Collection[int], hours: Sequence[ConsultationHour]
) -> dict[int, dict[int, Wish]]:
    """Return, by worker and hour, what each said of the hours for which a proposal may ask them."""
    if not hours:
        return {worker: {} for worker in workers}
    start, end = min(hour.start for hour in hours), max(hour.end for hour in hours)
    said = said_by(workers, start, end)
    return {worker: _wishes(said[worker], hours) for worker in workers}


def _wishes(said: Said, hours: Sequence[ConsultationHour]) -> dict[int, Wish]:
    found = {}
    for hour in hours:
        if said.away and said.is_absent(hour):
            continue
        kind = said.about(hour.start, hour.end)
        if kind == Availability.Kind.PREFERRED:
            found[hour.pk] = Wish.PREFERRED
        elif kind == Availability.Kind.POSSIBLE or (not kind and not said.is_choosy):
            found[hour.pk] = Wish.POSSIBLE
    return found


def _spans(one: Availability, first: date, last: date) -> Iterable[Span]:
    """The spans of what somebody said, of a weekly pattern those that begin on these days."""
    if one.start and one.end:
        yield one.start, one.end
    if one.weekday is None or one.local_start is None or one.local_end is None:
        return
    zone = ZoneInfo(one.tz)
    begin = max(first, one.valid_from or first)
    begin += timedelta(days=(one.weekday - begin.weekday()) % 7)
    until = min(last, one.valid_until or last)
    while begin <= until:
        yield span(begin, one.local_start, one.local_end, zone)
        begin += timedelta(days=7)
