"""How a period stands, in numbers: what is needed, what is filled, and by whom."""

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q

from roster.drafting import quotas_of
from roster.models import ConsultationHour, Duty, RosterPeriod, Seat
from roster.proposals.problem import minutes


@dataclass(frozen=True)
class Standing:
    """Of the hours of a period that were not cancelled."""

    hours: int
    seats: int  # up to the target
    filled: int  # of those
    below_min: int
    below_target: int
    owed: int  # seats that an institution owes, up to the maximum

    @property
    def open(self) -> int:
        return self.seats - self.filled


@dataclass(frozen=True)
class Part:
    """What an institution should do in a period, and what its people do, in minutes."""

    institution: int
    quota: int
    planned: int
    seats: int  # that it owes

    @property
    def off(self) -> int:
        return self.planned - self.quota


def standing(period: RosterPeriod) -> Standing:
    """Two queries."""
    rows = list(
        period.hours.planned()
        .annotate(filled=Count("duties", filter=Q(duties__status__in=Duty.ACTIVE)))
        .values_list("min_staff", "target_staff", "filled")
    )
    owed = Seat.objects.filter(hour__period=period, hour__status="planned", owed_by__isnull=False)
    return Standing(
        hours=len(rows),
        seats=sum(target for _min, target, _filled in rows),
        filled=sum(min(target, filled) for _min, target, filled in rows),
        below_min=sum(filled < least for least, _target, filled in rows),
        below_target=sum(filled < target for _min, target, filled in rows),
        owed=owed.count(),
    )


def parts(period: RosterPeriod) -> dict[int, Part]:
    """What each institution should do and what its people do, by institution."""
    hours = list(period.hours.planned())
    quotas = quotas_of(period, hours)
    planned: Counter[int] = Counter()
    for institution, start, end in (
        Duty.objects.active()
        .filter(hour__period=period, hour__status=ConsultationHour.Status.PLANNED)
        .values_list("credited_to_id", "start", "end")
    ):
        planned[institution] += minutes(start, end)
    seats = Counter(
        Seat.objects.filter(
            hour__period=period,
            hour__status=ConsultationHour.Status.PLANNED,
            owed_by__isnull=False,
        ).values_list("owed_by_id", flat=True)
    )
    everybody = {*quotas, *planned, *(one for one in seats if one)}
    return {
        one: Part(one, quotas.get(one, 0), planned[one], seats[one]) for one in sorted(everybody)
    }


@dataclass
class Told:
    """What publishing would tell one person."""

    worker: object
    lines: list[str]


def told(period: RosterPeriod, now: datetime) -> list[Told]:
    """Who would hear what when the period is published now."""
    found: defaultdict[int, Told] = defaultdict(lambda: Told(None, []))
    for news in period.news(now):
        one = found[news.worker.pk]
        one.worker = news.worker
        one.lines.append(news.text())
    return sorted(found.values(), key=lambda one: str(one.worker))
