"""What a change of the plan means for a person, told in one mail however many hours it touches.

Written to the outbox inside the transaction of the change. Names no colleague and no visitor.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.db.models import Count, TextChoices
from django.utils import translation
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from institutions.models import Institution, Membership, User
from roster import notices

if TYPE_CHECKING:
    from roster.models import ConsultationHour, RosterPeriod, Seat


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


def signup_opened(period: "RosterPeriod") -> int:
    """Tell who may take seats of a period, once and in one mail each; return how many were told.

    Workers and coordinators of the institutions that bear a share of it or owe one of its seats;
    of all of them when nothing is agreed yet. How many empty seats are theirs stands beside it.
    """
    from roster.models import Seat

    empty = dict(
        Seat.objects.free()
        .filter(hour__period=period, hour__status="planned", owed_by__isnull=False)
        .order_by()
        .values_list("owed_by")
        .annotate(count=Count("pk"))
    )
    concerned = set(period.shares.values_list("institution", flat=True)) | set(empty)
    active = Membership.objects.active().exclude(institution=None)
    if concerned:
        active = active.filter(institution__in=concerned)
    theirs: dict[User, tuple[set[int | None], set[str]]] = {}
    for one in active.filter(user__is_active=True).select_related("user").order_by("user"):
        institutions, roles = theirs.setdefault(one.user, (set(), set()))
        institutions.add(one.institution_id)
        roles.add(one.role)
    told = 0
    for person, (institutions, roles) in theirs.items():
        works = Membership.Role.WORKER in roles
        count = sum(empty.get(pk, 0) for pk in institutions)
        with translation.override(person.language):
            words = {
                "first": date_format(period.first_date, "l j F"),
                "last": date_format(period.last_date, "l j F"),
            }
            lines = [
                _("Je kunt nu diensten kiezen van %(first)s tot en met %(last)s.")
                if works
                else _("Jullie mensen kunnen nu diensten kiezen van %(first)s tot en met %(last)s.")
            ]
            if count:
                lines.append(
                    ngettext(
                        "Voor jullie instelling is %(count)s plek leeg.",
                        "Voor jullie instelling zijn %(count)s plekken leeg.",
                        count,
                    )
                    % {"count": count}
                )
            told += notices.put(
                person,
                "signup_opened",
                f"signup:{period.pk}:{person.pk}",
                subject=_("kies je diensten") if works else _("inschrijven kan"),
                lines=[lines[0] % words, *lines[1:]],
                page="roster/mine/free/" if works else "roster/gaps/",
            )
    return told


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
            words = {"old": _name(old), "new": _name(new)}
            subject = _("een plek in het rooster is van een ander")
            body = _("Een plek in het spreekuur van %(hour)s was van %(old)s en is nu van %(new)s.")
        _tell_of_seat(person, "seat_given", seat, hour, now, subject, body, words)


def seat_offered(
    coordinators: Iterable[User],
    seat: "Seat",
    hour: "ConsultationHour",
    owner: Institution | None,
    now: datetime,
) -> None:
    """Ask coordinators whether their institution takes a seat over."""
    for person in coordinators:
        with translation.override(person.language):
            words = {"owner": _name(owner)}
            subject = _("nemen jullie een plek over?")
            body = _(
                "%(owner)s vraagt of jullie een plek overnemen in het spreekuur van %(hour)s. "
                "In het rooster zeg je ja of nee. Tot die tijd verandert er niets."
            )
        _tell_of_seat(person, "seat_offered", seat, hour, now, subject, body, words)


def seat_kept(
    coordinators: Iterable[User],
    seat: "Seat",
    hour: "ConsultationHour",
    owner: Institution | None,
    now: datetime,
) -> None:
    """Tell coordinators that a seat which was offered stays with who owes it."""
    for person in coordinators:
        with translation.override(person.language):
            words = {"owner": _name(owner)}
            subject = _("een plek blijft van wie hij was")
            body = _("De plek in het spreekuur van %(hour)s blijft van %(owner)s.")
        _tell_of_seat(person, "seat_kept", seat, hour, now, subject, body, words)


def _name(institution: Institution | None) -> str:
    return institution.name if institution else _("iedereen")


def _tell_of_seat(
    person: User,
    kind: str,
    seat: "Seat",
    hour: "ConsultationHour",
    now: datetime,
    subject: str,
    body: str,
    words: dict[str, str],
) -> None:
    with translation.override(person.language):
        when = Span(hour.start, hour.end, hour.tz).text()
    notices.put(
        person,
        kind,
        f"seat:{kind}:{seat.pk}:{now.timestamp():.6f}:{person.pk}",
        subject=subject,
        lines=[body % (words | {"hour": when})],
        page=f"roster/hours/{hour.pk}/",
    )
