"""One hour: who is on its seats, who can come, and everything that may be done about it.

Each deed is one button. The verbs decide who may; a refusal that is about rights is a 403, any
other is told in a sentence.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from institutions.access import Staff, staff_required
from institutions.models import Institution, User
from roster.grid import cell_of, is_coming
from roster.hour_forms import CancelForm, MoveForm, StaffingForm
from roster.models import (
    ConsultationHour,
    CoverRequest,
    Duty,
    RosterPeriod,
    RosterRefused,
    Seat,
)
from roster.seating import (
    Seated,
    asking_for,
    candidates_of,
    free_for_all_from,
    places_of,
    requests_of,
)
from roster.texts import refusal
from roster.worker_forms import PartForm

# How many candidates are shown at once; the others are one click away.
FIRST = 8


class NotFilledIn(Exception):
    """A form of the page has errors; it is shown again."""

    def __init__(self, name: str, form: forms.Form) -> None:
        super().__init__(name)
        self.name, self.form = name, form


@dataclass(frozen=True)
class Deed:
    """A press of a button: who, about what, and what came with it."""

    staff: Staff
    hour: ConsultationHour
    now: datetime
    data: Any

    @property
    def user(self) -> User:
        return self.staff.user

    def _id(self, name: str) -> int:
        try:
            return int(self.data.get(name, "")[:12])
        except ValueError:
            raise BadRequest from None

    def duty(self) -> Duty:
        return get_object_or_404(self.hour.duties.select_related("hour"), pk=self._id("duty"))

    def seat(self) -> Seat:
        return get_object_or_404(self.hour.seats.select_related("hour"), pk=self._id("seat"))

    def seated(self) -> Seated:
        """The duty, when this one may act for its worker."""
        duty = self.duty()
        if not self.staff.is_platform_coordinator and (
            duty.credited_to_id not in self.staff.coordinator_of
        ):
            raise PermissionDenied
        places = places_of(self.hour, self.now, self.staff)
        found = [one for place in places for one in place.people if one.duty == duty]
        if not found:
            raise RosterRefused("wrong_state")
        return found[0]

    def exchange_with(self) -> Duty | None:
        """The duty of another that is wanted in exchange; None: whatever is offered."""
        known = asking_for(self.seated(), self.staff, self.now).exchanges
        if not self.data.get("with"):
            return None
        wanted = self._id("with")
        other = next((one for one in known if one.pk == wanted), None)
        if other is None:
            raise RosterRefused("no_offer")
        return other

    def some_seat(self) -> Seat | None:
        return self.seat() if self.data.get("seat") else None

    def request(self) -> CoverRequest:
        return get_object_or_404(requests_of(self.hour, self.staff), pk=self._id("request"))

    def part(self, within: Duty | ConsultationHour) -> tuple[datetime, datetime] | None:
        """The part that came with it, in wall times; None: all of it."""
        return part_of(self.data, within)

    def own_institution(self, rather: int | None = None) -> Institution:
        """For which institution somebody comes.

        The one that the button names, else `rather` if they work for it, else their first one.
        """
        if not self.staff.is_worker:
            raise PermissionDenied
        if self.data.get("institution"):
            return get_object_or_404(Institution, pk=self._id("institution"))
        own = rather if rather in self.staff.worker_of else self.staff.institution_id
        return Institution.objects.get(pk=own)

    def candidate(self) -> tuple[User, Institution]:
        """The worker and the institution of a button: "12:3"."""
        worker, _colon, institution = self.data.get("worker", "").partition(":")
        if not (worker.isdecimal() and institution.isdecimal()):
            raise BadRequest
        people = User.objects.coordinated_by(self.staff).filter(is_active=True)
        return (
            get_object_or_404(people, pk=int(worker[:12])),
            get_object_or_404(Institution, pk=int(institution[:12])),
        )

    def form(self, name: str) -> dict[str, Any]:
        form = _FORMS[name](self.data, hour=self.hour)
        if not form.is_valid():
            raise NotFilledIn(name, form)
        return form.cleaned_data


_FORMS: dict[str, Callable[..., forms.Form]] = {
    "cancel": CancelForm,
    "move": MoveForm,
    "staff": StaffingForm,
}


def part_of(data: Any, within: Duty | ConsultationHour) -> tuple[datetime, datetime] | None:
    """The part that two wall times name; None when both are left empty.

    Raises RosterRefused: outside.
    """
    if not data.get("start") and not data.get("end"):
        return None
    form = PartForm(data, within=within)
    if not form.is_valid():
        raise RosterRefused("outside")
    part: tuple[datetime, datetime] = form.cleaned_data["part"]
    return None if part == (within.start, within.end) else part


def take(deed: Deed) -> str:
    if deed.hour.start <= deed.now and deed.part(deed.hour) is None:
        deed.hour.step_in(deed.user, deed.own_institution(), deed.now)
        return _("Je valt in tot het einde van dit spreekuur. Ga naar je werkplek.")
    start, end = deed.part(deed.hour) or (None, None)
    deed.hour.fill(
        deed.user,
        deed.own_institution(),
        seat=deed.some_seat(),
        start=start,
        end=end,
        now=deed.now,
    )
    return _("Deze dienst is van jou.")


def assign(deed: Deed) -> str:
    worker, institution = deed.candidate()
    start, end = deed.part(deed.hour) or (deed.hour.start, deed.hour.end)
    deed.hour.fill(
        worker,
        institution,
        by=deed.user,
        seat=deed.some_seat(),
        # Nobody was there before they were asked.
        start=max(start, deed.now.replace(second=0, microsecond=0)),
        end=end,
        now=deed.now,
    )
    return _("%(name)s is ingedeeld en krijgt bericht.") % {"name": worker.name}


def replace(deed: Deed) -> str:
    worker, institution = deed.candidate()
    duty = deed.duty()
    part = deed.part(duty)
    duty.reassign(worker, institution, deed.user, deed.now, part=part)
    if part:
        return _("%(name)s heeft dat deel van de dienst overgenomen.") % {"name": worker.name}
    return _("%(name)s heeft de dienst overgenomen.") % {"name": worker.name}


def release(deed: Deed) -> str:
    deed.duty().release(deed.user, deed.now)
    return _("De plek is weer vrij.")


def absent(deed: Deed) -> str:
    deed.duty().cannot_come(deed.user, deed.now)
    return _("Afgemeld. Wie kan invallen, wordt gevraagd.")


def lock(deed: Deed) -> str:
    deed.duty().lock(deed.user)
    return _("Deze dienst staat vast: een voorstel verandert hem niet.")


def unlock(deed: Deed) -> str:
    deed.duty().unlock(deed.user)
    return _("Een voorstel mag deze dienst weer veranderen.")


def ask(deed: Deed) -> str:
    deed.duty().ask_cover(deed.user, kind=CoverRequest.Kind.GIVE_AWAY, now=deed.now)
    return _("Er wordt vervanging gezocht. Tot iemand het overneemt, blijft de dienst staan.")


def ask_one(deed: Deed) -> str:
    """Ask one colleague, for oneself or for an own worker."""
    seated = deed.seated()
    to = get_object_or_404(User, pk=deed._id("to"))
    if to not in asking_for(seated, deed.staff, deed.now).colleagues:
        raise PermissionDenied
    kind = CoverRequest.Kind.GIVE_AWAY
    deed.duty().ask_cover(deed.user, kind=kind, to_worker=to, now=deed.now)
    return _("%(name)s krijgt de vraag. Tot die ja zegt, blijft de dienst staan.") % {
        "name": to.name
    }


def ask_part(deed: Deed) -> str:
    duty = deed.duty()
    part = deed.part(duty) or (duty.start, duty.end)
    duty.ask_cover(deed.user, kind=CoverRequest.Kind.PART, part=part, now=deed.now)
    return _(
        "Er wordt vervanging gezocht voor dat deel. Tot iemand het overneemt, blijft het staan."
    )


def ask_exchange(deed: Deed) -> str:
    """Ask to exchange with one duty of a colleague, or with whatever somebody offers."""
    other = deed.exchange_with()
    deed.duty().ask_cover(
        deed.user, kind=CoverRequest.Kind.EXCHANGE, offered_duty=other, now=deed.now
    )
    return _("De vraag om te ruilen is verstuurd. Tot iemand ja zegt, blijft de dienst staan.")


def exchange(deed: Deed) -> str:
    """Let two workers exchange at once; both get a mail. For who coordinates both."""
    other = deed.exchange_with()
    if other is None:
        raise RosterRefused("no_offer")
    CoverRequest.exchange(deed.duty(), other, deed.user, deed.now)
    return _("Geruild. Allebei krijgen ze bericht.")


def claim_exchange(deed: Deed) -> str:
    """Say yes to an exchange, with an own duty or one of an own worker."""
    request = deed.request()
    offered = get_object_or_404(Duty.objects.select_related("worker"), pk=deed._id("offered"))
    if offered.worker_id != deed.user.pk and not deed.staff.is_platform_coordinator:
        mine = deed.staff.coordinator_of
        if offered.credited_to_id not in mine:
            raise PermissionDenied
    request.claim(offered.worker, offered.credited_to, deed.now, by=deed.user, offered_duty=offered)
    if request.state == CoverRequest.State.DONE:
        return _("Geruild.")
    return _("De ruil wacht op akkoord van een coördinator.")


def unclaim(deed: Deed) -> str:
    deed.request().unclaim(deed.user, deed.now)
    return _("Ingetrokken. De dienst blijft zoals hij was.")


def claim(deed: Deed) -> str:
    request = deed.request()
    # Within one institution nobody has to agree.
    institution = deed.own_institution(rather=request.duty.credited_to_id)
    request.claim(deed.user, institution, deed.now)
    if request.state == CoverRequest.State.DONE:
        return _("Je hebt de dienst overgenomen.")
    return _("Je wilt de dienst overnemen. Een coördinator kijkt ernaar.")


def claim_for(deed: Deed) -> str:
    """Let one of the own workers take over what somebody of any institution gives away."""
    worker, institution = deed.candidate()
    request = deed.request()
    request.claim(worker, institution, deed.now, by=deed.user)
    if request.state == CoverRequest.State.DONE:
        return _("%(name)s heeft de dienst overgenomen.") % {"name": worker.name}
    return _("%(name)s wil de dienst overnemen. Een coördinator kijkt ernaar.") % {
        "name": worker.name
    }


def withdraw(deed: Deed) -> str:
    deed.request().withdraw(deed.user, deed.now)
    return _("Er wordt geen vervanging meer gezocht.")


def approve(deed: Deed) -> str:
    deed.request().approve(deed.user, deed.now)
    return _("Akkoord: de dienst is overgenomen.")


def reject(deed: Deed) -> str:
    deed.request().reject(deed.user, deed.now)
    return _("Niet akkoord: de dienst blijft zoals hij was.")


def give(deed: Deed) -> str:
    """Give a seat to nobody, so that it is everybody's."""
    deed.seat().give_to(None, deed.user, deed.staff)
    return _("De plek is nu van niemand: iedereen mag hem vullen.")


