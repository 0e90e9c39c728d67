"""Letters: whose they are, until when an answer is promised, and writing on in one."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db.models import Count
from django.utils import timezone

from chat.models.refused import Refused
from institutions.models import Institution
from roster.models import LetterDuty
from roster.workdays import promised

if TYPE_CHECKING:
    from chat.models import Conversation

# What triage sets when a conversation starts, beside urgency and answers.
PRESET = ("topic", "topic_detail", "region", "age_band", "wishes", "danger")
# A letter may be longer than a line of a chat.
MAX_LETTER = 10_000
# A letter in which it is the young person's turn for this long: she is told, and then it closes.
QUIET = timedelta(days=23)
QUIET_NOTICE = timedelta(days=7)


def owner_for(conversation: "Conversation") -> Institution | None:
    """Return the institution in whose inbox a new letter comes; None when there is none at all.

    That of the young person's own region first: of several the one on letter duty, else the one with
    the fewest letters open. Otherwise who has letter duty this week.
    """
    on_duty = LetterDuty.on(conversation.line, timezone.now())
    if region := conversation.region:
        from chat.models import able_institutions

        near = [one for one in able_institutions() if region in one.municipalities]
        if near:
            return _least_busy(near, on_duty)
    return on_duty


def _least_busy(near: list[Institution], on_duty: Institution | None) -> Institution:
    from chat.models import Conversation

    live = Conversation.objects.letters().live().order_by()
    counts = dict(
        live.values("institution").annotate(n=Count("pk")).values_list("institution", "n")
    )
    return min(near, key=lambda one: (one != on_duty, counts.get(one.pk, 0), one.pk))


def due_at(letter: "Conversation", now: datetime) -> datetime:
    """Return until when an answer is promised: the end of the second working day after today."""
    return promised(now, letter.line.zone)


def closes_at(letter: "Conversation") -> datetime | None:
    """Return when this letter closes because nothing was heard; None while that was not announced."""
    if letter.quiet_told_at is None or letter.status not in letter.LIVE:
        return None
    return letter.quiet_told_at + QUIET_NOTICE


def carried_over(conversation: "Conversation") -> dict[str, Any]:
    """What is known about a person goes along from a chat to a letter, or from a letter to a chat:
    the urgency, the answers to the questions before, and what triage made of them."""
    from chat.models import ConversationKey

    try:
        intake = conversation.intake()
    except ConversationKey.DoesNotExist:  # erased by now
        intake = ""
    preset = {name: getattr(conversation, name) for name in PRESET}
    return preset | {"urgency": conversation.urgency, "intake": intake}


def unread_words(chat: "Conversation") -> list[str]:
    """What was written in the queue of a chat that nobody took: it goes along into a letter."""
    from chat.reading import read_messages

    if chat.status != chat.Status.ABANDONED or chat.claimed_at is not None:
        return []
    return [message.text for message in read_messages(chat.pk, 0, limit=chat.last_seq)]


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
