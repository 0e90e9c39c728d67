"""The state machine of a conversation, its verbs, and who may use them."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from chat.models import Conversation, ConversationKey, Note, Refused, Visitor
from institutions.models import AuditEvent, Brand, Institution, User
from institutions.sealing import SealBroken
from roster.models import ConsultationHour, Presence, ServiceLine
from tests.people import be_present, begin_visit, rights_of

pytestmark = pytest.mark.django_db

REGISTRATION = {"reason": "finished", "contact_kind": "about_self", "topic": "peers"}


def in_state(status: str, line: ServiceLine, brand: Brand, worker: User) -> Conversation:
    conversation = Conversation.start(visitor=begin_visit(brand), line=line)
    if status in ("active", "closed"):
        be_present(worker)
        conversation.claim(rights_of(worker), despite=True)
    if status == "closed":
        conversation.close(rights_of(worker), **REGISTRATION)
    if status == "abandoned":
        conversation.abandon(reason="left")
    assert conversation.status == status
    return conversation


VERBS: dict[str, Any] = {
    "claim": lambda one, staff: one.claim(staff, despite=True),
    "hand_over": lambda one, staff: one.hand_over(staff),
    "close": lambda one, staff: one.close(staff, **REGISTRATION),
    "abandon": lambda one, staff: one.abandon(reason="left"),
    "lose_worker": lambda one, staff: one.lose_worker(),
}
LEGAL = {
    ("waiting", "claim"): "active",
    ("waiting", "abandon"): "abandoned",
    ("active", "hand_over"): "waiting",
    ("active", "lose_worker"): "waiting",
    ("active", "close"): "closed",
    ("active", "abandon"): "closed",
}


@pytest.mark.parametrize("verb", VERBS)
@pytest.mark.parametrize("status", Conversation.Status.values)
def test_each_verb_works_in_its_state_and_is_refused_in_every_other(
    status: str, verb: str, line: ServiceLine, brand: Brand, anna: User
) -> None:
    conversation = in_state(status, line, brand, anna)
    be_present(anna)
    changes = conversation.changes.count()
    expected = LEGAL.get((status, verb))
    if expected is None:
        with pytest.raises(Refused):
            VERBS[verb](conversation, rights_of(anna))
        conversation.refresh_from_db()
        assert conversation.status == status
        assert conversation.changes.count() == changes
    else:
        VERBS[verb](conversation, rights_of(anna))
        conversation.refresh_from_db()
        assert conversation.status == expected
        assert conversation.changes.count() == changes + 1


def test_the_database_refuses_a_state_that_the_verbs_cannot_make(
    waiting_conversation: Conversation, anna: User
) -> None:
    mine = Conversation.objects.filter(pk=waiting_conversation.pk)
    for impossible in (
        {"status": "active"},
        {"worker": anna},
        {"status": "closed"},
        {"ended_at": timezone.now()},
    ):
        with pytest.raises(IntegrityError), transaction.atomic():
            mine.update(**impossible)


def test_a_double_click_starts_one_conversation(visitor: Visitor, line: ServiceLine) -> None:
    first = Conversation.start(visitor=visitor, line=line)
    assert Conversation.start(visitor=visitor, line=line) == first


def test_a_claim_leaves_an_audit_row_and_gives_the_chat_an_owner(
    active_conversation: Conversation, anna: User, zuid: Institution
) -> None:
    assert active_conversation.worker == anna
    assert active_conversation.institution == zuid
    event = AuditEvent.objects.get(verb="claim")
    assert (event.actor, event.conversation) == (anna, active_conversation.pk)


def test_a_claim_that_somebody_else_won_is_refused(
    waiting_conversation: Conversation, open_hour: ConsultationHour, anna: User, bilal: User
) -> None:
    late = Conversation.objects.get(pk=waiting_conversation.pk)
    waiting_conversation.claim(rights_of(anna))
    with pytest.raises(Refused, match="taken"):
        late.claim(rights_of(bilal))


def test_a_claim_after_the_visitor_left_is_refused(
    waiting_conversation: Conversation, open_hour: ConsultationHour, anna: User
) -> None:
    late = Conversation.objects.get(pk=waiting_conversation.pk)
    waiting_conversation.abandon(reason="left")
    with pytest.raises(Refused, match="taken"):
        late.claim(rights_of(anna))


def test_a_claim_needs_a_worker_at_the_desk(
    waiting_conversation: Conversation, anna: User, dirk: User
) -> None:
    with pytest.raises(Refused, match="not_available"):
        waiting_conversation.claim(rights_of(anna))
    with pytest.raises(Refused, match="forbidden"):
        waiting_conversation.claim(rights_of(dirk))
    be_present(anna)
    Presence.objects.update(seen_at=timezone.now() - timedelta(seconds=31))
    with pytest.raises(Refused, match="not_available"):
        waiting_conversation.claim(rights_of(anna))


def at_their_cap(worker: User, line: ServiceLine, brand: Brand) -> None:
    for _ in range(worker.chat_cap):
        Conversation.start(visitor=begin_visit(brand), line=line).claim(rights_of(worker))


def test_the_cap_holds_for_whoever_can_wait(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User
) -> None:
    at_their_cap(anna, line, brand)
    one_more = Conversation.start(visitor=begin_visit(brand), line=line, urgency="soon")
    for despite in (False, True):
        with pytest.raises(Refused, match="cap"):
            one_more.claim(rights_of(anna), despite=despite)


def test_one_place_above_the_cap_is_for_whoever_needs_help_now_if_the_worker_says_so(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User
) -> None:
    at_their_cap(anna, line, brand)
    one_more, another = (
        Conversation.start(visitor=begin_visit(brand), line=line, urgency="now") for _ in range(2)
    )
    with pytest.raises(Refused, match="extra"):
        one_more.claim(rights_of(anna))
    one_more.claim(rights_of(anna), despite=True)
    assert Conversation.objects.active().filter(worker=anna).count() == anna.chat_cap + 1
    with pytest.raises(Refused, match="cap"):
        another.claim(rights_of(anna), despite=True)


def test_no_second_chat_beside_an_urgent_one_unless_the_worker_says_so(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User
) -> None:
    Conversation.start(visitor=begin_visit(brand), line=line, urgency="now").claim(rights_of(anna))
    second = Conversation.start(visitor=begin_visit(brand), line=line)
    with pytest.raises(Refused, match="urgent"):
        second.claim(rights_of(anna))
    second.claim(rights_of(anna), despite=True)


def test_a_chat_handed_to_a_colleague_waits_for_that_colleague_only_for_a_while(
    active_conversation: Conversation, anna: User, bilal: User, carla: User
) -> None:
    be_present(carla)
    active_conversation.hand_over(rights_of(anna), to_worker_id=bilal.pk, note="Ze durft nog niet.")
    with pytest.raises(Refused, match="taken"):
        Conversation.objects.get(pk=active_conversation.pk).claim(rights_of(carla))
    Conversation.objects.update(reserved_until=timezone.now() - timedelta(seconds=1))
    Conversation.objects.get(pk=active_conversation.pk).claim(rights_of(carla))


def test_the_colleague_takes_what_was_handed_over_and_reads_the_note(
    active_conversation: Conversation, anna: User, bilal: User
) -> None:
    active_conversation.hand_over(rights_of(anna), to_worker_id=bilal.pk, note="Ze durft nog niet.")
    active_conversation.claim(rights_of(bilal))
    assert [note.text() for note in active_conversation.notes.all()] == ["Ze durft nog niet."]
    assert AuditEvent.objects.filter(verb="hand_over", actor=anna).exists()


def test_a_colleague_who_is_not_there_cannot_be_given_a_chat(
    active_conversation: Conversation, anna: User, bilal: User, dirk: User
) -> None:
    be_present(bilal, state="paused")
    be_present(dirk)
    for nobody in (bilal.pk, dirk.pk, anna.pk, 10**9):
        with pytest.raises(Refused, match="colleague_absent"):
            active_conversation.hand_over(rights_of(anna), to_worker_id=nobody, note="Voor jou")
    active_conversation.refresh_from_db()
    assert active_conversation.status == "active"
    assert not active_conversation.notes.exists()


def test_only_the_worker_of_a_chat_hands_over_or_closes_it(
    active_conversation: Conversation, bilal: User
) -> None:
    with pytest.raises(Refused):
        active_conversation.hand_over(rights_of(bilal))
    with pytest.raises(Refused):
        active_conversation.close(rights_of(bilal), **REGISTRATION)
    active_conversation.refresh_from_db()
    assert active_conversation.status == "active"


def test_a_chat_that_the_visitor_ended_still_gets_its_registration_once(
    active_conversation: Conversation, anna: User, bilal: User
) -> None:
    active_conversation.abandon(reason="closed")
    assert active_conversation.closing_reason == "by_visitor"
    with pytest.raises(Refused):
        active_conversation.register(rights_of(bilal), contact_kind="thanks", topic="unknown")
    active_conversation.register(rights_of(anna), contact_kind="thanks", topic="unknown")
    with pytest.raises(Refused):
        active_conversation.register(rights_of(anna), contact_kind="prank", topic="unknown")
    active_conversation.refresh_from_db()
    assert active_conversation.contact_kind == "thanks"


def test_leaving_ends_the_visit_and_what_it_was_doing(
    waiting_conversation: Conversation, visitor: Visitor
) -> None:
    visitor.leave()
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.status == "abandoned"
    assert Visitor.find(visitor.token) is None  # type: ignore[attr-defined]


def test_a_stranger_sees_nothing_of_a_conversation(
    active_conversation: Conversation, anna: User, bilal: User, carla: User, dirk: User
) -> None:
    sees = {
        user.chat_name: Conversation.objects.visible_to(rights_of(user)).exists()
        for user in (anna, bilal, carla, dirk)
    }
    assert sees == {"Anna": True, "Bilal": True, "Carla": False, "Dirk": False}


def test_a_waiting_conversation_is_nobodys_to_read(
    waiting_conversation: Conversation, anna: User
) -> None:
    assert not Conversation.objects.visible_to(rights_of(anna)).exists()


def test_feedback_is_kept_once_the_conversation_is_closed(
    active_conversation: Conversation, anna: User
) -> None:
    active_conversation.rate(heard=5, better=None)
    active_conversation.refresh_from_db()
    assert active_conversation.feedback_heard is None
    active_conversation.close(rights_of(anna), **REGISTRATION)
    active_conversation.rate(heard=5, better=None)
    active_conversation.rate(heard=None, better=3)
    active_conversation.refresh_from_db()
    assert (active_conversation.feedback_heard, active_conversation.feedback_better) == (5, 3)


def test_what_is_sealed_opens_at_its_own_place_only(
    active_conversation: Conversation, anna: User, line: ServiceLine, brand: Brand
) -> None:
    note = Note.add(active_conversation, anna, "Alleen voor ons", client_id="a" * 36)
    assert b"Alleen" not in bytes(note.body)
    other = Conversation.start(visitor=begin_visit(brand), line=line)
    moved = other.notes.create(client_id="a" * 36, worker=anna, body=note.body)
    with pytest.raises(SealBroken):
        moved.text()
    same_key_other_id = active_conversation.notes.create(
        client_id="b" * 36, worker=anna, body=note.body
    )
    with pytest.raises(SealBroken):
        same_key_other_id.text()


def test_without_its_data_key_a_conversation_is_unreadable(
    active_conversation: Conversation,
) -> None:
    ConversationKey.objects.all().delete()
    again = Conversation.objects.get(pk=active_conversation.pk)
    with pytest.raises(ConversationKey.DoesNotExist):
        again.intake()


def test_a_note_with_a_known_client_id_is_stored_once(
    active_conversation: Conversation, anna: User
) -> None:
    first = Note.add(active_conversation, anna, "Let op", client_id="c" * 36)
    assert Note.add(active_conversation, anna, "Let op", client_id="c" * 36) == first
    with pytest.raises(Refused, match="id_reused"):
        Note.add(active_conversation, anna, "Iets anders", client_id="c" * 36)
