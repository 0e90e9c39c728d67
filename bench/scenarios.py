"""Measure Klikvoor where one figure does not do: `python -m bench.scenarios [NAME …] [--large]`.

    memory     KiB per idle visitor at 1,000 and 5,000 sockets (10,000 with --large)
    idle       what 5,000 of them cost those who talk
    crowd      300 messages a second among all those sockets: p99, the slowest, and the lost
    blocked    messages while somebody else keeps the process's shared thread busy
    overload   twice as much as the process can do: refusals, never silence
    returning  everybody comes back after a restart
    queue      10,000 waiting: their order, everybody's place, a claim
    scale      CPU per message with one process and with two, on PostgreSQL and Redis

Prints a table; `--json FILE` keeps it. `--smoke` only shows that it runs.
"""

import argparse
import asyncio
import json
import os
import resource
import shutil
import sys
import tempfile
import time
import urllib.parse
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import psutil
import uvloop

from bench.__main__ import cores, machine, percentile, pss_kib, say, settle
from bench.load import Broken, Crowd, Seat
from bench.servers import ROOT, Klikvoor, clean

RATE = 300.0
START, END = "<!-- scenarios -->", "<!-- end of scenarios -->"


@dataclass
class Plan:
    """How much of everything."""

    seconds: float = 10.0
    chats: int = 50
    crowds: tuple[int, ...] = (1000, 5000)
    waiting: int = 10_000
    server: str = "daphne"
    rounds: int = 3

    @classmethod
    def of(cls, options: argparse.Namespace) -> "Plan":
        if options.smoke:
            return cls(0.5, 4, (10, 20), 50, options.server, 1)
        crowds = (1000, 5000, 10_000) if options.large else (1000, 5000)
        return cls(options.seconds, 50, crowds, 10_000, options.server)


@dataclass
class Row:
    """One figure: what was measured, in which unit, and its bar if it has one."""

    what: str
    value: float
    unit: str
    bar: str = ""
    met: bool | None = None


@dataclass
class Result:
    rows: list[Row] = field(default_factory=list)

    def add(
        self,
        what: str,
        value: float,
        unit: str,
        most: float | None = None,
        least: float | None = None,
    ) -> None:
        bar, met = "", None
        if most is not None:
            bar, met = f"at most {most:g}", value <= most
        elif least is not None:
            bar, met = f"at least {least:g}", value >= least
        self.rows.append(Row(what, round(value, 3), unit, bar, met))
        say(f"  {what}: {value:,.2f} {unit} {'' if met is None else 'met' if met else 'MISSED'}")


def latencies(result: Result, name: str, found: list[float], **bars: float) -> None:
    result.add(f"{name}, p50", percentile(found, 0.5) * 1000, "ms")
    result.add(f"{name}, p99", percentile(found, 0.99) * 1000, "ms", bars.get("p99"))
    result.add(f"{name}, slowest", found[-1] * 1000, "ms", bars.get("slowest"))


def with_server(plan: Plan, directory: Path, idle: int, work: Callable[..., Any]) -> None:
    """Run `work(crowd, server, process)` beside a fresh server with so many idle seats."""
    server = Klikvoor(directory, plan.server)
    server.prepare(plan.chats, idle)
    with server.run(cores()[0]) as (origin, process):

        async def run() -> None:
            async with Crowd(origin) as crowd:
                await crowd.pair(server.chats)
                await settle(process)
                await work(crowd, server, process)
                if crowd.book.lost or crowd.book.doubled or crowd.book.damaged:
                    raise Broken("messages were lost, doubled or damaged")

        uvloop.run(run())


# --- Sockets that only sit there ----------------------------------------------------------------


def memory(plan: Plan, directory: Path, result: Result) -> None:
    """In a process that did nothing yet: what others left behind would be filled again, and flatter."""

    async def work(crowd: Crowd, server: Klikvoor, process: psutil.Process) -> None:
        await crowd.sit_down(server.idle[:50])
        await settle(process)
        before, seated = pss_kib(process), 0
        for size in plan.crowds:
            await crowd.sit_down(server.idle[50 + seated : 50 + size])
            seated = size
            await settle(process)
            each = (pss_kib(process) - before) / size
            result.add(f"memory per idle visitor of {size:,}", each, "KiB", most=28)

    with_server(plan, directory, plan.crowds[-1] + 50, work)


