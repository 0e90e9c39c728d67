"""Who asks whether a process is well, gets the truth, and who asks from outside gets nothing."""

import asyncio
import http.client
import json
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from django.db import connection
from django.db.migrations.recorder import MigrationRecorder

from chat import process
from chat.database import in_pool
from chat.hub import hub
from chat.writer import Writer
from institutions.models import KeyCheck
from klikvoor import monitoring
from klikvoor.asgi import application
from klikvoor.health import readiness
from klikvoor.running import runs
from tests.servers import ROOT, Server, environment, free_port

READY = "/healthz/ready"


@pytest.fixture(autouse=True)
def _found_out_anew() -> Iterator[None]:
    readiness._found = {}
    yield
    readiness._found = {}
    runs.forget()


async def ask(
    path: str, method: str = "GET", host: str = "10.0.0.5:8001", **headers: str
) -> dict[str, Any]:
    """Ask as a proxy or a monitoring server does: by number, without a cookie."""
    sent = {"host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
    lines = [(name.encode(), value.encode()) for name, value in sent.items()]
    return await HttpCommunicator(application, method, path, headers=lines).get_response()


async def parts() -> tuple[int, dict[str, str]]:
    response = await ask(READY)
    return response["status"], json.loads(response["body"])


# --- Alive --------------------------------------------------------------------------------------


async def test_alive_is_said_without_a_database() -> None:
    """No database may be asked in this test: it has none."""
    response = await ask("/healthz/live")

    assert (response["status"], json.loads(response["body"])) == (200, {"status": "ok"})


# --- Ready --------------------------------------------------------------------------------------


@pytest.mark.django_db
async def test_a_process_that_is_well_is_ready() -> None:
    status, found = await parts()

    assert status == 200
    assert found.pop("doorbell", "ok") in ("ok", "away")
    assert found.pop("status") in ("ok", "degraded")
    assert found == dict.fromkeys(("process", "writer", "database", "migrations", "keys"), "ok")
    assert (await ask("/healthz"))["status"] == 200


@pytest.mark.django_db
async def test_a_process_that_was_told_to_stop_is_not_ready() -> None:
    process.leaving.set()

    status, found = await parts()

    assert (status, found["process"], found["status"]) == (503, "leaving", "unready")
    assert (await ask("/healthz/live"))["status"] == 200, "it still works, and must not be killed"


@pytest.mark.django_db
async def test_a_database_that_is_behind_the_code_is_not_ready() -> None:
    def forget_one() -> None:
        MigrationRecorder(connection).migration_qs.filter(app="chat").latest("id").delete()

    def put_back(rows: list[Any]) -> None:
        MigrationRecorder.Migration.objects.all().delete()
        MigrationRecorder.Migration.objects.bulk_create(rows)

    rows = await in_pool(lambda: list(MigrationRecorder.Migration.objects.all()))
    await in_pool(forget_one)
    try:
        status, found = await parts()
    finally:
        await in_pool(put_back, rows)

    assert (status, found["migrations"]) == (503, "missing")


@pytest.mark.django_db
async def test_a_database_of_other_keys_is_not_ready() -> None:
    await in_pool(lambda: KeyCheck.objects.create(name="hashing", proof="of another key"))

    status, found = await parts()

    assert (status, found["keys"]) == (503, "wrong")


@pytest.mark.django_db
async def test_a_database_that_fails_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(KeyCheck._meta, "db_table", "nowhere")

    status, found = await parts()

    assert (status, found["database"]) == (503, "away")


@pytest.mark.django_db
async def test_a_database_that_does_not_answer_in_time_is_not_ready(
    monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    """All threads of the process's own pool wait for something: a page would wait as well."""
    monkeypatch.setattr("klikvoor.health.DATABASE_SECONDS", 0.1)
    answer = threading.Event()
    hanging = [
        asyncio.ensure_future(in_pool(answer.wait, 20))
        for _ in range(settings.DATABASE_THREADS)  # type: ignore[attr-defined]
    ]
    try:
        status, found = await parts()
    finally:
        answer.set()
        await asyncio.gather(*hanging)

    assert (status, found["database"]) == (503, "slow")


@pytest.mark.django_db
async def test_a_writer_that_stands_still_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    # Another one than the other tests write with.
    writer = Writer()
    monkeypatch.setattr("klikvoor.health.writer", writer)
    writer.busy_since = time.monotonic() - 60
    assert (await parts())[1]["writer"] == "stuck"

    ended = threading.Thread(target=lambda: None)
    ended.start()
    ended.join()
    writer._thread = ended
    status, found = await parts()

    assert (status, found["writer"]) == (503, "dead")


@pytest.mark.django_db
async def test_without_redis_a_process_is_ready_and_says_so(
    monkeypatch: pytest.MonkeyPatch, settings: object
) -> None:
    settings.REDIS_URL = "redis://nowhere"  # type: ignore[attr-defined]
    monkeypatch.setattr(type(hub), "is_deaf", property(lambda _hub: True))

    status, found = await parts()

    assert (status, found["status"], found["doorbell"]) == (200, "degraded", "away")


@pytest.mark.django_db
async def test_a_clock_that_stands_still_is_told() -> None:
    runs.expect({"some_job": 5})
    assert (await parts())[1]["clock"] == "ok"

    runs.turned_at = time.monotonic() - 300
    status, found = await parts()

    assert (status, found["status"], found["clock"]) == (200, "degraded", "late")


@pytest.mark.django_db
async def test_asking_often_asks_the_database_once(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0

    def count() -> dict[str, str]:
        nonlocal asked
        asked += 1
        return {"database": "ok"}

    monkeypatch.setattr("klikvoor.health._ask_database", count)
    await asyncio.gather(*(ask(READY) for _ in range(20)))
    await ask("/healthz")

    assert asked == 1


# --- Who may ask --------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(monitoring.PATHS))
@pytest.mark.parametrize(
    "headers",
    [
        {"x_forwarded_for": "203.0.113.7"},
        {"forwarded": "for=203.0.113.7"},
        {"x_real_ip": "203.0.113.7"},
        {"host": "chat.example.org"},
        {"host": "CHAT.example.org:443"},
        {"authorization": "Bearer wrong", "x_forwarded_for": "203.0.113.7"},
    ],
)
async def test_who_comes_from_outside_finds_nothing(
    settings: object, path: str, headers: dict[str, str]
) -> None:
    settings.ALLOWED_HOSTS = ["chat.example.org"]  # type: ignore[attr-defined]

    response = await ask(path, **headers)

    assert (response["status"], response["body"]) == (404, b"")


@pytest.mark.django_db
async def test_with_a_token_the_numbers_need_it(settings: object) -> None:
    settings.METRICS_TOKEN = "long-and-made-by-chance"  # type: ignore[attr-defined]

    assert (await ask("/metrics"))["status"] == 404
    assert (await ask("/metrics", authorization="Bearer long"))["status"] == 404
    assert (await ask("/metrics", authorization="Basic long-and-made-by-chance"))["status"] == 404
    told = "Bearer long-and-made-by-chance"
    assert (await ask("/metrics", authorization=told))["status"] == 200
    # From another network, over a proxy that ends TLS.
    far = {"authorization": told, "x_forwarded_for": "203.0.113.7"}
    assert (await ask("/metrics", **far))["status"] == 200
    assert (await ask(READY))["status"] == 200, "a proxy beside us has no token"


async def test_nothing_can_be_sent_there() -> None:
    for path in sorted(monitoring.PATHS):
        assert (await ask(path, "POST"))["status"] == 405


async def test_the_answer_names_no_version_and_is_kept_by_nobody() -> None:
    response = await ask("/healthz/live")

    headers = {name.decode().lower(): value.decode() for name, value in response["headers"]}
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert "server" not in headers


# --- Beside the jobs ----------------------------------------------------------------------------


def fetch(port: int, path: str) -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
            return response.status, response.read().decode(), response.headers["Server"]
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode(), error.headers["Server"]


def fetch_or_none(port: int, path: str) -> tuple[int, str, str] | None:
    try:
        return fetch(port, path)
    except OSError:
        return None


@pytest.mark.django_db
async def test_the_process_of_the_jobs_answers_on_a_port_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    port = free_port()
    stop = monitoring.serve_beside(asyncio.get_running_loop(), "127.0.0.1", port)
    try:
        status, body, server = await asyncio.to_thread(fetch, port, READY)
        assert (status, json.loads(body)["database"]) == (200, "ok")
        assert "Python" not in server
        assert (await asyncio.to_thread(fetch, port, "/metrics"))[0] == 200
        assert (await asyncio.to_thread(fetch, port, "/"))[0] == 404

        monkeypatch.setattr(monitoring, "LOOP_SECONDS", 0.2)
        asking = asyncio.to_thread(fetch, port, "/healthz/live")
        waiting = asyncio.ensure_future(asking)
        await asyncio.sleep(0)
        # What must never happen: something holds the loop.
        time.sleep(0.8)
        assert (await waiting)[0] == 503
    finally:
        await asyncio.to_thread(stop)


def test_the_jobs_answer_for_themselves(demo_database: Path, tmp_path: Path) -> None:
    database = tmp_path / "klikvoor.sqlite3"
    shutil.copy(demo_database, database)
    env = environment(
        DEMO="1",
        DATABASE_URL=f"sqlite:///{database}",
        EMAIL_URL=f"filemail:///{tmp_path}/mail",
    )
    port = free_port()
    command = [sys.executable, "manage.py", "jobs", "--port", str(port)]
    with socket.create_server(("127.0.0.1", port)):
        done = subprocess.run(
            command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
        )
    assert done.returncode == 1
    assert "--port names a place where it cannot listen" in done.stderr

    jobs = subprocess.Popen(command, cwd=ROOT, env=env, stdout=subprocess.DEVNULL)
    try:
        deadline = time.monotonic() + 30
        while (found := fetch_or_none(port, READY)) is None or "clock" not in found[1]:
            assert jobs.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        status, body, _server = found
        assert (status, json.loads(body)["clock"]) == (200, "ok")
        assert (
            'klikvoor_job_every_seconds{name="evaluate_openings"} 5.0' in fetch(port, "/metrics")[1]
        )
    finally:
        jobs.terminate()
        assert jobs.wait(20) == 0


# --- A real process -----------------------------------------------------------------------------


def test_a_real_process_is_asked_by_number_and_says_that_it_goes(
    demo_database: Path, static_root: Path, tmp_path: Path
) -> None:
    database = tmp_path / "klikvoor.sqlite3"
    shutil.copy(demo_database, database)
    server = Server(
        tmp_path,
        environment(
            DEMO="1",
            DATABASE_URL=f"sqlite:///{database}",
            EMAIL_URL=f"filemail:///{tmp_path}/mail",
            STATIC_ROOT=str(static_root),
        ),
    )
    server.start()
    try:
        proxy = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)

        def get(path: str) -> tuple[int, bytes]:
            proxy.request("GET", path, headers={"Host": "10.0.0.5:8001"})
            response = proxy.getresponse()
            return response.status, response.read()

        assert get("/")[0] == 400, "pages are for the names of the site"
        assert get(READY)[0] == 200
        assert get("/healthz/live")[0] == 200
        status, numbers = get("/metrics")
        assert status == 200
        assert b'klikvoor_job_runs_total{name="evaluate_openings",outcome="succeeded"}' in numbers

        assert server.process is not None
        server.process.send_signal(signal.SIGTERM)
        told = [200]
        while told[-1] == 200:
            told.append(get(READY)[0])
        assert told[-1] == 503, "the connection that a proxy kept open hears it as well"
        proxy.close()
    finally:
        server.stop()
