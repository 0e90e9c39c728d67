"""The proposal of a period: ask for one, see what it changes and why, adjust it, apply it."""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from institutions.access import platform_required
from institutions.models import Institution, Membership, User
from roster import proposing
from roster.models import (
    ConsultationHour,
    Duty,
    Proposal,
    ProposalLine,
    RosterPeriod,
    RosterRefused,
)
from roster.periods import parts
from roster.texts import FELL_OUT, PROPOSED, refusal
from roster.views.periods import TAB, period_of
from roster.views.steering import attempt, page, staff_on

SHOWS = ("changes", "empty", "all")


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def proposals(request: HttpRequest, pk: int) -> HttpResponse:
    """The last proposal of a period. What is applied or put aside is the one that was looked at."""
    period = period_of(pk)
    if request.method == "POST":
        return _act(request, period)
    proposal = period.proposals.exclude(state=Proposal.State.DROPPED).last()
    context: dict[str, Any] = {
        "period": period,
        "proposal": proposal,
        "may_ask": period.state in proposing.OPEN_TO_PROPOSALS,
    }
    if proposal and proposal.state in (Proposal.State.READY, Proposal.State.APPLIED):
        show = request.GET.get("show")
        show = show if show in SHOWS else SHOWS[0]
        context |= _read(proposal, show, request.GET.get("week", ""))
    return page(request, "period_proposal", period.line, TAB, **context)


def _act(request: HttpRequest, period: RosterPeriod) -> HttpResponse:
    by = staff_on(request).user
    deed, number = request.POST.get("deed"), request.POST.get("proposal", "")
    if deed == "ask":
        # Another seed finds another answer to the same question.
        seed = period.proposals.count()
        attempt(request, lambda: proposing.ask(period, by, seed=seed))
        return redirect("roster_proposals", period.pk)
    known = period.proposals.filter(pk=int(number[:9])) if number.isdecimal() else None
    proposal = known.first() if known is not None else None
    if proposal is None:
        raise Http404
    if deed == "drop":
        attempt(request, lambda: proposing.drop(proposal, by), _("Het voorstel is weggelegd."))
        return redirect("roster_proposals", period.pk)
    if deed != "apply":
        raise Http404
    try:
        applied = proposing.apply(proposal, by)
    except RosterRefused as refused:
        messages.error(request, refusal(refused.code))
        return redirect("roster_proposals", period.pk)
    messages.success(request, _told(applied, period))
    return redirect("roster_period", period.pk)


def _told(applied: proposing.Applied, period: RosterPeriod) -> str:
    text = ngettext(
        "Overgenomen: één dienst erbij.",
        "Overgenomen: %(count)d diensten erbij.",
        applied.made,
    ) % {"count": applied.made}
    if applied.taken:
        text += " " + ngettext(
            "Eén dienst is weg.", "%(count)d diensten zijn weg.", applied.taken
        ) % {"count": applied.taken}
    if period.is_public:
        text += " " + _("Publiceer opnieuw, dan horen mensen het.")
    return text


# --- Reading one ----------------------------------------------------------------------------------


@dataclass
class Row:
    """A line of a proposal in words."""

    line: ProposalLine
    reason: str
    detail: str

    @property
    def kind(self) -> str:
        if self.line.worker_id is None:
            return "empty"
        if self.line.previous_worker_id is None:
            return "new"
        return "moved" if self.line.is_change else "kept"


def _read(proposal: Proposal, show: str, week: str) -> dict[str, Any]:
    """What the page says of a proposal that is ready; a constant number of queries."""
    lines = list(
        proposal.lines.select_related(
            "seat__hour", "seat__owed_by", "worker", "previous_worker", "credited_to"
        ).order_by("seat__hour__start", "seat__hour", "seat__no")
    )
    every = [_row(line) for line in lines]
    kinds = Counter(row.kind for row in every)
    shown = [
        row
        for row in every
        if show == "all"
        or (show == "empty" and row.kind == "empty")
        or (show == "changes" and row.kind in ("new", "moved", "empty"))
    ]
    weeks = [
        (f"{year}-{number}", number, list(some))
        for (year, number), some in groupby(
            shown, key=lambda row: row.line.seat.hour.local_date.isocalendar()[:2]
        )
    ]
    names = [name for name, _number, _rows in weeks]
    # One week at a time: a quarter has hundreds of seats. What stays empty is seen at once.
    chosen = week if week in names else next(iter(names), "")
    rows = (
        shown if show == "empty" else next((some for name, _, some in weeks if name == chosen), [])
    )
    is_ready = proposal.state == Proposal.State.READY
    return {
        "kinds": kinds,
        "show": show,
        "weeks": [] if show == "empty" else weeks,
        "week": chosen,
        "hours": [
            (hour, list(some)) for hour, some in groupby(rows, key=lambda row: row.line.seat.hour)
        ],
        "is_outdated": is_ready and proposing.is_outdated(proposal),
        "after": _after(proposal.period, lines) if is_ready else None,
    }


