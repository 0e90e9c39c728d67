"""The page on which a worker says when they can, are away, and how much they like to do."""

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import reverse
from django.utils import timezone

from institutions.models import Institution, User
from roster.availability import said_by, wishes_of
from roster.candidates import rank
from roster.models import Absence, Availability, ServiceLine, WorkerWishes
from roster.models.people import MOST
from roster.proposals.problem import Wish
from tests.people import sign_in
from tests.roster.making import make_duty, make_hour

PAGE = "roster_availability"


def post(worker: User, **data: Any) -> HttpResponse:
    return sign_in(worker).post(reverse(PAGE), data)


def page(worker: User) -> str:
    return sign_in(worker).get(reverse(PAGE)).content.decode()


def soon(days: int = 7) -> date:
    return timezone.localdate() + timedelta(days=days)


def test_the_same_every_week_on_several_days(line: ServiceLine, anna: User) -> None:
    data = {"form": "weekly", "kind": "preferred", "weekdays": ["0", "6"]}

    answer = post(anna, **data, local_start="19:00", local_end="00:00")

    assert answer.status_code == 302
    stated = Availability.objects.filter(worker=anna)
    assert [one.weekday for one in stated] == [0, 6]
    assert {(one.local_start, one.local_end, one.tz) for one in stated} == {
        (time(19), time(), line.tz)
    }
    assert "19:00 – 00:00" in page(anna)
    post(anna, **data, local_start="19:00", local_end="00:00")
    assert stated.count() == 2, "sent twice is said once"


def test_no_times_is_the_whole_day(line: ServiceLine, anna: User) -> None:
    post(anna, form="weekly", kind="unavailable", weekdays=["2"])

    (stated,) = Availability.objects.all()
    assert stated.is_whole_day
    assert "hele dag" in page(anna)


def test_a_pattern_that_is_over_is_not_shown(line: ServiceLine, anna: User) -> None:
    data = {"form": "weekly", "kind": "possible", "weekdays": ["1"], "local_start": "10:15"}
    post(anna, **data, local_end="11:45", valid_from=soon(-9), valid_until=soon(-2))

    assert Availability.objects.count() == 1
    assert "10:15 – 11:45" not in page(anna)


def test_one_day_is_kept_in_utc_and_shown_in_the_time_of_the_line(
    line: ServiceLine, anna: User
) -> None:
    post(anna, form="span", kind="possible", day=soon(), local_start="22:00", local_end="02:00")

    (stated,) = Availability.objects.all()
    assert stated.end - stated.start == timedelta(hours=4)
    assert stated.start.astimezone(line.zone).date() == soon()
    assert "22:00 – 02:00" in page(anna)


def test_away_for_some_days_or_one(anna: User) -> None:
    post(anna, form="absence", first_date=soon(), last_date=soon(14))
    post(anna, form="absence", first_date=soon(30))

    assert [(one.first_date, one.last_date) for one in Absence.objects.all()] == [
        (soon(), soon(14)),
        (soon(30), soon(30)),
    ]


def test_who_is_away_hears_of_the_duties_that_stay(line: ServiceLine, anna: User) -> None:
    start = timezone.now().replace(second=0, microsecond=0) + timedelta(days=7)
    duty = make_duty(line, anna, start)
    day = duty.hour.local_date

    answer = sign_in(anna).post(reverse(PAGE), {"form": "absence", "first_date": day}, follow=True)

    assert "in deze dagen nog 1 dienst" in answer.content.decode()
    duty.refresh_from_db()
    assert duty.status == "confirmed"


def test_wishes_are_kept_and_shown_and_may_be_empty(line: ServiceLine, anna: User) -> None:
    post(anna, form="wishes", max_per_week="2", min_per_period="", max_per_period="9")

    wishes = WorkerWishes.objects.get()
    assert (wishes.max_per_week, wishes.min_per_period, wishes.max_per_period) == (2, None, 9)
    assert 'value="9"' in page(anna)

    post(anna, form="wishes")
    assert WorkerWishes.objects.get().max_per_week is None


