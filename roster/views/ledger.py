"""Who owes and did how much, in pictures and numbers; postings by hand; and tables to take along."""

import secrets
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from institutions.access import coordinator_required, platform_required
from roster import exports, slots
from roster.balances import Balance, balances, visible
from roster.fairness import SlotClass
from roster.models import LedgerEntry, RosterPeriod, ServiceLine
from roster.plan_forms import PostingForm, told_period
from roster.views.steering import attempt, line_of, page, staff_on, to

TAB = "ledger"
PER_PAGE = 40
# Without a period, tables go this far back and ahead.
BACK, AHEAD = timedelta(days=365), timedelta(days=183)
BURDENS = (SlotClass.DAY, SlotClass.EVENING, SlotClass.WEEKEND, SlotClass.HOLIDAY)


def _period_of(request: HttpRequest, line: ServiceLine) -> RosterPeriod | None:
    """The period that is asked for; `all` is none. Else the one that goes on, or the last one."""
    wanted = request.POST.get("period") or request.GET.get("period") or ""
    if wanted == "all":
        return None
    if wanted.isdecimal():
        return get_object_or_404(line.periods, pk=int(wanted[:9]))
    today = line.today(timezone.now())
    return (
        line.periods.on(today).first()
        or line.periods.filter(last_date__lt=today).order_by("last_date").last()
        or line.periods.order_by("first_date").first()
    )


@require_safe
@coordinator_required
def ledger(request: HttpRequest) -> HttpResponse:
    """The balances that this coordinator may see, and the postings behind them."""
    return _page(request, PostingForm(initial={"key": secrets.token_urlsafe(12)}))


@require_POST
@platform_required
def post_entry(request: HttpRequest) -> HttpResponse:
    """Hand over, let off or correct; a form that is sent twice posts once."""
    line = line_of(request)
    form = PostingForm(request.POST)
    if not form.is_valid():
        return _page(request, form)
    data, by = form.cleaned_data, staff_on(request).user
    period = _period_of(request, line)
    common: dict[str, Any] = {"period": period, "text": data["text"], "key": data["key"]}
    one, minutes = data["institution"], data["sum"]
    deeds: dict[str, Callable[[], object]] = {
        "transfer": lambda: LedgerEntry.transfer(line, one, data["other"], minutes, by, **common),
        "waive": lambda: LedgerEntry.waive(line, one, minutes, by, **common),
        "add": lambda: LedgerEntry.correct(line, one, minutes, by, **common),
        "take": lambda: LedgerEntry.correct(line, one, -minutes, by, **common),
    }
    attempt(request, deeds[data["what"]], _("Geboekt."))
    return redirect(_back(line, period))


@require_POST
@platform_required
def reverse_entry(request: HttpRequest, pk: int) -> HttpResponse:
    """Take a posting back by its opposite; both stay to be read."""
    entry = get_object_or_404(LedgerEntry.objects.select_related("line", "period"), pk=pk)
    by = staff_on(request).user
    attempt(
        request, lambda: entry.reverse(by), _("Teruggedraaid. Allebei de regels blijven staan.")
    )
    return redirect(_back(entry.line, entry.period))


def _back(line: ServiceLine, period: RosterPeriod | None) -> str:
    return f"{to('roster_ledger', line)}&period={period.pk if period else 'all'}"


def _page(request: HttpRequest, form: PostingForm) -> HttpResponse:
    staff, line = staff_on(request), line_of(request)
    period = _period_of(request, line)
    found = visible(balances(line, timezone.now(), period=period), staff)
    entries = LedgerEntry.objects.visible_to(staff).filter(line=line)
    if period is not None:
        entries = entries.filter(period=period)
    entries = entries.select_related("institution", "author", "reversed_by").order_by("-pk")
    choices = [(one.pk, told_period(one)) for one in line.periods.order_by("-first_date")]
    return page(
        request,
        "ledger",
        line,
        TAB,
        period=period,
        choices=choices,
        balances=found,
        widest=max(
            [1, *(abs(one.planned_balance) for one in found), *(abs(one.balance) for one in found)]
        ),
        burdens=[_burden(one) for one in found],
        kinds=[slots.NAMES[kind] for kind in BURDENS],
        most_burden=max([1, *(sum(one.burden.values()) for one in found)]),
        page=Paginator(entries, PER_PAGE).get_page(request.GET.get("page")),
        query=f"line={line.pk}&period={period.pk if period else 'all'}",
        form=form,
    )


def _burden(one: Balance) -> dict[str, Any]:
    """When the work of an institution was, as pieces of one bar, and in minutes."""
    pieces, begin = [], 0
    for kind in BURDENS:
        minutes = one.burden.get(kind, 0)
        pieces.append(
            {"kind": kind.value, "name": slots.NAMES[kind], "begin": begin, "minutes": minutes}
        )
        begin += minutes
    return {"institution": one.institution, "pieces": pieces, "weighted": one.weighted}


@require_safe
@coordinator_required
def export(request: HttpRequest, what: str, form: str) -> HttpResponse:
    """A table of what this coordinator may see, as CSV or XLSX."""
    staff, line = staff_on(request), line_of(request)
    period = _period_of(request, line)
    today = line.today(timezone.now())
    first = period.first_date if period else today - BACK
    last = period.last_date if period else today + AHEAD
    tables: dict[str, Callable[[], exports.Table]] = {
        "duties": lambda: exports.duties_table(line, first, last, staff),
        "hours": lambda: exports.hours_table(line, first, last, staff),
        "ledger": lambda: exports.ledger_table(line, period, staff),
        "balances": lambda: exports.balances_table(
            visible(balances(line, timezone.now(), period=period), staff)
        ),
    }
    if what not in tables:
        raise Http404
    return as_file(tables[what](), form, f"{what}-{first}-{last}")


def as_file(table: exports.Table, form: str, name: str) -> HttpResponse:
    """A download in the form asked for, of a name without anybody's words."""
    if form == "csv":
        body, kind = exports.as_csv(table), exports.CSV
    elif form == "xlsx":
        body, kind = exports.as_xlsx(table), exports.XLSX
    else:
        raise Http404
    return HttpResponse(
        body,
        content_type=kind,
        headers={"Content-Disposition": f'attachment; filename="klikvoor-{name}.{form}"'},
    )
