"""Why somebody stands where they stand, in plain words for the worker.

Sentences in the active language, except how many seconds are left of being first for somebody: the
desk counts those down itself.
"""

import math
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.models.first import Hold
from chat.queue import FIRST, KEPT, NOW, SOON, Standing
from institutions.models import Skill
from institutions.places import name_of

# What somebody wishes for, as a card says it; the codes of institutions.models.Skill.
WISHES = {
    Skill.ENGLISH.value: gettext_lazy("praat liever Engels"),
    Skill.WOMAN.value: gettext_lazy("praat liever met een vrouw"),
    Skill.MAN.value: gettext_lazy("praat liever met een man"),
    Skill.SUICIDE.value: gettext_lazy("wil over zelfdoding praten"),
    Skill.ABUSE.value: gettext_lazy("wil over seksueel geweld praten"),
    Skill.QUEER.value: gettext_lazy("wil praten over gender of op wie je valt"),
    Skill.CHILDREN.value: gettext_lazy("is jonger dan 12"),
}


def wishes(codes: Iterable[str]) -> list[str]:
    """In words; a code of a questionnaire that nobody has a word for stays as it is."""
    return [str(WISHES.get(code, code)) for code in codes]


def sentences(standing: Standing, now: datetime) -> list[str]:
    """Return what the place follows from, and who went before who came later."""
    waiting = standing.waiting
    minutes = max(0, (now - waiting.since) // timedelta(minutes=1))
    if waiting.returned:
        why = _("Was al in gesprek: gaat voor.")
    elif standing.level == FIRST:
        why = _("Stond eerst, wacht al %(n)s minuten: gaat nu voor.") % {"n": minutes}
    elif standing.level == NOW:
        why = _("Gaat voor: heeft nu hulp nodig.")
    elif standing.level == KEPT:
        why = _("Uitgenodigd na een brief: de plaats is bewaard.")
    elif standing.is_promoted:
        why = _("Wacht al %(n)s minuten: telt nu als ‘liefst snel’.") % {"n": minutes}
    elif standing.level == SOON:
        why = _("Wil liefst snel: gaat voor wie kan wachten.")
    else:
        why = _("Op volgorde van binnenkomst.")
    passed = standing.passed
    if not passed:
        return [why]
    return [
        why,
        ngettext(
            "%(n)s die later kwam gaat voor, want die heeft sneller hulp nodig.",
            "%(n)s die later kwamen gaan voor, want die hebben sneller hulp nodig.",
            passed,
        )
        % {"n": passed},
    ]


def first_for(hold: Hold, region: str, worker: int, now: datetime) -> dict[str, Any] | None:
    """Return for whom they are first, as the desk shows it: how long still, and whether that is you.

    In seconds and not until when, because the clock of the worker's computer may be wrong.
    """
    if not hold or hold.until is None:
        return None
    return {
        "seconds": math.ceil((hold.until - now).total_seconds()),
        "mine": worker in hold.workers,
        "because": hold.because,
        "who": name_of(region) if hold.because != "wish" else "",
    }
