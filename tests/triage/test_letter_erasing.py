"""What we hold about somebody, and erasing it: at her word, by the clock, and after a restore."""

from datetime import timedelta
from io import StringIO

import pytest
from django.core import serializers
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from chat import jobs
from chat.models import (
    Conversation,
    ConversationKey,
    Draft,
    Invitation,
    Message,
    Note,
    ReturnCode,
    SecondReading,
    Visitor,
)
from chat.models.erasing import tables_with_words
from chat.reading import read_messages
from institutions.jobs import tell_of_late_jobs
from institutions.models import Institution, JobRun, StaffMail, User
from klikvoor.tick import Job
from klikvoor.tick import jobs as clock
from roster.models import ConsultationHour
from tests.chat.test_letters import TEXT, new_id, take
from tests.people import rights_of, visitor_browser
from tests.triage.forms import act, another, code_of, go, nothing_changes, text_of
from triage.models import Intake

pytestmark = pytest.mark.django_db(transaction=True)


def test_she_sees_what_we_hold(hers: Client, letter: Conversation, anna: User) -> None:
    code_of(hers)
    letter.choose_answer("notice", "ik@example.org")
    page = text_of(act(hers, "held"))
    assert "1 bericht, op slot" in page
    assert "Een afdruk van je code" in page
    assert "Je e-mailadres, op slot" in page
    assert "ik@example.org" not in page


