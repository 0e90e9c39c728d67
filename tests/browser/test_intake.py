"""The questions before a chat, on a phone: by keyboard alone, searching a place, and without scripts."""

import json

import pytest
from playwright.async_api import Page, Request, expect

from tests.browser.pages import DESKTOP, PHONE, OpenPage, assert_accessible
from tests.servers import Server

PLACE = "Waar woon je?"


async def start(page: Page) -> None:
    await page.get_by_role("button", name="Begin met chatten").click()
    await heading(page, "Waar wil je over praten?")


async def heading(page: Page, name: str) -> None:
    await expect(page.get_by_role("heading", name=name)).to_be_visible()


async def skip_to_place(page: Page) -> None:
    await start(page)
    for number in range(1, 6):
        await expect(page.get_by_text(f"Vraag {number} van 6")).to_be_visible()
        await page.get_by_role("button", name="Sla deze vraag over").click()
    await heading(page, PLACE)


def stored(server: Server) -> tuple[str, str, str, int, str]:
    """Of the one conversation: urgency, topic, age band, danger and region."""
    query = "SELECT urgency, topic, age_band, danger, region FROM chat_conversation"
    (row,) = server.rows(query)
    return row  # type: ignore[no-any-return]


async def test_the_whole_intake_by_keyboard_alone(server: Server, visitor_page: Page) -> None:
    page = visitor_page

    async def press_until(selector: str) -> None:
        for _press in range(40):
            if await page.evaluate("s => document.activeElement.matches(s)", selector):
                return
            await page.keyboard.press("Tab")
        raise AssertionError(f"the Tab key never reached {selector}")

    await press_until("main button")
    await page.keyboard.press("Enter")
    for question, downs in (
        ("Waar wil je over praten?", 3),
        ("Ben je nu veilig?", 2),
        ("Hoe zwaar voelt het nu?", 1),
    ):
        await heading(page, question)
        await assert_accessible(page)
        await press_until("main input[type=radio]")
        await page.keyboard.press("Space")
        for _down in range(downs):
            await page.keyboard.press("ArrowDown")
        await page.keyboard.press("Enter")
    # Back to the questions before: nothing is lost there, and forward again it is still the same.
    await heading(page, "Wil je alvast iets schrijven?")
    await press_until("textarea")
    await page.keyboard.type("Ik ben bang.")
    await press_until("button[value=back]")
    await page.keyboard.press("Enter")
    await heading(page, "Hoe zwaar voelt het nu?")
    await expect(page.get_by_role("radio", name="Een beetje zwaar")).to_be_checked()
    await press_until("button[value=answer]")
    await page.keyboard.press("Enter")
    await heading(page, "Wil je alvast iets schrijven?")
    await page.reload()
    await expect(page.get_by_role("textbox")).to_have_value("Ik ben bang.")
    await assert_accessible(page)
    await press_until("button[value=answer]")
    await page.keyboard.press("Enter")
    await heading(page, "Hoe oud ben je?")
    await assert_accessible(page)
    await press_until("main input[type=radio]")
    await page.keyboard.press("ArrowDown")
    await page.keyboard.press("Enter")

    await heading(page, PLACE)
    await assert_accessible(page)
    field = page.get_by_role("combobox", name=PLACE)
    await press_until("[role=combobox]")
    await page.keyboard.type("hoens")
    option = page.get_by_role("option", name="Hoensbroek (gemeente Heerlen)")
    await expect(option).to_be_visible()
    await expect(page.get_by_role("status").filter(has_text="gevonden")).to_be_attached()
    await expect(field).to_have_attribute("aria-expanded", "true")
    await assert_accessible(page)
    await page.keyboard.press("Escape")
    await expect(option).to_be_hidden()
    await page.keyboard.press("ArrowDown")
    await expect(option).to_have_attribute("aria-selected", "true")
    chosen = await option.get_attribute("id")
    await expect(field).to_have_attribute("aria-activedescendant", str(chosen))
    await page.keyboard.press("Enter")
    await expect(field).to_have_value("Hoensbroek (gemeente Heerlen)")
    await expect(option).to_be_hidden()
    await page.keyboard.press("Enter")

    await heading(page, "Je wacht op")
    await expect(page.get_by_text("Nu in gevaar? Bel meteen:")).to_be_visible()
    await assert_accessible(page)
    assert stored(server) == ("now", "violence", "12_14", 1, "GM0917")


