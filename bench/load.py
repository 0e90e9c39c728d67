"""The load: people who chat, as fast as one process can play them, and the book of what they saw.

Every message is followed from the moment it was due until its writer holds the acknowledgement
and the other side holds the text. What was acknowledged and never arrived is lost.
"""

import asyncio
import itertools
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import msgspec
from picows import WSFrame, WSHandshakeError, WSListener, WSMsgType, WSTransport, ws_connect

LETTERS = 80
OPENING_AT_ONCE = 100
HEARTBEAT_SECONDS = 20
# Browsers opened at different moments, so only a two hundredth of them beats at once.
BEATS = 200
# What a browser says when it opens a socket; short test requests would flatter the memory.
BROWSER = {
    "User-Agent": "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) "
    "Chrome/142.0.0.0 Mobile Safari/537.36",
    "Accept-Language": "nl-NL,nl;q=0.9,en;q=0.8",
    "Accept-Encoding": "gzip, deflate, br, zstd",
    "Cache-Control": "no-cache",
    "Pragma": "no-cache",
}


class Broken(Exception):
    """The server did something that leaves nothing to measure."""


class Seat(msgspec.Struct, frozen=True):
    """Where one person sits: the address, the way in, and what the server answers when it is ready."""

    path: str
    cookie: str = ""
    hello: str = ""
    ready: str = ""
    conversation: str = ""
    # Of another process of the same site; empty: the crowd's own.
    origin: str = ""


class Frame(msgspec.Struct):
    """What this book needs of a frame from the server."""

    type: str
    client_id: str = ""
    text: str = ""
    code: str = ""


decode = msgspec.json.Decoder(Frame).decode


class Message:
    """A message under way."""

    __slots__ = ("due", "is_acknowledged", "is_delivered", "text", "writer")

    def __init__(self, writer: "Person", text: str, due: float) -> None:
        self.writer = writer
        self.text = text
        self.due = due
        self.is_acknowledged = self.is_delivered = False


class Book:
    """Every message of a run and what became of it."""

    def __init__(self) -> None:
        self.messages: dict[str, Message] = {}
        # Of a run of its own: the same chats may have been used before.
        self.numbers = itertools.count(secrets.randbelow(2**31))
        self.latencies: list[float] = []
        self.sent = self.acknowledged = self.delivered = self.refused = 0
        self.finished = self.doubled = self.damaged = 0
        self.problems: list[str] = []
        # A refusal is an answer, where more is asked than anybody can do.
        self.may_refuse = False
        self.on_finished: Callable[[Message], None] = lambda message: None

    def write(self, writer: "Person", due: float) -> None:
        number = next(self.numbers)
        client_id = f"{number:08x}-0000-4000-8000-000000000000"
        text = f"{number} ".ljust(LETTERS, "x")
        self.messages[client_id] = Message(writer, text, due)
        self.sent += 1
        writer.post(client_id, text)

    def hear(self, person: "Person", frame: Frame) -> None:
        message = self.messages.get(frame.client_id)
        if message is None or frame.text != message.text:
            self.damaged += 1
        elif person is message.writer:
            self.doubled += message.is_acknowledged
            self.acknowledged += not message.is_acknowledged
            message.is_acknowledged = True
            self.finish(message)
        else:
            if message.is_delivered:
                self.doubled += 1
                return
            self.latencies.append(time.perf_counter() - message.due)
            self.delivered += 1
            message.is_delivered = True
            self.finish(message)

    def finish(self, message: Message) -> None:
        if message.is_acknowledged and message.is_delivered:
            self.finished += 1
            self.on_finished(message)

    @property
    def lost(self) -> int:
        """Acknowledged, and never seen by the other side."""
        return sum(m.is_acknowledged and not m.is_delivered for m in self.messages.values())

    @property
    def under_way(self) -> int:
        return self.sent - self.refused - self.finished


class Person(WSListener):  # type: ignore[misc]
    """One side of a chat, at one socket."""

    def __init__(self, seat: Seat, book: Book) -> None:
        self.seat = seat
        self.book = book
        self.transport: WSTransport | None = None
        self.is_ready = asyncio.Event()
        self.is_leaving = False
        self.before = f'"conversation":"{seat.conversation}",' if seat.conversation else ""
        if not seat.ready:
            self.is_ready.set()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport
        if self.seat.hello:
            self.send(self.seat.hello)

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            code = int.from_bytes(frame.get_payload_as_bytes()[:2], "big")
            self.problem(f"the server closed {self.seat.path} with {code}")
            transport.disconnect()
            return
        if frame.msg_type != WSMsgType.TEXT:
            return
        fact = decode(frame.get_payload_as_memoryview())
        match fact.type:
            case "message.posted" | "message.post":  # the relay sends back what it got
                self.book.hear(self, fact)
            case "message.refused" if self.book.may_refuse:
                self.book.refused += 1
            case "message.refused" | "error":
                self.book.refused += fact.type == "message.refused"
                self.problem(f"{self.seat.path} answered {fact.type} {fact.code}")
            case self.seat.ready:
                self.is_ready.set()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self.problem(f"{self.seat.path} was cut off")

    def problem(self, text: str) -> None:
        if not self.is_leaving:
            self.book.problems.append(text)
        self.is_ready.set()

    def send(self, text: str) -> None:
        assert self.transport is not None
        self.transport.send(WSMsgType.TEXT, text.encode())

    def post(self, client_id: str, text: str) -> None:
        self.send(
            f'{{"type":"message.post",{self.before}"client_id":"{client_id}","text":"{text}"}}'
        )

    def leave(self) -> None:
        self.is_leaving = True
        if self.transport is not None:
            self.transport.disconnect()


