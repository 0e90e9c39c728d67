"""How letters go, in numbers: how many, within the promise or not, how long it takes, what is open.

What lies there now is exact, because somebody has to act on it. Of what was done in a period small
numbers are not told, so that nobody reads one young person in them.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import median

from django.db.models import Count
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from chat.models import Conversation, LetterAnswer
from institutions.access import Staff, coordinator_required
from institutions.models import Institution

# Fewer than this are not told.
SMALL = 5
WEEKS = (4, 13, 52)


@dataclass(frozen=True)
class Row:
    """One institution, or all of them. None: too few to tell."""

    name: str
    came: int | None
    answered: int | None
    in_time: int | None
    median: timedelta | None
    open: int
    overdue: int

    @property
    def percent(self) -> int | None:
        if self.answered is None or self.in_time is None:
            return None
        return 100 * self.in_time // self.answered

    @property
    def took(self) -> str:
        """The median time in words."""
        if self.median is None:
            return ""
        hours = round(self.median / timedelta(hours=1))
        if hours < 1:
            return _("minder dan een uur")
        days, rest = divmod(hours, 24)
        parts = []
        if days:
            parts.append(ngettext("%(n)s dag", "%(n)s dagen", days) % {"n": days})
        if rest or not days:
            parts.append(ngettext("%(n)s uur", "%(n)s uur", rest) % {"n": rest})
        return " ".join(parts)


@require_safe
@coordinator_required
def figures(request: HttpRequest) -> HttpResponse:
    """The platform's coordinators see all institutions, others their own."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    asked = request.GET.get("weeks", "")
    weeks = int(asked) if asked in map(str, WEEKS) else 13
    now = timezone.now()
    institutions = Institution.objects.all()
    if not staff.is_platform_coordinator:
        institutions = institutions.filter(pk__in=staff.coordinator_of)
    rows, total = read(
        dict(institutions.values_list("pk", "name")), now - timedelta(weeks=weeks), now
    )
    context = {"rows": rows, "total": total, "weeks": weeks, "choices": WEEKS, "small": SMALL}
    return render(request, "chat/letter_figures.html", context)


def read(names: dict[int, str], since: datetime, now: datetime) -> tuple[list[Row], Row]:
    """The figures of each institution that has any, and of all of these together."""
    letters = Conversation.objects.letters().filter(institution__in=names).order_by()
    came = _count(letters.filter(created_at__gte=since, created_at__lte=now))
    promised = letters.live().filter(due_at__isnull=False)
    is_open, overdue = _count(promised), _count(promised.filter(due_at__lte=now))
    times: dict[int, list[timedelta]] = {}
    in_time: Counter[int] = Counter()
    answers = LetterAnswer.objects.filter(
        institution__in=names, answered_at__gte=since, answered_at__lte=now
    )
    for institution, asked, due, answered in answers.values_list(
        "institution", "asked_at", "due_at", "answered_at"
    ):
        times.setdefault(institution, []).append(answered - asked)
        in_time[institution] += answered <= due
    done = Counter({one: len(spans) for one, spans in times.items()})
    told_came, told_done = tellable(came), tellable(done)
    rows = [
        Row(
            name=names[one],
            came=came[one] if one in told_came else None,
            answered=done[one] if one in told_done else None,
            in_time=in_time[one] if one in told_done else None,
            median=_middle(times[one]) if one in told_done else None,
            open=is_open[one],
            overdue=overdue[one],
        )
        for one in sorted(came | done | is_open, key=lambda one: names[one])
    ]
    everything = [span for spans in times.values() for span in spans]
    enough = len(everything) >= SMALL
    total = Row(
        name=_("Samen"),
        came=came.total() if came.total() >= SMALL else None,
        answered=len(everything) if enough else None,
        in_time=in_time.total() if enough else None,
        median=_middle(everything) if enough else None,
        open=is_open.total(),
        overdue=overdue.total(),
    )
    return rows, total


def _count(letters: "object") -> Counter[int]:
    rows = letters.values("institution").annotate(n=Count("pk"))  # type: ignore[attr-defined]
    return Counter(dict(rows.values_list("institution", "n")))


def _middle(spans: list[timedelta]) -> timedelta:
    return timedelta(seconds=median(span.total_seconds() for span in spans))


def tellable(numbers: Counter[int]) -> set[int]:
    """Whose number may be told: those that are large enough.

    When only one is too small, the next smallest is kept back as well: else it would be what the
    total leaves over.
    """
    known = {one: number for one, number in numbers.items() if number}
    told = {one for one, number in known.items() if number >= SMALL}
    if len(known) - len(told) == 1 and told:
        told.remove(min(told, key=lambda one: (known[one], one)))
    return told
