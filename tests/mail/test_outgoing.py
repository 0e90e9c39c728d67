"""Mail to young people over real SMTP: what it says and hides, once, and never a lost one."""

import os
import re
import subprocess
import sys
import textwrap
import threading
import time
from datetime import datetime, timedelta
from datetime import time as time_of_day
from typing import Any

import pytest
import time_machine
from django.db import connections
from django.utils import timezone
from django.utils.formats import date_format

from chat.jobs import close_quiet_letters
from chat.letters import QUIET, QUIET_NOTICE, write_on
from chat.models import Conversation, Invitation, Transfer, Visitor
from chat.models.erasing import destroy_keys, erase_visit
from institutions.delivery import BACK_OFF, LEASE
from institutions.models import Brand, Institution, User
from mail.incoming import take
from mail.jobs import deliver_visitor_mail, forget_erased_mail, tell_visitors
from mail.models import Correspondence, IncomingMail, VisitorMail
from roster.models import ConsultationHour, ServiceLine
from tests.mail.letters import (
    ADDRESS,
    ANSWER,
    WORDS,
    a_letter,
    a_reply,
    address_of,
    answer,
    new_id,
    text_of,
)
from tests.people import begin_visit, rights_of
from tests.postbox import Postbox, database_url
from tests.servers import ROOT

pytestmark = pytest.mark.django_db(transaction=True)


def run(now: Any = None) -> int:
    """What the clock does: find what to tell, and deliver it."""
    now = now or timezone.now()
    tell_visitors(now)
    return deliver_visitor_mail(now)


# --- What goes out ------------------------------------------------------------------------------


def test_an_answer_goes_by_mail_to_who_chose_that(
    postbox: Postbox, letter: Conversation, anna: User, brand: Brand
) -> None:
    Brand.objects.update(mail_sender="Post van Klik", mail_subject="Bericht voor jou")
    answer(letter, anna)

    assert run() == 1

    [message] = postbox.taken
    assert message["To"] == ADDRESS
    assert message["From"] == "Post van Klik <post@klik.example>"
    assert message["Subject"] == "Bericht voor jou"
    assert message.get_content_type() == "text/plain"
    text = text_of(message)
    assert text.startswith(ANSWER)
    assert "Je kunt gewoon op deze mail antwoorden" in text
    assert WORDS not in text
    assert message["Auto-Submitted"] is None  # the word of a person
    assert re.fullmatch(r"brief\+[a-z2-7]{42}@klik\.example", message["Reply-To"])
    assert letter.pk not in message.as_string()
    assert run() == 0


def test_a_notice_says_nothing(
    postbox: Postbox, visitor: Visitor, line: ServiceLine, anna: User, brand: Brand
) -> None:
    letter = a_letter(visitor, line, answer_by="notice")
    answer(letter, anna)

    assert run() == 1

    [message] = postbox.taken
    text = text_of(message)
    assert "Er staat een bericht voor je klaar" in text
    assert "met je code" in text
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["From"] == "Klik <post@klik.example>"
    seen = f"{message['From']} {message['Subject']} {text}".lower()
    for telling in ("hulp", "chat", "anna", "brief", "http", brand.name.lower(), ANSWER[:10]):
        assert telling not in seen, telling


def test_a_letter_with_a_code_only_gets_no_mail(
    postbox: Postbox, visitor: Visitor, line: ServiceLine, anna: User
) -> None:
    answer(a_letter(visitor, line, answer_by="code", address=""), anna)

    assert run() == 0
    assert not VisitorMail.objects.exists()


def test_what_was_read_with_the_code_needs_no_mail(
    postbox: Postbox, letter: Conversation, anna: User
) -> None:
    answer(letter, anna)
    tell_visitors(timezone.now())
    letter.refresh_from_db()
    Conversation.objects.filter(pk=letter.pk).update(visitor_seq=letter.last_seq)

    assert deliver_visitor_mail(timezone.now()) == 0
    assert run() == 0
    assert not VisitorMail.objects.exists()


