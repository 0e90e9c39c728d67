"""The modules that a chat window stands on, each alone in a real browser with a clock of its own.

The page is an empty one, under the same policy as ours; the server is played by the test.
"""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from playwright.async_api import Page, Route, WebSocketRoute

from tests.browser.pages import DESKTOP, PHONE, OpenPage

MODULES = Path(__file__).resolve().parent.parent.parent / "static/js/chat"
POLICY = "default-src 'none'; script-src 'self'; connect-src 'self' ws://localhost; require-trusted-types-for 'script'"
HELLO = {"type": "hello", "conversation": "c", "after": 0}


class Line:
    """The other end of the line: what arrived on sockets and over HTTPS, and how it answers."""

    def __init__(self) -> None:
        self.sockets: list[WebSocketRoute] = []
        self.heard: list[dict[str, Any]] = []
        self.posts: list[list[dict[str, Any]]] = []
        self.answers_hello = True
        self.answers_heartbeat = True
        self.status = 200

    def socket(self, socket: WebSocketRoute) -> None:
        self.sockets.append(socket)
        socket.on_message(lambda message: self._message(socket, json.loads(message)))

    def _message(self, socket: WebSocketRoute, frame: dict[str, Any]) -> None:
        self.heard.append(frame)
        if frame["type"] == "hello" and self.answers_hello:
            socket.send(json.dumps(HELLO))
        if frame["type"] == "heartbeat" and self.answers_heartbeat:
            socket.send('{"type":"heartbeat","top":{}}')

    async def http(self, route: Route) -> None:
        self.posts.append(route.request.post_data_json["frames"])
        if self.status == 200:
            await route.fulfill(json={"frames": [HELLO]})
        else:
            await route.fulfill(status=self.status, json={})


@pytest.fixture
def line() -> Line:
    return Line()


@pytest_asyncio.fixture
async def blank(open_page: OpenPage, line: Line) -> AsyncIterator[Page]:
    """An empty page that can import our modules; `connection` and `told` are on its window."""
    yield await blank_page(open_page, line, PHONE)


async def blank_page(open_page: OpenPage, line: Line, device: dict[str, Any]) -> Page:
    page = await open_page(device, url="http://localhost")

    async def serve(route: Route) -> None:
        path = route.request.url.removeprefix("http://localhost")
        if path.startswith("/modules/"):
            script = (MODULES / path.removeprefix("/modules/")).read_text()
            await route.fulfill(body=script, content_type="text/javascript")
        else:
            body = '<!doctype html><html lang="nl"><meta charset="utf-8"><link rel="icon" href="data:,"><title>t</title><main></main>'
            headers = {"Content-Security-Policy": POLICY + "; img-src data:"}
            await route.fulfill(body=body, content_type="text/html", headers=headers)

    await page.route("http://localhost/**", serve)
    await page.route("**/frames/", line.http)
    await page.route_web_socket("**/ws/", line.socket)
    await page.clock.install()
    await page.goto("/")
    await page.evaluate(
        """async () => {
          for (const name of ["connection", "outbox", "transcript", "composer"]) {
            Object.assign(window, await import(`/modules/${name}.js`));
          }
        }"""
    )
    await page.clock.pause_at(await page.evaluate("Date.now() + 1000"))
    return page


async def connect(page: Page) -> None:
    await page.evaluate(
        """() => {
          window.told = [];
          window.frames = [];
          window.connection = new Connection({
            socketUrl: "/ws/",
            framesUrl: "/frames/",
            hello: () => ({ type: "hello", conversation: "c", after: 0 }),
            onFrame: (frame) => frames.push(frame.type),
            onState: (state, code) => told.push(code ? `${state} ${code}` : state),
          });
          connection.start();
        }"""
    )


async def later(page: Page, seconds: float) -> None:
    """Let the page's clock run, with pauses in which the network answers."""
    while seconds > 0:
        await page.clock.run_for(min(seconds, 1) * 1000)
        await asyncio.sleep(0.01)
        seconds -= 1


