"""Letters by the clock: warnings once each, owners, and letters whose worker is gone."""

from collections import Counter
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import letter_jobs
from chat.letters import owner_for
from chat.models import Conversation
from institutions.models import Institution, Membership, StaffMail, User
from roster.models import LetterDuty, ServiceLine
from roster.workdays import half_of
from tests.chat.letters import held_by, new_id, own, put_on_duty, write_letter
from tests.people import make_user, rights_of

pytestmark = pytest.mark.django_db


@pytest.fixture
def letter(line: ServiceLine, zuid: Institution, anna: User, carla: User) -> Conversation:
    put_on_duty(line, zuid, timezone.now())
    return write_letter(line, "GEHEIM")


def due(letter: Conversation) -> datetime:
    assert letter.due_at is not None
    return letter.due_at


def half(letter: Conversation) -> datetime:
    return half_of(due(letter), letter.line.zone)


def told() -> dict[tuple[str, str], int]:
    return Counter(StaffMail.objects.values_list("to__chat_name", "kind"))


# --- Warnings -------------------------------------------------------------------------------------


def test_a_promise_is_warned_of_at_half_and_at_the_end_once_each(
    letter: Conversation, anna: User, dirk: User
) -> None:
    held_by(anna, letter)
    assert letter_jobs.watch_promises(half(letter) - timedelta(minutes=1)) == 0

    for _time in range(2):
        letter_jobs.watch_promises(half(letter))
    assert told() == {("Anna", "letters_half"): 1}

    for _time in range(2):
        letter_jobs.watch_promises(due(letter))
    assert told() == {
        ("Anna", "letters_half"): 1,
        ("Anna", "letters_end"): 1,
        # It climbs.
        ("Dirk", "letters_end"): 1,
    }
    assert not StaffMail.objects.filter(body__contains="GEHEIM").exists()


def test_what_was_warned_of_and_what_is_held_costs_no_query_of_its_own(
    line: ServiceLine, letter: Conversation, anna: User
) -> None:
    def queries(now: datetime) -> int:
        with CaptureQueriesContext(connection) as context:
            letter_jobs.watch_promises(now)
            letter_jobs.return_lost_letters(now)
        return len(context)

    held_by(anna, letter)
    late = due(letter)
    letter_jobs.watch_promises(late)
    few = queries(late)
    for number in range(5):
        held_by(anna, write_letter(line, f"nog {number}"))
    late = max(due(one) for one in Conversation.objects.letters())
    letter_jobs.watch_promises(late)

    assert queries(late) == few


def test_of_what_nobody_has_the_coordinators_of_the_institution_hear(
    letter: Conversation, zuid: Institution, maas: Institution, dirk: User
) -> None:
    make_user("Edith", (zuid, "coordinator"))
    make_user("Greta", (maas, "coordinator"))

    letter_jobs.watch_promises(half(letter))

    assert told() == {("Edith", "letters_half"): 1, ("Dirk", "letters_half"): 1}


def test_several_letters_are_one_mail(
    letter: Conversation, line: ServiceLine, anna: User, dirk: User
) -> None:
    for one in (letter, write_letter(line), write_letter(line)):
        held_by(anna, one)

    letter_jobs.watch_promises(half(letter))

    mail = StaffMail.objects.get()
    assert "3 brieven" in mail.body


def test_what_was_answered_is_not_warned_of_and_a_new_promise_is(
    letter: Conversation, anna: User, dirk: User
) -> None:
    held_by(anna, letter)
    letter_jobs.watch_promises(half(letter))
    first = due(letter)
    letter.answer_letter(rights_of(anna), "Hoi", client_id=new_id(), seen=1)
    assert letter_jobs.watch_promises(first) == 0

    Conversation.objects.filter(pk=letter.pk).update(due_at=first + timedelta(days=7))
    letter.refresh_from_db()
    letter_jobs.watch_promises(half(letter))

    assert told() == {("Anna", "letters_half"): 2}


# --- Owners ---------------------------------------------------------------------------------------


def test_a_letter_is_of_the_institution_of_its_region(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User, carla: User
) -> None:
    put_on_duty(line, zuid, timezone.now())
    maas.municipalities = ["GM0935"]
    maas.save()

    assert owner_for(Conversation(line=line, region="GM0935")) == maas
    assert owner_for(Conversation(line=line, region="GM0917")) == zuid
    assert owner_for(Conversation(line=line)) == zuid


def test_of_two_institutions_of_a_region_the_one_on_duty_else_the_least_busy(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User, carla: User
) -> None:
    for one in (zuid, maas):
        one.municipalities = ["GM0935"]
        one.save()
    heuvel = Institution.objects.create(name="Heuvel")
    make_user("Els", (heuvel, "worker"))
    near = Conversation(line=line, region="GM0935")
    put_on_duty(line, maas, timezone.now())
    assert owner_for(near) == maas

    put_on_duty(line, heuvel, timezone.now())
    own(write_letter(line), zuid)
    assert owner_for(near) == maas


def test_an_institution_without_workers_owns_nothing(
    line: ServiceLine, zuid: Institution, maas: Institution, anna: User
) -> None:
    maas.municipalities = ["GM0935"]
    maas.save()

    assert owner_for(Conversation(line=line, region="GM0935")) == zuid
    assert LetterDuty.objects.get().institution == zuid


def test_a_letter_without_an_owner_gets_one_later(line: ServiceLine, zuid: Institution) -> None:
    letter = write_letter(line)
    assert letter.institution is None
    assert letter_jobs.give_owners(timezone.now()) == 0
    make_user("Anna", (zuid, "worker"))

    assert letter_jobs.give_owners(timezone.now()) == 1

    letter.refresh_from_db()
    assert letter.institution == zuid


# --- Workers who are gone -------------------------------------------------------------------------


def test_a_letter_of_somebody_who_left_lies_in_the_inbox_again(
    letter: Conversation, anna: User
) -> None:
    held_by(anna, letter)
    assert letter_jobs.return_lost_letters(timezone.now()) == 0
    Membership.objects.filter(user=anna).delete()

    assert letter_jobs.return_lost_letters(timezone.now()) == 1

    letter.refresh_from_db()
    assert (letter.status, letter.worker) == ("waiting", None)
