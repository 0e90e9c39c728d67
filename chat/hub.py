"""Who hears what: audiences of open windows in this process, and a doorbell to the others.

`tell` may be called from any thread, after the commit. It hands each event to the windows of its
audiences in this process and, when there are more processes, puts it in one batch per turn of the
event loop on one channel-layer group, to which each process has one subscription. The layer may
lose anything: each window knows the last number it sent, and `chat/watch.py` looks for gaps.

A person's words cross to other processes sealed with the conversation's own data key.
"""

import asyncio
import base64
import contextlib
import logging
import secrets
import time
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec
from channels.layers import BaseChannelLayer, get_channel_layer
from cryptography.fernet import InvalidToken
from django.conf import settings

from chat.database import in_pool
from chat.events import EVENTS, DeskChanged, Event, MessagePosted
from chat.keys import data_keys

if TYPE_CHECKING:
    from chat.peers import Peer

log = logging.getLogger("klikvoor.chat.hub")

GROUP = "klikvoor.hub"
# The doorbell rings itself this often, and is away when it was not heard for so long.
RING_SECONDS = 1.0
DEAF_SECONDS = 2.5
# Redis may hang instead of failing; what it was told then is lost, and the watch finds it.
RELAY_SECONDS = 2.0
# A subscription over which nothing was heard for so long is dropped and made anew: its machine may be
# gone without a word, and another one the master by now.
SUBSCRIBE_AGAIN_SECONDS = 6.0
encode = msgspec.json.encode
decode = msgspec.json.Decoder(EVENTS).decode


