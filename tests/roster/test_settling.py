"""An hour that is over is measured and posted, once; institutions owe it by their key."""

from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.django import TestCase

from institutions.models import Institution, User
from roster import guards
from roster.jobs import settle_hours, unsettled
from roster.models import (
    ConsultationHour,
    DateException,
    Duty,
    DutyPresence,
    HoursEntry,
    LedgerEntry,
    RosterPeriod,
    ServiceLine,
)
from tests.people import make_user
from tests.roster.making import MONDAY, refused
from tests.roster.settling import (
    HOUR,
    LATER,
    NOW,
    at_once,
    hour_in,
    put_on,
    shared_period,
    was_there,
    worked,
)

MINUTE = timedelta(minutes=1)


def postings(kind: str) -> dict[str, int]:
    """Minutes by the name of the institution."""
    sums = LedgerEntry.objects.filter(kind=kind).balances()
    return {one.name: sums[one.pk] for one in Institution.objects.filter(pk__in=sums)}


def measure(duty: Duty) -> tuple[str, int]:
    settle_hours(duty.hour.end)
    duty.refresh_from_db()
    return duty.status, duty.hours_entry.minutes


# --- What was worked -----------------------------------------------------------------------------


def test_a_duty_that_was_done_is_credited(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User
) -> None:
    period = shared_period(line, {zuid: 1, maas: 1})
    hour = hour_in(period)
    duty = put_on(hour, anna)
    was_there(duty)
    assert settle_hours(hour.end - MINUTE) == 0
    assert settle_hours(hour.end) == 1
    duty.refresh_from_db()
    assert duty.status == "done"
    entry = HoursEntry.objects.get()
    assert (entry.state, entry.planned_minutes, entry.measured_minutes) == ("measured", 120, 120)
    assert postings("worked") == {"Welzijn Zuid": 120}
    assert postings("obligation") == {"Welzijn Zuid": -60, "Maaskracht": -60}
    credit = LedgerEntry.objects.get(kind="worked")
    assert (credit.period, credit.source, credit.author) == (period, f"duty:{duty.pk}", None)
    # An evening in the week.
    assert credit.weighted_minutes == 150


def test_settling_again_changes_nothing(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User
) -> None:
    hour = hour_in(shared_period(line, {zuid: 2, maas: 1}))
    worked(hour, anna)
    before = list(LedgerEntry.objects.values())
    assert unsettled(LATER) == []
    assert settle_hours(LATER) == 0
    assert HoursEntry.settle(hour) == 0
    assert list(LedgerEntry.objects.values()) == before


@pytest.mark.parametrize(("missed", "minutes"), [(0, 120), (10, 120), (11, 109), (90, 30)], ids=str)
def test_a_few_minutes_late_is_no_shortfall(
    line: ServiceLine, anna: User, missed: int, minutes: int
) -> None:
    duty = put_on(hour_in(shared_period(line, {})), anna)
    was_there(duty, start=duty.start + missed * MINUTE)
    assert measure(duty) == ("done", minutes)


def test_of_a_short_duty_a_sixth_may_be_missed(line: ServiceLine, anna: User) -> None:
    duty = put_on(hour_in(shared_period(line, {})), anna)
    duty.end = duty.start + 30 * MINUTE
    duty.save()
    was_there(duty, start=duty.start + 6 * MINUTE)
    assert measure(duty) == ("done", 24)


def test_pauses_and_conversations_count_and_what_is_outside_the_duty_does_not(
    line: ServiceLine, anna: User
) -> None:
    duty = put_on(hour_in(shared_period(line, {})), anna)
    was_there(duty, NOW - 30 * MINUTE, NOW + 20 * MINUTE, state="paused")
    was_there(duty, NOW + 20 * MINUTE, NOW + 50 * MINUTE, state="busy")
    was_there(duty, NOW + 110 * MINUTE, NOW + 150 * MINUTE)
    assert measure(duty) == ("done", 60)


