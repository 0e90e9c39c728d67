"""Deliver what waits in an outbox: once, again after a failure, and given up where it must."""

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.utils import timezone

from institutions.models.outgoing import M, OutgoingMail, OutgoingQuerySet
from institutions.sealing import KeyMissing, SealBroken

log = logging.getLogger("klikvoor.mail")

# Nobody else takes a mail while we try it. When we are killed meanwhile it goes again after this.
LEASE = timedelta(minutes=5)
# How long after the first, second … failure it is tried again; after the last one we give up.
BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360, 720, 1440))
# One run ends after so many mails or seconds, so that the clock is never far behind.
BATCH = 50
RUN_SECONDS = 30.0


def deliver(
    outbox: OutgoingQuerySet[M], write: Callable[[M], EmailMessage | None], now: datetime
) -> int:
    """Send the mails of an outbox that are due; return how many the mail server took.

    `write` makes the mail, with a Message-ID that is the same at every attempt; None drops it.

    Each is leased before and marked after sending, in transactions of their own. So two processes
    never send the same one, and being killed in between costs one doubled mail, with the same
    Message-ID, and never a lost one. A server that is away puts all of them off; an address that
    the server refuses for good is given up, visibly: in the log and on the page of mail.
    """
    sent, until = 0, time.monotonic() + RUN_SECONDS
    connection = get_connection()
    try:
        for mail in outbox.due(now)[:BATCH]:
            if time.monotonic() > until:
                break
            if not _lease(outbox, mail, now):
                continue
            try:
                message = write(mail)
            except (KeyMissing, SealBroken) as broken:  # no reason to keep the others waiting
                _put_off(mail, now, _name(broken))
                continue
            if message is None:
                mail.drop(now)
                continue
            error = _send(message, connection)
            if error is None:
                _mark(mail, sent_at=timezone.now(), last_error="")
                sent += 1
            elif _is_final(error):
                _give_up(mail, now, _name(error))
                if isinstance(error, SMTPRecipientsRefused):
                    mail.address_refused(now)
            else:
                _put_off(mail, now, _name(error))
                if not _is_about_this_mail(error):
                    break  # the server is away: the others wait for the next run
    finally:
        _close(connection)
    return sent


def _mark(mail: OutgoingMail, **changes: object) -> None:
    type(mail)._default_manager.filter(pk=mail.pk).update(**changes)


def _lease(outbox: OutgoingQuerySet[M], mail: M, now: datetime) -> bool:
    """Take this mail for ourselves; False: another process did."""
    unchanged = outbox.due(now).filter(pk=mail.pk, attempts=mail.attempts)
    mail.attempts += 1
    return bool(unchanged.order_by().update(due_at=now + LEASE, attempts=F("attempts") + 1))


def _send(message: EmailMessage, connection: BaseEmailBackend) -> Exception | None:
    message.connection = connection
    try:
        connection.open()  # one connection for the whole run
        message.send()
    except (OSError, SMTPException, ValueError) as error:  # ValueError: a header that cannot be
        _close(connection)
        return error
    return None


def _is_final(error: Exception) -> bool:
    """Whether trying this mail again is of no use: its address or content is refused for good."""
    if isinstance(error, SMTPRecipientsRefused):
        return all(code >= 500 for code, _text in error.recipients.values())
    if isinstance(error, SMTPDataError):
        return error.smtp_code >= 500
    return isinstance(error, ValueError)


def _is_about_this_mail(error: Exception) -> bool:
    return isinstance(error, (SMTPRecipientsRefused, SMTPDataError))


def _put_off(mail: OutgoingMail, now: datetime, name: str) -> None:
    if mail.attempts > len(BACK_OFF):
        _give_up(mail, now, name)
        return
    log.warning("mail %s to %s waits: %s", mail.pk, mail.to_whom, name)
    _mark(mail, due_at=now + BACK_OFF[mail.attempts - 1], last_error=name)


def _give_up(mail: OutgoingMail, now: datetime, name: str) -> None:
    log.error("mail %s to %s is given up: %s", mail.pk, mail.to_whom, name)
    _mark(mail, given_up_at=now, last_error=name)


def _name(error: Exception) -> str:
    """What went wrong, without the text of it: that may hold an address."""
    code = getattr(error, "smtp_code", None)
    if isinstance(error, SMTPRecipientsRefused):
        code = max((code for code, _text in error.recipients.values()), default=None)
    return f"{type(error).__name__} {code}"[:60] if code else type(error).__name__[:60]


def _close(connection: BaseEmailBackend) -> None:
    try:
        connection.close()
    except (OSError, SMTPException):
        log.debug("the mail server was gone already")