def idle(plan: Plan, directory: Path, result: Result) -> None:
    """The same server with and without a crowd, several times, because two servers differ as well."""
    costs = []
    size = plan.crowds[1]

    async def work(crowd: Crowd, server: Klikvoor, process: psutil.Process) -> None:
        alone = await crowd.closed_loop(plan.seconds, lambda: None)
        await crowd.sit_down(server.idle)
        await settle(process)
        beside = await crowd.closed_loop(plan.seconds, lambda: None)
        costs.append(max(0.0, 1 - beside / alone) * 100)

    for _ in range(plan.rounds):
        with_server(plan, directory, size, work)
    result.add(f"throughput that {size:,} idle visitors cost", median(costs), "%", most=5)


def crowd(plan: Plan, directory: Path, result: Result) -> None:
    async def work(crowd: Crowd, server: Klikvoor, process: psutil.Process) -> None:
        await crowd.sit_down(server.idle)
        await settle(process)
        found = await crowd.open_loop(RATE, plan.seconds)
        name = f"300 messages/s among {len(server.idle):,} sockets"
        latencies(result, name, found, p99=10, slowest=50)
        result.add(f"{name}, lost", crowd.book.lost, "", most=0)

    with_server(plan, directory, plan.crowds[-1], work)


# --- A process that has something else to do ----------------------------------------------------


def blocked(plan: Plan, directory: Path, result: Result) -> None:
    """Wrong passwords: each costs the shared thread a fifth of a second or more."""

    async def work(crowd: Crowd, server: Klikvoor, process: psutil.Process) -> None:
        calm = await crowd.open_loop(100, plan.seconds)
        latencies(result, "100 messages/s, nothing else to do", calm)
        stop = asyncio.Event()

        async def knock() -> None:
            number = 0
            while not stop.is_set():
                number += 1
                await asyncio.to_thread(sign_in_wrongly, crowd.origin, number)
                with suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), 0.8)

        knocking = asyncio.create_task(knock())
        busy = await crowd.open_loop(100, plan.seconds)
        stop.set()
        await knocking
        latencies(result, "100 messages/s beside slow requests", busy, p99=5)

    with_server(plan, directory, 0, work)


def sign_in_wrongly(origin: str, number: int) -> None:
    address = f"{origin}/accounts/login/"
    with suppress(OSError):
        with urllib.request.urlopen(address, timeout=10) as page:
            cookie = page.headers.get("Set-Cookie", "").split(";")[0]
        body = urllib.parse.urlencode(
            {
                "login": f"worker{number}@bench.klikvoor.example",
                "password": "not this one",
                "csrfmiddlewaretoken": cookie.partition("=")[2],
            }
        ).encode()
        headers = {"Cookie": cookie, "Origin": origin, "Referer": address}
        urllib.request.urlopen(urllib.request.Request(address, body, headers), timeout=10).close()


def overload(plan: Plan, directory: Path, result: Result) -> None:
    async def work(crowd: Crowd, server: Klikvoor, process: psutil.Process) -> None:
        seconds, book = min(plan.seconds, 5), crowd.book
        paired = await crowd.closed_loop(seconds, lambda: None)
        # Who waits for each answer asks for less than the server can do: more come together then.
        book.may_refuse = True
        done, began = book.finished, time.perf_counter()
        await crowd.open_loop(2 * paired, seconds)
        able = (book.finished - done) / (time.perf_counter() - began)
        sent, refused, done = book.sent, book.refused, book.finished
        began = time.perf_counter()
        found = await crowd.open_loop(2 * able, seconds)
        took = time.perf_counter() - began
        sent, refused, done = book.sent - sent, book.refused - refused, book.finished - done
        result.add("overload: able to do", able, "messages/s")
        result.add("overload: asked for", 2 * able, "messages/s")
        result.add("overload: sent", sent, "")
        result.add("overload: stored and delivered", done, "")
        result.add("overload: refused", refused, "")
        result.add("overload: neither", sent - refused - done, "", most=0)
        result.add("overload: until all was answered", took, "s")
        result.add("overload: half of them within", percentile(found, 0.5), "s")
        result.add("overload: the slowest", found[-1], "s", most=5)

    # Of one window that floods, its own socket is not read; here everybody says a little too much.
    many = replace(plan, chats=plan.chats * 20)
    with_server(many, directory, 0, work)


