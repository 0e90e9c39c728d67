"""`manage.py jobs`: the job tick alone, beside `serve --no-jobs` processes."""

import asyncio
import contextlib
import signal
from typing import Any

from django.core.management.base import BaseCommand

from chat import process
from klikvoor.startup import refuse_unsafe
from klikvoor.tick import tick_forever


class Command(BaseCommand):
    help = "Run the jobs that are due, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe()
        asyncio.run(self._run())

    async def _run(self) -> None:
        loop = asyncio.get_running_loop()
        # The hub tells the serving processes what a job changed.
        process.start(loop)
        ticking = asyncio.ensure_future(tick_forever())
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, ticking.cancel)
        self.stdout.write("Klikvoor runs the jobs.")
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
        process.stop()
