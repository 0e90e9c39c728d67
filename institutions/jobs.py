"""What the room of institutions does by the clock. The tick calls these; each is safe to run twice."""

import logging
import time
from datetime import datetime, timedelta
from email.utils import parseaddr
from smtplib import SMTPDataError, SMTPException, SMTPRecipientsRefused

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.core.mail.backends.base import BaseEmailBackend
from django.db.models import F
from django.utils import timezone, translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from institutions.models import JobRun, Membership, StaffMail

log = logging.getLogger("klikvoor.mail")

# Nobody else takes a mail while we try it. When we are killed meanwhile it goes again after this.
LEASE = timedelta(minutes=5)
# How long after the first, second … failure it is tried again; after the last one we give up.
BACK_OFF = tuple(timedelta(minutes=m) for m in (1, 5, 15, 60, 180, 360, 720, 1440))
# One run ends after so many mails or seconds, so that the clock is never far behind.
BATCH = 50
RUN_SECONDS = 30.0
KEEP_MAIL = timedelta(days=90)


def deliver_staff_mail(now: datetime) -> int:
    """Send the mails to staff that are due; return how many the mail server took.

    Each is leased before and marked after sending, in transactions of their own. So two processes
    never send the same one, and being killed in between costs one doubled mail, with the same
    Message-ID, and never a lost one. A server that is away puts all of them off; an address that
    the server refuses for good is given up, visibly: in the log and in `StaffMail`.
    """
    sent, until = 0, time.monotonic() + RUN_SECONDS
    connection = get_connection()
    try:
        for mail in StaffMail.objects.due(now).select_related("to")[:BATCH]:
            if time.monotonic() > until:
                break
            if not _lease(mail, now):
                continue
            if not mail.to.is_active:
                _give_up(mail, now, "Inactive")
                continue
            error = _send(mail, connection)
            if error is None:
                StaffMail.objects.filter(pk=mail.pk).update(sent_at=timezone.now(), last_error="")
                sent += 1
            elif _is_final(error):
                _give_up(mail, now, _name(error))
            else:
                _put_off(mail, now, _name(error))
                if not _is_about_this_mail(error):
                    break  # the server is away: the others wait for the next run
    finally:
        _close(connection)
    return sent


def forget_old_mail(now: datetime) -> int:
    """Delete mails that ended three months ago, sent or given up; return how many."""
    return StaffMail.objects.finished().filter(created_at__lt=now - KEEP_MAIL).delete()[0]


def tell_of_late_jobs(now: datetime) -> int:
    """Mail the platform's coordinators, once a day, which watched jobs did not run for a day."""
    late = list(JobRun.objects.late(now).values_list("name", flat=True))
    if not late:
        return 0
    told = 0
    platform = Membership.objects.active().coordinators().filter(institution=None)
    for membership in platform.select_related("user"):
        with translation.override(membership.user.language):
            told += StaffMail.put(
                membership.user,
                "late_jobs",
                f"late_jobs/{now:%Y-%m-%d}/{membership.user_id}",
                subject=str(_("Klikvoor ruimt niet op: iemand moet kijken")),
                body=str(
                    _(
                        "Deze taken lukten al langer dan een dag niet: %(jobs)s.\n\n"
                        "Zolang ze niet lukken, blijven teksten langer staan dan we beloven. "
                        "Vraag de beheerder om in de logboeken te kijken."
                    )
                )
                % {"jobs": ", ".join(late)},
            )
    return told


def message_id(mail: StaffMail) -> str:
    """The same at every attempt, so that a mail program shows a doubled mail once."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{salted_hmac('institutions.StaffMail', mail.dedupe_key).hexdigest()}@{domain}>"


def _lease(mail: StaffMail, now: datetime) -> bool:
    """Take this mail for ourselves; False: another process did."""
    unchanged = StaffMail.objects.due(now).filter(pk=mail.pk, attempts=mail.attempts)
    mail.attempts += 1
    return bool(unchanged.order_by().update(due_at=now + LEASE, attempts=F("attempts") + 1))


def _send(mail: StaffMail, connection: BaseEmailBackend) -> Exception | None:
    message = EmailMessage(
        mail.subject,
        mail.body,
        to=[mail.to.email],
        headers={"Message-ID": message_id(mail), "Auto-Submitted": "auto-generated"},
        connection=connection,
    )
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


def _put_off(mail: StaffMail, now: datetime, name: str) -> None:
    if mail.attempts > len(BACK_OFF):
        _give_up(mail, now, name)
        return
    log.warning("mail %s to staff waits: %s", mail.pk, name)
    wait = BACK_OFF[mail.attempts - 1]
    StaffMail.objects.filter(pk=mail.pk).update(due_at=now + wait, last_error=name)


def _give_up(mail: StaffMail, now: datetime, name: str) -> None:
    log.error("mail %s to staff is given up: %s", mail.pk, name)
    StaffMail.objects.filter(pk=mail.pk).update(given_up_at=now, last_error=name)


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
