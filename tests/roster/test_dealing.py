"""Owed seats: dealt by share per kind of hour, again when somebody joins, and given to others."""

from collections import Counter
from datetime import UTC, date, datetime, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from institutions.models import AuditEvent, Institution, StaffMail, User
from roster.dealing import Dealt, deal, preview_deal
from roster.fairness import SlotClass
from roster.models import RosterPeriod, RosterRefused, Seat, ServiceLine, ShareKey
from tests.people import make_user, rights_of
from tests.roster.making import MONDAY, NOW, make_hour, make_period
from tests.roster.planning import BEFORE, make_rule, put_on

WEEKS = 6
LATER = MONDAY + timedelta(weeks=3)


@pytest.fixture
def period(line: ServiceLine) -> RosterPeriod:
    """Six weeks with an hour by day, in the evening and in the weekend; two seats are owed each."""
    period = make_period(line, days=7 * WEEKS)
    make_rule(line, weekdays=[0, 2])
    make_rule(line, weekdays=[1], local_start=time(13), local_end=time(15))
    make_rule(line, weekdays=[6], local_start=time(14), local_end=time(18))
    period.generate(BEFORE)
    return period


def give_shares(period: RosterPeriod, **weights: tuple[Institution, int]) -> None:
    for institution, weight in weights.values():
        ShareKey.objects.create(period=period, institution=institution, weight=weight)


def owed(period: RosterPeriod) -> Counter[int | None]:
    return Counter(Seat.objects.filter(hour__period=period).values_list("owed_by", flat=True))


def minutes_of(dealt: Dealt, institution: Institution) -> dict[SlotClass, int]:
    return dealt.minutes[institution.pk]