def test_each_event_is_told_once_and_answers_hang_together(
    postbox: Postbox, letter: Conversation, anna: User
) -> None:
    answer(letter, anna, "Een eerste antwoord.")
    assert tell_visitors(timezone.now()) == 1
    assert tell_visitors(timezone.now()) == 0
    assert run() == 1
    take(a_reply(address_of(letter), message_id="<from-her@mailbox.example>"))
    answer(letter, anna, "Een tweede antwoord.")
    assert run() == 1

    first, second = postbox.taken
    assert "eerste" in text_of(first)
    assert "eerste" not in text_of(second)
    assert second["In-Reply-To"] == "<from-her@mailbox.example>"
    assert second["References"].split() == [first["Message-ID"], "<from-her@mailbox.example>"]
    assert first["In-Reply-To"] is None


def test_an_invitation_and_a_question_are_notices(
    postbox: Postbox, letter: Conversation, anna: User, maas: Institution, carla: User
) -> None:
    answer(letter, anna)
    run()
    hour = ConsultationHour.objects.create(
        line=letter.line,
        local_date=timezone.localdate() + timedelta(days=2),
        local_start=time_of_day(19),
        local_end=time_of_day(21),
        tz=letter.line.tz,
    )
    Invitation.invite(letter, rights_of(anna), hour)
    Transfer.ask(letter, rights_of(anna), maas)

    assert run() == 2

    for message in postbox.taken[1:]:
        assert "Er staat een bericht voor je klaar" in text_of(message)
        assert message["Auto-Submitted"] == "auto-generated"
    assert run() == 0


def test_a_withdrawn_invitation_is_not_told(
    postbox: Postbox, letter: Conversation, anna: User, open_hour: ConsultationHour
) -> None:
    answer(letter, anna)
    run()
    Invitation.objects.create(conversation=letter, hour=open_hour, made_by=anna)
    tell_visitors(timezone.now())
    Invitation.objects.update(withdrawn_at=timezone.now())

    assert deliver_visitor_mail(timezone.now()) == 0
    assert run() == 0
    assert len(postbox.taken) == 1


@pytest.fixture
def silent(letter: Conversation, anna: User, postbox: Postbox) -> datetime:
    """An answered letter in which nothing was heard for long; since when that was announced."""
    answer(letter, anna)
    run()
    postbox.taken.clear()
    at = timezone.now() + QUIET + timedelta(hours=1)
    close_quiet_letters(at)
    return at


def test_before_a_quiet_letter_closes_she_hears_it_once_and_in_time(
    postbox: Postbox, letter: Conversation, silent: datetime
) -> None:
    assert run(silent) == 1
    for later in (1, 24, 6 * 24):
        assert run(silent + timedelta(hours=later)) == 0

    [message] = postbox.taken
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["List-Unsubscribe"]
    day = date_format(timezone.localtime(silent + QUIET_NOTICE), "l j F")
    assert f"Op {day} sluiten we je brief." in text_of(message)
    assert WORDS not in text_of(message)

    # Her answer keeps it open; the next silence is another one.
    assert close_quiet_letters(silent + timedelta(days=6)) == 0
    take(a_reply(address_of(letter), "Ik ben er nog."))
    letter.refresh_from_db()
    assert (letter.quiet_told_at, letter.status) == (None, "active")
    assert close_quiet_letters(silent + timedelta(days=8)) == 0
    answer(letter, letter.worker)  # type: ignore[arg-type]
    run()
    postbox.taken.clear()
    again = timezone.now() + QUIET + timedelta(hours=1)
    close_quiet_letters(again)
    assert run(again) == 1


@pytest.mark.parametrize("answer_by", ["notice", "code"])
def test_who_wants_a_notice_gets_one_without_content_and_who_wants_none_gets_none(
    postbox: Postbox, letter: Conversation, silent: datetime, answer_by: str
) -> None:
    letter.choose_answer(answer_by)

    assert run(silent) == (answer_by == "notice")

    for message in postbox.taken:
        assert "Er staat een bericht voor je klaar" in text_of(message)
        assert "brief" not in text_of(message)


