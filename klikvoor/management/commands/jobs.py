"""`manage.py jobs`: the job tick alone, beside `serve --no-jobs` processes."""

import asyncio
import contextlib
import signal
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat import process
from klikvoor import monitoring
from klikvoor.logs import catch_uncaught
from klikvoor.pulse import pulse
from klikvoor.startup import refuse_unsafe
from klikvoor.tick import tick_forever


class Command(BaseCommand):
    help = "Run the jobs that are due, until stopped."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument(
            "--port", type=int, help="Answer /healthz and /metrics here; without it nowhere."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe()
        catch_uncaught()
        asyncio.run(self._run(options["host"], options["port"]))

    async def _run(self, host: str, port: int | None) -> None:
        loop = asyncio.get_running_loop()
        # The hub tells the serving processes what a job changed.
        process.start(loop)
        pulse.start(loop)
        answering = contextlib.ExitStack()
        if port:
            try:
                answering.callback(monitoring.serve_beside(loop, host, port))
            except OSError as error:
                process.stop()
                raise CommandError(
                    "Klikvoor does not start like this.\n--port names a place where it cannot listen"
                    f" ({error.strerror or error}). Does another process listen there?"
                ) from None
        ticking = asyncio.ensure_future(tick_forever())
        for stop in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(stop, ticking.cancel)
        self.stdout.write("Klikvoor runs the jobs.")
        with contextlib.suppress(asyncio.CancelledError):
            await ticking
        answering.close()
        process.stop()
