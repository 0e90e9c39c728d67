"""Conversations: who visits, what can happen, what was written."""

from chat.models.checklists import ChecklistTick
from chat.models.conversation import (
    RESERVED,
    VISITOR_LOST,
    WORKER_LOST,
    Conversation,
    ConversationQuerySet,
    StatusChange,
)
from chat.models.letter_help import (
    Draft,
    Invitation,
    LetterAnswer,
    LetterWarning,
    SecondReading,
    Transfer,
    able_institutions,
    hours_to_invite_to,
)
from chat.models.queue_rules import QueueRules
from chat.models.refused import Refused
from chat.models.return_code import ReturnCode
from chat.models.urgency import UrgencyChange
from chat.models.visitor import Epoch, Visitor, random_id
from chat.models.words import ConversationKey, Message, Note, QuickReply

__all__ = [
    "RESERVED",
    "VISITOR_LOST",
    "WORKER_LOST",
    "ChecklistTick",
    "Conversation",
    "ConversationKey",
    "ConversationQuerySet",
    "Draft",
    "Epoch",
    "Invitation",
    "LetterAnswer",
    "LetterWarning",
    "Message",
    "Note",
    "QueueRules",
    "QuickReply",
    "Refused",
    "ReturnCode",
    "SecondReading",
    "StatusChange",
    "Transfer",
    "UrgencyChange",
    "Visitor",
    "able_institutions",
    "hours_to_invite_to",
    "random_id",
]
