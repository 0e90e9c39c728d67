"""A worker's own hours: what was planned, what was measured, and asking for a correction."""

from datetime import timedelta
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.http import require_safe

from institutions.access import Staff, worker_required
from roster.models import HoursEntry, ServiceLine

# What is older is on paper with the coordinator by now.
SHOWN = timedelta(days=183)


@worker_required
@require_safe
def my_hours(request: HttpRequest) -> HttpResponse:
    """The last half year, by month, newest first."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    since = timezone.now() - SHOWN
    entries = (
        HoursEntry.objects.filter(duty__worker=staff.user, duty__start__gte=since)
        .select_related("duty__hour__line", "duty__hour__period", "duty__credited_to")
        .order_by("-duty__start", "-pk")
    )
    months = [
        (first, list(some))
        for first, some in groupby(
            entries, lambda entry: entry.duty.hour.local_date.replace(day=1)
        )
    ]
    context = {
        "months": [
            (first, some, sum(entry.minutes for entry in some)) for first, some in months
        ],
        "has_lines": ServiceLine.objects.count() > 1,
        "has_institutions": len(staff.worker_of) > 1,
    }
    return render(request, "roster/my_hours.html", context)

