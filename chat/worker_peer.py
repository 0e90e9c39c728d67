"""A worker's window: the desk, with every conversation that it has open."""

from collections.abc import Callable, Collection
from contextlib import suppress
from typing import Any

from django.db import DatabaseError
from django.utils import timezone

from chat import commands
from chat.commands import MAX_HAND_OVER, MAX_REASON, clean_text
from chat.database import in_pool
from chat.events import (
    AccessChanged,
    ChecklistChanged,
    DeskChanged,
    Event,
    NoteAdded,
    StatusChanged,
    Typing,
    UrgencyChanged,
    desk_audience,
    publish,
    staff_audience,
    words_audience,
    worker_audience,
)
from chat.hub import hub
from chat.models import ChecklistTick, Conversation, Epoch, Note, Refused
from chat.peers import GONE, LOST_RIGHT, Gone, Peer, Stream
from chat.reading import Desk, checklists_frame, intake_frame, notes_frame, readable
from chat.together import Together
from chat.writer import Mark, writer
from institutions.access import Staff, staff_of_session, staff_of_sessions
from roster.models import LEASE, Presence, ServiceLine

# A desk has at most this many conversations open: own chats, and some to read along.
OPEN_LIMIT = 20


class WorkerPeer(Peer):
    """Knows its owner by session; who that is and what they may is asked again each time."""

    decoder = commands.worker_decoder
    author = "worker"

    def __init__(self, *args: Any, session_key: str, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.session_key = session_key
        self.worker_id = staff.user.pk
        self.language = staff.user.language
        self.open: dict[str, Stream] = {}
        # Own active chats among the open ones: typing needs no query for these.
        self.own: set[str] = set()

    def stream_of(self, conversation: str) -> Stream | None:
        return self.open.get(conversation)

    def streams(self) -> list[Stream]:
        return list(self.open.values())

    async def handle(self, command: commands.Command) -> None:
        if not self.has_said_hello and not isinstance(command, commands.DeskHello):
            raise Refused("hello_first")
        match command:
            case commands.WorkerPost(conversation=conversation, client_id=client_id, text=text):
                # The writer asks, in the statement that locks the row, whether it is ours.
                stream = self.open.get(conversation) or Stream(conversation, 0)
                self.post(stream, self.worker_id, client_id, clean_text(text))
            case commands.Heartbeat():
                self.answer("heartbeat", top={key: one.top for key, one in self.open.items()})
            case commands.WorkerTyping(conversation=conversation, on=on):
                if conversation not in self.own:
                    raise Refused("forbidden")
                hub.tell(Typing(conversation=conversation, author=self.author, on=on))
            case commands.WorkerSeen(conversation=conversation, seq=seq):
                writer.mark(Mark(conversation, self.author, self.worker_id, seq))
            case commands.DeskHello(after=after):
                await self.settle()
                await self._hello(after)
            case commands.ConversationOpen(conversation=conversation, after=after):
                await self._open(conversation, after)
            case commands.ConversationLeave(conversation=conversation):
                self.close_stream(conversation)
            case commands.NotePost(conversation=conversation):
                await in_pool(self._verb, command)
                # The acknowledgement, also of a note that was stored before.
                await self._tell_notes(conversation)
            case _:
                await self.settle()
                await in_pool(self._verb, command)

    # --- Verbs, in a pool thread ----------------------------------------------------------------

    def staff(self) -> Staff:
        """Return who holds the session now. Raises Gone when that is no worker any more."""
        staff = staff_of_session(self.session_key)
        if staff is None:
            raise Gone(GONE)
        if not staff.is_worker:
            raise Gone(LOST_RIGHT)
        return staff

    def _verb(self, command: commands.Command) -> None:
        staff = self.staff()
        match command:
            case commands.AvailabilitySet(state=state):
                Presence.renew(staff.user.pk, now=timezone.now(), state=state)
                for line in ServiceLine.objects.values_list("pk", flat=True):
                    publish(DeskChanged(line=line))
            case commands.ConversationClaim(conversation=conversation, despite=despite):
                # Who may be claimed is not yet visible: the verb itself decides.
                _found(conversation).claim(staff, despite=despite)
            case commands.ConversationHandOver(conversation=conversation, to=to, note=note):
                note = clean_text(note, limit=MAX_HAND_OVER, required=False)
                self._own(staff, conversation).hand_over(staff, to_worker_id=to, note=note)
            case commands.ConversationClose(
                conversation=conversation,
                reason=reason,
                contact_kind=contact_kind,
                topic=topic,
                topic_detail=topic_detail,
                risk=risk,
            ):
                self._own(staff, conversation).close(
                    staff,
                    reason=reason,
                    contact_kind=contact_kind,
                    topic=topic,
                    topic_detail=topic_detail,
                    risk=risk,
                )
            case commands.ConversationRegister(
                conversation=conversation,
                contact_kind=contact_kind,
                topic=topic,
                topic_detail=topic_detail,
                risk=risk,
            ):
                self._own(staff, conversation).register(
                    staff,
                    contact_kind=contact_kind,
                    topic=topic,
                    topic_detail=topic_detail,
                    risk=risk,
                )
            case commands.ConversationUrgency(
                conversation=conversation, urgency=urgency, reason=reason
            ):
                reason = clean_text(reason, limit=MAX_REASON)
                # Who waits is not readable yet, as for a claim: the verb itself decides.
                _found(conversation).change_urgency(staff, urgency=urgency, reason=reason)
            case commands.ChecklistTick(
                conversation=conversation, checklist=checklist, step=step, on=on
            ):
                own = self._own(staff, conversation)
                ChecklistTick.put(own, staff, checklist, step, on=on)
            case commands.NotePost(conversation=conversation, client_id=client_id, text=text):
                found = readable(staff, conversation)
                if found is None:
                    raise Refused("forbidden")
                Note.add(found, staff.user, clean_text(text), client_id=client_id)

    def _own(self, staff: Staff, conversation: str) -> Conversation:
        found = Conversation.objects.chats().filter(pk=conversation, worker=staff.user).first()
        if found is None:
            raise Refused("forbidden")
        return found

    # --- Opening --------------------------------------------------------------------------------

    async def _hello(self, after: dict[str, int]) -> None:
        for conversation in list(self.open):
            self.close_stream(conversation)
        found = await greetings(self.session_key)
        if found is None:
            raise Gone(GONE)
        self.join(worker_audience(self.worker_id))
        for line in found["lines"]:
            self.join(desk_audience(line))
        self.has_said_hello = True
        self.answer("hello", epoch=found["epoch"], me=found["me"])
        await self.tell_desk()
        for conversation, seq in after.items():
            try:
                await self._open(conversation, seq, is_again=True)
            except Refused as refused:
                self.answer(
                    "error",
                    code=refused.code,
                    text="",
                    conversation=conversation,
                    command="conversation.open",
                )

    async def tell_desk(self) -> None:
        for frame in await desks((self.worker_id, self.language)) or ():
            self.tell(frame)

    async def _open(self, conversation: str, after: int, *, is_again: bool = False) -> None:
        if conversation not in self.open and len(self.open) >= OPEN_LIMIT:
            raise Refused("too_many")
        try:
            frames, opened, institution = await in_pool(self._read, conversation, is_again)
        except (Refused, Gone):
            self.close_stream(conversation)
            raise
        # Only now that it may be read: whatever is heard or read of it before would be a leak. What
        # changed since then, the reading below brings, and the watch.
        self.close_stream(conversation)
        stream = Stream(conversation, min(after, opened["top"]))
        stream.status = opened["status"]
        self.open[conversation] = stream
        self.join(staff_audience(conversation))
        self._follow_for(stream, institution)
        if opened["mine"] and opened["status"] == Conversation.Status.ACTIVE:
            self.own.add(conversation)
        for frame in (*frames, opened):
            self.tell(frame)
        await self.read(stream)

    def _read(
        self, conversation: str, is_again: bool
    ) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
        staff = self.staff()
        found = readable(staff, conversation)
        if found is None:
            raise Refused("forbidden")
        if not is_again:
            found.read_by(staff)
        opened = {
            "type": "opened",
            "conversation": found.pk,
            "status": found.status,
            "worker": found.worker.chat_name if found.worker else "",
            "mine": found.worker_id == staff.user.pk,
            "top": found.last_seq,
            "seen": found.visitor_seq,
            "present": timezone.now() - found.visitor_seen_at <= LEASE,
        }
        frames = [
            intake_frame(found, staff.user.language),
            notes_frame(found, staff.user),
            checklists_frame(found),
        ]
        return frames, opened, found.institution_id or 0

    def _follow_for(self, stream: Stream, institution: int) -> None:
        """Hear what is written while the conversation is this institution's."""
        if stream.institution is not None:
            self.part(words_audience(stream.conversation, stream.institution))
        stream.institution = institution
        self.join(words_audience(stream.conversation, institution))

    def close_stream(self, conversation: str) -> None:
        stream = self.open.pop(conversation, None)
        if stream is not None and stream.institution is not None:
            self.part(words_audience(conversation, stream.institution))
        self.own.discard(conversation)
        self.part(staff_audience(conversation))

    # --- What happens elsewhere -----------------------------------------------------------------

    def hear(self, event: Event, frame: str) -> None:
        match event:
            case NoteAdded(conversation=conversation):
                hub.spawn(self._tell_notes(conversation))
            case UrgencyChanged(conversation=conversation):
                hub.spawn(self._tell(conversation, self._intake))
            case ChecklistChanged(conversation=conversation):
                hub.spawn(self._tell(conversation, self._checklists))
            case DeskChanged() | AccessChanged():
                # The watch refreshes all desks and rights of this process together.
                return
            case StatusChanged(conversation=conversation):
                super().hear(event, frame)
                if stream := self.open.get(conversation):
                    stream.status = event.status
                # Handed over or closed: it may be ours no longer, to write or even to read.
                self.own.discard(conversation)
                hub.spawn(self.look_again(conversation))
            case _:
                super().hear(event, frame)

    async def _tell_notes(self, conversation: str) -> None:
        await self._tell(conversation, self._notes)

    async def _tell(self, conversation: str, read: Callable[[str], dict[str, Any] | None]) -> None:
        """Fetch something about an open conversation anew, if it may still be read."""
        frame = await in_pool(read, conversation)
        if frame is not None and conversation in self.open:
            self.tell(frame)

    def _notes(self, conversation: str) -> dict[str, Any] | None:
        staff, found = self._readable(conversation)
        return notes_frame(found, staff.user) if found and staff else None

    def _intake(self, conversation: str) -> dict[str, Any] | None:
        staff, found = self._readable(conversation)
        return intake_frame(found, staff.user.language) if found and staff else None

    def _checklists(self, conversation: str) -> dict[str, Any] | None:
        _staff, found = self._readable(conversation)
        return checklists_frame(found) if found else None

    def _readable(self, conversation: str) -> tuple[Staff | None, Conversation | None]:
        staff = staff_of_session(self.session_key)
        return staff, readable(staff, conversation) if staff else None

    async def look_again(self, conversation: str) -> None:
        """Leave a conversation that may not be read any more; note whether it is ours."""
        found = await in_pool(self._own_or_readable, conversation)
        stream = self.open.get(conversation)
        if found is None:
            self.close_stream(conversation)
        elif stream is not None:
            is_own, institution, top = found
            self._follow_for(stream, institution)
            self.reach(stream, top)
            if is_own:
                self.own.add(conversation)

    def _own_or_readable(self, conversation: str) -> tuple[bool, int, int] | None:
        """Whether it is ours and active, whose it is and how far; None when not to be read."""
        staff = staff_of_session(self.session_key)
        found = readable(staff, conversation) if staff else None
        if found is None:
            return None
        is_own = found.worker_id == self.worker_id and found.status == Conversation.Status.ACTIVE
        return is_own, found.institution_id or 0, found.last_seq


def _found(conversation: str) -> Conversation:
    found = Conversation.objects.filter(pk=conversation, kind=Conversation.Kind.CHAT).first()
    if found is None:
        raise Refused("forbidden")
    return found


def _greetings(session_keys: Collection[str]) -> dict[str, dict[str, Any] | Exception]:
    """Renew the presence of whoever holds these sessions and return what they are greeted with.

    LOST_RIGHT for who is no worker any more; nothing for a session that ended.
    """
    staffs = staff_of_sessions(session_keys)
    answers: dict[str, dict[str, Any] | Exception] = {}
    workers = {staff.user.pk for staff in staffs.values() if staff.is_worker}
    with suppress(DatabaseError):  # a full disk: who comes may read, and the watch tries again
        Presence.renew_all(workers, now=timezone.now())
    lines = list(ServiceLine.objects.values_list("pk", flat=True))
    for line in lines:
        publish(DeskChanged(line=line))
    epoch = Epoch.current()
    for key, staff in staffs.items():
        me = {"id": staff.user.pk, "name": staff.user.name}
        known = {"epoch": epoch, "lines": lines, "me": me}
        answers[key] = known if staff.is_worker else Gone(LOST_RIGHT)
    return answers


def _desks(asked: Collection[tuple[int, str]]) -> dict[tuple[int, str], list[dict[str, Any]]]:
    """Return what the desk of each worker shows, in their language, of the first line."""
    line = ServiceLine.objects.first()
    if line is None:
        return {}
    desk = Desk(line, timezone.now(), {worker for worker, _language in asked})
    return {(worker, language): [desk.frame(worker, language)] for worker, language in asked}


# Who holds this session now.
staff_holding = Together(staff_of_sessions)
greetings = Together(_greetings)
desks = Together(_desks)
