"""The delivery contract over real consumers: acknowledged, once, in order, to the right windows."""

import json
import time
import uuid
from contextlib import AsyncExitStack

import pytest

from chat.database import in_pool
from chat.models import Conversation, Message, Visitor
from institutions.models import Brand, User
from roster.models import ConsultationHour, ServiceLine
from tests.chat.windows import desk_window, visitor_window
from tests.people import begin_visit, rights_of

pytestmark = pytest.mark.django_db(transaction=True)


def stored(conversation: Conversation) -> list[tuple[int, str]]:
    return list(conversation.messages.order_by("seq").values_list("seq", "author"))


async def test_a_message_reaches_both_sides_and_is_acknowledged_to_its_writer(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        mine = await young.post("Hoi, ik durf het niet goed te zeggen.")
        theirs = await desk.hear("message.posted")
        assert mine == theirs
        assert (mine["seq"], mine["author"], mine["name"]) == (1, "visitor", "")

        answer = await desk.post("Fijn dat je er bent.", conversation=active_conversation.pk)
        heard = await young.hear("message.posted")
        assert heard == answer
        assert (heard["seq"], heard["author"], heard["name"]) == (2, "worker", "Anna")
    assert await in_pool(stored, active_conversation) == [(1, "visitor"), (2, "worker")]


async def test_the_same_message_again_is_stored_once_and_acknowledged_again(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    client_id = str(uuid.uuid4())
    async with visitor_window(visitor) as young:
        first = await young.post("Hoi", client_id)
        again = await young.post("Hoi", client_id)
    assert again == first
    assert await in_pool(stored, active_conversation) == [(1, "visitor")]


async def test_another_text_under_the_same_client_id_is_refused(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    client_id = str(uuid.uuid4())
    async with visitor_window(visitor) as young:
        await young.post("Hoi", client_id)
        await young.say("message.post", client_id=client_id, text="Iets anders")
        refused = await young.hear("message.refused")
    assert (refused["client_id"], refused["code"]) == (client_id, "id_reused")
    assert refused["text"]


async def test_a_new_window_gets_everything_after_the_number_it_has(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    async with visitor_window(visitor) as young:
        for number in range(1, 6):
            await young.post(f"bericht {number}")
    async with visitor_window(visitor, hello=2) as young:
        numbers = [frame["seq"] for frame in await young.frames()]
    assert numbers == [3, 4, 5]


async def test_twenty_messages_at_once_arrive_in_one_order(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        for number in range(20):
            author, extra = (
                (young, {})
                if number % 2
                else (
                    desk,
                    {"conversation": active_conversation.pk},
                )
            )
            await author.say(
                "message.post", client_id=str(uuid.uuid4()), text=f"bericht {number}", **extra
            )
        seen = [
            [frame for frame in await one.frames() if frame["type"] == "message.posted"]
            for one in (young, desk)
        ]
    assert [frame["seq"] for frame in seen[0]] == list(range(1, 21))
    assert seen[0] == seen[1]


async def test_a_closed_conversation_refuses_messages(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    def close() -> None:
        active_conversation.close(
            rights_of(anna), reason="finished", contact_kind="about_self", topic="peers"
        )

    async with visitor_window(visitor) as young:
        await in_pool(close)
        await young.hear("status.changed", status="closed")
        await young.say("message.post", client_id=str(uuid.uuid4()), text="Nog iets")
        refused = await young.hear("message.refused")
    assert refused["code"] == "wrong_state"
    assert await in_pool(Message.objects.count) == 0


async def test_a_stranger_at_another_desk_hears_nothing_and_cannot_write(
    active_conversation: Conversation, visitor: Visitor, carla: User
) -> None:
    async with visitor_window(visitor) as young, desk_window(carla) as stranger:
        await stranger.say("conversation.open", conversation=active_conversation.pk)
        assert (await stranger.hear("error"))["code"] == "forbidden"
        await stranger.say(
            "message.post",
            conversation=active_conversation.pk,
            client_id=str(uuid.uuid4()),
            text="Hallo daar",
        )
        assert (await stranger.hear("message.refused"))["code"] == "forbidden"
        await young.post("Dit is geheim")
        assert not [f for f in await stranger.frames() if f["type"] == "message.posted"]
    assert await in_pool(stored, active_conversation) == [(1, "visitor")]


async def test_a_colleague_of_the_institution_reads_along_but_does_not_write(
    active_conversation: Conversation, visitor: Visitor, bilal: User
) -> None:
    async with (
        visitor_window(visitor) as young,
        desk_window(bilal, opens=active_conversation.pk) as desk,
    ):
        await young.post("Hoi")
        assert (await desk.hear("message.posted"))["text"] == "Hoi"
        await desk.say(
            "message.post",
            conversation=active_conversation.pk,
            client_id=str(uuid.uuid4()),
            text="Ik ook",
        )
        assert (await desk.hear("message.refused"))["code"] == "forbidden"


async def test_another_visitor_never_gets_this_conversation(
    active_conversation: Conversation, brand: Brand
) -> None:
    other = await in_pool(begin_visit, brand)
    async with visitor_window(other, hello=None) as window:
        await window.say("hello", conversation=active_conversation.pk, after=0)
        assert (await window.hear("error"))["code"] == "stale"
        await window.say("message.post", client_id=str(uuid.uuid4()), text="Hoi")
        assert (await window.hear("message.refused"))["code"] == "hello_first"


async def test_many_windows_that_say_hello_at_once_each_get_their_own_conversation(
    brand: Brand, line: ServiceLine, open_hour: ConsultationHour
) -> None:
    visits = await in_pool(lambda: [begin_visit(brand) for _ in range(12)])
    chats = await in_pool(lambda: [Conversation.start(visitor=one, line=line) for one in visits])
    gone, stranger = visits[3], visits[7]
    await in_pool(gone.leave)
    async with AsyncExitStack() as stack:
        windows = [
            await stack.enter_async_context(visitor_window(one, hello=None))
            for one in visits
            if one is not gone
        ]
        mine = [chat.pk for one, chat in zip(visits, chats, strict=True) if one is not gone]
        asked = [chats[0].pk if pk == chats[7].pk else pk for pk in mine]
        for window, pk in zip(windows, asked, strict=True):
            await window.say("hello", conversation=pk, after=0)
        places = []
        for window, pk in zip(windows, mine, strict=True):
            if pk == chats[7].pk:
                assert (await window.hear("error"))["code"] == "stale", stranger
                continue
            hello = await window.hear("hello")
            assert hello["conversation"] == pk
            places.append(hello["place"]["place"])
        assert places == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11], "the stranger's own is the seventh"


async def test_what_waited_too_long_for_its_turn_is_refused_and_can_be_sent_again(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    async with visitor_window(visitor) as young:
        frame = {"type": "message.post", "client_id": str(uuid.uuid4()), "text": "Hallo?"}
        late = {"type": "websocket.receive", "text": json.dumps(frame)}
        for came_at, answer in ((-3, "message.refused"), (-1, "message.posted")):
            late["came_at"] = time.monotonic() + came_at
            await young.communicator.send_input(late)
            heard = await young.hear(answer, client_id=frame["client_id"])
            assert heard.get("code", "") == ("unavailable" if came_at == -3 else "")
    assert await in_pool(stored, active_conversation) == [(1, "visitor")]


async def test_an_open_window_keeps_no_cookie(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    async with visitor_window(visitor) as young, desk_window(anna) as desk:
        for window in (young, desk):
            await window.say("heartbeat")
            await window.frame()
            assert window.communicator.scope["headers"] == []


async def test_typing_and_seen_reach_the_other_side(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        await young.say("typing", on=True)
        assert (await desk.hear("typing"))["author"] == "visitor"
        await desk.say("typing", conversation=active_conversation.pk, on=True)
        assert (await young.hear("typing"))["author"] == "worker"
        await young.post("Hoi")
        await desk.say("seen", conversation=active_conversation.pk, seq=1)
        assert (await young.hear("seen"))["seq"] == 1
        await desk.say("seen", conversation=active_conversation.pk, seq=99)
        await young.post("Nog een")
        assert not [f for f in await young.frames() if f["type"] == "seen"]


async def test_a_lost_doorbell_is_made_up_for_by_the_next_number(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    """A message that nobody announced: the gap before the next one is read from the database."""
    from chat.hub import hub
    from chat.watch import watch

    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        audiences, hub.audiences = hub.audiences, type(hub.audiences)(set)
        await young.say("message.post", client_id=str(uuid.uuid4()), text="Niemand hoort dit")
        while await in_pool(Message.objects.count) < 1:
            pass
        hub.audiences = audiences
        await young.post("En dit wel")
        assert [(await desk.hear("message.posted"))["seq"] for _ in range(2)] == [1, 2]

        hub.audiences = type(hub.audiences)(set)
        await young.say("message.post", client_id=str(uuid.uuid4()), text="Weer niemand")
        while await in_pool(Message.objects.count) < 3:
            pass
        hub.audiences = audiences
        await watch.sweep()
        assert (await desk.hear("message.posted"))["seq"] == 3


async def test_a_post_from_a_desk_that_has_not_opened_the_chat_is_acknowledged_once(
    active_conversation: Conversation, anna: User
) -> None:
    async with desk_window(anna) as desk:
        await desk.post("Ik ben er zo", conversation=active_conversation.pk)
        assert "message.posted" not in [frame["type"] for frame in await desk.frames()]
