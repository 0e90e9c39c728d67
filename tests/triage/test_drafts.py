"""Drafts of questionnaires: one for a site, published once, and never under a running intake."""

import threading
from collections.abc import Callable

import pytest
from django.db import connections

from chat.models import Visitor
from institutions.models import AuditEvent, Brand, Institution, User
from tests.people import rights_of
from tests.triage.drafting import make_draft, small
from triage import parts
from triage.checking import Unsound
from triage.drafts import DraftRefused, QuestionnaireDraft, QuestionnaireExample
from triage.models import Intake, Questionnaire

pytestmark = pytest.mark.django_db


def rename(name: str) -> Callable[[dict[str, object]], dict[str, object]]:
    return lambda data: data | {"name": name}


def test_a_draft_becomes_the_next_version_and_ends(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by).change(by, rename("anders"))
    published = draft.publish(by, draft.token, over=1)
    assert (published.version, published.data["name"]) == (2, "anders")
    assert published.published_by == dirk
    assert Questionnaire.objects.get(version=1).data == small()
    assert not QuestionnaireDraft.objects.exists()
    deeds = [event.detail.split()[0] for event in AuditEvent.objects.all()]
    assert deeds == ["questions_started", "questions_changed", "questions_published"]
    assert all(event.explanation != event.detail for event in AuditEvent.objects.all())


def test_the_trail_is_read_by_the_institution_that_keeps_the_site(
    brand: Brand, dirk: User, zuid: Institution
) -> None:
    brand.institution = zuid
    brand.save()
    make_draft(brand, rights_of(dirk))
    assert AuditEvent.objects.get().institution == zuid


def test_a_site_has_one_draft(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by)
    with pytest.raises(DraftRefused, match="exists"):
        QuestionnaireDraft.start(brand, by, small(), from_version=1)
    again = QuestionnaireDraft.start(brand, by, small(), instead_of=draft.token)
    assert again.from_version is None
    with pytest.raises(DraftRefused, match="exists"):
        QuestionnaireDraft.start(brand, by, small(), instead_of=draft.token)


def test_what_changed_since_is_not_thrown_away_nor_published(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by)
    old = draft.token
    draft.change(by, rename("anders"))
    for deed in (lambda: draft.discard(by, old), lambda: draft.publish(by, old, over=1)):
        with pytest.raises(DraftRefused, match="changed"):
            deed()
    assert QuestionnaireDraft.objects.get().data["name"] == "anders"


def test_nobody_publishes_over_a_version_that_they_did_not_see(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by).change(by, rename("anders"))
    Questionnaire.publish(brand, small() | {"name": "ertussen"})
    with pytest.raises(DraftRefused, match="changed"):
        draft.publish(by, draft.token, over=1)
    assert Questionnaire.current(brand).data["name"] == "ertussen"


def test_what_is_the_same_is_not_published_again(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by)
    with pytest.raises(DraftRefused, match="same"):
        draft.publish(by, draft.token, over=1)
    assert QuestionnaireDraft.objects.exists()


def test_what_is_not_finished_is_not_published(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    data = small()
    del data["steps"][0]["questions"][0]["text"]["en"]
    draft = make_draft(brand, by, data)
    with pytest.raises(Unsound) as unsound:
        draft.publish(by, draft.token, over=1)
    (problem,) = unsound.value.problems
    assert (problem.place, problem.question) == ("steps.0.questions.0.text.en", "safe")
    assert Questionnaire.current(brand).version == 1
    assert QuestionnaireDraft.objects.exists()


def test_publishing_leaves_a_running_intake_as_it_was(
    brand: Brand, dirk: User, visitor: Visitor
) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by)
    intake = Intake.begin(visitor)
    intake.answer(0, {"safe": "no"})
    data = small()
    data["rules"], data["steps"] = [], data["steps"][1:]
    draft = draft.change(by, lambda _old: data)
    draft.publish(by, draft.token, over=1)
    intake.refresh_from_db()
    assert intake.questionnaire.version == 1
    assert len(intake.questionnaire.steps) == 2
    assert intake.assess().urgency == "now"


def test_an_example_of_the_same_name_is_replaced(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    for urgency in ("soon", "now"):
        QuestionnaireExample.keep(
            brand, by, name="Niet veilig", answers={"safe": "no"}, urgency=urgency
        )
    example = QuestionnaireExample.objects.get()
    assert example.urgency == "now"
    example.forget(by)
    assert not QuestionnaireExample.objects.exists()


# --- Races --------------------------------------------------------------------------------------


def at_once(*deeds: Callable[[], object]) -> list[object]:
    """Do these at the same moment, each on its own connection; refusals are told by their code."""
    results: list[object] = []
    barrier = threading.Barrier(len(deeds))

    def run(deed: Callable[[], object]) -> None:
        try:
            barrier.wait(20)
            results.append(deed())
        except DraftRefused as refused:
            results.append(refused.code)
        except parts.Gone:
            results.append("gone")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=[deed]) for deed in deeds]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert len(results) == len(deeds)
    return results


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_published_twice_at_once_is_one_version(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by).change(by, rename("anders"))
    copies = [QuestionnaireDraft.objects.get() for _n in range(4)]
    results = at_once(*[lambda one=one: one.publish(by, draft.token, over=1) for one in copies])
    assert results.count("changed") == 3
    assert [one.version for one in Questionnaire.objects.order_by("version")] == [1, 2]


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_published_while_it_is_changed_holds_the_change_or_is_refused(
    brand: Brand, dirk: User
) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by).change(by, rename("anders"))
    one, two = (QuestionnaireDraft.objects.get() for _n in range(2))
    results = at_once(
        lambda: one.publish(by, draft.token, over=1), lambda: two.change(by, rename("later"))
    )
    assert results.count("changed") == 1, "one of them heard that the other was first"
    names = [one.data["name"] for one in Questionnaire.objects.order_by("version")]
    kept = [draft.data["name"] for draft in QuestionnaireDraft.objects.all()]
    assert (names, kept) in ((["klein", "anders"], []), (["klein"], ["later"]))


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_changes_of_many_parts_at_once_are_all_kept(brand: Brand, dirk: User) -> None:
    by = rights_of(dirk)
    data = small()
    data["rules"] = [
        data["rules"][0] | {"reason": {"nl": f"reden {n}", "en": f"reason {n}"}} for n in range(4)
    ]
    draft = make_draft(brand, by, data)

    def change(number: int) -> object:
        rule = data["rules"][number]
        seen = parts.fingerprint(rule)
        return QuestionnaireDraft.objects.get(pk=draft.pk).change(
            by,
            lambda now: parts.put(now, "rule", str(number), seen, rule | {"urgency": "soon"}),
        )

    results = at_once(*[lambda n=n: change(n) for n in range(4)], lambda: change(0))
    assert results.count("gone") == 1
    now = QuestionnaireDraft.objects.get()
    assert [rule["urgency"] for rule in now.data["rules"]] == ["soon"] * 4
    assert now.revision == draft.revision + 4


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_intakes_that_begin_while_it_is_published_have_one_whole_version(
    brand: Brand, dirk: User
) -> None:
    by = rights_of(dirk)
    draft = make_draft(brand, by).change(by, rename("anders"))
    visitors = [Visitor.begin(brand, "nl")[0] for _n in range(6)]
    at_once(
        lambda: draft.publish(by, draft.token, over=1),
        *[lambda one=one: Intake.begin(one) for one in visitors],
    )
    versions = set(Intake.objects.values_list("questionnaire__version", flat=True))
    assert Intake.objects.count() == 6
    assert versions <= {1, 2}
