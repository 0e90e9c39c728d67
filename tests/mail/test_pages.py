"""Stopping mail with a link, and the page of mail that did not arrive."""

import re
from typing import Any

import pytest
from django.db import transaction
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from chat.models import Conversation, Visitor
from institutions.models import AuditEvent, Institution, StaffMail, User
from mail.addresses import REPLY, STOP, sign
from mail.jobs import deliver_visitor_mail, tell_visitors
from mail.models import Correspondence, VisitorMail
from roster.models import ServiceLine
from tests.mail.letters import ADDRESS, ANSWER, a_letter, address_of, answer, text_of
from tests.people import make_user, sign_in, visitor_browser
from tests.postbox import Postbox

pytestmark = pytest.mark.django_db(transaction=True)


def stop_url(letter: Conversation) -> str:
    with transaction.atomic():
        reference = Correspondence.follow(letter).reference
    return reverse("stop_mail", args=[sign(STOP, reference)])


# --- Stopping -----------------------------------------------------------------------------------


def test_the_link_in_a_mail_asks_and_then_stops(
    postbox: Postbox, letter: Conversation, anna: User
) -> None:
    answer(letter, anna)
    tell_visitors(timezone.now())
    deliver_visitor_mail(timezone.now())
    [message] = postbox.taken
    link = re.search(r"http://testserver(/mail/stop/\S+)", text_of(message))
    assert link
    assert f"<http://testserver{link[1]}>" == message["List-Unsubscribe"]
    browser = Client()

    page = browser.get(link[1])
    assert "Wil je geen mail meer?" in page.content.decode()
    assert "no-store" in page["Cache-Control"]
    letter.refresh_from_db()
    assert letter.sealed_address is not None  # only looked: a mail scanner does that too

    page = browser.post(link[1])
    assert "Je krijgt geen mail meer" in page.content.decode()
    letter.refresh_from_db()
    assert (letter.answer_by, letter.sealed_address) == ("code", None)
    assert "Je krijgt geen mail meer" in browser.get(link[1]).content.decode()


def test_a_mail_program_stops_it_with_one_click(letter: Conversation) -> None:
    """RFC 8058: a post without a cookie, a token or an origin of ours."""
    browser = Client(enforce_csrf_checks=True)
    response = browser.post(
        stop_url(letter),
        "List-Unsubscribe=One-Click",
        content_type="application/x-www-form-urlencoded",
    )
    assert response.status_code == 200
    letter.refresh_from_db()
    assert letter.sealed_address is None


def test_another_token_stops_nothing_and_tells_nothing(letter: Conversation) -> None:
    right = stop_url(letter)
    reference = Correspondence.objects.get().reference
    for token in (sign(REPLY, reference), reference, "x" * 42, "é"):
        response = Client().post(reverse("stop_mail", args=[token]))
        assert response.status_code == 200
        assert "Je krijgt geen mail meer" in response.content.decode()
    letter.refresh_from_db()
    assert letter.sealed_address is not None
    Client().post(right)
    letter.refresh_from_db()
    assert letter.sealed_address is None


# --- Mail that did not arrive -------------------------------------------------------------------


@pytest.fixture
def given_up(postbox: Postbox, letter: Conversation, anna: User) -> VisitorMail:
    postbox.answers[ADDRESS] = ["550 unknown"]
    answer(letter, anna)
    tell_visitors(timezone.now())
    deliver_visitor_mail(timezone.now())
    return VisitorMail.objects.get()


def staff_mail(to: User) -> StaffMail:
    StaffMail.put(to, "published", f"x/{to.pk}", subject="Je rooster", body="Kijk eens.")
    mail = StaffMail.objects.get(to=to)
    StaffMail.objects.filter(pk=mail.pk).update(
        given_up_at=timezone.now(), last_error="TimeoutError", attempts=9
    )
    return mail


