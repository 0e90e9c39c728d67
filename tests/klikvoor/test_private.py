"""What a young person writes, and where they are, is nowhere to be read but in the conversation.

A sentence is planted in every place that takes words, sent from an address and with a browser that
nothing else has. Then everything that stays behind is searched, byte by byte: the database's files,
Redis and all that crosses it, and everything that the server printed.
"""

import base64
import http.client
import json
import re
import shutil
import smtplib
import sqlite3
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import redis

from tests.servers import Server, TwoServers, environment, free_port

SENTENCE = "zeegroene giraffe fluistert ongezien"
NAMES = {"zeegroene", "giraffe", "fluistert", "ongezien"}
# A visitor's own address on the loopback network, and one that a proxy would pass on.
ADDRESS, FORWARDED, AGENT = "127.0.0.99", "203.0.113.77", "Giraffenbrowser/7.7"


class Browser:
    """A browser without a window: one cookie jar, one address, and what it was told."""

    def __init__(self, server: Server, session: str = "") -> None:
        self.server = server
        self.cookies = {"session": session} if session else {}
        self.is_visitor = not session

    def request(self, method: str, path: str, body: bytes = b"", **headers: str) -> tuple[int, str]:
        source = (ADDRESS, 0) if self.is_visitor else None
        host = urlsplit(self.server.url).netloc
        connection = http.client.HTTPConnection(
            "127.0.0.1", self.server.port, source_address=source
        )
        sent = {
            "Host": host,
            "Origin": self.server.url,
            "Sec-Fetch-Site": "same-origin",
            "Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()),
        }
        if self.is_visitor:
            sent |= {
                "User-Agent": AGENT,
                "X-Forwarded-For": FORWARDED,
                "X-Real-IP": FORWARDED,
                "Forwarded": f"for={FORWARDED}",
            }
        try:
            connection.request(method, path, body, sent | headers)
            response = connection.getresponse()
            for name, value in response.getheaders():
                if name.lower() == "set-cookie" and "Cookie" not in headers:
                    key, _, rest = value.partition("=")
                    self.cookies[key] = rest.partition(";")[0]
            return response.status, response.read().decode(errors="replace")
        finally:
            connection.close()

    def get(self, path: str = "/") -> str:
        return self.request("GET", path)[1]

    def post(self, action: str, **fields: str) -> int:
        form = urlencode({"action": action, **fields}).encode()
        kind = "application/x-www-form-urlencoded"
        return self.request("POST", "/", form, **{"Content-Type": kind})[0]

    def frames(self, path: str, *frames: dict[str, Any]) -> list[dict[str, Any]]:
        body = json.dumps({"frames": frames}).encode()
        status, text = self.request("POST", path, body, **{"Content-Type": "application/json"})
        assert status == 200, (status, text)
        answered: list[dict[str, Any]] = json.loads(text)["frames"]
        return answered


def new_id() -> str:
    return str(uuid.uuid4())


def answer_questions(young: Browser) -> None:
    """Answer every question; where words fit, the sentence is the answer."""
    assert young.post("start") == 303
    for _step in range(20):
        page = young.get()
        step = re.search(r'name="step" value="(\d+)"', page)
        if step is None:
            return
        fields = dict.fromkeys(re.findall(r'<textarea[^>]* name="([^"]+)"', page), SENTENCE)
        if young.post("answer" if fields else "skip", step=step[1], **fields) != 303:
            young.post("skip_all", step=step[1])
    raise AssertionError("the questions do not end")