def test_who_was_never_seen_did_not_show_up(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    hour = hour_in(shared_period(line, {zuid: 1}))
    assert measure(put_on(hour, anna)) == ("no_show", 0)
    assert postings("worked") == {}
    assert postings("obligation") == {"Welzijn Zuid": -120}
    assert settle_hours(LATER) == 0


def test_who_was_absent_gets_no_credit_and_no_penalty_and_the_cover_gets_it(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User, carla: User
) -> None:
    hour = hour_in(shared_period(line, {zuid: 1, maas: 1}))
    sick = put_on(hour, anna)
    Duty.objects.update(status="sick")
    cover = worked(hour, carla)
    sick.refresh_from_db()
    assert (sick.status, cover.status) == ("sick", "done")
    assert not HoursEntry.objects.filter(duty=sick).exists()
    assert postings("worked") == {"Maaskracht": 120}
    assert LedgerEntry.objects.balances() == {zuid.pk: -60, maas.pk: 60}


def test_who_waited_for_cover_in_vain_and_came_gets_the_credit(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    duty = put_on(hour_in(shared_period(line, {zuid: 1})), anna)
    Duty.objects.update(status="cover_wanted")
    was_there(duty)
    assert measure(duty) == ("done", 120)


def test_what_was_given_away_or_only_proposed_is_not_measured(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User
) -> None:
    hour = hour_in(shared_period(line, {zuid: 1}))
    for number, status in enumerate(("proposed", "released", "replaced"), start=1):
        duty = put_on(hour, anna, number)
        Duty.objects.filter(pk=duty.pk).update(status=status)
    settle_hours(LATER)
    assert not HoursEntry.objects.exists()
    assert postings("worked") == {}


def test_who_stepped_in_has_credit_for_the_rest_of_the_hour(
    line: ServiceLine, zuid: Institution, maas: Institution, carla: User
) -> None:
    hour = hour_in(shared_period(line, {zuid: 1, maas: 1}))
    duty = put_on(hour, carla)
    Duty.objects.update(source="adhoc", start=NOW + 45 * MINUTE)
    duty.refresh_from_db()
    was_there(duty)
    assert measure(duty) == ("done", 75)
    assert postings("worked") == {"Maaskracht": 75}


def test_credit_goes_to_the_institution_of_that_time(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User
) -> None:
    period = shared_period(line, {zuid: 1, maas: 1})
    duty = put_on(hour_in(period), anna)
    was_there(duty)
    anna.memberships.update(institution=maas)
    measure(duty)
    assert postings("worked") == {"Welzijn Zuid": 120}


def test_an_hour_waits_as_long_as_a_stretch_in_it_runs(line: ServiceLine, anna: User) -> None:
    duty = put_on(hour_in(shared_period(line, {})), anna)
    was_there(duty)
    DutyPresence.objects.update(end=None)
    assert settle_hours(LATER) == 0
    DutyPresence.objects.update(end=duty.end)
    assert settle_hours(LATER) == 1


def test_one_hour_that_fails_does_not_keep_the_others(
    line: ServiceLine, anna: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    period = shared_period(line, {})
    bad, good = (put_on(hour_in(period, day), anna) for day in (0, 1))
    was_there(good)
    settle = HoursEntry.settle

    def fail(hour: ConsultationHour) -> int:
        if hour == bad.hour:
            raise RuntimeError
        return settle(hour)

    monkeypatch.setattr(HoursEntry, "settle", fail)
    assert settle_hours(LATER) == 1
    assert [entry.duty for entry in HoursEntry.objects.all()] == [good]
    monkeypatch.undo()
    assert settle_hours(LATER) == 1


def test_a_long_night_counts_the_hour_that_the_clock_repeats(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    """25 October 2026, 23:00 to 04:00 on the clock, is six hours."""
    hour = hour_in(shared_period(line, {zuid: 1}, date(2026, 10, 1)))
    hour.local_date, hour.local_start, hour.local_end = (
        date(2026, 10, 24),
        hour.local_start.replace(hour=23),
        hour.local_end.replace(hour=4),
    )
    hour.save()
    duty = put_on(hour, anna)
    was_there(duty)
    assert measure(duty) == ("done", 360)
    assert postings("obligation") == {"Welzijn Zuid": -360}


# --- What was cancelled --------------------------------------------------------------------------


def test_what_was_cancelled_in_time_is_not_owed(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    hour = hour_in(shared_period(line, {zuid: 1}))
    put_on(hour, anna)
    Duty.objects.update(status="released")
    ConsultationHour.objects.update(status="cancelled", cancelled_at=NOW - 48 * HOUR)
    assert settle_hours(LATER) == 0
    assert not LedgerEntry.objects.exists()


def test_what_was_cancelled_late_counts_as_worked_and_sums_to_zero(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User, bilal: User
) -> None:
    hour = hour_in(shared_period(line, {zuid: 1, maas: 3}), target_staff=3)
    put_on(hour, anna, 1)
    put_on(hour, bilal, 2)
    # So `ConsultationHour.cancel` leaves them.
    Duty.objects.update(status="done")
    ConsultationHour.objects.update(status="cancelled", cancelled_at=NOW - 2 * HOUR)
    assert settle_hours(LATER) == 1
    assert postings("worked") == {"Welzijn Zuid": 240}
    assert postings("obligation") == {"Welzijn Zuid": -60, "Maaskracht": -180}
    assert settle_hours(LATER) == 0


def test_cancelling_late_and_early_through_the_verb(
    line: ServiceLine, zuid: Institution, anna: User, dirk: User
) -> None:
    period = shared_period(line, {zuid: 1})
    late, early = hour_in(period, 0), hour_in(period, 1)
    for hour, before in ((late, 2 * HOUR), (early, 48 * HOUR)):
        put_on(hour, anna)
        hour.cancel(dirk, now=hour.start - before)
    settle_hours(LATER)
    assert [entry.duty.hour for entry in HoursEntry.objects.all()] == [late]
    assert LedgerEntry.objects.balance() == 0
    assert postings("obligation") == {"Welzijn Zuid": -120}


# --- What is owed --------------------------------------------------------------------------------


def test_an_empty_hour_is_owed_all_the_same(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    hour_in(shared_period(line, {zuid: 1, maas: 2}), target_staff=3)
    assert settle_hours(LATER) == 1
    assert postings("obligation") == {"Welzijn Zuid": -120, "Maaskracht": -240}


def test_nothing_is_owed_without_a_period_or_a_key_or_after_it_was_settled(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    loose = put_on(hour_in(shared_period(line, {})), anna)
    ConsultationHour.objects.filter(pk=loose.hour.pk).update(period=None)
    was_there(loose)
    settled = shared_period(line, {zuid: 1}, MONDAY + timedelta(days=28))
    hour_in(settled, 30)
    RosterPeriod.objects.filter(pk=settled.pk).update(state="settled")
    settle_hours(LATER)
    assert postings("obligation") == {}
    assert postings("worked") == {"Welzijn Zuid": 120}


def test_who_joins_midway_owes_nothing_of_before(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    joined = {"weight": 1, "joined": MONDAY + timedelta(days=2)}
    period = shared_period(line, {zuid: 1, maas: joined})
    for day in range(4):
        hour_in(period, day)
    settle_hours(LATER)
    # Two hours alone, two together.
    assert postings("obligation") == {"Welzijn Zuid": -360, "Maaskracht": -120}


def test_who_joins_while_the_period_runs_changes_nothing_that_was_posted(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    period = shared_period(line, {zuid: 1})
    first, second = hour_in(period, 0), hour_in(period, 7)
    settle_hours(first.end)
    before = list(LedgerEntry.objects.values())
    period.shares.create(institution=maas, weight=1, joined=MONDAY + timedelta(days=3))
    settle_hours(second.end)
    assert list(LedgerEntry.objects.all()[:1].values()) == before
    assert postings("obligation") == {"Welzijn Zuid": -180, "Maaskracht": -60}


def test_an_institution_owes_only_while_it_takes_part(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    Institution.objects.filter(pk=maas.pk).update(
        active_from=MONDAY + timedelta(days=1), active_until=MONDAY + timedelta(days=1)
    )
    period = shared_period(line, {zuid: 1, maas: 1})
    for day in range(3):
        hour_in(period, day)
    settle_hours(LATER)
    assert postings("obligation") == {"Welzijn Zuid": -300, "Maaskracht": -60}


def test_who_was_shut_out_is_charged_no_further(
    line: ServiceLine, zuid: Institution, maas: Institution
) -> None:
    period = shared_period(line, {zuid: 1, maas: 1})
    first = hour_in(period, 0)
    hour_in(period, 1)
    settle_hours(first.end)
    Institution.objects.filter(pk=maas.pk).update(is_active=False)
    settle_hours(LATER)
    assert postings("obligation") == {"Welzijn Zuid": -180, "Maaskracht": -60}


def test_agreed_minutes_are_spread_and_add_up_to_what_was_agreed(
    line: ServiceLine, zuid: Institution, maas: Institution, dirk: User
) -> None:
    period = shared_period(line, {zuid: {"fixed_minutes": 100}, maas: 1})
    hours = [hour_in(period, day) for day in range(7)]
    settle_hours(hours[0].end)
    assert -15 <= postings("obligation")["Welzijn Zuid"] <= -14
    # The plan changes; the agreement does not.
    for hour in hours[1:3]:
        hour.cancel(dirk, now=hour.start - 48 * HOUR)
    settle_hours(LATER)
    assert postings("obligation") == {"Welzijn Zuid": -100, "Maaskracht": -500}


def test_rounding_favours_nobody(line: ServiceLine) -> None:
    weights = dict(zip("abcdefg", (3, 3, 3, 5, 7, 1, 1), strict=True))
    shares = {Institution.objects.create(name=name): w for name, w in weights.items()}
    period = shared_period(line, shares)
    for day in range(20):
        hour_in(period, day)
    settle_hours(LATER)
    whole = sum(weights.values())
    for name, minutes in postings("obligation").items():
        assert abs(-minutes - 2400 * weights[name] / whole) <= 1


def test_evenings_weekends_and_holidays_weigh_beside_the_minutes(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    period = shared_period(line, {zuid: 1})
    DateException.objects.create(
        line=line,
        first_date=MONDAY + timedelta(days=1),
        last_date=MONDAY + timedelta(days=1),
        source="holidays",
        name="Feest",
    )
    for day in (0, 1, 5):
        worked(hour_in(period, day), anna, settle=False)
    settle_hours(LATER)
    credits = LedgerEntry.objects.filter(kind="worked")
    assert [entry.minutes for entry in credits] == [120, 120, 120]
    assert [entry.weighted_minutes for entry in credits] == [150, 240, 180]
    assert sum(LedgerEntry.objects.values_list("weighted_minutes", flat=True)) == 0


# --- The database keeps it -----------------------------------------------------------------------


def test_the_ledger_is_append_only_in_the_database_too(
    line: ServiceLine, zuid: Institution, anna: User
) -> None:
    worked(hour_in(shared_period(line, {zuid: 1})), anna)
    assert guards.stands(connection, guards.LEDGER)
    for statement in (
        "UPDATE roster_ledgerentry SET minutes = 0",
        "DELETE FROM roster_ledgerentry",
    ):
        with refused("ledger_is_append_only"), connection.cursor() as cursor:
            cursor.execute(statement)


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_processes_that_settle_at_once_post_once(
    line: ServiceLine,
    zuid: Institution,
    maas: Institution,
    anna: User,
) -> None:
    period = shared_period(line, {zuid: 2, maas: 1})
    for day in range(3):
        worked(hour_in(period, day), anna, settle=False)
    assert at_once(lambda: settle_hours(LATER)) == []
    assert HoursEntry.objects.count() == 3
    assert LedgerEntry.objects.balance() == 0
    assert postings("worked") == {"Welzijn Zuid": 360}


# --- Whatever happens, it adds up ----------------------------------------------------------------


@st.composite
def quarters(draw: st.DrawFn) -> tuple[list[Any], list[tuple[int, int, int]]]:
    """Keys of institutions, and hours: day, target, whole or cancelled late."""
    keys = draw(
        st.lists(
            st.tuples(
                st.sampled_from(["weight", "fixed_minutes"]),
                st.integers(0, 400),
                st.one_of(st.none(), st.integers(0, 20)),
            ),
            min_size=1,
            max_size=6,
        )
    )
    hours = draw(
        st.lists(
            st.tuples(st.integers(0, 20), st.integers(1, 3), st.integers(0, 3)),
            min_size=1,
            max_size=6,
            unique_by=lambda hour: hour[0],
        )
    )
    return keys, hours


class FilledPeriodsSumToZero(TestCase):
    @settings(max_examples=25, deadline=None)
    @given(quarters())
    def test_over_institutions(self, quarter: Any) -> None:
        keys, hours = quarter
        line = ServiceLine.objects.create(name="Lijn")
        home = Institution.objects.create(name="Thuis")
        # Somebody bears what nobody else does.
        shares: dict[Institution, Any] = {home: 1}
        for number, (kind, size, joined) in enumerate(keys):
            institution = Institution.objects.create(name=f"Instelling {number}")
            share: dict[str, Any] = {kind: size}
            if joined is not None:
                share["joined"] = MONDAY + timedelta(days=joined)
            shares[institution] = share
        people = [
            make_user(f"P{number}", (home, "worker"), second_factor=False) for number in range(3)
        ]
        period = shared_period(line, shares)
        for day, target, kind in hours:
            hour = hour_in(period, day, target_staff=target)
            for number, person in enumerate(people[:target], start=1):
                worked(hour, person, number, settle=False)
            if kind == 3:
                hour.duties.update(status="done")
                ConsultationHour.objects.filter(pk=hour.pk).update(
                    status="cancelled", cancelled_at=hour.start
                )
        settle_hours(LATER)
        assert LedgerEntry.objects.balance() == 0
        owed = LedgerEntry.objects.filter(kind="obligation")
        assert -owed.balance() == sum(target * 120 for _day, target, _kind in hours)
        assert settle_hours(LATER) == 0
        for institution, share in shares.items():
            if isinstance(share, dict) and "fixed_minutes" in share:
                agreed = share["fixed_minutes"]
                assert -owed.filter(institution=institution).balance() <= agreed + 1 or agreed == 0
