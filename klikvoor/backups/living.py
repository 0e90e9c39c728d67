"""What held at the moment of a backup, so that an older one does not bring back what was taken away.

A file of keys has the data keys of the conversations, the numbers of those that were erased by their
writers, and a keyed hash for each thing that opens a door: the token of a visit, a return code, an
e-mail address, an account, its password, its roles and second factors, calendar addresses,
invitations. Restoring older rows closes every door that is not among the newest of these.
"""

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from allauth.mfa.models import Authenticator
from django.db.models import F
from django.utils import timezone

from chat.models import Conversation, ConversationKey, ReturnCode, StatusChange, Visitor
from institutions.models import Institution, Invitation, Membership, User
from institutions.sealing import keyed_hash
from klikvoor.backups.files import Backup, BadBackup, new_file, settle, signer
from roster.models import FeedToken

VERSION = 1


@dataclass
class Living:
    """What held. `facts` is None where it is unknown: nothing is closed then."""

    keys: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    erased: set[str] = field(default_factory=set)
    facts: set[str] | None = None


# --- Doors ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Door:
    """One kind of thing that lets somebody in, and how it is closed.

    `rows` yields the open ones of a database as pairs of primary key and what names them for ever:
    numbers are given anew after a restore. What changes by itself has no place in that name.
    """

    kind: str
    rows: Callable[[str], Iterator[tuple[Any, str]]]
    close: Callable[[list[Any]], object]

    def facts(self, using: str) -> Iterator[tuple[Any, str]]:
        for pk, name in self.rows(using):
            yield pk, keyed_hash("backup fact", f"{self.kind}\x1f{name}")[:32]


def _visits(using: str) -> Iterator[tuple[Any, str]]:
    held = Visitor.objects.using(using).filter(token_hash__isnull=False)
    for pk, token_hash in held.values_list("pk", "token_hash").iterator():
        yield pk, str(token_hash)


def _forget_visits(pks: list[Any]) -> None:
    Visitor.objects.filter(pk__in=pks).update(token_hash=None)
    ReturnCode.objects.filter(visitor__in=pks).update(sealed_words=None)


def _codes(using: str) -> Iterator[tuple[Any, str]]:
    yield from ReturnCode.objects.using(using).values_list("pk", "words_hash").iterator()


def _addresses(using: str) -> Iterator[tuple[Any, str]]:
    held = Conversation.objects.using(using).filter(sealed_address__isnull=False)
    for pk, sealed in held.values_list("pk", "sealed_address").iterator():
        yield pk, f"{pk} {bytes(sealed or b'').hex()}"


def forget_addresses(pks: list[Any]) -> int:
    return Conversation.objects.filter(pk__in=pks, sealed_address__isnull=False).update(
        answer_by=Conversation.AnswerBy.CODE, sealed_address=None, address_failed_at=None
    )


def _accounts(using: str) -> Iterator[tuple[Any, str]]:
    active = User.objects.using(using).filter(is_active=True)
    yield from active.values_list("pk", "email").iterator()


def _passwords(using: str) -> Iterator[tuple[Any, str]]:
    for pk, email, password in User.objects.using(using).values_list("pk", "email", "password"):
        yield pk, f"{email} {password}"


def _forget_passwords(pks: list[Any]) -> None:
    for user in User.objects.filter(pk__in=pks):
        user.set_unusable_password()
        user.save(update_fields=["password"])


def _roles(using: str) -> Iterator[tuple[Any, str]]:
    rows = Membership.objects.using(using).values_list("pk", "user__email", "institution", "role")
    for pk, email, institution, role in rows.iterator():
        yield pk, f"{email} {institution} {role}"


def _factors(using: str) -> Iterator[tuple[Any, str]]:
    rows = Authenticator.objects.using(using).values_list(
        "pk", "user__email", "type", "created_at", "data"
    )
    for pk, email, kind, created_at, data in rows.iterator():
        # Recovery codes that were used since then must not work again.
        used = data.get("used_mask", "") if isinstance(data, dict) else ""
        yield pk, f"{email} {kind} {created_at.timestamp()} {used}"


def _feeds(using: str) -> Iterator[tuple[Any, str]]:
    held = FeedToken.objects.using(using).filter(revoked_at__isnull=True)
    yield from held.values_list("pk", "token_hash").iterator()


def _invitations(using: str) -> Iterator[tuple[Any, str]]:
    held = Invitation.objects.using(using).filter(accepted_at=None, withdrawn_at=None)
    yield from held.values_list("pk", "token_hash").iterator()


def _institutions(using: str) -> Iterator[tuple[Any, str]]:
    active = Institution.objects.using(using).filter(is_active=True)
    for pk in active.values_list("pk", flat=True).iterator():
        yield pk, str(pk)