def talk(young: Browser, worker: Browser, conversation: str) -> None:
    """A whole conversation with the sentence in it, by every road that words can take."""
    hello = {"type": "hello", "conversation": conversation, "after": 0}
    young.frames("/visit/frames/", hello)

    def post(text: str = SENTENCE) -> dict[str, Any]:
        return {"type": "message.post", "client_id": new_id(), "text": text}

    about = {"conversation": conversation}
    heard = worker.frames(
        "/desk/frames/",
        {"type": "hello", "after": {}},
        {"type": "availability.set", "state": "available"},
        {"type": "conversation.claim", "despite": True, **about},
        {"type": "conversation.open", "after": 0, **about},
        {"type": "note.post", "client_id": new_id(), "text": SENTENCE, **about},
        {**post(), **about},
    )
    assert not [frame for frame in heard if frame["type"] == "error"], heard
    heard = young.frames("/visit/frames/", hello, post())
    assert [frame["text"] for frame in heard if frame["type"] == "message.posted"] == [SENTENCE] * 2
    assert young.post("post", client_id=new_id(), text=f"{SENTENCE}!") == 303
    assert SENTENCE in young.get(), "the search below would prove nothing"
    heard = worker.frames(
        "/desk/frames/",
        {"type": "hello", "after": {}},
        {"type": "conversation.open", "after": 0, **about},
    )
    # The first words, the note and the messages all came through.
    assert json.dumps(heard).count(SENTENCE) >= 4


def write_letter(server: Server) -> bytes:
    """A letter with the sentence in it and in its address, and back with the code; the code."""
    young = Browser(server)
    assert young.post("letter") == 303
    assert young.post("skip_all") == 303
    given = {"answer_by": "mail", "address": "zeegroene@ongezien.example"}
    assert young.post("letter_send", client_id=new_id(), text=SENTENCE, **given) == 303
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    _status, page = young.request("POST", "/", b"action=code", **kind)
    words = " ".join(re.findall(r"<li>([a-z]+)</li>", page))
    back = Browser(server)
    for typed, status in ((f"{words} {SENTENCE}", 400), ("adres " * 7, 404), (words, 303)):
        form = urlencode({"words": typed}).encode()
        assert back.request("POST", "/terug/", form, **kind)[0] == status
    assert back.post("letter_post", client_id=new_id(), text=f"{SENTENCE}?") == 303
    _status, page = back.request("POST", "/", b"action=letter_older", **kind)
    assert page.count(SENTENCE) == 2, "the search below would prove nothing"
    return words.encode()


def fill_in(worker: Browser, page: str, deed: str, **fields: str) -> None:
    """Send a form of the staff's pages, as a browser does: with its token."""
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', worker.get(page))
    assert token, page
    form = urlencode({"csrfmiddlewaretoken": token[1], **fields}).encode()
    kind = {"Content-Type": "application/x-www-form-urlencoded"}
    assert worker.request("POST", f"{page}{deed}/", form, **kind)[0] == 302, deed


def answer_letter(server: Server, worker: Browser) -> str:
    """An answer with the sentence in it, which goes by mail; return the page of the letter."""
    server.rows(
        "UPDATE chat_conversation SET institution_id = (SELECT m.institution_id"
        " FROM institutions_membership m JOIN institutions_user u ON u.id = m.user_id"
        " WHERE u.chat_name = 'Anna' AND m.role = 'worker') WHERE kind = 'letter'"
    )
    [[pk]] = server.rows("SELECT id FROM chat_conversation WHERE kind = 'letter'")
    page = f"/desk/letters/{pk}/"
    fill_in(worker, page, "claim")
    fill_in(worker, page, "save", text=SENTENCE, version="0", seen="2", client_id=new_id())
    fill_in(worker, page, "send", text=SENTENCE, version="1", seen="2", client_id=new_id())
    return page


def reply_address(mails: Path) -> str:
    """Where the mail that went out wants its answer; the clock sends it within twenty seconds."""
    for _look in range(400):
        text = "".join(path.read_text() for path in mails.glob("*.log"))
        if found := re.search(r"^Reply-To: (\S+)", text, re.MULTILINE):
            assert SENTENCE in text
            return found[1]
        time.sleep(0.1)
    raise AssertionError("no mail went out")


