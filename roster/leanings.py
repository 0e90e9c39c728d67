"""What a worker said about when they can, asked of many hours at once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from institutions.models import User
from roster.models import Absence, Availability, ConsultationHour
from roster.time import days, span

A_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Leanings:
    """The availability and absence of one worker."""

    stated: list[Availability]
    absences: list[Absence]

    @classmethod
    def of(cls, worker: User, start: datetime, end: datetime) -> "Leanings":
        """Look up what may count for hours between two instants; three queries."""
        # A day more on either side, because dates are of a wall calendar and hours may be nightly.
        first, last = (start - A_DAY).date(), (end + A_DAY).date()
        stated = Availability.objects.filter(worker=worker)
        return cls(
            stated=[*stated.spans(start, end), *stated.weekly(first, last)],
            absences=list(Absence.objects.filter(worker=worker).between(first, last)),
        )

    def is_absent(self, hour: ConsultationHour) -> bool:
        return any(one.first_date <= hour.local_date <= one.last_date for one in self.absences)

    def about(self, hour: ConsultationHour) -> str:
        """`unavailable` when that touches the hour; `preferred`, `possible` when it holds it all.

        Empty: nothing was said.
        """
        touching, holding = set(), set()
        for one in self.stated:
            for start, end in _spans(one, hour):
                if start < hour.end and hour.start < end:
                    touching.add(one.kind)
                if start <= hour.start and hour.end <= end:
                    holding.add(one.kind)
        if Availability.Kind.UNAVAILABLE in touching:
            return Availability.Kind.UNAVAILABLE
        for kind in (Availability.Kind.PREFERRED, Availability.Kind.POSSIBLE):
            if kind in holding:
                return kind
        return ""


def _spans(one: Availability, hour: ConsultationHour) -> Iterator[tuple[datetime, datetime]]:
    """The stretches near this hour that it speaks of."""
    if one.start is not None and one.end is not None:
        yield one.start, one.end
    if one.weekday is None or one.local_start is None or one.local_end is None:
        return
    # What began the day before may go on after midnight, and so may the hour.
    for day in days(hour.local_date - A_DAY, hour.local_date + A_DAY):
        if (
            day.weekday() == one.weekday
            and (one.valid_from is None or one.valid_from <= day)
            and (one.valid_until is None or day <= one.valid_until)
        ):
            yield span(day, one.local_start, one.local_end, ZoneInfo(one.tz))
