"""The page of an hour by keyboard and on a phone: an exchange for somebody, and a part of a duty."""

from playwright.async_api import expect

from tests.browser.pages import PHONE
from tests.browser.test_roster import (
    WorkerPage,
    hour_of,
    next_duty,
    tab_to,
    told,
    workers_on,
)
from tests.servers import Server


async def test_a_coordinator_exchanges_two_duties_by_keyboard_alone(
    worker_page: WorkerPage, server: Server
) -> None:
    mine = next_duty(server, "anna", "bilal")
    theirs = next_duty(server, "bilal", "anna")
    dirk = await worker_page("dirk", to=f"/roster/hours/{hour_of(server, mine)}/")
    await tab_to(dirk, dirk.locator(f'a[href="?for={mine}#asking"]'))
    await dirk.keyboard.press("Enter")
    await expect(dirk.get_by_role("heading", name="De dienst van Anna")).to_be_in_viewport()

    choice = dirk.get_by_label("Ruilen met")
    await tab_to(dirk, choice)
    # The first letters of an option choose it.
    label = await choice.locator(f'option[value="{theirs}"]').inner_text()
    await dirk.keyboard.type(label)
    await expect(choice).to_have_value(str(theirs))
    now = dirk.get_by_role("button", name="Ruil nu")
    await tab_to(dirk, now)
    await dirk.keyboard.press("Enter")

    await told(dirk, "Geruild.")
    assert "bilal" in workers_on(server, hour_of(server, mine))
    assert "anna" in workers_on(server, hour_of(server, theirs))


async def test_a_part_of_a_duty_is_given_to_somebody_on_a_phone(
    worker_page: WorkerPage, server: Server
) -> None:
    duty = next_duty(server, "anna", "bilal")
    hour = hour_of(server, duty)
    dirk = await worker_page("dirk", PHONE, to=f"/roster/hours/{hour}/?duty={duty}#people")
    people = dirk.locator("#people")
    await people.get_by_text("Alleen een deel").click()
    start = await people.get_by_label("Van").input_value()
    middle = f"{int(start[:2]) + 1:02}:{start[3:]}"
    await people.get_by_label("Tot").fill(middle)
    await people.get_by_role("button", name="Kijk wie er dan kan").click()
    await expect(people.get_by_text(f"Alleen van {start} tot {middle}")).to_be_visible()
    wide = "document.documentElement.scrollWidth > innerWidth"
    assert not await dirk.evaluate(wide)
    await people.get_by_role("button", name="Bilal").click()

    await told(dirk, "dat deel van de dienst")
    assert {"anna", "bilal"} <= workers_on(server, hour)
