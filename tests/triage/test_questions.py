"""Every kind of question on the visitor's page, by plain forms: it works, it refuses, it forgets nothing."""

import copy
import json
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat.models import Conversation, Visitor
from chat.reading import Desk, intake_frame, intake_of
from institutions.models import Brand, User
from institutions.places import find, municipalities, postcodes
from roster.models import ConsultationHour, ServiceLine
from tests.people import begin_visit, visitor_browser
from tests.triage.forms import act, ask, go, nothing_changes, text_of
from triage.models import Decision, Intake, Questionnaire, default_data

PLACE = 5


@pytest.fixture
def at_place(newcomer: Client, open_hour: ConsultationHour) -> Client:
    """A browser at the question where one lives."""
    ask(newcomer)
    for step in range(PLACE):
        go(newcomer, "skip", step=step)
    return newcomer


def answer_place(browser: Client, **fields: str) -> Any:
    return act(browser, "answer", step=PLACE, **fields)


# --- A place ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "code"),
    [
        ("Heerlen", "GM0917"),
        ("  heerlen ", "GM0917"),
        ("6411", "GM0917"),
        ("6411 AB", "GM0917"),
        ("6411ab", "GM0917"),
        ("Hoensbroek", "GM0917"),
        ("gemeente Heerlen", "GM0917"),
        ("den bosch", "GM0796"),
        ("'s-Hertogenbosch", "GM0796"),
        ("sudwest fryslan", "GM1900"),
        ("Amstrdam", "GM0363"),
        ("Landerd", "GM1991"),
    ],
)
def test_a_name_or_postcode_leads_to_the_municipality(
    at_place: Client, typed: str, code: str
) -> None:
    assert answer_place(at_place, place_text=typed).status_code == 303
    assert Conversation.objects.get().region == code


def test_an_unclear_place_gives_a_short_list_and_choosing_from_it_works(at_place: Client) -> None:
    with nothing_changes():
        response = answer_place(at_place, place_text="bergen")
    assert response.status_code == 400
    assert "We weten niet zeker wat je bedoelt" in text_of(response)
    assert "Bergen (L.) Bergen (NH.)" in text_of(response)
    assert 'value="bergen"' in response.content.decode()
    answer_place(at_place, place_text="bergen", place_seen="bergen", place="GM0893")
    assert Conversation.objects.get().region == "GM0893"


def test_an_unclear_postcode_asks_which_of_its_neighbours_it_is(at_place: Client) -> None:
    unclear = next(first for first, _last, codes in postcodes() if len(codes) > 2)
    response = answer_place(at_place, place_text=str(unclear))
    assert response.status_code == 400
    assert response.content.decode().count('type="radio"') >= 3


def test_what_is_typed_anew_counts_more_than_what_was_chosen(at_place: Client) -> None:
    answer_place(at_place, place_text="Maastricht", place_seen="bergen", place="GM0893")
    assert Conversation.objects.get().region == "GM0935"


def test_one_may_rather_not_say(at_place: Client) -> None:
    assert answer_place(at_place, place="unsaid").status_code == 303
    conversation = Conversation.objects.get()
    assert conversation.region == ""
    assert {"question": "Waar woon je?", "answer": "Zegt dat liever niet"} in intake_of(
        conversation, "nl"
    )["answers"]


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({}, "Je hebt nog niets ingevuld"),
        ({"place_text": "Xyzzystad"}, "Die plaats kennen we niet"),
        ({"place_text": "1000000"}, "Die plaats kennen we niet"),
        ({"place_text": "0000"}, "Die plaats kennen we niet"),
        ({"place_text": "a" * 5000}, "Die plaats kennen we niet"),
        ({"place_text": "<script>\x00"}, "Die plaats kennen we niet"),
        ({"place": "GM9999"}, "Kies een van de antwoorden"),
        ({"place": "Heerlen"}, "Kies een van de antwoorden"),
    ],
)
def test_a_wrong_place_shows_the_question_again_with_the_reason(
    at_place: Client, fields: dict[str, str], said: str
) -> None:
    with nothing_changes():
        response = answer_place(at_place, **fields)
    assert response.status_code == 400
    assert said in text_of(response)
    assert "Waar woon je?" in text_of(response)


def test_a_postcode_itself_is_kept_nowhere(at_place: Client) -> None:
    answer_place(at_place, place_text="6411 AB")
    assert "6411" not in Conversation.objects.get().intake()


def test_the_list_of_places_is_the_same_for_everybody_and_small(
    newcomer: Client, brand: Brand
) -> None:
    response = newcomer.get("/places.json")
    data = json.loads(response.content)
    assert data["municipalities"]["GM0917"] == "Heerlen"
    assert ["Hoensbroek", "GM0917"] in data["names"]
    assert not response.cookies
    assert len(response.content) < 90_000


