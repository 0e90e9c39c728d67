"""Closing or moving whole days: first see what it does, then do exactly that."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from institutions.access import platform_required
from roster import bulk
from roster.models import RosterRefused
from roster.plan_forms import DaysForm
from roster.texts import OBSTACLES, refusal
from roster.views.steering import line_of, page, staff_on, to


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def days(request: HttpRequest) -> HttpResponse:
    """The choice and its preview come by GET; the deed by POST, with the token of what was seen."""
    line = line_of(request)
    now = timezone.now()
    today = line.today(now)
    sent = request.POST if request.method == "POST" else request.GET
    form = DaysForm(sent if "first" in sent else None, earliest=today)
    plan = None
    if form.is_bound and form.is_valid():
        chosen = form.cleaned_data
        first, last, target = chosen["first"], chosen["last"], chosen["target"]
        if request.method == "POST":
            try:
                done = bulk.apply(
                    line,
                    first,
                    last,
                    staff_on(request).user,
                    to=target,
                    public_reason=chosen["public_reason"],
                    token=request.POST.get("token", ""),
                )
            except RosterRefused as refused:
                form.add_error(None, refusal(refused.code))
            else:
                text = ngettext(
                    "Gedaan: één spreekuur.", "Gedaan: %(count)d spreekuren.", done.changes
                )
                messages.success(request, text % {"count": done.changes})
                return redirect(to("roster_exceptions", line))
        plan = bulk.preview(line, first, last, to=target, now=now)
    effects = [
        (effect, str(OBSTACLES.get(effect.obstacle) or refusal(effect.obstacle)))
        for effect in (plan.effects if plan else ())
    ]
    return page(request, "days", line, "exceptions", form=form, plan=plan, effects=effects)
