"""What somebody writes in a letter can make it more urgent, by the word lists of the questions.

It can only raise the urgency, as in the questions before. Called by whoever brings words in: the
page, or the mail.
"""

from chat.models import Conversation
from triage import rules
from triage.models import Questionnaire, Weighing
from triage.weighing import assess_words, retold


def weigh(letter: Conversation, text: str) -> None:
    """Raise the urgency of a letter if these words of its writer ask for that."""
    questionnaire = Questionnaire.current(letter.brand)
    found = assess_words(questionnaire, text)
    if not found.holding:
        return
    Weighing.keep(letter, questionnaire, found)
    letter.retell(retold(letter, found))
    if rules.LEVELS.index(found.urgency) > rules.LEVELS.index(letter.urgency):
        letter.raise_urgency(found.urgency)


def is_danger(letter: Conversation, text: str) -> bool:
    """Whether the help lines belong on the page."""
    return assess_words(Questionnaire.current(letter.brand), text).danger
