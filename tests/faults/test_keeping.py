"""Backing up and changing the sealing key while people talk: nobody notices, nothing is lost.

The people and the judge are those of the faults; instead of a nemesis somebody keeps the site, with the
commands of docs/operations.md.
"""

import asyncio
import base64
import random
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import services
from tests.faults import world
from tests.faults.memory import Fault
from tests.faults.shapes import SHAPES
from tests.faults.site import Door, Site
from tests.faults.world import Plan, World
from tests.servers import Server, manage

OLD = f"test:{base64.urlsafe_b64encode(bytes(range(32))).decode()}"
NEW = f"new:{base64.urlsafe_b64encode(b'n' * 32).decode()}"


class Keeper:
    """What whoever runs the site does in this run, in the place of the nemesis."""

    def __init__(self, run: World, rng: random.Random, every: float) -> None:
        self.site = run.site
        self.world = run
        self.backups = run.site.directory / "backups"
        self.said: list[str] = []
        # What was acknowledged before the first backup began.
        self.before: set[str] = set()
        run.keeper = self  # type: ignore[attr-defined]

    async def run(self, until: float) -> None:
        await self.manage("backup", str(self.backups))
        # A new name behind the old one first: nobody seals with what another process cannot open.
        if len(self.site.servers) > 1:
            await self.roll(f"{OLD} {NEW}")
        await self.roll(f"{NEW} {OLD}")
        await self.manage("rewrap")
        self.before = {
            said.client_id
            for person in self.world.memory.people
            for said in person.said.values()
            if said.state == "sent"
        }
        await self.manage("backup", str(self.backups))
        await self.roll(NEW)
        await self.manage("rewrap", "--look")

    async def roll(self, keys: str) -> None:
        """Restart every process, one after the other, with these keys."""
        fault = Fault("new sealing keys", time.monotonic())
        self.world.memory.faults.append(fault)
        self.site.env["SEALING_KEYS"] = keys
        async with self.site.door.lock:
            old = self.site.door.process
            self.site.door.env = self.site.door.env | {"SEALING_KEYS": keys}
            assert old is not None
            assert old.stdin is not None
            old.stdin.close()
            await old.wait()
            await self.site.door.open()
        for server in self.site.servers:
            server.env = server.env | {"SEALING_KEYS": keys}
            await self.site.restart(server)
            await asyncio.sleep(0.5)
        fault.ended = time.monotonic()

    async def manage(self, *arguments: str) -> None:
        self.said.append(await asyncio.to_thread(manage, *arguments, env=self.site.env))


@pytest.fixture
def directory() -> Iterator[Path]:
    # Sockets need short paths.
    made = Path(tempfile.mkdtemp(prefix="keeping-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


async def test_keys_change_and_backups_are_made_while_people_talk(
    directory: Path, kind_of_database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(world, "Nemesis", Keeper)
    shape = "scaled" if kind_of_database == "postgresql" else "embedded"
    site = SHAPES[shape](directory)
    site.processes = min(site.processes, 2)
    # Nobody writes letters: who erases one takes away what was acknowledged.
    plan = Plan(shape=shape, seconds=15, seed=7, visitors=5, writers=0, answerers=0)
    try:
        await site.start()
        site.env["PG_BIN"] = str(services.postgresql_programs())
        run = World(site, plan, print)
        verdict = await run.run()
        keeper: Keeper = run.keeper  # type: ignore[attr-defined]
        print(verdict.summary(), *keeper.said, sep="\n")
        assert verdict.is_safe, verdict.summary()
        assert verdict.acknowledged > 30
        _first, rewrapped, _second, looked = keeper.said
        moved = re.search(r"conversations: (\d+) moved", rewrapped)
        assert moved
        assert int(moved[1]) > 0
        assert "Nothing needs “test” any more." in rewrapped
        assert "under “test”" not in looked
        await site.door.close()
        await asyncio.to_thread(_restore_and_compare, site, keeper)
        await asyncio.to_thread(_refuses_without, site)
    finally:
        await site.stop()


def _restore_and_compare(site: Site, keeper: Keeper) -> None:
    """The newest backup, without the old key, holds everything that was acknowledged before it."""
    assert keeper.before
    [newest, *_older] = sorted(keeper.backups.glob("*.json"), reverse=True)
    for server in site.servers:
        server.stop()
    said = manage("restore", str(newest), "--replace", env=site.env)
    assert "closed again" not in said
    stored = asyncio.run(_read(site.env))
    ids = {client_id for _conversation, _seq, client_id, *_rest in stored["messages"]}
    assert keeper.before <= ids


async def _read(env: dict[str, str]) -> dict[str, Any]:
    door = Door(env | {"ORIGINS": "http://localhost"})
    await door.open()
    try:
        return await door.ask("read_out")
    finally:
        await door.close()


def _refuses_without(site: Site) -> None:
    """It serves what was restored, and not without the key that this needs."""
    server: Server = site.servers[0]
    server.start()
    assert server.stop() == 0
    server.env = server.env | {"SEALING_KEYS": OLD}
    with pytest.raises(AssertionError, match="SEALING_KEYS lacks: new"):
        server.start()
