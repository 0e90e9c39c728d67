"""The pages of letters: they show, they do, they refuse, and a stranger finds nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat import letter_figures
from chat.keys import data_keys
from chat.models import (
    Conversation,
    ConversationKey,
    Draft,
    LetterAnswer,
    Message,
    SecondReading,
    Transfer,
)
from institutions.models import AuditEvent, Institution, User
from roster.models import ServiceLine
from tests.chat.letters import held_by, new_id, own, put_on_duty, texts, write_letter
from tests.people import make_user, open_hour_for, rights_of, sign_in

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User, carla: User
) -> Conversation:
    put_on_duty(line, zuid, timezone.now())
    return write_letter(line, "Mijn ouders maken ruzie.")


def do(browser: Client, letter: Conversation, deed: str, **data: Any) -> Any:
    return browser.post(f"/desk/letters/{letter.pk}/{deed}/", data, follow=True)


def answer(text: str, version: int = 0, seen: int = 1) -> dict[str, Any]:
    return {"text": text, "version": version, "seen": seen, "client_id": new_id()}


def test_from_the_inbox_to_an_answer(letter: Conversation, anna: User) -> None:
    browser = sign_in(anna)
    assert letter.pk in browser.get("/desk/letters/").content.decode()

    page = do(browser, letter, "claim").content.decode()
    assert "Mijn ouders maken ruzie." in page
    assert "Je zei: ik voel me niet veilig" in page

    page = do(browser, letter, "save", **answer("Hoi, wat naar")).content.decode()
    assert "Hoi, wat naar" in page
    do(browser, letter, "send", **answer("Hoi, wat naar voor je.", version=1))

    assert texts(letter)[-1] == "Hoi, wat naar voor je."
    assert not Draft.objects.exists()
    assert letter.pk in browser.get("/desk/letters/?box=waiting").content.decode()


def test_the_desk_is_not_needed(letter: Conversation, anna: User) -> None:
    """Nobody is present and no consultation hour is open."""
    browser = sign_in(anna)

    do(browser, letter, "claim")

    letter.refresh_from_db()
    assert letter.worker == anna
    assert not hasattr(anna, "presence")


def test_who_opens_a_letter_leaves_one_row(letter: Conversation, bilal: User) -> None:
    browser = sign_in(bilal)
    for _time in range(2):
        assert browser.get(f"/desk/letters/{letter.pk}/").status_code == 200

    assert AuditEvent.objects.filter(verb="read", actor=bilal, conversation=letter.pk).count() == 1


def test_a_stranger_finds_nothing(letter: Conversation, carla: User) -> None:
    browser = sign_in(carla)

    assert browser.get(f"/desk/letters/{letter.pk}/").status_code == 404
    for deed in ("claim", "send", "close", "note", "read-along"):
        assert do(browser, letter, deed, **answer("Hoi")).status_code == 404
    draft = browser.post(f"/desk/letters/{letter.pk}/draft/", answer("Hoi"))
    assert draft.status_code == 404
    assert letter.pk not in browser.get("/desk/letters/?box=institution").content.decode()
    assert not AuditEvent.objects.filter(actor=carla).exists()


def test_a_chat_is_not_shown_as_a_letter(active_conversation: Conversation, anna: User) -> None:
    assert sign_in(anna).get(f"/desk/letters/{active_conversation.pk}/").status_code == 404


def test_a_colleague_does_not_see_a_draft_unasked(
    letter: Conversation, anna: User, bilal: User
) -> None:
    held_by(anna, letter, draft="Nog niet goed.")
    page = f"/desk/letters/{letter.pk}/"
    assert "Nog niet goed." not in sign_in(bilal).get(page).content.decode()

    SecondReading.ask(letter, rights_of(anna), bilal)

    assert "Nog niet goed." in sign_in(bilal).get(page).content.decode()
    assert AuditEvent.objects.filter(actor=bilal, detail="draft_read").count() == 1


def test_a_second_pair_of_eyes(letter: Conversation, anna: User, bilal: User) -> None:
    held_by(anna, letter)
    do(sign_in(anna), letter, "ask-reader", reader=bilal.pk, **answer("Hoi, wat naar."))
    assert Draft.objects.get().text() == "Hoi, wat naar."
    assert letter.pk in sign_in(bilal).get("/desk/letters/?box=asked").content.decode()

    wrong = do(sign_in(bilal), letter, "read-along", verdict="advice", note="")
    assert (wrong.status_code, "Schrijf erbij" in wrong.content.decode()) == (409, True)
    do(sign_in(bilal), letter, "read-along", verdict="advice", note="Noem 112.")

    assert "Noem 112." in sign_in(anna).get(f"/desk/letters/{letter.pk}/").content.decode()


def test_new_words_come_before_an_answer_and_nothing_typed_is_lost(
    letter: Conversation, anna: User
) -> None:
    held_by(anna, letter)
    Message.enclose(letter, "Nog iets!", client_id=new_id(), now=timezone.now())

    page = do(sign_in(anna), letter, "send", **answer("Mijn lange antwoord.", seen=1))

    assert page.status_code == 409
    assert "Mijn lange antwoord." in page.content.decode()
    assert "Nog iets!" in page.content.decode()
    assert letter.messages.count() == 2


def test_who_lost_a_letter_keeps_what_they_typed(
    letter: Conversation, anna: User, maas: Institution
) -> None:
    held_by(anna, letter)
    browser = sign_in(anna)
    own(letter, maas)
    Conversation.objects.filter(pk=letter.pk).update(status="waiting", worker=None)

    # Found a moment before it went.
    from chat import letter_page

    found = Conversation.objects.get(pk=letter.pk)
    calls = iter([found])
    original = letter_page.find
    letter_page.find = lambda staff, pk: next(calls, None) or original(staff, pk)
    try:
        page = do(browser, letter, "send", **answer("Mijn antwoord."))
    finally:
        letter_page.find = original

    assert page.status_code == 409
    assert "Mijn antwoord." in page.content.decode()
    assert "andere instelling" in page.content.decode()


def test_the_draft_is_kept_while_it_is_written(
    letter: Conversation, anna: User, bilal: User
) -> None:
    held_by(anna, letter)
    page = f"/desk/letters/{letter.pk}/draft/"

    assert sign_in(anna).post(page, answer("Hoi")).json() == {"version": 1}
    again = sign_in(anna).post(page, answer("Hoi, nog iets"))
    assert (again.status_code, again.json()["code"]) == (409, "changed")
    other = sign_in(bilal).post(page, answer("Hoi", version=1))
    assert (other.status_code, other.json()["code"]) == (409, "forbidden")
    assert sign_in(anna).post(page, {"text": "Hoi"}).status_code == 400
    assert sign_in(anna).post(page, answer("a" * 10_001, version=1)).status_code == 400


def test_handing_over_asks_the_young_person(
    letter: Conversation, anna: User, maas: Institution
) -> None:
    held_by(anna, letter)
    browser = sign_in(anna)

    page = do(browser, letter, "transfer", to=maas.pk, note="Woont daar.").content.decode()
    assert "mag Maaskracht antwoorden?" in page
    assert Transfer.objects.get().note_text() == "Woont daar."
    do(browser, letter, "withdraw-transfer")

    assert Transfer.objects.get().outcome == "withdrawn"


def test_notes_of_one_institution_do_not_go_to_the_next(
    letter: Conversation, anna: User, carla: User, maas: Institution
) -> None:
    held_by(anna, letter)
    do(sign_in(anna), letter, "note", note="Alleen voor ons.", client_id=new_id())
    Transfer.ask(letter, rights_of(anna), maas, "Voor jullie.").accept()

    page = sign_in(carla).get(f"/desk/letters/{letter.pk}/").content.decode()

    assert "Voor jullie." in page
    assert "Alleen voor ons." not in page


def test_what_a_second_reader_said_does_not_go_to_the_next_institution(
    letter: Conversation, anna: User, bilal: User, carla: User, maas: Institution
) -> None:
    held_by(anna, letter)
    do(sign_in(anna), letter, "ask-reader", reader=bilal.pk, **answer("Hoi, wat naar."))
    do(sign_in(bilal), letter, "read-along", verdict="advice", note="Alleen voor ons.")
    address = f"/desk/letters/{letter.pk}/"
    assert "Alleen voor ons." in sign_in(anna).get(address).content.decode()

    Transfer.ask(letter, rights_of(anna), maas, "Voor jullie.").accept()

    assert "Alleen voor ons." not in sign_in(carla).get(address).content.decode()


def test_a_note_from_under_a_clock_that_was_ahead_stays_as_well(
    letter: Conversation, anna: User, carla: User, maas: Institution
) -> None:
    held_by(anna, letter)
    do(sign_in(anna), letter, "note", note="Alleen voor ons.", client_id=new_id())
    Transfer.ask(letter, rights_of(anna), maas, "Voor jullie.").accept()
    letter.notes.update(at=timezone.now() + timedelta(hours=1))
    do(sign_in(carla), letter, "note", note="Nu van ons.", client_id=new_id())

    page = sign_in(carla).get(f"/desk/letters/{letter.pk}/").content.decode()

    assert "Alleen voor ons." not in page
    assert "Voor jullie." in page
    assert "Nu van ons." in page


def test_inviting_giving_back_closing(letter: Conversation, line: ServiceLine, anna: User) -> None:
    held_by(anna, letter)
    browser = sign_in(anna)
    hour = open_hour_for(line, anna)
    hour.local_date += timedelta(days=2)
    hour.save()

    do(browser, letter, "invite", hour=hour.pk)
    assert letter.invitation() is not None
    do(browser, letter, "uninvite")
    assert letter.invitation() is None
    assert do(browser, letter, "invite", hour=10**6).status_code == 400

    do(browser, letter, "return")
    do(browser, letter, "claim")
    assert do(browser, letter, "close", reason="finished", topic="family").status_code == 400
    closing = {"reason": "finished", "contact_kind": "about_self", "topic": "family"}
    # Something came that this page did not show yet: read that first.
    refused = do(browser, letter, "close", **closing, seen=0)
    assert refused.status_code == 409
    assert "Lees dat eerst" in refused.content.decode()
    do(browser, letter, "close", **closing, seen=letter.last_seq)

    letter.refresh_from_db()
    assert (letter.status, letter.topic) == ("closed", "family")
    assert do(browser, letter, "nothing").status_code == 404


def test_what_the_letter_is_about_stands_there_and_is_kept(
    letter: Conversation, anna: User
) -> None:
    """The questions before said so; a subcategory of another topic is refused."""
    Conversation.objects.filter(pk=letter.pk).update(topic="violence", topic_detail="bullying")
    held_by(anna, letter)
    browser = sign_in(anna)
    shown = browser.get(f"/desk/letters/{letter.pk}/").content.decode()
    assert '<option value="violence" selected>' in shown
    assert '<option value="bullying" selected>' in shown

    about = {"reason": "finished", "contact_kind": "about_self", "topic_detail": "bullying"}
    about["seen"] = str(letter.last_seq)
    assert do(browser, letter, "close", **about, topic="family").status_code == 409
    do(browser, letter, "close", **about, topic="violence")

    letter.refresh_from_db()
    assert (letter.status, letter.topic_detail) == ("closed", "bullying")


def test_a_letter_that_she_closed_is_registered(letter: Conversation, anna: User) -> None:
    held_by(anna, letter).end_letter(by="visitor", reason="by_visitor")
    browser = sign_in(anna)
    assert "Registreer nog" in browser.get("/desk/letters/?box=mine").content.decode()

    do(browser, letter, "register", contact_kind="test", topic="", risk="")

    letter.refresh_from_db()
    assert (letter.contact_kind, letter.topic) == ("test", "unknown")


def test_an_erased_letter_shows_no_word(letter: Conversation, anna: User, bilal: User) -> None:
    held_by(anna, letter, draft="Hoi")
    reading = SecondReading.ask(letter, rights_of(anna), bilal)
    reading.answer(rights_of(bilal), verdict="advice", note="Korter.")
    do(sign_in(anna), letter, "note", note="Een notitie.", client_id=new_id())
    ConversationKey.objects.all().delete()
    data_keys.forget_all()

    page = sign_in(anna).get(f"/desk/letters/{letter.pk}/")

    assert page.status_code == 200
    assert "De tekst van deze brief is gewist." in page.content.decode()
    assert "Een notitie." not in page.content.decode()


# --- Figures --------------------------------------------------------------------------------------


def answers(line: ServiceLine, institution: Institution, in_time: int, late: int = 0) -> None:
    now = timezone.now()
    for number in range(in_time + late):
        letter = own(write_letter(line), institution)
        LetterAnswer.objects.create(
            conversation=letter,
            institution=institution,
            asked_at=now - timedelta(hours=30),
            due_at=now + timedelta(hours=1 if number < in_time else -1),
            answered_at=now,
        )


def test_figures_tell_how_letters_go(line: ServiceLine, zuid: Institution, dirk: User) -> None:
    answers(line, zuid, 6, 2)
    now = timezone.now()
    Conversation.objects.filter(pk=Conversation.objects.first().pk).update(due_at=now)  # type: ignore[union-attr]

    rows, total = letter_figures.read({zuid.pk: zuid.name}, now - timedelta(weeks=1), now)

    row = rows[0]
    assert (row.came, row.answered, row.in_time, row.percent) == (8, 8, 6, 75)
    assert (row.took, row.open, row.overdue) == ("1 dag 6 uur", 8, 1)
    assert total.percent == 75
    page = sign_in(dirk).get("/desk/letters/figures/?weeks=4").content.decode()
    assert "75%" in page
    assert "1 dag 6 uur" in page


def test_small_numbers_are_not_told(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    answers(line, zuid, 9)
    answers(line, maas, 2)
    now = timezone.now()
    names = {zuid.pk: zuid.name, maas.pk: maas.name}

    rows, total = letter_figures.read(names, now - timedelta(weeks=1), now)

    # The other one as well: else it is what the total leaves over.
    assert [(row.came, row.answered, row.percent, row.took) for row in rows] == [
        (None, None, None, ""),
        (None, None, None, ""),
    ]
    assert (total.came, total.answered) == (11, 11)


def test_a_coordinator_sees_their_own_institution(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    answers(line, zuid, 6)
    answers(line, maas, 6)
    greta = make_user("Greta", (maas, "coordinator"))

    page = sign_in(greta).get("/desk/letters/figures/").content.decode()

    assert "Maaskracht" in page
    assert "Welzijn Zuid" not in page
