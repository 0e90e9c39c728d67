"""The pages of a letter: writing one, what became of it, its code, and what we hold.

They show and change nothing; `letter_actions.py` does. Without JavaScript all of it works.
"""

import uuid
from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from chat import pressure
from chat.held import held_of
from chat.letters import MAX_LETTER, closes_at, unread_words
from chat.models import Conversation, ReturnCode
from chat.reading import read_messages
from chat.texts import REFUSALS
from chat.visits import token_of
from chat.writer import Mark, writer
from triage import held_page
from triage.letter_forms import LetterForm
from triage.letter_words import is_danger
from triage.visiting import Visit, page, retention_days


def show_write(
    here: Visit,
    status: int = 200,
    *,
    form: LetterForm | None = None,
    needs_proof: bool = False,
    **context: Any,
) -> HttpResponse:
    """The sheet of paper. `form`: what was sent and could not be taken as it was."""
    live, chat = here.live, here.conversation
    unread = live.messages.exists() if live else bool(chat and unread_words(chat))
    given = form.data if form else {}
    if needs_proof or pressure.letters.is_high(here.request):
        context["proof"] = pressure.ask("letter")
    intake = here.intake
    return page(
        here,
        "triage/letter_write.html",
        status,
        form=form,
        text=given.get("text", ""),
        answer_by=given.get("answer_by", ""),
        address=given.get("address", ""),
        client_id=given.get("client_id") or str(uuid.uuid4()),
        limit=MAX_LETTER,
        queued=live if live and live.status == Conversation.Status.WAITING else None,
        has_written=unread,
        danger=context.pop("danger", False) or bool(intake and intake.danger()),
        opening=context.pop("opening", here.opening),
        is_before_chat=intake is not None,
        days=retention_days(),
        **context,
    )


def show_letter(
    here: Visit,
    letter: Conversation,
    status: int = 200,
    *,
    older: bool = False,
    draft: str = "",
    client_id: str = "",
    refused: str = "",
    **context: Any,
) -> HttpResponse:
    """What is new in a letter, and what she can do with it. `older`: all of it was asked for."""
    messages = read_messages(letter.pk, 0, limit=letter.last_seq)
    own = max((one.seq for one in messages if one.author == "visitor"), default=0)
    shown = messages if older else [one for one in messages if one.seq > own]
    if any(one.author == "worker" for one in shown) and letter.visitor_id is not None:
        writer.mark(Mark(letter.pk, "visitor", letter.visitor_id, letter.last_seq))
    own_words = "\n".join(one.text for one in messages if one.author == "visitor")
    code = ReturnCode.objects.filter(visitor=letter.visitor_id).first()
    return page(
        here,
        "triage/letter.html",
        status,
        letter=letter,
        heading=_heading(letter, has_answer=own < letter.last_seq),
        messages=[_shown(one) for one in shown],
        has_older=not older and len(shown) < len(messages),
        danger=is_danger(letter, own_words),
        is_erased=not messages and letter.last_seq > 0,
        own_count=own,
        closes_at=closes_at(letter),
        is_late=letter.due_at is not None and letter.due_at < here.now,
        invitation=letter.invitation(),
        keeps_place=keeps_place(letter, here.now),
        transfer=letter.transfers.open().select_related("to_institution").first(),
        opening=here.opening,
        has_address=letter.sealed_address is not None,
        has_code=code is not None,
        draft=draft,
        client_id=client_id or str(uuid.uuid4()),
        error=REFUSALS.get(refused, ""),
        limit=MAX_LETTER,
        is_made_by_us=code is None
        and letter.changes.filter(by="system", reason="closing_time").exists(),
        days=retention_days(),
        **context,
    )


def keeps_place(letter: Conversation, now: datetime) -> bool:
    """Whether a place is kept for her at this moment: in the hour to which she was invited."""
    invitation = letter.invitation()
    return invitation is not None and invitation.hour.start <= now < invitation.hour.end


def _heading(letter: Conversation, *, has_answer: bool) -> str:
    if has_answer:
        return _("Er is een antwoord")
    if letter.status == Conversation.Status.CLOSED:
        return _("Je brief is klaar")
    return _("Je brief is bij ons")


def _shown(message: Any) -> dict[str, Any]:
    return {
        "author": message.author,
        "name": message.name,
        "text": message.text,
        "at": datetime.fromisoformat(message.at),
        "is_by_mail": message.is_by_mail,
    }


def show_code(here: Visit) -> HttpResponse:
    """The code, because she asked for it."""
    visitor = here.needs_visitor()
    words = ReturnCode.of(visitor, token_of(here.request))
    return page(here, "triage/letter_code.html", words=words.split(), code=words)


def show_held(here: Visit) -> HttpResponse:
    held = held_of(here.needs_visitor())
    return page(
        here,
        "triage/letter_held.html",
        held=held,
        of_visit=held_page.sentences(held.rows),
        conversations=[
            (one, held_page.about(one) + held_page.sentences(one.rows))
            for one in held.conversations
        ],
        days=retention_days(),
    )
