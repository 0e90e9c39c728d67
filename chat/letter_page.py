"""The inbox and one letter, as pages: a worker answers in their own time, without the live desk.

Every page and every deed finds its letter through `visible_to`, so a stranger does not hear that it
is there. Whoever opens one leaves an audit row; the verbs say who may do what.
"""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

from django import forms
from django.contrib import messages
from django.db.models import Exists, Model, OuterRef, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chat import registration
from chat.inbox import BOXES, Inbox, draft_of
from chat.letter_forms import (
    REASONS,
    AnswerForm,
    CloseForm,
    InviteForm,
    NoteForm,
    ReaderForm,
    RegisterForm,
    TransferForm,
    VerdictForm,
)
from chat.letters import closes_at
from chat.models import (
    Conversation,
    ConversationKey,
    Draft,
    Invitation,
    Note,
    Refused,
    SecondReading,
    Transfer,
    able_institutions,
    hours_to_invite_to,
)
from chat.reading import intake_of, label, read_messages
from chat.replies import replies_for
from chat.texts import refusal
from institutions.access import Staff, worker_required
from institutions.models import AuditEvent, Membership
from roster.workdays import half_of

Row = TypeVar("Row", bound=Model)

MESSAGES = 500
HOURS = 12

# What refusals mean for somebody with a letter, where the chat's own sentence does not fit.
REFUSALS = {
    "forbidden": gettext_lazy("Deze brief is niet (meer) van jou."),
    "changed": gettext_lazy(
        "Er is intussen iets veranderd. Lees dat eerst. Je tekst staat er nog."
    ),
    "note_missing": gettext_lazy("Schrijf erbij wat je wilt meegeven."),
    "outside": gettext_lazy("Dat kan niet meer. Kies iets anders."),
    "empty": gettext_lazy("Schrijf eerst een antwoord."),
    "colleague_absent": gettext_lazy("Deze collega kan deze brief niet lezen."),
}


def sentence(code: str, language: str) -> str:
    return str(REFUSALS[code]) if code in REFUSALS else refusal(code, language)


def staff_on(request: HttpRequest) -> Staff:
    staff: Staff = request.staff  # type: ignore[attr-defined]
    return staff


def find(staff: Staff, pk: str) -> Conversation:
    """Raises Http404 for what this worker may not see, and for what is no letter."""
    found = (
        Conversation.objects.visible_to(staff)
        .letters()
        .filter(pk=pk)
        .select_related("brand", "worker", "institution", "line", "key", "follows")
        .first()
    )
    if found is None:
        raise Http404
    return found


# --- The inbox ------------------------------------------------------------------------------------


@require_safe
@worker_required
def letters(request: HttpRequest) -> HttpResponse:
    """The boxes of this worker and what lies in one of them."""
    staff = staff_on(request)
    inbox = Inbox(timezone.now())
    counts = inbox.counts(staff.user.pk)
    asked = request.GET.get("box", "")
    name = asked if asked in BOXES else "mine" if counts["mine"] and not counts["new"] else "new"
    found = [
        {"letter": one, "label": label(one.conversation), "mine": one.worker == staff.user.pk}
        for one in inbox.box(name, staff.user.pk)
    ]
    context = {
        "box": name,
        "title": BOXES[name],
        "boxes": [(key, title, counts[key]) for key, title in BOXES.items()],
        "letters": found,
        "has_several": len(staff.worker_of) > 1,
    }
    return render(request, "chat/letters.html", context)


# --- One letter -----------------------------------------------------------------------------------


@require_safe
@worker_required
def letter(request: HttpRequest, pk: str) -> HttpResponse:
    """Everything about one letter, and what this worker may do with it."""
    staff = staff_on(request)
    found = find(staff, pk)
    found.note_reading(staff, AuditEvent.Verb.READ)
    found.read_letter(staff)
    return _show(request, found)


def _of_colleagues(found: Conversation, move: Transfer | None, *, writer: str, at: str) -> Q:
    """What was written for colleagues since the letter came here, by the fields that say so.

    By time alone another institution's would not stay with it: what somebody sent at the very moment
    of the move, or under a clock that was ahead, would be read by the next.
    """
    if move is None:
        return Q()
    employed = Membership.objects.filter(user=OuterRef(writer), institution__isnull=False)
    # Who works nowhere any more may have been a colleague.
    is_ours = Exists(employed.filter(institution=found.institution)) | ~Exists(employed)
    return Q(is_ours, **{f"{at}__gte": move.ended_at})


