"""Everything that an open window can be told, and who hears it.

A fact is published inside the transaction that makes it true and told after its commit. Who hears
it follows from its audiences alone: a socket joins the audiences that its owner may hear, and
nothing is filtered on the way out. Facts hold strings, numbers and truth values only; a person's
words travel between processes sealed (`chat/hub.py`).
"""

from typing import TYPE_CHECKING, ClassVar

import msgspec
from django.db import transaction

if TYPE_CHECKING:
    from chat.models import Conversation


def visitor_audience(conversation: str) -> str:
    return f"visitor:{conversation}"


def staff_audience(conversation: str) -> str:
    """Workers who have this conversation open."""
    return f"staff:{conversation}"


def words_audience(conversation: str, institution: int) -> str:
    """Workers of the institution whose conversation it is, who have it open: they may read it.

    The institution is in the name, so that a worker who was not yet told that another institution
    took over hears no word of what is said from then on.
    """
    return f"words:{conversation}:{institution}"


def desk_audience(line: int) -> str:
    """Every worker's desk of a service line."""
    return f"desk:{line}"


def visit_audience(visitor: int) -> str:
    """All windows of one visit."""
    return f"visit:{visitor}"


def worker_audience(worker: int) -> str:
    """All windows of one worker."""
    return f"worker:{worker}"


class Event(msgspec.Struct, frozen=True, kw_only=True, tag_field="type"):
    """A fact. The fields are the frame that browsers get, `type` first."""

    # Doorbells say that something changed; the window asks for what it may see.
    is_doorbell: ClassVar[bool] = False

    def audiences(self) -> list[str]:
        raise TypeError("an event names its audiences")

    def frame(self) -> str:
        """Return what browsers get."""
        return msgspec.json.encode(self).decode()


class MessagePosted(Event, frozen=True, kw_only=True, tag="message.posted", omit_defaults=True):
    """A message was stored. For its writer, known by `client_id`, the acknowledgement.

    `institution`: whose the conversation was in the transaction that stored it; not for browsers.
    """

    conversation: str
    seq: int
    client_id: str
    author: str
    name: str
    text: str
    at: str
    institution: int = 0

    @property
    def is_by_mail(self) -> bool:
        """Whether it came by e-mail: from whoever could read that mailbox."""
        return self.client_id.startswith("mail-")

    def audiences(self) -> list[str]:
        return [
            visitor_audience(self.conversation),
            words_audience(self.conversation, self.institution),
        ]

    def frame(self) -> str:
        return msgspec.json.encode(msgspec.structs.replace(self, institution=0)).decode()


class StatusChanged(Event, frozen=True, kw_only=True, tag="status.changed"):
    """A conversation began, was claimed, handed over, lost its worker, or ended."""

    conversation: str
    status: str
    reason: str
    # The worker's name in the chat; empty while nobody has it.
    worker: str

    @classmethod
    def of(cls, conversation: "Conversation", *, reason: str = "") -> "StatusChanged":
        worker = conversation.worker
        return cls(
            conversation=conversation.pk,
            status=conversation.status,
            reason=reason,
            worker=worker.chat_name if worker else "",
        )

    def audiences(self) -> list[str]:
        return [visitor_audience(self.conversation), staff_audience(self.conversation)]


class Typing(Event, frozen=True, kw_only=True, tag="typing"):
    """Somebody is writing; true for a few seconds and then forgotten by itself."""

    conversation: str
    author: str
    on: bool

    def audiences(self) -> list[str]:
        if self.author == "visitor":
            return [staff_audience(self.conversation)]
        return [visitor_audience(self.conversation)]


class Seen(Event, frozen=True, kw_only=True, tag="seen"):
    """One side has seen everything up to `seq`."""

    conversation: str
    author: str
    seq: int

    def audiences(self) -> list[str]:
        return [visitor_audience(self.conversation), staff_audience(self.conversation)]


class PresenceChanged(Event, frozen=True, kw_only=True, tag="presence.changed"):
    """The visitor of a conversation came back or fell silent; for the workers who have it open."""

    conversation: str
    present: bool

    def audiences(self) -> list[str]:
        return [staff_audience(self.conversation)]


class NoteAdded(Event, frozen=True, kw_only=True, tag="note.added"):
    """A colleague wrote a note; the desk fetches it, so that its text does not travel."""

    is_doorbell: ClassVar[bool] = True

    conversation: str

    def audiences(self) -> list[str]:
        return [staff_audience(self.conversation)]


class UrgencyChanged(Event, frozen=True, kw_only=True, tag="urgency.changed"):
    """A worker raised or lowered the urgency; the desk fetches it with the reason, which is theirs."""

    is_doorbell: ClassVar[bool] = True

    conversation: str

    def audiences(self) -> list[str]:
        return [staff_audience(self.conversation)]


class DangerFound(Event, frozen=True, kw_only=True, tag="danger"):
    """What somebody wrote while waiting points to danger: their window shows the help lines."""

    conversation: str

    def audiences(self) -> list[str]:
        return [visitor_audience(self.conversation)]


class ChecklistChanged(Event, frozen=True, kw_only=True, tag="checklist.changed"):
    """A step of a checklist was ticked, or not any more; the desk fetches what is ticked."""

    is_doorbell: ClassVar[bool] = True

    conversation: str

    def audiences(self) -> list[str]:
        return [staff_audience(self.conversation)]


class DeskChanged(Event, frozen=True, kw_only=True, tag="desk.changed"):
    """The queue, somebody's chats or somebody's presence changed on this line."""

    is_doorbell: ClassVar[bool] = True

    line: int

    def audiences(self) -> list[str]:
        return [desk_audience(self.line)]


class VisitEnded(Event, frozen=True, kw_only=True, tag="visit.ended"):
    """The visitor left through the exit: every window of the visit closes."""

    visitor: int

    def audiences(self) -> list[str]:
        return [visit_audience(self.visitor)]


class AccessChanged(Event, frozen=True, kw_only=True, tag="access.changed"):
    """A worker's rights or sign-in changed: their sockets look again."""

    is_doorbell: ClassVar[bool] = True

    worker: int

    def audiences(self) -> list[str]:
        return [worker_audience(self.worker)]


EVENTS = (
    MessagePosted
    | StatusChanged
    | Typing
    | Seen
    | PresenceChanged
    | NoteAdded
    | UrgencyChanged
    | DangerFound
    | ChecklistChanged
    | DeskChanged
    | VisitEnded
    | AccessChanged
)


def publish(event: Event) -> None:
    """Tell every open window, once the surrounding transaction has committed.

    Robust: what cannot be told is logged without its content, and heals by the poll; it never
    turns a stored fact into an error.
    """
    from chat.hub import hub

    transaction.on_commit(lambda: hub.tell(event), robust=True)