def test_the_page_shows_what_was_given_up_and_nothing_of_it(
    given_up: VisitorMail, dirk: User, anna: User
) -> None:
    staff_mail(anna)

    page = sign_in(dirk).get(reverse("undelivered")).content.decode()

    assert "Antwoord op een brief, aan een jongere" in page
    assert "De mailserver kent het adres niet." in page
    assert "Mail aan Anna Voorbeeld" in page
    assert "twee dagen" in page
    for private in (ADDRESS, ANSWER[:15], anna.email, "Kijk eens.", given_up.message_id):
        assert private not in page


def test_a_coordinator_sees_and_sends_what_is_of_their_own(
    given_up: VisitorMail, zuid: Institution, maas: Institution, anna: User, carla: User
) -> None:
    to_anna, to_carla = staff_mail(anna), staff_mail(carla)
    edith = sign_in(make_user("Edith", (zuid, "coordinator")))
    greta = sign_in(make_user("Greta", (maas, "coordinator")))

    assert "Carla" not in edith.get(reverse("undelivered")).content.decode()
    assert "brief" not in _main(greta.get(reverse("undelivered")).content.decode())
    for browser, kind, mail, expected in (
        (greta, "letter", given_up, 404),
        (greta, "staff", to_anna, 404),
        (edith, "staff", to_carla, 404),
        (edith, "nothing", to_anna, 404),
        (edith, "staff", to_anna, 302),
        (edith, "letter", given_up, 302),
    ):
        response = browser.post(reverse("send_again", args=[kind, mail.pk]))
        assert response.status_code == expected, (kind, mail)
    assert set(StaffMail.objects.given_up()) == {to_carla}
    assert not VisitorMail.objects.given_up().exists()
    verbs = AuditEvent.objects.filter(verb="mail").values_list("conversation", "institution")
    assert sorted(verbs) == sorted([(given_up.conversation_id, zuid.pk), ("", zuid.pk)])


def _main(page: str) -> str:
    return page.partition("<section")[2]


def test_trying_again_delivers(given_up: VisitorMail, dirk: User, postbox: Postbox) -> None:
    browser = sign_in(dirk)
    url = reverse("send_again", args=["letter", given_up.pk])

    for sentence in ("We proberen het opnieuw", "was al weg"):
        page = browser.post(url, follow=True).content.decode()
        assert sentence in page

    assert deliver_visitor_mail(timezone.now()) == 1
    assert postbox.ids == [given_up.message_id]


# --- On the pages of both -----------------------------------------------------------------------


def test_both_see_that_mail_came_back_and_what_came_by_mail(
    given_up: VisitorMail, letter: Conversation, visitor: Visitor, anna: User
) -> None:
    from mail.incoming import take
    from tests.mail.letters import a_reply

    take(a_reply(address_of(letter), "Dit schreef ik in mijn mail."))

    page = sign_in(anna).get(reverse("letter", args=[letter.pk])).content.decode()
    assert "De mail aan de jongere kwam terug" in page
    assert page.count("per e-mail</span>") == 1
    hers = visitor_browser(visitor).get("/").content.decode()
    assert "Onze mail aan jou kwam terug" in hers
    letter.refresh_from_db()
    letter.choose_answer("mail", "beter@mailbox.example")
    assert "kwam terug" not in visitor_browser(visitor).get("/").content.decode()


@pytest.mark.parametrize("name", ["undelivered", "letter"])
def test_a_letter_without_mail_shows_none_of_it(
    name: str, visitor: Visitor, line: ServiceLine, anna: User, dirk: User
) -> None:
    letter = a_letter(visitor, line, answer_by="code", address="")
    person: Any = {"undelivered": dirk, "letter": anna}[name]
    args = [letter.pk] if name == "letter" else []
    page = sign_in(person).get(reverse(name, args=args)).content.decode()
    assert "kwam terug" not in page
    assert name == "letter" or "Alle mail is aangekomen" in page
