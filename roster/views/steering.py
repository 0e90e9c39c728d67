"""What the planning pages of the platform's coordinators share."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.core.exceptions import ValidationError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse

from institutions.access import Staff
from roster.models import RosterRefused, ServiceLine
from roster.texts import refusal


def staff_on(request: HttpRequest) -> Staff:
    """Who asks; a door of `institutions.access` has let them in."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    return staff


def line_of(request: HttpRequest) -> ServiceLine:
    """Return the line that `?line=` names, else the first one. 404: there is none (of that id)."""
    wanted = request.POST.get("line") or request.GET.get("line") or ""
    lines = ServiceLine.objects.all()
    if wanted:
        lines = lines.filter(pk=int(wanted[:9])) if wanted.isdecimal() else lines.none()
    line = lines.first()
    if line is None:
        raise Http404
    return line


def to(name: str, line: ServiceLine) -> str:
    """The address of a planning page about this line."""
    return f"{reverse(name)}?line={line.pk}"


def page(
    request: HttpRequest, template: str, line: ServiceLine, tab: str, **context: Any
) -> HttpResponse:
    """Render a planning page: its tab is marked in the menu, the other lines are a click away."""
    lines = list(ServiceLine.objects.all())
    return render(
        request, f"roster/{template}.html", {"line": line, "lines": lines, "tab": tab, **context}
    )


def attempt(request: HttpRequest, deed: Callable[[], object], done: str = "") -> bool:
    """Do it and say so; say why not when the roster refuses."""
    try:
        deed()
    except RosterRefused as refused:
        messages.error(request, refusal(refused.code))
        return False
    except ValidationError as wrong:
        messages.error(request, " ".join(wrong.messages))
        return False
    if done:
        messages.success(request, done)
    return True
