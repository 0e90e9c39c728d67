"""Mail to staff: plain text, in their language, sent after the change that it tells of."""

import logging

from django.conf import settings
from django.core.mail import EmailMessage
from django.template.loader import render_to_string
from django.utils import translation

from institutions.models import Invitation, User

logger = logging.getLogger("klikvoor.mail")


def deliver(message: EmailMessage) -> bool:
    """Send; a mail server that is away is logged and told, and undoes nothing that was stored."""
    try:
        message.send()
    except OSError as error:  # smtplib's errors are OSErrors as well
        logger.error("a mail to staff was not sent: %s", type(error).__name__)
        return False
    return True


def invite(invitation: Invitation, link: str) -> bool:
    known = invitation.for_whom
    with translation.override(known.language if known else settings.LANGUAGE_CODE):
        return _send("invitation", invitation.email, {"invitation": invitation, "link": link})


def second_factor_reset(person: User) -> bool:
    with translation.override(person.language):
        return _send("second_factor_reset", person.email, {"person": person})


def _send(name: str, address: str, context: dict[str, object]) -> bool:
    subject = render_to_string(f"institutions/mail/{name}_subject.txt", context).strip()
    body = render_to_string(f"institutions/mail/{name}.txt", context).strip() + "\n"
    return deliver(EmailMessage(f"Klikvoor: {subject}", body, to=[address]))
