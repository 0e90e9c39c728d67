"""The refusals of the protocol in words for people. The codes are in docs/protocol.md."""

from django.utils import translation
from django.utils.translation import gettext_lazy as _

REFUSALS = {
    "not_understood": _("Dat begreep de site niet. Er is niets veranderd."),
    "too_long": _("Dit is te lang. Maak er twee berichten van."),
    "hello_first": _("De verbinding was nog niet klaar. Probeer het opnieuw."),
    "too_many": _("Dat ging te snel. Wacht even en probeer het opnieuw."),
    "wrong_state": _("Dat kan nu niet meer."),
    "taken": _("Iemand anders was je voor."),
    "cap": _("Je hebt al zoveel gesprekken als je wilde."),
    "extra": _(
        "Je hebt al zoveel gesprekken als je wilde, en deze jongere heeft nu hulp nodig. "
        "Alleen als het jou lukt: wil je er één bij nemen?"
    ),
    "urgent": _("Je hebt al een gesprek met spoed."),
    "first_others": _(
        "Dit gesprek is heel even eerst voor een collega. Daarna kun jij het aannemen."
    ),
    "not_available": _("Je bent nog niet aanwezig op je werkplek. Probeer het zo opnieuw."),
    "colleague_absent": _("Deze collega is nu niet beschikbaar."),
    "forbidden": _("Dit gesprek is niet (meer) van jou."),
    "id_reused": _("Dit bericht kon niet worden bewaard. Typ het opnieuw."),
    "stale": _("Deze pagina is verouderd. Laad de pagina opnieuw."),
    "unavailable": _("Dit kon nu niet worden bewaard. Probeer het zo opnieuw."),
}


def refusal(code: str, language: str) -> str:
    """Return the sentence for a code, in "nl" or "en"."""
    with translation.override(language):
        return str(REFUSALS[code])
