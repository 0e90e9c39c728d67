"""The pages of a visit in a real browser: seen, heard, pressed, and left."""

import asyncio
from typing import Any

import pytest
from playwright.async_api import Page, Route, expect

from tests.browser.pages import DESKTOP, PHONE, OpenPage, assert_accessible_everywhere
from tests.servers import Server

FIRST_VISIT = 60 * 1024
NARROW = {"viewport": {"width": 320, "height": 256}}  # 1280 by 1024 at 400 %


async def settled(server: Server, query: str, wanted: int) -> None:
    """Wait until the database says so; what the page asked for travels on its own."""
    for _try in range(50):
        if server.rows(query) == [(wanted,)]:
            return
        await asyncio.sleep(0.1)
    assert server.rows(query) == [(wanted,)]


async def choose(page: Page, answer: str) -> None:
    await page.get_by_role("radio", name=answer, exact=True).check()
    await page.get_by_role("button", name="Verder").click()


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Begin met chatten").click()
    await expect(page.get_by_role("heading", name="Waar wil je over praten?")).to_be_visible()


async def test_the_first_visit_is_small(server: Server, open_page: OpenPage) -> None:
    page = await open_page(PHONE)
    sizes: dict[str, int] = {}

    page.on("requestfinished", lambda request: asyncio.ensure_future(_weigh(request, sizes)))
    await page.goto("/", wait_until="networkidle")
    await page.evaluate("document.fonts.ready")
    await asyncio.sleep(0.2)
    assert any(url.endswith(".woff2") for url in sizes), "the fonts are part of it"
    assert sum(sizes.values()) <= FIRST_VISIT, sizes


async def _weigh(request: Any, sizes: dict[str, int]) -> None:
    size = await request.sizes()
    sizes[request.url] = size["responseBodySize"] + size["responseHeadersSize"]


async def test_into_the_queue_by_keyboard_alone(visitor_page: Page) -> None:
    page = visitor_page

    async def press_until(selector: str) -> None:
        for _press in range(40):
            await page.keyboard.press("Tab")
            if await page.evaluate("s => document.activeElement.matches(s)", selector):
                return
        raise AssertionError(f"the Tab key never reached {selector}")

    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.getAttribute('form')") == "exit"
    await press_until("main button")
    await page.keyboard.press("Enter")
    for heading, downs in (
        ("Waar wil je over praten?", 2),
        ("Ben je nu veilig?", 1),
        ("Hoe zwaar voelt het nu?", 0),
    ):
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        await press_until("main input[type=radio]")
        await page.keyboard.press("Space")
        for _down in range(downs):
            await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Wil je alvast iets schrijven?")).to_be_visible()
    await press_until("textarea")
    await page.keyboard.type("Ik wil praten")
    await press_until("button[value=skip_all]")
    await page.keyboard.press("Enter")
    await expect(page.get_by_role("heading", name="Je wacht op")).to_be_visible()


async def test_a_whole_visit_is_one_line_of_history(visitor_page: Page) -> None:
    page = visitor_page
    before = await page.evaluate("history.length")
    await start(page)
    await choose(page, "Hoe ik me voel")
    await choose(page, "Ja")
    await expect(page.get_by_role("heading", name="Hoe zwaar voelt het nu?")).to_be_visible()
    await page.get_by_role("button", name="Terug").click()
    await choose(page, "Ja")
    await expect(page.get_by_role("heading", name="Hoe zwaar voelt het nu?")).to_be_visible()
    await page.get_by_role("button", name="Sla alles over").click()
    await expect(page.get_by_role("heading", name="Je wacht op")).to_be_visible()
    assert await page.evaluate("history.length") == before
    assert page.url.endswith("/")


async def test_the_help_lines_fold_out_and_step_aside(visitor_page: Page) -> None:
    page = visitor_page
    line = page.get_by_role("link", name="Veilig Thuis 0800-2000").first
    await expect(line).not_to_be_visible()
    await page.get_by_text("Nu in gevaar?").click()
    await expect(line).to_be_visible()
    await expect(line).to_have_attribute("href", "tel:08002000")
    await page.keyboard.press("Escape")
    await expect(line).not_to_be_visible()
    await page.get_by_text("Nu in gevaar?").click()
    await page.get_by_role("button", name="Begin met chatten").focus()
    await expect(line).not_to_be_visible()


# --- Leaving ------------------------------------------------------------------------------------


@pytest.mark.leaves_site
@pytest.mark.parametrize("way", ["button", "shift"])
async def test_leaving_covers_the_screen_at_once_and_ends_the_visit(
    server: Server, open_page: OpenPage, visitor_page: Page, way: str
) -> None:
    page = visitor_page
    await start(page)
    await page.get_by_role("button", name="Sla alles over").click()
    await expect(page.get_by_role("heading", name="Je wacht op")).to_be_visible()
    await expect(page.locator("html.is-live")).to_be_attached()

    arrived = asyncio.Event()

    async def slowly(route: Route) -> None:
        await arrived.wait()
        open_page.left_for.append(route.request.url)
        await route.fulfill(body="<title>elsewhere</title>", content_type="text/html")

    await page.context.route(lambda url: not url.startswith(server.url), slowly)
    # The page itself says what it sees: a page that is on its way elsewhere answers no questions.
    seen: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    page.on("console", lambda message: seen.done() or seen.set_result(message.text))
    await page.evaluate(
        """() => {
          const covered = () => {
            const from = performance.now();
            requestAnimationFrame(() => {
              const isCovered = getComputedStyle(document.body).display === "none";
              const ms = Math.round(performance.now() - from);
              if (isCovered) console.info(`${document.title} ${ms}`);
            });
          };
          addEventListener("submit", covered, true);
          addEventListener("keydown", covered, true);
        }"""
    )
    if way == "button":
        await page.get_by_role("button", name="Weg hier").click(no_wait_after=True)
    else:
        for _press in range(3):
            await page.keyboard.press("Shift")
    title, milliseconds = (await asyncio.wait_for(seen, 10)).split()
    assert title == "…"
    assert int(milliseconds) < 250

    await settled(server, "SELECT count(*) FROM chat_visitor WHERE token_hash IS NOT NULL", 0)
    await settled(server, "SELECT count(*) FROM chat_conversation WHERE status = 'waiting'", 0)
    arrived.set()
    await page.wait_for_url(lambda url: not url.startswith(server.url))
    assert open_page.left_for
    assert await page.context.cookies() == []

    await page.go_back()
    assert "Je wacht op" not in await page.content()


