"""The machine and its files: limits, memory, disks, and who may read the keys."""

import os
import resource
import shutil
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings

from klikvoor.doctor import Line, note, well, wrong
from klikvoor.startup import SQLITE

# A window takes one file; 10,000 of them, and what a process opens itself.
FILES = 4096
MEMORY = 256 * 1024**2
DISK, LITTLE_DISK = 512 * 1024**2, 2 * 1024**3
# On these a lock does not hold for everybody, or a commit is said to be on disk when it is not.
NETWORK_FILES = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs"}
)
SECRETS = (
    *("SECRET_KEY", "SECRET_KEY_FALLBACKS", "HASHING_KEY", "SEALING_KEYS", "METRICS_TOKEN"),
    *("DATABASE_URL", "REDIS_URL", "EMAIL_URL", "MAIL_FETCH_URL"),
)


@dataclass(frozen=True)
class Process:
    """A process of ours on this machine. `kind`: serve or jobs."""

    pid: int
    kind: str

    @property
    def files(self) -> int | None:
        """How many files it may open; None when it may not be looked at."""
        try:
            for line in Path(f"/proc/{self.pid}/limits").read_text().splitlines():
                if line.startswith("Max open files"):
                    soft = line.split()[3]
                    return None if soft == "unlimited" else int(soft)
        except (OSError, ValueError):
            pass
        return None


def processes() -> list[Process]:
    """The processes of this checkout that run on this machine, as far as we may see them."""
    found = []
    here = Path(settings.BASE_DIR).resolve()
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            words = (directory / "cmdline").read_bytes().split(b"\0")
            folder = (directory / "cwd").readlink()
        except OSError:
            continue
        if folder != here or not any(word.endswith(b"manage.py") for word in words):
            continue
        pid = int(directory.name)
        found += [Process(pid, kind) for kind in ("serve", "jobs") if kind.encode() in words]
    return found


def limits() -> Iterator[Line]:
    ours = processes()
    few = [process for process in ours if (process.files or FILES) < FILES]
    for process in few:
        yield wrong(
            f"Process {process.pid} ({process.kind}) may open {process.files} files.",
            "Each window is one. When they are used up nobody comes in any more, and some pages fail.",
            "Set LimitNOFILE=16384 in its unit file, or `ulimit -n 16384` before it starts.",
        )
    if ours and not few:
        count = "1 process" if len(ours) == 1 else f"{len(ours)} processes"
        yield well(f"{count} of ours here, with enough files.")
    if not ours:
        soft, _hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        say = well if soft >= FILES else note
        yield say(f"No process of ours was seen here. One started like this may open {soft} files.")


def memory() -> Iterator[Line]:
    free = available_memory()
    if free is None:
        yield note("This system does not say how much memory is free.")
    elif free < MEMORY:
        yield wrong(
            f"Only {free // 1024**2} MiB of memory is free.",
            "Linux ends a process when nothing is left, and with it all its windows.",
            "Look what takes it (`ps aux --sort=-rss | head`), or give the machine more. A process"
            " takes about 100 MiB, and 40 MiB for each 1,000 windows.",
        )
    else:
        yield well(f"{free // 1024**2} MiB of memory is free.")


def available_memory(path: Path = Path("/proc/meminfo")) -> int | None:
    try:
        for line in path.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    except OSError:
        pass
    return None


def disks() -> Iterator[Line]:
    """Where we write ourselves; the disk of PostgreSQL is that machine's own matter."""
    places = [
        ("static files are kept", Path(settings.STATIC_ROOT), False),
        ("what was erased is noted", Path(settings.ERASED_LIST).parent, False),
    ]
    if _is_sqlite():
        database = Path(settings.DATABASES["default"]["NAME"])
        places.append(("the database is kept", database.parent, True))
    for what, place, is_vital in places:
        if not place.is_dir():
            continue
        free = shutil.disk_usage(place).free
        where = f"{free // 1024**2} MiB is free where {what} ({place})."
        if is_vital and free < DISK:
            yield wrong(
                f"Only {where}",
                "On a full disk nothing is stored: messages are refused, and nobody can sign in.",
                "Make room or take a bigger disk. Old backups and logs are the usual reason.",
            )
        elif free < LITTLE_DISK:
            yield note(f"Only {where}")
        else:
            yield well(where)


def _is_sqlite() -> bool:
    return bool(settings.DATABASES["default"]["ENGINE"] == SQLITE)


def erased_list() -> Iterator[Line]:
    """Whether a restored backup would know what young people took back since it was made."""
    path = Path(settings.ERASED_LIST)
    there = next(place for place in (path, *path.absolute().parents) if place.exists())
    why = "What was erased after the last backup would come back with it."
    if not os.access(there, os.W_OK):
        yield wrong(
            f"The list of what was erased cannot be written ({path}).",
            why,
            "Name a file in ERASED_LIST that the user of the services may make and write.",
        )
    elif not _is_sqlite() and path.is_relative_to(settings.BASE_DIR):
        yield note(
            f"The list of what was erased stands among the files of this version ({path}).",
            f"The next version would begin another one. {why}",
            "Name a file elsewhere in ERASED_LIST, and move the list there.",
        )
    else:
        yield well(f"What is erased is noted in {path}.")


def files_of_keys() -> Iterator[Line]:
    """Who may read the files in which keys and passwords stand."""
    paths = {os.environ.get("KLIKVOOR_ENV_FILE", "")}
    paths |= {os.environ.get(f"{name}_FILE", "") for name in SECRETS}
    found = sorted(Path(path) for path in paths if path)
    for path in found:
        yield from private(path, "It holds keys: who reads them can read what young people wrote.")
    if not found:
        yield well("Keys come from the environment, not from a file that we know of.")


def private(path: Path, why: str) -> Iterator[Line]:
    try:
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        yield wrong(f"{path} cannot be looked at ({error.strerror}).", why, "Look at its owner.")
        return
    if mode & 0o007 and is_in_reach(path):
        yield wrong(
            f"Everybody on this machine may open {path} ({mode:04o}).",
            why,
            f"`chmod 600 {path}`, owned by the user that runs Klikvoor.",
        )
    elif mode & 0o020:
        yield wrong(f"A whole group may change {path} ({mode:04o}).", why, f"`chmod 640 {path}`.")
    else:
        yield well(f"{path} is not for everybody on this machine ({mode:04o}).")


def is_in_reach(path: Path) -> bool:
    """Whether somebody who is not the owner gets as far as this file at all."""
    return all(folder.stat().st_mode & stat.S_IXOTH for folder in path.absolute().parents)


def file_system(path: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """The kind of file system on which a path lies; empty when that is not to be found out."""
    best, kind = "", ""
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    place = str(path.resolve())
    for line in lines:
        _device, at, this, *_rest = line.split()
        at = at.replace("\\040", " ")
        if (place == at or place.startswith(at.rstrip("/") + "/")) and len(at) >= len(best):
            best, kind = at, this
    return kind


def is_network(kind: str) -> bool:
    return kind in NETWORK_FILES or kind.startswith("fuse.")
