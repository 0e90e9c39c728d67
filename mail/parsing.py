"""Read a mail: what somebody wrote, whether a machine wrote it, and to which address.

Mail is the least trustworthy input there is. Nothing here raises whatever comes in: what cannot be
understood is a mail without text. Who it says it is from is not even looked at, because that proves
nothing. HTML becomes text, files are counted and left alone.
"""

import codecs
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser, BytesParser
from email.policy import compat32

from chat.commands import FORBIDDEN
from mail.html_text import text_of
from mail.quotes import GAPS, own_words

MAX_MAIL = 10 * 1024 * 1024
MAX_HEAD = 128 * 1024
# Of one part, before it is decoded.
MAX_PART = 512 * 1024
# Of all text together: far more than a letter holds, with everything that it quotes.
MAX_TEXT = 60_000
MAX_LINES = 3000
# Parts inside parts, and how many there are: beyond it no person made this.
MAX_DEPTH = 20
MAX_PARTS = 200
# A picture smaller than this inside the text is somebody's logo, not something to tell of.
DECORATION = 10 * 1024
KEPT_ORIGINAL = 256 * 1024

# Charsets that a mail may name; others either do not exist or cost too much to decode.
CHARSET = re.compile(
    r"^(utf-?(8|16|32)([-_]?[lb]e)?|(us-)?ascii|(iso|8859|latin|cp|windows|koi8|mac)[-_a-z0-9]*"
    r"|gb(k|2312|18030)|big5|euc[-_](jp|kr)|shift[-_]jis)$",
    re.IGNORECASE,
)
CONTENT_HEADERS = re.compile(
    rb"^(Content-[^:\r\n]*|MIME-Version):[^\n]*\n([ \t][^\n]*\n)*", re.IGNORECASE | re.MULTILINE
)
PLAIN = b"\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit"
MESSAGE_ID = re.compile(r"<[^<>\s]{1,900}>")
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9.-]{1,255}")
# Where a mail says to whom it came, the surest first. Without an envelope there is nothing else.
TO_HEADERS = ("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc")

AUTOMATIC_PRECEDENCE = frozenset({"bulk", "junk", "list", "auto_reply"})
AUTOMATIC_HEADERS = (
    "X-Autoreply",
    "X-Autorespond",
    "X-Autoresponder",
    "X-Auto-Reply",
    "X-AutoReply-From",
    "X-Mail-Autoreply",
    "List-Id",
)
FAILED = re.compile(rb"^Action:[ \t]*failed\b", re.IGNORECASE | re.MULTILINE)
FINAL = re.compile(rb"^Status:[ \t]*5\.", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True)
class Mail:
    """What is in a mail. `text` is what its sender wrote, `whole` everything that can be read."""

    message_id: str = ""
    recipients: tuple[str, ...] = ()
    text: str = ""
    whole: str = ""
    files: int = 0
    is_automatic: bool = False
    is_bounce: bool = False
    # The bounce says that it will never arrive; else only that it is late, or nothing certain.
    has_failed: bool = False


def read_head(raw: bytes) -> Mail:
    """Read the headers only: enough to know whose mail it is. Cheap whatever the rest is."""
    return _about(_head(raw))


def read(raw: bytes) -> Mail:
    """Read a whole mail."""
    head = _head(raw)
    about = _about(head)
    try:
        message = BytesParser(policy=compat32).parsebytes(_sane(raw))
        parts = _Parts(message)
        whole, text = parts.text(quotes=True), parts.text(quotes=False)
    except Exception:  # the parser of the standard library has raised nearly everything already
        return about
    is_bounce = _is_report(message)
    return Mail(
        message_id=about.message_id,
        recipients=about.recipients,
        text="" if is_bounce else _tidy(own_words(_tidy(text))),
        whole=whole,
        files=parts.files,
        is_automatic=about.is_automatic or is_bounce,
        is_bounce=is_bounce,
        has_failed=is_bounce and parts.has_failed,
    )


