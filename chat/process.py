"""Start and stop what every serving process runs: the hub, the writer and the watch."""

import asyncio

from chat.database import close_pool
from chat.hub import hub
from chat.peers import RESTART
from chat.watch import watch
from chat.writer import writer


def start(loop: asyncio.AbstractEventLoop) -> None:
    """Work on this event loop, which is running; cheap when that is so already."""
    if hub.is_on(loop):
        return
    writer.attach(loop)
    hub.attach(loop)
    watch.start()


async def drain(seconds: float) -> None:
    """Tell every window to come back elsewhere, and wait until most have gone or time is up."""
    for peer in list(hub.peers):
        peer.answer("restart", within=seconds)
    deadline = asyncio.get_running_loop().time() + seconds
    while hub.peers and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    for peer in list(hub.peers):
        peer.shut(RESTART)


def stop() -> None:
    """Write what waits and close every connection to the database."""
    writer.stop()
    writer.attach(None)
    hub.detach()
    close_pool()
