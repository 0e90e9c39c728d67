"""Every page of the roster in a browser: readable for everybody, on a phone and a desktop.

Folded parts are opened, because what is folded away is looked at by nobody. Each page is loaded
once for a size; the other colour scheme follows without another request.
"""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from playwright.async_api import Page, expect

from tests.browser.pages import DESKTOP, PHONE, assert_accessible
from tests.servers import Server

WorkerPage = Callable[..., Awaitable[Page]]

OF_DIRK = [
    "week/",
    "week/?show=open",
    "month/",
    "gaps/?ahead=quarter",
    "hours/{now}/",
    "hours/{filled}/",
    "hours/{filled}/?duty={duty}",
    "hours/{empty}/",
    "periods/",
    "periods/{period}/",
    "periods/{period}/shares/",
    "periods/{period}/deal/",
    "periods/{period}/proposal/",
    "periods/{period}/proposal/?show=empty",
    "periods/{period}/proposal/{line}/",
    "periods/{period}/publish/",
    "rules/",
    "rules/{rule}/",
    "exceptions/",
    "exceptions/days/",
    "costs/",
    "costs/{costs}/",
    "ledger/",
    "corrections/",
]
OF_ANNA = [
    "mine/",
    "mine/duties/{own}/",
    "mine/free/",
    "mine/hours/",
    "availability/",
    "feed/",
    "week/?show=mine",
    "hours/{now}/",
]
PERIOD = "SELECT id FROM roster_rosterperiod ORDER BY first_date"
# A window of 1280 pixels that is enlarged four times.
NARROW = 320


def one(server: Server, query: str) -> int:
    """Return the first id that the database answers."""
    rows = server.rows(query)
    assert rows, query
    return int(str(rows[0][0]))


async def fill_pages(server: Server, page: Page) -> None:
    """Let Dirk make what the pages have to show: holidays, a proposal, a cost run, measured hours."""
    if server.rows("SELECT 1 FROM roster_costrun"):
        return
    await page.goto("/roster/exceptions/")
    await page.get_by_role("button", name="Haal feestdagen en vakanties op").click()
    await page.goto("/roster/costs/")
    await page.get_by_label("Totaal in euro").fill("1000")
    await page.get_by_role("button", name="Laat zien").last.click()
    await page.get_by_role("button", name="Bewaar deze verdeling").click()
    # The clock measures a duty when its hour is over; the demonstration has none that old.
    server.rows(
        "INSERT INTO roster_hoursentry"
        " (duty_id, state, planned_minutes, measured_minutes, claimed_minutes, measured_at,"
        " claimed_at)"
        " SELECT d.id, iif(u.email LIKE 'anna@%', 'claimed', 'measured'), 180, 150,"
        " iif(u.email LIKE 'anna@%', 170, NULL), datetime('now'),"
        " iif(u.email LIKE 'anna@%', datetime('now'), NULL)"
        " FROM roster_duty d JOIN institutions_user u ON u.id = d.worker_id"
        " WHERE d.start < datetime('now') AND d.status = 'confirmed'"
    )
    await page.goto(f"/roster/periods/{one(server, PERIOD)}/proposal/")
    await page.get_by_role("button", name="Maak een voorstel").click()
    await expect(page.get_by_role("heading", name="Wat het verandert")).to_be_visible(
        timeout=40_000
    )


def numbers(server: Server) -> dict[str, int]:
    """What the addresses name: rows of the demonstration."""
    filled = one(
        server,
        "SELECT hour_id FROM roster_duty WHERE start > datetime('now') AND status = 'confirmed'"
        " AND credited_to_id = (SELECT id FROM institutions_institution"
        " WHERE name = 'Welzijn Zuid') ORDER BY start, id",
    )
    return {
        "now": one(
            server,
            "SELECT id FROM roster_consultationhour"
            " WHERE start <= datetime('now') AND end > datetime('now')",
        ),
        "filled": filled,
        "duty": one(server, f"SELECT id FROM roster_duty WHERE hour_id = {filled}"),
        "empty": one(
            server,
            "SELECT id FROM roster_consultationhour WHERE start > datetime('now')"
            " AND id NOT IN (SELECT hour_id FROM roster_duty) ORDER BY start",
        ),
        "own": one(
            server,
            "SELECT d.id FROM roster_duty d JOIN institutions_user u ON u.id = d.worker_id"
            " WHERE u.email LIKE 'anna@%' AND d.start > datetime('now', '+1 day')"
            " AND d.status = 'confirmed' ORDER BY d.start",
        ),
        "period": one(server, PERIOD),
        "rule": one(server, "SELECT id FROM roster_hoursrule ORDER BY id"),
        "line": one(server, "SELECT id FROM roster_proposalline ORDER BY id"),
        "costs": one(server, "SELECT id FROM roster_costrun"),
    }


async def look_at(page: Page, addresses: list[str], found: dict[str, int]) -> None:
    """Look at each page with all its parts unfolded, in light and in dark."""
    for address in addresses:
        answer = await page.goto("/roster/" + address.format(**found))
        assert answer is not None
        assert answer.ok, f"{address}: {answer.status}"
        await page.evaluate("document.querySelectorAll('details').forEach(it => (it.open = true))")
        await assert_accessible(page)
        await page.emulate_media(color_scheme="dark")
        await assert_accessible(page, colours_only=True)
        await page.emulate_media(color_scheme="light")


async def look_whether_it_fits(
    page: Page, addresses: list[str], found: dict[str, int]
) -> list[str]:
    """The pages that scroll sideways in a very narrow window."""
    too_wide = []
    for address in addresses:
        await page.goto("/roster/" + address.format(**found))
        await page.evaluate("document.querySelectorAll('details').forEach(it => (it.open = true))")
        if await page.evaluate(
            "document.documentElement.scrollWidth > document.documentElement.clientWidth"
        ):
            too_wide.append(address)
    return too_wide


@pytest.mark.parametrize("size", [PHONE, DESKTOP], ids=["phone", "desktop"])
async def test_every_page_of_the_roster_is_accessible(
    worker_page: WorkerPage, server: Server, size: dict[str, Any]
) -> None:
    dirk = await worker_page("dirk", size, to="/roster/periods/")
    await fill_pages(server, dirk)
    found = numbers(server)
    await look_at(dirk, OF_DIRK, found)
    # A form with its errors.
    await dirk.goto("/roster/exceptions/")
    await dirk.get_by_text("Een andere dag erbij").click()
    await dirk.get_by_label("Eerste dag").fill("")
    await dirk.get_by_role("button", name="Spreek af").click()
    await expect(dirk.locator(".field-error").first).to_be_visible()
    await assert_accessible(dirk)
    anna = await worker_page("anna", size, to="/roster/mine/")
    await look_at(anna, OF_ANNA, found)
    # An address for a calendar is shown once, when it is made.
    await anna.goto("/roster/feed/")
    await anna.get_by_role("button", name="Maak een").click()
    await expect(anna.get_by_role("heading", name="Dit is je adres")).to_be_visible()
    await assert_accessible(anna)


async def test_every_page_of_the_roster_fits_a_very_narrow_window(
    worker_page: WorkerPage, server: Server
) -> None:
    narrow = {"viewport": {"width": NARROW, "height": 640}}
    dirk = await worker_page("dirk", narrow, to="/roster/periods/")
    await fill_pages(server, dirk)
    found = numbers(server)
    anna = await worker_page("anna", narrow, to="/roster/mine/")
    assert await look_whether_it_fits(dirk, OF_DIRK, found) == []
    assert await look_whether_it_fits(anna, OF_ANNA, found) == []