def hand_over(port: int, to: str, raw: bytes, sender: str = "zeegroene@ongezien.example") -> int:
    """Deliver a mail as a mail server does; return the code of the last answer."""
    with smtplib.LMTP("127.0.0.1", port) as client:
        client.ehlo_or_helo_if_needed()
        client.mail(sender)
        code, _text = client.rcpt(to)
        return code if code >= 400 else client.data(raw)[0]


def a_mail(to: str, name: str, body: str = SENTENCE, **headers: str) -> bytes:
    lines = {
        "From": "Ongezien <zeegroene@ongezien.example>",
        "To": to,
        "Subject": SENTENCE,
        "Message-ID": f"<{name}.giraffe@ongezien.example>",
    } | {key.replace("_", "-"): value for key, value in headers.items()}
    head = "".join(f"{key}: {value}\r\n" for key, value in lines.items())
    return f"{head}\r\n{body}\r\n".encode()


def exchange_mail(port: int, to: str, database: Path) -> None:
    """Mails with the sentence in every place: good, broken, automatic, bounced, and refused."""
    assert hand_over(port, to, a_mail(to, "first")) == 250
    assert hand_over(port, to, a_mail(to, "first")) == 250
    broken = {"Content_Type": f'multipart/{SENTENCE}; boundary="{SENTENCE}'}
    assert hand_over(port, to, a_mail(to, "broken", **broken)) == 250
    coded = {"Content_Type": f"text/html; charset={SENTENCE}", "Content_Transfer_Encoding": "x"}
    assert hand_over(port, to, a_mail(to, "coded", f"<p>{SENTENCE}<script>", **coded)) == 250
    assert hand_over(port, to, a_mail(to, "away", Auto_Submitted="auto-replied")) == 250
    report = (
        f"--b\r\nContent-Type: text/plain\r\n\r\n{SENTENCE}\r\n--b\r\nContent-Type:"
        " message/delivery-status\r\n\r\nReporting-MTA: dns; x\r\n\r\nFinal-Recipient: rfc822;"
        " zeegroene@ongezien.example\r\nAction: failed\r\nStatus: 5.1.1\r\n--b--"
    )
    kind = {"Content_Type": "multipart/report; report-type=delivery-status; boundary=b"}
    assert hand_over(port, to, a_mail(to, "bounce", report, **kind), sender="") == 250
    assert hand_over(port, "brief+zeegroene@klik.example", b"") == 550
    assert hand_over(port, to, f"{SENTENCE}\r\n".encode() * 300_000) == 552
    assert hand_over(port, to, SENTENCE.encode() * 400_000) == 500  # a line without an end
    with away("chat_message", database):
        assert hand_over(port, to, a_mail(to, "later")) == 451
    with away("mail_incomingmail", database):
        assert hand_over(port, to, a_mail(to, "later")) == 451
    assert hand_over(port, to, a_mail(to, "later")) == 250


def stumble(young: Browser, conversation: str) -> None:
    """The sentence where nothing expects it: in what is refused, not found, or broken."""
    hello = {"type": "hello", "conversation": conversation, "after": 0}
    strange = (
        {"type": "message.post", "client_id": new_id(), "text": SENTENCE, "extra": SENTENCE},
        {"type": "message.post", "client_id": new_id(), "text": f"{SENTENCE}\0"},
        {"type": "message.post", "client_id": new_id(), "text": SENTENCE * 200},
        {"type": "message.post", "client_id": SENTENCE, "text": "x"},
        {"type": SENTENCE},
        {"type": "hello", "conversation": SENTENCE[:22], "after": 0},
    )
    young.frames("/visit/frames/", hello, *strange)
    kind = {"Content-Type": "application/json"}
    young.request("POST", "/visit/frames/", SENTENCE.encode(), **kind)
    young.request("POST", "/visit/frames/", f'{{"frames":["{SENTENCE}"]}}'.encode(), **kind)
    young.request("POST", "/visit/frames/", SENTENCE.encode() * 5000, **kind)
    young.request("GET", f"/{quote(SENTENCE)}/?q={quote(SENTENCE)}")
    young.request("GET", "/", Host=f"{SENTENCE.replace(' ', '-')}.example")
    young.request("GET", "/", Cookie=f"visit={SENTENCE.replace(' ', '-')}")
    young.request("POST", "/", SENTENCE.encode(), **{"Content-Type": SENTENCE})
    young.request("POST", "/", SENTENCE.encode(), Origin=f"http://{SENTENCE.split()[0]}.example")
    young.post(SENTENCE, text=SENTENCE)
    young.post("post", client_id=SENTENCE, text=SENTENCE)
    young.post("feedback", heard=SENTENCE)


