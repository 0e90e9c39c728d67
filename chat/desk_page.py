"""The page of the desk: everything that its scripts need before the socket speaks."""

from typing import Any, get_args

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _

from chat import registration
from chat.commands import ClosingReason
from chat.inbox import BOXES
from chat.models import ChecklistTick, Conversation
from chat.replies import replies_for
from institutions.access import Staff, worker_required
from roster.models import ServiceLine

# Kinds of contact that are about nothing: the topic is then known without asking.
KINDS_WITHOUT_TOPIC = ("silent", "test", "prank", "abusive", "thanks", "wrong_place")

# Every sentence that the scripts say; static/js/chat/desk_dom.js fills in {…}.
TEXTS = {
    # Bar
    "available": _("Je bent beschikbaar"),
    "available_help": _("Nieuwe gesprekken kunnen naar je toe komen."),
    "paused": _("Je hebt pauze"),
    "paused_help": _("Je krijgt niemand nieuw. Je eigen gesprekken gaan gewoon door."),
    "load": _("{n} van {cap} gesprekken"),
    "connecting": _("Verbinden…"),
    "online": _("Verbonden"),
    "offline": _("Verbinding weg. Je woorden zijn bewaard. We proberen het steeds opnieuw."),
    "polling": _("De verbinding is traag. Alles komt aan, maar een paar tellen later."),
    "restarting": _("We zijn zo terug. Je woorden zijn bewaard."),
    "not_connected": _("Er is nu geen verbinding. Probeer het zo nog eens."),
    "connection_broke": _(
        "De verbinding viel weg. Kijk of het gelukt is en probeer het anders opnieuw."
    ),
    "sound_on": _("Geluid aan"),
    "sound_off": _("Geluid uit"),
    "sound_waiting": _("Geluid na een klik"),
    # Queue
    "who": _("Jongere {label}"),
    "urgency_now": _("nu hulp nodig"),
    "urgency_soon": _("liefst snel"),
    "urgency_normal": _("gewoon"),
    "place": _("nummer {n}"),
    "queue_more": _(
        "En nog {n} die verder naar achter staan. Nu hulp nodig: {now}, liefst snel: {soon}, "
        "gewoon: {normal}."
    ),
    "waits_now": _("net binnen"),
    "waits": _("wacht {n} min"),
    "handed_over": _("Overgedragen door een collega"),
    "age": _("leeftijd: {age}"),
    "saw_help_lines": _("zag de hulplijnen"),
    "changed_by": _("{name}, {time}: van ‘{old}’ naar ‘{new}’. {reason}"),
    "first_mine_region": _("Jouw regio: nog {n} s eerst voor jou."),
    "first_mine_wish": _("Vraagt om wat jij kunt: nog {n} s eerst voor jou."),
    "first_mine_both": _("Jouw regio, en vraagt om wat jij kunt: nog {n} s eerst voor jou."),
    "first_other_region": _("Eigen regio: nog {n} s eerst voor {who}."),
    "first_other_wish": _("Taal of wens: nog {n} s eerst voor een collega die dit kan."),
    "first_other_both": _("Regio en wens: nog {n} s eerst voor een collega uit {who}."),
    "urgency_label": _("Urgentie"),
    "urgency_of": _("Verander de urgentie van {label}"),
    "reserved_me": _("Een collega draagt dit aan jou over"),
    "reserved_other": _("Een collega is gevraagd om dit over te nemen"),
    "language_en": _("schrijft Engels"),
    "claim": _("Aannemen"),
    "claiming": _("Even geduld…"),
    "claimed": _("Je hebt dit gesprek aangenomen."),
    "raised_in_queue": _("{label} heeft nu hulp nodig."),
    "new_in_queue": _("Nieuw in de wachtrij: {urgency}."),
    "alert_now": _("Er wacht iemand die nu hulp nodig heeft."),
    "alert_reserved": _("Een collega vraagt of jij een gesprek overneemt."),
    # Letters
    "letter_new": _("Er is een nieuwe brief."),
    "letters_unread": _("In een brief van jou staat iets nieuws."),
    "letter_asked": _("Een collega vraagt of je een brief meeleest."),
    # Own chats
    "present": _("is er"),
    "away": _("is weg"),
    "back": _("{label} is terug."),
    "went": _("{label} is weg. Misschien viel de verbinding weg."),
    "typing_short": _("schrijft…"),
    "to_register": _("nog registreren"),
    "unread_one": _("1 nieuw bericht"),
    "unread_many": _("{n} nieuwe berichten"),
    "shortcut": _("Alt + {n}"),
    "new_message": _("Nieuw bericht van {label}."),
    # Conversation
    "you": _("Jij"),
    "sending": _("wordt verstuurd…"),
    "sent": _("verstuurd"),
    "seen": _("gezien"),
    "not_sent": _("Niet verstuurd."),
    "resend": _("Stuur opnieuw"),
    "typing": _("{label} schrijft…"),
    # The shared composer fills in %s.
    "characters_left": _("Nog %s tekens"),
    "too_long": _("%s tekens te veel"),
    "minutes": _("{n} min in gesprek"),
    "just_started": _("net begonnen"),
    "signal_30": _("Jullie praten 30 minuten. Kijk samen wat vandaag nog belangrijk is."),
    "signal_45": _("Jullie praten 45 minuten. Een goed moment om samen af te ronden."),
    "status_claimed": _("{name} is in het gesprek."),
    "status_handed_over": _("Het gesprek is overgedragen."),
    "status_closed": _("Het gesprek is gestopt."),
    "gone_handed_over": _("Je hebt het gesprek overgedragen"),
    "gone_closed": _("Het gesprek is afgesloten"),
    "gone_registered": _("Het gesprek is geregistreerd"),
    "gone_lost": _("Dit gesprek ging terug naar de wachtrij, omdat je scherm even weg was"),
    "gone": _("Dit gesprek is niet meer bij jou"),
    # About this person
    "no_answer": _("geen antwoord"),
    "version": _("Vragenlijst versie {n}"),
    "steps_done": _("{n} van {of}"),
    "step_by": _("{name}, {time}"),
    "note_by_me": _("Jij"),
    "note_sending": _("wordt bewaard…"),
    "note_not_stored": _("Niet bewaard. Probeer het nog eens."),
    # Dialogs
    "urgency_same": _("Zo staat het al. Kies een andere urgentie."),
    "reason_first": _("Schrijf kort waarom."),
    "choose_first": _("Kies eerst een antwoord."),
    "colleague": _("{name}, {institution} ({n} van {cap} gesprekken)"),
    "colleague_paused": _("{name}, {institution} (heeft pauze)"),
    # Title of the tab
    "title_urgent": _("Nu hulp nodig · {title}"),
    "title_message": _("({n}) nieuw · {title}"),
    "title_waiting": _("({n}) wacht · {title}"),
}


def context(staff: Staff) -> dict[str, Any]:
    """What `chat/desk.html` shows: who works here, ready sentences, choices, and its texts."""
    return {
        "staff": staff,
        "lines": list(ServiceLine.objects.all()),
        "quick_replies": replies_for(staff),
        "choices": {
            # The others are not a worker's to give: the visitor's own verbs and the clock do.
            "reasons": [
                choice
                for choice in Conversation.ClosingReason.choices
                if choice[0] in get_args(ClosingReason)
            ],
            **registration.choices(),
            "urgencies": [(code, TEXTS[f"urgency_{code}"]) for code in Conversation.Urgency.values],
        },
        "checklists": [
            {"code": code, "label": code.label, "steps": list(enumerate(steps, start=1))}
            for code, steps in ChecklistTick.STEPS.items()
        ],
        "boxes": list(BOXES.items()),
        "kinds_without_topic": KINDS_WITHOUT_TOPIC,
        "texts": TEXTS,
    }


@worker_required
def desk(request: HttpRequest) -> HttpResponse:
    """Show the desk. It never writes: presence begins with the socket's first hello."""
    return render(request, "chat/desk.html", context(request.staff))  # type: ignore[attr-defined]