def test_a_silence_that_ended_is_not_told(
    postbox: Postbox, letter: Conversation, silent: datetime
) -> None:
    """The mail server was away until she wrote, or until it was too late."""
    tell_visitors(silent)
    write_on(letter, "Ik ben er nog.", new_id())
    assert run(silent) == 0
    assert not postbox.taken
    answer(letter, letter.worker)  # type: ignore[arg-type]
    run()
    again = timezone.now() + QUIET + timedelta(hours=1)
    close_quiet_letters(again)
    tell_visitors(again)
    assert close_quiet_letters(again + QUIET_NOTICE + timedelta(hours=1)) == 1
    assert run(again + timedelta(days=8)) == 0
    assert len(postbox.taken) == 1


def test_the_language_is_hers(
    postbox: Postbox, brand: Brand, line: ServiceLine, anna: User, settings: Any
) -> None:
    letter = a_letter(begin_visit(brand, "en"), line, answer_by="notice")
    settings.MAIL_REPLY_TO = ""
    answer(letter, anna)

    assert run() == 1
    assert postbox.taken[0]["Reply-To"] is None


# --- Taking it back -----------------------------------------------------------------------------


@pytest.mark.parametrize("deed", ["erase", "address", "stop", "other"])
def test_after_taking_it_back_nothing_more_goes(
    postbox: Postbox, letter: Conversation, anna: User, visitor: Visitor, deed: str
) -> None:
    """What waited in the outbox neither."""
    answer(letter, anna)
    assert tell_visitors(timezone.now()) == 1
    old = address_of(letter)
    if deed == "erase":
        erase_visit(visitor)
    elif deed == "address":
        letter.choose_answer("code")
    elif deed == "stop":
        letter.stop_mail()
    else:
        letter.choose_answer("mail", "andere@mailbox.example")

    sent = run()

    if deed == "other":
        assert sent == 1
        assert postbox.taken[0]["To"] == "andere@mailbox.example"
        assert address_of(letter) != old
    else:
        assert sent == 0
        assert not postbox.taken
        assert not VisitorMail.objects.exists()


def test_erasing_takes_the_mail_along(
    postbox: Postbox, letter: Conversation, anna: User, visitor: Visitor
) -> None:
    answer(letter, anna)
    run()
    take(a_reply(address_of(letter)))
    assert forget_erased_mail(timezone.now()) == 0
    erase_visit(visitor)

    assert not VisitorMail.objects.exists()
    assert not IncomingMail.objects.exists()
    assert not Correspondence.objects.exists()


def test_mail_that_stayed_after_the_key_was_destroyed_goes_as_well(
    postbox: Postbox, letter: Conversation, anna: User
) -> None:
    answer(letter, anna)
    run()
    take(a_reply(address_of(letter)))
    destroy_keys([letter.pk])

    assert forget_erased_mail(timezone.now()) == 1
    assert not VisitorMail.objects.exists()
    assert not IncomingMail.objects.exists()
    assert not Correspondence.objects.exists()


# --- Faults -------------------------------------------------------------------------------------


def test_a_server_that_is_away_loses_nothing(
    smtp: None, port: int, letter: Conversation, anna: User, caplog: pytest.LogCaptureFixture
) -> None:
    answer(letter, anna)
    now = timezone.now()
    assert run(now) == 0
    mail = VisitorMail.objects.get()
    assert (mail.last_error, mail.due_at) == ("ConnectionRefusedError", now + BACK_OFF[0])
    for private in (ADDRESS, ANSWER[:20], letter.pk, mail.message_id):
        assert private not in caplog.text


def test_what_was_written_while_the_clock_was_ahead_does_not_wait_for_it(
    postbox: Postbox, letter: Conversation, anna: User
) -> None:
    answer(letter, anna)
    now = timezone.now()
    with time_machine.travel(now + timedelta(hours=25)):
        assert tell_visitors(timezone.now()) == 1
    assert run(now) == 1
    assert run(now) == 0
    assert len(postbox.taken) == 1


@pytest.mark.parametrize("about", [ADDRESS, "data"])
def test_a_refusal_for_now_is_tried_again_with_the_same_id(
    postbox: Postbox, letter: Conversation, anna: User, about: str
) -> None:
    postbox.answers[about] = ["451 later"]
    answer(letter, anna)
    assert run() == 0
    mail = VisitorMail.objects.get()
    assert run(mail.due_at) == 1
    assert postbox.ids == [mail.message_id]


