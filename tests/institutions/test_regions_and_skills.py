"""Which municipalities an institution is there for, and what a worker can beside the rest."""

import pytest

from institutions.forms import InstitutionForm
from institutions.models import AuditEvent, Institution, User
from institutions.places import municipalities, name_of
from tests.people import sign_in

pytestmark = pytest.mark.django_db


def fields(institution: Institution, names: str) -> dict[str, str]:
    return {
        "name": institution.name,
        "retention_days": "30",
        "is_active": "on",
        "municipalities": names,
    }


def test_the_platform_names_the_municipalities_of_an_institution(
    zuid: Institution, dirk: User
) -> None:
    browser = sign_in(dirk)
    page = f"/staff/institutions/{zuid.pk}/"
    answer = browser.post(page, fields(zuid, "Heerlen\n echt-SUSTEREN , Heerlen\n"))
    assert answer.status_code == 302
    zuid.refresh_from_db()
    assert zuid.municipalities == ["GM0917", "GM1711"]
    text = browser.get(page).content.decode()
    assert "Heerlen\nEcht-Susteren" in text


def test_people_may_use_the_official_name_or_the_one_they_say(zuid: Institution) -> None:
    names = "Nuenen, Gerwen en Nederwetten\n's-Hertogenbosch, Den Bosch; den haag"
    form = InstitutionForm(fields(zuid, names), instance=zuid)
    assert form.is_valid(), form.errors
    assert form.cleaned_data["municipalities"] == ["GM0820", "GM0796", "GM0518"]


def test_an_unknown_municipality_is_refused_with_what_was_perhaps_meant(
    zuid: Institution, dirk: User
) -> None:
    form = InstitutionForm(fields(zuid, "Heerle"), instance=zuid)
    assert not form.is_valid()
    assert "Bedoel je Heerlen?" in str(form.errors)
    form = InstitutionForm(fields(zuid, "Xyzzy"), instance=zuid)
    assert "Xyzzy" in str(form.errors)


def test_every_municipality_has_a_code_of_its_own_and_a_name() -> None:
    known = municipalities()
    assert len(set(known.values())) == len(known) == 342
    assert all(code.startswith("GM") and len(code) == 6 and name for code, name in known.items())
    assert name_of("GM0917") == "Heerlen"
    assert name_of("GM9999") == "GM9999"


def test_a_worker_says_what_they_can_and_a_coordinator_may_too(
    zuid: Institution, anna: User, dirk: User
) -> None:
    me = {"name": anna.name, "chat_name": "Anna", "chat_cap": "2", "language": "nl"}
    assert sign_in(anna).post("/staff/me/", me | {"skills": ["en", "queer"]}).status_code == 302
    anna.refresh_from_db()
    assert anna.skills == ["en", "queer"]
    person = {"form": "person", "name": anna.name, "chat_name": "Anna", "chat_cap": "2"}
    page = f"/staff/people/{anna.pk}/"
    assert sign_in(dirk).post(page, person | {"skills": ["suicide"]}).status_code == 302
    anna.refresh_from_db()
    assert anna.skills == ["suicide"]
    assert AuditEvent.objects.filter(person=anna, detail="skills").exists()
    assert "flying" not in anna.skills
    sign_in(dirk).post(page, person | {"skills": ["flying"]})
    anna.refresh_from_db()
    assert anna.skills == ["suicide"]
