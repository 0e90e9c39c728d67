"""When a worker can, cannot, is away, and how much they like to do: all of it by themselves."""

import zoneinfo
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from institutions.access import Staff, worker_required
from institutions.models import User
from roster.models import (
    Absence,
    Availability,
    Duty,
    RosterRefused,
    ServiceLine,
    WorkerWishes,
)
from roster.worker_forms import (
    WEEKDAYS,
    AbsenceForm,
    SpanForm,
    WeeklyForm,
    WishesForm,
    wishes_of,
)


@worker_required
@require_http_methods(["GET", "HEAD", "POST"])
def availability(request: HttpRequest) -> HttpResponse:
    """One page with four forms; each post is one of them, or takes something away."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    worker = staff.user
    if request.method == "POST" and "remove" in request.POST:
        _remove(request, worker)
        return redirect("roster_availability")
    now = timezone.now()
    lines = list(ServiceLine.objects.all())
    zone = lines[0].zone if lines else zoneinfo.ZoneInfo(settings.TIME_ZONE)
    today = now.astimezone(zone).date()
    wanted = request.POST.get("form")

    def data(name: str) -> Any:
        return request.POST if request.method == "POST" and wanted == name else None

    weekly = WeeklyForm(data("weekly"))
    span = SpanForm(data("span"), zone=zone, now=now)
    absence = AbsenceForm(data("absence"), today=today)
    wishes = WishesForm(data("wishes"), initial=wishes_of(worker))
    if len(lines) < 2:
        del wishes.fields["preferred_line"]
    for form in (weekly, span, absence, wishes):
        if form.is_bound and form.is_valid():
            try:
                _save(request, worker, form, zone.key)
            except RosterRefused:
                form.add_error(None, _("Er staat al te veel in je lijst. Haal eerst iets weg."))
            else:
                return redirect("roster_availability")
    stated = Availability.objects.filter(worker=worker).still_holding(now, today)
    context = {
        "weekly": weekly,
        "span": span,
        "absence": absence,
        "wishes": wishes,
        "patterns": _by_day(stated.filter(weekday__isnull=False).order_by("local_start", "pk")),
        "spans": stated.filter(weekday__isnull=True).order_by("start", "pk"),
        "absences": Absence.objects.filter(worker=worker, last_date__gte=today),
        "zone": zone.key,
    }
    return render(request, "roster/availability.html", context)


def _by_day(patterns: Any) -> list[tuple[str, list[Availability]]]:
    days: dict[int, list[Availability]] = {}
    for pattern in patterns:
        days.setdefault(pattern.weekday, []).append(pattern)
    return [(str(name), days[number]) for number, name in WEEKDAYS if number in days]


def _save(request: HttpRequest, worker: User, form: Any, tz: str) -> None:
    given = form.cleaned_data
    match form:
        case WeeklyForm():
            Availability.add_weekly(worker, tz=tz, **given)
        case SpanForm():
            Availability.add_span(worker, given["kind"], given["start"], given["end"])
        case AbsenceForm():
            absence = Absence.add(worker, **given)
            _tell_about_duties(request, worker, absence)
        case WishesForm():
            WorkerWishes.objects.update_or_create(worker=worker, defaults=given)
    messages.success(request, _("Opgeslagen."))


def _tell_about_duties(request: HttpRequest, worker: User, absence: Absence) -> None:
    """Being away does not take anybody off the roster: that needs somebody else first."""
    count = (
        Duty.objects.active()
        .filter(
            worker=worker,
            end__gt=timezone.now(),
            hour__local_date__range=(absence.first_date, absence.last_date),
        )
        .count()
    )
    if count:
        text = ngettext(
            "Je hebt in deze dagen nog %(count)s dienst. Geef die terug of vraag vervanging bij Mijn diensten.",
            "Je hebt in deze dagen nog %(count)s diensten. Geef die terug of vraag vervanging bij Mijn diensten.",
            count,
        )
        messages.warning(request, text % {"count": count})


def _remove(request: HttpRequest, worker: User) -> None:
    """Take one thing away; that it is already gone is no mistake, somebody else's is not there."""
    model = {"availability": Availability, "absence": Absence}.get(request.POST.get("of", ""))
    number = request.POST["remove"]
    if model is None or not number.isdecimal() or len(number) > 18:
        raise Http404
    found: Any = model._default_manager.filter(pk=int(number))
    if found.exclude(worker=worker).exists():
        raise Http404
    found.filter(worker=worker).delete()
    messages.success(request, _("Weggehaald."))
