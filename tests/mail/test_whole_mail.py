"""The whole mail behind a message: what was left out of the letter, for its workers, as plain text."""

from email.message import EmailMessage

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.html import escape

from chat.letters import write_on
from chat.models import Conversation, Visitor
from chat.models.erasing import destroy_keys
from institutions.models import AuditEvent, Institution, User
from mail.incoming import take
from mail.models import IncomingMail
from mail.parsing import KEPT_ORIGINAL
from roster.models import ServiceLine
from tests.mail.letters import ADDRESS, a_letter, a_reply, address_of, new_id, texts
from tests.people import rights_of, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

OWN = "Dank je, ik ga het proberen."
QUOTED = "Wat goed dat je schrijft."
MAIL = f"{OWN}\n\nOp 3 november 2026 om 10:00 schreef Post <post@klik.example>:\n> {QUOTED}\n"


def address(letter: Conversation, seq: int | None = None) -> str:
    letter.refresh_from_db()
    return reverse("letter_mail", args=[letter.pk, letter.last_seq if seq is None else seq])


def test_a_worker_reads_what_was_left_out_and_that_is_in_the_trail(
    letter: Conversation, anna: User
) -> None:
    take(a_reply(address_of(letter), MAIL))
    assert texts(letter)[-1] == OWN

    client = sign_in(anna)
    where = address(letter)
    assert escape(where) in client.get(reverse("letter", args=[letter.pk])).content.decode()
    for _twice in range(2):
        page = client.get(where).content.decode()
    assert OWN in page
    assert QUOTED in page
    assert "Re: Er staat een bericht voor je klaar" in page
    # The address that she left is not shown to workers, so neither is this one.
    assert ADDRESS not in page
    assert AuditEvent.objects.filter(actor=anna, detail="mail_read").count() == 1
    assert AuditEvent.objects.get(detail="mail_read").explanation == "hele mail gelezen"


def test_html_is_text_and_what_looks_like_it_stays_text(letter: Conversation, anna: User) -> None:
    mail = EmailMessage()
    mail["Message-ID"], mail["To"] = "<html@mailbox.example>", address_of(letter)
    mail["Subject"] = "<script>alert(1)</script>"
    mail.set_content("<p>Hoi &lt;b&gt;dit&lt;/b&gt;</p><script>alert(2)</script>", subtype="html")
    take(mail.as_bytes())

    page = sign_in(anna).get(address(letter)).content.decode()
    assert "Hoi &lt;b&gt;dit&lt;/b&gt;" in page
    assert "&lt;script&gt;alert(1)" in page
    assert "alert(2)" not in page
    assert "<script>" not in page


@pytest.mark.parametrize("encoding", ["base64", "quoted-printable", "8bit"])
def test_of_a_big_mail_and_of_one_with_files_the_text_is_kept(
    letter: Conversation, anna: User, encoding: str
) -> None:
    mail = EmailMessage()
    mail["Message-ID"], mail["To"] = "<big@mailbox.example>", address_of(letter)
    mail.set_content("Één woord.\n" + "En nog een regel. é\n" * 2000, cte=encoding)
    mail.add_attachment(b"x" * KEPT_ORIGINAL, maintype="image", subtype="jpeg", filename="ik.jpg")
    take(mail.as_bytes())

    row = IncomingMail.objects.get()
    assert len(row.original()) < KEPT_ORIGINAL
    page = sign_in(anna).get(address(letter)).content.decode()
    assert "Één woord." in page
    assert page.count("En nog een regel. é") == 2000
    assert "Er zat 1 bestand bij. Dat is niet bewaard." in page


def test_strangers_and_what_did_not_come_by_mail_are_not_found(
    letter: Conversation, anna: User, carla: User, dirk: User, maas: Institution
) -> None:
    take(a_reply(address_of(letter), MAIL))
    where = address(letter)
    assert sign_in(carla).get(where).status_code == 404
    assert sign_in(dirk).get(where).status_code in (403, 404)
    assert Client().get(where).status_code == 302
    assert sign_in(anna).post(where).status_code == 405
    for seq in (1, 99):
        assert sign_in(anna).get(address(letter, seq)).status_code == 404
    # After a hand-over those who have it now read it, and the others do not any more.
    letter.claim_letter(rights_of(anna))
    Conversation.objects.filter(pk=letter.pk).update(
        institution=maas, worker=None, status="waiting"
    )
    assert sign_in(carla).get(where).status_code == 200
    assert sign_in(anna).get(where).status_code == 404


def test_a_mail_to_a_closed_letter_is_read_from_the_one_that_goes_on(
    letter: Conversation, visitor: Visitor, line: ServiceLine, anna: User
) -> None:
    to = address_of(letter)
    letter.end_letter(by="visitor", reason="by_visitor")
    second = a_letter(visitor, line)
    take(a_reply(to, MAIL))
    assert texts(second)[-1] == OWN
    assert QUOTED in sign_in(anna).get(address(second)).content.decode()


def test_after_erasing_there_is_no_mail_to_read(letter: Conversation, anna: User) -> None:
    take(a_reply(address_of(letter), MAIL))
    where = address(letter)
    destroy_keys([letter.pk])
    assert sign_in(anna).get(where).status_code == 404
    assert (
        "hele mail" not in sign_in(anna).get(reverse("letter", args=[letter.pk])).content.decode()
    )


def test_what_she_wrote_on_the_page_has_no_mail_behind_it(letter: Conversation, anna: User) -> None:
    write_on(letter, "Gewoon hier.", new_id())
    page = sign_in(anna).get(reverse("letter", args=[letter.pk])).content.decode()
    assert "Lees de hele mail" not in page
