"""Group commit: every post that waits goes into one transaction.

One thread with one long-lived connection per process takes whatever waits, checks entitlement
and status, gives out numbers, seals, inserts, commits, and completes the whole batch at once on
the event loop. No timer: an idle system adds no delay, and a busy one shares each commit. Nothing
is acknowledged before its commit; what does not fit in the queue, or finds no database, is refused.

The rows of the batch's conversations are locked in the order of their ids (SQLite: the whole
database is, by BEGIN IMMEDIATE), so writers of several processes never deadlock, and a number is
given out under the lock that also guards the status.
"""

import asyncio
import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, NamedTuple

from django.db import DatabaseError, IntegrityError, InterfaceError, connection, transaction

from chat.counts import counts
from chat.events import MessagePosted, Seen
from chat.keys import data_keys
from chat.models import ConversationKey
from institutions.sealing import KeyMissing, SealBroken

log = logging.getLogger("klikvoor.chat.writer")

BATCH = 512
WAITING_LIMIT = 5_000


class Outcome(NamedTuple):
    """What became of a post: its event, and whether it is new; or the code of the refusal."""

    event: MessagePosted | None = None
    is_new: bool = False
    code: str = ""


@dataclass(slots=True)
class Post:
    """A message to store. `actor` is the visitor's or the worker's number, by `author`.

    `text` was cleaned by `chat.commands.clean_text`. `done` is called with the outcome, on the
    event loop when the writer is attached to one.
    """

    conversation: str
    client_id: str
    author: str
    actor: int
    text: str
    done: Callable[[Outcome], None] | None = None


@dataclass(slots=True)
class Mark:
    """One side has seen everything up to `seq`; told to the other side once it is stored."""

    conversation: str
    author: str
    actor: int
    seq: int


@dataclass(slots=True)
class Row:
    """What the batch needs of a locked conversation."""

    kind: str
    status: str
    visitor: int | None
    worker: int | None
    name: str
    worker_is_active: bool
    last_seq: int
    visitor_seq: int
    worker_seq: int
    institution: int

    def refuses(self, author: str, actor: int) -> str:
        """Return why this person may not write here now; empty when they may."""
        if author == "visitor":
            if self.visitor != actor:
                return "forbidden"
            return "" if self.status in ("waiting", "active") else "wrong_state"
        # A letter is answered by `Conversation.answer_letter`, which keeps its promise as well.
        if self.worker != actor or not self.worker_is_active or self.kind != "chat":
            return "forbidden"
        return "" if self.status == "active" else "wrong_state"


@dataclass(slots=True)
class Batch:
    """What one transaction stores, and what is told after it."""

    now: datetime
    at: str
    rows: dict[str, Row]
    known: dict[tuple[str, str], tuple[Any, ...]]
    inserts: list[tuple[Any, ...]] = field(default_factory=list)
    numbered: dict[str, int] = field(default_factory=dict)
    outcomes: list[tuple[Post, Outcome]] = field(default_factory=list)
    seen: list[Seen] = field(default_factory=list)


