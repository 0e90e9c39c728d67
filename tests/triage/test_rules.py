"""Urgency: tables of what people answer and write, and the promises that hold for everything."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat.models import Conversation
from triage import rules
from triage.models import default_data

DATA = default_data()
QUESTIONS = {question["code"]: question for question in rules.questions(DATA)}


def assess(**answers: str) -> rules.Assessment:
    return rules.assess(DATA, answers)


@pytest.mark.parametrize(
    ("answers", "urgency", "danger"),
    [
        ({}, "normal", False),
        ({"topic": "education", "safe": "yes", "heavy": "4", "age": "12_14"}, "normal", False),
        ({"age": "under_12"}, "normal", False),
        ({"safe": "unsure"}, "soon", False),
        ({"heavy": "5"}, "soon", False),
        ({"topic": "violence"}, "soon", False),
        ({"topic": "missing", "safe": "yes", "heavy": "1"}, "soon", False),
        ({"safe": "no"}, "now", True),
        ({"safe": "no", "heavy": "1"}, "now", True),
        ({"safe": "unsure", "heavy": "3"}, "soon", False),
        ({"safe": "unsure", "heavy": "4"}, "now", True),
        ({"topic": "violence", "heavy": "5"}, "now", True),
        ({"safe": "yes", "heavy": "1", "words": "ik wil dood"}, "now", True),
    ],
)
def test_answers_give_an_urgency(answers: dict[str, str], urgency: str, danger: bool) -> None:
    assessment = assess(**answers)
    assert (assessment.urgency, assessment.danger) == (urgency, danger)
    assert bool(assessment.reasons) == (urgency != "normal")


def reasons(assessment: rules.Assessment, language: str = "nl") -> list[str]:
    return [reason.text[language] for reason in assessment.reasons]


def test_a_weaker_reason_that_a_stronger_one_contains_is_not_said_as_well() -> None:
    assert reasons(assess(safe="no")) == ["Zegt nu niet veilig te zijn"]
    assert reasons(assess(safe="no", heavy="5")) == [
        "Zegt nu niet veilig te zijn",
        "Houdt het bijna niet vol",
    ]


@pytest.mark.parametrize(
    ("words", "urgency"),
    [
        ("Ik wil dood", "now"),
        ("IK WIL DOOD!!", "now"),
        ("ik denk aan zelfmoord", "now"),
        ("ik denk steeds aan zelfmoordplannen", "now"),
        ("ik wil niet meer leven", "now"),
        ("ik wil écht dood zijn", "now"),
        ("suïcidale gedachten", "now"),
        ("i want to die", "now"),
        ("I don\u2019t want to live", "now"),
        ("mijn stiefvader slaat me", "now"),
        ("ik ben verkracht", "now"),
        ("soms snijd ik in mijn arm, ik blijf snijden", "soon"),
        ("ik ben van huis weggelopen", "soon"),
        # Nothing of the kind
        ("mijn opa is dood en ik mis hem", "normal"),
        ("ik wil een hond", "normal"),
        ("mijn moeder snijdt altijd mijn brood", "normal"),
        ("ik wil doodgewoon rust", "normal"),
        ("de moordzaak op school", "normal"),
        # Denied, right before it
        ("ik denk niet aan zelfmoord", "normal"),
        ("geen zelfmoord hoor", "normal"),
        ("ik heb geen plannen voor zelfmoord", "normal"),
        ("i do not want to die", "normal"),
        ("nooit verkracht", "normal"),
        # Not denied: the denial belongs to something else
        ("ik weet niet of ik zelfmoord wil plegen", "now"),
        ("ik kan niet meer, ik wil dood", "now"),
        ("het gaat niet. zelfmoord lijkt de oplossing", "now"),
        # Denied once, said once
        ("geen zelfmoord, zei ik, maar ik wil dood", "now"),
    ],
)
def test_own_words_raise_the_urgency_unless_they_are_denied(words: str, urgency: str) -> None:
    assert assess(words=words).urgency == urgency


def test_reasons_are_sentences_with_the_heaviest_first_and_each_once() -> None:
    assessment = assess(topic="violence", safe="no", heavy="5", words="hij slaat me, hij schopt me")
    assert reasons(assessment) == [
        "Zegt nu niet veilig te zijn",
        "Geweld of weg van huis, en houdt het bijna niet vol",
        "Schrijft over geweld, misbruik of bedreiging",
    ]
    assert reasons(assess(safe="no"), "en")[0] == "Says not to be safe now"


def test_an_unknown_answer_weighs_nothing() -> None:
    assert assess(safe="maybe", heavy="99", colour="red").urgency == "normal"


# --- What holds for all answers -----------------------------------------------------------------

some_answers = st.fixed_dictionaries(
    {},
    optional={
        code: st.sampled_from([option["code"] for option in question["options"]])
        for code, question in QUESTIONS.items()
        if "options" in question
    }
    | {
        "words": st.text(max_size=40) | st.sampled_from(["ik wil dood", "niet", "snijden ", "geen"])
    },
)


def level(assessment: rules.Assessment) -> int:
    return rules.LEVELS.index(assessment.urgency)


@given(some_answers, st.sampled_from(["topic", "safe", "heavy"]), st.data())
def test_a_heavier_answer_never_lowers_the_urgency(
    answers: dict[str, str], code: str, data: st.DataObject
) -> None:
    weight = max(rules.weigh(DATA, answers).get(code, [0]))
    heavier = data.draw(
        st.sampled_from(
            [
                option["code"]
                for option in QUESTIONS[code]["options"]
                if option.get("weight", 0) >= weight
            ]
        )
    )
    before, after = rules.assess(DATA, answers), rules.assess(DATA, answers | {code: heavier})
    assert level(after) >= level(before)
    assert after.danger >= before.danger


@given(some_answers, st.text(max_size=200))
def test_words_never_lower_the_urgency(answers: dict[str, str], words: str) -> None:
    without = {code: value for code, value in answers.items() if code != "words"}
    assert level(assess(**without, words=words)) >= level(assess(**without))


@given(some_answers)
def test_an_assessment_can_always_be_explained(answers: dict[str, str]) -> None:
    assessment = assess(**answers)
    assert bool(assessment.reasons) == (assessment.urgency != "normal")
    assert not assessment.danger or assessment.urgency == "now"


# --- The questionnaire itself -------------------------------------------------------------------


def test_the_default_questionnaire_is_sound() -> None:
    rules.check(DATA)
    assert len(DATA["steps"]) <= 4
    topics = {option["code"] for option in QUESTIONS["topic"]["options"]}
    assert topics == set(Conversation.Topic.values)
    assert set(rules.LEVELS) == set(Conversation.Urgency.values)


def test_every_phrase_of_the_default_questionnaire_is_found() -> None:
    for group in DATA["words"]:
        for phrase in group["phrases"]:
            said = assess(words=f"nou ja: {phrase.removesuffix('*')}, dus")
            assert level(said) >= rules.LEVELS.index(group["urgency"]), phrase


def break_questionnaire(path: list[Any], value: Any) -> dict[str, Any]:
    broken: Any = copy.deepcopy(DATA)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    result: dict[str, Any] = broken
    return result


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (["steps", 0, "questions"], []),
        (["steps", 1, "questions", 0, "code"], "topic"),
        (["steps", 1, "questions", 0, "kind"], "drawing"),
        (["steps", 1, "questions", 0, "text"], {"nl": "Alleen Nederlands"}),
        (["steps", 1, "questions", 0, "options"], []),
        (["steps", 3, "questions", 1, "options"], [{"code": "a", "text": {"nl": "a", "en": "a"}}]),
        (["steps", 1, "questions", 0, "options", 1, "code"], "yes"),
        (["rules", 0, "at_least"], {"safe": 3}),
        (["rules", 0, "at_least"], {"weather": 1}),
        (["rules", 0, "at_least"], {}),
        (["rules", 0, "urgency"], "whenever"),
        (["rules", 0, "reason"], "Nederlands"),
        (["words", 0, "phrases"], []),
        (["words", 0, "question"], "topic"),
    ],
)
def test_a_questionnaire_that_cannot_work_is_refused(path: list[Any], value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        rules.check(break_questionnaire(path, value))
