"""Whatever comes in gets a clear answer, changes nothing, and never ends the socket with 1011."""

import contextlib
import json
import uuid
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st

from chat.commands import (
    MAX_TEXT,
    BadCommand,
    clean_text,
    parse,
    visitor_decoder,
    worker_decoder,
)
from chat.database import in_pool
from chat.models import Conversation, Message, Visitor
from chat.texts import REFUSALS, refusal
from institutions.models import User
from tests.chat.windows import desk_window, visitor_window, window

ID = "A" * 22
UUID = "00000000-0000-4000-8000-000000000000"

NOT_UNDERSTOOD = [
    "",
    "hoi",
    "[]",
    "null",
    "1e999",
    "NaN",
    '{"type":"heartbeat"',
    '{"type":"close"}',
    '{"type":"hub.relay"}',
    '{"type":7}',
    '{"type":"heartbeat","extra":1}',
    '{"type":"hello"}',
    f'{{"type":"hello","conversation":"{ID}","after":-1}}',
    f'{{"type":"hello","conversation":"{ID}","after":1.5}}',
    f'{{"type":"hello","conversation":"{ID}","after":NaN}}',
    f'{{"type":"hello","conversation":"{ID}","after":{"9" * 5000}}}',
    f'{{"type":"hello","conversation":"{ID}!","after":0}}',
    '{"type":"seen","seq":"1"}',
    '{"type":"typing","on":1}',
    '{"type":"message.post","client_id":"x","text":"hoi"}',
    f'{{"type":"message.post","client_id":"{UUID}","text":["hoi"]}}',
    f'{{"type":"message.post","client_id":"{UUID}","text":"\\ud800"}}',
    f'{{"type":"message.post","client_id":"{UUID}","text":"a\\u0000b"}}',
    "[" * 30_000,
    '{"a":' * 5_000,
]


@pytest.mark.parametrize("frame", NOT_UNDERSTOOD, ids=lambda frame: frame[:40])
def test_a_frame_that_is_not_a_command_is_not_understood(frame: str) -> None:
    def read() -> None:
        clean_text(parse(visitor_decoder, frame).text)

    with pytest.raises(BadCommand):
        read()


@given(st.one_of(st.text(), st.binary()))
def test_no_frame_raises_anything_but_bad_command(frame: str | bytes) -> None:
    for decoder in (visitor_decoder, worker_decoder):
        with contextlib.suppress(BadCommand):
            parse(decoder, frame)


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner),
    max_leaves=8,
)
types = st.sampled_from(
    [
        "hello",
        "heartbeat",
        "message.post",
        "typing",
        "seen",
        "conversation.leave",
        "conversation.claim",
        "conversation.close",
        "conversation.hand_over",
        "conversation.open",
        "note.post",
        "availability.set",
    ]
)
fields = st.dictionaries(
    st.sampled_from(
        ["conversation", "after", "client_id", "text", "on", "seq", "to", "note", "state", "x"]
    ),
    st.one_of(plain, st.just(ID), st.just(UUID), st.text(max_size=50), st.integers(-3, 9)),
    max_size=5,
)


@st.composite
def almost_commands(draw: Any) -> str:
    frame = draw(fields) | {"type": draw(types)}
    text = json.dumps(frame)
    if draw(st.booleans()):
        cut = draw(st.integers(0, len(text)))
        text = text[:cut] + draw(st.text(max_size=3)) + text[cut:]
    return text


@given(st.text(max_size=200))
def test_cleaning_is_stable_and_leaves_nothing_forbidden(text: str) -> None:
    try:
        clean = clean_text(text)
    except BadCommand:
        return
    assert clean_text(clean) == clean
    assert clean == clean.strip()
    assert not any(ord(c) < 32 and c not in "\n\t" for c in clean)
    clean.encode()


@pytest.mark.parametrize(
    ("given_text", "kept"),
    [
        ("  hoi\r\n daar \r", "hoi\n daar"),
        ("e\u0301", "\u00e9"),
        ("regel\u2028twee", "regel\ntwee"),
        ("👩‍👧 ok", "👩‍👧 ok"),
    ],
)
def test_a_text_is_stored_in_one_form(given_text: str, kept: str) -> None:
    assert clean_text(given_text) == kept


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "not_understood"),
        (" \n\t ", "not_understood"),
        ("a\x00b", "not_understood"),
        ("a\x1b[31m", "not_understood"),
        ("\u202eneppe naam", "not_understood"),
        ("\ud800", "not_understood"),
        ("x" * (MAX_TEXT + 1), "too_long"),
    ],
)
def test_a_text_that_cannot_be_kept_says_why(text: str, code: str) -> None:
    with pytest.raises(BadCommand) as bad:
        clean_text(text)
    assert bad.value.code == code


