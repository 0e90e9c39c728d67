"""Dividing costs over institutions, to the cent: look first, then keep it for good."""

from collections import defaultdict
from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from institutions.access import platform_required
from institutions.models import User
from roster import exports
from roster.models import CostLine, CostRun, RosterRefused, ServiceLine
from roster.plan_forms import CostForm, told_period
from roster.texts import refusal
from roster.views.ledger import as_file
from roster.views.steering import line_of, page, staff_on

TAB = "costs"


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def costs(request: HttpRequest) -> HttpResponse:
    """Earlier divisions, and a new one: with `deed=look` nothing is kept."""
    line = line_of(request)
    form = CostForm(request.POST or None, line=line)
    draft = None
    if request.method == "POST" and form.is_valid():
        by = staff_on(request).user
        is_look = request.POST.get("deed") != "keep"
        try:
            with transaction.atomic():
                run = _make(line, form, by)
                draft = read(run)
                if is_look:
                    transaction.set_rollback(True)
        except RosterRefused as refused:
            form.add_error(None, refusal(refused.code))
        else:
            if not is_look:
                messages.success(request, _("De verdeling is bewaard."))
                return redirect("roster_cost_run", run.pk)
    runs = list(line.cost_runs.select_related("period", "author").order_by("-pk"))
    for run in runs:
        run.told = told_period(run.period) if run.period else ""  # type: ignore[attr-defined]
    return page(request, "costs", line, TAB, runs=runs, form=form, draft=draft)


def _make(line: ServiceLine, form: CostForm, by: User) -> CostRun:
    data = form.cleaned_data
    return CostRun.make(
        line, data["period"], data["method"], data["total_cents"], data["tariff_cents"], by
    )


@require_safe
@platform_required
def cost_run(request: HttpRequest, pk: int) -> HttpResponse:
    """One division, with the numbers that it came from."""
    run = get_object_or_404(CostRun.objects.select_related("line", "period", "author"), pk=pk)
    told = told_period(run.period) if run.period else ""
    return page(request, "cost_run", run.line, TAB, run=run, told=told, **read(run))


@require_safe
@platform_required
def export_costs(request: HttpRequest, pk: int, form: str) -> HttpResponse:
    run = get_object_or_404(CostRun, pk=pk)
    return as_file(exports.costs_table(run, staff_on(request)), form, f"costs-{run.pk}")


def read(run: CostRun) -> dict[str, Any]:
    """A division as rows: what each institution pays, by kind, and what it was computed from."""
    cents: defaultdict[int, dict[str, int]] = defaultdict(dict)
    names = {int(one): name for one, name in run.inputs.get("names", {}).items()}
    for line in run.lines.select_related("institution"):
        cents[line.institution_id][line.kind] = line.cents
        names.setdefault(line.institution_id, line.institution.name)
    weights, balances = run.inputs.get("weights", {}), run.inputs.get("balances", {})
    rows: list[dict[str, Any]] = [
        {
            "name": name,
            "weight": weights.get(str(one), 0),
            "balance": balances.get(str(one), 0),
            "cents": [(label, cents[one].get(kind, 0)) for kind, label in CostLine.Kind.choices],
            "sum": sum(cents[one].values()),
        }
        for one, name in names.items()
    ]
    return {
        "rows": sorted(rows, key=lambda row: str(row["name"])),
        "kinds": CostLine.Kind.labels,
        "total": run.total_cents,
        "most": max([1, *(row["sum"] for row in rows)]),
    }
