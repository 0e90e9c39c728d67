"""A questionnaire in the hands of a coordinator: its parts, one at a time. Pure functions on data.

A part is a question (found by its code), a screen (by the code of its first question), a rule, a word
list or a wish (by their place). Whoever changes one says which one they saw, by its fingerprint: so
two coordinators who change different parts do not hinder each other, and two who change the same one
hear of it. Nothing here changes the data that it is given.
"""

import copy
import hashlib
import json
import re
import unicodedata
from collections.abc import Iterator
from typing import Any

Data = dict[str, Any]
# Parts that stand in a list of their own, and the way to that list.
LISTS = {"rule": ("rules",), "words": ("words",), "wish": ("routing", "wishes")}
KINDS = ("question", "screen", *LISTS)
LONGEST_CODE = 16
EMPTY: Data = {"name": "", "steps": [], "rules": [], "words": [], "routing": {"wishes": []}}


class Gone(Exception):
    """The part is not what its editor saw; `now` is what is there instead, None if nothing is."""

    def __init__(self, now: Any = None) -> None:
        super().__init__()
        self.now = now


def fingerprint(part: Any) -> str:
    """Return the same for the same part, whoever asks."""
    text = json.dumps(part, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()[:24]


def questions(data: Data) -> Iterator[tuple[int, int, Data]]:
    """Every question with the number of its screen, and its own on that screen."""
    for number, step in enumerate(data["steps"]):
        for place, question in enumerate(step["questions"]):
            yield number, place, question


def question_of(data: Data, code: str) -> Data | None:
    return next((one for _step, _place, one in questions(data) if one.get("code") == code), None)


def listed(data: Data, kind: str) -> list[Any]:
    """The list in which rules, word lists or wishes stand; made if it is not there."""
    found: Any = data
    *way, last = LISTS[kind]
    for name in way:
        found = found.setdefault(name, {})
    parts: list[Any] = found.setdefault(last, [])
    return parts


def place_of(data: Data, kind: str, key: str) -> str:
    """The way to this part in the data, as problems name it; empty if it is not there."""
    if kind in ("question", "screen"):
        for step, place, question in questions(data):
            if question.get("code") == key:
                return f"steps.{step}" + (f".questions.{place}" if kind == "question" else "")
        return ""
    number = int(key)
    return f"{'.'.join(LISTS[kind])}.{number}" if number < len(listed(data, kind)) else ""


def part_at(data: Data, kind: str, key: str) -> Any | None:
    """Return this part as it is, None if there is no such thing."""
    if kind == "question":
        return question_of(data, key)
    if kind == "screen":
        step = _step_of(data, key)
        return None if step is None else step.get("text", {})
    parts = listed(copy.deepcopy(data), kind)
    return parts[int(key)] if int(key) < len(parts) else None


def put(data: Data, kind: str, key: str, seen: str, part: Any) -> Data:
    """Put this part where the one was that the editor saw; without a `key` it is a new one.

    Raises Gone when that one is no longer there or was changed.
    """
    data = copy.deepcopy(data)
    if kind == "screen":
        step = _screen(data, key, seen)
        step.pop("text", None)
        if any(part.values()):
            # Before the questions, also in a file.
            questions_of_step = step.pop("questions")
            step |= {"text": part, "questions": questions_of_step}
        return data
    if not key:
        if kind == "question":
            if question_of(data, part["code"]) is not None:
                raise Gone
            data["steps"].append({"questions": [part]})
        else:
            listed(data, kind).append(part)
        return data
    where, index = _found(data, kind, key, seen)
    where[index] = part
    return data


def remove(data: Data, kind: str, key: str, seen: str) -> Data:
    """Take this part out; an empty screen goes with its last question."""
    data = copy.deepcopy(data)
    where, index = _found(data, kind, key, seen)
    del where[index]
    if kind == "question":
        data["steps"] = [step for step in data["steps"] if step["questions"]]
    return data


def move(data: Data, kind: str, key: str, seen: str, by: int) -> Data:
    """Move a part one place up (-1) or down (1); at the end it stays where it is."""
    data = copy.deepcopy(data)
    if kind == "screen":
        where, index = data["steps"], data["steps"].index(_screen(data, key, seen))
    else:
        where, index = _found(data, kind, key, seen)
    to = index + by
    if 0 <= to < len(where):
        where[index], where[to] = where[to], where[index]
    return data


def join(data: Data, key: str) -> Data:
    """Ask the questions of this screen together with those of the screen before."""
    data = copy.deepcopy(data)
    step = _step_of(data, key)
    if step is None:
        raise Gone
    index = data["steps"].index(step)
    if index:
        data["steps"][index - 1]["questions"] += step["questions"]
        del data["steps"][index]
    return data


def part_company(data: Data, key: str) -> Data:
    """Ask this question on a screen of its own, after the one that it was on."""
    data = copy.deepcopy(data)
    for step, place, question in questions(data):
        if question.get("code") == key:
            if len(data["steps"][step]["questions"]) > 1:
                del data["steps"][step]["questions"][place]
                data["steps"].insert(step + 1, {"questions": [question]})
            return data
    raise Gone


def _step_of(data: Data, key: str) -> Data | None:
    for step in data["steps"]:
        if step["questions"] and step["questions"][0].get("code") == key:
            found: Data = step
            return found
    return None


def _screen(data: Data, key: str, seen: str) -> Data:
    step = _step_of(data, key)
    if step is None:
        raise Gone
    if seen != fingerprint(step.get("text", {})):
        raise Gone(step.get("text", {}))
    return step


def _found(data: Data, kind: str, key: str, seen: str) -> tuple[list[Any], int]:
    """The list that the part stands in and its place, if it is still what the editor saw."""
    if kind == "question":
        for step, place, question in questions(data):
            if question.get("code") == key:
                if seen != fingerprint(question):
                    raise Gone(question)
                return data["steps"][step]["questions"], place
        raise Gone
    where = listed(data, kind)
    alike = [place for place, part in enumerate(where) if fingerprint(part) == seen]
    if not alike:
        raise Gone(where[int(key)] if int(key) < len(where) else None)
    return where, int(key) if int(key) in alike else alike[0]


def code_for(text: str, taken: set[str]) -> str:
    """Make a code of a text: small letters, digits and _, and not yet taken."""
    plain = unicodedata.normalize("NFKD", text.lower()).encode("ascii", "ignore").decode()
    words = re.findall(r"[a-z0-9]+", plain)
    short = ""
    for word in words:
        longer = f"{short}_{word}".strip("_")
        if len(longer) > LONGEST_CODE - 3:
            break
        short = longer
    short = short or (words[0][: LONGEST_CODE - 3] if words else "x")
    code, number = short, 1
    while code in taken:
        number += 1
        code = f"{short}_{number}"
    return code
