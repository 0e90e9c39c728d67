"""Drafts, and small questionnaires to put in them."""

import copy
from typing import Any

from institutions.access import Staff
from institutions.models import Brand
from triage.drafts import QuestionnaireDraft
from triage.models import Questionnaire, default_data

SMALL: dict[str, Any] = {
    "name": "klein",
    "steps": [
        {
            "questions": [
                {
                    "code": "safe",
                    "kind": "choice",
                    "text": {"nl": "Ben je veilig?", "en": "Are you safe?"},
                    "options": [
                        {"code": "yes", "text": {"nl": "Ja", "en": "Yes"}},
                        {"code": "no", "weight": 2, "text": {"nl": "Nee", "en": "No"}},
                    ],
                }
            ]
        },
        {
            "text": {"nl": "Nog één ding.", "en": "One more thing."},
            "questions": [
                {
                    "code": "words",
                    "kind": "text",
                    "text": {"nl": "Wat is er?", "en": "What is it?"},
                }
            ],
        },
    ],
    "rules": [
        {
            "at_least": {"safe": 2},
            "urgency": "now",
            "danger": True,
            "reason": {"nl": "Zegt niet veilig te zijn", "en": "Says not to be safe"},
        }
    ],
    "words": [
        {
            "question": "words",
            "urgency": "soon",
            "reason": {"nl": "Schrijft over brand", "en": "Writes about fire"},
            "phrases": ["brand*"],
        }
    ],
    "routing": {"wishes": []},
}


def small() -> dict[str, Any]:
    return copy.deepcopy(SMALL)


def default() -> dict[str, Any]:
    return copy.deepcopy(default_data())


def make_draft(brand: Brand, by: Staff, data: dict[str, Any] | None = None) -> QuestionnaireDraft:
    """Publish SMALL as version 1, and begin a draft of it; `data` is what the draft says by now."""
    first = Questionnaire.publish(brand, small())
    draft = QuestionnaireDraft.start(brand, by, first.data, from_version=first.version)
    return draft if data is None else draft.change(by, lambda _old: data)
