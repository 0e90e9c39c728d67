"""Mail that comes in becomes a message of its letter: once, sealed, and never from a machine."""

import threading
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from chat.letters import MAX_LETTER
from chat.models import Conversation, Message, Visitor
from chat.models.erasing import erase_visit
from chat.reading import read_messages
from chat.writer import writer
from institutions.models import User
from mail import incoming
from mail.addresses import REPLY, STOP, random_reference, reference_of, sign, unsign
from mail.incoming import Outcome, TryLater, take
from mail.models import Correspondence, IncomingMail
from roster.models import ServiceLine
from tests.mail.letters import ADDRESS, WORDS, a_letter, a_reply, address_of, answer, texts
from tests.people import rights_of

pytestmark = pytest.mark.django_db(transaction=True)

SECRET = "Mijn broer heeft het gezien en durft niets te zeggen."


# --- Words --------------------------------------------------------------------------------------


def test_a_reply_stands_in_the_letter_without_what_it_quotes(letter: Conversation) -> None:
    quote = "\n\nOp di 24 nov 2026 om 14:03 schreef Klik <post@klik.example>:\n> Dag\n"

    assert take(a_reply(address_of(letter), SECRET + quote)) is Outcome.STORED

    assert texts(letter) == [WORDS, SECRET]
    newest = read_messages(letter.pk, 1)[0]
    assert newest.is_by_mail
    assert not read_messages(letter.pk, 0)[0].is_by_mail
    row = IncomingMail.objects.get()
    assert row.posted_at is not None
    assert "> Dag" in row.original()


def test_a_doubled_mail_changes_nothing(letter: Conversation) -> None:
    raw = a_reply(address_of(letter), SECRET)
    assert take(raw) is Outcome.STORED
    assert take(raw) is Outcome.KNOWN
    # Another way, another trace, the same mail.
    assert take(b"Received: from elsewhere\r\n" + raw) is Outcome.KNOWN
    assert texts(letter) == [WORDS, SECRET]


def test_words_that_ask_for_haste_make_the_letter_urgent_as_on_the_page(
    letter: Conversation,
) -> None:
    quote = "\n\nOp di 24 nov 2026 om 14:03 schreef Klik <post@klik.example>:\n> ik wil dood\n"
    assert take(a_reply(address_of(letter), "Dank je wel." + quote)) is Outcome.STORED
    letter.refresh_from_db()
    assert letter.urgency == "normal"

    assert take(a_reply(address_of(letter), "Ik wil dood.")) is Outcome.STORED

    letter.refresh_from_db()
    assert letter.urgency == "now"
    assert letter.changes.filter(reason="urgent_now").count() == 1


def test_without_a_message_id_the_content_tells_mails_apart(letter: Conversation) -> None:
    to = address_of(letter)
    raw = a_reply(to, "Een").replace(b"Message-ID", b"X-Nothing")
    other = a_reply(to, "Twee").replace(b"Message-ID", b"X-Nothing")
    assert [take(one) for one in (raw, raw, other)] == [
        Outcome.STORED,
        Outcome.KNOWN,
        Outcome.STORED,
    ]
    assert texts(letter) == [WORDS, "Een", "Twee"]