def _show(
    request: HttpRequest, found: Conversation, *, typed: str | None = None, status: int = 200
) -> HttpResponse:
    """Render a letter. `typed`: what stood in the answer and could not be stored."""
    staff = staff_on(request)
    now = timezone.now()
    is_mine = found.worker_id == staff.user.pk
    holds = is_mine and found.status == Conversation.Status.ACTIVE
    to_read = SecondReading.objects.open().asked_of(staff).filter(conversation=found).first()
    draft = draft_of(found) if holds or to_read else None
    if to_read and draft:
        found.note_reading(staff, AuditEvent.Verb.LETTER, "draft_read")
    transfers = list(found.transfers.select_related("to_institution"))
    move = next((one for one in reversed(transfers) if one.outcome == "yes"), None)
    notes = found.notes.select_related("worker", "conversation__key").filter(
        _of_colleagues(found, move, writer="worker", at="at")
        # The last note of the institution before came along.
        | (Q(client_id=f"transfer-{move.pk}") if move else Q())
    )
    # Between the end of the key and that of the rows nothing can be read any more.
    has_words = ConversationKey.objects.filter(pk=found.pk).exists()
    readings = found.second_readings.select_related(
        "asked_by", "reader", "conversation__key"
    ).filter(_of_colleagues(found, move, writer="reader", at="answered_at"))
    if not has_words:
        notes, readings, draft = notes.none(), readings.none(), None
    said = read_messages(found.pk, 0, limit=MESSAGES)
    context: dict[str, Any] = {
        "found": found,
        "label": label(found.pk),
        "now": now,
        "is_mine": is_mine,
        "holds": holds,
        "may_claim": found.status in Conversation.LIVE and not is_mine,
        "may_register": is_mine and found.status == "closed" and not found.contact_kind,
        "is_erased": not has_words,
        "said": [(one, datetime.fromisoformat(one.at)) for one in said],
        "intake": intake_of(found, staff.user.language),
        "notes": notes,
        "note_id": uuid.uuid4(),
        "draft": draft,
        "text": typed if typed is not None else draft.text() if draft else "",
        "client_id": uuid.uuid4(),
        "to_read": to_read,
        "readings": readings,
        "open_reading": found.second_readings.open().first(),
        "typed": typed,
        "is_overdue": bool(found.due_at and found.due_at <= now),
        "closes_at": closes_at(found),
        "half_at": half_of(found.due_at, found.line.zone) if found.due_at else None,
        "transfers": transfers,
        "open_transfer": next((one for one in transfers if one.ended_at is None), None),
        "invitation": found.invitations.open().select_related("hour").first(),
    }
    if holds:
        context |= {
            "colleagues": found.colleagues(staff),
            "others": able_institutions().exclude(pk=found.institution_id or 0),
            "hours": list(hours_to_invite_to(found.line, now)[:HOURS]),
            "replies": replies_for(staff),
        }
    context["choices"] = {"reasons": REASONS, **registration.choices()}
    return render(request, "chat/letter.html", context, status=status)


# --- The draft ------------------------------------------------------------------------------------


@require_POST
@worker_required
def letter_draft(request: HttpRequest, pk: str) -> HttpResponse:
    """Keep the draft while it is being written; answers with its version, or 409 and why not."""
    staff = staff_on(request)
    found = find(staff, pk)
    form = AnswerForm(request.POST)
    if not form.is_valid():
        return JsonResponse({"code": "not_understood"}, status=400)
    try:
        version = Draft.keep(
            found, staff, form.cleaned_data["text"], version=form.cleaned_data["version"]
        )
    except Refused as refused:
        text = sentence(refused.code, staff.user.language)
        return JsonResponse({"code": refused.code, "text": text}, status=409)
    return JsonResponse({"version": version})


# --- Deeds ----------------------------------------------------------------------------------------

Deed = Callable[[HttpRequest, Conversation, Staff], str]


class Wrong(Exception):
    """What was filled in cannot be; the sentence says why."""


def _data(form: forms.Form) -> dict[str, Any]:
    if not form.is_valid():
        first = next(iter(form.errors.values()))
        raise Wrong(str(first[0]))
    return form.cleaned_data


def _open(rows: QuerySet[Row]) -> Row:
    """Return the one question that is still open. Refuses: wrong_state, when there is none."""
    row = rows.first()
    if row is None:
        raise Refused("wrong_state")
    return row