def _row(line: ProposalLine) -> Row:
    why = line.why
    if line.worker_id is None:
        fell = [
            f"{number} {FELL_OUT[code]}"
            for code, number in sorted(why.items(), key=lambda item: -item[1])
            if code in FELL_OUT
        ]
        return Row(line, str(PROPOSED.get(line.reason, "")), ", ".join(fell))
    detail = ""
    if "duties" in why:
        detail = ngettext(
            "%(count)d dienst in deze periode", "%(count)d diensten in deze periode", why["duties"]
        ) % {"count": why["duties"]}
        if line.reason != "liked" and why.get("liked"):
            detail += ", " + str(PROPOSED["liked"])
    return Row(line, str(PROPOSED.get(line.reason, "")), detail)


def _after(period: RosterPeriod, lines: list[ProposalLine]) -> dict[str, Any]:
    """What each institution would do with the proposal, beside what it does and should do."""
    now = parts(period)
    then = Counter({one: part.planned for one, part in now.items()})
    for line in lines:
        if line.is_change and line.credited_to_id is not None:
            then[line.credited_to_id] += line.seat.hour.minutes
    moved = [line.seat_id for line in lines if line.is_change and line.previous_worker_id]
    for duty in proposing.movable(moved):
        then[duty.credited_to_id] -= duty.minutes
    names = Institution.objects.in_bulk({*now, *then})
    rows: list[dict[str, Any]] = [
        {
            "name": names[one].name,
            "quota": now[one].quota if one in now else 0,
            "planned": now[one].planned if one in now else 0,
            "then": then[one],
        }
        for one in names
    ]
    for row in rows:
        row["off"] = row["then"] - row["quota"]
    return {
        "rows": sorted(rows, key=lambda row: str(row["name"])),
        "most": max([1, *(max(row["quota"], row["then"]) for row in rows)]),
    }


# --- Adjusting one line ---------------------------------------------------------------------------


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def proposal_line(request: HttpRequest, pk: int, line: int) -> HttpResponse:
    """Who else could fill this seat; choosing one changes the proposal, not yet the plan."""
    period = period_of(pk)
    found = get_object_or_404(
        ProposalLine.objects.filter(
            proposal__period=period, proposal__state=Proposal.State.READY
        ).select_related("proposal__period__line", "seat__hour__line", "seat__owed_by", "worker"),
        pk=line,
    )
    if request.method == "POST":
        return _adjust(request, period, found)
    hour = found.seat.hour
    return page(
        request,
        "proposal_line",
        period.line,
        TAB,
        period=period,
        row=_row(found),
        one=found,
        hour=hour,
        choices=_choices(found, hour, timezone.now()),
    )


def _adjust(request: HttpRequest, period: RosterPeriod, line: ProposalLine) -> HttpResponse:
    worker, institution = None, None
    if chosen := request.POST.get("choice", ""):
        numbers = chosen.split(":")
        if len(numbers) != 2 or not all(number.isdecimal() for number in numbers):
            raise Http404
        worker = get_object_or_404(User, pk=int(numbers[0][:9]))
        institution = get_object_or_404(Institution, pk=int(numbers[1][:9]))
    by = staff_on(request).user
    if attempt(
        request,
        lambda: proposing.adjust(line, worker, institution, by),
        _("Aangepast in het voorstel. Het rooster verandert pas als je het overneemt."),
    ):
        return redirect("roster_proposals", period.pk)
    return redirect("roster_proposal_line", period.pk, line.pk)


def _choices(line: ProposalLine, hour: ConsultationHour, now: datetime) -> list[dict[str, Any]]:
    """Who can and may fill the seat as far as the plan goes, who has least to do in front."""
    problem = proposing.problem_of(line.proposal.period, proposing.since(line.proposal))
    elsewhere = set(
        line.proposal.lines.filter(
            worker__isnull=False,
            seat__hour__start__lt=hour.end,
            seat__hour__end__gt=hour.start,
        )
        .exclude(pk=line.pk)
        .values_list("worker_id", flat=True)
    )
    # On duty already, unless this proposal takes that duty away.
    freed = set(line.proposal.lines.values_list("seat_id", flat=True))
    elsewhere |= set(
        Duty.objects.active()
        .overlapping(hour.start, hour.end)
        .exclude(seat__in=freed)
        .values_list("worker_id", flat=True)
    )
    loads = Counter(
        line.proposal.lines.filter(worker__isnull=False).values_list("worker_id", flat=True)
    )
    can = {
        worker.id: worker
        for worker in problem.workers
        if worker.wishes.get(hour.pk) and line.seat.needs in worker.qualifications
    }
    people = User.objects.in_bulk(can)
    names = {
        row.institution_id: row.institution
        for row in Membership.objects.active()
        .workers()
        .filter(user__in=can)
        .select_related("institution")
    }
    choices = [
        {
            "value": f"{worker}:{institution}",
            "person": people[worker],
            "institution": names.get(institution),
            "is_here": worker == line.worker_id and institution == line.credited_to_id,
            "is_elsewhere": worker in elsewhere,
            "is_liked": can[worker].wishes[hour.pk] > 1,
            "duties": loads[worker],
        }
        for worker in can
        for institution in can[worker].institutions
    ]
    return sorted(
        choices,
        key=lambda one: (
            one["is_elsewhere"],
            not one["is_liked"],
            one["duties"],
            str(one["person"]),
        ),
    )
