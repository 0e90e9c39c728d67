"""Coming back with a return code, in any browser."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from chat import pressure
from chat.models import ReturnCode
from chat.return_words import NotAWord
from chat.visits import same_origin, set_visit_cookie
from triage.letter_forms import CodeForm
from triage.visiting import TEXTS, Visit, go_on, language_of, page, visit_of

WRONG = gettext_lazy(
    "Deze zeven woorden kennen we niet. Kijk ze nog eens na. Is je brief langer dan een maand "
    "geleden afgesloten, of heb je alles gewist? Dan is hij er niet meer."
)
PROVE = gettext_lazy("Er wordt nu veel geprobeerd. Je woorden staan er nog.")


@same_origin
@require_http_methods(["GET", "HEAD", "POST"])
def come_back(request: HttpRequest) -> HttpResponse:
    """Ask for the code; the right one begins a visit anew. Wrong ones cost a little time."""
    here = visit_of(request)
    with translation.override(language_of(here.visitor)):
        return _try(here) if request.method == "POST" else _show(here)


def _show(here: Visit, status: int = 200, **context: Any) -> HttpResponse:
    if pressure.wrong_codes.is_high(here.request):
        context["proof"] = pressure.ask("code")
    words = here.request.POST.get("words", "")
    return page(here, "triage/come_back.html", status, words=words, live=here.live, **context)


def _try(here: Visit) -> HttpResponse:
    if here.live:
        return _show(here, 409, error=TEXTS["still_busy"])
    form = CodeForm(here.request.POST)
    if not form.is_valid():
        return _show(here, 400, error=form.errors["words"][0])
    if pressure.wrong_codes.is_high(here.request) and not pressure.is_proved(here.request, "code"):
        return _show(here, 429, error=PROVE)
    try:
        found = ReturnCode.find(form.cleaned_data["words"])
    except NotAWord as wrong:
        # Says only what is in the list, which everybody can read.
        return _show(here, 400, error=_which(wrong.number))
    if found is None:
        pressure.wrong_codes.count(here.request)
        return _show(here, 404, error=WRONG)
    visitor, words = found
    if here.visitor is not None and here.visitor.pk != visitor.pk:
        here.visitor.leave()
    response = go_on()
    set_visit_cookie(response, visitor.return_code.come_back(words))
    return response


def _which(number: int) -> str:
    if number == 0:
        return _("Dat zijn geen zeven woorden. Zet een spatie tussen de woorden.")
    return _("Woord %(number)s kennen we niet. Kijk of je het goed hebt overgenomen.") % {
        "number": number
    }
