"""What people do with the roster, in their browsers: publish, take, swap, not come, step in.

Each test changes the plan of this module's own server for good, and so chooses duties and people
that it finds free at that moment.
"""

import re
from collections.abc import Awaitable, Callable
from datetime import date, timedelta

from playwright.async_api import Locator, Page, expect

from tests.browser.pages import DESKTOP, PHONE
from tests.servers import Server

WorkerPage = Callable[..., Awaitable[Page]]

MINE = "/roster/mine/"
FREE = "/roster/mine/free/?more=1"
# Nobody is asked to be in two places: so far apart are the duties that are exchanged here, in days.
APART = 0.5
# What somebody would do sooner than press Tab once more.
PATIENCE = 60


def next_duty(server: Server, name: str, other: str = "", *, after: str = "+30 hours") -> int:
    """A confirmed duty of somebody, at a time when `other` has none."""
    rows = server.rows(
        "SELECT d.id FROM roster_duty d JOIN institutions_user u ON u.id = d.worker_id"
        " WHERE u.email LIKE ? AND d.status = 'confirmed' AND d.start > datetime('now', ?)"
        " AND NOT EXISTS (SELECT 1 FROM roster_duty o"
        "  JOIN institutions_user v ON v.id = o.worker_id"
        "  WHERE v.email LIKE ? AND o.status IN ('confirmed', 'cover_wanted')"
        "  AND abs(julianday(o.start) - julianday(d.start)) < ?)"
        " ORDER BY d.start",
        f"{name}@%",
        after,
        f"{other}@%",
        APART,
    )
    assert rows, f"{name} has no duty at a time when {other or 'anybody'} has none"
    return int(str(rows[0][0]))


def hour_of(server: Server, duty: int) -> int:
    ((hour,),) = server.rows("SELECT hour_id FROM roster_duty WHERE id = ?", duty)
    return int(str(hour))


def workers_on(server: Server, hour: int) -> set[str]:
    """The first names of who is sure to come."""
    rows = server.rows(
        "SELECT u.email FROM roster_duty d JOIN institutions_user u ON u.id = d.worker_id"
        " WHERE d.hour_id = ? AND d.status = 'confirmed' AND d.end > datetime('now')",
        hour,
    )
    return {str(email).partition("@")[0] for (email,) in rows}


def card(page: Page, duty: int) -> Locator:
    """An own duty in the list."""
    link = page.locator(f'a[href="/roster/mine/duties/{duty}/"]')
    return page.get_by_role("listitem").filter(has=link)


async def told(page: Page, text: str) -> None:
    """The page says what became of it."""
    await expect(page.locator(".staff-messages")).to_contain_text(text)


async def tab_to(page: Page, target: Locator) -> None:
    """Go on with Tab until something has the focus, and see that it shows there."""
    for _press in range(PATIENCE):
        await page.keyboard.press("Tab")
        if await target.evaluate("it => it === document.activeElement"):
            break
    await expect(target).to_be_focused()
    await expect(target).to_be_in_viewport(ratio=1)
    assert await target.evaluate("it => getComputedStyle(it).outlineStyle") != "none"


async def skip_to_content(page: Page) -> None:
    skip = page.locator(".skip-link")
    await tab_to(page, skip)
    await page.keyboard.press("Enter")


# --- Publishing -----------------------------------------------------------------------------------


async def test_a_period_that_a_coordinator_publishes_is_in_the_workers_duties(
    worker_page: WorkerPage, server: Server
) -> None:
    dirk = await worker_page("dirk", to="/roster/periods/")
    await dirk.get_by_text("Een periode erbij").click()
    first = date.fromisoformat(await dirk.get_by_label("Eerste dag").input_value())
    await dirk.get_by_label("Laatste dag").fill((first + timedelta(days=6)).isoformat())
    await dirk.get_by_role("button", name="Maak de periode").click()
    await told(dirk, "De periode staat klaar")
    period = dirk.url

    # The week of its last day begins inside the period, whatever weekday it begins on.
    await dirk.goto(f"/roster/week/?day={first + timedelta(days=6)}")
    await dirk.locator("#week").get_by_role("link").first.click()
    # Whoever is first in the list; with the styles there, a space stands before the colon.
    candidate = dirk.get_by_role("button", name=re.compile("^Deel in *: ")).first
    name = (await candidate.inner_text()).partition(":")[2].strip()
    await candidate.click()
    await told(dirk, f"{name} is ingedeeld")
    worker = await worker_page(name.split()[0], PHONE, to=MINE)
    new = worker.locator(".mine-duty").last
    await expect(new).to_contain_text("voorlopig")

    await dirk.goto(period)
    await dirk.get_by_role("link", name="Publiceer…").click()
    await expect(dirk.get_by_text(name)).to_be_visible()
    await dirk.get_by_role("button", name="Publiceer").click()
    await told(dirk, "Gepubliceerd. Eén persoon krijgt een mail.")

    await worker.reload()
    await expect(new.locator(".mine-when")).to_be_visible()
    await expect(new).not_to_contain_text("voorlopig")


