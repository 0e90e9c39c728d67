"""Sockets: accept, hand frames to a peer, write what the peer sends. No rule lives here.

One strict base for both kinds. It replaces Channels' loop for two reasons
(docs/decisions/0002-hot-path.md): Channels' `dispatch` sends every event through the process's one shared thread,
so a slow query anywhere stops every chat; and a channel-layer subscription per socket makes the
in-memory layer walk all sockets for every message. Whatever happens inside a command, the socket
answers with an error of ours and never dies with 1011.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import Awaitable, Coroutine, Generator
from http.cookies import CookieError, SimpleCookie
from typing import Any

from channels.consumer import AsyncConsumer
from django.conf import settings

from chat.counts import counts
from chat.peers import GONE, OUR_FAULT, TOO_SLOW, Gone, Peer
from chat.visitor_peer import VisitorPeer, visitor_of
from chat.worker_peer import WorkerPeer, staff_holding

log = logging.getLogger("klikvoor.chat.consumers")

HELLO_SECONDS = 10.0
NO_HELLO = 4408
# What may wait for a window that does not read, and how long nothing of it may leave; then it is cut
# off and comes back with `hello` (docs/decisions/0014-slow-windows.md).
SEND_LIMIT = 256 * 1024
SEND_SECONDS = 10.0
# A long conversation is read out no faster than the window takes it.
READ_AHEAD = 64 * 1024
GOODBYE_SECONDS = 1.0


class Rest(Awaitable[None]):
    """What is left to do of a coroutine that `begin` began and that had to wait for something."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any], waits_for: Any) -> None:
        self.coroutine = coroutine
        self.waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        try:
            while True:
                try:
                    found = yield self.waits_for
                except BaseException as error:
                    self.waits_for = self.coroutine.throw(error)
                else:
                    self.waits_for = self.coroutine.send(found)
        except StopIteration:
            return


def begin(coroutine: Coroutine[Any, Any, Any]) -> Rest | None:
    """Run a coroutine until it waits; None when it came to its end without.

    Servers almost always take a frame without waiting. A task for each frame would cost as much as
    all that the application does with it (Python 3.12 has eager tasks for this).
    """
    try:
        return Rest(coroutine, coroutine.send(None))
    except StopIteration:
        return None


def abort(send: Any) -> None:
    """End the connection that `send` belongs to, whatever still waits for it.

    uvicorn waits for ever for a full buffer to be read before it closes; Daphne needs no help.
    """
    transport: Any = getattr(getattr(send, "__self__", None), "transport", None)
    if hasattr(transport, "abort"):
        transport.abort()


