"""Hostile windows on real servers: they are cut off, cost little, and slow nobody else.

On Daphne as `manage.py serve` runs it, and on uvicorn, which may carry the scaled shape. About
sockets, whatever the database is: the site brings its own SQLite.
"""

import asyncio
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio
from websockets.asyncio.client import connect

from tests.faults import hostile
from tests.faults.checker import percentile
from tests.faults.grammar import PLANTED
from tests.faults.hostile import CONTINUATION, PING, TEXT, Hostile, frame, text
from tests.faults.site import Embedded
from tests.servers import ROOT, Server

UVICORN = "--ws websockets-sansio --ws-per-message-deflate false --log-level warning"
MIB = 2**20
PER_CLIENT = 2 * MIB
CROWD = 8
# A good window's answers while hostile ones do their worst.
SLOWEST = 0.3


class UvicornServer(Server):
    """The same application on uvicorn."""

    def start(self) -> None:
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "uvicorn", "klikvoor.asgi:application"),
                    *("--port", str(self.port), *UVICORN.split()),
                ],
                cwd=ROOT,
                env=self.env | {"DJANGO_SETTINGS_MODULE": "klikvoor.settings"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + 30
        while not self._answers():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)


class Place:
    """A site with one server, a worker, and somebody who talks with them."""

    def __init__(self, site: Embedded, server: Server, worker: dict[str, Any]) -> None:
        self.site = site
        self.server = server
        self.worker = worker

    @property
    def slowest(self) -> float:
        """uvicorn reads four times as much at once, and parses all of it."""
        return 2 * SLOWEST if isinstance(self.server, UvicornServer) else SLOWEST

    @property
    def memory(self) -> int:
        assert self.server.process is not None
        return psutil.Process(self.server.process.pid).memory_info().rss

    async def talk(self, messages: int = 0, letters: int = 0) -> dict[str, Any]:
        return await self.site.door.ask(
            "talk", worker=self.worker["id"], messages=messages, letters=letters
        )


@pytest_asyncio.fixture(scope="module", loop_scope="session", params=["daphne", "uvicorn"])
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    directory = Path(tempfile.mkdtemp(prefix="hostile-"))
    site = Embedded(directory)
    await site.start()
    made = await site.door.ask("found", patience=0, institutions=1, workers=1)
    server = site.servers[0]
    if request.param == "uvicorn":
        server = site.servers[0] = UvicornServer(directory, server.env)
        server.env = server.env | {"ORIGINS": server.url}
    await asyncio.to_thread(server.start)
    yield Place(site, server, made["workers"][0])
    log = server.log()
    await site.stop()
    shutil.rmtree(directory, ignore_errors=True)
    assert PLANTED not in log
    assert "failed" not in log, log[:3000]
    if request.param == "daphne":  # uvicorn logs its own of invalid UTF-8, without the text
        assert "Traceback" not in log, log[:3000]


async def hostile_window(place: Place, talk: dict[str, Any], *, hello: bool = True) -> Hostile:
    window = Hostile(place.server.port)
    await window.upgrade("/ws/visit/", talk["cookie"])
    if hello:
        await window.send(text(type="hello", conversation=talk["conversation"], after=10**6))
    return window


async def good_window_meanwhile(place: Place, evil: Callable[[], Awaitable[None]]) -> list[float]:
    """Return how long a good window's messages took while `evil` was done."""
    talk = await place.talk()
    times: list[float] = []
    async with connect(
        f"ws://localhost:{place.server.port}/ws/visit/",
        origin=place.server.url,  # type: ignore[arg-type]
        additional_headers={"Cookie": talk["cookie"]},
        compression=None,
    ) as good:
        await good.send(
            json.dumps({"type": "hello", "conversation": talk["conversation"], "after": 0})
        )
        await good.recv()
        doing = asyncio.ensure_future(evil())
        number = 0
        while not doing.done() or number < 12:
            number += 1
            client_id = f"{number:08x}-1111-4000-8000-000000000000"
            began = time.monotonic()
            await good.send(
                json.dumps({"type": "message.post", "client_id": client_id, "text": PLANTED})
            )
            async with asyncio.timeout(10):
                while client_id not in str(await good.recv()):
                    pass
            times.append(time.monotonic() - began)
            # A visitor may give 60 commands in ten seconds.
            await asyncio.sleep(0.12)
        await doing
    return times


# --- Windows that do not read -------------------------------------------------------------------


