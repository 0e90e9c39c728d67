"""Periods: making one, its share key, dealing its seats, and publishing it."""

from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from institutions.access import platform_required
from institutions.models import Institution
from roster import dealing, slots
from roster.models import LedgerEntry, Proposal, RosterPeriod, RosterRefused, ServiceLine, ShareKey
from roster.periods import Standing, parts, standing, told
from roster.plan_forms import CarryForm, PeriodForm, SharesForm
from roster.texts import refusal
from roster.views.steering import attempt, line_of, page, staff_on

TAB = "periods"
OVER = (RosterPeriod.State.CLOSED, RosterPeriod.State.SETTLED)


def period_of(pk: int) -> RosterPeriod:
    return get_object_or_404(RosterPeriod.objects.select_related("line"), pk=pk)


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def periods(request: HttpRequest) -> HttpResponse:
    """All periods of a line, the newest first, and room for the next one."""
    line = line_of(request)
    today = line.today(timezone.now())
    form = PeriodForm(request.POST or None, line=line, initial=_next(line, today))
    if request.method == "POST" and form.is_valid():
        try:
            made = RosterPeriod.plan(
                line,
                form.cleaned_data["first_date"],
                form.cleaned_data["last_date"],
                staff_on(request).user,
                free_for_all_days=form.cleaned_data["free_for_all_days"],
            )
        except RosterRefused as refused:
            form.add_error(None, refusal(refused.code))
        else:
            messages.success(request, _("De periode staat klaar, met de vaste spreekuren erin."))
            return redirect("roster_period", made.pk)
    found = list(line.periods.order_by("-first_date"))
    return page(request, "periods", line, TAB, periods=found, form=form, today=today)


def _next(line: ServiceLine, today: date) -> dict[str, date]:
    """Thirteen weeks from the Monday after the last period, or from the coming Monday."""
    last = line.periods.order_by("last_date").last()
    first = max(last.last_date + timedelta(days=1), today) if last else today
    first += timedelta(days=-first.weekday() % 7)
    return {"first_date": first, "last_date": first + timedelta(days=13 * 7 - 1)}


@require_safe
@platform_required
def period(request: HttpRequest, pk: int) -> HttpResponse:
    """One period: how it stands, what each institution does, and what can be done next."""
    found = period_of(pk)
    now = timezone.now()
    bears = parts(found)
    institutions = Institution.objects.in_bulk(bears)
    rows = [(institutions[one], part) for one, part in bears.items()]
    most = max([1, *(max(part.quota, part.planned) for part in bears.values())])
    proposal = found.proposals.exclude(state=Proposal.State.DROPPED).last()
    standing_now, shared = standing(found), found.shares.count()
    news = len(told(found, now)) if found.state != RosterPeriod.State.SETTLED else 0
    changes = list(found.changes.select_related("by").order_by("-pk")[:8])
    for change in changes:
        change.told = RosterPeriod.State(change.new).label  # type: ignore[attr-defined]
    return page(
        request,
        "period",
        found.line,
        TAB,
        period=found,
        standing=standing_now,
        shares=shared,
        next=_next_step(found, standing_now, shared, proposal, news),
        parts=sorted(rows, key=lambda row: row[0].name),
        most=most,
        proposal=proposal,
        news=news,
        version=found.versions.last(),
        carry=CarryForm() if found.state in OVER else None,
        changes=changes,
    )


def _next_step(
    period: RosterPeriod, now: Standing, shared: int, proposal: Proposal | None, news: int
) -> str:
    """The step that most likely comes next; any other may be taken."""
    if period.is_public:
        return "publish" if news else ""
    if not shared:
        return "shares"
    if not now.owed and now.open:
        return "deal"
    is_ready = proposal is not None and proposal.state == Proposal.State.READY
    return "proposal" if is_ready or (now.open and not proposal) else "publish"


