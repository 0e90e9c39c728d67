"""What do we hold about somebody? The same list for the young person and for the operator.

Nothing is listed by hand: every table that points at the visit or at a conversation is counted, of
whatever room, and what can be read of its rows comes from their own `words_held`.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import ManyToOneRel, Model, QuerySet

from chat.models import Conversation, ConversationKey, ReturnCode, Visitor
from chat.reading import intake_of
from institutions.models import AuditEvent


@dataclass(frozen=True)
class HeldConversation:
    """One chat or letter, and how much of it there is."""

    conversation: Conversation
    answers: int
    is_readable: bool
    # Every table that points at it, with the number of rows; also those of rooms above this one.
    rows: dict[str, int]

    @property
    def erased_by(self) -> datetime | None:
        """When its text is erased at the latest; None while it goes on."""
        from chat.jobs import retention_of

        ended_at = self.conversation.ended_at
        return ended_at + retention_of(self.conversation) if ended_at else None


@dataclass(frozen=True)
class Held:
    """Everything that a code, or a visit, leads to."""

    visitor: Visitor
    code_since: datetime | None
    # Of the visit itself, likewise.
    rows: dict[str, int]
    conversations: list[HeldConversation]


def held_of(visitor: Visitor) -> Held:
    code = ReturnCode.objects.filter(visitor=visitor).first()
    found = visitor.conversations.select_related("brand", "institution", "line")
    found = found.order_by("created_at", "pk")
    keys = set(ConversationKey.objects.filter(conversation__in=found).values_list("pk", flat=True))
    return Held(
        visitor,
        code.created_at if code else None,
        rows_about(visitor),
        [
            HeldConversation(
                one,
                len(intake_of(one, one.language)["answers"]),
                one.pk in keys,
                rows_about(one),
            )
            for one in found
        ],
    )


def tables_about(thing: Model) -> "Iterator[QuerySet[Any]]":
    """The rows of every table that point at this visit or conversation."""
    for relation in thing._meta.get_fields(include_hidden=True):
        if isinstance(relation, ManyToOneRel):
            rows = relation.related_model._base_manager
            yield rows.filter(**{relation.field.name: thing.pk}).order_by("pk")
    if isinstance(thing, Conversation):
        # The trail outlives what it is about, so it points by name.
        yield AuditEvent.objects.filter(conversation=thing.pk).order_by("pk")


def rows_about(thing: Model) -> dict[str, int]:
    """The name of each table with rows about this, and how many."""
    counts = {rows.model._meta.label: rows.count() for rows in tables_about(thing)}
    return {label: count for label, count in sorted(counts.items()) if count}


def words_of(thing: Visitor | Conversation) -> list[str]:
    """Every text about this that we can still read, each with what it is."""
    lines = []
    if isinstance(thing, Conversation):
        intake = intake_of(thing, thing.language)
        lines = [f"{given['question']} {given['answer']}" for given in intake["answers"]]
        lines += [f"reason: {reason}" for reason in intake["reasons"]]
        if not ConversationKey.objects.filter(pk=thing.pk).exists():
            return lines
    for rows in tables_about(thing):
        if hasattr(rows.model, "words_held"):
            lines += [line for row in rows for line in row.words_held()]
    return lines
