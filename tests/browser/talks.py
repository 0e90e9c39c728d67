"""What young people and workers do in a browser, in their words."""

import re
from collections.abc import Awaitable, Callable
from typing import Any

from playwright.async_api import Locator, Page, expect

WorkerPage = Callable[..., Awaitable[Page]]


async def join_queue(page: Page) -> None:
    """From the first page into the queue, skipping the questions."""
    await page.goto("/")
    await page.get_by_role("button", name="Begin met chatten").click()
    await page.get_by_role("button", name=re.compile("^Sla alles over")).click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Je wacht op een hulpverlener")


async def say(page: Page, text: str) -> None:
    """Write and send, as a young person or at the desk."""
    field = page.get_by_role("textbox", name="Je bericht")
    await field.fill(text)
    await page.locator("#composer [type=submit]").click()
    await expect(field).to_have_value("")


def messages(page: Page) -> Locator:
    """Everything that was written, in the order in which it is shown."""
    return page.locator("[role=log]:visible .message-text")


async def expect_talk(*pages: Page, texts: list[str], timeout: float = 15_000) -> None:
    """Every one of these pages shows these messages: each once, in this order."""
    for page in pages:
        await expect(messages(page)).to_have_text(texts, timeout=timeout)


def own_states(page: Page) -> Locator:
    return page.locator(".is-mine .message-state")


async def be_available(desk: Page) -> None:
    switch = desk.get_by_role("switch", name="Beschikbaar")
    await expect(switch).to_be_enabled()
    if await switch.get_attribute("aria-checked") == "false":
        await switch.click()
    await expect(switch).to_have_attribute("aria-checked", "true")


async def claim(desk: Page) -> None:
    """Take the first person of the queue."""
    await be_available(desk)
    await desk.locator("#queue > li").first.get_by_role("button", name="Aannemen").click()
    await expect(desk.get_by_role("textbox", name="Je bericht")).to_be_visible()


async def close(desk: Page) -> None:
    """End the chat that is open, with its registration."""
    await desk.get_by_role("button", name="Afsluiten").click()
    dialog = desk.locator("#close-dialog")
    await dialog.get_by_label("gesprek is klaar").check()
    await dialog.get_by_label("Soort contact").select_option("over zichzelf")
    await dialog.get_by_label("Onderwerp").select_option("thuis en familie")
    await dialog.get_by_role("button", name="Sluit af").click()
    await expect(dialog).to_be_hidden()


async def begin_talk(visitor: Page, worker_page: WorkerPage, **device: Any) -> Page:
    """Bring a young person and Anna together; return Anna's desk."""
    desk = await worker_page("anna", **device)
    await be_available(desk)
    await join_queue(visitor)
    await claim(desk)
    await expect(visitor.get_by_role("heading", level=1)).to_have_text("Je praat met Anna")
    return desk
