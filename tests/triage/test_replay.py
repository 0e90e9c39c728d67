"""What a draft would have made of who came: figures, and never one young person."""

import json
from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from chat.models import Conversation, ConversationKey
from institutions.models import Brand
from roster.models import ServiceLine
from tests.people import begin_visit
from tests.triage.drafting import small
from triage.models import Intake, Questionnaire
from triage.replay import Replay, replay

pytestmark = pytest.mark.django_db

# Each number can be told from any other that a page may hold.
HIDDEN = ("1", "2", "3", "4")


def come(brand: Brand, line: ServiceLine, answers: dict[str, Any]) -> Conversation:
    """A young person answers the questions, and their chat begins."""
    intake = Intake.begin(begin_visit(brand))
    for step, one in enumerate(intake.questionnaire.steps):
        codes = [question["code"] for question in one["questions"]]
        intake.answer(step, {code: answers[code] for code in codes if code in answers})
        intake.refresh_from_db()
    return intake.start_conversation(line)


@pytest.fixture
def five(brand: Brand, line: ServiceLine) -> list[Conversation]:
    """Five who are not safe, and one who wrote about fire."""
    Questionnaire.publish(brand, small())
    found = [come(brand, line, {"safe": "no"}) for _n in range(5)]
    return [*found, come(brand, line, {"safe": "yes", "words": "er is brand"})]


def test_the_same_questions_change_nothing(brand: Brand, five: list[Conversation]) -> None:
    found = replay(brand, small(), timezone.now())
    assert found.moved == {("now", "now"): 5, ("soon", "soon"): 1}
    assert (found.different, found.erased, found.unknown) == (0, 0, 0)


def test_other_rules_are_counted_from_old_to_new(brand: Brand, five: list[Conversation]) -> None:
    data = small()
    data["rules"][0]["urgency"] = "soon"
    data["words"][0]["urgency"] = "now"
    found = replay(brand, data, timezone.now())
    assert found.moved == {("now", "soon"): 5, ("soon", "now"): 1}
    assert found.different == 6


def test_each_is_compared_with_the_version_that_they_answered(
    brand: Brand, line: ServiceLine, five: list[Conversation]
) -> None:
    data = small()
    data["rules"] = []
    Questionnaire.publish(brand, data)
    come(brand, line, {"safe": "no"})
    found = replay(brand, data, timezone.now())
    assert found.moved == {("now", "normal"): 5, ("soon", "soon"): 1, ("normal", "normal"): 1}


def test_what_is_erased_or_old_or_of_another_site_is_left_out(
    brand: Brand, line: ServiceLine, five: list[Conversation]
) -> None:
    ConversationKey.objects.filter(pk=five[0].pk).delete()
    Conversation.objects.filter(pk=five[1].pk).update(
        created_at=timezone.now() - timedelta(days=91)
    )
    Conversation.start(visitor=begin_visit(brand), line=line, intake=json.dumps({"answers": []}))
    other = Brand.objects.create(host="other.example", name="Anders")
    Conversation.objects.filter(pk=five[2].pk).update(brand=other)
    found = replay(brand, small(), timezone.now())
    assert (found.counted, found.erased, found.unknown) == (3, 1, 1)


ANSWERS = st.fixed_dictionaries(
    {}, optional={"safe": st.sampled_from(["yes", "no"]), "words": st.sampled_from(["x", "brand!"])}
)


@settings(max_examples=10, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(ANSWERS, max_size=4))
def test_whoever_came_the_same_version_differs_in_none(
    brand: Brand, line: ServiceLine, people: list[dict[str, str]]
) -> None:
    Questionnaire.publish(brand, small())
    for answers in people:
        come(brand, line, answers)
    assert replay(brand, Questionnaire.current(brand).data, timezone.now()).different == 0


@given(
    st.dictionaries(
        st.tuples(*[st.sampled_from(["now", "soon", "normal"])] * 2), st.integers(0, 400)
    )
)
def test_no_small_number_is_shown_or_can_be_worked_out(cells: dict[tuple[str, str], int]) -> None:
    found = Replay(Counter(cells))
    told = [cell["told"] for row in found.rows for cell in row["cells"]]
    assert not set(told) & set(HIDDEN)
    assert found.told_different not in HIDDEN
    assert found.told_counted not in HIDDEN
    if found.is_small:
        for total in (found.told_counted, found.told_different):
            assert not total.isdecimal() or total == "0"
