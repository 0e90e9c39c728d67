"""Browsers, and the servers that they visit.

A browser test gets `server` (a real process on the demo's data), `visitor_page` (a phone on the
first page) and `worker_page("anna")` (a desk). Whatever the console complains about, every failed
script, every request to another host and every error in the server's log fails the test, unless a
marker says that it is part of the story:

- `cuts_off`: connections break (offline, a killed server);
- `leaves_site`: the browser goes to another site; `open_page.left_for` says where to.
"""

import os
import re
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import BrowserContext, Page, expect

from tests.browser.modules import Line, blank_page
from tests.browser.pages import DESKTOP, PHONE, OpenPage
from tests.servers import Server, environment

# Two cores may be busy with other tests as well; what never comes still fails.
expect.set_options(timeout=15_000)

# --- The browser --------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    # The shell is the same browser without a window to draw: a third less work for the machine.
    names = ("chromium-headless-shell", "chromium", "chromium-browser")
    path = next(filter(None, map(shutil.which, names)), None)
    if path is None:
        reason = "no Chromium on this machine: browser tests need it (scripts/chromium.sh)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return {
        "executable_path": path,
        "args": [
            "--no-sandbox",
            "--disable-gpu",
            "--disable-quic",
            "--no-first-run",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost",
        ],
    }


@pytest.fixture(scope="session")
def base_url() -> None:
    """The plugin's own is made in a way that pytest is about to refuse; pages name their site."""


@pytest.fixture
def phone() -> dict[str, Any]:
    return PHONE


@pytest.fixture
def desktop() -> dict[str, Any]:
    return DESKTOP


def _marks(request: pytest.FixtureRequest) -> set[str]:
    return {marker.name for marker in request.node.iter_markers()}


@pytest_asyncio.fixture
async def open_page(
    new_context: Callable[..., Awaitable[BrowserContext]], request: pytest.FixtureRequest
) -> AsyncIterator[OpenPage]:
    """Opens pages on `server`, or on the address that it is given."""
    server = request.getfixturevalue("server") if "server" in request.fixturenames else None
    opener = OpenPage(new_context, server.url if server else "", _marks(request))
    yield opener
    opener.complain()


@pytest_asyncio.fixture
async def visitor_page(server: Server, open_page: OpenPage) -> Page:
    """A young person's phone, on the first page."""
    page = await open_page(PHONE)
    await page.goto("/")
    return page


@pytest.fixture
def worker_page(server: Server, open_page: OpenPage) -> Callable[..., Awaitable[Page]]:
    """`await worker_page("anna")`: a desk, in the browser of who signed in as the demo allows.

    `to` is another page of the staff's than the desk.
    """

    async def sign_in(
        name: str, device: dict[str, Any] | None = None, *, to: str = "/desk/", **more: Any
    ) -> Page:
        page = await open_page(device or DESKTOP, **more)
        await page.goto("/accounts/login/")
        await page.get_by_role("button", name=re.compile(rf"\b{name}\b", re.IGNORECASE)).click()
        await page.wait_for_url(lambda address: "/accounts/login/" not in address)
        await page.goto(to)
        return page

    return sign_in


@pytest.fixture
def line() -> Line:
    return Line()


@pytest_asyncio.fixture
async def blank(open_page: OpenPage, line: Line) -> Page:
    """A phone with an empty page that can import our modules."""
    return await blank_page(open_page, line, PHONE)


# --- The server ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def _server_of_module(
    demo_database: Path, static_root: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Server]:
    directory = tmp_path_factory.mktemp("server")
    shutil.copy(demo_database, directory / "klikvoor.sqlite3")
    env = environment(
        DEMO="1",
        DATABASE_URL=f"sqlite:///{directory / 'klikvoor.sqlite3'}",
        STATIC_ROOT=str(static_root),
        EMAIL_URL=f"filemail:///{directory}/mail",
    )
    server = Server(directory, env)
    yield server
    server.dismiss()
    server.stop()


@pytest.fixture
def server(_server_of_module: Server, request: pytest.FixtureRequest) -> Iterator[Server]:
    """The demo on a real server: an open chat with nobody in it. One process for a module."""
    server = _server_of_module
    if not server.is_running:
        server.start()
    server.forget_conversations()
    heard = len(server.log())
    yield server
    complaints = [
        line
        for line in server.log()[heard:].splitlines()
        if "Traceback" in line or " ERROR " in line or " CRITICAL " in line
    ]
    assert "cuts_off" in _marks(request) or not complaints, server.log()[heard:]
