"""Who sits where at a moment of the search, with the cost kept up to date by every change.

The running sums are those of `score.evaluate`; a test holds the two against each other.
"""

from roster.proposals.score import Placement
from roster.proposals.tables import Tables

NOBODY = -1


class Board:
    """An answer under construction. Numbers are those of the tables."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables
        weights = tables.weights
        self.worker = [choice.worker for choice in tables.choices]
        self.institution = [choice.institution for choice in tables.choices]
        self.holder = [NOBODY] * len(tables.seats)
        self.burden = [
            {number: tables.burden(seat, number) for number in options}
            for seat, options in enumerate(tables.options)
        ]
        self.count = [0] * len(tables.hours)
        self.busy = [0] * len(tables.workers)
        self.load = tables.load.copy()
        self.in_week = [weeks.copy() for weeks in tables.in_week]
        self.off = tables.off.copy()
        self.crowd = [
            [crowd.get(number, 0) for number in range(len(tables.institutions))]
            for crowd in tables.crowd
        ]
        self.missing = [mix.copy() for mix in tables.mix]
        self.kinds = [worker.qualifications for worker in tables.workers]
        limit = tables.problem.max_per_institution
        # Somebody may have parts of an hour on several seats, so this is not the number of people.
        most_seats = max((len(hour.seats) for hour in tables.hours), default=0)
        self.crowd_limit = most_seats if limit is None else limit
        # What an hour costs with n people placed, and a worker with n duties.
        self.hour_cost = [
            [
                weights.below_min * (base + n < hour.min_staff)
                + weights.short * max(0, hour.target_staff - base - n)
                for n in range(len(tables.seats_of[number]) + 2)
            ]
            for number, (hour, base) in enumerate(zip(tables.hours, tables.base, strict=True))
        ]
        most = max(tables.load, default=0) + len(tables.hours) + 2
        self.worker_cost = [
            [
                weights.load * (n * (n + 1) // 2)
                + weights.under_limit * max(0, worker.min_per_period - n)
                + weights.over_limit
                * max(0, n - (most if worker.max_per_period is None else worker.max_per_period))
                for n in range(most)
            ]
            for worker in tables.workers
        ]
        busiest = max((count for weeks in tables.in_week for count in weeks), default=0)
        unlimited = busiest + len(tables.hours) + 1
        self.week_limit = [
            unlimited if worker.max_per_week is None else worker.max_per_week
            for worker in tables.workers
        ]
        self.period_limit = [
            most if worker.max_per_period is None else worker.max_per_period
            for worker in tables.workers
        ]
        # All but the largest deviation, which `cost` adds.
        self.sum = self._start()

    def _start(self) -> int:
        weights = self.tables.weights
        return (
            sum(costs[0] for costs in self.hour_cost)
            + sum(costs[load] for costs, load in zip(self.worker_cost, self.load, strict=True))
            + weights.over_limit
            * sum(
                max(0, count - limit)
                for weeks, limit in zip(self.in_week, self.week_limit, strict=True)
                for count in weeks
            )
            + weights.mix * sum(max(0, n) for mix in self.missing for n in mix.values())
            + weights.off_quota * sum(map(abs, self.off))
            + weights.crowded
            * sum(max(0, n - self.crowd_limit) for crowd in self.crowd for n in crowd)
            + weights.changed * len(self.tables.published)
        )

    def cost(self) -> int:
        furthest = max(max(self.off), -min(self.off)) if self.off else 0
        return self.sum + self.tables.weights.largest_off * furthest

    def is_possible(self, seat: int, number: int) -> bool:
        """Whether a choice among the seat's options clashes with no other duty."""
        hour = self.tables.hour_of[seat]
        return not self.busy[self.worker[number]] & self.tables.clash[hour]

    def is_within_limits(self, seat: int, number: int) -> bool:
        """Whether one duty more stays within the worker's own maximum."""
        worker, week = self.worker[number], self.tables.week_of[self.tables.hour_of[seat]]
        return (
            self.in_week[worker][week] < self.week_limit[worker]
            and self.load[worker] < self.period_limit[worker]
        )

    def put(self, seat: int, number: int) -> None:
        """Place a choice on an empty seat. The caller knows that it is possible."""
        tables, weights = self.tables, self.tables.weights
        hour, worker, institution = (
            tables.hour_of[seat],
            self.worker[number],
            self.institution[number],
        )
        self.holder[seat] = number
        self.busy[worker] |= 1 << hour

        count = self.count[hour]
        costs = self.hour_cost[hour]
        cost = self.burden[seat][number] + costs[count + 1] - costs[count]
        self.count[hour] = count + 1

        load = self.load[worker]
        costs = self.worker_cost[worker]
        cost += costs[load + 1] - costs[load]
        self.load[worker] = load + 1

        weeks, week = self.in_week[worker], tables.week_of[hour]
        if weeks[week] >= self.week_limit[worker]:
            cost += weights.over_limit
        weeks[week] += 1

        crowd = self.crowd[hour]
        if crowd[institution] >= self.crowd_limit:
            cost += weights.crowded
        crowd[institution] += 1

        before = self.off[institution]
        after = self.off[institution] = before + tables.minutes[hour]
        cost += weights.off_quota * (abs(after) - abs(before))

        if missing := self.missing[hour]:
            for kind in self.kinds[worker]:
                if kind in missing:
                    if missing[kind] > 0:
                        cost -= weights.mix
                    missing[kind] -= 1
        self.sum += cost

    def take(self, seat: int) -> int:
        """Empty a seat and return who was there. The exact opposite of `put`."""
        tables, weights = self.tables, self.tables.weights
        number = self.holder[seat]
        hour, worker, institution = (
            tables.hour_of[seat],
            self.worker[number],
            self.institution[number],
        )
        self.holder[seat] = NOBODY
        self.busy[worker] ^= 1 << hour

        count = self.count[hour]
        costs = self.hour_cost[hour]
        cost = costs[count - 1] - costs[count] - self.burden[seat][number]
        self.count[hour] = count - 1

        load = self.load[worker]
        costs = self.worker_cost[worker]
        cost += costs[load - 1] - costs[load]
        self.load[worker] = load - 1

        weeks, week = self.in_week[worker], tables.week_of[hour]
        weeks[week] -= 1
        if weeks[week] >= self.week_limit[worker]:
            cost -= weights.over_limit

        crowd = self.crowd[hour]
        crowd[institution] -= 1
        if crowd[institution] >= self.crowd_limit:
            cost -= weights.crowded

        before = self.off[institution]
        after = self.off[institution] = before - tables.minutes[hour]
        cost += weights.off_quota * (abs(after) - abs(before))

        if missing := self.missing[hour]:
            for kind in self.kinds[worker]:
                if kind in missing:
                    missing[kind] += 1
                    if missing[kind] > 0:
                        cost += weights.mix
        self.sum += cost
        return number

    def index(self, institution: int) -> float:
        """Minutes of an institution as a share of its quota: the lowest is first in turn."""
        quota = self.tables.quota[institution]
        return (self.off[institution] + quota) / max(quota, 1)

    def seat_at(self, worker: int, hour: int) -> int:
        """The open seat that a worker has in an hour."""
        for seat in self.tables.seats_of[hour]:
            number = self.holder[seat]
            if number != NOBODY and self.worker[number] == worker:
                return seat
        raise LookupError(f"worker {worker} is not in hour {hour}")

    def seats_with(self, worker: int) -> list[int]:
        """The open seats that a worker has, in the order of time."""
        found, hours = [], self.busy[worker]
        while hours:
            first = hours & -hours
            found.append(self.seat_at(worker, first.bit_length() - 1))
            hours ^= first
        return found

    def restore(self, holder: list[int]) -> None:
        """Return to an earlier `holder`."""
        for seat, number in enumerate(self.holder):
            if number not in (NOBODY, holder[seat]):
                self.take(seat)
        for seat, number in enumerate(holder):
            if number != NOBODY and self.holder[seat] == NOBODY:
                self.put(seat, number)

    def placements(self) -> tuple[Placement, ...]:
        return tuple(
            sorted(
                self.tables.placement(seat, number)
                for seat, number in enumerate(self.holder)
                if number != NOBODY
            )
        )
