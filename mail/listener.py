"""Take mail that a mail server hands over, by LMTP or SMTP, on a port or a socket of ours.

Runs in a thread and an event loop of its own, so that no mail delays a chat; what it asks of the
database runs in threads of its own as well. It answers 250 only after the commit, 451 when
something is wrong with us, 550 for an address that leads nowhere, without saying more.

One letter at a time: LMTP wants an answer per recipient, and a second recipient is asked to come
again by itself, which every mail server does.
"""

import asyncio
import ipaddress
import logging
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import connection

from mail.incoming import Outcome, is_known, take
from mail.parsing import MAX_MAIL

log = logging.getLogger("klikvoor.mail.listener")

THREADS = 2
MAX_SESSIONS = 20
# A mail server hands over in seconds; whoever is silent for this long is gone.
SILENCE = 60.0
START_WITHIN = 10.0
# What no mail server makes long, but some mail programs do.
MAX_LINE = 1024 * 1024
MAX_CALLS = 1000

TAKEN = "250 2.0.0 OK"
LATER = "451 4.3.0 Try again later"
NO_SUCH_ADDRESS = "550 5.1.1 No such address"
ONE_AT_A_TIME = "452 4.5.3 One recipient at a time"
TOO_MANY = "421 4.7.0 Too many connections"


class BadListener(ValueError):
    """MAIL_LISTEN cannot be used as it is."""


@dataclass(frozen=True)
class Place:
    """Where to listen: lmtp://127.0.0.1:8024, smtp://10.0.0.5:25 or lmtp:///run/klikvoor/lmtp."""

    protocol: str
    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def at(cls, url: str) -> "Place":
        """Raises BadListener."""
        wish = "MAIL_LISTEN has to look like lmtp://127.0.0.1:8024 or lmtp:///run/klikvoor/lmtp."
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadListener(wish) from None
        if parts.scheme not in ("lmtp", "smtp") or parts.username or parts.query:
            raise BadListener(wish)
        if parts.hostname and port and parts.path in ("", "/"):
            return cls(parts.scheme, parts.hostname, port)
        if not parts.netloc and len(parts.path) > 1:
            return cls(parts.scheme, path=parts.path)
        raise BadListener(wish)

    @property
    def is_public(self) -> bool:
        """Whether anybody on the internet could reach it; a name is the operator's to judge."""
        try:
            address = ipaddress.ip_address(self.host)
        except ValueError:
            return False
        return address.is_unspecified or not (address.is_private or address.is_loopback)


class Handler:
    """What is answered to each command of a mail server."""

    def __init__(self, threads: ThreadPoolExecutor) -> None:
        self._threads = threads
        self.transports: set[asyncio.Transport] = set()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if envelope.rcpt_tos:
            return ONE_AT_A_TIME
        try:
            known = await self._ask(is_known, address)
        except Exception as error:  # whatever it is, it is not the sender's fault
            log.error("an address could not be looked up: %s", type(error).__name__)
            return LATER
        if not known:
            return NO_SUCH_ADDRESS
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        content = envelope.content
        raw = content if isinstance(content, bytes) else str(content).encode()
        try:
            outcome = await self._ask(take, raw, to=envelope.rcpt_tos[0], sender=envelope.mail_from)
        except Exception as error:  # as above; whoever sent it tries again
            log.error("a mail could not be taken now: %s", type(error).__name__)
            return LATER
        return NO_SUCH_ADDRESS if outcome is Outcome.UNKNOWN else TAKEN

    async def handle_exception(self, error: Exception) -> str:
        log.error("a mail server was not understood: %s", type(error).__name__)
        return LATER

    async def _ask(self, question: Any, *args: Any, **kwargs: Any) -> Any:
        def ask() -> Any:
            if connection.errors_occurred:
                connection.close()
            return question(*args, **kwargs)

        return await asyncio.get_running_loop().run_in_executor(self._threads, ask)


class Limited:
    """What makes a session of the library end: too many of them, or too much in one."""

    event_handler: Handler
    # Of the library: longer lines are refused.
    line_length_limit = MAX_LINE

    def connection_made(self, transport: Any) -> None:
        self._received = 0
        self._connection = transport
        self.event_handler.transports.add(transport)
        if len(self.event_handler.transports) > MAX_SESSIONS:
            transport.write(f"{TOO_MANY}\r\n".encode())
            transport.close()
        super().connection_made(transport)  # type: ignore[misc]

    def connection_lost(self, error: Exception | None) -> None:
        self.event_handler.transports.discard(self._connection)
        super().connection_lost(error)  # type: ignore[misc]

    def data_received(self, data: bytes) -> None:
        """A line without an end would be kept without an end."""
        self._received += len(data)
        if self._received > 4 * MAX_MAIL:
            self.transport.abort()  # type: ignore[attr-defined]
            return
        super().data_received(data)  # type: ignore[misc]

    def eof_received(self) -> bool:
        """Whoever hung up is not waited for: the library would keep the line open."""
        super().eof_received()  # type: ignore[misc]
        return False

    def _set_post_data_state(self) -> None:
        self._received = 0
        super()._set_post_data_state()  # type: ignore[misc]


