"""The planning pages of the platform's coordinators, as a browser sees them."""

from datetime import date, time, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from institutions.models import Institution, StaffMail, User
from roster import proposing
from roster.models import (
    ConsultationHour,
    CostRun,
    DateException,
    Duty,
    HoursEntry,
    HoursRule,
    LedgerEntry,
    Proposal,
    RosterPeriod,
    ServiceLine,
    ShareKey,
)
from tests.people import make_user, sign_in
from tests.roster.test_proposing import at_once

STAFFING = {"min_staff": 1, "target_staff": 2, "max_staff": 3}
PLANNING = ("roster_rules", "roster_exceptions", "roster_days", "roster_periods", "roster_costs")


@pytest.fixture
def today(line: ServiceLine) -> date:
    return line.today(timezone.now())


@pytest.fixture
def monday(today: date) -> date:
    """The Monday after next."""
    return today + timedelta(days=14 - today.weekday())


@pytest.fixture
def rule(line: ServiceLine, monday: date) -> HoursRule:
    """Two hours on Mondays and Tuesdays."""
    return HoursRule.objects.create(
        line=line,
        weekdays=[0, 1],
        local_start=time(19),
        local_end=time(21),
        valid_from=monday,
        **STAFFING,
    )


@pytest.fixture
def period(line: ServiceLine, rule: HoursRule, monday: date, dirk: User) -> RosterPeriod:
    """A week with two hours."""
    return RosterPeriod.plan(line, monday, monday + timedelta(days=6), dirk)


@pytest.fixture
def client(dirk: User) -> Client:
    """Dirk's browser."""
    return sign_in(dirk)


def post(client: Client, name: str, *args: Any, **data: Any) -> str:
    """Send a form; return the page that it leads to."""
    answer = client.post(reverse(name, args=args), data, follow=True)
    assert answer.status_code == 200
    return answer.content.decode()


def get(client: Client, name: str, *args: Any, query: str = "") -> str:
    answer = client.get(reverse(name, args=args) + query)
    assert answer.status_code == 200
    return answer.content.decode()


RULE = {
    "weekdays": ["0", "3"],
    "local_start": "19:00",
    "local_end": "21:00",
    "every_weeks": "1",
    "min_staff": "1",
    "target_staff": "2",
    "max_staff": "3",
}


# --- Rules ----------------------------------------------------------------------------------------


def test_a_rule_is_added_with_its_hours(client: Client, line: ServiceLine, today: date) -> None:
    post(client, "roster_rules", **RULE, valid_from=str(today), mix_trainee="1")

    rule = line.rules.get()
    assert rule.weekdays == [0, 3]
    assert rule.mix == {"trainee": 1}
    assert rule.hours.count() in (8, 9)


def test_a_new_rule_fills_periods_that_are_planned(
    client: Client, line: ServiceLine, period: RosterPeriod, today: date, dirk: User
) -> None:
    first = period.last_date + timedelta(days=1)
    far = RosterPeriod.plan(line, first, first + timedelta(days=60), dirk)
    before = far.hours.count()

    post(client, "roster_rules", **RULE, valid_from=str(today))

    assert far.hours.count() - before in (17, 18)


def test_a_rule_that_makes_no_sense_is_refused(client: Client, line: ServiceLine) -> None:
    page = post(client, "roster_rules", **RULE | {"target_staff": "9"}, valid_from="2020-01-01")

    assert "boven het maximum" in page
    assert "Kies een dag die nog moet komen." in page
    assert not line.rules.exists()


def test_a_rule_changes_from_a_day_on(
    client: Client, rule: HoursRule, period: RosterPeriod, monday: date
) -> None:
    first = monday + timedelta(days=1)

    post(client, "roster_rule", rule.pk, **RULE | {"weekdays": ["1"], "local_end": "22:00"},
         valid_from=str(first))  # fmt: skip

    hours = period.hours.order_by("start")
    assert [hour.local_end for hour in hours] == [time(21), time(22)]


