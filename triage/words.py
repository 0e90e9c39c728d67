"""What do own words point to? Phrases of a word list, found in what somebody wrote."""

import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

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


def found_in(text: str, phrases: Sequence[str], exceptions: Sequence[str] = ()) -> list[str]:
    """Return the phrases that the text says, as they were written, each once."""
    text = plain(text)
    found = [
        match.group()
        for phrase in phrases
        for match in pattern(phrase).finditer(text)
        if not DENIED.search(text[: match.start()].rstrip(" "))
    ]
    return list(dict.fromkeys(found))


# Holds phrases of questionnaires only, nothing that anybody wrote.
@lru_cache(maxsize=8192)
def pattern(phrase: str) -> re.Pattern[str]:
    words = re.escape(plain(phrase.removesuffix("*")))
    return re.compile(rf"(?<!\w){words}" + ("" if phrase.endswith("*") else r"(?!\w)"))


def plain(text: str) -> str:
    """Lower case, no accents, single spaces; apostrophes of all kinds become one."""
    text = unicodedata.normalize("NFKD", text.lower()).replace("\u2019", "'").replace("\u2018", "'")
    text = "".join(letter for letter in text if not unicodedata.combining(letter))
    return " ".join(text.split())
