"""What is agreed once: cover, rest and giving back of a line, and the tasks of each worker."""

from typing import Any

import pytest
from django.http import HttpResponse
from django.urls import reverse

from institutions.models import AuditEvent, User
from roster.models import Qualification, RosterRefused, ServiceLine
from tests.people import sign_in
from tests.roster.making import MONDAY

AGREED = {
    "cover_policy": "approval",
    "release_hours": "48",
    "short_rest_hours": "11",
    "late_cancel_hours": "12",
    "last_call_minutes": "20",
}


def send(person: User, name: str, **data: Any) -> HttpResponse:
    return sign_in(person).post(reverse(name), data, follow=True)


def kinds(worker: User) -> frozenset[str]:
    return Qualification.of([worker.pk])[worker.pk]


def test_the_platform_agrees_on_cover_rest_and_giving_back(line: ServiceLine, dirk: User) -> None:
    assert (
        "De afspraken zijn bewaard." in send(dirk, "roster_agreements", **AGREED).content.decode()
    )

    line.refresh_from_db()
    assert (line.cover_policy, line.release_hours, line.short_rest_minutes) == ("approval", 48, 660)
    assert (line.late_cancel_hours, line.last_call_minutes) == (12, 20)
    trail = AuditEvent.objects.get(verb="settings")
    assert (trail.actor, trail.explanation) == (dirk, "afspraken van het rooster")
    shown = sign_in(dirk).get(reverse("roster_agreements")).content.decode()
    assert 'value="11"' in shown


def test_nonsense_is_said_beside_the_field_and_changes_nothing(
    line: ServiceLine, dirk: User
) -> None:
    answer = send(dirk, "roster_agreements", **AGREED | {"release_hours": "-1"})

    assert answer.status_code == 200
    line.refresh_from_db()
    assert line.cover_policy == "notice"


def test_only_the_platform_agrees(line: ServiceLine, edith: User, anna: User) -> None:
    for person in (edith, anna):
        assert send(person, "roster_agreements", **AGREED).status_code == 403
        with pytest.raises(RosterRefused, match="not_yours"):
            line.agree(person, release_hours=1)


def test_a_coordinator_says_who_is_in_training(
    line: ServiceLine, edith: User, anna: User, bilal: User, carla: User
) -> None:
    shown = sign_in(edith).get(reverse("roster_tasks")).content.decode()
    assert anna.name in shown
    assert carla.name not in shown

    tasks = {f"w{anna.pk}": "trainee", f"w{bilal.pk}": "duty", f"w{carla.pk}": "trainee"}
    assert "Bewaard." in send(edith, "roster_tasks", **tasks).content.decode()

    assert kinds(anna) == {"trainee"}
    assert kinds(bilal) == kinds(carla) == {"duty"}
    # Only who got another task is in the trail.
    trail = AuditEvent.objects.get(verb="roster")
    assert (trail.person, trail.detail.partition(" ")[0]) == (anna, "qualified")
    send(edith, "roster_tasks", **tasks | {f"w{anna.pk}": "both"})
    assert kinds(anna) == {"duty", "backup"}


def test_tasks_of_many_institutions_are_folded_by_institution(
    line: ServiceLine, edith: User, dirk: User, anna: User, carla: User
) -> None:
    ours = sign_in(edith).get(reverse("roster_tasks")).content.decode()
    everybody = sign_in(dirk).get(reverse("roster_tasks")).content.decode()

    assert "<h2>" not in ours
    assert f'name="w{anna.pk}"' in ours
    for worker in (anna, carla):
        institution = worker.memberships.get().institution
        assert f"<h2>{institution}</h2>" in everybody
        assert everybody.count(f'name="w{worker.pk}"') == 1


def test_a_stranger_gives_no_tasks(line: ServiceLine, edith: User, anna: User, carla: User) -> None:
    assert send(anna, "roster_tasks", **{f"w{anna.pk}": "both"}).status_code == 403
    for stranger in (anna, edith):
        with pytest.raises(RosterRefused, match="not_yours"):
            Qualification.give(carla, {"trainee"}, stranger, MONDAY)
    assert not Qualification.objects.exists()