def test_every_refusal_has_words_in_both_languages() -> None:
    for code in REFUSALS:
        assert refusal(code, "nl").strip()
        assert refusal(code, "en").strip()


@pytest.mark.django_db(transaction=True)
async def test_nonsense_is_answered_and_then_the_window_is_closed(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    async with visitor_window(visitor) as young:
        for _ in range(9):
            await young.say_raw('{"type":"onzin"}')
            error = await young.hear("error")
            assert (error["code"], error["command"]) == ("not_understood", "")
            assert error["text"]
        await young.post("Dit komt nog aan")
        await young.say_raw("[")
        assert await young.closed() == 4400


@pytest.mark.django_db(transaction=True)
async def test_a_message_that_is_too_long_is_refused_by_its_client_id(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    client_id = str(uuid.uuid4())
    async with visitor_window(visitor) as young:
        await young.say("message.post", client_id=client_id, text="x" * 4001)
        refused = await young.hear("message.refused")
        assert (refused["client_id"], refused["code"]) == (client_id, "too_long")
        assert (await young.post("x" * 4000))["seq"] == 1


@pytest.mark.django_db(transaction=True)
async def test_too_many_commands_close_the_window_with_4429(
    active_conversation: Conversation, visitor: Visitor, settings: Any
) -> None:
    settings.COMMAND_BUDGET = 20
    async with visitor_window(visitor) as young:
        for _ in range(25):
            await young.say("heartbeat")
        assert await young.closed() == 4429


@pytest.mark.django_db(transaction=True)
async def test_a_window_without_a_visit_or_from_another_site_gets_nothing() -> None:
    async with window("/ws/visit/", "") as nobody:
        assert await nobody.closed() == 4401
    async with window("/ws/visit/", "visit=" + "x" * 43) as nobody:
        assert await nobody.closed() == 4401
    async with window("/ws/desk/", "session=onzin") as nobody:
        assert await nobody.closed() == 4401
    for origin in ("https://kwaad.example", "null", "http://testserver.kwaad.example"):
        with pytest.raises(AssertionError):
            async with window("/ws/visit/", "", origin):
                pass


@pytest.mark.django_db(transaction=True)
async def test_a_command_before_hello_is_refused(
    waiting_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    async with visitor_window(visitor, hello=None) as young, desk_window(anna, hello=False) as desk:
        await young.say("seen", seq=1)
        assert (await young.hear("error"))["code"] == "hello_first"
        await desk.say("availability.set", state="available")
        assert (await desk.hear("error"))["code"] == "hello_first"


@pytest.mark.django_db(transaction=True)
async def test_two_thousand_mutated_frames_change_nothing_and_break_nothing(
    active_conversation: Conversation, visitor: Visitor, anna: User, settings: Any
) -> None:
    """Grammar-mutated frames on the real sockets of both sides, the seed printed on failure."""
    import random

    from chat import peers

    settings.COMMAND_BUDGET = 10**9
    old_limit, peers.BAD_FRAMES = peers.BAD_FRAMES, 10**9
    frames: list[str] = []

    @given(almost_commands())
    @examples(max_examples=1000, database=None, deadline=None)
    def collect(frame: str) -> None:
        frames.append(frame)

    collect()
    rng = random.Random(20261121)
    rng.shuffle(frames)
    try:
        async with (
            visitor_window(visitor) as young,
            desk_window(anna, opens=active_conversation.pk) as desk,
        ):
            for frame in frames:
                # The one command that is allowed to end what this test looks at.
                if "conversation.leave" in frame:
                    continue
                await young.say_raw(frame)
                await desk.say_raw(frame)
            for one in (young, desk):
                for answer in await one.frames():
                    assert answer["type"] != "error" or answer["code"] in REFUSALS
            await young.say("hello", conversation=active_conversation.pk, after=0)
            await young.hear("hello")
            assert (await young.post("We zijn er nog"))["text"] == "We zijn er nog"
    finally:
        peers.BAD_FRAMES = old_limit
    texts = await in_pool(Message.objects.count)
    assert texts == 1
