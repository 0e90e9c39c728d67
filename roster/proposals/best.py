"""The best answer that this installation can give: CP-SAT where the extra is installed."""

from roster.proposals.problem import Problem
from roster.proposals.solve import SECONDS, Proposal, solve
from roster.proposals.solver_cpsat import is_installed, solve_with_cpsat

CPSAT_SECONDS = 60.0


def best(problem: Problem, *, seed: int = 0) -> Proposal:
    """Propose who fills the open seats. Runs for seconds, so never in a process that serves."""
    if is_installed():
        return solve_with_cpsat(problem, seed=seed, seconds=CPSAT_SECONDS)
    return solve(problem, seed=seed, seconds=SECONDS)
