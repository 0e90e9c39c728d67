"""Letters by plain forms: writing one, its code, what is new, writing on, and erasing."""

from datetime import time, timedelta
from io import BytesIO
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone
from PIL import Image

from chat import jobs, pressure
from chat.models import (
    Conversation,
    Message,
    ReturnCode,
    Transfer,
    Visitor,
)
from chat.reading import intake_of, read_messages
from chat.writer import writer
from institutions.models import Brand, Institution, User
from roster.models import ConsultationHour, ServiceLine
from tests.chat.test_letters import TEXT, a_letter, answer, new_id, take
from tests.people import begin_visit, rights_of, visitor_browser
from tests.triage.forms import COOKIE, act, another, code_of, go, nothing_changes, send, text_of
from triage.code_picture import code_picture

pytestmark = pytest.mark.django_db(transaction=True)


# --- Writing one ----------------------------------------------------------------------------------


def test_when_the_chat_is_closed_the_first_page_leads_to_a_letter(
    newcomer: Client, line: ServiceLine, zuid: Institution, anna: User
) -> None:
    assert "Schrijf een brief" in text_of(newcomer.get("/"))
    assert act(newcomer, "letter")["Location"] == "/?start=1"
    assert "Waar wil je over praten?" in text_of(newcomer.get("/"))
    assert "Ben je nu veilig?" in go(newcomer, "answer", step=0, topic="family")
    assert "Schrijf je brief" in go(newcomer, "skip_all")
    assert send(newcomer).status_code == 303

    letter = Conversation.objects.get()
    assert (letter.kind, letter.status, letter.institution) == ("letter", "waiting", zuid)
    assert [one.text for one in read_messages(letter.pk, 0)] == [TEXT]
    assert intake_of(letter, "nl")["answers"]
    page = text_of(newcomer.get("/"))
    assert "Je brief is bij ons" in page
    assert "Je krijgt een antwoord, uiterlijk" in page
    assert "Laat mijn code zien" in page
    assert TEXT not in page


def test_sending_twice_makes_one_letter(newcomer: Client, line: ServiceLine, anna: User) -> None:
    act(newcomer, "letter")
    go(newcomer, "skip_all")
    client_id = new_id()
    for _click in range(2):
        assert send(newcomer, client_id=client_id).status_code == 303
    assert Message.objects.count() == 1


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"text": "  "}, "Je hebt nog niets geschreven."),
        ({"text": "x" * 10_001}, "Dit is te lang."),
        ({"answer_by": ""}, "Kies hoe je het antwoord wilt krijgen."),
        ({"answer_by": "notice", "address": ""}, "Vul je e-mailadres in"),
        ({"answer_by": "mail", "address": "geen adres"}, "Dit is geen e-mailadres."),
    ],
)
def test_what_is_not_right_is_said_and_nothing_typed_is_lost(
    newcomer: Client, line: ServiceLine, fields: dict[str, str], says: str
) -> None:
    act(newcomer, "letter")
    go(newcomer, "skip_all")
    given = {"text": TEXT, "address": "ik@example.org"} | fields
    with nothing_changes():
        response = send(newcomer, **given)
    assert response.status_code == 400
    assert says in text_of(response)
    assert given["text"].strip() in text_of(response)
    assert given["address"] in response.content.decode()


def test_without_a_visit_nothing_can_be_sent(newcomer: Client, line: ServiceLine) -> None:
    with nothing_changes():
        assert send(newcomer).status_code == 409
        for action in ("code", "code_picture", "held", "erase", "erase_now", "letter_older"):
            assert act(newcomer, action).status_code == 409


def test_who_waits_keeps_the_place_until_the_letter_is_sent(
    waiting_conversation: Conversation, open_hour: ConsultationHour, visitor: Visitor
) -> None:
    browser = visitor_browser(visitor)
    assert "Ik wil niet wachten" in text_of(browser.get("/"))
    with nothing_changes():
        page = text_of(act(browser, "letter"))
    assert "sta je nog in de wachtrij" in page
    assert send(browser).status_code == 303
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.kind == "letter"
    assert waiting_conversation.changes.last().reason == "chosen"


