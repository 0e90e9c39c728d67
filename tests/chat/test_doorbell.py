"""What happens while other processes are not heard, and when this one stops."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from cryptography.fernet import InvalidToken

from chat import process
from chat.consumers import ChatConsumer
from chat.database import in_pool
from chat.hub import Hub, hub
from chat.models import Conversation, Visitor
from chat.peers import GONE
from chat.watch import watch
from chat.worker_peer import WorkerPeer
from institutions.models import User
from tests.chat.windows import desk_window, visitor_window
from tests.people import be_present, rights_of

pytestmark = pytest.mark.django_db(transaction=True)


@contextmanager
def doorbell_away() -> Iterator[None]:
    """As if another process did it, and nobody told this one."""
    audiences, hub.audiences = hub.audiences, type(hub.audiences)(set)
    yield
    hub.audiences = audiences


async def test_who_was_not_told_of_a_takeover_hears_no_word_after_it(
    active_conversation: Conversation, visitor: Visitor, anna: User, carla: User
) -> None:
    """Redis is away, and Carla of another institution takes over what Anna gave back."""

    def take_over() -> None:
        be_present(carla)
        active_conversation.hand_over(rights_of(anna))
        active_conversation.claim(rights_of(carla))

    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        await young.post("Dit mag Anna lezen")
        assert (await desk.hear("message.posted"))["seq"] == 1
        with doorbell_away():
            await in_pool(take_over)
            # What still was under way to say so.
            await asyncio.sleep(0.1)
        await young.post("Dit is voor Carla")
        told = [frame["type"] for frame in await desk.frames()]
        assert "message.posted" not in told
        # The watch finds it out as well, and reads nothing to her on the way.
        await watch.sweep()
        told = [frame["type"] for frame in await desk.frames()]
        assert "message.posted" not in told
        await desk.say("heartbeat")
        assert (await desk.hear("heartbeat"))["top"] == {}


async def test_the_watch_closes_the_windows_of_a_visit_that_ended_elsewhere(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    async with (
        visitor_window(visitor) as young,
        visitor_window(visitor, hello=None) as newcomer,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        await watch.sweep()
        await young.say("heartbeat")
        await young.hear("heartbeat")
        with doorbell_away():
            await in_pool(Visitor.objects.filter(pk=visitor.pk).update, token_hash=None)
        await watch.sweep()
        assert [await young.closed(), await newcomer.closed()] == [GONE, GONE]
        await desk.say("heartbeat")
        assert await desk.hear("heartbeat"), "only hers"


async def test_nothing_is_told_before_it_is_known_that_it_may_be_read(
    active_conversation: Conversation,
    visitor: Visitor,
    carla: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A stranger asks for a conversation, the database is slow, and the watch makes its round."""
    asked, answer = threading.Event(), threading.Event()
    read = WorkerPeer._read

    def slowly(self: WorkerPeer, *args: object) -> object:
        asked.set()
        answer.wait(10)
        return read(self, *args)  # type: ignore[arg-type]

    monkeypatch.setattr(WorkerPeer, "_read", slowly)
    async with visitor_window(visitor) as young, desk_window(carla) as desk:
        await young.post("Dit is niet voor Carla")
        await desk.say("conversation.open", conversation=active_conversation.pk)
        await asyncio.to_thread(asked.wait, 10)
        await watch.sweep()
        await young.post("En dit ook niet")
        told = [frame["type"] for frame in await desk.frames()]
        answer.set()
        assert (await desk.hear("error"))["code"] == "forbidden"
        told += [frame["type"] for frame in await desk.frames()]
        assert not {"message.posted", "status.changed", "typing", "seen"} & set(told)


async def test_a_colleague_reads_on_when_the_own_institution_takes_it_again(
    active_conversation: Conversation, visitor: Visitor, anna: User, bilal: User
) -> None:
    def take_over() -> None:
        active_conversation.hand_over(rights_of(anna))
        active_conversation.claim(rights_of(bilal))

    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        with doorbell_away():
            await in_pool(take_over)
        await young.post("Anna leest mee")
        assert (await desk.hear("message.posted"))["seq"] == 1
        assert "institution" not in await desk_frame(desk, young)


