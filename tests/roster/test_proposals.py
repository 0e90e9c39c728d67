"""Proposals in plain Python: the rules are never broken, and small ones are the best there are."""

import os
import pickle
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from roster.proposals.board import NOBODY, Board
from roster.proposals.chains import pass_on
from roster.proposals.fill import fill
from roster.proposals.problem import Duty, Elsewhere, Problem, Seat, Weights, Wish
from roster.proposals.score import Placement, broken_rules, evaluate
from roster.proposals.search import Search
from roster.proposals.solve import solve
from roster.proposals.tables import Tables
from tests.roster.drafts import (
    ONE,
    SENIOR,
    TWO,
    assert_lawful,
    can_all_be_filled,
    cheapest,
    few,
    make_hour,
    make_problem,
    make_worker,
    middling,
    mixed_up,
    problems,
    who,
)

ROOT = Path(__file__).resolve().parent.parent.parent
STEPS = 1_000
THREE = 3


# --- Rules ----------------------------------------------------------------------------------------


@few
@given(problems())
def test_no_answer_breaks_a_rule_or_moves_what_is_fixed(problem: Problem) -> None:
    answer = solve(problem, steps=STEPS)
    assert_lawful(problem, answer.placements)
    assert broken_rules(problem, answer.placements) == []
    assert answer.score == evaluate(problem, answer.placements)
    assert answer.cost == answer.score.cost(problem.weights)


@few
@given(problems())
def test_a_small_answer_is_the_best_there_is(problem: Problem) -> None:
    assert solve(problem, steps=2 * STEPS).cost == cheapest(problem)


@few
@given(problems())
def test_no_answer_is_worse_than_greed(problem: Problem) -> None:
    board = Board(Tables(problem))
    fill(board)
    greedy = evaluate(problem, board.placements()).cost(problem.weights)
    assert_lawful(problem, board.placements())
    assert solve(problem, steps=200).cost <= greedy
    assert solve(problem, steps=0).cost <= greedy


@few
@given(problems(), st.randoms(use_true_random=False))
def test_running_sums_are_what_the_yardstick_counts(problem: Problem, chance: Any) -> None:
    board = Board(Tables(problem))
    for _turn in range(20):
        if not board.holder:
            break
        seat = chance.randrange(len(board.holder))
        if board.holder[seat] != NOBODY:
            board.take(seat)
        else:
            possible = [one for one in board.tables.options[seat] if board.is_possible(seat, one)]
            if possible:
                board.put(seat, chance.choice(possible))
        assert board.cost() == evaluate(problem, board.placements()).cost(problem.weights)


@pytest.mark.parametrize("rest", [0, 60, 120, 121])
def test_nobody_begins_before_having_rested(rest: int) -> None:
    early, late = make_hour(1), make_hour(2, at=4)
    problem = make_problem(early, late, make_worker(1, 1, 2), rest_minutes=rest)
    assert len(solve(problem).placements) == (2 if rest <= 120 else 1)


def test_nobody_is_at_two_places_at_a_time() -> None:
    problem = make_problem(make_hour(1), make_hour(2, at=1), make_worker(1, 1, 2))
    assert len(solve(problem).placements) == 1


def test_duties_elsewhere_count() -> None:
    hour = make_hour(1)
    elsewhere = Elsewhere(start=hour.start, end=hour.end, local_date=hour.local_date)
    problem = make_problem(hour, make_worker(1, 1, elsewhere=(elsewhere,)), make_worker(2, 1))
    assert set(who(solve(problem)).values()) == {2}


def test_a_seat_goes_to_somebody_with_its_qualification_or_stays_empty() -> None:
    seats = (Seat(id=1, requires=SENIOR), Seat(id=2))
    able = make_worker(2, 1, qualifications=frozenset({SENIOR}))
    hour = make_hour(1, seats=seats)
    assert who(solve(make_problem(hour, make_worker(1, 1), able))) == {1: 2, 2: 1}
    assert who(solve(make_problem(hour, make_worker(1, 1)))) == {2: 1}


def test_fixed_duties_stay_also_where_they_break_a_rule() -> None:
    hour = make_hour(1)
    away = make_worker(1, wishes={1: Wish.UNAVAILABLE})
    fixed = Duty(seat=10, worker=1, institution=ONE)
    answer = solve(make_problem(hour, away, make_worker(2, 1), duties=(fixed,)))
    assert who(answer) == {11: 2}


