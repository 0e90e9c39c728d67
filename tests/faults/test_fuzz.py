"""Whatever comes in, in every state and from everybody: an answer, no harm, and nothing in a log.

The frames come from the types in chat/commands.py, the states from `Conversation.TRANSITIONS`, so
that a new command or state is tried without another line. `make fuzz FRAMES=1000000` goes on longer.
"""

import json
import os
import random
import time
import uuid
from io import StringIO
from typing import Any

import psutil
import pytest

from chat import peers
from chat.database import in_pool
from chat.models import Conversation, Message, Note, StatusChange, Visitor
from chat.texts import REFUSALS
from institutions.models import AuditEvent, Brand, User
from roster.models import ConsultationHour
from tests.chat.windows import Window, desk_window, visitor_window
from tests.faults.grammar import PLANTED, Speaker, struct_types
from tests.people import be_present, begin_visit, rights_of

pytestmark = pytest.mark.django_db(transaction=True)

FRAMES = int(os.environ.get("FRAMES", "20000"))
# On PostgreSQL the same road is longer, and it is the same road.
FRAMES_THERE = int(os.environ.get("FRAMES", "5000"))
SEED = int(os.environ.get("SEED", "7431"))
# Frames between two looks at whether the window still works.
ROUND = 250
STATES = ["waiting", "active", "returned", "closed", "abandoned"]
CLOSE_CODES = {4400, 4401, 4403, 4408, 4429}


