"""A questionnaire out as one file, and in again as a draft."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.utils.text import slugify
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from institutions.access import coordinator_required
from triage import exchange
from triage.drafts import DraftRefused, QuestionnaireDraft
from triage.editor import brand_for, draft_of, page, staff_on, to
from triage.editor_forms import FileForm
from triage.models import Questionnaire


@require_safe
@coordinator_required
def export(request: HttpRequest, pk: int, number: int | None = None) -> HttpResponse:
    """The file of a published version; without a number, of the draft."""
    brand = brand_for(request, pk)
    if number is None:
        draft = get_object_or_404(QuestionnaireDraft, brand=brand)
        data, what = draft.data, _("concept")
    else:
        data = get_object_or_404(Questionnaire, brand=brand, version=number).data
        what = _("versie %(n)s") % {"n": number}
    day = timezone.localdate().isoformat()
    heading = _("Vragen vooraf van Klikvoor: %(site)s, %(what)s, %(day)s") % {
        "site": brand.name,
        "what": what,
        "day": day,
    }
    response = HttpResponse(
        exchange.write(data, heading), content_type="application/yaml; charset=utf-8"
    )
    name = f"{slugify(brand.name) or 'klikvoor'}-{slugify(what)}.yaml"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    response["Cache-Control"] = "no-store"
    return response


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def bring_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Make a draft of a file; in place of the one that the page showed, if any."""
    brand = brand_for(request, pk)
    draft = draft_of(brand)
    form = FileForm(request.POST or None, request.FILES or None)
    told: list[str] = []
    status = 200
    if request.method == "POST":
        status = 400
        file = request.FILES.get("file")
        if form.is_valid() and file is not None:
            try:
                # One byte more than may be, and no more of whatever was sent.
                data = exchange.read(file.read(exchange.MAX_BYTES + 1))
                QuestionnaireDraft.start(
                    brand, staff_on(request), data, instead_of=request.POST.get("instead_of", "")
                )
            except exchange.Unreadable as unreadable:
                told = unreadable.told
            except DraftRefused:
                status = 409
                told = [
                    _("Er is intussen een ander concept. Kijk of dat weg mag, en kies opnieuw.")
                ]
            else:
                messages.success(
                    request, _("Het bestand is nu het concept. Er is niets gepubliceerd.")
                )
                return to("questions_draft", brand)
    return page(
        request, "import", brand, status, draft=draft, form=form, told=told[:100], more=told[100:]
    )
