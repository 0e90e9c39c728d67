"""What workers do with letters: it works, it refuses, and a stranger cannot."""

from datetime import timedelta

import pytest
from django.utils import timezone

from chat.events import Event
from chat.hub import hub
from chat.inbox import Inbox
from chat.models import (
    Conversation,
    Draft,
    Invitation,
    LetterAnswer,
    Message,
    Note,
    Refused,
    SecondReading,
    Transfer,
)
from chat.writer import Post, writer
from institutions.models import AuditEvent, Institution, Membership, User
from roster.models import ServiceLine
from tests.chat.letters import held_by, new_id, own, put_on_duty, texts, write_letter
from tests.people import open_hour_for, rights_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User, carla: User
) -> Conversation:
    """A letter in the inbox of Zuid."""
    put_on_duty(line, zuid, timezone.now())
    return write_letter(line)


@pytest.fixture
def annas(letter: Conversation, anna: User) -> Conversation:
    """A letter that Anna has."""
    return held_by(anna, letter)


def refuses(code: str) -> "pytest.RaisesExc[Refused]":
    return pytest.raises(Refused, match=f"^{code}$")


# --- Taking one -----------------------------------------------------------------------------------


def test_a_worker_takes_a_letter_without_being_at_the_desk(
    letter: Conversation, anna: User
) -> None:
    letter.claim_letter(rights_of(anna))

    assert (letter.status, letter.worker, letter.institution_id) == (
        "active",
        anna,
        letter.institution_id,
    )
    assert letter.due_at is not None, "what was promised stays promised"
    assert AuditEvent.objects.filter(verb="claim", actor=anna, conversation=letter.pk).exists()


def test_a_stranger_takes_no_letter(letter: Conversation, carla: User) -> None:
    with refuses("forbidden"):
        letter.claim_letter(rights_of(carla))

    assert not Conversation.objects.visible_to(rights_of(carla)).filter(pk=letter.pk).exists()


def test_a_chat_is_no_letter(waiting_conversation: Conversation, anna: User) -> None:
    with refuses("forbidden"):
        waiting_conversation.claim_letter(rights_of(anna))


def test_a_letter_takes_no_place_of_a_chat(
    annas: Conversation, waiting_conversation: Conversation, open_hour: object, anna: User
) -> None:
    User.objects.filter(pk=anna.pk).update(chat_cap=1)

    waiting_conversation.claim(rights_of(User.objects.get(pk=anna.pk)))

    assert waiting_conversation.status == "active"


def test_a_colleague_takes_a_letter_over(annas: Conversation, bilal: User, anna: User) -> None:
    annas.claim_letter(rights_of(bilal))

    assert annas.worker == bilal
    with refuses("forbidden"):
        annas.answer_letter(rights_of(anna), "Hoi", client_id=new_id(), seen=1)


def test_one_takes_no_own_or_ended_letter(annas: Conversation, anna: User) -> None:
    with refuses("wrong_state"):
        annas.claim_letter(rights_of(anna))
    annas.end_letter(by="visitor", reason="by_visitor")
    with refuses("wrong_state"):
        annas.claim_letter(rights_of(anna))


# --- Answering ------------------------------------------------------------------------------------


