"""Who is helped next, and how long that may take. One pure function orders, one estimates.

The visitor's number, the worker's list and what the roster needs to know about the chat all come
from here.
"""

import heapq
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count

from chat.models import Conversation
from institutions.models import User
from roster import opening
from roster.models import LEASE, Presence, ServiceLine

# Somebody urgent stands where they would stand had they come this much earlier. So they pass
# everyone who came just before them, and nobody waits behind later, urgent people for longer than
# this: the floor needs no rule of its own, and the order never changes by the passing of time.
HEAD_START = {
    Conversation.Urgency.NOW: timedelta(minutes=30),
    Conversation.Urgency.SOON: timedelta(minutes=10),
    Conversation.Urgency.NORMAL: timedelta(0),
}
# In the middle of a talk already: the colleague handed over, or was lost.
RETURNED_HEAD_START = timedelta(minutes=60)
# Was invited from a letter: a place was kept.
KEPT_HEAD_START = timedelta(minutes=20)

# What a chat takes until there are figures of our own: 20 to 60 minutes in published ones.
USUAL_LENGTH = timedelta(minutes=30)
SAMPLE = 50


@dataclass(frozen=True)
class Waiting:
    """One waiting chat, as far as its order is concerned."""

    conversation: str
    urgency: str
    since: datetime
    returned: bool = False
    keeps_place: bool = False

    @property
    def rank(self) -> tuple[datetime, str]:
        head_start = HEAD_START[Conversation.Urgency(self.urgency)]
        if self.returned:
            head_start = max(head_start, RETURNED_HEAD_START)
        if self.keeps_place:
            head_start = max(head_start, KEPT_HEAD_START)
        return self.since - head_start, self.conversation


@dataclass(frozen=True)
class Place:
    """Where a waiting chat stands: `place` from 1; `minutes` None when nobody can tell."""

    conversation: str
    place: int
    minutes: int | None
    fits: bool


@dataclass(frozen=True)
class Capacity:
    """What the workers who are ready now can take.

    `free`: places without a chat. `slots`: all places. `elapsed`: how long each active chat runs.
    """

    free: int
    slots: int
    elapsed: tuple[timedelta, ...] = ()
    usual: timedelta = USUAL_LENGTH


def order(waiting: Iterable[Waiting]) -> list[Waiting]:
    """Return the waiting chats, next one first: urgency, then waiting time, with a floor."""
    return sorted(waiting, key=lambda one: one.rank)


def expected_waits(capacity: Capacity, count: int) -> list[int | None]:
    """Return an honest wait in minutes for the first `count` places, rounded up.

    Free places are taken at once; after that a place comes free when a running chat reaches its
    usual length (at least five minutes from now, because long chats run on).
    """
    if capacity.slots <= 0:
        return [None] * count
    soonest = timedelta(minutes=5)
    frees_at = [timedelta(0)] * capacity.free + [
        max(capacity.usual - elapsed, soonest) for elapsed in capacity.elapsed
    ]
    if not frees_at:
        frees_at = [soonest]
    heapq.heapify(frees_at)
    waits: list[int | None] = []
    for _ in range(count):
        wait = frees_at[0]
        heapq.heapreplace(frees_at, wait + capacity.usual)
        waits.append(round_up(wait))
    return waits


def round_up(wait: timedelta) -> int:
    """Minutes that we dare to promise: 0, 2, 5 and then fives."""
    minutes = wait / timedelta(minutes=1)
    if minutes <= 0:
        return 0
    if minutes <= 2:
        return 2
    return math.ceil(minutes / 5) * 5


def waiting_on(line: ServiceLine) -> list[Waiting]:
    rows = Conversation.objects.waiting().filter(line=line)
    return order(
        Waiting(pk, urgency, since, claimed_at is not None, keeps_place)
        for pk, urgency, since, claimed_at, keeps_place in rows.values_list(
            "pk", "urgency", "waiting_since", "claimed_at", "keeps_place"
        )
    )


def capacity_on(line: ServiceLine, now: datetime) -> Capacity:
    ready = dict(
        Presence.objects.filter(
            state=Presence.State.AVAILABLE, seen_at__gt=now - LEASE, worker__is_active=True
        ).values_list("worker_id", "worker__chat_cap")
    )
    active = list(
        Conversation.objects.active().filter(line=line).values_list("worker_id", "claimed_at")
    )
    busy: dict[int, int] = {}
    for worker_id, _since in active:
        if worker_id is not None:
            busy[worker_id] = busy.get(worker_id, 0) + 1
    return Capacity(
        free=sum(max(0, cap - busy.get(worker, 0)) for worker, cap in ready.items()),
        slots=sum(ready.values()),
        elapsed=tuple(now - since for worker, since in active if worker in ready and since),
        usual=usual_length(line),
    )


def usual_length(line: ServiceLine) -> timedelta:
    """The median of the last chats, kept between 15 and 60 minutes; published figures at first."""
    spans = sorted(
        ended_at - claimed_at
        for ended_at, claimed_at in Conversation.objects.chats()
        .filter(line=line, status=Conversation.Status.CLOSED, claimed_at__isnull=False)
        .order_by("-ended_at")
        .values_list("ended_at", "claimed_at")[:SAMPLE]
        if ended_at and claimed_at
    )
    if len(spans) < 10:
        return USUAL_LENGTH
    return min(max(spans[len(spans) // 2], timedelta(minutes=15)), timedelta(minutes=60))


def load(line: ServiceLine, now: datetime) -> opening.Load:
    """Return what the roster needs to know about the chat to say whether it is open."""
    waiting = Conversation.objects.waiting().filter(line=line).count()
    capacity = capacity_on(line, now)
    wait = expected_waits(capacity, waiting + 1)[-1]
    return opening.Load(
        free_places=max(0, capacity.free - waiting),
        waiting=waiting,
        wait_minutes=0 if wait is None else wait,
    )


def opening_of(line: ServiceLine, now: datetime) -> opening.Opening:
    """Is the chat of this line open right now? Asked by pages, and again when a chat starts."""
    return opening.look(line, load(line, now), now)


def places(line: ServiceLine, now: datetime, until: datetime | None) -> list[Place]:
    """Return every waiting chat with its place, next one first.

    `until` is when the consultation hour ends; `fits` tells whether the turn is likely to come
    before it, with a quarter of an hour left to talk.
    """
    waiting = waiting_on(line)
    waits = expected_waits(capacity_on(line, now), len(waiting))
    return [
        Place(one.conversation, number, minutes, _fits(now, minutes, until))
        for number, (one, minutes) in enumerate(zip(waiting, waits, strict=True), start=1)
    ]


def _fits(now: datetime, minutes: int | None, until: datetime | None) -> bool:
    if until is None or minutes is None:
        return True
    return now + timedelta(minutes=minutes + 15) <= until


def chats_by_worker(workers: Sequence[int]) -> dict[int, int]:
    """Return how many active chats each of these workers has."""
    return dict(
        Conversation.objects.active()
        .filter(worker__in=workers)
        .values_list("worker")
        .annotate(count=Count("pk"))
        .values_list("worker", "count")
    )


def present_colleagues(now: datetime) -> list[User]:
    """Return the workers at the desk now, with `presence` loaded."""
    return list(
        User.objects.filter(
            is_active=True, presence__seen_at__gt=now - LEASE, memberships__role="worker"
        )
        .select_related("presence")
        .prefetch_related("memberships__institution")
        .distinct()
    )
