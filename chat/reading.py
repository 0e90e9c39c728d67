"""Reading from the database what windows show: messages, the desk, a conversation's surroundings.

Runs in pool threads; everything that comes out is plain data, ready to be sent.
"""

import hashlib
import json
from datetime import UTC, datetime
from typing import Any

from django.utils import translation

from chat import queue
from chat.events import MessagePosted
from chat.keys import data_keys
from chat.models import Conversation, ConversationKey, Message
from institutions.access import Staff
from institutions.models import User
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


def intake_of(conversation: Conversation) -> dict[str, Any]:
    """Return {"reasons": […], "answers": […]}; empty once the text was erased."""
    try:
        text = conversation.intake()
    except ConversationKey.DoesNotExist:
        text = ""
    return {"reasons": [], "answers": []} | (json.loads(text) if text else {})


def intake_frame(conversation: Conversation) -> dict[str, Any]:
    intake = intake_of(conversation)
    return {
        "type": "intake",
        "conversation": conversation.pk,
        "urgency": conversation.urgency,
        "reasons": intake["reasons"],
        "answers": intake["answers"],
        "claimed_at": iso(conversation.claimed_at) if conversation.claimed_at else None,
        "brand": conversation.brand.name,
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


class Desk:
    """What all desks of a line have in common, read once for all of them; a constant number of
    queries however many people wait or work."""

    def __init__(self, line: ServiceLine, now: datetime) -> None:
        self.now = now
        self.load = queue.load(line, now)
        self.opening = queue.opening_of(line, now)
        self.places = queue.places(line, now, self.opening.until)
        waiting = {
            conversation.pk: conversation
            for conversation in Conversation.objects.waiting()
            .filter(line=line)
            .select_related("brand", "key")
        }
        self.waiting = [
            (place, waiting[place.conversation])
            for place in self.places
            if place.conversation in waiting
        ]
        self.colleagues = queue.present_colleagues(now)
        self.chats = queue.chats_by_worker([colleague.pk for colleague in self.colleagues])
        held = Conversation.objects.filter(line=line, worker__in=self.colleagues)
        self.held = list(held.active().order_by("claimed_at")) + list(
            held.filter(status=Conversation.Status.CLOSED, contact_kind="").order_by("ended_at")
        )
        self.reasons = {
            conversation.pk: intake_of(conversation)["reasons"] for conversation in waiting.values()
        }

    def frame(self, worker: int, language: str) -> dict[str, Any]:
        """Return the `desk` event for one worker."""
        me = next((one for one in self.colleagues if one.pk == worker), None)
        with translation.override(language):
            opening = {
                "state": self.opening.state,
                "until": iso(self.opening.until) if self.opening.until else None,
                "text": self.opening.text(),
            }
        return {
            "type": "desk",
            "availability": me.presence.state if me else "paused",
            "cap": me.chat_cap if me else 0,
            "opening": opening,
            "queue": [self._card(place, waiting, worker) for place, waiting in self.waiting],
            "mine": [self._held(one) for one in self.held if one.worker_id == worker],
            "colleagues": [
                {
                    "id": one.pk,
                    "name": one.name,
                    "institution": ", ".join(
                        membership.institution.name
                        for membership in one.memberships.all()
                        if membership.institution and membership.role == "worker"
                    ),
                    "state": one.presence.state,
                    "chats": self.chats.get(one.pk, 0),
                    "cap": one.chat_cap,
                }
                for one in self.colleagues
                if one.pk != worker
            ],
        }

    def _card(self, place: queue.Place, waiting: Conversation, worker: int) -> dict[str, Any]:
        reserved = ""
        if waiting.reserved_for_id and waiting.reserved_until and waiting.reserved_until > self.now:
            reserved = "me" if waiting.reserved_for_id == worker else "other"
        return {
            "conversation": waiting.pk,
            "label": label(waiting.pk),
            "place": place.place,
            "urgency": waiting.urgency,
            "reasons": self.reasons[waiting.pk],
            "since": iso(waiting.waiting_since),
            "handed_over": waiting.claimed_at is not None,
            "reserved": reserved,
            "brand": waiting.brand.name,
            "language": waiting.language,
        }

    def _held(self, one: Conversation) -> dict[str, Any]:
        return {
            "conversation": one.pk,
            "status": one.status,
            "urgency": one.urgency,
            "since": iso(one.claimed_at or one.created_at),
            "unread": max(0, one.last_seq - one.worker_seq),
            "top": one.last_seq,
            "present": self.now - one.visitor_seen_at <= LEASE,
            "label": label(one.pk),
            "to_register": one.status == Conversation.Status.CLOSED,
        }


def readable(staff: Staff, conversation: str) -> Conversation | None:
    """Return the conversation if this worker may read it, with what its frames need."""
    return (
        Conversation.objects.visible_to(staff)
        .filter(pk=conversation)
        .select_related("brand", "worker", "key")
        .first()
    )