class Writer:
    """The one road on which messages reach the database."""

    def __init__(self) -> None:
        self._queue: queue.SimpleQueue[Post | Mark | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._start = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        # When the batch began that is being written; 0.0 while nothing is.
        self.busy_since = 0.0

    def attach(self, loop: asyncio.AbstractEventLoop | None) -> None:
        """Complete batches on this event loop from now on (None: in the writer's own thread)."""
        self._loop = loop

    def post(self, post: Post) -> None:
        """Store a message; `post.done` hears what became of it. Never blocks."""
        if self._queue.qsize() >= WAITING_LIMIT:
            counts.refused["unavailable"] += 1
            if post.done:
                post.done(Outcome(code="unavailable"))
            return
        self._put(post)

    def post_and_wait(self, post: Post, timeout: float = 15.0) -> Outcome:
        """Store a message from a thread that may wait. A time-out is a refusal."""
        future: Future[Outcome] = Future()
        post.done = future.set_result
        self.post(post)
        try:
            return future.result(timeout)
        except TimeoutError:
            return Outcome(code="unavailable")

    def mark(self, mark: Mark) -> None:
        """Store how far somebody has seen; the next message makes up for one that is dropped."""
        if self._queue.qsize() < WAITING_LIMIT:
            self._put(mark)

    @property
    def waiting(self) -> int:
        """How many posts and marks wait for the next batch."""
        return self._queue.qsize()

    @property
    def is_dead(self) -> bool:
        """Whether the thread ended by itself, so that nothing is written any more."""
        thread = self._thread
        return thread is not None and not thread.is_alive()

    def stop(self, timeout: float = 10.0) -> None:
        """Write what waits, close the connection, end the thread. A later post starts anew."""
        with self._start:
            thread, self._thread = self._thread, None
        if thread is not None and thread.is_alive():
            self._queue.put(None)
            thread.join(timeout)

    def _put(self, item: Post | Mark) -> None:
        if self._thread is None or not self._thread.is_alive():
            with self._start:
                if self._thread is None or not self._thread.is_alive():
                    self._thread = threading.Thread(
                        target=self._run, name="chat-writer", daemon=True
                    )
                    self._thread.start()
        self._queue.put(item)

    def _run(self) -> None:
        try:
            while True:
                item = self._queue.get()
                items = []
                while item is not None:
                    items.append(item)
                    if len(items) >= BATCH:
                        break
                    try:
                        item = self._queue.get_nowait()
                    except queue.Empty:
                        break
                if items:
                    self.busy_since = began_at = time.monotonic()
                    self._write(items)
                    counts.wrote(len(items), time.monotonic() - began_at)
                    self.busy_since = 0.0
                if item is None:
                    return
        finally:
            connection.close()

    def _write(self, items: list[Post | Mark]) -> None:
        posts = [item for item in items if isinstance(item, Post)]
        marks = [item for item in items if isinstance(item, Mark)]
        try:
            if connection.errors_occurred:
                connection.close()
            try:
                with transaction.atomic():
                    batch = _store(posts, marks)
            except IntegrityError:
                # Something was sent before: look first.
                with transaction.atomic():
                    batch = _store(posts, marks, again=posts)
        except (DatabaseError, InterfaceError, KeyMissing, SealBroken, Exception) as error:
            # Whatever it was, the transaction is gone and nobody was told: say so to the writers.
            log.error("a batch of %d was not stored: %s", len(items), type(error).__name__)
            outcomes = [(post, Outcome(code="unavailable")) for post in posts]
            self._complete(outcomes, [])
        else:
            self._complete(batch.outcomes, batch.seen)

    def _complete(self, outcomes: list[tuple[Post, Outcome]], seen: list[Seen]) -> None:
        counts.settled(outcomes)
        if self._loop is not None:
            try:
                self._loop.call_soon_threadsafe(_tell, outcomes, seen)
                return
            except RuntimeError:  # the loop was closed: the process stops
                self._loop = None
        _tell(outcomes, seen)


def _tell(outcomes: list[tuple[Post, Outcome]], seen: list[Seen]) -> None:
    from chat.hub import hub

    for post, outcome in outcomes:
        if outcome.is_new and outcome.event is not None:
            hub.tell(outcome.event)
        if post.done:
            post.done(outcome)
    for event in seen:
        hub.tell(event)


def _store(posts: list[Post], marks: list[Mark], again: Sequence[Post] = ()) -> Batch:
    """Store a batch. Raises IntegrityError when a post was stored before and is not in `again`.

    Nearly nothing is sent twice, so nobody looks before the unique client ids complain.
    """
    now = datetime.now(UTC)
    ids = sorted({post.conversation for post in posts} | {mark.conversation for mark in marks})
    rows = _lock(ids)
    # What may not be stored now may have been stored before the end: that has to be looked up.
    again = again or [post for post in posts if _refusal(rows, post)]
    batch = Batch(now=now, at=_iso(now), rows=rows, known=_known(again))
    for post in posts:
        batch.outcomes.append((post, _place(batch, post)))
    for mark in marks:
        _mark(batch, mark)
    _save(batch)
    return batch


def _lock(ids: list[str]) -> dict[str, Row]:
    """Lock the conversations in the order of their ids and read what entitlement needs."""
    lock = "FOR UPDATE OF c" if connection.features.has_select_for_update else ""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT c.id, c.kind, c.status, c.visitor_id, c.worker_id, u.chat_name, u.is_active,"
            " c.last_seq, c.visitor_seq, c.worker_seq, c.institution_id"
            " FROM chat_conversation c LEFT JOIN institutions_user u ON u.id = c.worker_id"
            f" WHERE c.id IN ({_marks(len(ids))}) ORDER BY c.id {lock}",
            ids,
        )
        return {
            row[0]: Row(
                row[1],
                row[2],
                row[3],
                row[4],
                row[5] or "",
                bool(row[6]),
                row[7],
                row[8],
                row[9],
                row[10] or 0,
            )
            for row in cursor.fetchall()
        }


def _refusal(rows: dict[str, Row], post: Post) -> str:
    row = rows.get(post.conversation)
    return row.refuses(post.author, post.actor) if row else ""


