"""The screens of coordinators for the questions of a site: what all of them share."""

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation

from institutions.access import Staff
from institutions.models import Brand
from triage import parts, readable
from triage.checking import Problem, Unsound, check
from triage.drafts import QuestionnaireDraft

TAB_OF_KIND = {"rule": "rules", "words": "words", "wish": "wishes"}


def staff_on(request: HttpRequest) -> Staff:
    staff: Staff = request.staff  # type: ignore[attr-defined]
    return staff


def brand_for(request: HttpRequest, pk: int) -> Brand:
    """The site; a coordinator of other sites does not hear that it is there."""
    return get_object_or_404(Brand.objects.coordinated_by(staff_on(request)), pk=pk)


def draft_of(brand: Brand) -> QuestionnaireDraft | None:
    return QuestionnaireDraft.objects.select_related("changed_by").filter(brand=brand).first()


def to(name: str, brand: Brand, fragment: str = "", **more: Any) -> HttpResponseRedirect:
    response: HttpResponseRedirect = redirect(name, brand.pk, *more.values())
    if fragment:
        response["Location"] += f"#{fragment}"
    return response


def page(
    request: HttpRequest, name: str, brand: Brand, status: int = 200, **context: Any
) -> HttpResponse:
    context |= {"brand": brand, "status": status}
    response = render(request, f"triage/editor/{name}.html", context, status=status)
    response["Cache-Control"] = "no-store"
    return response


def problems_of(data: Any) -> list[Problem]:
    """What still has to be done before this can be published."""
    try:
        check(data)
    except Unsound as unsound:
        return unsound.problems
    return []


@dataclass(frozen=True)
class ToldProblem:
    """A problem in words: of which part, where in it, and what."""

    part: str
    where: str
    text: str


def problems_by_part(data: dict[str, Any]) -> dict[str, list[ToldProblem]]:
    """The problems of each part, by the name of its row on the page of the draft; "" for the rest."""
    rows = {
        f"steps.{s}.questions.{p}": f"question-{q['code']}" for s, p, q in parts.questions(data)
    }
    for number, step in enumerate(data["steps"]):
        rows[f"steps.{number}"] = f"screen-{step['questions'][0]['code']}"
    for kind in parts.LISTS:
        for number in range(len(parts.listed(data, kind))):
            rows[f"{'.'.join(parts.LISTS[kind])}.{number}"] = f"{kind}-{number}"
    found: dict[str, list[ToldProblem]] = {}
    for problem in problems_of(data):
        way = problem.place.split(".")
        while way and ".".join(way) not in rows:
            way.pop()
        place = ".".join(way)
        told = ToldProblem(
            part=readable.part_name(data, place),
            where=readable.where(problem.place[len(place) :].strip(".")),
            text=problem.text,
        )
        found.setdefault(rows.get(place, ""), []).append(told)
    return found


def language_asked(request: HttpRequest) -> str:
    """The language in which to try the questions out: asked for, else the reader's."""
    asked = request.POST.get("language") or request.GET.get("language")
    return asked if asked in ("nl", "en") else str(translation.get_language())[:2]