def test_a_stop_between_storing_and_posting_is_made_up_for(
    letter: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = a_reply(address_of(letter), SECRET)

    def fails(*_args: Any) -> None:
        raise RuntimeError

    with monkeypatch.context() as patch:
        patch.setattr(incoming, "_post", fails)
        with pytest.raises(RuntimeError):
            take(raw)
    assert IncomingMail.objects.get().posted_at is None

    assert take(raw) is Outcome.STORED
    assert texts(letter) == [WORDS, SECRET]
    assert IncomingMail.objects.count() == 1


def test_a_stop_after_posting_doubles_nothing(letter: Conversation) -> None:
    raw = a_reply(address_of(letter), SECRET)
    take(raw)
    IncomingMail.objects.update(posted_at=None)

    assert take(raw) is Outcome.STORED
    assert texts(letter) == [WORDS, SECRET]


def test_a_full_writer_is_no_loss(letter: Conversation, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.writer.WAITING_LIMIT", -1)
    with pytest.raises(TryLater):
        take(a_reply(address_of(letter)))
    monkeypatch.undo()


def test_a_closed_letter_opens_again(letter: Conversation, anna: User) -> None:
    answer(letter, anna)
    letter.close_letter(
        rights_of(anna),
        reason="finished",
        contact_kind="about_self",
        topic="family",
        seen=letter.last_seq,
    )

    assert take(a_reply(address_of(letter), SECRET)) is Outcome.STORED

    letter.refresh_from_db()
    assert letter.status == Conversation.Status.WAITING
    assert letter.due_at is not None
    assert texts(letter)[-1] == SECRET


def test_words_for_a_closed_letter_go_to_the_one_that_is_going_on(
    letter: Conversation, visitor: Visitor, line: ServiceLine
) -> None:
    to = address_of(letter)
    letter.end_letter(by="visitor", reason="by_visitor")
    other = a_letter(visitor, line)

    assert take(a_reply(to, SECRET)) is Outcome.STORED

    assert texts(other) == [WORDS, SECRET]
    letter.refresh_from_db()
    assert letter.status == Conversation.Status.CLOSED


def test_a_long_mail_becomes_several_messages(letter: Conversation) -> None:
    words = "Het is een lang verhaal. " * 1000

    take(a_reply(address_of(letter), words))

    pieces = texts(letter)[1:]
    assert len(pieces) == 3
    assert all(len(piece) <= MAX_LETTER for piece in pieces)
    assert "".join(pieces).replace(" ", "") == words.replace(" ", "")


def test_a_far_too_long_mail_says_where_it_ends(letter: Conversation) -> None:
    take(a_reply(address_of(letter), "Woord voor woord. \n" * 3200))

    pieces = texts(letter)[1:]
    assert len(pieces) == incoming.MAX_PIECES + 1
    assert "te lang" in pieces[-1]


def test_files_are_refused_and_the_next_answer_says_so(
    letter: Conversation, anna: User, postbox: Any
) -> None:
    from mail.jobs import deliver_visitor_mail, tell_visitors
    from tests.mail.letters import text_of

    to = address_of(letter)
    picture = b"\xff\xd8\xff" + b"not for our eyes" * 2000
    raw = (
        a_reply(to, "", Content_Type='multipart/mixed; boundary="b"', MIME_Version="1.0")
        + b"--b\r\nContent-Type: text/plain\r\n\r\nKijk maar.\r\n"
        + b'--b\r\nContent-Type: image/jpeg; name="ik.jpg"\r\n'
        + b'Content-Disposition: attachment; filename="ik.jpg"\r\n\r\n'
        + picture
        + b"\r\n--b--\r\n"
    )

    assert take(raw) is Outcome.STORED

    assert texts(letter)[-1] == (
        "Kijk maar.\n\n[Er zat een foto of bestand bij. Dat is niet bewaard.]"
    )
    row = IncomingMail.objects.get()
    assert row.files == 1
    assert "not for our eyes" not in row.original()
    assert "Kijk maar." in row.original()
    for number in (1, 2):
        answer(letter, anna, f"Antwoord {number}")
        tell_visitors(timezone.now())
        deliver_visitor_mail(timezone.now())
    told = ["foto of bestand" in text_of(message) for message in postbox.taken]
    assert told == [True, False]


# --- Machines -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "header",
    [
        {"Auto_Submitted": "auto-replied"},
        {"Auto_Submitted": "Auto-Generated; x=y"},
        {"Precedence": "bulk"},
        {"X_Autoreply": "yes"},
        {"Return_Path": "<>"},
        {"List_Id": "<x.example>"},
    ],
)
def test_what_a_machine_sends_is_no_message(letter: Conversation, header: dict[str, str]) -> None:
    assert take(a_reply(address_of(letter), **header)) is Outcome.AUTOMATIC
    assert texts(letter) == [WORDS]
    assert IncomingMail.objects.get().sealed_original is None


def test_an_empty_sender_is_a_machine(letter: Conversation) -> None:
    to = address_of(letter)
    assert take(a_reply(to), to=to, sender="") is Outcome.AUTOMATIC
    assert take(a_reply(to, Auto_Submitted="no"), to=to, sender=ADDRESS) is Outcome.STORED


def bounce(to: str, action: str, status: str) -> bytes:
    return (
        f"From: MAILER-DAEMON@mailbox.example\r\nTo: {to}\r\nMessage-ID: <{action}@x.example>\r\n"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="b"\r\n'
        "MIME-Version: 1.0\r\n\r\n--b\r\nContent-Type: text/plain\r\n\r\nSorry.\r\n"
        "--b\r\nContent-Type: message/delivery-status\r\n\r\nReporting-MTA: dns; x.example\r\n\r\n"
        f"Final-Recipient: rfc822; {ADDRESS}\r\nAction: {action}\r\nStatus: {status}\r\n\r\n--b--\r\n"
    ).encode()


def test_a_bounce_marks_the_address_and_is_no_message(
    letter: Conversation, caplog: pytest.LogCaptureFixture
) -> None:
    to = address_of(letter)
    assert take(bounce(to, "delayed", "4.4.1"), to=to, sender="") is Outcome.BOUNCE
    letter.refresh_from_db()
    assert letter.address_failed_at is None

    assert take(bounce(to, "failed", "5.1.1"), to=to, sender="") is Outcome.BOUNCE

    letter.refresh_from_db()
    assert letter.address_failed_at is not None
    assert texts(letter) == [WORDS]
    assert ADDRESS not in caplog.text


def test_a_mail_program_that_went_wild_has_to_wait(
    letter: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(incoming, "MAX_MAILS", 3)
    to = address_of(letter)
    for _number in range(3):
        take(a_reply(to))
    with pytest.raises(TryLater):
        take(a_reply(to))
    assert len(texts(letter)) == 4


# --- Addresses ----------------------------------------------------------------------------------


def test_a_token_is_signed_and_for_one_purpose() -> None:
    reference = random_reference()
    token = sign(REPLY, reference)
    assert unsign(REPLY, token.upper()) == reference
    assert unsign(STOP, token) == ""
    assert unsign(REPLY, token[:-1] + ("a" if token[-1] != "a" else "b")) == ""
    for wrong in ("", "x", token + "a", reference, "é" * 42, "a" * 10_000):
        assert unsign(REPLY, wrong) == ""
    address = f"Brief+{token}@KLIK.example"
    assert reference_of(f"<{address}>") == reference
    for wrong in ("", "brief@klik.example", f"other+{token}@klik.example", f"brief+{token}@x.nl"):
        assert reference_of(wrong) == ""


def test_an_address_leads_nowhere_without_its_letter(
    letter: Conversation, visitor: Visitor
) -> None:
    to = address_of(letter)
    assert take(a_reply("brief@klik.example")) is Outcome.UNKNOWN
    assert take(a_reply(to), to="brief+nothing@klik.example") is Outcome.UNKNOWN
    letter.choose_answer("mail", "andere@mailbox.example")
    new = address_of(letter)
    assert take(a_reply(to)) is Outcome.UNKNOWN
    assert take(a_reply(new)) is Outcome.STORED
    letter.stop_mail()
    assert take(a_reply(new)) is Outcome.UNKNOWN
    letter.choose_answer("mail", ADDRESS)
    to = address_of(letter)
    erase_visit(visitor)
    assert take(a_reply(to)) is Outcome.UNKNOWN


def test_who_it_says_it_is_from_proves_nothing(letter: Conversation) -> None:
    to = address_of(letter)
    raw = a_reply(to, SECRET, From="anna@example.org", Sender="coordinator@klik.example")
    assert take(raw) is Outcome.STORED
    assert read_messages(letter.pk, 1)[0].author == "visitor"
    # With her address and without the token nobody gets in.
    assert take(a_reply("post@klik.example", From=ADDRESS)) is Outcome.UNKNOWN


def test_nothing_of_it_can_be_read_in_the_database(letter: Conversation) -> None:
    from django.db import connection

    raw = a_reply(address_of(letter), SECRET, message_id="<very-own-id@mailbox.example>")
    take(raw)
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM mail_incomingmail")
        stored = repr([bytes(v) if isinstance(v, memoryview) else v for v in cursor.fetchone()])
    for private in (SECRET[:15], ADDRESS, "very-own-id"):
        assert private not in stored
    assert not Message.objects.filter(client_id__contains="very").exists()
    correspondence = Correspondence.objects.get()
    assert ADDRESS not in repr(vars(correspondence))


def test_nothing_of_it_is_logged_when_it_goes_wrong(
    letter: Conversation, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A real exception: a table is gone."""
    from mail.listener import LATER, Handler

    to = address_of(letter)
    raw = a_reply(to, SECRET, message_id="<very-own-id@mailbox.example>")

    def breaks(self: Any, *_args: Any) -> None:
        raise ValueError(f"{SECRET} {to} {ADDRESS}")

    monkeypatch.setattr(Conversation, "data_key", breaks)
    caplog.set_level("DEBUG")
    assert _hand_over(Handler, to, raw) == LATER
    writer.stop()
    for private in (SECRET[:15], ADDRESS, to, to.partition("+")[2][:20], "very-own-id", letter.pk):
        assert private not in caplog.text
    assert "could not be taken" in caplog.text


def _hand_over(handler: Any, to: str, raw: bytes) -> str:
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    from aiosmtpd.smtp import Envelope

    from mail.listener import THREADS, close_connections

    threads = ThreadPoolExecutor(THREADS)
    envelope = Envelope()
    envelope.rcpt_tos, envelope.content, envelope.mail_from = [to], raw, ADDRESS
    try:
        loop = asyncio.new_event_loop()
        answer: str = loop.run_until_complete(handler(threads).handle_DATA(None, None, envelope))
        loop.close()
        return answer
    finally:
        close_connections(threads)


@pytest.mark.postgresql
def test_the_same_mail_in_four_processes_is_one_message(letter: Conversation) -> None:
    raw = a_reply(address_of(letter), SECRET)
    barrier = threading.Barrier(4)
    outcomes: list[Outcome] = []

    def hand_over() -> None:
        try:
            barrier.wait(20)
            outcomes.append(take(raw))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=hand_over) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert set(outcomes) <= {Outcome.STORED, Outcome.KNOWN}
    assert len(outcomes) == 4
    assert texts(letter) == [WORDS, SECRET]
    assert IncomingMail.objects.count() == 1
