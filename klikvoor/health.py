"""Is this process well, and may people be sent to it?

`ready` asks everything that a page or a message needs, in words: the database answers within a
moment on the pool that the sockets use, holds every migration of this code, and was written with
our keys; the writer's thread runs and gets round. Redis is a doorbell: without it all goes on, a
little slower, so a process that does not hear it stays ready and says `away`.
"""

import asyncio
import logging
import time
from dataclasses import dataclass, field

from django.conf import settings
from django.db import DatabaseError, InterfaceError, connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from chat import process
from chat.database import in_pool
from chat.hub import hub
from chat.writer import writer
from institutions.models import KeyCheck
from klikvoor.running import runs

log = logging.getLogger("klikvoor.health")

# The database has to answer within this; a proxy that asks waits a little longer.
DATABASE_SECONDS = 2.0
# A batch takes milliseconds. One that takes this long waits for a lock, a disk or a network.
WRITER_SECONDS = 10.0
# Whoever asks more often than this hears the same answer, so that asking costs nothing.
REMEMBER_SECONDS = 1.0

OK = "ok"
# What leaves a process in service: it works, and somebody should look.
DEGRADED = frozenset({("doorbell", "away"), ("clock", "late")})


@dataclass(frozen=True)
class Health:
    """A word for each part; everything is well when all of them are `ok`."""

    parts: dict[str, str] = field(default_factory=dict)

    @property
    def is_ready(self) -> bool:
        return all(word == OK or (part, word) in DEGRADED for part, word in self.parts.items())

    @property
    def status(self) -> str:
        if not self.is_ready:
            return "unready"
        return OK if all(word == OK for word in self.parts.values()) else "degraded"


class Readiness:
    """What was found last, for whoever asks again within a second."""

    def __init__(self) -> None:
        self._found: dict[str, str] = {}
        self._found_at = 0.0
        self._looking: asyncio.Task[dict[str, str]] | None = None

    async def ask(self) -> Health:
        """Return how this process is. Raises nothing, and waits for two seconds at most."""
        parts = {
            "process": "leaving" if process.leaving.is_set() else OK,
            "writer": _writer(),
            **await self._database(),
        }
        if settings.REDIS_URL:
            parts["doorbell"] = "away" if hub.is_deaf else OK
        if runs.is_ticking:
            parts["clock"] = "late" if runs.is_stuck else OK
        return Health(parts)

    async def _database(self) -> dict[str, str]:
        if self._found and time.monotonic() - self._found_at < REMEMBER_SECONDS:
            return self._found
        looking = self._looking
        if looking is None or looking.done() or looking.get_loop() != asyncio.get_running_loop():
            looking = self._looking = asyncio.ensure_future(_look())
        # Shielded: many may wait for the one look, and one of them may hang up.
        self._found = await asyncio.shield(looking)
        self._found_at = time.monotonic()
        return self._found


def _writer() -> str:
    if writer.is_dead:
        return "dead"
    since = writer.busy_since
    return "stuck" if since and time.monotonic() - since > WRITER_SECONDS else OK


async def _look() -> dict[str, str]:
    try:
        async with asyncio.timeout(DATABASE_SECONDS):
            return await in_pool(_ask_database)
    except TimeoutError:
        return {"database": "slow"}
    except (DatabaseError, InterfaceError):
        return {"database": "away"}
    except Exception as error:
        log.error("readiness could not be found out", exc_info=error)
        return {"database": "unknown"}


_leaves: set[tuple[str, str]] = set()


def _ask_database() -> dict[str, str]:
    if not _leaves:
        # Of the code, not of the database: the last migration of each app has all others below it.
        _leaves.update(MigrationLoader(None).graph.leaf_nodes())
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    applied = MigrationRecorder(connection).applied_migrations()
    if not _leaves <= applied.keys():
        return {"database": OK, "migrations": "missing"}
    keys_hold = all(check.holds() for check in KeyCheck.objects.all())
    return {"database": OK, "migrations": OK, "keys": OK if keys_hold else "wrong"}


readiness = Readiness()