async def until(page: Page, state: str) -> None:
    """Wait until the connection is in this state, without any time passing for it."""
    for _ in range(200):
        if await page.evaluate("connection.state") == state:
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"never {state}; told {await page.evaluate('told')}")


async def states(page: Page) -> list[str]:
    told: list[str] = await page.evaluate("told")
    return told


# --- The connection -----------------------------------------------------------------------------


async def test_a_connection_says_hello_first_and_is_open_once_that_is_answered(
    blank: Page, line: Line
) -> None:
    await connect(blank)
    assert await blank.evaluate("connection.send({ type: 'too early' })") is False
    await until(blank, "open")
    assert await blank.evaluate("connection.send({ type: 'typing', on: true })") is True
    await later(blank, 1)
    assert [frame["type"] for frame in line.heard] == ["hello", "typing"]
    assert await states(blank) == ["connecting", "open"]


async def test_the_back_off_doubles_to_half_a_minute_with_full_jitter(blank: Page) -> None:
    rounds = await blank.evaluate(
        "Array.from({length: 12}, (_, n) => Array.from({length: 300}, () => backOff(n)))"
    )
    for failures, delays in enumerate(rounds):
        longest = min(30_000, 500 * 2**failures)
        assert all(0 <= delay <= longest for delay in delays)
        assert max(delays) > longest * 0.9, "nobody waits as long as they may"
        assert min(delays) < longest * 0.1, "nobody comes back early: the crowd arrives at once"


async def test_a_hello_that_is_not_answered_within_eight_seconds_drops_the_socket(
    blank: Page, line: Line
) -> None:
    line.answers_hello = False
    await connect(blank)
    await later(blank, 7)
    assert len(line.sockets) == 1
    line.answers_hello = True
    await later(blank, 4)
    assert len(line.sockets) == 2
    await until(blank, "open")


async def test_a_heartbeat_goes_every_twenty_to_twenty_five_seconds(
    blank: Page, line: Line
) -> None:
    await connect(blank)
    await until(blank, "open")
    await later(blank, 19)
    assert len(line.heard) == 1
    await later(blank, 7)
    assert line.heard[-1] == {"type": "heartbeat"}
    await later(blank, 100)
    assert 4 <= sum(frame["type"] == "heartbeat" for frame in line.heard) <= 6
    assert len(line.sockets) == 1


async def test_a_socket_that_looks_open_and_is_dead_is_replaced(blank: Page, line: Line) -> None:
    await connect(blank)
    await until(blank, "open")
    line.answers_heartbeat = False
    await later(blank, 38)
    assert len(line.sockets) >= 2
    assert "waiting" in await states(blank)


async def test_a_page_that_comes_back_asks_at_once_whether_the_line_still_lives(
    blank: Page, line: Line
) -> None:
    await connect(blank)
    await until(blank, "open")
    await blank.evaluate("dispatchEvent(new Event('online'))")
    await later(blank, 1)
    assert line.heard[-1] == {"type": "heartbeat"}


async def test_the_network_coming_back_ends_the_waiting(blank: Page, line: Line) -> None:
    line.answers_hello = False
    await connect(blank)
    await later(blank, 8)
    await until(blank, "waiting")
    line.answers_hello = True
    await blank.evaluate("dispatchEvent(new Event('online'))")
    await until(blank, "open")


