"""Sites: what young people see, kept by the platform's coordinators."""

import pytest
from django.test import Client

from institutions.models import AuditEvent, Brand, User
from roster.models import ServiceLine
from tests.people import sign_in
from triage.models import Questionnaire, default_data

pytestmark = pytest.mark.django_db

GOOD = {
    "name": "Klikvoorlicht",
    "host": "WWW.Klikvoorhulp.example",
    "neutral_title": "Klik",
    "welcome": "Praat met iemand.",
    "accent": "#225588",
    "exit_url": "https://www.example.org/weer",
    "line": "",
}


def test_a_new_site_gets_a_chat_of_its_own_and_answers_at_once(
    dirk: User, line: ServiceLine, settings: object
) -> None:
    assert sign_in(dirk).post("/staff/sites/new/", GOOD).status_code == 302
    site = Brand.objects.get(host="www.klikvoorhulp.example")
    assert site.lines.get() != line
    assert site.lines.get().name == "Klikvoorlicht"
    assert AuditEvent.objects.get(verb="settings").explanation == "site"
    settings.ALLOWED_HOSTS = ["www.klikvoorhulp.example"]  # type: ignore[attr-defined]
    page = Client().get("/", headers={"host": "www.klikvoorhulp.example"})
    assert "Praat met iemand." in page.content.decode()


def test_two_sites_may_share_one_chat(dirk: User, line: ServiceLine) -> None:
    sign_in(dirk).post("/staff/sites/new/", GOOD | {"line": line.pk})
    assert Brand.objects.get(name="Klikvoorlicht").lines.get() == line
    assert ServiceLine.objects.count() == 1


def test_a_site_is_changed_and_keeps_its_chat(dirk: User, brand: Brand, line: ServiceLine) -> None:
    browser = sign_in(dirk)
    page = browser.get(f"/staff/sites/{brand.pk}/").content.decode()
    assert f'value="{line.pk}" selected' in page
    browser.post(f"/staff/sites/{brand.pk}/", GOOD | {"line": line.pk})
    brand.refresh_from_db()
    assert (brand.name, brand.lines.get()) == ("Klikvoorlicht", line)


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "https://klik.example/"},
        {"host": "klik.example:8000"},
        {"accent": "red"},
        {"exit_url": "javascript:alert(1)"},
        {"name": ""},
        {"line": "999"},
    ],
)
def test_a_wrong_site_is_refused_with_a_reason(dirk: User, wrong: dict[str, str]) -> None:
    response = sign_in(dirk).post("/staff/sites/new/", GOOD | wrong)
    assert "field-error" in response.content.decode()
    assert not Brand.objects.exists()


def test_only_one_site_serves_unknown_addresses(dirk: User, brand: Brand) -> None:
    Brand.objects.filter(pk=brand.pk).update(is_default=True)
    response = sign_in(dirk).post("/staff/sites/new/", GOOD | {"is_default": "on"})
    assert "Een andere site is dat al" in response.content.decode()
    assert Brand.objects.get(is_default=True) == brand


@pytest.mark.parametrize(("chosen", "name"), [("", "jongeren"), ("ouders", "ouders")])
def test_a_new_site_begins_with_questions_that_come_along(
    dirk: User, line: ServiceLine, chosen: str, name: str
) -> None:
    sign_in(dirk).post("/staff/sites/new/", GOOD | {"questions": chosen})
    site = Brand.objects.get(name="Klikvoorlicht")
    assert Questionnaire.current(site).data == default_data(name)


def test_a_site_that_has_questions_keeps_them(dirk: User, brand: Brand, line: ServiceLine) -> None:
    Questionnaire.publish(brand, default_data("ouders"))
    browser = sign_in(dirk)
    assert "Om mee te beginnen" not in browser.get(f"/staff/sites/{brand.pk}/").content.decode()
    browser.post(f"/staff/sites/{brand.pk}/", GOOD | {"line": line.pk, "questions": "jongeren"})
    assert Questionnaire.current(brand).data["name"] == "ouders"


def test_a_site_cannot_begin_with_questions_that_do_not_exist(
    dirk: User, line: ServiceLine
) -> None:
    sign_in(dirk).post("/staff/sites/new/", GOOD | {"questions": "../settings"})
    assert not Brand.objects.filter(name="Klikvoorlicht").exists()
