"""Daphne, with the brakes that it lacks (docs/decisions/0014-slow-windows.md).

Daphne writes whatever the application sends into a buffer without end, and reads whatever comes in
into a queue without end: one window that does not read cost 188 MB, one that floods 49 MB. Here
`send` waits while the connection's buffer is full, as it does on uvicorn, so that the consumer's own
limit counts; nothing is read from a window that does not read or that is far ahead of the
application; and frames that never become a command are counted as well.

It also takes what nearly every frame is, one short text in one piece, by a short road of its own
(docs/decisions/0024-short-frames.md): autobahn parses whatever is not exactly that, and Twisted
keeps whatever a socket does not take at once.
"""

# Daphne installs its reactor when it is imported, so it comes first.
from daphne.server import Server  # isort: skip

import asyncio
import time
from collections.abc import Callable
from typing import Any, ClassVar

from daphne.http_protocol import HTTPFactory, WebRequest
from daphne.ws_protocol import WebSocketFactory, WebSocketProtocol

from chat.budgets import Bucket
from chat.peers import TOO_MANY

# Frames that wait for the application. A window within its budget has a handful at most.
WAITING_FRAMES = 256
# Pieces of one message: browsers send one, some libraries a few.
PIECES = 256
# Of the body of a request. Django refuses bodies above 64 KiB, but only once all of it is here.
BODY = 1024 * 1024
# Pings and pongs in ten seconds; nobody's browser can send any by itself.
CONTROL_FRAMES = 60
# Connections that Daphne looks at in one go: so many, or all in so many goes.
LOOK, LOOKS = 500, 5
# A whole message of text: the first byte of its frame, and the mark that a browser masked it.
TEXT = 0x81
MASKED = 0x80


