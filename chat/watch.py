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
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

from django.utils import timezone

from chat import queue
from chat.counts import counts
from chat.database import in_pool
from chat.events import PresenceChanged, StatusChanged
from chat.hub import Hub, hub
from chat.models import Conversation, Visitor
from chat.peers import GONE, LOST_RIGHT, Peer
from chat.reading import Desk
from chat.visitor_peer import VisitorPeer
from chat.worker_peer import WorkerPeer
from institutions.access import staff_of_sessions
from roster.models import LEASE, Presence, ServiceLine

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

T = TypeVar("T")


class Top(NamedTuple):
    """What the watch compares: how a conversation stands in the database."""

    conversation: str
    status: str
    last_seq: int
    institution: int | None
    visitor_seen_at: datetime


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
        peers = list(self.hub.peers)
        visitors = [peer for peer in peers if isinstance(peer, VisitorPeer)]
        workers = [peer for peer in peers if isinstance(peer, WorkerPeer)]
        heard = [peer for peer in peers if peer.heard_at >= since and peer.has_said_hello]
        now = timezone.now()
        for chunk in _chunks(
            [s.conversation for p in heard if isinstance(p, VisitorPeer) for s in p.streams()]
        ):
            await in_pool(_renew_visitors, chunk, now)
        if workers:
            present = {peer.worker_id for peer in heard if isinstance(peer, WorkerPeer)}
            await in_pool(Presence.renew_all, present, now=now)
            await self._check_workers(workers)
        for part in _chunks(visitors):
            await self._check_visitors(part)
        await self._check_streams(peers)

    async def look_closely(self) -> None:
        """Find what other processes stored while nothing of them is heard."""
        if self.hub.is_deaf:
            await self._check_streams(list(self.hub.peers))

    async def _check_workers(self, workers: list[WorkerPeer]) -> None:
        rights = await in_pool(staff_of_sessions, {peer.session_key for peer in workers})
        for peer in workers:
            staff = rights.get(peer.session_key)
            if staff is None:
                peer.shut(GONE)
            elif not staff.is_worker:
                peer.shut(LOST_RIGHT)

    async def _check_visitors(self, visitors: list[VisitorPeer]) -> None:
        here = await in_pool(Visitor.that_go_on, [peer.visitor_id for peer in visitors])
        for peer in visitors:
            if peer.visitor_id not in here:
                peer.shut(GONE)

    async def _check_streams(self, peers: list[Peer]) -> None:
        followers: dict[str, list[Peer]] = {}
        for peer in peers:
            for stream in peer.streams():
                followers.setdefault(stream.conversation, []).append(peer)
        self._present = {key: was for key, was in self._present.items() if key in followers}
        for chunk in _chunks(list(followers)):
            tops, now = await in_pool(_tops, chunk), timezone.now()
            changed = [
                found.conversation
                for found in tops
                if self._compare(found, followers[found.conversation], now)
            ]
            for event in await in_pool(_statuses, changed) if changed else ():
                for peer in followers[event.conversation]:
                    followed = peer.stream_of(event.conversation)
                    if followed is not None and followed.status != event.status:
                        peer.hear(event, event.frame())
            await asyncio.sleep(0)

    def _compare(self, found: Top, followers: list[Peer], now: datetime) -> bool:
        """Bring the followers of one conversation up to date; return whether its status is news."""
        is_news = False
        for peer in followers:
            stream = peer.stream_of(found.conversation)
            if stream is None:
                continue
            is_news |= stream.status != found.status
            if stream.institution is not None and stream.institution != (found.institution or 0):
                # Another institution took it over, and nobody told us.
                self.hub.spawn(peer.look_again(found.conversation))
            else:
                counts.missed += found.last_seq > stream.top
                peer.reach(stream, found.last_seq)
        present = now - found.visitor_seen_at <= LEASE
        was = self._present.get(found.conversation)
        self._present[found.conversation] = present
        if was is not None and was != present:
            self.hub.tell_here(PresenceChanged(conversation=found.conversation, present=present))
        return is_news

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
            _read_desk, line, {peer.worker_id: peer.language for peer in workers}
        )
        for peer in workers:
            if peer.has_said_hello and (frame := frames.get(peer.worker_id)):
                peer.tell(frame)
        for chunk in _chunks(places):
            for place in chunk:
                if waiter := waiting.get(place.conversation):
                    waiter.tell_place(place)
            await asyncio.sleep(0)


def _chunks(items: list[T]) -> Iterator[list[T]]:
    for start in range(0, len(items), CHUNK):
        yield items[start : start + CHUNK]


def _renew_visitors(conversations: Iterable[str], now: datetime) -> None:
    Conversation.objects.live().filter(pk__in=conversations).update(visitor_seen_at=now)


def _tops(conversations: list[str]) -> list[Top]:
    # Rows and not objects: every window of the process is looked at every few seconds.
    found = Conversation.objects.filter(pk__in=conversations)
    return [
        Top(*row)
        for row in found.values_list(
            "pk", "status", "last_seq", "institution_id", "visitor_seen_at"
        )
    ]


def _statuses(conversations: list[str]) -> list[StatusChanged]:
    found = Conversation.objects.filter(pk__in=conversations).select_related("worker")
    return [StatusChanged.of(one) for one in found]


def _all_lines() -> list[int]:
    return list(ServiceLine.objects.values_list("pk", flat=True))


def _read_desk(
    line: int, languages: dict[int, str]
) -> tuple[dict[int, dict[str, Any]], list[queue.Place]]:
    desk = Desk(ServiceLine.objects.get(pk=line), timezone.now(), languages)
    return {worker: desk.frame(worker, lang) for worker, lang in languages.items()}, desk.places


watch = Watch(hub)
