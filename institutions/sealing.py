"""Seal what people wrote, so that a copy of the database alone is unreadable.

Each conversation has a data key of its own (AES-256-GCM). Data keys are wrapped (RFC 3394) by a
sealing key that lives outside the database, in `SEALING_KEYS`: "id:base64 id:base64", newest
first. The first one wraps; the others only open what was wrapped before a rotation. Destroying a
data key makes everything under it unreadable for good.

The associated data of a sealed text names its place (conversation, seq, sender, field), so a
sealed text that is moved to another place does not open there.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.keywrap import InvalidUnwrap, aes_key_unwrap, aes_key_wrap
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured

NONCE_BYTES = 12


class SealBroken(Exception):
    """A sealed text does not open: wrong key, wrong place, or changed."""


class KeyMissing(Exception):
    """The sealing key that wrapped this data key is not in SEALING_KEYS."""


@lru_cache(maxsize=4)
def _parse(text: str) -> dict[str, bytes]:
    ring: dict[str, bytes] = {}
    for entry in text.split():
        name, _, encoded = entry.partition(":")
        try:
            key = base64.urlsafe_b64decode(encoded)
        except (ValueError, binascii.Error):
            key = b""
        if not name or len(name) > 16 or len(key) != 32:
            raise ImproperlyConfigured("SEALING_KEYS must hold id:base64 pairs of 32-byte keys.")
        ring[name] = key
    if not ring:
        raise ImproperlyConfigured("SEALING_KEYS is empty.")
    return ring


def keyring() -> dict[str, bytes]:
    """Return the sealing keys by id, the one that wraps first."""
    return _parse(settings.SEALING_KEYS)


class DataKey:
    """An opened data key. Seals and unseals texts that name their place as `context`."""

    __slots__ = ("_cipher", "_raw")

    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._cipher = AESGCM(raw)

    @classmethod
    def new(cls) -> "DataKey":
        return cls(secrets.token_bytes(32))

    def wrap(self) -> tuple[str, bytes]:
        """Return the id of the newest sealing key, and this key wrapped with it."""
        name, key = next(iter(keyring().items()))
        return name, aes_key_wrap(key, self._raw)

    @classmethod
    def unwrap(cls, name: str, wrapped: bytes | memoryview) -> "DataKey":
        """Raises KeyMissing for an unknown id, SealBroken for a key that does not fit."""
        try:
            key = keyring()[name]
        except KeyError:
            raise KeyMissing(name) from None
        try:
            return cls(aes_key_unwrap(key, bytes(wrapped)))
        except InvalidUnwrap:
            raise SealBroken("wrapped data key") from None

    def seal(self, text: str, *context: object) -> bytes:
        nonce = secrets.token_bytes(NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, text.encode(), _place(context))

    def unseal(self, sealed: bytes | memoryview, *context: object) -> str:
        sealed = bytes(sealed)
        try:
            return self._cipher.decrypt(
                sealed[:NONCE_BYTES], sealed[NONCE_BYTES:], _place(context)
            ).decode()
        except InvalidTag:
            raise SealBroken("sealed text") from None


def _place(context: tuple[object, ...]) -> bytes:
    return "\x1f".join(map(str, context)).encode()


def seal_secret(text: str, purpose: str) -> str:
    """Seal a secret of the staff side (a TOTP seed) with the newest sealing key; one line of text."""
    name, key = next(iter(keyring().items()))
    sealed = DataKey(_derive(key, purpose)).seal(text, purpose)
    return f"{name}:{base64.urlsafe_b64encode(sealed).decode()}"


def unseal_secret(sealed: str, purpose: str) -> str:
    """Raises KeyMissing or SealBroken."""
    name, _, encoded = sealed.partition(":")
    try:
        key = keyring()[name]
    except KeyError:
        raise KeyMissing(name) from None
    return DataKey(_derive(key, purpose)).unseal(base64.urlsafe_b64decode(encoded), purpose)


def _derive(key: bytes, purpose: str) -> bytes:
    return hmac.digest(key, b"klikvoor:" + purpose.encode(), hashlib.sha256)


def keyed_hash(purpose: str, token: str) -> str:
    """Return the 64 hex digits under which a secret token is found back; not reversible."""
    key = settings.HASHING_KEY.encode()
    return hmac.new(key, f"{purpose}\x1f{token}".encode(), hashlib.sha256).hexdigest()
