"""Days of the roster at a glance: how each hour is staffed and whose turn it is. Reads only.

The plan is everybody's, names are not: `Duty.objects.visible_to` says whose may be shown, and the
others are not even read. However many days are asked, the number of queries is the same.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from fractions import Fraction
from functools import cached_property

from django.db.models import Q, Sum, TextChoices
from django.utils.translation import gettext_lazy as _

from institutions.access import Staff
from institutions.models import Institution
from roster import coverage
from roster.coverage import Coverage, Stretch
from roster.models import (
    ConsultationHour,
    Duty,
    LedgerEntry,
    Qualification,
    Seat,
    ServiceLine,
)
from roster.time import days

# So that one busy hour does not push the others from the screen; its own page shows all.
SHOWN_NAMES = 3
SHOWN_TURNS = 2


class Level(TextChoices):
    """How an hour stands, the worst first."""

    GAP = "gap", _("te weinig mensen")
    THIN = "thin", _("krap")
    OK = "ok", _("genoeg mensen")
    PAST = "past", _("geweest")
    CANCELLED = "cancelled", _("gaat niet door")


OF_COVERAGE = {
    coverage.Level.GAP: Level.GAP,
    coverage.Level.THIN: Level.THIN,
    coverage.Level.ENOUGH: Level.OK,
}


@dataclass(frozen=True)
class OnDuty:
    """Somebody on duty. `name` is empty for who may not know it."""

    duty: int
    seat: int
    name: str
    institution: str
    is_me: bool
    is_ours: bool
    start: datetime
    end: datetime
    cover_wanted: bool
    # Covers only part of the hour.
    is_part: bool

    @property
    def order(self) -> tuple[bool, bool, str, int]:
        return (not self.is_me, not self.name, self.name, self.duty)


@dataclass(frozen=True)
class Turn:
    """An institution that should fill empty seats: it owes them, or it has the lowest index."""

    institution: str
    count: int
    is_ours: bool
    is_owed: bool


@dataclass(frozen=True)
class Cell:
    """One hour in the grid."""

    hour: ConsultationHour
    people: list[OnDuty]
    seats: int
    # Seats that nobody fills, not even for a part.
    free: int
    coverage: Coverage
    turns: list[Turn]
    is_past: bool
    is_now: bool
    # Of the times of day in this grid, which one: hours at one height begin at one time.
    slot: int = 0

    @property
    def missing(self) -> int:
        """People short of the minimum, at the worst moment."""
        return self.coverage.missing

    @property
    def wanted(self) -> int:
        """People short of the target, at the worst moment."""
        return max(0, self.hour.target_staff - self.coverage.count)

    @property
    def lacking(self) -> str:
        """The kinds of people of which there are too few, in words."""
        kinds = Qualification.Kind
        return ", ".join(
            f"{count} × {kinds(kind).label}" for kind, count in self.coverage.lacking.items()
        )

    @property
    def short(self) -> list[Stretch]:
        """The stretches that differ from the rest of the hour and have too few."""
        if len(self.coverage.stretches) < 2:
            return []
        return [part for part in self.coverage.stretches if part.level != coverage.Level.ENOUGH]

    @property
    def level(self) -> Level:
        if self.hour.status == ConsultationHour.Status.CANCELLED:
            return Level.CANCELLED
        if self.is_past:
            return Level.PAST
        return OF_COVERAGE[self.coverage.level]

    @property
    def level_label(self) -> str:
        return str(self.level.label)

    @property
    def is_open(self) -> bool:
        return self.level in (Level.GAP, Level.THIN)

    @property
    def is_mine(self) -> bool:
        return any(person.is_me for person in self.people)

    @property
    def our_turn(self) -> int:
        """Empty seats that the own institutions owe, as long as the hour misses somebody."""
        if not self.is_open:
            return 0
        return sum(turn.count for turn in self.turns if turn.is_ours and turn.is_owed)

    @property
    def named(self) -> list[OnDuty]:
        return [person for person in self.people if person.name]

    @property
    def rest(self) -> int:
        """Those whom the grid counts without a name: it may not, or there is no room."""
        return len(self.people) - min(len(self.named), SHOWN_NAMES)

    @property
    def more_turns(self) -> int:
        return len(self.turns) - SHOWN_TURNS

    @property
    def pips(self) -> Iterator[str]:
        """What to draw for each place: up to the target, or to those who are there."""
        for person in self.people:
            yield "me" if person.is_me else "leaving" if person.cover_wanted else "filled"
        for number in range(len(self.people), self.hour.target_staff):
            yield "must" if number < self.hour.min_staff else "may"


@dataclass(frozen=True)
class Day:
    date: date
    cells: list[Cell]
    is_today: bool = False
    # Outside the month that is shown.
    is_outside: bool = False

    def _count(self, level: Level) -> int:
        return sum(cell.level == level for cell in self.cells)

    @cached_property
    def gaps(self) -> int:
        return self._count(Level.GAP)

    @cached_property
    def thin(self) -> int:
        return self._count(Level.THIN)

    @property
    def mine(self) -> int:
        return sum(cell.is_mine for cell in self.cells)

    @property
    def missing(self) -> int:
        return sum(cell.missing for cell in self.cells if cell.is_open)

    @property
    def wanted(self) -> int:
        return sum(cell.wanted for cell in self.cells if cell.is_open)

    @property
    def our_turn(self) -> int:
        return sum(cell.our_turn for cell in self.cells)

    @property
    def heat(self) -> str:
        """How bad it is, for a colour: empty, past, ok, thin, gap or worst."""
        going = [cell for cell in self.cells if cell.level != Level.CANCELLED]
        if not going:
            return "empty"
        if all(cell.is_past for cell in going):
            return "past"
        if self.gaps:
            return "worst" if self.gaps * 2 > len(going) else "gap"
        return "thin" if self.thin else "ok"


@dataclass(frozen=True)
class Grid:
    days: list[Day]
    # Whose turn it is where nobody owes the seat; empty when there is nothing to go by.
    lowest: str = ""
    lowest_is_ours: bool = False
    slots: int = 0

    @property
    def cells(self) -> Iterator[Cell]:
        for day in self.days:
            yield from day.cells

    @cached_property
    def gaps(self) -> int:
        return sum(day.gaps for day in self.days)

    @cached_property
    def thin(self) -> int:
        return sum(day.thin for day in self.days)

    @cached_property
    def mine(self) -> int:
        return sum(day.mine for day in self.days)

    @cached_property
    def our_turn(self) -> int:
        return sum(day.our_turn for day in self.days)


def grid_of(
    line: ServiceLine, first: date, last: date, now: datetime, staff: Staff, *, names: bool = True
) -> Grid:
    """Return the days from `first` to `last`, both included, as this member of staff may see them."""
    hours = list(
        line.hours.visible_to(staff)
        .filter(local_date__range=(first, last))
        .select_related("period")
        .order_by("start", "pk")
    )
    of_days = {"hour__line": line, "hour__local_date__range": (first, last)}
    covered = coverage.of(hours)
    on_duty, busy = _duties(of_days, staff, hours, names=names)
    free: dict[int, list[tuple[int | None, str | None]]] = defaultdict(list)
    seats: Counter[int] = Counter()
    for hour_id, seat, owed_by, owing in Seat.objects.filter(**of_days).values_list(
        "hour_id", "pk", "owed_by_id", "owed_by__name"
    ):
        seats[hour_id] += 1
        if seat not in busy:
            free[hour_id].append((owed_by, owing))
    lowest = lowest_index(line, now)
    slots = _slots(hours)
    by_day: dict[date, list[Cell]] = defaultdict(list)
    for hour in hours:
        by_day[hour.local_date].append(
            Cell(
                hour=hour,
                people=sorted(on_duty[hour.pk], key=lambda person: person.order),
                seats=seats[hour.pk],
                free=len(free[hour.pk]),
                coverage=covered[hour.pk],
                turns=list(_turns(free[hour.pk], covered[hour.pk], lowest, staff))
                if is_coming(hour, now)
                else [],
                is_past=hour.end <= now,
                is_now=hour.start <= now < hour.end,
                slot=slots[hour.pk],
            )
        )
    today = line.today(now)
    return Grid(
        days=[Day(day, by_day[day], is_today=day == today) for day in days(first, last)],
        lowest=lowest[1] if lowest else "",
        lowest_is_ours=lowest is not None and lowest[0] in ours(staff),
        slots=max(slots.values(), default=0),
    )


def cell_of(hour: ConsultationHour, now: datetime, staff: Staff) -> Cell:
    """Return one hour as it stands in its day."""
    grid = grid_of(hour.line, hour.local_date, hour.local_date, now, staff)
    return next(cell for cell in grid.cells if cell.hour.pk == hour.pk)


def is_coming(hour: ConsultationHour, now: datetime) -> bool:
    """Whether there is something left to fill: it goes on, and has not ended."""
    return hour.status == ConsultationHour.Status.PLANNED and hour.end > now


def ours(staff: Staff) -> frozenset[int]:
    """The institutions that this member of staff works for or coordinates."""
    return staff.worker_of | staff.coordinator_of


def _slots(hours: list[ConsultationHour]) -> dict[int, int]:
    """Give hours that begin at one time of day one number, from 1; two on one day get two."""
    seen: Counter[tuple[date, time]] = Counter()
    keys = {}
    for hour in hours:
        keys[hour.pk] = (hour.local_start, seen[hour.local_date, hour.local_start])
        seen[hour.local_date, hour.local_start] += 1
    numbers = {key: number for number, key in enumerate(sorted(set(keys.values())), 1)}
    return {hour: numbers[key] for hour, key in keys.items()}


def _duties(
    of_days: dict[str, object], staff: Staff, hours: list[ConsultationHour], *, names: bool
) -> tuple[dict[int, list[OnDuty]], set[int]]:
    """Return who is on duty per hour, and the seats that are in use."""
    known = {hour.pk: hour for hour in hours}
    on_duty: dict[int, list[OnDuty]] = defaultdict(list)
    busy: set[int] = set()
    duties = Duty.objects.active().filter(**of_days)
    name_of = dict(duties.visible_to(staff).values_list("pk", "worker__name")) if names else {}
    own = ours(staff)
    for duty, hour_id, seat, worker, status, start, end, institution, name in duties.values_list(
        "pk",
        "hour_id",
        "seat_id",
        "worker_id",
        "status",
        "start",
        "end",
        "credited_to_id",
        "credited_to__name",
    ):
        if (hour := known.get(hour_id)) is None:
            continue
        busy.add(seat)
        on_duty[hour_id].append(
            OnDuty(
                duty=duty,
                seat=seat,
                name=name_of.get(duty, ""),
                institution=name,
                is_me=worker == staff.user.pk,
                is_ours=institution in own,
                start=start,
                end=end,
                cover_wanted=status == Duty.Status.COVER_WANTED,
                is_part=(start, end) != (hour.start, hour.end),
            )
        )
    return on_duty, busy


def _turns(
    free: list[tuple[int | None, str | None]],
    covered: Coverage,
    lowest: tuple[int, str] | None,
    staff: Staff,
) -> Iterator[Turn]:
    """Yield whose turn it is, the own institutions first.

    Of an hour with too few, the empty seats that nobody owes are for who did least of its share.
    """
    own = ours(staff)
    owed = Counter((pk, name) for pk, name in free if pk is not None)
    for (pk, name), count in sorted(
        owed.items(), key=lambda item: (item[0][0] not in own, item[0][1] or "")
    ):
        yield Turn(name or "", count, is_ours=pk in own, is_owed=True)
    wanted = covered.hour.target_staff - covered.count - owed.total()
    nobodys = min(wanted, len(free) - owed.total())
    if lowest and nobodys > 0:
        yield Turn(lowest[1], nobodys, is_ours=lowest[0] in own, is_owed=False)


def lowest_index(line: ServiceLine, now: datetime) -> tuple[int, str] | None:
    """Return the institution (id and name) that did the smallest part of what it owes to date.

    The index is that of `roster/balances.py`, in one query and without all that it is made of.
    None when no institution that takes part now owes anything yet.
    """
    is_owed = Q(kind=LedgerEntry.Kind.OBLIGATION)
    rows = (
        LedgerEntry.objects.filter(
            line=line, institution__in=Institution.objects.active_on(line.today(now))
        )
        .order_by()
        .values_list("institution_id", "institution__name")
        .annotate(
            owed=Sum("minutes", filter=is_owed, default=0),
            done=Sum("minutes", filter=~is_owed, default=0),
        )
    )
    index = [(Fraction(done, -owed), owed, name, pk) for pk, name, owed, done in rows if owed < 0]
    if not index:
        return None
    _index, _owed, name, pk = min(index)
    return pk, name