async def test_after_three_failed_sockets_the_same_frames_go_over_https(
    blank: Page, line: Line
) -> None:
    line.answers_hello = False
    await connect(blank)
    await later(blank, 35)
    assert len(line.sockets) == 3
    await until(blank, "polling")
    before = len(line.posts)
    await later(blank, 30)
    assert 8 <= len(line.posts) - before <= 12, "not every three seconds"
    assert all(post == [{"type": "hello", "conversation": "c", "after": 0}] for post in line.posts)

    line.posts.clear()
    await blank.evaluate("connection.send({ type: 'message.post', text: 'hoi' })")
    await later(blank, 0.5)
    assert [frame["type"] for frame in line.posts[0]] == ["hello", "message.post"], "sent at once"

    line.posts.clear()
    await blank.evaluate("for (const on of [true, false]) connection.send({ type: 'typing', on })")
    await later(blank, 4)
    assert line.posts[0][1:] == [{"type": "typing", "on": False}], "only the last of its kind"

    line.answers_hello = True
    await later(blank, 75)
    await until(blank, "open")
    line.posts.clear()
    await later(blank, 10)
    assert line.posts == []


async def test_many_long_frames_are_split_over_requests_of_a_size_that_is_taken(
    blank: Page, line: Line
) -> None:
    line.answers_hello = False
    await connect(blank)
    await later(blank, 35)
    await until(blank, "polling")
    line.posts.clear()
    await blank.evaluate(
        "for (let n = 0; n < 30; n += 1) connection.send({ n, text: '€'.repeat(4000) })"
    )
    await later(blank, 15)
    sent = [frame["n"] for post in line.posts for frame in post[1:]]
    assert sent == list(range(30)), "in order, each once"
    for post in line.posts:
        assert len(post) <= 20
        assert len(json.dumps({"frames": post}, ensure_ascii=False).encode()) < 64 * 1024


@pytest.mark.cuts_off
async def test_a_server_that_was_away_is_found_again_by_a_socket_soon(
    blank: Page, line: Line
) -> None:
    line.answers_hello = False
    line.status = 503
    await connect(blank)
    await later(blank, 60)
    assert "polling" not in await states(blank), "nobody answered, so no line was told"
    line.answers_hello, line.status = True, 200
    await later(blank, 34)
    await until(blank, "open")


@pytest.mark.parametrize("code", [4400, 4401, 4403])
async def test_a_final_code_stops_for_good_and_is_told(blank: Page, line: Line, code: int) -> None:
    await connect(blank)
    await until(blank, "open")
    await line.sockets[0].close(code=code)
    await until(blank, "stopped")
    await later(blank, 70)
    assert (await states(blank))[-1] == f"stopped {code}"
    assert len(line.sockets) == 1


@pytest.mark.cuts_off
@pytest.mark.parametrize(("status", "code"), [(400, 4400), (401, 4401), (403, 4403)])
async def test_a_final_answer_over_https_means_the_same(
    blank: Page, line: Line, status: int, code: int
) -> None:
    line.answers_hello = False
    line.status = status
    await connect(blank)
    await later(blank, 35)
    await until(blank, "stopped")
    assert (await states(blank))[-1] == f"stopped {code}"


async def test_too_much_waits_ten_seconds(blank: Page, line: Line) -> None:
    await connect(blank)
    await until(blank, "open")
    await line.sockets[0].close(code=4429)
    await until(blank, "waiting")
    await later(blank, 9)
    assert len(line.sockets) == 1
    await later(blank, 4)
    assert len(line.sockets) == 2


async def test_a_restart_brings_windows_back_spread_over_the_named_time(
    blank: Page, line: Line
) -> None:
    await connect(blank)
    await until(blank, "open")
    # The jitter's die: as late as it may be.
    await blank.evaluate("Math.random = () => 0.99")
    line.sockets[0].send('{"type":"restart","within":20}')
    await later(blank, 1)
    await line.sockets[0].close(code=4503)
    await until(blank, "waiting")
    await later(blank, 19)
    assert len(line.sockets) == 1
    await later(blank, 2)
    await until(blank, "open")


async def test_stopping_closes_and_forgets(blank: Page, line: Line) -> None:
    await connect(blank)
    await until(blank, "open")
    await blank.evaluate("connection.stop()")
    await later(blank, 60)
    await blank.evaluate("dispatchEvent(new Event('online'))")
    assert await states(blank) == ["connecting", "open", "stopped"]
    assert len(line.sockets) == 1


# --- The outbox ---------------------------------------------------------------------------------

