"""Write the rows of the database to a file, and load them into an empty one.

Without the rows of `LEFT_OUT`: keys, which have a file of their own; sign-ins, which end; answers of
people who had not begun to talk; and the epoch, which is new after every restore.
"""

import os
import re
import shutil
import sqlite3
import subprocess
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import Model

from chat.models import Conversation, ConversationKey, Epoch
from institutions.models import Brand, User
from klikvoor.backups.files import BadBackup
from triage.models import Intake

LEFT_OUT: tuple[type[Model], ...] = (ConversationKey, Intake, Session, UserSession, Epoch)
# Who just left, we ourselves among them, is in PostgreSQL's list for a moment.
LEAVING_SECONDS = 2.0
# The copy that is being made, as a database to ask.
COPY = "copy of a backup"


def kind_of_database() -> str:
    return "sqlite" if connection.vendor == "sqlite" else "postgresql"


@contextmanager
def snapshot() -> Iterator["Snapshot"]:
    """One moment of the database, to be written down and asked; nobody who serves waits for it."""
    if kind_of_database() == "sqlite":
        yield SqliteSnapshot()
        return
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            cursor.execute("SELECT pg_export_snapshot()")
            [name] = cursor.fetchone()
        yield PostgresSnapshot(name)


class Snapshot:
    # The alias of a database that holds exactly this moment.
    using = "default"

    def written(self, path: Path) -> AbstractContextManager[None]:
        """Write the file, which is there and empty; meanwhile `using` may be asked."""
        raise NotImplementedError


class SqliteSnapshot(Snapshot):
    using = COPY

    @contextmanager
    def written(self, path: Path) -> Iterator[None]:
        name = settings.DATABASES["default"]["NAME"]
        with (
            closing(sqlite3.connect(name, timeout=20)) as own,
            closing(sqlite3.connect(path)) as to,
        ):
            # In one step: a reader, whom no writer disturbs and who disturbs none.
            own.backup(to)
            to.execute("PRAGMA journal_mode=DELETE")
        with asking(COPY, str(path)):
            yield
        with closing(sqlite3.connect(path, isolation_level=None)) as copy:
            # A journal would keep the keys that are taken out; a copy that fails is thrown away.
            copy.execute("PRAGMA journal_mode=OFF")
            copy.execute("PRAGMA secure_delete=ON")
            for model in LEFT_OUT:
                copy.execute(f'DELETE FROM "{model._meta.db_table}"')  # noqa: S608
            copy.execute("VACUUM")
            check_sqlite(copy)


@contextmanager
def asking(alias: str, name: str) -> Iterator[None]:
    """Let the ORM ask another database of the same kind, by its name or file, under this alias."""
    other = connection.copy(alias)
    # As for the real one, certificates and all; without its pool. SQLite's would begin a journal.
    options = {} if connection.vendor == "sqlite" else connection.settings_dict["OPTIONS"]
    options = {key: value for key, value in options.items() if key != "pool"}
    other.settings_dict |= {"NAME": name, "OPTIONS": options}
    connections[alias] = other
    try:
        yield
    finally:
        other.close()
        del connections[alias]


def check_sqlite(copy: sqlite3.Connection) -> None:
    """Raises BadBackup when the file is broken inside."""
    [[verdict]] = copy.execute("PRAGMA integrity_check(1)").fetchall()
    if verdict != "ok":
        raise BadBackup("The database is damaged: SQLite's integrity check failed.")
    if copy.execute("PRAGMA foreign_key_check").fetchone():
        raise BadBackup("The database is damaged: a row points at one that is not there.")


class PostgresSnapshot(Snapshot):
    def __init__(self, name: str) -> None:
        self.name = name

    @contextmanager
    def written(self, path: Path) -> Iterator[None]:
        left_out = [f"--exclude-table-data=public.{model._meta.db_table}" for model in LEFT_OUT]
        run_tool(
            "pg_dump",
            "--format=custom",
            "--schema=public",
            "--no-owner",
            "--no-privileges",
            f"--snapshot={self.name}",
            *left_out,
            f"--file={path}",
        )
        yield


# --- Checking and loading ---------------------------------------------------------------------------


def check_file(kind: str, path: Path) -> None:
    """Read a file of rows from beginning to end. Raises BadBackup."""
    if kind == "sqlite":
        try:
            with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as copy:
                check_sqlite(copy)
        except sqlite3.DatabaseError:
            raise BadBackup(f"{path.name} is not a database.") from None
        return
    run_tool("pg_restore", f"--file={os.devnull}", str(path))


