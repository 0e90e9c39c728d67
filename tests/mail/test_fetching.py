"""Fetching over IMAP, from a small mailbox that speaks it on a real socket."""

import re
import socket
import socketserver
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from chat.models import Conversation
from mail import fetching
from mail.fetching import BadMailbox, Mailbox, fetch
from mail.incoming import TryLater
from mail.parsing import MAX_MAIL
from tests.mail.letters import WORDS, a_reply, address_of, texts

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "geheim wachtwoord/1"


class Box:
    """What lies in the mailbox: mails and their flags by number; what sessions may know."""

    def __init__(self) -> None:
        self.mails: dict[int, bytes] = {}
        self.flags: dict[int, set[str]] = {}
        self.sizes: dict[int, int] = {}
        self.commands: list[str] = []
        self.hangs_up_at = ""

    def put(self, raw: bytes, size: int = 0) -> int:
        uid = len(self.mails) + 100
        self.mails[uid], self.flags[uid] = raw, set()
        self.sizes[uid] = size or len(raw)
        return uid

    @property
    def kept(self) -> dict[int, set[str]]:
        return {uid: flags for uid, flags in self.flags.items() if uid in self.mails}


class Session(socketserver.StreamRequestHandler):
    """As much of IMAP4rev1 as a client needs to find, fetch, mark and delete."""

    def handle(self) -> None:
        self.box: Box = self.server.box  # type: ignore[attr-defined]
        self.say("* OK ready")
        while line := self.rfile.readline().decode().strip():
            tag, _, command = line.partition(" ")
            self.box.commands.append(command)
            if self.box.hangs_up_at and self.box.hangs_up_at in command.upper():
                return
            if self.answer(command):
                self.say(f"{tag} OK done")
            else:
                self.say(f"{tag} NO [AUTHENTICATIONFAILED] wrong for {command}")
            if command.upper() == "LOGOUT":
                return

    def say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")

    def answer(self, command: str) -> bool:
        words = command.upper()
        if words == "CAPABILITY":
            self.say("* CAPABILITY IMAP4REV1")
        elif words.startswith("LOGIN"):
            return PASSWORD in command
        elif words.startswith("SELECT"):
            self.say(f"* {len(self.box.mails)} EXISTS")
        elif words.startswith("UID SEARCH"):
            unread = [uid for uid, flags in self.box.kept.items() if "\\Seen" not in flags]
            self.say("* SEARCH " + " ".join(map(str, unread)))
        elif words.startswith("UID FETCH"):
            self.fetch(int(words.split()[2]), "HEADER" in words)
        elif words.startswith("UID STORE"):
            self.box.flags[int(words.split()[2])] |= set(re.findall(r"\\\w+", command))
        elif words == "EXPUNGE":
            for uid in [uid for uid, flags in self.box.kept.items() if "\\Deleted" in flags]:
                del self.box.mails[uid]
                self.say("* 1 EXPUNGE")
        elif words == "LOGOUT":
            self.say("* BYE bye")
        return True

    def fetch(self, uid: int, head_only: bool) -> None:
        raw = self.box.mails[uid]
        if head_only:
            raw = raw.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        what = "BODY[HEADER]" if head_only else "BODY[]"
        size = self.box.sizes[uid]
        self.say(f"* 1 FETCH (UID {uid} RFC822.SIZE {size} FLAGS () {what} {{{len(raw)}}}")
        self.wfile.write(raw + b")\r\n")


@pytest.fixture
def box() -> Iterator[Box]:
    server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Session)
    server.daemon_threads = True
    server.box = Box()  # type: ignore[attr-defined]
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    server.box.url = (  # type: ignore[attr-defined]
        f"imap://brief:{'geheim%20wachtwoord%2F1'}@127.0.0.1:{server.server_address[1]}/INBOX"
    )
    yield server.box  # type: ignore[attr-defined]
    server.shutdown()
    server.server_close()


