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
    "Epoch",
    "Message",
    "Note",
    "QueueRules",
    "QuickReply",
    "Refused",
    "ReturnCode",
    "StatusChange",
    "UrgencyChange",
    "Visitor",
    "random_id",
]
