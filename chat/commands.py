"""Everything that a window can ask. Parsing is strict: what is not named here is refused.

The types are the check: kind, length and range of each field, no field too many, and nothing that
JSON does not know (NaN). Django forms would do the same in fifty times the time, on the road that
every message takes (docs/decisions/0002-hot-path.md).
"""

import re
import unicodedata
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta

T = TypeVar("T")

MAX_FRAME = 64 * 1024
MAX_TEXT = 4000
MAX_HAND_OVER = 2000
MAX_REASON = 500

ConversationId = Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{22}$")]
ClientId = Annotated[str, Meta(pattern=r"^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$")]
Seq = Annotated[int, Meta(ge=0, le=2**31 - 1)]
UserId = Annotated[int, Meta(ge=1, le=2**53)]

# Control characters but tab and line feed, lone surrogates, and marks that turn the direction of
# text, with which a name could imitate another.
FORBIDDEN = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufff9-\ufffb]"
)
LINE_ENDS = re.compile("\r\n?|\u2028|\u2029")


class BadCommand(Exception):
    """`code` is `not_understood` or `too_long`; `client_id` names the message, if it had one."""

    def __init__(self, code: str = "not_understood", client_id: str = "") -> None:
        super().__init__(code)
        self.code = code
        self.client_id = client_id


def clean_text(text: str, *, limit: int = MAX_TEXT, required: bool = True) -> str:
    """Return the text as it is stored: NFC, line feeds, no white space around it.

    Raises BadCommand for forbidden characters, an empty text, or more than `limit` characters.
    """
    text = LINE_ENDS.sub("\n", text).strip()
    if not text.isascii():
        # Normalising refuses nothing, so lone surrogates are looked for after it as well.
        text = unicodedata.normalize("NFC", text)
    if FORBIDDEN.search(text) or (required and not text):
        raise BadCommand
    if len(text) > limit:
        raise BadCommand("too_long")
    return text


class Command(msgspec.Struct, frozen=True, tag_field="type", forbid_unknown_fields=True):
    """An order of a window."""


class Heartbeat(Command, frozen=True, tag="heartbeat"):
    pass


class VisitorHello(Command, frozen=True, tag="hello"):
    conversation: ConversationId
    after: Seq = 0


class VisitorPost(Command, frozen=True, tag="message.post"):
    client_id: ClientId
    text: str


class VisitorTyping(Command, frozen=True, tag="typing"):
    on: bool


class VisitorSeen(Command, frozen=True, tag="seen"):
    seq: Seq


class VisitorLeave(Command, frozen=True, tag="conversation.leave"):
    pass


class DeskHello(Command, frozen=True, tag="hello"):
    after: Annotated[dict[ConversationId, Seq], Meta(max_length=20)] = {}


class AvailabilitySet(Command, frozen=True, tag="availability.set"):
    state: Literal["available", "paused"]


class ConversationOpen(Command, frozen=True, tag="conversation.open"):
    conversation: ConversationId
    after: Seq = 0


class ConversationLeave(Command, frozen=True, tag="conversation.leave"):
    conversation: ConversationId


class ConversationClaim(Command, frozen=True, tag="conversation.claim"):
    conversation: ConversationId
    despite: bool = False


class ConversationHandOver(Command, frozen=True, tag="conversation.hand_over"):
    conversation: ConversationId
    to: UserId | None = None
    note: str = ""


ClosingReason = Literal["finished", "referred", "visitor_left", "time", "misuse"]
ContactKind = Literal[
    "about_self",
    "about_child",
    "silent",
    "test",
    "prank",
    "abusive",
    "thanks",
    "wrong_place",
    "emergency",
]
Topic = Literal[
    "missing",
    "violence",
    "mental_health",
    "physical_health",
    "access",
    "discrimination",
    "family",
    "peers",
    "education",
    "sexuality",
    "unknown",
]


# Five steps and "heard none"; empty when it was not asked, as for a test or a prank.
Risk = Literal["", "a", "b", "c", "d", "e", "none"]


# One of chat/topics.json that belongs to the topic; the verb looks.
TopicDetail = Annotated[str, Meta(pattern=r"^[a-z_]{0,16}$")]


class ConversationClose(Command, frozen=True, tag="conversation.close"):
    conversation: ConversationId
    reason: ClosingReason
    contact_kind: ContactKind
    topic: Topic
    topic_detail: TopicDetail = ""
    risk: Risk = ""


class ConversationRegister(Command, frozen=True, tag="conversation.register"):
    conversation: ConversationId
    contact_kind: ContactKind
    topic: Topic
    topic_detail: TopicDetail = ""
    risk: Risk = ""


class ConversationUrgency(Command, frozen=True, tag="conversation.urgency"):
    conversation: ConversationId
    urgency: Literal["now", "soon", "normal"]
    reason: str


class ChecklistTick(Command, frozen=True, tag="checklist.tick"):
    conversation: ConversationId
    checklist: Literal["crisis", "meldcode"]
    step: Annotated[int, Meta(ge=1, le=20)]
    on: bool


class WorkerPost(Command, frozen=True, tag="message.post"):
    conversation: ConversationId
    client_id: ClientId
    text: str


class NotePost(Command, frozen=True, tag="note.post"):
    conversation: ConversationId
    client_id: ClientId
    text: str


class WorkerTyping(Command, frozen=True, tag="typing"):
    conversation: ConversationId
    on: bool


class WorkerSeen(Command, frozen=True, tag="seen"):
    conversation: ConversationId
    seq: Seq


VisitorCommand = VisitorHello | Heartbeat | VisitorPost | VisitorTyping | VisitorSeen | VisitorLeave
WorkerCommand = (
    DeskHello
    | Heartbeat
    | AvailabilitySet
    | ConversationOpen
    | ConversationLeave
    | ConversationClaim
    | ConversationHandOver
    | ConversationClose
    | ConversationRegister
    | ConversationUrgency
    | ChecklistTick
    | WorkerPost
    | NotePost
    | WorkerTyping
    | WorkerSeen
)

visitor_decoder = msgspec.json.Decoder(VisitorCommand)
worker_decoder = msgspec.json.Decoder(WorkerCommand)


def parse(decoder: "msgspec.json.Decoder[T]", frame: str | bytes) -> T:
    """Return the command in a frame. Raises BadCommand; a frame cannot raise anything else."""
    if len(frame) > MAX_FRAME:
        raise BadCommand("too_long")
    try:
        return decoder.decode(frame)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise BadCommand from None