def test_a_choice_of_line_is_asked_only_when_there_is_one(line: ServiceLine, anna: User) -> None:
    assert "Het liefst bij" not in page(anna)
    other = ServiceLine.objects.create(name="Ouders")

    assert "Het liefst bij" in page(anna)
    post(anna, form="wishes", preferred_line=other.pk)
    assert WorkerWishes.objects.get().preferred_line == other


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        ({"form": "weekly", "kind": "possible"}, "Kies een of meer dagen."),
        ({"form": "weekly", "weekdays": ["0"]}, "Kies of je dan kunt."),
        (
            {"form": "weekly", "kind": "possible", "weekdays": ["0"], "local_start": "19:00"},
            "Vul van en tot in.",
        ),
        (
            {
                "form": "weekly",
                "kind": "possible",
                "weekdays": ["0"],
                "valid_from": "2026-02-01",
                "valid_until": "2026-01-01",
            },
            "De laatste dag ligt voor de eerste.",
        ),
        ({"form": "weekly", "kind": "possible", "weekdays": ["7"]}, "Kies een of meer dagen."),
        ({"form": "span", "kind": "possible"}, "Kies een dag."),
        ({"form": "span", "kind": "possible", "day": "2020-01-01"}, "Dit is al voorbij."),
        ({"form": "absence", "first_date": "morgen"}, "Kies een dag."),
        ({"form": "absence", "first_date": "2020-01-01"}, "Dit is al voorbij."),
        (
            {"form": "absence", "first_date": "2099-02-01", "last_date": "2099-01-01"},
            "De laatste dag ligt voor de eerste.",
        ),
        ({"form": "absence", "first_date": "2099-01-01", "last_date": "2101-01-01"}, "langer dan"),
        ({"form": "wishes", "max_per_week": "-1"}, "Vul een heel getal in"),
        (
            {"form": "wishes", "min_per_period": "5", "max_per_period": "4"},
            "Dit is minder dan het minste",
        ),
    ],
)
def test_mistakes_are_told_beside_the_field_and_change_nothing(
    line: ServiceLine, anna: User, data: dict[str, Any], sentence: str
) -> None:
    answer = post(anna, **data)

    assert answer.status_code == 200
    assert sentence in answer.content.decode()
    for model in (Availability, Absence, WorkerWishes):
        assert not model._default_manager.exists()


def test_there_is_an_end_to_it(line: ServiceLine, anna: User) -> None:
    Availability.objects.bulk_create(
        Availability(
            worker=anna, kind="possible", weekday=0, local_start=time(1, n % 60), local_end=time(2)
        )
        for n in range(MOST)
    )

    answer = post(anna, form="weekly", kind="possible", weekdays=["0"])

    assert "Er staat al te veel in je lijst." in answer.content.decode()
    assert Availability.objects.count() == MOST


def test_taking_away(line: ServiceLine, anna: User) -> None:
    post(anna, form="weekly", kind="possible", weekdays=["0"])
    post(anna, form="absence", first_date=soon())

    post(anna, of="availability", remove=Availability.objects.get().pk)
    post(anna, of="absence", remove=Absence.objects.get().pk)

    assert not Availability.objects.exists()
    assert not Absence.objects.exists()


def test_a_stranger_sees_and_takes_away_nothing(line: ServiceLine, anna: User, bilal: User) -> None:
    post(
        anna, form="weekly", kind="possible", weekdays=["0"], local_start="10:15", local_end="11:45"
    )
    post(anna, form="absence", first_date=soon())

    assert "10:15" not in page(bilal)
    for of, found in (("availability", Availability), ("absence", Absence)):
        number = found._default_manager.get().pk
        assert post(bilal, of=of, remove=number).status_code == 404
        assert found._default_manager.exists()


@pytest.mark.parametrize("data", [{"of": "user", "remove": "1"}, {"of": "absence", "remove": "x"}])
def test_nonsense_is_not_there(anna: User, data: dict[str, str]) -> None:
    assert post(anna, **data).status_code == 404


# --- Read in one way, wherever it counts ------------------------------------------------------------


def test_touching_times_count_together_and_cannot_goes_before_all(
    line: ServiceLine, anna: User
) -> None:
    hour = make_duty(line, anna).hour
    middle = hour.start + timedelta(hours=1)

    def said() -> str:
        return said_by([anna.pk], hour.start, hour.end)[anna.pk].about(hour.start, hour.end)

    def say(kind: str, start: datetime, end: datetime) -> None:
        Availability.objects.create(worker=anna, kind=kind, start=start, end=end)

    assert said() == ""
    say("preferred", hour.start, middle)
    assert said() == ""
    say("possible", middle, hour.end)
    assert said() == "possible"
    say("preferred", middle, hour.end)
    assert said() == "preferred"
    say("unavailable", hour.end - timedelta(minutes=1), hour.end + timedelta(hours=1))
    assert said() == "unavailable"


def test_the_list_of_candidates_and_a_proposal_read_the_same(
    line: ServiceLine, zuid: Institution, anna: User, bilal: User
) -> None:
    hour = make_hour(line)
    for start in (hour.start, hour.start + timedelta(hours=1)):
        end = start + timedelta(hours=1)
        Availability.objects.create(worker=anna, kind="preferred", start=start, end=end)
    Availability.objects.create(worker=bilal, kind="unavailable", start=hour.start, end=hour.end)

    codes = {one.worker: one.codes for one in rank(hour, hour.start - timedelta(days=9))}
    wishes = wishes_of([anna.pk, bilal.pk], [hour])

    assert "prefers" in codes[anna]
    assert "unavailable" in codes[bilal]
    assert wishes == {anna.pk: {hour.pk: Wish.PREFERRED}, bilal.pk: {}}
