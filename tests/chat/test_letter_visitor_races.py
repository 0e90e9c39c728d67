"""Letters and their writers, two at once: threads on PostgreSQL."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest

from chat.letters import write_on
from chat.models import Conversation, ConversationKey, Message, Refused, ReturnCode, Visitor
from chat.writer import Post, Writer
from institutions.models import Brand, User
from roster.models import ConsultationHour, ServiceLine
from tests.chat.test_letters import TEXT, a_letter, new_id, take
from tests.chat.test_races import at_once
from tests.people import begin_visit, rights_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]

ROUNDS = 8


def won(verb: Callable[[], Any]) -> Callable[[], str]:
    def run() -> str:
        verb()
        return "won"

    return run


def test_a_letter_and_a_claim_at_once_are_one_of_the_two(
    brand: Brand, line: ServiceLine, open_hour: ConsultationHour, anna: User
) -> None:
    staff = rights_of(anna)
    for _round in range(ROUNDS):
        chat = Conversation.start(visitor=begin_visit(brand), line=line)
        hers, theirs = (Conversation.objects.get(pk=chat.pk) for _side in range(2))
        results = at_once(
            [
                won(lambda one=hers: one.become_letter("chosen", text=TEXT, client_id=new_id())),
                won(lambda one=theirs: one.claim(staff, despite=True)),
            ]
        )
        chat.refresh_from_db()
        assert sorted(results) == ["taken", "won"]
        if results[0] == "won":
            assert (chat.kind, chat.status, chat.worker, chat.last_seq) == (
                "letter",
                "waiting",
                None,
                1,
            )
        else:
            assert (chat.kind, chat.status, chat.worker, chat.last_seq) == (
                "chat",
                "active",
                anna,
                0,
            )
            chat.abandon(reason="closed")


def test_two_windows_that_write_in_a_closed_letter_open_it_once_and_keep_both(
    visitor: Visitor, line: ServiceLine, anna: User
) -> None:
    letter = a_letter(visitor, line)
    for number in range(1, ROUNDS):
        letter.refresh_from_db()
        letter.end_letter(by="visitor", reason="by_visitor")
        windows = [Conversation.objects.get(pk=letter.pk) for _window in range(2)]
        results = at_once(
            [won(lambda one=one: write_on(one, "Nog iets.", new_id())) for one in windows]
        )
        assert results == ["won", "won"]
        letter.refresh_from_db()
        assert (letter.status, letter.last_seq) == ("waiting", 1 + 2 * number)
        assert letter.changes.filter(reason="wrote_again").count() == number


def test_two_windows_that_send_make_one_letter(visitor: Visitor, line: ServiceLine) -> None:
    results = at_once([lambda: a_letter(visitor, line).pk for _window in range(4)])
    assert len(set(results)) == 1
    assert Message.objects.count() == 1


def test_after_erasing_nothing_is_stored_whoever_writes_at_that_moment(
    brand: Brand, line: ServiceLine, anna: User
) -> None:
    staff = rights_of(anna)
    for _round in range(ROUNDS):
        visitor = begin_visit(brand)
        letter = a_letter(visitor, line)
        take(letter, anna)
        mine = Conversation.objects.get(pk=letter.pk)
        writers = [Writer(), Writer()]

        def post(writer: Writer, author: str, actor: int, pk: str = letter.pk) -> str:
            return writer.post_and_wait(Post(pk, str(uuid.uuid4()), author, actor, "Hoi")).code

        results = at_once(
            [
                lambda visitor=visitor: visitor.erase(),
                *(
                    lambda w=writers[0], v=visitor: post(w, "visitor", v.pk)
                    for _message in range(2)
                ),
                lambda one=mine: one.answer_letter(staff, "Dag", client_id=new_id(), seen=99),
                lambda w=writers[1]: post(w, "worker", anna.pk),
            ]
        )
        for writer in writers:
            writer.stop()
        assert results[0] == 1
        assert set(results[1:]) <= {"", None, "forbidden", "wrong_state"}
        assert not ConversationKey.objects.exists()
        assert not Message.objects.exists()


def test_leaving_and_sending_a_letter_at_once_never_wait_in_a_circle(
    brand: Brand, line: ServiceLine, anna: User
) -> None:
    for _round in range(ROUNDS):
        visitor = begin_visit(brand)
        chat = Conversation.start(visitor=visitor, line=line)
        mine = Conversation.objects.get(pk=chat.pk)
        results = at_once(
            [
                won(lambda v=visitor: v.leave()),
                won(lambda one=mine: one.become_letter("chosen", text=TEXT, client_id=new_id())),
                lambda v=visitor: ReturnCode.of(v, "token") and "won",
            ]
        )
        chat.refresh_from_db()
        assert results[2] == "won"
        assert (chat.kind, chat.status) in {("letter", "waiting"), ("chat", "abandoned")}
        if chat.kind == "letter":
            assert results[1] == "won"


def test_erasing_twice_at_once_erases(visitor: Visitor, line: ServiceLine, anna: User) -> None:
    a_letter(visitor, line)
    windows = [Visitor.objects.get(pk=visitor.pk) for _window in range(2)]
    at_once([won(one.erase) for one in windows])
    assert not Visitor.objects.exists()
    assert not Message.objects.exists()


def test_refused_means_that_nothing_of_a_letter_was_stored(
    visitor: Visitor, line: ServiceLine, open_hour: ConsultationHour, anna: User
) -> None:
    chat = Conversation.start(visitor=visitor, line=line)
    late = Conversation.objects.get(pk=chat.pk)
    chat.claim(rights_of(anna))
    with pytest.raises(Refused, match="taken"):
        late.become_letter("chosen", text=TEXT, client_id=new_id(), answer_by="code")
    assert not Message.objects.exists()
