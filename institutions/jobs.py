"""What the room of institutions does by the clock. The tick calls these; each is safe to run twice."""

from datetime import datetime, timedelta
from email.utils import parseaddr

from django.conf import settings
from django.core.mail import EmailMessage
from django.utils import translation
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext as _

from institutions.delivery import deliver
from institutions.models import JobRun, Membership, StaffMail

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
