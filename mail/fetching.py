"""Fetch mail from a mailbox over IMAP, for whoever has no mail server that can hand it over.

A mail is deleted from the mailbox after it was taken, so that no word stays readable there. What
leads to no letter is not ours to delete: it is marked as read, and stays.
"""

import imaplib
import logging
import ssl
import time
from contextlib import suppress
from dataclasses import dataclass
from email.message import Message
from typing import Any
from urllib.parse import unquote, urlsplit

from imap_tools import AND, BaseMailBox, MailBox, MailBoxUnencrypted, MailMessage, MailMessageFlags
from imap_tools.errors import ImapToolsError

from mail.incoming import Outcome, TryLater, take
from mail.parsing import MAX_MAIL

log = logging.getLogger("klikvoor.mail.fetching")

TIMEOUT = 30
BATCH = 50
RUN_SECONDS = 60.0
IMAP_ERRORS = (OSError, ImapToolsError, imaplib.IMAP4.error)


class RawMessage(MailMessage):
    """A mail as it came. The library would take it to pieces; that is for `mail.parsing`."""

    def __init__(self, fetch_data: list[Any]) -> None:
        self.raw, self._raw_uid_data, self._raw_flag_data = self._get_message_data_parts(fetch_data)
        self.obj = Message()


class BadMailbox(ValueError):
    """MAIL_FETCH_URL cannot be used as it is."""


class MailboxAway(Exception):
    """The mailbox cannot be reached now. `kind`: the name of what went wrong, never its text."""

    def __init__(self, kind: str) -> None:
        super().__init__(kind)
        self.kind = kind


@dataclass(frozen=True)
class Mailbox:
    """Where mail is fetched: imaps://user:password@host:993/INBOX."""

    host: str
    port: int
    user: str
    password: str
    folder: str
    is_encrypted: bool

    @classmethod
    def at(cls, url: str) -> "Mailbox":
        """Raises BadMailbox, without the address in it: that holds a password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise BadMailbox("MAIL_FETCH_URL is no address.") from None
        if parts.scheme not in ("imaps", "imap") or not parts.hostname:
            raise BadMailbox("MAIL_FETCH_URL has to look like imaps://user:password@host/INBOX.")
        if not parts.username or not parts.password:
            raise BadMailbox("MAIL_FETCH_URL needs a user and a password.")
        return cls(
            host=parts.hostname,
            port=port or (993 if parts.scheme == "imaps" else 143),
            user=unquote(parts.username),
            password=unquote(parts.password),
            folder=unquote(parts.path.strip("/")) or "INBOX",
            is_encrypted=parts.scheme == "imaps",
        )

    def open(self) -> BaseMailBox:
        """Sign in. Raises MailboxAway."""
        box: BaseMailBox | None = None
        try:
            if self.is_encrypted:
                context = ssl.create_default_context()
                box = MailBox(self.host, self.port, timeout=TIMEOUT, ssl_context=context)
            else:
                box = MailBoxUnencrypted(self.host, self.port, timeout=TIMEOUT)
            box.email_message_class = RawMessage
            return box.login(self.user, self.password, initial_folder=self.folder)
        except IMAP_ERRORS as error:
            if box is not None:
                _leave(box)
            raise MailboxAway(type(error).__name__) from None


def fetch(url: str) -> int:
    """Take the unread mails of a mailbox; return how many became part of a letter.

    What could not be taken now stays unread, and is tried again at the next run.
    """
    mailbox = Mailbox.at(url)
    until = time.monotonic() + RUN_SECONDS
    try:
        box = mailbox.open()
    except MailboxAway as error:
        log.warning("the mailbox is away: %s", error.kind)
        return 0
    stored = 0
    try:
        for uid in box.uids(AND(seen=False))[:BATCH]:
            if time.monotonic() > until:
                break
            stored += _take(box, uid)
    except IMAP_ERRORS as error:
        # Its text may quote what the server said about a mail.
        log.warning("fetching mail stopped: %s", type(error).__name__)
    finally:
        _leave(box)
    return stored


def _take(box: BaseMailBox, uid: str) -> bool:
    """Take one mail; return whether it became part of a letter."""
    head = next(iter(box.fetch(uid_list=uid, mark_seen=False, headers_only=True)), None)
    if head is None:
        return False
    if head.size_rfc822 > MAX_MAIL:
        log.warning("a mail in the mailbox is too big, and stays there")
        box.flag(uid, (MailMessageFlags.SEEN, MailMessageFlags.FLAGGED), True)
        return False
    message = next(iter(box.fetch(uid_list=uid, mark_seen=False)), None)
    if not isinstance(message, RawMessage):
        return False
    try:
        outcome = take(message.raw)
    except TryLater:
        return False
    except Exception as error:  # one mail that cannot be taken must not keep the others out
        log.error("a mail in the mailbox could not be taken: %s", type(error).__name__)
        return False
    if outcome is Outcome.UNKNOWN:
        box.flag(uid, MailMessageFlags.SEEN, True)
    else:
        box.delete(uid)
    return outcome is Outcome.STORED


def _leave(box: BaseMailBox) -> None:
    try:
        box.logout()
    except IMAP_ERRORS:
        log.debug("the mailbox was gone already")
        with suppress(OSError):
            box.client.shutdown()
