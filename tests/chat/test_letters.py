"""Letters: their states, who owns them, writing on, and what no clock may do to them."""

import uuid
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat import jobs, letters, queue
from chat.letter_jobs import promise_again
from chat.letters import due_at, write_on
from chat.models import Conversation, Refused, ReturnCode, Visitor
from chat.reading import read_messages
from chat.writer import Post, writer
from institutions.models import Brand, Institution, User
from roster.models import ConsultationHour, LetterDuty, Presence, ServiceLine
from tests.people import be_present, begin_visit, rights_of

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Thuis is het niet fijn. Ik wil er graag over schrijven."


def new_id() -> str:
    return str(uuid.uuid4())


def a_letter(visitor: Visitor, line: ServiceLine, **more: Any) -> Conversation:
    fields = {"text": TEXT, "client_id": new_id(), **more}
    return Conversation.start_letter(visitor=visitor, line=line, **fields)


def take(letter: Conversation, worker: User) -> None:
    """What the inbox's claim does."""
    letter._move("active", by="worker", worker=worker, changes={"worker": worker})


def answer(
    letter: Conversation, worker: User, text: str = "Dag, wat goed dat je schrijft."
) -> None:
    letter.refresh_from_db()
    letter.answer_letter(rights_of(worker), text, client_id=new_id(), seen=letter.last_seq)


def texts(letter: Conversation) -> list[str]:
    return [message.text for message in read_messages(letter.pk, 0)]


@pytest.fixture
def letter(visitor: Visitor, line: ServiceLine, anna: User) -> Conversation:
    return a_letter(visitor, line)


def in_state(status: str, visitor: Visitor, line: ServiceLine, worker: User) -> Conversation:
    letter = a_letter(visitor, line)
    if status != "waiting":
        take(letter, worker)
    if status == "closed":
        letter.end_letter(by="worker", reason="finished")
    return letter


