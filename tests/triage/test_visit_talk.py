"""A visit by plain forms, from the queue to the last page, and what stays behind."""

import re
import uuid
from datetime import timedelta
from unittest.mock import patch

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import Conversation, Message, Visitor
from institutions.models import Brand, User
from roster.models import ConsultationHour, ServiceLine
from tests.people import rights_of, visitor_browser
from tests.triage.forms import COOKIE, SAME_ORIGIN, act, ask, go, nothing_changes, text_of
from triage.models import Intake

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
    assert "Je bent uit de wachtrij" in go(browser, "leave")
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
        ("left", "Je bent uit de wachtrij"),
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
    assert "Je gesprek loopt nog" in text_of(response)


def test_starting_again_after_a_chat_needs_the_button_for_it(after_chat: Client) -> None:
    with nothing_changes():
        assert act(after_chat, "start").status_code == 409


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
    assert not re.search(r"(?<![\w-])on\w+=", body)


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
    with patch("triage.visiting.visitor_of", side_effect=RuntimeError("planted words")):
        response = browser.get("/")
    assert response.status_code == 500
    assert "Er ging iets mis bij ons" in text_of(response)
    assert "planted words" not in response.content.decode()
