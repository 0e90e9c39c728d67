"""Write a mail to a young person, at the moment of sending, from the sealed messages.

Plain text only (docs/decisions/0013). Sender and subject are the site's neutral ones: whoever sees
the mail in a list must not see what it is about.
"""

from email.utils import formataddr
from typing import Any
from urllib.parse import urlsplit

from django.conf import settings
from django.core.mail import EmailMessage
from django.db.models import Max
from django.template.loader import render_to_string
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from chat.letters import closes_at
from chat.models import Conversation, ConversationKey, Message
from institutions.models import Brand
from mail.addresses import STOP, reply_address, sender_address, sign
from mail.models import Correspondence, IncomingMail, VisitorMail

# Headers are not folded before this, because a link in two pieces is none for some programs.
MAX_HEADER = 900
# A thread needs no more ancestors than this to hold together.
MAX_REFERENCES = 10


class Letter(EmailMessage):
    """A mail with long headers on one line."""

    def message(self, **options: Any) -> Any:
        message = super().message(**options)
        message.policy = message.policy.clone(max_line_length=MAX_HEADER)
        return message


def write(mail: VisitorMail) -> EmailMessage | None:
    """Return the mail, or None when nobody needs it: erased, no address, read already.

    Everything is read anew, because a young person may have taken it all back a second ago.
    """
    try:
        return _write(mail)
    except ConversationKey.DoesNotExist:  # erased
        return None


def _write(mail: VisitorMail) -> EmailMessage | None:
    letter = (
        Conversation.objects.letters()
        .filter(pk=mail.conversation_id, sealed_address__isnull=False)
        .select_related("brand", "key", "correspondence")
        .first()
    )
    if letter is None or letter.answer_by == Conversation.AnswerBy.CODE:
        return None
    address = letter.address()
    with translation.override(letter.language):
        text = _text(mail, letter)
        if text is None:
            return None
        subject = letter.brand.mail_subject or _("Er staat een bericht voor je klaar")
    return _message(mail, letter, address, subject, text)


def _text(mail: VisitorMail, letter: Conversation) -> str | None:
    context: dict[str, object] = {
        "brand": letter.brand,
        "can_reply": bool(settings.MAIL_REPLY_TO),
        "stop_link": stop_link(letter.correspondence, letter.brand),
    }
    if mail.kind != VisitorMail.Kind.ANSWER:
        if not _is_open(mail, letter):
            return None
        is_quiet = mail.kind == VisitorMail.Kind.QUIET
        if is_quiet and letter.answer_by == Conversation.AnswerBy.MAIL:
            return _render("quiet", context | {"day": closes_at(letter)})
        return _render("notice", context)
    if letter.visitor_seq >= mail.seq:
        return None
    answers = _answers(mail, letter)
    if not answers:
        return None
    if letter.answer_by != Conversation.AnswerBy.MAIL:
        return _render("notice", context)
    context |= {"answers": answers, "files_refused": _files_refused(letter)}
    return _render("answer", context)


def _is_open(mail: VisitorMail, letter: Conversation) -> bool:
    """Whether an invitation still stands, a question was not answered yet, a silence still lasts."""
    if mail.kind == VisitorMail.Kind.QUIET:
        return letter.last_seq == mail.seq and closes_at(letter) is not None
    if mail.kind == VisitorMail.Kind.INVITATION:
        invitation = letter.invitations.select_related("hour").filter(pk=mail.seq).first()
        return invitation is not None and invitation.holds(timezone.now())
    return letter.transfers.open().filter(pk=mail.seq).exists()


def _files_refused(letter: Conversation) -> bool:
    """Whether files came by mail since the last answer, so that this one has to tell of them."""
    sent_at = letter.mails.filter(kind=VisitorMail.Kind.ANSWER).aggregate(at=Max("sent_at"))["at"]
    files = letter.mail_in.filter(files__gt=0)
    return files.filter(at__gt=sent_at).exists() if sent_at else files.exists()


def _answers(mail: VisitorMail, letter: Conversation) -> list[dict[str, str]]:
    key = letter.data_key()
    rows = letter.messages.filter(
        author=Message.Author.WORKER, seq__gt=mail.after, seq__lte=mail.seq
    )
    return [
        {
            "name": name or "",
            "text": key.unseal(body, letter.pk, seq, Message.Author.WORKER, "body"),
        }
        for seq, name, body in rows.order_by("seq").values_list("seq", "worker__chat_name", "body")
    ]


def _render(name: str, context: dict[str, object]) -> str:
    text = render_to_string(f"mail/letters/{name}.txt", context)
    return text.strip() + "\n"


def _message(
    mail: VisitorMail, letter: Conversation, address: str, subject: str, text: str
) -> EmailMessage:
    correspondence: Correspondence = letter.correspondence
    sender = sender_address()
    replies = reply_address(correspondence.reference)
    headers = {
        "From": formataddr((letter.brand.mail_sender or letter.brand.neutral_title, sender)),
        "Message-ID": mail.message_id,
    } | _thread(mail, letter)
    if mail.kind != VisitorMail.Kind.ANSWER or letter.answer_by != Conversation.AnswerBy.MAIL:
        # An answer is the word of a person; a notice is not.
        headers["Auto-Submitted"] = "auto-generated"
    headers["List-Unsubscribe"] = f"<{stop_link(correspondence, letter.brand)}>"
    headers["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    return Letter(
        subject,
        text,
        # Where it comes back to when it cannot be delivered.
        from_email=replies or sender,
        to=[address],
        reply_to=[replies] if replies else None,
        headers=headers,
    )


def _thread(mail: VisitorMail, letter: Conversation) -> dict[str, str]:
    """Return the headers with which a mail program shows a letter as one thread."""
    known = [
        (sent.created_at, sent.message_id)
        for sent in letter.mails.filter(sent_at__isnull=False, pk__lt=mail.pk)
    ]
    came = letter.mail_in.filter(
        kind=IncomingMail.Kind.REPLY, sealed_message_id__isnull=False, at__lt=mail.created_at
    )
    known += [(one.at, one.message_id()) for one in came.select_related("conversation__key")]
    ancestors = [message_id for _at, message_id in sorted(known)][-MAX_REFERENCES:]
    if not ancestors:
        return {}
    return {"In-Reply-To": ancestors[-1], "References": " ".join(ancestors)}


def stop_link(correspondence: Correspondence, brand: Brand) -> str:
    """Return the address of the page on which the mail of this letter is stopped."""
    path = reverse("stop_mail", args=[sign(STOP, correspondence.reference)])
    return f"{_origin(brand)}{path}"


def _origin(brand: Brand) -> str:
    for origin in settings.ORIGINS:
        if urlsplit(origin).hostname == brand.host:
            return str(origin)
    return str(settings.ORIGINS[0])