def offer(deed: Deed) -> str:
    """Ask another institution to take an own seat over."""
    institution = get_object_or_404(Institution, pk=deed._id("institution"))
    deed.seat().offer(institution, deed.user, deed.staff)
    return _("%(name)s krijgt de vraag. Tot die ja zegt, blijft de plek van jullie.") % {
        "name": institution.name
    }


def keep(deed: Deed) -> str:
    """Say no to a seat that was offered, or offer it no more."""
    deed.seat().decline(deed.user, deed.staff)
    return _("De plek blijft van wie hij was.")


def owe(deed: Deed) -> str:
    """Let the own institution owe a seat, or the one that the platform's coordinator chose."""
    institution = get_object_or_404(Institution, pk=deed._id("institution"))
    deed.seat().give_to(institution, deed.user, deed.staff)
    return _("De plek is nu van %(name)s.") % {"name": institution.name}


def cancel(deed: Deed) -> str:
    deed.hour.cancel(deed.user, **deed.form("cancel"))
    return _("Dit spreekuur gaat niet door. Wie dienst had, krijgt bericht.")


def reopen(deed: Deed) -> str:
    deed.hour.reopen(deed.user)
    return _("Dit spreekuur gaat weer door. De plekken zijn leeg.")


def move(deed: Deed) -> str:
    deed.hour.move(deed.user, **deed.form("move"))
    return _("Het spreekuur is verplaatst. Wie dienst heeft, krijgt bericht.")