class PacedProtocol(WebSocketProtocol):
    """One socket. Twisted tells it when its buffer is full (64 KiB) and when that was written."""

    # The factory's options are in the class, once instead of in each of thousands of windows, and
    # not in a line for a log that nobody reads, which was a sixth of each handshake.
    CONFIG_ATTRS: ClassVar[list[str]] = []
    mailbox: "Mailbox"

    def connectionMade(self) -> None:
        super().connectionMade()
        # Thousands of windows never need what is None here, and an Event takes a kilobyte.
        self._room: asyncio.Event | None = None
        self._control_frames: Bucket | None = None
        self.is_writable = True
        self.is_ahead = False
        self._is_over = False
        self._pieces = 0
        # Until now this was the HTTP connection that the socket began as.
        self.transport.unregisterProducer()
        self.transport.registerProducer(self, True)

    # --- The handshake --------------------------------------------------------------------------

    def applicationCreateWorked(self, application_queue: Any) -> None:
        """The mailbox instead of Daphne's queue, of which `_paced` told the application nothing."""
        super().applicationCreateWorked(self.mailbox if application_queue else None)

    def onOpen(self) -> None:
        super().onOpen()
        # With which browser and cookie somebody came is nobody's business for hours, and took 3 KiB.
        self.http_request_data = self.http_response_data = None
        self.http_headers.clear()

    # --- Out ------------------------------------------------------------------------------------

    def pauseProducing(self) -> None:
        self.is_writable = False
        self._read_or_not()

    def resumeProducing(self) -> None:
        self._writable_again()
        self._read_or_not()

    def _writable_again(self) -> None:
        self.is_writable = True
        if self._room is not None:
            self._room.set()
            self._room = None

    async def room(self) -> None:
        """Wait until the buffer is written, or there is nobody left to write to."""
        while not self.is_writable:
            self._room = self._room or asyncio.Event()
            await self._room.wait()

    def stopProducing(self) -> None:
        """The connection is gone; `connectionLost` follows."""

    def connectionLost(self, reason: Any) -> None:
        # Whoever waits to write finds that there is nobody left.
        self._writable_again()
        super().connectionLost(reason)

    def send_text(self, text: str) -> None:
        """Send a message of text on an open socket."""
        frame = text_frame(text.encode())
        transport = self.transport
        if transport.TLS or transport.dataBuffer or transport._tempDataLen:
            transport.write(frame)  # behind what waits
            return
        # Twisted writes from a callback that it asks the loop for and cancels again: three times the
        # work of writing now.
        written = transport.writeSomeData(frame)
        if written != len(frame):
            # An exception instead of a number: `write` finds the same, and ends the connection.
            transport.write(frame[written:] if isinstance(written, int) else frame)

    # --- In -------------------------------------------------------------------------------------

    def dataReceived(self, data: bytes) -> None:
        if self._is_between_frames:
            while taken := whole_text(data):
                text, data = taken
                self._take("text", text)
                if not data:
                    return
                if self._is_over:
                    break
        super().dataReceived(data)

    @property
    def _is_between_frames(self) -> bool:
        return (
            self.state == self.STATE_OPEN
            and not self.data
            and self.current_frame is None
            and not self.inside_message
            and not self._is_over
            and not self.muted
            # Any data answers a ping; autobahn sees to that.
            and self.autoPingTimeoutCall is None
        )

    def onMessage(self, payload: bytes, isBinary: bool) -> None:
        self._pieces = 0
        if self._is_over or self.muted:
            return
        if isBinary:
            self._take("bytes", payload)
        else:
            self._take("text", payload.decode("utf8"))

    def _take(self, kind: str, content: str | bytes) -> None:
        waiting = len(self.mailbox)
        if waiting >= 4 * WAITING_FRAMES:
            self._end()
            return
        self.last_ping = time.time()
        # The consumer refuses what had to wait for too long.
        came_at = time.monotonic()
        self.mailbox.put_nowait({"type": "websocket.receive", kind: content, "came_at": came_at})
        if waiting >= WAITING_FRAMES and not self.is_ahead:
            self.is_ahead = True
            self._read_or_not()

    def processData(self) -> bool:
        if self._is_over:
            # Not even looked at: parsing is what a flood costs.
            self.data = b""
            return False
        return bool(super().processData())

    def onMessageFrameBegin(self, length: int) -> None:
        self._pieces += 1
        if self._pieces > PIECES:
            self._end()
        super().onMessageFrameBegin(length)

    def onPing(self, payload: bytes) -> None:
        if self._counts():
            super().onPing(payload)

    def onPong(self, payload: bytes) -> None:
        if self._counts():
            super().onPong(payload)

    def _counts(self) -> bool:
        self._control_frames = self._control_frames or Bucket(CONTROL_FRAMES)
        if not self._is_over and not self._control_frames.take():
            self._end()
        return not self._is_over

    def _end(self) -> None:
        """More than anybody's browser does: say so, and drop the connection a second later."""
        if not self._is_over:
            self._is_over = True
            self.sendClose(code=TOO_MANY)
            self._read_or_not()

    def caught_up(self) -> None:
        """The application took everything that waited."""
        self.is_ahead = False
        self._read_or_not()

    def _read_or_not(self) -> None:
        if self.is_ahead or self._is_over or not self.is_writable:
            self.transport.pauseProducing()
        else:
            self.transport.resumeProducing()


class PacedRequest(WebRequest):
    """A request whose body is kept up to a limit; the rest is read and forgotten."""

    kept = 0

    def handleContentChunk(self, data: bytes) -> None:
        if self.kept + len(data) <= BODY:
            self.kept += len(data)
            super().handleContentChunk(data)


class PacedHTTPFactory(HTTPFactory):
    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        protocol.requestFactory = PacedRequest
        return protocol


class PacedFactory(WebSocketFactory):
    """Makes protocols whose class holds this factory's options."""

    protocol: Any = PacedProtocol

    def buildProtocol(self, addr: Any) -> Any:
        if self.protocol is PacedProtocol:
            options = {name: getattr(self, name) for name in WebSocketProtocol.CONFIG_ATTRS}
            for name, option in options.items():
                if callable(option):
                    options[name] = staticmethod(option)
            self.protocol = type(PacedProtocol.__name__, (PacedProtocol,), options)
        return super().buildProtocol(addr)


class Mailbox:
    """What a window sent and the application has not taken yet; at most one task waits for it.

    An `asyncio.Queue` is for many, and as large as everything else that the application keeps of a
    window together.
    """

    __slots__ = ("_messages", "_protocol", "_taker")

    def __init__(self, protocol: PacedProtocol) -> None:
        self._protocol = protocol
        self._messages: list[dict[str, Any]] = []
        self._taker: asyncio.Future[None] | None = None

    def __len__(self) -> int:
        return len(self._messages)

    def put_nowait(self, message: dict[str, Any]) -> None:
        self._messages.append(message)
        if self._taker is not None and not self._taker.done():
            self._taker.set_result(None)

    async def take(self) -> dict[str, Any]:
        """Return the next message; the `receive` of ASGI."""
        while not self._messages:
            self._taker = asyncio.get_running_loop().create_future()
            await self._taker
        self._taker = None
        message = self._messages.pop(0)
        if self._protocol.is_ahead and not self._messages:
            self._protocol.caught_up()
        return message


