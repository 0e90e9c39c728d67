"""What a page of the roster is about: which line, which days."""

from datetime import date

from django.http import Http404, HttpRequest

from roster.models import ServiceLine


def lines_of(request: HttpRequest) -> tuple[list[ServiceLine], ServiceLine]:
    """Return all lines, and the one asked for: else the first. 404 when it is not there."""
    lines = list(ServiceLine.objects.all())
    asked = request.GET.get("line")
    for line in lines:
        if asked is None or asked == str(line.pk):
            return lines, line
    raise Http404


def day_of(request: HttpRequest, today: date) -> date:
    """Return the day asked for (2026-03-02), else today. Nonsense is today too."""
    try:
        day = date.fromisoformat(request.GET.get("day", ""))
    except ValueError:
        return today
    # So that a week or a month around it is always one that a calendar knows.
    return day if 2000 <= day.year <= 2200 else today
