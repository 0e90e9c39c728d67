"""Reading from the database what windows show: messages, the desk, a conversation's surroundings.

Runs in pool threads; everything that comes out is plain data, ready to be sent.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.db.models.functions import Coalesce
from django.utils import translation

from chat import queue, topics, why
from chat.events import MessagePosted
from chat.inbox import Inbox
from chat.keys import data_keys
from chat.models import Conversation, ConversationKey, Message, QueueRules, UrgencyChange
from chat.models.first import helpers
from institutions.access import Staff
from institutions.models import User
from institutions.places import name_of
from roster import opening
from roster.models import LEASE, ServiceLine

# Of a long conversation, at most 200 KB of it at a time: a window may be slow, or not read at all.
PAGE = 50


def iso(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def read_messages(
    conversation: str, after: int, institution: int | None = None, limit: int = PAGE
) -> list[MessagePosted]:
    """Return at most `limit` messages after a number, in order; none once the text was erased.

    With `institution`, none either when the conversation is another institution's by now.
    """
    found = Message.objects.filter(conversation=conversation, seq__gt=after)
    if institution is not None:
        found = found.filter(conversation__institution=institution)
    rows = list(
        found.order_by("seq").values_list(
            "seq", "client_id", "author", "worker__chat_name", "body", "at"
        )[:limit]
    )
    if not rows:
        return []
    try:
        key = data_keys.open(conversation)
    except ConversationKey.DoesNotExist:
        return []
    return [
        MessagePosted(
            conversation=conversation,
            seq=seq,
            client_id=client_id,
            author=author,
            name=name or "",
            text=key.unseal(bytes(body), conversation, seq, author, "body"),
            at=iso(at),
        )
        for seq, client_id, author, name, body, at in rows
    ]


def label(conversation: str) -> str:
    """Return a short name that tells waiting people apart and says nothing: two characters."""
    letters = "ABCDEFGHKLMNPRSTUVWXZ"
    digest = hashlib.sha256(conversation.encode()).digest()
    return f"{digest[0] % 9 + 1}{letters[digest[1] % len(letters)]}"


def said(value: Any, language: str) -> str:
    """A sentence of triage in this language; older ones are in Dutch only."""
    if isinstance(value, dict):
        return str(value.get(language) or value.get("nl") or "")
    return str(value or "")


def intake_of(
    conversation: Conversation, language: str, *, in_queue: bool = False
) -> dict[str, Any]:
    """Return what triage told, in the worker's language; empty once the text was erased.

    `in_queue`: for everybody, before somebody has the conversation; without sensitive words.

    {"version", "reasons": [sentence], "answers": [{"question", "answer"}], "age": text,
    "contact_kind": code or empty}
    """
    try:
        text = conversation.intake()
    except ConversationKey.DoesNotExist:
        text = ""
    told: dict[str, Any] = json.loads(text) if text else {}
    return {
        "version": told.get("version"),
        "reasons": [
            said(one.get("queue", one) if in_queue and isinstance(one, dict) else one, language)
            for one in told.get("reasons", ())
        ],
        "answers": [
            {"question": said(one["question"], language), "answer": said(one["answer"], language)}
            for one in told.get("answers", ())
        ],
        "age": said(told.get("age"), language),
        "contact_kind": told.get("contact_kind", ""),
    }


def about(conversation: Conversation, told: dict[str, Any], language: str) -> dict[str, Any]:
    """Return what card and pane show of somebody beside urgency and reasons."""
    with translation.override(language):
        return {
            "topic": topics.detail_text(conversation.topic, conversation.topic_detail, language)
            or (str(conversation.get_topic_display()) if conversation.topic else ""),
            "topic_code": conversation.topic,
            "topic_detail": conversation.topic_detail,
            "age": told["age"],
            "region": name_of(conversation.region) if conversation.region else "",
            "wishes": why.wishes(conversation.wishes),
            "danger": conversation.danger,
        }


def changes_of(changes: Iterable[UrgencyChange]) -> list[dict[str, Any]]:
    """Return who raised or lowered the urgency, and why; oldest first."""
    return [
        {
            "old": change.old,
            "new": change.new,
            "name": change.worker.name,
            "reason": change.reason(),
            "at": iso(change.at),
        }
        for change in changes
    ]


def intake_frame(conversation: Conversation, language: str) -> dict[str, Any]:
    told = intake_of(conversation, language)
    changes = conversation.urgency_changes.select_related("worker", "conversation__key")
    return {
        "type": "intake",
        "conversation": conversation.pk,
        "urgency": conversation.urgency,
        "reasons": told["reasons"],
        "answers": told["answers"],
        "version": told["version"],
        "contact_kind": told["contact_kind"],
        "changes": changes_of(changes),
        "claimed_at": iso(conversation.claimed_at) if conversation.claimed_at else None,
        "brand": conversation.brand.name,
        **about(conversation, told, language),
    }


def checklists_frame(conversation: Conversation) -> dict[str, Any]:
    return {
        "type": "checklists",
        "conversation": conversation.pk,
        "ticks": [
            {
                "checklist": tick.checklist,
                "step": tick.step,
                "name": tick.worker.name,
                "at": iso(tick.at),
            }
            for tick in conversation.ticks.select_related("worker")
        ],
    }


def notes_frame(conversation: Conversation, worker: User) -> dict[str, Any]:
    return {
        "type": "notes",
        "conversation": conversation.pk,
        "notes": [
            {
                "id": note.pk,
                "client_id": note.client_id,
                "name": note.worker.name,
                "text": note.text(),
                "at": iso(note.at),
                "mine": note.worker_id == worker.pk,
            }
            for note in conversation.notes.select_related("worker", "conversation__key")
        ],
    }


def is_present(now: datetime) -> ExpressionWrapper:
    """Whether the visitor of a conversation has it open, for a query."""
    return ExpressionWrapper(Q(visitor_seen_at__gte=now - LEASE), BooleanField())


class Desk:
    """What the desks of these workers have in common, read once for all of them: a constant number
    of queries however many people wait or work, and no more cards than the desks show.

    What one desk alone shows is looked up, never searched for: there may be hundreds of each.
    """

    def __init__(self, line: ServiceLine, now: datetime, workers: Collection[int]) -> None:
        self.now = now
        self.helpers = helpers(now)
        waiting = queue.waiting_on(line)
        self.waiting = Counter(one.urgency for one in waiting)
        capacity = queue.capacity_on(line, now, len(waiting) + 1)
        self.opening = opening.look(line, queue.load_of(capacity, len(waiting)), now)
        self.places = queue.placed(
            waiting, now, QueueRules.of(line), self.helpers, capacity, self.opening.until
        )
        self.place_of = {place.conversation: place for place in self.places}
        rows = Conversation.objects.waiting().filter(line=line)
        reserved = rows.filter(reserved_for__isnull=False, reserved_until__gt=now)
        self.reserved = dict(reserved.values_list("pk", "reserved_for_id"))
        standings = [place.standing for place in self.places if place.standing]
        self.windows = queue.windows(standings, self.helpers, self.reserved, workers)
        shown = {one.waiting.conversation for window in self.windows.values() for one in window}
        # Who was claimed since the order was made is not among them any more.
        self.rows = rows.select_related("brand", "key").in_bulk(shown)
        self.changes: dict[str, list[dict[str, Any]]] = {}
        for change in UrgencyChange.objects.filter(conversation__in=shown).select_related(
            "worker", "conversation__key"
        ):
            self.changes.setdefault(change.conversation_id, []).extend(changes_of([change]))
        self._cards: dict[tuple[str, str], dict[str, Any]] = {}
        self.present = {one.pk: one for one in queue.present_colleagues(now)}
        chats = queue.chats_by_worker(list(self.present))
        # Made once, and each as it goes out: every desk shows all but one of them.
        self.colleagues = {
            pk: msgspec.Raw(msgspec.json.encode(_colleague(one, chats.get(pk, 0))))
            for pk, one in self.present.items()
        }
        self.held: dict[int | None, list[dict[str, Any]]] = {}
        held = Conversation.objects.chats().filter(line=line, worker__in=list(workers))
        for some in (
            held.active().order_by("claimed_at"),
            held.filter(status=Conversation.Status.CLOSED, contact_kind="").order_by("ended_at"),
        ):
            for worker, card in _held_cards(some, now):
                self.held.setdefault(worker, []).append(card)
        self.inbox = Inbox(now)
        self._openings: dict[str, dict[str, Any]] = {}

    def frame(self, worker: int, language: str) -> dict[str, Any]:
        """Return the `desk` event for one of the workers, ready to be encoded by msgspec."""
        me = self.present.get(worker)
        return {
            "type": "desk",
            "availability": me.presence.state if me else "paused",
            "cap": me.chat_cap if me else 0,
            "opening": self._opening(language),
            "at": iso(self.now),
            "waiting": {urgency: self.waiting[urgency] for urgency in Conversation.Urgency.values},
            "queue": [
                self._card(standing, worker, language)
                for standing in self.windows[worker]
                if standing.waiting.conversation in self.rows
            ],
            "mine": self.held.get(worker, []),
            "letters": self.inbox.counts(worker),
            "colleagues": [raw for pk, raw in self.colleagues.items() if pk != worker],
        }

    def _opening(self, language: str) -> dict[str, Any]:
        if language not in self._openings:
            until = self.opening.until
            with translation.override(language):
                self._openings[language] = {
                    "state": self.opening.state,
                    "until": iso(until) if until else None,
                    "text": self.opening.text(),
                }
        return self._openings[language]

    def _card(self, standing: queue.Standing, worker: int, language: str) -> dict[str, Any]:
        waiting = self.rows[standing.waiting.conversation]
        reserved = ""
        if waiting.pk in self.reserved:
            reserved = "me" if self.reserved[waiting.pk] == worker else "other"
        region = standing.waiting.wants.region
        first = why.first_for(standing.hold, region, worker, self.now)
        return self._common(waiting, language) | {"reserved": reserved, "first": first}

    def _common(self, waiting: Conversation, language: str) -> dict[str, Any]:
        """The part of a card that is the same for everybody with this language."""
        if known := self._cards.get((waiting.pk, language)):
            return known
        place = self.place_of[waiting.pk]
        told = intake_of(waiting, language, in_queue=True)
        with translation.override(language):
            reasons_why = why.sentences(place.standing, self.now) if place.standing else []
        card = {
            "conversation": waiting.pk,
            "label": label(waiting.pk),
            "place": place.place,
            "urgency": waiting.urgency,
            "reasons": told["reasons"],
            "why": reasons_why,
            "changes": self.changes.get(waiting.pk, []),
            "since": iso(waiting.waiting_since),
            "handed_over": waiting.claimed_at is not None,
            "brand": waiting.brand.name,
            "language": waiting.language,
            **about(waiting, told, language),
        }
        self._cards[waiting.pk, language] = card
        return card


def _held_cards(
    conversations: QuerySet[Conversation], now: datetime
) -> Iterator[tuple[int | None, dict[str, Any]]]:
    """Yield the worker and the card of each of these."""
    since = Coalesce("claimed_at", "created_at")
    fields = ("pk", "worker_id", "status", "urgency", "since", "last_seq", "worker_seq", "present")
    found = conversations.annotate(present=is_present(now), since=since)
    for pk, worker, status, urgency, since, top, seen, here in found.values_list(*fields):
        yield (
            worker,
            {
                "conversation": pk,
                "status": status,
                "urgency": urgency,
                "since": iso(since),
                "unread": max(0, top - seen),
                "top": top,
                "present": here,
                "label": label(pk),
                "to_register": status == Conversation.Status.CLOSED,
            },
        )


def _colleague(one: User, chats: int) -> dict[str, Any]:
    return {
        "id": one.pk,
        "name": one.name,
        "institution": ", ".join(
            membership.institution.name
            for membership in one.memberships.all()
            if membership.institution and membership.role == "worker"
        ),
        "state": one.presence.state,
        "chats": chats,
        "cap": one.chat_cap,
    }


def readable(staff: Staff, conversation: str) -> Conversation | None:
    """Return the chat if this worker may read it, with what its frames need.

    Letters have pages of their own (`chat/letter_page.py`), and no frames.
    """
    return (
        Conversation.objects.visible_to(staff)
        .chats()
        .filter(pk=conversation)
        .select_related("brand", "worker", "key")
        .first()
    )
