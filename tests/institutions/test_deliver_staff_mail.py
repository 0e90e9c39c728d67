"""Delivering the outbox over real SMTP: once, again after a failure, and given up where it must."""

import os
import subprocess
import sys
import textwrap
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from aiosmtpd.controller import Controller
from django.db import connections

from institutions.delivery import BACK_OFF, LEASE
from institutions.jobs import deliver_staff_mail, forget_old_mail
from institutions.models import StaffMail, User
from tests.postbox import Postbox, database_url

NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)
ROOT = Path(__file__).resolve().parent.parent.parent


def put(to: User, key: str = "event:1") -> StaffMail:
    StaffMail.put(to, "published", key, subject="Je rooster", body="Kijk op é.", due_at=NOW)
    return StaffMail.objects.get(dedupe_key=key)


def test_what_is_due_is_delivered_once(postbox: Postbox, anna: User) -> None:
    mail = put(anna)
    put(anna, "event:2")
    assert deliver_staff_mail(NOW) == 2
    assert deliver_staff_mail(NOW + timedelta(days=1)) == 0
    mail.refresh_from_db()
    assert mail.sent_at is not None
    assert (mail.attempts, mail.last_error, mail.given_up_at) == (1, "", None)
    message = postbox.taken[0]
    assert (message["To"], message["Subject"]) == (anna.email, "Je rooster")
    assert message["From"] == "Klikvoor <noreply@klikvoor.example>"
    assert message["Message-ID"].endswith("@klikvoor.example>")
    assert message["Auto-Submitted"] == "auto-generated"
    assert "Kijk op é." in message.get_payload(decode=True).decode()
    assert len(set(postbox.ids)) == 2
    assert postbox.sessions == 1  # one connection for the whole run


def test_what_is_not_due_yet_waits(postbox: Postbox, anna: User) -> None:
    put(anna)
    StaffMail.objects.update(created_at=NOW - timedelta(hours=1))
    assert deliver_staff_mail(NOW - timedelta(seconds=1)) == 0
    assert not postbox.taken


def test_a_mail_goes_to_where_somebody_is_now_and_not_to_who_left(
    postbox: Postbox, anna: User, bilal: User
) -> None:
    put(anna)
    put(bilal, "event:2")
    User.objects.filter(pk=anna.pk).update(email="anna@nieuw.example")
    User.objects.filter(pk=bilal.pk).update(is_active=False)
    assert deliver_staff_mail(NOW) == 1
    assert postbox.taken[0]["To"] == "anna@nieuw.example"
    assert StaffMail.objects.get(to=bilal).last_error == "Inactive"


def test_a_server_that_is_away_loses_nothing(
    smtp: None, port: int, anna: User, caplog: pytest.LogCaptureFixture
) -> None:
    put(anna)
    put(anna, "event:2")
    assert deliver_staff_mail(NOW) == 0
    # One was tried, the others did not wait for the same silence.
    assert sorted(StaffMail.objects.values_list("attempts", flat=True)) == [0, 1]
    tried = StaffMail.objects.get(attempts=1)
    assert tried.last_error == "ConnectionRefusedError"
    assert tried.due_at == NOW + BACK_OFF[0]
    assert anna.email not in caplog.text
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    try:
        assert deliver_staff_mail(NOW + BACK_OFF[0]) == 2
    finally:
        controller.stop()
    assert len(box.taken) == 2


@pytest.mark.parametrize("about", ["recipient", "data"])
def test_a_refusal_for_now_is_tried_again(postbox: Postbox, anna: User, about: str) -> None:
    mail = put(anna)
    postbox.answers[anna.email if about == "recipient" else "data"] = ["451 later", "452 later"]
    now = NOW
    for attempt in (1, 2):
        assert deliver_staff_mail(now) == 0
        mail.refresh_from_db()
        assert (mail.attempts, mail.due_at) == (attempt, now + BACK_OFF[attempt - 1])
        assert mail.last_error.endswith(("451", "452"))
        now = mail.due_at
    assert deliver_staff_mail(now) == 1
    assert len(postbox.taken) == 1


@pytest.mark.parametrize("about", ["recipient", "data"])
def test_a_refusal_for_good_is_given_up_visibly_and_stops_no_other(
    postbox: Postbox, anna: User, bilal: User, about: str, caplog: pytest.LogCaptureFixture
) -> None:
    mail = put(anna)
    put(bilal, "event:2")
    postbox.answers[anna.email if about == "recipient" else "data"] = ["550 never"]
    assert deliver_staff_mail(NOW) == 1
    assert postbox.taken[0]["To"] == bilal.email
    mail.refresh_from_db()
    assert mail.given_up_at == NOW
    assert mail.last_error.endswith(" 550")
    assert f"mail {mail.pk} to staff is given up" in caplog.text
    assert anna.email not in caplog.text
    assert deliver_staff_mail(NOW + timedelta(days=9)) == 0


