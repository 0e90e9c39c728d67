"""The site as a browser finds it, through the proxy: `manage.py doctor --url https://…`."""

import http.client
import os
import re
import socket
import ssl
import time
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from django.conf import settings

from klikvoor.doctor import Line, note, well, wrong
from klikvoor.startup import LOCAL_HOSTS

SECONDS = 10.0
SOON, VERY_SOON = 21 * 86400, 7 * 86400
MONTH = 30 * 86400
BODY = 1024 * 1024
STATIC_FILE = re.compile(r'(?:href|src)="(/static/[^"]+\.[0-9a-f]{12}\.(?:css|js))"')
VERSION = re.compile(r"[0-9]|daphne|python|twisted|django", re.IGNORECASE)
HSTS_AGE = re.compile(r"max-age=\"?(\d+)", re.IGNORECASE)


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: str


class Front:
    """One address of the site. Each check is a request that any browser could make."""

    plain_port = 80

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.is_encrypted = parts.scheme == "https"
        self.host = parts.hostname or ""
        self.port = parts.port or (443 if self.is_encrypted else 80)
        self.origin = f"{parts.scheme}://{parts.netloc}"

    def connect(self) -> http.client.HTTPConnection:
        if not self.is_encrypted:
            return http.client.HTTPConnection(self.host, self.port, timeout=SECONDS)
        context = ssl.create_default_context()
        return http.client.HTTPSConnection(self.host, self.port, timeout=SECONDS, context=context)

    def ask(
        self, path: str, method: str = "GET", body: bytes | None = None, **headers: str
    ) -> Reply:
        line = self.connect()
        try:
            sent = {name.replace("_", "-"): value for name, value in headers.items()}
            line.request(method, path, body, sent)
            answer = line.getresponse()
            found = {name.lower(): value for name, value in answer.getheaders()}
            return Reply(answer.status, found, answer.read(BODY).decode(errors="replace"))
        finally:
            line.close()

    # --- Checks -------------------------------------------------------------------------------

    def check(self) -> Iterator[Line]:
        if self.origin not in settings.ORIGINS:
            yield wrong(
                f"ORIGINS does not name {self.origin}.",
                "Pages of that address are refused, and so are their sockets.",
                "Add it to ORIGINS, exactly as it stands in the browser, and restart.",
            )
        if self.is_encrypted:
            yield from self.certificate()
        try:
            page = self.ask("/")
        except (OSError, http.client.HTTPException) as error:
            yield wrong(
                f"{self.origin} does not answer ({type(error).__name__}).",
                "Nobody can reach the site.",
                "Look whether the proxy runs, at its certificate, at DNS and at the firewall.",
            )
            return
        yield from self.page(page)
        if page.status == 200:
            yield from self.headers(page)
            yield from self.static(page)
            yield from self.sockets()
        yield from self.hidden()
        yield from self.large_bodies()
        if self.is_encrypted:
            yield from self.plain()

    def certificate(self) -> Iterator[Line]:
        mend = "Renew it, with the whole chain (`fullchain.pem`), and reload the proxy."
        try:
            context = ssl.create_default_context()
            with (
                socket.create_connection((self.host, self.port), SECONDS) as line,
                context.wrap_socket(line, server_hostname=self.host) as sealed,
            ):
                certificate, version = sealed.getpeercert(), sealed.version()
        except ssl.SSLCertVerificationError as error:
            yield wrong(
                f"The certificate is not valid: {error.verify_message}.",
                "Browsers show a warning instead of the site.",
                mend,
            )
            return
        except OSError:
            return  # said by the request for a page
        ends = ssl.cert_time_to_seconds(str((certificate or {}).get("notAfter", "")))
        left = ends - time.time()
        if left < SOON:
            say = wrong if left < VERY_SOON else note
            yield say(
                f"The certificate ends in {int(left // 86400)} days.",
                "After that browsers show a warning instead of the site.",
                mend,
            )
        else:
            yield well(f"The certificate is valid for {int(left // 86400)} days, over {version}.")

    def page(self, page: Reply) -> Iterator[Line]:
        if page.status == 200 and "data-exit" in page.body:
            yield well(f"{self.origin} shows the first page.")
        elif page.status == 400:
            yield wrong(
                f"{self.origin} is refused (400).",
                "Klikvoor hears another name than the one in the browser.",
                "Let the proxy pass the name on (`proxy_set_header Host $host;`), and name the"
                " address in ORIGINS.",
            )
        elif page.status == 404:
            yield wrong(
                f"There is no site with the name {self.host}.",
                "Nobody can use it.",
                "A coordinator of the platform makes it at /staff/sites/, with this name.",
            )
        elif page.status in (502, 503, 504):
            yield wrong(
                f"The proxy finds no process of ours ({page.status}).",
                "Nobody can use the site.",
                "Look whether `manage.py serve` runs, and on which port the proxy looks for it.",
            )
        else:
            yield wrong(
                f"{self.origin} answers with {page.status}, and not with the first page.",
                "Nobody can use the site.",
                "Look what stands at that address, and in the log of Klikvoor.",
            )

    def headers(self, page: Reply) -> Iterator[Line]:
        if self.is_encrypted:
            age = HSTS_AGE.search(page.headers.get("strict-transport-security", ""))
            if age is None or int(age[1]) < MONTH:
                yield wrong(
                    "The first page does not say that it wants https always (HSTS).",
                    "As a rule the proxy does not tell Klikvoor that the browser came over https:"
                    " then forms of staff are refused as well.",
                    "`proxy_set_header X-Forwarded-Proto $scheme;`. With https:// in all of ORIGINS"
                    " Klikvoor does the rest.",
                )
            else:
                yield well("Pages ask for https always (HSTS).")
        told = {
            name: page.headers[name]
            for name in ("server", "x-powered-by", "via")
            if name in page.headers
        }
        for name, value in told.items():
            if VERSION.search(value):
                yield wrong(
                    f"The header {name} tells which program answers, or its version.",
                    "Whoever looks for machines with a known hole finds this one.",
                    "nginx: `server_tokens off;`.",
                )
        if "content-security-policy" not in page.headers:
            yield wrong(
                "The Content-Security-Policy of the first page is gone.",
                "It keeps foreign scripts away from what people type.",
                "Let the proxy pass Klikvoor's headers on as they are.",
            )
        if "no-store" not in page.headers.get("cache-control", ""):
            yield wrong(
                "The first page may be kept in caches.",
                "Somebody else on that computer could see it again.",
                "Let the proxy pass Cache-Control on, and cache nothing but /static/.",
            )

    def static(self, page: Reply) -> Iterator[Line]:
        found = STATIC_FILE.search(page.body)
        if found is None:
            yield wrong(
                "The first page names no static file.",
                "It comes without its looks.",
                "`python manage.py collectstatic --noinput`, then restart.",
            )
            return
        reply = self.ask(found[1])
        kept = reply.headers.get("cache-control", "")
        age = HSTS_AGE.search(kept)
        if reply.status != 200:
            yield wrong(
                f"A static file that the first page needs is not there ({reply.status}).",
                "Pages come without their looks and without what makes them work.",
                "`manage.py collectstatic --noinput`, into the directory that the proxy serves.",
            )
        elif "immutable" not in kept and (age is None or int(age[1]) < MONTH):
            yield note(
                "Browsers ask for static files again at every visit.",
                "Their names change with their content, so they could be kept for a year.",
                "`Cache-Control: public, max-age=31536000, immutable` for /static/.",
            )
        else:
            yield well("Static files come, and may be kept by browsers.")

    def sockets(self) -> Iterator[Line]:
        opened = self.handshake(self.origin)
        if opened == 101:
            yield well("Sockets open.")
        elif opened == 403:
            yield wrong(
                "Klikvoor refuses sockets of its own pages (403).",
                "Everything goes on over plain requests, slower.",
                "ORIGINS has to name the address of the browser, and the proxy may not change the"
                " header Origin.",
            )
        else:
            yield wrong(
                f"The proxy does not let sockets through ({opened or 'no answer'}).",
                "Everything goes on over plain requests, slower.",
                "nginx: `proxy_http_version 1.1;`, `proxy_set_header Upgrade $http_upgrade;` and"
                ' `proxy_set_header Connection "upgrade";` for /ws/.',
            )
        if opened == 101 and self.handshake("https://somebody-else.invalid") == 101:
            yield wrong(
                "Sockets open for pages of other sites.",
                "The proxy rewrites the header Origin, so any page could pose as ours.",
                "Pass Origin on as the browser sent it.",
            )

    def handshake(self, origin: str) -> int:
        """The status with which a socket is answered; 0 when nothing came."""
        line = self.connect()
        try:
            # fmt: off
            line.request("GET", "/ws/visit/", headers={
                "Origin": origin, "Upgrade": "websocket", "Connection": "Upgrade",
                "Sec-WebSocket-Version": "13",
                "Sec-WebSocket-Key": b64encode(os.urandom(16)).decode(),
            })
            # fmt: on
            return line.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            line.close()

    def hidden(self) -> Iterator[Line]:
        if self.host in LOCAL_HOSTS:
            yield note("/metrics and /healthz are for this machine, and were asked from it.")
            return
        # Not /healthz/ready, which answers 503 just when something is wrong.
        seen = [path for path in ("/metrics", "/healthz/live") if self.ask(path).status == 200]
        for path in seen:
            yield wrong(
                f"{path} can be read from outside.",
                "It is nobody's business how many people talk here, and what is broken.",
                "The proxy has to set X-Forwarded-For and pass Host on; nginx: `location ^~ "
                f"{path} {{ return 404; }}`.",
            )
        if not seen:
            yield well("/metrics and /healthz cannot be seen from outside.")

    def large_bodies(self) -> Iterator[Line]:
        """A megabyte, where a form has 64 KiB at most."""
        try:
            reply = self.ask(
                "/", "POST", b"x" * BODY, Content_Type="text/plain", Origin=self.origin
            )
        except TimeoutError:
            yield note(
                f"A large request is not answered within {SECONDS:.0f} seconds.",
                mend="nginx: `client_max_body_size 128k;`.",
            )
            return
        except (OSError, http.client.HTTPException):
            yield well("The proxy hangs up on large requests.")
            return
        if reply.status == 413:
            yield well("The proxy refuses large requests.")
        elif reply.status >= 500:
            yield wrong(
                f"A large request is answered with {reply.status}.",
                "Whoever sends many of them could hold the site up.",
                "nginx: `client_max_body_size 128k;`.",
            )
        else:
            yield note(
                "The proxy passes large requests on, and Klikvoor has to refuse them.",
                mend="nginx: `client_max_body_size 128k;`.",
            )

    def plain(self) -> Iterator[Line]:
        """Whoever types the name without https has to land on it."""
        line = http.client.HTTPConnection(self.host, self.plain_port, timeout=SECONDS)
        try:
            line.request("GET", "/")
            answer = line.getresponse()
        except (OSError, http.client.HTTPException):
            yield note(
                "Nothing answers over plain http.",
                "Who types the name may find nothing, and a certificate may not be renewed.",
                "nginx: a server on port 80 with `return 301 https://$host$request_uri;`.",
            )
            return
        finally:
            line.close()
        target = answer.getheader("Location", "")
        if answer.status in (301, 302, 307, 308) and target.startswith("https://"):
            yield well("Plain http leads to https.")
        else:
            yield wrong(
                f"Plain http is answered with {answer.status}, and not sent on to https.",
                "What people type could be read on the way.",
                "nginx: `return 301 https://$host$request_uri;` on port 80.",
            )
