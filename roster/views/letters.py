"""Whose week it is to answer letters: dealt by the share key, changeable by the platform."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods

from institutions.access import platform_required
from institutions.models import Institution
from roster.models import LetterDuty, able_to_answer, monday_of
from roster.views.steering import attempt, line_of, page, staff_on, to

TAB = "letters"


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def letters(request: HttpRequest) -> HttpResponse:
    """The weeks from this one on; POST gives one week away, or deals the others anew."""
    line = line_of(request)
    if request.method == "POST":
        by = staff_on(request).user
        if request.POST.get("deed") == "deal":
            dealt: list[int] = []
            attempt(request, lambda: dealt.append(LetterDuty.deal_again(line, by)))
            for n in dealt:
                told = ngettext(
                    "%(n)s week is opnieuw verdeeld.", "%(n)s weken zijn opnieuw verdeeld.", n
                )
                messages.success(request, told % {"n": n})
        else:
            duty = get_object_or_404(LetterDuty, pk=_number(request, "duty"), line=line)
            institution = get_object_or_404(Institution, pk=_number(request, "institution"))
            done = _("De week is veranderd. Brieven die er al zijn, blijven waar ze zijn.")
            attempt(request, lambda: duty.give(institution, by), done)
        return redirect(to("roster_letters", line))
    first = monday_of(line.today(timezone.now()))
    duties = list(
        LetterDuty.objects.filter(line=line, week__gte=first).select_related(
            "institution", "given_by"
        )
    )
    return page(
        request,
        "letters",
        line,
        TAB,
        duties=duties,
        this_week=first,
        institutions=list(able_to_answer(first)),
        claims=_claims(duties),
    )


def _number(request: HttpRequest, name: str) -> int:
    asked = request.POST.get(name, "")[:9]
    return int(asked) if asked.isdecimal() else 0


def _claims(duties: list[LetterDuty]) -> list[dict[str, object]]:
    """What each institution bears of the weeks that are shown, and what it should."""
    share: dict[int, float] = {}
    taken: dict[int, int] = {}
    for duty in duties:
        whole = sum(duty.weights.values())
        for party, weight in duty.weights.items():
            share[int(party)] = share.get(int(party), 0) + weight / whole
        taken[duty.institution_id] = taken.get(duty.institution_id, 0) + 1
    names = dict(Institution.objects.filter(pk__in={*share, *taken}).values_list("pk", "name"))
    most = max([1.0, *share.values(), *map(float, taken.values())])
    return [
        {
            "name": names[one],
            "share": share.get(one, 0.0),
            "taken": taken.get(one, 0),
            "most": most,
        }
        for one in sorted(names, key=lambda one: names[one])
    ]
