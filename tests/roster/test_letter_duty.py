"""Letter duty: weeks dealt by the share key, so that nobody is ever a whole week ahead or behind."""

from collections import Counter
from datetime import date, timedelta
from fractions import Fraction

import pytest
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from institutions.models import AuditEvent, Institution, User
from roster import jobs
from roster.fairness import claims, turn
from roster.models import (
    WEEKS_AHEAD,
    LetterDuty,
    RosterPeriod,
    RosterRefused,
    ServiceLine,
    monday_of,
)
from tests.people import make_user, sign_in

weights = st.dictionaries(st.integers(1, 8), st.integers(0, 20), min_size=1, max_size=8).filter(
    lambda some: any(some.values())
)


# --- Whose turn it is -----------------------------------------------------------------------------


@given(weights, st.integers(1, 60))
def test_with_the_same_weights_nobody_is_a_week_ahead_or_behind(
    some: dict[int, int], weeks: int
) -> None:
    turns: list[tuple[dict[int, int], int]] = []
    for _week in range(weeks):
        turns.append((some, turn(some, claims(turns))))
        behind = claims(turns)
        assert sum(behind.values()) == 0
        assert all(-1 < claim < 1 for claim in behind.values())


@given(st.lists(weights, min_size=1, max_size=40))
def test_whatever_the_weights_do_nothing_is_lost_and_nobody_without_one_is_asked(
    seasons: list[dict[int, int]],
) -> None:
    turns: list[tuple[dict[int, int], int]] = []
    for some in seasons:
        taken = turn(some, claims(turns))
        assert some[taken] > 0
        turns.append((some, taken))
    behind = claims(turns)
    assert sum(behind.values()) == 0
    taken_by = Counter(taken for _weights, taken in turns)
    for party, count in taken_by.items():
        exact = sum(Fraction(some.get(party, 0), sum(some.values())) for some, _taken in turns)
        assert behind[party] == exact - count


def test_nobody_has_a_turn_without_weights() -> None:
    with pytest.raises(ValueError, match="nobody has a weight"):
        turn({1: 0}, {})


# --- In the database ------------------------------------------------------------------------------


@pytest.fixture
def workers(anna: User, carla: User) -> list[User]:
    """Zuid and Maas have somebody who answers."""
    return [anna, carla]


@pytest.fixture
def week(line: ServiceLine) -> date:
    return monday_of(line.today(timezone.now()))


def test_weeks_are_dealt_ahead_and_once(line: ServiceLine, week: date, workers: list[User]) -> None:
    assert jobs.deal_letter_duty(timezone.now()) == WEEKS_AHEAD
    assert jobs.deal_letter_duty(timezone.now()) == 0

    found = list(LetterDuty.objects.filter(line=line))
    assert [duty.week for duty in found] == [week + timedelta(weeks=n) for n in range(WEEKS_AHEAD)]
    assert sorted(Counter(duty.institution.name for duty in found).values()) == [6, 7]


@pytest.mark.django_db
def test_without_workers_nobody_has_letter_duty(line: ServiceLine, zuid: Institution) -> None:
    assert LetterDuty.on(line, timezone.now()) is None
    assert not LetterDuty.objects.exists()


def test_weeks_follow_the_share_key(
    line: ServiceLine,
    zuid: Institution,
    maas: Institution,
    workers: list[User],
    week: date,
    dirk: User,
) -> None:
    period = RosterPeriod.plan(line, week, week + timedelta(days=90), dirk)
    period.shares.create(institution=zuid, weight=3)
    period.shares.create(institution=maas, weight=1)

    LetterDuty.deal(line, week, weeks=8)

    taken = Counter(LetterDuty.objects.values_list("institution__name", flat=True))
    assert taken == {zuid.name: 6, maas.name: 2}


def test_who_took_a_week_more_gets_one_less(
    line: ServiceLine,
    zuid: Institution,
    maas: Institution,
    workers: list[User],
    week: date,
    dirk: User,
) -> None:
    LetterDuty.deal(line, week, weeks=1)
    first = LetterDuty.objects.get()
    other = maas if first.institution == zuid else zuid
    first.give(other, dirk)

    LetterDuty.deal(line, week, weeks=4)

    taken = Counter(LetterDuty.objects.values_list("institution", flat=True))
    assert taken == {zuid.pk: 2, maas.pk: 2}
    assert LetterDuty.objects.get(week=week).given_by == dirk
    assert AuditEvent.objects.get(verb="roster").detail == f"letter_duty {week}"


def test_dealing_again_leaves_this_week_and_given_weeks_alone(
    line: ServiceLine, workers: list[User], week: date, dirk: User, maas: Institution
) -> None:
    LetterDuty.deal(line, week)
    this, given = LetterDuty.objects.order_by("week")[0], LetterDuty.objects.order_by("week")[3]
    given.give(maas, dirk)

    assert LetterDuty.deal_again(line, dirk) == WEEKS_AHEAD - 2

    assert LetterDuty.objects.filter(pk__in=[this.pk, given.pk]).count() == 2


def test_an_institution_that_stops_is_passed_over_at_once(
    line: ServiceLine, workers: list[User], week: date
) -> None:
    first = LetterDuty.on(line, timezone.now())
    assert first is not None
    Institution.objects.filter(pk=first.pk).update(is_active=False)

    second = LetterDuty.on(line, timezone.now())

    assert second not in (None, first)


def test_only_the_platform_gives_weeks(
    line: ServiceLine,
    workers: list[User],
    week: date,
    maas: Institution,
    zuid: Institution,
    dirk: User,
) -> None:
    edith = make_user("Edith", (zuid, "coordinator"))
    LetterDuty.deal(line, week, weeks=1)
    duty = LetterDuty.objects.get()
    with pytest.raises(RosterRefused, match="not_yours"):
        duty.give(maas, edith)
    with pytest.raises(RosterRefused, match="not_yours"):
        LetterDuty.deal_again(line, edith)
    with pytest.raises(RosterRefused, match="outside"):
        duty.give(Institution.objects.create(name="Niemand"), dirk)
    LetterDuty.objects.update(week=week - timedelta(weeks=1))
    duty.refresh_from_db()
    with pytest.raises(RosterRefused, match="past"):
        duty.give(maas, dirk)


def test_the_page_shows_and_changes_the_weeks(
    line: ServiceLine, workers: list[User], week: date, maas: Institution, dirk: User
) -> None:
    LetterDuty.deal(line, week)
    browser = sign_in(dirk)
    page = browser.get("/roster/letters/").content.decode()
    assert "Maaskracht" in page
    assert "Welzijn Zuid" in page
    duty = LetterDuty.objects.order_by("week").last()
    assert duty is not None

    browser.post("/roster/letters/", {"duty": duty.pk, "institution": maas.pk})
    answer = browser.post("/roster/letters/", {"deed": "deal"}, follow=True)

    duty.refresh_from_db()
    assert (duty.institution, duty.given_by) == (maas, dirk)
    assert "opnieuw verdeeld" in answer.content.decode()
    assert browser.post("/roster/letters/", {"duty": "x", "institution": "y"}).status_code == 404
