"""Who could come: everybody who works for an institution, the best first, each with the reasons."""

from dataclasses import dataclass
from datetime import datetime

from institutions.models import Institution, User
from roster.models import ConsultationHour, Seat


@dataclass(frozen=True)
class Candidate:
    """A worker for a seat. `why` are sentences, `codes` the same for programs.

    Not possible: `codes[0]` is the code with which `fill` would refuse.
    """

    worker: User
    institution: Institution
    why: tuple[str, ...]
    is_possible: bool
    codes: tuple[str, ...] = ()


def rank(hour: ConsultationHour, now: datetime, *, seat: Seat | None = None) -> list[Candidate]:
    """Return all workers, who can come before who cannot, the best first.

    A constant number of queries. With `seat`, for that seat; else for an ordinary duty.
    """
    raise NotImplementedError
