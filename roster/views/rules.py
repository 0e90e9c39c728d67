"""The recurring hours: what there is, what comes, and from when it changes."""

from datetime import date, timedelta

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from institutions.access import platform_required
from roster.jobs import HORIZON_DAYS
from roster.models import HoursRule, ServiceLine
from roster.plan_forms import LastDayForm, RuleForm, staffing_of, told_days
from roster.views.steering import attempt, line_of, page, staff_on, to

TAB = "rules"


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def rules(request: HttpRequest) -> HttpResponse:
    """All rules of a line; those that ended are kept apart. A new one starts today or later."""
    line = line_of(request)
    today = line.today(timezone.now())
    form = RuleForm(
        request.POST or None,
        earliest=today,
        initial={"valid_from": today, "min_staff": 2, "target_staff": 3, "max_staff": 6},
    )
    if (
        request.method == "POST"
        and form.is_valid()
        and attempt(request, lambda: _add(line, form, today), _("Toegevoegd aan het rooster."))
    ):
        return redirect(to("roster_rules", line))
    found = list(line.rules.order_by("local_start", "pk"))
    for rule in found:
        rule.told = told_days(rule.weekdays)  # type: ignore[attr-defined]
    return page(
        request,
        "rules",
        line,
        TAB,
        rules=[rule for rule in found if not rule.valid_until or rule.valid_until >= today],
        ended=[rule for rule in found if rule.valid_until and rule.valid_until < today],
        today=today,
        form=form,
    )


def _add(line: ServiceLine, form: RuleForm, today: date) -> None:
    """Write the rule and its hours, to the end of what is planned."""
    last = today + timedelta(days=HORIZON_DAYS)
    planned = line.periods.filter(last_date__gt=last).order_by("last_date").last()
    with transaction.atomic():
        rule = HoursRule(line=line, valid_from=form.cleaned_data["valid_from"], **form.rule)
        rule.full_clean()
        rule.save()
        rule.generate(today, planned.last_date if planned else last)


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def rule(request: HttpRequest, pk: int) -> HttpResponse:
    """Change a rule from a day on, or let it end; hours that were stay as they were."""
    found = get_object_or_404(HoursRule.objects.select_related("line"), pk=pk)
    line = found.line
    today = line.today(timezone.now())
    earliest = max(today + timedelta(days=1), found.valid_from)
    sent = request.POST if request.method == "POST" else None
    is_stop = bool(sent and sent.get("deed") == "stop")
    form = RuleForm(
        None if is_stop else sent,
        earliest=earliest,
        initial={
            "weekdays": found.weekdays,
            "local_start": found.local_start,
            "local_end": found.local_end,
            "every_weeks": found.every_weeks,
            "valid_from": earliest,
            "valid_until": found.valid_until,
            **staffing_of(found),
        },
    )
    stop = LastDayForm(sent if is_stop else None, earliest=today, initial={"last": today})
    if is_stop and stop.is_valid():
        _tell_stopped(request, found.stop(stop.cleaned_data["last"]))
        return redirect(to("roster_rules", line))
    if sent and not is_stop and form.is_valid():
        first, fields = form.cleaned_data["valid_from"], form.rule
        if attempt(
            request,
            lambda: found.change(staff_on(request).user, first, **fields),
            _("Veranderd. Wat al geweest is, blijft zoals het was."),
        ):
            return redirect(to("roster_rules", line))
    return page(
        request,
        "rule",
        line,
        TAB,
        rule=found,
        told=told_days(found.weekdays),
        form=form,
        stop=stop,
    )


def _tell_stopped(request: HttpRequest, stay: int) -> None:
    if stay:
        messages.warning(
            request,
            ngettext(
                "Het spreekuur stopt. Eén spreekuur daarna blijft staan, want er is al iemand "
                "ingeroosterd. Kijk in het rooster wat daarmee moet.",
                "Het spreekuur stopt. %(count)d spreekuren daarna blijven staan, want er is al "
                "iemand ingeroosterd. Kijk in het rooster wat daarmee moet.",
                stay,
            )
            % {"count": stay},
        )
    else:
        messages.success(request, _("Het spreekuur stopt na die dag."))
