"""What somebody writes in a letter can make it more urgent, by the word lists of the questions.

It can only raise the urgency, as in the questions before. Called by whoever brings words in: the
page, or the mail.
"""

from chat.models import Conversation
from triage import rules
from triage.models import Questionnaire


def weigh(letter: Conversation, text: str) -> None:
    """Raise the urgency of a letter if these words of its writer ask for that."""
    found = _assess(letter, text).urgency
    if rules.LEVELS.index(found) > rules.LEVELS.index(letter.urgency):
        letter.raise_urgency(found)


def is_danger(letter: Conversation, text: str) -> bool:
    """Whether the help lines belong on the page."""
    return _assess(letter, text).danger


def _assess(letter: Conversation, text: str) -> rules.Assessment:
    data = Questionnaire.current(letter.brand).data
    return rules.assess(data, {group["question"]: text for group in data["words"]})