def test_half_an_hour_of_somebody_does_not_open_an_hour() -> None:
    hour = make_hour(1, seats=(Seat(id=1), Seat(id=2)), target_staff=1)
    part = Duty(seat=1, worker=1, institution=ONE, end=hour.start + timedelta(hours=1))
    alone = make_problem(hour, make_worker(1, 1), duties=(part,))
    assert solve(alone).score.below_min == 1
    assert who(solve(replace(alone, workers=(*alone.workers, make_worker(2, 1))))) == {2: 2}


# --- Hours that can open --------------------------------------------------------------------------


@few
@given(st.data())
def test_every_hour_reaches_its_minimum_where_there_is_a_way(data: st.DataObject) -> None:
    seats = iter(range(100))
    known = []
    for number in range(data.draw(st.integers(2, 4))):
        kinds = data.draw(st.lists(st.sampled_from([None, None, SENIOR]), min_size=1, max_size=3))
        mine = tuple(Seat(id=next(seats), requires=kind) for kind in kinds)
        known.append(make_hour(number, at=number % 2, seats=mine, min_staff=len(mine)))
    staff = [
        make_worker(
            number,
            wishes={hour.id: data.draw(st.sampled_from(Wish)) for hour in known},
            qualifications=frozenset(data.draw(st.sampled_from([(), (SENIOR,)]))),
            max_per_week=data.draw(st.sampled_from([None, 0, 1])),
        )
        for number in range(data.draw(st.integers(4, 12)))
    ]
    problem = make_problem(*known, *staff, quotas={ONE: 600})
    if can_all_be_filled(problem):
        # Chains alone find it; the search keeps it.
        board = Board(Tables(problem))
        fill(board)
        assert evaluate(problem, board.placements()).below_min == 0
        assert solve(problem, steps=STEPS).score.below_min == 0


def test_whoever_can_do_both_leaves_the_easy_hour_to_others() -> None:
    """One can only be there early; so the other one, who is free for both, is needed late."""
    hours = make_hour(1, seats=(Seat(id=1),)), make_hour(2, at=1, seats=(Seat(id=2),))
    problem = make_problem(*hours, make_worker(1, 1, 2), make_worker(2, 1))
    assert who(solve(problem)) == {1: 2, 2: 1}


def test_an_hour_below_its_minimum_takes_from_one_that_has_more() -> None:
    rich = make_hour(1, min_staff=1)
    poor = make_hour(2, at=1, seats=(Seat(id=20),))
    published = tuple(
        Duty(seat=seat, worker=worker, institution=ONE, is_fixed=False)
        for seat, worker in ((10, 1), (11, 2))
    )
    problem = make_problem(rich, poor, make_worker(1, 1, 2), make_worker(2, 1), duties=published)
    assert who(solve(problem)) == {11: 2, 20: 1}


def test_two_hours_with_too_few_people_leave_one_that_opens() -> None:
    hours = [make_hour(n, at=n - 1, min_staff=2) for n in (1, 2)]
    staff = [make_worker(n, 1, 2) for n in (1, 2, 3)]
    assert solve(make_problem(*hours, *staff)).score.below_min == 1


# --- Quotas, wishes and what was published ---------------------------------------------------------


def test_the_institution_that_owes_more_does_more() -> None:
    known = [make_hour(n, day=n, seats=(Seat(id=n),)) for n in range(1, 7)]
    staff = [make_worker(1, *range(1, 7)), make_worker(2, *range(1, 7), at=(TWO,))]
    answer = solve(make_problem(*known, *staff, quotas={ONE: 480, TWO: 240}))
    assert Counter(who(answer).values()) == {1: 4, 2: 2}
    assert answer.score.off_quota == 0


def test_who_works_for_two_is_credited_to_the_one_that_owes() -> None:
    hour = make_hour(1, seats=(Seat(id=1),))
    answer = solve(make_problem(hour, make_worker(1, 1, at=(ONE, TWO)), quotas={TWO: 120}))
    assert answer.placements == (Placement(1, 1, TWO),)


