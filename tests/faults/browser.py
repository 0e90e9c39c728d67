"""A browser without JavaScript: requests with a jar of cookies, and forms that are sent again.

On plain asyncio, so that a line can break at any moment: `drop` cuts it in the middle of a request,
and whoever asked does not know what became of it.
"""

import asyncio
import contextlib
import html
import re
import ssl
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import urlencode

if TYPE_CHECKING:
    from tests.faults.world import World

ANSWER_SECONDS = 10.0
FORM = "application/x-www-form-urlencoded"


class NoAnswer(Exception):
    """The connection failed, or ended without a whole answer: anything may have happened."""


@dataclass
class Reply:
    """What a server answered."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode(errors="replace")

    def value_of(self, name: str) -> str:
        """Return the value of the first hidden field with this name; empty when there is none."""
        found = re.search(rf'<input type="hidden" name="{name}" value="([^"]*)"', self.text)
        return html.unescape(found[1]) if found else ""

    def data(self, name: str) -> str:
        """Return the first attribute `data-name`; empty when there is none."""
        found = re.search(rf'data-{name}="([^"]*)"', self.text)
        return html.unescape(found[1]) if found else ""


async def exchange(
    port: int,
    request: bytes,
    opened: "set[asyncio.StreamWriter]",
    trust: ssl.SSLContext | None,
) -> Reply:
    """Send one request on a connection of its own. `opened` holds what somebody else may cut."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_connection("localhost", port, ssl=trust)
            opened.add(writer)
            try:
                writer.write(request)
                answer = await reader.read()
            finally:
                opened.discard(writer)
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError) as error:
        raise NoAnswer from error
    return parsed(answer)


def parsed(answer: bytes) -> Reply:
    """Raises NoAnswer when the answer is not whole."""
    head, mark, body = answer.partition(b"\r\n\r\n")
    if not mark:
        raise NoAnswer
    first, *lines = head.decode("latin1").split("\r\n")
    headers = [
        (name.lower(), value.strip()) for name, _, value in (x.partition(":") for x in lines)
    ]
    known = dict(headers)
    if "chunked" in known.get("transfer-encoding", ""):
        body = _unchunk(body)
    elif len(body) < int(known.get("content-length", 0)):
        raise NoAnswer
    return Reply(int(first.split(" ", 2)[1]), headers, body)


def _unchunk(content: bytes) -> bytes:
    whole = b""
    while True:
        size, mark, content = content.partition(b"\r\n")
        if not mark:
            raise NoAnswer
        length = int(size, 16)
        if not length:
            return whole
        if len(content) < length:
            raise NoAnswer
        whole, content = whole + content[:length], content[length + 2 :]


class Browser:
    """One browser of one person; another one knows nothing of its cookies."""

    def __init__(self, world: "World", cookie: str = "") -> None:
        self.world = world
        self.cookies: dict[str, str] = {}
        if cookie:
            name, _, value = cookie.partition("=")
            self.cookies[name] = value
        self.opened: set[asyncio.StreamWriter] = set()

    @property
    def cookie(self) -> str:
        """The header `Cookie`."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def drop(self) -> None:
        for writer in list(self.opened):
            writer.transport.abort()

    async def get(self, path: str) -> Reply:
        return await self._ask("GET", path, b"")

    async def post(self, path: str, fields: dict[str, str]) -> Reply:
        return await self._ask("POST", path, urlencode(fields).encode())

    async def _ask(self, method: str, path: str, body: bytes) -> Reply:
        port = self.world.port(self.world.rng)
        lines = [
            f"{method} {path} HTTP/1.1",
            f"Host: localhost:{port}",
            f"Origin: {self.world.origin(port)}",
            "Connection: close",
        ]
        if self.cookies:
            lines.append(f"Cookie: {self.cookie}")
        if method == "POST":
            lines += [f"Content-Type: {FORM}", f"Content-Length: {len(body)}"]
        request = "\r\n".join([*lines, "", ""]).encode() + body
        reply = await exchange(port, request, self.opened, self.world.trust)
        self.keep_cookies(reply)
        return reply

    def keep_cookies(self, reply: Reply) -> None:
        for name, value in reply.headers:
            if name != "set-cookie":
                continue
            pair, _, attributes = value.partition(";")
            key, _, kept = pair.partition("=")
            if "max-age=0" in attributes.lower():
                self.cookies.pop(key.strip(), None)
            else:
                self.cookies[key.strip()] = kept.strip().strip('"')