@require_POST
@platform_required
def move_period(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Give a period its next state, or the one before."""
    found = period_of(pk)
    by = staff_on(request).user
    deeds = {
        "signup": (found.open_signup, _("Inschrijven kan. Hulpverleners kunnen plekken nemen.")),
        "draft": (found.reopen_draft, _("Inschrijven is gestopt. Wie een plek had, houdt die.")),
        "run": (found.run, _("De periode loopt.")),
        "close": (found.close, _("De periode is voorbij.")),
        "settle": (found.settle, _("De periode is afgerekend.")),
    }
    if deed not in deeds:
        raise Http404
    verb, done = deeds[deed]
    attempt(request, lambda: verb(by), done)
    return redirect("roster_period", pk)


@require_POST
@platform_required
def carry(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the balances of a period that is over along to the next one, up to some hours."""
    found = period_of(pk)
    following = found.line.periods.filter(first_date__gt=found.last_date).first()
    form = CarryForm(request.POST)
    if following is None or not form.is_valid():
        messages.error(request, _("Vul een aantal uren in. Er moet ook een volgende periode zijn."))
        return redirect("roster_period", pk)
    most = form.cleaned_data["hours"] * 60
    attempt(
        request,
        lambda: LedgerEntry.carry(found, following, staff_on(request).user, most=most),
        _("Meegenomen naar de volgende periode."),
    )
    return redirect("roster_period", pk)


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def shares(request: HttpRequest, pk: int) -> HttpResponse:
    """The share key: what each institution bears of this period."""
    found = period_of(pk)
    institutions = Institution.objects.filter(is_active=True) | Institution.objects.filter(
        shares__period=found
    )
    form = SharesForm(
        request.POST or None, period=found, institutions=institutions.distinct().order_by("name")
    )
    if (
        request.method == "POST"
        and form.is_valid()
        and attempt(
            request,
            lambda: ShareKey.agree(found, staff_on(request).user, form.parts),
            _("De verdeelsleutel is opgeslagen."),
        )
    ):
        return redirect("roster_period", pk)
    return page(request, "period_shares", found.line, TAB, period=found, form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what people will be told, then publish."""
    found = period_of(pk)
    now = timezone.now()
    people = told(found, now)
    if request.method == "POST":
        done = ngettext(
            "Gepubliceerd. Eén persoon krijgt een mail.",
            "Gepubliceerd. %(count)d mensen krijgen een mail.",
            len(people),
        ) % {"count": len(people)}
        attempt(request, lambda: found.publish(staff_on(request).user), done)
        return redirect("roster_period", pk)
    return page(
        request,
        "period_publish",
        found.line,
        TAB,
        period=found,
        people=people,
        standing=standing(found),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def deal(request: HttpRequest, pk: int) -> HttpResponse:
    """Show who would owe which minutes, then deal the seats."""
    found = period_of(pk)
    if request.method == "POST":
        attempt(
            request,
            lambda: dealing.deal(found, staff_on(request).user),
            _("De plekken zijn verdeeld."),
        )
        return redirect("roster_period", pk)
    try:
        dealt = dealing.preview_deal(found)
    except RosterRefused as refused:
        if refused.code != "no_key":
            raise
        return page(request, "period_deal", found.line, TAB, period=found)
    names = dealing.names_of(dealt)
    rows: list[dict[str, Any]] = [
        {
            "name": names[one],
            "share": dealt.share.get(one, 0),
            "total": dealt.total(one),
            "kinds": [(name, minutes.get(kind, 0)) for kind, name in slots.NAMES.items()],
        }
        for one, minutes in dealt.minutes.items()
    ]
    return page(
        request,
        "period_deal",
        found.line,
        TAB,
        period=found,
        dealt=dealt,
        rows=sorted(rows, key=lambda row: str(row["name"])),
        kinds=list(slots.NAMES.values()),
        most=max([1, *(max(row["share"], row["total"]) for row in rows)]),
    )
