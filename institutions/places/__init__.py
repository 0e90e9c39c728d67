"""The municipalities of the Netherlands: code of Statistics Netherlands (CBS) and name.

Data that both the institutions' pages and triage read: `municipalities.tsv`, one a line, sorted by
name, and after it the official name where people say another. Those of 2023 to 2025; other places,
former municipalities and postcodes lead to them. Offline, so that nobody's town is asked of another
host. Where the data comes from: `README.md`, beside this file.
"""

import bisect
import difflib
import re
import unicodedata
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "municipalities.tsv"
# "6411", and of "6411 AB" the digits.
POSTCODE = re.compile(r"([1-9][0-9]{3})(?: ?[a-zA-Z]{0,2})$")


@cache
def municipalities() -> dict[str, str]:
    """Code ("GM0917") to name ("Heerlen"), by name."""
    rows = (row.split("\t") for row in FILE.read_text(encoding="utf-8").splitlines() if row)
    return {code: name for code, name, *_more in rows}


@cache
def codes_by_name() -> dict[str, str]:
    """Every name, as `plain` writes it, to the code."""
    rows = (row.split("\t") for row in FILE.read_text(encoding="utf-8").splitlines() if row)
    return {plain(name): code for code, *names in rows for name in names}


def name_of(code: str) -> str:
    """The name of a municipality; a code of another year as it is."""
    return municipalities().get(code, code)


def plain(name: str) -> str:
    """A name as it is compared: small letters, no accents, single spaces."""
    bare = unicodedata.normalize("NFKD", name.casefold())
    return " ".join("".join(one for one in bare if not unicodedata.combining(one)).split())


@dataclass(frozen=True)
class Found:
    """A municipality, and the name that it was found by, if that was another."""

    code: str
    name: str = ""


def find(text: str, most: int = 8) -> list[Found]:
    """Return the municipalities that somebody may mean by a name or a postcode, the likeliest first.

    One when it is clear, none when nothing is like it. Of a whole postcode only the digits are read.
    """
    if number := POSTCODE.match(text.strip()):
        return [Found(code) for code in _by_postcode(int(number.group(1)))][:most]
    wanted = plain(text).removeprefix("gemeente ")
    if not wanted:
        return []
    if code := codes_by_name().get(wanted):
        return [Found(code)]
    names = _all_names()
    if wanted in names:
        return names[wanted]
    words = [name for name in names if name.startswith(wanted)]
    words += [
        name for name in names if f" {wanted}" in name.replace("-", " ") and name not in words
    ]
    near = words or difflib.get_close_matches(wanted, names, n=most, cutoff=0.75)
    return list(dict.fromkeys(one for name in near for one in names[name]))[:most]


@cache
def _all_names() -> dict[str, list[Found]]:
    """Every name, as `plain` writes it, to what it may mean: municipalities, then other places."""
    names = {name: [Found(code)] for name, code in codes_by_name().items()}
    for name, codes in places():
        names.setdefault(plain(name), []).extend(Found(code, name) for code in codes)
    for code, name in municipalities().items():
        bare = name.split(" (")[0]  # there are two called Bergen
        if bare != name:
            others = [one for one in names.get(plain(bare), ()) if one.code != code]
            names[plain(bare)] = [*others, Found(code)]
    return names


@cache
def places() -> list[tuple[str, list[str]]]:
    """Towns, villages and former municipalities that are no municipality now, with those they are in."""
    found = [
        (name, codes.split(",")) for name, codes in (row.split("\t") for row in _rows("names.tsv"))
    ]
    found += [
        (name, [codes_by_name()[plain(one)] for one in now.split(";")])
        for name, now in (row.split("\t") for row in _rows("former.tsv"))
    ]
    return sorted(found)


@cache
def postcodes() -> list[tuple[int, int, list[str]]]:
    """First and last of a run of four-digit postcodes, and the municipalities that they may be in."""
    rows = (row.split("\t") for row in _rows("postcodes.tsv"))
    return [(int(first), int(last), codes.split(",")) for first, last, codes in rows]


def _by_postcode(number: int) -> list[str]:
    at = bisect.bisect_right(postcodes(), number, key=lambda run: run[0]) - 1
    if at < 0 or number > postcodes()[at][1]:
        return []
    return postcodes()[at][2]


def _rows(file: str) -> list[str]:
    return (FILE.parent / file).read_text(encoding="utf-8").splitlines()
