"""Real server processes for tests that look from outside: with a browser, or with a signal.

`demo_database` is a SQLite file to copy, with the demo's people in it; `two_servers` are two
processes on PostgreSQL and Redis. Both have session keys by name, for requests without a sign-in.
"""

import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import services

ROOT = Path(__file__).resolve().parent.parent
READY_WITHIN = 30
HOLD_OPEN = "email LIKE 'els@%' OR email LIKE 'farid@%'"


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def environment(**variables: str) -> dict[str, str]:
    """Return the environment of a process of ours: the tests' secrets, and these variables."""
    kept = ("PATH", "HOME", "LANG", "TZ", "XDG_RUNTIME_DIR", "VIRTUAL_ENV")
    secrets = ("SECRET_KEY", "HASHING_KEY", "SEALING_KEYS", "ERASED_LIST", "PG_BIN")
    return {name: os.environ[name] for name in (*kept, *secrets) if name in os.environ} | variables


def manage(*arguments: str, env: dict[str, str]) -> str:
    """Run a management command to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, f"manage.py {arguments[0]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class Server:
    """One `manage.py serve` on a port of its own, that can be killed and come back."""

    def __init__(self, directory: Path, env: dict[str, str], *arguments: str) -> None:
        self.port = free_port()
        self.url = f"http://localhost:{self.port}"
        self.directory = directory
        self.env = {"ORIGINS": self.url} | env
        self.arguments = arguments
        self.log_file = directory / f"server-{self.port}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.helpers: dict[str, subprocess.Popen[str]] = {}

    def start(self) -> None:
        """Start, and return once a page is answered."""
        assert not self.is_running
        with self.log_file.open("ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, "manage.py", "serve", "--port", str(self.port), *self.arguments],
                cwd=ROOT,
                env=self.env,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        deadline = time.monotonic() + READY_WITHIN
        while not self._answers():
            if not self.is_running or time.monotonic() > deadline:
                self.kill()
                raise AssertionError(f"the server did not start\n{self.log()}")
            time.sleep(0.05)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/accounts/login/", timeout=5):
                return True
        except urllib.error.HTTPError:
            return True
        except OSError:
            return False

    @property
    def is_running(self) -> bool:
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """End it as a power cut would: no warning, no goodbye."""
        self._end(signal.SIGKILL)

    def stop(self, within: float = 20) -> int:
        """Ask it to end, as a deployment does; return its exit code."""
        return self._end(signal.SIGTERM, within)

    def restart(self) -> None:
        self.stop()
        self.start()

    def _end(self, how: signal.Signals, within: float = 10) -> int:
        if self.process is None:
            return 0
        if self.is_running:
            self.process.send_signal(how)
        try:
            return self.process.wait(within)
        finally:
            if self.is_running:
                self.process.kill()
                self.process.wait()
            self.process = None

    def log(self) -> str:
        """Return everything that the process wrote so far."""
        return self.log_file.read_text(errors="replace") if self.log_file.exists() else ""

    # --- Processes of ours on the same site -----------------------------------------------------

    def ask(self, module: str, order: object) -> Any:
        """Let a process that runs this module carry out an order, and return what it answers.

        It stays for the next order, because starting takes it longer than what it is asked.
        """
        if module not in self.helpers:
            self.helpers[module] = subprocess.Popen(
                [sys.executable, "-m", module],
                cwd=ROOT,
                env=self.env | {"DJANGO_SETTINGS_MODULE": "klikvoor.settings"},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        helper = self.helpers[module]
        assert helper.stdin is not None
        assert helper.stdout is not None
        helper.stdin.write(json.dumps(order) + "\n")
        helper.stdin.flush()
        answer = helper.stdout.readline()
        assert answer, f"{module} failed"
        return json.loads(answer)

    def dismiss(self) -> None:
        """Let those processes end."""
        while self.helpers:
            self.helpers.popitem()[1].communicate()

    # --- The SQLite database of this server, beside it ------------------------------------------

    @property
    def database(self) -> Path:
        return Path(self.env["DATABASE_URL"].removeprefix("sqlite:///"))

    def rows(self, query: str, *parameters: object) -> list[tuple[object, ...]]:
        """Return what the database holds at this moment."""
        connection = sqlite3.connect(self.database, timeout=10)
        try:
            with connection:
                return connection.execute(query, parameters).fetchall()
        finally:
            connection.close()

    def forget_conversations(self) -> None:
        """Empty the queue and the desks, so that the next test finds the site as it began."""
        connection = sqlite3.connect(self.database, timeout=10, isolation_level=None)
        try:
            connection.execute("BEGIN IMMEDIATE")
            for (table,) in connection.execute(
                "SELECT name FROM sqlite_master WHERE type = 'table'"
                " AND (name LIKE 'chat\\_%' ESCAPE '\\' OR name = 'triage_intake'"
                " OR name LIKE 'roster\\_open%' ESCAPE '\\')"
                " AND name NOT IN ('chat_epoch', 'chat_quickreply')"
            ).fetchall():
                connection.execute(f"DELETE FROM {table}")
            # The demo's own colleagues stay at their desks: they hold the chat open.
            connection.execute(
                "DELETE FROM roster_presence WHERE worker_id NOT IN"
                f" (SELECT id FROM institutions_user WHERE {HOLD_OPEN})"
            )
            connection.execute("COMMIT")
        finally:
            connection.close()


# --- The demo on SQLite -------------------------------------------------------------------------


@pytest.fixture(scope="session")
def static_root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The collected static files, as an installation has them."""
    directory = tmp_path_factory.mktemp("static")
    manage("collectstatic", "--noinput", env=environment(STATIC_ROOT=str(directory)))
    return directory


