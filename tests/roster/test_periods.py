"""Periods: made, published, told once, run and closed by the clock."""

from datetime import timedelta
from typing import Any

import pytest

from institutions.models import Institution, StaffMail, User
from roster.jobs import move_periods
from roster.models import (
    ConsultationHour,
    Duty,
    Proposal,
    ProposalLine,
    RosterPeriod,
    RosterRefused,
    ServiceLine,
)
from tests.roster.making import HOUR, MONDAY, NOW, make_hour, make_period
from tests.roster.planning import BEFORE, mails_to, make_rule, publish, put_on

SUNDAY = MONDAY + timedelta(days=6)


@pytest.fixture
def period(line: ServiceLine) -> RosterPeriod:
    return make_period(line, days=7)


@pytest.fixture
def hour(line: ServiceLine, period: RosterPeriod) -> ConsultationHour:
    hour = make_hour(line)
    hour.period = period
    hour.save()
    return hour


# --- Making one ----------------------------------------------------------------------------------


def test_a_period_takes_in_its_hours_and_makes_the_rest(line: ServiceLine, dirk: User) -> None:
    rule = make_rule(line, weekdays=[0, 2])
    rule.generate(MONDAY, MONDAY)
    outside = make_hour(line, NOW + timedelta(days=7))
    last = MONDAY + timedelta(days=6)
    period = RosterPeriod.plan(line, MONDAY, last, dirk, free_for_all_days=7, now=BEFORE)
    assert (period.state, period.free_for_all_days) == ("draft", 7)
    assert list(period.hours.values_list("local_date", flat=True)) == [
        MONDAY,
        MONDAY + timedelta(days=2),
    ]
    outside.refresh_from_db()
    assert outside.period is None


def test_an_hour_that_runs_stays_public_when_a_period_is_made(
    line: ServiceLine, dirk: User
) -> None:
    running = make_hour(line)
    period = RosterPeriod.plan(line, MONDAY, SUNDAY, dirk, now=NOW + HOUR)
    assert not period.hours.exists()
    assert running in ConsultationHour.objects.published()


def test_a_period_that_makes_no_sense_is_refused(
    line: ServiceLine, period: RosterPeriod, anna: User, dirk: User
) -> None:
    for code, by, first, last in (
        ("not_yours", anna, SUNDAY + timedelta(days=1), SUNDAY + timedelta(days=9)),
        ("dates", dirk, SUNDAY, MONDAY),
        ("past", dirk, MONDAY - timedelta(days=9), MONDAY - timedelta(days=5)),
        ("shared", dirk, SUNDAY, SUNDAY + timedelta(days=9)),
    ):
        with pytest.raises(RosterRefused, match=code):
            RosterPeriod.plan(line, first, last, by, now=BEFORE)
    assert RosterPeriod.objects.count() == 1


# --- Its states ----------------------------------------------------------------------------------


def test_the_sign_up_opens_and_closes(period: RosterPeriod, dirk: User) -> None:
    period.open_signup(dirk)
    period.reopen_draft(dirk)
    period.propose(dirk)
    period.open_signup(dirk)
    assert period.state == "signup"
    assert period.changes.count() == 4
    with pytest.raises(RosterRefused, match="wrong_state"):
        period.open_signup(dirk)


def test_who_may_take_seats_reads_once_that_sign_up_opened(
    period: RosterPeriod,
    hour: ConsultationHour,
    zuid: Institution,
    anna: User,
    carla: User,
    dirk: User,
) -> None:
    """Only of the institutions concerned; and a second time is no news."""
    hour.seats.update(owed_by=zuid)
    period.open_signup(dirk)
    told = dict(StaffMail.objects.values_list("to", "body"))
    assert told.keys() == {anna.pk, dirk.pk}
    assert (
        "Je kunt nu diensten kiezen van maandag 2 maart tot en met zondag 8 maart"
        in (told[anna.pk])
    )
    assert "3 plekken leeg" in told[anna.pk]
    assert "/roster/mine/free/" in told[anna.pk]
    assert "Jullie mensen kunnen" in told[dirk.pk]
    period.reopen_draft(dirk)
    period.open_signup(dirk)
    assert StaffMail.objects.count() == 2


def test_before_anything_is_agreed_everybody_reads_that_sign_up_opened(
    period: RosterPeriod, anna: User, carla: User, dirk: User
) -> None:
    User.objects.filter(pk=carla.pk).update(is_active=False)
    period.open_signup(dirk)
    assert set(StaffMail.objects.values_list("to", flat=True)) == {anna.pk, dirk.pk}


VERBS: dict[str, Any] = {
    "open_signup": lambda period, by: period.open_signup(by),
    "reopen_draft": lambda period, by: period.reopen_draft(by),
    "propose": lambda period, by: period.propose(by),
    "publish": lambda period, by: period.publish(by),
    "run": lambda period, by: period.run(by),
    "close": lambda period, by: period.close(by),
    "settle": lambda period, by: period.settle(by),
}


@pytest.mark.parametrize("verb", VERBS)
def test_only_the_coordinator_of_the_platform_moves_a_period(
    period: RosterPeriod, anna: User, verb: str
) -> None:
    with pytest.raises(RosterRefused, match="not_yours"):
        VERBS[verb](period, anna)
    assert not period.changes.exists()


