"""Two at once: threads on PostgreSQL, where nothing but the rules keeps them apart."""

import itertools
import threading
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from chat import jobs
from chat.models import Conversation, Message, Refused, Visitor
from chat.writer import Outcome, Post, Writer
from institutions.models import Brand, StaffMail, User
from roster.models import ConsultationHour, ServiceLine
from tests.people import be_present, begin_visit, make_user, rights_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


def at_once(works: list[Callable[[], Any]]) -> list[Any]:
    """Run all at the same moment in threads of their own; return results or refusal codes."""
    barrier = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int) -> None:
        barrier.wait()
        try:
            results[number] = works[number]()
        except Refused as refused:
            results[number] = refused.code
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def test_one_of_eight_workers_who_claim_the_same_chat_wins(
    waiting_conversation: Conversation, line: ServiceLine, zuid: Any
) -> None:
    workers = [make_user(f"Werker{number}", (zuid, "worker")) for number in range(8)]
    be_present(*workers)

    def claim(worker: User) -> Callable[[], str]:
        mine = Conversation.objects.get(pk=waiting_conversation.pk)
        staff = rights_of(worker)

        def run() -> str:
            mine.claim(staff)
            return "won"

        return run

    results = at_once([claim(worker) for worker in workers])
    assert sorted(results) == ["taken"] * 7 + ["won"]
    assert waiting_conversation.changes.filter(new="active").count() == 1


def test_two_windows_of_one_worker_do_not_pass_the_cap(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User
) -> None:
    waiting = [Conversation.start(visitor=begin_visit(brand), line=line) for _ in range(6)]
    staff = rights_of(anna)

    def claim(conversation: Conversation) -> Callable[[], str]:
        def run() -> str:
            conversation.claim(staff)
            return "won"

        return run

    results = at_once([claim(conversation) for conversation in waiting])
    assert sorted(results) == ["cap"] * 4 + ["won"] * 2


def test_a_double_start_makes_one_conversation(visitor: Visitor, line: ServiceLine) -> None:
    started = at_once([lambda: Conversation.start(visitor=visitor, line=line).pk] * 6)
    assert len(set(started)) == 1
    assert Conversation.objects.count() == 1


def test_claim_handover_and_leaving_at_once_keep_one_legal_history(
    active_conversation: Conversation, anna: User
) -> None:
    def fresh() -> Conversation:
        return Conversation.objects.get(pk=active_conversation.pk)

    staff = rights_of(anna)
    held = [fresh() for _ in range(3)]
    at_once(
        [
            lambda: held[0].hand_over(staff),
            lambda: held[1].abandon(reason="closed"),
            lambda: held[2].close(
                staff, reason="finished", contact_kind="about_self", topic="peers"
            ),
        ]
    )
    history = list(active_conversation.changes.values_list("old", "new"))
    for (_, before), (after, _) in itertools.pairwise(history):
        assert before == after
    assert history[-1][1] == fresh().status
    assert len(history) == 3


def test_two_writers_number_the_same_conversations_without_holes_or_deadlock(
    line: ServiceLine, brand: Brand
) -> None:
    """Two processes' writers, each with posts to the same conversations in opposite order."""
    visitors = [begin_visit(brand) for _ in range(5)]
    conversations = [Conversation.start(visitor=one, line=line) for one in visitors]
    writers = [Writer(), Writer()]
    outcomes: list[Outcome] = []
    done = threading.Event()
    pairs = list(zip(visitors, conversations, strict=True))

    def heard(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if len(outcomes) == 400:
            done.set()

    for round_ in range(40):
        for number, writer in enumerate(writers):
            for visitor, conversation in pairs if number else reversed(pairs):
                writer.post(
                    Post(
                        conversation.pk,
                        str(uuid.uuid4()),
                        "visitor",
                        visitor.pk,
                        f"{number} {round_}",
                        heard,
                    )
                )
    assert done.wait(60)
    for writer in writers:
        writer.stop()
    assert all(outcome.is_new for outcome in outcomes)
    for conversation in conversations:
        numbers = list(
            Message.objects.filter(conversation=conversation)
            .order_by("seq")
            .values_list("seq", flat=True)
        )
        assert numbers == list(range(1, 81))


def test_the_same_post_through_two_writers_is_stored_once(
    waiting_conversation: Conversation, visitor: Visitor
) -> None:
    writers = [Writer(), Writer()]
    client_id = str(uuid.uuid4())
    outcomes = at_once(
        [
            lambda writer=writer: writer.post_and_wait(
                Post(waiting_conversation.pk, client_id, "visitor", visitor.pk, "Hoi")
            )
            for writer in writers
        ]
    )
    for writer in writers:
        writer.stop()
    assert {outcome.event.seq for outcome in outcomes} == {1}
    assert sorted(outcome.is_new for outcome in outcomes) == [False, True]
    assert Message.objects.count() == 1


def test_two_windows_of_one_worker_take_one_chat_above_the_cap_and_no_more(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User
) -> None:
    staff = rights_of(anna)
    for _ in range(anna.chat_cap):
        Conversation.start(visitor=begin_visit(brand), line=line).claim(staff)
    urgent = [
        Conversation.start(visitor=begin_visit(brand), line=line, urgency="now") for _ in range(6)
    ]

    def claim(conversation: Conversation) -> Callable[[], str]:
        def run() -> str:
            conversation.claim(staff, despite=True)
            return "won"

        return run

    results = at_once([claim(conversation) for conversation in urgent])
    assert sorted(results) == ["cap"] * 5 + ["won"]
    assert Conversation.objects.active().filter(worker=anna).count() == anna.chat_cap + 1


def test_of_two_who_change_the_urgency_at_once_the_second_is_told_so(
    waiting_conversation: Conversation, anna: User, bilal: User, carla: User
) -> None:
    def change(worker: User, urgency: str) -> Callable[[], str]:
        mine = Conversation.objects.get(pk=waiting_conversation.pk)
        staff = rights_of(worker)

        def run() -> str:
            mine.change_urgency(staff, urgency=urgency, reason="Klinkt erger")
            return "won"

        return run

    results = at_once([change(anna, "now"), change(bilal, "soon"), change(carla, "now")])
    assert sorted(results) == ["taken", "taken", "won"]
    waiting_conversation.refresh_from_db()
    [made] = waiting_conversation.urgency_changes.all()
    assert (made.old, made.new) == ("normal", waiting_conversation.urgency)


def test_a_chat_that_is_lowered_while_it_is_taken_as_one_more_is_one_or_the_other(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, anna: User, bilal: User
) -> None:
    staff = rights_of(anna)
    for _ in range(anna.chat_cap):
        Conversation.start(visitor=begin_visit(brand), line=line).claim(staff)
    urgent = Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    mine, theirs = (Conversation.objects.get(pk=urgent.pk) for _ in range(2))
    at_once(
        [
            lambda: mine.claim(staff, despite=True),
            lambda: theirs.change_urgency(rights_of(bilal), urgency="normal", reason="Kan wachten"),
        ]
    )
    urgent.refresh_from_db()
    assert (urgent.status, urgent.urgency) in {("active", "now"), ("waiting", "normal")}


def test_coordinators_are_told_once_when_two_processes_tick(
    line: ServiceLine, brand: Brand, open_hour: ConsultationHour, dirk: User
) -> None:
    Conversation.start(visitor=begin_visit(brand), line=line, urgency="now")
    later = timezone.now() + timedelta(minutes=2)
    assert sorted(at_once([lambda: jobs.alert_coordinators(later)] * 4)) == [0, 0, 0, 1]
    assert StaffMail.objects.filter(kind="unanswered", to=dirk).count() == 1
