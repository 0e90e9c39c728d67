"""Destroying what was written, for good.

Always the data key first, in a transaction of its own that also ends the conversation, so that
nothing is written after it and everything is unreadable whatever happens next; then the rows. A
backup that is restored brings rows back and no keys: those are in a file of their own that does not
live as long (docs/decisions/0020-backups.md).

The conversation itself stays, without anything of the person: when it was, and for the figures.
"""

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import models, transaction
from django.utils import timezone

from chat import erased, events
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
    killed in between leaves rows without a key, which the daily erasing removes; what can be read
    without those keys (the code, answers that led to no conversation) goes together with them.
    """
    from chat.models.conversation import Conversation

    with transaction.atomic():
        # The visitor first, as everybody does: nobody starts something new meanwhile.
        type(visitor).objects.select_for_update(no_key=True).filter(pk=visitor.pk).first()
        mine = list(Conversation.objects.select_for_update().filter(visitor=visitor).order_by("pk"))
        for conversation in mine:
            _end(conversation)
        erased.note(erased.ERASED, *(conversation.pk for conversation in mine))
        destroy_keys([conversation.pk for conversation in mine])
        events.publish(events.VisitEnded(visitor=visitor.pk))
        # With the return code, and with answers that carry their own key.
        visitor.delete()
    for conversation in mine:
        remove_words(conversation)
    return len(mine)


def erase_again(conversations: Iterable[str]) -> int:
    """Erase these, which a restored backup brought back, as their writers did; return how many.

    What they had of them since then goes too: a visit without any other conversation.
    """
    from chat.models.conversation import Conversation
    from chat.models.visitor import Visitor

    known = dict.fromkeys(conversations)
    brought_back = [
        pk
        for pk in Conversation.objects.order_by().values_list("pk", flat=True).iterator()
        if pk in known
    ]
    erased = 0
    for pk in brought_back:
        with transaction.atomic():
            conversation = Conversation.objects.select_for_update().get(pk=pk)
            visitor = conversation.visitor_id
            is_new = not conversation.changes.filter(reason="erased").exists()
            if is_new:
                _end(conversation)
            destroy_keys([pk])
            remove_words(conversation)
            if visitor is not None:
                Visitor.objects.filter(pk=visitor, conversations=None).delete()
            erased += is_new
    return erased


def end_keyless(now: datetime) -> int:
    """End live conversations whose key is gone: in a restored backup, what was erased since then."""
    from chat.models.conversation import Conversation

    keyless = Conversation.objects.live().filter(key=None)
    count = 0
    for conversation in keyless:
        _end(conversation, by="system", reason="restored", now=now)
        count += 1
    return count


def _end(
    conversation: "Conversation",
    *,
    by: str = "visitor",
    reason: str = "erased",
    now: datetime | None = None,
) -> None:
    """End it because it was erased; the row of the change is the trail, and holds no text."""
    now = now or timezone.now()
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
    conversation.changes.create(old=old, new=new, by=by, reason=reason, at=now)
    conversation.refresh_from_db()
    events.publish(events.StatusChanged.of(conversation, reason="erased"))
    events.publish(events.DeskChanged(line=conversation.line_id))
