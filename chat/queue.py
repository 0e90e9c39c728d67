"""Who is helped next and why, and how long that may take.

One pure function orders, `order`; one estimates, `expected_waits`. The visitor's number, the
worker's list, what the roster needs to know about the chat, and `manage.py simulate` all come from
here.
"""

import heapq
import math
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

from django.db.models import Count

from chat.models import Conversation, QueueRules
from chat.models.first import NOBODY, Firsts, Helper, Hold, Rules, Wants, helpers, wants
from institutions.models import User
from roster import opening
from roster.models import LEASE, Presence, ServiceLine

# Levels, lowest first: who was in a talk already or waited longest of all; then by urgency, with
# who was invited from a letter between them.
FIRST, NOW, KEPT, SOON, NORMAL = range(5)
LEVEL_OF = {
    Conversation.Urgency.NOW.value: NOW,
    Conversation.Urgency.SOON.value: SOON,
    Conversation.Urgency.NORMAL.value: NORMAL,
}

# What a chat takes until there are figures of our own: 20 to 60 minutes in published ones.
USUAL_LENGTH = timedelta(minutes=30)
SAMPLE = 50
MINUTE = timedelta(minutes=1)
# No chat is expected to end sooner than this, however long it runs: long chats run on.
SOONEST = 5.0
# Of more than this, places are good for a moment.
LONG, FRESH = 500, timedelta(seconds=2)
_recent: dict[int, tuple[datetime, dict[str, "Place"]]] = {}
# So many cards a desk shows from the front; and so many more that are somebody's own to see.
WINDOW, OWN = 50, 10


class Waiting(NamedTuple):
    """One waiting chat, as far as its order is concerned.

    `since`: waits since. `came_at`: entered the queue for the first time, which is earlier for who
    was in a talk already (`returned`). `keeps_place`: was invited from a letter.
    """

    conversation: str
    urgency: str
    since: datetime
    returned: bool = False
    came_at: datetime | None = None
    wants: Wants = Wants()
    keeps_place: bool = False


class Standing(NamedTuple):
    """Where one stands in a list, and why.

    `level`: what the place follows from. `passed`: how many who came later stand before. `hold`: for
    whom they are first, for a moment.
    """

    waiting: Waiting
    level: int
    passed: int
    hold: Hold

    @property
    def is_promoted(self) -> bool:
        """Stands higher than its own urgency, by having waited long."""
        return (
            not self.waiting.returned
            and self.level in (FIRST, SOON)
            and self.level < LEVEL_OF[self.waiting.urgency]
        )


def order(
    waiting: Iterable[Waiting],
    now: datetime,
    rules: Rules,
    helpers: Collection[Helper] = (),
    viewer: int | None = None,
) -> list[Standing]:
    """Return the waiting chats, next one first: urgency, then waiting time, with a floor.

    The floor: who waits for `soon_after_minutes` counts as soon, and who waits for
    `first_after_minutes` goes before everybody who came later. So nobody stands behind later, higher
    ones for longer than that. Of two the order depends on those two alone, and two moments give the
    same order unless somebody's waiting time passed a mark in between.

    With a `viewer` (a worker), the list of that worker: those who are first for others come last for
    as long as they are, and those who are first for them come before others of the same level, if a
    colleague has a place for those. Without, the order itself.
    """
    soon_since = now - timedelta(minutes=rules.soon_after_minutes)
    first_since = now - timedelta(minutes=rules.first_after_minutes)
    firsts = Firsts(rules, helpers, now)
    held_since = firsts.since if helpers else now
    keyed = []
    for one in waiting:
        since = one.since
        level = LEVEL_OF[one.urgency]
        if one.returned or since <= first_since:
            level = FIRST
        elif one.keeps_place and level > KEPT:
            level = KEPT
        elif level == NORMAL and since <= soon_since:
            level = SOON
        held = NOBODY
        # Who needs help now is everybody's at once, and so is who was in a talk already.
        if since > held_since and level > NOW and one.wants:
            held = firsts.hold(one.wants, since)
        # Ends before `held`, because no two conversations have the same name.
        entered_at = one.came_at if one.returned and one.came_at else since
        keyed.append((level, entered_at, one.conversation, held, one))
    keyed.sort()
    if viewer is not None:
        rank = _rank_for(viewer, helpers)
        keyed.sort(key=lambda one: rank(one[0], one[3]))
    standings = []
    ahead: list[datetime] = []
    for level, entered_at, _name, held, one in keyed:
        if not ahead or ahead[-1] <= entered_at:
            passed = 0
            ahead.append(entered_at)
        else:
            at = bisect_right(ahead, entered_at)
            passed = len(ahead) - at
            ahead.insert(at, entered_at)
        standings.append(Standing(one, level, passed, held))
    return standings


