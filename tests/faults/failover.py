"""The scaled site on a PostgreSQL with a standby, and on a Redis with a replica and three sentinels.

    python -m tests.faults --shape failover --every 15 --seconds 60
    python -m tests.faults --shape failover-async --every 15 --seconds 60 --only "primary lost"

In the second one the primary does not wait for its standby, and the verdict counts what that costs.
"""

import asyncio
import signal
import time

from tests import services
from tests.faults.site import Site
from tests.postgresql_pair import Pair
from tests.redis_sentinel import Sentinelled
from tests.servers import environment

# The line to the standby is cut so long before the primary dies.
CUT_SECONDS = 2.0
# How long it takes until somebody, or something, promotes the standby.
NOTICED_SECONDS = 2.0


class FailOver(Site):
    name = "failover"
    processes = 3
    synchronous = True

    def prepare(self) -> dict[str, str]:
        for parent in (self.directory, *self.directory.parents[:2]):
            # Another user than root runs PostgreSQL, and has to pass.
            parent.chmod(parent.stat().st_mode | 0o055)
        services.runtime_directory(self.directory)
        self.database = Pair(self.directory / "pair", synchronous=self.synchronous)
        self.redis = Sentinelled(self.directory / "redis")
        self.database.start()
        self.redis.start()
        return environment(
            DATABASE_URL=self.database.url, REDIS_URL=self.redis.url, DATABASE_POOL="10"
        )

    async def stop(self) -> None:
        await super().stop()
        self.redis.stop()
        await asyncio.to_thread(self.database.stop)

    # --- Faults ---------------------------------------------------------------------------------

    async def primary_lost(self) -> None:
        """Cut from its standby, then dead; the standby is promoted, and a new one made after that."""
        await asyncio.to_thread(self.database.hold_back)
        await asyncio.sleep(CUT_SECONDS)
        self.database.primary.die()
        await asyncio.sleep(NOTICED_SECONDS)
        await asyncio.to_thread(self.database.take_over)
        await asyncio.sleep(2)
        await asyncio.to_thread(self.database.follow)

    async def master_killed(self) -> None:
        gone = await asyncio.to_thread(self.redis.master)
        gone.kill()
        await asyncio.to_thread(self.redis.wait_for_another, gone)
        await asyncio.to_thread(gone.start)

    async def master_hangs(self) -> None:
        """Stopped in its tracks for ten seconds: its connections stay open, and it is replaced."""
        gone = await asyncio.to_thread(self.redis.master)
        assert gone.process is not None
        began = time.monotonic()
        gone.process.send_signal(signal.SIGSTOP)
        try:
            await asyncio.to_thread(self.redis.wait_for_another, gone)
            await asyncio.sleep(max(0.0, 10 - (time.monotonic() - began)))
        finally:
            gone.process.send_signal(signal.SIGCONT)


class AsyncFailOver(FailOver):
    name = "failover-async"
    synchronous = False
