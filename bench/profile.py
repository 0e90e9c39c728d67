"""Where the time of a message goes: `python -m bench.profile [--idle 5000] [--seconds 8]`.

Fifty chats send as fast as they can, beside so many visitors who only sit there. Prints what each
part of the server took of each message, in microseconds under cProfile (which doubles what Python
does and leaves the disk and the sockets as they are): compare two of these, not one with a clock.
"""

import argparse
import asyncio
import json
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench.__main__ import cores, say, settle
from bench.load import Crowd
from bench.servers import ROOT, Klikvoor

# The first that is in a function's place or name says which part it is.
PARTS = (
    ("waiting for something to do", ("'poll' of 'select",)),
    ("sending (system)", ("'send' of '_socket",)),
    ("receiving (system)", ("'recv' of '_socket",)),
    ("commit (SQLite, disk)", ("'commit' of",)),
    ("statements (SQLite)", ("sqlite", "SQLite", "fetchall", "fetchmany")),
    ("sealing", ("'encrypt' of", "sealing.py", "urandom", "secrets.py", "chat/keys.py")),
    ("reading and making JSON", ("msgspec",)),
    ("frames (klikvoor/pacing.py)", ("pacing.py",)),
    ("Daphne, autobahn, Twisted", ("daphne", "autobahn", "twisted")),
    ("asyncio", ("asyncio",)),
    ("Django", ("django",)),
    ("Klikvoor", ("/chat/", "/klikvoor/", "/roster/", "/institutions/")),
)


class Profiled(Klikvoor):
    def command(self, port: int) -> list[str]:
        return ["-m", "bench.profiled", "--port", str(port)]

    def environment(self, port: int) -> dict[str, str]:
        return super().environment(port) | {"PROFILE": str(self.profile)}

    @property
    def profile(self) -> Path:
        return self.directory / "profile.json"


async def talk(server: Profiled, origin: str, process: psutil.Process, seconds: float) -> int:
    """Return how many messages were delivered while the profile ran."""
    async with Crowd(origin) as crowd:
        await crowd.pair(server.chats)
        await crowd.sit_down(server.idle)
        await settle(process)
        process.send_signal(signal.SIGUSR1)
        before = crowd.book.finished
        await crowd.closed_loop(seconds, lambda: None)
        process.send_signal(signal.SIGUSR2)
        while not server.profile.exists():
            await asyncio.sleep(0.1)
        await asyncio.sleep(0.5)
        return crowd.book.finished - before


def part_of(function: str) -> str:
    for part, marks in PARTS:
        if any(mark in function for mark in marks):
            return part
    return "the rest of Python"


def show(found: dict[str, Any], messages: int, seconds: float) -> None:
    say(f"{messages:,} messages in {seconds:g} s under the profile\n")
    say("| thread | part | µs per message |\n| --- | --- | --: |")
    for thread in ("loop", "writer"):
        parts: dict[str, float] = {}
        for function, own in found[thread].items():
            part = part_of(function)
            parts[part] = parts.get(part, 0.0) + own
        for part, own in sorted(parts.items(), key=lambda one: -one[1]):
            if own / messages >= 0.05e-6:
                say(f"| {thread} | {part} | {own / messages * 1e6:.1f} |")
    say("\n| in the pool | times | ms of CPU, median | longest | % of the time |")
    say("| --- | --: | --: | --: | --: |")
    for name, spent in sorted(found["pool"].items(), key=lambda one: -sum(one[1])):
        middle, longest = sorted(spent)[len(spent) // 2] * 1000, max(spent) * 1000
        share = sum(spent) / seconds * 100
        say(f"| {name} | {len(spent)} | {middle:.1f} | {longest:.1f} | {share:.1f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--idle", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=8.0)
    options = parser.parse_args()
    server_cores, load_cores = cores()
    os.sched_setaffinity(0, load_cores)
    directory = Path(tempfile.mkdtemp(prefix="profile-", dir=ROOT / "var"))
    try:
        server = Profiled(directory)
        server.prepare(50, options.idle)
        with server.run(server_cores) as (origin, process):
            messages = uvloop.run(talk(server, origin, process, options.seconds))
        # The warming up before the measured time is in the profile as well.
        show(json.loads(server.profile.read_text()), messages, options.seconds * 1.25)
    finally:
        shutil.rmtree(directory, ignore_errors=True)


if __name__ == "__main__":
    main()
