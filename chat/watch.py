"""What a process does for its open windows by the clock, for all of them together.

Every few seconds, in a handful of queries however many windows there are: renew the leases of
those that gave a sign of life, find messages and changes that a lost doorbell did not announce, and
close the windows of whoever lost the right to look. And whenever the desk changed: read it once and
tell every desk, and everybody who waits, where they stand.
"""

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from django.db.models import BooleanField, ExpressionWrapper, Q
from django.utils import timezone

from chat import queue
from chat.counts import counts
from chat.database import in_pool
from chat.events import PresenceChanged, StatusChanged
from chat.hub import Hub, hub
from chat.models import Conversation, Visitor
from chat.peers import GONE, LOST_RIGHT, Peer, Stream
from chat.reading import Desk, is_present
from chat.visitor_peer import VisitorPeer
from chat.worker_peer import WorkerPeer
from institutions.access import staff_of_sessions
from roster.models import Presence, ServiceLine

log = logging.getLogger("klikvoor.chat.watch")

# Lost rights must count within five seconds, and 25 s heartbeats must fit a 30 s lease.
SWEEP_SECONDS = 3.0
# Changes that come together are told together.
GATHER_SECONDS = 0.25
# Reading a very long queue takes a while; the rest of the process has this share of the time.
REST = 2.0
# Expected waits change by the passing of time alone.
REFRESH_SECONDS = 10.0
# While other processes are not heard: messages of theirs within a second, and their desks.
DEAF_SWEEP_SECONDS = 0.6
DEAF_REFRESH_SECONDS = 2.0
CHUNK = 500
# Rows that are written at once: meanwhile SQLite takes nobody's words.
RENEW_CHUNK = 100

T = TypeVar("T")


# Who follows each conversation, and how far they were told.
Followers = dict[str, list[tuple[Peer, Stream]]]


@dataclass(slots=True)
class Round:
    """The windows of one round.

    `newcomers`: visitors' windows that follow nothing yet, so that nothing else looks after them.
    `heard`, `present`: conversations and workers that gave a sign of life since the last round.
    """

    followers: Followers = field(default_factory=dict)
    newcomers: dict[int, list[VisitorPeer]] = field(default_factory=dict)
    heard: list[str] = field(default_factory=list)
    workers: list[WorkerPeer] = field(default_factory=list)
    present: set[int] = field(default_factory=set)


