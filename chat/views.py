"""Pages and requests of the chat: frames without a socket, and the desk."""

import asyncio
from typing import Any

import msgspec
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.http import HttpRequest, HttpResponse

from chat import process
from chat.budgets import budgets
from chat.peers import TOO_MANY, Gone, Peer
from chat.visitor_peer import VisitorPeer, visitor_of
from chat.visits import same_origin
from chat.worker_peer import WorkerPeer, staff_holding

MAX_FRAMES = 20
STATUS_OF_CLOSE = {TOO_MANY: 429}


class Frames(msgspec.Struct, forbid_unknown_fields=True):
    """The body of a request: commands as they would go over a socket, not read any further yet."""

    frames: list[msgspec.Raw]


class Answer:
    """Collects what a peer sends during one request."""

    def __init__(self) -> None:
        self.frames: list[str] = []
        self.code: int | None = None

    def close(self, code: int) -> None:
        self.code = code

    def response(self, status: int = 200) -> HttpResponse:
        if self.code is not None:
            status = STATUS_OF_CLOSE.get(self.code, 401)
        body = '{"frames":[' + ",".join(self.frames) + "]}"
        return HttpResponse(body, content_type="application/json", status=status)


@same_origin
async def visit_frames(request: HttpRequest) -> HttpResponse:
    """A visitor's commands without a socket."""
    visitor = await visitor_of(request.COOKIES.get(settings.VISIT_COOKIE_NAME, ""))
    if visitor is None:
        return HttpResponse(status=401)

    def peer(answer: Answer) -> Peer:
        return VisitorPeer(
            answer.frames.append, answer.close, settings.COMMAND_BUDGET, visitor=visitor
        )

    return await _carry(request, f"visitor:{visitor.pk}", peer, settings.COMMAND_BUDGET)


@same_origin
async def desk_frames(request: HttpRequest) -> HttpResponse:
    """A worker's commands without a socket."""
    session_key = request.COOKIES.get(settings.SESSION_COOKIE_NAME, "")
    staff = await staff_holding(session_key) if session_key else None
    if staff is None or not staff.is_worker:
        return HttpResponse(status=401)

    def peer(answer: Answer) -> Peer:
        return WorkerPeer(
            answer.frames.append,
            answer.close,
            3 * settings.COMMAND_BUDGET,
            session_key=session_key,
            staff=staff,
        )

    return await _carry(request, f"worker:{staff.user.pk}", peer, 3 * settings.COMMAND_BUDGET)


async def _carry(request: HttpRequest, owner: str, make_peer: Any, budget: int) -> HttpResponse:
    """Do the commands of a request in order and answer with the events that they cause."""
    if request.method != "POST":
        return HttpResponse(status=405, headers={"Allow": "POST"})
    try:
        commands = msgspec.json.decode(request.body, type=Frames).frames
    except RequestDataTooBig:
        return HttpResponse(status=413)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return HttpResponse(status=400)
    if not 1 <= len(commands) <= MAX_FRAMES:
        return HttpResponse(status=400)
    if not budgets.take(owner, len(commands), budget):
        return HttpResponse(status=429)
    # Answers to posts come on the loop of this process, also when no socket started it yet.
    process.start(asyncio.get_running_loop())
    answer = Answer()
    peer = make_peer(answer)
    try:
        for command in commands:
            await peer.receive(bytes(command))
        await peer.settle()
    except Gone as gone:
        answer.close(gone.code)
    finally:
        peer.forget()
    return answer.response()
