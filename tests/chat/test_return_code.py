"""The words of return codes, what typing errors do, and what is kept of a code."""

import math
import random
from typing import Any

import pytest

from chat import return_words
from chat.models import ReturnCode, Visitor
from chat.return_words import NotAWord, is_near, mend, shortened, words
from institutions.models import Brand
from scripts.return_words import REFUSED, STEMS, sound
from tests.people import begin_visit

EXAMPLE = tuple(words()[at] for at in (100, 500, 900, 1300, 1700, 2100, 2600))


def test_seven_words_are_at_least_eighty_bits() -> None:
    assert return_words.COUNT * math.log2(len(words())) >= 80
    assert len(set(words())) == len(words())


def test_words_are_short_plain_and_decent() -> None:
    refused = {
        word
        for line in REFUSED.read_text().splitlines()
        if not line.startswith("#")
        for word in line.split()
    }
    for word in words():
        assert word.isascii()
        assert word.isalpha()
        assert word.islower()
        assert 4 <= len(word) <= 8
        assert word not in refused
        assert not STEMS.search(word)


def test_no_two_words_begin_or_sound_alike_or_are_one_typing_error_apart() -> None:
    assert len({word[:5] for word in words()}) == len(words())
    assert len({sound(word) for word in words()}) == len(words())
    known = set(words())
    assert not [word for word in words() for end in range(4, len(word)) if word[:end] in known]
    near: dict[str, list[str]] = {}
    for word in words():
        for some in shortened(word):
            for other in near.get(some, []):
                assert not is_near(word, other, 1), (word, other)
            near.setdefault(some, []).append(word)


def test_a_code_is_read_however_it_was_typed() -> None:
    for text in (
        " ".join(EXAMPLE),
        "  " + " ".join(EXAMPLE).upper() + " ",
        ", ".join(EXAMPLE) + ".",
        "-".join(EXAMPLE),
        "\n".join(f"{number}. {word}" for number, word in enumerate(EXAMPLE, start=1)),
        "".join(EXAMPLE),
        "".join(EXAMPLE[:3]) + " " + " ".join(EXAMPLE[3:]),
        " ".join(word[:5] for word in EXAMPLE),
    ):
        assert return_words.read(text) == EXAMPLE


def test_any_one_typing_error_in_any_word_is_mended_or_said_never_another_word() -> None:
    """Two words are two errors apart, so one error can lead to no other word of the list."""
    chance = random.Random(7)
    letters = "abcdefghijklmnopqrstuvwxyz"
    mended = 0
    for word in chance.sample(words(), 150):
        at = chance.randrange(len(word))
        wrong = chance.choice(
            [
                word[:at] + word[at + 1 :],
                word[:at] + chance.choice(letters) + word[at + 1 :],
                word[:at] + chance.choice(letters) + word[at:],
            ]
        )
        meant = mend(wrong)
        assert meant in (word, "") or not is_near(wrong, word, 1) or meant.startswith(wrong)
        mended += meant == word
    assert mended > 130


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("", 0),
        ("olifant tafel", 0),
        ("x" * 300, 0),
        (" ".join(EXAMPLE[:6]) + " qqqqq", 7),
        ("1234 5678", 0),
        ("Ω" * 50, 0),
    ],
)
def test_what_cannot_be_a_code_says_which_word(text: str, number: int) -> None:
    with pytest.raises(NotAWord) as wrong:
        return_words.read(text)
    assert wrong.value.number == number


@pytest.mark.django_db
def test_a_code_leads_back_and_only_a_hash_is_kept(visitor: Visitor) -> None:
    token = visitor.token  # type: ignore[attr-defined]
    code = ReturnCode.of(visitor, token)
    assert ReturnCode.of(visitor, token) == code
    row = ReturnCode.objects.get()
    assert not set(code.split()) & set(row.words_hash.split())
    assert code.encode() not in bytes(row.sealed_words or b"")
    found = ReturnCode.find(code.upper().replace(" ", ", "))
    assert found == (visitor, code)


@pytest.mark.django_db
def test_only_the_browser_of_the_visit_sees_the_words_again(visitor: Visitor, brand: Brand) -> None:
    ReturnCode.of(visitor, visitor.token)  # type: ignore[attr-defined]
    row = ReturnCode.objects.get()
    assert row.words(visitor.token)  # type: ignore[attr-defined]
    assert row.words(begin_visit(brand).token) == ""  # type: ignore[attr-defined]
    assert row.words("") == ""
    visitor.leave()
    row.refresh_from_db()
    assert row.sealed_words is None


@pytest.mark.django_db
def test_coming_back_ends_the_visit_before_it(visitor: Visitor) -> None:
    old = visitor.token  # type: ignore[attr-defined]
    code = ReturnCode.of(visitor, old)
    token = visitor.return_code.come_back(code)
    assert Visitor.find(old) is None
    assert Visitor.find(token) == visitor
    visitor.return_code.refresh_from_db()
    assert visitor.return_code.words(token) == code


@pytest.mark.django_db
def test_a_new_code_ends_the_old_one(visitor: Visitor) -> None:
    token = visitor.token  # type: ignore[attr-defined]
    old = ReturnCode.of(visitor, token)
    new = ReturnCode.make(visitor, token)
    assert ReturnCode.find(old) is None
    assert ReturnCode.find(new) == (visitor, new)


@pytest.mark.django_db
def test_mending_looks_up_one_code_whatever_was_typed(
    visitor: Visitor, django_assert_num_queries: Any
) -> None:
    """A guess is a guess at one code of 2,797 to the seventh, with typing errors or without."""
    ReturnCode.make(visitor, "token")
    for typed in (" ".join(EXAMPLE), " ".join(word[:5] for word in EXAMPLE), "".join(EXAMPLE)):
        with django_assert_num_queries(1):
            assert ReturnCode.find(typed) is None


def test_another_code_leads_to_nobody(visitor: Visitor) -> None:
    code = ReturnCode.of(visitor, visitor.token).split()  # type: ignore[attr-defined]
    other = next(word for word in words() if word != code[3])
    assert ReturnCode.find(" ".join([*code[:3], other, *code[4:]])) is None
    assert ReturnCode.find(" ".join(reversed(code))) is None or code == code[::-1]
