"""Measure Klikvoor beside its yardsticks, in turns on one machine, and print one table.

    python -m bench [--quick] [--rounds 5] [--seconds 4] [--server uvicorn] [--json FILE]

docs/performance.md says what the figures mean. Exits with 1 when a message was lost.
"""

import argparse
import asyncio
import gc
import json
import os
import platform
import resource
import shutil
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import uvloop

from bench.load import Broken, Crowd
from bench.servers import (
    COMMAND_BUDGET,
    ROOT,
    Conventional,
    DurableRelayInC,
    Klikvoor,
    Relay,
    RelayInC,
    Server,
)

# Times the conventional design; part of what a C relay that syncs does; CPU per message; and latency
# at 100 messages a second, times that relay's. By the server that carries Klikvoor.
BARS = {"daphne": (7.0, 0.10, 0.20, 2.5), "uvicorn": (15.0, 0.25, 0.10, 2.0)}
CHATS = 50
IDLE = 1000
RATES = (100, 1000)
FIGURES = (
    "messages_per_second",
    "cpu_ms",
    "p50_ms",
    "p99_ms",
    "busy_p50_ms",
    "busy_p99_ms",
    "idle_kib",
)
# Memory counts from here on: the first sockets fill what the server allocates once.
SETTLED_SHARE = 10


@dataclass
class Plan:
    """How much is measured."""

    rounds: int
    seconds: float
    chats: int
    idle: int

    @property
    def settling(self) -> int:
        return self.idle // SETTLED_SHARE


@dataclass
class Round:
    """What one server did in one round."""

    messages_per_second: float = 0.0
    cpu_ms: float = 0.0
    p50_ms: float = 0.0
    p99_ms: float = 0.0
    # At a thousand a second; 0 where that was not tried.
    busy_p50_ms: float = 0.0
    busy_p99_ms: float = 0.0
    idle_kib: float = 0.0
    # Part of the machine that others used meanwhile, 0 to 1.
    disturbance: float = 0.0
    sent: int = 0
    acknowledged: int = 0
    delivered: int = 0
    doubled: int = 0
    damaged: int = 0
    lost: int = 0

    @property
    def is_whole(self) -> bool:
        return (
            self.sent == self.acknowledged == self.delivered
            and not self.lost + self.doubled + self.damaged
        )


class Clock:
    """CPU time of the server, and of everybody who is neither server nor load."""

    def __init__(self, server: psutil.Process) -> None:
        self.server = server
        self.own = psutil.Process()
        self.marks: list[tuple[float, float, float]] = []

    def mark(self) -> None:
        machine = psutil.cpu_times()
        busy = sum(machine[:8]) - machine.idle - machine.iowait
        times = [sum(p.cpu_times()[:2]) for p in (self.server, self.own)]
        self.marks.append((times[0], busy - sum(times), time.perf_counter()))

    @property
    def server_seconds(self) -> float:
        return self.marks[-1][0] - self.marks[0][0]

    @property
    def disturbance(self) -> float:
        passed = (self.marks[-1][2] - self.marks[0][2]) * (os.cpu_count() or 1)
        return max(0.0, (self.marks[-1][1] - self.marks[0][1]) / passed)


