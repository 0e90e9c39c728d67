"""What do we hold about one code: everything that any table has, of whatever room, and no more."""

from collections.abc import Iterator
from datetime import timedelta
from io import StringIO
from typing import Any

import pytest
from django.apps import apps
from django.core.management import call_command
from django.db import models
from django.test import Client
from django.utils import timezone

from chat.held import rows_about, tables_about, words_of
from chat.letter_jobs import watch_promises
from chat.models import (
    ChecklistTick,
    Conversation,
    Draft,
    Invitation,
    Note,
    ReturnCode,
    SecondReading,
    Transfer,
    UrgencyChange,
    Visitor,
)
from chat.models.erasing import tables_with_words
from institutions.models import Institution, User
from mail.incoming import take
from mail.jobs import deliver_visitor_mail, tell_visitors
from roster.models import ConsultationHour
from tests.chat.letters import new_id
from tests.mail.letters import ADDRESS, ANSWER, a_reply, address_of, answer
from tests.people import rights_of, visitor_browser
from tests.triage.forms import act, code_of, text_of
from triage.held_page import SENTENCES
from triage.models import Intake, Questionnaire, Weighing

pytestmark = pytest.mark.django_db(transaction=True)

# Each in one place only, so that finding it proves that place.
OWN, MAILED, NOTE, DRAFT, READER, ELSEWHERE, REASON, BEFORE = (
    "Ik durf het niemand te zeggen.",
    "Dit schreef ik in mijn mail.",
    "Bellen met school?",
    "Dag, dit is nog niet af.",
    "Mooi, misschien iets korter.",
    "Zij kennen de weg naar jeugdhulp.",
    "Klinkt ernstiger dan het leek.",
    "Er is veel ruzie thuis.",
)


@pytest.fixture
def letter(
    open_hour: ConsultationHour, visitor: Visitor, anna: User, settings: Any
) -> Conversation:
    """A letter after a chat, that met everything that can happen to one."""
    settings.MAIL_REPLY_TO, settings.MAIL_FROM = "brief@klik.example", "post@klik.example"
    chat = Conversation.start(
        visitor=visitor, line=open_hour.line, intake='{"answers": [], "reasons": []}'
    )
    chat.abandon(reason="left")
    intake = Intake.begin(visitor, is_letter=True)
    letter = intake.start_letter(
        open_hour.line, text=OWN, client_id=new_id(), answer_by="mail", address=ADDRESS
    )
    Conversation.objects.filter(pk=letter.pk).update(follows=chat)
    Conversation.objects.filter(pk=chat.pk).update(follows=letter)
    return letter


@pytest.fixture
def everything(
    letter: Conversation,
    visitor: Visitor,
    anna: User,
    bilal: User,
    carla: User,
    dirk: User,
    maas: Institution,
) -> Conversation:
    watch_promises(timezone.now() + timedelta(days=30))
    answer(letter, anna)
    staff = rights_of(anna)
    tell_visitors(timezone.now())
    deliver_visitor_mail(timezone.now())
    take(a_reply(address_of(letter), MAILED))
    Note.add(letter, anna, NOTE, client_id=new_id())
    Draft.keep(letter, staff, DRAFT, version=0)
    SecondReading.ask(letter, staff, bilal)
    letter.second_readings.get().answer(rights_of(bilal), verdict="advice", note=READER)
    Transfer.ask(letter, staff, maas, ELSEWHERE)
    hour = ConsultationHour.objects.get()
    Invitation.objects.create(conversation=letter, hour=hour, made_by=anna)
    ChecklistTick.objects.create(conversation=letter, checklist="crisis", step=1, worker=anna)
    UrgencyChange.objects.create(
        conversation=letter,
        old="normal",
        new="soon",
        worker=anna,
        place="x",
        sealed_reason=UrgencyChange.seal(letter, "x", REASON),
    )
    Weighing.objects.create(
        conversation=letter,
        questionnaire=Questionnaire.current(visitor.brand),
        rules_version=1,
        urgency="soon",
        danger=False,
    )
    ReturnCode.of(visitor, "token")
    Intake.begin(visitor)
    letter.refresh_from_db()
    return letter


