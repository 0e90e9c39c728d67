"""What staff are told of the roster by mail: in their language, from the transaction that changes it.

Never says why somebody is absent. A name is told to the people of the same institution and to the
platform's coordinators; others read which institution it is.
"""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils import translation
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from institutions.models import Membership, StaffMail, User

if TYPE_CHECKING:
    from roster.models import ConsultationHour, CoverRequest, Duty, ServiceLine

Text = str | Promise


def when(line: "ServiceLine", start: datetime, end: datetime) -> str:
    """`dinsdag 3 maart, 19:00-21:00`, on the wall clock of the line, in the active language."""
    local_start, local_end = start.astimezone(line.zone), end.astimezone(line.zone)
    return f"{date_format(local_start, 'l j F')}, {local_start:%H:%M}-{local_end:%H:%M}"


def put(
    to: User,
    kind: str,
    key: str,
    *,
    subject: Text,
    lines: Iterable[Text],
    words: Mapping[str, Any] | None = None,
    span: tuple["ServiceLine", datetime, datetime] | None = None,
    page: str = "roster/mine/",
    due_at: datetime | None = None,
) -> bool:
    """Put one mail in the outbox. `%(when)s` in the texts becomes the span, in their language."""
    with translation.override(to.language):
        known = dict(words or {})
        if span:
            known["when"] = when(*span)
        body = "\n".join(str(line) % known if known else str(line) for line in lines)
        return StaffMail.put(
            to,
            kind,
            key,
            subject=f"Klikvoor: {str(subject) % known if known else subject}"[:200],
            body=_("Dag %(name)s,") % {"name": to.name}
            + f"\n\n{body}\n\n"
            + _("Het hele rooster staat op %(link)s") % {"link": f"{settings.ORIGINS[0]}/{page}"}
            + "\n",
            due_at=due_at,
        )


def name_for(reader: User, person: User, institution: str, shared: Iterable[int]) -> str:
    """The name of a person for who may know it, else their institution."""
    known = Membership.objects.active().filter(user=reader)
    if any(m.institution_id is None or m.institution_id in shared for m in known):
        return person.name
    return _("een hulpverlener van %(institution)s") % {"institution": institution}


def _span(duty: "Duty") -> tuple["ServiceLine", datetime, datetime]:
    return duty.hour.line, duty.start, duty.end


# --- Duties --------------------------------------------------------------------------------------


def assigned(duty: "Duty") -> None:
    """A coordinator put this worker on duty."""
    put(
        duty.worker,
        "assigned",
        f"assigned:{duty.pk}",
        subject=gettext_lazy("je bent ingedeeld, %(when)s"),
        lines=[gettext_lazy("Een coördinator heeft je ingedeeld voor de chat: %(when)s.")],
        span=_span(duty),
    )


def taken_off(duty: "Duty", span: tuple[datetime, datetime] | None = None) -> None:
    """A coordinator took this worker off duty, or reported them absent."""
    start, end = span or (duty.start, duty.end)
    put(
        duty.worker,
        "taken_off",
        f"taken_off:{duty.pk}:{duty.sequence}:{start:%Y%m%dT%H%M}",
        subject=gettext_lazy("je dienst is veranderd, %(when)s"),
        lines=[
            gettext_lazy("Een coördinator heeft je van deze dienst gehaald: %(when)s."),
            gettext_lazy("Je hoeft dan niet te komen."),
        ],
        span=(duty.hour.line, start, end),
    )


def absent(duty: "Duty", to: Iterable[User], missing: int) -> None:
    """Tell coordinators that somebody cannot come, and how many people are now too few."""
    for coordinator in to:
        with translation.override(coordinator.language):
            who = name_for(coordinator, duty.worker, duty.credited_to.name, {duty.credited_to_id})
            shortage = ngettext(
                "Er is nu %(missing)s hulpverlener te weinig om de chat te openen.",
                "Er zijn nu %(missing)s hulpverleners te weinig om de chat te openen.",
                missing,
            )
        put(
            coordinator,
            "absent",
            f"absent:{duty.pk}:{coordinator.pk}",
            subject=gettext_lazy("iemand kan niet komen, %(when)s"),
            lines=[
                gettext_lazy("%(who)s kan niet komen: %(when)s."),
                *([shortage] if missing else []),
            ],
            words={"who": who, "missing": missing},
            span=_span(duty),
            page=f"roster/hours/{duty.hour_id}/",
        )


# --- Cover ---------------------------------------------------------------------------------------


def _key(request: "CoverRequest", event: str, to: User) -> str:
    # A request may come by the same state twice; the number of its changes tells them apart.
    return f"cover:{request.pk}:{event}:{request.changes.count()}:{to.pk}"


def _tell(
    request: "CoverRequest",
    event: str,
    to: User,
    subject: Text,
    *lines: Text,
    page: str = "roster/mine/",
    **words: str,
) -> None:
    start, end = request.planned_span
    put(
        to,
        f"cover_{event}"[:30],
        _key(request, event, to),
        subject=subject,
        lines=lines,
        words=words,
        span=(request.duty.hour.line, start, end),
        page=page,
    )


