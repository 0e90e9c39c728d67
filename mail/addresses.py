"""Addresses and links that lead to one letter: a random reference with a signature.

Local parts of addresses may come back in another case, so both are base32. The signature keeps
strangers out without a question to the database, and with a copy of the database alone nobody can
make one. What is valid is decided by `Correspondence.find`: the reference dies with the letter.
"""

import base64
import hmac
import re
import secrets
from email.utils import parseaddr

from django.conf import settings

from institutions.sealing import keyed_hash

REFERENCE_BYTES = 16
SIGNATURE_BYTES = 10
TOKEN = re.compile(r"^([a-z2-7]{26})([a-z2-7]{16})$")

# What a token is for: an address for replies may not stop the mail, nor the other way round.
REPLY = "mail-reply"
STOP = "mail-stop"


def random_reference() -> str:
    return _base32(secrets.token_bytes(REFERENCE_BYTES))


def sign(purpose: str, reference: str) -> str:
    """Return the token that leads to this reference."""
    return reference + _signature(purpose, reference)


def unsign(purpose: str, token: str) -> str:
    """Return the reference in a token of ours, empty if it is not one."""
    match = TOKEN.match(token.lower())
    if match is None or not hmac.compare_digest(match[2], _signature(purpose, match[1])):
        return ""
    return match[1]


def _signature(purpose: str, reference: str) -> str:
    return _base32(bytes.fromhex(keyed_hash(purpose, reference))[:SIGNATURE_BYTES])


def _base32(data: bytes) -> str:
    return base64.b32encode(data).decode().rstrip("=").lower()


def reply_address(reference: str) -> str:
    """Return the address for replies to this letter; empty when no mail comes in here."""
    if not settings.MAIL_REPLY_TO:
        return ""
    name, _, domain = settings.MAIL_REPLY_TO.rpartition("@")
    return f"{name}+{sign(REPLY, reference)}@{domain}"


def reference_of(address: str) -> str:
    """Return the reference in an address of ours, empty if it is not one."""
    name, _, domain = address.strip().strip("<>").rpartition("@")
    ours, _, our_domain = settings.MAIL_REPLY_TO.rpartition("@")
    local, _, token = name.partition("+")
    if not ours or local.lower() != ours.lower() or domain.lower() != our_domain.lower():
        return ""
    return unsign(REPLY, token)


def sender_address() -> str:
    """Return the address that mail to young people is from."""
    return settings.MAIL_FROM or parseaddr(settings.DEFAULT_FROM_EMAIL)[1]


def sender_domain() -> str:
    return sender_address().rpartition("@")[2] or "localhost"
