"""What somebody writes while waiting is weighed by the word lists, as the questions before were.

Who skips the questions and then writes "I want to die" in the queue is in as much danger as who
answers them. It can only raise. Found by the clock, in whatever process: the messages themselves
take their own short way (`chat/writer.py`), and know nothing of triage.
"""

import json
from datetime import datetime

from django.db import transaction
from django.db.models import F

from chat.models import Conversation, ConversationKey, Refused
from chat.reading import read_messages
from triage import rules
from triage.models import Decision, Questionnaire, Weighing
from triage.told import reason_told

# In one round; who is left over comes in the next, a moment later.
MOST = 200


def weigh_waiting(now: datetime) -> int:
    """Weigh what was written in the queue since the last time; return how many asked for more."""
    written = Decision.objects.filter(
        conversation__in=Conversation.objects.waiting(),
        conversation__last_seq__gt=F("weighed_seq"),
        # Who was in a talk already was weighed by a person.
        conversation__claimed_at=None,
    ).select_related("conversation__key", "conversation__line", "questionnaire")
    return sum(_weigh(decision) for decision in written[:MOST])


def _weigh(decision: Decision) -> bool:
    conversation, seen = decision.conversation, decision.weighed_seq
    messages = read_messages(conversation.pk, seen)
    top = messages[-1].seq if messages else conversation.last_seq
    text = "\n".join(one.text for one in messages if one.author == "visitor")
    found = assess_words(decision.questionnaire, text)
    mine = Decision.objects.filter(pk=decision.pk, weighed_seq=seen)
    try:
        with transaction.atomic():
            # Two processes may have found the same: one of them goes on.
            if not mine.update(weighed_seq=top) or not found.holding:
                return False
            Weighing.keep(conversation, decision.questionnaire, found)
            conversation.raise_by_words(
                found.urgency, danger=found.danger, intake=retold(conversation, found)
            )
    except (Refused, ConversationKey.DoesNotExist):
        return False  # claimed, changed or erased just now; if it waits still, the next round looks
    return True


def assess_words(questionnaire: Questionnaire, text: str) -> rules.Assessment:
    """Words that answer no question, by all word lists of a questionnaire."""
    data = questionnaire.data
    return rules.assess(data, {group["question"]: text for group in data["words"]})


def retold(conversation: Conversation, found: rules.Assessment) -> str:
    """What triage tells of a conversation, with these reasons as well; each sentence once."""
    text = conversation.intake()
    told = json.loads(text) if text else {}
    reasons = told.setdefault("reasons", [])
    reasons += [new for one in found.reasons if (new := reason_told(one)) not in reasons]
    return json.dumps(told, ensure_ascii=False)
