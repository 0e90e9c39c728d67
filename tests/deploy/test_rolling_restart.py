"""deploy/rolling-restart.sh, with a systemctl that only writes down what it is asked.

What a restart does to people who talk is tried in test_behind_nginx.py.
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.deploy.files import DEPLOY

SYSTEMCTL = """#!/bin/sh
echo "$@" >> "$CALLS"
case $1 in
list-units)
    case "$*" in
    *klikvoor@*) for port in $PORTS; do echo "klikvoor@$port.service loaded active running Klikvoor"; done ;;
    *) [ -z "$NO_JOBS" ] && echo "klikvoor-jobs.service loaded activating auto-restart Klikvoor's jobs" ;;
    esac ;;
esac
"""


class Process(ThreadingHTTPServer):
    """Says whether it is ready, as a process does at /healthz/ready."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Ready)
        self.is_ready = True
        # So often it is asked in vain before.
        self.in_vain = 0
        self.port = self.server_address[1]
        threading.Thread(target=self.serve_forever, daemon=True).start()


class Ready(BaseHTTPRequestHandler):
    server: Process

    def do_GET(self) -> None:
        found = self.path == "/healthz/ready"
        is_ready = self.server.is_ready and not self.server.in_vain
        self.server.in_vain = max(0, self.server.in_vain - 1)
        self.send_response((200 if is_ready else 503) if found else 404)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def processes() -> Iterator[list[Process]]:
    if shutil.which("curl") is None:
        pytest.skip("no curl on this machine. On Debian: apt install curl")
    three = [Process(), Process(), Process()]
    yield three
    for one in three:
        one.shutdown()
        one.server_close()


def run(
    processes: list[Process], directory: Path, *ports: int, jobs_port: int | None = None
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    systemctl = directory / "systemctl"
    systemctl.write_text(SYSTEMCTL)
    systemctl.chmod(0o755)
    calls = directory / "calls"
    done = subprocess.run(
        [DEPLOY / "rolling-restart.sh", *map(str, ports)],
        env=os.environ
        | {
            "SYSTEMCTL": str(systemctl),
            "CALLS": str(calls),
            "PORTS": " ".join(str(one.port) for one in processes),
            "PATIENCE": "1",
            "JOBS": str(jobs_port or processes[-1].port),
            "NO_JOBS": "" if jobs_port is None or jobs_port else "1",
        },
        capture_output=True,
        text=True,
    )
    return done, calls.read_text().splitlines() if calls.exists() else []


def test_all_are_restarted_in_turn_and_the_jobs_last(
    processes: list[Process], tmp_path: Path
) -> None:
    done, calls = run(processes, tmp_path)
    assert done.returncode == 0, done.stderr
    restarts = [call for call in calls if call.startswith("restart")]
    assert restarts == [
        *(f"restart klikvoor@{one.port}.service" for one in processes),
        "restart klikvoor-jobs.service",
    ]


def test_one_that_does_not_come_up_leaves_the_rest_alone(
    processes: list[Process], tmp_path: Path
) -> None:
    _, second, third = processes
    second.is_ready = False
    done, calls = run(processes, tmp_path)
    assert done.returncode == 1
    assert f"{second.port} is not ready" in done.stderr
    assert f"restart klikvoor@{second.port}.service" in calls
    assert not [
        call for call in calls if str(third.port) in call or "restart klikvoor-jobs" in call
    ]


def test_the_last_one_that_is_ready_is_not_stopped(
    processes: list[Process], tmp_path: Path
) -> None:
    first, _, third = processes
    first.is_ready = third.is_ready = False
    done, calls = run(processes, tmp_path)
    assert done.returncode == 1
    assert [call for call in calls if call.startswith("restart")] == [
        f"restart klikvoor@{first.port}.service"
    ]


def test_when_nobody_is_ready_nobody_is_stopped(processes: list[Process], tmp_path: Path) -> None:
    for one in processes:
        one.is_ready = False
    done, calls = run(processes, tmp_path)
    assert done.returncode == 1
    assert f"{processes[0].port} stays as it is" in done.stderr
    assert not [call for call in calls if call.startswith("restart")]


def test_who_did_not_come_up_is_the_first_on_the_way_back(
    processes: list[Process], tmp_path: Path
) -> None:
    first, second, third = processes
    second.in_vain = 1  # it is ready after its restart
    done, calls = run(processes, tmp_path)
    assert done.returncode == 0, done.stderr
    assert [call for call in calls if call.startswith("restart klikvoor@")] == [
        f"restart klikvoor@{one.port}.service" for one in (second, first, third)
    ]
    assert "--state=active,activating" in calls[0], "systemd calls it so while it tries"


def test_jobs_that_do_not_come_up_are_told_of(processes: list[Process], tmp_path: Path) -> None:
    *serving, jobs = processes
    jobs.is_ready = False
    done, _ = run(serving, tmp_path, jobs_port=jobs.port)
    assert done.returncode == 1
    assert "The jobs are not ready" in done.stderr


def test_a_machine_without_jobs_is_done_with_its_processes(
    processes: list[Process], tmp_path: Path
) -> None:
    done, calls = run(processes, tmp_path, jobs_port=0)
    assert done.returncode == 0, done.stderr
    assert "restart klikvoor-jobs.service" not in calls


def test_some_can_be_named(processes: list[Process], tmp_path: Path) -> None:
    first, second, _ = processes
    done, calls = run(processes, tmp_path, second.port, first.port)
    assert done.returncode == 0, done.stderr
    restarts = [call for call in calls if call.startswith("restart klikvoor@")]
    assert restarts == [f"restart klikvoor@{one.port}.service" for one in (second, first)]
