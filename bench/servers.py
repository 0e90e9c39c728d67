"""The servers that are measured: how each is prepared, started and stopped."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import msgspec
import psutil

from bench.load import Broken, Seat

ROOT = Path(__file__).resolve().parent.parent
# Hides what only tests install, from servers that would do more because of it.
AS_INSTALLED = ROOT / "bench/as_installed"
START_SECONDS = 60
STOP_SECONDS = 5
# What a person may send in ten seconds is limited; the load plays many people at each socket.
COMMAND_BUDGET = 1_000_000
UVICORN = "--loop uvloop --ws websockets-sansio --ws-per-message-deflate false --log-level warning"


@dataclass
class Server:
    """One of the servers: `prepare` once, then `run` for every round."""

    directory: Path
    kind: str = "daphne"
    chats: list[tuple[Seat, Seat]] = field(default_factory=list)
    idle: list[Seat] = field(default_factory=list)

    name = ""
    title = ""
    application = ""
    # Messages a second at fixed moments; the conventional design cannot keep up with a thousand.
    rates: ClassVar[tuple[int, ...]] = (100, 1000)

    def prepare(self, chats: int, idle: int) -> None:
        self.chats = [
            (self.seat(f"c{n}", "visitor"), self.seat(f"c{n}", "worker")) for n in range(chats)
        ]
        self.idle = [self.seat(f"i{n}", "visitor") for n in range(idle)]

    def seat(self, conversation: str, author: str) -> Seat:
        raise NotImplementedError

    def fresh(self) -> None:
        """Bring the server's data back to how `prepare` left it."""

    def environment(self, port: int) -> dict[str, str]:
        return {}

    def libraries(self) -> dict[str, str]:
        return {} if self.kind == "uvicorn" else {"PYTHONPATH": str(AS_INSTALLED)}

    def command(self, port: int) -> list[str]:
        if self.kind == "uvicorn":
            return ["-m", "uvicorn", self.application, "--port", str(port), *UVICORN.split()]
        return ["-m", "daphne", "-b", "127.0.0.1", "-p", str(port), "-v", "0", self.application]

    def program(self, port: int) -> list[str]:
        return [sys.executable, *self.command(port)]

    def python(self, *arguments: str, port: int = 0) -> subprocess.CompletedProcess[bytes]:
        """Run a script with the server's settings to its end."""
        done = subprocess.run(
            [sys.executable, *arguments],
            cwd=ROOT,
            env=clean(self.environment(port)),
            capture_output=True,
            check=False,
        )
        if done.returncode:
            raise Broken(f"{' '.join(arguments)} failed:\n{done.stderr.decode()[-2000:]}")
        return done

    @contextmanager
    def run(self, cores: Sequence[int]) -> Iterator[tuple[str, psutil.Process]]:
        """Start the server on these cores; yields its origin and its process."""
        self.fresh()
        port = free_port()
        log = self.directory / f"{self.name}.log"
        own = os.sched_getaffinity(0)
        os.sched_setaffinity(0, cores)  # inherited by the child and all its threads
        try:
            with log.open("wb") as output:
                process = psutil.Popen(
                    self.program(port),
                    cwd=ROOT,
                    env=clean(self.environment(port) | self.libraries()),
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                )
        finally:
            os.sched_setaffinity(0, own)
        try:
            wait_for_port(port, process, log)
            yield f"http://127.0.0.1:{port}", process
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except psutil.TimeoutExpired:
                process.kill()
                process.wait()


class Relay(Server):
    name = "relay"
    title = "bare relay"
    application = "bench.yardsticks.relay:application"

    def seat(self, conversation: str, author: str) -> Seat:
        return Seat(path=f"/ws/{conversation}/")


