"""`manage.py restore FILE`: a backup becomes the database."""

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from klikvoor.backups.files import BadBackup
from klikvoor.backups.restoring import prepare, restore


class Command(BaseCommand):
    help = (
        "Load a backup into the empty database that DATABASE_URL names. What was erased since then"
        " stays erased, and what was shut stays shut. Nothing may serve meanwhile."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path, help="Any file of the backup.")
        parser.add_argument(
            "--keys", type=Path, help="Another file of keys than the newest one beside it."
        )
        parser.add_argument(
            "--erased",
            type=Path,
            action="append",
            default=[],
            help="A list of what was erased, from a machine that is gone (ERASED_LIST).",
        )
        parser.add_argument(
            "--replace", action="store_true", help="Move what is in the database aside."
        )
        parser.add_argument(
            "--ignore-current",
            action="store_true",
            help="Do not ask the database that is replaced what was erased: it is broken.",
        )

    def handle(
        self,
        *args: Any,
        file: Path,
        keys: Path | None,
        erased: list[Path],
        replace: bool,
        ignore_current: bool,
        **options: Any,
    ) -> None:
        began = timezone.now()
        try:
            plan = prepare(file, keys=keys, erased=erased)
            report = restore(plan, began, replace=replace, ask_current=not ignore_current)
        except (BadBackup, OSError) as error:
            raise CommandError(str(error)) from None
        lost = began - plan.backup.made_at
        self.stdout.write(f"Restored {plan.backup.stem}, with the keys of {plan.keys_file.stem}.")
        for line in report.lines():
            self.stdout.write(f"  {line}")
        self.stdout.write(
            f"What came after {plan.backup.made_at:%Y-%m-%d %H:%M:%S} UTC is lost:"
            f" {lost.total_seconds() / 60:.0f} minutes. The page of mail shows what has to be"
            " decided; the platform's coordinators get a mail."
        )
        if report.aside:
            self.stdout.write(
                f"What was there is kept as {report.aside}. It holds words that were erased: remove"
                " it when all is well (docs/operations.md)."
            )
        self.stdout.write(f"{(timezone.now() - began).total_seconds():.1f} s")
