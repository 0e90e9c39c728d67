"""The municipalities of the Netherlands: code of Statistics Netherlands (CBS) and name.

Data that both the institutions' pages and triage read: `municipalities.tsv`, one a line, sorted by
name, and after it the official name where people say another. Those of 2023 to 2025. Offline, so
that nobody's town is asked of another host.
"""

import unicodedata
from functools import cache
from pathlib import Path

FILE = Path(__file__).parent / "municipalities.tsv"


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