@pytest.fixture(scope="session")
def migrated_database(django_db_setup: None) -> Path:
    """A SQLite file to copy: migrated, and nobody was there yet."""
    from tests import migrated

    return migrated.sqlite()


@pytest.fixture(scope="session")
def demo_database(migrated_database: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A SQLite file with the demo's people and an hour that is going on."""
    directory = tmp_path_factory.mktemp("demo")
    path = directory / "demo.sqlite3"
    shutil.copy(migrated_database, path)
    env = environment(
        DEMO="1", DATABASE_URL=f"sqlite:///{path}", EMAIL_URL=f"filemail:///{directory}/mail"
    )
    manage("demo", env=env)
    return path


def sessions_of_everybody(env: dict[str, str]) -> dict[str, str]:
    """Let every member of staff sign in, with a second factor; return session keys by name."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.sessions"],
        cwd=ROOT,
        env=env | {"DJANGO_SETTINGS_MODULE": "klikvoor.settings"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    return dict(line.split() for line in done.stdout.splitlines())


@pytest.fixture(scope="session")
def demo_with_sessions(
    demo_database: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, dict[str, str]]:
    """A copy of the demo's database to copy from, and the session keys that it knows."""
    path = tmp_path_factory.mktemp("sessions") / "demo.sqlite3"
    shutil.copy(demo_database, path)
    return path, sessions_of_everybody(environment(DATABASE_URL=f"sqlite:///{path}"))


# --- Two processes, PostgreSQL and Redis --------------------------------------------------------


class TwoServers:
    """Two processes of one site, and sessions for its people: there is no demo sign-in here."""

    def __init__(self, servers: list[Server], sessions: dict[str, str]) -> None:
        self.first, self.second = servers
        self.sessions = sessions

    async def sign_in(self, page: Any, name: str) -> None:
        """Let a Playwright page's browser be that of a signed-in worker, on both servers."""
        await page.context.add_cookies(
            [{"name": "session", "value": self.sessions[name], "domain": "localhost", "path": "/"}]
        )


def hold_open(database: str) -> None:
    """Put two workers at their desks for the whole run; outside the demo nobody else does."""
    import psycopg

    _, _, address = database.partition("@/")
    host, _, name = address.rpartition("/")
    with psycopg.connect(host=host, dbname=name, user="postgres") as connection:
        connection.execute("DELETE FROM roster_presence")
        connection.execute(
            "INSERT INTO roster_presence (worker_id, state, seen_at, ready_at, ready_since)"
            " SELECT id, 'available', now() + interval '1 hour', now() + interval '1 hour',"
            f" now() - interval '1 hour' FROM institutions_user WHERE {HOLD_OPEN}"
        )


@pytest.fixture(scope="session")
def _big_site(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    from tests import migrated

    directory = tmp_path_factory.mktemp("big")
    # Another user than root runs PostgreSQL, and has to pass.
    for parent in (directory, *directory.parents[:2]):
        parent.chmod(0o755)
    services.runtime_directory(directory)
    database, stop_database = services.start_postgresql(directory)
    redis, stop_redis = services.start_redis(directory)
    env = environment(
        DATABASE_URL=database, REDIS_URL=redis, EMAIL_URL=f"filemail:///{directory}/mail"
    )
    migrated.fill_postgresql(database)
    manage("demo", env=env | {"DEMO": "1"})
    hold_open(database)
    yield env, sessions_of_everybody(env)
    stop_redis()
    stop_database()


@pytest.fixture
def two_servers(
    _big_site: tuple[dict[str, str], dict[str, str]], static_root: Path, tmp_path: Path
) -> Iterator[TwoServers]:
    """Two `serve` processes on PostgreSQL and Redis, with the demo's people; jobs run in one."""
    env, sessions = _big_site
    env = env | {"STATIC_ROOT": str(static_root)}
    servers = [Server(tmp_path, env), Server(tmp_path, env, "--no-jobs")]
    # One site: what one of them serves, the other one's sockets accept.
    origins = ",".join(server.url for server in servers)
    for server in servers:
        server.env = server.env | {"ORIGINS": origins}
        server.start()
    yield TwoServers(servers, sessions)
    for server in servers:
        server.stop()
