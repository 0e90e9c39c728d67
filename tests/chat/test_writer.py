"""Group commit: what is stored is acknowledged, what is not is refused, never anything between."""

import threading
import uuid
from collections.abc import Iterator
from unittest.mock import patch

import pytest
from django.db import OperationalError

from chat import writer as module
from chat.models import Conversation, ConversationKey, Message, Visitor
from chat.writer import Mark, Outcome, Post, Writer
from institutions.models import Brand, User
from roster.models import ServiceLine
from tests.people import begin_visit

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def writer() -> Iterator[Writer]:
    writer = Writer()
    yield writer
    writer.stop()


def post_of(conversation: Conversation, actor: int, text: str = "Hoi", **extra: str) -> Post:
    fields = {"author": "visitor", "client_id": str(uuid.uuid4())} | extra
    return Post(conversation=conversation.pk, actor=actor, text=text, **fields)


def test_posts_that_wait_share_one_transaction(
    writer: Writer, line: ServiceLine, brand: Brand
) -> None:
    visitors = [begin_visit(brand) for _ in range(4)]
    conversations = [Conversation.start(visitor=one, line=line) for one in visitors]
    outcomes: list[Outcome] = []
    stored, held = threading.Event(), threading.Event()
    batches: list[int] = []
    store = module._store

    def slow(posts: list[Post], marks: list[Mark], **more: object) -> module.Batch:
        batches.append(len(posts))
        held.wait(10)
        return store(posts, marks)

    def heard(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 21:
            stored.set()

    with patch.object(module, "_store", slow):
        for number in range(21):
            index = number % 4
            post = post_of(conversations[index], visitors[index].pk, f"bericht {number}")
            post.done = heard
            writer.post(post)
            if number == 0:
                while not batches:
                    pass
        held.set()
        assert stored.wait(10)
    assert batches == [1, 20]
    assert all(outcome.is_new for outcome in outcomes)
    for conversation in conversations:
        conversation.refresh_from_db()
        assert conversation.last_seq == conversation.messages.count()


def test_a_database_that_is_away_refuses_and_loses_nothing(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor
) -> None:
    post = post_of(waiting_conversation, visitor.pk)
    with patch.object(module, "_save", side_effect=OperationalError("disk full")):
        assert writer.post_and_wait(post).code == "unavailable"
    assert not Message.objects.exists()
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.last_seq == 0
    assert writer.post_and_wait(post).is_new
    assert Message.objects.get().seq == 1


def test_a_full_queue_refuses_at_once(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor
) -> None:
    with patch.object(module, "WAITING_LIMIT", 0):
        outcome = writer.post_and_wait(post_of(waiting_conversation, visitor.pk))
    assert outcome.code == "unavailable"


def test_one_bad_post_does_not_touch_its_neighbours(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor, brand: Brand
) -> None:
    stranger = begin_visit(brand)
    assert writer.post_and_wait(post_of(waiting_conversation, stranger.pk)).code == "forbidden"
    assert writer.post_and_wait(post_of(waiting_conversation, visitor.pk)).is_new


@pytest.mark.parametrize("author", ["visitor", "worker"])
def test_only_the_two_of_a_conversation_write(
    author: str,
    writer: Writer,
    active_conversation: Conversation,
    visitor: Visitor,
    brand: Brand,
    anna: User,
    bilal: User,
) -> None:
    stranger = begin_visit(brand).pk if author == "visitor" else bilal.pk
    owner = visitor.pk if author == "visitor" else anna.pk
    refused = writer.post_and_wait(post_of(active_conversation, stranger, author=author))
    assert refused.code == "forbidden"
    assert writer.post_and_wait(post_of(active_conversation, owner, author=author)).is_new


def test_a_disabled_worker_writes_nothing_more(
    writer: Writer, active_conversation: Conversation, anna: User
) -> None:
    User.objects.filter(pk=anna.pk).update(is_active=False)
    refused = writer.post_and_wait(post_of(active_conversation, anna.pk, author="worker"))
    assert refused.code == "forbidden"


def test_a_worker_cannot_write_to_somebody_who_still_waits(
    writer: Writer, waiting_conversation: Conversation, anna: User
) -> None:
    refused = writer.post_and_wait(post_of(waiting_conversation, anna.pk, author="worker"))
    assert refused.code == "forbidden"


def test_what_is_stored_is_sealed_at_its_place(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor
) -> None:
    writer.post_and_wait(post_of(waiting_conversation, visitor.pk, "Een groot geheim"))
    message = Message.objects.get()
    assert b"geheim" not in bytes(message.body)
    opened = waiting_conversation.data_key().unseal(
        message.body, waiting_conversation.pk, 1, "visitor", "body"
    )
    assert opened == "Een groot geheim"


def test_after_erasing_nothing_can_be_added(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor
) -> None:
    ConversationKey.objects.all().delete()
    outcome = writer.post_and_wait(post_of(waiting_conversation, visitor.pk))
    assert outcome.code == "wrong_state"


def test_an_acknowledgement_is_repeated_after_the_end(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor
) -> None:
    post = post_of(waiting_conversation, visitor.pk)
    first = writer.post_and_wait(post)
    waiting_conversation.abandon(reason="left")
    again = writer.post_and_wait(post)
    assert again.event == first.event
    assert not again.is_new
    assert writer.post_and_wait(post_of(waiting_conversation, visitor.pk)).code == "wrong_state"


def test_a_stopped_writer_has_written_everything(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor
) -> None:
    for number in range(50):
        writer.post(post_of(waiting_conversation, visitor.pk, f"bericht {number}"))
    writer.stop()
    assert Message.objects.count() == 50


def test_a_thread_that_died_is_replaced(
    writer: Writer, waiting_conversation: Conversation, visitor: Visitor
) -> None:
    writer._thread = threading.Thread(target=lambda: None)
    writer._thread.start()
    writer._thread.join()
    assert writer.post_and_wait(post_of(waiting_conversation, visitor.pk)).is_new
