"""A visit by plain forms, from the first page into the queue: every action, every refusal."""

import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import Conversation, Visitor
from institutions.models import Brand, User
from roster.models import ConsultationHour, OpenOverride, ServiceLine
from tests.people import begin_visit, visitor_browser
from tests.triage.forms import COOKIE, act, ask, go, nothing_changes, text_of
from triage.models import Intake

# --- From the first page into the queue ---------------------------------------------------------


def test_the_first_page_says_until_when_and_sets_no_cookie(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    response = newcomer.get("/")
    text = text_of(response)
    assert response.status_code == 200
    assert "De chat is open tot" in text
    assert "Begin met chatten" in text
    assert "We wissen het binnen 30 dagen na het einde" in text
    assert "0800-2000" in text
    assert "0800-0432" in text
    assert not response.cookies
    assert not Visitor.objects.exists()


def test_from_click_to_queue_in_six_answers(newcomer: Client, open_hour: ConsultationHour) -> None:
    started = act(newcomer, "start")
    assert started.status_code == 303
    assert started["Location"] == "/?start=1"
    assert newcomer.get("/?start=1")["Location"] == "/"
    assert "Vraag 1 van 6" in text_of(newcomer.get("/"))
    assert "Ben je nu veilig?" in go(newcomer, "answer", step=0, topic="family")
    assert "Hoe zwaar voelt het nu?" in go(newcomer, "answer", step=1, safe="unsure")
    assert "Wil je alvast iets schrijven?" in go(newcomer, "answer", step=2, heavy="2")
    page = go(newcomer, "answer", step=3, words="ik snap het niet meer")
    assert "Hoe oud ben je?" in page
    assert "Waar woon je?" in go(newcomer, "answer", step=4, age="12_14")
    page = go(newcomer, "answer", step=5, place_text="6411")
    conversation = Conversation.objects.get()
    assert conversation.status == Conversation.Status.WAITING
    assert conversation.urgency == Conversation.Urgency.SOON
    assert "Je wacht op" in page
    assert not Intake.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_visit_has_exactly_one_cookie(
    newcomer: Client, open_hour: ConsultationHour, anna: User
) -> None:
    cookies = set()
    for action, fields in (
        ("start", {}),
        ("language", {"language": "en"}),
        ("skip", {"step": 0}),
        ("nonsense", {}),
        ("skip_all", {}),
        ("post", {"client_id": uuid.uuid4(), "text": "hallo"}),
        ("leave", {}),
    ):
        cookies |= set(act(newcomer, action, **fields).cookies)
        cookies |= set(newcomer.get("/").cookies)
        cookies |= set(newcomer.get("/privacy/").cookies)
    assert cookies == {COOKIE}
    assert set(newcomer.cookies) == {COOKIE}


def test_the_cookie_is_only_for_this_session_and_for_no_script(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    cookie = act(newcomer, "start").cookies[COOKIE]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert not cookie["expires"]
    assert not cookie["max-age"]
    assert not cookie["domain"]


def test_a_browser_that_keeps_no_cookies_is_told_so(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    act(newcomer, "start")
    newcomer.cookies.clear()
    response = newcomer.get("/?start=1")
    assert response.status_code == 409
    assert "Je browser onthoudt deze site niet" in text_of(response)


def test_reload_keeps_step_and_answers(newcomer: Client, open_hour: ConsultationHour) -> None:
    ask(newcomer)
    go(newcomer, "answer", step=0, topic="peers")
    assert "Ben je nu veilig?" in text_of(newcomer.get("/"))
    go(newcomer, "back", step=1)
    assert 'value="peers" checked' in newcomer.get("/").content.decode()


def test_what_is_filled_in_so_far_outlives_a_reload_and_is_no_answer_yet(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    assert act(newcomer, "keep", step=0, topic="peers").status_code == 204
    assert 'value="peers" checked' in newcomer.get("/").content.decode()
    go(newcomer, "skip", step=0)
    go(newcomer, "back", step=1)
    assert "checked" not in newcomer.get("/").content.decode(), "skipping forgets it"
    for step in range(3):
        go(newcomer, "skip", step=step)
    act(newcomer, "keep", step=3, words="er is ruzie")
    assert "er is ruzie" in text_of(newcomer.get("/"))
    act(newcomer, "keep", step=3, words="x" * 501)
    assert "er is ruzie" in text_of(newcomer.get("/")), "what cannot be kept changes nothing"
    act(newcomer, "keep", step=3, words="")
    assert "er is ruzie" not in text_of(newcomer.get("/"))


def test_another_language_takes_along_what_is_filled_in(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    page = newcomer.get("/").content.decode()
    assert page.count('form="answer" name="language"') == 2
    sent = {"language": "en", "step": 0, "topic": "peers"}
    assert newcomer.post("/", sent).status_code == 303
    page = newcomer.get("/").content.decode()
    assert "What would you like to talk about?" in page
    assert 'value="peers" checked' in page
    # What is left empty on an older page takes nothing away.
    go(newcomer, "answer", step=0, topic="peers")
    assert newcomer.post("/", {"language": "nl", "step": 0}).status_code == 303
    go(newcomer, "back", step=1)
    assert 'value="peers" checked' in newcomer.get("/").content.decode()


def test_what_was_on_its_way_too_long_is_not_kept(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    go(newcomer, "answer", step=0, topic="family")
    with nothing_changes():
        assert act(newcomer, "keep", step=0, topic="peers").status_code == 204
        assert act(newcomer, "keep", step=99).status_code == 409
        assert act(newcomer, "keep", step="x").status_code == 400
    go(newcomer, "skip_all")
    assert Conversation.objects.get().topic == "family"
    assert act(newcomer, "keep", step=1, safe="no").status_code == 409


def test_words_that_are_kept_show_the_help_lines_and_wait_for_the_button(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    for step in range(3):
        go(newcomer, "skip", step=step)
    act(newcomer, "keep", step=3, words="ik wil dood")
    page = text_of(newcomer.get("/"))
    assert "Goed dat je het zegt." in page
    assert "Wil je alvast iets schrijven?" in page
    go(newcomer, "skip", step=3)
    assert "Goed dat je het zegt." not in text_of(newcomer.get("/"))


def test_one_question_or_all_can_be_skipped(newcomer: Client, open_hour: ConsultationHour) -> None:
    ask(newcomer)
    assert "Ben je nu veilig?" in go(newcomer, "skip", step=0)
    assert "Je wacht op" in go(newcomer, "skip_all")
    assert Conversation.objects.get().urgency == Conversation.Urgency.NORMAL


def test_nothing_chosen_is_a_friendly_word_and_no_step(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    with nothing_changes():
        response = act(newcomer, "answer", step=0)
    assert response.status_code == 400
    assert "Je hebt nog niets gekozen" in text_of(response)
    assert "Waar wil je over praten?" in text_of(response)


def test_own_words_may_stay_empty(newcomer: Client, open_hour: ConsultationHour) -> None:
    ask(newcomer)
    for step in range(3):
        go(newcomer, "skip", step=step)
    assert "Hoe oud ben je?" in go(newcomer, "answer", step=3, words="  ")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"words": "x" * 501}, "Dit is te lang"),
        ({"words": "a\x00b"}, "tekens in die we niet kunnen bewaren"),
        ({"words": "a\u202eb"}, "tekens in die we niet kunnen bewaren"),
    ],
)
def test_a_wrong_answer_is_explained_and_what_was_typed_stays(
    newcomer: Client, open_hour: ConsultationHour, fields: dict[str, str], said: str
) -> None:
    ask(newcomer)
    for step in range(3):
        go(newcomer, "skip", step=step)
    with nothing_changes():
        response = act(newcomer, "answer", step=3, **fields)
    assert response.status_code == 400
    assert said in text_of(response)
    if len(fields.get("words", "")) > 500:
        assert "x" * 501 in response.content.decode()


def test_five_hundred_letters_with_line_ends_fit(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    for step in range(3):
        go(newcomer, "skip", step=step)
    assert "Hoe oud ben je?" in go(newcomer, "answer", step=3, words="a\r\n" * 249 + "aa")


# --- Danger -------------------------------------------------------------------------------------


def test_danger_shows_the_help_lines_at_once_and_blocks_nothing(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    assert "Goed dat je het zegt" not in go(newcomer, "skip", step=0)
    page = go(newcomer, "answer", step=1, safe="no")
    assert "Goed dat je het zegt" in page
    assert "Je kunt ook gewoon doorgaan met de chat" in page
    assert "Hoe zwaar voelt het nu?" in page
    later = go(newcomer, "skip", step=2)
    assert "Goed dat je het zegt" not in later
    assert "Nu in gevaar? Bel meteen:" in later
    assert "Je wacht op" in go(newcomer, "skip_all")
    assert Conversation.objects.get().urgency == Conversation.Urgency.NOW


# --- Not open, and closed meanwhile -------------------------------------------------------------


def test_when_it_is_not_open_the_page_says_so_and_names_other_help(
    newcomer: Client, line: ServiceLine
) -> None:
    text = text_of(newcomer.get("/"))
    assert "De chat is nu dicht" in text
    assert "Begin met chatten" not in text
    assert "Nu hulp nodig?" in text


def test_a_brand_without_a_line_is_closed(newcomer: Client, brand: Brand) -> None:
    assert "De chat is nu niet open" in text_of(newcomer.get("/"))
    with nothing_changes():
        assert act(newcomer, "start").status_code == 409


def test_starting_when_it_just_closed_is_refused_and_keeps_nothing(
    newcomer: Client, open_hour: ConsultationHour, closed: Any
) -> None:
    newcomer.get("/")
    closed()
    with nothing_changes():
        response = act(newcomer, "start")
    assert response.status_code == 409
    assert "niet open" in text_of(response)
    assert not response.cookies


def test_when_it_closes_during_the_questions_the_answers_stay(
    newcomer: Client, open_hour: ConsultationHour, closed: Any, anna: User, bilal: User
) -> None:
    ask(newcomer)
    go(newcomer, "answer", step=0, topic="violence")
    closed()
    page = go(newcomer, "skip_all")
    assert "je kunt er nu net niet in" in page
    assert "Nu hulp nodig?" in page
    assert not Conversation.objects.exists()
    assert "je kunt er nu net niet in" in go(newcomer, "start")

    from tests.people import be_present

    be_present(anna, bilal)
    assert "De chat is weer open" in text_of(newcomer.get("/"))
    assert "Je wacht op" in go(newcomer, "start")
    assert Conversation.objects.get().urgency == Conversation.Urgency.SOON


def test_a_coordinator_who_closes_it_by_hand_closes_this_page_too(
    newcomer: Client, open_hour: ConsultationHour, line: ServiceLine, dirk: User
) -> None:
    ask(newcomer)
    OpenOverride.objects.create(
        line=line,
        is_open=False,
        until=timezone.now() + timedelta(hours=1),
        reason="brandalarm",
        author=dirk,
    )
    page = go(newcomer, "skip_all")
    assert "je kunt er nu net niet in" in page
    assert "brandalarm" not in page


# --- Double clicks, stale pages, strangers ------------------------------------------------------


def test_a_double_click_starts_one_visit(newcomer: Client, open_hour: ConsultationHour) -> None:
    act(newcomer, "start")
    act(newcomer, "start")
    assert Visitor.objects.count() == 1
    assert Intake.objects.count() == 1


def test_a_double_click_on_the_last_button_starts_one_chat(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    go(newcomer, "skip_all")
    for action in ("skip_all", "start", "skip", "answer"):
        assert "Je wacht op" in go(newcomer, action, step=3)
    assert Conversation.objects.count() == 1


def test_a_stale_page_is_told_where_the_visit_is(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    go(newcomer, "answer", step=0, topic="family")
    go(newcomer, "answer", step=1, safe="yes")
    for action, fields in (
        ("answer", {"step": 0, "topic": "peers"}),
        ("answer", {"step": 1, "safe": "no"}),
        ("answer", {"step": 0, "topic": "weather"}),
        ("answer", {"step": 7, "topic": "peers"}),
        ("skip", {"step": 0}),
        ("skip", {"step": 99}),
        ("back", {"step": 1}),
        ("post", {"text": "hallo", "client_id": uuid.uuid4()}),
        ("leave", {}),
        ("write", {}),
        ("feedback", {"heard": 3}),
        ("new", {}),
    ):
        with nothing_changes():
            response = act(newcomer, action, **fields)
        assert response.status_code == 409, action
        assert 'role="alert"' in response.content.decode(), action
        assert "Hoe zwaar voelt het nu?" in text_of(response), action


@pytest.mark.parametrize(
    "fields",
    [
        {"action": "fly"},
        {"action": ""},
        {},
        {"action": "answer"},
        {"action": "answer", "step": "one"},
        {"action": "answer", "step": "-1"},
        {"action": "back", "step": "9" * 40},
        {"action": "language", "language": "xx"},
        {"action": "language"},
    ],
)
def test_what_is_not_understood_is_said_and_changes_nothing(
    newcomer: Client, open_hour: ConsultationHour, fields: dict[str, str]
) -> None:
    ask(newcomer)
    with nothing_changes():
        response = newcomer.post("/", fields)
    assert response.status_code == 400
    assert "Dat begreep de site niet" in text_of(response)


@pytest.mark.parametrize(
    "action",
    ["answer", "back", "skip", "skip_all", "post", "write", "leave", "feedback", "new"],
)
@pytest.mark.parametrize("token", ["", "not-a-token", "x" * 5000])
def test_without_a_visit_everything_leads_back_to_the_beginning(
    newcomer: Client, open_hour: ConsultationHour, action: str, token: str
) -> None:
    if token:
        newcomer.cookies[COOKIE] = token
    with nothing_changes():
        response = act(newcomer, action, step=0, text="x", client_id=uuid.uuid4())
    assert response.status_code == 409
    assert "Je bezoek is voorbij" in text_of(response)
    assert "Begin met chatten" in text_of(response)
    if token:
        assert response.cookies[COOKIE]["max-age"] == 0


@pytest.mark.django_db(transaction=True)
def test_a_stranger_sees_and_changes_nothing_of_another_visit(
    active_conversation: Conversation, brand: Brand, visitor: Visitor
) -> None:
    mine = visitor_browser(visitor)
    go(mine, "post", text="alleen voor mij", client_id=uuid.uuid4())
    stranger = visitor_browser(begin_visit(brand))
    assert "alleen voor mij" in mine.get("/").content.decode()
    assert "alleen voor mij" not in stranger.get("/").content.decode()
    for action in ("post", "leave", "feedback", "new"):
        with nothing_changes():
            assert act(stranger, action, text="x", client_id=uuid.uuid4()).status_code == 409


@pytest.mark.parametrize(
    "headers",
    [
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
        {"origin": "https://elsewhere.example"},
        {"origin": "null"},
    ],
)
def test_another_site_cannot_act_in_a_visit(
    waiting_conversation: Conversation, visitor: Visitor, headers: dict[str, str]
) -> None:
    browser = Client(headers=headers)
    browser.cookies[COOKIE] = visitor.token  # type: ignore[attr-defined]
    for action in ("leave", "exit", "start", "post"):
        with nothing_changes():
            assert act(browser, action).status_code == 403


def test_other_methods_are_refused(newcomer: Client, brand: Brand) -> None:
    assert newcomer.put("/").status_code == 405
    assert newcomer.delete("/").status_code == 405
    assert newcomer.head("/").status_code == 200
    assert newcomer.post("/privacy/").status_code in (403, 405)


# --- Language -----------------------------------------------------------------------------------


def test_english_from_the_first_page_on(newcomer: Client, open_hour: ConsultationHour) -> None:
    response = act(newcomer, "language", language="en")
    assert response.status_code == 303
    assert '<html lang="en">' in newcomer.get("/").content.decode()
    assert "What would you like to talk about?" in go(newcomer, "start")
    assert '<html lang="en">' in newcomer.get("/privacy/").content.decode()
    assert Visitor.objects.get().language == "en"


def test_choosing_dutch_first_needs_no_cookie(newcomer: Client, brand: Brand) -> None:
    response = act(newcomer, "language", language="nl")
    assert not response.cookies
    assert not Visitor.objects.exists()


def test_the_browser_does_not_choose_the_language(brand: Brand) -> None:
    response = Client(headers={"accept-language": "en"}).get("/")
    assert '<html lang="nl">' in response.content.decode()


def test_a_new_visit_keeps_the_language(
    brand: Brand, open_hour: ConsultationHour, line: ServiceLine
) -> None:
    visitor = begin_visit(brand, "en")
    Conversation.start(visitor=visitor, line=line).abandon(reason="left")
    browser = visitor_browser(visitor)
    act(browser, "new")
    assert browser.cookies[COOKIE].value != visitor.token  # type: ignore[attr-defined]
    assert '<html lang="en">' in browser.get("/").content.decode()
