"""Before publishing: what changes, what the examples say, and what it would have done for who came."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from institutions.access import coordinator_required
from triage import readable
from triage.checking import Unsound
from triage.drafts import DraftRefused
from triage.editor import brand_for, page, problems_by_part, staff_on, to
from triage.editor.draft import needs_draft
from triage.editor.trying import tried
from triage.models import Questionnaire
from triage.replay import DAYS, replay

REFUSALS = {
    "changed": gettext_lazy(
        "Intussen is er iets veranderd. Kijk hieronder wat er nu staat, en kies dan opnieuw."
    ),
    "same": gettext_lazy("Er is niets veranderd, dus er is niets om te publiceren."),
}


@require_safe
@coordinator_required
def differences(request: HttpRequest, pk: int) -> HttpResponse:
    brand = brand_for(request, pk)
    draft = needs_draft(request, brand)
    if isinstance(draft, HttpResponse):
        return draft
    current = Questionnaire.current(brand)
    return page(
        request,
        "differences",
        brand,
        draft=draft,
        current=current,
        differences=readable.differences(current.data, draft.data),
    )


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def publish(request: HttpRequest, pk: int) -> HttpResponse:
    brand = brand_for(request, pk)
    draft = needs_draft(request, brand)
    if isinstance(draft, HttpResponse):
        return draft
    refusal = ""
    if request.method == "POST":
        over = request.POST.get("over", "")
        try:
            if not over.isdecimal() or len(over) > 8:
                raise DraftRefused("changed")
            published = draft.publish(
                staff_on(request), request.POST.get("draft") or "-", over=int(over)
            )
        except DraftRefused as refused:
            refusal = str(REFUSALS[refused.code])
        except Unsound:
            refusal = _("Zo kan het nog niet. Kijk wat er nog moet gebeuren.")
        else:
            messages.success(
                request,
                _("Versie %(n)s is gepubliceerd. Wie al bezig was, houdt de oude vragen.")
                % {"n": published.version},
            )
            return to("questions_of", brand)
        draft = needs_draft(request, brand)
        if isinstance(draft, HttpResponse):
            return draft
    current = Questionnaire.current(brand)
    problems = problems_by_part(draft.data)
    found = readable.differences(current.data, draft.data)
    results = tried(brand, draft.data)
    return page(
        request,
        "publish",
        brand,
        draft=draft,
        current=current,
        refusal=refusal,
        problems=problems,
        differences=found,
        examples=len(results),
        surprises=[result for result in results if not result["is_as_wanted"]],
        replay=None if problems or not found else replay(brand, draft.data, timezone.now()),
        days=DAYS,
        status=409 if refusal else 200,
    )
