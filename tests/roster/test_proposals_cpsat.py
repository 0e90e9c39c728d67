"""CP-SAT, where it is installed, means the same as the search; elsewhere the search answers."""

import pytest
from hypothesis import given, settings

from roster.proposals import best as best_module
from roster.proposals.best import best
from roster.proposals.problem import Problem
from roster.proposals.score import evaluate
from roster.proposals.solver_cpsat import SolverMissing, is_installed, solve_with_cpsat
from tests.roster.drafts import (
    assert_lawful,
    cheapest,
    few,
    make_hour,
    make_problem,
    make_worker,
    problems,
)


def test_without_cpsat_the_search_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(best_module, "is_installed", lambda: False)
    answer = best(make_problem(make_hour(1), make_worker(1, 1)))
    assert answer.method == "search"
    assert answer.bound is None


@pytest.mark.skipif(is_installed(), reason="OR-tools is installed")
def test_without_cpsat_it_says_how_to_install_it() -> None:
    with pytest.raises(SolverMissing, match="requirements-solver"):
        solve_with_cpsat(make_problem())


@pytest.mark.skipif(not is_installed(), reason="OR-tools is not installed")
@settings(few, max_examples=8)
@given(problems())
def test_cpsat_means_the_same_by_rules_and_cost(problem: Problem) -> None:
    answer = solve_with_cpsat(problem, seconds=3, threads=1)
    assert_lawful(problem, answer.placements)
    assert answer.cost == evaluate(problem, answer.placements).cost(problem.weights)
    assert answer.cost == answer.bound == cheapest(problem)
