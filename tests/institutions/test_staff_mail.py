"""The outbox of mail to staff: with the change that it tells of, once, until it was sent."""

from datetime import UTC, datetime, timedelta

import pytest
from django.db import IntegrityError, transaction

from institutions.models import StaffMail, User

NOW = datetime(2026, 3, 2, 18, tzinfo=UTC)


def put(to: User, key: str = "published:1", due_at: datetime = NOW) -> bool:
    return StaffMail.put(
        to, "published", key, subject="Je rooster", body="Kijk op je rooster.", due_at=due_at
    )


def test_an_event_is_told_once(anna: User) -> None:
    assert put(anna)
    assert not put(anna)
    assert put(anna, "published:2")
    assert StaffMail.objects.count() == 2


def test_a_mail_disappears_with_the_change_that_it_tells_of(anna: User) -> None:
    with transaction.atomic():
        put(anna)
        transaction.set_rollback(True)
    assert not StaffMail.objects.exists()


def test_what_is_due_comes_in_order_and_what_is_finished_does_not(anna: User) -> None:
    for number, minutes in enumerate((0, -5, 5, -9, -8)):
        put(anna, f"key {number}", NOW + timedelta(minutes=minutes))
    StaffMail.objects.update(created_at=NOW - timedelta(minutes=10))
    StaffMail.objects.filter(dedupe_key="key 3").update(sent_at=NOW)
    StaffMail.objects.filter(dedupe_key="key 4").update(given_up_at=NOW)
    due = StaffMail.objects.due(NOW).values_list("dedupe_key", flat=True)
    assert list(due) == ["key 1", "key 0"]
    finished = StaffMail.objects.finished().values_list("dedupe_key", flat=True)
    assert set(finished) == {"key 3", "key 4"}


@pytest.mark.parametrize("wrong", [{"sent_at": NOW, "given_up_at": NOW}, {"dedupe_key": ""}])
def test_a_mail_that_makes_no_sense_is_refused(anna: User, wrong: dict[str, object]) -> None:
    put(anna)
    with pytest.raises(IntegrityError), transaction.atomic():
        StaffMail.objects.update(**wrong)