def traces(haystack: bytes) -> set[str]:
    """Return what of the visit is in these bytes, in any spelling that we can think of."""
    found = set()
    for needle in (SENTENCE, *NAMES, AGENT, ADDRESS, FORWARDED):
        raw = needle.encode()
        spellings = [raw, raw.hex().encode(), quote(needle).encode(), needle.encode("utf-16-le")]
        for shift in range(3):
            # Base64 of the needle inside of something longer: leave out what its neighbours share.
            coded = base64.b64encode(b"\0" * shift + raw)
            spellings.append(coded[(shift * 8 + 5) // 6 : -4])
        if any(spelling in haystack for spelling in spellings if len(spelling) >= 8):
            found.add(needle)
    return found


def files(directory: Path) -> Iterator[Path]:
    return (path for path in directory.rglob("*") if path.is_file())


def test_the_search_finds_what_is_there() -> None:
    assert SENTENCE in traces(f"x {SENTENCE} y".encode())
    assert SENTENCE in traces(base64.b64encode(f"xy {SENTENCE} y".encode()))
    assert SENTENCE in traces(f"x {SENTENCE} y".encode().hex().encode())
    assert SENTENCE in traces(f"x {SENTENCE} y".encode("utf-16-le"))
    assert traces(f"GET / from {ADDRESS} with {AGENT}".encode()) == {ADDRESS, AGENT}
    assert traces(b"nothing") == set()


def test_a_visit_leaves_no_trace_in_one_process(
    demo_with_sessions: tuple[Path, dict[str, str]],
    static_root: Path,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    template, sessions = demo_with_sessions
    database = tmp_path / "klikvoor.sqlite3"
    shutil.copy(template, database)
    # What goes out has her address and the words on it: it is not among what stays behind.
    mails, lmtp_port = tmp_path_factory.mktemp("mails"), free_port()
    server = Server(
        tmp_path,
        environment(
            DEMO="1",
            DATABASE_URL=f"sqlite:///{database}",
            EMAIL_URL=f"filemail:///{mails}",
            STATIC_ROOT=str(static_root),
            MAIL_FROM="post@klik.example",
            MAIL_REPLY_TO="brief@klik.example",
            MAIL_LISTEN=f"lmtp://127.0.0.1:{lmtp_port}",
        ),
    )
    server.start()
    try:
        young, worker = Browser(server), Browser(server, sessions["anna"])
        answer_questions(young)
        [[conversation]] = server.rows("SELECT id FROM chat_conversation")
        talk(young, worker, str(conversation))
        code = write_letter(server)
        page = answer_letter(server, worker)
        stumble(young, str(conversation))
        reply_to = reply_address(mails)
        exchange_mail(lmtp_port, reply_to, database)
        [[count]] = server.rows("SELECT COUNT(*) FROM mail_incomingmail WHERE kind = 'reply'")
        assert count == 4
        assert worker.get(page).count(SENTENCE) >= 7, "the search below would prove nothing"
        assert SENTENCE in worker.get(f"{page}mail/4/")
        break_storage(young, str(conversation), database)
        # While it runs: the write-ahead log holds what the file does not hold yet.
        for path in files(tmp_path):
            assert not traces(path.read_bytes()), path.name
        token = young.cookies["visit"]
        assert young.post("exit") == 200
        assert set(young.cookies) == {"visit"}
        assert not young.cookies["visit"].strip('"')
    finally:
        server.stop()

    kept = {path.name: path.read_bytes() for path in files(tmp_path)}
    assert "klikvoor.sqlite3" in kept
    assert server.log_file.name in kept
    assert b"Anna de Wit" in kept["klikvoor.sqlite3"], "the search below would prove nothing"
    assert {name: traces(content) for name, content in kept.items() if traces(content)} == {}
    assert [name for name, content in kept.items() if token.encode() in content] == []
    assert [name for name, content in kept.items() if code in content] == []


def break_storage(young: Browser, conversation: str, database: Path) -> None:
    """Take a table away under the server: what could not be stored is refused, and not logged."""

    with away("chat_message", database):
        client_id = new_id()
        body = {
            "frames": [
                {"type": "hello", "conversation": conversation, "after": 10**6},
                {"type": "message.post", "client_id": client_id, "text": SENTENCE},
            ]
        }
        kind = {"Content-Type": "application/json"}
        status, text = young.request("POST", "/visit/frames/", json.dumps(body).encode(), **kind)
        assert status == 200, text
        refused = [one for one in json.loads(text)["frames"] if one["type"] == "message.refused"]
        assert [(one["client_id"], one["code"]) for one in refused] == [(client_id, "unavailable")]
        young.post("post", client_id=new_id(), text=SENTENCE)
        young.get()


@contextmanager
def away(table: str, database: Path) -> Iterator[None]:
    """Without this table, as if the storage broke."""

    def rename(old: str, new: str) -> None:
        with closing(sqlite3.connect(database, timeout=10)) as connection, connection:
            connection.execute("PRAGMA legacy_alter_table=ON")
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")

    rename(table, "away")
    try:
        yield
    finally:
        rename("away", table)


@pytest.mark.postgresql
def test_a_visit_leaves_no_trace_in_two_processes(two_servers: TwoServers) -> None:
    """On PostgreSQL with its logs and Redis with its traffic; the two talk through the second."""
    env = two_servers.first.env
    heard: list[bytes] = []
    listener = listen(env["REDIS_URL"], heard)
    young = Browser(two_servers.first)
    worker = Browser(two_servers.second, two_servers.sessions["anna"])
    answer_questions(young)
    match = re.search(r'data-conversation="([\w-]{22})"', young.get())
    assert match, "the waiting page names its conversation"
    talk(young, worker, match[1])
    code = write_letter(two_servers.second)
    stumble(young, match[1])
    time.sleep(0.5)
    listener.stop()

    client = redis.Redis.from_url(env["REDIS_URL"])
    for key in client.scan_iter():
        kind = client.type(key)
        heard += [key, client.dump(key) or b""]
        if kind == b"string":
            heard.append(client.get(key) or b"")
    client.close()
    assert any(b"hub.relay" in data or b"klikvoor" in data for data in heard)
    assert not traces(b"\n".join(heard))
    assert code not in b"\n".join(heard)
    # Not even which conversation it is about: what processes tell each other is sealed.
    assert match[1].encode() not in b"\n".join(heard)

    for server in (two_servers.first, two_servers.second):
        server.stop()
        assert not traces(server.log().encode())
    directory = Path(urlsplit(env["DATABASE_URL"]).path.removeprefix("/")).parent
    stored = [path for path in files(directory) if path.stat().st_size]
    assert any(b"Anna de Wit" in path.read_bytes() for path in stored)
    found = {path.name for path in stored if traces(path.read_bytes())}
    assert not found


def listen(url: str, heard: list[bytes]) -> "redis.client.PubSubWorkerThread":
    """Keep everything that crosses Redis from now on."""
    listener = redis.Redis.from_url(url).pubsub()

    def keep(message: dict[str, Any]) -> None:
        heard.append(message["channel"] + message["data"])

    listener.psubscribe(**{"*": keep})
    return listener.run_in_thread(sleep_time=0.05, daemon=True)
