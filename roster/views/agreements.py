"""What is agreed once: the rules of a line, and what each worker may do."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from institutions.access import coordinator_required, platform_required
from institutions.models import Membership, User
from roster.agreement_forms import AgreementsForm, TasksForm
from roster.models import Qualification
from roster.views.steering import attempt, line_of, page, staff_on, to


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def agreements(request: HttpRequest) -> HttpResponse:
    """Cover, rest, giving back and cancelling: the same for everybody on this line."""
    line = line_of(request)
    form = AgreementsForm(request.POST or None, line=line)
    if (
        request.method == "POST"
        and form.is_valid()
        and attempt(
            request,
            lambda: line.agree(staff_on(request).user, **form.cleaned_data),
            _("De afspraken zijn bewaard."),
        )
    ):
        return redirect(to("roster_agreements", line))
    return page(request, "agreements", line, "agreements", form=form)


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def tasks(request: HttpRequest) -> HttpResponse:
    """Who is in training or may be called in; of the own workers."""
    line, staff = line_of(request), staff_on(request)
    works = (
        Membership.objects.active()
        .workers()
        .filter(user__in=User.objects.coordinated_by(staff))
        .select_related("user", "institution")
    )
    # Where else somebody works is only the platform's to read.
    folded = staff.is_platform_coordinator
    order = ("user__name", "user")
    works = works.order_by(*(("institution__name", "institution", *order) if folded else order))
    form = TasksForm(request.POST or None, works=works, by_institution=folded)
    if request.method == "POST" and form.is_valid():
        today = line.today(timezone.now())

        def give() -> None:
            with transaction.atomic():
                for worker, kinds in form.chosen:
                    Qualification.give(worker, kinds, staff.user, today)

        if attempt(request, give):
            messages.success(request, _("Bewaard."))
            return redirect(to("roster_tasks", line))
    return page(request, "tasks", line, "tasks", form=form)
