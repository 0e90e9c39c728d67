"""What the clock does to conversations, and what it leaves alone."""

import uuid
from datetime import timedelta

import pytest
from django.utils import timezone

from chat import jobs
from chat.models import (
    VISITOR_LOST,
    WORKER_LOST,
    Conversation,
    ConversationKey,
    Message,
    Note,
    Visitor,
)
from chat.writer import Post, writer
from institutions.models import Brand, Institution, User
from roster.models import ConsultationHour, OpeningLog, OpenOverride, Presence, ServiceLine
from tests.people import begin_visit, rights_of

pytestmark = pytest.mark.django_db(transaction=True)


def test_who_waits_and_shows_no_sign_of_life_leaves_the_queue(
    waiting_conversation: Conversation,
) -> None:
    now = timezone.now()
    assert jobs.end_lost_visits(now + VISITOR_LOST - timedelta(seconds=1)) == 0
    assert jobs.end_lost_visits(now + VISITOR_LOST + timedelta(seconds=1)) == 1
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.status == "abandoned"
    assert waiting_conversation.changes.last().reason == "lost"


def test_a_chat_goes_on_when_the_visitor_falls_silent(active_conversation: Conversation) -> None:
    assert jobs.end_lost_visits(timezone.now() + timedelta(hours=1)) == 0


def test_a_chat_keeps_its_old_place_when_the_worker_is_lost(
    active_conversation: Conversation,
) -> None:
    since = active_conversation.waiting_since
    now = timezone.now()
    assert jobs.return_lost_chats(now) == 0
    Presence.objects.update(seen_at=now - WORKER_LOST - timedelta(seconds=1))
    assert jobs.return_lost_chats(now) == 1
    assert jobs.return_lost_chats(now) == 0
    active_conversation.refresh_from_db()
    assert (active_conversation.status, active_conversation.waiting_since) == ("waiting", since)


def test_a_chat_of_a_disabled_worker_goes_back_to_the_queue(
    active_conversation: Conversation, anna: User
) -> None:
    User.objects.filter(pk=anna.pk).update(is_active=False)
    assert jobs.return_lost_chats(timezone.now()) == 1


def test_half_an_hour_after_the_end_nobody_waits_any_more(
    waiting_conversation: Conversation, open_hour: ConsultationHour, dirk: User
) -> None:
    assert jobs.end_waiting_after_hours(open_hour.end + timedelta(minutes=29)) == 0
    after = open_hour.end + timedelta(minutes=31)
    held = OpenOverride.objects.create(
        line=open_hour.line,
        is_open=True,
        until=after + timedelta(hours=1),
        reason="drukte",
        author=dirk,
    )
    assert jobs.end_waiting_after_hours(after) == 0
    held.delete()
    assert jobs.end_waiting_after_hours(after) == 1
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.changes.last().reason == "closing_time"


def test_a_running_chat_is_never_cut_by_the_clock(
    active_conversation: Conversation, open_hour: ConsultationHour
) -> None:
    assert jobs.end_waiting_after_hours(open_hour.end + timedelta(hours=3)) == 0
    active_conversation.refresh_from_db()
    assert active_conversation.status == "active"


def test_a_reservation_ends_by_itself(
    active_conversation: Conversation, anna: User, bilal: User
) -> None:
    active_conversation.hand_over(rights_of(anna), to_worker_id=bilal.pk)
    jobs.ring_after_reservations(timezone.now() + timedelta(minutes=5))
    active_conversation.refresh_from_db()
    assert active_conversation.reserved_for is None


def test_every_change_of_the_opening_is_logged_once(
    open_hour: ConsultationHour, line: ServiceLine
) -> None:
    now = timezone.now()
    jobs.evaluate_openings(now)
    jobs.evaluate_openings(now)
    assert [entry.new for entry in OpeningLog.objects.all()] == ["open"]


def test_thirty_days_after_the_end_the_text_is_gone_and_the_figures_stay(
    active_conversation: Conversation, visitor: Visitor, anna: User, zuid: Institution
) -> None:
    post = Post(active_conversation.pk, str(uuid.uuid4()), "visitor", visitor.pk, "Geheim")
    assert writer.post_and_wait(post).is_new
    Note.add(active_conversation, anna, "Notitie", client_id=str(uuid.uuid4()))
    active_conversation.close(
        rights_of(anna), reason="finished", contact_kind="about_self", topic="peers"
    )
    ended = active_conversation.ended_at
    assert ended is not None
    assert jobs.erase_old_texts(ended + timedelta(days=30, seconds=-1)) == 0
    assert jobs.erase_old_texts(ended + timedelta(days=30, seconds=1)) == 1
    assert jobs.erase_old_texts(ended + timedelta(days=30, seconds=1)) == 0
    for model in (ConversationKey, Message, Note):
        assert not model.objects.exists()
    active_conversation.refresh_from_db()
    assert (active_conversation.topic, active_conversation.last_seq) == ("peers", 1)
    assert active_conversation.sealed_intake is None
    assert active_conversation.visitor is None


def test_an_institution_may_keep_text_for_a_shorter_time(
    active_conversation: Conversation, anna: User, zuid: Institution
) -> None:
    active_conversation.abandon(reason="closed")
    week = timezone.now() + timedelta(days=7, minutes=1)
    assert jobs.erase_old_texts(week) == 0
    Institution.objects.update(retention_days=7)
    assert jobs.erase_old_texts(week) == 1


def test_a_live_conversation_is_never_erased(waiting_conversation: Conversation) -> None:
    assert jobs.erase_old_texts(timezone.now() + timedelta(days=400)) == 0


def test_visits_are_forgotten_after_a_day_but_not_during_a_conversation(
    waiting_conversation: Conversation, visitor: Visitor, brand: Brand
) -> None:
    quiet = begin_visit(brand)
    tomorrow = timezone.now() + timedelta(hours=25)
    assert jobs.forget_old_visits(tomorrow) == 1
    assert not Visitor.objects.filter(pk=quiet.pk).exists()
    waiting_conversation.abandon(reason="left")
    Conversation.objects.update(ended_at=tomorrow - timedelta(hours=23))
    assert jobs.forget_old_visits(tomorrow) == 0
    assert jobs.forget_old_visits(tomorrow + timedelta(hours=2)) == 1
