"""A worker's own pages: duties, what colleagues ask, and seats that are free."""

from datetime import date, timedelta
from itertools import groupby

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.http import require_safe

from institutions.access import Staff, worker_required
from roster import mine
from roster.availability import said_by
from roster.models import ConsultationHour, CoverRequest, Duty, ServiceLine

# How far the list of free seats looks, and how far when asked for more.
WEEKS, MORE_WEEKS = 4, 13
# So many questions of colleagues stand open on the page; the others one press further.
FIRST = 8


@require_safe
@worker_required
def my_duties(request: HttpRequest) -> HttpResponse:
    """What there is to do, what is asked, and where somebody may step in now."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    now = timezone.now()
    duties = mine.my_duties(staff, now)
    asked = mine.asked(staff, now, duties)
    context = {
        "soon": [one for one in duties if one.is_soon],
        "later": [one for one in duties if not one.is_soon],
        "asked": asked[:FIRST],
        "asked_more": asked[FIRST:],
        "asked_count": len(asked),
        "claims": mine.claims(staff),
        "step_ins": mine.step_ins(staff, now),
        "away": mine.away(staff, now),
        "institutions": mine.institutions_of(staff),
        "has_lines": ServiceLine.objects.count() > 1,
    }
    return render(request, "roster/mine.html", context)


@require_safe
@worker_required
def my_duty(request: HttpRequest, pk: int) -> HttpResponse:
    """One own duty: everything that can be done about it."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    now = timezone.now()
    duty = get_object_or_404(
        Duty.objects.select_related("hour__line", "hour__period", "credited_to"),
        pk=pk,
        worker=staff.user,
    )
    live = CoverRequest.objects.live().filter(duty=duty).select_related("to_worker", "claimed_by")
    said = said_by([staff.user.pk], duty.start, duty.end)[staff.user.pk]
    one = mine.my_duty(duty, live.first(), said, now)
    is_open = duty.status in (Duty.Status.CONFIRMED, Duty.Status.COVER_WANTED) and duty.end > now
    context = {
        "one": one,
        "is_open": is_open,
        "colleagues": mine.colleagues(duty, staff.worker_of) if one.can_ask else [],
        "exchanges": mine.exchanges(duty, staff.worker_of, now) if one.can_ask else [],
    }
    return render(request, "roster/my_duty.html", context)


@require_safe
@worker_required
def free(request: HttpRequest) -> HttpResponse:
    """The seats that this worker may take, by week; what they cannot do is left out."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    now = timezone.now()
    has_more = request.GET.get("more") != "1"
    until = now + timedelta(weeks=WEEKS if has_more else MORE_WEEKS)
    found = mine.chances(staff, now, until)
    shown = [one for one in found if not one.is_unliked]
    context = {
        "weeks": [
            (monday, list(some)) for monday, some in groupby(shown, lambda one: _monday(one.hour))
        ],
        "unliked": [one for one in found if one.is_unliked],
        "has_more": has_more,
        "weeks_shown": WEEKS if has_more else MORE_WEEKS,
        "institutions": mine.institutions_of(staff),
        "has_lines": ServiceLine.objects.count() > 1,
    }
    return render(request, "roster/free.html", context)


def _monday(hour: ConsultationHour) -> date:
    return hour.local_date - timedelta(days=hour.local_date.weekday())