def test_a_rule_stops(client: Client, rule: HoursRule, period: RosterPeriod, monday: date) -> None:
    page = post(client, "roster_rule", rule.pk, deed="stop", last=str(monday))

    assert "stopt na die dag" in page
    assert period.hours.count() == 1


# --- Other days -----------------------------------------------------------------------------------


def test_a_day_is_closed(
    client: Client, line: ServiceLine, period: RosterPeriod, monday: date
) -> None:
    post(client, "roster_exceptions", kind="closed", first_date=str(monday),
         public_reason="Studiedag")  # fmt: skip

    closed = period.hours.get(local_date=monday)
    assert closed.status == ConsultationHour.Status.CANCELLED
    assert closed.public_reason == "Studiedag"

    post(client, "roster_change_exception", line.exceptions.get().pk, "withdraw")
    closed.refresh_from_db()
    assert closed.status == ConsultationHour.Status.PLANNED


def test_an_extra_hour_needs_its_times(client: Client, line: ServiceLine, monday: date) -> None:
    page = post(client, "roster_exceptions", kind="extra", first_date=str(monday))

    assert "heeft een begin en een einde" in page
    assert not line.exceptions.exists()


def test_holidays_are_suggested_and_decided_about(client: Client, line: ServiceLine) -> None:
    post(client, "roster_suggest_holidays", line=line.pk)
    suggested = line.exceptions.suggested()
    assert suggested.count() > 10
    one, other = suggested[:2]

    post(client, "roster_change_exception", one.pk, "dismiss")
    post(client, "roster_change_exception", other.pk, "confirm")

    one.refresh_from_db()
    other.refresh_from_db()
    assert (one.state, other.state) == ("dismissed", "confirmed")
    assert "al veranderd" in post(client, "roster_change_exception", one.pk, "dismiss") or (
        "net veranderd" in post(client, "roster_change_exception", one.pk, "dismiss")
    )
    assert client.post(
        reverse("roster_change_exception", args=[one.pk, "explode"])
    ).status_code == 404  # fmt: skip


def test_whole_days_close_after_a_look(client: Client, period: RosterPeriod, monday: date) -> None:
    page = get(client, "roster_days", query=f"?what=close&first={monday}&public_reason=Dicht")
    assert "gaat niet door" in page
    token = page.split('name="token" value="')[1].split('"')[0]
    chosen = {"what": "close", "first": str(monday), "last": str(monday), "public_reason": "Dicht"}

    assert "net veranderd" in post(client, "roster_days", **chosen, token="another")
    assert not period.hours.filter(status="cancelled").exists()

    assert "Gedaan" in post(client, "roster_days", **chosen, token=token)
    assert period.hours.get(status="cancelled").local_date == monday


# --- Periods --------------------------------------------------------------------------------------


def test_a_period_is_made_and_never_shares_a_day(
    client: Client, line: ServiceLine, rule: HoursRule, monday: date
) -> None:
    days = {"first_date": str(monday), "last_date": str(monday + timedelta(days=6))}

    page = post(client, "roster_periods", **days, free_for_all_days="7")

    period = line.periods.get()
    assert period.hours.count() == 2
    assert "Stap voor stap" in page
    assert "al in een periode" in post(client, "roster_periods", **days, free_for_all_days="7")


def test_shares_are_agreed_and_seats_dealt(
    client: Client, period: RosterPeriod, zuid: Institution, maas: Institution
) -> None:
    assert "Spreek eerst de verdeelsleutel af" in get(client, "roster_deal", period.pk)

    both = {f"weight_{zuid.pk}": "1", f"hours_{zuid.pk}": "2"}
    assert "niet beide" in post(client, "roster_shares", period.pk, **both)
    assert not period.shares.exists()

    post(client, "roster_shares", period.pk,
         **{f"weight_{zuid.pk}": "1", f"weight_{maas.pk}": "1"})  # fmt: skip
    assert period.shares.count() == 2

    assert "Verdeel zo" in get(client, "roster_deal", period.pk)
    post(client, "roster_deal", period.pk)
    owed = [seat.owed_by for hour in period.hours.all() for seat in hour.seats.all()]
    assert (owed.count(zuid), owed.count(maas), owed.count(None)) == (2, 2, 2)

    post(client, "roster_shares", period.pk, **{f"hours_{zuid.pk}": "1.5"})
    assert period.shares.get().fixed_minutes == 90


