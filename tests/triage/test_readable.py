"""Questionnaires, and what differs between two, in words."""

import pytest
from django.utils import translation

from tests.triage.drafting import default, small
from triage import readable
from triage.readable import differences


@pytest.fixture(autouse=True)
def _dutch() -> object:
    with translation.override("nl"):
        yield


def told(before: object, after: object) -> list[tuple[str, str, list[tuple[str, str, str]]]]:
    return [(one.sort, one.title, one.changes) for one in differences(before, after)]  # type: ignore[arg-type]


def test_the_same_differs_in_nothing() -> None:
    assert told(small(), small()) == []
    assert told(default(), default()) == []


def test_another_text_is_told_before_and_after() -> None:
    data = small()
    data["steps"][0]["questions"][0]["text"]["nl"] = "Is het veilig?"
    ((sort, title, changes),) = told(small(), data)
    assert (sort, title) == ("changed", "Vraag “Is het veilig?”")
    assert changes == [("Tekst (nl)", "Ben je veilig?", "Is het veilig?")]


def test_of_a_word_list_only_the_words_that_differ_are_told() -> None:
    data = small()
    data["words"][0]["phrases"] = ["in vlammen", "brand*"]
    ((_sort, _title, changes),) = told(small(), data)
    assert changes == [("Woorden", "", "in vlammen")]
    ((_sort, _title, changes),) = told(data, small())
    assert changes == [("Woorden", "in vlammen", "")]


def test_another_kind_of_contact_is_told() -> None:
    data = small() | {"contact_kind": "about_child"}
    ((_sort, title, changes),) = told(small(), data)
    assert title == "De vragenlijst"
    assert changes == [("Soort contact", "", "over een ander kind of jongere")]


def test_another_weight_is_told_with_its_answer() -> None:
    data = small()
    data["steps"][0]["questions"][0]["options"][1]["weight"] = 1
    ((_sort, _title, changes),) = told(small(), data)[:1]
    assert changes == [("Antwoord no", "Nee / No · gewicht 2", "Nee / No · gewicht 1")]


def test_a_new_and_a_removed_part_are_told_as_such() -> None:
    data = small()
    rule = data["rules"].pop()
    assert [one[:2] for one in told(small(), data)] == [
        ("gone", "Regel “Zegt niet veilig te zijn”")
    ]
    assert [one[:2] for one in told(data, small())] == [("new", "Regel “Zegt niet veilig te zijn”")]
    data["rules"] = [rule | {"urgency": "soon"}]
    assert told(small(), data) == [
        ("changed", "Regel “Zegt niet veilig te zijn”", [("Urgentie", "nu", "snel")])
    ]


def test_another_order_and_other_screens_are_told_once() -> None:
    data = small()
    data["steps"].reverse()
    assert told(small(), data) == [
        (
            "order",
            "Volgorde van de vragen",
            [("Schermen", "Ben je veilig? · Wat is er?", "Wat is er? · Ben je veilig?")],
        )
    ]


def test_a_change_without_words_is_told_all_the_same() -> None:
    data = small()
    data["rules"].append(data["rules"][0] | {"urgency": "soon", "danger": False})
    after = small()
    after["rules"] = data["rules"][::-1]
    assert len(told(data, after)) == 1


def test_conditions_name_the_question_and_the_answers() -> None:
    data = small()
    part = {"at_least": {"safe": 2}, "chosen": {"safe": ["no"]}}
    assert readable.conditions(data, part) == [
        "“Ben je veilig?”: gewicht 2 of hoger (Nee)",
        "“Ben je veilig?”: een van Nee",
    ]
    assert readable.conditions(data, {"at_least": {"gone": 1}}), "also of what is not there"


def test_a_coordinator_reads_it_in_their_own_language() -> None:
    with translation.override("en"):
        assert readable.conditions(small(), {"chosen": {"safe": ["no"]}})[0].count("Are you safe?")