def test_mails_become_messages_and_leave_the_mailbox(box: Any, letter: Conversation) -> None:
    to = address_of(letter)
    reply = a_reply(to, "Eerste mail.")
    for raw in (reply, reply, a_reply(to, "Tweede mail.")):
        box.put(raw)
    stranger = box.put(a_reply("info@klik.example", "Te koop."))

    assert fetch(box.url) == 2

    assert texts(letter) == [WORDS, "Eerste mail.", "Tweede mail."]
    # Not ours to delete; read, so that it is not looked at again.
    assert box.kept == {stranger: {"\\Seen"}}
    assert fetch(box.url) == 0
    assert not any("PEEK" not in one for one in box.commands if "FETCH" in one.upper())


def test_what_cannot_be_taken_now_stays_unread(
    box: Any,
    letter: Conversation,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    to = address_of(letter)
    first, second = box.put(a_reply(to, "Een")), box.put(a_reply(to, "Twee"))
    errors = [TryLater(), ValueError(f"secret {to}")]

    def fails(_raw: bytes) -> None:
        raise errors.pop(0)

    monkeypatch.setattr(fetching, "take", fails)
    assert fetch(box.url) == 0
    assert box.kept == {first: set(), second: set()}
    assert "secret" not in caplog.text
    monkeypatch.undo()
    assert fetch(box.url) == 2
    assert not box.kept


def test_what_is_too_big_is_not_even_fetched(box: Any, letter: Conversation) -> None:
    uid = box.put(a_reply(address_of(letter)), size=MAX_MAIL + 1)
    assert fetch(box.url) == 0
    assert box.kept == {uid: {"\\Seen", "\\Flagged"}}
    assert not any("BODY.PEEK[]" in one for one in box.commands)


@pytest.mark.parametrize("moment", ["LOGIN", "SEARCH", "FETCH", "STORE", "EXPUNGE", "LOGOUT"])
def test_a_mailbox_that_hangs_up_loses_and_doubles_nothing(
    box: Any, letter: Conversation, moment: str, caplog: pytest.LogCaptureFixture
) -> None:
    to = address_of(letter)
    box.put(a_reply(to, "Hoi."))
    box.hangs_up_at = moment
    fetch(box.url)
    box.hangs_up_at = ""
    fetch(box.url)
    assert texts(letter) == [WORDS, "Hoi."]
    assert not box.kept
    assert to not in caplog.text
    assert PASSWORD not in caplog.text


def test_a_mailbox_that_is_away_is_said_and_survived(
    caplog: pytest.LogCaptureFixture, settings: Any, box: Any
) -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        url = f"imap://brief:x@127.0.0.1:{closed.getsockname()[1]}"
        assert fetch(url) == 0
        settings.MAIL_FETCH_URL = url
        with pytest.raises(CommandError, match="ConnectionRefusedError"):
            call_command("fetch_mail", "--check")
    assert "the mailbox is away: ConnectionRefusedError" in caplog.text
    settings.MAIL_FETCH_URL = box.url.replace("geheim", "fout")
    with pytest.raises(CommandError, match="MailboxLoginError"):
        call_command("fetch_mail", "--check")


def test_the_command_looks_and_fetches(
    box: Any,
    letter: Conversation,
    settings: Any,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(CommandError, match="MAIL_FETCH_URL is not set"):
        call_command("fetch_mail")
    settings.MAIL_FETCH_URL = box.url
    box.put(a_reply(address_of(letter), "Hoi."))
    call_command("fetch_mail", "--check")
    assert "1 unread mails" in capsys.readouterr().out
    assert texts(letter) == [WORDS]
    # The lock of the only process would be held until the end of all tests.
    monkeypatch.setattr("klikvoor.management.commands.fetch_mail.refuse_unsafe", lambda: None)
    call_command("fetch_mail")
    assert "Put 1 mails in letters" in capsys.readouterr().out
    assert texts(letter) == [WORDS, "Hoi."]


def test_where_the_mailbox_is_is_read() -> None:
    url = "imaps://brief%40klik.example:p%3Aw@imap.example.org/Post%20in"
    assert Mailbox.at(url) == Mailbox(
        "imap.example.org", 993, "brief@klik.example", "p:w", "Post in", True
    )


@pytest.mark.parametrize(
    "url", ["imap.example.org", "https://a:secret@b", "imaps://secret@b", "imaps://a:secret@b:x"]
)
def test_nonsense_is_refused_without_repeating_it(url: str) -> None:
    with pytest.raises(BadMailbox) as refused:
        Mailbox.at(url)
    assert "secret" not in str(refused.value)
