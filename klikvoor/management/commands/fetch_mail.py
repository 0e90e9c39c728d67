"""`manage.py fetch_mail`: look whether the mailbox can be used, or take what lies in it."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from imap_tools import AND

from chat import process
from klikvoor.startup import refuse_unsafe
from mail.fetching import BadMailbox, Mailbox, MailboxAway, fetch


class Command(BaseCommand):
    help = "Take the mail that lies in the mailbox of MAIL_FETCH_URL; the clock does so by itself."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--check", action="store_true", help="Only sign in and count; change nothing."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if not settings.MAIL_FETCH_URL:
            raise CommandError("MAIL_FETCH_URL is not set: there is no mailbox to fetch from.")
        if options["check"]:
            self._check()
            return
        refuse_unsafe()
        try:
            count = fetch(settings.MAIL_FETCH_URL)
        finally:
            process.stop()
        self.stdout.write(f"Put {count} mails in letters.")

    def _check(self) -> None:
        try:
            box = Mailbox.at(settings.MAIL_FETCH_URL).open()
        except (BadMailbox, MailboxAway) as error:
            raise CommandError(f"The mailbox cannot be used: {error}") from None
        unread = len(box.uids(AND(seen=False)))
        box.logout()
        self.stdout.write(f"The mailbox can be used; it holds {unread} unread mails.")
