"""Short frames take a road of their own; whatever is not exactly one is left to autobahn."""

import asyncio
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from daphne.server import Server  # isort: skip
from klikvoor.pacing import PacedFactory, PacedServer, text_frame, whole_text

# After Daphne, which installs the reactor that it needs.
from twisted.internet.address import IPv4Address  # isort: skip
from twisted.internet.testing import StringTransport  # isort: skip


def from_browser(payload: bytes, opcode: Opcode = Opcode.TEXT, **more: bool) -> bytes:
    return Frame(opcode, payload, **more).serialize(mask=True)


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_of_ours_is_what_the_standard_says(size: int) -> None:
    payload = ("é" * size).encode()[:size]
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(st.text(min_size=1, max_size=400), st.binary(max_size=20))
def test_a_whole_text_is_read_and_what_follows_is_left(text: str, after: bytes) -> None:
    try:
        payload = text.encode()
    except UnicodeEncodeError:
        payload, text = b"x", "x"
    assert whole_text(from_browser(payload) + after) == (text, after)


@given(st.integers(min_value=1, max_value=300), st.data())
def test_a_frame_that_is_not_all_here_yet_is_not_taken(size: int, data: st.DataObject) -> None:
    frame = from_browser(b"x" * size)
    assert whole_text(frame[: data.draw(st.integers(0, len(frame) - 1))]) is None


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Opcode.TEXT, b"not masked").serialize(mask=False),
        from_browser(b"bytes", Opcode.BINARY),
        from_browser(b"first piece", fin=False),
        from_browser(b"next piece", Opcode.CONT),
        from_browser(b"ping", Opcode.PING),
        from_browser(b"\x03\xe8", Opcode.CLOSE),
        b"\xc1\x85\0\0\0\0short",  # a reserved bit
        from_browser(b""),
        from_browser(b"\xff\xfe"),
        from_browser(b"\xed\xa0\x80"),
        from_browser(b"x" * 65_536),
        b"\x81\xfe\x00\x05\0\0\0\0short",  # five bytes, in the form for 126 and more
        b"\x81\xff" + (5).to_bytes(8, "big") + b"\0\0\0\0short",
    ],
)
def test_anything_else_is_left_to_autobahn(frame: bytes) -> None:
    assert whole_text(frame) is None


@pytest.mark.asyncio
async def test_an_open_window_keeps_neither_its_cookie_nor_its_browser() -> None:
    taken: list[dict[str, Any]] = []
    scopes: list[dict[str, Any]] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        taken.append(await receive())
        await send({"type": "websocket.accept"})
        scope["headers"].clear()  # as the consumers do, once they know whose window it is
        taken.append(await receive())

    protocol = window_of(PacedServer(application, endpoints=["tcp:0"]))
    protocol.dataReceived(
        b"GET /ws/visit/ HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
        b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
        b"User-Agent: a certain browser\r\nCookie: visit=a-certain-token\r\n\r\n"
    )
    await asyncio.sleep(0.01)
    assert b"101 Switching Protocols" in protocol.transport.value()
    kept = repr((vars(protocol), protocol.request.headers, scopes))
    assert "/ws/visit/" in kept, "what was kept can be seen like this"
    assert "certain" not in kept
    protocol.dataReceived(from_browser(b"a word"))
    await asyncio.sleep(0.01)
    assert taken[1].pop("came_at") <= time.monotonic()
    assert taken[1] == {"type": "websocket.receive", "text": "a word"}


async def test_daphne_looks_at_all_connections_some_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at: list[int] = []

    def look(server: Server) -> None:
        looked_at.append(len(server.connections))
        for one in list(server.connections):
            if one == "gone":
                del server.connections[one]
            else:
                server.connections[one]["seen"] += 1

    monkeypatch.setattr(Server, "timeout_checker", look)
    monkeypatch.setattr("klikvoor.pacing.LOOK", 4)
    server = PacedServer(None, endpoints=["tcp:0"])
    server.connections = {number: {"seen": 0} for number in range(9)}
    server.connections["gone"] = {}
    server.timeout_checker()
    server.connections.pop(5)  # left between two looks
    server.connections["new"] = {"seen": 0}
    for _ in range(2):
        server.timeout_checker()
    assert looked_at == [4, 3, 2]
    assert server.connections.pop("new") == {"seen": 0}, "comes with the next ones"
    assert server.connections == {number: {"seen": 1} for number in range(9) if number != 5}, (
        "once each, and who is gone is gone"
    )
    server.timeout_checker()
    assert sum(one["seen"] for one in server.connections.values()) == 8 + 4


@pytest.mark.asyncio
async def test_one_whose_application_ended_first_does_not_keep_the_others_from_ending() -> None:
    """Daphne raises KeyError there, which twisted logs as CRITICAL at an ordinary restart."""
    server = PacedServer(None, endpoints=["tcp:0"])
    running = asyncio.ensure_future(asyncio.sleep(60))
    everything = {"ended": {"connected": 0}, "runs": {"application_instance": running}}
    server.connections = everything
    await server.kill_all_applications().asFuture(asyncio.get_running_loop())
    assert running.cancelled()
    assert server.connections is everything


def window_of(server: PacedServer) -> Any:
    """A window of a server that listens to nobody."""
    server.connections = {}
    server.application_checker = None
    protocol = PacedFactory(server).buildProtocol(IPv4Address("TCP", "127.0.0.1", 5000))
    protocol._raw_query_string = b""
    transport = StringTransport()
    transport.registerProducer(protocol, True)  # Daphne's, for the request that it began as
    protocol.makeConnection(transport)
    return protocol
