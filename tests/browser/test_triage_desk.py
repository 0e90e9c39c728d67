"""The desk, as far as triage goes: why somebody stands there, urgency, protocols, one place more."""

import re

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.pages import assert_accessible
from tests.browser.test_desk import WorkerPage, be_available, cards, claim, own, queue_up
from tests.servers import Server


async def tab_to(desk: Page, locator: Locator, most: int = 60) -> None:
    for _ in range(most):
        if await locator.evaluate("one => one === document.activeElement"):
            return
        await desk.keyboard.press("Tab")
    pytest.fail("not reached with Tab")


async def test_a_card_tells_why_it_stands_there(server: Server, worker_page: WorkerPage) -> None:
    queue_up(server, "normal", "soon", "now")
    desk = await worker_page("anna")
    await be_available(desk)
    await expect(cards(desk)).to_have_count(3)
    first, second, third = (cards(desk).nth(at) for at in range(3))
    await expect(first).to_contain_text("Gaat voor: heeft nu hulp nodig.")
    await expect(second).to_contain_text("Wil liefst snel: gaat voor wie kan wachten.")
    await expect(third).to_contain_text("Op volgorde van binnenkomst.")
    await expect(third).to_contain_text(
        "2 die later kwamen gaan voor, want die hebben sneller hulp nodig."
    )
    await assert_accessible(desk)


async def test_of_a_long_queue_the_desk_shows_the_front_and_says_how_many_more_wait(
    server: Server, worker_page: WorkerPage
) -> None:
    first = queue_up(server, "now", *["normal"] * 52, "soon")[0]
    desk = await worker_page("anna")
    await be_available(desk)
    await expect(cards(desk)).to_have_count(50)
    await expect(cards(desk).first).to_have_attribute("data-key", first.conversation)
    await expect(desk.locator("#queue-count")).to_have_text("54")
    await expect(desk.locator("#queue-more")).to_have_text(
        "En nog 4 die verder naar achter staan. Nu hulp nodig: 0, liefst snel: 0, gewoon: 4."
    )
    await expect(desk).to_have_title(re.compile("Nu hulp nodig"))
    await claim(desk)
    await expect(desk.locator("#queue-count")).to_have_text("53")
    await expect(cards(desk)).to_have_count(50)
    # Somebody moved up into what is shown: that is nobody new.
    await expect(desk.locator("#announce")).not_to_contain_text("Nieuw in de wachtrij")


async def test_the_keyboard_alone_raises_somebody_and_everybody_hears_of_it(
    server: Server, worker_page: WorkerPage
) -> None:
    first, later = queue_up(server, "normal", "normal")
    anna, carla = await worker_page("anna"), await worker_page("carla")
    for desk in (anna, carla):
        await be_available(desk)
        await expect(cards(desk).first).to_have_attribute("data-key", first.conversation)
    press = anna.keyboard.press
    card = anna.locator(f'#queue > li[data-key="{later.conversation}"]')
    await tab_to(anna, card.get_by_role("button", name="Verander de urgentie"))
    await press("Enter")
    dialog = anna.locator("#urgency-dialog")
    await expect(dialog).to_be_visible()
    await tab_to(anna, dialog.get_by_label("gewoon"))
    submit = dialog.get_by_role("button", name="Verander")
    await submit.press("Enter")
    await expect(dialog.get_by_role("alert")).to_have_text(
        "Zo staat het al. Kies een andere urgentie."
    )
    await dialog.get_by_label("gewoon").focus()
    await press("ArrowUp")
    await press("ArrowUp")
    await expect(dialog.get_by_label("nu hulp nodig")).to_be_checked()
    await press("Tab")
    await anna.keyboard.type("Schrijft over zelfdoding in het eerste bericht")
    await press("Tab")
    await press("Tab")
    await press("Enter")
    await expect(dialog).to_be_hidden()

    for desk in (anna, carla):
        await expect(cards(desk).first).to_have_attribute("data-key", later.conversation)
        await expect(cards(desk).first).to_contain_text("van ‘gewoon’ naar ‘nu hulp nodig’")
        await expect(cards(desk).first).to_contain_text("Schrijft over zelfdoding")
        await expect(desk.locator("#alert")).to_contain_text("nu hulp nodig")
    assert server.rows("SELECT old, new FROM chat_urgencychange") == [("normal", "now")]
    audit = "SELECT detail FROM institutions_auditevent WHERE verb = 'urgency'"
    assert server.rows(audit)[-1:] == [("normal now",)]


