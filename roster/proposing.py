"""Proposals for a period: from the rows to `roster/proposals` and back.

`ask` writes down that somebody wants one, `make_proposals` (a job) lets it be made, `adjust` changes
a line of it and `apply` makes it the plan. The search for an answer takes seconds of computing, so
it runs in a process of its own, which knows no database: no chat waits for it.

A proposal looks at the hours that had not begun when it was asked for. Duties that people chose or
were given stay; only what an earlier proposal filled and nobody locked may move.
"""

import logging
import os
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context

from django.db import IntegrityError, transaction
from django.db.models import F
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from institutions.models import AuditEvent, Institution, User
from roster.drafting import may_move, problem_of
from roster.models import (
    Duty,
    Proposal,
    ProposalLine,
    RosterPeriod,
    RosterRefused,
)
from roster.models.acting import require_planner
from roster.models.fitness import lock
from roster.proposals import problem as draft
from roster.proposals.best import best
from roster.proposals.score import Placement, broken_rules
from roster.proposals.solve import Proposal as Answer
from roster.reasons import Reasons

log = logging.getLogger("klikvoor.roster")

# Periods in which there is something to propose.
OPEN_TO_PROPOSALS = (
    RosterPeriod.State.DRAFT,
    RosterPeriod.State.SIGNUP,
    RosterPeriod.State.PROPOSED,
    RosterPeriod.State.PUBLISHED,
    RosterPeriod.State.RUNNING,
)
# A maker that has said nothing for so long was ended with its process: somebody else goes on.
GIVEN_UP = timedelta(minutes=3)


# --- Asking, and looking at what there is ----------------------------------------------------------


def ask(period: RosterPeriod, by: User, *, seed: int = 0, now: datetime | None = None) -> Proposal:
    """Want a proposal for what is still to come of a period; the job makes it.

    Raises RosterRefused: not_yours, wrong_state (nothing to propose any more), nothing_to_fill,
    proposal_running (somebody asked already).
    """
    now = now or timezone.now()
    require_planner(by)
    if period.state not in OPEN_TO_PROPOSALS:
        raise RosterRefused("wrong_state")
    problem = problem_of(period, now)
    if not problem.hours or not problem.workers:
        raise RosterRefused("nothing_to_fill")
    try:
        with transaction.atomic():
            return Proposal.objects.create(
                period=period,
                author=by,
                seed=seed,
                input_hash=problem.input_hash,
                params={"since": now.isoformat()},
                created_at=now,
            )
    except IntegrityError:
        raise RosterRefused("proposal_running") from None


def since(proposal: Proposal) -> datetime:
    """From when the hours of a proposal begin."""
    return parse_datetime(str(proposal.params.get("since", ""))) or proposal.created_at


def is_outdated(proposal: Proposal, problem: draft.Problem | None = None) -> bool:
    """Whether the plan, or what people said, has changed since it was made."""
    problem = problem or problem_of(proposal.period, since(proposal))
    return problem.input_hash != proposal.input_hash


def drop(proposal: Proposal, by: User) -> None:
    """Put a proposal aside, also one that is being made. Raises RosterRefused: not_yours, changed."""
    require_planner(by)
    states = (Proposal.State.RUNNING, Proposal.State.READY)
    alive = Proposal.objects.filter(pk=proposal.pk, state__in=states)
    if not alive.update(state=Proposal.State.DROPPED):
        raise RosterRefused("changed")


# --- Making one: a job ----------------------------------------------------------------------------


@dataclass
class AtWork:
    proposal: int
    claim: dict[str, str]
    problem: draft.Problem
    answer: "Future[Answer]"


Start = Callable[[draft.Problem, int], "Future[Answer]"]


def _in_own_process(problem: draft.Problem, seed: int) -> "Future[Answer]":
    # Spawned, because this process has threads and sockets that a fork would copy.
    pool = ProcessPoolExecutor(
        1, mp_context=get_context("spawn"), initializer=os.nice, initargs=(10,)
    )
    answer = pool.submit(best, problem, seed=seed)
    pool.shutdown(wait=False)
    return answer


