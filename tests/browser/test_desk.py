"""The worker's desk on a real server, with real young people at the other end."""

import asyncio
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import pytest
from playwright.async_api import Locator, Page, expect

from tests.browser.pages import (
    PHONE,
    OpenPage,
    assert_accessible,
    assert_accessible_everywhere,
)
from tests.servers import Server

WorkerPage = Callable[..., Awaitable[Page]]
# The desks hear of a change that another process made with the refresh of every ten seconds.
REFRESH = 15_000


@dataclass
class Young:
    """A young person in the queue; with `page`, one whose window is open."""

    conversation: str
    token: str
    page: Page | None = None

    async def do(self, *commands: dict[str, Any]) -> list[dict[str, Any]]:
        """Give the server commands from this person's browser and return its answers."""
        assert self.page is not None
        hello = {"type": "hello", "conversation": self.conversation, "after": 0}
        answer: list[dict[str, Any]] = await self.page.evaluate(
            """async (frames) => (await (await fetch("/visit/frames/", {
                method: "POST", headers: {"Content-Type": "application/json"},
                body: JSON.stringify({frames}),
            })).json()).frames""",
            [hello, *commands],
        )
        return answer

    async def say(self, text: str) -> None:
        client_id = f"00000000-0000-4000-8000-{time.monotonic_ns() % 10**12:012d}"
        answer = await self.do({"type": "message.post", "client_id": client_id, "text": text})
        assert "message.posted" in [frame["type"] for frame in answer]


def queue_up(server: Server, *urgencies: str) -> list[Young]:
    """Put people in the queue, before the desks open."""
    return [Young(*one) for one in server.ask("tests.browser.queue_up", list(urgencies))]


async def come_in(young: Young, open_page: OpenPage) -> Page:
    """Open the window of somebody who waits. A bare page: what it shows is tested elsewhere."""
    page = await open_page(PHONE)
    await page.context.add_cookies([{"name": "visit", "value": young.token, "url": open_page.url}])
    await page.goto("/privacy/")
    young.page = page
    return page


def cards(desk: Page) -> Locator:
    return desk.locator("#queue > li")


def own(desk: Page) -> Locator:
    return desk.locator("#own .own-chat")


def log(desk: Page) -> Locator:
    return desk.locator("[role=log]:visible")


async def be_available(desk: Page) -> None:
    switch = desk.get_by_role("switch", name="Beschikbaar")
    await expect(switch).to_be_enabled()
    if await switch.get_attribute("aria-checked") == "false":
        await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")


async def claim(desk: Page, young: Young | None = None) -> None:
    """Take this person, or the first, and wait until the chat is there."""
    await be_available(desk)
    before = await own(desk).count()
    card = cards(desk).first
    if young:
        card = desk.locator(f'#queue > li[data-key="{young.conversation}"]')
    await card.get_by_role("button", name="Aannemen").click()
    await expect(own(desk)).to_have_count(before + 1)


async def write(desk: Page, text: str) -> None:
    await desk.get_by_role("textbox", name="Je bericht").fill(text)
    await desk.keyboard.press("Enter")


async def register(
    desk: Page, kind: str = "over zichzelf", topic: str = "thuis en familie"
) -> None:
    dialog = desk.locator("#close-dialog")
    await dialog.get_by_label("Soort contact").select_option(kind)
    await dialog.get_by_label("Onderwerp").select_option(topic)


