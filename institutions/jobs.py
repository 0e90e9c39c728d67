"""What the room of institutions does by the clock. The tick calls these; each is safe to run twice."""

from datetime import datetime, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils.crypto import salted_hmac

from institutions.delivery import deliver
from institutions.models import StaffMail

KEEP_MAIL = timedelta(days=90)


def deliver_staff_mail(now: datetime) -> int:
    """Send the mails to staff that are due; return how many the mail server took."""
    return deliver(StaffMail.objects.select_related("to"), _write, now)


def _write(mail: StaffMail) -> EmailMessage | None:
    if not mail.to.is_active:
        return None
    return EmailMessage(
        mail.subject,
        mail.body,
        to=[mail.to.email],
        headers={"Message-ID": message_id(mail), "Auto-Submitted": "auto-generated"},
    )


def forget_old_mail(now: datetime) -> int:
    """Delete mails that ended three months ago, sent or given up; return how many."""
    return StaffMail.objects.finished().filter(created_at__lt=now - KEEP_MAIL).delete()[0]


def message_id(mail: StaffMail) -> str:
    """The same at every attempt, so that a mail program shows a doubled mail once."""
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2] or "localhost"
    return f"<{salted_hmac('institutions.StaffMail', mail.dedupe_key).hexdigest()}@{domain}>"