def _rank_for(
    viewer: int, helpers: Collection[Helper]
) -> Callable[[int, Hold], tuple[bool, int, bool]]:
    """What a worker's list is sorted by, after the common order."""
    others_free = any(one.free > 0 and one.worker != viewer for one in helpers)

    def rank(level: int, hold: Hold) -> tuple[bool, int, bool]:
        is_others = hold.is_held_from(viewer)
        return is_others, level, is_others or not hold or not others_free

    return rank


def windows(
    standings: Sequence[Standing],
    helpers: Collection[Helper],
    reserved: Mapping[str, int],
    viewers: Iterable[int],
) -> dict[int, list[Standing]]:
    """Return what each worker's desk shows of the common order: the front of their own list.

    Besides the first `WINDOW`: the first who need help now, who is handed over to this worker
    (`reserved`), and the first who are first for them. However many wait, looking at all of them
    happens once.
    """
    free, nows = 0, 0
    near = []
    for one in standings:
        is_now = one.waiting.urgency == Conversation.Urgency.NOW
        if (
            one.hold
            or free < WINDOW
            or (is_now and nows < WINDOW)
            or one.waiting.conversation in reserved
        ):
            near.append(one)
        free += not one.hold
        nows += is_now
    return {viewer: _window(near, helpers, reserved, viewer) for viewer in viewers}


def _window(
    near: Sequence[Standing], helpers: Collection[Helper], reserved: Mapping[str, int], viewer: int
) -> list[Standing]:
    rank = _rank_for(viewer, helpers)
    nows, own = 0, 0
    shown = []
    for at, one in enumerate(sorted(near, key=lambda one: rank(one.level, one.hold))):
        is_now = one.waiting.urgency == Conversation.Urgency.NOW
        is_own = bool(one.hold) and viewer in one.hold.workers
        if (
            at < WINDOW
            or (is_now and nows < WINDOW)
            or (is_own and own < OWN)
            or reserved.get(one.waiting.conversation) == viewer
        ):
            shown.append(one)
            own += is_own
        nows += is_now
    return shown


def honest_places(
    waiting: Sequence[Waiting], now: datetime, rules: Rules, helpers: Collection[Helper] = ()
) -> list[tuple[Standing, int]]:
    """Return every waiting chat, next one first, with the number that its visitor is told.

    That number is never better than reality: who is first for some workers only, for a moment, may
    stand further back in the lists of all others, and is told that.
    """
    standings = order(waiting, now, rules, helpers)
    numbers = {one.waiting.conversation: at for at, one in enumerate(standings, start=1)}
    if any(one.hold for one in standings):
        # Nobody has this number: the list of a worker who is first for no one.
        for at, one in enumerate(order(waiting, now, rules, helpers, viewer=-1), start=1):
            name = one.waiting.conversation
            numbers[name] = max(numbers[name], at)
    return [(one, numbers[one.waiting.conversation]) for one in standings]


class Place(NamedTuple):
    """Where a waiting chat stands: `place` from 1; `minutes` None when nobody can tell.

    `passed`: how many who came later go first.
    """

    conversation: str
    place: int
    minutes: int | None
    fits: bool
    passed: int = 0
    standing: Standing | None = None


@dataclass(frozen=True)
class Capacity:
    """What the workers who are ready now can take.

    `free`: places without a chat. `slots`: all places. `elapsed`: how long the active chats run that
    began first.
    """

    free: int
    slots: int
    elapsed: tuple[timedelta, ...] = ()
    usual: timedelta = USUAL_LENGTH


def expected_waits(capacity: Capacity, count: int) -> list[int | None]:
    """Return an honest wait in minutes for the first `count` places, rounded up.

    Free places are taken at once; after that a place comes free when a running chat reaches its
    usual length (at least five minutes from now, because long chats run on).
    """
    if capacity.slots <= 0:
        return [None] * count
    usual = capacity.usual / MINUTE
    # No more free places than there are people for them: what is asked is often only a few.
    frees_at = [0.0] * min(capacity.free, count) + [
        max(usual - elapsed / MINUTE, SOONEST) for elapsed in capacity.elapsed
    ]
    frees_at = frees_at or [SOONEST]
    heapq.heapify(frees_at)
    waits: list[int | None] = []
    for _ in range(count):
        wait = frees_at[0]
        heapq.heapreplace(frees_at, wait + usual)
        waits.append(_round_up(wait))
    return waits


