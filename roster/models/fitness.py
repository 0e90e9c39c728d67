"""Whether a worker may take a duty: asked when signing up, taking over and ranking alike."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from institutions.access import staff_of
from institutions.models import Membership, User
from roster.models.people import Absence, Qualification

if TYPE_CHECKING:
    from roster.models.hours import ConsultationHour
    from roster.models.seats import Seat


def coordinates(by: User, *institutions: int) -> bool:
    """Whether somebody is a coordinator of each of these institutions now, or of the platform."""
    staff = staff_of(by)
    return staff is not None and (
        staff.is_platform_coordinator or set(institutions) <= staff.coordinator_of
    )


def coordinates_one(by: User, *institutions: int) -> bool:
    """Whether somebody is a coordinator of at least one of these now, or of the platform."""
    return any(coordinates(by, institution) for institution in institutions)


def plans(by: User) -> bool:
    """Whether somebody is a coordinator of the platform now."""
    staff = staff_of(by)
    return staff is not None and staff.is_platform_coordinator


def lock(workers: Iterable[int], hours: Iterable[int]) -> None:
    """Let other changes of these people's duties and of these hours wait until we have committed.

    Every verb takes its locks here and once: workers by id, then hours by id, so that no two wait
    for each other. Rows that only refer to them can be written meanwhile.
    """
    from roster.models.hours import ConsultationHour

    for model, ids in ((User, workers), (ConsultationHour, hours)):
        rows = model._default_manager.select_for_update(no_key=True).filter(pk__in=set(ids))
        list(rows.order_by("pk").values_list("pk", flat=True))


def minute(moment: datetime) -> datetime:
    """The whole minute that this moment is in: duties begin and end at whole ones."""
    return moment.replace(second=0, microsecond=0)


@dataclass(frozen=True)
class Fitness:
    """What stands between these workers and a duty in one hour."""

    rest: timedelta
    # By worker: the institutions, what they can do, and the duties around (hour, start, end).
    employers: dict[int, tuple[int, ...]]
    kinds: dict[int, frozenset[str]]
    busy: dict[int, list[tuple[int, datetime, datetime]]]
    absent: frozenset[int]
    hour_id: int

    @classmethod
    def look(
        cls, hour: "ConsultationHour", workers: Collection[int], ignoring: Collection[int] = ()
    ) -> "Fitness":
        """Look up everything, in four queries; duties in `ignoring` are about to end."""
        from roster.models.duties import Duty

        rest = timedelta(minutes=hour.line.short_rest_minutes)
        employers: dict[int, list[int]] = {}
        for user, institution in (
            Membership.objects.active()
            .workers()
            .filter(user__in=workers)
            .order_by("institution")
            .values_list("user_id", "institution_id")
        ):
            if institution is not None:  # for the types: a worker has one
                employers.setdefault(user, []).append(institution)
        busy: dict[int, list[tuple[int, datetime, datetime]]] = {}
        for worker, other, start, end in (
            Duty.objects.active()
            .filter(worker__in=workers)
            .exclude(pk__in=ignoring)
            .overlapping(hour.start - rest, hour.end + rest)
            .values_list("worker_id", "hour_id", "start", "end")
        ):
            busy.setdefault(worker, []).append((other, start, end))
        day = hour.local_date
        return cls(
            rest=rest,
            employers={user: tuple(some) for user, some in employers.items()},
            kinds=Qualification.of(workers),
            busy=busy,
            absent=frozenset(
                Absence.objects.between(day, day)
                .filter(worker__in=workers)
                .values_list("worker_id", flat=True)
            ),
            hour_id=hour.pk,
        )

    def obstacle(self, worker: int, institution: int, start: datetime, end: datetime) -> str:
        """The code of the first reason why not, whatever the seat; empty: none."""
        if institution not in self.employers.get(worker, ()):
            return "elsewhere"
        if worker in self.absent:
            return "absent"
        busy = self.busy.get(worker, ())
        if any(other_start < end and other_end > start for _hour, other_start, other_end in busy):
            return "overlap"
        if any(
            hour != self.hour_id and other_start < end + self.rest and other_end > start - self.rest
            for hour, other_start, other_end in busy
        ):
            return "rest"
        return ""

    def can(self, worker: int, needs: str) -> bool:
        return needs in self.kinds[worker]


def choose(
    free: Sequence["Seat"], kinds: Collection[str], institution: int, *, is_any_seat: bool
) -> "Seat | str":
    """The best of these free seats for somebody, else the code that says why there is none.

    Own seats first, then those that are free for all, then (`is_any_seat`) those that others owe;
    plain ones before those that few can fill.
    """
    fit = [seat for seat in free if seat.needs in kinds]
    open_to = [seat for seat in fit if is_any_seat or seat.owed_by_id in (None, institution)]
    if not open_to:
        return "wave" if fit else "qualification" if free else "full"
    rank = {institution: 0, None: 1}
    return min(
        open_to, key=lambda seat: (rank.get(seat.owed_by_id, 2), seat.qualification != "", seat.no)
    )