def tables_of(target: type[models.Model], name: str) -> Iterator[type[models.Model]]:
    """Every table of the whole site that points at it: by a key, or by a name in a text field."""
    for table in apps.get_models(include_auto_created=True):
        for field in table._meta.concrete_fields:
            if field.related_model is target or (not field.is_relation and field.name == name):
                yield table


def test_every_table_is_counted_and_none_is_empty_here(
    everything: Conversation, visitor: Visitor
) -> None:
    """A new table fails this until it is filled above: then it is counted, and has a sentence."""
    of_letter = {table._meta.label for table in tables_of(Conversation, "conversation")}
    of_visit = {table._meta.label for table in tables_of(Visitor, "visitor")}
    assert set(rows_about(everything)) == of_letter
    assert set(rows_about(visitor)) == of_visit
    assert of_letter | of_visit == set(SENTENCES)


def test_whatever_is_sealed_can_be_printed() -> None:
    for table, _field in tables_with_words():
        is_sealed = any(isinstance(one, models.BinaryField) for one in table._meta.concrete_fields)
        assert hasattr(table, "words_held") or not is_sealed, table
    for rows in (*tables_about(Conversation()), *tables_about(Visitor(pk=0))):
        sealed = [one for one in rows.model._meta.concrete_fields if "sealed" in one.name]
        known = ("ReturnCode", "Conversation", "ConversationKey")
        if sealed and rows.model.__name__ not in known:
            assert hasattr(rows.model, "words_held"), rows.model


def test_the_operator_prints_every_word_and_every_table(
    everything: Conversation, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ReturnCode.of(visitor, "token")
    monkeypatch.setattr("sys.stdin", StringIO(words + "\n"))
    out = StringIO()
    call_command("held", "--words", stdout=out)
    for text in (
        OWN,
        MAILED,
        NOTE,
        DRAFT,
        READER,
        ELSEWHERE,
        REASON,
        ADDRESS,
        ANSWER.splitlines()[0],
    ):
        assert text in out.getvalue(), text
    for label, count in (rows_about(everything) | rows_about(visitor)).items():
        assert f"{label} {count}" in out.getvalue()
    assert words not in out.getvalue()


def test_her_page_says_all_of_it_without_a_word_of_it(
    everything: Conversation, visitor: Visitor
) -> None:
    hers = visitor_browser(visitor)
    page = text_of(act(hers, "held"))
    counts = rows_about(everything)
    for label, say in SENTENCES.items():
        n = counts.get(label, 1)
        assert say(n) % {"n": n} in page, label
    assert "Je e-mailadres, op slot" in page
    for secret in (OWN, MAILED, NOTE, DRAFT, READER, ELSEWHERE, REASON, ADDRESS):
        assert secret not in page


def test_after_erasing_nothing_is_held_and_what_stays_says_nothing_of_her(
    everything: Conversation, visitor: Visitor
) -> None:
    fields = {"region": "GM0917", "age_band": "12-14", "wishes": ["girl"], "danger": True}
    Conversation.objects.filter(pk=everything.pk).update(
        **fields, topic="family", topic_detail="divorce", feedback_heard=1
    )
    hers: Client = visitor_browser(visitor)
    words = code_of(hers)
    assert "Je gemeente: Heerlen" in text_of(act(hers, "held"))
    act(hers, "erase_now")
    assert ReturnCode.find(words) is None
    left = set(rows_about(everything))
    assert left <= {
        "chat.Conversation",
        "chat.ChecklistTick",
        "chat.LetterAnswer",
        "chat.LetterWarning",
        "chat.StatusChange",
        "chat.UrgencyChange",
        "institutions.AuditEvent",
        "triage.Decision",
        "triage.Weighing",
    }
    everything.refresh_from_db()
    assert words_of(everything) == []
    assert (everything.region, everything.age_band, everything.wishes) == ("", "", [])
    assert (everything.danger, everything.topic_detail) == (False, "")
    assert (everything.topic, everything.feedback_heard) == ("family", None)