def test_an_address_that_does_not_exist_is_given_up_and_shown_to_both(
    postbox: Postbox, letter: Conversation, anna: User, caplog: pytest.LogCaptureFixture
) -> None:
    postbox.answers[ADDRESS] = [f"550 <{ADDRESS}> unknown"]
    answer(letter, anna)

    assert run() == 0

    mail = VisitorMail.objects.get()
    assert mail.given_up_at is not None
    letter.refresh_from_db()
    assert letter.address_failed_at is not None
    assert ADDRESS not in caplog.text
    answer(letter, anna, "Nog iets.")
    assert tell_visitors(timezone.now()) == 0
    letter.choose_answer("mail", "beter@mailbox.example")
    assert run() == 1
    assert postbox.taken[0]["To"] == "beter@mailbox.example"


def test_a_slow_server_holds_up_no_other_thread(
    postbox: Postbox, letter: Conversation, anna: User, settings: Any
) -> None:
    """The time-out ends it; the mail waits its turn."""
    settings.EMAIL_TIMEOUT = 1
    answer(letter, anna)

    def slowly(about: str) -> str | None:
        if about == "data":
            time.sleep(2)
        return None

    postbox._answer = slowly  # type: ignore[method-assign]
    begin = time.monotonic()
    assert run() == 0
    assert time.monotonic() - begin < 5
    mail = VisitorMail.objects.get()
    assert (mail.attempts, mail.sent_at, mail.given_up_at) == (1, None, None)


def test_a_letter_that_does_not_open_keeps_no_other_one_waiting(
    postbox: Postbox,
    letter: Conversation,
    brand: Brand,
    line: ServiceLine,
    anna: User,
    caplog: pytest.LogCaptureFixture,
) -> None:
    other = a_letter(begin_visit(brand), line)
    answer(letter, anna)
    answer(other, anna)
    tell_visitors(timezone.now())
    broken = VisitorMail.objects.get(conversation=letter)
    Conversation.objects.filter(pk=letter.pk).update(sealed_address=b"x" * 40)

    assert deliver_visitor_mail(timezone.now()) == 1
    broken.refresh_from_db()
    assert (broken.last_error, broken.sent_at) == ("SealBroken", None)
    answer(letter, anna, "Nog iets.")
    answer(other, anna, "Nog iets.")
    assert run() == 1
    assert letter.pk not in caplog.text


KILLED = """
    import os, sys
    sys.path.insert(0, {root!r})
    import django
    django.setup()
    from django.core.mail.backends import smtp
    from django.utils import timezone
    from mail.jobs import deliver_visitor_mail

    sending = smtp.EmailBackend.send_messages

    def send_and_die(self, messages):
        sending(self, messages)
        os.kill(os.getpid(), 9)

    smtp.EmailBackend.send_messages = send_and_die
    deliver_visitor_mail(timezone.now())
"""


def test_a_process_killed_between_sending_and_committing_doubles_one_mail(
    postbox: Postbox, port: int, letter: Conversation, anna: User
) -> None:
    answer(letter, anna)
    assert tell_visitors(timezone.now()) == 1
    killed = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED).format(root=str(ROOT))],
        env=os.environ
        | {
            "DATABASE_URL": database_url(),
            "EMAIL_URL": f"smtp://127.0.0.1:{port}",
            "MAIL_REPLY_TO": "brief@klik.example",
        },
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert len(postbox.taken) == 1
    assert run() == 0  # it is leased
    assert run(timezone.now() + LEASE) == 1
    assert run(timezone.now() + timedelta(days=9)) == 0
    assert len(postbox.taken) == 2
    assert len(set(postbox.ids)) == 1
    assert text_of(postbox.taken[0]) == text_of(postbox.taken[1])


@pytest.mark.postgresql
def test_four_processes_tell_and_deliver_each_answer_once(
    postbox: Postbox, brand: Brand, line: ServiceLine, anna: User
) -> None:
    for _number in range(6):
        answer(a_letter(begin_visit(brand), line), anna)
    barrier = threading.Barrier(4)

    def deliver() -> None:
        try:
            barrier.wait(20)
            run()
        finally:
            connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    run()
    assert len(postbox.taken) == len(set(postbox.ids)) == 6
    assert VisitorMail.objects.filter(sent_at__isnull=False).count() == 6
