"""Letters: whose they are, until when an answer is promised, and writing on in one."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count, Q

from chat.models.refused import Refused
from institutions.models import Institution

if TYPE_CHECKING:
    from chat.models import Conversation

# A letter may be longer than a line of a chat.
MAX_LETTER = 10_000
WORKING_DAYS = 2
SATURDAY = 5


def owner_for(conversation: "Conversation") -> Institution | None:
    """Return the institution in whose inbox a new letter comes; None when there is none at all.

    The one with workers that has the fewest letters open; of equals the first.
    """
    from chat.models import Conversation

    counts = dict(
        Conversation.objects.letters()
        .live()
        .values_list("institution")
        .annotate(count=Count("pk"))
        .values_list("institution", "count")
    )
    able = Institution.objects.filter(
        Q(memberships__role="worker", memberships__user__is_active=True), is_active=True
    ).distinct()
    return min(able, key=lambda one: (counts.get(one.pk, 0), one.pk), default=None)


def due_at(letter: "Conversation", now: datetime) -> datetime:
    """Return until when an answer is promised: two working days later, at the same time."""
    local = now.astimezone(letter.line.zone)
    for _day in range(WORKING_DAYS):
        local += timedelta(days=1)
        while local.weekday() >= SATURDAY:
            local += timedelta(days=1)
    return local


def carried_over(conversation: "Conversation") -> dict[str, Any]:
    """What is known about a person goes along from a chat to a letter, or from a letter to a chat:
    the urgency, and the answers to the questions before."""
    from chat.models import ConversationKey

    try:
        intake = conversation.intake()
    except ConversationKey.DoesNotExist:  # erased by now
        intake = ""
    return {"urgency": conversation.urgency, "intake": intake}


def write_on(letter: "Conversation", text: str, client_id: str) -> None:
    """The young person writes on, on the page or by mail; after the commit it returns.

    Reopens a closed letter, and renews the promise of an answer. The same `client_id` with the
    same text is stored once. Raises Refused with a code of the protocol; nothing is stored then.
    Waits for the writer, so never call it on the event loop.
    """
    from chat.commands import BadCommand, clean_text
    from chat.writer import Post, writer

    if letter.kind != letter.Kind.LETTER or letter.visitor_id is None:
        raise Refused("wrong_state")
    try:
        text = clean_text(text, limit=MAX_LETTER)
    except BadCommand as bad:
        raise Refused(bad.code) from None
    post = Post(letter.pk, client_id, "visitor", letter.visitor_id, text)
    for _attempt in range(3):
        outcome = writer.post_and_wait(post)
        if outcome.code != "wrong_state":
            break
        # Closed, a moment ago or long ago. Another window of hers may reopen it first.
        letter.refresh_from_db()
        if letter.status == letter.Status.CLOSED:
            try:
                letter.reopen()
            except Refused as refused:
                if refused.code != "taken":
                    raise
    if outcome.code:
        raise Refused(outcome.code)
    if outcome.is_new:
        letter.expect_answer()