def staff(deed: Deed) -> str:
    numbers = deed.form("staff")
    deed.hour.staff(
        deed.user,
        numbers["min_staff"],
        numbers["target_staff"],
        numbers["max_staff"],
        numbers["mix"],
    )
    return _("De bezetting is veranderd.")


DEEDS: dict[str, Callable[[Deed], str]] = {
    deed.__name__: deed
    for deed in (
        take,
        assign,
        replace,
        release,
        absent,
        lock,
        unlock,
        ask,
        ask_one,
        ask_part,
        ask_exchange,
        exchange,
        claim,
        claim_for,
        claim_exchange,
        unclaim,
        withdraw,
        approve,
        reject,
        give,
        offer,
        keep,
        owe,
        cancel,
        reopen,
        move,
        staff,
    )
}


@staff_required
@require_http_methods(["GET", "HEAD", "POST"])
def hour(request: HttpRequest, pk: int) -> HttpResponse:
    """Everybody on the staff may look; who may do what is up to the verbs."""
    asking: Staff = request.staff  # type: ignore[attr-defined]
    found = get_object_or_404(
        ConsultationHour.objects.visible_to(asking).select_related("line", "period"), pk=pk
    )
    now = timezone.now()
    if request.method != "POST":
        return _page(request, found, now, asking)
    act = DEEDS.get(request.POST.get("action", ""))
    if act is None:
        raise BadRequest
    try:
        messages.success(request, act(Deed(asking, found, now, request.POST)))
    except NotFilledIn as wrong:
        return _page(request, found, now, asking, {wrong.name: wrong.form})
    except RosterRefused as refused:
        if refused.code == "not_yours":
            raise PermissionDenied from None
        messages.error(request, refusal(refused.code))
    # By GET, so that a reload repeats nothing.
    return HttpResponseRedirect(reverse("roster_hour", args=[found.pk]), status=303)


