"""Two real processes on PostgreSQL and Redis behind nginx: people talk while both are restarted.

`make faults SHAPE=proxied` plays it longer, with everything that can go wrong. Here is what has to
hold at every change.
"""

import asyncio
import json
import shutil
import signal
import tempfile
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import psutil
import pytest
import pytest_asyncio
from websockets.asyncio.client import ClientConnection, connect

from tests.faults.checker import Verdict
from tests.faults.proxied import Proxied
from tests.faults.world import Plan, World
from tests.nginx import nginx_or_skip
from tests.servers import Server

# Only this shape has more than one process; on SQLite there is nothing to try.
pytestmark = pytest.mark.postgresql

# One after the other, while people talk, and then they find each other again.
PLAN = Plan(shape="proxied", seconds=2, seed=15, every=1, visitors=6, only=("rolling restart",))


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def played() -> AsyncIterator[tuple[Proxied, Verdict]]:
    """The site, which still runs, and what became of everybody's words."""
    nginx_or_skip()
    # Sockets need short paths.
    directory = Path(tempfile.mkdtemp(prefix="proxied-"))
    directory.chmod(0o755)
    site = Proxied(directory)
    site.processes = 2
    try:
        await site.start()
        yield site, await World(site, PLAN, print).run()
    finally:
        await site.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def test_both_processes_are_restarted_while_people_talk_and_no_word_is_lost(
    played: tuple[Proxied, Verdict],
) -> None:
    _, verdict = played
    assert verdict.is_safe, verdict.summary()
    assert verdict.acknowledged > 30
    # Everybody changed over at least once, and was soon back.
    assert verdict.reconnects >= PLAN.visitors
    assert verdict.slowest_return < 30


async def open_socket(site: Proxied, new: dict[str, str]) -> ClientConnection:
    socket = await connect(
        f"wss://localhost:{site.nginx.port}/ws/visit/",
        origin=site.nginx.origin,
        additional_headers={"Cookie": new["cookie"]},
        ssl=site.nginx.trust,
    )
    hello = {"type": "hello", "conversation": new["conversation"], "after": 0}
    await socket.send(json.dumps(hello))
    async for frame in socket:
        if json.loads(frame)["type"] == "hello":
            return socket
    raise AssertionError("no hello came")


def has_window(server: Server) -> bool:
    """Whether nginx holds a connection to this process."""
    assert server.process is not None
    return any(
        one.status == psutil.CONN_ESTABLISHED and one.laddr.port == server.port
        for one in psutil.Process(server.process.pid).net_connections("tcp")
    )


async def test_nothing_sticks_to_a_process(played: tuple[Proxied, Verdict]) -> None:
    """The socket is with one process. That one is held still; the other one takes the post."""
    site, _ = played
    new = await site.door.ask("visit")
    socket = await open_socket(site, new)
    (with_socket,) = [server for server in site.servers if has_window(server)]
    assert with_socket.process is not None
    client_id = str(uuid.uuid4())
    frames = [
        {"type": "hello", "conversation": new["conversation"], "after": 0},
        {"type": "message.post", "client_id": client_id, "text": "hallo"},
    ]
    with_socket.process.send_signal(signal.SIGSTOP)
    try:
        answered = await post(site, new["cookie"], frames)
    finally:
        with_socket.process.send_signal(signal.SIGCONT)
    assert client_id in [frame.get("client_id") for frame in answered]
    async with asyncio.timeout(10):
        async for frame in socket:
            if json.loads(frame).get("client_id") == client_id:
                break
    await socket.close()


async def post(site: Proxied, cookie: str, frames: list[dict[str, object]]) -> list[dict[str, str]]:
    body = json.dumps({"frames": frames}).encode()
    head = (
        f"POST /visit/frames/ HTTP/1.0\r\nHost: localhost:{site.nginx.port}\r\n"
        f"Origin: {site.nginx.origin}\r\nCookie: {cookie}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with asyncio.timeout(10):
        reader, writer = await asyncio.open_connection(
            "localhost", site.nginx.port, ssl=site.nginx.trust
        )
        writer.write(head.encode() + body)
        answer = await reader.read()
        writer.close()
        await writer.wait_closed()
    header, _, content = answer.partition(b"\r\n\r\n")
    assert b" 200 " in header.partition(b"\r\n")[0], header
    told: list[dict[str, str]] = json.loads(content)["frames"]
    return told


async def test_the_log_of_nginx_stays_empty(played: tuple[Proxied, Verdict]) -> None:
    site, _ = played
    lines = [line for line in site.nginx.log().splitlines() if "RLIMIT_NOFILE" not in line]
    assert lines == []
    assert not [path for path in site.nginx.directory.rglob("*.log") if path.name != "nginx.log"]
