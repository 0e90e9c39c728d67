"""The page of a visit from the queue to the last word: what its template and script need.

One page for waiting, talking and just having ended. It is a whole page without JavaScript: it
refreshes itself, `action=write` opens it with a field that no refresh empties, `action=post` posts,
`action=leave` ends. With JavaScript the same page comes alive (static/js/chat/visit.js).
"""

import uuid
from datetime import datetime
from typing import Any

from django.utils.translation import gettext_lazy as _

from chat import queue
from chat.commands import MAX_TEXT
from chat.models import Conversation
from chat.queue import Place
from chat.reading import read_messages
from chat.texts import REFUSALS

# Seconds between two looks of a page without JavaScript.
REFRESH = 10

# Every sentence that changes while the page is open; {…} is filled in here and by visit.js.
TEXTS = {
    # Where you are
    "waiting": _("Je wacht op een hulpverlener"),
    "returned": _("Je wacht op een andere hulpverlener"),
    "active": _("Je praat met {name}"),
    "ended": _("Het gesprek is klaar"),
    "gone": _("Je staat niet meer in de wachtrij"),
    "place_first": _("Je bent als eerste aan de beurt."),
    "place": _("Je bent nummer {place}."),
    "wait_now": _("Er komt zo iemand bij je."),
    "wait": _("Het duurt ongeveer {minutes} minuten."),
    "wait_unknown": _("We weten nog niet hoe lang het duurt."),
    "why_urgent": _("Iemand met spoed ging voor. Daarom ben je nu nummer {place}."),
    "why_waited": _("Iemand die al heel lang wacht, gaat eerst. Daarom ben je nu nummer {place}."),
    # What happened
    "joined": _("{name} is er. Je kunt nu praten."),
    "handed_over": _(
        "{name} vraagt een collega om verder te gaan. Je blijft gewoon hier. "
        "Die collega kan lezen wat jullie schreven."
    ),
    "worker_lost": _("{name} is even weg. Je gaat terug naar de wachtrij, bijna vooraan."),
    "ended_by_worker": _("{name} heeft het gesprek afgesloten."),
    "ended_by_you": _("Je hebt het gesprek gestopt."),
    "ended_lost": _("Je was een tijd weg. Daarom sta je niet meer in de wachtrij."),
    "ended_closing_time": _("Het spreekuur is voorbij. Het lukte ons niet op tijd. Dat spijt ons."),
    "ended_other": _("Het gesprek is gestopt."),
    # Messages
    "you": _("Jij"),
    "worker": _("Hulpverlener"),
    "typing": _("{name} schrijft…"),
    "sending": _("wordt verstuurd…"),
    "sent": _("verstuurd"),
    "seen": _("gelezen"),
    "not_sent": _("Niet verstuurd."),
    "retry": _("Probeer opnieuw"),
    "left": _("Nog %s tekens"),
    "too_many": _("%s tekens te veel. Maak er twee berichten van."),
    # The line
    "offline": _("De verbinding is weg. Wat je schreef staat er nog, laat deze pagina open."),
    "back": _("De verbinding is er weer."),
    "polling": _("Het internet is hier traag. Berichten komen een paar tellen later."),
    "not_now": _("Er is nu geen verbinding. Probeer het zo opnieuw."),
    "reload": _("Deze pagina is verouderd. Laad de pagina opnieuw."),
}


def place_sentences(place: Place | None) -> str:
    """Say where somebody stands in the queue, and for how long: what visit.js says as well."""
    if place is None:
        return ""
    if place.place == 1:
        sentence = str(TEXTS["place_first"])
    else:
        sentence = str(TEXTS["place"]).format(place=place.place)
    if place.minutes is None:
        wait = str(TEXTS["wait_unknown"])
    elif place.minutes == 0:
        wait = str(TEXTS["wait_now"])
    else:
        wait = str(TEXTS["wait"]).format(minutes=place.minutes)
    return f"{sentence} {wait}"


def context(
    conversation: Conversation,
    now: datetime,
    *,
    writing: bool = False,
    draft: str = "",
    client_id: str = "",
    refused: str = "",
) -> dict[str, Any]:
    """What `chat/visit_conversation.html` shows of this live conversation.

    `writing`: the field is open (without JavaScript). `refused`: the code why `draft`, that was
    sent as `client_id`, was not stored; it stays in the field and keeps its id.
    """
    place = queue.place_of(conversation, now)
    if conversation.status == Conversation.Status.ACTIVE and conversation.worker:
        heading = str(TEXTS["active"]).format(name=conversation.worker.chat_name)
    else:
        heading = str(TEXTS["returned" if conversation.claimed_at else "waiting"])
    return {
        "conversation": conversation,
        "heading": heading,
        "place": place,
        "place_sentences": place_sentences(place),
        "messages": [
            {
                "seq": message.seq,
                "author": message.author,
                "name": message.name,
                "text": message.text,
                "at": datetime.fromisoformat(message.at),
            }
            for message in read_messages(conversation.pk, 0, limit=conversation.last_seq)
        ],
        "writing": writing or bool(refused),
        "draft": draft,
        "client_id": client_id or str(uuid.uuid4()),
        "error": REFUSALS.get(refused, ""),
        "limit": MAX_TEXT,
        "refresh": REFRESH,
        "texts": TEXTS,
    }