def test_people_get_the_hours_that_they_prefer() -> None:
    known = [make_hour(n, day=n, seats=(Seat(id=n),)) for n in (1, 2)]
    staff = [
        make_worker(1, wishes={1: Wish.POSSIBLE, 2: Wish.PREFERRED}),
        make_worker(2, wishes={1: Wish.PREFERRED, 2: Wish.POSSIBLE}),
    ]
    assert who(solve(make_problem(*known, *staff))) == {1: 2, 2: 1}


def test_nobody_works_more_than_they_want_unless_an_hour_could_not_open() -> None:
    known = [make_hour(n, day=n, seats=(Seat(id=n),), min_staff=0) for n in (1, 2)]
    worker = make_worker(1, 1, 2, max_per_period=1)
    assert len(solve(make_problem(*known, worker)).placements) == 1
    needed = [replace(hour, min_staff=1) for hour in known]
    assert len(solve(make_problem(*needed, worker)).placements) == 2


def test_who_was_published_above_their_own_maximum_is_let_go() -> None:
    known = [make_hour(n, day=n, seats=(Seat(id=n),), min_staff=0) for n in (1, 2)]
    published = tuple(Duty(seat=n, worker=1, institution=ONE, is_fixed=False) for n in (1, 2))
    worker = make_worker(1, 1, 2, max_per_week=1)
    assert len(solve(make_problem(*known, worker, duties=published)).placements) == 1