class RelayInC(Server):
    """A relay in C (bench/yardsticks/relay.c), durable or not: what this machine can do at all."""

    name = "relay_in_c"
    title = "C relay"
    is_durable = False

    @staticmethod
    def compiler() -> str | None:
        return shutil.which("cc")

    def prepare(self, chats: int, idle: int) -> None:
        super().prepare(chats, idle)
        compiler = self.compiler()
        assert compiler is not None
        self.binary = self.directory / "relay"
        source = ROOT / "bench/yardsticks/relay.c"
        subprocess.run([compiler, "-O2", "-o", str(self.binary), str(source)], check=True)

    def seat(self, conversation: str, author: str) -> Seat:
        return Seat(path=f"/ws/{conversation}/")

    def program(self, port: int) -> list[str]:
        log = [str(self.directory / "relay.log")] if self.is_durable else []
        return [str(self.binary), str(port), *log]


class DurableRelayInC(RelayInC):
    name = "durable_relay_in_c"
    title = "C relay that syncs"
    is_durable = True


class Conventional(Server):
    name = "conventional"
    title = "conventional"
    rates = (100,)
    application = "bench.yardsticks.conventional.asgi:application"

    def prepare(self, chats: int, idle: int) -> None:
        super().prepare(chats, idle)
        self.fresh()

    def seat(self, conversation: str, author: str) -> Seat:
        return Seat(path=f"/ws/{conversation}/{author}/")

    def fresh(self) -> None:
        forget(self.directory / "conventional.sqlite3")
        self.python("-m", "django", "migrate", "--run-syncdb", "-v", "0")

    def environment(self, port: int) -> dict[str, str]:
        return {
            "DJANGO_SETTINGS_MODULE": "bench.yardsticks.conventional.settings",
            "BENCH_DATABASE": str(self.directory / "conventional.sqlite3"),
        }


class Klikvoor(Server):
    """The whole application, as `manage.py serve` runs it."""

    name = "klikvoor"
    title = "Klikvoor"
    application = "klikvoor.asgi:application"

    def prepare(self, chats: int, idle: int) -> None:
        self.keys = new_keys()
        forget(self.database)
        made = self.python("-m", "bench.prepare", "--chats", str(chats), "--idle", str(idle))
        seats = msgspec.json.decode(made.stdout, type=list[list[Seat]])
        self.chats = [(pair[0], pair[1]) for pair in seats[:chats]]
        self.idle = [single[0] for single in seats[chats:]]
        shutil.copy(self.database, self.directory / "prepared.sqlite3")

    @property
    def database(self) -> Path:
        return self.directory / "klikvoor.sqlite3"

    def fresh(self) -> None:
        forget(self.database)
        shutil.copy(self.directory / "prepared.sqlite3", self.database)

    def environment(self, port: int) -> dict[str, str]:
        return self.keys | {
            "DJANGO_SETTINGS_MODULE": "klikvoor.settings",
            "DATABASE_URL": f"sqlite:///{self.database}",
            "REDIS_URL": "",
            "DEMO": "0",
            "ORIGINS": f"http://127.0.0.1:{port}",
            "COMMAND_BUDGET": str(COMMAND_BUDGET),
            "EMAIL_URL": f"filemail:///{self.directory / 'mail'}",
        }

    def command(self, port: int) -> list[str]:
        if self.kind == "daphne":
            return ["manage.py", "serve", "--port", str(port)]
        return super().command(port)


def clean(changes: Mapping[str, str]) -> dict[str, str]:
    """Return this environment without the settings of another installation."""
    foreign = {"KLIKVOOR_ENV_FILE", "DATABASE_URL", "DJANGO_SETTINGS_MODULE"}
    kept = {name: value for name, value in os.environ.items() if name not in foreign}
    return kept | dict(changes)


def new_keys() -> dict[str, str]:
    printed = subprocess.check_output([sys.executable, "-m", "klikvoor.newkeys"], cwd=ROOT)
    return dict(line.split("=", 1) for line in printed.decode().splitlines())


def forget(database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        database.with_name(database.name + suffix).unlink(missing_ok=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, process: psutil.Popen, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise Broken(f"the server did not start:\n{log.read_text(errors='replace')[-2000:]}")
