"""What a young person can do with a letter. Each action does what it says or raises a Refusal."""

from collections.abc import Callable

from django.conf import settings
from django.db import transaction
from django.http import HttpResponse
from django.utils.translation import gettext_lazy as _

from chat import pressure, queue
from chat.letters import carried_over, unread_words, write_on
from chat.models import Conversation, Refused, ReturnCode, Visitor
from chat.visits import drop_visit_cookie, set_visit_cookie, token_of
from triage import letter_page
from triage.code_picture import code_picture as picture_of
from triage.forms import PostForm
from triage.letter_forms import AnswerForm, LetterForm
from triage.letter_words import weigh
from triage.models import Intake
from triage.visiting import BEGUN, TEXTS, Refusal, Visit, go_on, page

CLAIMED = _(
    "Er is net iemand voor je vrij! Je brief is niet verstuurd. Hij staat hieronder in het vak: "
    "je kunt hem zo in de chat sturen."
)
PROVE = _("Het is nu heel druk. Je brief is nog niet verstuurd, maar hij staat er nog.")


def letter(here: Visit) -> HttpResponse:
    """Towards a letter: through the questions, or straight to the paper if they were answered."""
    if here.live:
        if here.live.status != Conversation.Status.WAITING or _live_letter(here):
            return go_on()
        return letter_page.show_write(here)
    if intake := here.intake:
        intake.choose(is_letter=True)
        return go_on()
    if _live_letter(here):
        return to_letter(here)
    if here.conversation:
        return letter_page.show_write(here)
    if here.line is None:
        raise Refusal(_("Hier kun je geen brief schrijven."))
    if here.visitor is not None:
        Intake.begin(here.visitor, is_letter=True)
        return go_on()
    visitor, token = Visitor.begin(here.brand, settings.LANGUAGE_CODE)
    Intake.begin(visitor, is_letter=True)
    response = go_on()
    response["Location"] = BEGUN
    set_visit_cookie(response, token)
    return response


def letter_send(here: Visit) -> HttpResponse:
    """Send a new letter: instead of waiting, instead of a chat, or after one."""
    here.needs_visitor()
    if _live_letter(here):  # clicked twice
        return go_on()
    form = LetterForm(here.request.POST)
    if not form.is_valid():
        return letter_page.show_write(here, 400, form=form)
    if pressure.letters.is_high(here.request) and not pressure.is_proved(here.request, "letter"):
        return letter_page.show_write(here, 429, form=form, needs_proof=True, refusal=PROVE)
    words = form.cleaned_data
    with transaction.atomic():
        new = _start(
            here,
            text=words["text"],
            client_id=str(words["client_id"]),
            answer_by=words["answer_by"],
            address=words["address"],
        )
        weigh(new, words["text"])
    pressure.letters.count(here.request)
    return go_on()


def _start(here: Visit, **words: str) -> Conversation:
    visitor = here.needs_visitor()
    chat = here.conversation
    if intake := here.intake:
        if here.line is None:
            raise Refusal(TEXTS["stale"])
        return intake.start_letter(here.line, **words)
    if chat is None:
        raise Refusal(TEXTS["stale"])
    if live := here.live:
        try:
            if live.status != Conversation.Status.WAITING:
                raise Refused("taken")
            place = queue.place_of(live, here.now)
            fits = place is None or place.fits
            live.become_letter("chosen" if fits else "no_fit", **words)
        except Refused:
            raise Refusal(CLAIMED, draft=words["text"]) from None
        return live
    new = Conversation.start_letter(
        visitor=visitor,
        line=chat.line,
        follows=chat,
        before=unread_words(chat),
        **carried_over(chat),
        **words,
    )
    chat.put_away()
    return new


def letter_post(here: Visit) -> HttpResponse:
    """Write on, also in a letter that was closed."""
    mine = _letter(here)
    draft = here.request.POST.get("text", "")
    form = PostForm(here.request.POST)
    if not form.is_valid():
        raise Refusal("", status=400, draft=draft, refused="not_understood")
    client_id = str(form.cleaned_data["client_id"])
    try:
        write_on(mine, draft, client_id)
    except Refused as refused:
        keep = "" if refused.code == "id_reused" else client_id
        raise Refusal("", draft=draft, refused=refused.code, client_id=keep) from None
    mine.refresh_from_db()
    weigh(mine, draft)
    return go_on()


def letter_answer(here: Visit) -> HttpResponse:
    """Change how the answer comes, or take the address away."""
    mine = _letter(here)
    form = AnswerForm(here.request.POST, has_address=mine.sealed_address is not None)
    if not form.is_valid():
        # Beside what she typed: the rest of the page stays as it is.
        return letter_page.show_letter(here, mine, 400, answer_form=form)
    try:
        mine.choose_answer(form.cleaned_data["answer_by"], form.cleaned_data["address"])
    except Refused:
        raise Refusal(TEXTS["no_letter"]) from None
    return go_on()


