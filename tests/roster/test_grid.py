"""The week, the month and the gaps: what stands out, whose turn it is, and whose names are shown."""

from collections.abc import Callable
from datetime import date, time, timedelta
from time import process_time

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from institutions.models import Institution, User
from roster.balances import balances
from roster.grid import Grid, Level, grid_of, lowest_index
from roster.models import ConsultationHour, Duty, LedgerEntry, RosterPeriod, ServiceLine
from roster.time import to_utc
from tests.people import make_user, rights_of, sign_in
from tests.roster.big import make_big
from tests.roster.making import make_period

# A week in which nothing has begun yet.
AHEAD = timedelta(days=14)


@pytest.fixture
def monday(line: ServiceLine) -> date:
    day = line.today(timezone.now()) + AHEAD
    return day - timedelta(days=day.weekday())


Plan = Callable[..., ConsultationHour]


@pytest.fixture
def plan(line: ServiceLine, monday: date) -> Plan:
    """Plan an hour of that week, from 19:00 to 21:00, in which these people are on duty."""

    def make(*workers: User, day: int = 0, start: int = 19, **staffing: int) -> ConsultationHour:
        begin = to_utc(monday + timedelta(days=day), time(start), line.zone)
        numbers = {"min_staff": 1, "target_staff": 2, "max_staff": 3} | staffing
        hour = ConsultationHour.plan_extra(line, begin, begin + timedelta(hours=2), **numbers)
        for worker, seat in zip(workers, hour.seats.order_by("no"), strict=False):
            put(hour, worker, seat.no)
        return hour

    return make


def put(hour: ConsultationHour, worker: User, no: int, **fields: object) -> Duty:
    membership = worker.memberships.workers().first()
    assert membership is not None
    return Duty.objects.create(
        **{
            "hour": hour,
            "seat": hour.seats.get(no=no),
            "worker": worker,
            "credited_to": membership.institution,
            "start": hour.start,
            "end": hour.end,
            **fields,
        }
    )


def week_of(line: ServiceLine, monday: date, person: User) -> Grid:
    return grid_of(line, monday, monday + timedelta(days=6), timezone.now(), rights_of(person))


def page(person: User, address: str, **query: object) -> str:
    response = sign_in(person).get(address, query)
    assert response.status_code == 200
    return response.content.decode()


# --- What stands out -----------------------------------------------------------------------------


def test_gaps_thin_spots_and_cancelled_hours_stand_out(
    line: ServiceLine, monday: date, plan: Plan, anna: User, bilal: User, dirk: User
) -> None:
    plan(day=0)
    plan(anna, day=1)
    plan(anna, bilal, day=2)
    cancelled = plan(day=3)
    cancelled.cancel(dirk, "Hemelvaart")

    grid = week_of(line, monday, anna)

    assert [cell.level for cell in grid.cells] == [
        Level.GAP,
        Level.THIN,
        Level.OK,
        Level.CANCELLED,
    ]
    assert (grid.gaps, grid.thin, grid.mine) == (1, 1, 2)
    shown = page(anna, "/roster/week/", day=monday)
    for text in ("1 te weinig", "krap: liever 1 erbij", "gaat niet door", "Hemelvaart"):
        assert text in shown


def test_who_seeks_cover_does_not_count(
    line: ServiceLine, monday: date, plan: Plan, anna: User
) -> None:
    hour = plan(target_staff=1)
    put(hour, anna, 1, status=Duty.Status.COVER_WANTED)

    (cell,) = week_of(line, monday, anna).cells

    assert cell.level == Level.GAP
    assert cell.is_mine
    assert "zoekt vervanging" in page(anna, "/roster/week/", day=monday)


def test_part_of_an_hour_without_anybody_is_a_gap(
    line: ServiceLine, monday: date, plan: Plan, anna: User
) -> None:
    hour = plan(target_staff=1)
    put(hour, anna, 1, end=hour.start + timedelta(hours=1))

    (cell,) = week_of(line, monday, anna).cells

    assert cell.level == Level.GAP
    assert "20:00 tot 21:00: 0 op de plekken" in page(anna, f"/roster/hours/{hour.pk}/")