def test_seats_are_dealt_by_share_in_every_kind_of_hour(
    period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    give_shares(period, zuid=(zuid, 2), maas=(maas, 1))
    looked = preview_deal(period, now=BEFORE)
    assert owed(period)[None] == Seat.objects.count()
    dealt = deal(period, dirk, now=BEFORE)
    assert dealt == looked
    assert dealt.changes == 2 * 4 * WEEKS
    assert sum(dealt.share.values()) == 2 * WEEKS * (3 * 120 + 240)
    for kind, slot in ((SlotClass.EVENING, 120), (SlotClass.DAY, 120), (SlotClass.WEEKEND, 240)):
        ours, theirs = minutes_of(dealt, zuid)[kind], minutes_of(dealt, maas)[kind]
        assert abs(ours - 2 * (ours + theirs) / 3) <= slot
    assert abs(dealt.total(zuid.pk) - dealt.share[zuid.pk]) <= 240
    # Seats above the target are everybody's, and no hour is of one institution alone.
    assert owed(period)[None] == 4 * WEEKS
    assert deal(period, dirk, now=BEFORE).changes == 0


def test_what_is_filled_or_has_begun_stays_and_counts(
    period: RosterPeriod, anna: User, zuid: Institution, maas: Institution, dirk: User
) -> None:
    give_shares(period, zuid=(zuid, 1), maas=(maas, 1))
    deal(period, dirk, now=BEFORE)
    first, *_others, last = period.hours.all()
    begun = list(first.seats.values_list("owed_by", flat=True))
    Seat.objects.filter(hour=last).update(owed_by=maas)
    put_on(last, anna, zuid)
    hours = [hour for hour in period.hours.all() if hour not in (first, last)]
    for hour in hours[:6]:
        put_on(hour, anna, zuid, seat=hour.seats.get(no=3))  # for nobody in particular
    dealt = deal(period, dirk, now=NOW)
    assert list(first.seats.values_list("owed_by", flat=True)) == begun
    assert last.seats.get(no=1).owed_by == maas
    for hour in hours[:6]:
        seats = hour.seats.values_list("no", "owed_by")
        # Three people fit, two are owed: the one who is there is one of them.
        assert sum(owner is not None for no, owner in seats if no != 3) == 1
    assert abs(dealt.total(zuid.pk) - dealt.total(maas.pk)) <= 240


def test_an_institution_that_joins_in_mid_quarter_is_dealt_in_from_then_on(
    period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    heuvel = Institution.objects.create(name="Heuvelhulp")
    give_shares(period, zuid=(zuid, 1), maas=(maas, 1))
    deal(period, dirk, now=BEFORE)
    ShareKey.objects.create(period=period, institution=heuvel, weight=1, joined=LATER)
    halfway = datetime(2026, 3, 16, 12, tzinfo=UTC)
    before = set(Seat.objects.filter(hour__start__lte=halfway).values_list("pk", "owed_by"))
    dealt = deal(period, dirk, now=halfway)
    assert set(Seat.objects.filter(hour__start__lte=halfway).values_list("pk", "owed_by")) == before
    theirs = Seat.objects.filter(owed_by=heuvel)
    assert theirs.exists()
    assert not theirs.filter(hour__local_date__lt=LATER).exists()
    # Half of the time, so half of what the others bear.
    assert dealt.share[heuvel.pk] == sum(dealt.share.values()) // 5
    assert abs(dealt.total(heuvel.pk) - dealt.share[heuvel.pk]) <= 240
    assert abs(dealt.total(zuid.pk) - dealt.total(maas.pk)) <= 240


def test_who_left_or_stopped_is_dealt_nothing(
    period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    give_shares(period, zuid=(zuid, 1), maas=(maas, 1))
    Institution.objects.filter(pk=maas.pk).update(active_until=LATER)
    deal(period, dirk, now=BEFORE)
    theirs = Seat.objects.filter(owed_by=maas)
    assert theirs.exists()
    assert not theirs.filter(hour__local_date__gt=LATER).exists()
    Institution.objects.filter(pk=maas.pk).update(is_active=False)
    deal(period, dirk, now=BEFORE)
    assert not theirs.exists()


def test_fixed_minutes_go_first(
    period: RosterPeriod, zuid: Institution, maas: Institution, dirk: User
) -> None:
    give_shares(period, zuid=(zuid, 1))
    ShareKey.objects.create(period=period, institution=maas, fixed_minutes=960)
    dealt = deal(period, dirk, now=BEFORE)
    assert dealt.share[maas.pk] == 960
    assert abs(dealt.total(maas.pk) - 960) <= 240


def test_dealing_has_its_limits(
    period: RosterPeriod, anna: User, zuid: Institution, dirk: User
) -> None:
    with pytest.raises(RosterRefused, match="no_key"):
        deal(period, dirk, now=BEFORE)
    give_shares(period, zuid=(zuid, 1))
    with pytest.raises(RosterRefused, match="not_yours"):
        deal(period, anna, now=BEFORE)
    RosterPeriod.objects.update(state="closed", published_at=BEFORE)
    with pytest.raises(RosterRefused, match="wrong_state"):
        deal(period, dirk, now=BEFORE)
    assert not Seat.objects.exclude(owed_by=None).exists()


def test_looking_at_a_deal_takes_as_many_queries_for_many_hours(
    period: RosterPeriod, zuid: Institution
) -> None:
    give_shares(period, zuid=(zuid, 1))
    counts = []
    for days in (7, 7 * WEEKS):
        RosterPeriod.objects.update(last_date=MONDAY + timedelta(days=days - 1))
        period.refresh_from_db()
        period.line.hours.update(period=None)
        period.adopt(BEFORE)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            preview_deal(RosterPeriod.objects.get(), now=BEFORE)
        counts.append(len(queries))
    assert counts[0] == counts[1]


# --- Giving a seat to another --------------------------------------------------------------------


@pytest.fixture
def seat(line: ServiceLine, zuid: Institution) -> Seat:
    seat = make_hour(line).seats.first()
    seat.owed_by = zuid
    seat.save()
    return seat


@pytest.fixture
def greta(maas: Institution) -> User:
    return make_user("Greta", (maas, "coordinator"), second_factor=False)


def test_a_coordinator_takes_a_seat_over_and_the_others_hear_it(
    seat: Seat, zuid: Institution, maas: Institution, edith: User, greta: User, dirk: User
) -> None:
    with pytest.raises(RosterRefused, match="not_yours"):  # nobody gets a burden unasked
        seat.give_to(maas, edith, rights_of(edith), now=BEFORE)
    seat.give_to(maas, greta, rights_of(greta), now=BEFORE)
    assert seat.owed_by == maas
    told = StaffMail.objects.values_list("to", "body")
    assert {to for to, _body in told} == {dirk.pk, edith.pk}
    assert "Welzijn Zuid" in told[0][1]
    assert "Maaskracht" in told[0][1]
    trail = AuditEvent.objects.get(verb="roster")
    assert (trail.actor, trail.institution, trail.detail) == (greta, zuid, "given 2026-03-02")
    # And back to nobody, by who has it now.
    seat.give_to(None, greta, rights_of(greta), now=BEFORE)
    assert seat.owed_by is None
    seat.give_to(zuid, edith, rights_of(edith), now=BEFORE)
    assert seat.owed_by == zuid


def test_whose_seat_it_is_not_gives_nothing_away(
    seat: Seat, anna: User, greta: User, zuid: Institution
) -> None:
    for stranger, to in ((anna, None), (greta, None), (anna, zuid)):
        with pytest.raises(RosterRefused, match="not_yours"):
            seat.give_to(to, stranger, rights_of(stranger), now=BEFORE)
    seat.refresh_from_db()
    assert seat.owed_by == zuid


def test_a_seat_is_given_only_while_it_is_empty_and_to_come(
    seat: Seat, anna: User, zuid: Institution, maas: Institution, dirk: User
) -> None:
    staff = rights_of(dirk)
    with pytest.raises(RosterRefused, match="began"):
        seat.give_to(maas, dirk, staff, now=NOW)
    Institution.objects.filter(pk=maas.pk).update(active_from=date(2026, 3, 3))
    with pytest.raises(RosterRefused, match="inactive"):
        seat.give_to(maas, dirk, staff, now=BEFORE)
    Institution.objects.filter(pk=maas.pk).update(active_from=None)
    stale = Seat.objects.select_related("owed_by", "hour").get(pk=seat.pk)
    seat.give_to(maas, dirk, staff, now=BEFORE)
    with pytest.raises(RosterRefused, match="changed"):
        stale.give_to(None, dirk, staff, now=BEFORE)
    put_on(seat.hour, anna, zuid, seat=seat)
    with pytest.raises(RosterRefused, match="occupied"):
        seat.give_to(zuid, dirk, staff, now=BEFORE)
    seat.hour.cancel(dirk, now=BEFORE)
    with pytest.raises(RosterRefused, match="cancelled"):
        seat.give_to(zuid, dirk, staff, now=BEFORE)
