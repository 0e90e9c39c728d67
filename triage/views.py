"""The pages of a visit, all at one address.

GET shows where the visit is; POST with an `action` changes it and leads back by a redirect. What
is refused shows the same page again, with the reason and a status of 4xx, and changes nothing.
Nothing here needs JavaScript.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.views.decorators.gzip import gzip_page
from django.views.decorators.http import require_http_methods, require_safe

from chat import visit_page
from chat.models import Conversation, Refused, Visitor
from chat.reading import read_messages
from chat.visits import drop_visit_cookie, post_as_visitor, same_origin, set_visit_cookie
from institutions.models import Brand
from institutions.places import Found, municipalities, name_of, places, postcodes
from triage import colours, letter_actions, letter_page, rules
from triage.forms import FeedbackForm, LanguageForm, Place, PostForm, StepForm, StepNumberForm
from triage.models import Intake, Stale
from triage.told import UNSAID
from triage.visiting import (
    ADDRESS,
    BEGUN,
    TEXTS,
    Refusal,
    Visit,
    go_on,
    language_of,
    page,
    retention_days,
    visit_of,
)

# The exit of pages that belong to no brand is in templates/visit.html.
CLEAR_SITE_DATA = '"cache", "cookies", "storage"'


@same_origin
@require_http_methods(["GET", "HEAD", "POST"])
def visit(request: HttpRequest) -> HttpResponse:
    here = visit_of(request)
    with translation.override(language_of(here.visitor)):
        if request.method == "POST":
            return act(here)
        if "start" in request.GET:
            if here.visitor is None:
                return show(here, status=409, refusal=TEXTS["no_cookie"])
            return HttpResponseRedirect(ADDRESS)
        return show(here)


@require_safe
def privacy(request: HttpRequest) -> HttpResponse:
    here = visit_of(request)
    with translation.override(language_of(here.visitor)):
        return page(here, "triage/privacy.html", days=retention_days())


@require_safe
def brand_css(request: HttpRequest) -> HttpResponse:
    """The brand's colours. A file of its own, because pages may hold no style."""
    brand = Brand.objects.for_host(request.get_host())
    css = colours.stylesheet(brand.accent if brand else colours.DEFAULT)
    response = HttpResponse(css, content_type="text/css; charset=utf-8")
    response["Cache-Control"] = "private, max-age=3600"
    return response


@gzip_page
@require_safe
def places_json(request: HttpRequest) -> HttpResponse:
    """Names and postcodes of the whole country, for the field that searches in them as one types."""
    data = {
        "municipalities": municipalities(),
        "names": [[name, code] for name, codes in places() for code in codes],
        # Those that lead to one; for the others the page asks which it is.
        "postcodes": [
            [first, last, codes[0]] for first, last, codes in postcodes() if len(codes) == 1
        ],
    }
    response = JsonResponse(data, json_dumps_params={"separators": (",", ":")})
    response["Cache-Control"] = "no-store"
    return response


# --- Show: where is this visit? -----------------------------------------------------------------


def show(here: Visit, status: int = 200, **context: Any) -> HttpResponse:
    """Show the page of the state that the visit is in."""
    if here.live:
        return show_conversation(here, here.live, status, **context)
    if intake := here.intake:
        return show_intake(here, intake, status, **context)
    if here.conversation:
        if here.conversation.kind == Conversation.Kind.LETTER:
            return letter_page.show_letter(here, here.conversation, status, **context)
        return show_ended(here, here.conversation, status, **context)
    return page(
        here,
        "triage/welcome.html",
        status,
        opening=here.opening,
        has_letters=here.line is not None,
        days=retention_days(),
        **context,
    )


