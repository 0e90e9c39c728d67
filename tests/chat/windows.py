"""Windows for tests: real consumers on the real routing, spoken to in frames."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from channels.testing import WebsocketCommunicator

from chat.database import in_pool
from chat.models import Visitor
from institutions.models import User
from klikvoor.asgi import application
from tests.people import ORIGIN, socket_headers, staff_cookie, visit_cookie


class Window:
    """One open socket. `say` sends a command, `hear` waits for the next frame of a type."""

    def __init__(self, communicator: WebsocketCommunicator) -> None:
        self.communicator = communicator

    async def say(self, type_: str, **fields: Any) -> None:
        await self.say_raw(json.dumps({"type": type_, **fields}))

    async def say_raw(self, frame: str) -> None:
        await self.communicator.send_to(text_data=frame)

    async def hear(self, type_: str, *, timeout: float = 5, **expected: Any) -> dict[str, Any]:
        """Return the next frame of this type with these fields; others on the way are dropped."""
        async with asyncio.timeout(timeout):
            while True:
                frame = await self.frame(timeout)
                if frame["type"] == type_ and expected.items() <= frame.items():
                    return frame

    async def frame(self, timeout: float = 5) -> dict[str, Any]:
        output = await self.communicator.receive_output(timeout)
        assert output["type"] == "websocket.send", output
        frame: dict[str, Any] = json.loads(output["text"])
        return frame

    async def frames(self, seconds: float = 0.3) -> list[dict[str, Any]]:
        """Return everything that comes until it is quiet for a while."""
        frames = []
        while not await self.communicator.receive_nothing(seconds, 0.01):
            frames.append(await self.frame())
        return frames

    async def closed(self, timeout: float = 5) -> int:
        """Wait until the server closes the window; return the code."""
        async with asyncio.timeout(timeout):
            while True:
                output = await self.communicator.receive_output(timeout)
                if output["type"] == "websocket.close":
                    code: int = output["code"]
                    return code

    async def post(self, text: str, client_id: str = "", **fields: Any) -> dict[str, Any]:
        """Post and return the acknowledgement."""
        client_id = client_id or str(uuid.uuid4())
        await self.say("message.post", client_id=client_id, text=text, **fields)
        return await self.hear("message.posted", client_id=client_id)


@asynccontextmanager
async def window(path: str, cookie: str, origin: str = ORIGIN) -> AsyncIterator[Window]:
    communicator = WebsocketCommunicator(application, path, headers=socket_headers(cookie, origin))
    connected, _ = await communicator.connect(timeout=5)
    assert connected
    try:
        yield Window(communicator)
    finally:
        await communicator.disconnect(timeout=5)


@asynccontextmanager
async def visitor_window(visitor: Visitor, *, hello: int | None = 0) -> AsyncIterator[Window]:
    """A visitor's open window; says hello with what it has, unless that is None."""
    async with window("/ws/visit/", visit_cookie(visitor)) as opened:
        if hello is not None:
            conversation = await in_pool(visitor.conversation)
            await opened.say(
                "hello", conversation=conversation.pk if conversation else "x" * 22, after=hello
            )
            await opened.hear("hello")
        yield opened


@asynccontextmanager
async def desk_window(
    worker: User, *, hello: bool = True, opens: str = ""
) -> AsyncIterator[Window]:
    """A worker's open desk; with `opens`, reading along in that conversation."""
    cookie = await in_pool(staff_cookie, worker)
    async with window("/ws/desk/", cookie) as opened:
        if hello:
            await opened.say("hello")
            await opened.hear("desk")
        if opens:
            await opened.say("conversation.open", conversation=opens)
            await opened.hear("opened", conversation=opens)
        yield opened
