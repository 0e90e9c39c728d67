"""What contacts are about: ten groups with subcategories, and municipal words mapped onto them.

The groups and subcategories are those of Child Helpline International, so that figures can be
compared; municipalities count in words of their own ("jeugdhulp", "schulden"), and each of those
leads to one group, with or without a subcategory. All of it is data: `topics.json`, beside this file.
Kinds of contact (a test, a prank, a thank-you) are no topics: `Conversation.ContactKind`.
"""

import json
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

FILE = Path(__file__).parent / "topics.json"


@dataclass(frozen=True)
class Topic:
    """`topic` is a group, `detail` one of its subcategories or empty, `municipal` the municipal
    word that it was found by, or empty."""

    topic: str
    detail: str = ""
    municipal: str = ""


@cache
def data() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


@cache
def details() -> dict[str, dict[str, dict[str, str]]]:
    """Per group its subcategories: code and name in each language."""
    return {
        group["code"]: {detail["code"]: detail["text"] for detail in group["details"]}
        for group in data()["groups"]
    }


def find(code: str) -> Topic | None:
    """Read a group ("violence"), a subcategory ("violence.bullying") or a municipal word
    ("schulden"); None for what is not known."""
    for word in data()["municipal"]:
        if word["code"] == code:
            return Topic(word["topic"], word.get("detail", ""), code)
    topic, _dot, detail = code.partition(".")
    if topic not in details() or (detail and detail not in details()[topic]):
        return None
    return Topic(topic, detail)


def is_detail(topic: str, detail: str) -> bool:
    """Does this subcategory belong to this group? None at all always fits."""
    return not detail or detail in details().get(topic, {})


def detail_text(topic: str, detail: str, language: str) -> str:
    """The name of a subcategory in this language; empty if there is none."""
    texts = details().get(topic, {}).get(detail, {})
    return texts.get(language) or texts.get("nl", "")
