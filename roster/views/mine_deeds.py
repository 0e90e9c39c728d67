"""What a worker does with a duty, a seat or a request: one form each, then back to the page.

Every deed is a verb of the model that it changes; what that refuses is told in a sentence.
"""

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from institutions.access import Staff, worker_required
from institutions.models import Institution
from roster import mine
from roster.models import ConsultationHour, CoverRequest, Duty, HoursEntry, RosterRefused
from roster.texts import own_refusal
from roster.worker_forms import ClaimHoursForm, PartForm

# Where a form may lead back to.
PAGES = ("roster_mine", "roster_free", "roster_my_hours")


def _back(request: HttpRequest, page: str = "") -> HttpResponseRedirect:
    page = request.POST.get("back", page)
    return HttpResponseRedirect(reverse(page if page in PAGES else PAGES[0]), status=303)


def _do(request: HttpRequest, deed: Callable[[], object], done: str) -> bool:
    """Do it and say so; else say why not."""
    try:
        deed()
    except RosterRefused as refused:
        messages.error(request, own_refusal(refused.code))
        return False
    messages.success(request, done)
    return True


def _institution(request: HttpRequest, staff: Staff) -> Institution:
    """For which of the own institutions; who has one need not say."""
    wanted = request.POST.get("institution", "")
    if not wanted and len(staff.worker_of) == 1:
        wanted = str(staff.institution_id)
    if not wanted.isdecimal() or int(wanted) not in staff.worker_of:
        raise Http404
    return Institution.objects.get(pk=int(wanted))


def _number(request: HttpRequest, name: str) -> int | None:
    """A key that a form sends; None when it is empty. What is no number is not there."""
    value = request.POST.get(name, "")
    if not value:
        return None
    if not value.isdecimal() or len(value) > 18:
        raise Http404
    return int(value)


# --- Own duties -----------------------------------------------------------------------------------