class Watch:
    """The clockwork of one process; `start` runs it on the current event loop."""

    def __init__(self, hub: Hub) -> None:
        self.hub = hub
        self._swept_at = 0.0
        self._changed: set[int] = set()
        self._ring = asyncio.Event()
        self._present: dict[str, bool] = {}

    def start(self) -> None:
        self._changed.clear()
        self._present.clear()
        self._ring = asyncio.Event()
        self.hub.on_desk_changed = self.desk_changed
        self.hub.spawn(self._forever(self.sweep, SWEEP_SECONDS))
        self.hub.spawn(self._forever(self.look_closely, DEAF_SWEEP_SECONDS))
        self.hub.spawn(self._tell_desks())

    async def _forever(self, work: Any, seconds: float) -> None:
        while True:
            await asyncio.sleep(seconds * random.uniform(0.8, 1.2))  # noqa: S311
            try:
                await work()
            except Exception as error:  # the database is away: the next round tries again
                log.error("the watch failed", exc_info=error)

    # --- Leases, gaps and rights ----------------------------------------------------------------

    async def sweep(self) -> None:
        """One round over all windows of this process."""
        since, self._swept_at = self._swept_at, time.monotonic()
        found = await self._look_over(since)
        now = timezone.now()
        for chunk in _chunks(found.heard, RENEW_CHUNK):
            await in_pool(_renew_visitors, chunk, now)
        if found.workers:
            await in_pool(Presence.renew_all, found.present, now=now)
            await self._check_workers(found.workers)
        for some in _chunks(list(found.newcomers)):
            here = await in_pool(Visitor.that_go_on, some)
            for visitor in some:
                if visitor not in here:
                    _end(found.newcomers[visitor])
        await self._check_streams(found.followers)

    async def look_closely(self) -> None:
        """Find what other processes stored while nothing of them is heard."""
        if self.hub.is_deaf:
            await self._check_streams((await self._look_over(0.0)).followers)

    async def _look_over(self, since: float) -> Round:
        """Sort all windows, once: looking at thousands again and again is what a round would cost."""
        found = Round()
        for part in _chunks(list(self.hub.peers)):
            for peer in part:
                is_heard = peer.heard_at >= since and peer.has_said_hello
                if isinstance(peer, VisitorPeer):
                    if (stream := peer.stream) is None:
                        found.newcomers.setdefault(peer.visitor_id, []).append(peer)
                        continue
                    found.followers.setdefault(stream.conversation, []).append((peer, stream))
                    if is_heard:
                        found.heard.append(stream.conversation)
                elif isinstance(peer, WorkerPeer):
                    found.workers.append(peer)
                    if is_heard:
                        found.present.add(peer.worker_id)
                    for stream in peer.streams():
                        found.followers.setdefault(stream.conversation, []).append((peer, stream))
            await asyncio.sleep(0)
        return found

    async def _check_workers(self, workers: list[WorkerPeer]) -> None:
        rights = await in_pool(staff_of_sessions, {peer.session_key for peer in workers})
        for peer in workers:
            staff = rights.get(peer.session_key)
            if staff is None:
                peer.shut(GONE)
            elif not staff.is_worker:
                peer.shut(LOST_RIGHT)

    async def _check_streams(self, followers: Followers) -> None:
        self._present = {key: was for key, was in self._present.items() if key in followers}
        for chunk in _chunks(list(followers)):
            changed: list[str] = []
            tops = await in_pool(_tops, chunk, timezone.now())
            for conversation, status, top, institution, present, goes_on in tops:
                if not goes_on:
                    _end(peer for peer, _stream in followers[conversation])
                for peer, stream in followers[conversation]:
                    if (
                        stream.status != status
                        or stream.sent < top
                        or stream.institution not in (None, institution)
                    ):
                        self._bring_up_to_date(peer, conversation, top, institution)
                        changed.append(conversation)
                self._note_presence(conversation, present)
            for event in await in_pool(_statuses, changed) if changed else ():
                for peer, _stream in followers[event.conversation]:
                    followed = peer.stream_of(event.conversation)
                    if followed is not None and followed.status != event.status:
                        peer.hear(event, event.frame())
            await asyncio.sleep(0)

    def _bring_up_to_date(self, peer: Peer, conversation: str, top: int, institution: int) -> None:
        """Something about this conversation was not told here; its status is told further on."""
        stream = peer.stream_of(conversation)
        if stream is None:
            return
        if stream.institution not in (None, institution):
            # Another institution took it over, and nobody told us.
            self.hub.spawn(peer.look_again(conversation))
        else:
            counts.missed += top > stream.top
            peer.reach(stream, top)

    def _note_presence(self, conversation: str, present: bool) -> None:
        was = self._present.get(conversation)
        self._present[conversation] = present
        if was is not None and was != present:
            self.hub.tell_here(PresenceChanged(conversation=conversation, present=present))

    # --- The desk and the queue -----------------------------------------------------------------

    def desk_changed(self, line: int) -> None:
        """Somebody rang: tell the desks of this line soon."""
        self._changed.add(line)
        self._ring.set()

    async def _tell_desks(self) -> None:
        refreshed_at = time.monotonic()
        spent = 0.0
        while True:
            refresh = DEAF_REFRESH_SECONDS if self.hub.is_deaf else REFRESH_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._ring.wait(), refresh)
            await asyncio.sleep(max(GATHER_SECONDS, REST * spent))
            self._ring.clear()
            lines, self._changed = self._changed, set()
            began = time.monotonic()
            try:
                if time.monotonic() - refreshed_at >= refresh:
                    refreshed_at = time.monotonic()
                    lines = set(await in_pool(_all_lines))
                for line in lines:
                    await self.tell_desk(line)
            except Exception as error:  # the database is away: the next ring tries again
                log.error("the desks were not told", exc_info=error)
            spent = time.monotonic() - began

    async def tell_desk(self, line: int) -> None:
        """Read the desk of a line once and tell its workers and everybody who waits."""
        workers = [peer for peer in self.hub.peers if isinstance(peer, WorkerPeer)]
        waiting = {
            peer.stream.conversation: peer
            for peer in self.hub.peers
            if isinstance(peer, VisitorPeer)
            and peer.stream is not None
            and peer.status == Conversation.Status.WAITING
        }
        if not workers and not waiting:
            return
        frames, places = await in_pool(
            read_desks, line, {peer.worker_id: peer.language for peer in workers}
        )
        for part in _chunks(workers):
            for peer in part:
                if peer.has_said_hello and (frame := frames.get(peer.worker_id)):
                    peer.send(frame)
            await asyncio.sleep(0)
        for chunk in _chunks(places):
            for place in chunk:
                if waiter := waiting.get(place.conversation):
                    waiter.tell_place(place)
            await asyncio.sleep(0)


def _chunks(items: list[T], size: int = CHUNK) -> Iterator[list[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _end(windows: Iterable[Peer]) -> None:
    """The visit of these windows ended, and nobody told us."""
    for window in windows:
        if isinstance(window, VisitorPeer):
            window.shut(GONE)


def _renew_visitors(conversations: Iterable[str], now: datetime) -> None:
    Conversation.objects.live().filter(pk__in=conversations).update(visitor_seen_at=now)


def _tops(conversations: list[str], now: datetime) -> list[tuple[str, str, int, int, bool, bool]]:
    """Return status, last number, institution (0: none), whether the visitor is there and whether
    the visit goes on, of each.
    """
    # Rows and not objects, and no times: every window of the process is looked at every few seconds.
    goes_on = ExpressionWrapper(Q(visitor__token_hash__isnull=False), BooleanField())
    found = Conversation.objects.filter(pk__in=conversations).order_by()
    fields = ("pk", "status", "last_seq", "institution_id", "present", "goes_on")
    return [
        (pk, status, top, owner or 0, present, goes_on)
        for pk, status, top, owner, present, goes_on in found.annotate(
            present=is_present(now), goes_on=goes_on
        ).values_list(*fields)
    ]


def _statuses(conversations: list[str]) -> list[StatusChanged]:
    found = Conversation.objects.filter(pk__in=conversations).select_related("worker")
    return [StatusChanged.of(one) for one in found]


def _all_lines() -> list[int]:
    return list(ServiceLine.objects.values_list("pk", flat=True))


def read_desks(line: int, languages: dict[int, str]) -> tuple[dict[int, str], list[queue.Place]]:
    """Return the frame of each worker's desk, and everybody's place."""
    desk = Desk(ServiceLine.objects.get(pk=line), timezone.now(), languages)
    return {
        worker: msgspec.json.encode(desk.frame(worker, language)).decode()
        for worker, language in languages.items()
    }, desk.places


watch = Watch(hub)
