"""The addresses for proxies and monitoring, answered before Django sees the request.

They need no session, no site and no cookie, and are asked for by number (`10.0.0.5:8001`), which
ALLOWED_HOSTS would refuse. Who comes from outside, through a proxy or by the name of a site, finds
nothing here (docs/decisions/0019-what-monitoring-sees.md).

The same answers go out over ASGI (`klikvoor/asgi.py`) and, for `manage.py jobs`, over a small
server in a thread of its own.
"""

import asyncio
import hmac
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterable
from concurrent.futures import TimeoutError as TooLate
from dataclasses import dataclass
from http import HTTPStatus
from socketserver import ThreadingMixIn
from typing import Any
from urllib.parse import urlsplit
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from django.conf import settings

from klikvoor.health import readiness
from klikvoor.metrics import render
from klikvoor.startup import LOCAL_HOSTS

log = logging.getLogger("klikvoor.monitoring")

LIVE, READY, METRICS = "/healthz/live", "/healthz/ready", "/metrics"
PATHS = frozenset({"/healthz", LIVE, READY, METRICS})
# What proxies add about where a request came from.
FORWARDED = ("x-forwarded-for", "x-forwarded-host", "x-real-ip", "forwarded", "via")
# A loop that does not answer within this is not alive.
LOOP_SECONDS = 5.0
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True)
class Answer:
    status: int
    body: bytes
    kind: str = "application/json"

    def headers(self) -> dict[str, str]:
        length = str(len(self.body))
        return {"Content-Type": self.kind, "Content-Length": length, **HEADERS}


def say(code: int, status: str, **parts: str) -> Answer:
    return Answer(code, json.dumps({"status": status, **parts}).encode())


NOT_FOUND = Answer(404, b"", "text/plain")


async def answer(method: str, path: str, headers: dict[str, str]) -> Answer:
    """Answer a request; header names are in lower case. Raises nothing."""
    if not _may_see(path, headers):
        return NOT_FOUND
    if method not in ("GET", "HEAD"):
        return say(405, "GET only")
    if path == LIVE:
        # That this is said at all is the answer.
        return say(200, "ok")
    if path == METRICS:
        body, kind = await render(headers.get("accept", ""))
        return Answer(200, body, kind)
    health = await readiness.ask()
    return say(200 if health.is_ready else 503, health.status, **health.parts)


def _may_see(path: str, headers: dict[str, str]) -> bool:
    """Whoever has the token may; without one in the settings, whoever asks the process itself."""
    token = settings.METRICS_TOKEN
    if token:
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer" and hmac.compare_digest(given.encode(), token.encode()):
            return True
        if path == METRICS:
            return False
    return not comes_from_outside(headers)


def comes_from_outside(headers: dict[str, str]) -> bool:
    """Whether a proxy passed this on, or it asks for a site by its public name."""
    if any(name in headers for name in FORWARDED):
        return True
    host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
    return host not in LOCAL_HOSTS and host in settings.ALLOWED_HOSTS


# --- Over ASGI ----------------------------------------------------------------------------------


async def asgi(scope: Any, receive: Any, send: Any) -> None:
    headers = {
        name.decode("latin1").lower(): value.decode("latin1") for name, value in scope["headers"]
    }
    found = await answer(scope["method"], scope["path"], headers)
    lines = [(name.encode(), value.encode()) for name, value in found.headers().items()]
    await send({"type": "http.response.start", "status": found.status, "headers": lines})
    body = b"" if scope["method"] == "HEAD" else found.body
    await send({"type": "http.response.body", "body": body})


# --- Beside `manage.py jobs` --------------------------------------------------------------------


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    timeout = 10  # of the connection: whoever says nothing is let go

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: it would name addresses."""

    def version_string(self) -> str:
        return "klikvoor"


def serve_beside(loop: asyncio.AbstractEventLoop, host: str, port: int) -> Callable[[], None]:
    """Answer on this port from a thread, with what the loop says; return what stops it.

    Raises OSError when it cannot listen there.
    """

    def application(environ: dict[str, Any], begin: Any) -> Iterable[bytes]:
        found = _ask(loop, environ)
        status = HTTPStatus(found.status)
        # Named here, because the library would name itself and Python, with their versions.
        headers = {"Server": "klikvoor", **found.headers()}
        begin(f"{status.value} {status.phrase}", list(headers.items()))
        return [b"" if environ["REQUEST_METHOD"] == "HEAD" else found.body]

    kind = _Server6 if ":" in host else _Server
    server = make_server(host, port, application, server_class=kind, handler_class=_Handler)
    threading.Thread(target=server.serve_forever, name="monitoring", daemon=True).start()

    def stop() -> None:
        server.shutdown()
        server.server_close()

    return stop


def _ask(loop: asyncio.AbstractEventLoop, environ: dict[str, Any]) -> Answer:
    path = environ.get("PATH_INFO", "")
    if path not in PATHS:
        return NOT_FOUND
    headers = {
        name[5:].replace("_", "-").lower(): value
        for name, value in environ.items()
        if name.startswith("HTTP_")
    }
    asked = answer(environ["REQUEST_METHOD"], path, headers)
    try:
        return asyncio.run_coroutine_threadsafe(asked, loop).result(LOOP_SECONDS)
    except TooLate:
        return say(503, "stuck")
    except Exception as error:
        log.error("a question of monitoring failed", exc_info=error)
        return say(503, "unknown")
