"""The chat without a socket: the same commands and events, in requests."""

import json
import uuid
from typing import Any

import pytest
from django.test import AsyncClient

from chat.database import in_pool
from chat.models import Conversation, Message, Visitor
from institutions.models import Brand, User
from tests.chat.windows import desk_window, visitor_window
from tests.people import ORIGIN, begin_visit, staff_cookie, visit_cookie

pytestmark = pytest.mark.django_db(transaction=True)


def browser(cookie: str) -> AsyncClient:
    client = AsyncClient()
    client.cookies.load(cookie)
    return client


async def send(
    path: str, cookie: str, *commands: dict[str, Any], site: str = "same-origin", **extra: Any
) -> tuple[int, list[dict[str, Any]]]:
    response = await browser(cookie).post(
        path,
        json.dumps({"frames": commands}),
        content_type="application/json",
        headers={"origin": ORIGIN, "sec-fetch-site": site} | extra,
    )
    body = response.content
    return response.status_code, json.loads(body)["frames"] if body.startswith(b"{") else []


def of_type(frames: list[dict[str, Any]], type_: str) -> list[dict[str, Any]]:
    return [frame for frame in frames if frame["type"] == type_]


async def test_a_visitor_talks_without_a_socket(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    hello = {"type": "hello", "conversation": active_conversation.pk, "after": 0}
    post = {"type": "message.post", "client_id": str(uuid.uuid4()), "text": "Hoi"}
    cookie = visit_cookie(visitor)
    async with desk_window(anna, opens=active_conversation.pk) as desk:
        status, frames = await send("/visit/frames/", cookie, hello, post)
        assert status == 200
        (mine,) = of_type(frames, "message.posted")
        assert (mine["client_id"], mine["seq"]) == (post["client_id"], 1)
        assert await desk.hear("message.posted") == mine
        await desk.post("Dag!", conversation=active_conversation.pk)
    status, frames = await send("/visit/frames/", cookie, hello | {"after": 1})
    assert [frame["text"] for frame in of_type(frames, "message.posted")] == ["Dag!"]
    status, frames = await send("/visit/frames/", cookie, hello, post)
    assert [frame["seq"] for frame in of_type(frames, "message.posted")] == [1, 2, 1]
    assert await in_pool(Message.objects.count) == 2


async def test_a_worker_works_without_a_socket(
    waiting_conversation: Conversation, open_hour: object, visitor: Visitor, anna: User
) -> None:
    cookie = await in_pool(staff_cookie, anna)
    pk = waiting_conversation.pk
    _, frames = await send("/desk/frames/", cookie, {"type": "hello"})
    (desk,) = of_type(frames, "desk")
    assert [card["conversation"] for card in desk["queue"]] == [pk]
    _, frames = await send(
        "/desk/frames/",
        cookie,
        {"type": "hello"},
        {"type": "conversation.claim", "conversation": pk},
        {"type": "conversation.open", "conversation": pk},
        {
            "type": "message.post",
            "conversation": pk,
            "client_id": str(uuid.uuid4()),
            "text": "Hallo",
        },
    )
    assert of_type(frames, "opened")[0]["mine"] is True
    assert of_type(frames, "message.posted")[0]["name"] == "Anna"
    async with visitor_window(visitor, hello=0) as young:
        assert (await young.hear("message.posted"))["text"] == "Hallo"


async def test_a_stranger_gets_nothing_without_a_socket_either(
    active_conversation: Conversation, brand: Brand, carla: User, dirk: User
) -> None:
    pk = active_conversation.pk
    hello = {"type": "hello", "conversation": pk, "after": 0}
    other = await in_pool(begin_visit, brand)
    status, frames = await send("/visit/frames/", visit_cookie(other), hello)
    assert (status, [frame["code"] for frame in frames]) == (200, ["stale"])
    assert await send("/visit/frames/", "", hello) == (401, [])
    assert await send("/desk/frames/", "", {"type": "hello"}) == (401, [])
    coordinator = await in_pool(staff_cookie, dirk)
    assert await send("/desk/frames/", coordinator, {"type": "hello"}) == (401, [])
    stranger = await in_pool(staff_cookie, carla)
    _, frames = await send(
        "/desk/frames/",
        stranger,
        {"type": "hello"},
        {"type": "conversation.open", "conversation": pk},
    )
    assert of_type(frames, "error")[0]["code"] == "forbidden"


@pytest.mark.parametrize(
    ("headers", "site"),
    [({}, "cross-site"), ({}, "same-site"), ({"origin": "https://kwaad.example"}, "cross-site")],
)
async def test_another_site_cannot_send_commands(
    headers: dict[str, str],
    site: str,
    active_conversation: Conversation,
    visitor: Visitor,
) -> None:
    hello = {"type": "hello", "conversation": active_conversation.pk}
    status, _ = await send("/visit/frames/", visit_cookie(visitor), hello, site=site, **headers)
    assert status == 403


@pytest.mark.parametrize(
    "body",
    ["", "{}", "[]", '{"frames":[]}', '{"frames":7}', '{"frames":[1],"x":1}', "[" * 10_000]
    + ['{"frames":[' + ",".join(["{}"] * 21) + "]}"],
    ids=lambda body: body[:20],
)
async def test_a_body_that_is_no_list_of_frames_is_a_bad_request(
    body: str, active_conversation: Conversation, visitor: Visitor
) -> None:
    client = browser(visit_cookie(visitor))
    response = await client.post("/visit/frames/", body, content_type="application/json")
    assert response.status_code == 400


async def test_too_much_or_too_fast_is_refused(
    active_conversation: Conversation, visitor: Visitor, settings: Any
) -> None:
    settings.COMMAND_BUDGET = 30
    hello = {"type": "hello", "conversation": active_conversation.pk}
    client = browser(visit_cookie(visitor))
    large = await client.post("/visit/frames/", "x" * 70_000, content_type="application/json")
    assert large.status_code == 413
    assert (await client.get("/visit/frames/")).status_code == 405
    first, _ = await send("/visit/frames/", visit_cookie(visitor), *[hello] * 20)
    second, _ = await send("/visit/frames/", visit_cookie(visitor), *[hello] * 20)
    assert (first, second) == (200, 429)


async def test_a_poll_keeps_the_place_in_the_queue(
    waiting_conversation: Conversation, visitor: Visitor
) -> None:
    from datetime import timedelta

    from django.utils import timezone

    from chat.jobs import end_lost_visits

    long_ago = timezone.now() - timedelta(minutes=10)
    await in_pool(Conversation.objects.all().update, visitor_seen_at=long_ago)
    hello = {"type": "hello", "conversation": waiting_conversation.pk}
    await send("/visit/frames/", visit_cookie(visitor), hello)
    assert await in_pool(end_lost_visits, timezone.now()) == 0
    await in_pool(Conversation.objects.all().update, visitor_seen_at=long_ago)
    assert await in_pool(end_lost_visits, timezone.now()) == 1
