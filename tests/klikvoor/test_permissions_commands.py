"""Which command of a socket does what for whom: the other half of `test_permissions.py`.

The tables refuse by default: a command without a row here fails, and so does a row for what is no
longer there. A refused command may not change anything.
"""

# ruff: noqa: F811  the fixture that they all ask for is imported

import json
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, get_args

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator

from chat import commands
from chat.models import Conversation, Message, Note
from institutions.models import AuditEvent
from klikvoor.asgi import application
from tests.klikvoor.test_permissions import (
    PEOPLE,
    VISITORS,
    WORKERS,
    World,
    world,  # noqa: F401
)
from tests.people import begin_visit, socket_headers


def new_id() -> str:
    return str(uuid.uuid4())


@dataclass
class Order:
    """A command about the visitor's chat, and what each person hears: "" is no refusal."""

    frame: Callable[[World, str], dict[str, Any]]
    outcomes: dict[str, str]
    # What it may change when it is not refused; checked to be untouched when it is.
    needs: Callable[[World, str], None] = lambda world, person: None


def everybody(code: str = "") -> dict[str, str]:
    return dict.fromkeys(WORKERS, code)


ONLY_ANNA = everybody("forbidden") | {"anna": ""}
ZUID_ONLY = everybody() | {"carla": "forbidden"}
REGISTRATION = {"contact_kind": "about_self", "topic": "family"}


def queue_for(world: World, person: str) -> None:
    """Let a new visitor wait, so that each person has somebody to take."""
    visitor = begin_visit(world.line.brands.get())
    world.queued = Conversation.start(visitor=visitor, line=world.line)


def end_by_visitor(world: World, person: str) -> None:
    if world.chat.status == "active":
        world.chat.abandon(reason="closed")


WORKER_ORDERS: dict[type, Order] = {
    commands.DeskHello: Order(lambda world, person: {"after": {}}, everybody()),
    commands.Heartbeat: Order(lambda world, person: {}, everybody()),
    commands.AvailabilitySet: Order(lambda world, person: {"state": "paused"}, everybody()),
    commands.ConversationOpen: Order(
        lambda world, person: {"conversation": world.chat.pk, "after": 0}, ZUID_ONLY
    ),
    commands.ConversationLeave: Order(
        # Stops reading what one read, or did not: says nothing either way.
        lambda world, person: {"conversation": world.chat.pk},
        everybody(),
    ),
    commands.ConversationClaim: Order(
        lambda world, person: {"conversation": world.queued.pk, "despite": True},
        everybody(),
        needs=queue_for,
    ),
    commands.ConversationHandOver: Order(
        lambda world, person: {"conversation": world.chat.pk, "to": None, "note": ""}, ONLY_ANNA
    ),
    commands.ConversationClose: Order(
        lambda world, person: {"conversation": world.chat.pk, "reason": "finished", **REGISTRATION},
        ONLY_ANNA,
    ),
    commands.ConversationRegister: Order(
        lambda world, person: {"conversation": world.chat.pk, **REGISTRATION},
        ONLY_ANNA,
        needs=end_by_visitor,
    ),
    commands.ConversationUrgency: Order(
        lambda world, person: {
            "conversation": world.chat.pk,
            "urgency": "now",
            "reason": "Klinkt erger",
        },
        ONLY_ANNA,
    ),
    commands.ChecklistTick: Order(
        lambda world, person: {
            "conversation": world.chat.pk,
            "checklist": "meldcode",
            "step": 1,
            "on": True,
        },
        ONLY_ANNA,
    ),
    commands.WorkerPost: Order(
        lambda world, person: {
            "conversation": world.chat.pk,
            "client_id": new_id(),
            "text": "Hoi",
        },
        ONLY_ANNA,
    ),
    commands.NotePost: Order(
        lambda world, person: {
            "conversation": world.chat.pk,
            "client_id": new_id(),
            "text": "Let op",
        },
        ZUID_ONLY,
    ),
    commands.WorkerTyping: Order(
        lambda world, person: {"conversation": world.chat.pk, "on": True}, ONLY_ANNA
    ),
    commands.WorkerSeen: Order(
        # Nobody waits for an answer to this one, so a refusal is that nothing happens.
        lambda world, person: {"conversation": world.chat.pk, "seq": 1},
        everybody("ignored") | {"anna": ""},
    ),
}

VISITOR_ORDERS: dict[type, Callable[[World], dict[str, Any]]] = {
    commands.VisitorHello: lambda world: {"conversation": world.queued.pk, "after": 0},
    commands.Heartbeat: lambda world: {},
    commands.VisitorPost: lambda world: {"client_id": new_id(), "text": "Hoi"},
    commands.VisitorTyping: lambda world: {"on": True},
    commands.VisitorSeen: lambda world: {"seq": 1},
    commands.VisitorLeave: lambda world: {},
}


def test_every_command_has_a_row() -> None:
    assert set(get_args(commands.WorkerCommand)) == WORKER_ORDERS.keys()
    assert set(get_args(commands.VisitorCommand)) == VISITOR_ORDERS.keys()


