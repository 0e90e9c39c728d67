"""`manage.py serve`: Daphne with the job tick in its event loop."""

# Daphne installs its reactor when it is imported, so it comes first.
from klikvoor.pacing import PacedServer  # isort: skip

import asyncio
import gc
import logging
import os
import signal
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from twisted.internet import reactor

from chat import process
from klikvoor.logs import catch_twisted, catch_uncaught
from klikvoor.pulse import pulse
from klikvoor.startup import refuse_unsafe
from klikvoor.tick import tick_forever
from mail.listener import Listener, Place

log = logging.getLogger("klikvoor.serve")

DRAIN_SECONDS = 10.0
NEVER = -1
# After a restart everybody comes back within seconds; who does not fit here tries again a second later.
BACKLOG = 1024
# Windows beat every 20 to 25 s by themselves (docs/protocol.md); only who missed that is asked. A phone
# wakes up for each.
PING_SECONDS = 45


class Command(BaseCommand):
    help = "Serve pages and sockets, and run the jobs, in this one process."
    requires_system_checks = "__all__"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--unix", help="Listen on this Unix socket instead.")
        parser.add_argument(
            "--no-jobs", action="store_true", help="`manage.py jobs` runs them elsewhere."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe()
        catch_uncaught()
        catch_twisted()
        from klikvoor.asgi import application

        self.runs_jobs = not options["no_jobs"]
        place = Place.at(settings.MAIL_LISTEN) if settings.MAIL_LISTEN else None
        self.listener = Listener(place) if place else None
        if self.listener:
            try:
                self.listener.start()
            except OSError as error:
                raise CommandError(
                    "Klikvoor does not start like this.\nMAIL_LISTEN names a place where it cannot"
                    f" listen ({error.strerror or error}). Does another process listen there?"
                ) from None
        if options["unix"]:
            endpoint = f"unix:{options['unix']}:backlog={BACKLOG}"
        else:
            host = options["host"].replace(":", r"\:")
            endpoint = f"tcp:port={options['port']}:interface={host}:backlog={BACKLOG}"
        self.server = server = PacedServer(
            application,
            endpoints=[endpoint],
            # Daphne's own logging holds addresses; ours is all there is.
            action_logger=None,
            verbosity=0,
            server_name="",
            # Shifts outlast a day, and every window renews itself by heartbeats.
            websocket_timeout=NEVER,
            ping_interval=PING_SECONDS,
            websocket_max_message_size=64 * 1024,
            websocket_max_frame_size=64 * 1024,
            signal_handlers=False,
            ready_callable=self._ready,
        )
        server.run()
        # A request that is half-way waits in its thread for a loop that is gone, and Python would
        # wait for that thread for ever. All that was acknowledged is stored by now.
        logging.shutdown()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(0)

    def _ready(self) -> None:
        reactor.callWhenRunning(self._start)

    def _start(self) -> None:
        loop = asyncio.get_event_loop()
        process.start(loop)
        pulse.start(loop)
        if self.runs_jobs:
            self._tick = asyncio.ensure_future(tick_forever())
        loop.add_signal_handler(signal.SIGTERM, self._stop, DRAIN_SECONDS)
        loop.add_signal_handler(signal.SIGINT, self._stop, 0.0)
        # What start-up made stays; the collector need not walk it again beside thousands of
        # sockets (10,000 of them: p99 879 ms without, 12 ms with).
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        gc.enable()
        # A thread that computes, to read a long queue for the desks, lets the event loop go on after
        # a millisecond instead of five, of which each message met several.
        sys.setswitchinterval(0.001)
        self.stdout.write("Klikvoor serves.")

    def _stop(self, seconds: float) -> None:
        process.leaving.set()
        self._stopping = asyncio.ensure_future(self._drain_and_stop(seconds))

    async def _drain_and_stop(self, seconds: float) -> None:
        # Newcomers find another process, or nobody for a moment; never one that is about to go.
        for listener in self.server.listeners:
            listener.addCallback(lambda port: port and port.stopListening())
        try:
            if self.listener:
                # Before the writer, which stores what it takes.
                await asyncio.to_thread(self.listener.stop)
            await process.drain(seconds)
            process.stop()
        except Exception as error:
            log.error("the server did not end in order", exc_info=error)
        finally:
            reactor.stop()  # type: ignore[misc]  # a module that says it is a class