async def test_what_is_filled_in_and_not_sent_outlives_a_reload_and_another_language(
    visitor_page: Page,
) -> None:
    page = visitor_page
    await page.get_by_role("button", name="Begin met chatten").click()
    for question in ("Waar wil je over praten?", "Ben je nu veilig?", "Hoe zwaar voelt het nu?"):
        await heading(page, question)
        await page.get_by_role("button", name="Sla deze vraag over").click()
    await heading(page, "Wil je alvast iets schrijven?")
    async with page.expect_response(lambda one: "Ik+ben+bang" in str(one.request.post_data)):
        await page.get_by_role("textbox").press_sequentially("Ik ben bang")
    await page.reload()
    await expect(page.get_by_role("textbox")).to_have_value("Ik ben bang")
    # Typed, and gone on at once to another language.
    await page.get_by_role("textbox").fill("I am afraid")
    await page.get_by_role("button", name="English").click()
    await heading(page, "Would you like to write something already?")
    await expect(page.get_by_role("textbox")).to_have_value("I am afraid")
    await page.get_by_role("button", name="Back").click()
    await heading(page, "How heavy does it feel right now?")
    async with page.expect_response(lambda one: one.status == 204):
        await page.get_by_role("radio", name="Very heavy").check()
    await page.reload()
    await expect(page.get_by_role("radio", name="Very heavy")).to_be_checked()


async def test_a_place_is_found_while_typing_and_nobody_hears_it(
    server: Server, open_page: OpenPage
) -> None:
    page = await open_page(DESKTOP)
    await page.goto("/")
    asked: list[Request] = []
    await skip_to_place(page)
    page.on(
        "request",
        lambda request: request.resource_type == "fetch" and asked.append(request),
    )
    field = page.get_by_role("combobox", name=PLACE)
    await field.fill("berg")
    options = page.get_by_role("option")
    await expect(options.first).to_be_visible()
    assert 1 < await options.count() <= 7
    await field.fill("6411")
    await expect(options).to_have_text(["Heerlen"])
    await field.fill("xqz")
    await expect(options).to_have_count(0)
    await expect(page.get_by_text("Niets gevonden.")).to_be_attached()
    await field.fill("maastr")
    await expect(options.filter(has_text="Maastricht").first).to_be_visible()
    # What is chosen is kept, as every answer; of what was typed before nothing was told.
    async with page.expect_response(lambda one: one.status == 204):
        await options.filter(has_text="Maastricht").first.click()
    await expect(field).to_have_value("Maastricht")
    (kept,) = [one.post_data for one in asked if not one.url.endswith("places.json")]
    assert "place=GM0935" in str(kept)
    await page.get_by_role("button", name="Naar de chat", exact=True).click()
    await heading(page, "Je wacht op")
    assert stored(server)[4] == "GM0935"


async def test_a_choice_does_not_outlive_its_words(server: Server, visitor_page: Page) -> None:
    page = visitor_page
    await skip_to_place(page)
    field = page.get_by_role("combobox", name=PLACE)
    await field.fill("heerlen")
    await page.get_by_role("option", name="Heerlen", exact=True).click()
    await field.fill("Sittard")
    await page.get_by_role("button", name="Naar de chat", exact=True).click()
    await heading(page, "Je wacht op")
    assert stored(server)[4] == "GM1883"


async def test_without_the_list_the_field_still_works(server: Server, visitor_page: Page) -> None:
    page = visitor_page
    await page.context.route("**/places.json", lambda route: route.fulfill(status=200, body="oops"))
    await skip_to_place(page)
    await page.get_by_role("combobox", name=PLACE).fill("6411")
    await page.get_by_role("button", name="Naar de chat", exact=True).click()
    await heading(page, "Je wacht op")
    assert stored(server)[4] == "GM0917"


@pytest.mark.cuts_off  # the console tells of the status of the refusal
@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
async def test_without_javascript_an_unclear_place_is_asked_again(
    server: Server, open_page: OpenPage, dark: bool
) -> None:
    page = await open_page(PHONE, java_script_enabled=False, dark=dark)
    await page.goto("/")
    await skip_to_place(page)
    await page.get_by_label(PLACE).fill("Bergen")
    await page.get_by_role("button", name="Naar de chat", exact=True).click()
    await expect(page.get_by_text("We weten niet zeker wat je bedoelt")).to_be_visible()
    await page.get_by_role("radio", name="Bergen (L.)").check()
    await page.get_by_role("button", name="Naar de chat", exact=True).click()
    await heading(page, "Je wacht op")
    assert stored(server)[4] == "GM0893"


async def test_the_list_is_fetched_on_its_question_only_and_is_small(
    server: Server, open_page: OpenPage
) -> None:
    page = await open_page(PHONE)
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    await page.goto("/")
    await start(page)
    assert not [url for url in asked if "place" in url]
    response = await page.request.get("/places.json", headers={"accept-encoding": "gzip"})
    assert response.headers["content-encoding"] == "gzip"
    assert json.loads(await response.body())["municipalities"]
    assert int(response.headers["content-length"]) < 40_000
