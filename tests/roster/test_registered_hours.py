"""Registered hours can be corrected, with approval; the ledger is reversed and never changed."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from institutions.models import AuditEvent, Institution, StaffMail, User
from roster.jobs import settle_hours
from roster.models import (
    Duty,
    HoursEntry,
    LedgerEntry,
    RosterPeriod,
    RosterRefused,
    ServiceLine,
)
from tests.people import make_user
from tests.roster.settling import LATER, NOW, at_once, hour_in, put_on, shared_period, was_there

WORKED = "worked"


@pytest.fixture
def zoe(zuid: Institution) -> User:
    """The coordinator of Zuid alone."""
    return make_user("Zoë", (zuid, "coordinator"))


@pytest.fixture
def entry(line: ServiceLine, zuid: Institution, anna: User, zoe: User, dirk: User) -> HoursEntry:
    """Anna's hours of a duty of two hours, of which she was seen for 100 minutes."""
    duty = put_on(hour_in(shared_period(line, {zuid: 1})), anna)
    was_there(duty, end=duty.start + timedelta(minutes=100))
    settle_hours(LATER)
    return HoursEntry.objects.get()


def again(entry: HoursEntry) -> HoursEntry:
    return HoursEntry.objects.get(pk=entry.pk)


def codes(*deeds: Callable[[], object]) -> list[str]:
    found = []
    for deed in deeds:
        with pytest.raises(RosterRefused) as refusal:
            deed()
        found.append(refusal.value.code)
    return found


def ledger() -> list[tuple[str, int, str | None, bool]]:
    """Minutes, source, author and whether it reverses, of what was posted as worked."""
    return [
        (one.source, one.minutes, one.author and one.author.chat_name, one.reverses_id is not None)
        for one in LedgerEntry.objects.filter(kind=WORKED)
    ]


def mails(kind: str) -> list[str]:
    return [mail.to.chat_name for mail in StaffMail.objects.filter(kind=kind)]


def test_a_worker_asks_for_a_correction_and_the_coordinators_hear_it(
    entry: HoursEntry, anna: User
) -> None:
    entry.claim(anna, 118, NOW)
    claimed = again(entry)
    assert (claimed.state, claimed.claimed_minutes, claimed.claimed_at) == ("claimed", 118, NOW)
    # As long as nobody decided, what was measured counts.
    assert claimed.minutes == 100
    assert ledger() == [(f"duty:{entry.duty_id}", 100, None, False)]
    assert sorted(mails("hours_claimed")) == ["Dirk", "Zoë"]
    mail = StaffMail.objects.filter(kind="hours_claimed")[0]
    assert "Anna Voorbeeld" in mail.body
    assert "maandag 2 maart, 19:00-21:00" in mail.body
    assert "118 minuten" in mail.body


def test_a_claim_may_change_and_be_withdrawn(entry: HoursEntry, anna: User) -> None:
    entry.claim(anna, 118)
    entry.claim(anna, 120)
    assert again(entry).claimed_minutes == 120
    entry.withdraw(anna)
    assert (again(entry).state, again(entry).claimed_at) == ("measured", None)
    assert codes(lambda: entry.withdraw(anna)) == ["wrong_state"]


def test_claims_that_cannot_be(entry: HoursEntry, anna: User, bilal: User) -> None:
    assert codes(
        lambda: entry.claim(bilal, 120),
        lambda: entry.withdraw(bilal),
        lambda: entry.claim(anna, -1),
        lambda: entry.claim(anna, 361),
        lambda: entry.claim(anna, 100),
    ) == ["not_yours", "not_yours", "minutes", "minutes", "same"]
    assert again(entry).state == "measured"


def test_approving_reverses_and_posts_anew(entry: HoursEntry, anna: User, zoe: User) -> None:
    entry.claim(anna, 118)
    entry.approve(zoe, now=NOW)
    approved = again(entry)
    assert (approved.state, approved.minutes, approved.approver) == ("approved", 118, zoe)
    assert (approved.measured_minutes, approved.decided_at) == (100, NOW)
    name = f"duty:{entry.duty_id}"
    first = LedgerEntry.objects.get(source=name)
    assert ledger() == [
        (name, 100, None, False),
        (f"entry:{first.pk}", -100, "Zoë", True),
        (f"{name}/2", 118, "Zoë", False),
    ]
    assert mails("hours_approved") == ["Anna"]
    event = AuditEvent.objects.get(verb="roster")
    assert (event.actor, event.person, event.detail) == (zoe, anna, "hours_approved 2026-03-02")


def test_approving_again_goes_on_from_what_stands(entry: HoursEntry, zoe: User, dirk: User) -> None:
    entry.approve(zoe, 118)
    again(entry).approve(dirk, 0)
    again(entry).approve(zoe, 90)
    assert [minutes for _source, minutes, _by, _reverses in ledger()] == [100, -100, 118, -118, 90]
    assert LedgerEntry.objects.filter(kind=WORKED).balance() == 90
    assert LedgerEntry.objects.filter(kind=WORKED).live().balance() == 90
    assert codes(lambda: again(entry).approve(zoe)) == ["wrong_state"]


def test_approving_what_was_measured_posts_nothing(entry: HoursEntry, zoe: User) -> None:
    entry.approve(zoe)
    assert (again(entry).state, again(entry).minutes) == ("approved", 100)
    assert len(ledger()) == 1


