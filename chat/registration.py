"""What can be chosen when a contact is registered, at the desk and on the page of a letter."""

from typing import Any

from django.utils import translation

from chat import topics
from chat.models import Conversation


def choices() -> dict[str, Any]:
    """What `chat/_desk_registration.html` asks for, in the worker's language."""
    return {
        "contact_kinds": Conversation.ContactKind.choices,
        "topics": Conversation.Topic.choices,
        "topic_details": _topic_details(),
        "risks": Conversation.Risk.choices,
    }


def _topic_details() -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Code and name of each topic, with its subcategories."""
    language = str(translation.get_language())
    return [
        (
            topic,
            str(Conversation.Topic(topic).label),
            [(code, topics.detail_text(topic, code, language)) for code in found],
        )
        for topic, found in topics.details().items()
        if found
    ]
