"""From a period's rows to a proposal and back."""

from concurrent.futures import Future
from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest

from institutions.models import AuditEvent, Institution, User
from roster import proposing
from roster.drafting import problem_of, quotas_of
from roster.models import (
    Absence,
    Availability,
    ConsultationHour,
    Duty,
    Proposal,
    RosterPeriod,
    RosterRefused,
    ServiceLine,
    ShareKey,
)
from roster.proposals.problem import Problem, Wish
from roster.proposals.solve import Proposal as Answer
from roster.proposals.solve import solve
from tests.roster.making import HOUR, MONDAY, NOW, make_period

EVENING = NOW + timedelta(days=1)


def at_once(problem: Problem, seed: int) -> "Future[Answer]":
    answer: Future[Answer] = Future()
    answer.set_result(solve(problem, seed=seed, steps=200, seconds=2))
    return answer


def make(period: RosterPeriod, by: User) -> Proposal:
    """Ask for a proposal and let it be made."""
    proposal = proposing.ask(period, by, now=NOW)
    maker = proposing.Maker(at_once)
    assert maker.turn(NOW) == 0
    assert maker.turn(NOW) == 1
    proposal.refresh_from_db()
    return proposal


def plan_hour(period: RosterPeriod, day: int = 1, **staffing: Any) -> ConsultationHour:
    start = NOW + timedelta(days=day)
    staffing = {"min_staff": 1, "target_staff": 2, "max_staff": 3} | staffing
    hour = ConsultationHour.plan_extra(period.line, start, start + 2 * HOUR, **staffing)
    hour.period = period
    hour.save(update_fields=["period"])
    return hour


@pytest.fixture
def period(line: ServiceLine) -> RosterPeriod:
    period: RosterPeriod = make_period(line)
    return period


def code(refusal: pytest.ExceptionInfo[RosterRefused]) -> str:
    return refusal.value.code


def test_a_proposal_fills_up_to_the_target_and_changes_nothing(
    period: RosterPeriod, anna: User, carla: User, dirk: User
) -> None:
    hour = plan_hour(period)

    proposal = make(period, dirk)

    assert proposal.state == Proposal.State.READY
    lines = list(proposal.lines.filter(worker__isnull=False))
    assert {line.worker for line in lines} == {anna, carla}
    assert not hour.duties.exists()


def test_applying_makes_the_duties_and_moves_the_period(
    period: RosterPeriod, anna: User, carla: User, dirk: User
) -> None:
    hour = plan_hour(period)
    proposal = make(period, dirk)

    applied = proposing.apply(proposal, dirk, NOW)

    assert (applied.made, applied.taken) == (2, 0)
    duties = hour.duties.active()
    assert {duty.worker for duty in duties} == {anna, carla}
    assert {duty.source for duty in duties} == {Duty.Source.PROPOSAL}
    period.refresh_from_db()
    assert period.state == RosterPeriod.State.PROPOSED
    assert proposal.state == Proposal.State.APPLIED
    assert AuditEvent.objects.filter(verb="roster", actor=dirk).count() == 2


def test_a_proposal_is_applied_once(period: RosterPeriod, anna: User, dirk: User) -> None:
    plan_hour(period)
    proposal = make(period, dirk)
    proposing.apply(proposal, dirk, NOW)

    with pytest.raises(RosterRefused) as refusal:
        proposing.apply(Proposal.objects.get(pk=proposal.pk), dirk, NOW)

    assert code(refusal) == "changed"
    assert Duty.objects.count() == 1


def test_a_proposal_is_not_applied_over_a_plan_that_changed(
    period: RosterPeriod, anna: User, carla: User, zuid: Institution, dirk: User
) -> None:
    hour = plan_hour(period)
    proposal = make(period, dirk)
    Absence.objects.create(worker=anna, first_date=hour.local_date, last_date=hour.local_date)

    with pytest.raises(RosterRefused) as refusal:
        proposing.apply(proposal, dirk, NOW)

    assert code(refusal) == "outdated"
    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.READY
    assert not Duty.objects.exists()