async def test_writing_capitals_is_no_call_to_leave(visitor_page: Page) -> None:
    page = visitor_page
    await start(page)
    for step in range(3):
        await expect(page.get_by_text(f"Vraag {step + 1} van 6")).to_be_visible()
        await page.get_by_role("button", name="Sla deze vraag over").click()
    words = page.get_by_label("Wil je alvast iets schrijven?")
    await words.click()
    for _letter in range(5):
        await page.keyboard.press("Shift+A")
    await expect(words).to_have_value("AAAAA")
    assert not await page.evaluate("document.documentElement.classList.contains('is-leaving')")


@pytest.mark.leaves_site
async def test_everything_works_without_javascript_and_so_does_the_exit(
    server: Server, open_page: OpenPage
) -> None:
    page = await open_page(PHONE, java_script_enabled=False)
    await page.goto("/")
    await start(page)
    await choose(page, "School, stage of werk")
    await choose(page, "Nee")
    await expect(page.get_by_role("heading", name="Goed dat je het zegt.")).to_be_visible()
    await page.get_by_role("button", name="Sla alles over").click()
    await expect(page.get_by_role("heading", name="Je wacht op")).to_be_visible()

    await page.get_by_role("button", name="Weg hier").click(no_wait_after=True)
    await page.wait_for_url(lambda url: not url.startswith(server.url))
    assert open_page.left_for
    assert await page.context.cookies() == []
    await settled(server, "SELECT count(*) FROM chat_visitor WHERE token_hash IS NOT NULL", 0)
    await page.goto("/")
    await expect(page.get_by_role("button", name="Begin met chatten")).to_be_visible()


# --- Looks --------------------------------------------------------------------------------------


async def test_every_page_is_accessible(server: Server, open_page: OpenPage) -> None:
    page = await open_page(DESKTOP)
    await page.goto("/")
    await assert_accessible_everywhere(page)
    await page.get_by_text("Nu in gevaar?").first.click()
    await assert_accessible_everywhere(page)
    await page.goto("/privacy/")
    await assert_accessible_everywhere(page)

    await page.goto("/")
    await start(page)
    await assert_accessible_everywhere(page)
    await choose(page, "Thuis, mijn ouders of familie")
    await expect(page.get_by_role("heading", name="Ben je nu veilig?")).to_be_visible()
    await assert_accessible_everywhere(page)
    await choose(page, "Nee")
    await expect(page.get_by_role("heading", name="Goed dat je het zegt.")).to_be_visible()
    await assert_accessible_everywhere(page)
    await choose(page, "Best zwaar")
    await expect(page.get_by_role("heading", name="Wil je alvast iets schrijven?")).to_be_visible()
    await assert_accessible_everywhere(page)


async def test_the_pages_after_it_are_accessible(server: Server, open_page: OpenPage) -> None:
    page = await open_page(DESKTOP)
    await page.goto("/")
    await start(page)
    await page.get_by_role("button", name="Sla alles over").click()
    await expect(page.get_by_role("heading", name="Je wacht op")).to_be_visible()
    for change, heading in (
        ("status = 'abandoned', ended_at = created_at", "Je bent uit de wachtrij"),
        ("status = 'closed'", "Het gesprek is klaar"),
        ("feedback_heard = 4", "Dank je wel"),
    ):
        server.rows(f"UPDATE chat_conversation SET {change}")
        await page.goto("/")
        await expect(page.get_by_role("heading", name=heading)).to_be_visible()
        await assert_accessible_everywhere(page)


async def test_a_chat_that_does_not_open_is_accessible(server: Server, open_page: OpenPage) -> None:
    page = await open_page(DESKTOP)
    await page.goto("/")
    await start(page)
    server.rows(
        "INSERT INTO roster_openoverride (line_id, is_open, until, reason, author_id, created_at)"
        " SELECT (SELECT min(id) FROM roster_serviceline), 0, '2100-01-01', 'x', min(id),"
        " '2026-01-01' FROM institutions_user"
    )
    await page.get_by_role("button", name="Sla alles over").click()
    await expect(page.get_by_role("heading", name="Sorry")).to_be_visible()
    await assert_accessible_everywhere(page)
    async with page.expect_event("load"):
        await page.get_by_role("button", name="Probeer het opnieuw").click()
    await expect(page.get_by_role("heading", name="Sorry")).to_be_visible()
    server.rows("DELETE FROM triage_intake")
    await page.goto("/")
    await expect(page.get_by_role("heading", name="De chat is nu dicht")).to_be_visible()
    await assert_accessible_everywhere(page)