class Maker:
    """What this process has to do with proposals: at most one is in the making."""

    def __init__(self, start: Start = _in_own_process) -> None:
        self.start = start
        self.at_work: AtWork | None = None

    def turn(self, now: datetime) -> int:
        """Hand in what is finished, begin what was asked for; return how many became ready."""
        ready = 0
        if self.at_work and self.at_work.answer.done():
            work, self.at_work = self.at_work, None
            ready = int(_hand_in(work, now))
        if self.at_work is None:
            self._begin(now)
        return ready

    def _begin(self, now: datetime) -> None:
        for proposal in Proposal.objects.filter(state=Proposal.State.RUNNING).select_related(
            "period__line"
        ):
            claim = _claim(proposal, now)
            if claim is None:
                continue
            try:
                problem = problem_of(proposal.period, since(proposal))
                answer = self.start(problem, proposal.seed)
            except (ValueError, OSError) as error:
                # Rows that contradict each other, or no room for a process: again would not help.
                log.error("a proposal could not be begun", exc_info=error)
                Proposal.objects.filter(pk=proposal.pk, params=claim).update(
                    state=Proposal.State.DROPPED
                )
                continue
            self.at_work = AtWork(proposal.pk, claim, problem, answer)
            return


maker = Maker()


def make_proposals(now: datetime) -> int:
    """Make the proposals that were asked for, one at a time; return how many became ready."""
    return maker.turn(now)


def _claim(proposal: Proposal, now: datetime) -> dict[str, str] | None:
    """Take it on, unless another process did and is still at it. Returns what proves it."""
    held = parse_datetime(str(proposal.params.get("claimed_at", "")))
    if held and now - held < GIVEN_UP:
        return None
    claim = {**proposal.params, "claimed_at": now.isoformat()}
    mine = Proposal.objects.filter(
        pk=proposal.pk, state=Proposal.State.RUNNING, params=proposal.params
    )
    return claim if mine.update(params=claim) else None


def _hand_in(work: AtWork, now: datetime) -> bool:
    """Write the answer down, unless it was dropped or taken over meanwhile."""
    mine = Proposal.objects.filter(
        pk=work.proposal, state=Proposal.State.RUNNING, params=work.claim
    )
    try:
        answer = work.answer.result()
    except Exception as error:
        log.error("a proposal could not be made", exc_info=error)
        mine.update(state=Proposal.State.DROPPED)
        return False
    score = {name: getattr(answer.score, name) for name in answer.score.__slots__}
    with transaction.atomic():
        if not mine.update(
            state=Proposal.State.READY,
            ready_at=now,
            input_hash=work.problem.input_hash,
            score=score | {"cost": answer.cost, "method": answer.method},
        ):
            return False
        ProposalLine.objects.bulk_create(_lines(work.proposal, work.problem, answer.placements))
    return True


def _lines(
    proposal: int, problem: draft.Problem, placements: Iterable[Placement]
) -> list[ProposalLine]:
    """One line per seat that the answer fills, empties, or leaves short of the target."""
    placed = {one.seat: one for one in placements}
    before = {duty.seat: duty for duty in problem.duties}
    fixed = {seat for seat, duty in before.items() if duty.is_fixed}
    reasons = Reasons(problem, placed.values())
    lines = []
    for hour in problem.hours:
        short = hour.target_staff - sum(
            seat.id in placed or seat.id in fixed for seat in hour.seats
        )
        for seat in hour.seats:
            if seat.id in fixed:
                continue
            one, old = placed.get(seat.id), before.get(seat.id)
            if one is None:
                short -= 1
                if old is None and short < 0:
                    continue
            reason, why = reasons.chosen(hour, one) if one else reasons.empty(hour, seat)
            lines.append(
                ProposalLine(
                    proposal_id=proposal,
                    seat_id=seat.id,
                    worker_id=one.worker if one else None,
                    credited_to_id=one.institution if one else None,
                    previous_worker_id=old.worker if old else None,
                    reason=reason,
                    why=why,
                )
            )
    return lines


# --- A person decides -----------------------------------------------------------------------------


def placements_of(proposal: Proposal) -> list[Placement]:
    return [
        Placement(seat, worker, institution)
        for seat, worker, institution in proposal.lines.filter(worker__isnull=False).values_list(
            "seat_id", "worker_id", "credited_to_id"
        )
    ]


