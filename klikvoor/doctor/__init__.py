"""`manage.py doctor`: is this installation as it should be, and if not, how is that mended?

Each check looks at one part from outside, as its users do, changes nothing, and yields lines: what is
well, what somebody should look at, and what is wrong, why that matters and how to mend it. A check
that cannot be done is itself something wrong; none of them stops the others.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

WELL, NOTE, WRONG = "well", "note", "wrong"


@dataclass(frozen=True)
class Line:
    """One thing that was found. `what` is a sentence; a wrong one says `why` and how to `mend` it."""

    level: str
    what: str
    why: str = ""
    mend: str = ""


Check = Callable[[], Iterator[Line]]


def well(what: str) -> Line:
    return Line(WELL, what)


def note(what: str, why: str = "", mend: str = "") -> Line:
    """Worth a look, and no reason to say that something is wrong."""
    return Line(NOTE, what, why, mend)


def wrong(what: str, why: str, mend: str) -> Line:
    return Line(WRONG, what, why, mend)


@dataclass(frozen=True)
class Found:
    """What one check found."""

    part: str
    lines: list[Line]

    @property
    def is_wrong(self) -> bool:
        return any(line.level == WRONG for line in self.lines)

    def as_dict(self) -> dict[str, object]:
        return {"part": self.part, "lines": [asdict(line) for line in self.lines]}


def look(part: str, check: Check) -> Found:
    """Do one check. Raises nothing, and tells of an error its kind only: its text may hold words."""
    lines: list[Line] = []
    try:
        lines += check()
    except Exception as error:
        lines.append(
            wrong(
                f"This check could not be done: {type(error).__name__}.",
                "What it looks for may be wrong, and nobody would know.",
                "Mend what the other checks say first. If it stays, it is an error of Klikvoor.",
            )
        )
    return Found(part, lines)
