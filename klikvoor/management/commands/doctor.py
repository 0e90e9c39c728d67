"""`manage.py doctor`: what is wrong with this installation, and how to mend it."""

import json
import sys
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection

from klikvoor.doctor import NOTE, WRONG, Check, Found, Line, database, look, machine, services
from klikvoor.doctor.front import Front

SETTINGS: tuple[tuple[str, Check], ...] = (
    ("settings", services.safe_settings),
    ("keys in files", machine.files_of_keys),
    ("limits", machine.limits),
    ("memory", machine.memory),
    ("disks", machine.disks),
    ("list of what was erased", machine.erased_list),
    ("files for browsers", services.static_files),
    ("Redis", services.doorbell),
    ("mail in", services.mail_in),
)
# Without a database these would all say the same.
IN_DATABASE: tuple[tuple[str, Check], ...] = (
    ("keys", database.keys),
    ("beginning", services.beginning),
    ("jobs", services.jobs),
    ("mail out", services.mail_out),
    ("backups", services.backups),
)
SIGNS = {WRONG: "WRONG", NOTE: "note "}


class Command(BaseCommand):
    help = "Look at this installation as a whole; say what is wrong and how to mend it."
    # It says itself what is wrong, also when nothing would start.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--url", help="Also look at the site from outside: https://…")
        parser.add_argument("--json", action="store_true", help="For programs.")

    def handle(self, *args: Any, url: str | None, json: bool, **options: Any) -> None:
        if url and (urlsplit(url).scheme not in ("http", "https") or not urlsplit(url).hostname):
            raise CommandError("--url needs an address such as https://chat.example.org.")
        # One connection of its own: a pool would try again and again, and log every time.
        if connection.settings_dict["OPTIONS"].pop("pool", None):
            connection.settings_dict["OPTIONS"]["connect_timeout"] = 5
        found = []
        for result in examine(url):
            found.append(result)
            if not json:
                self.tell(result)
        connection.close()
        is_wrong = any(result.is_wrong for result in found)
        if json:
            self.stdout.write(as_json(found))
        else:
            count = sum(line.level == WRONG for result in found for line in result.lines)
            self.stdout.write(f"\n{count} wrong." if count else "\nNothing is wrong.")
        if is_wrong:
            sys.exit(1)

    def tell(self, found: Found) -> None:
        for line in found.lines:
            self.stdout.write(f"{SIGNS.get(line.level, 'well ')}  {found.part}: {line.what}")
            for about, text in (("why", line.why), ("mend", line.mend)):
                if text:
                    self.stdout.write(f"         {about:<5} {text}")


def as_json(found: list[Found]) -> str:
    whole = {
        "well": not any(one.is_wrong for one in found),
        "parts": [one.as_dict() for one in found],
    }
    return json.dumps(whole, indent=2, ensure_ascii=False)


def examine(url: str | None = None) -> Iterator[Found]:
    """Do every check that can be done, one after the other."""
    for part, check in SETTINGS:
        yield look(part, check)
    answers = look("database", database.answers)
    yield answers
    if answers.lines and answers.lines[0].level != WRONG:
        behind = look("migrations", database.migrations)
        yield behind
        # Columns that are not there yet would be all that the others can tell.
        if not behind.is_wrong:
            for part, check in IN_DATABASE:
                yield look(part, check)
    if url:
        yield look("from outside", Front(url).check)
    else:
        yield Found(
            "from outside",
            [Line(NOTE, "Not looked at. `--url https://…` asks the site as a browser does.")],
        )
