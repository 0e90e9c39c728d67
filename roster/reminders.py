"""What the clock does for seats without somebody: requests that end, reminders and warnings.

Reminders come as one digest a day, at a fixed hour of the line's own clock, so that a day with
five requests is one mail; what presses comes at once. The outbox knows what was told already: a
digest is named by its date, so however often the clock comes by, it is told once.
"""

from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from institutions.models import Membership, StaffMail, User
from roster import candidates, coverage, notices
from roster.coverage import Coverage, Level
from roster.models import (
    ConsultationHour,
    CoverRequest,
    Duty,
    Qualification,
    RosterRefused,
    Seat,
    ServiceLine,
)
from roster.models.cover import ASK_AT_ONCE_WITHIN
from roster.notices import Text
from roster.time import to_utc

# On this hour of the wall clock a line's digests of the day are written.
DIGEST_AT = time(8)
REMIND_DAYS = (28, 14, 7, 3, 2, 1)
REMIND_LAST = timedelta(hours=12)
WARN_DAYS = (14, 7, 3, 1)
WARN_LAST = timedelta(hours=2)
# The next ones are asked when nobody said yes for so long.
ASK_FURTHER_AFTER = timedelta(minutes=15)


def expire_requests(now: datetime) -> int:
    """End the requests that are too late; return how many.

    Also those of hours that do not go on, or were moved away from a duty of somebody absent.
    """
    ended = 0
    for request in CoverRequest.objects.too_late(now).order_by("pk"):
        try:
            request.expire(now)
        except RosterRefused:
            continue  # somebody was first
        ended += 1
    gone = CoverRequest.objects.filter(
        Q(duty__hour__status=ConsultationHour.Status.CANCELLED)
        | Q(duty__start__lt=F("duty__hour__start"))
        | Q(duty__end__gt=F("duty__hour__end"))
    )
    return ended + gone.void(None, now)


def ask_further(now: datetime) -> int:
    """Ask the next candidates for what presses and nobody took yet; return how many were asked."""
    asked = 0
    for request in _open(now).filter(to_worker=None, duty__start__lt=now + ASK_AT_ONCE_WITHIN):
        last = request.asks.order_by("-at").first()
        if last is None or now - last.at >= ASK_FURTHER_AFTER:
            asked += request.ask_further(now)
    return asked


def remind_open_requests(now: datetime) -> int:
    """Tell who could help of the open requests, 28, 14, 7, 3, 2 and 1 days before; as a digest.

    Also of what was asked since the digest before. Twelve hours before, once more and at once.
    Returns how many mails were written.
    """
    mails = sum(_remind_today(line, now) for line in ServiceLine.objects.all())
    for request in _open(now).filter(duty__start__lte=now + REMIND_LAST, duty__start__gt=now):
        key = f"cover_last:{request.pk}:"
        if _is_told(key):
            continue
        with transaction.atomic():
            for worker in _could_help(request, now):
                mails += notices.digest(
                    worker,
                    "cover_last",
                    f"{key}{worker.pk}",
                    subject=_("nog steeds vervanging gezocht"),
                    intro=_("Voor deze dienst is nog niemand gevonden. Kun jij?"),
                    spans=[_row(request)],
                    page="roster/mine/",
                )
    return mails


def warn_understaffed(now: datetime) -> int:
    """Tell coordinators of hours below their minimum, 14, 7, 3 and 1 days before; as a digest.

    And two hours before, at once. The platform's coordinators hear of every hour, those of an
    institution of the hours in which a seat of theirs, or of nobody, is empty. Never for hours
    that are cancelled or not published. Returns how many mails were written.
    """
    mails = sum(_warn_today(line, now) for line in ServiceLine.objects.all())
    soon = _hours().filter(start__gt=now, start__lte=now + WARN_LAST)
    for covered in _short(soon):
        key = f"short_last:{covered.hour.pk}:"
        if not _is_told(key):
            mails += _warn([covered], key, "short_last", _("straks te weinig mensen in de chat"))
    return mails


# --- Once a day ----------------------------------------------------------------------------------


def _slot(line: ServiceLine, now: datetime) -> tuple[date, datetime, datetime] | None:
    """Today's date, and from when until when its digest looks back; None before its time."""
    today = line.today(now)
    begin = to_utc(today - timedelta(days=1), DIGEST_AT, line.zone)
    end = to_utc(today, DIGEST_AT, line.zone)
    return (today, begin, end) if now >= end else None


