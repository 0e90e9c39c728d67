"""How late the event loop of this process is, and how long the garbage collector stops it."""

import asyncio
import gc
import time
from typing import Any

from chat.counts import Spread

BEAT = 0.5
LATE = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
PAUSE = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0)


class Pulse:
    """Two beats a second on the loop of this process."""

    def __init__(self) -> None:
        self.late = Spread(LATE)
        self.pauses = Spread(PAUSE)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._due_at = 0.0
        self._paused_at = 0.0

    def start(self, loop: asyncio.AbstractEventLoop) -> None:
        """Beat on this loop from now on; cheap when that is so already."""
        if self._loop is loop:
            return
        self._loop = loop
        if self._collector not in gc.callbacks:
            gc.callbacks.append(self._collector)
        self._next(loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        self._due_at = loop.time() + BEAT
        loop.call_later(BEAT, self._beat, loop)

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._loop is loop:
            self.late.add(max(0.0, loop.time() - self._due_at))
            self._next(loop)

    def _collector(self, phase: str, info: dict[str, Any]) -> None:
        if phase == "start":
            self._paused_at = time.perf_counter()
        elif self._paused_at:
            self.pauses.add(time.perf_counter() - self._paused_at)
            self._paused_at = 0.0


pulse = Pulse()
