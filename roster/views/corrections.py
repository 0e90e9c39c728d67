"""Registered hours: what workers say was otherwise, and what counts."""

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from institutions.access import Staff, coordinator_required
from roster.models import HoursEntry
from roster.models.worked import HoursEntryQuerySet
from roster.views.steering import attempt, line_of, page, staff_on, to

TAB = "corrections"
RECENT = 30


def _of_others(staff: Staff) -> HoursEntryQuerySet:
    """Nobody decides about their own hours, so those are not here."""
    entries: HoursEntryQuerySet = HoursEntry.objects.visible_to(staff)
    return entries.exclude(duty__worker=staff.user).select_related(
        "duty__worker", "duty__credited_to", "duty__hour__line", "approver"
    )


@require_safe
@coordinator_required
def corrections(request: HttpRequest) -> HttpResponse:
    """What waits for this coordinator, oldest first; and what was registered lately."""
    line, staff = line_of(request), staff_on(request)
    entries = _of_others(staff).filter(duty__hour__line=line)
    return page(
        request,
        "corrections",
        line,
        TAB,
        waiting=list(entries.claimed().order_by("claimed_at", "pk")),
        recent=list(
            entries.exclude(state=HoursEntry.State.CLAIMED).order_by("-duty__start", "-pk")[:RECENT]
        ),
        now=timezone.now(),
    )


@require_POST
@coordinator_required
def decide(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve what is asked or another number, or leave it at what was measured."""
    staff = staff_on(request)
    entry = get_object_or_404(_of_others(staff), pk=pk)
    deed = request.POST.get("deed")
    if deed == "approve":
        minutes = _minutes(request)
        attempt(request, lambda: entry.approve(staff.user, minutes), _("Goedgekeurd."))
    elif deed == "reject":
        attempt(
            request,
            lambda: entry.reject(staff.user),
            _("Niet goedgekeurd. Het blijft bij wat gemeten is."),
        )
    else:
        raise Http404
    return redirect(to("roster_corrections", entry.duty.hour.line))


def _minutes(request: HttpRequest) -> int | None:
    """What was filled in, in minutes; nothing: what was asked counts."""
    hours, minutes = (request.POST.get(name, "").strip() for name in ("hours", "minutes"))
    if not hours and not minutes:
        return None
    if not (hours or "0").isdecimal() or not (minutes or "0").isdecimal():
        return -1  # the verb says why not
    return int((hours or "0")[:4]) * 60 + int((minutes or "0")[:4])
