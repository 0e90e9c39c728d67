"""Databases as `migrate` leaves them, to copy: sixty migrations ask seven seconds of a processor.

Each kind is migrated once in a process: for the tests' own database, or else by who asks first.
"""

import atexit
import shutil
import sqlite3
import subprocess
import tempfile
from contextlib import closing
from pathlib import Path

from tests import services
from tests.servers import environment, manage

_kept: dict[str, Path] = {}


def _new(name: str) -> Path:
    directory = Path(tempfile.mkdtemp(prefix="klikvoor-migrated-"))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return directory / name


def _program(name: str, url: str, *arguments: str) -> None:
    """Run a program of PostgreSQL's on the database with this address, as services.py makes it."""
    host, _, database = url.partition("@/")[2].rpartition("/")
    program = services.postgresql_programs() / name
    done = subprocess.run(
        [program, "-h", host, "-U", "postgres", "-d", database, *arguments],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def keep_sqlite(database: Path) -> None:
    """Remember this file, which was migrated and holds nothing else yet."""
    kept = _new("migrated.sqlite3")
    with closing(sqlite3.connect(database)) as made, closing(sqlite3.connect(kept)) as copy:
        made.backup(copy)
    _kept["sqlite"] = kept


def keep_postgresql(url: str) -> None:
    """Remember this database, which was migrated and holds nothing else yet."""
    kept = _new("migrated.sql")
    _program("pg_dump", url, "--file", str(kept))
    _kept["postgresql"] = kept


def sqlite() -> Path:
    """Return a SQLite file to copy: migrated, and nobody was there yet."""
    if "sqlite" not in _kept:
        path = _new("first.sqlite3")
        manage("migrate", "--verbosity", "0", env=environment(DATABASE_URL=f"sqlite:///{path}"))
        keep_sqlite(path)
    return _kept["sqlite"]


def fill_postgresql(url: str) -> None:
    """Migrate this empty database."""
    if "postgresql" in _kept:
        script = str(_kept["postgresql"])
        _program(
            "psql", url, "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", "-1f", script
        )
    else:
        manage("migrate", "--verbosity", "0", env=environment(DATABASE_URL=url))
        keep_postgresql(url)
