"""Photograph every page of the demonstration: `python -m scripts.pictures [DIRECTORY]`.

Without a directory, only the pictures of the documents are made anew, in docs/pictures/. With one, all
pages go there, on a phone and on a desktop, light and dark: to be looked at.
"""

import asyncio
import os
import re
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from playwright.async_api import Browser, Page, async_playwright, expect

from tests.browser.pages import DESKTOP, PHONE
from tests.browser.talks import be_available, claim, close, join_queue, say
from tests.servers import Server, environment, manage

ROOT = Path(__file__).resolve().parent.parent
DOCUMENTS = {
    "welcome-phone",
    "question-phone",
    "waiting-phone",
    "talk-phone",
    "letter-phone",
    "letter-code-phone",
    "desk-talk-desktop",
    "today-desktop",
    "roster-week-desktop",
    "roster-mine-phone",
    "roster-period-desktop",
    "roster-ledger-desktop",
}
# So far ahead, the demonstration leaves seats empty.
AHEAD = timedelta(days=21)
STAFF_PAGES = {
    "home": "/staff/",
    "me": "/staff/me/",
    "people": "/staff/people/",
    "invite": "/staff/people/invite/",
    "audit": "/staff/audit/",
    "mail": "/staff/mail/",
    "letter-figures": "/desk/letters/figures/",
    "letter-duty": "/roster/letters/",
    "roster-tasks": "/roster/tasks/",
    "roster-agreements": "/roster/agreements/",
    "institutions": "/staff/institutions/",
    "institution": "/staff/institutions/new/",
    "sites": "/staff/sites/",
    "site": "/staff/sites/new/",
    "queue-rules": "/staff/queue/1/",
    "questions": "/staff/questions/",
    "questions-version": "/staff/questions/1/versions/1/",
    "questions-try": "/staff/questions/1/try/",
    "replies": "/desk/replies/",
    "reply": "/desk/replies/new/",
    "today": "/roster/today/",
    "roster-month": "/roster/month/",
    "roster-gaps": "/roster/gaps/",
    "roster-periods": "/roster/periods/",
    "roster-rules": "/roster/rules/",
    "roster-exceptions": "/roster/exceptions/",
    "roster-ledger": "/roster/ledger/?period=all",
    "roster-corrections": "/roster/corrections/",
    "roster-costs": "/roster/costs/",
    "second-steps": "/accounts/2fa/",
    "app": "/accounts/2fa/totp/activate/",
    "passkeys": "/accounts/2fa/webauthn/",
    "passkey-add": "/accounts/2fa/webauthn/add/",
}
WORKER_PAGES = {
    "roster-mine": "/roster/mine/",
    "roster-free": "/roster/mine/free/",
    "roster-availability": "/roster/availability/",
    "roster-hours": "/roster/mine/hours/",
    "roster-feed": "/roster/feed/",
}


class Camera:
    """Opens pages of one device and colour scheme, and keeps what they look like."""

    def __init__(self, browser: Browser, url: str, directory: Path, only: set[str] | None) -> None:
        self.browser = browser
        self.url = url
        self.directory = directory
        self.only = only
        self.suffix = ""

    async def open(self, device: str, *, dark: bool = False, language: str = "nl-NL") -> Page:
        context = await self.browser.new_context(
            base_url=self.url,
            locale=language,
            timezone_id="Europe/Amsterdam",
            color_scheme="dark" if dark else "light",
            **(PHONE if device == "phone" else DESKTOP),
        )
        context.set_default_timeout(15_000)
        return await context.new_page()

    async def take(self, page: Page, name: str, *, whole: bool = True) -> None:
        if self.only is not None and name not in self.only:
            return
        await page.evaluate("document.fonts.ready")
        await page.wait_for_timeout(250)
        await page.screenshot(
            path=self.directory / f"{name}.png", full_page=whole, animations="disabled"
        )


async def sign_in(page: Page, name: str, to: str) -> None:
    await page.goto("/accounts/login/")
    await page.get_by_role("button", name=re.compile(rf"\b{name}\b")).click()
    await page.wait_for_url(lambda address: "/accounts/login/" not in address)
    await page.goto(to)