def show_intake(
    here: Visit, intake: Intake, status: int, form: StepForm | None = None, **context: Any
) -> HttpResponse:
    context["danger"] = intake.danger()
    context["is_letter"] = intake.is_letter
    if intake.is_done and intake.is_letter:
        return letter_page.show_write(here, status, opening=here.opening, **context)
    if intake.is_done:
        return page(here, "triage/not_open.html", status, opening=here.opening, **context)
    step = intake.questionnaire.steps[intake.step]
    answers = intake.answers()
    language = str(translation.get_language())
    questions = [shown(question, language, form, answers) for question in step["questions"]]
    return page(
        here,
        "triage/question.html",
        status,
        intro=step.get("text", {}).get(language, ""),
        is_new_danger=context["danger"] and not intake.danger(before=intake.step - 1),
        questions=questions,
        errors=form.non_field_errors() if form else [],
        has_place=any(question["kind"] == "place" for question in questions),
        step=intake.step,
        number=intake.step + 1,
        count=len(intake.questionnaire.steps),
        is_last=intake.step + 1 == len(intake.questionnaire.steps),
        **context,
    )


def shown(
    question: dict[str, Any], language: str, form: StepForm | None, answers: rules.Answers
) -> dict[str, Any]:
    """A question with what somebody just sent, right or wrong; else with what they answered before."""
    code = question["code"]
    given = form.given(code) if form else answers.get(code, "")
    question = {
        "code": code,
        "kind": question["kind"],
        "text": question["text"][language],
        "help": question.get("help", {}).get(language, ""),
        "given": given,
        "errors": form.errors.get(code, []) if form else [],
        "options": [
            {
                "code": option["code"],
                "text": option["text"][language],
                "is_chosen": option["code"] in rules.several(given),
            }
            for option in question.get("options", ())
        ]
        if "options" in question
        else [],
    }
    if question["kind"] == "place":
        question |= place(code, form, given)
    return question


def place(code: str, form: StepForm | None, given: Any) -> dict[str, Any]:
    """What the question for a place shows: what was typed, and what that may be."""
    if form is None:
        chosen = str(given)
        name = name_of(chosen) if chosen and chosen != UNSAID else ""
        return {"typed": name, "seen": name, "chosen": chosen, "found": []}
    choice, typed, _seen = given
    field = form.fields[code]
    found = field.choices if isinstance(field, Place) else []
    return {"typed": typed, "seen": typed, "chosen": choice, "found": labelled(found)}


def labelled(found: list[Found]) -> list[dict[str, str]]:
    """Places with the municipality that they are in."""
    texts = []
    for one in found:
        text = name_of(one.code)
        if one.name:
            named = _("%(place)s (gemeente %(municipality)s)")
            text = named % {"place": one.name, "municipality": text}
        texts.append({"code": one.code, "text": text})
    return texts


def show_conversation(
    here: Visit, conversation: Conversation, status: int, **context: Any
) -> HttpResponse:
    # Without JavaScript this page, which refreshes itself, is the only sign of life there is.
    Conversation.objects.filter(pk=conversation.pk).update(visitor_seen_at=here.now)
    shown = {
        name: context.pop(name)
        for name in ("writing", "draft", "client_id", "refused")
        if name in context
    }
    context |= visit_page.context(conversation, here.now, **shown)
    context["has_letter"] = here.letter is not None
    return page(here, "chat/visit_conversation.html", status, **context)


def show_ended(
    here: Visit, conversation: Conversation, status: int, **context: Any
) -> HttpResponse:
    """After a chat: how was it? After the queue: why it stopped."""
    context["letter"] = here.letter
    if conversation.status == Conversation.Status.ABANDONED:
        change = conversation.changes.last()
        reason = change.reason if change else ""
        return page(
            here, "triage/left.html", status, reason=reason, opening=here.opening, **context
        )
    return page(
        here,
        "triage/ended.html",
        status,
        conversation=conversation,
        is_rated=conversation.feedback_heard is not None
        or conversation.feedback_better is not None,
        messages=read_messages(conversation.pk, 0, limit=conversation.last_seq),
        days=retention_days(),
        **context,
    )


# --- Act: each action either does what it says or raises a Refusal ------------------------------


def act(here: Visit) -> HttpResponse:
    sent = here.request.POST
    # Beside a question the buttons for the language belong to the form of the answer, so that it comes along.
    name = sent.get("action", "language" if "language" in sent else "")
    action = ACTIONS.get(name)
    try:
        if action is None:
            raise Refusal(TEXTS["unknown"], status=400)
        return action(here)
    except Stale:
        refusal = Refusal(TEXTS["stale"])
    except Refusal as refused:
        refusal = refused
    # What the action read may be older than what it found, so look again.
    fresh = visit_of(here.request)
    return show(fresh, refusal.status, refusal=refusal.text, **refusal.context)