def _known(posts: Sequence[Post]) -> dict[tuple[str, str], tuple[Any, ...]]:
    """Return what is stored under the batch's client ids: posts that were sent again."""
    if not posts:
        return {}
    pairs = ", ".join(["(%s, %s)"] * len(posts))
    with connection.cursor() as cursor:
        cursor.execute(
            # A join, because SQLite reads the whole table for `(a, b) IN (VALUES …)`.
            f"WITH wanted (conversation_id, client_id) AS (VALUES {pairs})"
            " SELECT m.conversation_id, m.client_id, m.seq, m.author, m.worker_id, m.body, m.at"
            " FROM wanted JOIN chat_message m"
            " ON m.conversation_id = wanted.conversation_id AND m.client_id = wanted.client_id",
            [value for post in posts for value in (post.conversation, post.client_id)],
        )
        return {(row[0], row[1]): row[2:] for row in cursor.fetchall()}


def _place(batch: Batch, post: Post) -> Outcome:
    """Give a post its number and seal it, or say why not."""
    row = batch.rows.get(post.conversation)
    if row is None:
        return Outcome(code="forbidden")
    stored = batch.known.get((post.conversation, post.client_id))
    if stored is not None:
        return _again(row, post, stored)
    if code := row.refuses(post.author, post.actor):
        return Outcome(code=code)
    try:
        key = data_keys.open(post.conversation)
    except ConversationKey.DoesNotExist:
        return Outcome(code="wrong_state")
    row.last_seq = seq = row.last_seq + 1
    body = key.seal(post.text, post.conversation, seq, post.author, "body")
    worker = post.actor if post.author == "worker" else None
    batch.inserts.append((post.conversation, seq, post.client_id, post.author, worker, body))
    batch.numbered[post.conversation] = seq
    batch.known[post.conversation, post.client_id] = (seq, post.author, worker, body, batch.now)
    return Outcome(_event(row, post, seq, batch.at), is_new=True)


def _again(row: Row, post: Post, stored: tuple[Any, ...]) -> Outcome:
    """Answer a post whose client id is known: the same content gets the same acknowledgement.

    Also after the end of the conversation: it was stored, and its writer may know that.
    """
    seq, author, worker, body, at = stored
    actor = row.visitor if author == "visitor" else worker
    if (author, actor) != (post.author, post.actor):
        return Outcome(code="id_reused")
    text = data_keys.open(post.conversation).unseal(body, post.conversation, seq, author, "body")
    if text != post.text:
        return Outcome(code="id_reused")
    return Outcome(_event(row, post, seq, _iso(_aware(at))))


def _event(row: Row, post: Post, seq: int, at: str) -> MessagePosted:
    return MessagePosted(
        conversation=post.conversation,
        seq=seq,
        client_id=post.client_id,
        author=post.author,
        name=row.name if post.author == "worker" else "",
        text=post.text,
        at=at,
        institution=row.institution,
    )


def _mark(batch: Batch, mark: Mark) -> None:
    row = batch.rows.get(mark.conversation)
    if row is None or mark.seq > row.last_seq:
        return
    if mark.author == "visitor" and row.visitor == mark.actor and mark.seq > row.visitor_seq:
        row.visitor_seq = mark.seq
    elif mark.author == "worker" and row.worker == mark.actor and mark.seq > row.worker_seq:
        row.worker_seq = mark.seq
    else:
        return
    batch.numbered.setdefault(mark.conversation, row.last_seq)
    batch.seen.append(Seen(conversation=mark.conversation, author=mark.author, seq=mark.seq))


def _save(batch: Batch) -> None:
    with connection.cursor() as cursor:
        if batch.inserts:
            at = connection.ops.adapt_datetimefield_value(batch.now)
            cursor.executemany(
                "INSERT INTO chat_message"
                " (conversation_id, seq, client_id, author, worker_id, body, at)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s)",
                [(*insert, at) for insert in batch.inserts],
            )
        if batch.numbered:
            cursor.executemany(
                "UPDATE chat_conversation SET last_seq = %s, visitor_seq = %s, worker_seq = %s"
                " WHERE id = %s",
                [
                    (row.last_seq, row.visitor_seq, row.worker_seq, conversation)
                    for conversation in batch.numbered
                    for row in (batch.rows[conversation],)
                ],
            )


def _marks(count: int) -> str:
    return ", ".join(["%s"] * count)


def _iso(at: datetime) -> str:
    return at.isoformat(timespec="milliseconds")


def _aware(at: Any) -> datetime:
    """SQLite gives times back as text or naive; they are UTC."""
    if isinstance(at, str):
        at = datetime.fromisoformat(at)
    return at if at.tzinfo else at.replace(tzinfo=UTC)


writer = Writer()