def test_every_place_is_in_a_municipality_that_exists() -> None:
    known = municipalities()
    for first, last, codes in postcodes():
        assert 1000 <= first <= last <= 9999
        assert codes, first
        assert set(codes) <= known.keys()
    for code, name in known.items():
        assert code in {one.code for one in find(name)}, name


# --- Several, and age ---------------------------------------------------------------------------


@pytest.fixture
def parent(brand: Brand, open_hour: ConsultationHour) -> Client:
    """A browser at the first question of the questionnaire for parents."""
    Questionnaire.publish(brand, default_data("ouders"))
    browser = visitor_browser(begin_visit(brand))
    go(browser, "start")
    return browser


def test_several_answers_come_along_in_one_line(parent: Client) -> None:
    page = act(parent, "answer", step=0, topic=["school", "harm"])
    assert page.status_code == 303
    go(parent, "skip_all")
    conversation = Conversation.objects.get()
    assert (conversation.topic, conversation.topic_detail) == ("mental_health", "self_harm")
    assert conversation.urgency == "soon"
    assert intake_of(conversation, "nl")["answers"][0]["answer"] == (
        "Mijn kind doet zichzelf pijn, of wil niet meer leven, School"
    )


def test_a_contact_of_parents_is_about_a_child_until_a_worker_says_otherwise(
    parent: Client,
) -> None:
    go(parent, "skip_all")
    conversation = Conversation.objects.get()
    assert conversation.contact_kind == "", "nothing is registered yet"
    assert intake_frame(conversation, "nl")["contact_kind"] == "about_child"


def test_sensitive_words_are_read_by_who_has_the_conversation_and_not_in_the_queue(
    newcomer: Client, open_hour: ConsultationHour, line: ServiceLine, anna: User
) -> None:
    ask(newcomer)
    for step in range(3):
        act(newcomer, "skip", step=step)
    act(newcomer, "answer", step=3, words="ik wil dood")
    go(newcomer, "skip_all")
    waiting = Conversation.objects.get()
    (card,) = Desk(line, timezone.now(), [anna.pk]).frame(anna.pk, "nl")["queue"]
    assert card["reasons"] == ["Eerste woorden noemen dood willen of zelfmoord"]
    assert intake_frame(waiting, "nl")["reasons"] == [
        "Eerste woorden noemen dood willen of zelfmoord: “wil dood”"
    ]


def test_words_that_are_not_sensitive_stand_in_the_queue(
    brand: Brand,
    newcomer: Client,
    open_hour: ConsultationHour,
    line: ServiceLine,
    anna: User,
) -> None:
    data = copy.deepcopy(default_data())
    del data["steps"][3]["questions"][0]["is_sensitive"]
    Questionnaire.publish(brand, data)
    ask(newcomer)
    for step in range(3):
        act(newcomer, "skip", step=step)
    act(newcomer, "answer", step=3, words="i want to die")
    go(newcomer, "skip_all")
    (card,) = Desk(line, timezone.now(), [anna.pk]).frame(anna.pk, "en")["queue"]
    assert card["reasons"] == ["First words mention wanting to die or suicide: “want to die”"]


def test_several_answers_stay_on_the_way_back(parent: Client) -> None:
    act(parent, "answer", step=0, topic=["school", "harm"])
    go(parent, "back", step=1)
    body = parent.get("/").content.decode()
    assert "Je mag er meer kiezen" in body
    assert 'value="school" checked' in body
    assert 'value="harm" checked' in body
    assert body.count(" checked") == 2


@pytest.mark.parametrize("topic", [["school", "moon"], ["x" * 9000], []])
def test_a_wrong_one_of_several_changes_nothing(parent: Client, topic: list[str]) -> None:
    with nothing_changes():
        response = act(parent, "answer", step=0, topic=topic)
    assert response.status_code == 400
    assert "Waar gaat het over?" in text_of(response)