@require_POST
@worker_required
def do_duty(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Give back, not come, or ask somebody else; of the own duties only."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    duty = get_object_or_404(Duty.objects.select_related("hour__line"), pk=pk, worker=staff.user)
    now = timezone.now()
    match deed:
        case "release":
            done = _("Je dienst is teruggegeven. De plek is weer vrij.")
            _do(request, lambda: duty.release(staff.user, now), done)
        case "cannot-come":
            done = _(
                "Je bent afgemeld. We vragen nu aan collega’s of zij kunnen. Jij hoeft niets meer te doen."
            )
            _do(request, lambda: duty.cannot_come(staff.user, now), done)
        case "ask":
            _ask(request, staff, duty, now)
        case "exchange":
            _exchange(request, staff, duty, now)
        case "part":
            return _ask_part(request, staff, duty, now)
        case _:
            raise Http404
    return _back(request)


def _ask(request: HttpRequest, staff: Staff, duty: Duty, now: datetime) -> None:
    to = None
    if wanted := _number(request, "to"):
        to = next((one for one in mine.colleagues(duty, staff.worker_of) if one.pk == wanted), None)
        if to is None:
            raise Http404
    done = (
        _("Je vraag is verstuurd aan %(name)s. Tot iemand ja zegt, blijft de dienst van jou.")
        % {"name": to.name}
        if to
        else _("Je vraag is verstuurd. Tot iemand ja zegt, blijft de dienst van jou.")
    )
    kind = CoverRequest.Kind.GIVE_AWAY
    _do(request, lambda: duty.ask_cover(staff.user, kind=kind, to_worker=to, now=now), done)


def _exchange(request: HttpRequest, staff: Staff, duty: Duty, now: datetime) -> None:
    offered = None
    if wanted := _number(request, "with"):
        offered = next(
            (one for one in mine.exchanges(duty, staff.worker_of, now) if one.pk == wanted), None
        )
        if offered is None:
            raise Http404
    _do(
        request,
        lambda: duty.ask_cover(
            staff.user, kind=CoverRequest.Kind.EXCHANGE, offered_duty=offered, now=now
        ),
        _("Je vraag om te ruilen is verstuurd. Tot iemand ja zegt, blijft de dienst van jou."),
    )


def _ask_part(request: HttpRequest, staff: Staff, duty: Duty, now: datetime) -> HttpResponse:
    form = PartForm(request.POST, within=duty)
    if not form.is_valid():
        for errors in form.errors.values():
            messages.error(request, str(errors[0]))
        return HttpResponseRedirect(reverse("roster_my_duty", args=[duty.pk]), status=303)
    _do(
        request,
        lambda: duty.ask_cover(
            staff.user, kind=CoverRequest.Kind.PART, part=form.cleaned_data["part"], now=now
        ),
        _("Je vraag is verstuurd. Tot iemand ja zegt, blijft de dienst van jou."),
    )
    return _back(request)


# --- Seats ----------------------------------------------------------------------------------------


@require_POST
@worker_required
def take(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a seat in an hour to come."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    hour = get_object_or_404(ConsultationHour.objects.select_related("line", "period"), pk=pk)
    institution = _institution(request, staff)
    _do(
        request,
        lambda: hour.fill(staff.user, institution, now=timezone.now()),
        _("Je hebt er een dienst bij: %(date)s, %(start)s – %(end)s.")
        % {
            "date": date_format(hour.local_date, "l j F"),
            "start": f"{hour.local_start:%H:%M}",
            "end": f"{hour.local_end:%H:%M}",
        },
    )
    return _back(request, "roster_free")


@require_POST
@worker_required
def step_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Help out in an hour that goes on, from now."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    hour = get_object_or_404(ConsultationHour.objects.select_related("line", "period"), pk=pk)
    institution = _institution(request, staff)
    _do(
        request,
        lambda: hour.step_in(staff.user, institution, timezone.now()),
        _("Je hebt nu dienst tot %(time)s. Ga naar je werkplek en zet jezelf op beschikbaar.")
        % {"time": f"{hour.end.astimezone(hour.line.zone):%H:%M}"},
    )
    return _back(request)


# --- Requests -------------------------------------------------------------------------------------


@require_POST
@worker_required
def do_request(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Say yes or no to a colleague, or take back one's own question."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    asked = get_object_or_404(
        CoverRequest.objects.visible_to(staff).select_related("duty__hour__line").distinct(), pk=pk
    )
    now = timezone.now()
    match deed:
        case "claim":
            _claim(request, staff, asked, now)
        case "decline":
            done = _("Je hebt nee gezegd. We vragen het je voor deze dienst niet nog eens.")
            _do(request, lambda: asked.decline(staff.user, now), done)
        case "unclaim":
            done = _("Goed dat je het zegt. De dienst blijft van je collega.")
            _do(request, lambda: asked.unclaim(staff.user, now), done)
        case "withdraw":
            done = _("Je vraag is ingetrokken. De dienst is gewoon weer van jou.")
            _do(request, lambda: asked.withdraw(staff.user, now), done)
        case _:
            raise Http404
    return _back(request)


def _claim(request: HttpRequest, staff: Staff, asked: CoverRequest, now: datetime) -> None:
    institution = _institution(request, staff)
    offered = None
    if wanted := _number(request, "offered"):
        offered = get_object_or_404(Duty, pk=wanted, worker=staff.user)
    try:
        asked.claim(staff.user, institution, now, offered_duty=offered)
    except RosterRefused as refused:
        messages.error(request, own_refusal(refused.code))
        return
    if asked.state == CoverRequest.State.DONE:
        messages.success(request, _("Gelukt. De dienst staat nu bij jouw diensten."))
    else:
        text = _("Dank je wel. Een coördinator kijkt er nog naar. Je krijgt een e-mail.")
        messages.success(request, text)


# --- Hours ----------------------------------------------------------------------------------------


@require_POST
@worker_required
def claim_hours(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask for other minutes than were measured, or not any more; a coordinator decides."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    entry = get_object_or_404(HoursEntry.objects.filter(duty__worker=staff.user), pk=pk)
    form = ClaimHoursForm(request.POST)
    if request.POST.get("action") == "withdraw":
        done = _("Je correctie is ingetrokken.")
        _do(request, lambda: entry.withdraw(staff.user), done)
    elif form.is_valid():
        done = _("Je correctie is verstuurd. Een coördinator kijkt ernaar.")
        _do(request, lambda: entry.claim(staff.user, form.cleaned_data["total"]), done)
    else:
        for errors in form.errors.values():
            messages.error(request, str(errors[0]))
    return _back(request, "roster_my_hours")
