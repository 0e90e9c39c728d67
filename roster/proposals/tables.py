"""A problem in numbers from 0 up, so that a solver needs no look-ups. Its order is always the same.

Also the place where the law-like rules are turned into what may be chosen at all: `options` holds,
per open seat, who may sit there as far as that does not depend on other choices, and `clash` which
hours never go together for one worker.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta

from roster.proposals.problem import Hour, Problem, Seat, Weights, Wish, Worker, iso_week
from roster.proposals.score import Placement, Presence, covered, presences


@dataclass(frozen=True, slots=True)
class Option:
    """A worker to the credit of one of their institutions."""

    worker: int
    institution: int


class Tables:
    """Everything that stays the same while a solver looks for an answer.

    Hours, seats, workers and institutions are numbers here. `seats` are the open ones only.
    """

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        self.weights: Weights = problem.weights
        self.hours: list[Hour] = sorted(problem.hours, key=lambda hour: (hour.start, hour.id))
        self.workers: list[Worker] = sorted(problem.workers, key=lambda worker: worker.id)
        fixed = presences(problem, ())
        self._number_seats(problem, fixed)
        self._number_institutions(problem, fixed)
        self._count_fixed(fixed)
        self._find_clashes(problem, fixed)
        self._find_options(problem)
        self._find_published(problem)

    def _number_seats(self, problem: Problem, fixed: list[Presence]) -> None:
        taken = {one.seat.id for one in fixed}
        self.seats: list[Seat] = []
        self.hour_of: list[int] = []
        self.seats_of: list[list[int]] = []
        for number, hour in enumerate(self.hours):
            mine = [seat for seat in hour.seats if seat.id not in taken]
            first = len(self.seats)
            self.seats_of.append(list(range(first, first + len(mine))))
            self.seats += mine
            self.hour_of += [number] * len(mine)
        self.minutes = [hour.minutes for hour in self.hours]

    def _number_institutions(self, problem: Problem, fixed: list[Presence]) -> None:
        known = set(problem.quotas) | {one.institution for one in fixed}
        known |= {institution for worker in self.workers for institution in worker.institutions}
        self.institutions: list[int] = sorted(known)
        number = {institution: at for at, institution in enumerate(self.institutions)}
        # Minutes off quota before anybody is placed.
        self.quota = [problem.quotas.get(institution, 0) for institution in self.institutions]
        self.off = [-quota for quota in self.quota]
        for one in fixed:
            self.off[number[one.institution]] += one.minutes
        self.choices: list[Option] = [
            Option(at, number[institution])
            for at, worker in enumerate(self.workers)
            for institution in sorted(worker.institutions)
        ]
        self.institution_number = number

    def _count_fixed(self, fixed: list[Presence]) -> None:
        hour_number = {hour.id: at for at, hour in enumerate(self.hours)}
        worker_number = {worker.id: at for at, worker in enumerate(self.workers)}
        by_hour: list[list[Presence]] = [[] for _hour in self.hours]
        for one in fixed:
            by_hour[hour_number[one.hour.id]].append(one)
        # Who is there already, at the thinnest moment.
        self.base = [covered(hour, there) for hour, there in zip(self.hours, by_hour, strict=True)]
        self.crowd = [
            Counter(self.institution_number[one.institution] for one in there) for there in by_hour
        ]
        # Per hour: the kinds of its mix, and how many of each are missing.
        self.mix: list[dict[str, int]] = [
            {
                kind: wanted
                - sum(
                    kind in self.workers[worker_number[one.worker]].qualifications for one in there
                )
                for kind, wanted in sorted(hour.mix.items())
            }
            for hour, there in zip(self.hours, by_hour, strict=True)
        ]
        self.load = [0] * len(self.workers)
        weeks = sorted(
            {hour.week for hour in self.hours}
            | {iso_week(other.local_date) for worker in self.workers for other in worker.elsewhere}
        )
        week_number = {week: at for at, week in enumerate(weeks)}
        self.week_of = [week_number[hour.week] for hour in self.hours]
        self.in_week = [[0] * len(weeks) for _worker in self.workers]
        # Workers and hours of fixed duties.
        self.fixed = {(worker_number[one.worker], hour_number[one.hour.id]) for one in fixed}
        for one in fixed:
            worker = worker_number[one.worker]
            self.load[worker] += 1
            self.in_week[worker][week_number[one.hour.week]] += 1
        for at, someone in enumerate(self.workers):
            for other in someone.elsewhere:
                self.in_week[at][week_number[iso_week(other.local_date)]] += 1

    def _find_clashes(self, problem: Problem, fixed: list[Presence]) -> None:
        rest = timedelta(minutes=problem.rest_minutes)
        # Bit n of clash[h]: hours n and h never go together; an hour clashes with itself.
        self.clash = [0] * len(self.hours)
        for at, hour in enumerate(self.hours):
            self.clash[at] |= 1 << at
            for later in range(at + 1, len(self.hours)):
                other = self.hours[later]
                if other.start < hour.end + rest and hour.start < other.end + rest:
                    self.clash[at] |= 1 << later
                    self.clash[later] |= 1 << at
        spans: dict[int, list[tuple[datetime, datetime]]] = {
            worker.id: [(other.start, other.end) for other in worker.elsewhere]
            for worker in self.workers
        }
        for one in fixed:
            spans[one.worker].append((one.start, one.end))
        # Bit n of barred[w]: what is fixed keeps the worker from hour n.
        self.barred = [
            sum(
                1 << at
                for at, hour in enumerate(self.hours)
                if any(
                    start < hour.end + rest and hour.start < end + rest
                    for start, end in spans[worker.id]
                )
            )
            if spans[worker.id]
            else 0
            for worker in self.workers
        ]

    def _find_options(self, problem: Problem) -> None:
        # Per open seat: numbers of `choices` that may be there.
        self.options: list[list[int]] = []
        for seat, hour in zip(self.seats, self.hour_of, strict=True):
            self.options.append(
                [
                    number
                    for number, choice in enumerate(self.choices)
                    if self.may_sit(choice.worker, hour, seat)
                ]
            )

    def may_sit(self, worker: int, hour: int, seat: Seat) -> bool:
        """Whether a worker may sit there, as far as other choices do not matter."""
        someone = self.workers[worker]
        return (
            bool(someone.wishes.get(self.hours[hour].id))
            and (seat.requires is None or seat.requires in someone.qualifications)
            and not self.barred[worker] >> hour & 1
        )

    def _find_published(self, problem: Problem) -> None:
        number = {seat.id: at for at, seat in enumerate(self.seats)}
        choice = {
            (self.workers[one.worker].id, self.institutions[one.institution]): at
            for at, one in enumerate(self.choices)
        }
        worker_number = {worker.id: at for at, worker in enumerate(self.workers)}
        movable = sorted(
            (duty for duty in problem.duties if not duty.is_fixed), key=lambda duty: duty.seat
        )
        # Workers and hours of published duties, whether or not they may still be there. Who has a
        # fixed duty in the hour as well stays there anyhow.
        self.published = {
            (worker_number[duty.worker], self.hour_of[number[duty.seat]]) for duty in movable
        } - self.fixed
        # Open seats with the choice that was published there, where the rules still allow it.
        self.standing = {
            number[duty.seat]: at
            for duty in movable
            if (at := choice.get((duty.worker, duty.institution))) is not None
            and at in self.options[number[duty.seat]]
        }
        kept = Counter(self.hour_of[seat] for seat in self.standing)
        # How many may be placed in an hour: up to the target, or as many as were published.
        self.room = [
            min(len(self.seats_of[at]), max(hour.target_staff - self.base[at], kept[at], 0))
            for at, hour in enumerate(self.hours)
        ]

    def burden(self, seat: int, number: int) -> int:
        """What a choice on a seat costs by itself, whatever else is chosen."""
        choice, hour = self.choices[number], self.hour_of[seat]
        cost = 0
        if self.seats[seat].owed_by not in (None, self.institutions[choice.institution]):
            cost += self.weights.not_owed
        if self.workers[choice.worker].wishes[self.hours[hour].id] != Wish.PREFERRED:
            cost += self.weights.not_preferred
        if (choice.worker, hour) in self.published:
            cost -= self.weights.changed
        return cost

    def placement(self, seat: int, number: int) -> Placement:
        choice = self.choices[number]
        return Placement(
            self.seats[seat].id,
            self.workers[choice.worker].id,
            self.institutions[choice.institution],
        )
