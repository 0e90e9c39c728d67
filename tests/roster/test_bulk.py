"""Closing or moving whole days: a look first, then exactly that, and one mail for each person."""

from datetime import date, time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from institutions.models import Institution, StaffMail, User
from roster import bulk
from roster.models import ConsultationHour, Duty, RosterRefused, ServiceLine
from tests.roster.making import HOUR, MONDAY, NOW, make_hour
from tests.roster.planning import BEFORE, ask_cover, hour_on, mails_to, make_rule, put_on

TUESDAY = MONDAY + timedelta(days=1)
WEDNESDAY = MONDAY + timedelta(days=2)


@pytest.fixture
def hours(line: ServiceLine, anna: User, zuid: Institution) -> list[ConsultationHour]:
    """Monday and Wednesday, each with Anna, who wants cover on Wednesday."""
    make_rule(line).generate(MONDAY, WEDNESDAY)
    hours = list(line.hours.all())
    for hour in hours:
        put_on(hour, anna, zuid)
    ask_cover(hours[1].duties.get())
    return hours


def test_a_look_says_what_would_happen_and_writes_nothing(
    line: ServiceLine, hours: list[ConsultationHour]
) -> None:
    seen = bulk.preview(line, MONDAY, WEDNESDAY, now=BEFORE)
    assert [(one.hour, one.day, one.duties, one.requests) for one in seen.effects] == [
        (hours[0], None, 1, 0),
        (hours[1], None, 1, 1),
    ]
    assert (seen.changes, seen.people) == (2, 1)
    assert line.hours.planned().count() == 2
    assert not StaffMail.objects.exists()


def test_days_are_closed_as_shown_and_each_person_gets_one_mail(
    line: ServiceLine, hours: list[ConsultationHour], anna: User, dirk: User
) -> None:
    token = bulk.preview(line, MONDAY, WEDNESDAY, now=BEFORE).token
    bulk.apply(line, MONDAY, WEDNESDAY, dirk, public_reason="Storing", token=token, now=BEFORE)
    assert {(h.status, h.public_reason, h.is_detached) for h in line.hours.all()} == {
        ("cancelled", "Storing", True)
    }
    assert set(Duty.objects.values_list("status", flat=True)) == {"released"}
    (body,) = mails_to(anna)
    assert body.count("Vervallen") == 2


def test_days_move_together_and_duties_do_not_bump_into_each_other(
    line: ServiceLine, anna: User, zuid: Institution, dirk: User
) -> None:
    """Anna is on duty on two days in a row: the second one makes room for the first."""
    hours = [make_hour(line, NOW + day * 24 * HOUR) for day in (0, 1)]
    for hour in hours:
        put_on(hour, anna, zuid)
    done = bulk.apply(line, MONDAY, TUESDAY, dirk, to=TUESDAY, now=BEFORE)
    assert (done.changes, done.people) == (2, 1)
    assert list(line.hours.planned().values_list("local_date", flat=True)) == [TUESDAY, WEDNESDAY]
    assert Duty.objects.active().count() == 2
    assert mails_to(anna)[0].count("Verplaatst") == 2
    bulk.apply(line, TUESDAY, WEDNESDAY, dirk, to=MONDAY, now=BEFORE)
    assert list(line.hours.planned().values_list("local_date", flat=True)) == [MONDAY, TUESDAY]
    assert Duty.objects.active().count() == 2


def test_what_changed_after_the_look_is_refused(
    line: ServiceLine, hours: list[ConsultationHour], bilal: User, zuid: Institution, dirk: User
) -> None:
    token = bulk.preview(line, MONDAY, WEDNESDAY, now=BEFORE).token
    put_on(hours[0], bilal, zuid)
    with pytest.raises(RosterRefused, match="changed"):
        bulk.apply(line, MONDAY, WEDNESDAY, dirk, token=token, now=BEFORE)
    token = bulk.preview(line, MONDAY, WEDNESDAY, now=BEFORE).token
    with pytest.raises(RosterRefused, match="changed"):
        bulk.apply(line, MONDAY, WEDNESDAY, dirk, to=TUESDAY, token=token, now=BEFORE)
    assert line.hours.planned().count() == 2


def test_what_cannot_move_stays(line: ServiceLine, dirk: User) -> None:
    """On 29 March there is no time between 02:00 and 03:00."""
    saturday, sunday = date(2026, 3, 28), date(2026, 3, 29)
    make_rule(line, weekdays=[5], local_start=time(2), local_end=time(3)).generate(
        saturday, saturday
    )
    make_rule(line, weekdays=[5]).generate(saturday, saturday)
    done = bulk.apply(line, saturday, saturday, dirk, to=sunday, now=BEFORE)
    assert [(effect.obstacle, effect.hour.local_date) for effect in done.effects] == [
        ("no_time", saturday),
        ("", sunday),
    ]
    stays = line.hours.get(local_start=time(2))
    assert (stays.status, stays.local_date) == ("planned", saturday)
    with pytest.raises(RosterRefused, match="nothing"):
        bulk.apply(line, saturday, saturday, dirk, to=MONDAY - timedelta(days=30), now=BEFORE)


def test_a_running_hour_is_left_alone(
    line: ServiceLine, hours: list[ConsultationHour], dirk: User
) -> None:
    bulk.apply(line, MONDAY, WEDNESDAY, dirk, now=NOW + HOUR)
    assert hour_on(line, MONDAY).status == "planned"
    assert hour_on(line, WEDNESDAY).status == "cancelled"


def test_a_stranger_closes_nothing(
    line: ServiceLine, hours: list[ConsultationHour], anna: User
) -> None:
    with pytest.raises(RosterRefused, match="not_yours"):
        bulk.apply(line, MONDAY, WEDNESDAY, anna, now=BEFORE)
    assert line.hours.planned().count() == 2


def test_a_look_takes_as_many_queries_for_a_week_as_for_a_month(line: ServiceLine) -> None:
    make_rule(line, weekdays=list(range(7))).generate(MONDAY, MONDAY + timedelta(days=27))
    counts = []
    for days in (7, 28):
        with CaptureQueriesContext(connection) as queries:
            seen = bulk.preview(line, MONDAY, MONDAY + timedelta(days=days - 1), now=BEFORE)
        assert len(seen.effects) == days
        counts.append(len(queries))
    assert counts[0] == counts[1]