class Hub:
    """The windows of this process by audience."""

    def __init__(self) -> None:
        self.process = secrets.token_hex(8)
        self.audiences: dict[str, set[Peer]] = defaultdict(set)
        self.peers: set[Peer] = set()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._outbox: list[Event] = []
        self._has_news = asyncio.Event()
        self._heard_at = 0.0
        self._relays = False
        self._subscribed_at = 0.0
        self._listening: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        # The watch reads the desk once for all windows that a change of it concerns.
        self.on_desk_changed: Callable[[int], None] | None = None

    # --- Life -----------------------------------------------------------------------------------

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Work on this event loop from now on; with Redis, also listen to other processes."""
        self._loop = loop
        self._relays = bool(settings.REDIS_URL)
        if loop is not None and self._relays:
            self._has_news = asyncio.Event()
            self._heard_at = time.monotonic()
            self._subscribed_at = time.monotonic()
            self._listening = self.spawn(self._listen())
            self.spawn(self._relay())
            self.spawn(self._ring())

    def is_on(self, loop: asyncio.AbstractEventLoop) -> bool:
        return self._loop is loop

    @property
    def is_deaf(self) -> bool:
        """Whether what other processes do is not heard here now: Redis is away, or hangs."""
        return self._relays and time.monotonic() - self._heard_at > DEAF_SECONDS

    def detach(self) -> None:
        """Forget the loop and everybody: the server stopped, or a test ended."""
        for task in self._tasks:
            task.cancel()
        self._tasks.clear()
        self._loop = None
        self.audiences.clear()
        self.peers.clear()
        self._outbox.clear()
        self.on_desk_changed = None

    def spawn(self, work: Any) -> "asyncio.Task[Any]":
        """Run a coroutine of this loop, and keep it from being collected half-way."""
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._finished)
        return task

    def _finished(self, task: "asyncio.Task[None]") -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()):
            log.error("a task of the hub failed", exc_info=error)

    # --- Audiences ------------------------------------------------------------------------------

    def join(self, audience: str, peer: "Peer") -> None:
        self.audiences[audience].add(peer)

    def leave(self, audience: str, peer: "Peer") -> None:
        members = self.audiences.get(audience)
        if members is not None:
            members.discard(peer)
            if not members:
                del self.audiences[audience]

    # --- Telling --------------------------------------------------------------------------------

    def tell(self, event: Event) -> None:
        """Tell everybody, here and in other processes. From any thread; never raises."""
        loop = self._loop
        if loop is None:
            return
        try:
            if asyncio._get_running_loop() is loop:
                self._tell(event)
            else:
                loop.call_soon_threadsafe(self._tell, event)
        except RuntimeError:
            log.warning("nobody was told of a %s: the server stops", type(event).__name__)

    def _tell(self, event: Event) -> None:
        self.tell_here(event)
        if self._relays:
            self._outbox.append(event)
            self._has_news.set()

    def tell_here(self, event: Event) -> None:
        """Tell the windows of this process; on the event loop only."""
        if isinstance(event, DeskChanged) and self.on_desk_changed:
            self.on_desk_changed(event.line)
        frame = None
        for audience in event.audiences():
            members = self.audiences.get(audience)
            if not members:
                continue
            if frame is None:
                frame = "" if event.is_doorbell else event.frame()
            for peer in tuple(members):
                peer.hear(event, frame)

    # --- Other processes ------------------------------------------------------------------------

    async def _relay(self) -> None:
        """Send what gathered to the other processes, one batch at a time."""
        while True:
            await self._has_news.wait()
            # What this turn of the loop still brings goes along.
            await asyncio.sleep(0)
            self._has_news.clear()
            events, self._outbox = self._outbox, []
            message = {
                "type": "hub.relay",
                "process": self.process,
                "events": [_pack(event) for event in events],
            }
            for attempt in (1, 2):
                # The first send after Redis restarted fails on the old connection.
                try:
                    async with asyncio.timeout(RELAY_SECONDS):
                        await self._layer().group_send(GROUP, message)
                    break
                except Exception as error:  # a doorbell: the watch finds what it lost
                    if attempt == 2 or isinstance(error, TimeoutError):
                        self._is_away(error)
                        break

    def _is_away(self, error: Exception) -> None:
        if not self.is_deaf:
            log.warning("other processes are not told: %s", type(error).__name__)
        self._heard_at = 0.0

    async def _ring(self) -> None:
        """Ring also when there is nothing to tell: who does not hear that looks more often."""
        while True:
            await asyncio.sleep(RING_SECONDS)
            self._has_news.set()
            if self.is_deaf and time.monotonic() - self._subscribed_at > SUBSCRIBE_AGAIN_SECONDS:
                self._subscribed_at = time.monotonic()
                await self._subscribe_again()

    async def _subscribe_again(self) -> None:
        with contextlib.suppress(Exception):  # a connection that is dead may also not close
            # A word on its way out may hold the same connection until its own time is up.
            async with asyncio.timeout(2 * RELAY_SECONDS):
                await self._layer().flush()
        if self._listening is not None:
            self._listening.cancel()
        self._listening = self.spawn(self._listen())

    def _layer(self) -> BaseChannelLayer:
        layer = get_channel_layer()
        if layer is None:
            raise RuntimeError("no channel layer is configured")
        return layer

    async def _listen(self) -> None:
        """Hear the other processes; subscribe again whenever Redis was away."""
        while True:
            try:
                layer = self._layer()
                channel = await layer.new_channel()
                await layer.group_add(GROUP, channel)
                while True:
                    try:
                        message = await layer.receive(channel)
                    except InvalidToken:
                        # Of a process with another SECRET_KEY; the watch finds what it says.
                        continue
                    if message["process"] == self.process:
                        self._heard_at = time.monotonic()
                    else:
                        await self._heard(message["events"])
            except asyncio.CancelledError:
                raise
            except Exception as error:
                self._is_away(error)
                await asyncio.sleep(1)

    async def _heard(self, packed: list[str]) -> None:
        for one in packed:
            event = decode(one)
            if isinstance(event, MessagePosted):
                if not any(audience in self.audiences for audience in event.audiences()):
                    continue
                text = await _unseal(event)
                if text is None:
                    continue
                event = msgspec.structs.replace(event, text=text)
            self.tell_here(event)


def _pack(event: Event) -> str:
    """Return the event as text for other processes; what somebody wrote goes sealed."""
    if isinstance(event, MessagePosted):
        key = data_keys.known(event.conversation)
        sealed = b"" if key is None else key.seal(event.text, *_place(event))
        event = msgspec.structs.replace(event, text=base64.b64encode(sealed).decode())
    return encode(event).decode()


async def _unseal(event: MessagePosted) -> str | None:
    """Return the text of a relayed message; None when it cannot be told (the watch will)."""
    sealed = base64.b64decode(event.text)
    if not sealed:
        return None
    try:
        key = data_keys.known(event.conversation)
        if key is None:
            key = await in_pool(data_keys.open, event.conversation)
        return key.unseal(sealed, *_place(event))
    except Exception as error:
        log.warning("a relayed message did not open: %s", type(error).__name__)
        return None


def _place(event: MessagePosted) -> tuple[object, ...]:
    return event.conversation, event.seq, event.author, "relay"


hub = Hub()
