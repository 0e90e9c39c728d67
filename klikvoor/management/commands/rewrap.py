"""`manage.py rewrap`: move everything to the newest sealing key, while people talk."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from institutions.sealing import KeyMissing, SealBroken, keyring
from klikvoor.startup import database_problems
from klikvoor.wrapped import USES, used_names

# A row that somebody else changes again and again is not waited for longer than this.
ROUNDS = 20


class Command(BaseCommand):
    help = (
        "Wrap everything anew under the newest sealing key, so that the older ones can go. Works "
        "while people talk; may be stopped and run again at any time."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--batch", type=int, default=200, help="Rows between two looks.")
        parser.add_argument(
            "--look", action="store_true", help="Only tell what lies under which key."
        )

    def handle(self, *args: Any, batch: int, look: bool, **options: Any) -> None:
        if problems := list(database_problems()):
            raise CommandError("\n".join(["Nothing was changed.", *problems]))
        newest = next(iter(keyring()))
        if not look:
            for use in USES:
                try:
                    self._move(use, batch)
                except (KeyMissing, SealBroken) as error:
                    raise CommandError(
                        f"Stopped at {use.what}: {type(error).__name__} {error}. What was moved"
                        " stays moved; nothing was lost."
                    ) from None
        for use in USES:
            count = use.count("default")
            under = ", ".join(f"{n} under “{name}”" for name, n in sorted(count.items()))
            self.stdout.write(f"{use.what}: {under or 'none'}")
        self._conclude(newest)

    def _move(self, use: Any, batch: int) -> None:
        total = stuck = 0
        while stuck < ROUNDS:
            moved, found = use.move(batch)
            total += moved
            stuck = 0 if moved else stuck + 1
            if not found:
                break
        self.stdout.write(f"{use.what}: {total} moved")

    def _conclude(self, newest: str) -> None:
        used = used_names()
        older = [name for name in keyring() if name != newest]
        still = [name for name in older if name in used]
        for name in older:
            if name not in still:
                self.stdout.write(f"Nothing needs “{name}” any more.")
        if still:
            self.stdout.write(
                f"Still needed: {', '.join(still)}. Run this again; does a process still have another"
                " key in front?"
            )
        elif older:
            self.stdout.write(
                "Backups from before need the older keys still: keep them, apart, until the last of"
                " those is gone (docs/operations.md, Keys)."
            )