@pytest.fixture
def _unlimited(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.COMMAND_BUDGET = 10**9
    monkeypatch.setattr(peers, "BAD_FRAMES", 10**9)


def put_in_state(state: str, brand: Brand, worker: User) -> tuple[Visitor, Conversation]:
    """Make a conversation that is in this state, by the verbs that lead there."""
    from roster.models import ServiceLine

    visitor = begin_visit(brand)
    conversation = Conversation.start(visitor=visitor, line=ServiceLine.objects.get())
    staff = rights_of(worker)
    be_present(worker)
    if state in ("active", "returned", "closed"):
        # However many there are already.
        staff.user.chat_cap = Conversation.objects.active().count() + 1
        conversation.claim(staff, despite=True)
    if state == "returned":
        conversation.hand_over(staff)
    elif state == "closed":
        conversation.close(staff, reason="finished", contact_kind="test", topic="unknown")
    elif state == "abandoned":
        conversation.abandon(reason="left")
    conversation.refresh_from_db()
    assert conversation.status == ("waiting" if state == "returned" else state)
    return visitor, conversation


def test_every_status_is_among_the_states() -> None:
    assert {"waiting" if one == "returned" else one for one in STATES} == set(
        Conversation.TRANSITIONS[Conversation.Kind.CHAT]
    )


# --- Random and spoiled frames ------------------------------------------------------------------


@pytest.mark.usefixtures("_unlimited", "open_hour")
async def test_no_frame_breaks_a_window_or_reaches_a_log(
    brand: Brand, anna: User, bilal: User, carla: User, log: StringIO, kind_of_database: str
) -> None:
    frames = FRAMES if kind_of_database == "sqlite" else FRAMES_THERE
    rng = random.Random(SEED)
    process = psutil.Process()
    done, memory = 0, 0
    began = time.monotonic()
    while done < frames:
        state = STATES[done // ROUND % len(STATES)]
        visitor, conversation = await in_pool(put_in_state, state, brand, anna)
        known = {
            "conversation": [conversation.pk],
            "after.key": [conversation.pk],
            "to": [bilal.pk, carla.pk, anna.pk, None],
            "seq": [0, 1, 2, 10**6],
            "after": [0, 1, 10**6],
        }
        desk_known = known | {"after": [{conversation.pk: 0}, {}]}
        worker = rng.choice([anna, bilal, carla])
        async with visitor_window(visitor) as young, desk_window(worker) as desk:
            for window, role, values in (
                (young, "visitor", known),
                (desk, "worker", desk_known),
            ):
                speaker = Speaker(role, rng, values)
                for _ in range(ROUND // 2):
                    await say(window, speaker.frame())
                    done += 1
                await still_answers(window, role, conversation)
        if done % 50_000 < ROUND:
            print(f"{done} frames in {time.monotonic() - began:.0f} s", flush=True)
        # Else the queue of the last round would hold everybody of a million frames.
        await in_pool(Conversation.objects.all().delete)
        if not memory and done >= frames // 4:
            memory = process.memory_info().rss
    grown = process.memory_info().rss - memory
    text = log.getvalue()
    assert PLANTED not in text
    assert "a command failed" not in text, text[:3000]
    assert "a socket failed" not in text, text[:3000]
    assert "Traceback" not in text, text[:3000]
    assert grown < 60 * 2**20, f"{grown / 2**20:.0f} MiB more"
    print(f"{done} frames in {time.monotonic() - began:.0f} s")


async def say(window: Window, frame: str | bytes) -> None:
    kind = "text" if isinstance(frame, str) else "bytes"
    await window.communicator.send_input({"type": "websocket.receive", kind: frame})


async def still_answers(window: Window, role: str, conversation: Conversation) -> None:
    """A last post is answered, and everything before it was answered in the protocol's words."""
    last = str(uuid.uuid4())
    post = {"type": "message.post", "client_id": last, "text": PLANTED}
    if role == "worker":
        post["conversation"] = conversation.pk
    await window.say_raw(json.dumps(post))
    while True:
        output = await window.communicator.receive_output(30)
        if output["type"] == "websocket.close":
            assert output["code"] in CLOSE_CODES, output
            return
        frame = json.loads(output["text"])
        if frame["type"] in ("error", "message.refused"):
            assert frame["code"] in REFUSALS, frame
        if frame.get("client_id") == last:
            return


# --- Every command, in every state, from everybody ----------------------------------------------

ROLES = ["visitor", "another visitor", "owner", "colleague", "stranger"]


def snapshot(conversation: Conversation) -> tuple[Any, ...]:
    """Everything about a conversation that a command could change, but signs of life."""
    found = Conversation.objects.values().get(pk=conversation.pk)
    del found["visitor_seen_at"]
    return (
        found,
        Message.objects.filter(conversation=conversation).count(),
        Note.objects.filter(conversation=conversation).count(),
        StatusChange.objects.filter(conversation=conversation).count(),
        AuditEvent.objects.exclude(verb="read").count(),
    )


@pytest.mark.usefixtures("_unlimited")
@pytest.mark.parametrize("state", STATES)
async def test_every_command_is_legal_or_refused_and_changes_nothing(
    state: str,
    open_hour: ConsultationHour,
    brand: Brand,
    anna: User,
    bilal: User,
    carla: User,
    log: StringIO,
) -> None:
    rng = random.Random(SEED)
    people = {"owner": anna, "colleague": bilal, "stranger": carla}
    for role in ROLES:
        side = "visitor" if "visitor" in role else "worker"
        for tag in struct_types(side):
            if tag in ("hello", "heartbeat"):
                continue
            visitor, conversation = await in_pool(put_in_state, state, brand, anna)
            if role == "another visitor":
                visitor, _ = await in_pool(put_in_state, "waiting", brand, anna)
            window = visitor_window(visitor) if side == "visitor" else desk_window(people[role])
            speaker = Speaker(
                side, rng, {"conversation": [conversation.pk], "to": [None], "seq": [0]}
            )
            command = speaker.command(tag)
            if "conversation" in command:
                command["conversation"] = conversation.pk
            if "text" in command:
                command["text"] = "Hoi"
            async with window as opened:
                before = await in_pool(snapshot, conversation)
                await opened.frames(0.02)
                await opened.say_raw(json.dumps(command))
                refusal = await outcome_of(opened, side, visitor)
                after = await in_pool(snapshot, conversation)
            place = f"{tag} of {role} in {state}"
            if refusal:
                assert refusal in REFUSALS, place
                assert before == after, f"{place}: refused with {refusal}, and changed"
            old, new = before[0]["status"], after[0]["status"]
            if old != new:
                assert new in Conversation.TRANSITIONS[Conversation.Kind.CHAT][old], (
                    f"{place}: {old} to {new}"
                )
            # Of a chat that waits everybody at a desk sees the card.
            is_everybodys = tag == "conversation.claim" or (
                tag == "conversation.urgency" and old == "waiting" and role == "stranger"
            )
            if role in ("another visitor", "stranger") and not is_everybodys:
                assert before == after, f"{place}: a stranger changed something"
    assert "failed" not in log.getvalue()


async def outcome_of(window: Window, side: str, visitor: Visitor) -> str:
    """Return the code of the refusal that came before the answer to a last hello; else empty."""
    hello: dict[str, Any] = {"type": "hello"}
    if side == "visitor":
        conversation = await in_pool(visitor.conversation)
        hello |= {"conversation": conversation.pk if conversation else "x" * 22}
    await window.say_raw(json.dumps(hello))
    code = ""
    while True:
        frame = await window.frame()
        if frame["type"] in ("error", "message.refused"):
            code = code or str(frame["code"])
        if frame["type"] == "hello":
            return code