def _page(
    request: HttpRequest,
    found: ConsultationHour,
    now: datetime,
    asking: Staff,
    wrong: dict[str, forms.Form] | None = None,
) -> HttpResponse:
    cell = cell_of(found, now, asking)
    places = places_of(found, now, asking)
    can_fill = is_coming(found, now)
    leaving = [one for place in places for one in place.people if one.may_act or one.may_claim_for]
    replacing = _asked(request, "duty", leaving, "duty")
    filling = _asked(request, "seat", places, "seat")
    acting = _asked(request, "for", [one for one in leaving if one.may_act and one.may_ask], "duty")
    part, no_part = None, ""
    # Of what somebody asks cover for, the request says which part.
    may_part = not replacing or not replacing.may_claim_for
    try:
        if may_part:
            part = part_of(request.GET, replacing.duty if replacing else found)
    except RosterRefused as refused:
        no_part = refusal(refused.code)
    people = None
    if can_fill:
        people = candidates_of(
            found,
            now,
            asking,
            seat=filling.seat if filling else None,
            instead_of=replacing,
            part=part,
        )
    can_move = asking.is_platform_coordinator and found.end > now
    context = {
        "hour": found,
        "line": found.line,
        "cell": cell,
        "places": places,
        "now": now,
        "is_coming": can_fill,
        "own": people.own if people else [],
        "possible": people.possible[:FIRST] if people else [],
        "others": people.possible[FIRST:] if people else [],
        "impossible": people.impossible if people else [],
        "replacing": replacing,
        "filling": filling,
        "may_part": may_part,
        "part": part,
        "no_part": no_part,
        "asking": asking_for(acting, asking, now) if acting else None,
        "takes_signups": found.period is None or found.period.state in RosterPeriod.TAKES_SIGNUPS,
        "is_waiting": not found.is_free_for_all(now),
        "free_from": free_for_all_from(found),
        "may_assign": can_fill and asking.is_coordinator,
        "can_change": can_move,
        "forms": _forms(found) | (wrong or {}) if can_move else {},
        "wrong": next(iter(wrong or {}), ""),
        "institutions": _takers(asking) if can_fill else [],
        "everybody": list(Institution.objects.filter(is_active=True))
        if any(place.may_offer for place in places)
        else [],
    }
    return render(request, "roster/hour.html", context)


def _asked(request: HttpRequest, name: str, among: list[Any], attribute: str) -> Any:
    """Return the one of these of which the address names the id, if any."""
    asked = request.GET.get(name)
    return next((one for one in among if str(getattr(one, attribute).pk) == asked), None)


def _forms(found: ConsultationHour) -> dict[str, forms.Form]:
    return {
        "cancel": CancelForm(hour=found),
        "move": MoveForm(
            hour=found,
            initial={
                "day": found.local_date,
                "start": found.local_start,
                "end": found.local_end,
            },
        ),
        "staff": StaffingForm(hour=found),
    }


def _takers(asking: Staff) -> list[Institution]:
    """For which institutions this coordinator may take a seat over."""
    if asking.is_platform_coordinator:
        return list(Institution.objects.filter(is_active=True))
    return list(Institution.objects.filter(pk__in=asking.coordinator_of))
