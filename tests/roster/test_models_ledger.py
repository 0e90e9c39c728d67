"""Hours worked, postings and costs: whole numbers that explain themselves."""

from typing import Any

import pytest

from institutions.models import Institution, User
from roster.models import CostLine, CostRun, DutyPresence, HoursEntry, LedgerEntry, ServiceLine
from tests.people import make_user, rights_of
from tests.roster.making import HOUR, NOW, make_duty, refused


def post(line: ServiceLine, institution: Institution, **fields: Any) -> LedgerEntry:
    return LedgerEntry.objects.create(
        **{
            "line": line,
            "institution": institution,
            "kind": "worked",
            "minutes": 120,
            "weighted_minutes": 150,
            "source": "duty:1",
            **fields,
        }
    )


# --- Postings ------------------------------------------------------------------------------------


def test_the_same_is_posted_once(line: ServiceLine, zuid: Institution, maas: Institution) -> None:
    post(line, zuid)
    with refused():
        post(line, zuid, minutes=60)
    post(line, maas)
    post(line, zuid, source="duty:2")
    post(line, zuid, kind="obligation", minutes=-120, weighted_minutes=-150)


def test_posting_many_again_adds_nothing(line: ServiceLine, zuid: Institution) -> None:
    same = {"line": line, "institution": zuid, "kind": "worked", "weighted_minutes": 0}
    for _twice in range(2):
        rows = [LedgerEntry(**same, minutes=n, source=f"duty:{n}") for n in range(1, 4)]
        LedgerEntry.objects.bulk_create(rows, ignore_conflicts=True)
    assert LedgerEntry.objects.balance() == 6


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("posting_has_a_source", {"source": ""}),
        ("owed_is_negative", {"kind": "obligation"}),
        ("owed_is_negative", {"kind": "obligation", "minutes": -1}),
        ("owed_is_negative", {"minutes": -1}),
        ("owed_is_negative", {"weighted_minutes": -1}),
        ("correction_has_an_author", {"kind": "correction"}),
        ("correction_has_an_author", {"kind": "waiver"}),
        ("correction_has_an_author", {"kind": "transfer"}),
    ],
    ids=str,
)
def test_a_posting_that_makes_no_sense_is_refused(
    line: ServiceLine, zuid: Institution, constraint: str, wrong: dict[str, Any]
) -> None:
    with refused(constraint):
        post(line, zuid, **wrong)


def test_a_posting_is_reversed_once_by_its_opposite(
    line: ServiceLine, zuid: Institution, dirk: User
) -> None:
    entry = post(line, zuid)
    opposite = {"minutes": -120, "weighted_minutes": -150, "reverses": entry, "author": dirk}
    reversal = post(line, zuid, source=f"entry:{entry.pk}", **opposite)
    assert entry.reversed_by == reversal
    assert LedgerEntry.objects.balance() == 0
    with refused():
        post(line, zuid, source="again", **opposite)


def test_balances_are_done_minus_owed(
    line: ServiceLine, zuid: Institution, maas: Institution, dirk: User
) -> None:
    owed = {"kind": "obligation", "minutes": -90, "weighted_minutes": -90, "source": "hour:1"}
    post(line, zuid, **owed)
    post(line, zuid)
    post(line, maas, **owed)
    assert LedgerEntry.objects.balances() == {zuid.pk: 30, maas.pk: -90}
    assert LedgerEntry.objects.none().balance() == 0
    stranger = make_user("Max", (maas, "coordinator"))
    assert LedgerEntry.objects.visible_to(rights_of(stranger)).balances() == {maas.pk: -90}
    assert LedgerEntry.objects.visible_to(rights_of(dirk)).count() == 3


# --- Costs ---------------------------------------------------------------------------------------


