"""What people remember of a run: what they sent, what was acknowledged, what they saw, and when.

All times are of one clock that no fault touches: `time.monotonic()` of the process that plays
everybody.
"""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Violation:
    """A promise that was broken."""

    kind: str
    what: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.what}"


@dataclass
class Said:
    """Something that somebody wanted to say. `state` is what its writer is shown."""

    conversation: str
    client_id: str
    text: str
    at: float
    state: str = "sending"
    seq: int = 0
    acknowledged_at: float = 0.0
    code: str = ""
    # Written while its writer knew that the conversation was over.
    too_late: bool = False
    # Who was in this conversation on the other side, at a socket, when it was said.
    awaited_by: str = ""
    # Sent as a form: the page that acknowledges it does not tell its number.
    by_form: bool = False


@dataclass
class Heard:
    """A frame about a conversation that reached a socket."""

    at: float
    type: str
    conversation: str
    seq: int = 0
    client_id: str = ""
    author: str = ""
    text: str = ""
    # The socket was not reading: when the frame was sent is unknown.
    late: bool = False


@dataclass
class Page:
    """What somebody read of a letter on a page, in the order of the page."""

    asked_at: float
    at: float
    conversation: str
    words: list[str]
    # Everything that there is was asked for, when nothing went wrong any more.
    is_whole: bool = False


@dataclass
class Move:
    """A young person said yes: her letter may go to another institution."""

    institution: int
    asked_at: float
    known_at: float
    # The page said so; else the question was gone when it was answered once more.
    is_sure: bool = True


@dataclass
class Letter:
    """What its writer remembers of a letter."""

    writer: str
    asked_at: float
    known_at: float
    moves: list[Move] = field(default_factory=list)
    addresses: set[str] = field(default_factory=set)
    # From wanting everything erased until knowing that it was; 0: never.
    erase_asked_at: float = 0.0
    erased_at: float = 0.0


@dataclass
class Post:
    """A mail that reached the mail server."""

    at: float
    message_id: str
    to: str
    text: str


@dataclass
class Claim:
    """A worker knew at `known_at` that the conversation was theirs, and asked for it at `asked_at`."""

    worker: str
    institution: int
    asked_at: float
    known_at: float


@dataclass
class Person:
    """What one person remembers."""

    name: str
    kind: str
    id: int = 0
    institution: int = 0
    conversation: str = ""
    said: dict[str, Said] = field(default_factory=dict)
    heard: list[Heard] = field(default_factory=list)
    # Conversation → number → (client id, author, text), as the screen would show it.
    views: dict[str, dict[int, tuple[str, str, str]]] = field(default_factory=dict)
    # Conversation → the number up to which this view must be complete at the end.
    complete: set[str] = field(default_factory=set)
    # From when until when nobody answered, for other reasons than an own deed.
    outages: list[tuple[float, float]] = field(default_factory=list)
    opens_sent: dict[str, int] = field(default_factory=dict)
    opens_answered: dict[str, int] = field(default_factory=dict)
    # Code → when a socket was closed with it for good.
    closes: dict[int, list[float]] = field(default_factory=dict)
    # Of people who read and write letters, on pages.
    pages: list[Page] = field(default_factory=list)
    # Notes for colleagues, by client id; their `state` as of what was said.
    notes: dict[str, Said] = field(default_factory=dict)
    own_letters: set[str] = field(default_factory=set)
    # Codes that lead nowhere and opened something.
    wrong_doors: int = 0
    # Her own code, or her own browser, led nowhere; or a page asked a worker to sign in again.
    locked_out: int = 0


@dataclass
class Fault:
    """Something that the nemesis did."""

    kind: str
    began: float
    ended: float = 0.0
    note: str = ""


@dataclass
class Memory:
    """A whole run."""

    began: float = 0.0
    ended: float = 0.0
    people: list[Person] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    # Conversation → claims in the order in which they became known.
    claims: dict[str, list[Claim]] = field(default_factory=dict)
    # Conversation → when somebody first knew that it was over.
    over: dict[str, float] = field(default_factory=dict)
    letters: dict[str, Letter] = field(default_factory=dict)
    # Conversations of people who wanted everything erased, the chat before a letter among them.
    erased: set[str] = field(default_factory=set)
    posts: list[Post] = field(default_factory=list)
    stored: dict[str, Any] = field(default_factory=dict)
    # Tracebacks and planted words in the logs of the servers.
    logged: list[str] = field(default_factory=list)
