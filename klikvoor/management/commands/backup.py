"""`manage.py backup DIRECTORY`: everything in the database, while people talk."""

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import DatabaseError
from django.utils import timezone

from klikvoor.backups.dumping import check_file
from klikvoor.backups.files import Backup, BadBackup
from klikvoor.backups.living import read_keys
from klikvoor.backups.making import make


class Command(BaseCommand):
    help = (
        "Write a backup into a directory while everybody works on: rows in one file, the keys to"
        " conversations in another that is kept shorter. It never holds SEALING_KEYS, HASHING_KEY or"
        " SECRET_KEY."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("directory", type=Path, nargs="?")
        parser.add_argument("--keep", type=int, default=48, help="How many stay (48).")
        parser.add_argument(
            "--keep-keys",
            type=float,
            default=24,
            metavar="HOURS",
            help="How long files of keys stay (24); the newest always does.",
        )
        parser.add_argument(
            "--verify", type=Path, metavar="FILE", help="Make none; check that this one is whole."
        )

    def handle(
        self,
        *args: Any,
        directory: Path | None,
        keep: int,
        keep_keys: float,
        verify: Path | None,
        **options: Any,
    ) -> None:
        try:
            if verify:
                self._verify(verify)
            elif directory:
                self._make(directory, keep, timedelta(hours=keep_keys))
            else:
                raise CommandError("Name a directory, or a backup to --verify.")
        except (BadBackup, OSError) as error:
            raise CommandError(str(error)) from None
        except DatabaseError as error:
            # Its text may quote a row.
            raise CommandError(
                f"The database could not be read ({type(error).__name__}): it is away, or not of this"
                " version. `python manage.py doctor` says which."
            ) from None

    def _make(self, directory: Path, keep: int, keep_keys: timedelta) -> None:
        began = timezone.now()
        made = make(directory.absolute(), began, keep=keep, keep_keys=keep_keys)
        seconds = (timezone.now() - began).total_seconds()
        self.stdout.write(f"{made.backup.manifest_file}")
        self._describe(made.manifest)
        self.stdout.write(f"{seconds:.1f} s; removed {len(made.removed)} old files")

    def _verify(self, file: Path) -> None:
        backup = Backup.of(file)
        manifest = backup.manifest()
        check_file(manifest["kind"], backup.check_rows(manifest))
        self._describe(manifest)
        if backup.keys_file.exists():
            read_keys(backup.keys_file)
            self.stdout.write("Whole, and its keys are beside it.")
        else:
            self.stdout.write("Whole. Its keys were removed; those of a newer backup open it.")

    def _describe(self, manifest: dict[str, Any]) -> None:
        rows = manifest["rows"]
        conversations, messages = (
            rows.get(f"chat_{name}", 0) for name in ("conversation", "message")
        )
        self.stdout.write(
            f"{conversations} conversations, {messages} messages, {sum(rows.values())} rows in all,"
            f" {manifest['bytes']} bytes"
        )
        names = ", ".join(manifest["sealing_keys"]) or "none"
        self.stdout.write(f"needs HASHING_KEY, and of SEALING_KEYS: {names}")