def test_past_hours_ask_for_nobody(line: ServiceLine, zuid: Institution, anna: User) -> None:
    now = timezone.now()
    hour = ConsultationHour.plan_extra(
        line, now - timedelta(hours=30), now - timedelta(hours=28), min_staff=1, target_staff=1
    )
    hour.seats.update(owed_by=zuid)

    grid = grid_of(line, hour.local_date, hour.local_date, now, rights_of(anna))

    (cell,) = grid.cells
    assert cell.level == Level.PAST
    assert (grid.gaps, grid.our_turn) == (0, 0)


def test_hours_at_one_time_of_day_stand_beside_each_other(
    line: ServiceLine, monday: date, plan: Plan, anna: User
) -> None:
    plan(day=0, start=15)
    plan(day=0)
    plan(day=1)
    # Two at once on one day do not cover each other.
    plan(day=1)

    grid = week_of(line, monday, anna)

    assert [cell.slot for cell in grid.cells] == [1, 2, 2, 3]


def test_the_week_shows_only_what_was_asked(
    monday: date, plan: Plan, anna: User, bilal: User
) -> None:
    plan(anna, bilal, start=10)
    plan(start=13)
    query = {"day": monday}

    mine = page(anna, "/roster/week/", **query, show="mine")
    still_open = page(anna, "/roster/week/", **query, show="open")

    assert "10:00 – 12:00" in mine
    assert "13:00 – 15:00" not in mine
    assert "13:00 – 15:00" in still_open
    assert "10:00 – 12:00" not in still_open


def test_nonsense_in_the_address_is_this_week(line: ServiceLine, anna: User) -> None:
    today = line.today(timezone.now())
    for day in ("nonsense", "9999-12-31", "0001-01-01", ""):
        assert f'value="{today - timedelta(days=today.weekday())}"' in page(
            anna, "/roster/week/", day=day
        )
    client = sign_in(anna)
    for address in ("/roster/week/", "/roster/month/", "/roster/gaps/"):
        assert client.get(address, {"line": "0"}).status_code == 404


def test_the_month_colours_each_day_by_the_worst_of_it(
    line: ServiceLine, plan: Plan, monday: date, anna: User, bilal: User
) -> None:
    plan(anna, bilal, day=0)
    plan(anna, day=1)
    plan(day=2, start=10)
    plan(anna, bilal, day=2, start=13)
    plan(day=3)

    days = {day.date: day.heat for day in week_of(line, monday, anna).days}

    assert [days[monday + timedelta(days=number)] for number in range(5)] == [
        "ok",
        "thin",
        "gap",
        "worst",
        "empty",
    ]
    shown = page(anna, "/roster/month/", day=monday)
    assert 'heat-worst"' in shown
    assert f"day={monday:%Y-%m-%d}" in shown


# --- Whose turn it is ------------------------------------------------------------------------------


def test_it_is_the_turn_of_who_owes_the_empty_seat(
    line: ServiceLine, monday: date, plan: Plan, zuid: Institution, maas: Institution, anna: User
) -> None:
    hour = plan()
    hour.seats.filter(no=1).update(owed_by=maas)
    hour.seats.filter(no=2).update(owed_by=zuid)

    grid = week_of(line, monday, anna)

    (cell,) = grid.cells
    assert [(turn.institution, turn.is_ours) for turn in cell.turns] == [
        (zuid.name, True),
        (maas.name, False),
    ]
    assert grid.our_turn == 1
    assert "1</strong> lege plek van jullie" in page(anna, "/roster/week/", day=monday)


def test_when_nobody_owes_it_the_lowest_index_is_next(
    line: ServiceLine, monday: date, plan: Plan, zuid: Institution, maas: Institution, anna: User
) -> None:
    for institution, done in ((zuid, 50), (maas, 90)):
        for kind, minutes in (("obligation", -100), ("worked", done)):
            LedgerEntry.objects.create(
                line=line,
                institution=institution,
                kind=kind,
                minutes=minutes,
                weighted_minutes=minutes,
                source="test:1",
            )
    hour = plan(target_staff=3)
    hour.seats.filter(no=1).update(owed_by=maas)

    grid = week_of(line, monday, anna)

    (cell,) = grid.cells
    assert [(turn.institution, turn.count, turn.is_owed) for turn in cell.turns] == [
        (maas.name, 1, True),
        (zuid.name, 2, False),
    ]
    assert grid.lowest == zuid.name
    assert grid.lowest_is_ours


def test_the_index_is_that_of_the_ledgers_page(line: ServiceLine, monday: date) -> None:
    make_big(line, monday, institutions=9, workers=9, length=7)
    now = timezone.now()

    lowest = lowest_index(line, now)

    first = min(balances(line, now), key=lambda one: one.index or 0)
    assert lowest == (first.institution.pk, first.institution.name)