VERBS: dict[str, Any] = {
    "claim": lambda one, staff: one.claim(staff, despite=True),
    "abandon": lambda one, staff: one.abandon(reason="left"),
    "become_letter": lambda one, staff: one.become_letter("chosen"),
    "reopen": lambda one, staff: one.reopen(),
    "end_letter": lambda one, staff: one.end_letter(by="visitor", reason="by_visitor"),
}
LEGAL = {
    ("waiting", "end_letter"): "closed",
    ("active", "end_letter"): "closed",
    ("closed", "reopen"): "waiting",
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", ["waiting", "active", "closed"])
def test_each_verb_of_a_letter_works_in_its_state_only(
    status: str, verb: str, visitor: Visitor, line: ServiceLine, anna: User
) -> None:
    letter = in_state(status, visitor, line, anna)
    be_present(anna)
    changes = letter.changes.count()
    expected = LEGAL.get((status, verb))
    if expected is None:
        with pytest.raises(Refused):
            VERBS[verb](letter, rights_of(anna))
        assert letter.changes.count() == changes
    else:
        VERBS[verb](letter, rights_of(anna))
        assert letter.changes.count() == changes + 1
    letter.refresh_from_db()
    assert letter.status == (expected or status)


def test_a_letter_is_stored_with_its_words_and_lies_in_an_inbox(
    letter: Conversation, zuid: Institution, anna: User, carla: User
) -> None:
    assert (letter.kind, letter.status, letter.last_seq) == ("letter", "waiting", 1)
    assert texts(letter) == [TEXT]
    assert letter.institution == zuid
    assert letter.due_at is not None
    visible = Conversation.objects.visible_to
    assert visible(rights_of(anna)).get() == letter
    assert not visible(rights_of(carla)).exists()


def test_a_double_click_sends_one_letter(visitor: Visitor, line: ServiceLine) -> None:
    client_id = new_id()
    first = a_letter(visitor, line, client_id=client_id)
    assert a_letter(visitor, line, client_id=client_id) == first
    assert texts(first) == [TEXT]


def test_one_visit_has_one_live_chat_and_one_live_letter(
    visitor: Visitor, line: ServiceLine
) -> None:
    letter = a_letter(visitor, line)
    chat = Conversation.start(visitor=visitor, line=line, follows=letter)
    assert (chat.kind, chat.follows) == ("chat", letter)
    assert visitor.conversation() == chat
    assert visitor.letter() == letter
    for kind in ("chat", "letter"):
        with pytest.raises(IntegrityError), transaction.atomic():
            Conversation.objects.create(visitor=visitor, line=line, brand=visitor.brand, kind=kind)


def test_a_new_letter_goes_to_who_has_letter_duty(
    brand: Brand, line: ServiceLine, anna: User, carla: User
) -> None:
    Institution.objects.create(name="Zonder hulpverleners")
    on_duty = LetterDuty.on(line, timezone.now())
    assert on_duty is not None
    assert a_letter(begin_visit(brand), line).institution == on_duty


def test_an_answer_is_promised_within_two_working_days(letter: Conversation) -> None:
    friday = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
    assert letters.due_at(letter, friday).date() == date(2026, 11, 24)


# --- A chat that becomes a letter -----------------------------------------------------------------


def test_a_waiting_chat_becomes_a_letter_with_all_that_was_written(
    waiting_conversation: Conversation, visitor: Visitor, anna: User, zuid: Institution
) -> None:
    chat = waiting_conversation
    writer.post_and_wait(Post(chat.pk, new_id(), "visitor", visitor.pk, "Hallo?"))
    chat.become_letter(
        "chosen", text=TEXT, client_id=new_id(), answer_by="notice", address="ik@example.org"
    )
    assert (chat.kind, chat.status, chat.institution) == ("letter", "waiting", zuid)
    assert texts(chat) == ["Hallo?", TEXT]
    assert (chat.answer_by, chat.address()) == ("notice", "ik@example.org")
    assert b"example" not in bytes(chat.sealed_address or b"")
    assert [(one.old, one.new, one.reason) for one in chat.changes.all()] == [
        ("", "waiting", ""),
        ("waiting", "waiting", "chosen"),
    ]


def test_a_letter_is_no_longer_in_the_queue_and_nobody_claims_it_as_a_chat(
    waiting_conversation: Conversation, open_hour: ConsultationHour, anna: User, line: ServiceLine
) -> None:
    late = Conversation.objects.get(pk=waiting_conversation.pk)
    waiting_conversation.become_letter("chosen")
    assert queue.waiting_on(line) == []
    with pytest.raises(Refused, match="taken"):
        late.claim(rights_of(anna))


def test_a_claimed_chat_does_not_become_a_letter(
    waiting_conversation: Conversation, open_hour: ConsultationHour, anna: User
) -> None:
    late = Conversation.objects.get(pk=waiting_conversation.pk)
    waiting_conversation.claim(rights_of(anna))
    with pytest.raises(Refused, match="taken"):
        late.become_letter("chosen", text=TEXT, client_id=new_id())
    assert texts(waiting_conversation) == []


def test_after_hours_who_wrote_has_a_letter_and_who_did_not_is_told(
    waiting_conversation: Conversation, visitor: Visitor, brand: Brand, line: ServiceLine
) -> None:
    silent = Conversation.start(visitor=begin_visit(brand), line=line)
    writer.post_and_wait(Post(waiting_conversation.pk, new_id(), "visitor", visitor.pk, TEXT))
    late = timezone.now() + timedelta(hours=2)
    assert jobs.end_waiting_after_hours(late) == 2
    waiting_conversation.refresh_from_db()
    silent.refresh_from_db()
    assert (waiting_conversation.kind, waiting_conversation.status) == ("letter", "waiting")
    assert silent.status == "abandoned"
    assert jobs.end_waiting_after_hours(late) == 0


# --- Writing on -----------------------------------------------------------------------------------


def test_writing_on_renews_the_promise_once(letter: Conversation, anna: User) -> None:
    take(letter, anna)
    answer(letter, anna)
    assert letter.due_at is None
    letters.write_on(letter, "Dank je wel. Nog iets.", new_id())
    letter.refresh_from_db()
    assert letter.status == "active"
    promised = letter.due_at
    letters.write_on(letter, "En dit.", new_id())
    letter.refresh_from_db()
    assert letter.due_at == promised is not None


def test_a_closed_letter_opens_again_when_she_writes(
    letter: Conversation, anna: User, zuid: Institution
) -> None:
    take(letter, anna)
    letter.end_letter(by="worker", reason="finished")
    client_id = new_id()
    letters.write_on(letter, "Toch nog een vraag.", client_id)
    letter.refresh_from_db()
    assert (letter.status, letter.worker, letter.institution) == ("waiting", None, zuid)
    assert (letter.ended_at, letter.closing_reason) == (None, "")
    assert letter.changes.last().reason == "wrote_again"
    letters.write_on(letter, "Toch nog een vraag.", client_id)  # sent again
    assert texts(letter) == [TEXT, "Toch nog een vraag."]


def test_a_message_sent_again_after_the_end_opens_nothing(letter: Conversation) -> None:
    client_id = new_id()
    letters.write_on(letter, "Nog iets.", client_id)
    letter.end_letter(by="visitor", reason="by_visitor")
    letters.write_on(letter, "Nog iets.", client_id)
    letter.refresh_from_db()
    assert letter.status == "closed"


def test_a_long_letter_fits_and_a_longer_one_is_refused(letter: Conversation) -> None:
    letters.write_on(letter, "x" * letters.MAX_LETTER, new_id())
    with pytest.raises(Refused, match="too_long"):
        letters.write_on(letter, "x" * (letters.MAX_LETTER + 1), new_id())
    assert len(texts(letter)) == 2


def test_a_stranger_cannot_write_in_a_letter(letter: Conversation, brand: Brand) -> None:
    stranger = begin_visit(brand)
    outcome = writer.post_and_wait(Post(letter.pk, new_id(), "visitor", stranger.pk, "Hoi"))
    assert outcome.code == "forbidden"


# --- How the answer comes -------------------------------------------------------------------------


def test_an_address_is_sealed_changed_and_gone_when_she_wants(letter: Conversation) -> None:
    letter.choose_answer("mail", "ik@example.org")
    assert (letter.answer_by, letter.address()) == ("mail", "ik@example.org")
    letter.choose_answer("code")
    assert (letter.answer_by, letter.sealed_address) == ("code", None)
    with pytest.raises(Refused):
        letter.choose_answer("notice", "")
    with pytest.raises(IntegrityError), transaction.atomic():
        Conversation.objects.filter(pk=letter.pk).update(sealed_address=b"x")


# --- No window and no clock -----------------------------------------------------------------------


def test_no_window_that_closes_and_no_lost_worker_ends_a_letter(
    letter: Conversation, anna: User, line: ServiceLine
) -> None:
    weeks = timezone.now() + timedelta(days=20)
    assert jobs.end_lost_visits(weeks) == jobs.end_waiting_after_hours(weeks) == 0
    take(letter, anna)
    Presence.objects.update(seen_at=timezone.now() - timedelta(days=1))
    assert jobs.return_lost_chats(weeks) == 0
    assert queue.chats_by_worker([anna.pk]) == {}
    assert queue.load(line, timezone.now()).waiting == 0
    letter.refresh_from_db()
    assert letter.status == "active"


def test_it_is_known_when_an_answer_can_reach_nobody(
    letter: Conversation, visitor: Visitor
) -> None:
    assert letter.can_be_read
    visitor.leave()
    letter = Conversation.objects.get(pk=letter.pk)
    assert not letter.can_be_read
    letter.choose_answer("notice", "ik@example.org")
    assert letter.can_be_read


def test_who_saw_her_code_can_read_an_answer_after_leaving(
    letter: Conversation, visitor: Visitor
) -> None:
    ReturnCode.of(visitor, visitor.token)  # type: ignore[attr-defined]
    visitor.leave()
    assert Conversation.objects.get(pk=letter.pk).can_be_read


def test_leaving_the_site_ends_the_visit_and_not_the_letter(
    letter: Conversation, visitor: Visitor
) -> None:
    words = ReturnCode.of(visitor, visitor.token)  # type: ignore[attr-defined]
    visitor.leave()
    letter.refresh_from_db()
    assert letter.status == "waiting"
    assert Visitor.find(visitor.token) is None  # type: ignore[attr-defined]
    found = ReturnCode.find(words)
    assert found is not None
    assert found[0] == visitor


def test_after_a_day_no_browser_leads_to_a_letter_but_its_code_does(
    letter: Conversation, visitor: Visitor
) -> None:
    words = ReturnCode.of(visitor, visitor.token)  # type: ignore[attr-defined]
    tomorrow = timezone.now() + timedelta(hours=25)
    assert jobs.forget_old_visits(tomorrow) == 1
    assert jobs.forget_old_visits(tomorrow) == 0
    assert Visitor.find(visitor.token) is None  # type: ignore[attr-defined]
    found = ReturnCode.find(words)
    assert found is not None
    assert found[0].letter() == letter


def test_a_letter_that_hears_nothing_is_announced_and_then_closes(
    letter: Conversation, anna: User
) -> None:
    take(letter, anna)
    answer(letter, anna)
    three_weeks, month = (timezone.now() + timedelta(days=days) for days in (24, 32))
    assert jobs.close_quiet_letters(timezone.now() + timedelta(days=22)) == 0
    assert jobs.close_quiet_letters(three_weeks) == 0
    letter.refresh_from_db()
    assert letter.quiet_told_at == three_weeks
    assert jobs.close_quiet_letters(month) == 1
    letter.refresh_from_db()
    assert (letter.status, letter.closing_reason) == ("closed", "quiet")


def test_what_she_writes_as_a_quiet_letter_closes_keeps_it_open(
    letter: Conversation, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    take(letter, anna)
    answer(letter, anna)
    now = timezone.now()
    jobs.close_quiet_letters(now + timedelta(days=24))
    close = Conversation.end_letter

    def writes_first(one: Conversation, **how: Any) -> None:
        write_on(letter, "Ik was op vakantie.", new_id())
        close(one, **how)

    monkeypatch.setattr(Conversation, "end_letter", writes_first)
    assert jobs.close_quiet_letters(now + timedelta(days=32)) == 0
    letter.refresh_from_db()
    assert (letter.status, letter.quiet_told_at) == ("active", None)
    assert letter.due_at is not None


def test_words_whose_promise_was_not_noted_are_promised_an_answer_all_the_same(
    letter: Conversation, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process stopped between storing her words and what they do to the letter."""
    take(letter, anna)
    answer(letter, anna)
    monkeypatch.setattr(Conversation, "expect_answer", lambda letter: None)
    write_on(letter, "Nog iets.", new_id())
    letter.refresh_from_db()
    assert letter.due_at is None

    now = timezone.now()
    assert promise_again(now) == 1
    assert promise_again(now) == 0
    letter.refresh_from_db()
    assert letter.due_at == due_at(letter, now)
    answer(letter, anna)
    assert promise_again(now) == 0


def test_a_letter_that_waits_for_us_never_closes_by_itself(letter: Conversation) -> None:
    for days in (24, 32, 300):
        assert jobs.close_quiet_letters(timezone.now() + timedelta(days=days)) == 0


# --- An invitation --------------------------------------------------------------------------------


def test_who_is_invited_goes_ahead_in_the_queue_once(
    letter: Conversation,
    visitor: Visitor,
    brand: Brand,
    line: ServiceLine,
    open_hour: ConsultationHour,
    anna: User,
) -> None:
    Conversation.start(visitor=begin_visit(brand), line=line)
    letter.invitations.create(hour=open_hour, made_by=anna)
    chat = Conversation.start(visitor=visitor, line=line, follows=letter, keeps_place=True)
    assert chat.keeps_place
    assert queue.places(line, timezone.now(), None)[0].conversation == chat.pk
    chat.abandon(reason="left")
    again = Conversation.start(visitor=visitor, line=line, follows=letter, keeps_place=True)
    assert not again.keeps_place
