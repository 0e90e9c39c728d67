"""What the chat does by the clock. Deadlines are data with a due time, so a missed tick only
delays them; every verb is conditional, so two processes that tick at once act once.
"""

import logging
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from chat import queue
from chat.events import DeskChanged, publish
from chat.keys import data_keys
from chat.models import (
    VISITOR_LOST,
    WORKER_LOST,
    Conversation,
    ConversationKey,
    Refused,
    Visitor,
)
from institutions.models import Institution
from roster import jobs as roster_jobs
from roster import opening
from roster.models import OpenOverride, ServiceLine

log = logging.getLogger("klikvoor.chat.jobs")

# After the consultation hour those who still wait may be helped for this long; then it says so.
GRACE = timedelta(minutes=30)
# A visit without a live conversation is forgotten after this long.
VISIT_LIFE = timedelta(hours=24)
# Who never got an institution (left the queue) falls under the shortest promise that we make.
DEFAULT_RETENTION = timedelta(days=30)


def return_lost_chats(now: datetime) -> int:
    """Give chats back to the queue whose worker is gone or was disabled; return how many."""
    lost = Conversation.objects.active().filter(
        Q(worker__presence=None)
        | Q(worker__presence__seen_at__lt=now - WORKER_LOST)
        | Q(worker__is_active=False)
    )
    return _each(lost, lambda conversation: conversation.lose_worker())


def end_lost_visits(now: datetime) -> int:
    """Take people out of the queue who gave no sign of life for a while; return how many."""
    lost = Conversation.objects.waiting().filter(visitor_seen_at__lt=now - VISITOR_LOST)
    return _each(lost, lambda conversation: conversation.abandon(reason="lost"))


def end_waiting_after_hours(now: datetime) -> int:
    """Tell those who still wait half an hour after the end that today it will not happen."""
    ended = 0
    for line in ServiceLine.objects.all():
        goes_on = (
            line.hours.planned().published().filter(start__lte=now, end__gt=now - GRACE).exists()
        )
        if not goes_on and not OpenOverride.objects.holding(now).filter(line=line).exists():
            ended += _each(
                Conversation.objects.waiting().filter(
                    line=line, waiting_since__lt=now - GRACE, claimed_at=None
                ),
                lambda conversation: conversation.abandon(reason="closing_time"),
            )
    return ended


def ring_after_reservations(now: datetime) -> None:
    """Tell the desks when a chat that was kept for one colleague became everybody's."""
    over = Conversation.objects.waiting().filter(reserved_until__lte=now)
    with transaction.atomic():
        lines = set(over.values_list("line", flat=True))
        over.update(reserved_for=None, reserved_until=None)
        for line in lines:
            publish(DeskChanged(line=line))


def alert_coordinators(now: datetime) -> int:
    """Tell coordinators of who needs help now and got no answer in time; return of how many."""
    due = Conversation.objects.waiting().filter(
        urgency=Conversation.Urgency.NOW, alert_due_at__lte=now, alerted_at=None
    )
    return sum(one.alert(now) for one in due.select_related("line"))


def follow_presence(now: datetime) -> int:
    """Tell the roster who is in a conversation, so that it registers who was there and how."""
    busy = Conversation.objects.active().values_list("worker_id", flat=True)
    return roster_jobs.follow_presence(now, frozenset(busy))


def evaluate_openings(now: datetime) -> None:
    """Find every line's opening anew and log what changed."""
    for line in ServiceLine.objects.all():
        if opening.evaluate(line, queue.load(line, now), now).changed:
            publish(DeskChanged(line=line.pk))


def erase_old_texts(now: datetime) -> int:
    """Erase what was written in conversations whose time is over; return how many.

    First the data key, in a transaction of its own, so that the words are unreadable even if the
    rest fails; then the rows. The conversation itself stays for the figures: times and topics.
    """
    due = Q(institution=None, ended_at__lt=now - DEFAULT_RETENTION)
    for pk, days in Institution.objects.values_list("pk", "retention_days"):
        due |= Q(institution=pk, ended_at__lt=now - timedelta(days=days))
    old = Conversation.objects.filter(due)
    keys = ConversationKey.objects.filter(conversation__in=old)
    erased = list(keys.values_list("pk", flat=True)[:1000])
    ConversationKey.objects.filter(pk__in=erased).delete()
    for erased_id in erased:
        data_keys.forget(erased_id)
    for conversation in old.filter(
        Q(messages__isnull=False) | Q(notes__isnull=False) | Q(sealed_intake__isnull=False)
    ).distinct()[:1000]:
        with transaction.atomic():
            conversation.messages.all().delete()
            conversation.notes.all().delete()
            conversation.urgency_changes.update(sealed_reason=None)
            Conversation.objects.filter(pk=conversation.pk).update(sealed_intake=None, visitor=None)
    if erased:
        log.info("erased the text of %d conversations", len(erased))
    return len(erased)


def forget_old_visits(now: datetime) -> int:
    """Forget the tokens of visits that ended or went quiet a day ago; return how many."""
    quiet = Visitor.objects.filter(created_at__lt=now - VISIT_LIFE).exclude(
        conversations__status__in=Conversation.LIVE
    )
    recent = Conversation.objects.filter(ended_at__gt=now - VISIT_LIFE, visitor__isnull=False)
    return quiet.exclude(pk__in=recent.values("visitor")).delete()[0]


def _each(conversations: Iterable[Conversation], verb: Callable[[Conversation], None]) -> int:
    done = 0
    for conversation in conversations:
        try:
            verb(conversation)
        except Refused:  # somebody was first
            continue
        done += 1
    return done