def start(here: Visit) -> HttpResponse:
    """Begin with the first question; after the last one, try again to get into the chat."""
    if here.live:
        return go_on()
    intake = here.intake
    if intake is not None:
        if intake.is_letter:
            intake.choose(is_letter=False)
            intake = here.needs_intake()
        return start_conversation(here, intake) if intake.is_done else go_on()
    if here.conversation:
        raise Refusal(TEXTS["ended"])
    if here.opening is None or not here.opening.admits:
        raise Refusal(here.opening.text() if here.opening else _("De chat is nu niet open."))
    if here.visitor is not None:
        Intake.begin(here.visitor)
        return go_on()
    visitor, token = Visitor.begin(here.brand, settings.LANGUAGE_CODE)
    Intake.begin(visitor)
    response = go_on()
    response["Location"] = BEGUN
    set_visit_cookie(response, token)
    return response


def start_conversation(here: Visit, intake: Intake) -> HttpResponse:
    """Into the queue, if the chat is open at this moment; else the answers stay, and the page says why.

    To a letter: the answers stay until it is sent.
    """
    if intake.is_letter:
        return go_on()
    if here.line and here.opening and here.opening.admits:
        intake.start_conversation(here.line)
    return go_on()


def answer(here: Visit) -> HttpResponse:
    if here.live:  # the last answer, clicked twice
        return go_on()
    intake = here.needs_intake()
    step = step_number(here)
    if step >= len(intake.questionnaire.steps):
        raise Stale
    form = StepForm(intake.questionnaire.steps[step], here.request.POST)
    if not form.is_valid():
        if step != intake.step:
            raise Stale
        raise Refusal("", status=400, form=form)
    return answered(here, intake, step, form.cleaned_data)


def skip(here: Visit) -> HttpResponse:
    if here.live:
        return go_on()
    intake = here.needs_intake()
    step = step_number(here)
    if step >= len(intake.questionnaire.steps):
        raise Stale
    return answered(here, intake, step, {})


def answered(here: Visit, intake: Intake, step: int, answers: rules.Answers) -> HttpResponse:
    intake.answer(step, answers)
    intake = here.needs_intake()
    return start_conversation(here, intake) if intake.is_done else go_on()


def skip_all(here: Visit) -> HttpResponse:
    if here.live:
        return go_on()
    intake = here.needs_intake()
    intake.skip_rest(intake.step, filled_in(here, intake, intake.step))
    return start_conversation(here, here.needs_intake())


def back(here: Visit) -> HttpResponse:
    intake = here.needs_intake()
    step = step_number(here)
    intake.back(step, filled_in(here, intake, step))
    return go_on()


def keep(here: Visit) -> HttpResponse:
    """What is filled in so far, told by a page that stays: a reload loses nothing."""
    intake = here.needs_intake()
    step = step_number(here)
    if step >= len(intake.questionnaire.steps):
        raise Stale
    keep_filled_in(here, intake, step)
    return HttpResponse(status=204)


def keep_filled_in(here: Visit, intake: Intake, step: int) -> None:
    form = StepForm(intake.questionnaire.steps[step], here.request.POST)
    form.is_valid()
    given = {code: value for code, value in form.cleaned_data.items() if value}
    intake.keep(step, given, wrong=form.errors.keys())


def filled_in(here: Visit, intake: Intake, step: int) -> rules.Answers:
    """What was filled in on a page that was left another way than by answering; not what is wrong."""
    if step >= len(intake.questionnaire.steps) or here.request.POST.get("step") != str(step):
        return {}
    form = StepForm(intake.questionnaire.steps[step], here.request.POST)
    form.is_valid()
    return {code: value for code, value in form.cleaned_data.items() if value}


def step_number(here: Visit) -> int:
    form = StepNumberForm(here.request.POST)
    if not form.is_valid():
        raise Refusal(TEXTS["unknown"], status=400)
    step: int = form.cleaned_data["step"]
    return step


