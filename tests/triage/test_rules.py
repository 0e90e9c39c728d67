"""Urgency: tables of what people answer and write, and the promises that hold for everything."""

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import topics
from chat.models import Conversation
from triage import rules
from triage.models import default_data

DATA = default_data()
PARENTS = default_data("ouders")
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
    assert reasons(assess(safe="no")) == ["Zei: is nu niet veilig"]
    assert reasons(assess(safe="no", heavy="5")) == [
        "Zei: is nu niet veilig",
        "Zei: houdt het bijna niet vol",
    ]


def test_reasons_are_sentences_with_the_heaviest_first_and_each_once() -> None:
    assessment = assess(topic="violence", safe="no", heavy="5", words="hij slaat me, hij schopt me")
    assert reasons(assessment) == [
        "Zei: is nu niet veilig",
        "Gaat over geweld of over weg zijn van huis, en zei: houdt het bijna niet vol",
        "Eerste woorden noemen geweld, misbruik of bedreiging",
    ]
    assert reasons(assess(safe="no"), "en")[0] == "Said: not safe now"


def test_an_unknown_answer_weighs_nothing() -> None:
    assert assess(safe="maybe", heavy="99", colour="red").urgency == "normal"


def test_several_answers_weigh_as_much_as_the_heaviest_and_can_be_counted() -> None:
    def parents(**answers: Any) -> rules.Assessment:
        return rules.assess(PARENTS, answers)

    assert parents(topic=["school", "bullying"]).urgency == "normal"
    assert parents(topic=["school", "harm"]).urgency == "soon"
    assert parents(topic=["myself", "harm"], heavy="4").holding == ("rules.5", "rules.7")
    assert parents(topic=["school"], heavy="4").urgency == "normal"
    assert parents(topic=["myself"], age="0_3").urgency == "soon"
    assert parents(topic=["myself"], age="12_14").urgency == "normal"


def test_an_age_band_can_be_asked_for_together_with_a_weight() -> None:
    assert assess(age="under_12", heavy="4").urgency == "soon"
    assert assess(age="15_17", heavy="4").urgency == "normal"


def test_answers_lead_to_wishes_for_the_worker() -> None:
    assert rules.wishes(DATA, {"age": "under_12"}) == ["children"]
    assert rules.wishes(DATA, {"age": "15_17", "topic": "violence"}) == []


# --- What holds for all answers -----------------------------------------------------------------


def answers_to(data: Any) -> st.SearchStrategy[dict[str, Any]]:
    """Every way to answer some of these questions."""
    ways: dict[str, st.SearchStrategy[Any]] = {}
    for question in rules.questions(data):
        codes = [option["code"] for option in question.get("options", ())]
        if question["kind"] == "choices":
            ways[question["code"]] = st.lists(st.sampled_from(codes), unique=True)
        elif codes:
            ways[question["code"]] = st.sampled_from(codes)
        elif question["kind"] == "place":
            ways[question["code"]] = st.sampled_from(["GM0917", "unsaid"])
        else:
            ways[question["code"]] = st.text(max_size=40) | st.sampled_from(
                ["ik wil dood", "niet", "snijden ", "geen"]
            )
    return st.fixed_dictionaries({}, optional=ways)


some_answers = answers_to(DATA)
both = st.sampled_from([DATA, PARENTS]).flatmap(
    lambda data: st.tuples(st.just(data), answers_to(data))
)


def level(assessment: rules.Assessment) -> int:
    return rules.LEVELS.index(assessment.urgency)


@given(both, st.data())
def test_a_heavier_answer_never_lowers_the_urgency(
    asked: tuple[Any, dict[str, Any]], data: st.DataObject
) -> None:
    questionnaire, answers = asked
    with_options = [one for one in rules.questions(questionnaire) if "options" in one]
    question = data.draw(st.sampled_from(with_options))
    code, before = question["code"], rules.assess(questionnaire, answers)
    weight = max(rules.weigh(questionnaire, answers).get(code, [-1]))
    if question["kind"] == "choices":
        more = data.draw(st.sampled_from([option["code"] for option in question["options"]]))
        raised = [*answers.get(code, []), more]
    else:
        heavier = [
            one["code"] for one in question["options"] if one.get("weight", 0) > max(weight, 0)
        ]
        if not heavier:
            return
        raised = data.draw(st.sampled_from(heavier))
    after = rules.assess(questionnaire, answers | {code: raised})
    assert level(after) >= level(before)
    assert after.danger >= before.danger


@given(both, st.randoms())
def test_the_order_of_the_answers_does_not_matter(
    asked: tuple[Any, dict[str, Any]], random: Any
) -> None:
    questionnaire, answers = asked
    shuffled = [
        (code, random.sample(value, len(value)) if isinstance(value, list) else value)
        for code, value in random.sample(list(answers.items()), len(answers))
    ]
    assert rules.assess(questionnaire, dict(shuffled)) == rules.assess(questionnaire, answers)


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


