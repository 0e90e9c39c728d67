"""Find what somebody wrote in a mail, apart from what their program quoted and signed.

The words of a young person may never be lost for it: what is not clearly a quote stays. The
library knows how mail programs introduce one, in Dutch too; that it is a quote must show from what
follows as well, because "Op school zei hij:" introduces her own words.
"""

import re

import quotequail

# Longer lines introduce no quote, and cost the library's patterns more than they are worth.
LONGEST_INTRODUCTION = 300
# After so many of her own lines that look like one, the rest is hers as well.
MOST_ATTEMPTS = 10
QUOTED = re.compile(r"^\s*>")
# A date, a time or an address: what a program writes and a person seldom does.
MADE_BY_PROGRAM = re.compile(r"@|\d{1,2}[:.]\d{2}|\b(19|20)\d\d\b")
FORWARDED = re.compile(r"doorgestuurd|forwarded|weitergeleitet|transféré", re.IGNORECASE)
# What Outlook puts above a quote, in which nothing else marks it.
HEADER = re.compile(
    r"^[\s*]*(van|from|von|verzonden|sent|gesendet|datum|date|aan|to|an|onderwerp|subject|betreff|cc)"
    r"\s*:[\s*]*(.*)$",
    re.IGNORECASE,
)
FIRST_HEADER = re.compile(r"^[\s*]*(van|from|von)\s*:.*@", re.IGNORECASE)
RULE = re.compile(r"^\s*[_-]{5,}\s*$")
# What phones and apps put below; nobody types these.
SENT_FROM = re.compile(
    r"^(verzonden|verstuurd|sent|gesendet|envoyé) (vanaf|vanuit|met|van|from|via|with|von|de)\b.{1,60}$"
    r"|^(get|download) outlook (for|voor)\b.{0,80}$"
    r"|^outlook (voor|for) (ios|android)\b.{0,80}$",
    re.IGNORECASE,
)
SIGNATURE = re.compile(r"^-- ?$")
LONGEST_SIGNATURE = 8
GAPS = re.compile(r"\n{3,}")


def own_words(text: str) -> str:
    """Return the part of a plain text that its sender wrote; all of it when in doubt."""
    lines = [line.rstrip() for line in text.split("\n")]
    cut = _quote_begins(lines)
    above, below = _without_signature(lines[:cut]), lines[cut:]
    # An answer between the lines or below them.
    if any(QUOTED.match(line) for line in below):
        above += _unquoted(below)
    own = GAPS.sub("\n\n", "\n".join(above)).strip()
    return own or _everything_but_marks(lines)


def _quote_begins(lines: list[str]) -> int:
    return min(_introduction(lines), _outlook_head(lines), _trailing_block(lines))


def _introduction(lines: list[str]) -> int:
    """Return the line that introduces a quote ("Op … schreef …:"), as the library knows them."""
    looked_at = [line if len(line) <= LONGEST_INTRODUCTION else "." for line in lines]
    start = 0
    for _attempt in range(MOST_ATTEMPTS):
        [(_is_own, above), *quoted] = quotequail.quote(
            "\n".join(looked_at[start:]), limit=len(lines) + 1, quote_intro_line=True
        )
        if not quoted:
            break
        # No blank line introduces anything, so nothing above it may also be one blank line.
        if above or not looked_at[start]:
            start += above.count("\n") + 1
        if _is_introduction(lines, start):
            return start
        start += 1
    return len(lines)


def _is_introduction(lines: list[str], number: int) -> bool:
    line = " ".join(lines[number : number + 2])
    if FORWARDED.search(line):
        return False  # somebody else's words, which she wants us to read
    if RULE.match(lines[number]):
        following = next((one for one in lines[number + 1 :] if one.strip()), "")
        return bool(
            HEADER.match(following) or "bericht" in line.lower() or "message" in line.lower()
        )
    if re.match(r"^\s*-{3,}", line):
        return True
    following = next((one for one in lines[number + 1 :] if one.strip()), "")
    return bool(MADE_BY_PROGRAM.search(line) or QUOTED.match(following))


def _outlook_head(lines: list[str]) -> int:
    for number, line in enumerate(lines):
        if not FIRST_HEADER.match(line[:LONGEST_INTRODUCTION]):
            continue
        names = set()
        for following in lines[number : number + 6]:
            if match := HEADER.match(following[:LONGEST_INTRODUCTION]):
                names.add(match[1].lower())
        if len(names) >= 3:
            while number and (RULE.match(lines[number - 1]) or not lines[number - 1].strip()):
                number -= 1
            return number
    return len(lines)


def _trailing_block(lines: list[str]) -> int:
    """Return where the quote begins that closes a mail without an introduction."""
    number = len(lines)
    while number and (QUOTED.match(lines[number - 1]) or not lines[number - 1].strip()):
        number -= 1
    return number if any(QUOTED.match(line) for line in lines[number:]) else len(lines)


def _without_signature(lines: list[str]) -> list[str]:
    kept = list(lines)
    for number in range(len(kept) - 1, max(-1, len(kept) - 2 - LONGEST_SIGNATURE), -1):
        if SIGNATURE.match(kept[number]):
            kept = kept[:number]
            break
    while kept and (
        not kept[-1].strip() or SENT_FROM.match(kept[-1].strip()) or RULE.match(kept[-1])
    ):
        kept.pop()
    return kept


def _unquoted(lines: list[str]) -> list[str]:
    """Return what stands between and below quoted lines, without what introduced them."""
    first = next(number for number, line in enumerate(lines) if QUOTED.match(line))
    own = [line for line in lines[first:] if not QUOTED.match(line)]
    return ["", *_without_signature(own)] if any(line.strip() for line in own) else []


def _everything_but_marks(lines: list[str]) -> str:
    """A mail of which nothing seems to be the sender's own: better too much than nothing."""
    return GAPS.sub("\n\n", "\n".join(line for line in lines if not QUOTED.match(line))).strip()
