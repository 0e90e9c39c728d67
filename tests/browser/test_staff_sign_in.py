"""Staff come in: invited, with a second factor, in a real browser under the real CSP."""

import asyncio
import re
import time

from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from playwright.async_api import Page, expect

from tests.browser.pages import (
    DESKTOP,
    PHONE,
    OpenPage,
    assert_accessible,
    assert_accessible_everywhere,
)
from tests.servers import Server

PASSWORD = "vier woorden achter elkaar"
PERIOD = 30


async def code(secret: str) -> str:
    """Return a code that is still good when it arrives."""
    if time.time() % PERIOD > PERIOD - 4:
        await asyncio.sleep(PERIOD - time.time() % PERIOD)
    return format_hotp_value(hotp_value(secret, int(time.time()) // PERIOD))


async def next_code(secret: str) -> str:
    """Return a code that was not used yet: each works once."""
    await asyncio.sleep(PERIOD - time.time() % PERIOD)
    return await code(secret)


def newest_link(server: Server) -> str:
    mails = sorted((server.directory / "mail").iterdir(), key=lambda path: path.stat().st_mtime)
    return re.findall(r"http://localhost:\d+/\S+", mails[-1].read_text())[-1]


async def invite(coordinator: Page, server: Server, email: str) -> str:
    """Invite on the screen; return the link from the mail."""
    await coordinator.goto("/staff/people/")
    await coordinator.get_by_role("link", name="Iemand uitnodigen").click()
    await coordinator.get_by_label("e-mailadres").fill(email)
    await coordinator.get_by_label("Naam", exact=True).fill("Eva Voorbeeld")
    await coordinator.get_by_label("naam in de chat").fill("Eva")
    await coordinator.get_by_role("button", name="Uitnodiging sturen").click()
    await expect(coordinator.get_by_text(f"gestuurd naar {email}")).to_be_visible()
    return newest_link(server)


async def accept(page: Page, link: str) -> None:
    await page.goto(link)
    assert page.url.endswith("/staff/invitation/")
    await page.get_by_label("Kies een wachtwoord").fill(PASSWORD)
    await page.get_by_label("Nog een keer je wachtwoord").fill(PASSWORD)
    await page.get_by_role("button", name="Verder").click()
    await expect(page.get_by_role("heading", name="Stel een tweede stap in")).to_be_visible()


async def type_password(page: Page, email: str) -> None:
    await page.goto("/accounts/login/")
    await page.get_by_label("E-mailadres").fill(email)
    await page.get_by_label("Wachtwoord").fill(PASSWORD)
    await page.get_by_role("button", name="Inloggen", exact=True).click()


async def sign_out(page: Page) -> None:
    await page.goto("/staff/me/")
    await page.get_by_role("button", name="Uitloggen", exact=True).first.click()
    await expect(page.get_by_role("heading", name="Inloggen")).to_be_visible()


async def plug_in_authenticator(page: Page) -> tuple:
    """Give the page a device that makes passkeys, and whose owner always agrees."""
    devtools = await page.context.new_cdp_session(page)
    await devtools.send("WebAuthn.enable")
    options = {
        "protocol": "ctap2",
        "transport": "internal",
        "hasResidentKey": True,
        "hasUserVerification": True,
        "isUserVerified": True,
        "automaticPresenceSimulation": True,
    }
    made = await devtools.send("WebAuthn.addVirtualAuthenticator", {"options": options})
    return devtools, made["authenticatorId"]


async def test_invited_with_an_app(server: Server, worker_page, open_page: OpenPage) -> None:
    coordinator = await worker_page("dirk", to="/staff/people/")
    link = await invite(coordinator, server, "eva@example.org")
    page = await open_page(PHONE)
    await accept(page, link)
    await assert_accessible(page)

    await page.get_by_role("link", name="App instellen").click()
    await expect(page.get_by_role("img", name="Plaatje om te scannen")).to_be_visible()
    await assert_accessible(page)
    secret = await page.locator("code.key").inner_text()
    await page.get_by_label("Code uit de app").fill(await code(secret))
    await page.get_by_role("button", name="Aanzetten").click()
    await expect(page.get_by_role("heading", name="Je herstelcodes")).to_be_visible()
    await assert_accessible(page)
    recovery = await page.locator("#codes code").all_inner_texts()
    assert len(set(recovery)) == 10
    await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await page.get_by_role("button", name="Kopieer").click()
    await expect(page.get_by_text("Gekopieerd.")).to_be_visible()
    assert (await page.evaluate("navigator.clipboard.readText()")).split() == recovery
    await page.get_by_role("link", name="Ik heb ze bewaard, verder").click()
    await page.wait_for_url("**/desk/")

    await sign_out(page)
    await type_password(page, "eva@example.org")
    await expect(page.get_by_role("heading", name="Nu je tweede stap")).to_be_visible()
    await assert_accessible(page)
    field = page.get_by_label("Code uit je app, of een herstelcode")
    await field.fill("123")
    await page.get_by_role("button", name="Inloggen", exact=True).click()
    await expect(page.get_by_text("Dit klopt niet.")).to_be_visible()
    await field.fill(await next_code(secret))
    await page.get_by_role("button", name="Inloggen", exact=True).click()
    await page.wait_for_url("**/desk/")

    await sign_out(page)
    await type_password(page, "eva@example.org")
    await field.fill(recovery[4])
    await page.get_by_role("button", name="Inloggen", exact=True).click()
    await page.wait_for_url("**/desk/")

    # The link in the mail is used up.
    stranger = await open_page(PHONE)
    answer = await stranger.goto(link)
    assert answer.status == 410
    await expect(stranger.get_by_role("heading", name="al gebruikt")).to_be_visible()
    open_page.problems = [p for p in open_page.problems if "410" not in p]


async def test_invited_with_a_passkey(server: Server, worker_page, open_page: OpenPage) -> None:
    coordinator = await worker_page("dirk", to="/staff/people/")
    link = await invite(coordinator, server, "noor@example.org")
    page = await open_page(PHONE)
    devtools, authenticator = await plug_in_authenticator(page)
    await accept(page, link)
    await page.get_by_role("link", name="Passkey maken").click()
    await assert_accessible(page)

    # Somebody who does not put a finger on it is told, and can try again.
    refuse = {"authenticatorId": authenticator, "isUserVerified": False}
    await devtools.send("WebAuthn.setUserVerified", refuse)
    button = page.get_by_role("button", name="Passkey maken")
    await button.click()
    await expect(page.get_by_role("alert")).to_contain_text("Het is niet gelukt")
    await expect(button).to_be_enabled()
    await devtools.send("WebAuthn.setUserVerified", refuse | {"isUserVerified": True})
    await page.get_by_label("Naam van de passkey").fill("Telefoon van Noor")
    await button.click()
    await expect(page.get_by_role("heading", name="Je herstelcodes")).to_be_visible()
    await page.get_by_role("link", name="Ik heb ze bewaard, verder").click()
    await page.wait_for_url("**/desk/")

    # The passkey alone signs in: it is something one has and something one is.
    await sign_out(page)
    await page.get_by_role("button", name="Inloggen met een passkey").click()
    await page.wait_for_url("**/desk/")

    # It is also the second step after a password.
    await sign_out(page)
    await type_password(page, "noor@example.org")
    await page.get_by_role("button", name="Gebruik je passkey").click()
    await page.wait_for_url("**/desk/")

    # It confirms who is there before something changes; and the last one stays.
    await page.goto("/accounts/2fa/webauthn/")
    await expect(page.get_by_text("Telefoon van Noor", exact=True)).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("link", name="Weghalen").click()
    await expect(page.get_by_role("heading", name="Ben jij het?")).to_be_visible()
    await assert_accessible(page)
    await page.get_by_role("link", name="met je passkey").click()
    await page.get_by_role("button", name="Bevestig met je passkey").click()
    await expect(page.get_by_text("Dit is je laatste tweede stap")).to_be_visible()
    await assert_accessible(page)


async def test_a_second_passkey_on_the_same_device_says_so(
    server: Server, worker_page, open_page: OpenPage
) -> None:
    page = await worker_page("bilal", to="/accounts/2fa/webauthn/add/")
    await plug_in_authenticator(page)
    await page.get_by_role("button", name="Passkey maken").click()
    await expect(page.get_by_role("heading", name="Je herstelcodes")).to_be_visible()
    await page.goto("/accounts/2fa/webauthn/add/")
    await page.get_by_role("button", name="Passkey maken").click()
    await expect(page.get_by_role("alert")).to_contain_text("al een passkey")


async def test_without_javascript_an_app_still_works(
    server: Server, worker_page, open_page: OpenPage
) -> None:
    page = await open_page(PHONE, java_script_enabled=False)
    await page.goto("/accounts/login/")
    await expect(page.get_by_role("button", name="Inloggen met een passkey")).to_be_hidden()
    await page.get_by_role("button", name="Ga verder als Anna").click()
    await page.goto("/accounts/2fa/totp/activate/")
    secret = await page.locator("code.key").inner_text()
    await page.get_by_label("Code uit de app").fill(await code(secret))
    await page.get_by_role("button", name="Aanzetten").click()
    await expect(page.get_by_role("heading", name="Je herstelcodes")).to_be_visible()


OWN_PAGES = (
    "/staff/",
    "/staff/me/",
    "/staff/people/",
    "/staff/people/invite/",
    "/staff/audit/",
    "/staff/institutions/",
    "/staff/institutions/new/",
    "/staff/sites/",
    "/staff/sites/new/",
    "/desk/replies/",
    "/desk/replies/new/",
    "/accounts/2fa/",
    "/accounts/2fa/totp/activate/",
    "/accounts/2fa/webauthn/",
    "/accounts/2fa/webauthn/add/",
    "/accounts/logout/",
)
OPEN_PAGES = (
    "/accounts/login/",
    "/accounts/inactive/",
    "/accounts/password/reset/",
    "/accounts/password/reset/done/",
    "/accounts/password/reset/key/done/",
    "/accounts/password/reset/key/1-x/",
)


async def test_every_page_is_accessible(server: Server, worker_page, open_page: OpenPage) -> None:
    page = await open_page(DESKTOP)
    for address in OPEN_PAGES:
        await page.goto(address)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        await assert_accessible_everywhere(page)
    page = await worker_page("dirk", to="/staff/people/")
    person = await page.locator(".person-name").nth(1).get_attribute("href")
    for address in (*OWN_PAGES, person):
        await page.goto(address)
        assert page.url.endswith(address)
        await expect(page.get_by_role("heading", level=1)).to_have_count(1)
        await assert_accessible_everywhere(page)
    for summary in await page.locator("details > summary").all():
        await summary.click()
    await assert_accessible_everywhere(page)
