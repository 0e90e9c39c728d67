"""Backing up and changing keys while people talk: nobody notices, nothing is lost.

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
from django.conf import settings

from chat.peers import GONE
from tests import services
from tests.faults import world
from tests.faults.browser import Browser
from tests.faults.memory import Fault, Person
from tests.faults.players import Worker
from tests.faults.shapes import SHAPES
from tests.faults.site import Door, Site
from tests.faults.world import Plan, World
from tests.servers import Server, manage

OLD = f"test:{base64.urlsafe_b64encode(bytes(range(32))).decode()}"
NEW = f"new:{base64.urlsafe_b64encode(b'n' * 32).decode()}"
NEW_SECRET = "a new one with fifty characters or more ".replace(" ", "-") * 2


class Away(Worker):
    """Signed in at a desk in an empty room: no page is loaded, nobody claims or writes."""

    is_out = False

    async def live(self) -> None:
        await asyncio.Event().wait()

    async def _by_requests(self) -> None:
        """Only by socket: each request would move the sign-in to the new key."""
        self.failures = 0

    def has_to_sign_in(self) -> None:
        self.is_out = True
        self.leave()


class Keeper:
    """What whoever runs the site does in this run, in the place of the nemesis."""

    def __init__(self, run: World, rng: random.Random, every: float) -> None:
        self.site = run.site
        self.world = run
        self.backups = run.site.directory / "backups"
        self.said: list[str] = []
        # What was acknowledged before the first backup began.
        self.before: set[str] = set()
        self.taken: list[dict[str, bool]] = []
        run.keeper = self  # type: ignore[attr-defined]

    async def run(self, until: float) -> None:
        """The steps of both keys are three rolling restarts each: one restart does a step of both."""
        await self.manage("backup", str(self.backups))
        old_secret = self.site.env["SECRET_KEY"]
        signed = [await self.sign() for _ in range(2)]
        absent = await self.sign()
        self.away = await self.let_in(absent)
        await self.world.until(time.monotonic() + 10, lambda: self.away.is_up)
        # New ones behind the old ones first: nobody uses what another process does not know.
        if len(self.site.servers) > 1:
            await self.roll(SEALING_KEYS=f"{OLD} {NEW}", SECRET_KEY_FALLBACKS=NEW_SECRET)
        before = self.sign_ins()
        await self.roll(
            SEALING_KEYS=f"{NEW} {OLD}", SECRET_KEY=NEW_SECRET, SECRET_KEY_FALLBACKS=old_secret
        )
        self.taken.append(await self.try_all(signed.pop()))
        await self.move_sign_ins(before)
        await self.world.until(time.monotonic() + 10, lambda: self.away.is_up)
        assert self.away.is_up
        await self.manage("rewrap")
        self.before = {
            said.client_id
            for person in self.world.memory.people
            for said in person.said.values()
            if said.state == "sent"
        }
        await self.manage("backup", str(self.backups))
        # Home before a page moved it; a desk that was open would load itself, and move it then.
        self.away.leave()
        self.world.lines.remove(self.away)
        await self.roll(SEALING_KEYS=NEW, SECRET_KEY_FALLBACKS="")
        self.taken.append(await self.try_all(signed.pop()))
        self.away = await self.let_in(absent)
        await self.world.until(time.monotonic() + 10, lambda: self.away.is_out)
        self.away.leave()
        self.world.lines.remove(self.away)
        await self.manage("rewrap", "--look")

    async def sign(self) -> dict[str, Any]:
        return await self.site.door.ask("sign", institution=self.world.institutions[0])

    async def let_in(self, new: dict[str, Any]) -> Away:
        person = Person("away", "worker", new["id"], new["institution"])
        away = Away(self.world, person, new["cookie"], random.Random(1))
        self.world.join(away)
        return away

    def sign_ins(self) -> set[str]:
        """The sessions of everybody but who is away."""
        shift = [one for one in self.world.workers() if one is not self.away]
        return {one.browser.cookies[settings.SESSION_COOKIE_NAME] for one in shift}

    async def move_sign_ins(self, before: set[str]) -> None:
        """Every worker of this shift loads a page, which moves the sign-in and changes no cookie."""
        shift = [one for one in self.world.workers() if one is not self.away]
        await asyncio.gather(*(one.reload() for one in shift))
        assert self.sign_ins() == before
        await self.world.until(time.monotonic() + 10, lambda: all(one.is_up for one in shift))

    async def try_all(self, signed: dict[str, Any]) -> dict[str, bool]:
        """What is still taken of what was signed: at pages, and by a process with our keys."""
        browser = Browser(self.world, signed["cookie"])
        return {
            "sign-in": (await browser.get("/desk/")).status == 200,
            "link": (await Browser(self.world).get(signed["link"])).status == 302,
            **await self.site.door.ask("is_taken", work=signed["work"], wait=signed["wait"]),
        }

    async def roll(self, **keys: str) -> None:
        """Restart every process, one after the other, with these keys."""
        fault = Fault("new keys", time.monotonic())
        self.world.memory.faults.append(fault)
        self.site.env.update(keys)
        async with self.site.door.lock:
            old = self.site.door.process
            self.site.door.env = self.site.door.env | keys
            assert old is not None
            assert old.stdin is not None
            old.stdin.close()
            await old.wait()
            await self.site.door.open()
        for server in self.site.servers:
            server.env = server.env | keys
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
        _check_sign_ins(run, keeper)
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


def _check_sign_ins(run: World, keeper: Keeper) -> None:
    """Who loaded a page stays signed in, and no desk had to load; who did not is out."""
    kinds = ("sign-in", "link", "work", "wait")
    assert keeper.taken == [dict.fromkeys(kinds, True), dict.fromkeys(kinds, False)]
    for worker in run.workers():
        assert worker is keeper.away or GONE not in worker.person.closes
    assert keeper.away.is_out
    assert len(keeper.away.person.closes[GONE]) == 1
    for person in run.memory.people:
        assert person.kind == "worker" or not person.closes, "no young person notices"


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
