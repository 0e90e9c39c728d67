"""The page of today in a browser: readable for everybody, fresh by itself, usable without scripts."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.pages import DESKTOP, PHONE, assert_accessible

TODAY = "/roster/today/"
WorkerPage = Callable[..., Awaitable[Page]]


async def close_by_hand(page: Page, reason: str) -> None:
    await page.get_by_text("Zelf open of dicht zetten").click()
    await page.get_by_label("Waarom").fill(reason)
    await page.get_by_role("button", name="Zet dicht").click()


async def withdraw(page: Page) -> None:
    await page.get_by_role("button", name="Laat het rooster weer bepalen").click()
    await expect(page.get_by_text("Het rooster bepaalt weer of de chat open is.")).to_be_visible()


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_today_is_accessible(
    worker_page: WorkerPage, size: dict[str, Any], dark: bool
) -> None:
    page = await worker_page("dirk", size, to=TODAY, dark=dark)
    await expect(page.get_by_role("heading", level=1)).to_contain_text("Vandaag")
    await assert_accessible(page)
    # The form with its errors, and the order that stands.
    await close_by_hand(page, "")
    await expect(page.get_by_text("Schrijf kort op waarom.")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_label("Waarom").fill("Storing")
    await page.get_by_role("button", name="Zet dicht").click()
    await expect(page.locator("#live-state")).to_contain_text("met de hand dicht")
    await assert_accessible(page)
    await withdraw(page)


async def test_today_fits_a_very_narrow_window(worker_page: WorkerPage) -> None:
    page = await worker_page("dirk", {"viewport": {"width": 320, "height": 640}}, to=TODAY)
    await page.get_by_text("Zelf open of dicht zetten").click()
    await assert_accessible(page)


async def test_what_a_coordinator_decides_appears_at_a_colleague_by_itself(
    worker_page: WorkerPage,
) -> None:
    anna = await worker_page("anna")
    await anna.clock.install()
    await anna.goto(TODAY)
    await expect(anna.locator("#live-state")).to_contain_text("Er zitten genoeg mensen klaar.")
    dirk = await worker_page("dirk", to=TODAY)
    await close_by_hand(dirk, "Storing bij de provider")
    await expect(dirk.locator("#live-state")).to_contain_text("met de hand dicht")

    await anna.clock.fast_forward(11_000)

    await expect(anna.locator("#live-override")).to_contain_text("Storing bij de provider")
    await expect(anna.locator("#live-state")).to_contain_text("De chat is nu dicht.")
    await withdraw(dirk)
    await anna.clock.fast_forward(11_000)
    await expect(anna.locator("#live-state")).to_contain_text("De chat is open tot")
    await expect(anna.locator("#live-override")).to_be_hidden()


async def test_a_page_whose_sign_in_ended_says_that_it_is_old(worker_page: WorkerPage) -> None:
    page = await worker_page("anna")
    await page.clock.install()
    await page.goto(TODAY)
    await expect(page.locator("#live-stale")).to_be_hidden()
    await page.context.clear_cookies()

    await page.clock.fast_forward(11_000)

    await expect(page.locator("#live-stale")).to_be_visible()


async def test_the_reason_under_somebodys_fingers_stays(worker_page: WorkerPage) -> None:
    page = await worker_page("dirk", to=TODAY)
    await page.clock.install()
    await page.goto(TODAY)
    await page.get_by_text("Zelf open of dicht zetten").click()
    await page.get_by_label("Waarom").fill("Half ge")
    async with page.expect_response(lambda response: TODAY in response.url):
        await page.clock.fast_forward(11_000)
    await page.get_by_label("Waarom").press_sequentially("typt")
    await expect(page.get_by_label("Waarom")).to_have_value("Half getypt")
    await expect(page.get_by_label("Waarom")).to_be_focused()


async def test_without_scripts_the_coordinator_decides_all_the_same(
    worker_page: WorkerPage,
) -> None:
    page = await worker_page("dirk", to=TODAY, java_script_enabled=False)
    await close_by_hand(page, "Storing")
    await expect(page.locator("#live-state")).to_contain_text("met de hand dicht")
    await withdraw(page)
    await expect(page.locator("#live-state")).to_contain_text("De chat is open tot")
