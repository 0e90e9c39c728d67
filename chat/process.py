"""Start and stop what every serving process runs: the hub, the writer and the watch."""

import asyncio
import threading

from django.conf import settings

from chat.database import close_pool
from chat.hub import hub
from chat.peers import RESTART
from chat.watch import watch
from chat.writer import writer

# How many windows a second may come back without anybody waiting for it: half of what one process
# opened in measurements (docs/performance.md).
COMING_BACK = 500
LAST_WORDS = 1.0

# Set as soon as this process is told to stop, so that nobody is sent here any more.
leaving = threading.Event()


def start(loop: asyncio.AbstractEventLoop) -> None:
    """Work on this event loop, which is running; cheap when that is so already."""
    if hub.is_on(loop):
        return
    writer.attach(loop)
    hub.attach(loop)
    watch.start()


async def drain(seconds: float) -> None:
    """Tell every window to come back elsewhere, and wait until all have gone or time is up.

    They leave spread over a time that grows with their number: a few are back at once, and
    thousands do not storm whoever takes them. Where there is no other process they stay until the
    end, because the sooner they go the longer they are without; they come back as spread.
    """
    within = min(seconds, max(LAST_WORDS, len(hub.peers) / COMING_BACK))
    for peer in list(hub.peers):
        peer.answer("restart", within=within)
    patience = min(seconds, within + LAST_WORDS) if settings.REDIS_URL else 0.0
    deadline = asyncio.get_running_loop().time() + patience
    while hub.peers and asyncio.get_running_loop().time() < deadline:  # noqa: ASYNC110
        await asyncio.sleep(0.1)
    for peer in list(hub.peers):
        peer.shut(RESTART)
    if seconds:
        # What was sent reaches the other side, and requests that came in are answered.
        await asyncio.sleep(LAST_WORDS / 2)


def stop() -> None:
    """Write what waits and close every connection to the database."""
    writer.stop()
    writer.attach(None)
    hub.detach()
    leaving.clear()
    close_pool()