def tag(command: type) -> str:
    return str(command.__struct_config__.tag)  # type: ignore[attr-defined]


class Window:
    """A socket of somebody; `order` sends a frame and returns what came before the fence."""

    def __init__(self, world: World, person: str, path: str, hello: dict[str, Any]) -> None:
        self.socket = WebsocketCommunicator(
            application, path, headers=socket_headers(world.cookies.get(person, ""))
        )
        self.hello = hello

    async def __aenter__(self) -> "Window":
        connected, _protocol = await self.socket.connect()
        assert connected, "a browser can only read a reason after it was accepted"
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.socket.disconnect()

    async def closing_code(self) -> int:
        message = await self.socket.receive_output(timeout=5)
        assert message["type"] == "websocket.close"
        return int(message["code"])

    async def order(self, frame: dict[str, Any]) -> list[dict[str, Any]]:
        """Send a frame and then `hello`, which waits for everything before it."""
        await self.socket.send_json_to(frame)
        if frame["type"] != "hello":
            await self.socket.send_json_to(self.hello)
        frames = []
        while True:
            answer = await self.socket.receive_json_from(timeout=10)
            if answer["type"] == "hello":
                return frames
            frames.append(answer)
            if frame["type"] == "hello" and answer["type"] == "error":
                return frames


def refusals(frames: list[dict[str, Any]]) -> str:
    return "".join(one["code"] for one in frames if one["type"] in ("error", "message.refused"))


@sync_to_async
def state_of(chat: Conversation) -> tuple[Any, ...]:
    """Everything about a chat that a command can change."""
    found = Conversation.objects.filter(pk=chat.pk).values().get()
    found.pop("visitor_seen_at")  # a lease, renewed by every sign of life of its own visitor
    return (
        found,
        Message.objects.filter(conversation=chat).count(),
        Note.objects.filter(conversation=chat).count(),
        chat.changes.count(),
        AuditEvent.objects.filter(conversation=chat.pk).count(),
    )


DESK_HELLO = {"type": "hello", "after": {}}


@pytest.mark.parametrize("command", WORKER_ORDERS, ids=tag)
async def test_commands_of_a_worker(world: World, command: type) -> None:
    order = WORKER_ORDERS[command]
    # Who may least comes first, so that what they may not is still there to be refused.
    for person in reversed(WORKERS):
        await sync_to_async(order.needs)(world, person)
        async with Window(world, person, "/ws/desk/", DESK_HELLO) as window:
            await window.order(DESK_HELLO)
            if person == "anna":
                opened = {"type": "conversation.open", "conversation": world.chat.pk, "after": 0}
                await window.socket.send_json_to(opened)
            before = await state_of(world.chat)

            frames = await window.order({"type": tag(command), **order.frame(world, person)})

        expected = order.outcomes[person]
        assert refusals(frames) == expected.replace("ignored", ""), person
        if expected:
            assert await state_of(world.chat) == before, f"{person} was refused and changed it"


@pytest.mark.parametrize("person", [one for one in PEOPLE if one not in WORKERS])
async def test_nobody_else_has_a_desk(world: World, person: str) -> None:
    async with Window(world, person, "/ws/desk/", DESK_HELLO) as window:
        assert await window.closing_code() == 4401


@pytest.mark.parametrize("command", VISITOR_ORDERS, ids=tag)
async def test_commands_of_a_visitor_reach_the_own_chat_only(world: World, command: type) -> None:
    hello = {"type": "hello", "conversation": world.queued.pk, "after": 0}
    before = await state_of(world.chat)

    async with Window(world, "other", "/ws/visit/", hello) as window:
        await window.order(hello)
        frames = await window.order({"type": tag(command), **VISITOR_ORDERS[command](world)})

    # After `leave` the hello of the fence still answers; nothing here is refused.
    assert refusals(frames) == ""
    assert world.chat.pk not in json.dumps(frames)
    assert await state_of(world.chat) == before


async def test_a_visitor_cannot_open_another_chat(world: World) -> None:
    hello = {"type": "hello", "conversation": world.chat.pk, "after": 0}

    async with Window(world, "other", "/ws/visit/", hello) as window:
        frames = await window.order(hello)

    assert refusals(frames) == "stale"


@pytest.mark.parametrize("person", [one for one in PEOPLE if one not in VISITORS])
async def test_nobody_else_has_a_visit(world: World, person: str) -> None:
    hello = {"type": "hello", "conversation": world.chat.pk, "after": 0}
    async with Window(world, person, "/ws/visit/", hello) as window:
        assert await window.closing_code() == 4401


@pytest.mark.parametrize("path", ["/ws/visit/", "/ws/desk/"])
@pytest.mark.parametrize("origin", ["https://testserver", "http://evil.example", "null", ""])
async def test_sockets_are_for_own_pages_only(world: World, path: str, origin: str) -> None:
    cookies = f"{world.cookies['visitor']}; {world.cookies['anna']}"
    headers = socket_headers(cookies, origin)
    if not origin:
        headers = [header for header in headers if header[0] != b"origin"]
    socket = WebsocketCommunicator(application, path, headers=headers)

    connected, _code = await socket.connect()

    assert not connected
