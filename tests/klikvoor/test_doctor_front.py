"""The doctor before a proxy that does something wrong: a real one, on a socket, with a certificate."""

import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from klikvoor.doctor import NOTE, WELL, WRONG, Line
from klikvoor.doctor.front import Front
from tests.servers import free_port

STYLE = "/static/css/base.0123456789ab.css"
PAGE = f'<html><link href="{STYLE}"><button data-exit="x"></button></html>'
KEPT = {"Cache-Control": "public, max-age=31536000, immutable"}
GOOD = {
    "Strict-Transport-Security": "max-age=31536000",
    "Content-Security-Policy": "default-src 'none'",
    "Cache-Control": "no-store",
    "Server": "nginx",
}


@dataclass
class Site:
    """A site and the proxy before it; as it should be until a test spoils something."""

    url: str = ""
    page: tuple[int, str] = (200, PAGE)
    headers: dict[str, str] = field(default_factory=lambda: dict(GOOD))
    static: tuple[int, dict[str, str]] = (200, KEPT)
    socket: int = 101
    other_origins: int = 403
    metrics: int = 404
    body: int = 413


class Handler(BaseHTTPRequestHandler):
    site: Site

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing."""

    def answer(self, status: int, headers: dict[str, str], text: str = "") -> None:
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        if status != 101:
            self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def do_GET(self) -> None:
        site = self.site
        if self.path == "/":
            self.answer(site.page[0], site.headers, site.page[1])
        elif self.path == STYLE:
            self.answer(*site.static)
        elif self.path == "/ws/visit/":
            ours = self.headers["Origin"] == site.url
            self.answer(site.socket if ours else site.other_origins, {})
        else:
            self.answer(site.metrics, {})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self.answer(self.site.body, {})


def certificate(directory: Path, name: str, days: int) -> Path:
    """A certificate for this name that signs itself; with its key in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = directory / f"{name}.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


class Proxy:
    def __init__(self, site: Site, cert: Path) -> None:
        handler = type("OneHandler", (Handler,), {"site": site})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.server.daemon_threads = True
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cert)
        self.server.socket = context.wrap_socket(
            self.server.socket, server_side=True, do_handshake_on_connect=False
        )
        # A handshake that the other side gives up is what some tests want, and no error of ours.
        self.server.handle_error = lambda request, address: None  # type: ignore[method-assign]
        site.url = f"https://localhost:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture(scope="module")
def good_certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate(tmp_path_factory.mktemp("tls"), "localhost", 90)


@pytest.fixture
def site(good_certificate: Path, monkeypatch: pytest.MonkeyPatch, settings: Any) -> Iterator[Site]:
    """A good site, whose certificate this process trusts."""
    site = Site()
    proxy = Proxy(site, good_certificate)
    monkeypatch.setenv("SSL_CERT_FILE", str(good_certificate))
    settings.ORIGINS = [site.url]
    # The tests have no public name; this one is treated as if it were.
    monkeypatch.setattr("klikvoor.doctor.front.LOCAL_HOSTS", frozenset())
    # Where nobody listens.
    monkeypatch.setattr(Front, "plain_port", free_port())
    yield site
    proxy.stop()


def lines(site: Site) -> list[Line]:
    return list(Front(site.url).check())


def told(site: Site, level: str = WRONG) -> str:
    return "\n".join(line.what for line in lines(site) if line.level == level)


def test_a_site_as_it_should_be_is_called_well(site: Site) -> None:
    assert told(site) == ""
    assert told(site, NOTE) == "Nothing answers over plain http."
    well = told(site, WELL)
    for words in (
        "The certificate is valid for 90 days",
        "shows the first page",
        "https always",
        "Static files come",
        "Sockets open",
        "cannot be seen from outside",
        "refuses large requests",
    ):
        assert words in well


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"page": (400, "")}, "is refused (400)"),
        ({"page": (404, "")}, "There is no site with the name localhost"),
        ({"page": (502, "")}, "finds no process of ours (502)"),
        ({"page": (200, "another site")}, "answers with 200, and not with the first page"),
        ({"page": (200, "data-exit")}, "names no static file"),
        ({"static": (404, {})}, "is not there (404)"),
        ({"socket": 400}, "does not let sockets through (400)"),
        ({"socket": 403}, "refuses sockets of its own pages (403)"),
        ({"other_origins": 101}, "Sockets open for pages of other sites"),
        ({"metrics": 200}, "/metrics can be read from outside"),
        ({"body": 502}, "A large request is answered with 502"),
        ({"headers": GOOD | {"Server": "nginx/1.18.0"}}, "The header Server tells"),
        ({"headers": GOOD | {"X-Powered-By": "Django"}}, "The header X-Powered-By tells"),
        ({"headers": GOOD | {"Strict-Transport-Security": "max-age=0"}}, "(HSTS)"),
        ({"headers": GOOD | {"Cache-Control": "max-age=60"}}, "may be kept in caches"),
        ({"headers": {"Cache-Control": "no-store"}}, "Content-Security-Policy"),
    ],
)
def test_what_a_proxy_does_wrong_is_told_with_a_way_to_mend_it(
    site: Site, changes: dict[str, Any], words: str
) -> None:
    for name, value in changes.items():
        setattr(site, name, value)

    found = [line for line in lines(site) if line.level == WRONG]

    assert any(words.lower() in line.what.lower() for line in found), found
    assert all(line.why and line.mend for line in found)


def test_what_could_be_better_is_no_reason_to_call_it_wrong(site: Site) -> None:
    site.static = (200, {"Cache-Control": "no-cache"})
    site.body = 400

    assert told(site) == ""
    assert "ask for static files again" in told(site, NOTE)
    assert "passes large requests on" in told(site, NOTE)


def test_an_address_that_settings_do_not_know_is_told(site: Site, settings: Any) -> None:
    settings.ORIGINS = ["https://chat.example.org"]

    assert f"ORIGINS does not name {site.url}" in told(site)


@pytest.mark.parametrize(
    ("status", "target", "is_wrong"),
    [(301, "https://localhost/", False), (301, "http://localhost/x", True), (200, "", True)],
)
def test_plain_http_has_to_lead_to_https(
    site: Site, monkeypatch: pytest.MonkeyPatch, status: int, target: str, is_wrong: bool
) -> None:
    plain = Site(page=(status, ""), headers={"Location": target})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Plain", (Handler,), {"site": plain}))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setattr(Front, "plain_port", server.server_address[1])
    try:
        assert ("Plain http is answered with" in told(site)) == is_wrong
    finally:
        server.shutdown()
        server.server_close()


def test_a_certificate_that_nobody_trusts_is_told(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")

    assert "The certificate is not valid" in told(site)


def test_a_certificate_of_another_name_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = certificate(tmp_path, "other.example", 90)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    site = Site()
    proxy = Proxy(site, path)
    try:
        assert "The certificate is not valid: Hostname mismatch" in told(site)
    finally:
        proxy.stop()


@pytest.mark.parametrize(("days", "level"), [(2, WRONG), (14, NOTE)])
def test_a_certificate_that_ends_soon_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, level: str
) -> None:
    path = certificate(tmp_path, "localhost", days)
    monkeypatch.setenv("SSL_CERT_FILE", str(path))
    site = Site()
    proxy = Proxy(site, path)
    try:
        found = list(Front(site.url).certificate())
    finally:
        proxy.stop()

    assert [(line.level, line.what) for line in found] == [
        (level, f"The certificate ends in {days} days.")
    ]