def choose_language(here: Visit) -> HttpResponse:
    form = LanguageForm(here.request.POST)
    if not form.is_valid():
        raise Refusal(TEXTS["unknown"], status=400)
    language = form.cleaned_data["language"]
    response = go_on()
    if here.visitor is not None:
        Visitor.objects.filter(pk=here.visitor.pk).update(language=language)
        intake = here.intake
        if intake and not intake.is_done and here.request.POST.get("step") == str(intake.step):
            keep_filled_in(here, intake, intake.step)
    elif language != settings.LANGUAGE_CODE:
        # The one cookie of a visit carries this choice too.
        _visitor, token = Visitor.begin(here.brand, language)
        set_visit_cookie(response, token)
    return response


def leave_site(here: Visit) -> HttpResponse:
    """The exit: end the visit, leave nothing in the browser, and lead to an ordinary page."""
    if here.visitor is not None:
        Intake.objects.filter(visitor=here.visitor).delete()
        here.visitor.leave()
    # A page and not a redirect: the policy for forms allows none to another site.
    response = render(here.request, "triage/exit.html", {"exit_url": here.brand.exit_url})
    response["Cache-Control"] = "no-store"
    response["Clear-Site-Data"] = CLEAR_SITE_DATA
    drop_visit_cookie(response)
    return response


def post(here: Visit) -> HttpResponse:
    visitor = here.needs_visitor()
    draft = here.request.POST.get("text", "")
    if here.live is None:
        raise Refusal(TEXTS["ended"], draft=draft)
    form = PostForm(here.request.POST)
    if not form.is_valid():
        raise Refusal("", status=400, draft=draft, refused="not_understood")
    client_id = str(form.cleaned_data["client_id"])
    try:
        post_as_visitor(visitor, here.live, client_id, draft)
    except Refused as refused:
        # Not stored: under the same number, so that trying again cannot double it. Another text
        # under a used number: under a new one.
        keep = "" if refused.code == "id_reused" else client_id
        raise Refusal("", draft=draft, refused=refused.code, client_id=keep) from None
    return go_on()


def write(here: Visit) -> HttpResponse:
    """Open the field of the page that works without JavaScript, which then stops refreshing."""
    here.needs_visitor()
    if here.live is None:
        raise Refusal(TEXTS["ended"])
    return show(here, writing=True)


def leave(here: Visit) -> HttpResponse:
    """Out of the queue, or end the chat. A worker who came at the same moment changes nothing."""
    visitor = here.needs_visitor()
    for _attempt in range(3):
        conversation = visitor.conversation()
        if conversation is None or conversation.status not in Conversation.LIVE:
            break
        waiting = conversation.status == Conversation.Status.WAITING
        try:
            conversation.abandon(reason="left" if waiting else "closed")
        except Refused:
            continue
        return go_on()
    raise Refusal(TEXTS["ended"] if visitor.conversation() else TEXTS["stale"])


def feedback(here: Visit) -> HttpResponse:
    here.needs_visitor()
    conversation = here.conversation
    if conversation is None or conversation.status != Conversation.Status.CLOSED:
        raise Refusal(TEXTS["stale"])
    form = FeedbackForm(here.request.POST)
    if not form.is_valid():
        errors = form.non_field_errors() or [TEXTS["unknown"]]
        raise Refusal(errors[0], status=400)
    conversation.rate(**form.cleaned_data)
    return go_on()


def begin_anew(here: Visit) -> HttpResponse:
    """Another visit, which nothing links to this one."""
    visitor = here.needs_visitor()
    if here.live:
        raise Refusal(TEXTS["still_busy"])
    if here.conversation is None:
        raise Refusal(TEXTS["stale"])
    visitor.leave()
    response = go_on()
    drop_visit_cookie(response)
    if visitor.language != settings.LANGUAGE_CODE:
        _visitor, token = Visitor.begin(here.brand, visitor.language)
        set_visit_cookie(response, token)
    return response


ACTIONS: dict[str, Callable[[Visit], HttpResponse]] = {
    "start": start,
    "answer": answer,
    "back": back,
    "keep": keep,
    "skip": skip,
    "skip_all": skip_all,
    "language": choose_language,
    "exit": leave_site,
    "post": post,
    "write": write,
    "leave": leave,
    "feedback": feedback,
    "new": begin_anew,
    **letter_actions.ACTIONS,
}
