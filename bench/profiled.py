"""`manage.py serve` that says where its time went; bench.profile starts it and asks with signals.

SIGUSR1 begins, SIGUSR2 ends and writes PROFILE, a JSON file: own seconds by function of the event
loop's thread and of the writer's, and what was done in the pool threads.
"""

import cProfile
import json
import os
import pstats
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")

import django

django.setup()

from django.core.management import execute_from_command_line

from chat import database
from chat.writer import Writer

Own = dict[str, float]


class Profiled:
    """The two threads of a message under cProfile, and the pool's work by the clock."""

    def __init__(self) -> None:
        self.loop, self.writer = cProfile.Profile(), cProfile.Profile()
        self.is_on = False
        self.pool: dict[str, list[float]] = {}

    def begin(self, *_signal: Any) -> None:
        self.is_on = True
        self.loop.enable()

    def end(self, *_signal: Any) -> None:
        self.loop.disable()
        self.is_on = False
        found = {"loop": own(self.loop), "writer": own(self.writer), "pool": self.pool}
        Path(os.environ["PROFILE"]).write_text(json.dumps(found))

    def write(self, writer: Writer, items: Any, *, write: Callable[..., None]) -> None:
        # A profile belongs to the thread that enables it.
        if self.is_on:
            self.writer.runcall(write, writer, items)
        else:
            write(writer, items)

    def call(self, function: Callable[[], Any], *, call: Callable[..., Any]) -> Any:
        began = time.thread_time()
        try:
            return call(function)
        finally:
            if self.is_on:
                work = function.func if isinstance(function, partial) else function
                self.pool.setdefault(work.__qualname__, []).append(time.thread_time() - began)


def own(profile: cProfile.Profile) -> Own:
    """Return the own seconds of each function, by its place and name."""
    try:
        stats: Any = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    except TypeError:  # nothing was called
        return {}
    return {f"{place}:{name}": row[2] for (place, _line, name), row in stats.items()}


def main() -> None:
    profiled = Profiled()
    write, call = Writer._write, database._call
    Writer._write = lambda self, items: profiled.write(self, items, write=write)  # type: ignore[method-assign]
    database._call = lambda function: profiled.call(function, call=call)
    signal.signal(signal.SIGUSR1, profiled.begin)
    signal.signal(signal.SIGUSR2, profiled.end)
    execute_from_command_line(["manage.py", "serve", *sys.argv[1:]])


if __name__ == "__main__":
    main()