def test_a_worker_who_came_first_wins_and_the_words_are_kept(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    browser = visitor_browser(visitor)
    with nothing_changes():
        response = send(browser)
    assert response.status_code == 409
    assert "Er is net iemand voor je vrij!" in text_of(response)
    assert TEXT in text_of(response)


def test_after_a_chat_a_letter_goes_on_with_the_same_answers(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    Conversation.objects.filter(pk=active_conversation.pk).update(
        region="GM0917", age_band="12_14", wishes=["woman"], danger=True, urgency="soon"
    )
    active_conversation.abandon(reason="closed")
    browser = visitor_browser(visitor)
    assert "Wil je nog iets kwijt?" in text_of(browser.get("/"))
    assert "Schrijf je brief" in text_of(act(browser, "letter"))
    send(browser)
    letter = Conversation.objects.letters().get()
    assert letter.follows == active_conversation
    assert intake_of(letter, "nl") == intake_of(active_conversation, "nl")
    assert (letter.region, letter.age_band, letter.wishes) == ("GM0917", "12_14", ["woman"])
    assert (letter.danger, letter.urgency) == (True, "soon")
    assert "Je brief is bij ons" in text_of(browser.get("/"))


def test_who_could_not_be_helped_in_time_is_offered_a_letter(
    waiting_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    jobs.end_waiting_after_hours(timezone.now() + timedelta(hours=2))
    browser = visitor_browser(visitor)
    page = text_of(browser.get("/"))
    assert "Het lukte vandaag niet meer" in page
    assert "Schrijf een brief" in page
    assert send(browser).status_code == 303
    assert Conversation.objects.letters().get().follows == waiting_conversation


def test_what_she_wrote_in_the_queue_before_she_left_it_goes_along(
    waiting_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    browser = visitor_browser(visitor)
    go(browser, "post", client_id=new_id(), text="Is er al iemand?")
    go(browser, "leave")
    assert "Wat je in de wachtrij al had geschreven, gaat mee." in text_of(act(browser, "letter"))
    send(browser)
    letter = Conversation.objects.letters().get()
    assert [one.text for one in read_messages(letter.pk, 0)] == ["Is er al iemand?", TEXT]


def test_what_she_wrote_in_the_queue_is_a_letter_after_hours_and_the_page_says_so(
    waiting_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    browser = visitor_browser(visitor)
    go(browser, "post", client_id=new_id(), text="Is er al iemand?")
    jobs.end_waiting_after_hours(timezone.now() + timedelta(hours=2))
    page = text_of(browser.get("/"))
    assert "Het lukte vandaag niet meer. Nu is het een brief." in page
    assert "Laat mijn code zien" in page
    assert "Is er al iemand?" in text_of(act(browser, "letter_older"))


def test_many_letters_cost_a_wait_or_some_work_and_none_is_refused(
    brand: Brand, line: ServiceLine, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    def write() -> tuple[Client, Any]:
        browser = another()
        act(browser, "letter")
        go(browser, "skip_all")
        return browser, send(browser)

    for _pupil in range(pressure.letters.own):
        assert write()[1].status_code == 303
    browser, refused = write()
    assert refused.status_code == 429
    assert "Wacht 20 tellen" in text_of(refused)
    assert TEXT in text_of(refused)
    proof = refused.context["proof"]
    # At once is too soon; after the wait it is good, once.
    assert send(browser, wait=proof["wait"]).status_code == 429
    monkeypatch.setattr(pressure, "WAIT", timedelta(seconds=-1))
    assert send(browser, wait=proof["wait"] + "x").status_code == 429
    assert send(browser, wait=proof["wait"]).status_code == 303
    browser, _refused = write()
    assert send(browser, wait=proof["wait"]).status_code == 429


def test_words_that_ask_for_haste_raise_the_urgency_and_show_the_help_lines(
    newcomer: Client, line: ServiceLine, anna: User
) -> None:
    act(newcomer, "letter")
    go(newcomer, "skip_all")
    send(newcomer, text="Ik wil niet meer leven.")
    letter = Conversation.objects.get()
    assert letter.urgency == "now"
    assert [change.reason for change in letter.changes.all()] == ["letter", "urgent_now"]
    assert "Nu in gevaar? Bel meteen" in text_of(newcomer.get("/"))


def test_writing_on_can_raise_the_urgency_and_never_lowers_it(
    hers: Client, letter: Conversation
) -> None:
    go(hers, "letter_post", client_id=new_id(), text="Ik wil niet meer leven.")
    letter.refresh_from_db()
    assert letter.urgency == "now"
    go(hers, "letter_post", client_id=new_id(), text="Het gaat wel weer.")
    letter.refresh_from_db()
    assert letter.urgency == "now"


# --- The code -------------------------------------------------------------------------------------


def test_the_code_is_shown_on_purpose_and_brings_back_in_any_browser(
    hers: Client, letter: Conversation, anna: User
) -> None:
    words = code_of(hers)
    assert len(words.split()) == 7
    assert words not in text_of(hers.get("/"))
    assert code_of(hers) == words
    take(letter, anna)
    answer(letter, anna, "Dag, wat goed dat je schrijft.")

    other = another()
    page = other.get("/terug/")
    assert "<title>Klik</title>" in page.content.decode()
    response = other.post("/terug/", {"words": words.upper()})
    assert (response.status_code, response["Location"]) == (303, "/")
    page = text_of(other.get("/"))
    assert "Er is een antwoord" in page
    assert "Dag, wat goed dat je schrijft." in page
    assert TEXT not in page
    assert TEXT in text_of(act(other, "letter_older"))
    assert code_of(other) == words
    writer.stop()  # it has written now that she saw it
    letter.refresh_from_db()
    assert letter.visitor_seq == 2
    # The browser before it is out.
    assert COOKIE in hers.get("/").cookies
    assert act(hers, "letter_older").status_code == 409


def test_a_code_with_a_typing_error_works(hers: Client) -> None:
    words = code_of(hers).split()
    words[2] = words[2][0] + "x" + words[2][1:]
    words[5] = words[5][:5]
    assert another().post("/terug/", {"words": ", ".join(words)}).status_code == 303


@pytest.mark.parametrize(
    ("words", "status", "says"),
    [
        ("", 400, "Vul je zeven woorden in."),
        ("olifant", 400, "Dat zijn geen zeven woorden."),
        ("adres adres adres adres adres adres qqqqqq", 400, "Woord 7 kennen we niet."),
        ("adres adres adres adres adres adres adres", 404, "kennen we niet. Kijk ze nog eens na"),
        ("x" * 500, 400, "Dat zijn er te veel."),
    ],
)
def test_a_wrong_code_leads_nowhere_and_says_why(
    hers: Client, words: str, status: int, says: str
) -> None:
    with nothing_changes():
        response = another().post("/terug/", {"words": words})
    assert response.status_code == status
    assert says in text_of(response)
    assert not response.cookies


def test_wrong_codes_are_slowed_down_and_the_right_one_still_works(
    hers: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = code_of(hers)
    other = another()
    for _guess in range(pressure.wrong_codes.own):
        assert other.post("/terug/", {"words": "adres " * 7}).status_code == 404
    refused = other.post("/terug/", {"words": words})
    assert refused.status_code == 429
    assert words in text_of(refused)
    wait = refused.context["proof"]["wait"]
    monkeypatch.setattr(pressure, "WAIT", timedelta(seconds=-1))
    assert other.post("/terug/", {"words": words, "wait": wait}).status_code == 303


def test_the_picture_says_nothing_but_the_words(hers: Client, brand: Brand) -> None:
    words = code_of(hers)
    response = act(hers, "code_picture")
    assert response["Content-Type"] == "image/png"
    assert response["Content-Disposition"] == 'attachment; filename="notitie.png"'
    assert response["Cache-Control"] == "no-store"
    assert response.content == code_picture(words) != code_picture(words[::-1])
    picture = Image.open(BytesIO(response.content))
    assert picture.info == {}
    # Seven lines of ink, and empty paper between and around them.
    rows = [
        min(picture.crop((0, y, picture.width, y + 1)).tobytes()) < 100
        for y in range(picture.height)
    ]
    begins = [y for y in range(1, picture.height) if rows[y] and not rows[y - 1]]
    dots = sum(word.count("i") + word.count("j") for word in words.split())
    assert 7 <= len(begins) <= 7 + dots
    assert not rows[0]
    assert not rows[-1]


def test_a_new_code_replaces_the_one_that_somebody_saw(hers: Client) -> None:
    old = code_of(hers)
    new = act(hers, "code_new").context["code"]
    assert another().post("/terug/", {"words": old}).status_code == 404
    assert another().post("/terug/", {"words": new}).status_code == 303


def test_during_a_chat_no_other_visit_can_be_opened_over_it(
    active_conversation: Conversation, visitor: Visitor, brand: Brand, line: ServiceLine
) -> None:
    author = begin_visit(brand)
    a_letter(author, line)
    words = code_of(visitor_browser(author))
    response = visitor_browser(visitor).post("/terug/", {"words": words})
    assert response.status_code == 409


# --- Writing on -----------------------------------------------------------------------------------


def test_she_writes_on_and_a_closed_letter_opens_again(hers: Client, letter: Conversation) -> None:
    assert "Deze brief is afgesloten" in go(hers, "letter_close")
    client_id = new_id()
    for _click in range(2):
        go(hers, "letter_post", client_id=client_id, text="Toch nog iets.")
    letter.refresh_from_db()
    assert letter.status == "waiting"
    assert letter.last_seq == 2


def test_the_open_page_hears_what_is_new_and_words_go_by_the_form_only(
    hers: Client, letter: Conversation, brand: Brand
) -> None:
    hello = {"type": "hello", "conversation": letter.pk, "after": 0}
    words = {"type": "message.post", "client_id": new_id(), "text": "Hoi"}
    frames = {"frames": [hello, words]}
    answers = hers.post("/visit/frames/", frames, content_type="application/json").json()["frames"]
    assert (answers[0]["kind"], answers[0]["top"], answers[0]["place"]) == ("letter", 1, None)
    assert [one["code"] for one in answers if one["type"] == "message.refused"] == ["wrong_state"]
    assert Message.objects.count() == 1
    stranger = visitor_browser(begin_visit(brand))
    answers = stranger.post("/visit/frames/", frames, content_type="application/json").json()
    assert TEXT not in str(answers)


def test_what_cannot_be_stored_stays_in_the_field(hers: Client) -> None:
    with nothing_changes():
        response = act(hers, "letter_post", client_id=new_id(), text="x" * 10_001)
    assert response.status_code == 409
    assert "Niet verstuurd." in text_of(response)
    assert "x" * 10_001 in response.content.decode()


def test_the_way_to_be_answered_can_change_and_the_address_goes(
    hers: Client, letter: Conversation
) -> None:
    go(hers, "letter_answer", answer_by="mail", address="ik@example.org")
    letter.refresh_from_db()
    assert letter.address() == "ik@example.org"
    with nothing_changes():
        response = act(hers, "letter_answer", answer_by="notice", address="nee")
    assert response.status_code == 400
    assert "Dit is geen e-mailadres." in text_of(response)
    assert "ik@example.org" not in hers.get("/").content.decode()
    go(hers, "letter_answer", answer_by="notice", address="")
    letter.refresh_from_db()
    assert (letter.answer_by, letter.address()) == ("notice", "ik@example.org")
    go(hers, "letter_answer", answer_by="code", address="ik@example.org")
    letter.refresh_from_db()
    assert letter.sealed_address is None


def test_an_invitation_keeps_a_place_in_the_chat(
    hers: Client, letter: Conversation, open_hour: ConsultationHour, anna: User
) -> None:
    letter.invitations.create(hour=open_hour, made_by=anna)
    assert "Je bent uitgenodigd om te chatten" in text_of(hers.get("/"))
    assert "Je wacht op" in go(hers, "letter_chat")
    chat = Conversation.objects.chats().get()
    assert (chat.follows, chat.keeps_place) == (letter, True)
    chat.abandon(reason="left")
    assert "Terug naar je brief" in text_of(hers.get("/"))
    assert "Je brief is bij ons" in go(hers, "to_letter")


def test_with_an_invitation_and_a_closed_chat_nothing_starts(
    hers: Client, letter: Conversation, open_hour: ConsultationHour, anna: User, closed: Any
) -> None:
    letter.invitations.create(hour=open_hour, made_by=anna)
    closed()
    assert "Je plek blijft bewaard" in text_of(hers.get("/"))
    with nothing_changes():
        assert act(hers, "letter_chat").status_code == 409


def test_an_invitation_for_later_is_told_and_not_used_up_by_a_chat_before(
    hers: Client, letter: Conversation, open_hour: ConsultationHour, line: ServiceLine, anna: User
) -> None:
    start = (timezone.now() + timedelta(days=1)).astimezone(line.zone).replace(hour=19, minute=0)
    later = ConsultationHour.objects.create(
        line=line,
        local_date=start.date(),
        local_start=time(19),
        local_end=time(21),
        tz=line.tz,
        min_staff=1,
    )
    invitation = letter.invitations.create(hour=later, made_by=anna)
    assert "tussen 19:00 en 21:00 uur terug met je code" in text_of(hers.get("/"))
    assert "Je wacht op" in go(hers, "letter_chat")
    assert not Conversation.objects.chats().get().keeps_place
    invitation.refresh_from_db()
    assert invitation.used_at is None


@pytest.mark.parametrize(("says", "owner"), [("yes", "Maaskracht"), ("no", "Welzijn Zuid")])
def test_she_decides_whether_another_institution_may_answer(
    hers: Client, letter: Conversation, anna: User, carla: User, says: str, owner: str
) -> None:
    maas = Institution.objects.get(name="Maaskracht")
    Conversation.objects.filter(pk=letter.pk).update(institution=anna.memberships.get().institution)
    letter.refresh_from_db()
    take(letter, anna)
    transfer = Transfer.ask(letter, rights_of(anna), maas, "Kijk jij hiernaar?")
    assert "We denken dat Maaskracht je beter kan helpen" in text_of(hers.get("/"))
    with nothing_changes():
        assert act(hers, f"transfer_{says}", transfer=transfer.pk + 1).status_code == 409
    go(hers, f"transfer_{says}", transfer=transfer.pk)
    letter.refresh_from_db()
    assert letter.institution is not None
    assert letter.institution.name == owner
    assert act(hers, "transfer_yes", transfer=transfer.pk).status_code == 409


def test_going_away_leaves_the_letter_and_takes_the_visit(
    hers: Client, letter: Conversation
) -> None:
    words = code_of(hers)
    go(hers, "new")
    assert "Was je hier eerder?" in text_of(hers.get("/"))
    letter.refresh_from_db()
    assert letter.status == "waiting"
    assert another().post("/terug/", {"words": words}).status_code == 303


def test_a_stranger_sees_and_changes_nothing(
    hers: Client, letter: Conversation, brand: Brand, line: ServiceLine
) -> None:
    code_of(hers)
    stranger = begin_visit(brand)
    a_letter(stranger, line, text="Een andere brief.")
    theirs = visitor_browser(stranger)
    assert TEXT not in text_of(act(theirs, "letter_older"))
    go(theirs, "letter_post", client_id=new_id(), text="Hoi", conversation=letter.pk)
    act(theirs, "erase_now")
    assert [one.text for one in read_messages(letter.pk, 0)] == [TEXT]
    assert ReturnCode.objects.filter(visitor=letter.visitor).exists()