async def take_letter(camera: Camera, device: str, *, dark: bool, tag: str) -> None:
    """A letter, its code, and coming back with it."""
    page = await camera.open(device, dark=dark)
    await page.goto("/")
    await page.get_by_role("button", name="Liever schrijven?").click()
    await page.get_by_role("button", name="Sla alles over en ga schrijven").click()
    await page.get_by_label("Je brief").fill("Hoi. Ik weet niet goed waar ik moet beginnen.")
    await page.get_by_label("Een seintje per e-mail").check()
    await page.get_by_label("Je e-mailadres").fill("ik@example.org")
    await camera.take(page, f"letter-write-{tag}")
    await page.get_by_role("button", name="Verstuur mijn brief").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Je brief is bij ons")
    await camera.take(page, f"letter-{tag}")
    await page.get_by_role("button", name="Laat mijn code zien").click()
    await camera.take(page, f"letter-code-{tag}")
    await page.goto("/")
    await page.get_by_role("button", name="Wat hebben jullie van mij bewaard?").click()
    await camera.take(page, f"letter-held-{tag}")
    await page.goto("/terug/")
    await camera.take(page, f"come-back-{tag}")


async def choose(page: Page, answer: str) -> None:
    await page.get_by_role("radio", name=answer, exact=True).check()
    await page.get_by_role("button", name="Verder").click()


async def photograph(camera: Camera, server: Server, device: str, dark: bool) -> None:
    """One evening: a visit from the first page to the last, the desk, and what staff see."""
    tag = f"{device}-dark" if dark else device
    server.forget_conversations()
    desk = await camera.open(device, dark=dark)
    await desk.goto("/accounts/login/")
    await camera.take(desk, f"sign-in-{tag}")
    await sign_in(desk, "Anna", "/desk/")
    await camera.take(desk, f"desk-paused-{tag}", whole=False)
    await be_available(desk)
    await camera.take(desk, f"desk-empty-{tag}", whole=False)

    page = await camera.open(device, dark=dark)
    await page.goto("/")
    await camera.take(page, f"welcome-{tag}", whole=False)
    await page.get_by_text("Nu in gevaar?").first.click()
    await camera.take(page, f"help-lines-{tag}", whole=False)
    await page.goto("/privacy/")
    await camera.take(page, f"privacy-{tag}")
    await page.goto("/")
    await page.get_by_role("button", name="Begin met chatten").click()
    await expect(page.get_by_role("heading", name="Waar wil je over praten?")).to_be_visible()
    await camera.take(page, f"question-{tag}")
    await choose(page, "Thuis, mijn ouders of familie")
    await expect(page.get_by_role("heading", name="Ben je nu veilig?")).to_be_visible()
    await choose(page, "Nee")
    await expect(page.get_by_role("heading", name="Goed dat je het zegt.")).to_be_visible()
    await camera.take(page, f"danger-{tag}")
    await choose(page, "Best zwaar")
    await expect(page.get_by_role("heading", name="Wil je alvast iets schrijven?")).to_be_visible()
    await page.get_by_label("Wil je alvast iets schrijven?").fill("Er is veel ruzie thuis.")
    await camera.take(page, f"own-words-{tag}")
    await page.get_by_role("button", name="Verder").click()
    await expect(page.get_by_role("heading", name="Hoe oud ben je?")).to_be_visible()
    await camera.take(page, f"age-{tag}")
    await choose(page, "12, 13 of 14")
    await page.get_by_role("combobox", name="Waar woon je?").fill("heer")
    await expect(page.get_by_role("option").first).to_be_visible()
    await camera.take(page, f"place-{tag}")
    await page.get_by_role("option", name="Heerlen", exact=True).click()
    await page.get_by_role("button", name="Naar de chat", exact=True).click()
    await expect(page.get_by_role("heading", name="Je wacht op")).to_be_visible()
    await page.wait_for_timeout(1000)
    await camera.take(page, f"waiting-{tag}", whole=False)
    await expect(desk.locator("#queue > li")).to_have_count(1)
    await camera.take(desk, f"desk-queue-{tag}", whole=False)

    await claim(desk)
    await say(desk, "Hoi, ik ben Anna. Fijn dat je er bent. Wil je vertellen wat er is?")
    await say(page, "mijn ouders hebben weer ruzie")
    await say(page, "ik zit op mijn kamer en ik durf niet naar beneden")
    await say(desk, "Wat spannend voor je. Ben je daar nu veilig?")
    await say(page, "ja, mijn deur is op slot")
    await expect(desk.locator("[role=log]:visible .message-text")).to_have_count(5)
    await page.wait_for_timeout(800)
    await camera.take(page, f"talk-{tag}", whole=False)
    await camera.take(desk, f"desk-talk-{tag}", whole=False)
    await page.get_by_text("Stoppen", exact=True).click()
    await camera.take(page, f"stop-{tag}", whole=False)
    await page.locator("#stop-no").click()
    await desk.get_by_role("button", name="Afsluiten").click()
    await camera.take(desk, f"desk-close-{tag}", whole=False)
    await desk.keyboard.press("Escape")
    await close(desk)
    await expect(page.get_by_role("heading", level=1)).to_have_text("Het gesprek is klaar")
    await camera.take(page, f"ended-{tag}", whole=False)
    await page.get_by_role("link", name="Verder").click()
    await expect(page.get_by_role("group", name="Voelde je je gehoord?")).to_be_visible()
    await camera.take(page, f"feedback-{tag}")
    await page.get_by_text("Ja, heel erg", exact=True).first.click()
    await page.get_by_role("button", name="Verstuur").click()
    await expect(page.get_by_role("heading", level=1)).to_have_text("Dank je wel")
    await camera.take(page, f"thanks-{tag}")

    await take_letter(camera, device, dark=dark, tag=tag)

    second = await camera.open(device, dark=dark)
    await join_queue(second)
    await desk.goto("/desk/")
    await claim(desk)
    await say(second, "laat maar")
    await second.get_by_text("Stoppen", exact=True).click()
    await second.get_by_role("button", name="Ja, stop het gesprek").click()
    await expect(second.get_by_role("group", name="Voelde je je gehoord?")).to_be_visible()
    await desk.wait_for_timeout(1000)
    await camera.take(desk, f"desk-register-{tag}", whole=False)
    for name, address in WORKER_PAGES.items():
        await desk.goto(address)
        await camera.take(desk, f"{name}-{tag}", whole=name != "roster-mine")

    coordinator = await camera.open(device, dark=dark)
    await sign_in(coordinator, "Dirk", "/staff/")
    for name, address in STAFF_PAGES.items():
        await coordinator.goto(address)
        await camera.take(coordinator, f"{name}-{tag}")
    await coordinator.goto(f"/roster/week/?day={datetime.now(UTC).date() + AHEAD}")
    await camera.take(coordinator, f"roster-week-{tag}")
    await coordinator.goto("/roster/periods/")
    await coordinator.locator("main .person-name").first.click()
    await camera.take(coordinator, f"roster-period-{tag}")
    await coordinator.goto("/staff/people/")
    await coordinator.locator(".person-name").nth(1).click()
    await camera.take(coordinator, f"person-{tag}")


