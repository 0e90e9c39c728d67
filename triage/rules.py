"""How urgent is it? Answers in, urgency and reasons out; reads nothing and remembers nothing.

The rules are data of the questionnaire. A rule holds when everything holds that it asks of the
answers, and can only raise the urgency. So a heavier answer never lowers it, and neither does
anything that somebody writes: word lists on their own words can only raise it as well.

Answers: code of the question → code of the option; a list of codes where several may be chosen; own
words; a municipality. A rule asks `at_least` (the weight of an answer: of the heaviest one, where
several may be chosen), `chosen` (one of these answers) or `count` (so many answers that weigh
something); all that it names must hold.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from triage.checking import LEVELS, Problem, Unsound, check
from triage.words import Text, found_in

__all__ = ["LEVELS", "Answers", "Assessment", "Problem", "Reason", "Unsound", "assess", "check"]

# The rules themselves have the version of their questionnaire; this is how they are read.
VERSION = 2

Answer = str | list[str]
Answers = Mapping[str, Answer]


@dataclass(frozen=True)
class Reason:
    """Why: `code` is the place of the rule in the data ("rules.3", "words.0"), `text` the sentence for
    the worker in each language, `found` the words that were found, as they were written, and
    `is_sensitive` says that these are only for who has the conversation."""

    code: str
    text: Mapping[str, str]
    urgency: str
    danger: bool = False
    found: tuple[str, ...] = ()
    is_sensitive: bool = False

    def sentences(self) -> dict[str, str]:
        """The sentence in each language, with the words that were found: only for sealed places."""
        quoted = ", ".join(f"“{word}”" for word in self.found)
        return {
            language: f"{sentence}: {quoted}" if quoted else sentence
            for language, sentence in self.text.items()
        }


@dataclass(frozen=True)
class Assessment:
    """`reasons`, the heaviest first; `danger`: show the help lines at once. `holding` are the codes
    of everything that held, also of what a stronger reason says as well."""

    urgency: str
    reasons: tuple[Reason, ...]
    danger: bool
    holding: tuple[str, ...] = ()


def assess(
    data: Mapping[str, Any], answers: Answers, texts: Mapping[str, Text] | None = None
) -> Assessment:
    """Weigh answers by the data's rules. Who asks twice may give the answers as `texts_of` has them."""
    weights = weigh(data, answers)
    holding = [
        (f"rules.{number}", rule)
        for number, rule in enumerate(data["rules"])
        if holds(rule, answers, weights)
    ]
    written = []
    texts = texts_of(answers) if texts is None else texts
    sensitive = {one["code"] for one in questions(data) if one.get("is_sensitive")}
    for number, group in enumerate(data["words"]):
        code = group["question"]
        text = texts.get(code)
        if text and (found := found_in(text, group["phrases"], group.get("except", ()))):
            written.append(reason_of(f"words.{number}", group, found, code in sensitive))
    # "Not sure whether safe" holds as well wherever "not safe" does: the worker reads the stronger.
    said = [
        reason_of(code, rule)
        for code, rule in holding
        if not any(_outdoes(other, rule) for _code, other in holding)
    ]
    said += written
    found_rules = [reason_of(code, rule) for code, rule in holding] + written
    heaviest = max((LEVELS.index(one.urgency) for one in found_rules), default=0)
    said.sort(key=lambda one: -LEVELS.index(one.urgency))
    # Each sentence once.
    said = list({str(one.text): one for one in reversed(said)}.values())[::-1]
    return Assessment(
        urgency=LEVELS[heaviest],
        reasons=tuple(said),
        danger=any(one.danger for one in found_rules),
        holding=tuple(one.code for one in found_rules),
    )


def texts_of(answers: Answers) -> dict[str, Text]:
    return {code: Text(text) for code, text in answers.items() if isinstance(text, str)}


def reason_of(
    code: str, rule: Mapping[str, Any], found: Sequence[str] = (), is_sensitive: bool = False
) -> Reason:
    danger = rule.get("danger", False)
    return Reason(code, rule["reason"], rule["urgency"], danger, tuple(found), is_sensitive)


def holds(rule: Mapping[str, Any], answers: Answers, weights: Mapping[str, list[int]]) -> bool:
    """Does everything hold that this condition asks?"""
    return (
        all(max(weights.get(code, [0])) >= n for code, n in rule.get("at_least", {}).items())
        and all(
            not set(wanted).isdisjoint(several(answers.get(code)))
            for code, wanted in rule.get("chosen", {}).items()
        )
        and all(
            sum(map(bool, weights.get(code, ()))) >= n for code, n in rule.get("count", {}).items()
        )
    )


def _outdoes(rule: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Does `rule` say more about the same: all of `other` and more, or heavier answers to the
    questions that they share, without being less urgent? Only for rules on weights alone."""
    if any(one.get(name) for one in (rule, other) for name in ("chosen", "count")):
        return False
    least, others = rule["at_least"], other["at_least"]
    shared = [(least[code], others[code]) for code in others if code in least]
    return (
        least != others
        and all(own >= its for own, its in shared)
        and (len(shared) == len(others) or any(own > its for own, its in shared))
        and LEVELS.index(rule["urgency"]) >= LEVELS.index(other["urgency"])
        and rule.get("danger", False) >= other.get("danger", False)
    )


def weigh(data: Mapping[str, Any], answers: Answers) -> dict[str, list[int]]:
    """Return the weights of the chosen options of each question; what was not answered is not there."""
    weights = {}
    for question in questions(data):
        chosen = set(several(answers.get(question["code"])))
        found = [
            option.get("weight", 0)
            for option in question.get("options", ())
            if option["code"] in chosen
        ]
        if found:
            weights[question["code"]] = found
    return weights


def several(answer: Answer | None) -> list[str]:
    """The chosen codes, also where only one may be chosen."""
    if answer is None:
        return []
    return [answer] if isinstance(answer, str) else answer


def questions(data: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    return [question for step in data["steps"] for question in step["questions"]]


def of_kind(data: Mapping[str, Any], kind: str) -> Mapping[str, Any] | None:
    """The first question of this kind."""
    return next((one for one in questions(data) if one["kind"] == kind), None)


def wishes(data: Mapping[str, Any], answers: Answers) -> list[str]:
    """The codes of what the worker should be able to, by the data's routing; each once, in order."""
    weights = weigh(data, answers)
    found = [
        one["wish"]
        for one in data.get("routing", {}).get("wishes", ())
        if holds(one, answers, weights)
    ]
    return list(dict.fromkeys(found))
