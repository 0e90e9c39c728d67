"""What the chat does by the clock. Deadlines are data with a due time, so a missed tick only
delays them; every verb is conditional, so two processes that tick at once act once.
"""

import logging
import sqlite3
from collections.abc import Callable, Iterable
from contextlib import closing
from datetime import datetime, timedelta

from django.db import connection, transaction
from django.db.models import Exists, Max, OuterRef, Q

from chat import queue
from chat.events import DeskChanged, publish
from chat.letters import QUIET, QUIET_NOTICE
from chat.models import (
    VISITOR_LOST,
    WORKER_LOST,
    Conversation,
    ConversationKey,
    Message,
    Note,
    Refused,
    ReturnCode,
    Visitor,
)
from chat.models.erasing import destroy_keys, remove_words
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
BATCH = 1000


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
    """Tell those who still wait half an hour after the end that today it will not happen.

    Who wrote something while waiting has a letter now; to the others the page offers one.
    """
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
                _end_waiting,
            )
    return ended


def _end_waiting(conversation: Conversation) -> None:
    if conversation.messages.exists():
        try:
            conversation.become_letter("closing_time")
        except Refused as refused:
            if refused.code != "wrong_state":  # a letter of hers is going on already
                raise
        else:
            return
    conversation.abandon(reason="closing_time")


def close_quiet_letters(now: datetime) -> int:
    """Close letters that heard nothing for long; a week before, say so. Returns how many closed.

    Saying so is on her page, and a mail if she asked for that (`quiet_told_at` is the work-list).
    """
    hers = (
        Conversation.objects.letters()
        .live()
        .filter(due_at=None)
        .annotate(last_at=Max("messages__at"))
        .filter(last_at__lt=now - QUIET)
    )
    hers.filter(quiet_told_at=None).update(quiet_told_at=now)
    return _each(
        hers.filter(quiet_told_at__lt=now - QUIET_NOTICE),
        # What somebody writes at this very moment keeps it open.
        lambda letter: letter.end_letter(by="system", reason="quiet", seen=letter.last_seq),
    )


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
    busy = Conversation.objects.active().order_by().values_list("worker_id", flat=True).distinct()
    return roster_jobs.follow_presence(now, frozenset(busy))


def evaluate_openings(now: datetime) -> None:
    """Find every line's opening anew and log what changed."""
    for line in ServiceLine.objects.all():
        if opening.evaluate(line, queue.load(line, now), now).changed:
            publish(DeskChanged(line=line.pk))


def retention_of(conversation: Conversation) -> timedelta:
    """How long after its end what was written in it is kept."""
    owner = conversation.institution
    return timedelta(days=owner.retention_days) if owner else DEFAULT_RETENTION


def erase_old_texts(now: datetime) -> int:
    """Erase what was written in conversations whose time is over; return how many.

    First the data key, in a transaction of its own, so that the words are unreadable even if the
    rest fails; then the rows, also those that an earlier run or a restored dump left without a key.
    The conversation itself stays for the figures: times and topics.
    """
    due = Q(institution=None, ended_at__lt=now - DEFAULT_RETENTION)
    for pk, days in Institution.objects.values_list("pk", "retention_days"):
        due |= Q(institution=pk, ended_at__lt=now - timedelta(days=days))
    old = ConversationKey.objects.filter(conversation__in=Conversation.objects.filter(due))
    erased = list(old.order_by("pk").values_list("pk", flat=True)[:BATCH])
    with transaction.atomic():
        destroy_keys(erased)
    remove_keyless()
    if erased:
        log.info("erased the text of %d conversations", len(erased))
    return len(erased)


def remove_keyless() -> int:
    """Delete what is left of the words of conversations without a key; return of how many."""
    has_key = Exists(ConversationKey.objects.filter(pk=OuterRef("pk")))
    left = Conversation.objects.filter(~has_key).filter(
        Q(Exists(Message.objects.filter(conversation=OuterRef("pk"))))
        | Q(Exists(Note.objects.filter(conversation=OuterRef("pk"))))
        | Q(sealed_intake__isnull=False)
        | Q(sealed_address__isnull=False)
        | Q(visitor__isnull=False)
        | Q(urgency_changes__sealed_reason__isnull=False)
    )
    removed = 0
    for conversation in left.distinct()[:BATCH]:
        remove_words(conversation)
        removed += 1
    return removed


def scrub_log(now: datetime) -> bool:
    """Empty SQLite's write-ahead log, in which pages from before an erasing linger until others are
    written over them. False: somebody was in the way, or there is no such log; next time.
    """
    if connection.vendor != "sqlite":
        return False
    name = connection.settings_dict["NAME"]
    # On a connection of its own, that waits for nobody for long.
    with closing(sqlite3.connect(name, timeout=0.5)) as own:
        [[is_busy, _pages, _moved]] = own.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return not is_busy


def forget_old_visits(now: datetime) -> int:
    """Forget visits that ended or went quiet a day ago; return how many.

    Of a visit with a letter only the token goes: its return code, or a mail, leads back to it. A
    letter is therefore in no browser for longer than a day without its code.
    """
    long_ago = now - VISIT_LIFE
    live_chats = Conversation.objects.chats().live().filter(visitor__isnull=False)
    letters = Conversation.objects.letters().filter(visitor__isnull=False)
    recent = Conversation.objects.filter(ended_at__gt=long_ago, visitor__isnull=False)
    quiet = Visitor.objects.filter(token_at__lt=long_ago).exclude(
        pk__in=live_chats.values("visitor")
    )
    kept = quiet.filter(pk__in=letters.values("visitor"), token_hash__isnull=False)
    with transaction.atomic():
        found = list(kept.values_list("pk", flat=True)[:BATCH])
        forgotten = kept.filter(pk__in=found).update(token_hash=None)
        ReturnCode.objects.filter(visitor__in=found).update(sealed_words=None)
    gone = quiet.exclude(pk__in=letters.values("visitor")).exclude(pk__in=recent.values("visitor"))
    by_model = gone.delete()[1]
    return forgotten + by_model.get("chat.Visitor", 0)


def _each(conversations: Iterable[Conversation], verb: Callable[[Conversation], None]) -> int:
    done = 0
    for conversation in conversations:
        try:
            verb(conversation)
        except Refused:  # somebody was first
            continue
        done += 1
    return done