# --- A free seat ----------------------------------------------------------------------------------


async def test_a_worker_takes_a_free_seat(worker_page: WorkerPage, server: Server) -> None:
    carla = await worker_page("carla", to=FREE)
    chance = carla.locator(".mine-chance").first
    when = await chance.locator(".mine-when").inner_text()
    before = await carla.locator(".mine-chance").count()
    await chance.get_by_role("button", name="Neem").click()
    await told(carla, "Je hebt er een dienst bij")
    await carla.goto(FREE)
    await expect(carla.locator(".mine-chance")).to_have_count(before - 1)
    await carla.goto(MINE)
    await expect(carla.locator(".mine-duty").filter(has_text=when)).to_have_count(1)


async def test_a_worker_takes_a_free_seat_by_keyboard_alone(worker_page: WorkerPage) -> None:
    anna = await worker_page("anna", DESKTOP, to=FREE)
    when = await anna.locator(".mine-chance .mine-when").first.inner_text()
    await skip_to_content(anna)
    await tab_to(anna, anna.get_by_role("button", name="Neem").first)
    await anna.keyboard.press("Enter")
    await told(anna, "Je hebt er een dienst bij")
    await anna.goto(MINE)
    await expect(anna.locator(".mine-duty").filter(has_text=when)).to_have_count(1)


async def test_a_worker_takes_a_free_seat_on_a_phone_without_scripts(
    worker_page: WorkerPage,
) -> None:
    bilal = await worker_page("bilal", PHONE, to=FREE, java_script_enabled=False)
    chance = bilal.locator(".mine-chance").first
    when = await chance.locator(".mine-when").inner_text()
    await chance.get_by_role("button", name="Neem").tap()
    await told(bilal, "Je hebt er een dienst bij")
    await bilal.goto(MINE)
    await expect(bilal.locator(".mine-duty").filter(has_text=when)).to_have_count(1)


# --- Somebody else --------------------------------------------------------------------------------


async def test_a_colleague_takes_over_a_duty(worker_page: WorkerPage, server: Server) -> None:
    duty = next_duty(server, "anna", "bilal")
    anna = await worker_page("anna", PHONE, to=MINE)
    when = await card(anna, duty).locator(".mine-when").inner_text()
    await card(anna, duty).get_by_text("Kun je niet?").click()
    await card(anna, duty).get_by_role("button", name="Vraag vervanging").click()
    await told(anna, "Je vraag is verstuurd. Tot iemand ja zegt, blijft de dienst van jou.")
    await expect(card(anna, duty)).to_contain_text("vervanging gevraagd")

    bilal = await worker_page("bilal", PHONE, to=MINE)
    asked = bilal.get_by_role("listitem").filter(has_text="Anna de Wit").filter(has_text=when)
    await expect(asked).to_be_visible()
    await asked.get_by_role("button", name="Ik neem het over").click()
    await told(bilal, "Gelukt. De dienst staat nu bij jouw diensten.")
    await expect(bilal.locator(".mine-duty").filter(has_text=when)).to_have_count(1)

    await anna.reload()
    await expect(card(anna, duty)).to_have_count(0)