def test_the_gaps_are_those_of_everybody_or_where_we_are_next(
    plan: Plan, maas: Institution, zuid: Institution, anna: User, bilal: User
) -> None:
    ours = plan(day=0, start=9)
    ours.seats.filter(no=1).update(owed_by=zuid)
    theirs = plan(anna, day=1, start=11)
    theirs.seats.filter(no=2).update(owed_by=maas)
    plan(anna, bilal, day=2, start=13)

    everything = page(anna, "/roster/gaps/")
    only_ours = page(anna, "/roster/gaps/", show="ours")
    only_gaps = page(anna, "/roster/gaps/", show="gaps", ahead="quarter")

    assert "09:00 – 11:00" in everything
    assert "11:00 – 13:00" in everything
    assert "13:00 – 15:00" not in everything
    assert "11:00 – 13:00" not in only_ours
    assert "09:00 – 11:00" in only_gaps
    assert "11:00 – 13:00" not in only_gaps
    assert bilal.name not in everything


# --- Whose names, and whose plan -------------------------------------------------------------------


def test_names_of_another_institution_are_not_shown(
    monday: date, plan: Plan, anna: User, bilal: User, carla: User, dirk: User
) -> None:
    hour = plan(anna, target_staff=3)
    addresses = (f"/roster/week/?day={monday}", f"/roster/hours/{hour.pk}/")

    for address in addresses:
        assert anna.name in page(bilal, address)
        assert anna.name in page(dirk, address)
        assert anna.name not in page(carla, address)

    put(hour, carla, 2)
    for address in addresses:
        assert anna.name in page(carla, address)


def test_a_draft_is_seen_by_coordinators_only(
    line: ServiceLine, monday: date, plan: Plan, anna: User, dirk: User
) -> None:
    edith = make_user("Edith", (anna.memberships.get().institution, "coordinator"))
    hour = plan()
    period = make_period(line, monday)
    ConsultationHour.objects.filter(pk=hour.pk).update(period=period)

    assert not list(week_of(line, monday, anna).cells)
    assert sign_in(anna).get(f"/roster/hours/{hour.pk}/").status_code == 404
    for coordinator in (edith, dirk):
        assert len(list(week_of(line, monday, coordinator).cells)) == 1
        page(coordinator, f"/roster/hours/{hour.pk}/")

    RosterPeriod.objects.filter(pk=period.pk).update(state=RosterPeriod.State.SIGNUP)
    assert len(list(week_of(line, monday, anna).cells)) == 1


# --- As large as the real one ----------------------------------------------------------------------


def queries(person: User, address: str) -> int:
    client = sign_in(person)
    client.get(address)
    with CaptureQueriesContext(connection) as captured:
        assert client.get(address).status_code == 200
    return len(captured)


def test_the_number_of_queries_does_not_grow(
    line: ServiceLine, monday: date, anna: User, dirk: User
) -> None:
    small = make_big(line, monday, institutions=3, workers=12, length=7)
    hour = small.hours[0]
    addresses = (
        f"/roster/week/?day={monday}",
        f"/roster/month/?day={monday}",
        "/roster/gaps/?ahead=quarter",
        f"/roster/hours/{hour.pk}/",
    )
    people = (anna, dirk)
    before = [queries(person, address) for person in people for address in addresses]
    make_big(
        line, monday + timedelta(days=7), institutions=30, workers=120, length=56, first_number=100
    )

    after = [queries(person, address) for person in people for address in addresses]

    assert after == before
    assert max(before) <= 35


def test_pages_of_a_platform_in_full_take_less_than_a_second(
    line: ServiceLine, monday: date, dirk: User
) -> None:
    """36 institutions, 200 workers and a quarter; the best of three, because machines are busy."""
    big = make_big(line, monday)
    client = sign_in(dirk)
    for address in (
        f"/roster/week/?day={monday}",
        f"/roster/month/?day={monday}",
        "/roster/gaps/?ahead=quarter",
        f"/roster/hours/{big.hours[0].pk}/",
        "/roster/ledger/",
        "/roster/tasks/",
    ):
        spent = []
        for _try in range(3):
            began = process_time()
            assert client.get(address).status_code == 200
            spent.append(process_time() - began)
        assert min(spent) < 1, address