async def test_a_worker_takes_talks_and_closes(
    server: Server, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    [young] = queue_up(server, "soon")
    await come_in(young, open_page)
    desk = await worker_page("anna")
    await be_available(desk)
    await expect(cards(desk)).to_contain_text("liefst snel")
    await expect(cards(desk)).to_contain_text("Koos: soon")

    await claim(desk)
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_be_focused()
    await expect(desk.locator("#load")).to_have_text("1 van 2 gesprekken")
    await expect(desk.locator("#answers")).to_contain_text("Thuis")
    await young.say("hoi, ik ben er")
    await expect(log(desk)).to_contain_text("hoi, ik ben er")
    await write(desk, "Fijn dat je er bent")
    await expect(log(desk).locator(".is-mine")).to_contain_text("verstuurd")
    [_hello, *messages] = await young.do()
    assert [one["text"] for one in messages if one["type"] == "message.posted"] == [
        "hoi, ik ben er",
        "Fijn dat je er bent",
    ]

    await desk.get_by_role("button", name="Afsluiten").click()
    submit = desk.get_by_role("button", name="Sluit af")
    await submit.click()
    await expect(desk.get_by_role("alert")).to_have_text("Kies eerst een antwoord.")
    await desk.get_by_label("gesprek is klaar").check()
    await register(desk)
    await submit.click()
    await expect(desk.get_by_role("heading", name="Het gesprek is afgesloten")).to_be_focused()
    await expect(own(desk)).to_have_count(0)
    assert server.rows(
        "SELECT status, closing_reason, contact_kind, topic FROM chat_conversation"
    ) == [("closed", "finished", "about_self", "family")]


async def test_the_keyboard_alone_takes_talks_and_closes(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal")
    desk = await worker_page("anna")
    press = desk.keyboard.press

    async def tab_to(locator: Locator, most: int = 40) -> None:
        for _ in range(most):
            if await locator.evaluate("one => one === document.activeElement"):
                return
            await press("Tab")
        pytest.fail("not reached with Tab")

    switch = desk.get_by_role("switch")
    await expect(switch).to_be_enabled()
    await tab_to(switch)
    await press("Space")
    await expect(switch).to_have_attribute("aria-checked", "true")
    await press("Alt+0")
    await expect(desk.locator("#queue-title")).to_be_focused()
    await tab_to(cards(desk).get_by_role("button", name="Aannemen"))
    await press("Enter")
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_be_focused()
    await desk.keyboard.type("Dag!")
    await press("Enter")
    await expect(log(desk).locator(".is-mine")).to_contain_text("verstuurd")
    await press("Alt+0")
    await press("Alt+1")
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_be_focused()
    for _ in range(3):
        await press("Shift+Tab")
        if await desk.locator("#open-close").evaluate("one => one === document.activeElement"):
            break
    await expect(desk.locator("#open-close")).to_be_focused()
    await press("Enter")
    await tab_to(desk.locator("#close-dialog [name=reason]").first, 5)
    await press("Space")
    await press("Tab")
    await desk.keyboard.type("over z")
    await press("Tab")
    await desk.keyboard.type("school")
    await press("Tab")
    await desk.keyboard.type("leraar")
    await press("Tab")
    await desk.keyboard.type("D: m")
    await press("Tab")
    await press("Tab")
    await press("Enter")
    await expect(desk.locator("#close-dialog")).to_be_hidden()
    await expect(own(desk)).to_have_count(0)
    found = server.rows("SELECT status, topic, topic_detail, risk FROM chat_conversation")
    assert found == [("closed", "education", "teacher", "d")]


async def test_of_two_workers_who_claim_one_is_told_that_she_was_late(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal")
    desks = [await worker_page("anna"), await worker_page("bilal")]
    for desk in desks:
        await be_available(desk)
    buttons = [cards(desk).get_by_role("button", name="Aannemen") for desk in desks]
    for button in buttons:
        await expect(button).to_be_visible()
    handles = [await button.element_handle() for button in buttons]
    await asyncio.gather(*(handle.evaluate("one => one.click()") for handle in handles if handle))
    await expect(own(desks[0]).or_(desks[0].locator("#queue-notice:visible"))).to_be_visible()
    await expect(own(desks[1]).or_(desks[1].locator("#queue-notice:visible"))).to_be_visible()
    won = [await own(desk).count() for desk in desks]
    assert sorted(won) == [0, 1]
    loser = desks[won.index(0)]
    await expect(loser.locator("#queue-notice")).to_have_text("Iemand anders was je voor.")
    await expect(loser.locator("#queue-title")).to_be_focused()
    await expect(cards(loser)).to_have_count(0)


async def test_a_chat_above_the_cap_is_taken_only_after_saying_so(
    server: Server, worker_page: WorkerPage
) -> None:
    one, two, _urgent = queue_up(server, "normal", "normal", "now")
    desk = await worker_page("anna")
    await claim(desk, one)
    await claim(desk, two)
    await expect(desk.locator("#load")).to_have_text("2 van 2 gesprekken")
    button = cards(desk).get_by_role("button", name="Aannemen")
    await button.click()
    dialog = desk.get_by_role("dialog", name="Toch aannemen?")
    await expect(dialog).to_contain_text("Je hebt al zoveel gesprekken als je wilde")
    await expect(dialog.get_by_role("button", name="Niet nu")).to_be_focused()
    await desk.keyboard.press("Escape")
    await expect(dialog).to_be_hidden()
    await expect(button).to_be_focused()
    assert await own(desk).count() == 2

    await button.click()
    await dialog.get_by_role("button", name="Toch aannemen").click()
    await expect(desk.locator("#load")).to_have_text("3 van 2 gesprekken")


async def test_beside_an_urgent_chat_a_second_one_is_asked_about(
    server: Server, worker_page: WorkerPage
) -> None:
    urgent, other = queue_up(server, "now", "normal")
    desk = await worker_page("anna")
    await claim(desk, urgent)
    card = desk.locator(f'[data-key="{other.conversation}"]')
    await card.get_by_role("button", name="Aannemen").click()
    dialog = desk.get_by_role("dialog", name="Toch aannemen?")
    await expect(dialog).to_contain_text("Je hebt al een gesprek met spoed.")
    await dialog.get_by_role("button", name="Niet nu").click()
    assert await own(desk).count() == 1


async def test_a_chat_is_handed_over_to_a_colleague_with_a_note(
    server: Server, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    [young] = queue_up(server, "normal")
    await come_in(young, open_page)
    bilal = await worker_page("bilal")
    await be_available(bilal)
    anna = await worker_page("anna")
    await claim(anna)
    await write(anna, "Ik ben Anna")
    await expect(log(anna)).to_contain_text("verstuurd")
    await anna.get_by_role("button", name="Overdragen").click()
    await anna.get_by_label(re.compile("Bilal")).check()
    await anna.get_by_label("Notitie voor je collega").fill("Slaapt slecht, houdt van voetbal.")
    await anna.get_by_role("button", name="Draag over").click()
    await expect(
        anna.get_by_role("heading", name="Je hebt het gesprek overgedragen")
    ).to_be_focused()
    await expect(own(anna)).to_have_count(0)
    await expect(cards(anna)).to_contain_text("Een collega is gevraagd")
    await expect(cards(anna).get_by_role("button", name="Aannemen")).to_have_count(0)

    await expect(bilal.locator("#alert")).to_contain_text("overneemt")
    await bilal.get_by_role("button", name="Bekijk").click()
    await expect(cards(bilal)).to_be_focused()
    await expect(cards(bilal)).to_contain_text("Een collega draagt dit aan jou over")
    await claim(bilal)
    await expect(bilal.locator("#notes")).to_contain_text("Slaapt slecht, houdt van voetbal.")
    await expect(bilal.locator(".is-colleague .message-head")).to_have_text("Anna")
    await write(bilal, "En ik ben Bilal")
    await expect(log(bilal)).to_contain_text("verstuurd")
    answers = await young.do()
    assert [one["name"] for one in answers if one["type"] == "message.posted"] == ["Anna", "Bilal"]
    assert "voetbal" not in str(answers)


async def test_a_chat_that_the_visitor_ended_is_still_registered(
    server: Server, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    [young] = queue_up(server, "normal")
    await come_in(young, open_page)
    desk = await worker_page("anna")
    await claim(desk)
    # What was filled in during the talk is ready at its end.
    await desk.locator("#draft-contact-kind").select_option("test")
    await expect(desk.locator("#draft-topic")).to_have_value("unknown")
    await young.do({"type": "conversation.leave"})
    await expect(desk.get_by_role("button", name="Registreren", exact=True)).to_be_visible()
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_be_hidden()
    await expect(own(desk)).to_contain_text("nog registreren")
    await desk.get_by_role("button", name="Registreren", exact=True).click()
    await expect(desk.get_by_role("group", name="Waarom stopt het gesprek?")).to_be_hidden()
    await desk.get_by_role("button", name="Bewaar registratie").click()
    await expect(desk.get_by_role("heading", name="Het gesprek is geregistreerd")).to_be_visible()
    assert server.rows("SELECT closing_reason, contact_kind, topic FROM chat_conversation") == [
        ("by_visitor", "test", "unknown")
    ]


async def test_a_pause_offers_nobody_new_and_lets_own_chats_go_on(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal", "now")
    desk = await worker_page("anna")
    await claim(desk)
    await desk.get_by_role("switch").click()
    await expect(desk.locator("#availability-state")).to_contain_text("Je hebt pauze")
    await expect(cards(desk)).to_have_count(1)
    await expect(cards(desk).get_by_role("button", name="Aannemen")).to_have_count(0)
    await expect(desk.locator("#queue-paused")).to_be_visible()
    await expect(desk.locator("#alert")).to_be_hidden()
    await write(desk, "Ik ben er nog voor jou")
    await expect(log(desk)).to_contain_text("verstuurd")
    colleague = await worker_page("bilal")
    await claim(colleague)
    await colleague.get_by_role("button", name="Overdragen").click()
    await expect(colleague.get_by_label(re.compile("Anna .*heeft pauze"))).to_be_disabled()


async def test_a_quick_reply_is_put_in_the_message_and_not_sent(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal")
    desk = await worker_page("anna")
    await claim(desk)
    await desk.keyboard.press("/")
    dialog = desk.get_by_role("dialog", name="Snel antwoord")
    await expect(dialog.get_by_label("Zoek")).to_be_focused()
    await dialog.get_by_label("Zoek").fill("stil rustig")
    await expect(dialog.locator("#replies li")).to_have_count(1)
    await desk.keyboard.press("Enter")
    await expect(dialog).to_be_hidden()
    field = desk.get_by_role("textbox", name="Je bericht")
    await expect(field).to_be_focused()
    await expect(field).to_have_value(re.compile("^Ik ben er nog"))
    assert server.rows("SELECT count(*) FROM chat_message") == [(0,)]
    # Anywhere else the stroke is just a stroke.
    await desk.keyboard.type(" en/of")
    await expect(dialog).to_be_hidden()
    await expect(field).to_have_value(re.compile("en/of$"))


async def test_notes_are_for_staff_and_stored_once(
    server: Server, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    [young] = queue_up(server, "normal")
    await come_in(young, open_page)
    desk = await worker_page("anna")
    await claim(desk)
    await desk.get_by_label("Nieuwe notitie").fill("Wil niet dat oma het weet.")
    await desk.get_by_role("button", name="Bewaar notitie").click()
    note = desk.locator("#notes .note")
    await expect(note).to_have_text(re.compile(r"Jij\s+\d\d:\d\d\s+Wil niet dat oma het weet\."))
    await expect(desk.get_by_label("Nieuwe notitie")).to_have_value("")
    await desk.reload()
    await expect(note).to_have_count(1)
    assert "oma" not in str(await young.do())


async def test_the_young_person_is_heard_typing_leaving_and_seeing(
    server: Server, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    one, two = queue_up(server, "normal", "normal")
    for young in (one, two):
        await come_in(young, open_page)
    desk = await worker_page("anna")
    await claim(desk, one)
    await claim(desk, two)
    await one.say("ben je er")
    await one.say("hallo?")
    first = own(desk).first
    await expect(first).to_contain_text("2 nieuwe berichten")
    await expect(desk).to_have_title(re.compile(r"^\(2\) nieuw"))
    await desk.get_by_role("textbox", name="Je bericht").fill("een half woord")
    await desk.keyboard.press("Alt+1")
    await expect(log(desk)).to_contain_text("hallo?")
    await expect(first).not_to_contain_text("nieuwe")
    await expect(desk).to_have_title("Werkplek")
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_have_value("")
    for _ in range(20):
        hello = (await one.do())[0]
        if hello["seen"] == 2:
            break
        await asyncio.sleep(0.1)
    assert hello["seen"] == 2
    await desk.keyboard.press("Alt+2")
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_have_value("een half woord")
    await two.do({"type": "typing", "on": True})
    await expect(desk.locator("#typing")).to_contain_text("schrijft…")
    await expect(desk.locator("#typing")).to_have_text("", timeout=8000)
    await write(desk, "Zie je dit?")
    await expect(log(desk)).to_contain_text("verstuurd")
    await two.do({"type": "seen", "seq": 1})
    await expect(log(desk)).to_contain_text("gezien")


async def test_two_windows_of_one_worker_show_the_same(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal")
    first = await worker_page("anna")
    second = await first.context.new_page()
    await second.goto("/desk/")
    await claim(first)
    await expect(own(second)).to_have_count(1)
    await own(second).click()
    await write(first, "Uit het ene venster")
    await expect(log(second)).to_contain_text("Uit het ene venster")
    await write(second, "En uit het andere")
    await expect(log(first)).to_contain_text("En uit het andere")
    await expect(log(first).locator(".message")).to_have_count(2)
    await expect(log(second).locator(".message")).to_have_count(2)
    await second.get_by_role("switch").click()
    await expect(first.get_by_role("switch")).to_have_attribute("aria-checked", "false")


async def test_a_reload_brings_the_conversation_back(
    server: Server, worker_page: WorkerPage
) -> None:
    queue_up(server, "normal")
    desk = await worker_page("anna")
    await claim(desk)
    await write(desk, "Blijf even")
    await expect(log(desk)).to_contain_text("verstuurd")
    await desk.reload()
    await expect(log(desk)).to_contain_text("Blijf even")
    await expect(log(desk).locator(".message")).to_have_count(1)


@pytest.mark.cuts_off
async def test_words_survive_a_killed_server(server: Server, worker_page: WorkerPage) -> None:
    queue_up(server, "normal")
    desk = await worker_page("anna")
    await claim(desk)
    server.kill()
    await expect(desk.locator("#banner")).to_contain_text("Verbinding weg")
    await write(desk, "Dit mag niet weg")
    await expect(log(desk)).to_contain_text("wordt verstuurd")
    server.start()
    await expect(log(desk)).to_contain_text("verstuurd", timeout=30_000)
    await expect(log(desk)).not_to_contain_text("wordt verstuurd", timeout=30_000)
    await expect(desk.locator("#banner")).to_be_hidden()
    assert server.rows("SELECT count(*) FROM chat_message") == [(1,)]


async def test_a_disabled_worker_is_out_within_five_seconds(
    server: Server, worker_page: WorkerPage
) -> None:
    desk = await worker_page("carla")
    await expect(desk.get_by_role("switch")).to_be_enabled()
    await asyncio.sleep(4)  # a page that just loaded does not reload at once
    try:
        server.rows("UPDATE institutions_user SET is_active = 0 WHERE email LIKE 'carla@%'")
        since = time.monotonic()
        await desk.wait_for_url("**/accounts/login/**", timeout=8000)
        assert time.monotonic() - since < 5.5  # and the page of the sign-in has come
    finally:
        server.rows("UPDATE institutions_user SET is_active = 1 WHERE email LIKE 'carla@%'")


async def test_a_phone_shows_one_pane_at_a_time(
    server: Server, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    [young] = queue_up(server, "normal")
    await come_in(young, open_page)
    desk = await worker_page("anna", PHONE)
    tabs = desk.get_by_role("navigation", name="Delen van de werkplek")
    await expect(tabs.get_by_role("button", name="Wachtrij 1")).to_have_attribute(
        "aria-current", "true"
    )
    await claim(desk)
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_be_visible()
    await expect(cards(desk)).to_have_count(0)
    await tabs.get_by_role("button", name="Over").click()
    await expect(desk.locator("#answers")).to_be_visible()
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_be_hidden()
    await young.say("ik typ door")
    await expect(tabs.get_by_role("button", name="Gesprek 1")).to_be_visible()
    await tabs.get_by_role("button", name="Gesprek").click()
    await expect(log(desk)).to_contain_text("ik typ door")
    await expect(tabs.get_by_role("button", name="Gesprek", exact=True)).to_be_visible()


async def test_the_desk_is_accessible(
    server: Server, worker_page: WorkerPage, open_page: OpenPage
) -> None:
    young, *_ = queue_up(server, "soon", "now", "normal")
    await come_in(young, open_page)
    desk = await worker_page("anna")
    await be_available(desk)
    await assert_accessible_everywhere(desk)
    await claim(desk, young)
    await young.say("hoi")
    await write(desk, "Dag")
    await expect(log(desk)).to_contain_text("verstuurd")
    await assert_accessible_everywhere(desk)
    # In a narrow window what is known about the person is behind a tab.
    await desk.get_by_role("button", name="Over", exact=True).click()
    await assert_accessible(desk)
    await desk.get_by_role("button", name="Gesprek").click()
    for opener, dialog in (
        ("#open-hand-over", "#hand-over-dialog"),
        ("#open-close", "#close-dialog"),
        ("#open-replies", "#replies-dialog"),
    ):
        await desk.locator(opener).click()
        await expect(desk.locator(dialog)).to_be_visible()
        await assert_accessible_everywhere(desk)
        await desk.keyboard.press("Escape")
