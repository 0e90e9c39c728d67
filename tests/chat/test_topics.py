"""Topics: groups, subcategories and municipal words, and how they come into the registration."""

import re
from typing import get_args

import pytest

from chat import topics
from chat.commands import ClosingReason
from chat.models import Conversation, Refused
from chat.reading import about, intake_of
from institutions.models import User
from tests.people import rights_of, sign_in

CLOSING = {"reason": "finished", "contact_kind": "about_child"}


def test_the_groups_are_those_that_a_conversation_can_have() -> None:
    assert set(topics.details()) == set(Conversation.Topic.values)
    assert not topics.details()["unknown"]
    for topic, found in topics.details().items():
        assert len(found) >= 2 or topic == "unknown"
        for code, texts in found.items():
            assert len(code) <= 16
            assert texts["nl"], code
            assert texts["en"], code


def test_every_municipal_word_leads_to_a_group_and_to_a_subcategory_of_it() -> None:
    words = topics.data()["municipal"]
    assert len({word["code"] for word in words}) == len(words)
    for word in words:
        found = topics.find(word["code"])
        assert found is not None
        assert found.topic in Conversation.Topic.values
        assert topics.is_detail(found.topic, found.detail)
        assert found.municipal == word["code"]
        assert set(word["text"]) == {"nl", "en"}


def test_kinds_of_contact_are_no_topics() -> None:
    for kind in Conversation.ContactKind.values:
        assert topics.find(kind) is None


@pytest.mark.parametrize("code", ["", "moon", "violence.moon", "violence.", ".", "schulden.x"])
def test_what_is_no_topic_is_not_found(code: str) -> None:
    found = topics.find(code)
    assert found is None or (code, found.detail) == ("violence.", "")


def test_closing_may_say_more_precisely_what_it_was_about(
    active_conversation: Conversation, anna: User
) -> None:
    active_conversation.close(rights_of(anna), **CLOSING, topic="violence", topic_detail="bullying")
    active_conversation.refresh_from_db()
    assert (active_conversation.topic, active_conversation.topic_detail) == ("violence", "bullying")
    told = intake_of(active_conversation, "nl")
    assert about(active_conversation, told, "nl")["topic"] == "pesten"
    assert about(active_conversation, told, "en")["topic"] == "bullying"


def test_it_need_not(active_conversation: Conversation, anna: User) -> None:
    active_conversation.close(rights_of(anna), **CLOSING, topic="violence")
    assert Conversation.objects.get().topic_detail == ""


@pytest.mark.parametrize(("topic", "detail"), [("family", "bullying"), ("violence", "moon")])
def test_a_subcategory_of_another_topic_is_refused_and_nothing_closes(
    active_conversation: Conversation, anna: User, topic: str, detail: str
) -> None:
    with pytest.raises(Refused):
        active_conversation.close(rights_of(anna), **CLOSING, topic=topic, topic_detail=detail)
    assert Conversation.objects.get().status == "active"


def test_a_stranger_cannot_say_what_it_was_about(
    active_conversation: Conversation, carla: User
) -> None:
    with pytest.raises(Refused):
        active_conversation.close(
            rights_of(carla), **CLOSING, topic="violence", topic_detail="bullying"
        )
    assert Conversation.objects.get().topic_detail == ""


def test_the_desk_offers_exactly_the_reasons_that_closing_takes(anna: User) -> None:
    page = sign_in(anna).get("/desk/").content.decode()
    offered = re.findall(r'name="reason"[^>]*value="(\w+)"', page)
    assert sorted(offered) == sorted(get_args(ClosingReason))
