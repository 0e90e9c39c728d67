"""What would a draft have made of the young people who came? Figures only.

The answers of past conversations are sealed with their own keys; they are opened here one by one,
weighed by the version that they answered and by the draft, and forgotten. What leaves is a table of
how many went from which urgency to which, in which small numbers are not shown: somebody who knows
one young person must not find them in it.
"""

import json
from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _

from chat.models import Conversation
from institutions.models import Brand
from institutions.sealing import DataKey, KeyMissing, SealBroken
from triage import rules
from triage.models import Questionnaire
from triage.readable import urgency_name

DAYS = 90
# The newest ones: somebody waits for the page, and so many take less than four seconds.
MOST = 5_000
SMALL = 5
HEAVY_FIRST = tuple(reversed(rules.LEVELS))


@dataclass
class Replay:
    """`moved` counts pairs (urgency then, urgency by the draft). `erased`: too long ago to be read;
    `unknown`: without answers that can be weighed again. `is_cut`: there were more than were looked at."""

    moved: Counter[tuple[str, str]] = field(default_factory=Counter)
    erased: int = 0
    unknown: int = 0
    is_cut: bool = False

    @property
    def counted(self) -> int:
        return self.moved.total()

    @property
    def different(self) -> int:
        return sum(n for (old, new), n in self.moved.items() if old != new)

    # --- With small numbers kept back ---------------------------------------------------------

    @property
    def is_small(self) -> bool:
        """Is there a cell that may not be shown? Then no total may give it away either."""
        return any(0 < n < SMALL for n in self.moved.values())

    def told(self, number: int) -> str:
        """A number of people as it may be shown."""
        if 0 < number < SMALL:
            return _("minder dan %(n)s") % {"n": SMALL}
        return str(number)

    def told_total(self, number: int) -> str:
        """A sum of cells: only about so many, where subtracting would show a small one."""
        if number < SMALL or not self.is_small:
            return self.told(number)
        return _("ongeveer %(n)s") % {"n": round(number, -1) or 10}

    @property
    def told_counted(self) -> str:
        return self.told_total(self.counted)

    @property
    def told_different(self) -> str:
        return self.told_total(self.different)

    @property
    def told_erased(self) -> str:
        return self.told(self.erased)

    @property
    def told_unknown(self) -> str:
        return self.told(self.unknown)

    @property
    def columns(self) -> list[str]:
        return [urgency_name(code) for code in HEAVY_FIRST]

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [
            {
                "name": urgency_name(old),
                "cells": [
                    {
                        "told": self.told(self.moved[old, new]),
                        "name": urgency_name(new),
                        "is_same": old == new,
                        "is_empty": not self.moved[old, new],
                    }
                    for new in HEAVY_FIRST
                ],
            }
            for old in HEAVY_FIRST
        ]


def replay(brand: Brand, data: dict[str, Any], now: datetime, days: int = DAYS) -> Replay:
    """Weigh the intakes of this many days again, with the rules of `data`."""
    versions = {one.version: one.data for one in Questionnaire.objects.filter(brand=brand)}
    # Only what says something about urgency makes a difference: the rest need not be weighed twice.
    same = {version for version, old in versions.items() if _weighs_the_same(old, data)}
    came = Conversation.objects.filter(brand=brand, created_at__gte=now - timedelta(days=days))
    found = Replay(
        erased=came.filter(key=None).count(),
        unknown=came.filter(sealed_intake=None).exclude(key=None).count(),
    )
    readable = came.exclude(key=None).exclude(sealed_intake=None)
    found.is_cut = readable.count() > MOST
    rows = readable.order_by("-created_at").values_list(
        "pk", "sealed_intake", "key__sealing_key", "key__wrapped"
    )[:MOST]
    for pk, sealed, sealing_key, wrapped in rows.iterator(chunk_size=500):
        try:
            told = json.loads(
                DataKey.unwrap(sealing_key, wrapped).unseal(sealed or b"", pk, "intake")
            )
        except (KeyMissing, SealBroken):
            found.unknown += 1
            continue
        old, answers = versions.get(told.get("version")), told.get("given")
        if old is None or answers is None:
            found.unknown += 1
            continue
        texts = rules.texts_of(answers)
        was = rules.assess(old, answers, texts).urgency
        is_same = told["version"] in same
        found.moved[was, was if is_same else rules.assess(data, answers, texts).urgency] += 1
    return found


def _weighs_the_same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    return _weighing(one) == _weighing(other)


def _weighing(data: dict[str, Any]) -> list[Any]:
    """All that urgency depends on: weights and conditions, and no texts."""
    return [
        {
            question["code"]: {o["code"]: o.get("weight", 0) for o in question.get("options", [])}
            for question in rules.questions(data)
        },
        [
            [rule.get(name) for name in ("at_least", "chosen", "count", "urgency")]
            for rule in data["rules"]
        ],
        [
            [group.get(name) for name in ("question", "phrases", "except", "urgency")]
            for group in data["words"]
        ],
    ]
