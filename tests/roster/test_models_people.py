"""What the roster knows of a worker, and who may read it."""

from datetime import UTC, datetime, time, timedelta
from typing import Any

import pytest
from django.db.models import Model

from institutions.models import Institution, User
from roster.models import (
    Absence,
    Availability,
    FeedToken,
    Qualification,
    ServiceLine,
    WorkerWishes,
)
from tests.people import make_user, rights_of
from tests.roster.making import HOUR, MONDAY, NOW, refused

SPAN: dict[str, Any] = {"start": NOW, "end": NOW + HOUR}
WEEKLY: dict[str, Any] = {"weekday": 0, "local_start": time(19), "local_end": time(0)}


def available(worker: User, **fields: Any) -> Availability:
    return Availability.objects.create(worker=worker, kind="possible", **fields)


def test_who_has_no_qualification_is_an_ordinary_worker(
    anna: User, bilal: User, carla: User
) -> None:
    Qualification.objects.create(user=bilal, kind="trainee")
    for kind in ("duty", "backup"):
        Qualification.objects.create(user=carla, kind=kind)
    assert Qualification.of([anna.pk, bilal.pk, carla.pk]) == {
        anna.pk: {"duty"},
        bilal.pk: {"trainee"},
        carla.pk: {"duty", "backup"},
    }
    with refused():
        Qualification.objects.create(user=bilal, kind="trainee")


@pytest.mark.parametrize(
    ("constraint", "wrong"),
    [
        ("availability_span_or_weekly", {}),
        ("availability_span_or_weekly", {"start": NOW}),
        ("availability_span_or_weekly", {"end": NOW}),
        ("availability_span_or_weekly", {**SPAN, **WEEKLY}),
        ("availability_span_or_weekly", {**SPAN, "weekday": 0}),
        ("availability_span_or_weekly", {**SPAN, "valid_from": MONDAY}),
        ("availability_span_or_weekly", {**WEEKLY, "local_end": None}),
        ("availability_span_or_weekly", {**WEEKLY, "start": NOW}),
        ("availability_ends_after_start", {"start": NOW, "end": NOW}),
        ("availability_weekday", {**WEEKLY, "weekday": 7}),
        (
            "availability_valid_in_order",
            {**WEEKLY, "valid_from": MONDAY, "valid_until": MONDAY - timedelta(days=1)},
        ),
    ],
    ids=str,
)
def test_availability_is_one_span_or_a_weekly_pattern(
    anna: User, constraint: str, wrong: dict[str, Any]
) -> None:
    with refused(constraint):
        available(anna, **wrong)


def test_spans_are_found_by_their_time_and_patterns_by_their_days(anna: User) -> None:
    span = available(anna, **SPAN)
    always = available(anna, **WEEKLY)
    march = available(anna, **WEEKLY, valid_from=MONDAY, valid_until=MONDAY + timedelta(days=29))
    objects = Availability.objects
    assert list(objects.spans(NOW - HOUR, NOW + HOUR)) == [span]
    assert not objects.spans(NOW + HOUR, NOW + 2 * HOUR).exists()
    april = MONDAY + timedelta(days=30)
    assert list(objects.weekly(april - timedelta(days=1), april)) == [always, march]
    assert list(objects.weekly(april, april)) == [always]
    before = MONDAY - timedelta(days=1)
    assert list(objects.weekly(before, before)) == [always]


def test_an_absence_has_days_and_no_reason(anna: User) -> None:
    absence = Absence.objects.create(worker=anna, first_date=MONDAY, last_date=MONDAY)
    assert {field.name for field in Absence._meta.get_fields()} == {
        "id",
        "worker",
        "first_date",
        "last_date",
    }
    assert list(Absence.objects.between(MONDAY, MONDAY)) == [absence]
    later = MONDAY + timedelta(days=1)
    assert not Absence.objects.between(later, later).exists()
    with refused("absence_ends_after_start"):
        Absence.objects.create(worker=anna, first_date=later, last_date=MONDAY)


def test_wishes_fit_each_other_and_are_one_per_worker(
    anna: User, bilal: User, line: ServiceLine
) -> None:
    WorkerWishes.objects.create(worker=anna, max_per_week=0, max_per_period=4, preferred_line=line)
    with refused():
        WorkerWishes.objects.create(worker=anna)
    with refused("wishes_min_max"):
        WorkerWishes.objects.create(worker=bilal, min_per_period=5, max_per_period=4)
    WorkerWishes.objects.create(worker=bilal, min_per_period=5)


def _of(worker: User) -> list[Model]:
    return [
        available(worker, **SPAN),
        Absence.objects.create(worker=worker, first_date=MONDAY, last_date=MONDAY),
        WorkerWishes.objects.create(worker=worker),
    ]


def test_what_is_personal_is_for_the_worker_and_their_coordinators(
    anna: User, bilal: User, carla: User, dirk: User, zuid: Institution, maas: Institution
) -> None:
    own_coordinator = make_user("Zoë", (zuid, "coordinator"))
    stranger = make_user("Max", (maas, "coordinator"))
    for row in _of(anna):
        seen_by = [
            person
            for person in (anna, bilal, carla, dirk, own_coordinator, stranger)
            if type(row).objects.visible_to(rights_of(person)).exists()  # type: ignore[attr-defined]
        ]
        assert seen_by == [anna, dirk, own_coordinator]


def test_a_feed_is_found_by_its_token_until_it_is_revoked(anna: User) -> None:
    feed = FeedToken.objects.create(user=anna, token_hash=FeedToken.hash("geheim"))
    assert "geheim" not in feed.token_hash
    assert list(FeedToken.objects.holding("geheim")) == [feed]
    assert not FeedToken.objects.holding("ander").exists()
    with refused():
        FeedToken.objects.create(user=anna, token_hash=FeedToken.hash("nog een"))
    FeedToken.objects.update(revoked_at=datetime(2026, 3, 2, tzinfo=UTC))
    assert not FeedToken.objects.holding("geheim").exists()
    FeedToken.objects.create(user=anna, token_hash=FeedToken.hash("nog een"))
    with refused():
        FeedToken.objects.create(user=anna, token_hash=FeedToken.hash("geheim"), revoked_at=NOW)


def test_the_feed_of_somebody_who_was_disabled_is_closed(anna: User) -> None:
    FeedToken.objects.create(user=anna, token_hash=FeedToken.hash("geheim"))
    User.objects.filter(pk=anna.pk).update(is_active=False)
    assert not FeedToken.objects.holding("geheim").exists()
