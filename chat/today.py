"""The page of today: the roster's day beside the chat's queue, and the coordinator's hand.

It lives in chat because it shows both and the roster never looks up.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from chat import queue
from chat.events import DeskChanged, publish
from chat.models import Conversation
from institutions.access import Staff, staff_required
from institutions.models import JobRun
from roster.forms import OverrideForm
from roster.models import OpenOverride, ServiceLine
from roster.opening import evaluate
from roster.today import today_of


@dataclass(frozen=True)
class Figures:
    """The chat in numbers, now.

    `longest_minutes`: how long the first to come waits already. `alert_minutes`: how long somebody
    who needs help now waits without an answer, past the time for that; None when nobody does.
    """

    waiting: int
    urgent: int
    longest_minutes: int
    active: int
    alert_minutes: int | None = None


@staff_required
@require_http_methods(["GET", "HEAD", "POST"])
def today(request: HttpRequest) -> HttpResponse:
    """Everybody on the staff may look; the platform's coordinators may open and close by hand."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    lines = list(ServiceLine.objects.all())
    line = _chosen(lines, request.GET.get("line"))
    now = timezone.now()
    form = OverrideForm(line=line, now=now, initial={"until": _until(line, now)})
    if request.method == "POST":
        if not staff.is_platform_coordinator:
            raise PermissionDenied
        if request.POST.get("action") == "withdraw":
            _withdraw(request, line, staff)
            return _back(request)
        form = OverrideForm(request.POST, line=line, now=now)
        if form.is_valid():
            _force(request, line, staff, form)
            return _back(request)
    opening = queue.opening_of(line, now)
    context = {
        "lines": lines,
        "line": line,
        "now": now,
        "opening": opening,
        "figures": figures(line, now),
        "today": today_of(line, now, staff),
        "form": form,
        "late_jobs": list(JobRun.objects.late(now)),
    }
    return render(request, "roster/today.html", context)


def figures(line: ServiceLine, now: datetime) -> Figures:
    waiting = queue.waiting_on(line)
    longest = max((now - one.since for one in waiting), default=timedelta(0))
    unanswered = (
        Conversation.objects.waiting()
        .filter(line=line, urgency=Conversation.Urgency.NOW, alert_due_at__lte=now)
        .order_by("waiting_since")
        .values_list("waiting_since", flat=True)
        .first()
    )
    return Figures(
        waiting=len(waiting),
        urgent=sum(one.urgency == Conversation.Urgency.NOW for one in waiting),
        longest_minutes=max(0, longest // timedelta(minutes=1)),
        active=Conversation.objects.active().filter(line=line).count(),
        alert_minutes=max(1, (now - unanswered) // timedelta(minutes=1)) if unanswered else None,
    )


def _chosen(lines: list[ServiceLine], asked: str | None) -> ServiceLine:
    for line in lines:
        if asked is None or asked == str(line.pk):
            return line
    raise Http404


def _until(line: ServiceLine, now: datetime) -> datetime:
    """A sensible proposal: the end of the hour that goes on, else an hour from now."""
    running = line.hours.planned().covering(now).order_by("end").last()
    later = now + timedelta(hours=1)
    until = running.end if running else later
    return until.astimezone(line.zone).replace(second=0, microsecond=0)


def _force(request: HttpRequest, line: ServiceLine, staff: Staff, form: OverrideForm) -> None:
    override = OpenOverride.force(line, author=staff.user, **form.cleaned_data)
    _tell(line)
    until = f"{override.until.astimezone(line.zone):%H:%M}"
    if override.is_open:
        messages.success(request, _("De chat staat open tot %(time)s.") % {"time": until})
    else:
        messages.success(request, _("De chat staat dicht tot %(time)s.") % {"time": until})


def _withdraw(request: HttpRequest, line: ServiceLine, staff: Staff) -> None:
    override = OpenOverride.objects.holding(timezone.now()).filter(line=line).first()
    if override is not None and override.withdraw(staff.user):
        _tell(line)
        messages.success(request, _("Het rooster bepaalt weer of de chat open is."))
    else:
        messages.info(
            request, _("De chat stond niet meer met de hand open of dicht. Het rooster bepaalt.")
        )


def _tell(line: ServiceLine) -> None:
    """Log the change and tell the desks at once, without waiting for the tick."""
    now = timezone.now()
    evaluate(line, queue.load(line, now), now)
    with transaction.atomic():
        publish(DeskChanged(line=line.pk))


def _back(request: HttpRequest) -> HttpResponse:
    """To the same line, by GET, so that a reload repeats nothing."""
    query = request.GET.urlencode()
    return HttpResponseRedirect(reverse("today") + (f"?{query}" if query else ""), status=303)
