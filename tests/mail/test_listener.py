"""A mail server hands mail over on a real socket, by LMTP and by SMTP."""

import smtplib
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.db import DatabaseError
from django.utils import timezone

from chat.models import Conversation
from institutions.models import User
from mail import listener as listening
from mail.incoming import Outcome, TryLater
from mail.jobs import deliver_visitor_mail, tell_visitors
from mail.listener import BadListener, Listener, Place
from mail.parsing import MAX_MAIL
from tests.mail.letters import ADDRESS, WORDS, a_reply, address_of, answer, text_of, texts
from tests.postbox import Postbox
from tests.servers import ROOT, environment, free_port

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def place() -> Place:
    return Place("lmtp", "127.0.0.1", free_port())


@pytest.fixture
def listener(place: Place) -> Iterator[Listener]:
    listener = Listener(place)
    listener.start()
    yield listener
    listener.stop()


def hand_over(place: Place, to: str, raw: bytes, sender: str = ADDRESS) -> tuple[int, str]:
    """Deliver as a mail server does; return the last answer."""
    kind = smtplib.LMTP if place.protocol == "lmtp" else smtplib.SMTP
    host, port = (place.path, 0) if place.path else (place.host, place.port)
    with kind(host, port) as client:  # type: ignore[arg-type]
        client.ehlo_or_helo_if_needed()
        for command in (lambda: client.mail(sender), lambda: client.rcpt(to)):
            code, text = command()
            if code >= 400:
                return code, text.decode()
        code, text = client.data(raw)
        return code, text.decode()


def test_from_an_answer_to_a_reply_and_back(
    postbox: Postbox, place: Place, listener: Listener, letter: Conversation, anna: User
) -> None:
    """Out by SMTP, in by LMTP, in the letter; handing it over again changes nothing."""
    answer(letter, anna)
    tell_visitors(timezone.now())
    assert deliver_visitor_mail(timezone.now()) == 1
    [mail] = postbox.taken
    quoted = "\n".join(f"> {line}" for line in text_of(mail).splitlines())
    reply = a_reply(
        mail["Reply-To"],
        f"Dank je wel, dat helpt.\n\nOp di 24 nov 2026 om 14:03 schreef Klik:\n\n{quoted}\n",
        In_Reply_To=mail["Message-ID"],
    )

    for _time in range(2):
        assert hand_over(place, mail["Reply-To"], reply)[0] == 250
        assert texts(letter) == [WORDS, "Dank je wel, dat helpt."]

    letter.refresh_from_db()
    assert letter.status == Conversation.Status.ACTIVE
    assert letter.due_at is not None  # an answer is promised again
    answer(letter, anna, "Fijn om te horen.")
    tell_visitors(timezone.now())
    assert deliver_visitor_mail(timezone.now()) == 1
    assert postbox.taken[1]["References"].split()[0] == mail["Message-ID"]


@pytest.mark.parametrize("kind", ["smtp", "unix"])
def test_other_ways_to_hand_over(kind: str, letter: Conversation, tmp_path: Path) -> None:
    place = (
        Place("smtp", "127.0.0.1", free_port())
        if kind == "smtp"
        else Place("lmtp", path=str(tmp_path / "lmtp"))
    )
    listener = Listener(place)
    listener.start()
    try:
        if place.path:
            with pytest.raises(OSError, match="listens there"):
                Listener(place).start()
        to = address_of(letter)
        assert hand_over(place, to, a_reply(to, "Hoi."))[0] == 250
    finally:
        listener.stop()
    assert texts(letter) == [WORDS, "Hoi."]
    assert not place.path or not Path(place.path).exists()


def test_an_address_that_leads_nowhere_is_refused_without_a_reason(
    place: Place, listener: Listener, letter: Conversation
) -> None:
    to = address_of(letter)
    answers = {
        hand_over(place, address, a_reply(address))
        for address in ("brief@klik.example", "brief+abc@klik.example", "info@klik.example")
    }
    letter.stop_mail()
    answers.add(hand_over(place, to, a_reply(to)))
    assert answers == {(550, "5.1.1 No such address")}


@pytest.mark.parametrize("error", [DatabaseError("secret"), TryLater(), RuntimeError("secret")])
def test_trouble_of_ours_is_temporary(
    place: Place,
    listener: Listener,
    letter: Conversation,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    error: Exception,
) -> None:
    to = address_of(letter)

    def fails(*_args: Any, **_more: Any) -> bool:
        raise error

    monkeypatch.setattr(listening, "take", fails)
    assert hand_over(place, to, a_reply(to))[0] == 451
    monkeypatch.setattr(listening, "is_known", fails)
    assert hand_over(place, to, a_reply(to))[0] == 451
    assert "secret" not in caplog.text
    assert to not in caplog.text
    monkeypatch.undo()
    assert hand_over(place, to, a_reply(to))[0] == 250