OUTBOX = """() => {
  window.sent = [];
  window.changes = [];
  window.hasLine = true;
  window.outbox = new Outbox({
    send: (frame) => hasLine && Boolean(sent.push(frame)),
    onChange: (entry) => changes.push(`${entry.frame.text} ${entry.state}`),
  });
  window.say = (text) => outbox.post({ type: "message.post", text });
  window.texts = () => sent.splice(0).map((frame) => frame.text);
}"""


async def test_what_is_not_acknowledged_is_sent_again_in_order_with_the_same_id(
    blank: Page,
) -> None:
    await blank.evaluate(OUTBOX)
    ids = await blank.evaluate("['een', 'twee'].map((text) => say(text).frame.client_id)")
    assert await blank.evaluate("texts()") == ["een", "twee"]
    await later(blank, 8)
    again = await blank.evaluate("sent.splice(0)")
    assert [frame["client_id"] for frame in again] == ids
    assert await blank.evaluate(
        "[outbox.acknowledge(outbox.entries[0].frame), outbox.acknowledge({ client_id: 'x' })]"
    ) == [True, False]
    await blank.evaluate("outbox.resend()")
    assert await blank.evaluate("texts()") == ["twee"]
    assert await blank.evaluate("changes") == ["een sending", "twee sending", "een sent"]
    await blank.evaluate("outbox.acknowledge(outbox.entries[0].frame)")
    await later(blank, 120)
    assert await blank.evaluate("texts()") == []


async def test_without_a_line_words_wait_and_go_after_the_next_hello(blank: Page) -> None:
    await blank.evaluate(OUTBOX)
    await blank.evaluate("hasLine = false; say('een'); say('twee')")
    await later(blank, 200)
    assert await blank.evaluate("[texts(), outbox.isSending]") == [[], True]
    await blank.evaluate("hasLine = true; outbox.resend()")
    assert await blank.evaluate("texts()") == ["een", "twee"]


async def test_a_refused_message_is_kept_and_tried_again_only_when_asked(blank: Page) -> None:
    await blank.evaluate(OUTBOX)
    await blank.evaluate(
        "outbox.refuse({ ...say('een').frame, code: 'wrong_state', text: 'Kan niet meer.' })"
    )
    await later(blank, 60)
    assert await blank.evaluate("texts()") == ["een"]
    entry = await blank.evaluate("outbox.entries[0]")
    assert (entry["state"], entry["reason"]) == ("refused", "Kan niet meer.")
    await blank.evaluate("outbox.retry(outbox.entries[0].frame.client_id)")
    assert await blank.evaluate("sent[0].client_id") == entry["frame"]["client_id"]
    assert await blank.evaluate("changes.at(-1)") == "een sending"


async def test_a_refusal_that_may_pass_is_tried_again_and_told_when_it_lasts(blank: Page) -> None:
    await blank.evaluate(OUTBOX)
    await blank.evaluate("say('een'); sent.length = 0")
    for _ in range(6):
        await blank.evaluate(
            "outbox.refuse({ ...outbox.entries[0].frame, code: 'unavailable', text: '' })"
        )
        assert await blank.evaluate("changes.at(-1)") == "een sending"
        await later(blank, 40)
        assert "een" in await blank.evaluate("texts()")
    await blank.evaluate(
        "outbox.refuse({ ...outbox.entries[0].frame, code: 'unavailable', text: '' })"
    )
    assert await blank.evaluate("changes.at(-1)") == "een refused"


async def test_ids_are_random_uuids_also_where_the_browser_has_none(blank: Page) -> None:
    ids = await blank.evaluate(
        """() => {
          const native = newClientId();
          Object.defineProperty(crypto, "randomUUID", { value: undefined });
          return [native, newClientId(), newClientId()];
        }"""
    )
    assert all(uuid.UUID(one).version == 4 and str(uuid.UUID(one)) == one for one in ids)
    assert len(set(ids)) == 3


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
