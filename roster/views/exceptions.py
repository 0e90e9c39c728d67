"""Days that differ from the rules, with the holidays as suggestions."""

from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from institutions.access import platform_required
from institutions.models import User
from roster import holidays
from roster.models import DateException, RosterRefused, ServiceLine
from roster.plan_forms import ExceptionForm, told_rule
from roster.texts import refusal
from roster.views.steering import attempt, line_of, page, staff_on, to

TAB = "exceptions"
# How far ahead holidays are suggested, when no period says so.
AHEAD = timedelta(days=365)


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def exceptions(request: HttpRequest) -> HttpResponse:
    """What is suggested, what holds from today on, and room for a new one."""
    line = line_of(request)
    today = line.today(timezone.now())
    form = ExceptionForm(
        request.POST or None, line=line, earliest=today, initial=_initial(request, today)
    )
    if request.method == "POST" and form.is_valid() and _add(request, line, form):
        return redirect(to("roster_exceptions", line))
    coming = list(
        line.exceptions.filter(last_date__gte=today)
        .exclude(state=DateException.State.DISMISSED)
        .select_related("rule", "author")
    )
    for one in coming:
        one.told_rule = told_rule(one.rule) if one.rule else ""  # type: ignore[attr-defined]
    return page(
        request,
        "exceptions",
        line,
        TAB,
        suggested=[one for one in coming if one.state == DateException.State.SUGGESTED],
        confirmed=[one for one in coming if one.state == DateException.State.CONFIRMED],
        until=today + AHEAD,
        form=form,
    )


def _initial(request: HttpRequest, today: date) -> dict[str, Any]:
    """A suggestion may be taken over in another way: its days come along in the address."""
    first = request.GET.get("first", "")
    last = request.GET.get("last", "")
    return {
        "first_date": first or today,
        "last_date": last,
        "kind": request.GET.get("kind", DateException.Kind.CLOSED),
    }


def _add(request: HttpRequest, line: ServiceLine, form: ExceptionForm) -> bool:
    """Write it and let it hold at once: who fills it in has decided."""
    try:
        with transaction.atomic():
            one = DateException(line=line, **form.exception)
            one.full_clean()
            one.save()
            one.confirm(staff_on(request).user)
    except RosterRefused as refused:
        form.add_error(None, refusal(refused.code))
        return False
    except ValidationError as wrong:
        form.add_error(None, wrong.messages)
        return False
    messages.success(request, _("Opgeslagen. Het rooster is aangepast."))
    return True


@require_POST
@platform_required
def change_exception(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Let a suggestion hold, put it aside, or take back one that holds."""
    one = get_object_or_404(DateException.objects.select_related("line"), pk=pk)
    by = staff_on(request).user
    deeds: dict[str, tuple[Callable[[User], object], str]] = {
        "confirm": (one.confirm, _("Overgenomen. Het rooster is aangepast.")),
        "dismiss": (one.dismiss, _("Weggelegd. Die dagen zijn gewoon volgens het rooster.")),
        "withdraw": (one.withdraw, _("Ingetrokken. Die dagen zijn weer volgens het rooster.")),
    }
    if deed not in deeds:
        raise Http404
    verb, done = deeds[deed]
    attempt(request, lambda: verb(by), done)
    return redirect(to("roster_exceptions", one.line))


@require_POST
@platform_required
def suggest_holidays(request: HttpRequest) -> HttpResponse:
    """Fetch the holidays of the coming year as suggestions; what was dismissed stays away."""
    line = line_of(request)
    today = line.today(timezone.now())
    found = holidays.suggest(line, today, today + AHEAD)
    if found:
        text = ngettext(
            "Eén dag of vakantie erbij om over te beslissen.",
            "%(count)d dagen en vakanties erbij om over te beslissen.",
            found,
        )
        messages.success(request, text % {"count": found})
    else:
        messages.info(request, _("Er zijn geen nieuwe feestdagen of vakanties."))
    return redirect(to("roster_exceptions", line))
