"""Take a mail that came in: the one road for what comes over LMTP, SMTP and IMAP.

Whoever hands a mail over may forget it when `take` has returned: it is committed, or will never be
wanted. What it raises is temporary, and then the same mail has to be handed over again. Handing
over twice changes nothing: a mail counts once per letter, and so does each part of its words.
"""

import enum
import hashlib
import logging
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from chat.letters import MAX_LETTER, write_on
from chat.models import Conversation, ConversationKey, Refused
from institutions.sealing import keyed_hash
from mail.addresses import reference_of
from mail.models import Correspondence, IncomingMail
from mail.parsing import Mail, original, read, read_head
from triage.letter_words import weigh

log = logging.getLogger("klikvoor.mail.incoming")

# So that the desk knows, and a mail that comes again is the same message (docs/protocol.md).
CLIENT_ID = "mail-{}-{}"
# A mail that is longer than a letter becomes several messages; longer than this it is cut.
MAX_PIECES = 5
# More than this in an hour, and the sender has to wait: somebody's mail program went wild.
CALM = timedelta(hours=1)
MAX_MAILS = 30


class Outcome(enum.Enum):
    """What became of a mail."""

    STORED = "stored"
    KNOWN = "known"
    AUTOMATIC = "automatic"
    BOUNCE = "bounce"
    UNKNOWN = "unknown"


class TryLater(Exception):
    """Nothing was wrong with the mail, but it could not be taken now."""


def is_known(address: str) -> bool:
    """Whether mail may come in at this address."""
    return Correspondence.objects.find(reference_of(address)) is not None


def take(raw: bytes, *, to: str = "", sender: str | None = None) -> Outcome:
    """Take a mail; raises TryLater, or what the database raises.

    `to` and `sender` are those of the envelope, as far as there was one: an empty sender is how
    machines send what nobody may answer. Without `to` the headers have to say it.
    """
    head = read_head(raw)
    for address in (to,) if to else head.recipients:
        correspondence = Correspondence.objects.find(reference_of(address))
        if correspondence is not None:
            break
    else:
        return Outcome.UNKNOWN
    letter = correspondence.conversation
    id_hash = _id_hash(letter, raw, head)
    known = letter.mail_in.filter(id_hash=id_hash).first()
    if known is not None and (known.posted_at or known.kind != IncomingMail.Kind.REPLY):
        return Outcome.KNOWN
    if known is None and _is_wild(letter):
        raise TryLater
    mail = read(raw)
    if mail.is_automatic or sender == "":
        return _take_automatic(letter, id_hash, mail)
    return _take_reply(letter, id_hash, mail, raw, known)


def _id_hash(letter: Conversation, raw: bytes, head: Mail) -> str:
    name = head.message_id or hashlib.sha256(raw).hexdigest()
    return keyed_hash("mail-in", f"{letter.pk}\x1f{name}")


def _is_wild(letter: Conversation) -> bool:
    return letter.mail_in.filter(at__gt=timezone.now() - CALM).count() >= MAX_MAILS


def _take_automatic(letter: Conversation, id_hash: str, mail: Mail) -> Outcome:
    """Keep only that it came; nobody answers it, or two machines would never stop."""
    kind = IncomingMail.Kind.BOUNCE if mail.is_bounce else IncomingMail.Kind.AUTOMATIC
    with transaction.atomic():
        _row, is_new = letter.mail_in.get_or_create(id_hash=id_hash, defaults={"kind": kind})
        if is_new and mail.has_failed:
            letter.address_failed(timezone.now())
            log.warning("mail of a letter came back: its address does not exist")
    if not is_new:
        return Outcome.KNOWN
    return Outcome.BOUNCE if mail.is_bounce else Outcome.AUTOMATIC


def _take_reply(
    letter: Conversation, id_hash: str, mail: Mail, raw: bytes, known: IncomingMail | None
) -> Outcome:
    try:
        row = known or _keep(letter, id_hash, mail, raw)
        _post(letter, id_hash, mail)
    except ConversationKey.DoesNotExist:  # erased in between
        return Outcome.UNKNOWN
    IncomingMail.objects.filter(pk=row.pk).update(posted_at=timezone.now())
    return Outcome.STORED


def _keep(letter: Conversation, id_hash: str, mail: Mail, raw: bytes) -> IncomingMail:
    """Store the sealed mail, before its words become a message."""
    key = letter.data_key()

    def seal(field: str, text: str) -> bytes:
        return key.seal(text, letter.pk, id_hash, field)

    try:
        with transaction.atomic():
            return letter.mail_in.create(
                id_hash=id_hash,
                kind=IncomingMail.Kind.REPLY,
                sealed_message_id=seal("mail-id", mail.message_id) if mail.message_id else None,
                sealed_original=seal("mail-original", original(raw, mail)),
                files=min(mail.files, 32_767),
            )
    except IntegrityError:  # the same mail, at this moment, in another process
        return letter.mail_in.get(id_hash=id_hash)


def _post(letter: Conversation, id_hash: str, mail: Mail) -> None:
    for number, piece in enumerate(_pieces(letter, mail)):
        client_id = CLIENT_ID.format(id_hash[:28], number)
        try:
            write_on(_writable(letter), piece, client_id)
        except Refused as refused:
            if refused.code == "id_reused":
                continue  # it stands there, and came again a little different on its way
            log.warning("a mail could not be put in its letter yet: %s", refused.code)
            raise TryLater from refused
    written_in = _writable(letter)
    written_in.refresh_from_db()
    weigh(written_in, mail.text)


def _writable(letter: Conversation) -> Conversation:
    """Return where these words belong: the letter, or the one that is going on instead of it.

    A closed letter cannot reopen while its writer has another one.
    """
    if letter.status == Conversation.Status.CLOSED and letter.visitor is not None:
        return letter.visitor.conversations.letters().live().first() or letter
    return letter


def _pieces(letter: Conversation, mail: Mail) -> list[str]:
    """Return the messages that a mail becomes; it is never none, so that nothing goes unseen."""
    with translation.override(letter.language):
        text, notes = mail.text, []
        if mail.files:
            notes.append(_("[Er zat een foto of bestand bij. Dat is niet bewaard.]"))
        elif not text:
            notes.append(_("[Deze mail had geen tekst die we konden lezen.]"))
        if len(text) > MAX_PIECES * MAX_LETTER:
            text = text[: MAX_PIECES * MAX_LETTER]
            notes.append(_("[Deze mail was te lang. Het einde is niet bewaard.]"))
    pieces = [
        piece
        for start in range(0, len(text), MAX_LETTER)
        if (piece := text[start : start + MAX_LETTER].strip())
    ]
    note = "\n".join(notes)
    if note and pieces and len(pieces[-1]) + len(note) + 2 <= MAX_LETTER:
        pieces[-1] += f"\n\n{note}"
    elif note:
        pieces.append(note)
    return pieces
