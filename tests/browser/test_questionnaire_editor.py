"""A coordinator changes a question, tries it out and publishes it; a young person reads it."""

from collections.abc import Awaitable, Callable

from playwright.async_api import Page, expect

from tests.browser.pages import DESKTOP, PHONE, OpenPage, assert_accessible
from tests.servers import Server

WorkerPage = Callable[..., Awaitable[Page]]
NEW_TEXT = "Voel je je nu veilig?"


async def look(page: Page) -> None:
    """Readable for everybody, in both colour schemes, folded parts opened."""
    await page.evaluate("document.querySelectorAll('details').forEach(one => { one.open = true })")
    await assert_accessible(page)
    await page.emulate_media(color_scheme="dark")
    await assert_accessible(page, colours_only=True)
    await page.emulate_media(color_scheme="light")


async def test_a_question_goes_from_draft_to_young_person(
    server: Server, worker_page: WorkerPage, visitor_page: Page, open_page: OpenPage
) -> None:
    await visitor_page.get_by_role("button", name="Chat").first.click()
    await visitor_page.get_by_role("button", name="Sla alles over").click()
    page = await worker_page("dirk", PHONE, to="/staff/questions/")
    await look(page)
    await page.get_by_role("button", name="Begin een concept").click()
    await look(page)
    await page.get_by_role("link", name="Ben je nu veilig?").click()
    await look(page)
    await page.get_by_label("Vraag (Nederlands)", exact=True).fill(NEW_TEXT)
    await page.get_by_label("Vraag (Nederlands)", exact=True).press(
        "Enter"
    )  # a new line: nothing is sent
    await page.get_by_label("Vraag (Nederlands)", exact=True).fill(NEW_TEXT)
    await page.get_by_role("button", name="Antwoord 1 omlaag").click()
    await expect(page.get_by_text("Nog niet bewaard")).to_be_visible()
    await expect(page.get_by_label("Vraag (Nederlands)", exact=True)).to_have_value(NEW_TEXT)
    # By keyboard: Enter in a field of an answer saves, and does not press a button of the answers.
    await page.get_by_label("Antwoord (Nederlands)", exact=True).first.press("Enter")
    await expect(page.get_by_text("Bewaard in het concept.")).to_be_visible()
    await expect(page.get_by_role("link", name=NEW_TEXT)).to_be_visible()

    await page.get_by_role("link", name="Uitproberen").click()
    await page.get_by_label("Nee", exact=True).check()
    await page.get_by_role("button", name="Laat zien wat dit wordt").click()
    await expect(page.get_by_role("heading", name="Goed dat je het zegt.")).to_be_visible()
    await page.get_by_label("Naam van het voorbeeld").fill("Zegt nee")
    await look(page)
    await page.get_by_role("button", name="Bewaar als voorbeeld").click()
    kept = page.get_by_role("listitem").filter(has_text="Zegt nee")
    await expect(kept).to_contain_text("zoals gewenst: nu")

    await page.goto("/staff/questions/")
    await page.get_by_role("link", name="Nakijken en publiceren").click()
    await look(page)
    await expect(page.get_by_text(NEW_TEXT).first).to_be_visible()
    # One young person came, and nobody can read which one.
    await expect(page.get_by_role("cell", name="minder dan 5")).to_have_count(1)
    await page.get_by_role("button", name="Publiceer").click()
    await expect(page.get_by_text("is gepubliceerd")).to_be_visible()
    await look(page)

    newcomer = await open_page(PHONE)
    await newcomer.goto("/")
    await newcomer.get_by_role("button", name="Chat").first.click()
    await newcomer.get_by_role("button", name="Sla deze vraag over").click()
    await expect(newcomer.get_by_role("heading", name=NEW_TEXT)).to_be_visible()


async def test_every_page_of_the_editor_is_readable(
    server: Server, worker_page: WorkerPage
) -> None:
    page = await worker_page("dirk", DESKTOP, to="/staff/questions/")
    at = page.url
    if await page.get_by_role("button", name="Begin een concept").count():
        await page.get_by_role("button", name="Begin een concept").click()
    for address in (
        "draft/question/new/",
        "draft/screen/topic/",
        "draft/rule/0/",
        "draft/words/0/",
        "draft/wish/new/",
        "draft/differences/",
        "versions/1/",
        "import/",
    ):
        await page.goto(at + address)
        await look(page)