def test_a_period_opens_for_signing_up_and_closes(client: Client, period: RosterPeriod) -> None:
    post(client, "roster_move_period", period.pk, "signup")
    period.refresh_from_db()
    assert period.state == "signup"

    assert "kan nu niet" in post(client, "roster_move_period", period.pk, "settle")
    post(client, "roster_move_period", period.pk, "draft")
    period.refresh_from_db()
    assert period.state == "draft"


def test_publishing_shows_what_people_are_told_and_tells_them_once(
    client: Client, period: RosterPeriod, anna: User, zuid: Institution, dirk: User
) -> None:
    hour = period.hours.earliest("start")
    Duty.objects.create(
        hour=hour, seat=hour.seats.first(), worker=anna, credited_to=zuid,
        start=hour.start, end=hour.end,
    )  # fmt: skip

    assert anna.name in get(client, "roster_publish", period.pk)
    post(client, "roster_publish", period.pk)

    period.refresh_from_db()
    assert period.state == "published"
    assert StaffMail.objects.get(kind="published").to == anna
    assert anna.name not in get(client, "roster_publish", period.pk)


# --- Proposals ------------------------------------------------------------------------------------


def made_proposal(client: Client, period: RosterPeriod) -> Proposal:
    assert "zoekt nu" in post(client, "roster_proposals", period.pk, deed="ask")
    maker, now = proposing.Maker(at_once), timezone.now()
    maker.turn(now)
    maker.turn(now)
    return period.proposals.get(state="ready")


def test_a_proposal_is_asked_for_looked_at_adjusted_and_applied(
    client: Client, period: RosterPeriod, anna: User, bilal: User, carla: User, zuid: Institution
) -> None:
    proposal = made_proposal(client, period)
    page = get(client, "roster_proposals", period.pk)
    assert "Neem het over" in page
    assert "Pas aan" in page

    line = proposal.lines.first()
    assert line is not None
    assert "Wie kan" in get(client, "roster_proposal_line", period.pk, line.pk)
    post(client, "roster_proposal_line", period.pk, line.pk, choice="")
    line.refresh_from_db()
    assert line.worker is None
    assert "mag deze plek niet vullen" in post(
        client, "roster_proposal_line", period.pk, line.pk, choice=f"{carla.pk}:{zuid.pk}"
    )

    post(client, "roster_proposals", period.pk, deed="apply", proposal=proposal.pk)
    assert Duty.objects.active().filter(hour__period=period).count() == 3
    period.refresh_from_db()
    assert period.state == "proposed"


def test_a_proposal_is_put_aside(client: Client, period: RosterPeriod, anna: User) -> None:
    proposal = made_proposal(client, period)

    post(client, "roster_proposals", period.pk, deed="drop", proposal=proposal.pk)

    proposal.refresh_from_db()
    assert proposal.state == "dropped"
    assert "net veranderd" in post(
        client, "roster_proposals", period.pk, deed="apply", proposal=proposal.pk
    )
    assert not Duty.objects.exists()


def test_another_periods_proposal_cannot_be_applied_here(
    client: Client, line: ServiceLine, period: RosterPeriod, anna: User, monday: date, dirk: User
) -> None:
    proposal = made_proposal(client, period)
    first = monday + timedelta(days=7)
    other = RosterPeriod.plan(line, first, first + timedelta(days=6), dirk)

    answer = client.post(
        reverse("roster_proposals", args=[other.pk]), {"deed": "apply", "proposal": proposal.pk}
    )

    assert answer.status_code == 404
    assert not Duty.objects.exists()


def test_the_page_of_a_proposal_asks_no_more_for_more_lines(
    client: Client,
    line: ServiceLine,
    period: RosterPeriod,
    anna: User,
    bilal: User,
    carla: User,
    monday: date,
    dirk: User,
    django_assert_max_num_queries: Any,
) -> None:
    made_proposal(client, period)
    first = monday + timedelta(days=7)
    long = RosterPeriod.plan(line, first, first + timedelta(days=55), dirk)
    made_proposal(client, long)

    for one in (period, long):
        with django_assert_max_num_queries(45):
            get(client, "roster_proposals", one.pk, query="?show=all")


