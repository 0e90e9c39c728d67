"""One run: a site, its people, the nemesis, and at the end the judge."""

import asyncio
import random
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.faults.checker import Verdict, judge
from tests.faults.letters import Answerer, Correspondent, Writer
from tests.faults.line import Line
from tests.faults.memory import Claim, Memory, Person
from tests.faults.nemesis import Nemesis
from tests.faults.players import Visitor, Worker
from tests.faults.shapes import SHAPES
from tests.faults.site import Site

SETTLE_SECONDS = 40.0
FAILURES = (
    "a socket failed",
    "a command failed",
    "a task of the hub failed",
    "did not end in order",
)
# Not ours: the database, which is what goes wrong in these runs, was away or full.
AWAY = ("OperationalError", "InterfaceError", "PoolTimeout", "PoolClosed", "AdminShutdown")


@dataclass
class Plan:
    shape: str = "embedded"
    seconds: float = 30.0
    seed: int = 1
    every: float = 8.0
    visitors: int = 8
    institutions: int = 3
    workers: int = 2
    # Young people who write letters at the same time, and those who answer, in each institution.
    writers: int = 4
    answerers: int = 1
    # How slowly people act; 1 gives about one message a second for each visitor.
    pace: float = 1.0
    # Only these kinds of faults; all when it is empty.
    only: tuple[str, ...] = ()


