"""Destroying what was written, for good.

Always the data key first, in a transaction of its own that also ends the conversation, so that
nothing is written after it and everything is unreadable whatever happens next; then the rows. A
dump of the database that is put back brings rows back and no keys, as long as the table of keys is
dumped apart and kept for a shorter time (docs/decisions/0012-letters.md).

The conversation itself stays, without anything of the person: when it was, and for the figures.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone

from chat import events
from chat.keys import data_keys
from chat.models.words import ConversationKey

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from chat.models.visitor import Visitor

# What a conversation itself holds of a person.
BLANK: dict[str, Any] = {
    "visitor": None,
    "sealed_intake": None,
    "sealed_address": None,
    "answer_by": "code",
    "address_failed_at": None,
    "due_at": None,
    "wishes": [],
}
# What stays for the figures after the text went by the clock, and not when she erased it herself.
BLANK_AT_WISH: dict[str, Any] = {
    "region": "",
    "age_band": "",
    "topic_detail": "",
    "danger": False,
    "feedback_heard": None,
    "feedback_better": None,
}


def tables_with_words() -> "Iterator[tuple[type[models.Model], str]]":
    """Every table whose rows go with the words of a conversation, and its field that points there.

    Those are the tables that hold something sealed, of whatever room: a new one is not forgotten.
    A model says otherwise with `goes_with_words`.
    """
    from chat.models.conversation import Conversation

    for relation in Conversation._meta.get_fields(include_hidden=True):
        if not isinstance(relation, models.ManyToOneRel):
            continue
        table = relation.related_model
        if table in (Conversation, ConversationKey):
            continue
        is_sealed = any(isinstance(one, models.BinaryField) for one in table._meta.concrete_fields)
        if getattr(table, "goes_with_words", is_sealed):
            yield table, relation.field.name


def destroy_keys(conversations: list[str]) -> int:
    """Make everything in these conversations unreadable; return how many keys there were."""
    count, _by_model = ConversationKey.objects.filter(pk__in=conversations).delete()

    def forget() -> None:
        for pk in conversations:
            data_keys.forget(pk)

    transaction.on_commit(forget, robust=True)
    return count


def remove_words(conversation: "Conversation") -> None:
    """Delete the rows of a conversation whose key is gone, and all it held of a person."""
    with transaction.atomic():
        for table, field in tables_with_words():
            table._base_manager.filter(**{field: conversation.pk}).delete()
        # That the urgency was changed stays, for the figures; why does not.
        conversation.urgency_changes.update(sealed_reason=None)
        type(conversation).objects.filter(pk=conversation.pk).update(**BLANK)


def erase_visit(visitor: "Visitor") -> int:
    """Erase all that a young person left behind, now: at their own request.

    Ends what was going on, in every window. Returns how many conversations there were. Being
    killed in between leaves rows without a key, which the daily erasing removes.
    """
    from chat.models.conversation import Conversation

    with transaction.atomic():
        # The visitor first, as everybody does: nobody starts something new meanwhile.
        type(visitor).objects.select_for_update(no_key=True).filter(pk=visitor.pk).first()
        mine = list(Conversation.objects.select_for_update().filter(visitor=visitor).order_by("pk"))
        for conversation in mine:
            _end(conversation)
        destroy_keys([conversation.pk for conversation in mine])
        type(visitor).objects.filter(pk=visitor.pk).update(token_hash=None)
        events.publish(events.VisitEnded(visitor=visitor.pk))
    for conversation in mine:
        remove_words(conversation)
    visitor.delete()  # and with it the return code, and answers that led to no conversation
    return len(mine)


def _end(conversation: "Conversation") -> None:
    """End it because it was erased; the row of the change is the trail, and holds no text."""
    now = timezone.now()
    old = new = conversation.status
    changes: dict[str, Any] = {"visitor": None, "sealed_address": None, "answer_by": "code"}
    changes |= BLANK_AT_WISH
    if old in conversation.LIVE:
        is_queue = old == conversation.Status.WAITING and conversation.kind == "chat"
        new = conversation.Status.ABANDONED if is_queue else conversation.Status.CLOSED
        changes |= {"status": new, "ended_at": now, "due_at": None}
        if not is_queue:
            changes["closing_reason"] = conversation.ClosingReason.ERASED
    type(conversation).objects.filter(pk=conversation.pk).update(**changes)
    conversation.changes.create(old=old, new=new, by="visitor", reason="erased", at=now)
    conversation.refresh_from_db()
    events.publish(events.StatusChanged.of(conversation, reason="erased"))
    events.publish(events.DeskChanged(line=conversation.line_id))
