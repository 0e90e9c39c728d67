"""The draft of a site: all of its parts on one page, and each part on a page of its own."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from institutions.access import coordinator_required
from institutions.models import Brand
from triage import parts, readable
from triage.drafts import DraftRefused, QuestionnaireDraft
from triage.editor import brand_for, draft_of, page, problems_by_part, problems_of, staff_on, to
from triage.editor_forms import FORMS, NameForm, PartForm, QuestionForm

MOVES = {"up": -1, "down": 1}


def needs_draft(request: HttpRequest, brand: Brand) -> QuestionnaireDraft | HttpResponseRedirect:
    """The draft; where there is none any more, the way to where one can be begun."""
    draft = draft_of(brand)
    if draft is None:
        messages.warning(request, _("Er is nu geen concept. Begin er hier een."))
        return to("questions_of", brand)
    return draft


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def draft(request: HttpRequest, pk: int) -> HttpResponse:
    """Everything of the draft; buttons move, join, part and remove."""
    brand = brand_for(request, pk)
    found = needs_draft(request, brand)
    if isinstance(found, HttpResponse):
        return found
    form = NameForm(initial={name: found.data.get(name, "") for name in ("name", "contact_kind")})
    if request.method == "POST":
        if request.POST.get("deed") == "name":
            form = NameForm(request.POST)
            if form.is_valid():
                found.change(staff_on(request), form.put)
                messages.success(request, _("Bewaard."))
                return to("questions_draft", brand)
        else:
            return _do(request, brand, found)
    outline = readable.outline(found.data)
    problems = problems_by_part(found.data)
    for kind, rows in _rows(outline):
        for row in rows:
            row["problems"] = problems.get(f"{kind}-{row['key']}", [])
    return page(
        request,
        "draft",
        brand,
        draft=found,
        outline=outline,
        form=form,
        problems=problems.get("", []),
        to_do=sum(map(len, problems.values())),
    )


def _rows(outline: dict[str, Any]) -> list[tuple[str, list[Any]]]:
    return [
        ("screen", outline["screens"]),
        *(("question", screen["questions"]) for screen in outline["screens"]),
        ("rule", outline["rules"]),
        ("words", outline["words"]),
        ("wish", outline["wishes"]),
    ]


def _do(request: HttpRequest, brand: Brand, found: QuestionnaireDraft) -> HttpResponse:
    """One deed with one part; `seen` is how its editor saw it."""
    sent = request.POST
    kind, key, seen = sent.get("kind", ""), sent.get("key", ""), sent.get("seen", "")
    if kind not in parts.KINDS or (kind in parts.LISTS and not _is_number(key)):
        raise Http404
    deed = sent.get("deed", "")

    def change(data: dict[str, Any]) -> dict[str, Any]:
        if deed in MOVES:
            return parts.move(data, kind, key, seen, MOVES[deed])
        if deed == "remove" and kind != "screen":
            return parts.remove(data, kind, key, seen)
        if deed == "join" and kind == "screen":
            return parts.join(data, key)
        if deed == "part" and kind == "question":
            return parts.part_company(data, key)
        raise Http404

    try:
        found.change(staff_on(request), change)
    except (parts.Gone, DraftRefused):
        messages.warning(
            request,
            _("Iemand anders heeft dit intussen veranderd. Er is niets gebeurd; kijk nog eens."),
        )
    else:
        if deed == "remove":
            messages.success(request, _("Weggehaald uit het concept."))
    fragment = "" if deed == "remove" else f"{kind}-{_new_key(found, kind, key, seen)}"
    return to("questions_draft", brand, fragment)


def _new_key(found: QuestionnaireDraft, kind: str, key: str, seen: str) -> str:
    """Where the part is now: who moves by keyboard goes on from there."""
    if kind not in parts.LISTS:
        return key
    now = draft_of(found.brand)
    listed = parts.listed(now.data, kind) if now else []
    alike = [str(n) for n, one in enumerate(listed) if parts.fingerprint(one) == seen]
    return alike[0] if alike else key


def _is_number(key: str) -> bool:
    return key.isdecimal() and key.isascii() and len(key) < 5


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def part(request: HttpRequest, pk: int, kind: str, key: str = "") -> HttpResponse:
    """Add a part, or change one."""
    if kind not in FORMS or (key and kind in parts.LISTS and not _is_number(key)):
        raise Http404
    if not key and kind == "screen":
        raise Http404
    brand = brand_for(request, pk)
    found = needs_draft(request, brand)
    if isinstance(found, HttpResponse):
        return found
    now = parts.part_at(found.data, kind, key) if key else {}
    sent = request.POST if request.method == "POST" else None
    if now is None and sent is None:
        raise Http404
    form = FORMS[kind](found.data, now or {}, sent)
    if key and now is not None:
        _tell_problems(form, found.data, kind, key)
    seen = sent.get("seen", "") if sent is not None else (parts.fingerprint(now) if key else "")
    context: dict[str, Any] = {"kind": kind, "key": key, "form": form, "seen": seen, "status": 200}
    if sent is not None and (deed := sent.get("row", "")):
        name, _dash, number = deed.partition("-")
        if isinstance(form, QuestionForm):
            form.rearrange(name, int(number) if _is_number(number) else 0)
            context["is_rearranged"] = True
    elif sent is not None and form.is_valid():
        done = _save(request, found, form, kind, key, seen)
        if done is None:
            messages.success(request, _("Bewaard in het concept."))
            return to("questions_draft", brand)
        context |= done
    elif sent is not None:
        context["status"] = 400
    return page(request, "part", brand, draft=found, **context)


def _save(
    request: HttpRequest,
    found: QuestionnaireDraft,
    form: PartForm,
    kind: str,
    key: str,
    seen: str,
) -> dict[str, Any] | None:
    """Store the part. If somebody was first: what to show, with all that was typed still there."""
    try:
        found.change(
            staff_on(request),
            lambda data: parts.put(data, kind, key if seen else "", seen, form.part),
        )
    except DraftRefused:
        return {"status": 409, "is_gone": True}
    except parts.Gone as gone:
        newest = draft_of(found.brand)
        return {
            "status": 409,
            "changed_by": newest.changed_by if newest else None,
            # Saving once more is meant: over what is there now, or as a new part.
            "seen": parts.fingerprint(gone.now) if gone.now is not None else "",
            "theirs": _told(found.data if newest is None else newest.data, kind, gone.now),
            "is_removed": gone.now is None,
        }
    return None


def _told(data: dict[str, Any], kind: str, part: Any) -> list[tuple[str, str]]:
    """What somebody else made of a part, line by line."""
    if part is None:
        return []
    alone = parts.EMPTY | {"steps": [], "rules": [], "words": []}
    if kind == "question":
        changed = alone | {"steps": [{"questions": [part]}]}
    elif kind == "screen":
        return [(language, text) for language, text in part.items()]
    else:
        # Conditions are told with the questions that they are about.
        alone = data | {"rules": [], "words": [], "routing": {}}
        changed = dict(alone)
        name = parts.LISTS[kind][-1]
        changed |= {"routing": {name: [part]}} if kind == "wish" else {name: [part]}
    return [
        (label, after)
        for difference in readable.differences(alone, changed)
        for label, _before, after in difference.changes
        if after
    ]


def _tell_problems(form: PartForm, data: dict[str, Any], kind: str, key: str) -> None:
    place = parts.place_of(data, kind, key)
    for problem in problems_of(data):
        if place and f"{problem.place}.".startswith(f"{place}."):
            way = problem.place[len(place) + 1 :]
            if kind == "screen" and not way.startswith("text"):
                continue
            form.tell(way, problem.text)
