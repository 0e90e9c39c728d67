"""The units of systemd fit the code, and systemd understands them."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.files import DEPLOY, lines, try_command, unknown_settings
from tests.servers import ROOT, environment

UNITS = DEPLOY / "systemd"
HARDENING = UNITS / "klikvoor@.service.d/hardening.conf"
SERVICES = sorted(UNITS.glob("*.service"))
ANALYZE = shutil.which("systemd-analyze")


def test_there_are_units() -> None:
    assert {unit.name for unit in SERVICES} >= {"klikvoor@.service", "klikvoor-jobs.service"}


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_every_command_exists(unit: Path) -> None:
    (command,) = lines(unit, "ExecStart")
    try_command(command.removeprefix("/usr/bin/env ").replace("%i", "8001"))


@pytest.mark.parametrize("unit", SERVICES, ids=lambda unit: unit.name)
def test_a_process_stays_with_the_packages_of_its_release(unit: Path, tmp_path: Path) -> None:
    """`current` leads to the next one before it ends, and much is imported late."""
    for release in ("1", "2"):
        subprocess.run(
            [sys.executable, "-m", "venv", "--without-pip", tmp_path / release / ".venv"],
            check=True,
        )
    current = tmp_path / "current"
    current.symlink_to("1")
    (command,) = lines(unit, "ExecStart")
    (directory,) = lines(unit, "WorkingDirectory")
    python, _, _ = command.partition(" manage.py")
    shown = subprocess.run(
        [*python.replace(directory, str(current)).split(), "-c", "import sys; print(sys.prefix)"],
        cwd=current,
        capture_output=True,
        text=True,
        check=True,
    )
    assert Path(shown.stdout.strip()) == (tmp_path / "1/.venv").resolve()


def test_every_setting_is_read() -> None:
    names = {name for name, _ in settings_of_the_example()}
    names |= {
        word.partition("=")[0]
        for file in (*SERVICES, HARDENING)
        for line in lines(file, "Environment")
        for word in line.split()
    }
    assert unknown_settings(names) == set()


def test_it_stops_later_than_it_drains() -> None:
    from klikvoor.management.commands.serve import DRAIN_SECONDS

    (seconds,) = lines(UNITS / "klikvoor@.service", "TimeoutStopSec")
    assert int(seconds) >= 2 * DRAIN_SECONDS


def test_the_list_of_what_was_erased_can_be_written() -> None:
    """All else is read-only for the units; without the list a restored backup brings back too much."""
    file = Path(dict(settings_of_the_example())["ERASED_LIST"])
    (state,) = lines(HARDENING, "StateDirectory")
    assert file.parent == Path("/var/lib") / state


@pytest.mark.parametrize("name", ["klikvoor@.service", "klikvoor-jobs.service"])
def test_the_target_is_stopped_once_nobody_is_left(name: str) -> None:
    """systemctl waits for what it stops itself only; what starts behind the target stops before it."""
    assert "klikvoor.target" in lines(UNITS / name, "PartOf")
    assert "klikvoor.target" in lines(UNITS / name, "After")


def test_all_units_are_hardened_alike() -> None:
    assert (UNITS / "klikvoor-.service.d/hardening.conf").resolve() == HARDENING


@pytest.fixture
def installed(tmp_path: Path) -> Path:
    """The units with this Python in place of the installed one, which is not here."""
    if ANALYZE is None:
        pytest.skip("no systemd-analyze on this machine. On Debian: apt install systemd")
    directory = tmp_path / "units"
    shutil.copytree(UNITS, directory, symlinks=True)
    for unit in directory.glob("*.service"):
        text = unit.read_text().replace("/usr/bin/env .venv/bin/python", sys.executable)
        assert sys.executable in text
        unit.write_text(text.replace("file:/opt/klikvoor/current/", f"file:{ROOT}/"))
    shutil.copy(directory / "klikvoor@.service", directory / "klikvoor@8001.service")
    return directory


def analyze(*arguments: str, units: Path) -> str:
    assert ANALYZE is not None
    done = subprocess.run(
        [ANALYZE, *arguments],
        env=os.environ | {"SYSTEMD_UNIT_PATH": f"{units}:", "LC_ALL": "C.UTF-8"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_systemd_understands_them(installed: Path) -> None:
    names = [
        name for kind in ("service", "timer", "target") for name in installed.glob(f"*.{kind}")
    ]
    names.remove(installed / "klikvoor@.service")
    told = analyze("verify", "--man=no", *(str(name) for name in names), units=installed)
    assert [line for line in told.splitlines() if "klikvoor" in line] == []


@pytest.mark.parametrize("name", ["klikvoor@8001", "klikvoor-jobs", "klikvoor-backup"])
def test_what_runs_may_do_little(installed: Path, name: str) -> None:
    unit = installed / f"{name}.service"
    told = analyze("security", "--offline=true", "--no-pager", str(unit), units=installed)
    exposure = re.search(r"exposure level .*: ([\d.]+)", told)
    assert exposure is not None
    assert float(exposure[1]) <= 1.5


# --- The example of /etc/klikvoor/klikvoor.env --------------------------------------------------


def settings_of_the_example() -> list[tuple[str, str]]:
    text = (UNITS / "klikvoor.env").read_text()
    return re.findall(r"^([A-Z_]+)=(.*)$", text, re.MULTILINE)


def test_an_installation_after_the_example_is_safe(tmp_path: Path) -> None:
    """Files of secrets end with a line feed, as editors and `echo` leave them."""
    fresh = subprocess.run(
        [sys.executable, "-m", "klikvoor.newkeys"], cwd=ROOT, capture_output=True, text=True
    ).stdout
    secrets = {
        name.lower(): value.strip("\"'") for name, value in re.findall(r"^(\w+)=(.*)$", fresh, re.M)
    } | {
        "database_url": f"sqlite:///{tmp_path}/klikvoor.sqlite3",
        "redis_url": "redis://localhost:6379/0",
        "email_url": "smtp+tls://mail.klikvoor.example:587",
    }
    for name, value in secrets.items():
        (tmp_path / name).write_text(f"{value}\n")
    example = (UNITS / "klikvoor.env").read_text()
    file = tmp_path / "klikvoor.env"
    file.write_text(example.replace("/etc/klikvoor/secrets/", f"{tmp_path}/"))
    bare = {
        name: value
        for name, value in environment().items()
        if name not in ("SECRET_KEY", "HASHING_KEY", "SEALING_KEYS")
    }
    done = subprocess.run(
        [sys.executable, "manage.py", "check", "--deploy", "--fail-level", "WARNING"],
        cwd=ROOT,
        env=bare | {"KLIKVOOR_ENV_FILE": str(file)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    shown = subprocess.run(
        [
            sys.executable,
            "-c",
            "from klikvoor.settings import *; print(repr(DATABASE['NAME']), repr(SECRET_KEY[-1]))",
        ],
        cwd=ROOT,
        env=bare | {"KLIKVOOR_ENV_FILE": str(file)},
        capture_output=True,
        text=True,
    )
    assert "\\n" not in shown.stdout + shown.stderr
    assert shown.stdout.startswith(repr(f"{tmp_path}/klikvoor.sqlite3"))