def _remind_today(line: ServiceLine, now: datetime) -> int:
    slot = _slot(line, now)
    if slot is None:
        return 0
    today, begin, end = slot
    key = f"cover_digest:{line.pk}:{today}:"
    if _is_told(key):
        return 0
    days = [today + timedelta(days=days) for days in REMIND_DAYS]
    requests = (
        _open(now)
        .filter(duty__hour__line=line, duty__start__gt=now)
        .filter(Q(duty__hour__local_date__in=days) | Q(created_at__gte=begin, created_at__lt=end))
    )
    rows: dict[User, list[tuple[ConsultationHour, datetime, datetime, object]]] = {}
    for request in requests.order_by("duty__start", "pk"):
        for worker in _could_help(request, now):
            rows.setdefault(worker, []).append(_row(request))
    with transaction.atomic():
        return sum(
            notices.digest(
                worker,
                "cover_digest",
                f"{key}{worker.pk}",
                subject=_("collega's zoeken vervanging"),
                intro=_("Voor deze diensten wordt iemand gezocht. Kun jij er een doen?"),
                spans=spans,
                page="roster/mine/",
            )
            for worker, spans in sorted(rows.items(), key=lambda item: item[0].pk)
        )


def _warn_today(line: ServiceLine, now: datetime) -> int:
    slot = _slot(line, now)
    if slot is None:
        return 0
    today = slot[0]
    key = f"short:{line.pk}:{today}:"
    if _is_told(key):
        return 0
    days = [today + timedelta(days=days) for days in WARN_DAYS]
    short = _short(_hours().filter(line=line, local_date__in=days, start__gt=now))
    return _warn(short, key, "short", _("te weinig mensen in de chat"))


# --- The parts of both ---------------------------------------------------------------------------


def _is_told(key: str) -> bool:
    """Whether a mail of this event was written; they are written together or not at all."""
    return StaffMail.objects.filter(dedupe_key__startswith=key).exists()


def _open(now: datetime) -> QuerySet[CoverRequest]:
    return (
        CoverRequest.objects.open()
        .filter(duty__end__gt=now, duty__hour__status=ConsultationHour.Status.PLANNED)
        .select_related("duty__hour__line", "duty__hour__period", "duty__seat", "to_worker")
    )


def _row(request: CoverRequest) -> tuple[ConsultationHour, datetime, datetime, object]:
    start, end = request.planned_span
    return request.duty.hour, start, end, request.duty.credited_to.name


def _could_help(request: CoverRequest, now: datetime) -> list[User]:
    """Those who may claim it and did not say no, also not by their availability."""
    declined = set(request.declines.values_list("worker_id", flat=True))
    if request.to_worker:
        return [] if request.to_worker_id in declined else [request.to_worker]
    duty = request.duty
    span = request.span(now)
    return [
        candidate.worker
        for candidate in candidates.rank(duty.hour, now, seat=duty.seat, span=span, for_cover=True)
        if candidate.is_possible
        and "unavailable" not in candidate.codes
        and candidate.worker.pk not in declined | {duty.worker_id}
    ]


def _hours() -> QuerySet[ConsultationHour]:
    return ConsultationHour.objects.planned().published().select_related("line")


def _short(hours: QuerySet[ConsultationHour]) -> list[Coverage]:
    found = coverage.of(hours.order_by("start", "pk")).values()
    return [covered for covered in found if covered.level == Level.GAP]


def _warn(short: list[Coverage], key: str, kind: str, subject: Text) -> int:
    if not short:
        return 0
    hours = [covered.hour.pk for covered in short]
    taken = Duty.objects.covered().filter(hour__in=hours).values("seat")
    empty: dict[int, set[int | None]] = {}
    for hour, owner in (
        Seat.objects.filter(hour__in=hours)
        .exclude(pk__in=taken)
        .values_list("hour_id", "owed_by_id")
    ):
        empty.setdefault(hour, set()).add(owner)
    theirs: dict[User, set[int | None]] = {}
    for membership in Membership.objects.active().coordinators().select_related("user"):
        theirs.setdefault(membership.user, set()).add(membership.institution_id)
    mails = 0
    with transaction.atomic():
        for coordinator, institutions in sorted(theirs.items(), key=lambda item: item[0].pk):
            rows = [
                covered
                for covered in short
                if None in institutions
                or empty.get(covered.hour.pk, set()) & (institutions | {None})
            ]
            if rows:
                mails += notices.digest(
                    coordinator,
                    kind,
                    f"{key}{coordinator.pk}",
                    subject=subject,
                    intro=_("In deze spreekuren zitten nog te weinig mensen:"),
                    spans=[
                        (covered.hour, covered.hour.start, covered.hour.end, _Shortage(covered))
                        for covered in rows
                    ],
                    page="roster/gaps/",
                )
    return mails


@dataclass(frozen=True)
class _Shortage:
    """How many there are and how many it takes, in the language of who reads it."""

    covered: Coverage

    def __str__(self) -> str:
        if self.covered.missing:
            numbers = {"count": self.covered.count, "minimum": self.covered.hour.min_staff}
            return gettext("%(count)s van minstens %(minimum)s") % numbers
        kinds = (str(Qualification.Kind(kind).label) for kind in self.covered.lacking)
        return gettext("er ontbreekt: %(kinds)s") % {"kinds": ", ".join(kinds)}
