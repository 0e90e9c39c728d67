"""The inbox in real browsers, by keyboard: taken, answered, read along, handed over, closed."""

import re
import sqlite3
from contextlib import closing

from playwright.async_api import Page, expect

from tests.browser.pages import PHONE, OpenPage, assert_accessible
from tests.browser.talks import WorkerPage
from tests.browser.test_letters import close_the_chat, write_letter
from tests.servers import Server

DRAFT = "Hoi, wat fijn dat je dit schrijft."


async def press(page: Page, name: str) -> None:
    """Press a button, link or summary that the keyboard can reach."""
    found = page.locator("button, a, summary").filter(has_text=re.compile(f"^\\s*{name}")).first
    await found.focus()
    await page.keyboard.press("Enter")


async def a_letter(server: Server, page: Page) -> None:
    """Write a letter, and let it be for Anna's institution whoever has letter duty."""
    await page.goto("/")
    await page.get_by_role("button", name="Schrijf een brief").click()
    await page.get_by_role("button", name="Sla alles over en ga schrijven").click()
    await write_letter(page)
    with closing(sqlite3.connect(server.database, timeout=10)) as database, database:
        database.execute(
            "UPDATE chat_conversation SET institution_id ="
            " (SELECT id FROM institutions_institution WHERE name = 'Welzijn Zuid')"
        )


async def test_a_letter_from_the_inbox_to_its_end(
    server: Server, open_page: OpenPage, worker_page: WorkerPage
) -> None:
    await close_the_chat(worker_page)
    anna = await worker_page("anna")
    hers = await open_page(PHONE)
    await a_letter(server, hers)
    # The desk hears of it without being asked.
    await expect(anna.locator("#letters [data-box=new] [data-slot=count]")).to_have_text("1")
    await assert_accessible(anna)

    await anna.goto("/desk/letters/")
    await assert_accessible(anna)
    await press(anna, "Aannemen")
    await expect(anna.get_by_text("Deze brief is nu bij jou.")).to_be_visible()
    await assert_accessible(anna)

    # The draft is there after a reload.
    await anna.get_by_label("Je antwoord").focus()
    await anna.keyboard.type(DRAFT)
    await expect(anna.locator("#draft-state")).to_contain_text("Concept bewaard om")
    await anna.reload()
    await expect(anna.get_by_label("Je antwoord")).to_have_value(DRAFT)

    # A colleague reads along and agrees.
    await press(anna, "Laat een collega meelezen")
    await press(anna, "Vraag")
    bilal = await worker_page("bilal", to="/desk/letters/?box=asked")
    await press(bilal, "Brief")
    await expect(bilal.locator(".letter-draft")).to_have_text(DRAFT)
    await assert_accessible(bilal)
    await press(bilal, "Akkoord")
    await expect(bilal.get_by_text("Je collega ziet het en beslist.")).to_be_visible()
    await anna.reload()
    await expect(anna.get_by_text("las mee: akkoord")).to_be_visible()
    await press(anna, "Verstuur")
    await expect(anna.get_by_text("Je antwoord is verstuurd.")).to_be_visible()
    await expect(anna.locator(".message").last).to_contain_text(DRAFT)
    await expect(anna.get_by_label("Je antwoord")).to_have_value("")

    # To another institution, with her yes.
    await press(anna, "Overdragen aan een andere instelling")
    await anna.get_by_label("Aan welke instelling?").select_option(label="Maaskracht")
    await press(anna, "Vraag het de jongere")
    await expect(anna.get_by_text("mag Maaskracht antwoorden?")).to_be_visible()
    await assert_accessible(anna)
    address = anna.url
    # An open page of a letter asks for itself again, and this one will not be hers any more.
    await anna.goto("/desk/letters/")
    await bilal.goto("/desk/letters/")
    await hers.goto("/")
    await expect(hers.get_by_text("Maaskracht").first).to_be_visible()
    await assert_accessible(hers)
    await hers.get_by_role("button", name=re.compile("^Ja")).click()
    await expect(hers.get_by_role("button", name=re.compile("^Ja"))).to_have_count(0)
    assert (await anna.request.get(address)).status == 404

    # There it is closed, with its registration.
    carla = await worker_page("carla", PHONE, to="/desk/letters/?box=new")
    await press(carla, "Aannemen")
    await press(carla, "Afsluiten")
    await carla.get_by_label("Waarom sluit je de brief?").select_option("finished")
    await carla.get_by_label("Soort contact").select_option("about_self")
    await carla.get_by_label("Onderwerp").select_option("family")
    await assert_accessible(carla)
    await press(carla, "Sluit af")
    await expect(carla.get_by_text("De brief is afgesloten.")).to_be_visible()
    assert server.rows("SELECT kind, status, topic FROM chat_conversation") == [
        ("letter", "closed", "family")
    ]


async def test_coordinators_see_duty_and_figures(worker_page: WorkerPage) -> None:
    dirk = await worker_page("dirk", to="/roster/letters/")
    await assert_accessible(dirk)
    await press(dirk, "Verdeel de komende weken opnieuw")
    await expect(dirk.get_by_text("opnieuw verdeeld")).to_be_visible()
    await dirk.goto("/desk/letters/figures/")
    await expect(dirk.get_by_role("heading", level=1)).to_have_text("Brieven in cijfers")
    await assert_accessible(dirk)
