"""The roster by week, by month, and all that is still open. Everybody on the staff may look."""

from collections import Counter
from collections.abc import Callable
from datetime import date, timedelta

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.utils.dates import WEEKDAYS
from django.views.decorators.http import require_safe

from institutions.access import Staff, staff_required
from roster.grid import Cell, Day, Level, grid_of
from roster.views.which import day_of, lines_of

WEEK = timedelta(days=7)
# How far ahead the list of gaps looks: four weeks, or a quarter of a year.
SOON = timedelta(days=27)
AHEAD = timedelta(days=90)
SHOWN = ("open", "mine")
OPEN: dict[str, Callable[[Cell], bool]] = {
    "all": lambda cell: True,
    "gaps": lambda cell: cell.level == Level.GAP,
    "ours": lambda cell: any(turn.is_ours for turn in cell.turns),
}


@staff_required
@require_safe
def week(request: HttpRequest) -> HttpResponse:
    """Show seven days: gaps, thin spots, own duties, and whose turn it is."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    lines, line = lines_of(request)
    now = timezone.now()
    today = line.today(now)
    day = day_of(request, today)
    first = day - timedelta(days=day.weekday())
    grid = grid_of(line, first, first + timedelta(days=6), now, staff)
    asked = request.GET.get("show", "")
    context = {
        "lines": lines,
        "line": line,
        "grid": grid,
        "first": first,
        "last": first + timedelta(days=6),
        "before": first - WEEK,
        "after": first + WEEK,
        "today": today,
        "is_this_week": first <= today < first + WEEK,
        "shown": asked if asked in SHOWN else "all",
    }
    return render(request, "roster/week.html", context)


@staff_required
@require_safe
def month(request: HttpRequest) -> HttpResponse:
    """Show a month as a calendar that colours each day by what is missing on it."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    lines, line = lines_of(request)
    now = timezone.now()
    today = line.today(now)
    first = day_of(request, today).replace(day=1)
    after = _next_month(first)
    last = after - timedelta(days=1)
    grid = grid_of(line, first, last, now, staff, names=False)
    context = {
        "lines": lines,
        "line": line,
        "grid": grid,
        "weeks": _weeks(grid.days),
        "weekdays": WEEKDAYS.values(),
        "first": first,
        "before": (first - timedelta(days=1)).replace(day=1),
        "after": after,
        "today": today,
        "is_this_month": first <= today <= last,
    }
    return render(request, "roster/month.html", context)


@staff_required
@require_safe
def gaps(request: HttpRequest) -> HttpResponse:
    """List the hours of the coming quarter that still miss somebody, of all institutions."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    lines, line = lines_of(request)
    now = timezone.now()
    today = line.today(now)
    ahead = AHEAD if request.GET.get("ahead") == "quarter" else SOON
    grid = grid_of(line, today, today + ahead, now, staff, names=False)
    asked = request.GET.get("show", "")
    shown = asked if asked in OPEN else "all"
    cells = [cell for cell in grid.cells if cell.is_open]
    context = {
        "lines": lines,
        "line": line,
        "grid": grid,
        "weeks": _by_week([cell for cell in cells if OPEN[shown](cell)]),
        "shown": shown,
        "is_quarter": ahead == AHEAD,
        "last": today + ahead,
        "owing": _owing(cells),
    }
    return render(request, "roster/gaps.html", context)


def _next_month(first: date) -> date:
    return (first + timedelta(days=32)).replace(day=1)


def _weeks(month: list[Day]) -> list[list[Day | None]]:
    """Cut the days of a month into weeks from Monday; None is a day of another month."""
    before: list[Day | None] = [None] * month[0].date.weekday()
    days = [*before, *month]
    days += [None] * (-len(days) % 7)
    return [days[start : start + 7] for start in range(0, len(days), 7)]


def _by_week(cells: list[Cell]) -> list[tuple[int, list[Cell]]]:
    """Put hours together by the number of their week; they are in order, and less than a year."""
    weeks: dict[int, list[Cell]] = {}
    for cell in cells:
        weeks.setdefault(cell.hour.local_date.isocalendar().week, []).append(cell)
    return list(weeks.items())


def _owing(cells: list[Cell]) -> list[tuple[str, int, bool]]:
    """Return the institutions whose turn it is, how many seats, and whether it is the own one."""
    count: Counter[tuple[str, bool]] = Counter()
    for cell in cells:
        for turn in cell.turns:
            if turn.is_owed:
                count[turn.institution, turn.is_ours] += turn.count
    return [
        (name, seats, is_ours)
        for (name, is_ours), seats in sorted(
            count.items(), key=lambda item: (not item[0][1], -item[1], item[0][0])
        )
    ]