# --- Ledger, costs and hours ----------------------------------------------------------------------


@pytest.fixture
def entry(
    line: ServiceLine, anna: User, zuid: Institution, maas: Institution, today: date
) -> HoursEntry:
    """What was registered of Anna's two hours yesterday, in a period of two institutions."""
    yesterday = today - timedelta(days=1)
    period = RosterPeriod.objects.create(
        line=line, first_date=yesterday - timedelta(days=6), last_date=yesterday,
        state="closed", published_at=timezone.now(),
    )  # fmt: skip
    for institution in (zuid, maas):
        ShareKey.objects.create(period=period, institution=institution, weight=1)
    hour = ConsultationHour.objects.create(
        line=line, period=period, local_date=yesterday - timedelta(days=1), local_start=time(10),
        local_end=time(12), tz=line.tz, **STAFFING,
    )  # fmt: skip
    hour.make_seats()
    Duty.objects.create(
        hour=hour, seat=hour.seats.first(), worker=anna, credited_to=zuid,
        start=hour.start, end=hour.end,
    )  # fmt: skip
    HoursEntry.settle(hour)
    return HoursEntry.objects.get()


def test_the_ledger_shows_everybody_to_the_platform_and_only_their_own_to_others(
    client: Client, entry: HoursEntry, maas: Institution, zuid: Institution
) -> None:
    page = get(client, "roster_ledger")
    assert maas.name in page
    assert zuid.name in page
    assert "<svg" in page

    greta = sign_in(make_user("Greta", (maas, "coordinator")))
    page = get(greta, "roster_ledger")
    assert maas.name in page
    assert zuid.name not in page
    table = get(greta, "roster_export", "ledger", "csv")
    assert maas.name in table
    assert zuid.name not in table


@pytest.mark.parametrize("what", ["duties", "hours", "ledger", "balances"])
@pytest.mark.parametrize("form", ["csv", "xlsx"])
def test_tables_can_be_taken_along(client: Client, entry: HoursEntry, what: str, form: str) -> None:
    answer = client.get(reverse("roster_export", args=[what, form]))

    assert answer.status_code == 200
    assert answer["Content-Disposition"].endswith(f'.{form}"')
    assert answer.content.startswith(b"PK" if form == "xlsx" else b"\xef\xbb\xbf")
    assert client.get(reverse("roster_export", args=[what, "pdf"])).status_code == 404


def test_a_posting_sent_twice_posts_once_and_can_be_turned_back(
    client: Client, entry: HoursEntry, zuid: Institution, maas: Institution
) -> None:
    data = {"what": "transfer", "institution": zuid.pk, "other": maas.pk, "hours": "1",
            "minutes": "30", "text": "Afgesproken", "key": "abc", "period": "all"}  # fmt: skip
    before = LedgerEntry.objects.all().balances()

    post(client, "roster_post_entry", **data)
    post(client, "roster_post_entry", **data)

    after = LedgerEntry.objects.all().balances()
    assert after[zuid.pk] == before[zuid.pk] - 90
    assert after[maas.pk] == before[maas.pk] + 90
    given = LedgerEntry.objects.get(kind="transfer", institution=zuid)
    post(client, "roster_reverse_entry", given.pk)
    assert LedgerEntry.objects.all().balances()[zuid.pk] == before[zuid.pk]

    assert "Kies aan wie" in post(client, "roster_post_entry", **data | {"other": "", "key": "d"})


def test_a_balance_goes_along_to_the_next_period(
    client: Client, entry: HoursEntry, line: ServiceLine, zuid: Institution, today: date, dirk: User
) -> None:
    old = entry.duty.hour.period
    assert old is not None
    assert "volgende periode zijn" in post(client, "roster_carry", old.pk, hours="1")
    new = RosterPeriod.plan(line, today, today + timedelta(days=6), dirk)

    assert "Meegenomen" in post(client, "roster_carry", old.pk, hours="1")

    assert new.ledger.all().balances()[zuid.pk] == -60