def test_an_answer_ends_the_promise_and_the_draft(
    annas: Conversation,
    anna: User,
    django_capture_on_commit_callbacks: object,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[Event] = []
    monkeypatch.setattr(hub, "tell", heard.append)
    Draft.keep(annas, rights_of(anna), "Hoi, fijn", version=0)

    with django_capture_on_commit_callbacks(execute=True):  # type: ignore[operator]
        annas.answer_letter(
            rights_of(anna), "Hoi, fijn dat je schrijft.", client_id=new_id(), seen=1
        )

    assert texts(annas)[-1] == "Hoi, fijn dat je schrijft."
    assert annas.due_at is None
    assert not Draft.objects.exists()
    answer = LetterAnswer.objects.get()
    assert (answer.institution, answer.conversation) == (annas.institution, annas)
    assert answer.asked_at == annas.messages.get(seq=1).at
    assert [event.text for event in heard if type(event).__name__ == "MessagePosted"] == [  # type: ignore[attr-defined]
        "Hoi, fijn dat je schrijft."
    ]


def test_an_answer_that_is_sent_twice_is_stored_once(annas: Conversation, anna: User) -> None:
    client_id = new_id()
    for _time in range(2):
        annas.answer_letter(rights_of(anna), "Hoi", client_id=client_id, seen=1)

    assert annas.last_seq == 2
    assert LetterAnswer.objects.count() == 1


def test_who_did_not_read_the_newest_words_does_not_answer_yet(
    annas: Conversation, anna: User
) -> None:
    with refuses("changed"):
        annas.answer_letter(rights_of(anna), "Hoi", client_id=new_id(), seen=0)

    assert annas.messages.count() == 1


def test_a_second_answer_keeps_no_promise(annas: Conversation, anna: User) -> None:
    annas.answer_letter(rights_of(anna), "Hoi", client_id=new_id(), seen=1)
    annas.answer_letter(rights_of(anna), "Nog iets.", client_id=new_id(), seen=1)

    assert annas.last_seq == 3
    assert LetterAnswer.objects.count() == 1


def test_only_the_holder_answers(annas: Conversation, bilal: User, carla: User) -> None:
    for other in (bilal, carla):
        with refuses("forbidden"):
            annas.answer_letter(rights_of(other), "Hoi", client_id=new_id(), seen=1)


@pytest.mark.django_db(transaction=True)
def test_no_answer_goes_through_the_writer_of_chats(annas: Conversation, anna: User) -> None:
    """It would be stored and its promise not kept."""
    post = Post(annas.pk, new_id(), "worker", anna.pk, "Hoi")

    assert writer.post_and_wait(post).code == "forbidden"


# --- The draft ------------------------------------------------------------------------------------


def test_a_draft_is_kept_sealed_and_grows(annas: Conversation, anna: User) -> None:
    staff = rights_of(anna)

    assert Draft.keep(annas, staff, "Hoi", version=0) == 1
    assert Draft.keep(annas, staff, "Hoi, wat", version=1) == 2

    draft = Draft.objects.get()
    assert draft.text() == "Hoi, wat"
    assert b"Hoi" not in bytes(draft.body)


def test_two_windows_do_not_overwrite_each_other(annas: Conversation, anna: User) -> None:
    Draft.keep(annas, rights_of(anna), "Hier", version=0)

    with refuses("changed"):
        Draft.keep(annas, rights_of(anna), "Daar", version=0)

    assert Draft.objects.get().text() == "Hier"


def test_an_empty_draft_is_none(annas: Conversation, anna: User) -> None:
    Draft.keep(annas, rights_of(anna), "Hoi", version=0)

    assert Draft.keep(annas, rights_of(anna), "", version=1) == 0
    assert not Draft.objects.exists()


def test_nobody_else_keeps_a_draft(annas: Conversation, bilal: User) -> None:
    with refuses("forbidden"):
        Draft.keep(annas, rights_of(bilal), "Hoi", version=0)


def test_a_draft_stays_when_the_letter_is_given_back(
    annas: Conversation, anna: User, bilal: User
) -> None:
    Draft.keep(annas, rights_of(anna), "Hoi", version=0)

    annas.return_letter(rights_of(anna))
    annas.claim_letter(rights_of(bilal))

    assert Draft.objects.get().text() == "Hoi"


# --- A second pair of eyes ------------------------------------------------------------------------


def test_a_colleague_reads_along_and_agrees(annas: Conversation, anna: User, bilal: User) -> None:
    Draft.keep(annas, rights_of(anna), "Hoi", version=0)
    reading = SecondReading.ask(annas, rights_of(anna), bilal)
    assert SecondReading.objects.open().asked_of(rights_of(bilal)).get() == reading

    reading.answer(rights_of(bilal), verdict="agreed")

    assert (reading.verdict, reading.reader, reading.version) == ("agreed", bilal, 1)
    details = AuditEvent.objects.filter(conversation=annas.pk).values_list("detail", flat=True)
    assert {"reader_asked", "reader_agreed"} <= set(details)


def test_a_remark_is_sealed_and_needs_words(annas: Conversation, anna: User, bilal: User) -> None:
    Draft.keep(annas, rights_of(anna), "Hoi", version=0)
    reading = SecondReading.ask(annas, rights_of(anna))
    with refuses("note_missing"):
        reading.answer(rights_of(bilal), verdict="advice")

    reading.answer(rights_of(bilal), verdict="advice", note="Iets korter?")

    assert reading.note_text() == "Iets korter?"
    assert b"korter" not in bytes(reading.note or b"")


def test_strangers_and_the_writer_do_not_read_along(
    annas: Conversation, anna: User, bilal: User, carla: User
) -> None:
    Draft.keep(annas, rights_of(anna), "Hoi", version=0)
    with refuses("colleague_absent"):
        SecondReading.ask(annas, rights_of(anna), carla)
    reading = SecondReading.ask(annas, rights_of(anna))

    for other in (anna, carla):
        with refuses("forbidden"):
            reading.answer(rights_of(other), verdict="agreed")


def test_without_a_draft_there_is_nothing_to_read(annas: Conversation, anna: User) -> None:
    with refuses("wrong_state"):
        SecondReading.ask(annas, rights_of(anna))


def test_sending_takes_the_question_back(annas: Conversation, anna: User, bilal: User) -> None:
    Draft.keep(annas, rights_of(anna), "Hoi", version=0)
    reading = SecondReading.ask(annas, rights_of(anna), bilal)

    annas.answer_letter(rights_of(anna), "Hoi", client_id=new_id(), seen=1)

    with refuses("wrong_state"):
        reading.answer(rights_of(bilal), verdict="agreed")


# --- To another institution -----------------------------------------------------------------------


def test_a_letter_goes_to_another_institution_with_her_yes(
    annas: Conversation, maas: Institution, anna: User, carla: User
) -> None:
    due_at = annas.due_at
    Draft.keep(annas, rights_of(anna), "Hoi", version=0)
    transfer = Transfer.ask(annas, rights_of(anna), maas, "Zij woont bij jullie.")
    assert annas.worker == anna, "until she says yes it stays"

    transfer.accept()

    annas.refresh_from_db()
    assert (annas.institution, annas.worker, annas.status) == (maas, None, "waiting")
    assert annas.due_at == due_at
    assert Note.objects.get().text() == "Zij woont bij jullie."
    assert not Draft.objects.exists()
    assert Conversation.objects.visible_to(rights_of(carla)).filter(pk=annas.pk).exists()
    assert not Conversation.objects.visible_to(rights_of(anna)).filter(pk=annas.pk).exists()
    trail = AuditEvent.objects.filter(verb="hand_over", detail="transferred")
    assert set(trail.values_list("institution__name", flat=True)) == {"Welzijn Zuid", "Maaskracht"}


def test_her_no_leaves_everything_as_it_is(
    annas: Conversation, maas: Institution, anna: User
) -> None:
    transfer = Transfer.ask(annas, rights_of(anna), maas)

    transfer.decline()

    annas.refresh_from_db()
    assert (annas.worker, transfer.outcome) == (anna, "no")
    with refuses("wrong_state"):
        transfer.accept()


def test_the_question_can_be_taken_back(annas: Conversation, maas: Institution, anna: User) -> None:
    transfer = Transfer.ask(annas, rights_of(anna), maas)
    transfer.withdraw(rights_of(anna))

    with refuses("wrong_state"):
        transfer.accept()
    assert Transfer.ask(annas, rights_of(anna), maas).outcome == ""


def test_giving_back_and_closing_take_the_question_back(
    annas: Conversation, maas: Institution, anna: User
) -> None:
    transfer = Transfer.ask(annas, rights_of(anna), maas)
    annas.end_letter(by="visitor", reason="by_visitor")

    with refuses("wrong_state"):
        transfer.accept()
    annas.refresh_from_db()
    assert annas.institution != maas


def test_a_letter_goes_only_where_somebody_answers(
    annas: Conversation, zuid: Institution, anna: User
) -> None:
    nobody = Institution.objects.create(name="Niemand")
    for wrong in (zuid, nobody):
        with refuses("outside"):
            Transfer.ask(annas, rights_of(anna), wrong)


# --- To a consultation hour -----------------------------------------------------------------------


def test_a_worker_keeps_a_place_in_an_hour_to_come(
    annas: Conversation, line: ServiceLine, anna: User
) -> None:
    running = open_hour_for(line, anna)
    running.refresh_from_db()
    with refuses("outside"):
        Invitation.invite(annas, rights_of(anna), running)
    hour = running
    hour.pk = None
    tomorrow = (timezone.now() + timedelta(days=1)).astimezone(line.zone)
    hour.local_date = tomorrow.date()
    hour.save()

    invitation = Invitation.invite(annas, rights_of(anna), hour)

    assert annas.invitation() == invitation
    chat = Conversation.start(visitor=annas.visitor, line=line, follows=annas, keeps_place=True)  # type: ignore[arg-type]
    assert chat.keeps_place
    assert annas.invitation() is None


def test_an_invitation_can_be_taken_back(
    annas: Conversation, line: ServiceLine, anna: User
) -> None:
    hour = open_hour_for(line, anna)
    invitation = annas.invitations.create(hour=hour, made_by=anna)

    invitation.withdraw(rights_of(anna))

    assert annas.invitation() is None
    with refuses("wrong_state"):
        invitation.withdraw(rights_of(anna))


# --- The end --------------------------------------------------------------------------------------


def test_a_letter_closes_with_its_registration_and_opens_again(
    annas: Conversation, anna: User
) -> None:
    annas.close_letter(
        rights_of(anna),
        reason="finished",
        contact_kind="about_self",
        topic="family",
        seen=annas.last_seq,
    )
    assert (annas.status, annas.topic, annas.due_at) == ("closed", "family", None)

    annas.reopen()

    assert (annas.status, annas.worker) == ("waiting", None)
    assert annas.due_at is not None


def test_only_the_holder_closes_and_gives_back(annas: Conversation, bilal: User) -> None:
    with refuses("forbidden"):
        annas.return_letter(rights_of(bilal))
    with refuses("forbidden"):
        annas.close_letter(
            rights_of(bilal), reason="finished", contact_kind="test", topic="unknown", seen=9
        )


def test_what_she_wrote_meanwhile_is_read_before_a_letter_closes(
    annas: Conversation, anna: User
) -> None:
    seen = annas.last_seq
    Message.enclose(annas, "Nog iets.", client_id=new_id(), now=timezone.now())
    with refuses("changed"):
        annas.close_letter(
            rights_of(anna), reason="finished", contact_kind="test", topic="unknown", seen=seen
        )
    annas.refresh_from_db()
    assert annas.status == "active"


# --- The boxes ------------------------------------------------------------------------------------


def test_everybody_finds_letters_in_their_own_boxes(
    line: ServiceLine, letter: Conversation, zuid: Institution, anna: User, bilal: User, carla: User
) -> None:
    now = timezone.now()
    answered = held_by(anna, write_letter(line))
    answered.answer_letter(rights_of(anna), "Hoi", client_id=new_id(), seen=1)
    late = held_by(bilal, write_letter(line), draft="Hoi")
    Conversation.objects.filter(pk=late.pk).update(due_at=now - timedelta(hours=1))
    SecondReading.ask(late, rights_of(bilal))
    ended = held_by(anna, write_letter(line))
    ended.end_letter(by="visitor", reason="by_visitor")

    inbox = Inbox(now)

    assert inbox.counts(anna.pk) == {
        "new": 1, "mine": 2, "waiting": 1, "overdue": 1, "institution": 3, "asked": 1, "unread": 0,
    }  # fmt: skip
    assert inbox.counts(bilal.pk)["asked"] == 0
    assert set(inbox.counts(carla.pk).values()) == {0}
    assert [one.conversation for one in inbox.box("institution", anna.pk)] == [
        late.pk, letter.pk, answered.pk,
    ]  # fmt: skip


def test_who_needs_help_now_is_first(line: ServiceLine, letter: Conversation, anna: User) -> None:
    urgent = write_letter(line, urgency="now")

    assert [one.conversation for one in Inbox(timezone.now()).box("new", anna.pk)] == [
        urgent.pk,
        letter.pk,
    ]


def test_who_left_the_institution_sees_nothing(letter: Conversation, anna: User) -> None:
    Membership.objects.filter(user=anna).delete()

    assert set(Inbox(timezone.now()).counts(anna.pk).values()) == {0}


def test_a_letter_of_another_institution_is_in_its_boxes(
    letter: Conversation, maas: Institution, carla: User
) -> None:
    own(letter, maas)

    assert Inbox(timezone.now()).counts(carla.pk)["new"] == 1