def test_an_age_band_goes_to_the_queue_in_code_and_to_the_worker_in_words(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    for step in range(4):
        go(newcomer, "skip", step=step)
    with nothing_changes():
        assert act(newcomer, "answer", step=4, age="elf").status_code == 400
    go(newcomer, "answer", step=4, age="under_12")
    go(newcomer, "skip_all")
    conversation = Conversation.objects.get()
    assert conversation.age_band == "under_12"
    assert conversation.wishes == ["children"]
    assert intake_of(conversation, "en")["age"] == "10 or 11, or younger"


# --- Back and on, nothing lost ------------------------------------------------------------------


def test_what_is_filled_in_is_kept_when_going_back_and_on_again(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    go(newcomer, "answer", step=0, topic="family")
    go(newcomer, "back", step=1, safe="unsure")
    assert 'value="family" checked' in newcomer.get("/").content.decode()
    assert "Ben je nu veilig?" in go(newcomer, "answer", step=0, topic="family")
    assert 'value="unsure" checked' in newcomer.get("/").content.decode()


def test_going_back_without_filling_in_keeps_what_was_answered(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    go(newcomer, "answer", step=0, topic="family")
    go(newcomer, "answer", step=1, safe="unsure")
    go(newcomer, "back", step=2)
    go(newcomer, "back", step=1, safe="nonsense")
    go(newcomer, "answer", step=0, topic="peers")
    assert 'value="unsure" checked' in newcomer.get("/").content.decode()


def test_what_is_filled_in_counts_when_all_the_rest_is_skipped(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    go(newcomer, "skip", step=0)
    go(newcomer, "skip_all", step=1, safe="no")
    conversation = Conversation.objects.get()
    assert (conversation.urgency, conversation.danger) == ("now", True)


def test_a_stale_page_brings_nothing_along_when_all_is_skipped(
    newcomer: Client, open_hour: ConsultationHour
) -> None:
    ask(newcomer)
    go(newcomer, "skip", step=0)
    go(newcomer, "skip_all", step=0, topic="violence")
    assert Conversation.objects.get().urgency == "normal"


# --- Danger -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("step", "fields"), [(1, {"safe": "no"}), (3, {"words": "ik wil niet meer leven"})]
)
def test_in_danger_the_numbers_stay_in_reach_to_the_end(
    newcomer: Client, open_hour: ConsultationHour, step: int, fields: dict[str, str]
) -> None:
    ask(newcomer)
    for one in range(step):
        go(newcomer, "skip", step=one)
    assert "Goed dat je het zegt" in go(newcomer, "answer", step=step, **fields)
    for one in range(step + 1, 6):
        assert "Nu in gevaar? Bel meteen:" in text_of(newcomer.get("/")) or one == step + 1
        go(newcomer, "skip", step=one)
    response = newcomer.get("/")
    assert "Nu in gevaar? Bel meteen:" in text_of(response)
    assert "Soms zijn dat er meer tegelijk" in text_of(response)
    assert "Je bent als eerste aan de beurt" in text_of(response)
    for number in ("112", "113", "08002000", "08000432"):
        assert f'href="tel:{number}"' in response.content.decode()


def test_in_danger_the_numbers_stay_in_reach_in_the_chat(
    visitor: Visitor, line: ServiceLine, open_hour: ConsultationHour, anna: Any
) -> None:
    from tests.people import rights_of

    intake = Intake.begin(visitor)
    intake.answer(0, {})
    intake.answer(1, {"safe": "no"})
    conversation = intake.start_conversation(line)
    conversation.claim(rights_of(anna))
    page = visitor_browser(visitor).get("/").content.decode()
    assert " hidden" not in page.split('id="danger"')[1].split(">")[0]


def test_without_danger_the_talk_says_nothing_of_it(
    active_conversation: Conversation, visitor: Visitor
) -> None:
    page = visitor_browser(visitor).get("/").content.decode()
    assert page.split('id="danger"')[1].split(">")[0].endswith(" hidden")


# --- Decisions ----------------------------------------------------------------------------------


def test_every_decision_is_kept_with_its_versions_and_without_words(
    visitor: Visitor, line: ServiceLine
) -> None:
    intake = Intake.begin(visitor)
    intake.answer(0, {"topic": "violence"})
    intake.answer(1, {"safe": "no"})
    intake.answer(2, {})
    intake.answer(3, {"words": "hij slaat me bij de schommel"})
    conversation = intake.start_conversation(line)
    decision = Decision.objects.get(conversation=conversation)
    assert decision.questionnaire == intake.questionnaire
    assert (decision.urgency, decision.danger) == ("now", True)
    assert decision.reasons == ["rules.0", "rules.3", "rules.5", "words.1"]
    assert decision.rules_version == 2
    told = json.loads(conversation.intake())
    assert (told["version"], told["rules"]) == (intake.questionnaire.version, 2)
    assert told["given"]["words"] == "hij slaat me bij de schommel"
    assert "“slaat me”" in told["reasons"][1]["nl"]


def test_an_intake_is_read_with_the_version_that_it_answered(
    visitor: Visitor, line: ServiceLine, brand: Brand
) -> None:
    intake = Intake.begin(visitor)
    intake.answer(0, {"topic": "family"})
    later = copy.deepcopy(default_data())
    later["steps"][0]["questions"][0]["text"]["nl"] = "Heel iets anders?"
    Questionnaire.publish(brand, later)
    conversation = intake.start_conversation(line)
    told = intake_of(conversation, "nl")
    assert told["version"] == 1
    assert told["answers"][0]["question"] == "Waar wil je over praten?"