def is_empty() -> bool:
    """Whether this database holds no conversation, no account, no site, and nothing of others."""
    try:
        tables = set(connection.introspection.table_names())
        if tables - set(connection.introspection.django_table_names()) - {"django_migrations"}:
            return False
        models: tuple[Any, ...] = (Conversation, User, Brand)
        return not any(m._meta.db_table in tables and m._default_manager.exists() for m in models)
    except DatabaseError:
        return False


def load_sqlite(rows: Path, database: Path) -> None:
    """Make a database file of a backup, for nobody else to read."""
    database.unlink(missing_ok=True)
    os.close(os.open(database, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    shutil.copyfile(rows, database)
    if os.geteuid() == 0:
        # Root restores what another user serves.
        owner = database.parent.stat()
        os.chown(database, owner.st_uid, owner.st_gid)


def load_postgresql(rows: Path, aside: str) -> None:
    """Load a backup, all or nothing. What was there goes to the schema `aside`, if that is named."""
    with connection.cursor() as cursor:
        if aside:
            cursor.execute(f'ALTER SCHEMA public RENAME TO "{aside}"')
        else:
            cursor.execute("DROP SCHEMA public CASCADE")
    try:
        # The dump makes the schema itself, because it names it.
        run_tool(
            "pg_restore",
            "--single-transaction",
            "--exit-on-error",
            "--no-owner",
            "--no-privileges",
            f"--dbname={connection.settings_dict['NAME']}",
            str(rows),
        )
    except BadBackup:
        back = f'ALTER SCHEMA "{aside}" RENAME TO public' if aside else "CREATE SCHEMA public"
        with connection.cursor() as cursor:
            cursor.execute(back)
        raise


def others_at_postgresql() -> int:
    """How many connections others have to this database."""
    connection.close()
    connection.close_pool()  # type: ignore[attr-defined]
    until = time.monotonic() + LEAVING_SECONDS
    with psycopg.connect(autocommit=True, **_parameters()) as own:
        while True:
            row = own.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                " AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            ).fetchone()
            others = int(row[0]) if row else 0
            if not others or time.monotonic() > until:
                return others
            time.sleep(0.05)


# What libpq can be told, and the variables in which its programs read it.
VARIABLES = {
    option.keyword.decode(): option.envvar.decode()
    for option in psycopg.pq.Conninfo.get_defaults()
    if option.envvar
}


def _parameters() -> dict[str, Any]:
    """How to connect, as Django does, for a connection of our own: to the server that takes writes."""
    found = connection.get_connection_params()
    return {name: found[name] for name in VARIABLES if found.get(name)}


# --- PostgreSQL's own tools ---------------------------------------------------------------------------


@dataclass(frozen=True)
class Tool:
    path: Path
    version: int


def find_tool(name: str) -> Tool:
    """Return PostgreSQL's program of this name that is as new as the server. Raises BadBackup."""
    server = connection.pg_version // 10_000  # type: ignore[attr-defined]
    places = [Path(settings.PG_BIN)] if settings.PG_BIN else []
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    places += [Path(place) for place in os.environ.get("PATH", "").split(os.pathsep) if place]
    found = [tool for place in places if (tool := _tool(place / name))]
    # The server's own version writes what that server can load again.
    for tool in found:
        if tool.version == server:
            return tool
    for tool in found:
        if tool.version > server:
            return tool
    raise BadBackup(
        f"There is no {name} of PostgreSQL {server}. Install postgresql-client-{server}, or name its"
        " directory in PG_BIN."
    )


def _tool(path: Path) -> Tool | None:
    if not os.access(path, os.X_OK):
        return None
    told = subprocess.run([path, "--version"], capture_output=True, text=True, check=False).stdout
    match = re.search(r"(\d+)", told.partition(")")[2])
    return Tool(path, int(match[1])) if match else None


def run_tool(name: str, *arguments: str) -> None:
    """Run one of PostgreSQL's programs on our database. Raises BadBackup with what it said."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    environment |= {VARIABLES[name]: str(value) for name, value in _parameters().items()}
    done = subprocess.run(
        [find_tool(name).path, *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        # What PostgreSQL says may quote a row; its first line names the kind of trouble.
        first = (done.stderr.strip().splitlines() or ["it said nothing"])[0]
        raise BadBackup(f"{name} failed: {first[:200]}")
