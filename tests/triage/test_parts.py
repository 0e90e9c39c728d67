"""A questionnaire in parts: found, put back, moved, and not when somebody else was first."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.triage.drafting import default, small
from triage import parts
from triage.checking import check


def codes(data: dict[str, Any]) -> list[list[str]]:
    return [[question["code"] for question in step["questions"]] for step in data["steps"]]


def seen(data: dict[str, Any], kind: str, key: str) -> str:
    return parts.fingerprint(parts.part_at(data, kind, key))


def test_a_part_is_put_back_in_its_place_and_the_rest_stays() -> None:
    data = small()
    question = parts.part_at(data, "question", "safe") | {"is_sensitive": True}  # type: ignore[operator]
    changed = parts.put(data, "question", "safe", seen(data, "question", "safe"), question)
    assert changed["steps"][0]["questions"] == [question]
    assert changed["steps"][1:] == data["steps"][1:]
    assert data == small(), "what it was given is as it was"


def test_who_comes_second_hears_what_is_there_now() -> None:
    data = small()
    before = seen(data, "rule", "0")
    first = data["rules"][0] | {"urgency": "soon"}
    data = parts.put(data, "rule", "0", before, first)
    with pytest.raises(parts.Gone) as gone:
        parts.put(data, "rule", "0", before, first | {"urgency": "now"})
    assert gone.value.now == first


def test_a_rule_that_moved_is_found_back() -> None:
    data = small()
    other = data["rules"][0] | {"urgency": "soon"}
    data["rules"].insert(0, other)
    changed = parts.put(data, "rule", "0", seen(small(), "rule", "0"), {"urgency": "now"})
    assert changed["rules"] == [other, {"urgency": "now"}]


def test_two_changes_of_different_parts_both_stay() -> None:
    data = small()
    rule, words = seen(data, "rule", "0"), seen(data, "words", "0")
    data = parts.put(data, "rule", "0", rule, {"urgency": "soon"})
    data = parts.put(data, "words", "0", words, {"phrases": ["rook"]})
    assert (data["rules"], data["words"]) == ([{"urgency": "soon"}], [{"phrases": ["rook"]}])


def test_a_new_question_gets_a_screen_of_its_own_and_no_code_twice() -> None:
    new = {"code": "age", "kind": "text", "text": {}}
    data = parts.put(small(), "question", "", "", new)
    assert codes(data) == [["safe"], ["words"], ["age"]]
    with pytest.raises(parts.Gone):
        parts.put(data, "question", "", "", new)


def test_screens_are_joined_parted_and_moved() -> None:
    data = parts.join(small(), "words")
    assert codes(data) == [["safe", "words"]]
    data = parts.move(data, "question", "words", seen(data, "question", "words"), -1)
    assert codes(data) == [["words", "safe"]]
    data = parts.part_company(data, "words")
    assert codes(data) == [["safe"], ["words"]]
    data = parts.move(data, "screen", "words", seen(data, "screen", "words"), -1)
    assert codes(data) == [["words"], ["safe"]]
    # At the end there is no further.
    assert codes(parts.move(data, "screen", "words", seen(data, "screen", "words"), -1)) == codes(
        data
    )


def test_an_empty_screen_goes_with_its_last_question() -> None:
    data = parts.remove(small(), "question", "words", seen(small(), "question", "words"))
    assert codes(data) == [["safe"]]


def test_the_sentence_above_a_screen_comes_and_goes() -> None:
    data = small()
    data = parts.put(data, "screen", "words", seen(data, "screen", "words"), {})
    assert "text" not in data["steps"][1]
    data = parts.put(data, "screen", "safe", seen(data, "screen", "safe"), {"nl": "Hoi"})
    assert list(data["steps"][0]) == ["text", "questions"]


@pytest.mark.parametrize(
    ("text", "taken", "code"),
    [
        ("Ben je nu veilig?", set(), "ben_je_nu"),
        ("Één", {"een"}, "een_2"),
        ("???", set(), "x"),
        ("a" * 40, set(), "a" * 13),
    ],
)
def test_codes_are_made_of_the_text(text: str, taken: set[str], code: str) -> None:
    assert parts.code_for(text, taken) == code


@given(st.text(max_size=60), st.sets(st.sampled_from(["x", "x_2", "een", "ja"])))
def test_a_made_code_always_fits_and_is_new(text: str, taken: set[str]) -> None:
    code = parts.code_for(text, taken)
    assert code not in taken
    assert 0 < len(code) <= parts.LONGEST_CODE
    assert set(code) <= set("abcdefghijklmnopqrstuvwxyz0123456789_")


@given(st.lists(st.tuples(st.sampled_from(["up", "down", "join", "part"]), st.integers(0, 9))))
def test_whatever_is_moved_no_question_is_lost_and_it_can_still_be_published(
    deeds: list[tuple[str, int]],
) -> None:
    data = default()
    every = sorted(question["code"] for _s, _p, question in parts.questions(data))
    for deed, number in deeds:
        code = every[number % len(every)]
        if deed == "part":
            data = parts.part_company(data, code)
            continue
        heads = [step["questions"][0]["code"] for step in data["steps"]]
        head = heads[number % len(heads)]
        if deed == "join" and len(heads) > 1 and len(data["steps"][0]["questions"]) < 3:
            data = parts.join(data, head)
        elif deed in ("up", "down"):
            by = -1 if deed == "up" else 1
            data = parts.move(data, "screen", head, seen(data, "screen", head), by)
            data = parts.move(data, "question", code, seen(data, "question", code), by)
    assert sorted(question["code"] for _s, _p, question in parts.questions(data)) == every
    if all(len(step["questions"]) <= 4 for step in data["steps"]):
        check(data)
