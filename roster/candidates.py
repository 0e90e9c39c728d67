"""Who could come: everybody who works for an institution, the best first, each with the reasons.

First who is free and may; then who says they can, whose institution did least of its part, whose
own duties are furthest away, and who was not asked for the longest time.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import DurationField, ExpressionWrapper, F, Max, Q, Sum

from institutions.models import Institution, Membership, User
from roster import texts
from roster.availability import said_by
from roster.models import (
    Availability,
    ConsultationHour,
    CoverAsk,
    Duty,
    Seat,
    WorkerWishes,
)
from roster.models.fitness import Fitness, choose

# Without a period, an institution's part is measured over this long before and after the hour.
PART_OF = timedelta(days=45)
# A duty of one's own within this is near.
NEAR = timedelta(days=2)
ASKED_LATELY = timedelta(days=7)
_AROUND = timedelta(days=14)
# Filled against owed: within this of the average nobody is ahead or behind.
_EVEN = 0.1


@dataclass(frozen=True)
class Candidate:
    """A worker for a seat. `why` are sentences in the active language, `codes` what they say.

    Not possible: `codes[0]` is the code with which `ConsultationHour.fill` would refuse.
    """

    worker: User
    institution: Institution
    why: tuple[str, ...]
    is_possible: bool
    codes: tuple[str, ...] = ()


def rank(
    hour: ConsultationHour,
    now: datetime,
    *,
    seat: Seat | None = None,
    span: tuple[datetime, datetime] | None = None,
    for_cover: bool = False,
) -> list[Candidate]:
    """Return all workers, who can come before who cannot, the best first.

    A constant number of queries. With `seat`, for that seat, else for any free one; `span` is a
    part of the hour. `for_cover`: the seat is somebody's who leaves it, so it need not be free.
    """
    start, end = span or (hour.start, hour.end)
    people: dict[int, tuple[User, list[Institution]]] = {}
    for membership in (
        Membership.objects.active()
        .workers()
        .select_related("user", "institution")
        .order_by("user", "institution")
    ):
        if membership.institution is not None:  # for the types: a worker has one
            known = people.setdefault(membership.user_id, (membership.user, []))
            known[1].append(membership.institution)
    facts = _Facts.look(hour, people, (start, end), now)
    fitness = Fitness.look(hour, people)
    seats = _seats(hour, seat, (start, end), for_cover=for_cover)
    is_any_seat = for_cover or hour.is_free_for_all(now)
    ranked = []
    for worker, employers in people.values():
        institution = min(
            employers,
            key=lambda one: (
                not any(free.owed_by_id == one.pk for free in seats),
                facts.part.get(one.pk, facts.average),
                one.pk,
            ),
        )
        chosen = choose(seats, fitness.kinds[worker.pk], institution.pk, is_any_seat=is_any_seat)
        obstacle = (
            ("cancelled" if hour.is_cancelled else "past" if end <= now else "")
            or fitness.obstacle(worker.pk, institution.pk, start, end)
            or (chosen if isinstance(chosen, str) else "")
        )
        owes = isinstance(chosen, Seat) and chosen.owed_by_id == institution.pk
        codes = facts.codes(worker.pk, institution.pk, owes_seat=owes)
        order = (bool(obstacle), *facts.order(worker.pk, institution.pk, codes), worker.pk)
        codes = ((obstacle,) if obstacle else ()) + codes
        why = tuple(texts.reason(code) for code in codes)
        ranked.append((order, Candidate(worker, institution, why, not obstacle, codes)))
    return [candidate for _order, candidate in sorted(ranked, key=lambda pair: pair[0])]


def _seats(
    hour: ConsultationHour,
    seat: Seat | None,
    span: tuple[datetime, datetime],
    *,
    for_cover: bool,
) -> list[Seat]:
    if seat is not None and for_cover:
        return [seat]
    taken = Duty.objects.active().filter(hour=hour).overlapping(*span)
    free = hour.seats.exclude(pk__in=taken.values("seat")).order_by("no")
    return [one for one in free if seat is None or one.pk == seat.pk]


@dataclass(frozen=True)
class _Facts:
    """What makes one a better choice than another."""

    now: datetime
    says: dict[int, str]
    # By institution: filled against owed; and what that is for all together.
    part: dict[int, float]
    average: float
    distance: dict[int, timedelta]
    is_week_full: frozenset[int]
    asked_at: dict[int, datetime]

    @classmethod
    def look(
        cls,
        hour: ConsultationHour,
        workers: Collection[int],
        span: tuple[datetime, datetime],
        now: datetime,
    ) -> "_Facts":
        part, average = _parts(hour)
        distance: dict[int, timedelta] = {}
        in_week: dict[int, int] = {}
        monday = hour.local_date - timedelta(days=hour.local_date.weekday())
        for worker, day, start, end in (
            Duty.objects.active()
            .filter(worker__in=workers)
            .overlapping(hour.start - _AROUND, hour.end + _AROUND)
            .values_list("worker_id", "hour__local_date", "start", "end")
        ):
            gap = max(start - span[1], span[0] - end, timedelta())
            distance[worker] = min(gap, distance.get(worker, _AROUND))
            if monday <= day < monday + timedelta(days=7):
                in_week[worker] = in_week.get(worker, 0) + 1
        wishes = WorkerWishes.objects.filter(worker__in=workers, max_per_week__isnull=False)
        return cls(
            now=now,
            says={worker: said.about(*span) for worker, said in said_by(workers, *span).items()},
            part=part,
            average=average,
            distance=distance,
            is_week_full=frozenset(
                worker
                for worker, most in wishes.values_list("worker_id", "max_per_week")
                if most is not None and in_week.get(worker, 0) >= most
            ),
            asked_at=dict(
                CoverAsk.objects.filter(worker__in=workers, at__gt=now - PART_OF)
                .values_list("worker_id")
                .annotate(last=Max("at"))
            ),
        )

    def codes(self, worker: int, institution: int, *, owes_seat: bool) -> tuple[str, ...]:
        part = self.part.get(institution, self.average)
        asked_at = self.asked_at.get(worker)
        found = {
            "unavailable": self.says.get(worker) == Availability.Kind.UNAVAILABLE,
            "prefers": self.says.get(worker) == Availability.Kind.PREFERRED,
            "possible": self.says.get(worker) == Availability.Kind.POSSIBLE,
            "owes_seat": owes_seat,
            "behind": part < self.average - _EVEN,
            "ahead": part > self.average + _EVEN,
            "week_full": worker in self.is_week_full,
            "near": self.distance.get(worker, _AROUND) < NEAR,
            "asked_lately": asked_at is not None and self.now - asked_at < ASKED_LATELY,
        }
        return tuple(code for code, holds in found.items() if holds)

    def order(self, worker: int, institution: int, codes: Collection[str]) -> tuple[float, ...]:
        asked_at = self.asked_at.get(worker)
        return (
            "unavailable" in codes,
            "week_full" in codes,
            0 if "prefers" in codes else 1 if "possible" in codes else 2,
            "owes_seat" not in codes,
            self.part.get(institution, self.average),
            -self.distance.get(worker, _AROUND).total_seconds(),
            asked_at.timestamp() if asked_at else 0.0,
        )


def _parts(hour: ConsultationHour) -> tuple[dict[int, float], float]:
    """How much of the seats that it owes each institution filled, around this hour."""
    around = Q(line=hour.line, start__lt=hour.end + PART_OF, end__gt=hour.start - PART_OF)
    hours = ConsultationHour.objects.planned().filter(
        Q(period=hour.period_id) if hour.period_id else around
    )

    def minutes(rows: Iterable[tuple[int, timedelta]]) -> dict[int, float]:
        return {pk: length / timedelta(minutes=1) for pk, length in rows}

    owed = minutes(
        Seat.objects.filter(hour__in=hours, owed_by__isnull=False)
        .order_by()
        .values_list("owed_by")
        .annotate(length=Sum(_length("hour__")))
    )
    filled = minutes(
        Duty.objects.active()
        .filter(hour__in=hours)
        .order_by()
        .values_list("credited_to")
        .annotate(length=Sum(_length("")))
    )
    total = sum(owed.values())
    average = sum(filled.get(pk, 0.0) for pk in owed) / total if total else 1.0
    return {pk: filled.get(pk, 0.0) / owed[pk] for pk in owed}, average


def _length(prefix: str) -> ExpressionWrapper:
    return ExpressionWrapper(F(f"{prefix}end") - F(f"{prefix}start"), output_field=DurationField())
