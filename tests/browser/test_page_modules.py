"""What shows and takes words, each module alone in a real browser with its own clock."""

from playwright.async_api import Page

from tests.browser.modules import Line, blank_page, later
from tests.browser.pages import DESKTOP, OpenPage

# --- The transcript -----------------------------------------------------------------------------

TRANSCRIPT = """(html) => {
  const main = document.querySelector("main");
  const log = document.createElement("div");
  const list = document.createElement("ol");
  log.append(list);
  main.append(log);
  for (const [seq, author, text] of html) {
    const item = document.createElement("li");
    item.className = "message";
    Object.assign(item.dataset, { seq, author, name: author === "worker" ? "Anna" : "" });
    const words = document.createElement("p");
    words.className = "message-text";
    words.textContent = text;
    const foot = document.createElement("p");
    foot.className = "message-foot";
    const time = document.createElement("time");
    time.dateTime = new Date().toISOString();
    foot.append(time);
    item.append(words, foot);
    list.append(item);
  }
  window.retried = [];
  window.transcript = new Transcript(log, {
    mine: "visitor",
    texts: { you: "Jij", other: "Hulp", sending: "…", sent: "v", seen: "g", notSent: "Niet", retry: "Opnieuw" },
    onRetry: (id) => retried.push(id),
  });
  window.accept = (seq, author, text, id = `${author}${seq}`, at = new Date().toISOString()) =>
    transcript.accept({ seq, client_id: id, author, name: author === "worker" ? "Anna" : "", text, at });
  window.shown = () => [...list.querySelectorAll(".message-text")].map((node) => node.textContent);
  window.states = () => [...list.querySelectorAll(".message")].map((node) => node.querySelector(".message-state").textContent);
}"""


async def test_messages_stand_in_order_each_once_and_gaps_are_known(blank: Page) -> None:
    await blank.evaluate(TRANSCRIPT, [])
    assert await blank.evaluate(
        "[accept(1, 'worker', 'een'), accept(4, 'visitor', 'vier'), transcript.hasGap, transcript.top]"
    ) == [True, True, True, 1]
    assert await blank.evaluate(
        "[accept(2, 'worker', 'twee'), accept(4, 'visitor', 'vier'), accept(3, 'worker', 'drie')]"
    ) == [True, False, True]
    assert await blank.evaluate("shown()") == ["een", "twee", "drie", "vier"]
    assert await blank.evaluate("[transcript.hasGap, transcript.top]") == [False, 4]


async def test_what_the_server_rendered_is_taken_over(blank: Page) -> None:
    await blank.evaluate(TRANSCRIPT, [[1, "worker", "een"], [2, "visitor", "twee"]])
    assert await blank.evaluate("transcript.top") == 2
    assert await blank.evaluate("accept(2, 'visitor', 'twee')") is False
    await blank.evaluate("accept(3, 'worker', 'drie')")
    assert await blank.evaluate("shown()") == ["een", "twee", "drie"]
    heads = await blank.locator(".message-head").all_inner_texts()
    assert heads == ["Anna", "Jij", "Anna"]


async def test_a_message_on_its_way_becomes_the_posted_one(blank: Page) -> None:
    await blank.evaluate(TRANSCRIPT, [[1, "worker", "een"]])
    await blank.evaluate(
        """() => {
          for (const text of ["a", "b", "c"])
            transcript.pending({ frame: { client_id: text, text }, state: "sending", reason: "" });
        }"""
    )
    await blank.evaluate("transcript.note('Anna is er')")
    # b was stored first, and a worker's message came in between.
    await blank.evaluate(
        "[accept(2, 'visitor', 'b', 'b'), accept(3, 'worker', 'w'), accept(4, 'visitor', 'a', 'a')]"
    )
    assert await blank.evaluate("shown()") == ["een", "b", "w", "a", "c"]
    assert await blank.evaluate("states()") == ["", "", "", "v", "…"]
    await blank.evaluate("transcript.seen(2)")
    assert await blank.evaluate("states()") == ["", "g", "", "v", "…"]
    await blank.evaluate("transcript.seen(4)")
    assert await blank.evaluate("states()") == ["", "", "", "g", "…"]


