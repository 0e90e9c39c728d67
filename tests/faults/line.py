"""The line of one window, as the browser's `connection.js` and `outbox.js` keep it.

It opens with hello, answers for what was said until it is acknowledged, comes back by itself, and
goes on over HTTPS requests when sockets fail.
"""

import asyncio
import contextlib
import json
import random
import time
import uuid
from typing import TYPE_CHECKING, Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import WebSocketException

from tests.faults.browser import Browser, NoAnswer, exchange
from tests.faults.memory import Heard, Person, Said

if TYPE_CHECKING:
    from tests.faults.world import World

BEAT_SECONDS = 5.0
ANSWER_SECONDS = 6.0
AGAIN_SECONDS = 6.0
LONGEST_BACK_OFF = 4.0
PASSING = {"unavailable", "too_many"}
DOUBLE = 0.10
FINAL = {4400, 4401, 4403}


class Line:
    """What visitors and workers have in common; `hello`, `take` and `live` differ."""

    socket_path = ""
    frames_path = ""

    def __init__(self, world: "World", person: Person, cookie: str, rng: random.Random) -> None:
        self.world = world
        self.person = person
        self.browser = Browser(world, cookie)
        self.rng = rng
        self.socket: ClientConnection | None = None
        self.is_up = False
        self.is_slow = False
        self.is_leaving = False
        self.by_request = False
        self.failures = 0
        self.restart_within = 0.0
        self.down_since = time.monotonic()
        self.sent_at: dict[str, float] = {}
        # When to say again what was refused for now: after one second, two, four …
        self.again_at: dict[str, float] = {}
        self.refusals: dict[str, int] = {}
        self.answer_due = 0.0
        self.reading: asyncio.Task[None] | None = None
        self.abandoned: list[ClientConnection] = []
        self.pending: list[dict[str, Any]] = []

    @property
    def cookie(self) -> str:
        return self.browser.cookie

    # --- What differs ---------------------------------------------------------------------------

    def hello(self) -> dict[str, Any]:
        raise NotImplementedError

    def take(self, frame: dict[str, Any]) -> None:
        """Take a frame that is not about a message."""
        raise NotImplementedError

    async def live(self) -> None:
        """Do what this person does, until the end."""
        raise NotImplementedError

    def where(self, said: Said) -> dict[str, Any]:
        return {}

    async def reload(self) -> None:
        """Load the page, as a browser does when its socket was closed for good."""

    # --- Life -----------------------------------------------------------------------------------

    async def run(self) -> None:
        tasks = [asyncio.create_task(self.live()), asyncio.create_task(self._look_after())]
        try:
            while not self.is_leaving:
                if self.by_request or self.failures >= 3:
                    await self._by_requests()
                else:
                    await self._by_socket()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for socket in self.abandoned:
                socket.transport.abort()

    def leave(self) -> None:
        self.is_leaving = True
        if self.socket is not None:
            self.socket.transport.abort()

    async def _by_socket(self) -> None:
        opened_at, code = 0.0, 0
        try:
            port = self.world.port(self.rng)
            origin = self.world.origin(port)
            # fmt: off
            socket = await connect(
                f"{origin.replace('http', 'ws', 1)}{self.socket_path}", origin=origin,
                additional_headers={"Cookie": self.cookie}, compression=None, ping_interval=None,
                open_timeout=8, close_timeout=1, max_size=None, max_queue=None, ssl=self.world.trust,
            )
            # fmt: on
            self.socket = socket
            self.answer_due = time.monotonic() + 8
            await self._send(self.hello())
            opened_at = time.monotonic()
            self.reading = asyncio.create_task(self._read(socket))
            await asyncio.wait([self.reading])
            code = socket.close_code or 0
        except (OSError, WebSocketException, TimeoutError):
            pass
        finally:
            if self.socket is not None and self.socket not in self.abandoned:
                self.socket.transport.abort()
            self.socket = None
        if code in FINAL and not self.is_leaving:
            self.person.closes.setdefault(code, []).append(time.monotonic())
            await self.reload()
        self._went_down()
        if code == 4503 or self.restart_within:
            delay = self.rng.uniform(0, self.restart_within or 5)
            self.restart_within = 0.0
        else:
            steady = opened_at and time.monotonic() - opened_at > 5
            self.failures = 0 if steady else self.failures + 1
            delay = self.rng.uniform(0, min(LONGEST_BACK_OFF, 0.5 * 2**self.failures))
        if not self.is_leaving:
            await asyncio.sleep(delay)

    async def _read(self, socket: ClientConnection) -> None:
        with contextlib.suppress(WebSocketException, OSError):
            async for data in socket:
                frame = json.loads(data)
                if self.is_up or frame["type"] == "hello":
                    self.answer_due = 0.0
                elif frame.get("command") == "hello" and frame.get("code") == "unavailable":
                    self.drop()
                self._frame(frame)

    def _went_down(self) -> None:
        if self.is_up:
            self.down_since = time.monotonic()
        self.is_up = False

    def _came_up(self) -> None:
        if not self.is_up:
            self.is_up = True
            if not self.is_slow:
                self.person.outages.append((self.down_since, time.monotonic()))
            self._resend()

    async def _look_after(self) -> None:
        """Beat, give up a socket that does not answer, and say again what got no answer."""
        beat_at = time.monotonic() + BEAT_SECONDS
        while True:
            await asyncio.sleep(0.2)
            now = time.monotonic()
            if self.is_slow:
                continue
            if self.socket is not None and self.answer_due and now > self.answer_due:
                self.drop()
            if self.is_up and not self.by_request and now > beat_at:
                beat_at = now + self.rng.uniform(0.8, 1.2) * BEAT_SECONDS
                self.answer_due = self.answer_due or now + ANSWER_SECONDS
                await self._send({"type": "heartbeat"})
            if self.is_up:
                for said in self.unanswered():
                    due = self.sent_at[said.client_id] + AGAIN_SECONDS
                    if now > self.again_at.get(said.client_id, due):
                        self.again_at.pop(said.client_id, None)
                        self._send_said(said)

    def _change_over(self) -> None:
        if self.restart_within:
            self.restart_within = 0.0
            self.drop()

    def drop(self) -> None:
        """Give a socket up without waiting for its close."""
        if self.socket is not None:
            self.socket.transport.abort()

    def abandon(self) -> None:
        """Leave a socket half open: nobody says goodbye, nobody reads it any more."""
        socket = self.socket
        if socket is None:
            return
        self.abandoned.append(socket)
        socket.transport.pause_reading()
        if self.reading is not None:
            self.reading.cancel()

    async def be_slow(self, seconds: float) -> None:
        """Read nothing for a while, with the socket open."""
        socket = self.socket
        if socket is None:
            return
        self.is_slow = True
        socket.transport.pause_reading()
        await asyncio.sleep(seconds)
        if not socket.transport.is_closing():
            socket.transport.resume_reading()
        # What lies in between comes now.
        await asyncio.sleep(1)
        self.is_slow = False
        self.answer_due = 0.0

    # --- Over requests --------------------------------------------------------------------------

    async def _by_requests(self) -> None:
        until = time.monotonic() + self.rng.uniform(6, 12)
        failed = 0
        while not self.is_leaving and time.monotonic() < until:
            pending, self.pending = self.pending[:15], self.pending[15:]
            try:
                status, frames = await self.post([self.hello(), *pending])
            except (NoAnswer, ValueError):
                status, frames = 0, []
            if status == 200:
                failed = 0
                self._came_up()
                for frame in frames:
                    self._frame(frame)
                await asyncio.sleep(0 if self.pending else self.rng.uniform(0.5, 1.5))
            else:
                failed += 1
                self.pending = []
                self._went_down()
                if status == 401:
                    await self.reload()
                delay = 10 if status == 429 else min(LONGEST_BACK_OFF, 0.5 * 2**failed)
                await asyncio.sleep(self.rng.uniform(0, delay))
        self.failures = 0
        self.pending = []
        self._went_down()
        if not failed:
            # Changing over is nobody's fault.
            self.down_since = time.monotonic()

    async def post(self, frames: list[dict[str, Any]]) -> tuple[int, list[dict[str, Any]]]:
        port = self.world.port(self.rng)
        body = json.dumps({"frames": frames}).encode()
        head = (
            f"POST {self.frames_path} HTTP/1.1\r\nHost: localhost:{port}\r\n"
            f"Origin: {self.world.origin(port)}\r\nCookie: {self.cookie}\r\nConnection: close\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        reply = await exchange(port, head.encode() + body, set(), self.world.trust)
        self.browser.keep_cookies(reply)
        return reply.status, json.loads(reply.body)["frames"] if reply.status == 200 else []

    # --- Out ------------------------------------------------------------------------------------

    def order(self, type_: str, **fields: Any) -> bool:
        """Send a command now; False when there is no line."""
        frame = {"type": type_, **fields}
        if self.by_request or self.failures >= 3:
            self.pending.append(frame)
            return True
        if self.socket is None or not self.is_up:
            return False
        self.world.spawn(self._send(frame))
        return True

    async def _send(self, frame: dict[str, Any]) -> None:
        if self.socket is not None:
            with contextlib.suppress(OSError, WebSocketException):
                await self.socket.send(json.dumps(frame))

    def say(self, conversation: str, text: str, *, too_late: bool = False) -> Said:
        """Want to say something: it counts from here, connected or not."""
        client_id = str(uuid.UUID(int=self.rng.getrandbits(128), version=4))
        said = Said(conversation, client_id, text, time.monotonic(), too_late=too_late)
        said.awaited_by = self.world.other_side(self.person, conversation)
        self.person.said[client_id] = said
        self._send_said(said)
        if self.rng.random() < DOUBLE:
            self._send_said(said)
        return said

    def _send_said(self, said: Said) -> None:
        self.sent_at[said.client_id] = time.monotonic()
        self.order("message.post", client_id=said.client_id, text=said.text, **self.where(said))

    def unanswered(self) -> list[Said]:
        return [said for said in self.person.said.values() if said.state == "sending"]

    def _resend(self) -> None:
        for said in self.unanswered()[:20]:
            self._send_said(said)

    # --- In -------------------------------------------------------------------------------------

    def _frame(self, frame: dict[str, Any]) -> None:
        now = time.monotonic()
        kind = frame["type"]
        conversation = frame.get("conversation", "")
        if kind == "restart":
            self.restart_within = frame["within"]
            self.world.later(self.rng.uniform(0, frame["within"]), self._change_over)
        if conversation and kind != "error" and kind != "message.refused":
            self.person.heard.append(
                Heard(
                    now,
                    kind,
                    conversation,
                    frame.get("seq", 0) if kind == "message.posted" else 0,
                    frame.get("client_id", ""),
                    frame.get("author", ""),
                    frame.get("text", ""),
                    self.is_slow,
                )
            )
        if kind == "hello":
            self._came_up()
        if kind == "message.posted":
            self._posted(frame, now)
        elif kind == "message.refused":
            said = self.person.said.get(frame["client_id"])
            if said is not None and said.state == "sending":
                if frame["code"] not in PASSING:
                    said.state, said.code = "not sent", frame["code"]
                elif frame["code"] == "unavailable":
                    self._refused_for_now(said)
        self.take(frame)

    def _posted(self, frame: dict[str, Any], now: float) -> None:
        view = self.person.views.setdefault(frame["conversation"], {})
        view.setdefault(frame["seq"], (frame["client_id"], frame["author"], frame["text"]))
        said = self.person.said.get(frame["client_id"])
        if said is None:
            return
        if said.state == "sending":
            said.state, said.seq, said.acknowledged_at = "sent", frame["seq"], now
            if self.rng.random() < DOUBLE / 2:
                # Pressed once more, much later.
                self.world.later(self.rng.uniform(0.5, 3), lambda: self._send_said(said))
        elif said.state == "sent" and said.seq != frame["seq"]:
            view[frame["seq"]] = (frame["client_id"], frame["author"], frame["text"])

    def _refused_for_now(self, said: Said) -> None:
        count = self.refusals[said.client_id] = self.refusals.get(said.client_id, 0) + 1
        again = min(30, 2 ** (count - 1)) * self.rng.uniform(0.8, 1.2)
        self.again_at[said.client_id] = time.monotonic() + again

    def reach(self, conversation: str) -> int:
        """The number up to which this view has no hole."""
        view = self.person.views.get(conversation, {})
        number = 0
        while number + 1 in view:
            number += 1
        return number
