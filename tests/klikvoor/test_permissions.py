"""Who gets in where: every address and every command, for every kind of person.

The tables refuse by default: a route or a command without a row here fails, and so does a row for
what is no longer there. A refused request may not change anything.
"""

import json
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, get_args

import pytest
from asgiref.sync import sync_to_async
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from chat import commands
from chat.models import Conversation, Message, Note, QuickReply, Visitor
from institutions.models import AuditEvent, Institution, Invitation, User
from klikvoor.asgi import application
from roster.models import ServiceLine
from tests.people import (
    ORIGIN,
    be_present,
    begin_visit,
    make_user,
    rights_of,
    sign_in,
    socket_headers,
    visit_cookie,
)

# Anna holds the visitor's chat, Bilal is her colleague, Carla a stranger. Edith and Greta coordinate
# Zuid and Maas, Dirk the platform. Hugo is a worker who was disabled after he signed in, Ines one
# who has no second factor yet.
WORKERS = ("anna", "bilal", "carla")
COORDINATORS = ("edith", "greta", "dirk")
VISITORS = ("visitor", "other")
PEOPLE = ("anonymous", *VISITORS, *WORKERS, *COORDINATORS, "hugo", "ines")


@dataclass
class World:
    """Everybody, the cookies of their browsers, and what they can want to reach."""

    cookies: dict[str, str]
    staff: dict[str, User]
    visitor: Visitor
    chat: Conversation
    other: Visitor
    queued: Conversation
    invitation: Invitation
    token: str
    line: ServiceLine
    reply: QuickReply

    def browser(self, person: str) -> Client:
        client = Client(headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
        if cookie := self.cookies.get(person):
            name, _, value = cookie.partition("=")
            client.cookies[name] = value
        return client


@pytest.fixture
def world(
    zuid: Institution,
    maas: Institution,
    line: ServiceLine,
    anna: User,
    bilal: User,
    carla: User,
    dirk: User,
    visitor: Visitor,
    active_conversation: Conversation,
) -> World:
    edith = make_user("Edith", (zuid, "coordinator"))
    staff = {
        "anna": anna,
        "bilal": bilal,
        "carla": carla,
        "edith": edith,
        "greta": make_user("Greta", (maas, "coordinator")),
        "dirk": dirk,
        "hugo": make_user("Hugo", (zuid, "worker")),
        "ines": make_user("Ines", (zuid, "worker"), second_factor=False),
    }
    be_present(anna, bilal, carla)
    other = begin_visit(line.brands.get())
    queued = Conversation.start(visitor=other, line=line)
    invitation, token = Invitation.invite(
        rights_of(edith),
        email="new@example.org",
        name="Nieuw",
        chat_name="Nieuw",
        institution=zuid,
        role="worker",
    )
    cookies = {"visitor": visit_cookie(visitor), "other": visit_cookie(other)}
    for name, user in staff.items():
        cookies[name] = f"{settings.SESSION_COOKIE_NAME}={sign_in(user).session.session_key}"
    User.objects.filter(pk=staff["hugo"].pk).update(is_active=False)
    return World(
        cookies=cookies,
        staff=staff,
        visitor=visitor,
        chat=active_conversation,
        other=other,
        queued=queued,
        invitation=invitation,
        token=token,
        line=line,
        reply=QuickReply.objects.create(shortcut="Hello", text="Hello!"),
    )


# --- Addresses ----------------------------------------------------------------------------------


def row(default: str, **exceptions: str) -> dict[str, str]:
    """Return the outcome for each person; `workers`, `coordinators` and `visitors` are groups."""
    groups = {"workers": WORKERS, "coordinators": COORDINATORS, "visitors": VISITORS}
    outcomes = dict.fromkeys(PEOPLE, default)
    for name, outcome in exceptions.items():
        for person in groups.get(name, (name,)):
            assert person in outcomes
            outcomes[person] = outcome
    return outcomes


# What a request can end in. `in`: a page, a redirect after a deed, or a form with its errors.
EVERYBODY = row("in")
NOBODY = row("hidden")
NOT_LIKE_THIS = row("method")
STAFF = row("login", workers="in", coordinators="in", ines="mfa")
WORKER = row("login", workers="in", coordinators="no", ines="mfa")
COORDINATOR = row("login", workers="no", coordinators="in", ines="mfa")
PLATFORM = row("login", workers="no", coordinators="no", dirk="in", ines="mfa")
# About somebody or something of Zuid; the coordinator of Maas does not hear that it exists.
OF_ZUID = COORDINATOR | {"greta": "hidden"}
# allauth's pages for whoever signed in with a second factor, or still has to make one.
SIGNED_IN = row("login", workers="in", coordinators="in", ines="in")
WITHOUT_HALF = EVERYBODY | {"ines": "mfa"}
# The pages of allauth that only show something turn other methods away after who may not see it.
STAFF_NOT_LIKE_THIS = row("login", workers="method", coordinators="method", ines="mfa")


@dataclass
class Address:
    get: dict[str, str]
    post: dict[str, str] = field(default_factory=lambda: NOT_LIKE_THIS)
    kwargs: Callable[[World], dict[str, Any]] = lambda world: {}
    data: Callable[[World], dict[str, Any]] = lambda world: {}


def about_anna(world: World) -> dict[str, Any]:
    return {"pk": world.staff["anna"].pk}


ADDRESSES: dict[str, Address] = {
    # triage
    "visit": Address(
        EVERYBODY, EVERYBODY, data=lambda world: {"action": "language", "language": "nl"}
    ),
    "privacy": Address(EVERYBODY),
    "brand_css": Address(EVERYBODY),
    "sites": Address(PLATFORM),
    "new_site": Address(PLATFORM, PLATFORM),
    "site": Address(PLATFORM, PLATFORM, kwargs=lambda world: {"pk": world.line.brands.get().pk}),
    # chat
    "desk": Address(WORKER, WORKER),
    # Staff look; the platform opens and closes by hand.
    "today": Address(STAFF, PLATFORM),
    "replies": Address(COORDINATOR),
    "new_reply": Address(COORDINATOR, COORDINATOR),
    "reply": Address(
        # The platform's own: other coordinators do not hear that it is there.
        row("login", workers="no", coordinators="hidden", dirk="in", ines="mfa"),
        row("login", workers="no", coordinators="hidden", dirk="in", ines="mfa"),
        kwargs=lambda world: {"pk": world.reply.pk},
    ),
    # institutions
    "staff_home": Address(STAFF),
    "staff_me": Address(STAFF, STAFF),
    "end_other_sign_ins": Address(NOT_LIKE_THIS, STAFF),
    "end_sign_in": Address(
        NOT_LIKE_THIS,
        # Nobody has a sign-in of this number, and nobody hears whether somebody else has.
        row("login", workers="hidden", coordinators="hidden", ines="mfa"),
        kwargs=lambda world: {"pk": 10**6},
    ),
    "people": Address(COORDINATOR),
    "invite": Address(COORDINATOR, COORDINATOR),
    "change_invitation": Address(
        NOT_LIKE_THIS,
        OF_ZUID,
        kwargs=lambda world: {"pk": world.invitation.pk, "deed": "withdraw"},
    ),
    "person": Address(OF_ZUID, OF_ZUID, kwargs=about_anna),
    "do_to_person": Address(
        NOT_LIKE_THIS, OF_ZUID, kwargs=lambda world: {**about_anna(world), "deed": "disable"}
    ),
    "institutions": Address(PLATFORM),
    "new_institution": Address(PLATFORM, PLATFORM),
    "institution": Address(
        PLATFORM, PLATFORM, kwargs=lambda world: {"pk": world.chat.institution_id}
    ),
    "audit": Address(COORDINATOR),
    "invitation": Address(NOBODY, NOBODY),
    "invitation_link": Address(EVERYBODY, kwargs=lambda world: {"token": world.token}),
    # accounts
    "account_login": Address(EVERYBODY, EVERYBODY),
    # Leads to the sign-in page, whoever one was.
    "account_logout": Address(SIGNED_IN, row("login")),
    "account_inactive": Address(EVERYBODY),
    "demo_sign_in": Address(NOT_LIKE_THIS, NOBODY, kwargs=about_anna),
    "account_reauthenticate": Address(SIGNED_IN, SIGNED_IN),
    "account_change_password": Address(STAFF, STAFF),
    "account_set_password": Address(STAFF, STAFF),
    "account_reset_password": Address(WITHOUT_HALF, WITHOUT_HALF),
    "account_reset_password_done": Address(WITHOUT_HALF, NOT_LIKE_THIS | {"ines": "mfa"}),
    "account_reset_password_from_key": Address(
        WITHOUT_HALF,
        WITHOUT_HALF,
        kwargs=lambda world: {"uidb36": "1", "key": "wrong"},
    ),
    "account_reset_password_from_key_done": Address(WITHOUT_HALF, NOT_LIKE_THIS | {"ines": "mfa"}),
    "mfa_index": Address(SIGNED_IN, STAFF_NOT_LIKE_THIS | {"ines": "method"}),
    "mfa_authenticate": Address(STAFF, STAFF),
    "mfa_reauthenticate": Address(STAFF, STAFF),
    "mfa_activate_totp": Address(SIGNED_IN, SIGNED_IN),
    "mfa_deactivate_totp": Address(STAFF, STAFF),
    # Nobody has any yet.
    "mfa_view_recovery_codes": Address(
        row("login", workers="hidden", coordinators="hidden", ines="mfa"), STAFF_NOT_LIKE_THIS
    ),
    "mfa_generate_recovery_codes": Address(STAFF, STAFF),
    "mfa_list_webauthn": Address(STAFF, STAFF_NOT_LIKE_THIS),
    "mfa_add_webauthn": Address(SIGNED_IN, SIGNED_IN),
    "mfa_login_webauthn": Address(SIGNED_IN, SIGNED_IN),
    "mfa_reauthenticate_webauthn": Address(STAFF, STAFF),
    "mfa_remove_webauthn": Address(STAFF, STAFF, kwargs=lambda world: {"pk": 10**6}),
    "mfa_edit_webauthn": Address(STAFF, STAFF, kwargs=lambda world: {"pk": 10**6}),
}
# These run their database work in other threads; test_frames_without_a_socket has their table.
IN_THREADS = {"visit_frames", "desk_frames"}


def routes(patterns: list[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            assert pattern.name, f"{pattern} has no name, so nothing can be said about it"
            yield pattern.name


def test_every_address_has_a_row() -> None:
    assert set(routes(get_resolver().url_patterns)) == ADDRESSES.keys() | IN_THREADS


def outcome(response: HttpResponse) -> str:
    if response.status_code in (302, 303):
        path = response["Location"].partition("?")[0]
        if path == reverse("account_login"):
            return "login"
        return "mfa" if path == reverse("mfa_index") else "in"
    if response.status_code >= 500:
        return f"status {response.status_code}"
    return {403: "no", 404: "hidden", 405: "method"}.get(response.status_code, "in")


def changes(queries: CaptureQueriesContext) -> list[str]:
    """What was written, apart from sessions, which say nothing about anybody."""
    return [
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].startswith(("INSERT", "UPDATE", "DELETE")) and "session" not in query["sql"]
    ]


@pytest.mark.parametrize("method", ["get", "post"])
def test_addresses_let_in_whom_they_should(world: World, method: str) -> None:
    wrong = []
    for name, address in ADDRESSES.items():
        url = reverse(name, kwargs=address.kwargs(world))
        for person, expected in getattr(address, method).items():
            browser = world.browser(person)
            browser.raise_request_exception = False
            point = transaction.savepoint()
            with CaptureQueriesContext(connection) as queries:
                response = getattr(browser, method)(url, address.data(world))
            transaction.savepoint_rollback(point)
            found = outcome(response)
            if found != expected:
                wrong.append(f"{person}, {name}: {expected} expected, {found} found")
            if found != "in" and changes(queries):
                wrong.append(f"{person}, {name}: refused, and changed something")

    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", sorted(IN_THREADS))
def test_frames_without_a_socket(world: World, name: str) -> None:
    may = VISITORS if name == "visit_frames" else WORKERS
    hello: dict[str, Any] = {"type": "hello", "after": {}}
    for person in PEOPLE:
        if name == "visit_frames":
            own = world.queued if person == "other" else world.chat
            hello = {"type": "hello", "conversation": own.pk, "after": 0}
        browser = world.browser(person)

        response = browser.post(reverse(name), {"frames": [hello]}, content_type="application/json")

        assert response.status_code == (200 if person in may else 401), person
        if person in may:
            assert response.json()["frames"][0]["type"] == "hello"
        else:
            assert b"frames" not in response.content
        assert browser.get(reverse(name)).status_code in (401, 405)


# --- Commands -----------------------------------------------------------------------------------


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