class ChatConsumer(AsyncConsumer):
    """The base of both sockets: `peer_for` says whose window this is, or None."""

    async def peer_for(self) -> Peer | None:
        raise NotImplementedError

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        self.scope = scope
        self.begin(send)
        try:
            await self._talk(receive)
        except Gone as gone:
            self._close(gone.code)
        except asyncio.CancelledError:
            raise
        except Exception as error:
            log.error("a socket failed", exc_info=error)
            self._close(OUR_FAULT)
        finally:
            if self.peer is not None:
                self.peer.forget()
            self._tell_room()
            if self._sender is not None:
                await self._sender
            if self._patience is not None:
                self._patience.cancel()

    def begin(self, send: Any) -> None:
        """Nothing was sent yet, and nobody is known."""
        self.base_send: Any = send
        self._outgoing: list[str] = []
        self._waiting_size = 0
        self._sender: asyncio.Task[None] | None = None
        self._has_room: asyncio.Event | None = None
        self._patience: asyncio.TimerHandle | None = None
        self._taken_at = 0.0
        self._is_cut_off = False
        self._close_code: int | None = None
        self.peer: Peer | None = None

    async def _talk(self, receive: Any) -> None:
        await receive()  # websocket.connect
        # Accepted before anything is known: a browser cannot read the reason of a refusal.
        await self.base_send({"type": "websocket.accept"})
        self.peer = peer = await self.peer_for()
        # The way in was looked at: no browser and no cookie stays in memory for as long as the window
        # does. All copies of the scope share this list.
        headers = self.scope["headers"]
        if isinstance(headers, list):
            headers.clear()
        if peer is None:
            raise Gone(GONE)
        peer.enter()
        counts.opened[peer.author] += 1
        hello = asyncio.get_running_loop().call_later(HELLO_SECONDS, self._no_hello, peer)
        try:
            while True:
                message = await receive()
                if message["type"] == "websocket.disconnect":
                    peer.is_open = False
                    return
                frame = message.get("text") or message.get("bytes") or ""
                await peer.receive(frame, came_at=message.get("came_at"))
        finally:
            hello.cancel()

    def _no_hello(self, peer: Peer) -> None:
        if not peer.has_said_hello:
            peer.shut(NO_HELLO)

    # --- Out ------------------------------------------------------------------------------------

    def _put(self, frame: str) -> None:
        """Write a frame at once, or queue it behind what still waits to be written. Never waits."""
        if self._is_cut_off:
            return
        if not self._outgoing and not self._is_writing:
            try:
                rest = begin(self.base_send({"type": "websocket.send", "text": frame}))
            except Exception:  # the window is gone: the server says so to the reader
                return
            if rest is not None:
                self._start_writing(rest)
            return
        if self._waiting_size + len(frame) > SEND_LIMIT and self._outgoing:
            self._cut_off()
            return
        self._waiting_size += len(frame)
        self._outgoing.append(frame)
        self._write_soon()

    async def _room(self) -> None:
        """Wait until little is left to be written. For what can be read out at leisure."""
        while self._waiting_size > READ_AHEAD and self.peer is not None and self.peer.is_open:
            self._has_room = self._has_room or asyncio.Event()
            await self._has_room.wait()

    def _tell_room(self) -> None:
        if self._has_room is not None:
            self._has_room.set()
            self._has_room = None

    def _close(self, code: int) -> None:
        self._close_code = code
        counts.closed[code] += 1
        self._write_soon()

    @property
    def _is_writing(self) -> bool:
        return self._sender is not None and not self._sender.done()

    def _write_soon(self) -> None:
        if not self._is_writing:
            self._start_writing()

    def _start_writing(self, rest: Awaitable[None] | None = None) -> None:
        self._sender = asyncio.ensure_future(self._write(rest))
        self._taken_at = time.monotonic()
        if self._patience is None:
            self._be_patient(SEND_SECONDS)

    async def _write(self, rest: Awaitable[None] | None = None) -> None:
        try:
            if rest is not None:
                await rest
                self._taken_at = time.monotonic()
            while self._outgoing:
                frame = self._outgoing.pop(0)
                await self.base_send({"type": "websocket.send", "text": frame})
                self._taken_at = time.monotonic()
                self._waiting_size -= len(frame)
                if self._waiting_size <= READ_AHEAD:
                    self._tell_room()
            if self._close_code is not None:
                code, self._close_code = self._close_code, None
                await self.base_send({"type": "websocket.close", "code": code})
        except Exception:  # the window is gone: the server says so to the reader
            self._drop_outgoing()

    def _drop_outgoing(self) -> None:
        self._outgoing.clear()
        self._waiting_size = 0
        self._tell_room()

    # --- Windows that do not read ---------------------------------------------------------------

    def _be_patient(self, seconds: float) -> None:
        self._patience = asyncio.get_running_loop().call_later(seconds, self._lose_patience)

    def _lose_patience(self) -> None:
        self._patience = None
        if not self._is_writing:
            return
        left = self._taken_at + SEND_SECONDS - time.monotonic()
        if left <= 0:
            self._cut_off()
        else:
            self._be_patient(left)

    def _cut_off(self) -> None:
        self._is_cut_off = True
        counts.cut_off += 1
        self._drop_outgoing()
        stuck, self._sender = self._sender, None
        if stuck is not None:
            stuck.cancel()
        if self.peer is not None:
            self.peer.forget()
        self._sender = asyncio.ensure_future(self._hang_up())

    async def _hang_up(self) -> None:
        # The server may wait for this one to read, as it does with every other frame.
        with contextlib.suppress(Exception):
            async with asyncio.timeout(GOODBYE_SECONDS):
                await self.base_send({"type": "websocket.close", "code": TOO_SLOW})
        abort(self.base_send)

    def cookie(self, name: str) -> str:
        """Return a cookie of the handshake; empty when there is none or it cannot be read."""
        for header, value in self.scope.get("headers", ()):
            if header == b"cookie":
                try:
                    jar = SimpleCookie(value.decode("latin1"))
                except CookieError:
                    return ""
                if name in jar:
                    return jar[name].value
        return ""


class VisitorConsumer(ChatConsumer):
    async def peer_for(self) -> Peer | None:
        visitor = await visitor_of(self.cookie(settings.VISIT_COOKIE_NAME))
        if visitor is None:
            return None
        return VisitorPeer(
            self._put, self._close, settings.COMMAND_BUDGET, visitor=visitor, room=self._room
        )


class WorkerConsumer(ChatConsumer):
    async def peer_for(self) -> Peer | None:
        session_key = self.cookie(settings.SESSION_COOKIE_NAME)
        staff = await staff_holding(session_key) if session_key else None
        if staff is None or not staff.is_worker:
            return None
        return WorkerPeer(
            self._put,
            self._close,
            3 * settings.COMMAND_BUDGET,
            session_key=session_key,
            staff=staff,
            room=self._room,
        )
