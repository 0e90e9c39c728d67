"""Short frames take a road of their own; whatever is not exactly one is left to autobahn."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from klikvoor.pacing import text_frame, whole_text


def from_browser(payload: bytes, opcode: Opcode = Opcode.TEXT, **more: bool) -> bytes:
    return Frame(opcode, payload, **more).serialize(mask=True)


@pytest.mark.parametrize("size", [1, 125, 126, 127, 65_535, 65_536, 70_000])
def test_a_frame_of_ours_is_what_the_standard_says(size: int) -> None:
    payload = ("é" * size).encode()[:size]
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


@given(st.text(min_size=1, max_size=400), st.binary(max_size=20))
def test_a_whole_text_is_read_and_what_follows_is_left(text: str, after: bytes) -> None:
    try:
        payload = text.encode()
    except UnicodeEncodeError:
        payload, text = b"x", "x"
    assert whole_text(from_browser(payload) + after) == (text, after)


@given(st.integers(min_value=1, max_value=300), st.data())
def test_a_frame_that_is_not_all_here_yet_is_not_taken(size: int, data: st.DataObject) -> None:
    frame = from_browser(b"x" * size)
    assert whole_text(frame[: data.draw(st.integers(0, len(frame) - 1))]) is None


@pytest.mark.parametrize(
    "frame",
    [
        Frame(Opcode.TEXT, b"not masked").serialize(mask=False),
        from_browser(b"bytes", Opcode.BINARY),
        from_browser(b"first piece", fin=False),
        from_browser(b"next piece", Opcode.CONT),
        from_browser(b"ping", Opcode.PING),
        from_browser(b"\x03\xe8", Opcode.CLOSE),
        b"\xc1\x85\0\0\0\0short",  # a reserved bit
        from_browser(b""),
        from_browser(b"\xff\xfe"),
        from_browser(b"\xed\xa0\x80"),
        from_browser(b"x" * 65_536),
        b"\x81\xfe\x00\x05\0\0\0\0short",  # five bytes, in the form for 126 and more
        b"\x81\xff" + (5).to_bytes(8, "big") + b"\0\0\0\0short",
    ],
)
def test_anything_else_is_left_to_autobahn(frame: bytes) -> None:
    assert whole_text(frame) is None