@pytest.mark.parametrize("name", ["jongeren", "ouders"])
def test_the_questionnaires_that_come_along_are_sound_and_short(name: str) -> None:
    data = default_data(name)
    rules.check(data)
    assert len(data["steps"]) <= 6
    assert all(len(step["questions"]) == 1 for step in data["steps"])
    assert set(rules.LEVELS) == set(Conversation.Urgency.values)
    led_to = {
        topics.find(option["topic"])
        for option in rules.questions(data)[0]["options"]
        if "topic" in option
    }
    assert None not in led_to


@pytest.mark.parametrize("name", ["jongeren", "ouders"])
def test_every_phrase_of_a_questionnaire_is_found(name: str) -> None:
    data = default_data(name)
    for group in data["words"]:
        for phrase in group["phrases"]:
            words = f"nou ja: {phrase.removesuffix('*')}, dus"
            found = rules.assess(data, {"words": words})
            assert level(found) >= rules.LEVELS.index(group["urgency"]), phrase


def break_questionnaire(path: list[Any], value: Any) -> dict[str, Any]:
    broken: Any = copy.deepcopy(DATA)
    place = broken
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    result: dict[str, Any] = broken
    return result


TEXT = {"nl": "a", "en": "a"}
BROKEN: list[tuple[list[Any], Any, str]] = [
    (["name"], "", "name"),
    (["steps"], [], "steps"),
    (["steps"], "x", "steps"),
    (["steps", 0, "questions"], [], "steps.0.questions"),
    (["steps", 1, "questions", 0, "code"], "topic", "steps.1.questions.0.code"),
    (["steps", 1, "questions", 0, "code"], "Naam!", "steps.1.questions.0.code"),
    (["steps", 1, "questions", 0, "kind"], "drawing", "steps.1.questions.0.kind"),
    (["steps", 1, "questions", 0, "text"], {"nl": "Alleen"}, "steps.1.questions.0.text.en"),
    (["steps", 1, "questions", 0, "options"], [], "steps.1.questions.0.options"),
    (["steps", 3, "questions", 0, "options"], [TEXT], "steps.3.questions.0.options"),
    (["steps", 4, "questions", 0, "kind"], "place", "steps"),
    (
        ["steps", 1, "questions", 0, "options", 1, "code"],
        "yes",
        "steps.1.questions.0.options.1.code",
    ),
    (
        ["steps", 1, "questions", 0, "options", 1, "weight"],
        -1,
        "steps.1.questions.0.options.1.weight",
    ),
    (
        ["steps", 0, "questions", 0, "options", 0, "topic"],
        "moon",
        "steps.0.questions.0.options.0.topic",
    ),
    (["contact_kind"], "prank", "contact_kind"),
    (["contact_kind"], ["about_child"], "contact_kind"),
    (["rules", 0, "at_least"], {"safe": 3}, "rules.0.at_least.safe"),
    (["rules", 0, "at_least"], {"weather": 1}, "rules.0.at_least.weather"),
    (["rules", 0, "at_least"], {}, "rules.0"),
    (["rules", 0, "chosen"], {"safe": ["maybe"]}, "rules.0.chosen.safe"),
    (["rules", 0, "chosen"], {"safe": ["unsure"]}, "rules.0.chosen.safe"),
    (["rules", 0, "count"], {"safe": 2}, "rules.0.count.safe"),
    (["rules", 0, "urgency"], "whenever", "rules.0.urgency"),
    (["rules", 0, "urgency"], "normal", "rules.0.urgency"),
    (["rules", 0, "danger"], "yes", "rules.0.danger"),
    (["rules", 0, "reason"], "Nederlands", "rules.0.reason"),
    (["rules", 0, "reason"], {"nl": "a" * 301, "en": "a"}, "rules.0.reason.nl"),
    (["rules", 0, "colour"], "red", "rules.0.colour"),
    (["words", 0, "phrases"], [], "words.0.phrases"),
    (["words", 0, "phrases"], ["x"], "words.0.phrases.0"),
    (["words", 0, "question"], "topic", "words.0.question"),
    (["routing", "wishes", 0, "wish"], "magic", "routing.wishes.0.wish"),
]


@pytest.mark.parametrize(("path", "value", "place"), BROKEN)
def test_a_questionnaire_that_cannot_work_is_refused_and_the_place_named(
    path: list[Any], value: Any, place: str
) -> None:
    with pytest.raises(rules.Unsound) as refused:
        rules.check(break_questionnaire(path, value))
    assert place in [problem.place for problem in refused.value.problems]


def test_everything_that_is_wrong_is_said_at_once_with_question_and_field() -> None:
    broken = copy.deepcopy(DATA)
    broken["steps"][1]["questions"][0]["text"]["en"] = " "
    broken["steps"][2]["questions"][0]["options"] = []
    del broken["rules"][5:], broken["words"][0]["reason"]
    with pytest.raises(rules.Unsound) as refused:
        rules.check(broken)
    found = {(one.question, one.field) for one in refused.value.problems}
    assert ("safe", "text") in found
    assert ("heavy", "options") in found
    assert ("", "reason") in found


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["name", "steps", "questions", "rules", "words", "code", "kind", "options"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_no_data_makes_the_check_itself_fail(data: Any) -> None:
    with pytest.raises(rules.Unsound):
        rules.check(data)
