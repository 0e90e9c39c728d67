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
import sqlite3
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import redis

from tests.servers import Server, TwoServers, environment

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
    demo_with_sessions: tuple[Path, dict[str, str]], static_root: Path, tmp_path: Path
) -> None:
    template, sessions = demo_with_sessions
    database = tmp_path / "klikvoor.sqlite3"
    shutil.copy(template, database)
    server = Server(
        tmp_path,
        environment(
            DEMO="1",
            DATABASE_URL=f"sqlite:///{database}",
            EMAIL_URL=f"filemail:///{tmp_path}/mail",
            STATIC_ROOT=str(static_root),
        ),
    )
    server.start()
    try:
        young, worker = Browser(server), Browser(server, sessions["anna"])
        answer_questions(young)
        [[conversation]] = server.rows("SELECT id FROM chat_conversation")
        talk(young, worker, str(conversation))
        code = write_letter(server)
        stumble(young, str(conversation))
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

    def rename(old: str, new: str) -> None:
        connection = sqlite3.connect(database, timeout=10)
        with connection:
            connection.execute("PRAGMA legacy_alter_table=ON")
            connection.execute(f"ALTER TABLE {old} RENAME TO {new}")
        connection.close()

    rename("chat_message", "away")
    try:
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
    finally:
        rename("away", "chat_message")


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
