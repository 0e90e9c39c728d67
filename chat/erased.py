"""A list, beside the database, of what young people took back: so that no restored backup returns it.

The database forgets for good, and a backup from before does not know. Each line says that a
conversation was erased, or that its e-mail address was taken back or changed: when, a verb, and the
random number of the conversation, which says nothing about anybody. `manage.py restore` reads it.

Nothing is refused because this file cannot be written: somebody who wants to be erased is erased.
"""

import logging
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from django.conf import settings
from django.utils import timezone

log = logging.getLogger("klikvoor.chat.erased")

ERASED, ADDRESS = "erased", "address"
_LINE = re.compile(rf"(\S+) ({ERASED}|{ADDRESS}) ([\w-]{{22}})")


@dataclass
class TakenBack:
    """Conversations that were erased, and those whose address was taken back, with the last time."""

    erased: set[str] = field(default_factory=set)
    addresses: dict[str, datetime] = field(default_factory=dict)

    def read(self, path: Path) -> None:
        """Add what a list says. A line that a crash broke off is skipped."""
        for line in path.read_text(encoding="ascii", errors="replace").splitlines():
            match = _LINE.fullmatch(line)
            if match is None:
                continue
            if match[2] == ERASED:
                self.erased.add(match[3])
                continue
            try:
                at = datetime.fromisoformat(match[1])
            except ValueError:
                continue
            self.addresses[match[3]] = max(at, self.addresses.get(match[3], at))


def note(verb: str, *conversations: str) -> None:
    """Write down, before the commit of what it tells of, that these were taken back.

    Should that commit fail, then a restored backup forgets what she wanted gone already.
    """
    now = timezone.now().isoformat(timespec="milliseconds")
    append(Path(settings.ERASED_LIST), (f"{now} {verb} {one}\n" for one in conversations))


def append(path: Path, lines: Iterable[str]) -> None:
    text = "".join(lines)
    if not text:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # Appending whole lines: several processes, and threads, may do so at once.
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            os.write(file, text.encode("ascii"))
            os.fsync(file)
        finally:
            os.close(file)
    except OSError as error:
        log.error("the list of what was erased cannot be written: %s", type(error).__name__)