async def desk_frame(desk: object, young: object) -> dict[str, object]:
    await young.post("En nog eens")  # type: ignore[attr-defined]
    frame: dict[str, object] = await desk.hear("message.posted")  # type: ignore[attr-defined]
    return frame


async def test_while_others_are_not_heard_the_database_is_looked_at_more_often(
    active_conversation: Conversation,
    visitor: Visitor,
    anna: User,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # Its own round would find the message as well, whenever it comes.
    monkeypatch.setattr("chat.watch.SWEEP_SECONDS", 3600.0)
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=active_conversation.pk) as desk,
    ):
        with doorbell_away():
            await young.say("message.post", client_id=str(uuid.uuid4()), text="Stil")
            while (await in_pool(active_conversation.messages.count)) < 1:
                pass
            await asyncio.sleep(0.1)
        await watch.look_closely()
        assert "message.posted" not in [frame["type"] for frame in await desk.frames()]
        monkeypatch.setattr(hub, "_relays", True)
        monkeypatch.setattr(hub, "_heard_at", time.monotonic())
        assert not hub.is_deaf
        monkeypatch.setattr(hub, "_heard_at", time.monotonic() - 3)
        assert hub.is_deaf
        await watch.look_closely()
        assert (await desk.hear("message.posted"))["seq"] == 1


async def test_a_server_that_stops_tells_its_windows_and_then_closes_them(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    async with visitor_window(visitor) as young:
        draining = asyncio.ensure_future(process.drain(10))
        restart = await young.hear("restart")
        # One window need not be spread over ten seconds.
        assert restart["within"] == process.LAST_WORDS
        began = time.monotonic()
        assert await young.closed() == 4503
        assert time.monotonic() - began < 4
        await draining


async def test_a_window_that_takes_nothing_is_cut_off(
    active_conversation: Conversation, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The server's `send` waits, as it does while the connection's buffer is full."""
    monkeypatch.setattr("chat.consumers.SEND_SECONDS", 0.2)
    monkeypatch.setattr("chat.consumers.GOODBYE_SECONDS", 0.2)
    made: list[ChatConsumer] = []
    talk = ChatConsumer._talk

    async def remembered(self: ChatConsumer, receive: object) -> None:
        made.append(self)
        await talk(self, receive)

    monkeypatch.setattr(ChatConsumer, "_talk", remembered)
    async with visitor_window(visitor) as young:
        (consumer,) = made
        send, closes = consumer.base_send, []

        async def full(message: dict[str, object]) -> None:
            if message["type"] == "websocket.close":
                closes.append(message["code"])
                await send(message)
            else:
                await asyncio.Event().wait()

        consumer.base_send = full
        await young.say("heartbeat")
        assert await young.closed() == 4508
        assert closes == [4508]
        assert consumer.peer is not None
        assert not consumer.peer.is_open


async def test_what_waits_for_a_window_has_a_limit(
    active_conversation: Conversation, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.consumers.SEND_LIMIT", 1000)
    consumer = ChatConsumer()
    sent: list[str] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(str(message["type"]))
        if message["type"] == "websocket.send":
            await asyncio.Event().wait()

    consumer.begin(send)
    for _ in range(20):
        consumer._put("x" * 100)
    await asyncio.sleep(0)
    assert not consumer._outgoing
    assert consumer._sender is not None
    await consumer._sender
    assert sent == ["websocket.send", "websocket.close"]


async def test_a_word_under_another_key_is_passed_over_and_nobody_subscribes_anew(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own, subscribed = Hub(), []
    words: list[dict[str, object] | None] = [None, None, {"process": own.process}]

    class Layer:
        async def new_channel(self) -> str:
            subscribed.append(1)
            return "here"

        async def group_add(self, group: str, channel: str) -> None:
            """One group, one channel."""

        async def receive(self, channel: str) -> dict[str, object]:
            if not words:
                await asyncio.Event().wait()
            if (word := words.pop(0)) is None:
                raise InvalidToken
            return word

    monkeypatch.setattr(own, "_layer", Layer)
    listening = asyncio.create_task(own._listen())
    await asyncio.sleep(0.05)
    listening.cancel()
    assert not words, "all were taken"
    assert own._heard_at > 0
    assert subscribed == [1]
