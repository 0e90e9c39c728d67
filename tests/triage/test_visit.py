"""A whole visit by plain forms: every action, every refusal, and what stays behind."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any
from unittest.mock import patch

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from chat.models import Conversation, Message, Visitor
from institutions.models import Brand, User
from roster.models import ConsultationHour, OpenOverride, Presence, ServiceLine
from tests.people import ORIGIN, begin_visit, rights_of, visitor_browser
from triage.models import Intake

COOKIE = settings.VISIT_COOKIE_NAME
SAME_ORIGIN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


@pytest.fixture
def newcomer() -> Client:
    """A browser that was never here before."""
    return Client(headers=SAME_ORIGIN)


@pytest.fixture
def closed(open_hour: ConsultationHour) -> Iterator[Any]:
    """Closes the chat from the moment that it is called."""

    def close() -> None:
        Presence.objects.update(seen_at=timezone.now() - timedelta(hours=1), ready_at=None)

    return close


def act(browser: Client, action: str, **fields: object) -> Any:
    return browser.post("/", {"action": action, **fields})


def go(browser: Client, action: str, **fields: object) -> str:
    """Do something that must work, and return the page that it leads to."""
    response = act(browser, action, **fields)
    assert response.status_code == 303, text_of(response)
    assert response["Location"] in ("/", "/?start=1")
    return text_of(browser.get("/"))


def text_of(response: Any) -> str:
    """Return the words of a page, without tags and double spaces."""
    body = re.sub(r"<script.*?</script>|<[^>]+>", " ", response.content.decode(), flags=re.S)
    return " ".join(body.split())


@contextmanager
def nothing_changes() -> Iterator[None]:
    def state() -> list[Any]:
        return [
            list(model.objects.order_by("pk").values())
            for model in (Visitor, Intake, Conversation, Message)
        ]

    def without_time(rows: list[Any]) -> list[Any]:
        for table in rows:
            for row in table:
                row.pop("visitor_seen_at", None)
        return rows

    before = without_time(state())
    yield
    assert without_time(state()) == before


def ask(browser: Client) -> None:
    """Come as far as the first question."""
    assert "Waar wil je over praten?" in go(browser, "start")


# --- From the first page into the queue ---------------------------------------------------------


def test_the_first_page_says_until_when_and_sets_no_cookie(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    response = newcomer.get("/")
    text = text_of(response)
    assert response.status_code == 200
    assert "De chat is open tot" in text
    assert "Begin met chatten" in text
    assert "Uiterlijk 30 dagen na het einde wissen we het" in text
    assert "0800-2000" in text
    assert "0800-0432" in text
    assert not response.cookies
    assert not Visitor.objects.exists()


def test_from_click_to_queue_in_four_answers(newcomer: Client, open_hour: ConsultationHour) -> None:
    started = act(newcomer, "start")
    assert started.status_code == 303
    assert started["Location"] == "/?start=1"
    assert newcomer.get("/?start=1")["Location"] == "/"
    assert "Vraag 1 van 4" in text_of(newcomer.get("/"))
    assert "Ben je nu veilig?" in go(newcomer, "answer", step=0, topic="family")
    assert "Hoe zwaar voelt het nu?" in go(newcomer, "answer", step=1, safe="unsure")
    assert "Hoe oud ben je?" in go(newcomer, "answer", step=2, heavy="2")
    page = go(newcomer, "answer", step=3, age="12_14", words="ik snap het niet meer")
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


def test_the_last_page_may_stay_empty(newcomer: Client, open_hour: ConsultationHour) -> None:
    ask(newcomer)
    for step in range(3):
        go(newcomer, "skip", step=step)
    assert "Je wacht op" in go(newcomer, "answer", step=3, age="", words="  ")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"age": "elf"}, "Kies een van de antwoorden"),
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
    go(newcomer, "answer", step=3, words="a\r\n" * 249 + "aa")
    assert Conversation.objects.exists()


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


# --- Waiting and talking by plain forms ---------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_posting_by_form_stores_a_message_once(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    browser = visitor_browser(visitor)
    client_id = uuid.uuid4()
    for _click in range(2):
        assert "ik ben er" in go(browser, "post", text="ik ben er", client_id=client_id)
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("fields", "said", "status"),
    [
        ({"text": "x" * 4001}, "te lang", 409),
        ({"text": "   "}, "begreep", 409),
        ({"text": "a\x00b"}, "begreep", 409),
        ({"text": "hallo", "client_id": "7"}, "begreep", 400),
        ({"text": "hallo", "client_id": ""}, "begreep", 400),
    ],
)
def test_a_message_that_is_not_stored_says_so_and_stays_in_the_field(
    active_conversation: Conversation,
    visitor: Visitor,
    fields: dict[str, str],
    said: str,
    status: int,
) -> None:
    browser = visitor_browser(visitor)
    with nothing_changes():
        response = act(browser, "post", **({"client_id": str(uuid.uuid4())} | fields))
    assert response.status_code == status
    assert said in text_of(response)
    if "hallo" in fields["text"]:
        assert "hallo</textarea>" in response.content.decode()


@pytest.mark.django_db(transaction=True)
def test_a_refused_message_keeps_its_number_so_that_trying_again_cannot_double_it(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    browser = visitor_browser(visitor)
    client_id = str(uuid.uuid4())
    with patch("chat.writer._store", side_effect=RuntimeError):
        response = act(browser, "post", text="hallo", client_id=client_id)
    assert response.status_code == 409
    assert client_id in response.content.decode()
    go(browser, "post", text="hallo", client_id=client_id)
    assert Message.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_words_that_came_too_late_are_shown_and_not_lost(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    active_conversation.close(
        rights_of(anna), reason="finished", contact_kind="about_self", topic="family"
    )
    response = act(visitor_browser(visitor), "post", text="nog iets", client_id=uuid.uuid4())
    assert response.status_code == 409
    assert "Dit bericht is niet meer verstuurd" in text_of(response)
    assert "nog iets" in text_of(response)
    assert not Message.objects.exists()


def test_looking_at_the_page_is_a_sign_of_life(
    waiting_conversation: Conversation, visitor: Visitor
) -> None:
    long_ago = timezone.now() - timedelta(minutes=1)
    Conversation.objects.update(visitor_seen_at=long_ago)
    visitor_browser(visitor).get("/")
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.visitor_is_present


def test_leaving_the_queue_abandons_and_a_second_click_says_so(
    waiting_conversation: Conversation, visitor: Visitor
) -> None:
    browser = visitor_browser(visitor)
    assert "Je bent uit de rij" in go(browser, "leave")
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.status == Conversation.Status.ABANDONED
    with nothing_changes():
        response = act(browser, "leave")
    assert response.status_code == 409
    assert "al afgelopen" in text_of(response)


def test_leaving_at_the_moment_of_a_claim_ends_the_chat(
    waiting_conversation: Conversation, visitor: Visitor, open_hour: ConsultationHour, anna: User
) -> None:
    """The worker is first, after the page was read and before it acts."""
    real = Conversation.abandon
    claimed: list[bool] = []

    def abandon(self: Conversation, *, reason: str) -> None:
        if not claimed:
            claimed.append(True)
            Conversation.objects.get(pk=self.pk).claim(rights_of(anna))
        real(self, reason=reason)

    with patch.object(Conversation, "abandon", abandon):
        go(visitor_browser(visitor), "leave")
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.status == Conversation.Status.CLOSED


@pytest.mark.parametrize(
    ("reason", "said"),
    [
        ("left", "Je bent uit de rij"),
        ("lost", "Je was een tijdje weg"),
        ("closing_time", "Het lukte vandaag niet meer"),
    ],
)
def test_whoever_left_the_queue_reads_why(
    waiting_conversation: Conversation, visitor: Visitor, reason: str, said: str
) -> None:
    waiting_conversation.abandon(reason=reason)
    assert said in text_of(visitor_browser(visitor).get("/"))


# --- After the chat -----------------------------------------------------------------------------


@pytest.fixture
def after_chat(active_conversation: Conversation, visitor: Visitor, anna: User) -> Client:
    active_conversation.close(
        rights_of(anna), reason="finished", contact_kind="about_self", topic="family"
    )
    return visitor_browser(visitor)


def test_feedback_is_one_or_two_taps_and_a_thank_you(after_chat: Client) -> None:
    assert "Voelde je je gehoord?" in text_of(after_chat.get("/"))
    page = go(after_chat, "feedback", heard=5)
    conversation = Conversation.objects.get()
    assert (conversation.feedback_heard, conversation.feedback_better) == (5, None)
    assert "Dank je wel" in page
    assert "Voelde je je gehoord?" not in page


@pytest.mark.parametrize(
    "fields", [{}, {"heard": "6"}, {"heard": "0"}, {"better": "goed"}, {"heard": "", "better": ""}]
)
def test_feedback_that_is_none_is_refused(after_chat: Client, fields: dict[str, str]) -> None:
    with nothing_changes():
        response = act(after_chat, "feedback", **fields)
    assert response.status_code == 400
    assert 'role="alert"' in response.content.decode()


def test_no_feedback_on_a_chat_that_is_still_going_on(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    with nothing_changes():
        assert act(visitor_browser(visitor), "feedback", heard=5).status_code == 409


def test_a_new_visit_is_not_linked_to_the_old_one(after_chat: Client, visitor: Visitor) -> None:
    token = after_chat.cookies[COOKIE].value
    response = act(after_chat, "new")
    assert response.status_code == 303
    assert response.cookies[COOKIE]["max-age"] == 0
    assert Visitor.find(token) is None
    after_chat.cookies.clear()
    assert "Begin met chatten" in text_of(after_chat.get("/"))
    after_chat.cookies[COOKIE] = token
    assert "Begin met chatten" in text_of(after_chat.get("/"))


def test_a_chat_that_goes_on_cannot_be_begun_anew(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    with nothing_changes():
        response = act(visitor_browser(visitor), "new")
    assert response.status_code == 409
    assert "Je gesprek is nog bezig" in text_of(response)


def test_starting_again_after_a_chat_needs_the_button_for_it(after_chat: Client) -> None:
    with nothing_changes():
        assert act(after_chat, "start").status_code == 409


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


# --- Exit ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["first page", "questions", "queue", "chat"])
def test_the_exit_ends_the_visit_and_leaves_nothing(
    where: str, request: pytest.FixtureRequest, brand: Brand, open_hour: ConsultationHour
) -> None:
    browser = Client(headers=SAME_ORIGIN)
    if where == "questions":
        ask(browser)
        go(browser, "answer", step=0, topic="family")
    elif where in ("queue", "chat"):
        kind = "waiting_conversation" if where == "queue" else "active_conversation"
        request.getfixturevalue(kind)
        browser = visitor_browser(request.getfixturevalue("visitor"))
    token = browser.cookies[COOKIE].value if COOKIE in browser.cookies else ""
    response = act(browser, "exit")
    body = response.content.decode()
    assert response.status_code == 200
    assert response["Clear-Site-Data"] == '"cache", "cookies", "storage"'
    assert response["Cache-Control"] == "no-store"
    assert response.cookies[COOKIE]["max-age"] == 0
    assert f'content="0; url={brand.exit_url}"' in body
    assert f'href="{brand.exit_url}"' in body
    assert brand.name not in body
    assert Visitor.find(token) is None
    assert not Intake.objects.exists()
    assert not Conversation.objects.live().exists()


# --- Headers, privacy, errors -------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/privacy/", "/nothing-here/"])
def test_no_page_is_kept_or_found(brand: Brand, line: ServiceLine, path: str) -> None:
    response = Client().get(path)
    assert response["Cache-Control"] == "no-store"
    assert "noindex" in response["X-Robots-Tag"]
    policy = response["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "require-trusted-types-for 'script'" in policy
    assert "Permissions-Policy" in response


@pytest.mark.parametrize("path", ["/", "/privacy/", "/nothing-here/"])
def test_title_and_icon_are_neutral_and_nothing_is_inline(
    brand: Brand, line: ServiceLine, path: str
) -> None:
    body = Client().get(path).content.decode()
    assert "<title>Klik</title>" in body
    assert "hulp" not in re.search(r"<head>.*?</head>", body, re.S).group().lower()  # type: ignore[union-attr]
    assert " style=" not in body
    assert "<style" not in body
    assert not re.search(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)", body)
    assert not re.search(r"\bon\w+=", body)


def test_the_first_focus_leads_out(brand: Brand) -> None:
    body = Client().get("/").content.decode()
    main = body[body.index("<body") :]
    first = re.search(r"<(a|button|input|select|textarea|summary)\b[^>]*>", main)
    assert first is not None
    assert 'form="exit"' in first.group()


def test_a_host_of_no_brand_is_not_found_and_still_helps(db: None) -> None:
    response = Client().get("/")
    assert response.status_code == 404
    assert "0800-2000" in text_of(response)


@pytest.mark.parametrize("template", ["400.html", "403.html", "404.html", "500.html"])
def test_error_pages_need_nothing_and_show_the_help_lines(template: str) -> None:
    from django.template.loader import render_to_string

    body = render_to_string(template)  # without a database: this test may not use one
    for number in ("tel:112", "tel:113", "tel:08002000", "tel:08000432"):
        assert number in body
    assert 'name="action" value="exit"' in body


def test_a_broken_page_is_calm(brand: Brand) -> None:
    browser = Client(raise_request_exception=False)
    with patch("triage.views.visitor_of", side_effect=RuntimeError("planted words")):
        response = browser.get("/")
    assert response.status_code == 500
    assert "Er ging iets mis bij ons" in text_of(response)
    assert "planted words" not in response.content.decode()