def original(raw: bytes, mail: Mail) -> str:
    """Return the mail to keep, each byte one character: as it came when it is small and brought no
    file, else its headers and its text. `whole_text` reads both."""
    if len(raw) <= KEPT_ORIGINAL and not mail.files:
        return raw.decode("latin-1")
    # What its headers say of the parts is no longer true.
    head = CONTENT_HEADERS.sub(b"", _head_bytes(raw) + b"\r\n")[: KEPT_ORIGINAL // 2].rstrip()
    text = mail.whole.encode()[: KEPT_ORIGINAL // 2]
    return (head + PLAIN + b"\r\n\r\n" + text).decode("latin-1")


def whole_text(kept: str) -> str:
    """Return all that can be read of a mail that was kept: quotes, signatures and all."""
    return _tidy(read(kept.encode("latin-1")).whole)


# --- The head -----------------------------------------------------------------------------------


def _head_bytes(raw: bytes) -> bytes:
    ends = [raw.find(gap) for gap in (b"\r\n\r\n", b"\n\n")]
    found = [end for end in ends if end >= 0]
    return raw[: min(found, default=len(raw))][:MAX_HEAD]


def _head(raw: bytes) -> Message:
    try:
        return BytesHeaderParser(policy=compat32).parsebytes(_head_bytes(raw) + b"\r\n\r\n")
    except Exception:  # as above
        return Message()


def _about(head: Message) -> Mail:
    return Mail(
        message_id=_message_id(head),
        recipients=tuple(_recipients(head)),
        is_automatic=_is_automatic(head),
        is_bounce=_is_report(head),
    )


def _value(head: Message, name: str) -> str:
    """Return a header as text on one line, empty if it is not there or broken."""
    try:
        value = head.get(name)
        return "" if value is None else " ".join(str(value).split())
    except Exception:  # as above
        return ""


def _message_id(head: Message) -> str:
    match = MESSAGE_ID.search(_value(head, "Message-ID"))
    # It goes out again as a reference, and there only what is plain may.
    return match[0] if match and match[0].isascii() and match[0].isprintable() else ""


def _recipients(head: Message) -> Iterator[str]:
    for name in TO_HEADERS:
        try:
            values = [str(value) for value in head.get_all(name, [])]
        except Exception:  # noqa: S112 — as above
            continue
        for value in values:
            yield from ADDRESS.findall(value)


def _is_automatic(head: Message) -> bool:
    """Whether a machine sent this: RFC 3834, and what machines did before it."""
    if _value(head, "Auto-Submitted").lower().partition(";")[0].strip() not in ("", "no"):
        return True
    if _value(head, "Precedence").lower() in AUTOMATIC_PRECEDENCE:
        return True
    if _value(head, "Return-Path").replace(" ", "") == "<>":
        return True
    return any(_value(head, name) for name in AUTOMATIC_HEADERS)


def _is_report(message: Message) -> bool:
    kind = _value(message, "Content-Type").lower()
    return kind.startswith("multipart/report") and "disposition-notification" not in kind


# --- The parts ----------------------------------------------------------------------------------


def _sane(raw: bytes) -> bytes:
    """Cut what no mail program makes and the parser needs ages for: boundaries without end."""
    if raw.lower().count(b"boundary=") > MAX_PARTS:
        return _head_bytes(raw) + b"\r\n\r\n"
    return raw[: MAX_MAIL + MAX_HEAD]


class _Parts:
    """The readable parts of a mail, and how many others there are."""

    def __init__(self, message: Message) -> None:
        self.files = 0
        self.has_failed = False
        self._texts = self._choose(message, 0)[:MAX_PARTS]

    def text(self, *, quotes: bool) -> str:
        found = []
        for kind, content in self._texts:
            text = text_of(content, quotes=quotes) if kind == "html" else content
            if not quotes and kind == "html" and not text:
                text = text_of(content)  # all of it is a quote: better that than nothing
            if text.strip():
                found.append(text.strip())
        return "\n\n".join(found)[:MAX_TEXT]

    def _choose(self, part: Message, depth: int) -> list[tuple[str, str]]:
        """Return ("plain" or "html", content) of the parts that say what the mail says, in order."""
        kind = part.get_content_type()
        if depth > MAX_DEPTH:
            return []
        if kind == "message/delivery-status":
            self._read_status(part)
            return []
        if part.get_content_maintype() == "multipart":
            children = part.get_payload()
            if not isinstance(children, list):
                return [("plain", _decode(part))]
            chosen = [
                self._choose(child, depth + 1)
                for child in children[:MAX_PARTS]
                if isinstance(child, Message)
            ]
            self.files += max(0, len(children) - MAX_PARTS)
            if kind == "multipart/alternative":
                return _best(chosen)
            return [one for texts in chosen for one in texts]
        if kind in ("text/plain", "text/html") and not self._is_file(part):
            return [(kind.removeprefix("text/"), _decode(part))]
        if not _is_decoration(part):
            self.files += 1
        return []

    def _is_file(self, part: Message) -> bool:
        try:
            return part.get_content_disposition() == "attachment" or bool(part.get_filename())
        except Exception:  # as above
            return False

    def _read_status(self, part: Message) -> None:
        blocks = part.get_payload()
        raw = b"\n".join(
            block.as_bytes()[:MAX_HEAD]
            for block in (blocks if isinstance(blocks, list) else [])
            if isinstance(block, Message)
        )
        self.has_failed |= bool(FAILED.search(raw) and FINAL.search(raw))


def _best(alternatives: list[list[tuple[str, str]]]) -> list[tuple[str, str]]:
    """Of the same thing said in several ways: plain text that says something, else the last."""
    plain = [one for one in alternatives if one and all(kind == "plain" for kind, _text in one)]
    for texts in (*plain, *reversed(alternatives)):
        if any(text.strip() for _kind, text in texts):
            return texts
    return []


def _is_decoration(part: Message) -> bool:
    """A small picture inside the text, or a signature of a program."""
    if part.get_content_type() in ("application/pgp-signature", "application/pkcs7-signature"):
        return True
    payload = part.get_payload()
    inside = bool(_value(part, "Content-ID")) and part.get_content_maintype() == "image"
    return inside and isinstance(payload, str) and len(payload) < DECORATION


def _decode(part: Message) -> str:
    """Return the text of a part. What its charset says may be a lie, so UTF-8 is tried as well."""
    payload = part.get_payload(decode=True)
    if not isinstance(payload, bytes):
        return ""
    payload = payload[:MAX_PART]
    try:
        named = str(part.get_content_charset("utf-8"))
    except Exception:  # as above
        named = "utf-8"
    for charset in ("utf-8", named) if _is_single_byte(named) else (named, "utf-8"):
        try:
            if CHARSET.match(charset):
                return payload.decode(charset)
        except (LookupError, UnicodeError, ValueError):
            continue
    return payload.decode("cp1252", errors="replace")


def _is_single_byte(charset: str) -> bool:
    """Whether every byte means something in it, so that decoding proves nothing."""
    return not re.match(r"utf|gb|big5|euc|shift", charset, re.IGNORECASE)


def _tidy(text: str) -> str:
    """Return text as chat can store it, without marks and control characters it refuses."""
    text = unicodedata.normalize("NFC", text[: 2 * MAX_TEXT])
    text = (
        text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\xa0", " ")
    )
    text = FORBIDDEN.sub("", text.replace("\ufeff", ""))[:MAX_TEXT]
    lines = [line.rstrip() for line in text.split("\n")[:MAX_LINES]]
    return GAPS.sub("\n\n", "\n".join(lines)).strip()


def subject_of(raw: bytes) -> str:
    """Return the subject in readable form: what there is to go by in a mail without text."""
    value = _value(_head(raw), "Subject")
    try:
        pieces = decode_header(value)
        text = "".join(
            piece
            if isinstance(piece, str)
            else piece.decode(charset if charset and _known(charset) else "utf-8", errors="replace")
            for piece, charset in pieces
        )
    except Exception:  # as above
        text = value
    return _tidy(text)[:200]


def _known(charset: str) -> bool:
    try:
        codecs.lookup(charset)
    except LookupError:
        return False
    return bool(CHARSET.match(charset))
