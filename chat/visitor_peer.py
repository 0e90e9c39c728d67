"""A visitor's window: one visit, one conversation."""

import time
from collections.abc import Collection
from contextlib import suppress
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from chat import commands, queue
from chat.commands import clean_text
from chat.database import in_pool
from chat.events import Event, StatusChanged, Typing, VisitEnded, visit_audience, visitor_audience
from chat.hub import hub
from chat.models import Conversation, Epoch, Refused, Visitor
from chat.peers import GONE, Gone, Peer, Stream
from chat.queue import WINDOW, Place
from chat.together import Together
from chat.writer import Mark, writer

# Who stands far back sees the number change no more often than this.
FAR_BACK_SECONDS = 8.0


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
        self.told: Place | None = None
        self.told_at = 0.0

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
        found = await hellos((self.visitor_id, command.conversation))
        if found is None:
            raise Gone
        stream = Stream(command.conversation, min(command.after, found["top"]))
        self.stream = stream
        self.has_said_hello = True
        self.join(visitor_audience(stream.conversation))
        self.status = stream.status = found["status"]
        self.kind = found["kind"]
        self.answer("hello", **found | {"place": self._place(found["place"])})
        # Only now that it is followed: what came before is read, what comes after is heard.
        if (await last_numbers(stream.conversation) or 0) > stream.sent:
            await self.read(stream)

    def hear(self, event: Event, frame: str) -> None:
        if isinstance(event, StatusChanged):
            self.status = event.status
            self.told = None
            if self.stream is not None:
                self.stream.status = event.status
        super().hear(event, frame)
        if isinstance(event, VisitEnded):
            self.shut(GONE)

    def tell_place(self, place: Place) -> None:
        """Say where this visitor stands now, if that changed, and why when it is further back."""
        if self.stream is None or self.status != Conversation.Status.WAITING:
            return
        if (told := self.told) is not None:
            is_same = (told.place, told.minutes, told.fits) == (
                place.place,
                place.minutes,
                place.fits,
            )
            is_soon = time.monotonic() - self.told_at < FAR_BACK_SECONDS
            if is_same or (is_soon and min(told.place, place.place) > WINDOW):
                return
        self.answer(
            "queue.place", conversation=self.stream.conversation, **self._place(place) or {}
        )

    def _place(self, place: Place | None) -> dict[str, Any] | None:
        if place is None:
            return None
        why = ""
        if self.told is not None and place.place > self.told.place:
            # Somebody who came later went first, or somebody whose long waiting counts now.
            why = "urgent" if place.passed > self.told.passed else "waited"
        self.told, self.told_at = place, time.monotonic()
        return {
            "place": place.place,
            "minutes": place.minutes,
            "why": why,
            "fits": place.fits,
        }


def _hellos(
    asked: Collection[tuple[int, str]],
) -> dict[tuple[int, str], dict[str, Any] | Exception]:
    """Return the fields of each answer, by visitor and conversation, with a `Place` as place.

    Nothing for a visit that ended; Refused("stale") when it is about another conversation.
    """
    visits = Visitor.that_go_on({visitor for visitor, _conversation in asked})
    theirs = Visitor.conversations_of(visits)
    found: dict[tuple[int, str], Conversation] = {}
    answers: dict[tuple[int, str], dict[str, Any] | Exception] = {}
    for visitor, pk in asked:
        conversation = theirs.get(visitor)
        if conversation is not None and conversation.pk == pk:
            found[visitor, pk] = conversation
        elif visitor in visits:
            answers[visitor, pk] = Refused("stale")
    now = timezone.now()
    live = Conversation.objects.live().filter(pk__in=[one.pk for one in found.values()])
    with suppress(DatabaseError):  # a full disk: who comes may read, and the watch tries again
        live.update(visitor_seen_at=now)
    places = queue.places_of(found.values(), now)
    epoch = Epoch.current()
    for question, conversation in found.items():
        worker = conversation.worker
        answers[question] = {
            "epoch": epoch,
            "conversation": conversation.pk,
            "kind": conversation.kind,
            "status": conversation.status,
            "worker": worker.chat_name if worker else "",
            "top": conversation.last_seq,
            "seen": conversation.worker_seq,
            "closing_reason": conversation.closing_reason,
            "danger": conversation.danger,
            "place": places.get(conversation.pk),
        }
    return answers


def _last_numbers(conversations: Collection[str]) -> dict[str, int]:
    """Return the number of the last message of each of these conversations."""
    found = Conversation.objects.filter(pk__in=conversations)
    return dict(found.values_list("pk", "last_seq"))


# Whose token this is.
visitor_of = Together(Visitor.find_all)
hellos = Together(_hellos)
last_numbers = Together(_last_numbers)


def _leave(visitor_id: int, conversation_id: str) -> None:
    mine = Conversation.objects.chats().filter(visitor=visitor_id)
    conversation = mine.filter(pk=conversation_id).first()
    if conversation is None:
        raise Refused("wrong_state")
    waiting = conversation.status == Conversation.Status.WAITING
    conversation.abandon(reason="left" if waiting else "closed")
