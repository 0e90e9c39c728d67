"""A bare relay: pairs sockets by path and forwards every frame to both sides.

No Django, no JSON, no database, no rights: it shows what the web server alone costs.
"""

from collections import defaultdict
from collections.abc import Awaitable, Callable
from typing import Any

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

rooms: dict[str, set[Send]] = defaultdict(set)


async def application(scope: dict[str, Any], receive: Receive, send: Send) -> None:
    if scope["type"] != "websocket":
        raise NotImplementedError(scope["type"])
    path = scope["path"]
    room = rooms[path]
    await receive()  # websocket.connect
    room.add(send)
    await send({"type": "websocket.accept"})
    try:
        while (event := await receive())["type"] == "websocket.receive":
            frame = {"type": "websocket.send", "text": event["text"]}
            for side in tuple(room):
                await side(frame)
    finally:
        room.discard(send)
        if not room:
            rooms.pop(path, None)