class World:
    """What people can find out about each other, as far as the test needs it."""

    def __init__(self, site: Site, plan: Plan, tell: Callable[[str], None]) -> None:
        self.site = site
        self.plan = plan
        self.pace = plan.pace
        self.tell = tell
        self.rng = random.Random(plan.seed)
        self.memory = Memory()
        self.lines: list[Line] = []
        self.everybody: list[Line] = []
        self.correspondents: list[Correspondent] = []
        self.institutions: list[int] = []
        self.waiting: set[str] = set()
        self.is_closing = False
        self._tasks: set[asyncio.Task[Any]] = set()
        self._lives: set[asyncio.Task[Any]] = set()

    # --- Helpers of the people ------------------------------------------------------------------

    def spawn(self, work: Any) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def later(self, seconds: float, deed: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, deed)

    def port(self, rng: random.Random) -> int:
        """The proxy's, or as a proxy does: of one that runs, if there is any."""
        if self.site.proxy is not None:
            return self.site.proxy.port
        running = [server.port for server in self.site.servers if server.is_running]
        return rng.choice(running or [self.site.servers[0].port])

    def origin(self, port: int) -> str:
        return f"{'https' if self.trust else 'http'}://localhost:{port}"

    @property
    def trust(self) -> ssl.SSLContext | None:
        """What the lines of people trust, if they speak TLS."""
        return self.site.proxy and self.site.proxy.trust

    def waiting_or_not(self, conversation: str, is_waiting: bool) -> None:
        if is_waiting and conversation not in self.memory.over:
            self.waiting.add(conversation)
        else:
            self.waiting.discard(conversation)

    def next_waiting(self, rng: random.Random) -> str | None:
        return rng.choice(sorted(self.waiting)) if self.waiting else None

    def asked_for(self, conversation: str, person: Person, at: float) -> None:
        """Two desks may press at the same moment; most of the time one does."""
        if self.rng.random() < 0.8:
            self.waiting.discard(conversation)

    def claimed(self, conversation: str, claim: Claim) -> None:
        self.waiting.discard(conversation)
        self.memory.claims.setdefault(conversation, []).append(claim)

    def is_held_by(self, person: Person, conversation: str) -> bool:
        claims = self.memory.claims.get(conversation)
        return bool(claims) and claims[-1].worker == person.name

    def over(self, conversation: str) -> None:
        self.waiting.discard(conversation)
        self.memory.over.setdefault(conversation, time.monotonic())

    def workers(self) -> list[Worker]:
        return [line for line in self.lines if isinstance(line, Worker)]

    def other_side(self, person: Person, conversation: str) -> str:
        """Who is in this talk as well, at a socket that reads; empty when there is nobody."""
        for line in self.lines:
            if line.person is person or line.is_slow or line.by_request or line.failures >= 3:
                continue
            if isinstance(line, Worker):
                if person.kind == "visitor" and conversation in line.mine & line.open:
                    return line.person.name
            elif person.kind == "worker" and line.person.conversation == conversation:
                return line.person.name
        return ""

    def colleague_of(self, person: Person, rng: random.Random) -> int | None:
        others = [one.person.id for one in self.workers() if one.person is not person]
        return rng.choice(others) if others else None

    def chat_of_institution(self, person: Person, rng: random.Random) -> str | None:
        chats = sorted(
            conversation
            for one in self.workers()
            if one.person is not person and one.person.institution == person.institution
            for conversation in one.mine
        )
        return rng.choice(chats) if chats else None

    async def answered(self, line: Line) -> None:
        """Wait until somebody who goes away heard what became of each word."""
        deadline = time.monotonic() + 60
        while line.unanswered() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    def has_left(self, line: Line) -> None:
        """A visitor whose talk is over goes, once everything of it was seen; another one comes."""
        self.spawn(self._replace(line))

    async def _replace(self, line: Line) -> None:
        await asyncio.sleep(1)
        line.leave()
        if line in self.lines:
            self.lines.remove(line)
        if not self.is_closing:
            await self.new_visitor()

    # --- Letters --------------------------------------------------------------------------------

    def correspond(self, one: Correspondent) -> None:
        self.correspondents.append(one)
        self.memory.people.append(one.person)
        self._live(one.run())

    def has_written(self, one: Writer) -> None:
        """Somebody who goes away is replaced."""
        if not self.is_closing:
            self._live(self.new_writer())

    async def new_writer(self) -> None:
        """Half of them wait in the queue first."""
        number = sum(isinstance(one, Writer) for one in self.correspondents) + 1
        person = Person(f"writer {number}", "visitor")
        rng = random.Random(self.rng.random())
        if rng.random() < 0.5:
            self.correspond(Writer(self, person, rng))
            return
        region = rng.randrange(len(self.institutions))
        new = await self.site.door.ask("visit", region=region)
        if self.is_closing:
            return
        self.waiting.add(new["conversation"])
        self.correspond(Writer(self, person, rng, new["cookie"], new["conversation"]))

    # --- The run --------------------------------------------------------------------------------

    def join(self, line: Line) -> None:
        self.lines.append(line)
        self.everybody.append(line)
        self.memory.people.append(line.person)
        self._live(line.run())

    def _live(self, life: Any) -> None:
        self._lives.add(asyncio.ensure_future(life))

    async def new_visitor(self) -> None:
        new = await self.site.door.ask("visit")
        number = sum(one.kind == "visitor" for one in self.memory.people) + 1
        person = Person(f"visitor {number}", "visitor", conversation=new["conversation"])
        self.waiting.add(new["conversation"])
        self.join(Visitor(self, person, new["cookie"], random.Random(self.rng.random())))

    async def run(self) -> Verdict:
        plan, memory = self.plan, self.memory
        made = await self.site.door.ask(
            "found",
            patience=0,
            institutions=plan.institutions,
            workers=plan.workers,
            answerers=plan.answerers if plan.writers else 0,
        )
        self.institutions = made["institutions"]
        await self.site.serve()
        memory.began = time.monotonic()
        for number, worker in enumerate(made["workers"], 1):
            person = Person(f"worker {number}", "worker", worker["id"], worker["institution"])
            self.join(Worker(self, person, worker["cookie"], random.Random(self.rng.random())))
        for number, worker in enumerate(made["answerers"], 1):
            person = Person(f"answerer {number}", "worker", worker["id"], worker["institution"])
            rng = random.Random(self.rng.random())
            self.correspond(Answerer(self, person, rng, worker["cookie"]))
        for _ in range(plan.visitors):
            await self.new_visitor()
        for _ in range(plan.writers):
            await self.new_writer()
        await asyncio.sleep(3)
        nemesis = Nemesis(self, random.Random(plan.seed), plan.every)
        until = time.monotonic() + plan.seconds
        await nemesis.run(until)
        await asyncio.sleep(max(0.0, until - time.monotonic()))
        self.is_closing = True
        await self.settle()
        memory.ended = time.monotonic()
        for line in self.everybody:
            line.leave()
        for ended in await asyncio.gather(*self._lives, return_exceptions=True):
            if isinstance(ended, Exception):  # of the test itself
                raise ended
        memory.posts = self.site.mailbox.posts
        memory.stored = await self.site.door.ask("read_out")
        memory.logged = list(self.read_logs())
        return judge(memory)

    async def settle(self) -> None:
        """Nothing goes wrong any more: wait until everybody is back, answered and up to date."""
        deadline = time.monotonic() + SETTLE_SECONDS
        await self.until(deadline, lambda: all(line.is_up for line in self.lines))
        await self.until(deadline, lambda: not any(line.unanswered() for line in self.lines))
        await self.until(deadline, lambda: all(one.is_done for one in self.correspondents))
        await asyncio.gather(*(one.look() for one in self.correspondents if one.is_done))
        while self.correspondents and time.monotonic() < deadline:
            if not (await self.site.door.ask("mail_left"))["left"]:
                break
            await asyncio.sleep(0.5)
        # Two heartbeats: what a lost doorbell left out is found by then.
        await asyncio.sleep(4)
        for line in self.lines:
            if isinstance(line, Worker):
                line.person.complete |= line.mine & line.open
            if not line.is_up and not line.is_slow:
                line.person.outages.append((line.down_since, time.monotonic() + 999))

    async def until(self, deadline: float, is_true: Callable[[], bool]) -> None:
        while not is_true() and time.monotonic() < deadline:
            await asyncio.sleep(0.1)

    def read_logs(self) -> Any:
        """Yield what may not be in the servers' logs: words of people, and failures of our own."""
        for line in self.site.logs().splitlines():
            if (
                " says " in line
                or " too late" in line
                or "Traceback" in line
                or (
                    any(failure in line for failure in FAILURES)
                    and not any(f": {error} at " in line for error in AWAY)
                )
            ):
                yield line[:200]


async def play(plan: Plan, directory: Path, tell: Callable[[str], None]) -> Verdict:
    site = SHAPES[plan.shape](directory)
    try:
        await site.start()
        return await World(site, plan, tell).run()
    finally:
        await site.stop()


Deed = Callable[[], Awaitable[None]]