def adjust(
    line: ProposalLine, worker: User | None, institution: Institution | None, by: User
) -> None:
    """Put somebody else in a line of a proposal, or nobody; nothing else changes yet.

    Raises RosterRefused: not_yours, wrong_state (not ready any more), outdated, breaks_rule (on
    duty or proposed elsewhere at that time, away, or not allowed on this seat).
    """
    require_planner(by)
    proposal = line.proposal
    with transaction.atomic():
        locked = Proposal.objects.select_for_update().get(pk=proposal.pk)
        if locked.state != Proposal.State.READY:
            raise RosterRefused("wrong_state")
        problem = problem_of(locked.period, since(locked))
        if is_outdated(locked, problem):
            raise RosterRefused("outdated")
        placements = [one for one in placements_of(locked) if one.seat != line.seat_id]
        if worker is not None and institution is not None:
            placements.append(Placement(line.seat_id, worker.pk, institution.pk))
        _require_rules(problem, placements)
        line.worker, line.credited_to = worker, institution
        line.reason, line.why = "adjusted", {}
        line.save(update_fields=["worker", "credited_to", "reason", "why"])


def _require_rules(problem: draft.Problem, placements: list[Placement]) -> None:
    known = {worker.id for worker in problem.workers}
    if any(one.worker not in known for one in placements) or broken_rules(problem, placements):
        raise RosterRefused("breaks_rule")


@dataclass(frozen=True)
class Applied:
    """What became of a proposal: duties made, taken away, and left as they were."""

    made: int
    taken: int
    kept: int


def apply(proposal: Proposal, by: User, now: datetime | None = None) -> Applied:
    """Make a proposal the plan: all of it, or nothing. Hours that began meanwhile stay as they are.

    Who gets or loses a duty hears it when the period is published (again).
    Raises RosterRefused: not_yours, changed (not ready any more), wrong_state (of the period),
    outdated (the plan or what people said has changed since), breaks_rule.
    """
    now = now or timezone.now()
    require_planner(by)
    with transaction.atomic():
        ready = Proposal.objects.filter(pk=proposal.pk, state=Proposal.State.READY)
        if not ready.update(state=Proposal.State.APPLIED, applied_at=now, applied_by=by):
            raise RosterRefused("changed")
        period = RosterPeriod.objects.select_for_update().get(pk=proposal.period_id)
        if period.state not in OPEN_TO_PROPOSALS:
            raise RosterRefused("wrong_state")
        lines = list(proposal.lines.filter(seat__hour__start__gt=now).select_related("seat__hour"))
        people = {line.worker_id for line in lines} | {line.previous_worker_id for line in lines}
        lock([one for one in people if one is not None], {line.seat.hour_id for line in lines})
        problem = problem_of(period, since(proposal))
        if is_outdated(proposal, problem):
            raise RosterRefused("outdated")
        _require_rules(problem, placements_of(proposal))
        changes = [line for line in lines if line.is_change]
        taken = _take_away(changes, now)
        made = Duty.objects.bulk_create(
            [
                _duty(line, line.worker_id, line.credited_to_id, by)
                for line in changes
                if line.worker_id is not None and line.credited_to_id is not None
            ]
        )
        _record(by, "released", taken)
        _record(by, "proposed", made)
        if period.state in (RosterPeriod.State.DRAFT, RosterPeriod.State.SIGNUP):
            period.propose(by)
    proposal.refresh_from_db()
    return Applied(len(made), len(taken), len(lines) - len(changes))


def movable(seats: Iterable[int]) -> list[Duty]:
    """The duties on these seats that a proposal may take away."""
    found = Duty.objects.active().filter(seat__in=seats).select_related("hour")
    return [duty for duty in found if may_move(duty)]


def _take_away(changes: list[ProposalLine], now: datetime) -> list[Duty]:
    """Release the duties that have to make room. All of them first: people may change places."""
    seats = [line.seat_id for line in changes if line.previous_worker_id is not None]
    taken = [duty for duty in movable(seats) if duty.start > now]
    Duty.objects.filter(pk__in=[duty.pk for duty in taken]).update(
        status=Duty.Status.RELEASED, sequence=F("sequence") + 1
    )
    return taken


def _record(by: User, deed: str, duties: Iterable[Duty]) -> None:
    """One line in the audit trail for each duty of somebody else."""
    AuditEvent.objects.bulk_create(
        AuditEvent(
            actor=by,
            verb=AuditEvent.Verb.ROSTER,
            person_id=duty.worker_id,
            institution_id=duty.credited_to_id,
            detail=f"{deed} {duty.hour.local_date}",
        )
        for duty in duties
        if duty.worker_id != by.pk
    )


def _duty(line: ProposalLine, worker: int, institution: int, by: User) -> Duty:
    return Duty(
        hour=line.seat.hour,
        seat=line.seat,
        worker_id=worker,
        credited_to_id=institution,
        start=line.seat.hour.start,
        end=line.seat.hour.end,
        source=Duty.Source.PROPOSAL,
        assigned_by=by,
    )
