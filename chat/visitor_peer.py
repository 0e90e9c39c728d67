"""A visitor's window: one visit, one conversation."""

import threading
import time
from typing import Any

from django.utils import timezone

from chat import commands, queue
from chat.commands import clean_text
from chat.database import in_pool
from chat.events import Event, StatusChanged, Typing, VisitEnded, visit_audience, visitor_audience
from chat.hub import hub
from chat.models import Conversation, Epoch, Refused, Visitor
from chat.peers import GONE, Gone, Peer, Stream
from chat.queue import Place
from chat.writer import Mark, writer

# As soon as a change of the queue is told (chat/watch.py).
PLACES_SECONDS = 0.25


class VisitorPeer(Peer):
    """Knows its visitor by number; the token stays in the cookie."""

    decoder = commands.visitor_decoder
    author = "visitor"

    def __init__(self, *args: Any, visitor: Visitor, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.visitor_id = visitor.pk
        self.language = visitor.language
        self.stream: Stream | None = None
        self.status = ""
        self.kind = ""
        self.told_place: int | None = None
        self.told_passed = 0

    def stream_of(self, conversation: str) -> Stream | None:
        stream = self.stream
        return stream if stream is not None and stream.conversation == conversation else None

    def streams(self) -> list[Stream]:
        return [self.stream] if self.stream else []

    def conversation_of(self, command: Any) -> str:
        return self.stream.conversation if self.stream else ""

    async def handle(self, command: commands.Command) -> None:
        match command:
            case commands.VisitorPost(client_id=client_id, text=text):
                stream = self._stream()
                if self.kind == Conversation.Kind.LETTER:  # written on its page, and promised there
                    raise Refused("wrong_state")
                self.post(stream, self.visitor_id, client_id, clean_text(text))
            case commands.Heartbeat():
                stream = self._stream()
                self.answer("heartbeat", top={stream.conversation: stream.top})
            case commands.VisitorTyping(on=on):
                stream = self._stream()
                if self.status == Conversation.Status.ACTIVE:
                    hub.tell(Typing(conversation=stream.conversation, author=self.author, on=on))
            case commands.VisitorSeen(seq=seq):
                stream = self._stream()
                writer.mark(Mark(stream.conversation, self.author, self.visitor_id, seq))
            case commands.VisitorHello():
                await self.settle()
                await self._hello(command)
            case commands.VisitorLeave():
                stream = self._stream()
                await self.settle()
                await in_pool(_leave, self.visitor_id, stream.conversation)

    def _stream(self) -> Stream:
        if self.stream is None:
            raise Refused("hello_first")
        return self.stream

    async def _hello(self, command: commands.VisitorHello) -> None:
        # Join first, then read: what is posted in between arrives twice, and once is dropped.
        if self.stream is not None:
            self.part(visitor_audience(self.stream.conversation))
            self.stream = None
        self.join(visit_audience(self.visitor_id))
        found = await in_pool(_hello, self.visitor_id, command.conversation)
        stream = Stream(command.conversation, min(command.after, found["top"]))
        self.stream = stream
        self.has_said_hello = True
        self.join(visitor_audience(stream.conversation))
        self.status = stream.status = found["status"]
        self.kind = found["kind"]
        place: Place | None = found.pop("place")
        self.answer("hello", **found, place=self._place(place))
        await self.read(stream)

    def hear(self, event: Event, frame: str) -> None:
        if isinstance(event, StatusChanged):
            self.status = event.status
            if self.stream is not None:
                self.stream.status = event.status
        super().hear(event, frame)
        if isinstance(event, VisitEnded):
            self.shut(GONE)

    def tell_place(self, place: Place) -> None:
        """Say where this visitor stands now, and why when that is further back than before."""
        if self.stream is not None and self.status == Conversation.Status.WAITING:
            self.answer(
                "queue.place", conversation=self.stream.conversation, **self._place(place) or {}
            )

    def _place(self, place: Place | None) -> dict[str, Any] | None:
        if place is None:
            return None
        why = ""
        if self.told_place is not None and place.place > self.told_place:
            # Somebody who came later went first, or somebody whose long waiting counts now.
            why = "urgent" if place.passed > self.told_passed else "waited"
        self.told_place, self.told_passed = place.place, place.passed
        return {
            "place": place.place,
            "minutes": place.minutes,
            "why": why,
            "fits": place.fits,
        }


def _hello(visitor_id: int, conversation_id: str) -> dict[str, Any]:
    """Return the fields of the answer. Raises Gone for an ended visit, Refused("stale")."""
    visitor = Visitor.objects.filter(pk=visitor_id, token_hash__isnull=False).first()
    if visitor is None:
        raise Gone
    conversation = visitor.conversation()
    if conversation is None or conversation.pk != conversation_id:
        raise Refused("stale")
    now = timezone.now()
    place = None
    if conversation.status in Conversation.LIVE:
        Conversation.objects.filter(pk=conversation.pk).update(visitor_seen_at=now)
    if conversation.status == Conversation.Status.WAITING and conversation.kind == "chat":
        place = places.of(conversation)
    worker = conversation.worker
    return {
        "epoch": Epoch.current(),
        "conversation": conversation.pk,
        "kind": conversation.kind,
        "status": conversation.status,
        "worker": worker.chat_name if worker else "",
        "top": conversation.last_seq,
        "seen": conversation.worker_seq,
        "closing_reason": conversation.closing_reason,
        "place": place,
    }


class Places:
    """Where everybody stands, read once for all who ask within a moment.

    After a restart all who wait come back together, and each reading is as long as the queue.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.forget()

    def forget(self) -> None:
        self._read_at: dict[int, float] = {}
        self._places: dict[int, dict[str, Place]] = {}

    def of(self, conversation: Conversation) -> Place | None:
        """Return where a waiting chat stands; None when it does not wait any more."""
        line = conversation.line
        with self._lock:
            known = self._places.get(line.pk, {})
            age = time.monotonic() - self._read_at.get(line.pk, 0.0)
            if age > PLACES_SECONDS or conversation.pk not in known:
                self._read_at[line.pk] = time.monotonic()
                now = timezone.now()
                until = queue.opening_of(line, now).until
                known = {place.conversation: place for place in queue.places(line, now, until)}
                self._places[line.pk] = known
        return known.get(conversation.pk)


places = Places()


def _leave(visitor_id: int, conversation_id: str) -> None:
    mine = Conversation.objects.chats().filter(visitor=visitor_id)
    conversation = mine.filter(pk=conversation_id).first()
    if conversation is None:
        raise Refused("wrong_state")
    waiting = conversation.status == Conversation.Status.WAITING
    conversation.abandon(reason="left" if waiting else "closed")