def test_rejecting_leaves_what_was_measured(entry: HoursEntry, anna: User, zoe: User) -> None:
    assert codes(lambda: entry.reject(zoe)) == ["wrong_state"]
    entry.claim(anna, 120)
    entry.reject(zoe)
    assert (again(entry).state, again(entry).minutes) == ("rejected", 100)
    assert len(ledger()) == 1
    assert mails("hours_rejected") == ["Anna"]
    assert codes(lambda: again(entry).claim(anna, 120)) == ["wrong_state"]
    # The coordinator may come back on it.
    again(entry).approve(zoe)
    assert again(entry).minutes == 120


def test_only_coordinators_of_the_credited_institution_or_the_platform_decide(
    entry: HoursEntry, anna: User, bilal: User, maas: Institution, dirk: User
) -> None:
    stranger = make_user("Max", (maas, "coordinator"))
    entry.claim(anna, 120)
    for person in (anna, bilal, stranger):
        assert codes(
            lambda person=person: entry.approve(person), lambda person=person: entry.reject(person)
        ) == ["not_yours", "not_yours"]
    platform = make_user("Pia", (None, "coordinator"))
    entry.approve(platform)
    assert again(entry).approver == platform


def test_nobody_decides_about_the_own_hours(
    entry: HoursEntry, anna: User, zuid: Institution
) -> None:
    anna.memberships.create(institution=zuid, role="coordinator")
    entry.claim(anna, 120)
    assert "Anna" not in mails("hours_claimed")
    assert codes(lambda: entry.approve(anna), lambda: entry.reject(anna)) == ["own", "own"]


def test_numbers_that_cannot_be_approved(entry: HoursEntry, zoe: User) -> None:
    assert codes(lambda: entry.approve(zoe, -1), lambda: entry.approve(zoe, 1441)) == [
        "minutes",
        "minutes",
    ]


def test_after_settling_the_period_nothing_is_corrected(
    entry: HoursEntry, anna: User, zoe: User
) -> None:
    RosterPeriod.objects.update(state="settled")
    entry = again(entry)
    assert codes(
        lambda: entry.claim(anna, 120),
        lambda: entry.approve(zoe, 120),
        lambda: entry.reject(zoe),
    ) == ["settled", "settled", "settled"]


def test_who_decides_on_what_changed_meanwhile_is_told(
    entry: HoursEntry, anna: User, zoe: User, dirk: User
) -> None:
    entry.claim(anna, 118)
    hers, his = again(entry), again(entry)
    hers.approve(zoe)
    assert codes(lambda: his.reject(dirk), lambda: his.approve(dirk)) == ["changed", "changed"]
    assert LedgerEntry.objects.filter(kind=WORKED).balance() == 118


def test_who_was_not_seen_but_was_there_is_credited_after_all(
    line: ServiceLine, zuid: Institution, anna: User, zoe: User
) -> None:
    duty = put_on(hour_in(shared_period(line, {zuid: 1})), anna)
    settle_hours(LATER)
    entry = HoursEntry.objects.get()
    entry.claim(anna, 120)
    entry.approve(zoe)
    duty.refresh_from_db()
    assert duty.status == "done"
    assert LedgerEntry.objects.balance() == 0


def test_nobody_is_credited_for_two_duties_at_once(
    line: ServiceLine, zuid: Institution, anna: User, zoe: User
) -> None:
    period = shared_period(line, {zuid: 1})
    missed = put_on(hour_in(period), anna)
    settle_hours(LATER)
    other = put_on(hour_in(period), anna)
    was_there(other)
    settle_hours(LATER)
    entry = HoursEntry.objects.get(duty=missed)
    assert codes(lambda: entry.approve(zoe, 120)) == ["overlap"]
    assert again(entry).state == "measured"
    assert Duty.objects.get(pk=missed.pk).status == "no_show"


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_two_coordinators_at_once_post_one_correction(
    line: ServiceLine, zuid: Institution, anna: User, zoe: User
) -> None:
    duty = put_on(hour_in(shared_period(line, {zuid: 1})), anna)
    was_there(duty, end=duty.start + timedelta(minutes=60))
    settle_hours(LATER)
    entry = HoursEntry.objects.get()
    refusals: list[Any] = at_once(lambda: again(entry).approve(zoe, 120))
    assert all(isinstance(one, RosterRefused) for one in refusals)
    assert LedgerEntry.objects.filter(kind=WORKED).balance() == 120


def test_a_period_is_settled_once_everything_is_counted_and_decided(
    line: ServiceLine, zuid: Institution, anna: User, dirk: User
) -> None:
    period = shared_period(line, {zuid: 1})
    put_on(hour_in(period), anna)
    RosterPeriod.objects.update(state="closed")
    period.refresh_from_db()
    assert codes(lambda: period.settle(dirk)) == ["unmeasured"]
    settle_hours(LATER)
    entry = HoursEntry.objects.get()
    entry.claim(anna, 120)
    assert codes(lambda: period.settle(dirk)) == ["claims"]
    entry.approve(dirk)
    period.settle(dirk)
    assert period.state == "settled"


def test_settling_posts_what_the_clock_did_not_come_to(
    line: ServiceLine, zuid: Institution, dirk: User
) -> None:
    """An empty hour has no duty that waits to be counted, and is owed all the same."""
    period = shared_period(line, {zuid: 1})
    hour = hour_in(period)
    RosterPeriod.objects.update(state="closed")
    period.refresh_from_db()
    period.settle(dirk)
    owed = LedgerEntry.objects.filter(period=period, kind="obligation")
    assert owed.balance() == -hour.target_staff * hour.minutes
    assert settle_hours(LATER) == 0
