"""A consultation hour, from the click to the closed conversation, and everything that breaks in it.

Two real browsers on a real server. What was acknowledged is never lost, never doubled, and both
see the same order; what could not be stored says so.
"""

import asyncio
import re

import pytest
from playwright.async_api import BrowserContext, Page, WebSocketRoute, expect

from tests.browser.pages import DESKTOP, PHONE, OpenPage, assert_accessible_everywhere
from tests.browser.talks import (
    WorkerPage,
    be_available,
    begin_talk,
    claim,
    close,
    expect_talk,
    join_queue,
    messages,
    own_states,
    say,
)
from tests.servers import Server


def stored(server: Server) -> int:
    """How many messages the database holds, each with a number and an id of its own."""
    [(rows, numbers, ids)] = server.rows(
        "SELECT COUNT(*), COUNT(DISTINCT seq), COUNT(DISTINCT client_id) FROM chat_message"
    )
    assert rows == numbers == ids
    assert isinstance(rows, int)
    return rows


async def test_from_click_to_closed_conversation(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    desk = await worker_page("anna")
    await be_available(desk)
    await join_queue(visitor_page)
    await expect(visitor_page.locator("#place")).to_have_text(
        re.compile("^Je bent als eerste aan de beurt. Er komt zo iemand bij je.$")
    )
    await say(visitor_page, "hoi, ik wacht al vast")
    await expect(own_states(visitor_page)).to_have_text("verstuurd")

    await claim(desk)
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")
    await expect(visitor_page.locator(".transcript-line")).to_have_text(
        "Anna is er. Je kunt nu praten."
    )
    await expect(visitor_page.locator("#place")).to_be_hidden()
    await expect(visitor_page.locator("#wait")).to_be_hidden()
    await expect_talk(desk, visitor_page, texts=["hoi, ik wacht al vast"])
    await expect(own_states(visitor_page)).to_have_text("gelezen")

    await desk.get_by_role("textbox", name="Je bericht").press_sequentially("Hoi")
    await expect(visitor_page.locator("#typing")).to_have_text("Anna schrijft…")
    await desk.keyboard.press("Enter")
    await expect(visitor_page.locator("#typing")).to_have_text("")
    await visitor_page.get_by_role("textbox", name="Je bericht").press_sequentially("ik")
    await expect(desk.locator("#typing")).not_to_be_empty()
    await say(visitor_page, "ik heb ruzie thuis")
    talk = ["hoi, ik wacht al vast", "Hoi", "ik heb ruzie thuis"]
    await expect_talk(desk, visitor_page, texts=talk)

    await close(desk)
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Het gesprek is klaar")
    await expect(visitor_page.locator("#ended-text")).to_have_text(
        "Anna heeft het gesprek afgesloten."
    )
    await expect(visitor_page.get_by_role("textbox")).to_be_hidden()
    await expect_talk(visitor_page, texts=talk)
    await visitor_page.get_by_role("link", name="Verder").click()
    await (
        visitor_page.get_by_role("group", name="Voelde je je gehoord?")
        .get_by_text("Ja, heel erg", exact=True)
        .click()
    )
    await visitor_page.get_by_role("button", name="Verstuur").click()
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Dank je wel")
    assert server.rows(
        "SELECT status, closing_reason, feedback_heard, feedback_better FROM chat_conversation"
    ) == [("closed", "finished", 5, None)]


async def test_reloading_on_either_side_changes_nothing(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    desk = await begin_talk(visitor_page, worker_page)
    await say(visitor_page, "een")
    await say(desk, "twee")
    await expect_talk(visitor_page, desk, texts=["een", "twee"])
    await visitor_page.reload()
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")
    await desk.reload()
    await desk.locator("#own .own-chat").first.click()
    await expect_talk(visitor_page, desk, texts=["een", "twee"])
    await say(desk, "drie")
    await say(visitor_page, "vier")
    await expect_talk(visitor_page, desk, texts=["een", "twee", "drie", "vier"])
    assert stored(server) == 4


class Cable:
    """The line of one page to the server, that a test can cut and mend."""

    def __init__(self, context: BrowserContext) -> None:
        self.context = context
        self.is_cut = False
        self.sockets: list[WebSocketRoute] = []

    async def lay(self) -> None:
        await self.context.route_web_socket(re.compile("/ws/"), self._socket)

    async def _socket(self, socket: WebSocketRoute) -> None:
        if self.is_cut:
            await socket.close(code=1013)
            return
        self.sockets.append(socket)
        socket.connect_to_server()

    async def cut(self) -> None:
        self.is_cut = True
        await self.context.set_offline(True)
        for socket in self.sockets:
            await socket.close(code=1013)
        self.sockets.clear()

    async def mend(self) -> None:
        self.is_cut = False
        await self.context.set_offline(False)


@pytest.mark.cuts_off
async def test_what_is_written_without_a_line_arrives_once_when_it_is_back(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    cable = Cable(visitor_page.context)
    await cable.lay()
    desk = await begin_talk(visitor_page, worker_page)
    await say(visitor_page, "een")
    await expect_talk(desk, texts=["een"])

    await cable.cut()
    await say(visitor_page, "twee")
    await say(visitor_page, "drie")
    await visitor_page.get_by_role("textbox", name="Je bericht").fill("nog niet af")
    await expect(visitor_page.locator("#line")).to_contain_text("De verbinding is weg.")
    await expect(own_states(visitor_page).last).to_have_text("wordt verstuurd…")
    await say(desk, "ben je er nog?")
    await expect(own_states(desk).last).to_have_text("verstuurd")
    assert stored(server) == 2

    await cable.mend()
    talk = ["een", "ben je er nog?", "twee", "drie"]
    await expect_talk(desk, visitor_page, texts=talk, timeout=40_000)
    await expect(visitor_page.locator("#line")).to_be_hidden()
    await expect(own_states(visitor_page).last).to_have_text(re.compile("verstuurd|gelezen"))
    field = visitor_page.get_by_role("textbox", name="Je bericht")
    await expect(field).to_have_value("nog niet af")
    assert stored(server) == 4


@pytest.mark.cuts_off
async def test_leaving_without_a_line_says_so_and_keeps_the_page(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    cable = Cable(visitor_page.context)
    await cable.lay()
    await begin_talk(visitor_page, worker_page)
    await cable.cut()
    await visitor_page.get_by_text("Stoppen", exact=True).click()
    await visitor_page.get_by_role("button", name="Ja, stop het gesprek").click()
    await expect(visitor_page.locator("#stop-error")).to_contain_text("geen verbinding")
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")


@pytest.mark.cuts_off
async def test_a_server_that_is_killed_in_the_middle_loses_and_doubles_nothing(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    desk = await begin_talk(visitor_page, worker_page)

    async def talk(page: Page, who: str) -> None:
        for number in range(12):
            await say(page, f"{who} {number}")
            await asyncio.sleep(0.15)

    talking = asyncio.gather(talk(visitor_page, "jongere"), talk(desk, "anna"))
    await asyncio.sleep(0.9)
    await asyncio.to_thread(server.kill)
    await asyncio.sleep(1.5)
    await asyncio.to_thread(server.start)
    await talking

    expected = {f"{who} {number}" for who in ("jongere", "anna") for number in range(12)}
    await expect(messages(visitor_page)).to_have_count(24, timeout=60_000)
    await expect(messages(desk)).to_have_count(24, timeout=60_000)
    for page in (visitor_page, desk):
        await expect(page.locator("[data-state]:visible .message-state")).to_have_count(0)
    seen = await messages(visitor_page).all_inner_texts()
    assert set(seen) == expected
    assert seen == await messages(desk).all_inner_texts()
    for who in ("jongere", "anna"):
        assert [text for text in seen if who in text] == [f"{who} {n}" for n in range(12)]
    assert stored(server) == 24
    await visitor_page.reload()
    await expect_talk(visitor_page, texts=seen)


@pytest.mark.cuts_off
async def test_where_sockets_are_blocked_the_talk_goes_over_https(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    await visitor_page.context.route_web_socket(
        re.compile("/ws/"), lambda socket: socket.close(code=1006 + 7)
    )
    desk = await worker_page("anna")
    await be_available(desk)
    await join_queue(visitor_page)
    await expect(visitor_page.locator("#line")).to_contain_text("traag", timeout=20_000)
    await say(visitor_page, "ik zit op school")
    await claim(desk)
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")
    await say(desk, "fijn dat het lukt")
    await say(visitor_page, "ja")
    await expect_talk(visitor_page, desk, texts=["ik zit op school", "fijn dat het lukt", "ja"])
    await expect(own_states(visitor_page).last).to_have_text("gelezen")
    await close(desk)
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Het gesprek is klaar")
    assert stored(server) == 3


async def test_without_javascript_the_whole_visit_works(
    server: Server, open_page: OpenPage, worker_page: WorkerPage
) -> None:
    desk = await worker_page("anna")
    await be_available(desk)
    page = await open_page(PHONE, java_script_enabled=False)
    await join_queue(page)
    await expect(page.locator("#place")).to_contain_text("Je bent als eerste aan de beurt.")
    await expect(page.locator("noscript")).to_have_count(1)

    async def send(text: str) -> None:
        await page.get_by_role("button", name="Schrijf een bericht").click()
        await expect(page.locator("noscript")).to_have_count(0)  # no refresh while writing
        await page.get_by_role("textbox", name="Je bericht").fill(text)
        await page.get_by_role("button", name="Stuur").click()
        await expect(page.get_by_role("button", name="Schrijf een bericht")).to_be_visible()

    await send("hoi")
    await claim(desk)
    await expect_talk(desk, page, texts=["hoi"])
    # Its own refresh, of every ten seconds, finds Anna.
    await expect(page.get_by_role("heading", level=1)).to_have_text(
        "Je praat met Anna", timeout=20_000
    )
    await say(desk, "dag!")
    await page.get_by_role("button", name="Is er iets nieuws?").click()
    await expect_talk(page, texts=["hoi", "dag!"])
    await send("tot hier")
    await expect_talk(desk, page, texts=["hoi", "dag!", "tot hier"])

    await page.get_by_text("Stoppen", exact=True).click()
    await page.get_by_role("button", name="Ja, stop het gesprek").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Het gesprek is klaar")
    await (
        page.get_by_role("group", name="Voelde je je gehoord?")
        .get_by_text("Ja, heel erg", exact=True)
        .click()
    )
    await page.get_by_role("button", name="Verstuur").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dank je wel")
    assert stored(server) == 3


async def test_two_tabs_of_one_visit_show_the_same(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    desk = await begin_talk(visitor_page, worker_page)
    other = await visitor_page.context.new_page()
    await other.goto("/")
    await expect(other.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")
    await say(visitor_page, "uit de eerste")
    await say(other, "uit de tweede")
    await say(desk, "gezien")
    texts = ["uit de eerste", "uit de tweede", "gezien"]
    await expect_talk(desk, visitor_page, other, texts=texts)

    await other.get_by_text("Stoppen", exact=True).click()
    await other.get_by_role("button", name="Ja, stop het gesprek").click()
    await expect(other.get_by_role("heading", level=1)).to_have_text("Het gesprek is klaar")
    await expect(visitor_page.locator("#ended-text")).to_have_text("Je hebt het gesprek gestopt.")
    assert server.rows("SELECT closing_reason FROM chat_conversation") == [("by_visitor",)]


@pytest.mark.leaves_site
async def test_the_exit_in_one_tab_empties_the_other_too(
    server: Server, visitor_page: Page, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    await begin_talk(visitor_page, worker_page)
    await say(visitor_page, "niemand mag dit zien")
    other = await visitor_page.context.new_page()
    await other.goto("/")
    await expect_talk(other, texts=["niemand mag dit zien"])
    await visitor_page.get_by_role("button", name="Weg hier").click()
    for page in (visitor_page, other):
        await page.wait_for_url(lambda address: "localhost" not in address)
    assert len(open_page.left_for) == 2


async def test_who_waits_is_told_what_happens_to_the_talk(
    server: Server, visitor_page: Page, worker_page: WorkerPage
) -> None:
    desk = await begin_talk(visitor_page, worker_page)
    await say(desk, "ik vraag een collega")
    await desk.get_by_role("button", name="Overdragen").click()
    await desk.get_by_role("button", name="Draag over").click()
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text(
        "Je wacht op een andere hulpverlener"
    )
    await expect(visitor_page.locator(".transcript-line").last).to_contain_text(
        "Anna vraagt een collega om verder te gaan."
    )
    await expect(visitor_page.locator("#place")).to_be_visible()
    await say(visitor_page, "ik wacht")
    await expect(own_states(visitor_page).last).to_have_text("verstuurd")
    await visitor_page.reload()
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text(
        "Je wacht op een andere hulpverlener"
    )
    bilal = await worker_page("bilal")
    await claim(bilal)
    await expect(visitor_page.get_by_role("heading", level=1)).to_have_text("Je praat met Bilal")
    await expect_talk(visitor_page, bilal, texts=["ik vraag een collega", "ik wacht"])


async def test_every_state_of_the_page_is_accessible(
    server: Server, open_page: OpenPage, worker_page: WorkerPage
) -> None:
    desk = await worker_page("anna")
    await be_available(desk)
    page = await open_page(DESKTOP)
    await join_queue(page)
    await assert_accessible_everywhere(page)
    await claim(desk)
    await say(page, "een")
    await say(desk, "twee")
    await expect_talk(page, texts=["een", "twee"])
    await page.get_by_text("Stoppen", exact=True).click()
    await assert_accessible_everywhere(page)
    await page.get_by_role("button", name="Nee, ik blijf").click()
    await close(desk)
    await expect(page.get_by_role("link", name="Verder")).to_be_visible()
    await assert_accessible_everywhere(page)