async def test_a_window_that_does_not_read_costs_little_and_is_cut_off(place: Place) -> None:
    """Each asks again and again for 800 KB of conversation: 16 MB for each that reads nothing."""
    talks = [await place.talk(messages=200, letters=4000) for _ in range(CROWD)]
    # The first one makes the server allocate what it keeps.
    warm = await hostile_window(place, talks[0])
    await asyncio.sleep(0.3)
    warm.close()
    before = place.memory
    windows = [await hostile_window(place, talk, hello=False) for talk in talks]
    most = 0
    for _ in range(20):
        for window, talk in zip(windows, talks, strict=True):
            await window.send(
                text(type="hello", conversation=talk["conversation"], after=0), within=0.2
            )
        most = max(most, place.memory)
    cut = await asyncio.gather(*(window.is_cut_off(14) for window in windows))
    most = max(most, place.memory)
    for window in windows:
        window.close()
    print(f"{(most - before) / CROWD / MIB:.2f} MiB for each window that does not read")
    assert all(cut), cut
    assert most - before < CROWD * PER_CLIENT


async def test_a_slow_window_gets_everything_and_is_not_cut_off(place: Place) -> None:
    """Slow is not hostile: 800 KB at the pace of a bad phone line."""
    talk = await place.talk(messages=200, letters=4000)
    window = await hostile_window(place, talk, hello=False)
    await window.send(text(type="hello", conversation=talk["conversation"], after=0))
    got = 0
    deadline = time.monotonic() + 20
    while got < 800_000 and time.monotonic() < deadline:
        data = await window.read(16384)
        assert data, f"cut off after {got} bytes"
        got += len(data)
        await asyncio.sleep(0.02)
    window.close()
    assert got >= 800_000


# --- Floods and pieces --------------------------------------------------------------------------

HEARTBEATS = text(type="heartbeat") * 4000
PIECES = frame(b"{", TEXT, final=False) + frame(b" ", CONTINUATION, final=False) * 8000
EMPTY_PIECES = frame(b"{", TEXT, final=False) + frame(b"", CONTINUATION, final=False) * 8000
PINGS = frame(b"x" * 125, PING) * 1000
FLOODS = {
    "heartbeats": HEARTBEATS,
    "one-byte pieces": PIECES,
    "empty pieces": EMPTY_PIECES,
    "pings": PINGS,
    "nonsense": frame(b"[" * 200) * 2000,
    "posts": b"".join(
        text(
            type="message.post", client_id=f"{n:08x}-2222-4000-8000-000000000000", text=PLANTED * 50
        )
        for n in range(500)
    ),
    "noise": os.urandom(200_000),
}


@pytest.mark.parametrize("flood", FLOODS)
async def test_a_flood_slows_nobody_and_costs_little(place: Place, flood: str) -> None:
    slow = 0.0
    for _ in range(3):
        # Again when it was slow: other tests run beside this one.
        slow = await flood_once(place, flood)
        if slow < place.slowest:
            return
    raise AssertionError(f"p95 of a good window: {slow * 1000:.0f} ms")


async def flood_once(place: Place, flood: str) -> float:
    talk = await place.talk()
    before = place.memory
    most = count = 0

    async def evil() -> None:
        nonlocal most, count
        end = time.monotonic() + 1
        while time.monotonic() < end:
            windows = [await hostile_window(place, talk) for _ in range(2)]
            await asyncio.gather(*(window.send(FLOODS[flood], within=0.5) for window in windows))
            most = max(most, place.memory)
            count += len(windows)
            for window in windows:
                window.close()

    times = await good_window_meanwhile(place, evil)
    slow = percentile(times, 0.95)
    print(f"{flood}: p95 {slow * 1000:.0f} ms, {(most - before) / MIB:.1f} MiB for {count} windows")
    assert most - before < min(count * PER_CLIENT, 64 * MIB)
    return slow


