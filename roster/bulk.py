"""Closing or moving whole days at once: first look, then do exactly that.

A person is told in one mail, however many hours it touches.
"""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils import timezone

from institutions.models import User
from roster.models import ConsultationHour, CoverRequest, Duty, RosterRefused, ServiceLine, changing
from roster.models.acting import require_planner
from roster.news import News, tell
from roster.time import span


@dataclass(frozen=True)
class Effect:
    """What happens to one hour: it moves to `day`, or is cancelled (None).

    `duties` and `requests`: how many active duties and live requests for cover it has. With an
    `obstacle` it stays as it is: past (the new time is), no_time (the clock skips it that night).
    """

    hour: ConsultationHour
    day: date | None
    duties: int
    requests: int
    obstacle: str = ""


@dataclass(frozen=True)
class Preview:
    """What will happen, hour by hour, and how many people will be told.

    `token` stands for exactly this: `apply` refuses when it would do something else meanwhile.
    """

    effects: tuple[Effect, ...]
    people: int
    token: str

    @property
    def changes(self) -> int:
        return sum(not effect.obstacle for effect in self.effects)


def preview(
    line: ServiceLine,
    first: date,
    last: date,
    *,
    to: date | None = None,
    now: datetime | None = None,
) -> Preview:
    """Look what closing the days from `first` to `last`, both included, would do.

    With `to` they move instead, all by as many days as `first` does. Only planned hours that have
    not begun. Writes nothing; a constant number of queries.
    """
    now = now or timezone.now()
    hours = list(_hours(line, first, last, now))
    duties = list(
        Duty.objects.active().filter(hour__in=hours).values_list("hour", "worker", "sequence", "pk")
    )
    requests = list(
        CoverRequest.objects.live()
        .filter(duty__hour__in=hours)
        .values_list("duty__hour", flat=True)
    )
    effects = []
    for hour in hours:
        day = None if to is None else hour.local_date + (to - first)
        effects.append(
            Effect(
                hour,
                day,
                duties=sum(of == hour.pk for of, *_rest in duties),
                requests=requests.count(hour.pk),
                obstacle=_obstacle(hour, day, now),
            )
        )
    going = {effect.hour.pk for effect in effects if not effect.obstacle}
    return Preview(
        effects=tuple(effects),
        people=len({worker for of, worker, *_rest in duties if of in going}),
        token=_token(effects, duties),
    )


def apply(
    line: ServiceLine,
    first: date,
    last: date,
    by: User,
    *,
    to: date | None = None,
    public_reason: str = "",
    token: str = "",
    now: datetime | None = None,
) -> Preview:
    """Close or move these days, all of it or nothing, and return what was done.

    With the `token` of a preview it does exactly what that showed. Raises RosterRefused:
    not_yours, changed (it would be something else now), nothing (there is no hour to change).
    """
    require_planner(by)
    now = now or timezone.now()
    with transaction.atomic():
        changing.lock(_hours(line, first, last, now))
        plan = preview(line, first, last, to=to, now=now)
        if token and token != plan.token:
            raise RosterRefused("changed")
        if not plan.changes:
            raise RosterRefused("nothing")
        news: list[News] = []
        for effect in _in_order(plan.effects, forward=to is not None and to > first):
            news += _do(effect, by, now, public_reason)
        done = f"{now:%Y%m%d%H%M%S%f}"
        tell(news, "hours_changed", f"days:{line.pk}:{first}:{last}:{done}")
    return plan


def _do(effect: Effect, by: User, now: datetime, reason: str) -> list[News]:
    hour = effect.hour
    if effect.obstacle:
        return []
    if effect.day is None:
        return changing.cancel(hour, by, now, reason, by_hand=True)
    return changing.move(hour, by, now, effect.day, hour.local_start, hour.local_end, by_hand=True)


def _hours(
    line: ServiceLine, first: date, last: date, now: datetime
) -> "Collection[ConsultationHour]":
    hours = line.hours.planned().filter(local_date__range=(first, last), start__gt=now)
    return hours.select_related("line", "rule").order_by("start", "pk")


def _in_order(effects: Collection[Effect], *, forward: bool) -> list[Effect]:
    """The last day first when days move forward: duties then never land on one that still has to go."""
    return sorted(effects, key=lambda effect: effect.hour.start, reverse=forward)


def _obstacle(hour: ConsultationHour, day: date | None, now: datetime) -> str:
    if day is None:
        return ""
    start, end = span(day, hour.local_start, hour.local_end, ZoneInfo(hour.tz))
    if end <= start:
        return "no_time"
    return "past" if start <= now else ""


def _token(effects: list[Effect], duties: list[tuple[int, int, int, int]]) -> str:
    """Names what was shown: these hours as they are, and who is on duty in them."""
    shown = [(e.hour.pk, e.hour.version, str(e.day), e.requests, e.obstacle) for e in effects]
    return hashlib.sha256(repr((shown, sorted(duties))).encode()).hexdigest()[:32]
