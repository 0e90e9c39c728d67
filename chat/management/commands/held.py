"""`manage.py held`: what do we hold about one return code?"""

import getpass
import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from chat.held import HeldConversation, held_of, words_of
from chat.models import Conversation, ReturnCode, Visitor
from chat.return_words import NotAWord


class Command(BaseCommand):
    help = (
        "Print everything held about one return code. The code is asked for, or read from standard "
        "input: never on the command line, where other users and the history could see it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--words", action="store_true", help="Print the texts too, not just how many there are."
        )

    def handle(self, *args: Any, words: bool = False, **options: Any) -> None:
        is_asked = sys.stdin.isatty()
        code = getpass.getpass("The seven words: ") if is_asked else sys.stdin.readline()
        try:
            found = ReturnCode.find(code)
        except NotAWord as wrong:
            raise CommandError(
                f"Word {wrong.number} is not in the list." if wrong.number else "Not seven words."
            ) from None
        if found is None:
            raise CommandError("Nothing is held about this code.")
        held = held_of(found[0])
        visitor = held.visitor
        self.stdout.write(f"visit      begun {visitor.created_at:%Y-%m-%d %H:%M %Z}")
        self.stdout.write(f"           language {visitor.language}, site {visitor.brand.name}")
        is_open = "a browser holds its token" if visitor.token_hash else "no browser holds a token"
        self.stdout.write(f"           {is_open}")
        self.stdout.write(f"code       a keyed hash, since {held.code_since:%Y-%m-%d %H:%M %Z}")
        self._print_rows(held.rows)
        if words:
            self._print_words(visitor)
        for one in held.conversations:
            self._print(one)
            if words:
                self._print_words(one.conversation)

    def _print_words(self, thing: Visitor | Conversation) -> None:
        for line in words_of(thing):
            self.stdout.write("  " + line.replace("\n", "\n  "))

    def _print_rows(self, rows: dict[str, int]) -> None:
        listed = ", ".join(f"{label} {count}" for label, count in rows.items())
        self.stdout.write(f"           rows: {listed or 'none'}")

    def _print(self, held: HeldConversation) -> None:
        one = held.conversation
        self.stdout.write("")
        self.stdout.write(f"{one.kind:10} {one.pk}, {one.status}, urgency {one.urgency}")
        self.stdout.write(f"           begun {one.created_at:%Y-%m-%d %H:%M %Z}")
        if one.ended_at:
            self.stdout.write(f"           ended {one.ended_at:%Y-%m-%d %H:%M %Z}")
        if held.erased_by:
            self.stdout.write(f"           text erased by {held.erased_by:%Y-%m-%d}")
        self.stdout.write(f"           institution {one.institution or 'none'}")
        self.stdout.write(f"           {held.answers} answers before")
        self._print_rows(held.rows)
        if one.kind == one.Kind.LETTER:
            address = one.address() if held.is_readable else ""
            self.stdout.write(f"           answer by {one.answer_by}, address {address or 'none'}")
        if not held.is_readable:
            self.stdout.write("           its key is destroyed: nobody can read it")