def _page(request: "CoverRequest") -> str:
    """Where a coordinator sees the hour and can act."""
    return f"roster/hours/{request.duty.hour_id}/"


def asked(request: "CoverRequest", to: User) -> None:
    """Ask one worker; whose duty it is stays unsaid."""
    if request.kind == "exchange":
        line = gettext_lazy("Een collega wil een dienst met je ruilen: %(when)s.")
    elif request.duty.status == "sick":
        line = gettext_lazy("Er valt iemand uit. Kun jij komen? %(when)s.")
    else:
        line = gettext_lazy("Een collega zoekt vervanging. Kun jij? %(when)s.")
    _tell(
        request,
        "asked",
        to,
        gettext_lazy("kun jij komen? %(when)s"),
        line,
        gettext_lazy("In het rooster zeg je ja of nee. Wie het eerst ja zegt, krijgt de dienst."),
    )


def taken_over(request: "CoverRequest", taker: "Duty") -> None:
    """Tell both sides that it is done."""
    giver, offered = request.duty.worker, request.offered_duty
    with translation.override(taker.worker.language):
        other = when(*_span(offered)) if offered else ""
    with translation.override(giver.language):
        who = name_for(giver, taker.worker, taker.credited_to.name, {taker.credited_to_id})
    if request.duty.status != "sick":
        _tell(
            request,
            "done",
            giver,
            gettext_lazy("je dienst is overgenomen, %(when)s"),
            gettext_lazy(
                "Je dienst is overgenomen door %(who)s: %(when)s. Je hoeft dan niet te komen."
            ),
            who=who,
        )
    _tell(
        request,
        "yours",
        taker.worker,
        gettext_lazy("je hebt dienst, %(when)s"),
        gettext_lazy("Je hebt deze dienst overgenomen: %(when)s. Dank je wel!"),
        *([gettext_lazy("Je andere dienst, %(other)s, doet je collega nu.")] if offered else []),
        other=other,
    )


def exchanged(request: "CoverRequest", other: "Duty") -> None:
    """Tell the giver which duty came in return."""
    put(
        other.worker,
        "cover_exchanged",
        _key(request, "exchanged", other.worker),
        subject=gettext_lazy("je hebt geruild: %(when)s"),
        lines=[gettext_lazy("Door de ruil heb je nu deze dienst: %(when)s.")],
        span=_span(other),
    )


def between_institutions(request: "CoverRequest", to: Iterable[User]) -> None:
    """Tell coordinators of both sides about cover across institutions, done or to decide."""
    waits = request.state == "awaiting_approval"
    _taker, institution = request.taker
    for coordinator in to:
        _tell(
            request,
            "to_decide" if waits else "notice",
            coordinator,
            gettext_lazy("vervanging wacht op je akkoord, %(when)s")
            if waits
            else gettext_lazy("vervanging tussen instellingen, %(when)s"),
            gettext_lazy("%(taker)s wil een dienst van %(giver)s overnemen: %(when)s. Is dat goed?")
            if waits
            else gettext_lazy("%(taker)s neemt een dienst van %(giver)s over: %(when)s."),
            page=_page(request),
            taker=institution.name,
            giver=request.duty.credited_to.name,
        )


def still_yours(request: "CoverRequest", event: str, *, why: Text) -> None:
    """Tell the giver that the duty is theirs (again)."""
    if request.duty.status == "sick":
        return
    _tell(
        request,
        event,
        request.duty.worker,
        gettext_lazy("je dienst blijft van jou, %(when)s"),
        why,
        gettext_lazy("De dienst is dus nog van jou: %(when)s."),
    )


def nobody_found(request: "CoverRequest", to: Iterable[User]) -> None:
    for coordinator in to:
        _tell(
            request,
            "expired",
            coordinator,
            gettext_lazy("geen vervanging gevonden, %(when)s"),
            gettext_lazy("Voor deze dienst is niemand gevonden: %(when)s."),
            page=_page(request),
        )


def no_longer(request: "CoverRequest", to: User) -> None:
    """Tell who claimed, or was asked alone, that it is off."""
    _tell(
        request,
        "off",
        to,
        gettext_lazy("niet meer nodig, %(when)s"),
        gettext_lazy("De vraag om vervanging is vervallen: %(when)s. Je hoeft niets te doen."),
    )


# --- Digests -------------------------------------------------------------------------------------


def digest(
    to: User,
    kind: str,
    key: str,
    *,
    subject: Text,
    intro: Text,
    spans: Iterable[tuple["ConsultationHour", datetime, datetime, object]],
    page: str,
) -> bool:
    """One mail with a line for each span, soonest first."""
    with translation.override(to.language):
        rows: list[Text] = [
            f"- {when(hour.line, start, end)}" + (f": {text}" if str(text) else "")
            for hour, start, end, text in spans
        ]
    return put(to, kind, key, subject=subject, lines=[intro, "", *rows], page=page)