@pytest.mark.parametrize(
    ("name", "data", "is_kept"),
    [
        ("64 KiB - 1", frame(b"x" * (64 * 1024 - 1)), True),
        ("64 KiB", frame(b"x" * (64 * 1024)), True),
        ("64 KiB + 1", frame(b"x" * (64 * 1024 + 1)), None),
        ("1 MiB", frame(b"x" * MIB), None),
        ("header 2^63", b"\x81\xff" + (2**63).to_bytes(8, "big") + b"\0\0\0\0", False),
        ("header 2^62", b"\x81\xff" + (2**62).to_bytes(8, "big") + b"\0\0\0\0", None),
        ("invalid UTF-8", frame(b'{"type":"\xff\xfe"}'), None),
        ("overlong UTF-8", frame(b'{"type":"\xc0\xaf"}'), None),
        ("unmasked", frame(b"{}", masked=False), None),
        ("reserved opcode", frame(b"{}", 11), None),
        ("reserved bits", b"\xf1\x80\0\0\0\0", None),
        ("long ping", frame(b"x" * 126, PING), None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_a_frame_at_the_limit_is_answered_or_ends_only_its_own_window(
    place: Place, name: str, data: bytes, is_kept: bool | None
) -> None:
    """`is_kept` None: the server may answer or end it; another window notices nothing."""
    talk = await place.talk()
    window = await hostile_window(place, talk)
    await window.read()
    await window.send(data)
    await window.send(text(type="heartbeat"))
    answer = await window.read(within=3)
    while answer and b"heartbeat" not in answer:
        more = await window.read(within=1)
        if not more:
            break
        answer += more
    if is_kept:
        assert b"not_understood" in answer or b"too_long" in answer
        assert b"heartbeat" in answer
    elif is_kept is False:
        assert b'"heartbeat"' not in answer
    window.close()
    again = await hostile_window(place, talk)
    assert b'"hello"' in await again.read()
    again.close()


# --- Requests -----------------------------------------------------------------------------------


def request(place: Place, first: str, *headers: str, body: bytes = b"") -> bytes:
    head = "\r\n".join([first, f"Host: localhost:{place.server.port}", *headers, "", ""])
    return head.encode("latin1") + body


async def ask(place: Place, data: bytes) -> int:
    """Return the status of the answer; 0 when the connection was ended without one."""
    window = Hostile(place.server.port, small=False)
    await window.connect()
    await window.send(data)
    answer = await window.read()
    window.close()
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/") else 0


FIELDS = "&".join(f"a{n}=1" for n in range(10_000))
BAD_REQUESTS: dict[str, tuple[str, list[str], bytes]] = {
    "TRACE": ("TRACE / HTTP/1.1", [], b""),
    "DELETE": ("DELETE / HTTP/1.1", [], b""),
    "an unknown method": ("KLIK / HTTP/1.1", [], b""),
    "a method of noise": ("\x01\x02 / HTTP/1.1", [], b""),
    "no protocol": ("GET /", [], b""),
    "a huge cookie": ("GET / HTTP/1.1", ["Cookie: visit=" + "x" * 15_000], b""),
    "a gigantic cookie": ("GET / HTTP/1.1", ["Cookie: visit=" + "x" * 200_000], b""),
    "10,000 cookies": ("GET / HTTP/1.1", ["Cookie: " + "a=b; " * 3000], b""),
    "a broken cookie": ("GET / HTTP/1.1", ['Cookie: visit="\\\x80;;=;"'], b""),
    "10,000 fields in the address": (f"GET /?{FIELDS} HTTP/1.1", [], b""),
    "10,000 fields in the body": (
        "POST / HTTP/1.1",
        [
            "Content-Type: application/x-www-form-urlencoded",
            f"Content-Length: {len(FIELDS)}",
        ],
        FIELDS.encode(),
    ),
    "1,000 headers": ("GET / HTTP/1.1", [f"X-{n}: y" for n in range(1000)], b""),
    "a path of noise": ("GET /%ff%00%c0%af/../..;/ HTTP/1.1", [], b""),
    "another host": ("GET http://kwaad.example/ HTTP/1.1", ["X-Forwarded-Host: kwaad"], b""),
    "a root path": ("GET / HTTP/1.1", ["Daphne-Root-Path: /x"], b""),
    "frames that are none": (
        "POST /visit/frames/ HTTP/1.1",
        ["Content-Type: application/json", "Content-Length: 5"],
        b"[[[[[",
    ),
    "a body without end": ("POST /visit/frames/ HTTP/1.1", ["Transfer-Encoding: onzin"], b"x"),
    "a broken length": ("POST / HTTP/1.1", ["Content-Length: -5"], b""),
}


@pytest.mark.parametrize("name", BAD_REQUESTS)
async def test_a_bad_request_gets_an_answer_and_leaves_no_trace(place: Place, name: str) -> None:
    first, headers, body = BAD_REQUESTS[name]
    status = await ask(place, request(place, first, *headers, body=body))
    assert status < 500 or status in (501, 505), status
    assert await ask(place, request(place, "GET / HTTP/1.1")) == 200


async def test_a_body_without_measure_is_not_kept(place: Place) -> None:
    before = place.memory
    windows = [Hostile(place.server.port, small=False) for _ in range(4)]
    for window in windows:
        await window.connect()
        await window.send(
            request(place, "POST /visit/frames/ HTTP/1.1", "Transfer-Encoding: chunked")
        )
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    for _ in range(80):
        for window in windows:
            await window.send(chunk, within=1)
    most = place.memory - before
    for window in windows:
        await window.send(b"0\r\n\r\n", within=1)
        answer = await window.read()
        assert not answer or b" 4" in answer[:13], answer[:60]
        window.close()
    assert most < 16 * MIB, most
    assert await ask(place, request(place, "GET / HTTP/1.1")) == 200


async def test_requests_that_never_end_slow_nobody(place: Place) -> None:
    """Slow-loris: a hundred connections that say one letter now and then."""
    slow = [Hostile(place.server.port) for _ in range(100)]
    for one in slow:
        await one.connect()
        await one.send(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: ")

    async def evil() -> None:
        for _ in range(4):
            for one in slow:
                await one.send(b"x", within=0.1)
            await asyncio.sleep(0.4)

    times = await good_window_meanwhile(place, evil)
    for one in slow:
        one.close()
    assert percentile(times, 0.95) < SLOWEST


__all__ = ["hostile", "signal"]
