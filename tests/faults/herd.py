"""Everybody of one process comes back at the others: how many in each half second, and how soon.

    python -m tests.faults.herd --windows 2000

The site is the proxied one with two processes. Half of the windows are with each. One process is
asked to stop, so that it tells its windows when to come back; later the other one is killed, which
tells nobody anything. Windows wait as `static/js/chat/connection.js` does.
"""

import argparse
import asyncio
import contextlib
import json
import random
import resource
import shutil
import tempfile
import time
from collections import Counter
from pathlib import Path

from websockets.asyncio.client import connect
from websockets.exceptions import WebSocketException

from tests.faults.__main__ import make_environment, say
from tests.faults.proxied import Proxied

STEP = 0.5
PER_VISIT = 10


class Window:
    """Opens, says hello, and comes back whenever its line is gone."""

    def __init__(self, site: Proxied, new: dict[str, str]) -> None:
        self.site = site
        self.new = new
        self.back_at = 0.0
        self.failures = 0
        self.is_up = asyncio.Event()
        self.life = asyncio.ensure_future(self._live())

    async def _live(self) -> None:
        while True:
            within = 0.0
            with contextlib.suppress(OSError, WebSocketException, TimeoutError):
                within = await self._sit()
            self.is_up.clear()
            if not within:
                self.failures += 1
            await asyncio.sleep(random.uniform(0, min(30, 0.5 * 2**self.failures)))

    async def _sit(self) -> float:
        """Sit at a socket until it is gone; return the time that `restart` named, if it came."""
        within, leave_at = 0.0, None
        async with connect(
            f"wss://localhost:{self.site.nginx.port}/ws/visit/",
            origin=self.site.nginx.origin,
            additional_headers={"Cookie": self.new["cookie"]},
            ssl=self.site.nginx.trust,
            compression=None,
            ping_interval=None,
            open_timeout=8,
            close_timeout=0.2,
        ) as socket:
            hello = {"type": "hello", "conversation": self.new["conversation"], "after": 0}
            await socket.send(json.dumps(hello))
            while True:
                patience = None if leave_at is None else max(0.0, leave_at - time.monotonic())
                try:
                    async with asyncio.timeout(patience):
                        frame = json.loads(await socket.recv())
                except TimeoutError:
                    return within
                if frame["type"] == "hello":
                    self.back_at, self.failures = time.monotonic(), 0
                    self.is_up.set()
                if frame["type"] == "restart":
                    within = frame["within"]
                    leave_at = time.monotonic() + random.uniform(0, within)


async def told(windows: list[Window], began: float, what: str) -> None:
    await asyncio.sleep(1)
    await asyncio.gather(*(window.is_up.wait() for window in windows))
    back = sorted(window.back_at - began for window in windows if window.back_at > began)
    steps = Counter(int(at / STEP) for at in back)
    print(f"{what}: {len(back)} came back, the last one after {back[-1]:.1f} s")
    for step in range(max(steps) + 1):
        print(f"  {step * STEP:4.1f} s  {steps[step]:5d}  {'#' * (steps[step] // 20)}")


async def play(count: int) -> None:
    directory = Path(tempfile.mkdtemp(prefix="herd-"))
    directory.chmod(0o755)
    site = Proxied(directory)
    site.processes = 2
    windows: list[Window] = []
    try:
        await site.start()
        await site.door.ask("found", patience=0, institutions=1, workers=1)
        await site.serve()
        visits = [await site.door.ask("visit") for _ in range(max(1, count // PER_VISIT))]
        for number in range(count):
            windows.append(Window(site, visits[number % len(visits)]))
            if number % 50 == 49:
                await asyncio.gather(*(window.is_up.wait() for window in windows))
        say(f"{count} windows are open")
        first, second = site.servers
        for server, what, end in (
            (first, "asked to stop", first.stop),
            (second, "killed", second.kill),
        ):
            began = time.monotonic()
            await asyncio.to_thread(end)
            await told(windows, began, what)
            await asyncio.to_thread(server.start)
            await asyncio.sleep(2)
    finally:
        for window in windows:
            window.life.cancel()
        await asyncio.gather(*(window.life for window in windows), return_exceptions=True)
        await site.stop()
        shutil.rmtree(directory, ignore_errors=True)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults.herd", description=__doc__)
    parser.add_argument("--windows", type=int, default=2000)
    options = parser.parse_args()
    make_environment()
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    asyncio.run(play(options.windows))


if __name__ == "__main__":
    main()
