"""Every page tells the browser to keep it to itself and to ask nobody else."""

import pytest
from django.conf import settings
from django.http import HttpResponse
from django.test import Client
from django.urls import reverse

from chat.models import Conversation, Visitor
from institutions.models import User
from tests.klikvoor.test_permissions import ADDRESSES, World, world  # noqa: F401
from tests.people import ORIGIN, PASSWORD, visitor_browser

CSP = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "font-src": "'self'",
    "img-src": "'self' data:",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "manifest-src": "'self'",
    "require-trusted-types-for": "'script'",
}
POWERS = ("camera", "microphone", "geolocation", "display-capture", "payment", "usb")


def policy(response: HttpResponse) -> dict[str, str]:
    parts = (part.strip().partition(" ") for part in response["Content-Security-Policy"].split(";"))
    return {name: sources for name, _, sources in parts if name}


def check(response: HttpResponse) -> None:
    found = policy(response)
    connect = found.pop("connect-src").split()
    assert connect[0] == "'self'"
    assert set(connect[1:]) == {f"ws{origin.removeprefix('http')}" for origin in settings.ORIGINS}
    assert found == CSP
    assert response["Cross-Origin-Opener-Policy"] == "same-origin"
    assert response["Cross-Origin-Resource-Policy"] == "same-origin"
    assert response["Referrer-Policy"] == "same-origin"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["X-Frame-Options"] == "DENY"
    assert response["X-Robots-Tag"] == "noindex, nofollow"
    for power in POWERS:
        assert f"{power}=()" in response["Permissions-Policy"]
    assert "Server" not in response
    assert "X-Powered-By" not in response


@pytest.mark.parametrize("person", ["anonymous", "visitor", "anna", "dirk"])
def test_every_page_has_all_headers(world: World, person: str) -> None:  # noqa: F811
    for name, address in ADDRESSES.items():
        response = world.browser(person).get(reverse(name, kwargs=address.kwargs(world)))

        check(response)
        # The colours of a brand say nothing about anybody; pages do, and so do redirects.
        if name == "brand_css":
            assert response["Cache-Control"] == "private, max-age=3600"
        else:
            assert "no-store" in response["Cache-Control"], name


def test_a_page_that_is_not_there_has_all_headers(brand: object) -> None:
    response = Client().get("/somewhere/")

    assert response.status_code == 404
    check(response)
    assert response["Cache-Control"] == "no-store"


def test_another_host_gets_nothing(brand: object) -> None:
    response = Client().get("/", headers={"host": "evil.example"})

    assert response.status_code == 400
    assert "evil" not in response.content.decode()


def test_a_failure_has_all_headers_and_tells_nothing(
    visitor: Visitor, waiting_conversation: Conversation, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("the words of somebody")

    monkeypatch.setattr("chat.models.Visitor.find", fail)
    browser = visitor_browser(visitor)
    browser.raise_request_exception = False

    response = browser.get("/")

    assert response.status_code == 500
    check(response)
    assert response["Cache-Control"] == "no-store"
    assert "words of somebody" not in response.content.decode()
    assert "RuntimeError" not in response.content.decode()


def test_a_visitor_has_one_cookie_and_it_says_nothing(open_hour: object) -> None:
    browser = Client(headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
    assert not browser.get("/").cookies, "looking needs no cookie"

    browser.post("/", {"action": "start"})

    assert set(browser.cookies) == {settings.VISIT_COOKIE_NAME}
    cookie = browser.cookies[settings.VISIT_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["path"] == "/"
    assert cookie["max-age"] == cookie["expires"] == "", "it goes when the browser closes"
    assert len(cookie.value) == 43


def test_the_cookie_of_staff_is_closed(anna: User) -> None:
    browser = Client()

    browser.post("/accounts/login/", {"login": anna.email, "password": PASSWORD})

    cookie = browser.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"
    assert cookie["max-age"] == "", "it goes when the browser closes"


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_no_other_site_can_act_for_a_visitor(
    visitor: Visitor, waiting_conversation: Conversation, site: str
) -> None:
    browser = visitor_browser(visitor)

    response = browser.post("/", {"action": "leave"}, headers={"sec-fetch-site": site})

    assert response.status_code == 403
    waiting_conversation.refresh_from_db()
    assert waiting_conversation.status == "waiting"
