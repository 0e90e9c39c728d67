"""Two at once at one letter: threads on PostgreSQL, where nothing but the rules keeps them apart."""

from collections.abc import Callable

import pytest
from django.utils import timezone

from chat import letter_jobs
from chat.models import Conversation, Draft, LetterWarning, Transfer
from institutions.models import Institution, StaffMail, User
from roster.models import LetterDuty, ServiceLine, monday_of
from tests.chat.letters import held_by, new_id, put_on_duty, write_letter
from tests.chat.test_races import at_once
from tests.people import make_user, rights_of

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.postgresql]


@pytest.fixture
def letter(line: ServiceLine, zuid: Institution, anna: User, carla: User) -> Conversation:
    put_on_duty(line, zuid, timezone.now())
    return write_letter(line)


def test_one_of_twenty_who_take_a_letter_wins(letter: Conversation, zuid: Institution) -> None:
    workers = [make_user(f"Werker{number}", (zuid, "worker")) for number in range(20)]

    def claim(worker: User) -> Callable[[], str]:
        mine, staff = Conversation.objects.get(pk=letter.pk), rights_of(worker)

        def run() -> str:
            mine.claim_letter(staff)
            return "won"

        return run

    results = at_once([claim(worker) for worker in workers])

    assert sorted(results) == ["taken"] * 19 + ["won"]
    assert letter.changes.filter(new="active").count() == 1


@pytest.mark.parametrize("round_", range(5))
def test_an_answer_and_a_hand_over_happen_one_or_after_the_other(
    letter: Conversation, maas: Institution, anna: User, round_: int
) -> None:
    held_by(anna, letter)
    transfer = Transfer.ask(letter, rights_of(anna), maas)
    mine, staff = Conversation.objects.get(pk=letter.pk), rights_of(anna)

    def send() -> str:
        mine.answer_letter(staff, "Hoi", client_id=new_id(), seen=1)
        return "sent"

    def accept() -> str:
        transfer.accept()
        return "went"

    sent, went = at_once([send, accept])

    letter.refresh_from_db()
    assert went == "went"
    assert (letter.institution, letter.status, letter.worker) == (maas, "waiting", None)
    # Sent before it went, or not at all; it is never Anna's words under another institution.
    assert letter.messages.count() == (2 if sent == "sent" else 1)
    assert sent in ("sent", "forbidden")


def test_two_windows_keep_one_draft(letter: Conversation, anna: User) -> None:
    held_by(anna, letter)
    staff = rights_of(anna)

    def keep(text: str) -> Callable[[], int]:
        mine = Conversation.objects.get(pk=letter.pk)
        return lambda: Draft.keep(mine, staff, text, version=0)

    results = at_once([keep("hier"), keep("daar")])

    assert sorted(map(str, results)) == ["1", "changed"]
    assert Draft.objects.get().version == 1


def test_an_answer_that_is_sent_twice_at_once_is_stored_once(
    letter: Conversation, anna: User
) -> None:
    held_by(anna, letter)
    staff, client_id = rights_of(anna), new_id()

    def send() -> Callable[[], None]:
        mine = Conversation.objects.get(pk=letter.pk)
        return lambda: mine.answer_letter(staff, "Hoi", client_id=client_id, seen=1)

    at_once([send(), send(), send()])

    assert letter.messages.count() == 2


def test_yes_and_withdrawing_do_not_both_count(
    letter: Conversation, maas: Institution, anna: User
) -> None:
    held_by(anna, letter)
    transfer = Transfer.ask(letter, rights_of(anna), maas)
    hers = Transfer.objects.get(pk=transfer.pk)

    results = at_once([lambda: transfer.withdraw(rights_of(anna)), lambda: hers.accept()])

    letter.refresh_from_db()
    assert sorted(map(str, results)) in (["None", "wrong_state"], ["None", "forbidden"])
    assert (letter.institution == maas) == (Transfer.objects.get().outcome == "yes")


def test_two_clocks_warn_once(letter: Conversation, anna: User, dirk: User) -> None:
    held_by(anna, letter)
    due_at = letter.due_at
    assert due_at is not None

    at_once([lambda: letter_jobs.watch_promises(due_at)] * 4)

    assert LetterWarning.objects.count() == 1
    assert StaffMail.objects.count() == 2


def test_two_clocks_deal_a_week_once(line: ServiceLine, anna: User, carla: User) -> None:
    week = monday_of(line.today(timezone.now()))

    at_once([lambda: LetterDuty.deal(line, week)] * 4)

    assert LetterDuty.objects.count() == 13
