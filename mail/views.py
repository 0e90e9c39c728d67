"""Stopping mail, for young people; what came by mail, for workers; what could not go, for coordinators."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone, translation
from django.utils.translation import gettext as _
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from chat.models import Conversation, ConversationKey
from chat.reading import label
from institutions.access import Staff, coordinator_required, worker_required
from institutions.models import AuditEvent, Brand, StaffMail
from mail.addresses import STOP, unsign
from mail.models import Correspondence, IncomingMail, VisitorMail
from mail.parsing import subject_of, whole_text

SHOWN = 200


@csrf_exempt  # a mail program that stops it with one click has no cookie of ours
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def stop_mail(request: HttpRequest, token: str) -> HttpResponse:
    """Ask whether the mail of a letter should stop, and stop it. Only looking changes nothing.

    A link that leads nowhere any more says that it has stopped: that is true, and tells nothing.
    """
    correspondence = Correspondence.objects.find(unsign(STOP, token))
    letter = correspondence.conversation if correspondence else None
    brand = letter.brand if letter else Brand.objects.for_host(request.get_host())
    if letter and request.method == "POST":
        letter.stop_mail()
        letter = None
    with translation.override(letter.language if letter else translation.get_language()):
        page = "mail/stop.html" if letter else "mail/stopped.html"
        return render(request, page, {"brand": brand})


# --- Workers ------------------------------------------------------------------------------------


@never_cache
@require_safe
@worker_required
def letter_mail(request: HttpRequest, pk: str, seq: int) -> HttpResponse:
    """The whole mail behind a message, as plain text: also what was left out of the letter.

    Not who it says it is from: that proves nothing, and may be an address that she did not give us.
    """
    staff: Staff = request.staff  # type: ignore[attr-defined]
    found = Conversation.objects.visible_to(staff).letters().filter(pk=pk).first()
    mail = IncomingMail.behind(found, seq) if found else None
    if found is None or mail is None:
        raise Http404
    found.note_reading(staff, AuditEvent.Verb.LETTER, "mail_read")
    try:
        kept = mail.original()
    except ConversationKey.DoesNotExist:  # erased a moment ago
        raise Http404 from None
    context = {
        "found": found,
        "label": label(found.pk),
        "mail": mail,
        "subject": subject_of(kept.encode("latin-1")),
        "text": whole_text(kept),
    }
    return render(request, "mail/letter_mail.html", context)


# --- Coordinators -------------------------------------------------------------------------------


@require_safe
@coordinator_required
def undelivered(request: HttpRequest) -> HttpResponse:
    """What was given up, without an address or a word of it."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    to_staff = StaffMail.objects.visible_to(staff).given_up().select_related("to")
    letters = VisitorMail.objects.visible_to(staff).given_up()
    mails: list[StaffMail | VisitorMail] = [
        *to_staff[:SHOWN],
        *letters.select_related("conversation__institution")[:SHOWN],
    ]
    mails.sort(key=lambda mail: mail.given_up_at or mail.due_at, reverse=True)
    return render(request, "mail/undelivered.html", {"mails": [_row(mail) for mail in mails]})


@require_POST
@coordinator_required
def send_again(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """Put a mail that was given up in the outbox anew."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    mail: StaffMail | VisitorMail
    if kind == "staff":
        mail = get_object_or_404(StaffMail.objects.visible_to(staff), pk=pk)
    elif kind == "letter":
        mail = get_object_or_404(VisitorMail.objects.visible_to(staff), pk=pk)
    else:
        raise Http404
    if mail.try_again(timezone.now()):
        AuditEvent.objects.create(
            actor=staff.user,
            verb=AuditEvent.Verb.MAIL,
            institution_id=_institution(staff, mail),
            conversation=mail.conversation_id if isinstance(mail, VisitorMail) else "",
            person=mail.to if isinstance(mail, StaffMail) else None,
        )
        messages.success(
            request, _("We proberen het opnieuw. Mislukt het weer, dan staat het hier.")
        )
    else:
        messages.info(request, _("Deze mail was al weg, of iemand probeert het al opnieuw."))
    return redirect("undelivered")


def _institution(staff: Staff, mail: StaffMail | VisitorMail) -> int | None:
    if isinstance(mail, VisitorMail):
        return mail.conversation.institution_id
    return None if staff.is_platform_coordinator else min(staff.coordinator_of)


def _row(mail: StaffMail | VisitorMail) -> dict[str, Any]:
    is_letter = isinstance(mail, VisitorMail)
    return {
        "mail": mail,
        "kind": "letter" if is_letter else "staff",
        "name": "" if is_letter else mail.to.name,  # type: ignore[union-attr]
        "why": _why(mail.last_error),
    }


def _why(error: str) -> str:
    """Say what went wrong in words; the name of the error stands beside it, for the operator."""
    name, _gap, code = error.partition(" ")
    if name == "Inactive":
        return _("Het account staat uit.")
    if name == "Restored":
        return _(
            "Er is een reservekopie teruggezet. We weten niet of deze mail al weg was; kijk dat na"
            " voordat je hem nog eens verstuurt."
        )
    if name == "SMTPRecipientsRefused" and code.startswith("5"):
        return _("De mailserver kent het adres niet.")
    if name == "SMTPDataError" and code.startswith("5"):
        return _("De mailserver weigerde deze mail.")
    if name == "ValueError" or name == "BadHeaderError":
        return _("Het adres klopt niet.")
    return _("De mailserver was twee dagen niet bereikbaar, of nam de mail niet aan.")