class PacedServer(Server):
    """Daphne's server for PacedProtocol."""

    connections: dict[Any, dict[str, Any]]

    def __init__(self, application: Any, **options: Any) -> None:
        super().__init__(self._paced, **options)
        self._unpaced = application
        self._unseen: dict[str, list[Any]] = {}

    # Daphne makes its own factories when it runs; ours take their places there.
    @property
    def http_factory(self) -> Any:
        return self._http_factory

    @http_factory.setter
    def http_factory(self, made: Any) -> None:
        self._http_factory = PacedHTTPFactory(self)

    @property
    def ws_factory(self) -> Any:
        return self._ws_factory

    @ws_factory.setter
    def ws_factory(self, made: Any) -> None:
        self._ws_factory = PacedFactory(self, server=made.server)

    def application_checker(self) -> None:
        self._look_at_some("application", super().application_checker)

    def timeout_checker(self) -> None:
        self._look_at_some("timeout", super().timeout_checker)

    def _look_at_some(self, kind: str, look: Callable[[], None]) -> None:
        """Daphne looks at all connections every second or two, for ended work and for silence.

        Everybody waits meanwhile, 40 ms where there are ten thousand; so it is shown some at a time.
        """
        everything = self.connections
        left = self._unseen.get(kind) or list(everything)
        share = max(LOOK, len(everything) // LOOKS)
        shown, self._unseen[kind] = left[:share], left[share:]
        self.connections = {one: everything[one] for one in shown if one in everything}
        try:
            look()
        finally:
            kept, self.connections = self.connections, everything
            for one in shown:
                if one not in kept:
                    everything.pop(one, None)

    def kill_all_applications(self) -> Any:
        """Cancel what runs when the process ends.

        Daphne trips over a connection whose application ended a moment before it did: it leaves the
        others alone, and an ordinary restart has a CRITICAL line in its log.
        """
        everything = self.connections
        self.connections = {
            one: details for one, details in everything.items() if "application_instance" in details
        }
        try:
            return super().kill_all_applications()
        finally:
            self.connections = everything

    def _paced(self, scope: dict[str, Any], receive: Any, send: Any) -> Any:
        """Run the application for one connection; `send` is a partial of `handle_reply`."""
        if scope["type"] != "websocket":
            return self._unpaced(scope, receive, send)
        protocol: PacedProtocol = send.args[0]
        protocol.mailbox = Mailbox(protocol)
        return self._unpaced(scope, protocol.mailbox.take, send)

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        if message["type"] == "websocket.send":
            if not protocol.is_writable:
                await protocol.room()
            if (text := message.get("text")) and protocol.state == protocol.STATE_OPEN:
                protocol.send_text(text)
                return
        await super().handle_reply(protocol, message)


def text_frame(payload: bytes) -> bytes:
    """Return the frame of a server that holds this text (RFC 6455, 5.2)."""
    size = len(payload)
    if size < 126:
        return bytes((TEXT, size)) + payload
    if size < 65_536:
        return bytes((TEXT, 126, size >> 8, size & 0xFF)) + payload
    return bytes((TEXT, 127)) + size.to_bytes(8, "big") + payload


def whole_text(data: bytes) -> tuple[str, bytes] | None:
    """Return the text of the frame that `data` begins with, and what follows it.

    None when it is anything but one complete, masked message of text shorter than 64 KiB in as few
    bytes as possible: for autobahn to parse, and to refuse.
    """
    if len(data) < 7 or data[0] != TEXT or not data[1] & MASKED:
        return None
    size, begin = data[1] & 0x7F, 6
    if size == 126 and len(data) > 8:
        size, begin = data[2] << 8 | data[3], 8
        if size < 126:
            return None
    elif size > 126:
        return None
    end = begin + size
    if not size or len(data) < end:
        return None
    mask = data[begin - 4 : begin] * (size // 4 + 1)
    masked = int.from_bytes(data[begin:end], "little")
    plain = masked ^ int.from_bytes(mask[:size], "little")
    try:
        return plain.to_bytes(size, "little").decode(), data[end:]
    except UnicodeDecodeError:
        return None
