"""The nemesis: every few seconds something goes wrong, in an order that the seed gives."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from tests.faults.failover import FailOver
from tests.faults.memory import Fault
from tests.faults.proxied import Proxied
from tests.faults.site import Embedded, Scaled

if TYPE_CHECKING:
    from tests.faults.world import World

HOUR = 3600.0
SLOW_SECONDS = 12.0


class Nemesis:
    """Does one thing after the other to the site and to the lines of its people."""

    def __init__(self, world: "World", rng: random.Random, every: float) -> None:
        self.world = world
        self.rng = rng
        self.every = every
        self.plan: list[str] = []
        site = world.site
        self.faults: dict[str, Callable[[Fault], Awaitable[None]]] = {
            "kill -9": self.kill,
            "SIGTERM": self.restart,
            "clock +1 h": lambda fault: self.clock(HOUR),
            "clock -1 h": lambda fault: self.clock(-HOUR),
            "clock +25 h": lambda fault: self.clock(25 * HOUR),
            "slow reader": self.slow_reader,
            "half open": self.half_open,
            "network cut": self.cut,
            "mail away": lambda fault: site.mailbox.away(3),
        }
        if isinstance(site, Embedded):
            self.faults["disk full"] = lambda fault: site.full_disk(2.5)
        if isinstance(site, Scaled):
            self.faults |= {
                "Redis away": lambda fault: site.redis_away(3),
                "Redis paused": lambda fault: site.redis_paused(4),
                "Redis emptied": lambda fault: site.redis_emptied(),
                "PostgreSQL restart": lambda fault: site.database_restarted(),
                "rolling restart": lambda fault: site.rolling_restart(),
            }
        if isinstance(site, Proxied):
            self.faults |= {
                "proxy reloaded": lambda fault: site.reload_proxy(),
                "proxy restarted": lambda fault: site.restart_proxy(1),
            }
        if isinstance(site, FailOver):
            self.faults |= {
                "primary lost": lambda fault: site.primary_lost(),
                "Redis master killed": lambda fault: site.master_killed(),
                "Redis master hangs": lambda fault: site.master_hangs(),
            }

        if world.plan.only:
            self.faults = {kind: self.faults[kind] for kind in world.plan.only}

    async def run(self, until: float) -> None:
        while time.monotonic() + 1 < until:
            began = time.monotonic()
            await self.strike(self.next_one())
            await asyncio.sleep(max(0.5, self.every - (time.monotonic() - began)))

    def next_one(self) -> str:
        """Each kind once, in a random order, before any comes again."""
        if not self.plan:
            self.plan = sorted(self.faults)
            self.rng.shuffle(self.plan)
        return self.plan.pop()

    async def strike(self, kind: str) -> None:
        fault = Fault(kind, time.monotonic())
        self.world.memory.faults.append(fault)
        self.world.tell(f"{fault.began - self.world.memory.began:5.1f} s  {kind}")
        try:
            await self.faults[kind](fault)
        finally:
            fault.ended = time.monotonic()

    # --- Faults ---------------------------------------------------------------------------------

    async def kill(self, fault: Fault) -> None:
        await self.world.site.kill(self.rng.choice(self.world.site.servers))

    async def restart(self, fault: Fault) -> None:
        await self.world.site.restart(self.rng.choice(self.world.site.servers))

    async def clock(self, seconds: float) -> None:
        self.world.site.bend_clock(seconds)
        await asyncio.sleep(4)
        self.world.site.bend_clock(0)

    async def slow_reader(self, fault: Fault) -> None:
        """Somebody does not read for a while; others go on."""
        line = self.rng.choice(self.world.lines)
        self.world.spawn(line.be_slow(SLOW_SECONDS))

    async def half_open(self, fault: Fault) -> None:
        for line in self.rng.sample(self.world.lines, min(3, len(self.world.lines))):
            line.abandon()

    async def cut(self, fault: Fault) -> None:
        """Half of all lines break at once, and every request that is half-way."""
        for line in self.world.lines:
            if self.rng.random() < 0.5:
                line.drop()
        for one in self.world.correspondents:
            one.browser.drop()
