"""Simulated evenings: what the order of the queue promises, measured with the functions that run."""

from io import StringIO
from itertools import pairwise

import pytest
from django.core.management import CommandError, call_command

from chat.simulation import CHOSEN, FCFS, Outcome, Policy, Simulation, percentile, simulate
from klikvoor.management.commands.simulate import LEVELS, evenings

# The evening on which first come, first served lets one in twenty wait a quarter of an hour.
DRAWN = evenings(range(1, 161), LEVELS["druk"])


@pytest.fixture(scope="module")
def fcfs() -> Outcome:
    return simulate(DRAWN, FCFS)


@pytest.fixture(scope="module")
def klikvoor() -> Outcome:
    return simulate(DRAWN, CHOSEN)


def p95(outcome: Outcome, urgency: str) -> float:
    return percentile(outcome.waits[urgency], 0.95)


def test_who_needs_help_now_gets_it_within_two_minutes_and_the_others_hardly_pay(
    fcfs: Outcome, klikvoor: Outcome
) -> None:
    everybody = [wait for waits in fcfs.waits.values() for wait in waits]
    assert 13 <= percentile(everybody, 0.95) <= 17
    assert p95(klikvoor, "now") <= 2
    assert p95(klikvoor, "soon") < p95(fcfs, "soon")
    assert p95(klikvoor, "normal") <= 1.25 * p95(fcfs, "normal")


def test_nobody_leaves_without_having_been_offered_a_letter(klikvoor: Outcome) -> None:
    assert klikvoor.left_without_offer == 0
    assert klikvoor.letters > 0


def test_who_needs_help_now_is_helped_soon_on_the_fullest_evening_too() -> None:
    full = simulate(evenings(range(1, 41), LEVELS["te druk"]), CHOSEN)
    assert p95(full, "now") <= 2
    assert full.left_without_offer == 0


def test_workers_hardly_go_above_their_cap(klikvoor: Outcome) -> None:
    workers = len(DRAWN[0].workers)
    assert klikvoor.extra_chats / len(DRAWN) / workers < 0.5
    assert sum(klikvoor.above_cap.values()) / len(DRAWN) / workers < 8


def test_without_that_place_the_wait_of_who_needs_help_now_is_too_long(klikvoor: Outcome) -> None:
    """Why there is one: docs/decisions/0011."""
    only_order = simulate(DRAWN, Policy("alleen urgentie"))
    reserve = simulate(DRAWN, Policy("met een reserve", above_cap="reserve"))
    assert p95(only_order, "now") > 2
    assert p95(reserve, "normal") > p95(klikvoor, "normal")


def test_everybody_who_came_is_helped_or_left_or_wrote(fcfs: Outcome, klikvoor: Outcome) -> None:
    for outcome in (fcfs, klikvoor):
        helped = sum(map(len, outcome.waits.values()))
        assert helped + sum(outcome.left.values()) + outcome.letters == outcome.came
    assert fcfs.came == klikvoor.came


def test_the_same_seed_gives_the_same_evening() -> None:
    (evening,) = evenings(range(7, 8), 12.0)
    assert evenings(range(7, 8), 12.0) == [evening]
    assert Simulation(evening, CHOSEN).run() == Simulation(evening, CHOSEN).run()


def test_arrivals_come_in_order_and_within_the_evening() -> None:
    for evening in DRAWN[:20]:
        times = [one.at for one in evening.young]
        assert all(earlier < later for earlier, later in pairwise(times))
        assert all(0 < at < evening.minutes for at in times)


def test_the_command_prints_evenings_side_by_side() -> None:
    out = StringIO()
    call_command("simulate", "--evenings", "2", "--per-hour", "10", "20", stdout=out)
    text = out.getvalue()
    assert text.count("wie eerst komt") == 2
    assert text.count("Klikvoor") == 2


def test_the_command_refuses_what_is_no_evening() -> None:
    with pytest.raises(CommandError):
        call_command("simulate", "--evenings", "0")
    with pytest.raises(CommandError):
        call_command("simulate", "--per-hour", "0")
