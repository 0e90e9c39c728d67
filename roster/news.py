"""What a change of the plan means for a person, told in one mail however many hours it touches.

Written to the outbox inside the transaction of the change. Names no colleague and no visitor.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import TextChoices
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from institutions.models import Institution, User
from roster import notices

if TYPE_CHECKING:
    from roster.models import ConsultationHour, Seat


class What(TextChoices):
    """What happened to a duty; the label is the sentence."""

    CANCELLED = (
        "cancelled",
        gettext_lazy("Vervallen: %(old)s. Het spreekuur gaat niet door, je hoeft niet te komen."),
    )
    MOVED = "moved", gettext_lazy("Verplaatst: %(old)s wordt %(new)s.")
    LOST = (
        "lost",
        gettext_lazy("Vervallen: %(old)s. Het spreekuur is verplaatst en jij kunt dan niet."),
    )
    NO_REST = (
        "no_rest",
        gettext_lazy(
            "Vervallen: %(old)s. Het spreekuur is verplaatst en je zou te weinig rust hebben."
        ),
    )
    REOPENED = (
        "reopened",
        gettext_lazy(
            "Toch wel: %(old)s. Het spreekuur gaat door, maar je bent niet meer ingedeeld. "
            "Wil je komen, neem dan weer een plek."
        ),
    )
    ADDED = "added", gettext_lazy("%(new)s")
    NEW = "new", gettext_lazy("Nieuw: %(new)s.")
    REMOVED = "removed", gettext_lazy("Niet meer van jou: %(old)s.")


@dataclass(frozen=True)
class Span:
    """Two instants and the zone in which people read them."""

    start: datetime
    end: datetime
    tz: str

    def text(self) -> str:
        """In the active language: `maandag 2 maart, 19:00-21:00`."""
        zone = ZoneInfo(self.tz)
        start, end = self.start.astimezone(zone), self.end.astimezone(zone)
        return f"{date_format(start, 'l j F')}, {start:%H:%M}-{end:%H:%M}"


@dataclass(frozen=True)
class News:
    """One thing to tell one person."""

    worker: User
    what: str
    old: Span | None = None
    new: Span | None = None
    reason: str = ""
    # They had asked for cover, and that question is gone.
    lost_request: bool = False

    def text(self) -> str:
        """The sentences, in the active language."""
        said = str(What(self.what).label) % {
            "old": self.old.text() if self.old else "",
            "new": self.new.text() if self.new else "",
        }
        if self.reason:
            said += " " + _("Reden: %(reason)s.") % {"reason": self.reason.rstrip(".")}
        if self.lost_request and self.what == What.MOVED:
            said += " " + _(
                "Je vraag om vervanging is vervallen. Kun je ook dan niet, vraag het dan opnieuw."
            )
        return said

    @property
    def at(self) -> datetime:
        span = self.new or self.old
        if span is None:
            raise ValueError("news about no time")
        return span.start


def tell(news: Iterable[News], kind: str, key: str) -> int:
    """Put one mail in the outbox for each person that there is news for; return how many.

    `key` names the change: the same person is told of it once, whatever is tried twice.
    """
    theirs: dict[int, list[News]] = {}
    for item in news:
        theirs.setdefault(item.worker.pk, []).append(item)
    told = 0
    for pk, items in sorted(theirs.items()):
        items.sort(key=lambda item: item.at)
        worker = items[0].worker
        with translation.override(worker.language):
            subject, intro = _heading(kind, len(items))
            lines = [f"- {item.text()}" for item in items]
        told += notices.put(worker, kind, f"{key}:{pk}", subject=subject, lines=[intro, "", *lines])
    return told


def _heading(kind: str, count: int) -> tuple[str, str]:
    if kind == "published":
        return _("het rooster staat klaar"), _("Het rooster is gepubliceerd. Dit zijn je diensten:")
    subject = ngettext("er is een dienst veranderd", "er zijn diensten veranderd", count)
    if kind == "republished":
        subject = _("het rooster is veranderd")
    return subject, ngettext(
        "Er is iets veranderd in je diensten:", "Dit is er veranderd in je diensten:", count
    )


def seat_given(
    coordinators: Iterable[User],
    seat: "Seat",
    hour: "ConsultationHour",
    old: Institution | None,
    new: Institution | None,
    now: datetime,
) -> None:
    """Tell coordinators that another institution owes a seat from now on."""
    for person in coordinators:
        with translation.override(person.language):
            words = {
                "hour": Span(hour.start, hour.end, hour.tz).text(),
                "old": old.name if old else _("iedereen"),
                "new": new.name if new else _("iedereen"),
            }
            subject = _("een plek in het rooster is van een ander")
            body = _("Een plek in het spreekuur van %(hour)s was van %(old)s en is nu van %(new)s.")
        notices.put(
            person,
            "seat_given",
            f"seat:{seat.pk}:{now.timestamp():.6f}:{person.pk}",
            subject=subject,
            lines=[body % words],
            page=f"roster/hours/{hour.pk}/",
        )
