"""Everything in the database that a sealing key wraps, and how it moves to the newest one.

`USES` is the whole list: data keys of conversations, those of questions that are being answered, and the
second factors of staff. Start-up asks it which keys are needed, `manage.py rewrap` moves them.
A seed that waits in a session for its first code is sealed too, and not here: who sets up an app at that
very moment is given another one.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from allauth.mfa.models import Authenticator
from django.db import models, transaction

from chat.models import ConversationKey
from institutions.sealing import DataKey, keyring, seal_secret, unseal_secret
from triage.models import Intake

# What allauth keeps of a TOTP app and of recovery codes, sealed by institutions/adapters.py.
SEALED_FIELDS = ("secret", "seed")
PURPOSE = "mfa"


@dataclass(frozen=True)
class Use:
    """One table with things under sealing keys."""

    what: str
    # Both with the alias of a database, or names of keys.
    count: Callable[[str], Counter[str]]
    # Moves at most so many away from all keys but the newest; returns how many it moved, and how many
    # it found. Somebody who changes a row at the same time wins, and it is found again.
    move: Callable[[int], tuple[int, int]]


def used_names(using: str = "default") -> set[str]:
    """Return the names of the sealing keys under which something lies in the database."""
    return {name for use in USES for name in use.count(using)}


def _count_of(model: Any) -> Callable[[str], Counter[str]]:
    def count(using: str) -> Counter[str]:
        rows = model.objects.using(using).order_by().values_list("sealing_key")
        return Counter(dict(rows.annotate(models.Count("pk"))))

    return count


def _move_of(model: Any) -> Callable[[int], tuple[int, int]]:
    def move(batch: int) -> tuple[int, int]:
        newest = next(iter(keyring()))
        rows = model.objects.exclude(sealing_key=newest).order_by("pk")
        found = list(rows.values_list("pk", "sealing_key", "wrapped")[:batch])
        moved = 0
        # One by one and not in one transaction: nobody waits for more than one row.
        for pk, name, wrapped in found:
            to, rewrapped = DataKey.unwrap(name, wrapped).wrap()
            same = model.objects.filter(pk=pk, sealing_key=name, wrapped=bytes(wrapped))
            moved += same.update(sealing_key=to, wrapped=rewrapped)
        return moved, len(found)

    return move


def _names_in(data: dict[str, Any]) -> set[str]:
    return {data[field].partition(":")[0] for field in SEALED_FIELDS if data.get(field)}


def _count_factors(using: str) -> Counter[str]:
    factors = Authenticator.objects.using(using).values_list("data", flat=True)
    return Counter(name for data in factors for name in _names_in(data))


def _move_factors(batch: int) -> tuple[int, int]:
    newest = next(iter(keyring()))
    found = [
        pk
        for pk, data in Authenticator.objects.order_by("pk").values_list("pk", "data")
        if _names_in(data) - {newest}
    ][:batch]
    moved = 0
    for pk in found:
        with transaction.atomic():
            # The whole column is written at once, so nobody else may write it in between.
            factor = Authenticator.objects.select_for_update().filter(pk=pk).first()
            if factor is None or not _names_in(factor.data) - {newest}:
                continue
            for field in SEALED_FIELDS:
                if sealed := factor.data.get(field):
                    factor.data[field] = seal_secret(unseal_secret(sealed, PURPOSE), PURPOSE)
            factor.save(update_fields=["data"])
            moved += 1
    return moved, len(found)


# Sealed in their rows: in a backup they are under the keys of that time.
FACTORS = Use("second factors", _count_factors, _move_factors)
USES = (
    Use("conversations", _count_of(ConversationKey), _move_of(ConversationKey)),
    Use("answers to questions", _count_of(Intake), _move_of(Intake)),
    FACTORS,
)