async def test_two_colleagues_exchange_their_duties(
    worker_page: WorkerPage, server: Server
) -> None:
    given, wanted = next_duty(server, "anna", "bilal"), next_duty(server, "bilal", "anna")
    bilal = await worker_page("bilal", to=MINE)
    when = await card(bilal, wanted).locator(".mine-when").inner_text()
    anna = await worker_page("anna", PHONE, to=f"/roster/mine/duties/{given}/")
    await anna.get_by_label("Met welke dienst?").select_option(str(wanted))
    await anna.get_by_role("button", name="Vraag om te ruilen").click()
    await told(anna, "Je vraag om te ruilen is verstuurd.")

    await bilal.reload()
    asked = bilal.get_by_role("listitem").filter(has_text="wil ruilen met jouw dienst")
    await expect(asked).to_contain_text("aan jou gevraagd")
    await asked.get_by_role("button", name="Ik ruil").click()
    await told(bilal, "Gelukt.")
    await expect(card(bilal, wanted)).to_have_count(0)

    await anna.reload()
    await expect(card(anna, given)).to_have_count(0)
    await expect(anna.locator(".mine-duty").filter(has_text=when)).to_have_count(1)


# --- Not coming -----------------------------------------------------------------------------------


async def test_the_coordinator_sees_the_gap_of_who_cannot_come(
    worker_page: WorkerPage, server: Server
) -> None:
    duty = next_duty(server, "carla")
    hour = hour_of(server, duty)
    # Without Carla there are fewer than wanted, however many had come.
    server.rows(
        "UPDATE roster_consultationhour SET min_staff = ?, target_staff = ? WHERE id = ?",
        *(2 * [len(workers_on(server, hour))]),
        hour,
    )
    dirk = await worker_page("dirk", to=f"/roster/hours/{hour}/")
    await expect(dirk.locator(".hour-state")).to_contain_text("Genoeg mensen")
    carla = await worker_page("carla", PHONE, to=MINE)
    await card(carla, duty).get_by_text("Kun je niet?").click()
    await card(carla, duty).get_by_role("button", name="Ik kan niet komen").click()
    await told(carla, "Je bent afgemeld.")
    await expect(card(carla, duty)).to_have_count(0)

    await dirk.goto("/roster/gaps/?ahead=quarter&show=gaps")
    gap = dirk.locator(".gap").filter(has=dirk.locator(f'a[href="/roster/hours/{hour}/"]'))
    await expect(gap).to_contain_text("1 te weinig")
    await gap.get_by_role("link").click()
    absent = dirk.locator(".seated").filter(has_text="Carla Janssen")
    await expect(absent).to_contain_text("kan niet komen")


async def test_a_worker_cannot_come_any_more_by_keyboard_alone(
    worker_page: WorkerPage, server: Server
) -> None:
    ((hour,),) = server.rows(
        "SELECT id FROM roster_consultationhour"
        " WHERE start <= datetime('now') AND end > datetime('now') LIMIT 1"
    )
    # Els and Farid hold the chat open.
    name = min(workers_on(server, int(str(hour))) - {"els", "farid"})
    page = await worker_page(name, DESKTOP, to=MINE)
    now = page.locator(".mine-duty.mine-now")
    await skip_to_content(page)
    await tab_to(page, now.locator(".mine-sick summary"))
    await page.keyboard.press("Enter")
    await expect(now).to_contain_text("Je dienst stopt nu.")
    await tab_to(page, now.get_by_role("button", name="Ja, meld me af"))
    await page.keyboard.press("Space")
    await told(page, "Je bent afgemeld.")
    await expect(now).to_have_count(0)
    assert name not in workers_on(server, int(str(hour)))


# --- Stepping in ----------------------------------------------------------------------------------


async def test_a_worker_steps_in_in_the_hour_that_goes_on(
    worker_page: WorkerPage, server: Server
) -> None:
    # A duty of today that follows at once would be in the way.
    server.rows(
        "UPDATE roster_duty SET status = 'released' WHERE start < datetime('now', '+1 day')"
        " AND worker_id = (SELECT id FROM institutions_user WHERE email LIKE 'daan@%')"
    )
    daan = await worker_page("daan", PHONE, to=MINE)
    await daan.get_by_role("button", name="Ik val nu in").first.click()
    await told(daan, "Je hebt nu dienst tot")
    await expect(daan.locator(".mine-duty.mine-now")).to_contain_text("nu")
    await expect(daan.get_by_role("button", name="Ik val nu in")).to_have_count(0)
    await daan.get_by_role("link", name="Naar de werkplek").click()
    await daan.wait_for_url("**/desk/")