# --- Everybody at once --------------------------------------------------------------------------


def returning(plan: Plan, directory: Path, result: Result) -> None:
    """The server is killed and comes back; so do all its windows, spread over what it named."""
    server = Klikvoor(directory, plan.server)
    count = plan.crowds[-1]
    server.prepare(plan.chats, count)

    async def sit(origin: str) -> float:
        async with Crowd(origin) as crowd:
            await crowd.pair(server.chats)
            began = time.perf_counter()
            await crowd.sit_down(server.idle)
            took = time.perf_counter() - began
            await crowd.open_loop(100, min(plan.seconds, 2))
            return took

    with server.run(cores()[0]) as (origin, _):
        uvloop.run(sit(origin))
    with server.run(cores()[0]) as (origin, _):
        result.add(f"{count:,} visitors are back in", uvloop.run(sit(origin)), "s", most=10)


def queue(plan: Plan, directory: Path, result: Result) -> None:
    """10,000 waiting, on SQLite: what the desks and the places cost, through the models."""
    server = Klikvoor(directory, plan.server)
    server.prepare(4 * plan.chats, 0)  # so many workers as well
    printed = server.python("-m", "bench.waiting", "--count", str(plan.waiting)).stdout
    for what, seconds in msgspec.json.decode(printed, type=dict[str, float]).items():
        result.add(f"queue of {plan.waiting:,}: {what}", seconds * 1000, "ms")


# --- One process and two ------------------------------------------------------------------------


class Scaled(Klikvoor):
    """On PostgreSQL and Redis, both of this run."""

    name = "scaled"

    def on(self, database: str, redis: str) -> "Scaled":
        self.urls = {"DATABASE_URL": database, "REDIS_URL": redis}
        return self

    def environment(self, port: int) -> dict[str, str]:
        ports = getattr(self, "ports", [port])
        return super().environment(port) | {
            **self.urls,
            "ORIGINS": ",".join(f"http://127.0.0.1:{one}" for one in {*ports, port}),
            "DATABASE_POOL": "10",
        }

    def prepare(self, chats: int, idle: int) -> None:
        from bench.servers import new_keys

        self.keys = new_keys()
        made = self.python("-m", "bench.prepare", "--chats", str(chats), "--idle", str(idle))
        seats = msgspec.json.decode(made.stdout, type=list[list[Seat]])
        self.chats = [(pair[0], pair[1]) for pair in seats[:chats]]

    def fresh(self) -> None:
        """The same database goes on: a chat that was longer costs no more."""

    def start(self, port: int, *arguments: str) -> psutil.Popen:
        log = (self.directory / f"scaled-{port}.log").open("wb")
        return psutil.Popen(
            [sys.executable, "manage.py", "serve", "--port", str(port), *arguments],
            cwd=ROOT,
            env=clean(self.environment(port) | self.libraries()),
            stdout=log,
            stderr=log,
        )


