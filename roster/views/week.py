"""The week: every hour of a line, who fills it, and where somebody is missing."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from institutions.access import staff_required


@staff_required
@require_safe
def week(request: HttpRequest) -> HttpResponse:
    return render(request, "roster/week.html")