async def test_the_urgency_of_an_own_chat_changes_and_its_history_stays(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "now")
    desk = await worker_page("anna")
    await claim(desk)
    await desk.locator("#open-urgency").click()
    dialog = desk.locator("#urgency-dialog")
    await dialog.get_by_label("liefst snel").check()
    await dialog.get_by_role("button", name="Verander").click()
    await expect(dialog.get_by_role("alert")).to_have_text("Schrijf kort waarom.")
    await dialog.get_by_label("Waarom?").fill("Is nu bij haar zus")
    await dialog.get_by_role("button", name="Verander").click()
    await expect(dialog).to_be_hidden()
    await expect(desk.locator("#about-urgency")).to_have_text("liefst snel")
    await expect(desk.locator("#about-changes")).to_contain_text("Is nu bij haar zus")
    await desk.reload()
    await expect(desk.locator("#about-changes")).to_contain_text("Is nu bij haar zus")


async def test_protocols_stay_shut_until_needed_and_keep_who_did_what(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal")
    desk = await worker_page("anna")
    await claim(desk)
    meldcode = desk.locator('[data-checklist="meldcode"]')
    await expect(meldcode.get_by_role("checkbox").first).to_be_hidden()
    await tab_to(desk, meldcode.locator("summary"))
    await desk.keyboard.press("Enter")
    step = meldcode.get_by_role("checkbox").nth(1)
    await tab_to(desk, step)
    await desk.keyboard.press("Space")
    await expect(meldcode.locator("summary")).to_contain_text("1 van 5")
    await expect(meldcode.locator("li").nth(1)).to_contain_text("Anna de Wit")
    await assert_accessible(desk)
    await desk.reload()
    await expect(meldcode.locator("summary")).to_contain_text("1 van 5")
    assert server.rows("SELECT checklist, step FROM chat_checklisttick") == [("meldcode", 2)]
    await meldcode.locator("summary").click()
    await step.uncheck()
    await expect(meldcode.locator("summary")).to_contain_text("0 van 5")
    audit = "SELECT detail FROM institutions_auditevent WHERE verb = 'checklist' ORDER BY id"
    assert server.rows(audit)[-2:] == [("meldcode 2 on",), ("meldcode 2 off",)]


async def test_who_can_wait_is_not_taken_above_the_cap(
    server: Server, worker_page: WorkerPage
) -> None:
    one, two, can_wait = queue_up(server, "normal", "normal", "normal")
    desk = await worker_page("anna")
    await claim(desk, one)
    await claim(desk, two)
    card = desk.locator(f'#queue > li[data-key="{can_wait.conversation}"]')
    await card.get_by_role("button", name="Aannemen").click()
    await expect(desk.locator("#queue-notice")).to_have_text(
        "Je hebt al zoveel gesprekken als je wilde."
    )
    await expect(own(desk)).to_have_count(2)


async def test_a_pause_does_not_hide_who_needs_help_now(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal", "now")
    desk = await worker_page("anna")
    await be_available(desk)
    await desk.get_by_role("switch").click()
    await expect(desk.get_by_role("switch")).to_have_attribute("aria-checked", "false")
    await expect(desk.locator("#alert")).to_be_visible()
    await expect(cards(desk).first.get_by_role("button", name="Aannemen")).to_be_visible()
    await expect(cards(desk).nth(1).get_by_role("button", name="Aannemen")).to_be_hidden()


@pytest.mark.parametrize("width", [390, 1280])
async def test_cards_dialog_and_protocols_are_accessible_in_the_dark(
    server: Server, worker_page: WorkerPage, width: int
) -> None:
    queue_up(server, "normal", "soon", "now")
    desk = await worker_page("anna", {"viewport": {"width": width, "height": 800}}, dark=True)
    await claim(desk)
    if width < 900:
        await desk.get_by_role("button", name="Over", exact=True).click()
    await desk.locator('[data-checklist="crisis"] summary').click()
    await assert_accessible(desk)
    await desk.locator("#open-urgency").click()
    await assert_accessible(desk)
