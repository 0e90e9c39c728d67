"""The desk's commands over its socket: every deed, every refusal, and nothing for strangers."""

import uuid
from typing import Any

import pytest
from django.utils import timezone

from chat.database import in_pool
from chat.hub import hub
from chat.models import Conversation, Visitor
from chat.queue import WINDOW, Place
from chat.visitor_peer import VisitorPeer
from institutions.models import AuditEvent, Brand, User
from roster.models import LEASE, ConsultationHour, Presence, ServiceLine
from tests.chat.windows import desk_window, visitor_window
from tests.people import be_present, begin_visit, rights_of

pytestmark = pytest.mark.django_db(transaction=True)

REGISTRATION = {"contact_kind": "about_self", "topic": "mental_health"}


def status_of(conversation: Conversation) -> str:
    return Conversation.objects.values_list("status", flat=True).get(pk=conversation.pk)


async def test_a_worker_takes_somebody_from_the_queue_and_both_see_it(
    waiting_conversation: Conversation, visitor: Visitor, open_hour: ConsultationHour, anna: User
) -> None:
    async with visitor_window(visitor) as young, desk_window(anna, hello=False) as desk:
        await desk.say("hello")
        state = await desk.hear("desk")
        (card,) = state["queue"]
        assert card["conversation"] == waiting_conversation.pk
        assert card["reasons"] == ["Je zei: ik voel me niet veilig"]
        assert (card["place"], card["urgency"], card["reserved"]) == (1, "normal", "")
        await desk.say("conversation.claim", conversation=waiting_conversation.pk)
        changed = await young.hear("status.changed")
        assert (changed["status"], changed["worker"]) == ("active", "Anna")
        state = await desk.hear("desk", queue=[])
        assert [one["conversation"] for one in state["mine"]] == [waiting_conversation.pk]


async def test_opening_a_chat_shows_intake_and_notes_and_leaves_an_audit_row(
    active_conversation: Conversation, anna: User
) -> None:
    async with desk_window(anna) as desk:
        await desk.say("conversation.open", conversation=active_conversation.pk)
        intake = await desk.hear("intake")
        assert intake["answers"] == [{"question": "Waar gaat het over?", "answer": "Thuis"}]
        assert (await desk.hear("notes"))["notes"] == []
        opened = await desk.hear("opened")
        assert (opened["mine"], opened["status"], opened["present"]) == (True, "active", True)
    read = await in_pool(AuditEvent.objects.get, verb="read")
    assert (read.actor_id, read.conversation) == (anna.pk, active_conversation.pk)


async def test_a_worker_who_was_late_is_told_so(
    waiting_conversation: Conversation, open_hour: ConsultationHour, anna: User, bilal: User
) -> None:
    async with desk_window(anna) as first, desk_window(bilal) as second:
        await first.say("conversation.claim", conversation=waiting_conversation.pk)
        await first.hear("desk", queue=[])
        await second.say("conversation.claim", conversation=waiting_conversation.pk)
        refused = await second.hear("error")
    assert (refused["code"], refused["conversation"]) == ("taken", waiting_conversation.pk)
    assert refused["command"] == "conversation.claim"


async def test_a_chat_goes_to_a_colleague_with_a_note_and_the_visitor_sees_it(
    active_conversation: Conversation, visitor: Visitor, anna: User, bilal: User
) -> None:
    pk = active_conversation.pk
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=pk) as here,
        desk_window(bilal) as there,
    ):
        await here.say(
            "conversation.hand_over", conversation=pk, to=bilal.pk, note="Wil graag verder praten."
        )
        assert (await young.hear("status.changed"))["reason"] == "handed_over"
        while True:
            state = await there.hear("desk")
            if state["queue"]:
                break
        assert (state["queue"][0]["reserved"], state["queue"][0]["handed_over"]) == ("me", True)
        await there.say("conversation.claim", conversation=pk)
        assert (await young.hear("status.changed", status="active"))["worker"] == "Bilal"
        await there.say("conversation.open", conversation=pk)
        (note,) = (await there.hear("notes"))["notes"]
        assert (note["text"], note["mine"]) == ("Wil graag verder praten.", False)
        await here.say("message.post", conversation=pk, client_id=str(uuid.uuid4()), text="Dag")
        assert (await here.hear("message.refused"))["code"] == "forbidden"