class LimitedLMTP(Limited, LMTP):
    pass


class LimitedSMTP(Limited, SMTP):
    pass


class Listener:
    """Listens from `start` to `stop`."""

    def __init__(self, place: Place) -> None:
        self.place = place
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._threads: ThreadPoolExecutor | None = None

    def start(self) -> None:
        """Return once it listens. Raises OSError when that cannot be."""
        started: threading.Event = threading.Event()
        failure: list[BaseException] = []
        server_socket = self._socket()
        self._threads = threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")
        self._thread = threading.Thread(
            target=self._run,
            args=(server_socket, threads, started, failure),
            name="mail",
            daemon=True,
        )
        self._thread.start()
        if not started.wait(START_WITHIN):
            raise OSError("the listener for mail did not start")
        if failure:
            raise OSError("the listener for mail did not start") from failure[0]

    def stop(self) -> None:
        """Hang up, finish what is being stored, and close the connections to the database."""
        loop, thread, threads = self._loop, self._thread, self._threads
        self._loop = self._thread = self._threads = None
        if loop is not None and thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            thread.join(START_WITHIN)
        if threads is not None:
            close_connections(threads)
        if self.place.path:
            with suppress(OSError):
                Path(self.place.path).unlink()

    def _socket(self) -> socket.socket:
        if self.place.path:
            return _unix_socket(self.place.path)
        family = socket.AF_INET6 if ":" in self.place.host else socket.AF_INET
        return socket.create_server((self.place.host, self.place.port), family=family)

    def _run(
        self,
        server_socket: socket.socket,
        threads: ThreadPoolExecutor,
        started: threading.Event,
        failure: list[BaseException],
    ) -> None:
        loop = asyncio.new_event_loop()
        loop.set_exception_handler(_log_only_the_kind)
        server = None
        handler = Handler(threads)
        try:
            server = loop.run_until_complete(self._serve(loop, server_socket, handler))
            self._loop = loop
            started.set()
            loop.run_forever()
            server.close()
            # Whoever is just being let in gets that far, to be hung up on properly.
            loop.run_until_complete(asyncio.sleep(0.01))
        except BaseException as error:
            failure.append(error)
        finally:
            started.set()
            _end(loop, handler)

    async def _serve(
        self,
        loop: asyncio.AbstractEventLoop,
        server_socket: socket.socket,
        handler: Handler,
    ) -> asyncio.Server:
        kind = LimitedLMTP if self.place.protocol == "lmtp" else LimitedSMTP

        def session() -> Any:
            return kind(
                handler,
                data_size_limit=MAX_MAIL,
                enable_SMTPUTF8=True,
                # Neither our name nor that of the library is anybody's business.
                hostname="localhost",
                ident="Klikvoor",
                timeout=SILENCE,
                command_call_limit=MAX_CALLS,
                loop=loop,
            )

        if self.place.path:
            return await loop.create_unix_server(session, sock=server_socket)
        return await loop.create_server(session, sock=server_socket)


def _unix_socket(path: str) -> socket.socket:
    """A socket that is left over from a process that was killed is replaced, a used one is not."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(path)
        except OSError:
            with suppress(FileNotFoundError):
                Path(path).unlink()
        else:
            raise OSError("another process listens there")
    server_socket = socket.socket(socket.AF_UNIX)
    server_socket.bind(path)
    # The directory says who may come in: the mail server is another user.
    Path(path).chmod(0o666)
    return server_socket


def _log_only_the_kind(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """What went wrong in a session; its message and its objects may hold an address."""
    error = context.get("exception")
    log.error("listening for mail went wrong: %s", type(error).__name__ if error else "unknown")


def _end(loop: asyncio.AbstractEventLoop, handler: Handler) -> None:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    if tasks:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    # After the tasks, among which one may just be letting somebody in.
    for transport in list(handler.transports):
        transport.abort()
    loop.run_until_complete(asyncio.sleep(0.01))
    loop.run_until_complete(loop.shutdown_asyncgens())
    loop.close()


def close_connections(threads: ThreadPoolExecutor) -> None:
    """End the threads, each after it closed its own connection."""
    together = threading.Barrier(THREADS)

    def close() -> None:
        connection.close()
        with suppress(threading.BrokenBarrierError):
            together.wait(START_WITHIN)

    for _ in range(THREADS):
        threads.submit(close)
    threads.shutdown(wait=True)