@pytest.mark.parametrize(("less_off", "holder"), [(14, 1), (16, 2)])
def test_a_published_duty_moves_for_a_quarter_of_an_hour(less_off: int, holder: int) -> None:
    hour = make_hour(1, seats=(Seat(id=1),))
    answer = solve(
        make_problem(
            hour,
            make_worker(1, 1),
            make_worker(2, 1, at=(TWO,)),
            quotas={ONE: 60, TWO: 60 + less_off // 2},
            weights=Weights(largest_off=0),
            duties=(Duty(seat=1, worker=1, institution=ONE, is_fixed=False),),
        )
    )
    assert who(answer) == {1: holder}
    assert answer.score.changed == (holder == 2)


def test_a_seat_goes_along_a_chain_of_institutions_to_who_should_do_more() -> None:
    """ONE has nobody whom THREE could replace: TWO takes the seat of ONE and gives its own."""
    hours = [make_hour(n, day=n, seats=(Seat(id=n),)) for n in (1, 2)]
    staff = [make_worker(1, 1), make_worker(2, 1, 2, at=(TWO,)), make_worker(3, 2, at=(THREE,))]
    problem = make_problem(*hours, *staff, quotas={ONE: 0, TWO: 120, THREE: 120})
    board = Board(Tables(problem))
    for seat, worker in ((0, 0), (1, 1)):
        board.put(seat, worker)
    search = Search(board, seed=1)

    pass_on(search, lambda: False)

    assert [board.worker[number] for number in board.holder] == [1, 2]
    assert search.cost == board.cost() == search.best
    assert set(board.off) == {0}


def test_who_gives_a_long_seat_may_get_a_short_one_back() -> None:
    long, short = (
        make_hour(1, day=1, seats=(Seat(id=1),), hours=3),
        make_hour(2, day=2, seats=(Seat(id=2),), hours=2),
    )
    staff = [make_worker(1, 1, 2), make_worker(2, 1, 2, at=(TWO,))]
    problem = make_problem(long, short, *staff, quotas={ONE: 120, TWO: 180})
    board = Board(Tables(problem))
    for seat, worker in ((0, 0), (1, 1)):
        board.put(seat, worker)

    pass_on(Search(board, seed=1), lambda: False)

    assert [board.worker[number] for number in board.holder] == [1, 0]


# --- The same again -------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_answer_whatever_the_order() -> None:
    first, again, other_order = (
        solve(problem, seed=7, steps=1000, seconds=60)
        for problem in (middling(), middling(), mixed_up(middling()))
    )
    assert first.is_repeatable
    assert first.placements == again.placements == other_order.placements
    assert first.input_hash == other_order.input_hash


IN_ANOTHER_PROCESS = """
import pickle, sys
from roster.proposals.search import Search
from roster.proposals.solve import solve
answer = solve(pickle.load(sys.stdin.buffer), seed=3, steps=1000, seconds=60)
sys.stdout.buffer.write(pickle.dumps((answer.input_hash, answer.placements)))
"""


def test_another_process_gives_the_same_answer_and_hash() -> None:
    """Words hash differently in each process; nothing may depend on it."""
    theirs = subprocess.run(
        [sys.executable, "-c", IN_ANOTHER_PROCESS],
        cwd=ROOT,
        env=os.environ | {"PYTHONHASHSEED": "1"},
        check=True,
        capture_output=True,
        input=pickle.dumps(middling()),
    ).stdout
    ours = solve(middling(), seed=3, steps=1000, seconds=60)
    assert pickle.loads(theirs) == (ours.input_hash, ours.placements)


@few
@given(problems())
def test_the_hash_knows_no_order(problem: Problem) -> None:
    assert mixed_up(problem).input_hash == problem.input_hash
    assert replace(problem).input_hash == problem.input_hash


def test_the_hash_is_of_what_matters() -> None:
    hour, worker = make_hour(1), make_worker(1, 1)
    duty = Duty(seat=10, worker=1, institution=ONE)
    problem = make_problem(hour, worker, quotas={ONE: 60}, duties=(duty,))
    others = [
        replace(problem, hours=(replace(hour, min_staff=0),)),
        replace(problem, hours=(replace(hour, mix={SENIOR: 1}),)),
        replace(problem, hours=(replace(hour, seats=hour.seats[::-1]),)),
        replace(problem, workers=(replace(worker, max_per_week=1),)),
        replace(problem, workers=(replace(worker, wishes={1: Wish.POSSIBLE}),)),
        replace(problem, workers=(replace(worker, qualifications=frozenset({SENIOR})),)),
        replace(problem, quotas={ONE: 61}),
        replace(problem, duties=(replace(duty, is_fixed=False),)),
        replace(problem, duties=()),
        replace(problem, rest_minutes=1),
        replace(problem, max_per_institution=None),
        replace(problem, weights=Weights(load=4)),
    ]
    assert len({one.input_hash for one in (problem, *others)}) == 1 + len(others)
    # By another hash, all proposals that wait to be applied would be outdated.
    assert problem.input_hash == "7c9945f890bfeaa679d95d164d37bc6ace256766526bf078e2488dce03b0cbdb"
    # Saying nothing is saying unavailable.
    silent = replace(worker, wishes={1: Wish.PREFERRED, 2: Wish.UNAVAILABLE})
    assert replace(problem, workers=(silent,)).input_hash == problem.input_hash


def test_the_clock_ends_the_search_with_the_best_answer_so_far() -> None:
    late = solve(middling(), seconds=0)
    assert not late.is_repeatable
    assert late.steps == 0
    assert late.score.below_min == 0
    assert_lawful(middling(), late.placements)


def test_nothing_to_fill_is_an_answer_too() -> None:
    assert solve(make_problem()).placements == ()
    assert solve(make_problem(make_hour(1))).score.below_min == 1


# --- Input that contradicts itself -----------------------------------------------------------------


def test_contradictions_are_refused() -> None:
    hour, worker = make_hour(1), make_worker(1, 1)
    problem = make_problem(hour, worker)
    duty = Duty(seat=10, worker=1, institution=ONE)
    half = hour.start + timedelta(minutes=30)
    naive = hour.start.replace(tzinfo=None)
    wrong: list[dict[str, Any]] = [
        {"hours": (hour, hour)},
        {"hours": (hour, replace(make_hour(2), seats=hour.seats))},
        {"workers": (worker, worker)},
        {"workers": (replace(worker, institutions=(ONE, ONE)),)},
        {"hours": (replace(hour, min_staff=3),)},
        {"hours": (replace(hour, target_staff=3),)},
        {"hours": (replace(hour, end=hour.start),)},
        {"hours": (replace(hour, start=naive, end=naive + timedelta(hours=1)),)},
        {"duties": (duty, duty)},
        {"duties": (replace(duty, seat=99),)},
        {"duties": (replace(duty, worker=99),)},
        {"duties": (replace(duty, end=half, is_fixed=False),)},
        {"duties": (replace(duty, end=hour.end + timedelta(hours=1)),)},
        {"rest_minutes": -1},
        {"quotas": {ONE: -1}},
    ]
    for changes in wrong:
        with pytest.raises(ValueError):
            replace(problem, **changes)