async def test_a_chat_that_is_handed_to_another_institution_is_left_behind(
    active_conversation: Conversation, visitor: Visitor, anna: User, carla: User
) -> None:
    """Ownership goes with the claim: who gave it away hears no further word."""
    pk = active_conversation.pk
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=pk) as here,
        desk_window(carla) as there,
    ):
        await there.say("availability.set", state="available")
        await there.hear("desk", availability="available")
        await here.say("conversation.hand_over", conversation=pk, to=carla.pk)
        await young.hear("status.changed", status="waiting")
        await there.say("conversation.claim", conversation=pk)
        await here.hear("status.changed", status="active")
        await here.frames()
        await young.post("Dit is voor Carla")
        assert not [frame for frame in await here.frames() if frame["type"] == "message.posted"]


async def test_closing_needs_the_registration_and_tells_the_visitor(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    pk = active_conversation.pk
    async with visitor_window(visitor) as young, desk_window(anna, opens=pk) as desk:
        await desk.say("conversation.close", conversation=pk, reason="finished")
        assert (await desk.hear("error"))["code"] == "not_understood"
        assert await in_pool(status_of, active_conversation) == "active"
        await desk.say("conversation.close", conversation=pk, reason="finished", **REGISTRATION)
        assert (await young.hear("status.changed"))["status"] == "closed"
        await desk.hear("desk", mine=[])


async def test_a_chat_that_the_visitor_ended_waits_for_its_registration(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    pk = active_conversation.pk
    async with visitor_window(visitor) as young, desk_window(anna, opens=pk) as desk:
        await young.say("conversation.leave")
        assert (await desk.hear("status.changed"))["reason"] == "closed"
        state = await desk.hear("desk")
        assert [one["to_register"] for one in state["mine"]] == [True]
        await desk.say("conversation.register", conversation=pk, **REGISTRATION)
        await desk.hear("desk", mine=[])


async def test_pausing_is_seen_and_kept(anna: User, line: ServiceLine) -> None:
    async with desk_window(anna) as desk:
        await desk.say("availability.set", state="available")
        await desk.hear("desk", availability="available")
        await desk.say("availability.set", state="paused")
        await desk.hear("desk", availability="paused")
    assert (await in_pool(Presence.objects.get, worker=anna)).state == "paused"


async def test_a_note_reaches_the_colleague_who_reads_along_and_not_the_visitor(
    active_conversation: Conversation, visitor: Visitor, anna: User, bilal: User
) -> None:
    pk = active_conversation.pk
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=pk) as desk,
        desk_window(bilal, opens=pk) as along,
    ):
        await desk.say(
            "note.post", conversation=pk, client_id=str(uuid.uuid4()), text="Denk aan 113"
        )
        (note,) = (await along.hear("notes"))["notes"]
        assert (note["text"], note["mine"]) == ("Denk aan 113", False)
        assert not [frame for frame in await young.frames() if frame["type"] == "notes"]


async def test_everybody_who_waits_hears_their_place_and_why_it_went_up(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour
) -> None:
    def begin(urgency: str) -> Visitor:
        visitor = begin_visit(brand)
        Conversation.start(visitor=visitor, line=line, urgency=urgency)
        return visitor

    first = await in_pool(begin, "normal")
    async with visitor_window(first, hello=None) as window:
        conversation = await in_pool(first.conversation)
        await window.say("hello", conversation=conversation.pk, after=0)
        hello = await window.hear("hello")
        assert hello["place"] == {"place": 1, "minutes": 0, "why": "", "fits": True}
        await in_pool(begin, "now")
        place = await window.hear("queue.place", place=2)
        assert place["why"] == "urgent"


