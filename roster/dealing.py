"""Who owes which seat of a period: dealt out fairly, per kind of hour, by the share key.

What is filled or has begun stays, and counts. So dealing again, after an institution joined or
left, or after hours were added, only deals what is still open.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import cast

from django.db import transaction
from django.utils import timezone

from institutions.models import Institution, User
from roster import fairness
from roster.fairness import Slot, SlotClass
from roster.models import ConsultationHour, Duty, RosterPeriod, RosterRefused, Seat
from roster.models.acting import require_planner
from roster.models.ledger import keys_of
from roster.slots import holidays_of, slot_of

# In which the plan may still be dealt.
OPEN_TO_DEALING = (
    RosterPeriod.State.DRAFT,
    RosterPeriod.State.SIGNUP,
    RosterPeriod.State.PROPOSED,
    RosterPeriod.State.PUBLISHED,
    RosterPeriod.State.RUNNING,
)


@dataclass(frozen=True)
class Deal:
    """One seat: who owed it and who owes it now (ids; None: everybody)."""

    seat: int
    hour: int
    kind: SlotClass
    minutes: int
    old: int | None
    new: int | None

    @property
    def is_change(self) -> bool:
        return self.old != self.new


@dataclass(frozen=True)
class Dealt:
    """The whole deal. `share`: the minutes that each institution (by id) should bear.

    `minutes`: what it owes after this deal, what was filled or had begun included, per kind of
    hour. Seats above the target of their hour are nobody's (`new` None).
    """

    share: dict[int, int]
    minutes: dict[int, dict[SlotClass, int]]
    deals: tuple[Deal, ...] = field(repr=False)

    @property
    def changes(self) -> int:
        return sum(deal.is_change for deal in self.deals)

    def total(self, institution: int) -> int:
        return sum(self.minutes.get(institution, {}).values())


def preview_deal(period: RosterPeriod, *, now: datetime | None = None) -> Dealt:
    """What dealing now would do. Writes nothing; a constant number of queries.

    Raises RosterRefused: no_key (the period has no share with a weight or minutes).
    """
    return _deal(period, now or timezone.now())


def deal(period: RosterPeriod, by: User, *, now: datetime | None = None) -> Dealt:
    """Deal the open seats of a period over its institutions, and return what that did.

    Raises RosterRefused: not_yours, wrong_state (the period is over), no_key.
    """
    require_planner(by)
    now = now or timezone.now()
    with transaction.atomic():
        # Two at once would each deal what the other one took.
        period = RosterPeriod.objects.select_for_update(no_key=True).get(pk=period.pk)
        if period.state not in OPEN_TO_DEALING:
            raise RosterRefused("wrong_state")
        hours = ConsultationHour.objects.filter(period=period, start__gt=now)
        list(hours.select_for_update().order_by("pk").values_list("pk", flat=True))
        dealt = _deal(period, now)
        seats: dict[int | None, list[int]] = {}
        for one in dealt.deals:
            if one.is_change:
                seats.setdefault(one.new, []).append(one.seat)
        for owner, pks in seats.items():
            Seat.objects.filter(pk__in=pks).update(owed_by=owner, offered_to=None)
    return dealt


def _deal(period: RosterPeriod, now: datetime) -> Dealt:
    keys = keys_of(period)
    hours = list(period.hours.planned().select_related("line").order_by("start", "pk"))
    need = sum(hour.target_staff * hour.minutes for hour in hours)
    weighs = any(key.weight or key.minutes for key in keys.values())
    if not weighs:
        raise RosterRefused("no_key")
    try:
        share = fairness.shares(need, keys, period.first_date, period.last_date)
    except ValueError:  # nobody with a share takes part in these days
        raise RosterRefused("no_key") from None
    holidays = holidays_of(period.line, period.first_date, period.last_date)
    kinds = {hour.pk: slot_of(hour, holidays) for hour in hours}
    board = _Board(hours, kinds, now)
    deals: list[Deal] = []
    for first, last in _stretches(keys.values(), period):
        there = {party: part for party, part in share.items() if keys[party].days(first, last)}
        slots = [slot for day, slot in board.open if first <= day <= last]
        owners = fairness.deal(slots, there, board.dealt, max_per_hour=_most(there, hours))
        deals += [board.give(slot, owners.get(slot.seat)) for slot in slots]
    deals += [board.free(seat) for seat in board.beyond]
    minutes: dict[int, dict[SlotClass, int]] = {
        party: dict.fromkeys(SlotClass, 0) for party in share
    }
    for (party, kind), count in board.dealt.items():
        minutes.setdefault(party, dict.fromkeys(SlotClass, 0))[kind] += count
    return Dealt(share=share, minutes=minutes, deals=tuple(deals))


def _most(share: Mapping[int, int], hours: Iterable[ConsultationHour]) -> int:
    """How many seats of one hour an institution gets at most: as few as its share allows.

    Different institutions in an hour are better, but who bears most of it cannot avoid two seats.
    """
    seats = max((hour.target_staff for hour in hours), default=1)
    whole = sum(share.values()) or 1
    return max(1, -(-max(share.values(), default=0) * seats // whole))


class _Board:
    """Which seats are open to be dealt, and what everybody owes already, per kind of hour."""

    def __init__(
        self, hours: list[ConsultationHour], kinds: Mapping[int, SlotClass], now: datetime
    ) -> None:
        self.kinds = kinds
        self.hours = {hour.pk: hour for hour in hours}
        self.seats: dict[int, Seat] = {}
        self.open: list[tuple[date, Slot[int]]] = []
        self.beyond: list[Seat] = []
        self.dealt: dict[tuple[int, SlotClass], int] = Counter()
        seats: dict[int, list[Seat]] = {}
        for seat in Seat.objects.filter(hour__in=hours).order_by("hour", "no"):
            seats.setdefault(seat.hour_id, []).append(seat)
            self.seats[seat.pk] = seat
        filled = dict(
            Duty.objects.active()
            .filter(hour__in=hours)
            .order_by("-start")
            .values_list("seat", "credited_to")
        )
        for hour in hours:
            self._divide(hour, seats.get(hour.pk, []), filled, has_begun=hour.start <= now)

    def _divide(
        self, hour: ConsultationHour, seats: list[Seat], filled: dict[int, int], *, has_begun: bool
    ) -> None:
        """Up to the target is dealt: what is filled first, then the empty ones by number."""
        kept = [seat for seat in seats if seat.pk in filled or (has_begun and seat.owed_by_id)]
        for seat in kept:
            owner = seat.owed_by_id or filled[seat.pk]
            self.dealt[owner, self.kinds[hour.pk]] += hour.minutes
        if has_begun:
            return
        empty = [seat for seat in seats if seat.pk not in filled]
        wanted = max(0, hour.target_staff - len(kept))
        self.open += [(hour.local_date, self._slot(hour, seat)) for seat in empty[:wanted]]
        self.beyond += empty[wanted:]

    def _slot(self, hour: ConsultationHour, seat: Seat) -> Slot[int]:
        return Slot(seat=seat.pk, hour=hour.pk, kind=self.kinds[hour.pk], minutes=hour.minutes)

    def give(self, slot: Slot[int], owner: int | None) -> Deal:
        if owner is not None:
            self.dealt[owner, slot.kind] += slot.minutes
        old = self.seats[slot.seat].owed_by_id
        return Deal(slot.seat, slot.hour, slot.kind, slot.minutes, old, owner)

    def free(self, seat: Seat) -> Deal:
        hour = self.hours[seat.hour_id]
        return Deal(seat.pk, hour.pk, self.kinds[hour.pk], hour.minutes, seat.owed_by_id, None)


def _stretches(keys: Iterable[fairness.ShareKey], period: RosterPeriod) -> list[tuple[date, date]]:
    """The period cut where somebody joins or leaves: in each the same institutions take part."""
    cuts = {period.first_date}
    for key in keys:
        if key.first and key.first > period.first_date:
            cuts.add(key.first)
        if key.last and key.last < period.last_date:
            cuts.add(key.last + timedelta(days=1))
    firsts = sorted(day for day in cuts if day <= period.last_date)
    lasts = [day - timedelta(days=1) for day in firsts[1:]] + [period.last_date]
    return list(zip(firsts, lasts, strict=True))


def names_of(dealt: Dealt) -> dict[int, str]:
    """The names of the institutions in a deal; one query."""
    found = Institution.objects.filter(pk__in=dealt.minutes)
    return cast("dict[int, str]", dict(found.values_list("pk", "name")))
