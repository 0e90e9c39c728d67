"""Frames of every command there is, right ones and spoiled ones, from the types in chat/commands.py.

A command that is added there is spoken here without another line. What is not in the types (which
conversation is somebody's own, a text that is already stored) comes as `known` values by field name.
"""

import json
import random
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec.inspect as types

from chat import commands

# Planted in every text: wherever it turns up but on a screen, something leaked.
PLANTED = "Paars-Konijn-7431"
UNION = {"visitor": commands.VisitorCommand, "worker": commands.WorkerCommand}

STRANGE = [
    "",
    " ",
    "\u0000",
    "\u202eabc",
    "\u2066abc",
    "\ufeffabc",
    "a\u0300" * 500,
    "\u200d" * 50,
    "👩‍👩‍👧‍👦" * 20,
    "\ud800",
    "\x1b[31mrood\x1b[0m",
    "regel\r\nregel",
    "{{ 7*7 }}",
    "=cmd|' /C calc'!A0",
    "<script>alert(1)</script>",
    "ሰላም العربية 你好",
    "x" * 4000,
    "x" * 4001,
    "x" * 60_000,
]
WRONG: list[Any] = [
    None,
    True,
    0,
    -1,
    2**31,
    2**53 + 1,
    2**64,
    10**400,
    1.5,
    -0.0,
    [],
    {},
    [[]],
    {"a": {"b": []}},
    "x",
    "null",
]
RAW = [
    "",
    "null",
    "NaN",
    "[]",
    "{}",
    '"type"',
    '{"type":NaN}',
    '{"type":"heartbeat","type":"hello"}',
    "[" * 20_000,
    '{"a":' * 8_000,
    "1" * 5_000,
    '{"type":"\\ud800"}',
    "\ufeff{}",
]


def struct_types(role: str) -> dict[str, types.StructType]:
    """Return the commands of a role by their tag."""
    union = types.type_info(UNION[role])
    assert isinstance(union, types.UnionType)
    return {
        str(one.tag): one
        for one in sorted(union.types, key=lambda one: str(one.tag))  # type: ignore[attr-defined]
        if isinstance(one, types.StructType)
    }


class Speaker:
    """Makes frames for one role."""

    def __init__(
        self, role: str, rng: random.Random, known: Mapping[str, Sequence[Any]] | None = None
    ) -> None:
        self.rng = rng
        self.known = known or {}
        self.commands = struct_types(role)

    # --- Right ones -----------------------------------------------------------------------------

    def command(self, tag: str = "") -> dict[str, Any]:
        """Return a command whose types are right, whatever it means here and now."""
        tag = tag or self.rng.choice(list(self.commands))
        frame: dict[str, Any] = {"type": tag}
        for field in self.commands[tag].fields:
            if field.required or self.rng.random() < 0.7:
                frame[field.encode_name] = self.value(field.encode_name, field.type)
        return frame

    def value(self, name: str, kind: types.Type) -> Any:
        rng = self.rng
        if name in self.known and rng.random() < 0.9:
            return rng.choice(list(self.known[name]))
        match kind:
            case types.BoolType():
                return rng.random() < 0.5
            case types.IntType(ge=low, le=high):
                least, most = low or 0, high if high is not None else 2**31
                return rng.choice([least, most, rng.randint(least, min(most, least + 50))])
            case types.LiteralType(values=values):
                return rng.choice(list(values))
            case types.NoneType():
                return None
            case types.UnionType(types=kinds):
                return self.value(name, rng.choice(list(kinds)))
            case types.StrType(pattern=pattern):
                return self.text(name, pattern)
            case types.DictType(key_type=key, value_type=of, max_length=most):
                size = rng.choice([0, 1, 2, most or 3])
                return {
                    str(self.value(name + ".key", key)): self.value("", of) for _ in range(size)
                }
            case types.ListType(item_type=of) | types.VarTupleType(item_type=of):
                return [self.value(name, of) for _ in range(rng.randint(0, 3))]
            case types.FloatType():
                return rng.uniform(-5, 5)
        return None

    def text(self, name: str, pattern: str | None) -> str:
        rng = self.rng
        if pattern is None:
            return f"{PLANTED} {rng.choice(STRANGE) if rng.random() < 0.3 else rng.random()}"
        if "{22}" in pattern:
            if "conversation" in self.known and rng.random() < 0.8:
                return str(rng.choice(list(self.known["conversation"])))
            return "".join(rng.choices("abcdefgXYZ0123456789-_", k=22))
        return str(uuid.UUID(int=rng.getrandbits(128), version=4))

    # --- Spoiled ones ---------------------------------------------------------------------------

    def frame(self) -> str | bytes:
        """Return a frame: often right, mostly spoiled in one place, now and then mere noise."""
        dice = self.rng.random()
        if dice < 0.05:
            return self.rng.choice(RAW)
        if dice < 0.08:
            return self.rng.randbytes(self.rng.randint(0, 60))
        frame = self.command()
        if dice < 0.40:
            return json.dumps(frame)
        spoil: Callable[[dict[str, Any]], Any] = self.rng.choice(
            [self.wrong_value, self.no_field, self.one_more, self.other_tag, self.strange_text]
        )
        spoiled = spoil(frame)
        text = json.dumps(spoiled, ensure_ascii=self.rng.random() < 0.5)
        if dice < 0.75:
            return text if not any("\ud800" <= c <= "\udfff" for c in text) else json.dumps(spoiled)
        return self.cut_up(json.dumps(spoiled))

    def wrong_value(self, frame: dict[str, Any]) -> dict[str, Any]:
        frame[self.rng.choice(list(frame))] = self.rng.choice(WRONG)
        return frame

    def no_field(self, frame: dict[str, Any]) -> dict[str, Any]:
        del frame[self.rng.choice(list(frame))]
        return frame

    def one_more(self, frame: dict[str, Any]) -> dict[str, Any]:
        frame[self.rng.choice(["x", "id", "author", "seq", "conversation"])] = self.rng.choice(
            WRONG
        )
        return frame

    def other_tag(self, frame: dict[str, Any]) -> dict[str, Any]:
        frame["type"] = self.rng.choice(
            [*self.commands, "hub.relay", "message.posted", "close", ""]
        )
        return frame

    def strange_text(self, frame: dict[str, Any]) -> dict[str, Any]:
        texts = [name for name, value in frame.items() if isinstance(value, str) and name != "type"]
        if texts:
            frame[self.rng.choice(texts)] = PLANTED + self.rng.choice(STRANGE)
        return frame

    def cut_up(self, text: str) -> str | bytes:
        rng = self.rng
        place = rng.randint(0, len(text))
        match rng.randint(0, 4):
            case 0:
                return text[:place]
            case 1:
                return text[:place] + rng.choice(['"', "\\", "\x00", "{", "]", "é"]) + text[place:]
            case 2:
                return text[:place].encode() + b"\xff\xc0\x80" + text[place:].encode()
            case 3:
                return text + text
        return text[place:]