def test_a_run_has_one_line_of_a_kind_per_institution(
    line: ServiceLine, zuid: Institution, maas: Institution, dirk: User
) -> None:
    same = {"line": line, "total_cents": 1001, "inputs": {}, "author": dirk}
    with refused("shortfall_has_a_tariff"):
        CostRun.objects.create(method="mixed", **same)
    CostRun.objects.create(method="shortfall", tariff_cents=4500, **same)
    run = CostRun.objects.create(method="key", **same)
    CostLine.objects.create(run=run, institution=zuid, kind="key", cents=1101)
    with refused():
        CostLine.objects.create(run=run, institution=zuid, kind="key", cents=1)
    CostLine.objects.create(run=run, institution=maas, kind="correction", cents=-100)
    stranger = make_user("Max", (maas, "coordinator"))
    assert [row.cents for row in CostLine.objects.visible_to(rights_of(stranger))] == [-100]
    assert CostLine.objects.visible_to(rights_of(dirk)).count() == 2


# --- Hours worked --------------------------------------------------------------------------------


def test_a_worker_has_one_stretch_that_runs(line: ServiceLine, anna: User, bilal: User) -> None:
    duty = make_duty(line, anna)
    same = {"worker": anna, "hour": duty.hour, "duty": duty}
    with refused("stretch_ends_after_start"):
        DutyPresence.objects.create(**same, state="ready", start=NOW, end=NOW)
    ended = DutyPresence.objects.create(**same, state="ready", start=NOW, end=NOW + HOUR)
    running = DutyPresence.objects.create(**same, state="busy", start=NOW + HOUR)
    with refused():
        DutyPresence.objects.create(**same, state="paused", start=NOW + HOUR)
    DutyPresence.objects.create(worker=bilal, hour=duty.hour, state="ready", start=NOW + 3 * HOUR)
    mine = DutyPresence.objects.filter(worker=anna)
    assert list(mine.running()) == [running]
    assert list(mine.overlapping(NOW, NOW + HOUR)) == [ended]
    assert list(mine.overlapping(NOW + 5 * HOUR, NOW + 6 * HOUR)) == [running]


CLAIM: dict[str, Any] = {"claimed_minutes": 115, "claimed_at": NOW}


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("claim_has_a_time", {"claimed_minutes": 115}),
        ("hours_state_has_its_times", {"state": "claimed"}),
        ("hours_state_has_its_times", CLAIM),
        ("hours_state_has_its_times", {"decided_at": NOW}),
        ("hours_state_has_its_times", {"state": "approved", "approved_minutes": 1}),
        ("approved_has_minutes", {"state": "approved", "decided_at": NOW}),
        ("approved_has_minutes", {"approved_minutes": 1}),
        ("rejected_by_somebody", {"state": "rejected", "decided_at": NOW, **CLAIM}),
    ],
    ids=str,
)
def test_hours_that_make_no_sense_are_refused(
    line: ServiceLine, anna: User, constraint: str, wrong: dict[str, Any]
) -> None:
    with refused(constraint):
        HoursEntry.objects.create(
            duty=make_duty(line, anna), planned_minutes=120, measured_minutes=110, **wrong
        )


def test_what_counts_is_what_was_approved_else_what_was_measured(
    line: ServiceLine, anna: User, dirk: User
) -> None:
    entry = HoursEntry(duty=make_duty(line, anna), planned_minutes=120, measured_minutes=110)
    entry.save()
    assert entry.minutes == 110
    for state, approved, minutes in (
        ("claimed", {}, 110),
        ("rejected", {"decided_at": NOW, "approver": dirk}, 110),
        ("approved", {"decided_at": NOW, "approver": dirk, "approved_minutes": 115}, 115),
    ):
        HoursEntry.objects.update(state=state, **CLAIM, **approved)
        entry.refresh_from_db()
        assert entry.minutes == minutes
    with refused():
        HoursEntry.objects.create(duty=entry.duty, planned_minutes=1, measured_minutes=1)


def test_hours_are_for_the_worker_and_the_coordinator(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution, maas: Institution
) -> None:
    HoursEntry.objects.create(
        duty=make_duty(line, anna),
        planned_minutes=120,
        measured_minutes=110,
        state="claimed",
        **CLAIM,
    )
    assert HoursEntry.objects.claimed().count() == 1
    coordinators = make_user("Zoë", (zuid, "coordinator")), make_user("Max", (maas, "coordinator"))
    people = (anna, bilal, *coordinators)
    seen = [p for p in people if HoursEntry.objects.visible_to(rights_of(p)).exists()]
    assert seen == [anna, coordinators[0]]
