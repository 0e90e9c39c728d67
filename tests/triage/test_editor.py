"""The pages on which coordinators keep the questions of a site."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from chat.models import Visitor
from institutions.models import Brand, Institution, User
from tests.people import make_user, rights_of, sign_in
from tests.triage.drafting import make_draft, small
from tests.triage.forms import text_of
from triage import exchange, parts
from triage.drafts import QuestionnaireDraft, QuestionnaireExample
from triage.models import Intake, Questionnaire

pytestmark = pytest.mark.django_db


@pytest.fixture
def coordinator(dirk: User) -> Client:
    return sign_in(dirk)


@pytest.fixture
def draft(brand: Brand, dirk: User) -> QuestionnaireDraft:
    return make_draft(brand, rights_of(dirk))


@pytest.fixture
def at(brand: Brand) -> str:
    return f"/staff/questions/{brand.pk}/"


def now() -> dict[str, Any]:
    data: dict[str, Any] = QuestionnaireDraft.objects.get().data
    return data


def seen(kind: str, key: str) -> str:
    return parts.fingerprint(parts.part_at(now(), kind, key))


def question_sent(**changes: str) -> dict[str, str]:
    """What the form of the first question sends when nothing was typed in it."""
    return {
        "seen": seen("question", "safe"),
        "kind": "choice",
        "text_nl": "Ben je veilig?",
        "text_en": "Are you safe?",
        "rows": "3",
        "option-0-code": "yes",
        "option-0-text_nl": "Ja",
        "option-0-text_en": "Yes",
        "option-0-weight": "0",
        "option-1-code": "no",
        "option-1-text_nl": "Nee",
        "option-1-text_en": "No",
        "option-1-weight": "2",
        "option-2-text_nl": "",
        "option-2-weight": "0",
        **changes,
    }


# --- Who ----------------------------------------------------------------------------------------


def test_the_institution_that_keeps_a_site_keeps_its_questions(
    brand: Brand, edith: User, carla: User, zuid: Institution, maas: Institution, at: str
) -> None:
    browser = sign_in(edith)
    assert browser.get(at).status_code == 404
    assert brand.name not in text_of(browser.get("/staff/questions/"))
    brand.institution = zuid
    brand.save()
    assert browser.get("/staff/questions/")["Location"] == at
    assert browser.post(f"{at}start/").status_code == 302
    assert QuestionnaireDraft.objects.get().changed_by == edith
    stranger = sign_in(make_user("Greta", (maas, "coordinator")))
    assert stranger.get(at).status_code == 404
    assert stranger.get(f"{at}draft/").status_code == 404
    assert sign_in(carla).get(at).status_code == 403


def test_the_platform_chooses_which_institution_keeps_a_site(
    brand: Brand, coordinator: Client, zuid: Institution
) -> None:
    page = coordinator.get(f"/staff/sites/{brand.pk}/").content.decode()
    assert "alleen het platform" in page
    sent = {
        "name": brand.name,
        "host": brand.host,
        "neutral_title": "Klik",
        "accent": "#225588",
        "exit_url": "https://www.example.org/",
        "institution": zuid.pk,
    }
    assert coordinator.post(f"/staff/sites/{brand.pk}/", sent).status_code == 302
    brand.refresh_from_db()
    assert brand.institution == zuid


# --- Editing ------------------------------------------------------------------------------------


def test_a_text_is_changed_and_nothing_else(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    sent = question_sent(text_nl="Is het veilig?", help_nl="Ook: thuis.")
    response = coordinator.post(f"{at}draft/question/safe/", sent)
    assert response.status_code == 302
    wanted = small()
    wanted["steps"][0]["questions"][0]["text"]["nl"] = "Is het veilig?"
    wanted["steps"][0]["questions"][0]["help"] = {"nl": "Ook: thuis."}
    assert now() == wanted
    page = text_of(coordinator.get(f"{at}draft/"))
    assert "De tekst in deze taal ontbreekt." in page, "of the English help"


def test_the_whole_has_a_name_and_a_kind_of_contact_that_registrations_begin_with(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    whole = {"deed": "name", "name": "ouders", "contact_kind": "about_child"}
    coordinator.post(f"{at}draft/", whole)
    assert now() == small() | {"name": "ouders", "contact_kind": "about_child"}
    response = coordinator.post(f"{at}draft/", whole | {"contact_kind": "prank"})
    assert "Selecteer een geldige keuze" in text_of(response)
    assert now()["contact_kind"] == "about_child"
    coordinator.post(f"{at}draft/", whole | {"name": "klein", "contact_kind": ""})
    assert now() == small()


def test_saving_what_is_there_changes_nothing(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    coordinator.post(f"{at}draft/question/safe/", question_sent())
    assert now() == small()
    assert QuestionnaireDraft.objects.get().revision == draft.revision


def test_answers_are_added_moved_and_taken_out_before_saving(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    address = f"{at}draft/question/safe/"
    page = text_of(coordinator.post(address, question_sent(row="up-1", text_nl="Getypt")))
    assert "Nog niet bewaard" in page
    body = coordinator.post(address, question_sent(row="up-1", text_nl="Getypt")).content.decode()
    assert "Getypt" in body
    assert body.index('value="Nee"') < body.index('value="Ja"')
    assert (
        'name="option-3-text_nl"'
        in coordinator.post(address, question_sent(row="more")).content.decode()
    )
    assert (
        'value="Nee"' not in coordinator.post(address, question_sent(row="less-1")).content.decode()
    )
    assert now() == small()
    new = {"option-2-text_nl": "Misschien", "option-2-text_en": "Maybe", "option-2-weight": "1"}
    coordinator.post(address, question_sent(**new))
    assert now()["steps"][0]["questions"][0]["options"][2] == {
        "code": "maybe",
        "weight": 1,
        "text": {"nl": "Misschien", "en": "Maybe"},
    }


def test_a_question_is_added_moved_joined_and_removed(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    new = {"kind": "text", "text_nl": "Hoe heet je hond?", "text_en": "Your dog?", "rows": "0"}
    assert coordinator.post(f"{at}draft/question/new/", new).status_code == 302
    code = now()["steps"][2]["questions"][0]["code"]
    assert code == "your_dog"

    def do(deed: str, kind: str = "screen", key: str = code) -> None:
        sent = {"deed": deed, "kind": kind, "key": key, "seen": seen(kind, key)}
        assert coordinator.post(f"{at}draft/", sent).status_code == 302

    def codes() -> list[list[str]]:
        return [[q["code"] for q in step["questions"]] for step in now()["steps"]]

    do("up")
    assert codes() == [["safe"], [code], ["words"]]
    do("join")
    assert codes() == [["safe", code], ["words"]]
    do("up", "question")
    assert codes() == [[code, "safe"], ["words"]]
    do("part", "question")
    assert codes() == [["safe"], [code], ["words"]]
    do("remove", "question")
    assert now() == small()


def test_a_rule_a_list_of_words_and_a_wish_are_made(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    raising = {"urgency": "soon", "reason_nl": "Omdat", "reason_en": "Because"}
    coordinator.post(
        f"{at}draft/rule/new/", raising | {"chosen-safe": ["no"], "at_least-safe": "1"}
    )
    coordinator.post(
        f"{at}draft/words/new/",
        raising | {"question": "words", "phrases": "rook*\n\n  in   brand \nrook*", "danger": "on"},
    )
    coordinator.post(f"{at}draft/wish/new/", {"wish": "abuse", "at_least-safe": "2"})
    data = now()
    reason = {"nl": "Omdat", "en": "Because"}
    assert data["rules"][1] == {
        "at_least": {"safe": 1},
        "chosen": {"safe": ["no"]},
        "urgency": "soon",
        "reason": reason,
    }
    assert data["words"][1] == {
        "question": "words",
        "urgency": "soon",
        "danger": True,
        "reason": reason,
        "phrases": ["rook*", "in brand"],
    }
    assert data["routing"]["wishes"] == [{"wish": "abuse", "at_least": {"safe": 2}}]
    assert coordinator.get(f"{at}draft/rule/1/").status_code == 200
    assert "gewicht 1 of hoger (Nee)" in text_of(coordinator.get(f"{at}draft/"))


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "riddle"},
        {"text_nl": "x" * 301},
        {"option-1-weight": "77"},
        {"option-1-topic": "nonsense"},
    ],
)
def test_what_cannot_be_is_refused_and_stays_in_its_field(
    coordinator: Client, draft: QuestionnaireDraft, at: str, wrong: dict[str, str]
) -> None:
    sent = question_sent(**{"text_en": "typed before"} | wrong)
    response = coordinator.post(f"{at}draft/question/safe/", sent)
    assert response.status_code == 400
    assert "field-error" in response.content.decode()
    assert "typed before" in response.content.decode()
    assert now() == small()


@pytest.mark.parametrize(
    "address",
    [
        "draft/question/nowhere/",
        "draft/rule/99/",
        "draft/rule/x/",
        "draft/screen/new/",
        "draft/riddle/new/",
        "versions/9/",
        "versions/9/file/",
    ],
)
def test_what_is_not_there_is_not_found(
    coordinator: Client, draft: QuestionnaireDraft, at: str, address: str
) -> None:
    assert coordinator.get(at + address).status_code == 404


def test_problems_stand_at_the_field_in_the_language_of_the_coordinator(
    coordinator: Client, brand: Brand, dirk: User, at: str
) -> None:
    data = small()
    data["steps"][0]["questions"][0]["options"][1]["weight"] = 1
    del data["steps"][0]["questions"][0]["options"][0]["text"]["en"]
    make_draft(brand, rights_of(dirk), data)
    rule = coordinator.get(f"{at}draft/rule/0/").content.decode()
    assert "Zo zwaar kan het antwoord op deze vraag niet worden." in rule
    question = text_of(coordinator.get(f"{at}draft/question/safe/"))
    assert "Antwoord (Engels): De tekst in deze taal ontbreekt." in question
    assert "Antwoord (Engels)" in text_of(coordinator.get(f"{at}draft/question/new/"))


# --- Two at once --------------------------------------------------------------------------------


def test_who_saves_second_is_told_and_loses_nothing(
    coordinator: Client,
    draft: QuestionnaireDraft,
    edith: User,
    brand: Brand,
    zuid: Institution,
    at: str,
) -> None:
    brand.institution = zuid
    brand.save()
    mine = question_sent(text_nl="Van Dirk")
    sign_in(edith).post(f"{at}draft/question/safe/", question_sent(text_nl="Van Edith"))
    response = coordinator.post(f"{at}draft/question/safe/", mine)
    assert response.status_code == 409
    page = text_of(response)
    assert "Edith Voorbeeld heeft dit intussen veranderd." in page
    assert "Van Edith" in page, "what is there now"
    assert "Van Dirk" in response.content.decode(), "what was typed"
    assert now()["steps"][0]["questions"][0]["text"]["nl"] == "Van Edith"
    # Saving once more is meant.
    again = mine | {"seen": seen("question", "safe")}
    assert f'name="seen" value="{again["seen"]}"' in response.content.decode()
    assert coordinator.post(f"{at}draft/question/safe/", again).status_code == 302
    assert now()["steps"][0]["questions"][0]["text"]["nl"] == "Van Dirk"


def test_who_saves_what_was_removed_can_add_it_again(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    sent = {
        "seen": seen("rule", "0"),
        "urgency": "soon",
        "reason_nl": "Mijn reden",
        "at_least-safe": "2",
    }
    remove = {"deed": "remove", "kind": "rule", "key": "0", "seen": seen("rule", "0")}
    coordinator.post(f"{at}draft/", remove)
    response = coordinator.post(f"{at}draft/rule/0/", sent)
    assert response.status_code == 409
    assert "Mijn reden" in response.content.decode()
    assert coordinator.post(f"{at}draft/rule/0/", sent | {"seen": ""}).status_code == 302
    assert [rule["reason"] for rule in now()["rules"]] == [{"nl": "Mijn reden"}]


def test_who_saves_in_a_draft_that_is_gone_keeps_the_words(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    sent = {"deed": "move", "kind": "rule", "key": "0", "seen": "x"}
    coordinator.post(f"{at}discard/", {"draft": draft.token})
    assert coordinator.post(f"{at}draft/", sent)["Location"] == at
    assert "Er is nu geen concept" in text_of(coordinator.get(at))


def test_a_deed_with_what_somebody_else_changed_does_nothing(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    sent = {"deed": "remove", "kind": "rule", "key": "0", "seen": "old"}
    assert "intussen veranderd" in text_of(coordinator.post(f"{at}draft/", sent, follow=True))
    assert now() == small()
    for wrong in ({"deed": "explode"}, {"kind": "riddle"}, {"key": "x"}):
        assert coordinator.post(
            f"{at}draft/", sent | {"seen": seen("rule", "0")} | wrong
        ).status_code in (
            302,
            404,
        )
    assert now() == small()


# --- Trying, comparing, publishing --------------------------------------------------------------


def test_own_answers_show_urgency_reasons_and_the_card_of_danger(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    page = text_of(
        coordinator.post(f"{at}try/", {"asked-safe": "no", "asked-words": "er is brand"})
    )
    assert "Zegt niet veilig te zijn" in page
    assert "Schrijft over brand" in page
    assert "Goed dat je het zegt." in page
    page = text_of(coordinator.post(f"{at}try/", {"asked-safe": "yes"}))
    assert "Geen enkele regel klopt" in page
    assert "Goed dat je het zegt." not in page
    assert "Are you safe?" in text_of(coordinator.get(f"{at}try/?language=en"))
    assert not QuestionnaireExample.objects.exists()


def test_an_example_is_kept_tried_on_the_draft_and_forgotten(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    sent = {
        "asked-safe": "no",
        "deed": "keep",
        "example-name": "Niet veilig",
        "example-urgency": "soon",
    }
    page = text_of(coordinator.post(f"{at}try/", sent, follow=True))
    assert "anders: nu, gewenst was snel" in page
    assert "1 voorbeeld krijgt een andere urgentie" in text_of(
        coordinator.get(f"{at}draft/publish/")
    )
    coordinator.post(f"{at}try/", sent | {"example-urgency": "now"})
    assert "zoals gewenst: nu" in text_of(coordinator.get(f"{at}try/"))
    example = QuestionnaireExample.objects.get()
    coordinator.post(f"{at}examples/{example.pk}/forget/")
    assert not QuestionnaireExample.objects.exists()


def test_a_question_may_have_any_code_without_mixing_up_the_form(
    coordinator: Client, brand: Brand, dirk: User, at: str
) -> None:
    data = small()
    data["steps"][1]["questions"][0]["code"] = "name"
    data["words"][0]["question"] = "name"
    make_draft(brand, rights_of(dirk), data)
    sent = {
        "asked-name": "brand",
        "deed": "keep",
        "example-name": "Brand",
        "example-urgency": "soon",
    }
    assert coordinator.post(f"{at}try/", sent).status_code == 302
    assert QuestionnaireExample.objects.get().answers == {"name": "brand"}


def test_a_draft_is_compared_and_published(
    coordinator: Client, draft: QuestionnaireDraft, at: str, visitor: Visitor
) -> None:
    coordinator.post(f"{at}draft/question/safe/", question_sent(text_nl="Is het veilig?"))
    page = text_of(coordinator.get(f"{at}draft/differences/"))
    assert "Ben je veilig?" in page
    assert "Is het veilig?" in page
    token = QuestionnaireDraft.objects.get().token
    page = coordinator.get(f"{at}draft/publish/").content.decode()
    assert f'value="{token}"' in page
    assert "de afgelopen 90 dagen" in page.lower()
    response = coordinator.post(f"{at}draft/publish/", {"draft": token, "over": "1"})
    assert response["Location"] == at
    assert Intake.begin(visitor).questionnaire.version == 2
    page = text_of(coordinator.get(at))
    assert "Versie 2 is gepubliceerd" in page
    assert "door Dirk Voorbeeld" in page
    assert "Ben je veilig?" in text_of(coordinator.get(f"{at}versions/1/"))


def test_a_missing_text_is_told_and_not_published(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    coordinator.post(f"{at}draft/question/safe/", question_sent(text_en=""))
    page = text_of(coordinator.get(f"{at}draft/publish/"))
    assert "De tekst in deze taal ontbreekt." in page
    assert "Publiceer" not in page.split("De tekst in deze taal")[1]
    token = QuestionnaireDraft.objects.get().token
    assert coordinator.post(f"{at}draft/publish/", {"draft": token, "over": "1"}).status_code == 409
    assert Questionnaire.objects.count() == 1


@pytest.mark.parametrize(
    "sent", [{}, {"draft": "1.1", "over": "7"}, {"draft": "x", "over": "1"}, {"over": "1" * 30}]
)
def test_publishing_something_else_than_was_seen_is_refused(
    coordinator: Client, draft: QuestionnaireDraft, at: str, sent: dict[str, str]
) -> None:
    coordinator.post(f"{at}draft/question/safe/", question_sent(text_nl="Is het veilig?"))
    response = coordinator.post(f"{at}draft/publish/", sent)
    assert response.status_code == 409
    assert "Intussen is er iets veranderd" in text_of(response)
    assert Questionnaire.objects.count() == 1


def test_an_old_version_becomes_a_draft_only_over_the_draft_that_was_seen(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    assert draft.token in coordinator.get(f"{at}versions/1/").content.decode()
    page = text_of(coordinator.post(f"{at}start/", {"version": "1"}, follow=True))
    assert "Er is al een concept" in page
    coordinator.post(f"{at}draft/", {"deed": "name", "name": "anders"})
    coordinator.post(f"{at}start/", {"version": "1", "instead_of": draft.token})
    assert now()["name"] == "anders"
    token = QuestionnaireDraft.objects.get().token
    coordinator.post(f"{at}start/", {"version": "1", "instead_of": token})
    assert now()["name"] == "klein"
    assert coordinator.post(f"{at}start/", {"version": "9"}).status_code == 404
    assert coordinator.post(f"{at}start/", {"version": "x"}).status_code == 404


# --- Files --------------------------------------------------------------------------------------


def upload(coordinator: Client, at: str, content: bytes, **more: str) -> Any:
    file = SimpleUploadedFile("questions.yaml", content)
    return coordinator.post(f"{at}import/", {"file": file, **more})


def test_a_file_goes_out_and_comes_in_as_a_draft(
    coordinator: Client, brand: Brand, at: str
) -> None:
    Questionnaire.publish(brand, small())
    response = coordinator.get(f"{at}versions/1/file/")
    assert 'filename="klikvoorhulp-versie-1.yaml"' in response["Content-Disposition"]
    content = response.content.replace(b"Wat is er?", "Wat speelt er? 🙂".encode())
    assert upload(coordinator, at, content)["Location"] == f"{at}draft/"
    assert now()["steps"][1]["questions"][0]["text"]["nl"] == "Wat speelt er? 🙂"
    assert Questionnaire.objects.count() == 1, "nothing is published"
    assert "Wat speelt er? 🙂" in coordinator.get(f"{at}draft/file/").content.decode()


def test_a_bad_file_is_told_by_line_and_changes_nothing(
    coordinator: Client, draft: QuestionnaireDraft, at: str
) -> None:
    response = upload(coordinator, at, b"name: x\nsteps: &a []\n", instead_of=draft.token)
    assert response.status_code == 400
    assert "Regel 2" in text_of(response)
    assert upload(coordinator, at, b"").status_code == 400
    good = exchange.write(small() | {"name": "nieuw"}).encode()
    assert upload(coordinator, at, good).status_code == 409, "there is a draft"
    assert now() == small()
    assert upload(coordinator, at, good, instead_of=draft.token).status_code == 302
    assert now()["name"] == "nieuw"


# --- How much it asks ----------------------------------------------------------------------------


@pytest.mark.parametrize("address", ["", "draft/", "draft/differences/", "draft/publish/", "try/"])
def test_a_page_asks_as_much_for_many_as_for_few(
    coordinator: Client, draft: QuestionnaireDraft, brand: Brand, dirk: User, at: str, address: str
) -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert coordinator.get(at + address).status_code == 200
        return len(asked)

    by = rights_of(dirk)
    data = small() | {"name": "anders"}
    draft.change(by, lambda _old: data)
    few = queries()
    data = data | {"rules": data["rules"] * 20}
    draft.change(by, lambda _old: data)
    for number in range(10):
        QuestionnaireExample.keep(
            brand, by, name=f"{number}", answers={"safe": "no"}, urgency="now"
        )
        Questionnaire.publish(brand, small() | {"name": f"{number}"}, by=dirk)
    assert queries() == few


def test_the_list_of_sites_asks_as_much_for_many_as_for_few(
    coordinator: Client, brand: Brand, dirk: User
) -> None:
    Brand.objects.create(host="b.example", name="B")

    def queries() -> int:
        with CaptureQueriesContext(connection) as asked:
            assert coordinator.get("/staff/questions/").status_code == 200
        return len(asked)

    few = queries()
    for number in range(5):
        other = Brand.objects.create(host=f"{number}.example", name=f"{number}")
        make_draft(other, rights_of(dirk))
    assert queries() == few
