"""Who is ahead and who is behind, with the numbers behind it. Reads only.

Minutes are whole. Every function asks a constant number of queries.
"""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date, datetime
from fractions import Fraction
from typing import TYPE_CHECKING

from django.db.models import Q, QuerySet, Sum

from institutions.models import Institution, User
from roster import owing
from roster.fairness import SlotClass
from roster.models import Duty, HoursEntry, LedgerEntry, RosterPeriod, ServiceLine
from roster.models.ledger import keys_of, needs_of
from roster.slots import by_slot, holidays_of, slot_of
from roster.time import minutes_between

if TYPE_CHECKING:
    from institutions.access import Staff


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What an institution owes and did, to date and with what is planned.

    `owed` and `worked` are not negative; `other` (carried, handed over, corrected, waived) is
    signed. `burden` is what was worked, by when it was.
    """

    institution: Institution
    owed: int
    worked: int
    other: int
    # Evenings, weekends and holidays weighed; a number beside the balance, never part of it.
    weighted: int
    # Of hours to come: confirmed duties, and what will be owed.
    planned: int
    owed_ahead: int
    burden: dict[SlotClass, int] = field(default_factory=dict)

    @property
    def balance(self) -> int:
        """Minutes ahead (behind: negative) to date."""
        return self.worked + self.other - self.owed

    @property
    def planned_balance(self) -> int:
        """The same at the end, when everybody does what is planned now."""
        return self.balance + self.planned - self.owed_ahead

    @property
    def index(self) -> float | None:
        """Done as a part of owed, to date: 1 is even, lower has more to do. None: owes nothing."""
        return _ratio(self.worked + self.other, self.owed)

    @property
    def planned_index(self) -> float | None:
        return _ratio(self.worked + self.other + self.planned, self.owed + self.owed_ahead)


def _ratio(done: int, owed: int) -> float | None:
    return float(Fraction(done, owed)) if owed else None


def balances(
    line: ServiceLine, now: datetime, *, period: RosterPeriod | None = None
) -> list[Balance]:
    """Return the balance of each institution that has a part in a period, by name.

    Without a period: of everything that the line's ledger holds, and all that is planned.
    """
    ledger = LedgerEntry.objects.filter(line=line)
    duties = Duty.objects.filter(hour__line=line)
    if period is not None:
        ledger = ledger.filter(period=period)
        duties = duties.filter(hour__period=period)
    sums: dict[int, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    weighted: dict[int, int] = defaultdict(int)
    for row in (
        ledger.order_by()
        .values("institution", "kind")
        .annotate(sum=Sum("minutes"), weighed=Sum("weighted_minutes"))
    ):
        sums[row["institution"]][row["kind"]] = row["sum"]
        weighted[row["institution"]] += row["weighed"]

    planned: dict[int, int] = defaultdict(int)
    for institution, start, end in (
        duties.active()
        .filter(hours_entry=None, hour__status="planned", hour__end__gt=now)
        .values_list("credited_to", "start", "end")
    ):
        planned[institution] += minutes_between(start, end)
    ahead = _ahead(line, now, period)
    burden = _burden(line, duties)
    theirs = {*sums, *planned, *ahead, *burden}
    return [
        Balance(
            institution=institution,
            owed=-sums[institution.pk][LedgerEntry.Kind.OBLIGATION],
            worked=sums[institution.pk][LedgerEntry.Kind.WORKED],
            other=sum(
                minutes
                for kind, minutes in sums[institution.pk].items()
                if kind not in (LedgerEntry.Kind.OBLIGATION, LedgerEntry.Kind.WORKED)
            ),
            weighted=weighted[institution.pk],
            planned=planned[institution.pk],
            owed_ahead=ahead.get(institution.pk, 0),
            burden=by_slot(burden.get(institution.pk, ())),
        )
        for institution in Institution.objects.filter(pk__in=theirs).order_by("name", "pk")
    ]


def visible(some: Iterable[Balance], staff: "Staff") -> list[Balance]:
    """Those that this coordinator may see: the own institutions', or all."""
    return [
        one
        for one in some
        if staff.is_platform_coordinator or one.institution.pk in staff.coordinator_of
    ]


def _ahead(line: ServiceLine, now: datetime, period: RosterPeriod | None) -> dict[int, int]:
    """What institutions will owe of hours that were not charged yet, by the share keys of today."""
    coming: dict[int, int] = defaultdict(int)
    if period is not None:
        periods = [period]
    else:
        # Few: one or two run or are being planned at a time.
        periods = list(line.periods.filter(last_date__gte=line.today(now)))
    for one in periods:
        charged: dict[int, int] = defaultdict(int)
        sources = set()
        for source, institution, minutes in one.ledger.filter(
            kind=LedgerEntry.Kind.OBLIGATION
        ).values_list("source", "institution", "minutes"):
            charged[institution] -= minutes
            sources.add(source)
        keys = keys_of(one)
        needs = [need for need in needs_of(one) if f"hour:{need.hour}" not in sources]
        for institution, minutes in owing.to_come(needs, keys, charged).items():
            coming[institution] += minutes
    return coming


def _burden(line: ServiceLine, duties: QuerySet[Duty]) -> dict[int, list[tuple[SlotClass, int]]]:
    """The minutes that count of the duties that were done, with when they were."""
    entries = list(
        HoursEntry.objects.filter(duty__in=duties)
        .select_related("duty__hour")
        .order_by("duty__start")
    )
    if not entries:
        return {}
    days = [entry.duty.hour.local_date for entry in entries]
    holidays = holidays_of(line, min(days), max(days))
    found: dict[int, list[tuple[SlotClass, int]]] = defaultdict(list)
    for entry in entries:
        if entry.minutes:
            slot = slot_of(entry.duty.hour, holidays)
            found[entry.duty.credited_to_id].append((slot, entry.minutes))
    return found


@dataclass(frozen=True, kw_only=True)
class WorkerHours:
    """The hours of one worker: what was registered (newest first), and what is planned."""

    entries: list[HoursEntry]
    worked: int
    planned: int
    burden: dict[SlotClass, int]

    @property
    def waiting(self) -> int:
        """Corrections that a coordinator still has to look at."""
        return sum(entry.state == HoursEntry.State.CLAIMED for entry in self.entries)


def hours_of(worker: User, first: date, last: date, now: datetime) -> WorkerHours:
    """Return a worker's hours of the dates from first to last, both included, in all lines."""
    mine = Q(worker=worker, hour__local_date__gte=first, hour__local_date__lte=last)
    entries = list(
        HoursEntry.objects.filter(duty__in=Duty.objects.filter(mine))
        .select_related("duty__hour__line", "duty__hour__period", "duty__credited_to", "approver")
        .order_by("-duty__start", "-pk")
    )
    lines = {entry.duty.hour.line_id: entry.duty.hour.line for entry in entries}
    holidays = {pk: holidays_of(line, first, last) for pk, line in lines.items()}
    planned = sum(
        minutes_between(start, end)
        for start, end in Duty.objects.active()
        .filter(mine, hours_entry=None, hour__status="planned", end__gt=now)
        .values_list("start", "end")
    )
    return WorkerHours(
        entries=entries,
        worked=sum(entry.minutes for entry in entries),
        planned=planned,
        burden=by_slot(
            (slot_of(entry.duty.hour, holidays[entry.duty.hour.line_id]), entry.minutes)
            for entry in entries
        ),
    )
