"""One window, whatever carries its frames: a socket (`consumers.py`) or requests (`views.py`).

A peer reads commands, does what they ask through one call, and is told events. It keeps the id of
its owner and never the rights: those are looked up again for every command, so that lost access
counts at once.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from chat.budgets import Bucket
from chat.commands import BadCommand, Command, parse
from chat.counts import counts
from chat.database import in_pool
from chat.events import Event, MessagePosted
from chat.hub import hub
from chat.models import Refused
from chat.reading import read_messages
from chat.texts import refusal
from chat.writer import Outcome, Post, writer

log = logging.getLogger("klikvoor.chat.peers")

# After this many frames that were not understood the socket closes: nobody's browser does that.
BAD_FRAMES = 10
# What waited longer than this for its turn is refused, which is quick: its writer is told and tries
# again, instead of waiting behind ever more. Only a process that is asked for too much is so late.
LATE_SECONDS = 2.0

NOT_UNDERSTOOD = 4400
GONE = 4401
LOST_RIGHT = 4403
TOO_MANY = 4429
OUR_FAULT = 4500
RESTART = 4503
TOO_SLOW = 4508


class Gone(Exception):
    """The owner of this window may be here no longer: close it with `code`."""

    def __init__(self, code: int = GONE) -> None:
        super().__init__(code)
        self.code = code


class Stream:
    """How far a window was told about one conversation.

    `sent`: the last number that went out. `top`: the highest number known. A message whose number
    follows on `sent` goes out at once; any other waits for a reading of the gap. `institution`: whose
    it was when this worker was last found to be allowed to read it; None for a visitor's own.
    """

    __slots__ = ("conversation", "institution", "is_reading", "sent", "status", "top")

    def __init__(self, conversation: str, after: int, institution: int | None = None) -> None:
        self.conversation = conversation
        self.institution = institution
        self.status = ""
        self.sent = after
        self.top = after
        self.is_reading = False


async def _always() -> None:
    """There is room."""


class Peer:
    """What visitors' and workers' windows have in common."""

    decoder: "msgspec.json.Decoder[Any]"
    author: str
    language = "nl"

    def __init__(
        self,
        send: Callable[[str], None],
        close: Callable[[int], None],
        budget: int,
        *,
        room: Callable[[], Awaitable[None]] = _always,
    ) -> None:
        """`room` waits until the window took most of what was sent to it."""
        self._send = send
        self._close = close
        self._room = room
        self._budget = Bucket(budget)
        self._bad_frames = 0
        self._pending = 0
        self._settled: Callable[[], None] | None = None
        self._audiences: set[str] = set()
        self.heard_at = time.monotonic()
        self._is_late = False
        self.is_open = True
        self.has_said_hello = False

    # --- Frames in ------------------------------------------------------------------------------

    async def receive(self, frame: str | bytes, *, came_at: float | None = None) -> None:
        """Do what a frame asks. Answers every refusal with an error; raises nothing but Gone.

        `came_at`: when it reached this process, on `time.monotonic()`, where the server tells.
        """
        self.heard_at = now = time.monotonic()
        self._is_late = came_at is not None and now - came_at > LATE_SECONDS
        if not self._budget.take():
            counts.commands_refused["too_many"] += 1
            self.error("too_many")
            raise Gone(TOO_MANY)
        command = None
        try:
            command = parse(self.decoder, frame)
            await self.handle(command)
        except BadCommand as bad:
            self._bad_frames += 1
            self.refuse(bad.code, command)
            if self._bad_frames >= BAD_FRAMES:
                raise Gone(NOT_UNDERSTOOD) from None
        except Refused as refused:
            self.refuse(refused.code, command)
        except Gone:
            raise
        except Exception as error:
            # Nothing of the frame may reach the log: the kind of error and its place will do.
            log.error("a command failed", exc_info=error)
            self.refuse("unavailable", command)

    async def handle(self, command: Command) -> None:
        """Carry out one command. Raises Refused, BadCommand or Gone."""
        raise NotImplementedError

    # --- Frames out -----------------------------------------------------------------------------

    def send(self, frame: str) -> None:
        if self.is_open:
            self._send(frame)

    def tell(self, frame: dict[str, Any]) -> None:
        self.send(msgspec.json.encode(frame).decode())

    def answer(self, type_: str, **fields: Any) -> None:
        self.tell({"type": type_, **fields})

    def refuse(self, code: str, command: Command | None) -> None:
        """Say that a command changed nothing; a message is refused by its client id."""
        counts.commands_refused[code] += 1
        client_id = getattr(command, "client_id", "")
        if client_id:
            self.answer(
                "message.refused",
                conversation=self.conversation_of(command),
                client_id=client_id,
                code=code,
                text=refusal(code, self.language),
            )
        else:
            self.error(code, command)

    def error(self, code: str, command: Command | None = None) -> None:
        self.answer(
            "error",
            code=code,
            text=refusal(code, self.language),
            conversation=self.conversation_of(command),
            command=command.__struct_config__.tag if command is not None else "",
        )

    def conversation_of(self, command: Command | None) -> str:
        return getattr(command, "conversation", "")

    # --- What happens elsewhere -----------------------------------------------------------------

    def join(self, audience: str) -> None:
        if self.is_open:
            self._audiences.add(audience)
            hub.join(audience, self)

    def part(self, audience: str) -> None:
        self._audiences.discard(audience)
        hub.leave(audience, self)

    def hear(self, event: Event, frame: str) -> None:
        """Called by the hub with an event of one of our audiences; must not wait."""
        if isinstance(event, MessagePosted):
            stream = self.stream_of(event.conversation)
            if stream is not None:
                self.follow(stream, event.seq, frame)
        else:
            self.send(frame)

    def stream_of(self, conversation: str) -> Stream | None:
        raise NotImplementedError

    def streams(self) -> list[Stream]:
        """All conversations that this window follows, for the watch."""
        raise NotImplementedError

    def follow(self, stream: Stream, seq: int, frame: str) -> None:
        """Send a message if it is the next one; otherwise read the gap from the database."""
        if seq == stream.sent + 1 and not stream.is_reading:
            stream.sent = seq
            if seq > stream.top:
                stream.top = seq
            counts.rung += 1
            self.send(frame)
        elif seq > stream.top:
            stream.top = seq
            if not stream.is_reading:
                hub.spawn(self.read(stream))

    def reach(self, stream: Stream, top: int) -> None:
        """The database holds numbers up to `top`: read what this window was not told."""
        if top > stream.top:
            stream.top = top
        if stream.top > stream.sent and not stream.is_reading:
            hub.spawn(self.read(stream))

    async def look_again(self, conversation: str) -> None:
        """Another institution has this conversation now: may it still be read here?"""

    async def read(self, stream: Stream) -> None:
        """Send everything after `stream.sent` from the database, in order."""
        if stream.is_reading:
            return
        stream.is_reading = True
        try:
            while self.is_open:
                messages = await in_pool(
                    read_messages, stream.conversation, stream.sent, stream.institution
                )
                for message in messages:
                    stream.sent = message.seq
                    counts.read += 1
                    self.send(message.frame())
                    await self._room()
                    if not self.is_open:
                        return
                stream.top = max(stream.top, stream.sent)
                if stream.sent >= stream.top or not messages:
                    break
        finally:
            stream.is_reading = False

    # --- Posts ----------------------------------------------------------------------------------

    def post(self, stream: Stream, actor: int, client_id: str, text: str) -> None:
        """Hand a message to the writer. Its event is the acknowledgement."""
        if self._is_late:
            counts.refused["unavailable"] += 1
            raise Refused("unavailable")

        def done(outcome: Outcome) -> None:
            self._pending -= 1
            if outcome.event is None:
                self.answer(
                    "message.refused",
                    conversation=stream.conversation,
                    client_id=client_id,
                    code=outcome.code,
                    text=refusal(outcome.code, self.language),
                )
            elif not outcome.is_new or self.stream_of(stream.conversation) is None:
                # Told to those who have the conversation open; this window may not.
                self.send(outcome.event.frame())
            if self._settled and not self._pending:
                self._settled()

        self._pending += 1
        writer.post(Post(stream.conversation, client_id, self.author, actor, text, done))

    async def settle(self) -> None:
        """Wait for the answers to own posts, so that commands take effect in their order."""
        if self._pending:
            settled = asyncio.get_running_loop().create_future()
            self._settled = lambda: _set(settled)
            try:
                await settled
            finally:
                self._settled = None

    # --- The end --------------------------------------------------------------------------------

    def shut(self, code: int) -> None:
        """Close the window from our side."""
        if self.is_open:
            self._close(code)
            self.forget()

    def forget(self) -> None:
        """Leave every audience; the window is gone."""
        self.is_open = False
        for audience in self._audiences:
            hub.leave(audience, self)
        self._audiences.clear()
        hub.peers.discard(self)

    def enter(self) -> None:
        """Count among the windows that the watch looks after."""
        hub.peers.add(self)


def _set(future: "asyncio.Future[None]") -> None:
    if not future.done():
        future.set_result(None)
