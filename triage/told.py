"""What an intake tells chat: codes for the queue, and a sealed summary for the worker.

The summary is in every language, so that each worker reads their own; only own words are as they were
written. It is complete: a worker, or a coordinator who tries other rules on it, needs no questionnaire
beside it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chat import topics
from institutions.places import name_of
from triage import rules

UNSAID = "unsaid"


@dataclass(frozen=True)
class Told:
    """`as_json` is sealed into the conversation; the rest are codes on it."""

    summary: dict[str, Any]
    topic: str = ""
    topic_detail: str = ""
    age_band: str = ""
    region: str = ""
    wishes: list[str] = field(default_factory=list)

    def as_json(self) -> str:
        return json.dumps(self.summary, ensure_ascii=False)

    def codes(self) -> dict[str, Any]:
        """The arguments of `Conversation.start` beside urgency, danger and the summary."""
        return {
            "topic": self.topic,
            "topic_detail": self.topic_detail,
            "age_band": self.age_band,
            "region": self.region,
            "wishes": self.wishes,
        }


def tell(
    data: Mapping[str, Any], version: int, answers: rules.Answers, assessment: rules.Assessment
) -> Told:
    """Put in words and in codes what somebody answered, and what the rules made of it."""
    topic = topic_of(data, answers)
    age = answer_of_kind(data, answers, "age")
    region = answer_of_kind(data, answers, "place")
    return Told(
        summary={
            # Of the questions and their rules, and of how these rules are read.
            "version": version,
            "rules": rules.VERSION,
            "questionnaire": data["name"],
            "urgency": assessment.urgency,
            "reasons": [reason_told(one) for one in assessment.reasons],
            "answers": list(spoken(data, answers)),
            "age": chosen_texts(data, "age", age),
            "place": name_of(region) if region else "",
            "topic": ".".join(filter(None, (topic.topic, topic.detail))) if topic else "",
            "municipal": topic.municipal if topic else "",
            # What the registration starts with; the worker may choose otherwise.
            "contact_kind": data.get("contact_kind", ""),
            # As they were given: a coordinator's draft is tried on them.
            "given": dict(answers),
        },
        topic=topic.topic if topic else "",
        topic_detail=topic.detail if topic else "",
        age_band=age,
        region=region,
        wishes=rules.wishes(data, answers),
    )


def reason_told(reason: rules.Reason) -> dict[str, Any]:
    """The sentence in each language; under `queue` the one for whoever does not have the
    conversation, if the words in it are not for them."""
    told: dict[str, Any] = reason.sentences()
    if reason.found and reason.is_sensitive:
        told["queue"] = dict(reason.text)
    return told


def topic_of(data: Mapping[str, Any], answers: rules.Answers) -> topics.Topic | None:
    """The topic of the first chosen option that leads to one: a start for the registration."""
    for question in rules.questions(data):
        chosen = rules.several(answers.get(question["code"]))
        for option in question.get("options", ()):
            if option["code"] in chosen and (found := topics.find(option.get("topic", ""))):
                return found
    return None


def answer_of_kind(data: Mapping[str, Any], answers: rules.Answers, kind: str) -> str:
    """The one answer to the question of this kind; empty if it is not said."""
    question = rules.of_kind(data, kind)
    given = answers.get(question["code"], "") if question else ""
    return given if isinstance(given, str) and given != UNSAID else ""


def chosen_texts(data: Mapping[str, Any], kind: str, code: str) -> dict[str, str]:
    question = rules.of_kind(data, kind)
    options = question.get("options", ()) if question else ()
    return next((dict(option["text"]) for option in options if option["code"] == code), {})


def spoken(data: Mapping[str, Any], answers: rules.Answers) -> list[dict[str, Any]]:
    """Question and answer in every language; own words as they are."""
    lines = []
    for question in rules.questions(data):
        given = answers.get(question["code"])
        if given is None:
            continue
        said: Any = given
        if "options" in question:
            chosen = [
                option["text"]
                for option in question["options"]
                if option["code"] in rules.several(given)
            ]
            said = {
                language: ", ".join(text[language] for text in chosen)
                for language in question["text"]
            }
        elif question["kind"] == "place":
            said = name_of(str(given)) if given != UNSAID else UNSAID_TEXT
        lines.append({"question": dict(question["text"]), "answer": said})
    return lines


UNSAID_TEXT = {"nl": "Zegt dat liever niet", "en": "Would rather not say"}