def letter_older(here: Visit) -> HttpResponse:
    """Show all of it: only because she asked, for somebody may look over her shoulder."""
    return letter_page.show_letter(here, _letter(here), older=True)


def transfer_yes(here: Visit) -> HttpResponse:
    """Another institution may answer the letter."""
    return _decide(here, "accept")


def transfer_no(here: Visit) -> HttpResponse:
    """It stays with who has it."""
    return _decide(here, "decline")


def _decide(here: Visit, verb: str) -> HttpResponse:
    transfer = _letter(here).transfers.open().first()
    if transfer is None or str(transfer.pk) != here.request.POST.get("transfer"):
        raise Refusal(TEXTS["stale"])
    try:
        getattr(transfer, verb)()
    except Refused:  # the worker took the question back in the same moment
        raise Refusal(TEXTS["stale"]) from None
    return go_on()


def letter_close(here: Visit) -> HttpResponse:
    mine = _letter(here)
    if mine.status in Conversation.LIVE:
        try:
            mine.end_letter(by="visitor", reason=Conversation.ClosingReason.BY_VISITOR)
        except Refused:  # closed by a worker in the same moment
            return go_on()
    return go_on()


def to_letter(here: Visit) -> HttpResponse:
    """From a chat that ended back to the letter."""
    _letter(here)
    if here.live:
        raise Refusal(TEXTS["still_busy"])
    if here.conversation is not None and here.conversation.kind == Conversation.Kind.CHAT:
        for chat in here.needs_visitor().conversations.chats():
            chat.put_away()
    return go_on()


def letter_chat(here: Visit) -> HttpResponse:
    """From a letter into the chat, if it is open; who was invited goes ahead in the queue."""
    mine = _letter(here)
    if here.live:
        return go_on()
    if here.opening is None or not here.opening.admits:
        raise Refusal(here.opening.text() if here.opening else _("De chat is nu niet open."))
    Conversation.start(
        visitor=here.needs_visitor(),
        line=mine.line,
        follows=mine,
        keeps_place=letter_page.keeps_place(mine, here.now),
        **carried_over(mine),
    )
    return go_on()


# --- The code -------------------------------------------------------------------------------------


def code(here: Visit) -> HttpResponse:
    _letter(here)
    return letter_page.show_code(here)


def code_picture(here: Visit) -> HttpResponse:
    """Save the code as a picture, under a name that says nothing."""
    _letter(here)
    words = ReturnCode.of(here.needs_visitor(), token_of(here.request))
    response = HttpResponse(picture_of(words), content_type="image/png")
    response["Content-Disposition"] = 'attachment; filename="notitie.png"'
    response["Cache-Control"] = "no-store"
    return response


def code_new(here: Visit) -> HttpResponse:
    """Another code: the one before it may have been seen by somebody."""
    _letter(here)
    ReturnCode.make(here.needs_visitor(), token_of(here.request))
    return letter_page.show_code(here)


# --- What we hold, and erasing it -----------------------------------------------------------------


def held(here: Visit) -> HttpResponse:
    here.needs_visitor()
    return letter_page.show_held(here)


def erase(here: Visit) -> HttpResponse:
    """Ask whether she is sure: it cannot be undone."""
    here.needs_visitor()
    return page(here, "triage/letter_erase.html", letter=here.letter, live=here.live)


def erase_now(here: Visit) -> HttpResponse:
    """Erase everything of this visit at once, and end it in every window."""
    visitor = here.needs_visitor()
    visitor.erase()
    response = page(here, "triage/letter_erased.html")
    drop_visit_cookie(response)
    return response


def _letter(here: Visit) -> Conversation:
    here.needs_visitor()
    if here.letter is None:
        raise Refusal(TEXTS["no_letter"])
    return here.letter


def _live_letter(here: Visit) -> bool:
    return here.letter is not None and here.letter.status in Conversation.LIVE


ACTIONS: dict[str, Callable[[Visit], HttpResponse]] = {
    "letter": letter,
    "letter_send": letter_send,
    "letter_post": letter_post,
    "letter_answer": letter_answer,
    "letter_older": letter_older,
    "transfer_yes": transfer_yes,
    "transfer_no": transfer_no,
    "letter_close": letter_close,
    "letter_chat": letter_chat,
    "to_letter": to_letter,
    "code": code,
    "code_picture": code_picture,
    "code_new": code_new,
    "held": held,
    "erase": erase,
    "erase_now": erase_now,
}