async def test_a_second_desk_of_the_same_worker_sees_the_same(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    pk = active_conversation.pk
    async with (
        visitor_window(visitor) as young,
        desk_window(anna, opens=pk) as one,
        desk_window(anna, opens=pk) as two,
    ):
        sent = await one.post("Hallo", conversation=pk)
        assert await two.hear("message.posted") == sent
        assert await young.hear("message.posted") == sent


async def test_a_disabled_worker_is_thrown_out_within_five_seconds(
    active_conversation: Conversation, anna: User
) -> None:
    async with desk_window(anna, opens=active_conversation.pk) as desk:
        await in_pool(User.objects.filter(pk=anna.pk).update, is_active=False)
        assert await desk.closed(timeout=5) == 4401


async def test_who_signed_out_is_thrown_out_at_the_next_command(
    active_conversation: Conversation, anna: User
) -> None:
    from django.contrib.sessions.models import Session

    async with desk_window(anna) as desk:
        await in_pool(Session.objects.all().delete)
        await desk.say("availability.set", state="available")
        assert await desk.closed() == 4401


async def test_who_is_no_worker_any_more_loses_the_desk(
    line: ServiceLine, anna: User, dirk: User
) -> None:
    async with desk_window(anna) as desk:
        await in_pool(anna.memberships.all().update, role="coordinator")
        assert await desk.closed(timeout=5) == 4403
    async with desk_window(dirk, hello=False) as desk:
        assert await desk.closed() == 4401


async def test_a_worker_who_vanished_gives_the_chat_back_to_the_queue(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    from chat.jobs import return_lost_chats
    from chat.models import WORKER_LOST

    async with visitor_window(visitor) as young:
        lost = timezone.now() - WORKER_LOST
        await in_pool(Presence.objects.all().update, seen_at=lost)
        assert await in_pool(return_lost_chats, timezone.now()) == 1
        assert (await young.hear("status.changed"))["reason"] == "worker_lost"
    assert await in_pool(status_of, active_conversation) == "waiting"


async def test_the_worker_sees_that_the_young_person_fell_silent(
    active_conversation: Conversation, visitor: Visitor, anna: User
) -> None:
    from datetime import timedelta

    from chat.watch import watch

    async with desk_window(anna, opens=active_conversation.pk) as desk:
        await watch.sweep()
        long_ago = timezone.now() - timedelta(minutes=1)
        await in_pool(Conversation.objects.all().update, visitor_seen_at=long_ago)
        await watch.sweep()
        assert (await desk.hear("presence.changed"))["present"] is False
        async with visitor_window(visitor):
            await watch.sweep()
            assert (await desk.hear("presence.changed"))["present"] is True


async def test_a_desk_shows_the_front_of_a_long_queue_and_counts_all_of_it(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User
) -> None:
    def fill() -> None:
        for number in range(WINDOW + 12):
            urgency = "now" if number % 10 == 0 else "normal"
            Conversation.start(visitor=begin_visit(brand), line=line, urgency=urgency)

    await in_pool(fill)
    async with desk_window(anna, hello=False) as desk:
        await desk.say("hello")
        state = await desk.hear("desk")
    assert state["waiting"] == {"now": 7, "soon": 0, "normal": 55}
    assert [card["place"] for card in state["queue"]] == list(range(1, WINDOW + 1))


async def test_a_place_is_told_when_it_changed_and_far_back_not_all_the_time(
    line: ServiceLine, brand: Brand
) -> None:
    def begin() -> Visitor:
        visitor = begin_visit(brand)
        Conversation.start(visitor=visitor, line=line)
        return visitor

    visitor = await in_pool(begin)
    async with visitor_window(visitor) as window:
        (peer,) = [one for one in hub.peers if isinstance(one, VisitorPeer)]
        near = Place(peer.streams()[0].conversation, 3, 5, fits=True)
        far = near._replace(place=WINDOW + 9)
        await window.frames()
        for place in (near, near, near._replace(minutes=10), far, far._replace(place=WINDOW + 8)):
            peer.tell_place(place)
        heard = [frame for frame in await window.frames() if frame["type"] == "queue.place"]
    assert [(one["place"], one["minutes"]) for one in heard] == [
        (3, 5),
        (3, 10),
        (WINDOW + 9, 5),
    ]


async def test_desks_are_read_in_a_constant_number_of_queries(
    line: ServiceLine,
    brand: Brand,
    open_hour: ConsultationHour,
    anna: User,
    django_assert_num_queries: object,
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    from chat.reading import Desk

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            Desk(line, timezone.now(), [anna.pk]).frame(anna.pk, "nl")
        return len(queries)

    def grow() -> tuple[int, int]:
        Conversation.start(visitor=begin_visit(brand), line=line)
        before = count()
        for _ in range(10):
            Conversation.start(visitor=begin_visit(brand), line=line)
        be_present(anna)
        return before, count()

    before, after = await in_pool(grow)
    assert after == before


async def test_a_desk_whose_lease_ran_out_still_shows_the_chats_of_its_worker(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User, bilal: User
) -> None:
    from chat.reading import Desk

    def read() -> dict[str, Any]:
        be_present(anna)
        chat = Conversation.start(visitor=begin_visit(brand), line=line)
        chat.claim(rights_of(anna))
        Presence.objects.filter(worker=anna).update(seen_at=timezone.now() - LEASE)
        desk = Desk(line, timezone.now(), [anna.pk, bilal.pk])
        assert desk.frame(bilal.pk, "nl")["mine"] == []
        return desk.frame(anna.pk, "nl")

    found = await in_pool(read)
    assert len(found["mine"]) == 1
    assert found["mine"][0]["present"] is True
    assert found["availability"] == "paused"
