"""The words of return codes, and what somebody meant who typed one nearly right.

`nl.txt` is made by `scripts/return_words.py`; where its words come from is in `LICENSE.txt`. Two
words of it differ in their first five letters, are two typing errors apart, sound different, and
none begins with another. So five letters are enough, one error is mended, and words that were
typed without spaces can be told apart.
"""

import re
import unicodedata
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "nl.txt"
COUNT = 7
# Longer than this nobody types seven words.
MAX_INPUT = 200
# What is enough to know a word by its beginning.
PREFIX = 4


@cache
def words() -> tuple[str, ...]:
    lines = FILE.read_text(encoding="ascii").splitlines()
    return tuple(line for line in lines if line and not line.startswith("#"))


@cache
def _known() -> frozenset[str]:
    return frozenset(words())


class NotAWord(Exception):
    """The word at `number` (from 1; 0: not seven words) is none of the list, nor near just one."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.number = number


def read(text: str) -> tuple[str, ...]:
    """Return the seven words that somebody meant. Raises NotAWord.

    Capitals, accents, and anything between the words do not matter. Each word is taken as it is,
    or for the only one that begins like it, or for the only one that is near: always one code, so
    this makes no code easier to guess.
    """
    plain = unicodedata.normalize("NFKD", text[: MAX_INPUT + 1]).lower()
    if len(text) > MAX_INPUT:
        raise NotAWord(0)
    plain = "".join(letter for letter in plain if not unicodedata.combining(letter))
    parts = re.findall("[a-z]+", plain)
    if len(parts) != COUNT:
        parts = _split("".join(parts))
    meant = []
    for number, part in enumerate(parts, start=1):
        word = mend(part)
        if not word:
            raise NotAWord(number)
        meant.append(word)
    return tuple(meant)


def _split(letters: str) -> list[str]:
    """Tell seven words apart that have no, or strange, spaces between them."""
    parts: list[str] = []
    while letters and len(parts) <= COUNT:
        word = next((letters[:n] for n in range(4, 9) if letters[:n] in _known()), "")
        if not word:
            raise NotAWord(0)
        parts.append(word)
        letters = letters[len(word) :]
    if letters or len(parts) != COUNT:
        raise NotAWord(0)
    return parts


def mend(part: str) -> str:
    """Return the one word of the list that this must be; empty when none or several could be."""
    if part in _known():
        return part
    alike = _by_letter().get(part[:1], [])
    if len(part) >= PREFIX:
        begin = [word for word in alike if word.startswith(part)]
        if len(begin) == 1:
            return begin[0]
    some = {word for short in shortened(part) for word in _by_shortened().get(short, ())}
    near = [word for word in some if is_near(part, word, 1)]
    if not near and len(part) > PREFIX:
        # Two errors, but not in the first letter: nobody gets that wrong, and this stays quick.
        near = [word for word in alike if is_near(part, word, 2)]
    return near[0] if len(near) == 1 else ""


def shortened(word: str) -> set[str]:
    """The word, and each way to leave one letter out: what near words have in common."""
    return {word} | {word[:at] + word[at + 1 :] for at in range(len(word))}


@cache
def _by_letter() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words():
        found.setdefault(word[0], []).append(word)
    return found


@cache
def _by_shortened() -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for word in words():
        for short in shortened(word):
            found.setdefault(short, []).append(word)
    return found


def is_near(one: str, other: str, errors: int) -> bool:
    """Whether at most so many letters were left out, added, changed, or swapped with the next."""
    if abs(len(one) - len(other)) > errors:
        return False
    before: list[int] = []
    row = list(range(len(other) + 1))
    for i, letter in enumerate(one, start=1):
        last, before, row = before, row, [i] + [0] * len(other)
        for j, letter_of_other in enumerate(other, start=1):
            cost = min(before[j] + 1, row[j - 1] + 1, before[j - 1] + (letter != letter_of_other))
            if i > 1 and j > 1 and letter == other[j - 2] and one[i - 2] == letter_of_other:
                cost = min(cost, last[j - 2] + 1)
            row[j] = cost
        if min(row) > errors:
            return False
    return row[-1] <= errors
