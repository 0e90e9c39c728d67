"""Today at a glance: which hours, who is on duty, who is really there. Reads only.

A roster shows when a named person is at work, so a name is shown only to who needs it: the
platform's coordinators, the person's own institution, and those on duty in the same hour.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, Q, TextChoices
from django.utils.translation import gettext_lazy as _

from institutions.access import Staff
from roster.models import (
    ConsultationHour,
    Duty,
    OpeningLog,
    OpenOverride,
    Presence,
    ServiceLine,
)
from roster.opening import label, why
from roster.time import day_span


class Here(TextChoices):
    READY = "ready", _("zit klaar")
    PAUSED = "paused", _("even pauze")
    AWAY = "away", _("niet aan de werkplek")


@dataclass(frozen=True)
class Person:
    """Somebody on duty or at the desk. `name` is empty for who may not know it."""

    name: str
    institution: str
    is_me: bool
    here: str
    # Ready since; away: last seen. None when there is nothing to say.
    since: datetime | None
    # Only for who has a duty: its own times when it covers part of the hour, and its status.
    part: tuple[datetime, datetime] | None = None
    cover_wanted: bool = False

    @property
    def here_label(self) -> str:
        return str(Here(self.here).label)


@dataclass(frozen=True)
class HourToday:
    hour: ConsultationHour
    people: list[Person]
    seats: int
    is_now: bool

    @property
    def is_cancelled(self) -> bool:
        return self.hour.status == ConsultationHour.Status.CANCELLED

    @property
    def free(self) -> int:
        return max(0, self.seats - len(self.people))

    @property
    def missing(self) -> int:
        """People short of the minimum."""
        return max(0, self.hour.min_staff - len(self.people))

    @property
    def ready(self) -> int:
        return sum(person.here == Here.READY for person in self.people)


@dataclass(frozen=True)
class Change:
    """One line of the opening's history of today."""

    at: datetime
    state: str
    why: str
    numbers: dict[str, int]


@dataclass(frozen=True)
class Today:
    hours: list[HourToday]
    # At the desk now without a duty in any of these hours that goes on now.
    others: list[Person]
    override: OpenOverride | None
    history: list[Change]


def today_of(line: ServiceLine, now: datetime, staff: Staff) -> Today:
    """Return the day of a line as this member of staff may see it; a constant number of queries."""
    day = line.today(now)
    hours = list(
        line.hours.filter(Q(local_date=day) | Q(start__lte=now, end__gt=now))
        .annotate(seat_count=Count("seats"))
        .order_by("start", "pk")
    )
    duties = list(
        Duty.objects.active()
        .filter(hour__in=hours, hour__status=ConsultationHour.Status.PLANNED)
        .select_related("worker", "credited_to")
        .order_by("seat__no")
    )
    presences = {
        presence.worker_id: presence
        for presence in Presence.objects.filter(
            Q(worker__in=[duty.worker_id for duty in duties])
            | Q(pk__in=Presence.objects.at_the_desk(now).values("pk"))
        ).select_related("worker")
    }
    mine = {duty.hour_id for duty in duties if duty.worker_id == staff.user.pk}
    on_duty_now = {duty.worker_id for duty in duties if duty.start <= now < duty.end}
    others = [
        presence
        for worker_id, presence in presences.items()
        if worker_id not in on_duty_now and _here(presence, now) != Here.AWAY
    ]
    return Today(
        hours=[
            HourToday(
                hour=hour,
                people=[
                    _on_duty(duty, presences.get(duty.worker_id), now, staff, hour, mine)
                    for duty in duties
                    if duty.hour_id == hour.pk
                ],
                seats=hour.seat_count,
                is_now=hour.start <= now < hour.end,
            )
            for hour in hours
        ],
        others=_at_the_desk(others, now, staff),
        override=OpenOverride.objects.holding(now)
        .filter(line=line)
        .select_related("author")
        .first(),
        history=_history(line, now),
    )


def _here(presence: Presence | None, now: datetime) -> str:
    if presence is None or not presence.is_here(now):
        return Here.AWAY
    return Here.READY if presence.state == Presence.State.AVAILABLE else Here.PAUSED


def _since(presence: Presence | None, here: str) -> datetime | None:
    if presence is None or here == Here.PAUSED:
        return None
    return presence.ready_since if here == Here.READY else presence.seen_at


def _on_duty(
    duty: Duty,
    presence: Presence | None,
    now: datetime,
    staff: Staff,
    hour: ConsultationHour,
    mine: set[int],
) -> Person:
    may_know = (
        staff.is_platform_coordinator
        or duty.hour_id in mine
        or duty.credited_to_id in staff.worker_of | staff.coordinator_of
    )
    is_whole = (duty.start, duty.end) == (hour.start, hour.end)
    here = _here(presence, now)
    return Person(
        name=duty.worker.name if may_know else "",
        institution=duty.credited_to.name,
        is_me=duty.worker_id == staff.user.pk,
        here=here,
        since=_since(presence, here),
        part=None if is_whole else (duty.start, duty.end),
        cover_wanted=duty.status == Duty.Status.COVER_WANTED,
    )


def _at_the_desk(presences: Iterable[Presence], now: datetime, staff: Staff) -> list[Person]:
    """Who could step in: names for the platform's coordinators, who may open the chat by hand."""
    return [
        Person(
            name=presence.worker.name if staff.is_platform_coordinator else "",
            institution="",
            is_me=presence.worker_id == staff.user.pk,
            here=_here(presence, now),
            since=_since(presence, _here(presence, now)),
        )
        for presence in presences
    ]


def _history(line: ServiceLine, now: datetime) -> list[Change]:
    start, _end = day_span(line.today(now), line.zone)
    rows = OpeningLog.objects.filter(line=line, at__gte=start)[:100]
    return [
        Change(row.at, label(row.new, row.reason), why(row.reason), row.numbers) for row in rows
    ]