def test_the_clock_runs_and_closes_a_period(
    line: ServiceLine, period: RosterPeriod, dirk: User
) -> None:
    draft = make_period(line, SUNDAY + timedelta(days=1))
    publish(period)
    assert move_periods(BEFORE) == 0
    assert move_periods(NOW) == 1
    period.refresh_from_db()
    assert period.state == "running"
    assert period.changes.get().by is None
    # The last hour goes on past midnight of the last day.
    night = make_hour(line, NOW + timedelta(days=6, hours=4), hours=3)
    night.period = period
    night.save()
    assert move_periods(night.start + 2 * HOUR) == 0
    assert move_periods(night.end) == 1
    period.refresh_from_db()
    assert period.state == "closed"
    draft.refresh_from_db()
    assert draft.state == "draft"
    period.settle(dirk)
    assert period.state == "settled"


def test_nothing_runs_or_closes_too_early(period: RosterPeriod, dirk: User) -> None:
    publish(period)
    with pytest.raises(RosterRefused, match="too_early"):
        period.run(dirk, now=BEFORE)
    period.run(dirk, now=NOW)
    with pytest.raises(RosterRefused, match="too_early"):
        period.close(dirk, now=NOW)
    with pytest.raises(RosterRefused, match="wrong_state"):
        period.settle(dirk)


# --- Publishing ----------------------------------------------------------------------------------


def test_publishing_tells_each_person_once_all_their_duties(
    line: ServiceLine,
    period: RosterPeriod,
    hour: ConsultationHour,
    anna: User,
    bilal: User,
    zuid: Institution,
    dirk: User,
) -> None:
    second = make_hour(line, NOW + timedelta(days=1))  # taken in when it is published
    duties = [put_on(hour, anna, zuid), put_on(second, anna, zuid), put_on(second, bilal, zuid)]
    put_on(make_hour(line, NOW - timedelta(days=7)), bilal, zuid)
    assert len(period.news(BEFORE)) == 1
    version = period.publish(dirk, now=BEFORE)
    assert (period.state, period.published_at) == ("published", BEFORE)
    assert (version.number, version.author) == (1, dirk)
    assert [item["duty"] for item in version.snapshot] == [duty.pk for duty in duties]
    assert version.snapshot[0] == {
        "duty": duties[0].pk,
        "uid": duties[0].uid,
        "hour": hour.pk,
        "seat": duties[0].seat_id,
        "worker": anna.pk,
        "institution": zuid.pk,
        "start": "2026-03-02T18:00:00+00:00",
        "end": "2026-03-02T20:00:00+00:00",
    }
    (body,) = mails_to(anna)
    assert body.index("maandag 2 maart, 19:00-21:00") < body.index("dinsdag 3 maart, 19:00-21:00")
    assert len(mails_to(bilal)) == 1
    assert "Anna" not in mails_to(bilal)[0]


def test_publishing_twice_tells_nobody_twice(
    period: RosterPeriod, hour: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    put_on(hour, anna, zuid)
    stale = RosterPeriod.objects.get(pk=period.pk)
    first = period.publish(dirk, now=BEFORE)
    with pytest.raises(RosterRefused, match="changed"):
        stale.publish(dirk, now=BEFORE)
    assert period.publish(dirk, now=BEFORE) == first
    assert StaffMail.objects.count() == period.versions.count() == 1


def test_published_again_only_who_won_or_lost_a_duty_is_told(
    period: RosterPeriod,
    hour: ConsultationHour,
    anna: User,
    bilal: User,
    carla: User,
    zuid: Institution,
    maas: Institution,
    dirk: User,
) -> None:
    put_on(hour, anna, zuid)
    lost, given_back = put_on(hour, bilal, zuid), put_on(hour, dirk, zuid)
    period.publish(dirk, now=BEFORE)
    StaffMail.objects.all().delete()
    Duty.objects.filter(pk__in=[lost.pk, given_back.pk]).update(status="released")
    put_on(hour, carla, maas, source="proposal", seat=lost.seat)
    applied = {"state": "applied", "ready_at": NOW, "applied_at": NOW, "applied_by": dirk}
    proposal = Proposal.objects.create(period=period, author=dirk, input_hash="0" * 64, **applied)
    ProposalLine.objects.create(
        proposal=proposal,
        seat=lost.seat,
        worker=carla,
        credited_to=maas,
        previous_worker=bilal,
        reason="best",
    )
    told = {item.worker: item.what for item in period.news(BEFORE)}
    assert told == {bilal: "removed", carla: "new"}
    version = period.publish(dirk, now=BEFORE)
    assert (version.number, len(version.snapshot)) == (2, 2)
    assert not mails_to(anna, dirk)
    assert "Niet meer van jou" in mails_to(bilal)[0]
    assert "Nieuw: maandag" in mails_to(carla)[0]


def test_who_took_a_seat_themselves_is_not_told_again(
    period: RosterPeriod, hour: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    period.publish(dirk, now=BEFORE)
    put_on(hour, anna, zuid)
    assert period.publish(dirk, now=BEFORE).number == 2
    assert not StaffMail.objects.exists()


def test_a_period_that_is_over_is_not_published_again(period: RosterPeriod, dirk: User) -> None:
    RosterPeriod.objects.update(state="closed", published_at=BEFORE)
    period.refresh_from_db()
    with pytest.raises(RosterRefused, match="wrong_state"):
        period.publish(dirk)
