"""A worker's own hours: what was planned, what was measured, and asking for a correction."""

from dataclasses import dataclass
from datetime import timedelta
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from institutions.access import Staff, worker_required
from roster.models import HoursEntry, RosterPeriod, ServiceLine

# What is older is on paper with the coordinator by now.
SHOWN = timedelta(days=183)


@dataclass(frozen=True)
class Row:
    """One duty that is over, its times in words, and whether its worker may still object."""

    entry: HoursEntry
    planned: str
    counts: str
    claimed: str
    may_claim: bool
    # What the form begins with.
    hours: int
    minutes: int


def duration(minutes: int) -> str:
    """`2 uur`, `1 uur en 45 min` or `30 min`."""
    hours, rest = divmod(minutes, 60)
    if not hours:
        return _("%(minutes)s min") % {"minutes": rest}
    if not rest:
        return _("%(hours)s uur") % {"hours": hours}
    return _("%(hours)s uur en %(minutes)s min") % {"hours": hours, "minutes": rest}


def _row(entry: HoursEntry) -> Row:
    period = entry.duty.hour.period
    is_settled = period is not None and period.state == RosterPeriod.State.SETTLED
    is_waiting = entry.state == HoursEntry.State.CLAIMED
    begin = entry.claimed_minutes if is_waiting else entry.minutes
    hours, minutes = divmod(begin or 0, 60)
    return Row(
        entry=entry,
        planned=duration(entry.planned_minutes),
        counts=duration(entry.minutes),
        claimed=duration(entry.claimed_minutes) if entry.claimed_minutes is not None else "",
        may_claim=not is_settled
        and entry.state in (HoursEntry.State.MEASURED, HoursEntry.State.CLAIMED),
        hours=hours,
        minutes=minutes,
    )


@require_safe
@worker_required
def my_hours(request: HttpRequest) -> HttpResponse:
    """The last half year, by month, newest first."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    since = timezone.now() - SHOWN
    entries = (
        HoursEntry.objects.filter(duty__worker=staff.user, duty__start__gte=since)
        .select_related("duty__hour__line", "duty__hour__period", "duty__credited_to")
        .order_by("-duty__start", "-pk")
    )
    months = []
    for first, some in groupby(entries, lambda entry: entry.duty.hour.local_date.replace(day=1)):
        rows = [_row(entry) for entry in some]
        months.append((first, rows, duration(sum(row.entry.minutes for row in rows))))
    context = {
        "months": months,
        "has_lines": ServiceLine.objects.count() > 1,
        "has_institutions": len(staff.worker_of) > 1,
    }
    return render(request, "roster/my_hours.html", context)
