"""`manage.py rehearse FILE`: does a restore work? Never touches the database that serves."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from klikvoor.backups.files import BadBackup
from klikvoor.backups.rehearsing import look_into, restore_into, scratch


class Command(BaseCommand):
    help = (
        "Restore a backup into a new database beside the real one, try every key and open some of"
        " what is sealed, print figures, and remove it again. May run while everybody works."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="Any file of the backup.")
        parser.add_argument("--keys", type=Path, help="Another file of keys than the newest one.")

    def handle(self, *args: Any, file: Path, keys: Path | None, **options: Any) -> None:
        began = timezone.now()
        try:
            with scratch() as url:
                self.stdout.write(restore_into(url, file, keys).rstrip())
                found = look_into(url)
        except (BadBackup, OSError) as error:
            raise CommandError(str(error)) from None
        for what, count in found.figures.items():
            self.stdout.write(f"{what}: {count}")
        if found.broken:
            kinds = "\n".join(f"  {what}" for what in sorted(set(found.broken)))
            raise CommandError(f"{len(found.broken)} seals do not open:\n{kinds}")
        seconds = (timezone.now() - began).total_seconds()
        self.stdout.write(f"A restore works; it took {seconds:.1f} s.")