def test_what_people_chose_stays_and_what_was_proposed_may_move(
    period: RosterPeriod, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    hour = plan_hour(period, target_staff=1)
    proposing.apply(make(period, dirk), dirk, NOW)
    first = hour.duties.active().get()
    other = bilal if first.worker == anna else anna
    Absence.objects.create(
        worker=first.worker, first_date=hour.local_date, last_date=hour.local_date
    )

    again = make(period, dirk)
    applied = proposing.apply(again, dirk, NOW)

    assert (applied.made, applied.taken) == (1, 1)
    assert hour.duties.active().get().worker == other
    first.refresh_from_db()
    assert (first.status, first.sequence) == (Duty.Status.RELEASED, 1)

    Duty.objects.active().update(is_locked=True)
    [duty] = problem_of(period, NOW).duties
    assert duty.is_fixed


def test_an_empty_seat_says_why(period: RosterPeriod, anna: User, dirk: User) -> None:
    hour = plan_hour(period)
    Absence.objects.create(worker=anna, first_date=hour.local_date, last_date=hour.local_date)

    proposal = make(period, dirk)

    lines = list(proposal.lines.all())
    assert len(lines) == 2
    assert {(line.reason, line.worker) for line in lines} == {("nobody", None)}
    assert lines[0].why == {"unavailable": 1}


def test_a_line_can_be_adjusted_but_not_against_the_rules(
    period: RosterPeriod, anna: User, bilal: User, zuid: Institution, dirk: User
) -> None:
    hour = plan_hour(period, target_staff=1, max_staff=1)
    proposal = make(period, dirk)
    line = proposal.lines.get()
    other = bilal if line.worker == anna else anna

    proposing.adjust(line, other, zuid, dirk)

    line.refresh_from_db()
    assert (line.worker, line.reason) == (other, "adjusted")
    with pytest.raises(RosterRefused) as refusal:
        proposing.adjust(line, dirk, zuid, dirk)
    assert code(refusal) == "breaks_rule"

    proposing.apply(proposal, dirk, NOW)
    assert hour.duties.active().get().worker == other


def test_only_the_platform_proposes(period: RosterPeriod, anna: User, dirk: User) -> None:
    plan_hour(period)

    with pytest.raises(RosterRefused) as refusal:
        proposing.ask(period, anna, now=NOW)

    assert code(refusal) == "not_yours"
    assert not Proposal.objects.exists()


def test_one_is_made_at_a_time(period: RosterPeriod, anna: User, dirk: User) -> None:
    plan_hour(period)
    proposing.ask(period, dirk, now=NOW)

    with pytest.raises(RosterRefused) as refusal:
        proposing.ask(period, dirk, now=NOW)

    assert code(refusal) == "proposal_running"


def test_a_claim_holds_until_its_maker_is_given_up(
    period: RosterPeriod, anna: User, dirk: User
) -> None:
    plan_hour(period)
    proposal = proposing.ask(period, dirk, now=NOW)
    never: Future[Answer] = Future()
    slow, fast = proposing.Maker(lambda problem, seed: never), proposing.Maker(at_once)
    slow.turn(NOW)

    assert fast.turn(NOW + timedelta(minutes=1)) == 0
    assert fast.at_work is None

    later = NOW + proposing.GIVEN_UP
    fast.turn(later)
    assert fast.turn(later) == 1
    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.READY

    # The slow one comes back with an answer that nobody waits for any more.
    never.set_result(at_once(problem_of(period, NOW), 0).result())
    lines = proposal.lines.count()
    assert slow.turn(later) == 0
    assert proposal.lines.count() == lines


def test_a_failing_search_leaves_no_proposal_behind(
    period: RosterPeriod, anna: User, dirk: User
) -> None:
    plan_hour(period)
    proposal = proposing.ask(period, dirk, now=NOW)
    broken: Future[Answer] = Future()
    broken.set_exception(ValueError("no"))
    maker = proposing.Maker(lambda problem, seed: broken)

    maker.turn(NOW)
    maker.turn(NOW)

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.DROPPED


def test_what_cannot_be_begun_is_left_and_the_clock_goes_on(
    period: RosterPeriod, anna: User, dirk: User
) -> None:
    plan_hour(period)
    proposal = proposing.ask(period, dirk, now=NOW)

    def full(problem: Problem, seed: int) -> "Future[Answer]":
        raise OSError("no room")

    assert proposing.Maker(full).turn(NOW) == 0

    proposal.refresh_from_db()
    assert proposal.state == Proposal.State.DROPPED


def test_the_search_runs_in_a_process_of_its_own(
    period: RosterPeriod, anna: User, dirk: User
) -> None:
    plan_hour(period)
    problem = problem_of(period, NOW)

    answer = proposing._in_own_process(problem, 3).result(timeout=30)

    assert answer.input_hash == problem.input_hash
    assert len(answer.placements) == 1


def test_shares_become_quotas(
    period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    hours = [plan_hour(period, target_staff=2), plan_hour(period, day=2, target_staff=1)]
    ShareKey.objects.create(period=period, institution=zuid, weight=2)
    ShareKey.objects.create(period=period, institution=maas, weight=1)

    assert quotas_of(period, hours) == {zuid.pk: 240, maas.pk: 120}
    # A part of the period counts for that part.
    assert quotas_of(period, hours[:1]) == {zuid.pk: 160, maas.pk: 80}


@pytest.mark.parametrize(
    ("said", "wish"),
    [
        ([], Wish.POSSIBLE),
        ([("unavailable", 18, 20)], Wish.UNAVAILABLE),
        ([("unavailable", 10, 12)], Wish.POSSIBLE),
        ([("possible", 10, 12)], Wish.UNAVAILABLE),
        ([("possible", 12, 23)], Wish.POSSIBLE),
        ([("preferred", 19, 20), ("preferred", 20, 23)], Wish.PREFERRED),
        ([("preferred", 19, 20)], Wish.POSSIBLE),
        ([("possible", 10, 12), ("preferred", 18, 22)], Wish.PREFERRED),
        ([("possible", 19, 20), ("preferred", 20, 21)], Wish.POSSIBLE),
        ([("preferred", 12, 23), ("unavailable", 20, 21)], Wish.UNAVAILABLE),
    ],
)
def test_what_workers_say_of_an_hour(
    period: RosterPeriod, anna: User, said: list[tuple[str, int, int]], wish: Wish
) -> None:
    """The hour is on a Tuesday, from 19:00 to 21:00 on the clock."""
    hour = plan_hour(period)
    assert hour.local_start == time(19)
    for kind, start, end in said:
        Availability.objects.create(
            worker=anna, kind=kind, weekday=1, local_start=time(start), local_end=time(end)
        )

    [worker] = problem_of(period, NOW).workers

    assert worker.wishes.get(hour.pk, Wish.UNAVAILABLE) == wish


def test_a_span_counts_as_much_as_a_week_pattern(period: RosterPeriod, anna: User) -> None:
    hour = plan_hour(period)
    Availability.objects.create(
        worker=anna,
        kind="unavailable",
        start=datetime(2026, 3, 3, 17, tzinfo=UTC),
        end=datetime(2026, 3, 3, 18, 30, tzinfo=UTC),
    )

    [worker] = problem_of(period, NOW).workers

    assert hour.pk not in worker.wishes
    assert hour.local_date > MONDAY
