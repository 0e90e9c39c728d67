"""Letters in real browsers: a phone with and without scripts, and a second one that comes back."""

import re

import pytest
from playwright.async_api import Page, expect

from tests.browser.pages import DESKTOP, PHONE, OpenPage, assert_accessible
from tests.browser.talks import WorkerPage, be_available, claim, expect_talk, join_queue, say
from tests.servers import Server

TEXT = "Thuis is het niet fijn. Ik durf het niemand te zeggen."


async def close_the_chat(worker_page: WorkerPage) -> None:
    dirk = await worker_page("dirk", to="/roster/today/")
    await dirk.get_by_text("Zelf open of dicht zetten").click()
    await dirk.get_by_label("Waarom").fill("Test")
    await dirk.get_by_role("button", name="Zet dicht").click()
    await expect(dirk.locator("#live-state")).to_contain_text("met de hand dicht")


async def write_letter(page: Page, text: str = TEXT) -> None:
    await expect(page.get_by_role("heading", level=1)).to_have_text("Schrijf je brief")
    await page.get_by_label("Je brief").fill(text)
    await page.get_by_label("Alleen met mijn code").check()
    await page.get_by_role("button", name="Verstuur mijn brief").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Je brief is bij ons")


async def see_code(page: Page) -> str:
    await page.get_by_role("button", name=re.compile("^Laat mijn code")).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dit is je code")
    return " ".join(await page.locator(".code-words > li").all_text_contents())