async def photograph_closed(camera: Camera, server: Server, device: str, dark: bool) -> None:
    tag = f"{device}-dark" if dark else device
    page = await camera.open(device, dark=dark)
    server.rows(
        "INSERT INTO roster_openoverride (line_id, is_open, until, reason, author_id, created_at)"
        " SELECT (SELECT min(id) FROM roster_serviceline), 0, '2100-01-01', 'x', min(id),"
        " '2026-01-01' FROM institutions_user"
    )
    await page.goto("/")
    await camera.take(page, f"closed-{tag}")
    server.rows("DELETE FROM roster_openoverride")


@asynccontextmanager
async def demonstration() -> AsyncIterator[Server]:
    """A real server on fresh demo data, in a directory of its own."""
    directory = Path(tempfile.mkdtemp(prefix="klikvoor-pictures-"))
    env = environment(
        DEMO="1",
        DATABASE_URL=f"sqlite:///{directory}/demo.sqlite3",
        EMAIL_URL=f"filemail:///{directory}/mail",
        STATIC_ROOT=str(directory / "static"),
        KLIKVOOR_ENV_FILE=os.environ["KLIKVOOR_ENV_FILE"],
    )
    manage("migrate", "--verbosity", "0", env=env)
    manage("demo", env=env)
    manage("shell", "-c", "from scripts import past; past.make()", env=env)
    manage("collectstatic", "--noinput", "--verbosity", "0", env=env)
    server = Server(directory, env)
    server.start()
    try:
        yield server
    finally:
        server.stop()
        shutil.rmtree(directory, ignore_errors=True)


async def main() -> None:
    everything = len(sys.argv) > 1
    directory = Path(sys.argv[1]) if everything else ROOT / "docs" / "pictures"
    directory.mkdir(parents=True, exist_ok=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    async with demonstration() as server, async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        camera = Camera(browser, server.url, directory, None if everything else DOCUMENTS)
        for dark in (False, True) if everything else (False,):
            for device in ("phone", "desktop"):
                await photograph(camera, server, device, dark)
                if everything:
                    await photograph_closed(camera, server, device, dark)
        await browser.close()


if __name__ == "__main__":
    asyncio.run(main())