def percentile(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def pss_kib(process: psutil.Process) -> float:
    """Memory of the process in KiB, shared pages counted for its part."""
    for line in Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return float(line.split()[1])
    raise Broken("the kernel tells no PSS")


async def settle(process: psutil.Process, patience: float = 15) -> None:
    """Wait until the server has nothing left to do, so that no start-up work is measured."""
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        before = sum(process.cpu_times()[:2])
        await asyncio.sleep(0.3)
        if sum(process.cpu_times()[:2]) - before <= 0.02:
            return


async def measure(server: Server, origin: str, process: psutil.Process, plan: Plan) -> Round:
    async with Crowd(origin) as crowd:
        await crowd.pair(server.chats)
        await settle(process)
        clock = Clock(process)
        rate = await crowd.closed_loop(plan.seconds, clock.mark)
        latencies = await crowd.open_loop(RATES[0], plan.seconds)
        busy = await crowd.open_loop(RATES[1], plan.seconds) if RATES[1] in server.rates else [0.0]
        found = Round(
            messages_per_second=rate,
            cpu_ms=clock.server_seconds / (rate * plan.seconds) * 1000,
            p50_ms=percentile(latencies, 0.5) * 1000,
            p99_ms=percentile(latencies, 0.99) * 1000,
            busy_p50_ms=percentile(busy, 0.5) * 1000,
            busy_p99_ms=percentile(busy, 0.99) * 1000,
            disturbance=clock.disturbance,
        )
        await crowd.sit_down(server.idle[: plan.settling])
        await settle(process)
        before = pss_kib(process)
        await crowd.sit_down(server.idle[plan.settling :])
        await settle(process)
        found.idle_kib = (pss_kib(process) - before) / plan.idle
        crowd.check()
        for name in ("sent", "acknowledged", "delivered", "doubled", "damaged", "lost"):
            setattr(found, name, getattr(crowd.book, name))
        return found


def cores() -> tuple[list[int], list[int]]:
    """Return the cores of the server and of the load; the same ones when there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[:1], available[1:2] or available[:1]


def run(servers: list[Server], plan: Plan) -> dict[str, list[Round]]:
    for server in servers:
        server.prepare(plan.chats, plan.idle + plan.settling)
    server_cores, load_cores = cores()
    os.sched_setaffinity(0, load_cores)
    found: dict[str, list[Round]] = {server.name: [] for server in servers}
    for number in range(plan.rounds):
        for server in servers:
            say(f"round {number + 1} of {plan.rounds}: {server.title} …")
            gc.collect()
            gc.disable()  # the load's own pauses are nobody's latency
            with server.run(server_cores) as (origin, process):
                found[server.name].append(uvloop.run(measure(server, origin, process, plan)))
            gc.enable()
    return found


def summary(servers: list[Server], found: dict[str, list[Round]], plan: Plan) -> dict[str, Any]:
    """The medians of the rounds, and the bar."""

    def figures(server: Server) -> dict[str, Any]:
        rounds = found[server.name]
        median = {
            name: round(statistics.median(getattr(r, name) for r in rounds), 3) for name in FIGURES
        }
        counts = ("sent", "acknowledged", "delivered", "doubled", "damaged", "lost")
        return {
            "title": server.title,
            "server": server.kind,
            **median,
            **{name: sum(getattr(r, name) for r in rounds) for name in counts},
            "rounds": [vars(r) for r in rounds],
        }

    by_name = {server.name: figures(server) for server in servers}
    conventional = by_name["conventional"]["messages_per_second"]
    durable = by_name.get("durable_relay_in_c")
    for one in by_name.values():
        one["ratio"] = round(one["messages_per_second"] / conventional, 2)
        one["share"] = (
            round(one["messages_per_second"] / durable["messages_per_second"], 3) if durable else 0
        )
    bars = verdicts(by_name["klikvoor"], durable)
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "plan": vars(plan),
        "rates": RATES,
        "command_budget": COMMAND_BUDGET,
        "disturbance": round(max(r.disturbance for rs in found.values() for r in rs), 3),
        "servers": by_name,
        "bars": bars,
        "passed": all(bar["met"] for bar in bars),
        "nothing_lost": all(r.is_whole for rounds in found.values() for r in rounds),
    }


def verdicts(ours: dict[str, Any], durable: dict[str, Any] | None) -> list[dict[str, Any]]:
    """Return each bar: what was asked, what was found, and whether that is enough."""
    ratio, share, cpu, latency = BARS[ours["server"]]
    bars = [
        ("times the conventional design", ratio, ours["ratio"], ours["ratio"] >= ratio),
        ("ms of CPU a message", cpu, ours["cpu_ms"], ours["cpu_ms"] <= cpu),
        ("KiB per idle visitor", 28, ours["idle_kib"], ours["idle_kib"] <= 28),
    ]
    if durable is not None:
        bars.append(("of a C relay that syncs", share, ours["share"], ours["share"] >= share))
        for name in ("p50_ms", "p99_ms"):
            found = round(ours[name] / (durable[name] or 1), 2)
            bars.append((f"times its {name[:3]} at 100/s", latency, found, found <= latency))
    return [
        {"what": what, "bar": bar, "found": found, "met": bool(met)}
        for what, bar, found, met in bars
    ]


def machine() -> dict[str, Any]:
    model = next(
        (
            line.split(":", 1)[1].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")
        ),
        platform.processor(),
    )
    return {
        "processor": model,
        "cores": len(os.sched_getaffinity(0)),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        **{name: version(name) for name in ("django", "channels", "daphne", "uvicorn")},
    }


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=4.0, help="per loop, open and closed")
    parser.add_argument("--idle", type=int, default=IDLE, help="visitors who only sit there")
    parser.add_argument(
        "--server",
        choices=["daphne", "uvicorn"],
        default="daphne",
        help="of Klikvoor and the relay; the conventional design stays on Daphne",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")
    parser.add_argument("--quick", action="store_true", help="one short round, for a first look")
    parser.add_argument(
        "--smoke", action="store_true", help="does it run at all, figures mean nothing"
    )
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.seconds = 1, 2.0
    if options.smoke:
        options.rounds, options.seconds, options.idle = 1, 0.4, 10
    return options


def main() -> int:
    from bench.report import text_table

    options = parse()
    plan = Plan(options.rounds, options.seconds, 4 if options.smoke else CHATS, options.idle)
    _, limit = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, limit))
    scratch = ROOT / "var"  # a real disk: /tmp is often memory, where a commit costs nothing
    scratch.mkdir(exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="bench-", dir=scratch))
    servers: list[Server] = [
        Conventional(directory),
        Relay(directory, options.server),
        *(
            [RelayInC(directory, "C"), DurableRelayInC(directory, "C")]
            if RelayInC.compiler()
            else []
        ),
        Klikvoor(directory, options.server),
    ]
    try:
        result = summary(servers, run(servers, plan), plan)
    except Broken as problem:
        say(f"Nothing was measured: {problem}")
        return 1
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(text_table(result))
    if options.json:
        options.json.write_text(json.dumps(result, indent=2) + "\n")
    return 0 if result["nothing_lost"] else 1


if __name__ == "__main__":
    sys.exit(main())