def round_up(wait: timedelta) -> int:
    """Minutes that we dare to promise: 0, 2, 5 and then fives."""
    return _round_up(wait / MINUTE)


def _round_up(minutes: float) -> int:
    if minutes <= 0:
        return 0
    return 2 if minutes <= 2 else math.ceil(minutes / 5) * 5


def waiting_on(line: ServiceLine) -> list[Waiting]:
    """Everybody who waits for this line, in no order."""
    # Rows and not objects: every visitor who comes in asks this.
    rows = Conversation.objects.waiting().filter(line=line)
    return [
        Waiting(pk, urgency, since, claimed_at is not None, came_at, wants(*asked), keeps_place)
        for pk, urgency, since, claimed_at, came_at, keeps_place, *asked in rows.values_list(
            "pk",
            "urgency",
            "waiting_since",
            "claimed_at",
            "created_at",
            "keeps_place",
            "region",
            "wishes",
            "language",
        )
    ]


def capacity_on(line: ServiceLine, now: datetime, count: int) -> Capacity:
    """Return what there is for the first `count` places of the line.

    Of the active chats only the `count` that began first: a wait for a place ends with one of these.
    """
    is_ready = {
        "state": Presence.State.AVAILABLE,
        "seen_at__gt": now - LEASE,
        "worker__is_active": True,
    }
    ready = dict(Presence.objects.filter(**is_ready).values_list("worker_id", "worker__chat_cap"))
    active = Conversation.objects.active().filter(line=line)
    busy = dict(active.order_by().values_list("worker").annotate(count=Count("pk")))
    of_ready = active.filter(
        claimed_at__isnull=False,
        worker__in=Presence.objects.filter(**is_ready).values("worker"),
    )
    began = of_ready.order_by("claimed_at").values_list("claimed_at", flat=True)[:count]
    return Capacity(
        free=sum(max(0, cap - busy.get(worker, 0)) for worker, cap in ready.items()),
        slots=sum(ready.values()),
        elapsed=tuple(now - at for at in began if at),
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
    return load_of(capacity_on(line, now, waiting + 1), waiting)


def load_of(capacity: Capacity, waiting: int) -> opening.Load:
    """The same, when it is known how many wait and what there is for them and one more."""
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
    capacity = capacity_on(line, now, len(waiting))
    return placed(waiting, now, QueueRules.of(line), helpers(now), capacity, until)


def place_of(conversation: Conversation, now: datetime) -> Place | None:
    """Return where one chat stands now; None when it does not wait."""
    return places_of([conversation], now).get(conversation.pk)


def places_of(conversations: Iterable[Conversation], now: datetime) -> dict[str, Place]:
    """Return where those of these stand that wait, each queue read once.

    Every window asks when it opens, and after a restart all at once: of a long queue the places of
    the last moment are good enough, and the watch tells the next ones.
    """
    by_line: dict[int, list[Conversation]] = {}
    for one in conversations:
        if one.status == Conversation.Status.WAITING and one.kind == Conversation.Kind.CHAT:
            by_line.setdefault(one.line_id, []).append(one)
    found: dict[str, Place] = {}
    for waiting in by_line.values():
        known = _places_of_line(waiting[0].line, now, {one.pk for one in waiting})
        found |= {one.pk: known[one.pk] for one in waiting if one.pk in known}
    return found


def _places_of_line(line: ServiceLine, now: datetime, asked: Set[str]) -> dict[str, Place]:
    until, known = _recent.get(line.pk, (now, {}))
    if now < until and asked <= known.keys():
        return known
    found = {one.conversation: one for one in places(line, now, opening_of(line, now).until)}
    _recent.pop(line.pk, None)
    if len(found) > LONG:
        _recent[line.pk] = now + FRESH, found
    return found


def placed(
    waiting: Sequence[Waiting],
    now: datetime,
    rules: Rules,
    helpers: Collection[Helper],
    capacity: Capacity,
    until: datetime | None,
) -> list[Place]:
    """The same without a database: what the desk and the simulation share."""
    waits = expected_waits(capacity, len(waiting))
    return [
        Place(
            one.waiting.conversation,
            number,
            waits[number - 1],
            _fits(now, waits[number - 1], until),
            one.passed,
            one,
        )
        for one, number in honest_places(waiting, now, rules, helpers)
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
