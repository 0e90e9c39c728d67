"""The files of a backup: what they are called, what proves that they are whole, how long they stay.

    klikvoor-20261125T101500Z.json      what is in it; signed, and written last
    klikvoor-20261125T101500Z.sqlite3   the rows (.pgdump on PostgreSQL)
    klikvoor-20261125T101500Z.keys      the keys of conversations and what held; signed

Everything is written under another name first and renamed when it is on the disk, so what has its own
name is whole. The signatures are made with HASHING_KEY: nobody without it can make a backup that is
accepted, or change one.
"""

import fcntl
import hashlib
import hmac
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings

FORMAT = 1
PARTIAL = ".partial"
_STAMP = "%Y%m%dT%H%M%SZ"
_CHUNK = 2**20


class BadBackup(Exception):
    """A backup that cannot be used; the sentence says why, for the person at the terminal."""


@dataclass(frozen=True)
class Backup:
    """One backup, by its place and the name that its files share."""

    directory: Path
    stem: str

    @classmethod
    def of(cls, file: Path) -> "Backup":
        """The backup to which a file belongs, whichever of its files it is."""
        stem = file.name.partition(".")[0]
        backup = cls(file.absolute().parent, stem)
        if not backup.manifest_file.exists():
            raise BadBackup(
                f"There is no {backup.manifest_file.name} beside it, which says what is in the"
                " backup: it was never finished, or is not one."
            )
        return backup

    @classmethod
    def named(cls, directory: Path, now: datetime) -> "Backup":
        return cls(directory, f"klikvoor-{now.astimezone(UTC):{_STAMP}}")

    @property
    def made_at(self) -> datetime:
        try:
            return datetime.strptime(self.stem, f"klikvoor-{_STAMP}").replace(tzinfo=UTC)
        except ValueError:
            raise BadBackup(f"{self.stem} is not the name of a backup.") from None

    @property
    def manifest_file(self) -> Path:
        return self.directory / f"{self.stem}.json"

    @property
    def keys_file(self) -> Path:
        return self.directory / f"{self.stem}.keys"

    def rows_file(self, kind: str) -> Path:
        return self.directory / f"{self.stem}.{'sqlite3' if kind == 'sqlite' else 'pgdump'}"

    def manifest(self) -> dict[str, Any]:
        """Return what is in it. Raises BadBackup if that was changed, or made with another key."""
        try:
            manifest: dict[str, Any] = json.loads(self.manifest_file.read_text())
            signature = manifest.pop("signature")
        except (ValueError, KeyError):
            raise BadBackup(f"{self.manifest_file.name} is damaged.") from None
        if not hmac.compare_digest(signature, _sign(_canonical(manifest))):
            raise BadBackup(
                f"The signature in {self.manifest_file.name} is not ours: it was changed, or made"
                " with another HASHING_KEY."
            )
        if manifest["format"] > FORMAT:
            raise BadBackup("This backup was made by a newer Klikvoor. Use that one.")
        return manifest

    def check_rows(self, manifest: dict[str, Any]) -> Path:
        """Return the file with the rows. Raises BadBackup unless it is the one that was written."""
        path = self.rows_file(manifest["kind"])
        if not path.exists():
            raise BadBackup(f"{path.name} is missing.")
        if path.stat().st_size != manifest["bytes"] or digest(path) != manifest["sha256"]:
            raise BadBackup(f"{path.name} is damaged: it is not what was written.")
        return path


def finish_manifest(backup: Backup, manifest: dict[str, Any]) -> None:
    """Write the manifest, signed: from now on the backup is there."""
    signed = manifest | {"signature": _sign(_canonical(manifest))}
    partial = new_file(backup.manifest_file)
    partial.write_text(json.dumps(signed, indent=1, sort_keys=True) + "\n")
    settle(partial, backup.manifest_file)


def _canonical(manifest: dict[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True).encode()


def signer() -> "hmac.HMAC":
    return hmac.new(settings.HASHING_KEY.encode(), b"klikvoor backup\x1f", hashlib.sha256)


def _sign(data: bytes) -> str:
    mac = signer()
    mac.update(data)
    return mac.hexdigest()


def digest(path: Path) -> str:
    total = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            total.update(chunk)
    return total.hexdigest()


# --- Writing ------------------------------------------------------------------------------------


def new_file(path: Path) -> Path:
    """Make an empty file beside `path`, for nobody else to read; `settle` gives it its name."""
    partial = path.with_name(path.name + PARTIAL)
    partial.unlink(missing_ok=True)
    os.close(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    return partial


def settle(partial: Path, path: Path) -> None:
    """Bring a file to the disk, whole, and only then under its own name."""
    for name in (partial, None):
        if name is None:
            partial.replace(path)
        file = os.open(name or path.parent, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)


@contextmanager
def only_one(directory: Path) -> Iterator[None]:
    """Hold the directory, so that no two backups are made in it at once."""
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (directory / ".lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise BadBackup("Another backup is being made in this directory.") from None
        # What a backup that was killed left behind; it may hold keys.
        remove_partial(directory)
        try:
            yield
        except BaseException:
            remove_partial(directory)
            raise


def remove_partial(directory: Path) -> None:
    for path in directory.glob(f"klikvoor-*{PARTIAL}*"):
        path.unlink()


# --- Keeping ------------------------------------------------------------------------------------


def all_in(directory: Path) -> list[Backup]:
    """Return the backups in a directory that were finished, newest first."""
    found = [Backup(directory, path.stem) for path in directory.glob("klikvoor-*.json")]
    return sorted(found, key=lambda backup: backup.stem, reverse=True)


def newest_keys(directory: Path) -> Path | None:
    """Return the newest file with keys, of a backup that was finished."""
    for backup in all_in(directory):
        if backup.keys_file.exists():
            return backup.keys_file
    return None


def prune(directory: Path, *, keep: int, keep_keys: timedelta, now: datetime) -> list[str]:
    """Remove all but the newest `keep` backups, and keys older than `keep_keys` but the newest.

    Keys go first: without them no backup can be read, and what was erased since then is gone from all
    of them. Returns the names of what was removed.
    """
    backups = all_in(directory)
    newest = newest_keys(directory)
    gone = []
    finished = {backup.stem for backup in backups}
    for path in sorted(directory.glob("klikvoor-*.keys")):
        backup = Backup(directory, path.stem)
        is_old = backup.made_at < now - keep_keys or backup.stem not in finished
        if path != newest and is_old:
            path.unlink()
            gone.append(path.name)
    for backup in backups[max(1, keep) :]:
        for path in sorted(directory.glob(f"{backup.stem}.*")):
            if path != newest:
                path.unlink()
                gone.append(path.name)
    return gone
