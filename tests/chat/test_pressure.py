"""Under pressure a form costs a little work or a wait; nobody is refused, and nothing is kept."""

import base64
import hashlib
import json
from datetime import timedelta
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from chat import pressure
from chat.pressure import Gauge


def request(address: str = "192.0.2.1", **posted: str) -> HttpRequest:
    return RequestFactory(REMOTE_ADDR=address).post("/", posted)


def solve(asked: dict[str, Any]) -> str:
    """What proof.js does."""
    number = next(
        number
        for number in range(asked["max"] + 1)
        if hashlib.sha256(f"{asked['salt']}{number}".encode()).hexdigest() == asked["challenge"]
    )
    payload = {
        "algorithm": "SHA-256",
        "challenge": asked["challenge"],
        "number": number,
        "salt": asked["salt"],
        "signature": asked["signature"],
    }
    return base64.b64encode(json.dumps(payload).encode()).decode()


def changed(payload: str, **fields: object) -> str:
    known = json.loads(base64.b64decode(payload))
    return base64.b64encode(json.dumps(known | fields).encode()).decode()


def test_one_address_becomes_high_and_others_do_not() -> None:
    gauge = Gauge("code", own=3, everybody=100)
    for _number in range(3):
        assert not gauge.is_high(request())
        gauge.count(request())
    assert gauge.is_high(request())
    assert not gauge.is_high(request("192.0.2.2"))


def test_all_together_become_high() -> None:
    gauge = Gauge("code", own=3, everybody=10)
    for number in range(10):
        gauge.count(request(f"192.0.2.{number}"))
    assert gauge.is_high(request("192.0.2.200"))


def test_what_was_counted_sinks_and_names_no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(pressure.time, "monotonic", lambda: now)
    gauge = Gauge("code", own=2, everybody=100)
    for _number in range(2):
        gauge.count(request())
    assert gauge.is_high(request())
    assert not any(b"192" in name for name in gauge._levels)
    now += 300
    assert not gauge.is_high(request())
    key = gauge._key
    now += pressure.DAY
    gauge.count(request())
    assert gauge._key != key


def test_only_what_our_own_proxies_wrote_counts_as_the_address(settings: Any) -> None:
    forged = RequestFactory(REMOTE_ADDR="10.0.0.1").post(
        "/", headers={"x-forwarded-for": "1.2.3.4, 192.0.2.9"}
    )
    for proxies, address in ((0, "10.0.0.1"), (1, "192.0.2.9"), (3, "10.0.0.1")):
        settings.ALLAUTH_TRUSTED_PROXY_COUNT = proxies
        assert pressure._address(forged) == address


def test_a_solved_challenge_is_good_for_its_purpose_and_once() -> None:
    solved = solve(pressure.ask("letter"))
    assert not pressure.is_proved(request(altcha=solved), "code")
    assert pressure.is_proved(request(altcha=solved), "letter")
    assert not pressure.is_proved(request(altcha=solved), "letter")


def test_a_challenge_cannot_be_forged_or_stretched() -> None:
    solved = solve(pressure.ask("letter"))
    known = json.loads(base64.b64decode(solved))
    longer = known["salt"].replace("expires=", "expires=9")
    for wrong in (
        "",
        "nothing",
        "x" * 5000,
        base64.b64encode(b"[]").decode(),
        base64.b64encode(b'{"salt": 3}').decode(),
        changed(solved, number=known["number"] + 1),
        changed(solved, signature="0" * 64),
        changed(solved, salt=longer),
        changed(solved, algorithm="MD5"),
        changed(solved, salt=known["salt"] + "purpose=code&"),
    ):
        assert not pressure.is_proved(request(altcha=wrong), "letter"), wrong
    assert pressure.is_proved(request(altcha=solved), "letter")


def test_an_old_challenge_is_worth_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pressure, "VALID", timedelta(seconds=-5))
    asked = pressure.ask("letter")
    monkeypatch.undo()
    assert not pressure.is_proved(request(altcha=solve(asked)), "letter")


def test_waiting_is_good_after_the_wait_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    wait = pressure.ask("code")["wait"]
    assert not pressure.is_proved(request(wait=wait), "code")
    monkeypatch.setattr(pressure, "WAIT", timedelta(seconds=-1))
    assert not pressure.is_proved(request(wait=wait), "letter")
    assert not pressure.is_proved(request(wait=wait[:-1] + "_"), "code")
    assert pressure.is_proved(request(wait=wait), "code")
    assert not pressure.is_proved(request(wait=wait), "code")
