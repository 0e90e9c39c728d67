"""What nginx does by itself with the files of deploy/nginx/; no process of ours is needed.

Behind it stand two upstreams that tell what they were asked.
"""

import json
import re
import shutil
import socket
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from http.client import HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.nginx import FILES, Nginx, nginx_or_skip
from tests.servers import free_port

BIG = 3_000_000


class Asked(BaseHTTPRequestHandler):
    """Answers with the request's headers and the length of its body."""

    server: "Upstream"

    def do_GET(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path))
        if self.path == "/hangs-up/":
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        if self.path == "/big/":
            answer = b"x" * BIG
        else:
            answer = json.dumps({"headers": dict(self.headers), "length": len(body)}).encode()
        self.send_response(503 if self.path == "/own-503/" else 200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    do_POST = do_GET

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""


class Upstream(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Asked)
        self.asked: list[tuple[str, str]] = []


@pytest.fixture(scope="module")
def upstreams() -> Iterator[list[Upstream]]:
    both = [Upstream(), Upstream()]
    for one in both:
        threading.Thread(target=one.serve_forever, daemon=True).start()
    yield both
    for one in both:
        one.shutdown()
        one.server_close()


@pytest.fixture(scope="module")
def nginx(upstreams: list[Upstream], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx with its temporary files taken away: whatever would write one fails."""
    nginx_or_skip()
    directory = tmp_path_factory.mktemp("nginx")
    for parent in directory.parents[:2]:
        parent.chmod(0o755)
    static = directory / "static"
    static.mkdir()
    (static / "base.0123456789ab.css").write_text("body {}")
    (static / "base.css").write_text("body {}")
    nginx = Nginx(directory, static)
    nginx.render(one.server_address[1] for one in upstreams)
    nginx.start()
    shutil.rmtree(directory / "temporary")
    yield nginx
    nginx.kill()


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    """nginx with nobody behind it."""
    nginx_or_skip()
    directory = tmp_path_factory.mktemp("lonely")
    nginx = Nginx(directory, directory)
    nginx.render([free_port(), free_port()])
    nginx.start()
    yield nginx
    nginx.kill()


@dataclass
class Answer:
    status: int
    headers: Message
    body: bytes

    @property
    def seen(self) -> dict[str, Any]:
        """What the upstream saw: headers by small name, and the length of the body."""
        assert self.status == 200
        told = json.loads(self.body)
        headers = {name.lower(): value for name, value in told["headers"].items()}
        return {"headers": headers, "length": told["length"]}


def ask(
    nginx: Nginx,
    path: str = "/",
    *,
    method: str = "GET",
    body: bytes | None = None,
    **headers: str,
) -> Answer:
    connection = HTTPSConnection("localhost", nginx.port, context=nginx.trust, timeout=10)
    try:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        connection.request(method, path, body, names)
        response = connection.getresponse()
        return Answer(response.status, response.headers, response.read())
    finally:
        connection.close()


# --- What our processes are told ----------------------------------------------------------------


def test_what_a_stranger_forwards_is_not_believed(nginx: Nginx) -> None:
    headers = ask(
        nginx,
        X_Forwarded_For="203.0.113.9, 198.51.100.7",
        X_Forwarded_Proto="http",
        X_Forwarded_Host="kwaad.example",
        X_Real_IP="203.0.113.9",
        Forwarded="for=203.0.113.9",
    ).seen["headers"]
    assert headers["x-forwarded-for"] == "127.0.0.1"
    assert headers["x-forwarded-proto"] == "https"
    assert not {"x-forwarded-host", "x-real-ip", "forwarded"} & set(headers)
    assert headers["host"] == "localhost"


def test_a_get_goes_to_another_process_and_a_post_is_never_sent_twice(
    nginx: Nginx, upstreams: list[Upstream]
) -> None:
    for one in upstreams:
        one.asked.clear()
    ask(nginx, "/hangs-up/")
    assert sorted(len(one.asked) for one in upstreams) == [1, 1]

    for one in upstreams:
        one.asked.clear()
    assert ask(nginx, "/hangs-up/", method="POST", body=b"text=x").status == 502
    assert sorted(len(one.asked) for one in upstreams) == [0, 1]


def test_a_503_of_our_own_is_not_replaced(nginx: Nginx) -> None:
    answer = ask(nginx, "/own-503/")
    assert answer.status == 503
    assert b"headers" in answer.body


# --- Words stay in memory -----------------------------------------------------------------------


def test_no_word_goes_through_a_file(nginx: Nginx) -> None:
    answer = ask(nginx, method="POST", body=b"x" * 128 * 1024)
    assert answer.seen["length"] == 128 * 1024
    answer = ask(nginx, "/staff/questions/file/", method="POST", body=b"x" * 320 * 1024)
    assert answer.seen["length"] == 320 * 1024
    assert len(ask(nginx, "/big/").body) == BIG


def test_the_largest_body_fits_the_buffer() -> None:
    text = (FILES / "klikvoor.conf").read_text()
    largest = re.findall(r"client_max_body_size (\w+);", text)
    assert largest == re.findall(r"client_body_buffer_size (\w+);", text) != []


# --- What is too much ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "size"), [("/", 128 * 1024 + 1), ("/staff/questions/file/", 320 * 1024 + 1)]
)
def test_a_body_that_is_too_large_is_refused_before_a_process_sees_it(
    nginx: Nginx, upstreams: list[Upstream], path: str, size: int
) -> None:
    before = sum(len(one.asked) for one in upstreams)
    # Said before the body is sent: who asks first is told at once.
    assert ask(nginx, path, method="POST", Content_Length=str(size)).status == 413
    assert sum(len(one.asked) for one in upstreams) == before


def test_headers_that_are_too_large_are_refused(nginx: Nginx) -> None:
    assert ask(nginx, Cookie="a=" + "x" * 9000).status == 400
    assert ask(nginx, "/" + "x" * 9000).status == 414
    assert ask(nginx, Cookie="a=" + "x" * 7000).status == 200


# --- What is not for the world ------------------------------------------------------------------


@pytest.mark.parametrize(
    "path", ["/metrics", "/metrics/", "/healthz/live", "/healthz/ready", "/healthz", "//metrics"]
)
def test_the_state_of_processes_is_not_shown_outside(
    nginx: Nginx, upstreams: list[Upstream], path: str
) -> None:
    before = sum(len(one.asked) for one in upstreams)
    assert ask(nginx, path).status == 404
    assert sum(len(one.asked) for one in upstreams) == before


def test_another_host_gets_no_certificate(nginx: Nginx) -> None:
    trust = ssl.create_default_context()
    trust.check_hostname, trust.verify_mode = False, ssl.CERT_NONE
    with (
        socket.create_connection(("127.0.0.1", nginx.port), 5) as plain,
        pytest.raises(ssl.SSLError),
    ):
        trust.wrap_socket(plain, server_hostname="kwaad.example")


def test_plain_http_leads_to_https_and_nowhere_else(nginx: Nginx) -> None:
    def get(host: str) -> bytes:
        with socket.create_connection(("127.0.0.1", nginx.plain_port), 5) as line:
            line.sendall(
                f"GET /terug/ HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
            )
            answer = b""
            while piece := line.recv(4096):
                answer += piece
            return answer

    assert b"\r\nLocation: https://localhost/terug/\r\n" in get("localhost")
    assert get("kwaad.example") == b""


def test_nothing_says_which_nginx_this_is(nginx: Nginx) -> None:
    assert ask(nginx, "/metrics").headers["Server"] == "nginx"


# --- Files --------------------------------------------------------------------------------------


def test_files_with_a_hash_in_their_name_are_kept_for_a_year(nginx: Nginx) -> None:
    hashed = ask(nginx, "/static/base.0123456789ab.css")
    assert hashed.status == 200
    assert hashed.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    plain = ask(nginx, "/static/base.css")
    assert plain.headers["Cache-Control"] == "public, max-age=60"
    for answer in (hashed, plain):
        assert answer.headers["Content-Type"] == "text/css; charset=utf-8"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Cross-Origin-Resource-Policy"] == "same-origin"


@pytest.mark.parametrize(
    "path",
    ["/static/../nginx.conf", "/static../key.pem", "/static/%2e%2e/key.pem", "/away/../key.pem"],
)
def test_no_path_leads_out_of_the_files(nginx: Nginx, path: str) -> None:
    assert b"PRIVATE KEY" not in ask(nginx, path).body


# --- Nothing answers ----------------------------------------------------------------------------


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_when_nothing_answers_there_are_numbers_to_call(lonely: Nginx, method: str) -> None:
    answer = ask(lonely, method=method)
    page = answer.body.decode()
    assert answer.status == 502
    assert answer.headers["Retry-After"] == "30"
    assert answer.headers["Cache-Control"] == "no-store"
    assert "style-src 'self'" in answer.headers["Content-Security-Policy"]
    assert "<title>Klik</title>" in page
    for number in ("tel:112", "tel:113", "tel:08002000", "tel:08000432"):
        assert number in page
    assert ask(lonely, "/away/away.css").status == 200


def test_the_numbers_are_those_of_the_pages() -> None:
    """Klikvoor's own pages and the one of nginx may not drift apart."""
    page = (FILES / "away/away.html").read_text()
    ours = (FILES.parents[1] / "templates/triage/_help_lines.html").read_text()
    lines = re.findall(
        r'<a href="(tel:\d+)"><strong>([^<]+)</strong></a> {% translate "(.+)" %}', ours
    )
    assert len(lines) == 4
    for address, name, text in lines:
        assert f'<a href="{address}"><strong>{name}</strong></a> {text}' in page


# --- Nobody's address is kept -------------------------------------------------------------------


def test_no_log_holds_an_address(nginx: Nginx, lonely: Nginx, tmp_path: Path) -> None:
    """Whatever goes wrong: also the log of errors would name who asked."""
    ask(lonely, "/?words=geheim")
    ask(nginx, "/hangs-up/", method="POST", body=b"text=geheim")
    ask(nginx, method="POST", Content_Length=str(10**9))
    ask(nginx, Cookie="a=" + "x" * 9000)
    ask(nginx, "/static/none.css")
    with socket.create_connection(("127.0.0.1", nginx.port), 5) as line:
        line.sendall(b"\x16\x03\x01nonsense\r\n\r\n")
        line.recv(100)
    for one in (nginx, lonely):
        assert "127.0.0.1" not in one.log()
        assert "client" not in one.log()
        assert "geheim" not in one.log()
        assert not [path for path in one.directory.rglob("*.log") if path != one.log_file]
