"""Many letters, or many wrong codes: then each costs a little work, and nobody is refused.

What came lately is counted in the memory of this process, per address under a keyed hash whose key
changes every day and is nowhere else. A whole school shares one address; so a high count asks for
a proof of work (the ALTCHA protocol, from our own server), which a browser makes in a second or two,
or, without JavaScript, for waiting twenty seconds. Either is good for one time.
"""

import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import OrderedDict
from datetime import timedelta
from typing import Any

from altcha import ChallengeOptionsV1, create_challenge_v1, verify_solution_v1
from django.conf import settings
from django.core.cache import cache
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest
from django.utils import timezone
from django.utils.crypto import salted_hmac

DAY = 24 * 3600.0
SIZE = 50_000
# Ten thousand hashes on average: a second on a computer, a few on an old phone.
MAX_NUMBER = 20_000
WAIT = timedelta(seconds=20)
VALID = timedelta(hours=1)


class Gauge:
    """How much of something came lately, from one address and from everybody.

    A count sinks evenly, by its limit in ten minutes.
    """

    SECONDS = 600.0

    def __init__(self, purpose: str, *, own: int, everybody: int) -> None:
        self.purpose = purpose
        self.own = own
        self.everybody = everybody
        self.forget()

    def forget(self) -> None:
        """Begin anew, with a new key: what was counted leads to no address any more."""
        self._key = secrets.token_bytes(32)
        self._made_at = time.monotonic()
        self._levels: OrderedDict[bytes, tuple[float, float]] = OrderedDict()

    def count(self, request: HttpRequest) -> None:
        """One more from this address."""
        now = time.monotonic()
        if now - self._made_at > DAY:
            self.forget()
        for name, limit in self._names(request):
            self._levels[name] = (self._level(name, limit, now) + 1, now)
            self._levels.move_to_end(name)
        while len(self._levels) > SIZE:
            self._levels.popitem(last=False)

    def is_high(self, request: HttpRequest) -> bool:
        """Whether the next one from here must prove itself."""
        now = time.monotonic()
        return any(
            self._level(name, limit, now) > limit - 1 for name, limit in self._names(request)
        )

    def _level(self, name: bytes, limit: int, now: float) -> float:
        level, at = self._levels.get(name, (0.0, now))
        return max(0.0, level - (now - at) * limit / self.SECONDS)

    def _names(self, request: HttpRequest) -> list[tuple[bytes, int]]:
        address = _address(request)
        own = hmac.digest(self._key, address.encode(), hashlib.sha256)
        return [(own, self.own), (b"everybody", self.everybody)]


letters = Gauge("letter", own=5, everybody=60)
wrong_codes = Gauge("code", own=8, everybody=60)


def _address(request: HttpRequest) -> str:
    """Where a request comes from, as far as our own proxies know; what others claim counts for
    nothing. With a proxy that is not in TRUSTED_PROXIES everybody shares its address: only slower.
    """
    proxies = settings.ALLAUTH_TRUSTED_PROXY_COUNT
    through = request.headers.get("X-Forwarded-For", "").split(",")
    if proxies and len(through) >= proxies:
        return through[-proxies].strip()
    return str(request.META.get("REMOTE_ADDR", ""))


def ask(purpose: str) -> dict[str, Any]:
    """Return what a form must carry to be accepted under pressure; for triage/_proof.html."""
    challenge = create_challenge_v1(
        ChallengeOptionsV1(
            max_number=MAX_NUMBER,
            hmac_key=_hmac_keys()[0],
            expires=timezone.now() + VALID,
            params={"purpose": purpose},
        )
    )
    return {
        "challenge": challenge.challenge,
        "salt": challenge.salt,
        "signature": challenge.signature,
        "max": MAX_NUMBER,
        "wait": _signer(purpose).sign(secrets.token_urlsafe(12)),
        "seconds": int(WAIT.total_seconds()),
    }


def is_proved(request: HttpRequest, purpose: str) -> bool:
    """Whether this form carries a proof of work or a wait that is over, not used before."""
    return _has_worked(request.POST.get("altcha", ""), purpose) or _has_waited(
        request.POST.get("wait", ""), purpose
    )


def _has_worked(payload: str, purpose: str) -> bool:
    if not payload or len(payload) > 2000:
        return False
    try:
        is_right = any(verify_solution_v1(payload, key)[0] for key in _hmac_keys())
        solved = json.loads(base64.b64decode(payload))
        is_ours = f"purpose={purpose}&" in solved["salt"]
        return is_right and is_ours and _is_first("work", solved["challenge"])
    except (ValueError, TypeError, KeyError, AttributeError):  # not made by a browser
        return False


def _has_waited(token: str, purpose: str) -> bool:
    signer = _signer(purpose)
    try:
        nonce = signer.unsign(token, max_age=VALID)
    except BadSignature:
        return False
    try:
        signer.unsign(token, max_age=WAIT)
    except BadSignature:  # older than that, as it should be
        return _is_first("wait", nonce)
    return False


def _is_first(kind: str, value: str) -> bool:
    name = hashlib.sha256(f"{kind}:{value}".encode()).hexdigest()
    return bool(cache.add(f"proof:{name}", 1, timeout=int(VALID.total_seconds())))


def _hmac_keys() -> list[str]:
    """Ours, and while SECRET_KEY changes those of processes with another one in front."""
    return [
        salted_hmac("klikvoor.altcha", "key", secret=secret, algorithm="sha256").hexdigest()
        for secret in (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    ]


def _signer(purpose: str) -> TimestampSigner:
    return TimestampSigner(salt=f"klikvoor.wait:{purpose}")
