"""Pages that are watched: nothing may go wrong in them unseen."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from axe_playwright_python.base import AXE_SCRIPT, AxeResults
from playwright.async_api import BrowserContext, ConsoleMessage, Page, Request, Route

PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
DESKTOP = {"viewport": {"width": 1280, "height": 800}}
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
ELSEWHERE = re.compile(r"^https?://(?!localhost[:/])")
CONNECTION_BROKE = re.compile(
    r"net::ERR_|WebSocket connection to|Failed to load resource|Failed to fetch"
)


class OpenPage:
    """Opens pages, each in a browser of its own, and keeps what went wrong in any of them.

    `await open_page()` is a phone; `await open_page(desktop, dark=True)` is not. Everything else
    that a Playwright context takes may follow (`java_script_enabled=False`, `reduced_motion=…`).
    """

    def __init__(
        self, new_context: Callable[..., Awaitable[BrowserContext]], url: str, marks: set[str]
    ) -> None:
        self.new_context = new_context
        self.url = url
        self.marks = marks
        self.problems: list[str] = []
        # The addresses elsewhere that a page was sent to; the requests end here.
        self.left_for: list[str] = []

    async def __call__(
        self,
        device: dict[str, Any] | None = None,
        *,
        dark: bool = False,
        url: str | None = None,
        **more: Any,
    ) -> Page:
        """Return an empty page; `goto("/")` leads to the server."""
        context = await self.new_context(
            base_url=url or self.url,
            locale="nl-NL",
            timezone_id="Europe/Amsterdam",
            color_scheme="dark" if dark else "light",
            **(device or PHONE),
            **more,
        )
        context.set_default_timeout(10_000)
        if "leaves_site" in self.marks:
            # Only here, because a browser whose requests are looked at by a test caches nothing.
            await context.route(ELSEWHERE, self._elsewhere)
        else:
            context.on("request", self._look)
        context.on("console", self._hear)
        context.on("weberror", lambda error: self.problems.append(f"script: {error.error}"))
        return await context.new_page()

    def _look(self, request: Request) -> None:
        """Note who asks another host; the browser knows none (`browser_type_launch_args`)."""
        if not ELSEWHERE.search(request.url):
            return
        if request.is_navigation_request():
            self.left_for.append(request.url)
        else:
            self.problems.append(f"a request to another host: {request.url}")

    async def _elsewhere(self, route: Route, request: Request) -> None:
        if request.is_navigation_request():
            self.left_for.append(request.url)
            await route.fulfill(body="<title>elsewhere</title>", content_type="text/html")
        else:
            self.problems.append(f"a request to another host: {request.url}")
            await route.abort()

    def _hear(self, message: ConsoleMessage) -> None:
        if message.type not in ("error", "warning"):
            return
        if "cuts_off" in self.marks and CONNECTION_BROKE.search(message.text):
            return
        where = message.location.get("url", "")
        self.problems.append(f"console {message.type}: {message.text} ({where})")

    def complain(self) -> None:
        problems = list(self.problems)
        if self.left_for and "leaves_site" not in self.marks:
            problems.append(f"left the site for {self.left_for}")
        assert not problems, "\n".join(problems)


async def assert_accessible(page: Page, *, colours_only: bool = False) -> None:
    """Fail on everything that axe finds, and on a page that scrolls sideways.

    `colours_only` looks again at a page that was looked at in its other colour scheme.
    """
    await page.wait_for_load_state("load")  # without its styles a page has other colours
    if not await page.evaluate("'axe' in window"):  # half a megabyte, once for each document
        await page.evaluate(AXE_SCRIPT)
    options = {
        "runOnly": ["color-contrast"] if colours_only else RULES,
        "resultTypes": ["violations"],
    }
    results = AxeResults(await page.evaluate("options => axe.run(options)", options))
    assert not results.violations_count, results.generate_report()
    too_wide = await page.evaluate(
        "document.documentElement.scrollWidth - document.documentElement.clientWidth"
    )
    assert too_wide <= 0, f"{page.url} is {too_wide} pixels wider than its window"


async def assert_accessible_everywhere(page: Page) -> None:
    """Look at the page as it is now in every window (1280, 390, 320 pixels), light and dark.

    Leaves the page in a window of 390 pixels, in light. The colours do not depend on the last few
    pixels, so the narrowest one is looked at in light only.
    """
    for width, height in (1280, 800), (320, 640), (390, 844):
        await page.set_viewport_size({"width": width, "height": height})
        await assert_accessible(page)
        if width != 320:
            await page.emulate_media(color_scheme="dark")
            await assert_accessible(page, colours_only=True)
            await page.emulate_media(color_scheme="light")