def _claim(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    found.claim_letter(staff)
    return _("Deze brief is nu bij jou.")


def _keep(request: HttpRequest, found: Conversation, staff: Staff) -> dict[str, Any]:
    """Keep what stands in the answer, so that nothing of it is lost whatever comes next."""
    data = _data(AnswerForm(request.POST))
    Draft.keep(found, staff, data["text"], version=data["version"])
    return data


def _save(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    _keep(request, found, staff)
    return _("Je concept is bewaard.")


def _send(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    data = _data(AnswerForm(request.POST))
    if not data["text"]:
        raise Refused("empty")
    found.answer_letter(staff, data["text"], client_id=data["client_id"], seen=data["seen"])
    return _("Je antwoord is verstuurd.")


def _ask_reader(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    data = _data(ReaderForm(request.POST, letter=found, staff=staff))
    if not _keep(request, found, staff)["text"]:
        raise Refused("empty")
    SecondReading.ask(found, staff, data["reader"])
    return _("Gevraagd. Je ziet het hier als er is meegelezen.")


def _withdraw_reader(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    _open(found.second_readings.open()).withdraw(staff)
    return _("Je vraagt het niet meer.")


def _read_along(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    data = _data(VerdictForm(request.POST))
    reading = _open(SecondReading.objects.open().asked_of(staff).filter(conversation=found))
    reading.answer(staff, verdict=data["verdict"], note=data["note"])
    return _("Dank je wel. Je collega ziet het en beslist.")


def _transfer(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    data = _data(TransferForm(request.POST, letter=found))
    Transfer.ask(found, staff, data["to"], data["note"])
    return _("De jongere krijgt nu de vraag. Tot die ja zegt, blijft de brief bij jou.")


def _withdraw_transfer(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    _open(found.transfers.open()).withdraw(staff)
    return _("De vraag aan de jongere is ingetrokken.")


def _invite(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    data = _data(InviteForm(request.POST, letter=found, now=timezone.now()))
    Invitation.invite(found, staff, data["hour"])
    return _("Er is een plek vrijgehouden. De jongere ziet dat bij de brief.")


def _uninvite(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    _open(found.invitations.open()).withdraw(staff)
    return _("De uitnodiging is ingetrokken.")


def _return(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    found.return_letter(staff)
    return _("De brief ligt weer in het postvak.")


def _close(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    found.close_letter(staff, **_data(CloseForm(request.POST)))
    return _("De brief is afgesloten.")


def _register(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    found.register(staff, **_data(RegisterForm(request.POST)))
    return _("De registratie is bewaard.")


def _note(request: HttpRequest, found: Conversation, staff: Staff) -> str:
    data = _data(NoteForm(request.POST))
    Note.add(found, staff.user, data["note"], client_id=str(data["client_id"]))
    return _("De notitie is bewaard.")


DEEDS: dict[str, Deed] = {
    "claim": _claim,
    "save": _save,
    "send": _send,
    "ask-reader": _ask_reader,
    "withdraw-reader": _withdraw_reader,
    "read-along": _read_along,
    "transfer": _transfer,
    "withdraw-transfer": _withdraw_transfer,
    "invite": _invite,
    "uninvite": _uninvite,
    "return": _return,
    "close": _close,
    "register": _register,
    "note": _note,
}
# After these the letter is not in front of this worker any more.
LEAVES = ("return", "close", "register")


@require_http_methods(["POST"])
@worker_required
def do_letter(request: HttpRequest, pk: str, deed: str) -> HttpResponse:
    """Do something with a letter; say why not, and keep what was typed, when that cannot be."""
    staff = staff_on(request)
    found = find(staff, pk)
    if deed not in DEEDS:
        raise Http404
    try:
        done = DEEDS[deed](request, found, staff)
    except Refused as refused:
        return _refused(request, found, sentence(refused.code, staff.user.language), 409)
    except Wrong as wrong:
        return _refused(request, found, str(wrong), 400)
    messages.success(request, done)
    return redirect("letters") if deed in LEAVES else redirect("letter", found.pk)


def _refused(request: HttpRequest, found: Conversation, why: str, status: int) -> HttpResponse:
    typed = request.POST.get("text")
    try:
        found = find(staff_on(request), found.pk)
    except Http404:
        # It went to another institution meanwhile. Only what this worker typed is still theirs.
        return render(request, "chat/letter_gone.html", {"typed": typed}, status=status)
    messages.error(request, why)
    return _show(request, found, typed=typed, status=status)
