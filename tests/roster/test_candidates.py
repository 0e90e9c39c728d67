"""Who could come: the best first, with reasons, and never somebody whom the verb would refuse."""

from datetime import time, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from institutions.models import Institution, User
from roster.candidates import Candidate, rank
from roster.models import (
    Absence,
    Availability,
    ConsultationHour,
    CoverAsk,
    Qualification,
    RosterRefused,
    ServiceLine,
    WorkerWishes,
)
from tests.people import make_user
from tests.roster.making import HOUR, MONDAY, NOW, make_duty, make_hour, make_period, make_request

BEFORE = NOW - timedelta(days=20)


@pytest.fixture
def hour(line: ServiceLine) -> ConsultationHour:
    return make_hour(line)


def names(candidates: list[Candidate], *, possible: bool = True) -> list[str]:
    return [one.worker.chat_name for one in candidates if one.is_possible == possible]


def one(hour: ConsultationHour, worker: User) -> Candidate:
    return next(c for c in rank(hour, BEFORE) if c.worker == worker)


def test_everybody_who_works_somewhere_is_there_and_coordinators_are_not(
    hour: ConsultationHour, anna: User, bilal: User, carla: User, dirk: User
) -> None:
    assert names(rank(hour, BEFORE)) == ["Anna", "Bilal", "Carla"]
    assert {c.institution.name for c in rank(hour, BEFORE)} == {"Welzijn Zuid", "Maaskracht"}


def test_who_wants_comes_first_and_who_cannot_last(
    hour: ConsultationHour, anna: User, bilal: User, carla: User
) -> None:
    Availability.objects.create(worker=anna, kind="unavailable", start=NOW - HOUR, end=NOW + HOUR)
    Availability.objects.create(
        worker=carla, kind="preferred", weekday=0, local_start=time(18), local_end=time(22)
    )
    ranked = rank(hour, BEFORE)
    assert names(ranked) == ["Carla", "Bilal", "Anna"]
    assert ranked[0].why == ("wil dan graag",)
    assert ranked[-1].codes == ("unavailable",)


def test_a_weekly_pattern_holds_on_its_days_only(
    hour: ConsultationHour, anna: User, bilal: User
) -> None:
    pattern = {"kind": "possible", "local_start": time(0), "local_end": time(0)}
    Availability.objects.create(worker=anna, weekday=1, **pattern)
    Availability.objects.create(
        worker=bilal, weekday=0, valid_until=MONDAY - timedelta(days=1), **pattern
    )
    assert all(not c.codes for c in rank(hour, BEFORE))
    Availability.objects.update(weekday=0, valid_until=None)
    assert {c.codes for c in rank(hour, BEFORE)} == {("possible",)}


def test_the_institution_that_owes_the_seat_comes_first_then_who_did_least(
    line: ServiceLine, hour: ConsultationHour, anna: User, carla: User, zuid: Institution,
    maas: Institution,
) -> None:  # fmt: skip
    hour.period = make_period(line, state="signup")
    hour.save()
    hour.seats.filter(no=1).update(owed_by=maas)
    ranked = rank(hour, BEFORE)
    assert names(ranked) == ["Carla", "Anna"]
    assert "owes_seat" in ranked[0].codes
    # Both owe as much, and Maas did more of it.
    other = make_hour(line, NOW + timedelta(days=1))
    other.period = hour.period
    other.save()
    hour.seats.update(owed_by=None)
    other.seats.filter(no=1).update(owed_by=maas)
    other.seats.filter(no=2).update(owed_by=zuid)
    other.fill(make_user("Max", (maas, "worker")), maas, now=BEFORE)
    ranked = rank(hour, BEFORE)
    assert names(ranked)[0] == "Anna"
    assert "behind" in ranked[0].codes
    assert "ahead" in one(hour, carla).codes


def test_who_has_a_duty_near_or_was_just_asked_comes_later(
    line: ServiceLine, hour: ConsultationHour, anna: User, bilal: User, carla: User
) -> None:
    make_duty(line, anna, NOW + timedelta(days=1))
    asked = make_request(make_duty(line, carla, NOW + timedelta(days=9)))
    CoverAsk.objects.create(request=asked, worker=bilal, at=BEFORE - HOUR)
    ranked = rank(hour, BEFORE)
    assert names(ranked) == ["Bilal", "Carla", "Anna"]
    assert one(hour, anna).codes == ("near",)
    assert one(hour, bilal).codes == ("asked_lately",)


def test_who_had_enough_that_week_comes_last(
    line: ServiceLine, hour: ConsultationHour, anna: User, bilal: User
) -> None:
    WorkerWishes.objects.create(worker=anna, max_per_week=1)
    make_duty(line, anna, NOW + timedelta(days=6))
    assert "week_full" in one(hour, anna).codes
    assert names(rank(hour, BEFORE)) == ["Bilal", "Anna"]


def test_who_cannot_is_listed_with_the_code_of_the_refusal(
    line: ServiceLine, hour: ConsultationHour, anna: User, bilal: User, carla: User,
    zuid: Institution, maas: Institution,
) -> None:  # fmt: skip
    """Whoever is possible may be put on duty; whoever is not is refused with that code."""
    hour.period = make_period(line, state="signup")
    hour.save()
    hour.seats.update(owed_by=zuid)
    Absence.objects.create(worker=anna, first_date=MONDAY, last_date=MONDAY)
    make_duty(line, bilal)
    eva = make_user("Eva", (zuid, "worker"))
    Qualification.objects.create(user=eva, kind="trainee")
    make_user("Fleur", (zuid, "worker"))
    ranked = rank(hour, BEFORE)
    codes = {c.worker.chat_name: c.codes[0] for c in ranked if not c.is_possible}
    assert codes == {
        "Anna": "absent",
        "Bilal": "overlap",
        "Carla": "wave",
        "Eva": "qualification",
    }
    assert names(ranked) == ["Fleur"]
    for candidate in ranked:
        code = ""
        try:
            hour.fill(candidate.worker, candidate.institution, now=BEFORE)
        except RosterRefused as refused:
            code = refused.code
        assert code == ("" if candidate.is_possible else candidate.codes[0])


def test_a_full_hour_has_no_candidates_but_a_seat_to_take_over_has(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution
) -> None:
    hour = make_hour(line, seats=1)
    duty = hour.fill(anna, zuid, now=BEFORE)
    assert one(hour, bilal).codes == ("full",)
    ranked = rank(hour, BEFORE, seat=duty.seat, span=(NOW, NOW + HOUR), for_cover=True)
    assert names(ranked) == ["Bilal"]


def test_the_number_of_queries_does_not_grow(
    line: ServiceLine, hour: ConsultationHour, zuid: Institution, maas: Institution
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            rank(ConsultationHour.objects.get(pk=hour.pk), BEFORE)
        return len(captured)

    for number in range(2):
        make_user(f"Hulp{number}", (zuid, "worker"), second_factor=False)
    few = queries()
    for number in range(2, 12):
        worker = make_user(f"Hulp{number}", (maas, "worker"), (zuid, "worker"), second_factor=False)
        make_duty(line, worker, NOW + timedelta(days=number))
        WorkerWishes.objects.create(worker=worker, max_per_week=2)
        Availability.objects.create(worker=worker, kind="possible", start=NOW, end=NOW + HOUR)
    assert queries() == few <= 16