def test_it_is_acknowledged_after_the_commit_only(
    place: Place, listener: Listener, letter: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[list[str]] = []
    real = listening.take

    def take(*args: Any, **more: Any) -> Outcome:
        outcome = real(*args, **more)
        seen.append(texts(letter))
        return outcome

    monkeypatch.setattr(listening, "take", take)
    to = address_of(letter)
    assert hand_over(place, to, a_reply(to, "Hoi."))[0] == 250
    assert seen == [[WORDS, "Hoi."]]


def test_ten_megabytes_is_the_limit(place: Place, listener: Listener, letter: Conversation) -> None:
    to = address_of(letter)
    line = b"x" * 98 + b"\r\n"
    small = a_reply(to, "Hoi.") + line * ((MAX_MAIL - 2000) // 100)
    assert hand_over(place, to, small)[0] == 250
    assert hand_over(place, to, small + line * 100)[0] == 552
    with smtplib.LMTP(place.host, place.port) as client:
        client.ehlo_or_helo_if_needed()
        assert client.mail(ADDRESS, [f"SIZE={MAX_MAIL + 1}"])[0] == 552


def test_one_letter_at_a_time(place: Place, listener: Listener, letter: Conversation) -> None:
    to = address_of(letter)
    with smtplib.LMTP(place.host, place.port) as client:
        client.ehlo_or_helo_if_needed()
        client.mail(ADDRESS)
        assert client.rcpt(to)[0] == 250
        assert client.rcpt(to)[0] == 452


def test_a_line_without_an_end_is_cut_off(
    place: Place, listener: Listener, letter: Conversation
) -> None:
    with smtplib.LMTP(place.host, place.port) as client:
        client.ehlo_or_helo_if_needed()
        client.mail(ADDRESS)
        client.rcpt(address_of(letter))
        client.putcmd("data")
        client.getreply()
        assert client.sock is not None
        with pytest.raises(OSError, match=r"reset|pipe"):
            client.sock.sendall(b"x" * 60 * 1024 * 1024)
        client.close()
    to = address_of(letter)
    assert hand_over(place, to, a_reply(to))[0] == 250


def test_too_many_at_once_come_again(
    place: Place, listener: Listener, letter: Conversation
) -> None:
    sockets = [
        socket.create_connection((place.host, place.port)) for _ in range(listening.MAX_SESSIONS)
    ]
    try:
        for one in sockets:
            assert one.recv(100).startswith(b"220")
        with socket.create_connection((place.host, place.port)) as late:
            assert late.recv(100).startswith(b"421")
    finally:
        for one in sockets:
            one.close()
    to = address_of(letter)
    deadline = time.monotonic() + 5
    while time.monotonic() < deadline:
        with socket.create_connection((place.host, place.port)) as next_one:
            if next_one.recv(100).startswith(b"220"):
                break
        time.sleep(0.02)
    assert hand_over(place, to, a_reply(to))[0] == 250


def test_a_mail_that_takes_long_holds_up_no_other_thread(
    place: Place, listener: Listener, letter: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The listener still answers while one mail is being stored."""
    go_on = threading.Event()
    real = listening.take

    def slowly(*args: Any, **more: Any) -> Outcome:
        go_on.wait(10)
        return real(*args, **more)

    monkeypatch.setattr(listening, "take", slowly)
    to = address_of(letter)
    answers: list[int] = []
    thread = threading.Thread(target=lambda: answers.append(hand_over(place, to, a_reply(to))[0]))
    thread.start()
    assert hand_over(place, "brief@klik.example", b"")[0] == 550
    assert not answers
    go_on.set()
    thread.join(10)
    assert answers == [250]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("lmtp://127.0.0.1:8024", Place("lmtp", "127.0.0.1", 8024)),
        ("smtp://mail.internal:25/", Place("smtp", "mail.internal", 25)),
        ("lmtp:///run/klikvoor/lmtp", Place("lmtp", path="/run/klikvoor/lmtp")),
        ("lmtp://[::1]:24", Place("lmtp", "::1", 24)),
    ],
)
def test_where_to_listen_is_read(url: str, expected: Place) -> None:
    assert Place.at(url) == expected
    assert not expected.is_public


@pytest.mark.parametrize(
    "url", ["8024", "http://127.0.0.1:1", "lmtp://127.0.0.1", "lmtp://x:y", ""]
)
def test_nonsense_is_refused(url: str) -> None:
    with pytest.raises(BadListener):
        Place.at(url)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "8.8.8.8"])
def test_the_internet_is_kept_out(host: str) -> None:
    assert Place("lmtp", host, 24).is_public


def test_serve_listens_while_it_serves(
    demo_database: Path, tmp_path: Path, static_root: Path
) -> None:
    """`manage.py serve` with MAIL_LISTEN takes mail, refuses strangers, and lets go of the port."""
    import shutil

    from tests.servers import Server

    database = tmp_path / "klikvoor.sqlite3"
    shutil.copy(demo_database, database)
    place = Place("lmtp", "127.0.0.1", free_port())
    server = Server(
        tmp_path,
        environment(
            DATABASE_URL=f"sqlite:///{database}",
            EMAIL_URL=f"filemail:///{tmp_path}/mail",
            STATIC_ROOT=str(static_root),
            MAIL_LISTEN=f"lmtp://127.0.0.1:{place.port}",
            MAIL_REPLY_TO="brief@klik.example",
        ),
    )
    server.start()
    try:
        assert hand_over(place, "brief+abc@klik.example", b"")[0] == 550
    finally:
        assert server.stop() == 0
    assert not server.log().count("Traceback")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind((place.host, place.port))


def test_a_taken_port_is_said_and_not_survived(
    demo_database: Path, tmp_path: Path, static_root: Path
) -> None:
    import shutil

    database = tmp_path / "klikvoor.sqlite3"
    shutil.copy(demo_database, database)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = subprocess.run(
            [sys.executable, "manage.py", "serve", "--port", str(free_port())],
            cwd=ROOT,
            env=environment(
                DATABASE_URL=f"sqlite:///{database}",
                STATIC_ROOT=str(static_root),
                MAIL_LISTEN=f"lmtp://127.0.0.1:{taken.getsockname()[1]}",
                MAIL_REPLY_TO="brief@klik.example",
            ),
            capture_output=True,
            text=True,
            timeout=60,
        )
    assert done.returncode != 0
    assert "MAIL_LISTEN" in done.stderr