async def test_a_message_that_was_not_sent_offers_to_try_again(blank: Page) -> None:
    await blank.evaluate(TRANSCRIPT, [])
    await blank.evaluate(
        "transcript.pending({ frame: { client_id: 'x', text: 'a' }, state: 'refused', reason: 'Te laat.' })"
    )
    assert await blank.evaluate("states()") == ["Niet Te laat."]
    await blank.get_by_role("button", name="Opnieuw").click()
    assert await blank.evaluate("retried") == ["x"]
    await blank.evaluate(
        "transcript.pending({ frame: { client_id: 'x', text: 'a' }, state: 'sending', reason: '' })"
    )
    assert await blank.get_by_role("button", name="Opnieuw").count() == 0


async def test_words_stay_words(blank: Page) -> None:
    await blank.evaluate(TRANSCRIPT, [])
    words = "<img src=x onerror=alert(1)> <b>dik</b> &amp; https://example.org"
    await blank.evaluate("(words) => accept(1, 'worker', words)", words)
    assert await blank.evaluate("shown()") == [words]
    assert await blank.locator("main img, main b, main a").count() == 0


async def test_another_day_is_named_once(blank: Page) -> None:
    await blank.evaluate(TRANSCRIPT, [])
    await blank.evaluate(
        """() => {
          accept(2, "worker", "laat", "w2", "2026-03-05T12:01:00+00:00");
          accept(3, "worker", "nu");
          accept(1, "worker", "vroeg", "w1", "2026-03-05T12:00:00+00:00");
        }"""
    )
    days = await blank.locator(".transcript-day").all_inner_texts()
    assert days[0] == "donderdag 5 maart"
    assert len(days) == 2
    assert await blank.evaluate("shown()") == ["vroeg", "laat", "nu"]


# --- The composer -------------------------------------------------------------------------------

COMPOSER = """() => {
  const form = document.createElement("form");
  const field = document.createElement("textarea");
  const counter = document.createElement("p");
  const button = document.createElement("button");
  button.textContent = "Stuur";
  form.append(field, button, counter);
  document.querySelector("main").append(form);
  window.posted = [];
  window.typing = [];
  window.composer = new Composer({
    form,
    counter,
    texts: { left: "nog %s", tooMany: "%s te veel" },
    onPost: (text) => Boolean(posted.push(text)),
    onTyping: (on) => typing.push(on),
  });
  window.counter = counter;
}"""


async def test_enter_sends_where_there_is_a_keyboard(open_page: OpenPage, line: Line) -> None:
    page = await blank_page(open_page, line, DESKTOP)
    await page.evaluate(COMPOSER)
    field = page.locator("textarea")
    await field.press_sequentially("een")
    await field.press("Shift+Enter")
    await field.press_sequentially("twee")
    await field.press("Enter")
    assert await page.evaluate("posted") == ["een\ntwee"]
    assert await field.input_value() == ""
    await field.press("Enter")
    assert await page.evaluate("posted.length") == 1, "nothing is no message"


async def test_enter_is_a_new_line_on_a_phone(blank: Page) -> None:
    await blank.evaluate(COMPOSER)
    await blank.locator("textarea").press_sequentially("een")
    await blank.locator("textarea").press("Enter")
    assert await blank.evaluate("posted") == []
    await blank.get_by_role("button", name="Stuur").tap()
    assert await blank.evaluate("posted") == ["een"]


async def test_the_count_is_the_servers_and_too_much_is_not_sent(blank: Page) -> None:
    await blank.evaluate(COMPOSER)
    field = blank.locator("textarea")
    await field.fill("a" * 3599)
    assert await blank.evaluate("counter.textContent") == ""
    # One character for the server, two units for JavaScript.
    await field.fill("🙂" * 3990)
    assert await blank.evaluate("counter.textContent") == "nog 10"
    await field.fill("🙂" * 4001)
    assert await blank.evaluate("counter.textContent") == "1 te veel"
    await blank.get_by_role("button", name="Stuur").tap()
    assert await blank.evaluate("posted") == []
    assert await field.get_attribute("aria-invalid") == "true"
    await field.fill("🙂" * 4000)
    await blank.get_by_role("button", name="Stuur").tap()
    assert await blank.evaluate("posted.length") == 1


async def test_writing_is_told_at_most_every_three_seconds_and_stops(blank: Page) -> None:
    await blank.evaluate(COMPOSER)
    field = blank.locator("textarea")
    for _ in range(4):
        await field.press_sequentially("aaa")
        await later(blank, 1)
    assert await blank.evaluate("typing") == [True, True]
    await later(blank, 6)
    assert await blank.evaluate("typing") == [True, True, False]
    await field.press_sequentially("b")
    await field.fill("")
    assert await blank.evaluate("typing") == [True, True, False, True, False]
