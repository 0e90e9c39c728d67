"""The sites with their questions; of one site the published version, the draft, and all versions."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from institutions.access import coordinator_required
from institutions.models import Brand
from triage import readable
from triage.drafts import DraftRefused, QuestionnaireDraft
from triage.editor import brand_for, draft_of, page, problems_of, staff_on, to
from triage.models import Questionnaire

# So many versions are listed; the others have their address still.
LISTED = 50


@require_safe
@coordinator_required
def overview(request: HttpRequest) -> HttpResponse:
    """The sites that this coordinator keeps. Who keeps one only, is there at once."""
    found = list(
        Brand.objects.coordinated_by(staff_on(request))
        .select_related("draft__changed_by")
        .order_by("name", "host")
    )
    if len(found) == 1:
        return redirect("questions_of", found[0].pk)
    newest: dict[int, Questionnaire] = {}
    rows = (
        Questionnaire.objects.filter(brand__in=found)
        .select_related("published_by")
        .defer("data")
        .order_by("version")
    )
    for version in rows:
        newest[version.brand_id] = version
    lines = [
        {"brand": brand, "current": newest.get(brand.pk), "draft": getattr(brand, "draft", None)}
        for brand in found
    ]
    return render(request, "triage/editor/sites.html", {"lines": lines})


@require_safe
@coordinator_required
def of_site(request: HttpRequest, pk: int) -> HttpResponse:
    brand = brand_for(request, pk)
    versions = Questionnaire.objects.filter(brand=brand).select_related("published_by")
    draft = draft_of(brand)
    return page(
        request,
        "overview",
        brand,
        versions=list(versions.defer("data")[:LISTED]),
        draft=draft,
        to_do=len(problems_of(draft.data)) if draft else 0,
        examples=brand.examples.count(),
    )


@require_safe
@coordinator_required
def version(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One published version, to read."""
    brand = brand_for(request, pk)
    found = get_object_or_404(
        Questionnaire.objects.select_related("published_by"), brand=brand, version=number
    )
    return page(
        request,
        "version",
        brand,
        version=found,
        outline=readable.outline(found.data),
        draft=draft_of(brand),
    )


@require_POST
@coordinator_required
def start(request: HttpRequest, pk: int) -> HttpResponse:
    """Begin a draft from a published version, in place of the draft that the page showed, if any."""
    brand = brand_for(request, pk)
    number = request.POST.get("version", "")
    if number:
        found = (
            get_object_or_404(Questionnaire, brand=brand, version=number)
            if number.isdecimal() and len(number) < 9
            else None
        )
        if found is None:
            raise Http404
    else:
        found = Questionnaire.current(brand)
    try:
        QuestionnaireDraft.start(
            brand,
            staff_on(request),
            found.data,
            from_version=found.version,
            instead_of=request.POST.get("instead_of", ""),
        )
    except DraftRefused:
        messages.warning(request, _("Er is al een concept, of het is intussen veranderd."))
        return to("questions_of", brand)
    return to("questions_draft", brand)


@require_POST
@coordinator_required
def discard(request: HttpRequest, pk: int) -> HttpResponse:
    brand = brand_for(request, pk)
    draft = draft_of(brand)
    try:
        if draft is None:
            raise DraftRefused("changed")
        draft.discard(staff_on(request), request.POST.get("draft") or "-")
    except DraftRefused:
        messages.warning(
            request, _("Het concept is intussen veranderd. Kijk het eerst nog eens na.")
        )
    else:
        messages.success(request, _("Het concept is weg. Wat gepubliceerd is, is niet veranderd."))
    return to("questions_of", brand)
