"""What do we hold about somebody? The same list for the young person and for the operator."""

from dataclasses import dataclass
from datetime import datetime

from django.db.models import Count, ManyToOneRel

from chat.models import Conversation, ConversationKey, ReturnCode, Visitor
from chat.reading import intake_of, read_messages
from institutions.models import AuditEvent

# Of the room above, which this page tells of all the same.
MAILS = ("mail.IncomingMail", "mail.VisitorMail")


@dataclass(frozen=True)
class HeldConversation:
    """One chat or letter, and how much of it there is."""

    conversation: Conversation
    messages: int
    notes: int
    answers: int
    is_readable: bool
    # Every table that points at it, with the number of rows; also those of rooms above this one.
    rows: dict[str, int]

    @property
    def mails(self) -> int:
        """How many mails came in, and of how many a row remembers that they went out."""
        return sum(count for label, count in self.rows.items() if label in MAILS)

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
    conversations: list[HeldConversation]


def held_of(visitor: Visitor) -> Held:
    code = ReturnCode.objects.filter(visitor=visitor).first()
    found = (
        visitor.conversations.select_related("brand", "institution", "line")
        .annotate(
            message_count=Count("messages", distinct=True),
            note_count=Count("notes", distinct=True),
        )
        .order_by("created_at", "pk")
    )
    keys = set(ConversationKey.objects.filter(conversation__in=found).values_list("pk", flat=True))
    return Held(
        visitor,
        code.created_at if code else None,
        [
            HeldConversation(
                one,
                one.message_count,
                one.note_count,
                len(intake_of(one, one.language)["answers"]),
                one.pk in keys,
                rows_about(one),
            )
            for one in found
        ],
    )


def rows_about(conversation: Conversation) -> dict[str, int]:
    trail = AuditEvent.objects.filter(conversation=conversation.pk)
    found = {AuditEvent._meta.label: trail.count()}
    for relation in Conversation._meta.get_fields(include_hidden=True):
        if not isinstance(relation, ManyToOneRel):
            continue
        table = relation.related_model
        rows = table._base_manager.filter(**{relation.field.name: conversation.pk})
        found[table._meta.label] = rows.count()
    return {label: count for label, count in sorted(found.items()) if count}


def words_of(conversation: Conversation) -> list[str]:
    """Every text of a conversation that we can still read, with who wrote it."""
    intake = intake_of(conversation, conversation.language)
    lines = [f"{given['question']} {given['answer']}" for given in intake["answers"]]
    lines += [
        f"{one.author}: {one.text}" for one in read_messages(conversation.pk, 0, limit=10_000)
    ]
    for note in conversation.notes.select_related("conversation__key"):
        lines.append(f"note: {note.text()}")
    return lines