async def test_a_letter_from_the_closed_page_and_back_with_the_code(
    server: Server, visitor_page: Page, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    await close_the_chat(worker_page)
    page = visitor_page
    await page.goto("/")
    await assert_accessible(page)
    await page.get_by_role("button", name="Schrijf een brief").click()
    await page.get_by_role("button", name="Sla alles over en ga schrijven").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Schrijf je brief")
    await assert_accessible(page)
    await write_letter(page)
    await assert_accessible(page)
    # Somebody may look over her shoulder: neither the words nor the code stand there unasked.
    await expect(page.locator("main")).not_to_contain_text(TEXT)
    code = await see_code(page)
    assert len(code.split()) == 7
    await assert_accessible(page)
    assert await page.evaluate("history.length") <= 4

    async with page.expect_download() as saving:
        await page.get_by_role("button", name="Bewaar als plaatje").click()
    assert (await saving.value).suggested_filename == "notitie.png"

    # Another browser, scripts off, one word typed wrong.
    other = await open_page(PHONE, java_script_enabled=False)
    await other.goto("/")
    await other.get_by_role("link", name="Kom terug met je code").click()
    words = code.split()
    words[3] = words[3][:-1] + "x"
    await other.get_by_label("Je zeven woorden").fill(" ".join(words).upper())
    await other.get_by_role("button", name="Lees verder").click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Je brief is bij ons")
    assert code.split()[0] not in other.url
    await other.get_by_role("button", name="Lees mijn brief terug").click()
    await expect(other.locator(".letter-text")).to_have_text(TEXT)
    await other.get_by_label("Schrijf verder").fill("Nog iets, vanaf een ander toestel.")
    await other.get_by_role("button", name="Verstuur", exact=True).click()
    assert server.rows("SELECT kind, status, last_seq FROM chat_conversation") == [
        ("letter", "waiting", 2)
    ]
    # The first browser's visit ended with that.
    await page.goto("/")
    await expect(page.get_by_role("link", name="Kom terug met je code")).to_be_visible()

    await other.get_by_role("button", name="Wis alles").click()
    await other.get_by_role("button", name="Ja, wis alles nu").click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Alles is gewist")
    for table in ("chat_message", "chat_conversationkey", "chat_visitor", "chat_returncode"):
        assert server.rows(f"SELECT COUNT(*) FROM {table}") == [(0,)], table


async def test_from_the_closed_page_to_an_answer_a_reply_and_an_invitation_to_the_chat(
    server: Server, visitor_page: Page, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    await close_the_chat(worker_page)
    page = visitor_page
    await page.goto("/")
    await page.get_by_role("button", name="Schrijf een brief").click()
    await page.get_by_role("button", name="Sla alles over en ga schrijven").click()
    await write_letter(page)
    code = await see_code(page)
    server.rows(
        "UPDATE chat_conversation SET institution_id = (SELECT m.institution_id"
        " FROM institutions_membership m JOIN institutions_user u ON u.id = m.user_id"
        " WHERE u.chat_name = 'Anna' AND m.role = 'worker')"
    )
    [[pk]] = server.rows("SELECT id FROM chat_conversation")
    anna = await worker_page("anna", to=f"/desk/letters/{pk}/")
    await anna.get_by_role("button", name="Aannemen").click()
    await expect(anna.get_by_text("Deze brief is nu bij jou.")).to_be_visible()
    await anna.get_by_label("Je antwoord").fill("Wat goed dat je schrijft.")
    await anna.get_by_role("button", name="Verstuur", exact=True).click()
    await expect(anna.get_by_text("Je antwoord is verstuurd.")).to_be_visible()
    await expect(anna.locator("#said .message-text")).to_have_text(
        [TEXT, "Wat goed dat je schrijft."]
    )
    await anna.get_by_text("Uitnodigen voor een spreekuur").click()
    await anna.get_by_role("button", name="Nodig uit").click()
    await expect(anna.get_by_text("Uitgenodigd om te chatten:")).to_be_visible()

    other = await open_page(DESKTOP)
    await other.goto("/terug/")
    await other.get_by_label("Je zeven woorden").fill(code)
    await other.get_by_role("button", name="Lees verder").click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Er is een antwoord")
    await expect(other.locator(".letter-text")).to_have_text("Wat goed dat je schrijft.")
    await expect(other.get_by_text("Dan houden we een plek voor je vrij.")).to_be_visible()
    await assert_accessible(other)
    await other.get_by_label("Schrijf verder").fill("Dank je wel.")
    await other.get_by_role("button", name="Verstuur", exact=True).click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Je brief is bij ons")

    # The hour comes, and somebody else was there before.
    server.rows("DELETE FROM roster_openoverride")
    server.rows(
        "UPDATE chat_invitation SET hour_id = (SELECT id FROM roster_consultationhour"
        " WHERE start <= datetime('now') AND \"end\" > datetime('now') LIMIT 1)"
    )
    stranger = await open_page(PHONE)
    await join_queue(stranger)
    await other.get_by_role("link", name="Is er iets nieuws?").click()
    await expect(other.get_by_text("we hielden een plek voor je vrij")).to_be_visible()
    await assert_accessible(other)
    await other.get_by_role("button", name="Ja, ik wil chatten").click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Je wacht op een hulpverlener")
    await expect(other.get_by_role("button", name="Ik wil niet wachten")).to_have_count(0)
    await anna.goto("/desk/")
    await expect(anna.locator("#queue > li")).to_have_count(2)
    await claim(anna)
    await expect(other.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")
    await expect(stranger.get_by_role("heading", level=1)).to_have_text(
        "Je wacht op een hulpverlener"
    )
    await other.get_by_text("Stoppen", exact=True).click()
    await other.get_by_role("button", name="Ja, stop het gesprek").click()
    await other.get_by_role("button", name="Terug naar je brief").click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Je brief is bij ons")


async def test_who_waits_writes_a_letter_and_keeps_the_place_meanwhile(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    page = visitor_page
    await join_queue(page)
    await say(page, "ik wacht al even")
    await page.get_by_role("button", name="Ik wil niet wachten").click()
    await expect(page.locator("#queued")).to_contain_text("sta je nog in de wachtrij")
    await assert_accessible(page)
    assert server.rows("SELECT kind FROM chat_conversation") == [("chat",)]
    await write_letter(page)
    await page.get_by_role("button", name="Lees mijn brief terug").click()
    await expect(page.locator(".letter-text")).to_have_text(["ik wacht al even", TEXT])
    desk = await worker_page("anna")
    await be_available(desk)
    await expect(desk.locator("#queue > li")).to_have_count(0)


async def test_who_writes_a_letter_hears_that_somebody_is_free(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    page = visitor_page
    await join_queue(page)
    await page.get_by_role("button", name="Ik wil niet wachten").click()
    desk = await worker_page("anna")
    await claim(desk)
    await page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    await expect(page.locator("#queued")).to_contain_text("Er is nu iemand voor je.")
    await page.get_by_role("link", name="Terug naar de chat").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")
    await say(page, "hoi")
    await expect_talk(desk, page, texts=["hoi"])


@pytest.mark.cuts_off  # a visit that ended is an error to the console
async def test_a_letter_that_is_open_tells_of_an_answer_and_goes_when_it_is_erased(
    server: Server, visitor_page: Page, open_page: OpenPage
) -> None:
    page = visitor_page
    await page.get_by_role("button", name="Liever schrijven?").click()
    await page.get_by_role("button", name="Sla alles over en ga schrijven").click()
    await write_letter(page)
    second = await page.context.new_page()
    await second.goto("/")
    await second.get_by_label("Schrijf verder").fill("Nog iets.")
    await second.get_by_role("button", name="Verstuur", exact=True).click()
    await expect(second.get_by_label("Schrijf verder")).to_have_value("")
    look = "document.dispatchEvent(new Event('visibilitychange'))"
    await page.bring_to_front()
    await page.evaluate(look)
    await expect(page.locator("#letter-watch")).to_contain_text("Er is iets nieuws")
    await second.get_by_role("button", name="Wis alles").click()
    await second.get_by_role("button", name="Ja, wis alles nu").click()
    await expect(second.get_by_role("heading", level=1)).to_have_text("Alles is gewist")
    await page.evaluate(look)
    await expect(page.get_by_role("link", name="Kom terug met je code")).to_be_visible()


# A refused page is an error to the console.
@pytest.mark.cuts_off
async def test_under_pressure_a_browser_works_for_a_moment(
    server: Server, open_page: OpenPage
) -> None:
    page = await open_page(DESKTOP, dark=True)
    await page.goto("/terug/")
    await assert_accessible(page)
    for _guess in range(10):
        await page.get_by_label("Je zeven woorden").fill("adres " * 7)
        await page.get_by_role("button", name="Lees verder").click()
        await expect(page.locator("#words-error")).to_be_visible()
        if await page.locator("[data-proof]").count():
            break
    await expect(page.locator("[data-proof-text]")).to_have_text("Klaar. Je kunt nu versturen.")
    await assert_accessible(page, colours_only=True)
    await page.get_by_role("button", name="Lees verder").click()
    await expect(page.locator("#words-error")).to_contain_text("kennen we niet")