class Crowd:
    """All people at the server's sockets, with one book."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.book = Book()
        self.chats: list[tuple[Person, Person]] = []
        self.partners: dict[Person, Person] = {}
        self.people: list[Person] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> "Crowd":
        self.tasks.append(asyncio.create_task(self.beat()))
        return self

    async def __aexit__(self, *error: object) -> None:
        for task in self.tasks:
            task.cancel()
        for person in self.people:
            person.leave()
        await asyncio.sleep(0.1)

    async def sit_down(self, seats: Sequence[Seat]) -> list[Person]:
        """Open the sockets and wait until the server said that each is ready."""
        at_once = asyncio.Semaphore(OPENING_AT_ONCE)

        async def sit(seat: Seat) -> Person:
            person = Person(seat, self.book)
            origin = seat.origin or self.origin
            headers = BROWSER | {"Origin": origin}
            if seat.cookie:
                headers["Cookie"] = seat.cookie
            async with at_once:
                url = origin.replace("http", "ws", 1) + seat.path
                await ws_connect(
                    lambda: person, url, extra_headers=headers, websocket_handshake_timeout=30
                )
                await asyncio.wait_for(person.is_ready.wait(), 30)
            return person

        try:
            people = await asyncio.gather(*(sit(seat) for seat in seats))
        except (OSError, TimeoutError, WSHandshakeError) as error:
            raise Broken(f"a socket did not open: {type(error).__name__} {error}") from error
        self.people += people
        self.check()
        return people

    async def pair(self, chats: Sequence[tuple[Seat, Seat]]) -> None:
        people = await self.sit_down([seat for chat in chats for seat in chat])
        self.chats = list(zip(people[::2], people[1::2], strict=True))
        self.partners = dict(self.chats) | {b: a for a, b in self.chats}

    async def beat(self) -> None:
        """Say now and then that everybody is still there, as browsers do: each at its moment."""
        for turn in itertools.cycle(range(BEATS)):
            await asyncio.sleep(HEARTBEAT_SECONDS / BEATS)
            for person in self.people[turn::BEATS]:
                if person.seat.hello:
                    person.send('{"type":"heartbeat"}')

    def check(self) -> None:
        if self.book.problems:
            raise Broken(f"{self.book.problems[0]} ({len(self.book.problems)} such problems)")

    async def closed_loop(self, seconds: float, mark: Callable[[], None]) -> float:
        """One message under way per chat, each side in turn. Returns messages per second.

        `mark` is called where the measured time begins and where it ends.
        """
        is_over = False

        def answer(message: Message) -> None:
            if not is_over:
                self.book.write(self.partners[message.writer], time.perf_counter())

        self.book.on_finished = answer
        for index, chat in enumerate(self.chats):
            self.book.write(chat[index % 2], time.perf_counter())
        await asyncio.sleep(seconds / 4)
        mark()
        began, before = time.perf_counter(), self.book.finished
        await asyncio.sleep(seconds)
        rate = (self.book.finished - before) / (time.perf_counter() - began)
        mark()
        is_over = True
        await self.quiet()
        return rate

    async def open_loop(self, rate: float, seconds: float) -> list[float]:
        """Messages at fixed moments, whatever the server does. Returns the sorted latencies.

        Latency counts from the moment a message was due, so that a server that stalls is not
        excused for the messages that had to wait.
        """
        self.book.on_finished = lambda message: None
        self.book.latencies.clear()
        loop = asyncio.get_running_loop()
        began = time.perf_counter() + 0.05
        moments = [began + n / rate for n in range(int(rate * seconds))]

        def write(due: list[tuple[Person, float]]) -> None:
            for writer, moment in due:
                self.book.write(writer, moment)

        def pace(writers: Iterator[Person]) -> None:
            # In a thread, because the timers of the loop tick in whole milliseconds. What is due
            # together goes together: waking the loop for each would be the limit before the server is.
            left = deque(moments)
            while left:
                time.sleep(max(0.0, left[0] - time.perf_counter()))
                now = time.perf_counter()
                due = []
                while left and left[0] <= now:
                    due.append((next(writers), left.popleft()))
                loop.call_soon_threadsafe(write, due)

        turns = itertools.cycle([a for a, _ in self.chats] + [b for _, b in self.chats])
        with ThreadPoolExecutor(1) as executor:
            await loop.run_in_executor(executor, pace, turns)
        await self.quiet()
        return sorted(self.book.latencies)

    async def quiet(self, patience: float = 10) -> None:
        """Wait until every message has arrived, or until that may no longer be expected."""
        with suppress(TimeoutError):
            async with asyncio.timeout(patience):
                while self.book.under_way:
                    await asyncio.sleep(0.02)
        # A second copy of a message would come after the first.
        await asyncio.sleep(0.05)
        self.check()