def test_the_operator_prints_what_one_code_leads_to(
    hers: Client, letter: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = code_of(hers)
    for extra, seen in (([], False), (["--words"], True)):
        monkeypatch.setattr("sys.stdin", StringIO(words.title() + "\n"))
        out = StringIO()
        call_command("held", *extra, stdout=out)
        assert letter.pk in out.getvalue()
        for rows in ("chat.ConversationKey 1", "chat.Message 1", "chat.StatusChange 1"):
            assert rows in out.getvalue()
        assert (TEXT in out.getvalue()) is seen
        assert words not in out.getvalue()
    for wrong in ("adres " * 7, "geen code"):
        monkeypatch.setattr("sys.stdin", StringIO(wrong + "\n"))
        with pytest.raises(CommandError):
            call_command("held")


def test_erasing_asks_first_and_then_leaves_nothing(
    hers: Client, letter: Conversation, visitor: Visitor, anna: User
) -> None:
    words = code_of(hers)
    letter.choose_answer("mail", "ik@example.org")
    with nothing_changes():
        assert "Wil je alles wissen?" in text_of(act(hers, "erase"))
    response = act(hers, "erase_now")
    assert "Alles is gewist" in text_of(response)
    assert not Message.objects.exists()
    assert not ConversationKey.objects.exists()
    assert not ReturnCode.objects.exists()
    assert not Visitor.objects.filter(pk=visitor.pk).exists()
    letter.refresh_from_db()
    assert (letter.status, letter.closing_reason, letter.visitor) == ("closed", "erased", None)
    assert (letter.sealed_intake, letter.sealed_address) == (None, None)
    change = letter.changes.last()
    assert (change.by, change.reason) == ("visitor", "erased")
    assert another().post("/terug/", {"words": words}).status_code == 404
    assert "Was je hier eerder?" in text_of(hers.get("/"))


def test_every_table_with_something_sealed_goes_with_the_words() -> None:
    tables = {table.__name__ for table, _field in tables_with_words()}
    assert tables >= {"Message", "Note", "Draft", "SecondReading", "Transfer", "Invitation"}
    assert not tables & {"StatusChange", "Conversation", "ConversationKey", "LetterAnswer"}


def test_what_workers_wrote_about_it_goes_as_well(
    hers: Client, letter: Conversation, anna: User, open_hour: ConsultationHour
) -> None:
    take(letter, anna)
    staff = rights_of(anna)
    Note.add(letter, anna, "Bellen met Veilig Thuis?", client_id=new_id())
    Draft.keep(letter, staff, "Dag,", version=0)
    SecondReading.ask(letter, staff)
    letter.invitations.create(hour=open_hour, made_by=anna)
    act(hers, "erase_now")
    for table in (Note, Draft, SecondReading, Invitation):
        assert not table.objects.exists(), table


def test_whatever_stops_erasing_half_way_nothing_can_be_read(
    hers: Client, letter: Conversation, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Answers to the questions before carry their own key: they go with those of the letter."""
    words = code_of(hers)
    Intake.begin(visitor, is_letter=True)

    class Killed(BaseException):
        pass

    def die(conversation: Conversation) -> None:
        raise Killed

    monkeypatch.setattr("chat.models.erasing.remove_words", die)
    with pytest.raises(Killed):
        visitor.erase()
    assert not ConversationKey.objects.exists()
    assert not Intake.objects.exists()
    assert not ReturnCode.objects.exists()
    assert another().post("/terug/", {"words": words}).status_code == 404
    monkeypatch.undo()
    jobs.erase_old_texts(timezone.now())
    assert not Message.objects.exists()


def test_erasing_ends_a_chat_that_goes_on(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    act(visitor_browser(visitor), "erase_now")
    active_conversation.refresh_from_db()
    assert (active_conversation.status, active_conversation.closing_reason) == ("closed", "erased")


def test_texts_and_addresses_go_thirty_days_after_closing(
    hers: Client, letter: Conversation, visitor: Visitor
) -> None:
    code_of(hers)
    letter.choose_answer("mail", "ik@example.org")
    go(hers, "letter_close")
    letter.refresh_from_db()
    due = letter.ended_at + timedelta(days=30, seconds=1)  # type: ignore[operator]
    assert jobs.erase_old_texts(due - timedelta(seconds=2)) == 0
    assert jobs.erase_old_texts(due) == 1
    assert jobs.erase_old_texts(due) == 0
    letter.refresh_from_db()
    assert (letter.sealed_address, letter.answer_by, letter.visitor) == (None, "code", None)
    assert not Message.objects.exists()
    jobs.forget_old_visits(due)
    assert not Visitor.objects.filter(pk=visitor.pk).exists()
    assert not ReturnCode.objects.exists()


def test_rows_that_come_back_from_an_old_dump_are_unreadable_and_go_again(
    hers: Client, letter: Conversation, visitor: Visitor
) -> None:
    """The table of keys is dumped apart and kept shorter: a dump brings rows back, and no keys."""
    words = code_of(hers)
    letter.choose_answer("mail", "ik@example.org")
    tables = (Visitor, ReturnCode, Conversation, Message)
    dump = [serializers.serialize("json", table.objects.all()) for table in tables]
    act(hers, "erase_now")
    for rows in dump:
        for row in serializers.deserialize("json", rows):
            row.save()

    assert read_messages(letter.pk, 0) == []
    letter.refresh_from_db()
    assert letter.sealed_address
    with pytest.raises(ConversationKey.DoesNotExist):
        letter.address()
    # Her code is there again as well, and the page says what became of the rest.
    back = another()
    assert back.post("/terug/", {"words": words}).status_code == 303
    assert "De tekst van deze brief is gewist." in text_of(back.get("/"))
    assert "De tekst is gewist." in text_of(act(back, "held"))
    assert act(back, "letter_post", client_id=new_id(), text="Hoi").status_code == 409
    jobs.erase_old_texts(timezone.now())
    assert not Message.objects.exists()
    letter.refresh_from_db()
    assert (letter.sealed_address, letter.visitor) == (None, None)


def test_when_erasing_fails_for_a_day_somebody_is_told_once(dirk: User) -> None:
    now = timezone.now()
    JobRun.succeeded("erase_old_texts", now, 3)
    assert tell_of_late_jobs(now + timedelta(hours=24)) == 0
    JobRun.failed("erase_old_texts", now + timedelta(hours=24), RuntimeError("text"))
    late = now + timedelta(hours=25, seconds=1)
    assert tell_of_late_jobs(late) == 1
    assert tell_of_late_jobs(late) == 0
    assert StaffMail.objects.get().to == dirk
    assert "erase_old_texts" in StaffMail.objects.get().body
    run = JobRun.objects.get()
    assert (run.count, run.total, run.error) == (3, 3, "RuntimeError")


def the_job(name: str) -> Job:
    return next(job for job in clock() if job.run.__name__ == name)


def test_the_clock_erases_once_reports_how_many_and_says_when_it_failed(
    hers: Client, letter: Conversation, dirk: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    go(hers, "letter_close")
    letter.refresh_from_db()
    due = letter.ended_at + timedelta(days=30, seconds=1)  # type: ignore[operator]
    job = the_job("erase_old_texts")
    assert job.is_watched

    # Killed after the key and before the rows: unreadable, and the next run takes the rest.
    monkeypatch.setattr(jobs, "remove_words", lambda conversation: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        job.run_watched(due)
    assert not ConversationKey.objects.exists()
    assert Message.objects.count() == 1
    assert read_messages(letter.pk, 0) == []
    assert JobRun.objects.get().error == "ZeroDivisionError"
    assert tell_of_late_jobs(due + timedelta(hours=25, seconds=1)) == 1

    monkeypatch.undo()
    for _twice in range(2):
        job.run_watched(due)
    assert not Message.objects.exists()
    run = JobRun.objects.get()
    assert (run.ran_at, run.error, run.count) == (due, "", 0)
    assert tell_of_late_jobs(due + timedelta(hours=24)) == 0


def test_the_count_of_a_run_is_kept_with_the_sum_of_all(hers: Client, letter: Conversation) -> None:
    go(hers, "letter_close")
    letter.refresh_from_db()
    due = letter.ended_at + timedelta(days=30, seconds=1)  # type: ignore[operator]
    job = the_job("erase_old_texts")
    for count in (1, 0):
        job.run_watched(due)
        run = JobRun.objects.get()
        assert (run.count, run.total) == (count, 1)


def test_an_institution_may_keep_texts_shorter(
    hers: Client, letter: Conversation, zuid: Institution
) -> None:
    go(hers, "letter_close")
    Conversation.objects.filter(pk=letter.pk).update(institution=zuid)
    type(zuid).objects.filter(pk=zuid.pk).update(retention_days=7)
    letter.refresh_from_db()
    ended_at = letter.ended_at
    assert ended_at is not None
    assert jobs.erase_old_texts(ended_at + timedelta(days=7)) == 0
    assert jobs.erase_old_texts(ended_at + timedelta(days=7, seconds=1)) == 1
