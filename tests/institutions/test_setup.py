"""Which institutions take part: the platform's coordinators decide."""

import pytest
from django.test import Client

from institutions.models import AuditEvent, Institution, User
from tests.people import make_user, sign_in

pytestmark = pytest.mark.django_db

GOOD = {"name": "Stroomdal", "retention_days": "14", "is_active": "on", "school_region": "zuid"}


def test_an_institution_is_added_and_changed(dirk: User) -> None:
    browser = sign_in(dirk)
    assert browser.post("/staff/institutions/new/", GOOD).status_code == 302
    institution = Institution.objects.get(name="Stroomdal")
    assert (institution.retention_days, institution.is_active) == (14, True)
    assert "Stroomdal is bewaard." in browser.get("/staff/institutions/").content.decode()
    browser.post(f"/staff/institutions/{institution.pk}/", GOOD | {"is_active": ""})
    institution.refresh_from_db()
    assert not institution.is_active
    assert "doet niet meer mee" in browser.get("/staff/institutions/").content.decode()
    trail = AuditEvent.objects.filter(institution=institution)
    assert [event.explanation for event in trail] == ["instelling"] * 2


@pytest.mark.parametrize(
    "wrong", [{"name": ""}, {"name": "Zuid"}, {"retention_days": "0"}, {"retention_days": "9999"}]
)
def test_what_is_wrong_is_said_and_changes_nothing(
    dirk: User, zuid: Institution, wrong: dict[str, str]
) -> None:
    Institution.objects.filter(pk=zuid.pk).update(name="Zuid")
    response = sign_in(dirk).post("/staff/institutions/new/", GOOD | wrong)
    assert response.status_code == 200
    assert "field-error" in response.content.decode()
    assert not Institution.objects.filter(retention_days=14).exists()


def test_an_institutions_own_coordinator_may_not(zuid: Institution) -> None:
    edith = make_user("Edith", (zuid, "coordinator"))
    browser: Client = sign_in(edith)
    assert browser.post(f"/staff/institutions/{zuid.pk}/", GOOD).status_code == 403
    assert not Institution.objects.filter(name="Stroomdal").exists()
