"""The files of deploy/ as data: commands that have to exist, and settings that somebody has to read."""

import re
import shlex
from pathlib import Path

from django.core.management import get_commands, load_command_class

from tests.servers import ROOT

DEPLOY = ROOT / "deploy"
_READ = re.compile(r'(?:env\.\w+|required)\(\s*"([A-Z_]+)"')


def settings_that_are_read() -> set[str]:
    """The variables of the environment that an installation can set."""
    read = set(_READ.findall((ROOT / "klikvoor/settings.py").read_text()))
    assert {"SECRET_KEY", "ORIGINS", "TRUSTED_PROXIES"} <= read
    return read | {"KLIKVOOR_ENV_FILE"}


def unknown_settings(names: set[str]) -> set[str]:
    """Return those that nothing reads; `NAME_FILE` stands for `NAME`, and Python has its own."""
    names = {name.removesuffix("_FILE") if name != "KLIKVOOR_ENV_FILE" else name for name in names}
    return {name for name in names - settings_that_are_read() if not name.startswith("PYTHON")}


def try_command(command: str | list[str]) -> None:
    """Fail if manage.py would not take this command; it is not run."""
    words = shlex.split(command) if isinstance(command, str) else command
    assert words[0].rpartition("/")[2] == "python"
    assert words[1] == "manage.py"
    name = words[2]
    known = get_commands()
    assert name in known, f"there is no command {name}"
    parser = load_command_class(str(known[name]), name).create_parser("manage.py", name)
    parser.parse_args(words[3:])


def lines(file: Path, key: str) -> list[str]:
    """Return the values of `key=value` lines."""
    return re.findall(rf"^{key}=(.*)$", file.read_text(), re.MULTILINE)