DOORS = (
    Door("visit", _visits, _forget_visits),
    Door("code", _codes, lambda pks: ReturnCode.objects.filter(pk__in=pks).delete()),
    Door("address", _addresses, forget_addresses),
    Door(
        "account",
        _accounts,
        lambda pks: User.objects.filter(pk__in=pks).update(is_active=False),
    ),
    Door("password", _passwords, _forget_passwords),
    Door("role", _roles, lambda pks: Membership.objects.filter(pk__in=pks).delete()),
    Door("factor", _factors, lambda pks: Authenticator.objects.filter(pk__in=pks).delete()),
    Door(
        "feed",
        _feeds,
        lambda pks: FeedToken.objects.filter(pk__in=pks).update(revoked_at=timezone.now()),
    ),
    Door(
        "invitation",
        _invitations,
        lambda pks: Invitation.objects.filter(pk__in=pks).update(withdrawn_at=timezone.now()),
    ),
    Door(
        "institution",
        _institutions,
        lambda pks: Institution.objects.filter(pk__in=pks).update(is_active=False),
    ),
)


def close_doors(facts: set[str]) -> dict[str, int]:
    """Close in this database whatever is not among the facts; return how many of each kind."""
    closed = {}
    for door in DOORS:
        gone = [pk for pk, fact in door.facts("default") if fact not in facts]
        for start in range(0, len(gone), 500):
            door.close(gone[start : start + 500])
        if gone:
            closed[door.kind] = len(gone)
    return closed


def end_sign_ins() -> int:
    """End every sign-in of staff, and every link to a new password that was mailed before."""
    return User.objects.update(sign_in_epoch=F("sign_in_epoch") + 1, last_login=timezone.now())


# --- Reading and writing it -----------------------------------------------------------------------


def erased_in(using: str) -> Iterator[str]:
    """The conversations that their writers erased; the row of that change stays."""
    erased = StatusChange.objects.using(using).filter(reason="erased").order_by()
    yield from erased.values_list("conversation", flat=True).distinct().iterator()


def keys_in(using: str) -> Iterator[tuple[str, str, bytes]]:
    rows = ConversationKey.objects.using(using).order_by()
    for pk, name, wrapped in rows.values_list("pk", "sealing_key", "wrapped").iterator():
        yield pk, name, bytes(wrapped)


def living_in(using: str = "default") -> Living:
    """What holds in a database now."""
    return Living(
        keys={pk: (name, wrapped) for pk, name, wrapped in keys_in(using)},
        erased=set(erased_in(using)),
        facts={fact for door in DOORS for _pk, fact in door.facts(using)},
    )


def _lines(using: str, stem: str) -> Iterator[str]:
    yield json.dumps({"backup": stem, "version": VERSION, "kinds": [door.kind for door in DOORS]})
    for pk, name, wrapped in keys_in(using):
        yield f"k {pk} {name} {base64.b64encode(wrapped).decode()}"
    for pk in erased_in(using):
        yield f"e {pk}"
    for door in DOORS:
        for _pk, fact in door.facts(using):
            yield f"f {fact}"


def write_keys(backup: Backup, using: str) -> int:
    """Write the file of keys of a backup; return how many keys."""
    partial, mac, count = new_file(backup.keys_file), signer(), 0
    with partial.open("wb") as file:
        for line in _lines(using, backup.stem):
            data = f"{line}\n".encode()
            mac.update(data)
            file.write(data)
            count += line.startswith("k ")
        file.write(f"s {mac.hexdigest()}\n".encode())
    settle(partial, backup.keys_file)
    return count


def read_keys(path: Path) -> Living:
    """Read a file of keys. Raises BadBackup if it is not whole, or not ours."""
    facts: set[str] = set()
    living, mac, signature = Living(facts=facts), signer(), ""
    with path.open("rb") as file:
        first = file.readline()
        mac.update(first)
        for data in file:
            kind, *rest = data.decode(errors="replace").split()
            if kind == "s":
                signature = rest[0] if rest else ""
                break
            mac.update(data)
            if kind == "k" and len(rest) == 3:
                living.keys[rest[0]] = rest[1], base64.b64decode(rest[2])
            elif kind == "e" and rest:
                living.erased.add(rest[0])
            elif kind == "f" and rest:
                facts.add(rest[0])
    if not hmac.compare_digest(signature, mac.hexdigest()):
        raise BadBackup(
            f"{path.name} is damaged, was changed, or was made with another HASHING_KEY. `--keys`"
            " names another one."
        )
    if json.loads(first)["version"] != VERSION:
        raise BadBackup(f"{path.name} was made by another version of Klikvoor. Use that one.")
    return living