def test_costs_are_looked_at_first_and_then_kept(client: Client, entry: HoursEntry) -> None:
    period = entry.duty.hour.period
    assert period is not None
    data = {"period": period.pk, "method": "key", "total": "1000.01", "tariff": ""}

    assert "Nog niet bewaard" in post(client, "roster_costs", **data, deed="look")
    assert not CostRun.objects.exists()

    post(client, "roster_costs", **data, deed="keep")
    run = CostRun.objects.get()
    assert sum(line.cents for line in run.lines.all()) == run.total_cents == 100_001
    assert "Excel" in get(client, "roster_cost_run", run.pk)
    assert client.get(reverse("roster_export_costs", args=[run.pk, "xlsx"])).status_code == 200
    assert "Vul het tarief in" in post(client, "roster_costs", **data | {"method": "mixed"})


def test_a_correction_is_approved_by_the_own_coordinator_only(
    entry: HoursEntry, anna: User, zuid: Institution, maas: Institution
) -> None:
    entry.claim(anna, 130)
    greta = sign_in(make_user("Greta", (maas, "coordinator")))
    edith = sign_in(make_user("Edith", (zuid, "coordinator")))

    assert anna.name not in get(greta, "roster_corrections")
    decide = reverse("roster_decide", args=[entry.pk])
    assert greta.post(decide, {"deed": "approve"}).status_code == 404
    entry.refresh_from_db()
    assert entry.state == "claimed"

    assert anna.name in get(edith, "roster_corrections")
    post(edith, "roster_decide", entry.pk, deed="approve")
    entry.refresh_from_db()
    assert (entry.state, entry.approved_minutes) == ("approved", 130)

    post(edith, "roster_decide", entry.pk, deed="approve", hours="2", minutes="5")
    entry.refresh_from_db()
    assert entry.approved_minutes == 125
    assert "kan dat niet zijn" in post(
        edith, "roster_decide", entry.pk, deed="approve", hours="x", minutes=""
    )


def count(client: Client, name: str, *args: Any, query: str = "") -> int:
    with CaptureQueriesContext(connection) as queries:
        get(client, name, *args, query=query)
    return len(queries)


def test_pages_ask_as_much_for_a_week_as_for_a_quarter(
    client: Client,
    line: ServiceLine,
    period: RosterPeriod,
    zuid: Institution,
    maas: Institution,
    anna: User,
    carla: User,
    monday: date,
    dirk: User,
) -> None:
    """With one institution and two hours, and with seven and twenty-six."""
    ShareKey.agree(period, dirk, {zuid.pk: {"weight": 1, "fixed_minutes": None}})
    first = monday + timedelta(days=7)
    long = RosterPeriod.plan(line, first, first + timedelta(days=90), dirk)
    many = [Institution.objects.create(name=f"Instelling {number}") for number in range(5)]
    everybody = [zuid, maas, *many]
    ShareKey.agree(long, dirk, {one.pk: {"weight": 1, "fixed_minutes": None} for one in everybody})

    for name in ("roster_period", "roster_deal", "roster_shares", "roster_publish"):
        assert count(client, name, long.pk) == count(client, name, period.pk), name
    short, all_of_it = f"?period={period.pk}", f"?period={long.pk}"
    assert count(client, "roster_ledger", query=all_of_it) == count(
        client, "roster_ledger", query=short
    )


# --- Strangers ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLANNING)
def test_only_the_platform_plans(
    line: ServiceLine, anna: User, zuid: Institution, name: str
) -> None:
    edith = make_user("Edith", (zuid, "coordinator"))

    for stranger in (anna, edith):
        browser = sign_in(stranger)
        assert browser.get(reverse(name)).status_code == 403
        assert browser.post(reverse(name)).status_code in (403, 405)


def test_a_page_of_planning_needs_a_line(dirk: User) -> None:
    assert not ServiceLine.objects.exists()
    assert sign_in(dirk).get(reverse("roster_rules")).status_code == 404
    assert not DateException.objects.exists()