def test_a_server_that_refuses_us_gives_nothing_up(postbox: Postbox, anna: User) -> None:
    """A wrong sender is our own mistake: it is put right, and then everything goes."""
    mail = put(anna)
    postbox.answers["sender"] = ["550 who are you"]
    assert deliver_staff_mail(NOW) == 0
    mail.refresh_from_db()
    assert (mail.given_up_at, mail.last_error) == (None, "SMTPSenderRefused 550")
    assert deliver_staff_mail(mail.due_at) == 1


def test_after_two_days_we_give_up(smtp: None, anna: User) -> None:
    mail, now = put(anna), NOW
    for _attempt in range(len(BACK_OFF) + 1):
        assert deliver_staff_mail(now) == 0
        mail.refresh_from_db()
        now = mail.due_at
    assert mail.given_up_at is not None
    assert mail.given_up_at - NOW < timedelta(days=3)
    assert deliver_staff_mail(NOW + timedelta(days=30)) == 0


def test_who_takes_a_mail_second_leaves_it(postbox: Postbox, anna: User) -> None:
    mail = put(anna)
    StaffMail.objects.filter(pk=mail.pk).update(attempts=1, due_at=NOW + LEASE)
    assert deliver_staff_mail(NOW) == 0
    assert deliver_staff_mail(NOW + LEASE) == 1


KILLED = """
    import os, sys
    from datetime import datetime
    sys.path.insert(0, {root!r})
    import django
    django.setup()
    from django.core.mail.backends import smtp
    from institutions.jobs import deliver_staff_mail

    sending = smtp.EmailBackend.send_messages

    def send_and_die(self, messages):
        sending(self, messages)
        os.kill(os.getpid(), 9)

    smtp.EmailBackend.send_messages = send_and_die
    deliver_staff_mail(datetime.fromisoformat({now!r}))
"""


@pytest.mark.django_db(transaction=True)
def test_a_process_killed_between_sending_and_committing_doubles_one_mail(
    postbox: Postbox, port: int, anna: User
) -> None:
    put(anna)
    put(anna, "event:2")
    killed = subprocess.run(
        [
            sys.executable,
            "-c",
            textwrap.dedent(KILLED).format(root=str(ROOT), now=NOW.isoformat()),
        ],
        env=os.environ
        | {
            "DATABASE_URL": database_url(),
            "EMAIL_URL": f"smtp://127.0.0.1:{port}",
            "DEFAULT_FROM_EMAIL": "Klikvoor <noreply@klikvoor.example>",
        },
        capture_output=True,
        timeout=60,
    )
    assert killed.returncode == -9, killed.stderr.decode()
    assert len(postbox.taken) == 1
    assert not StaffMail.objects.filter(sent_at__isnull=False).exists()
    # The next run sends the other one; the leased one goes again when its lease ran out.
    assert deliver_staff_mail(NOW) == 1
    assert deliver_staff_mail(NOW + LEASE) == 1
    assert deliver_staff_mail(NOW + timedelta(days=9)) == 0
    assert len(postbox.taken) == 3
    assert len(set(postbox.ids)) == 2
    assert StaffMail.objects.filter(sent_at__isnull=False).count() == 2


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_four_processes_deliver_each_mail_once(postbox: Postbox, anna: User) -> None:
    for number in range(12):
        put(anna, f"event:{number}")
    barrier = threading.Barrier(4)

    def run() -> None:
        try:
            barrier.wait(20)
            deliver_staff_mail(NOW)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(postbox.taken) == len(set(postbox.ids)) == 12
    assert not StaffMail.objects.filter(sent_at__isnull=True).exists()


def test_finished_mails_are_forgotten_after_three_months(anna: User) -> None:
    for key in ("sent", "given up", "waiting"):
        put(anna, key)
    StaffMail.objects.update(created_at=NOW - timedelta(days=91))
    StaffMail.objects.filter(dedupe_key="sent").update(sent_at=NOW)
    StaffMail.objects.filter(dedupe_key="given up").update(given_up_at=NOW)
    assert forget_old_mail(NOW) == 2
    assert StaffMail.objects.get().dedupe_key == "waiting"
