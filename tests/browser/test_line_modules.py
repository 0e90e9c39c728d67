"""What keeps the line and the words, each module alone in a real browser with its own clock."""

import json
import uuid

import pytest
from playwright.async_api import Page

from tests.browser.modules import Line, connect, later, states, until

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


async def test_a_hello_that_the_server_cannot_look_up_just_now_is_said_again_soon(
    blank: Page, line: Line
) -> None:
    line.refusals = ["unavailable"]
    await connect(blank)
    await later(blank, 2)
    await until(blank, "open")
    assert len(line.sockets) == 2, "not only after the eight seconds of a silent server"


async def test_a_hello_that_is_refused_for_good_is_not_said_again(blank: Page, line: Line) -> None:
    line.refusals = ["stale"]
    await connect(blank)
    await later(blank, 7)
    assert len(line.sockets) == 1


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


async def poll(blank: Page, line: Line) -> None:
    """Come to talk over HTTPS: no socket is answered."""
    line.answers_hello = False
    await connect(blank)
    await later(blank, 35)
    await until(blank, "polling")


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


async def test_a_poll_whose_hello_the_server_could_not_look_up_is_no_line(
    blank: Page, line: Line
) -> None:
    await poll(blank, line)
    line.refusals = ["unavailable"]
    await blank.evaluate("connection.send({ type: 'message.post', text: 'hoi' })")
    await later(blank, 0.001)
    await until(blank, "waiting")
    assert not await blank.evaluate("connection.send({ type: 'message.post', text: 'hoi' })")
    await later(blank, 2)
    await until(blank, "polling")


async def test_many_long_frames_are_split_over_requests_of_a_size_that_is_taken(
    blank: Page, line: Line
) -> None:
    await poll(blank, line)
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


async def test_before_a_restart_a_window_changes_over_by_itself(blank: Page, line: Line) -> None:
    await connect(blank)
    await until(blank, "open")
    await later(blank, 6)
    await blank.evaluate("Math.random = () => 0.5")
    line.sockets[0].send('{"type":"restart","within":20}')
    await later(blank, 9)
    assert len(line.sockets) == 1
    await later(blank, 2)
    assert len(line.sockets) == 2
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
    await blank.evaluate(
        "outbox.refuse({ ...outbox.entries[0].frame, code: 'unavailable', text: '' })"
    )
    await later(blank, 1.5)
    assert await blank.evaluate("texts()") == ["een"]
    for _ in range(5):
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
