"""What somebody writes while waiting: it can raise the urgency and show the help lines, and no more."""

import uuid

import pytest
from django.test import Client
from django.utils import timezone

from chat.database import in_pool
from chat.models import Conversation, UrgencyChange, Visitor
from chat.reading import Desk, intake_frame
from institutions.models import User
from roster.models import ConsultationHour, ServiceLine
from tests.chat.windows import visitor_window
from tests.people import be_present, begin_visit, rights_of, visitor_browser
from tests.triage.forms import LETTER, ask, go, send, text_of
from triage.models import Decision, Intake, Weighing
from triage.weighing import weigh_waiting

# Messages are stored by the writer, on a connection of its own.
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def waiting(newcomer: Client, open_hour: ConsultationHour) -> Conversation:
    """Somebody who skipped all questions."""
    ask(newcomer)
    go(newcomer, "skip_all")
    return Conversation.objects.get()


def write(browser: Client, text: str) -> int:
    go(browser, "post", text=text, client_id=uuid.uuid4())
    return weigh_waiting(timezone.now())


def shows_danger(browser: Client) -> bool:
    page = browser.get("/").content.decode()
    return " hidden" not in page.split('id="danger"')[1].split(">")[0]


def test_who_writes_of_danger_in_the_queue_goes_first_and_sees_the_help_lines(
    newcomer: Client, waiting: Conversation, line: ServiceLine, anna: User
) -> None:
    assert waiting.urgency == "normal"
    assert not shows_danger(newcomer)
    assert write(newcomer, "ik durf het niet te zeggen") == 0
    assert write(newcomer, "ik wil dood") == 1
    waiting.refresh_from_db()
    assert (waiting.urgency, waiting.danger) == ("now", True)
    assert waiting.alert_due_at is not None, "coordinators hear of it if nobody answers"
    assert shows_danger(newcomer)
    assert "Soms zijn dat er meer tegelijk" in text_of(newcomer.get("/"))
    (card,) = Desk(line, timezone.now(), [anna.pk]).frame(anna.pk, "nl")["queue"]
    assert card["reasons"] == ["Eerste woorden noemen dood willen of zelfmoord"]
    assert intake_frame(waiting, "en")["reasons"] == [
        "First words mention wanting to die or suicide: “wil dood”"
    ]
    assert weigh_waiting(timezone.now()) == 0, "once"


def test_every_weighing_is_kept_with_its_versions_and_without_words(
    newcomer: Client, waiting: Conversation
) -> None:
    write(newcomer, "mijn vader slaat me")
    kept = Weighing.objects.get()
    decision = Decision.objects.get()
    assert kept.questionnaire == decision.questionnaire
    assert (kept.rules_version, kept.urgency, kept.danger) == (2, "now", True)
    assert kept.reasons == ["words.1"]
    assert decision.urgency == "normal", "what was decided before stays as it was"


def test_calm_words_lower_nothing(newcomer: Client, open_hour: ConsultationHour) -> None:
    ask(newcomer)
    go(newcomer, "skip", step=0)
    go(newcomer, "answer", step=1, safe="no")
    go(newcomer, "skip_all")
    assert write(newcomer, "het gaat wel weer") == 0
    assert write(newcomer, "ik ben weggelopen") == 1
    conversation = Conversation.objects.get()
    assert (conversation.urgency, conversation.danger) == ("now", True)
    assert intake_frame(conversation, "nl")["reasons"][0] == "Zei: is nu niet veilig"


def test_a_worker_may_lower_it_again_and_only_new_words_raise(
    newcomer: Client, waiting: Conversation, anna: User
) -> None:
    be_present(anna)
    write(newcomer, "kms haha")
    waiting.refresh_from_db()
    waiting.change_urgency(rights_of(anna), urgency="normal", reason="Een grap.")
    assert weigh_waiting(timezone.now()) == 0
    waiting.refresh_from_db()
    assert waiting.urgency == "normal"
    assert UrgencyChange.objects.count() == 1
    assert write(newcomer, "nee echt ik wil dood") == 1
    waiting.refresh_from_db()
    assert waiting.urgency == "now"


def test_what_was_said_to_a_worker_is_not_weighed(
    newcomer: Client, waiting: Conversation, anna: User
) -> None:
    be_present(anna)
    waiting.claim(rights_of(anna))
    assert write(newcomer, "ik wil dood") == 0
    waiting.refresh_from_db()
    waiting.hand_over(rights_of(anna), to_worker_id=None, note="")
    assert weigh_waiting(timezone.now()) == 0
    waiting.refresh_from_db()
    assert waiting.urgency == "normal"


def test_words_of_a_letter_are_kept_as_a_weighing_and_told_to_who_reads_it(
    newcomer: Client, line: ServiceLine
) -> None:
    go(newcomer, "letter")
    go(newcomer, "skip_all")
    assert send(newcomer, text=f"{LETTER} Ik wil dood.").status_code == 303
    letter = Conversation.objects.get()
    assert letter.urgency == "now"
    assert Weighing.objects.get(conversation=letter).reasons == ["words.0"]
    assert intake_frame(letter, "nl")["reasons"] == [
        "Eerste woorden noemen dood willen of zelfmoord: “wil dood”"
    ]


async def test_an_open_window_hears_of_it_at_once(
    visitor: Visitor, line: ServiceLine, open_hour: ConsultationHour
) -> None:
    def begin() -> Conversation:
        intake = Intake.begin(visitor)
        intake.skip_rest()
        return intake.start_conversation(line)

    pk = (await in_pool(begin)).pk
    async with visitor_window(visitor) as window:
        await window.post("ik wil dood")
        assert await in_pool(weigh_waiting, timezone.now()) == 1
        assert await window.hear("danger") == {"type": "danger", "conversation": pk}
    async with visitor_window(visitor, hello=None) as window:
        await window.say("hello", conversation=pk, after=0)
        assert (await window.hear("hello"))["danger"] is True


def test_a_stranger_sees_nothing_of_it(newcomer: Client, waiting: Conversation) -> None:
    write(newcomer, "ik wil dood")
    stranger = visitor_browser(begin_visit(waiting.brand))
    assert 'id="danger"' not in stranger.get("/").content.decode()
