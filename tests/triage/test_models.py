"""Answers of a visit: sealed, kept in step, handed over, forgotten."""

import json
from datetime import timedelta

import pytest
from django.core import serializers
from django.db import connection
from django.utils import timezone

from chat.models import Conversation, Visitor
from chat.reading import intake_of
from institutions.models import Brand
from institutions.sealing import DataKey, SealBroken
from roster.models import ServiceLine
from triage.models import KEPT, Intake, Questionnaire, Stale, default_data, forget_old

PLANTED = "de schommel achter het gele huis"


@pytest.fixture
def intake(visitor: Visitor) -> Intake:
    return Intake.begin(visitor)


def everything_in_the_database() -> str:
    """Return every value of every column, as text."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            for row in cursor.fetchall():
                for value in row:
                    if isinstance(value, bytes | memoryview):
                        value = bytes(value).decode("latin-1")
                    found.append(str(value))
    return "\n".join(found)


def test_a_questionnaire_is_published_once_until_it_changes(brand: Brand) -> None:
    first = Questionnaire.publish_default(brand)
    assert Questionnaire.publish_default(brand) == first
    other = json.loads(json.dumps(default_data()))
    other["name"] = "anders"
    second = Questionnaire.publish(brand, other)
    assert (first.version, second.version) == (1, 2)
    assert Questionnaire.current(brand) == second


def test_a_brand_without_a_questionnaire_gets_the_default_one(brand: Brand) -> None:
    assert Questionnaire.current(brand).data == default_data()


def test_an_intake_keeps_the_version_that_it_answered(brand: Brand, intake: Intake) -> None:
    other = json.loads(json.dumps(default_data()))
    del other["steps"][1:]
    other["rules"], other["words"], other["routing"] = other["rules"][5:6], [], {}
    Questionnaire.publish(brand, other)
    intake.answer(0, {"topic": "family"})
    intake.refresh_from_db()
    assert len(intake.questionnaire.steps) == len(default_data()["steps"])
    assert not intake.is_done


def test_what_somebody_answers_is_in_no_column(visitor: Visitor, intake: Intake) -> None:
    for step in range(3):
        intake.answer(step, {})
    intake.answer(3, {"words": PLANTED})
    intake.answer(4, {"age": "12_14"})
    intake.refresh_from_db()
    assert intake.answers() == {"words": PLANTED, "age": "12_14"}
    dump = everything_in_the_database()
    assert PLANTED not in dump
    assert "schommel" not in dump
    assert '"age": "12_14"' not in dump
    assert visitor.token not in dump  # type: ignore[attr-defined]
    assert visitor.brand.name in dump, "the dump holds nothing at all"


def test_answers_open_only_in_their_own_place(intake: Intake) -> None:
    with pytest.raises(SealBroken):
        DataKey.unwrap(intake.sealing_key, intake.wrapped).unseal(
            intake.sealed_answers, intake.visitor_id + 1, "intake"
        )


def test_the_answers_move_into_the_conversation_and_stay_sealed(
    intake: Intake, line: ServiceLine
) -> None:
    intake.answer(0, {"topic": "violence"})
    intake.answer(1, {"safe": "no"})
    intake.answer(2, {})
    intake.answer(3, {"words": PLANTED})
    conversation = intake.start_conversation(line)
    assert conversation.urgency == Conversation.Urgency.NOW
    summary = json.loads(conversation.intake())
    assert {
        "nl": "Zei: is nu niet veilig",
        "en": "Said: not safe now",
    } in summary["reasons"]
    assert {
        "question": {"nl": "Ben je nu veilig?", "en": "Are you safe right now?"},
        "answer": {"nl": "Nee", "en": "No"},
    } in summary["answers"]
    assert summary["answers"][-1]["answer"] == PLANTED
    asked = [answer["question"]["nl"] for answer in summary["answers"]]
    assert "Hoe zwaar voelt het nu?" not in asked
    assert not Intake.objects.exists()
    assert PLANTED not in everything_in_the_database()


def test_each_worker_reads_their_own_language_whatever_the_visitor_speaks(
    brand: Brand, line: ServiceLine
) -> None:
    visitor, _token = Visitor.begin(brand, "en")
    intake = Intake.begin(visitor)
    intake.answer(0, {"topic": "family"})
    conversation = intake.start_conversation(line)
    dutch, english = intake_of(conversation, "nl"), intake_of(conversation, "en")
    assert dutch["answers"][0]["question"] == "Waar wil je over praten?"
    assert english["answers"][0]["question"] == "What would you like to talk about?"
    assert english["answers"][0]["answer"] == "Home, my parents or family"
    assert conversation.language == "en"


def test_starting_twice_finds_nothing_the_second_time(intake: Intake, line: ServiceLine) -> None:
    again = Intake.objects.get(pk=intake.pk)
    intake.start_conversation(line)
    with pytest.raises(Stale):
        again.start_conversation(line)
    assert Conversation.objects.count() == 1


def test_an_answer_to_another_step_is_stale_and_changes_nothing(intake: Intake) -> None:
    intake.answer(0, {"topic": "family"})
    intake.answer(1, {"safe": "yes"})
    for step, answers in ((0, {"topic": "peers"}), (3, {"words": "x"}), (1, {"safe": "no"})):
        with pytest.raises(Stale):
            intake.answer(step, answers)
    intake.refresh_from_db()
    assert (intake.step, intake.answers()) == (2, {"topic": "family", "safe": "yes"})


def test_the_same_answer_twice_is_one_answer(intake: Intake) -> None:
    intake.answer(0, {"topic": "family"})
    intake.answer(0, {"topic": "family"})
    intake.answer(1, {})
    intake.answer(1, {})
    intake.refresh_from_db()
    assert intake.step == 2


def test_back_keeps_the_answers_and_skipping_forgets_the_one(intake: Intake) -> None:
    intake.answer(0, {"topic": "family"})
    intake.back(1)
    intake.refresh_from_db()
    assert (intake.step, intake.answers()) == (0, {"topic": "family"})
    intake.answer(0, {})
    intake.refresh_from_db()
    assert (intake.step, intake.answers()) == (1, {})
    intake.back(1)
    intake.refresh_from_db()
    intake.back(0)
    intake.refresh_from_db()
    assert intake.step == 0


def test_visits_that_never_became_a_chat_are_forgotten_after_a_day(
    brand: Brand, line: ServiceLine
) -> None:
    now = timezone.now()
    old, _token = Visitor.begin(brand, "nl")
    young, _token = Visitor.begin(brand, "nl")
    talked, _token = Visitor.begin(brand, "nl")
    Intake.begin(old)
    Intake.begin(young)
    Conversation.start(visitor=talked, line=line)
    long_ago = now - KEPT - timedelta(minutes=1)
    Visitor.objects.filter(pk__in=[old.pk, talked.pk]).update(created_at=long_ago)
    Intake.objects.filter(visitor=old).update(created_at=long_ago)
    assert forget_old(now) == 1
    assert set(Visitor.objects.all()) == {young, talked}
    assert [intake.visitor for intake in Intake.objects.all()] == [young]
    assert forget_old(now) == 0


def test_a_copy_of_the_row_says_nothing(intake: Intake) -> None:
    intake.answer(0, {"topic": "sexuality"})
    intake.refresh_from_db()
    assert "sexuality" not in serializers.serialize("json", [intake])
