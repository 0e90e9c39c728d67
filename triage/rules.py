"""How urgent is it? Answers in, urgency and reasons out; reads nothing and remembers nothing.

The rules are data of the questionnaire. A rule holds when each answer that it names weighs at least
so much, and can only raise the urgency. So a heavier answer never lowers it, and neither does
anything that somebody writes: phrases in their own words can only raise it as well.
"""

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# From light to heavy; the codes of chat.models.Conversation.Urgency.
LEVELS = ("normal", "soon", "now")

# "Ik denk niet aan zelfmoord": a denial right before the phrase, with nothing between them but these
# small words. Not further: "ik weet niet of ik nog wil leven" denies nothing.
DENIALS = ("niet", "geen", "nooit", "not", "no", "never", "don't", "dont", "didn't", "didnt")
BETWEEN = (
    *("aan", "echt", "over", "van", "de", "het", "een", "plannen", "gedachten", "voor", "om", "te"),
    *("about", "of", "any", "a", "the", "to", "really", "thoughts", "thinking", "plans"),
)
DENIED = re.compile(
    rf"(?:^|[^\w'])(?:{'|'.join(map(re.escape, DENIALS))})(?: (?:{'|'.join(BETWEEN)}))*$"
)


@dataclass(frozen=True)
class Assessment:
    """`reasons` are sentences for the worker; `danger`: show the help lines at once."""

    urgency: str
    reasons: tuple[str, ...]
    danger: bool


def assess(data: Mapping[str, Any], answers: Mapping[str, str], language: str = "nl") -> Assessment:
    """Weigh answers (code of the question: code of the option, or own words) by the data's rules."""
    weights = weigh(data, answers)
    holding = [
        rule
        for rule in data["rules"]
        if all(weights.get(code, 0) >= least for code, least in rule["at_least"].items())
    ]
    written = [
        group
        for group in data["words"]
        if says(answers.get(group["question"], ""), group["phrases"])
    ]
    found = holding + written
    heaviest = max((LEVELS.index(rule["urgency"]) for rule in found), default=0)
    # "Not sure whether safe" holds as well wherever "not safe" does: the worker reads the stronger.
    said = [rule for rule in holding if not any(_outdoes(other, rule) for other in holding)]
    said = (said or holding) + written
    # The heaviest reason first, and each sentence once.
    said.sort(key=lambda rule: -LEVELS.index(rule["urgency"]))
    reasons = dict.fromkeys(rule["reason"][language] for rule in said)
    return Assessment(
        urgency=LEVELS[heaviest],
        reasons=tuple(reasons),
        danger=any(rule.get("danger", False) for rule in found),
    )


def _outdoes(rule: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Does `rule` say more about the same: all of `other` and more, or heavier answers to the
    questions that they share, without being less urgent?"""
    least, others = rule["at_least"], other["at_least"]
    shared = [(least[code], others[code]) for code in others if code in least]
    return (
        least != others
        and all(own >= its for own, its in shared)
        and (len(shared) == len(others) or any(own > its for own, its in shared))
        and LEVELS.index(rule["urgency"]) >= LEVELS.index(other["urgency"])
        and rule.get("danger", False) >= other.get("danger", False)
    )


def weigh(data: Mapping[str, Any], answers: Mapping[str, str]) -> dict[str, int]:
    """Return the weight of each chosen option; what was not answered weighs nothing."""
    weights = {}
    for question in questions(data):
        for option in question.get("options", ()):
            if answers.get(question["code"]) == option["code"]:
                weights[question["code"]] = option.get("weight", 0)
    return weights


def questions(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [question for step in data["steps"] for question in step["questions"]]


def says(text: str, phrases: list[str]) -> bool:
    """Does the text hold one of the phrases, at the beginning of a word and not denied?

    A phrase that ends in * goes on: "snij*" also finds "snijden".
    """
    text = plain(text)
    return any(
        not DENIED.search(text[: match.start()].rstrip(" "))
        for phrase in phrases
        for match in pattern(phrase).finditer(text)
    )


def pattern(phrase: str) -> re.Pattern[str]:
    words = re.escape(plain(phrase.removesuffix("*")))
    return re.compile(rf"(?<!\w){words}" + ("" if phrase.endswith("*") else r"(?!\w)"))


def plain(text: str) -> str:
    """Lower case, no accents, single spaces; apostrophes of all kinds become one."""
    text = unicodedata.normalize("NFKD", text.lower()).replace("\u2019", "'").replace("\u2018", "'")
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(text.split())


def check(data: Mapping[str, Any], languages: tuple[str, ...] = ("nl", "en")) -> None:
    """Raise ValueError with what is wrong, if this cannot be a questionnaire."""

    def texts(where: str, value: Any) -> None:
        if not isinstance(value, dict) or not all(value.get(code) for code in languages):
            raise ValueError(f"{where}: a text is missing in one of {languages}")

    kinds = {"choice", "scale", "text"}
    known: dict[str, set[int]] = {}
    for number, step in enumerate(data["steps"], start=1):
        if not step["questions"]:
            raise ValueError(f"step {number} is empty")
        for question in step["questions"]:
            code = question["code"]
            if code in known or question["kind"] not in kinds:
                raise ValueError(f"{code}: used twice, or of an unknown kind")
            texts(code, question["text"])
            if "help" in question:
                texts(code, question["help"])
            options = question.get("options", [])
            if (question["kind"] == "text") != (not options):
                raise ValueError(f"{code}: a choice needs options, and own words have none")
            if len({option["code"] for option in options}) != len(options):
                raise ValueError(f"{code}: an option is there twice")
            for option in options:
                texts(f"{code} {option['code']}", option["text"])
            known[code] = {option.get("weight", 0) for option in options}
    for rule in data["rules"]:
        texts("rule", rule["reason"])
        if rule["urgency"] not in LEVELS or not rule["at_least"]:
            raise ValueError(f"rule {rule['at_least']}: no condition or no known urgency")
        for code, least in rule["at_least"].items():
            if least <= 0 or not any(weight >= least for weight in known.get(code, ())):
                raise ValueError(f"rule {rule['at_least']}: {code} never gets there")
    for group in data["words"]:
        texts("words", group["reason"])
        if group["urgency"] not in LEVELS or not group["phrases"]:
            raise ValueError("words: no phrase or no known urgency")
        if known.get(group["question"]) != set():
            raise ValueError(f"words: {group['question']} is no question for own words")
