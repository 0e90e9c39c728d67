"""What mail does by the clock. The tick calls these; each is safe to run twice, and at once."""

import logging
from datetime import datetime

from django.conf import settings
from django.db.models import Exists, OuterRef

from chat.models import ConversationKey
from institutions.delivery import deliver
from institutions.sealing import KeyMissing, SealBroken
from mail.fetching import fetch
from mail.models import Correspondence, IncomingMail, VisitorMail
from mail.writing import write

log = logging.getLogger("klikvoor.mail")

BATCH = 500


def tell_visitors(now: datetime) -> int:
    """Put mails in the outbox about what is not told yet; return how many.

    The committed answer, invitation, question or silence is the work-list, so nothing has to be done
    when one is stored.
    """
    letters = VisitorMail.untold().select_related("key").order_by("pk")[:BATCH]
    told = 0
    for letter in letters:
        try:
            told += VisitorMail.put(letter, now)
        except ConversationKey.DoesNotExist:  # erased in between
            continue
        except (KeyMissing, SealBroken) as error:  # one of them must not keep the others waiting
            log.error("a letter could not be told of: %s", type(error).__name__)
    return told


def deliver_visitor_mail(now: datetime) -> int:
    """Send the mails to young people that are due; return how many the mail server took."""
    return deliver(VisitorMail.objects.select_related("conversation"), write, now)


def forget_erased_mail(now: datetime) -> int:
    """Delete what mail still knows of letters that were erased; return of how many.

    Erasing takes it along. This finds what was being written at that very moment, or stayed after
    a stop in between; nothing of it can be read any more.
    """
    has_key = Exists(ConversationKey.objects.filter(pk=OuterRef("conversation")))
    forgotten: set[str] = set()
    for model in (VisitorMail, IncomingMail, Correspondence):
        rows = model._default_manager.filter(~has_key)
        forgotten |= set(rows.values_list("conversation", flat=True))
        rows.delete()
    if forgotten:
        log.info("forgot the mail of %d erased letters", len(forgotten))
    return len(forgotten)


def fetch_mail(now: datetime) -> int:
    """Take what lies in the mailbox, if there is one; return how many mails."""
    return fetch(settings.MAIL_FETCH_URL) if settings.MAIL_FETCH_URL else 0