def scale(plan: Plan, directory: Path, result: Result) -> None:
    from bench.servers import free_port, wait_for_port
    from tests import services

    with ExitStack() as stack:
        services.runtime_directory(directory)
        database, stop_database = services.start_postgresql(directory)
        stack.callback(stop_database)
        redis, stop_redis = services.start_redis(directory)
        stack.callback(stop_redis)
        server = Scaled(directory).on(database, redis)
        server.prepare(plan.chats, 0)
        ports = server.ports = [free_port(), free_port()]
        costs: dict[int, list[float]] = {1: [], 2: []}
        slow: dict[int, list[float]] = {1: [], 2: []}
        for count in (1, 2) * plan.rounds:
            processes = [
                server.start(port, *(["--no-jobs"] if number else []))
                for number, port in enumerate(ports[:count])
            ]
            try:
                for port, process in zip(ports, processes, strict=False):
                    wait_for_port(port, process, directory / f"scaled-{port}.log")
                origins = [f"http://127.0.0.1:{port}" for port in ports[:count]]
                chats = [
                    (
                        msgspec.structs.replace(young, origin=origins[0]),
                        msgspec.structs.replace(desk, origin=origins[-1]),
                    )
                    for young, desk in server.chats
                ]
                cost, found = uvloop.run(steady(plan, origins[0], chats, processes))
            finally:
                for process in processes:
                    process.kill()
                    process.wait()
            if not found:
                raise Broken("nothing was delivered")
            costs[count].append(cost)
            slow[count].append(percentile(found, 0.99) * 1000)
        for count in (1, 2):
            result.add(f"{count} process(es): CPU per message", median(costs[count]), "ms")
            result.add(f"{count} process(es): p99 at {RATE:g}/s", median(slow[count]), "ms")
        growth = (median(costs[2]) / median(costs[1]) - 1) * 100
        result.add("CPU per message grows from one process to two by", growth, "%", most=15)


async def steady(
    plan: Plan,
    origin: str,
    chats: list[tuple[Seat, Seat]],
    processes: list[psutil.Popen],
) -> tuple[float, list[float]]:
    """Return CPU per message beyond what the idle processes use, and the latencies."""

    def used() -> float:
        return sum(sum(process.cpu_times()[:2]) for process in processes)

    async with Crowd(origin) as crowd:
        await crowd.pair(chats)
        await asyncio.sleep(2)
        before = used()
        await asyncio.sleep(plan.seconds)
        idle = (used() - before) / plan.seconds
        before, began = used(), time.perf_counter()
        found = await crowd.open_loop(RATE, plan.seconds)
        busy = used() - before - idle * (time.perf_counter() - began)
        return max(busy, 0.0) / max(1, len(found)) * 1000, found


SCENARIOS: dict[str, Callable[[Plan, Path, Result], None]] = {
    "memory": memory,
    "idle": idle,
    "crowd": crowd,
    "blocked": blocked,
    "overload": overload,
    "returning": returning,
    "queue": queue,
    "scale": scale,
}


def markdown(found: dict[str, Any]) -> str:
    lines = ["| what | found | bar |", "| --- | --: | --- |"]
    for row in found["rows"]:
        verdict = "" if row["met"] is None else " (met)" if row["met"] else " (**missed**)"
        lines.append(f"| {row['what']} | {row['value']:,g} {row['unit']} | {row['bar']}{verdict} |")
    machine = found["machine"]
    lines += ["", f"{machine['processor']}, {machine['cores']} core(s), {found['at']}."]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scenarios", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("names", nargs="*", choices=[[], *SCENARIOS], metavar="NAME")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--large", action="store_true", help="10,000 sockets as well")
    parser.add_argument("--server", choices=["daphne", "uvicorn"], default="daphne")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--into", type=Path, metavar="PAGE", help="put the table on this page")
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args()
    plan = Plan.of(options)
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    _, load_cores = cores()
    os.sched_setaffinity(0, load_cores)
    scratch = ROOT / "var"
    scratch.mkdir(exist_ok=True)
    result = Result()
    for name in options.names or SCENARIOS:
        say(f"{name} …")
        directory = Path(
            tempfile.mkdtemp(prefix="bench-", dir="/tmp" if name == "scale" else scratch)
        )
        directory.chmod(0o755)
        try:
            SCENARIOS[name](plan, directory, result)
        except Broken as problem:
            result.add(f"{name}: {problem}", 1, "failure", most=0)
        finally:
            shutil.rmtree(directory, ignore_errors=True)
    found = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "plan": vars(plan),
        "rows": [vars(row) for row in result.rows],
    }
    print(markdown(found))
    if options.into:
        page = options.into.read_text()
        before, _, rest = page.partition(START)
        _, _, after = rest.partition(END)
        options.into.write_text(f"{before}{START}\n{markdown(found)}\n{END}{after}")
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
