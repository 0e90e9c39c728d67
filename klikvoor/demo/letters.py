"""Letters of the demonstration: a new one, one of Anna's, one that waits for an answer, one too late."""

import json
from datetime import datetime, timedelta
from uuid import uuid4

from chat.models import Conversation, Draft, Visitor
from institutions.access import staff_of
from klikvoor.demo.people import Cast
from mail.models import VisitorMail
from roster.models import LetterDuty, monday_of

# What they wrote, how urgent it is, and what they said before.
NEW = "Hoi. Mijn ouders maken elke avond ruzie. Ik lig dan in bed en kan niet slapen. Wat kan ik doen?"
URGENT = "Ik weet niet meer waar ik naartoe moet. Thuis is het niet veilig."
MINE = "Sinds de vakantie negeert mijn beste vriendin me. Ik weet niet waarom."
WAITING = "Is het normaal dat ik me zo vaak alleen voel?"
LATE = "Ik durf het niet tegen mijn mentor te zeggen. Hoe begin ik daarover?"
ANSWER = (
    "Hoi, wat fijn dat je schrijft. Je bent echt niet de enige die zich zo voelt. "
    "Wil je vertellen wanneer je het het meest merkt?"
)
DRAFT = "Hoi, wat naar dat je vriendin je negeert."


def bring_in_letters(cast: Cast, now: datetime) -> None:
    """Write the letters once; leave alone what somebody did with them since."""
    LetterDuty.deal(cast.line, monday_of(cast.line.today(now)))
    if Conversation.objects.letters().exists():
        return
    anna, bilal = staff_of(cast.workers["Anna"]), staff_of(cast.workers["Bilal"])
    if anna is None or bilal is None:
        return
    _letter(cast, NEW, topic="family")
    _letter(cast, URGENT, topic="violence", urgency="soon")
    mine = _letter(cast, MINE, topic="peers")
    mine.claim_letter(anna)
    Draft.keep(mine, anna, DRAFT, version=0)
    waiting = _letter(cast, WAITING, topic="mental_health")
    waiting.claim_letter(anna)
    waiting.answer_letter(anna, ANSWER, client_id=str(uuid4()), seen=waiting.last_seq)
    _came_back(waiting, now)
    late = _letter(cast, LATE, topic="education")
    late.claim_letter(bilal)
    days_ago = now - timedelta(days=5)
    late.messages.update(at=days_ago)
    Conversation.objects.filter(pk=late.pk).update(
        created_at=days_ago, waiting_since=days_ago, due_at=now - timedelta(hours=3)
    )


def _came_back(letter: Conversation, now: datetime) -> None:
    """The notice of its answer could not be delivered: something for a coordinator to see."""
    letter.choose_answer("notice", "sam@voorbeeld.invalid")
    VisitorMail.put(letter, now)
    letter.mails.update(given_up_at=now, attempts=1, last_error="SMTPRecipientsRefused 550")
    letter.address_failed(now)


def _letter(cast: Cast, text: str, *, urgency: str = "normal", topic: str) -> Conversation:
    visitor, _token = Visitor.begin(cast.brand, "nl")
    label = str(Conversation.Topic(topic).label)
    intake = {"reasons": [], "answers": [{"question": "Waar gaat het over?", "answer": label}]}
    letter = Conversation.start_letter(
        visitor=visitor,
        line=cast.line,
        text=text,
        client_id=str(uuid4()),
        urgency=urgency,
        intake=json.dumps(intake),
        topic=topic,
    )
    # Whoever has letter duty: these are for Anna and Bilal to answer.
    Conversation.objects.filter(pk=letter.pk).update(institution=cast.employers["Anna"])
    letter.refresh_from_db()
    return letter
