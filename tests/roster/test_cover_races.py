"""Twenty at once: one winner, nobody waits for ever, nobody is told something untrue."""

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from django.db import connections

from institutions.models import Institution, StaffMail, User
from roster import reminders
from roster.models import CoverRequest, Duty, RosterRefused, ServiceLine
from tests.people import make_user
from tests.roster.making import NOW, make_duty, make_hour

BEFORE = NOW - timedelta(days=10)
pytestmark = [pytest.mark.postgresql, pytest.mark.django_db(transaction=True)]


def at_once(*deeds: Callable[[], object]) -> list[str]:
    """Do all of it at once, each with a connection of its own; return what came of each."""
    barrier = threading.Barrier(len(deeds))
    results: list[str] = []

    def run(deed: Callable[[], object]) -> None:
        try:
            barrier.wait(20)
            deed()
            results.append("done")
        except RosterRefused as refused:
            results.append(refused.code)
        except Exception as error:
            results.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return sorted(results)


@pytest.fixture
def people(zuid: Institution) -> list[User]:
    return [make_user(f"Hulp{n}", (zuid, "worker"), second_factor=False) for n in range(20)]


def test_of_twenty_who_fill_one_seat_one_has_it(
    line: ServiceLine, zuid: Institution, people: list[User]
) -> None:
    hour = make_hour(line, seats=1)
    hours = [type(hour).objects.get() for _person in people]
    results = at_once(
        *(
            lambda hour=hour, person=person: hour.fill(person, zuid, now=BEFORE)
            for hour, person in zip(hours, people, strict=True)
        )
    )
    assert results == ["done"] + ["full"] * 19
    assert Duty.objects.active().count() == 1


def test_of_twenty_who_claim_one_request_one_has_it(
    line: ServiceLine, zuid: Institution, anna: User, people: list[User]
) -> None:
    make_duty(line, anna).ask_cover(anna, kind="give_away", now=BEFORE)
    requests = [CoverRequest.objects.get() for _person in people]
    results = at_once(
        *(
            lambda request=request, person=person: request.claim(person, zuid, BEFORE)
            for request, person in zip(requests, people, strict=True)
        )
    )
    assert results == ["done"] + ["taken"] * 19
    winner = Duty.objects.active().get().worker
    assert CoverRequest.objects.get().claimed_by == winner
    told = StaffMail.objects.filter(kind="cover_yours").values_list("to", flat=True)
    assert list(told) == [winner.pk]


def test_one_worker_takes_one_of_two_that_overlap(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User, carla: User
) -> None:
    for giver in (anna, carla):
        make_duty(line, giver).ask_cover(giver, kind="give_away", now=BEFORE)
    results = at_once(
        *(
            lambda request=request: request.claim(bilal, zuid, BEFORE)
            for request in CoverRequest.objects.all()
        )
    )
    assert results == ["done", "overlap"]


def test_claiming_against_withdrawing_against_the_sick_button_leaves_one_truth(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User
) -> None:
    duty = make_duty(line, anna)
    duty.ask_cover(anna, kind="give_away", now=BEFORE)
    one, two = CoverRequest.objects.get(), CoverRequest.objects.get()
    mine = Duty.objects.get()
    results = at_once(
        lambda: one.claim(bilal, zuid, BEFORE),
        lambda: two.withdraw(anna, BEFORE),
        lambda: mine.cannot_come(anna, BEFORE),
    )
    assert not [result for result in results if "Error" in result], results
    duty.refresh_from_db()
    taken = Duty.objects.active().filter(worker=bilal).exists()
    assert taken == (CoverRequest.objects.order_by("pk")[0].state == "done")
    assert duty.status in ("replaced", "sick")


def test_two_who_exchange_with_each_other_meet_no_deadlock(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User
) -> None:
    first = make_duty(line, anna)
    second = make_duty(line, bilal, NOW + timedelta(days=1))
    third = make_duty(line, bilal, NOW + timedelta(days=2))
    fourth = make_duty(line, anna, NOW + timedelta(days=3))
    one = first.ask_cover(anna, kind="exchange", offered_duty=second, now=BEFORE)
    two = third.ask_cover(bilal, kind="exchange", offered_duty=fourth, now=BEFORE)
    results = at_once(lambda: one.claim(bilal, zuid, BEFORE), lambda: two.claim(anna, zuid, BEFORE))
    assert results == ["done", "done"]
    owners = [Duty.objects.active().get(seat=duty.seat).worker for duty in (first, second)]
    assert owners == [bilal, anna]


def test_two_clocks_ask_one_batch_and_end_a_request_once(
    line: ServiceLine, anna: User, people: list[User]
) -> None:
    make_duty(line, anna).cannot_come(anna, NOW - timedelta(minutes=20))
    request = CoverRequest.objects.get()
    assert request.asks.count() == 10
    now = NOW - timedelta(minutes=4)
    assert at_once(*[lambda: reminders.ask_further(now)] * 3) == ["done"] * 3
    assert request.asks.count() == 20
    late = NOW + timedelta(hours=2)
    assert at_once(*[lambda: reminders.expire_requests(late)] * 3) == ["done"] * 3
    assert request.changes.filter(new="expired").count() == 1
