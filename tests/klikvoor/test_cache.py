"""The cache of the scaled shape, while its Redis is not there."""

from pathlib import Path

import pytest
from django.core.cache import caches
from django.test import Client

from institutions.models import User
from tests.people import PASSWORD


@pytest.fixture
def _redis_is_away(settings: object, tmp_path: Path) -> None:
    settings.CACHES = {  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "klikvoor.cache.Cache",
            "LOCATION": f"unix://{tmp_path}/nobody.sock",
            "OPTIONS": {"socket_timeout": 1.0},
        }
    }


@pytest.mark.usefixtures("_redis_is_away")
def test_without_redis_a_process_counts_for_itself() -> None:
    cache = caches["default"]
    assert cache.add("tries", 0, 60)
    assert not cache.add("tries", 0, 60)
    assert cache.incr("tries") == 1
    assert cache.get("tries") == 1
    cache.set("code", "used", 60)
    assert "code" in cache
    cache.delete("code")
    assert cache.get("code", "gone") == "gone"
    cache.clear()


@pytest.mark.usefixtures("_redis_is_away")
def test_without_redis_staff_sign_in_and_guessing_is_still_limited(anna: User) -> None:
    browser = Client()

    def sign_in(password: str) -> int:
        answer = browser.post("/accounts/login/", {"login": anna.email, "password": password})
        return answer.status_code

    assert sign_in(PASSWORD) == 302
    browser = Client()
    for _ in range(6):
        sign_in("geraden")
    # Also with the right one: too many were wrong.
    assert sign_in(PASSWORD) != 302
    caches["default"].clear()
