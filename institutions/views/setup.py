"""Which institutions take part, for the platform's coordinators."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from institutions.access import Staff, platform_required
from institutions.forms import InstitutionForm
from institutions.models import AuditEvent, Institution


@require_safe
@platform_required
def institutions(request: HttpRequest) -> HttpResponse:
    found = Institution.objects.order_by("-is_active", "name")
    return render(request, "institutions/institutions.html", {"institutions": found})


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def institution(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Add an institution, or change one. None is ever deleted: what it did stays its own."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    known = get_object_or_404(Institution, pk=pk) if pk is not None else None
    form = InstitutionForm(request.POST or None, instance=known)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        AuditEvent.objects.create(
            actor=staff.user, verb=AuditEvent.Verb.SETTINGS, institution=saved, detail="institution"
        )
        messages.success(request, _("%(name)s is bewaard.") % {"name": saved.name})
        return redirect("institutions")
    return render(request, "institutions/institution.html", {"form": form, "known": known})
