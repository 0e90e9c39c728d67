"""Try the draft out, as a visitor would see its questions, and on the examples that were kept."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST

from institutions.access import coordinator_required
from institutions.models import Brand
from triage import readable, rules
from triage.drafts import QuestionnaireExample
from triage.editor import brand_for, draft_of, language_asked, page, problems_of, staff_on, to
from triage.editor_forms import ExampleForm, TryForm
from triage.models import Questionnaire


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def try_out(request: HttpRequest, pk: int) -> HttpResponse:
    """Fill in answers and see what comes of them. Nothing is kept, unless as an example."""
    brand = brand_for(request, pk)
    draft = draft_of(brand)
    data = draft.data if draft else Questionnaire.current(brand).data
    language = language_asked(request)
    sent = request.POST if request.method == "POST" else None
    form = TryForm(data, language, sent, prefix="asked")
    is_kept = sent is not None and sent.get("deed") == "keep"
    example = ExampleForm(sent if is_kept else None, prefix="example")
    found = None
    if sent is not None and form.is_valid():
        found = rules.assess(data, form.answers)
        if example.is_bound and example.is_valid():
            if brand.examples.count() >= QuestionnaireExample.MOST:
                example.add_error(
                    None, _("Er zijn al heel veel voorbeelden. Haal er eerst een weg.")
                )
            else:
                kept = QuestionnaireExample.keep(
                    brand, staff_on(request), answers=form.answers, **example.cleaned_data
                )
                messages.success(request, _("“%(name)s” is bewaard.") % {"name": kept.name})
                return to("questions_try", brand, "examples")
        elif not example.is_bound:
            example = ExampleForm(initial={"urgency": found.urgency}, prefix="example")
    return page(
        request,
        "try",
        brand,
        draft=draft,
        form=form,
        example=example,
        found=found,
        reasons=[(readable.said(one.sentences()), one.urgency) for one in found.reasons]
        if found
        else [],
        urgency_name=readable.urgency_name(found.urgency) if found else "",
        language=language,
        results=tried(brand, data),
        to_do=len(problems_of(data)),
        status=200 if form.is_valid() or not form.is_bound else 400,
    )


def tried(brand: Brand, data: dict[str, Any]) -> list[dict[str, Any]]:
    """Each example with what was wanted and what comes of it now."""
    results = []
    for example in brand.examples.all():
        found = rules.assess(data, example.answers)
        results.append(
            {
                "example": example,
                "urgency": found.urgency,
                "urgency_name": readable.urgency_name(found.urgency),
                "reasons": [readable.said(one.text) for one in found.reasons],
                "is_as_wanted": found.urgency == example.urgency,
            }
        )
    return results


@require_POST
@coordinator_required
def forget_example(request: HttpRequest, pk: int, example: int) -> HttpResponse:
    brand = brand_for(request, pk)
    get_object_or_404(QuestionnaireExample, brand=brand, pk=example).forget(staff_on(request))
    messages.success(request, _("Het voorbeeld is weg."))
    return to("questions_try", brand, "examples")
