"""An evening of the chat without a socket or a database: who waits how long, and who does not stay.

Arrivals, lengths, urgencies, regions and patience are drawn from a seed before the evening begins,
so that two ways of ordering meet the same young people. The order, the places and the expected waits
are those of `chat/queue.py`: what is measured here is what runs.

Time is in minutes since the chat opened; `at` makes moments of them for the real functions.
"""

import heapq
import math
import random
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from chat.models import QueueRules
from chat.models.conversation import EXTRA_PLACES
from chat.models.first import Helper, Rules, Wants
from chat.queue import Capacity, Place, Standing, Waiting, order, placed

EVENING = datetime(2026, 1, 7, 18, tzinfo=UTC)
URGENCIES = {"now": 0.08, "soon": 0.22, "normal": 0.70}
# Published lengths of youth chats, in minutes.
SHORTEST, LONGEST = 19.0, 45.0
# A worker sees the card, reads it, and takes it; after a chat there are notes to write.
REACTION = (0.1, 0.4)
BREATHER = 2.0
# With a chat more than the cap everything of this worker goes slower.
DRAG = 1.15
# How many who wait longer than they can bear choose the letter over nothing.
LETTER_INSTEAD = 0.5
# How many take the letter when they are told that it will not fit today; the others leave.
LETTER_WHEN_FULL = 0.7
# A worker at the cap reads the question, and says yes as often as this.
CONSENT = 0.7
CONSIDERS = (0.2, 0.8)


@dataclass(frozen=True)
class Worker:
    """Somebody of the roster: there from `start` until `end`, with at most `cap` chats."""

    number: int
    start: float
    end: float
    cap: int = 2
    regions: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Young:
    """Somebody who comes, with what fate has drawn for them."""

    number: int
    at: float
    urgency: str
    length: float
    patience: float
    wants: Wants
    fate: float

    @property
    def name(self) -> str:
        return f"{self.number:05}"


@dataclass(frozen=True)
class Evening:
    """Who comes and who is there. `minutes`: how long the chat is open."""

    young: Sequence[Young]
    workers: Sequence[Worker]
    minutes: float
    seed: int


def draw(
    seed: int, per_hour: float, workers: Sequence[Worker], minutes: float, regions: Sequence[str]
) -> Evening:
    """Return an evening with Poisson arrivals. The same seed gives the same."""
    random_ = random.Random(f"{seed}:{per_hour}")  # noqa: S311
    young: list[Young] = []
    now = random_.expovariate(per_hour / 60)
    while now < minutes:
        region = random_.choice(regions) if regions and random_.random() < 0.6 else ""
        wishes = frozenset({"en"}) if random_.random() < 0.05 else frozenset[str]()
        young.append(
            Young(
                number=len(young),
                at=now,
                urgency=random_.choices(list(URGENCIES), list(URGENCIES.values()))[0],
                length=random_.uniform(SHORTEST, LONGEST),
                patience=1 + random_.expovariate(1 / 40),
                wants=Wants(region, wishes),
                fate=random_.random(),
            )
        )
        now += random_.expovariate(per_hour / 60)
    return Evening(young, workers, minutes, seed)


@dataclass(frozen=True)
class Policy:
    """A way of working. `by_urgency` off is first come, first served.

    `above_cap`: none, extra (one place above the cap, for who needs help now, if the worker says
    yes) or reserve (so many places are left free for who needs help now).
    """

    name: str
    by_urgency: bool = True
    above_cap: str = "none"
    reserve: int = 1
    consent: float = CONSENT
    rules: Rules = field(default_factory=QueueRules)


FCFS = Policy("wie eerst komt", by_urgency=False)
CHOSEN = Policy("Klikvoor", above_cap="extra")


@dataclass
class Outcome:
    """What became of an evening. `waits` of those who were helped, by urgency, in minutes."""

    waits: dict[str, list[float]] = field(default_factory=lambda: {one: [] for one in URGENCIES})
    left: dict[str, int] = field(default_factory=lambda: dict.fromkeys(URGENCIES, 0))
    letters: int = 0
    came: int = 0
    left_without_offer: int = 0
    chats: dict[int, float] = field(default_factory=dict)
    busy: dict[int, float] = field(default_factory=dict)
    above_cap: dict[int, float] = field(default_factory=dict)
    extra_chats: int = 0

    def __iadd__(self, other: "Outcome") -> "Outcome":
        """Add another evening to this one."""
        for urgency in URGENCIES:
            self.waits[urgency] += other.waits[urgency]
            self.left[urgency] += other.left[urgency]
        for name in ("letters", "came", "left_without_offer", "extra_chats"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in (
            (self.chats, other.chats),
            (self.busy, other.busy),
            (self.above_cap, other.above_cap),
        ):
            for worker, amount in theirs.items():
                mine[worker] = mine.get(worker, 0) + amount
        return self


def percentile(values: Iterable[float], share: float) -> float:
    """The nearest rank; 0 of nothing."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)] if ordered else 0.0


@dataclass
class _Desk:
    worker: Worker
    # When each chat ends, by the young person's name; and since when it runs.
    ends: dict[str, float] = field(default_factory=dict)
    began: dict[str, float] = field(default_factory=dict)
    urgencies: dict[str, str] = field(default_factory=dict)
    rests_until: float = 0.0
    is_reacting: bool = False
    counted_at: float = 0.0

    def is_there(self, now: float) -> bool:
        return self.worker.start <= now < self.worker.end

    def free(self, now: float) -> int:
        """Places without a chat; after a chat one of them rests for a moment."""
        if not self.is_there(now):
            return 0
        resting = 1 if now < self.rests_until else 0
        return max(0, self.worker.cap - len(self.ends) - resting)


class Simulation:
    """One evening under one policy."""

    def __init__(self, evening: Evening, policy: Policy) -> None:
        self.evening = evening
        self.policy = policy
        self.random = random.Random(f"{evening.seed}:{policy.name}")  # noqa: S311
        self.desks = {one.number: _Desk(one) for one in evening.workers}
        self.waiting: dict[str, Young] = {}
        self.offered: set[str] = set()
        self.asked: set[tuple[int, str]] = set()
        self.outcome = Outcome(came=len(evening.young))
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.now = 0.0

    def run(self) -> Outcome:
        for one in self.evening.young:
            self._do_at(one.at, self._arrival(one))
        for worker in self.evening.workers:
            self._do_at(worker.start, self._wake)
        self._do_at(self.evening.minutes, self._close)
        while self._events:
            at, _number, deed = heapq.heappop(self._events)
            self._count_load(at)
            self.now = at
            deed()
        return self.outcome

    # --- Time -----------------------------------------------------------------------------------

    def _do_at(self, at: float, deed: Callable[[], None]) -> None:
        self._count += 1
        heapq.heappush(self._events, (at, self._count, deed))

    def at(self, minutes: float) -> datetime:
        return EVENING + timedelta(minutes=minutes)

    def _count_load(self, until: float) -> None:
        passed = until - self.now
        for number, desk in self.desks.items():
            if (chats := len(desk.ends)) and passed:
                busy, above = self.outcome.busy, self.outcome.above_cap
                busy[number] = busy.get(number, 0) + passed * chats
                if chats > desk.worker.cap:
                    above[number] = above.get(number, 0) + passed

    # --- Young people ---------------------------------------------------------------------------

    def _arrival(self, one: Young) -> Callable[[], None]:
        def arrive() -> None:
            self.waiting[one.name] = one
            # Both the page of who waits and the door that does not open offer a letter.
            self.offered.add(one.name)
            if not self._places()[one.name].fits:
                # It will not be their turn today, and that is said at the door.
                self._end_waiting(one, letter=one.fate < LETTER_WHEN_FULL)
                return
            self._do_at(self.now + one.patience, lambda: self._lose_patience(one))
            self._wake()

        return arrive

    def _lose_patience(self, one: Young) -> None:
        if one.name in self.waiting:
            letter = one.name in self.offered and one.fate < LETTER_INSTEAD
            self._end_waiting(one, letter=letter)

    def _end_waiting(self, one: Young, *, letter: bool) -> None:
        del self.waiting[one.name]
        if letter:
            self.outcome.letters += 1
            return
        self.outcome.left[one.urgency] += 1
        if one.name not in self.offered:
            self.outcome.left_without_offer += 1

    def _close(self) -> None:
        """The hour is over: who still waits gets the letter."""
        for one in list(self.waiting.values()):
            self._end_waiting(one, letter=one.fate < LETTER_WHEN_FULL)

    # --- The queue, by the functions of the chat ------------------------------------------------

    def _waiting(self) -> list[Waiting]:
        by_urgency = self.policy.by_urgency
        return [
            Waiting(
                one.name,
                one.urgency if by_urgency else "normal",
                self.at(one.at),
                wants=one.wants if by_urgency else Wants(),
            )
            for one in self.waiting.values()
        ]

    def _helpers(self) -> list[Helper]:
        return [
            Helper(number, desk.worker.regions, desk.worker.skills, desk.free(self.now))
            for number, desk in self.desks.items()
            if desk.is_there(self.now)
        ]

    def _places(self) -> dict[str, Place]:
        here = [desk for desk in self.desks.values() if desk.is_there(self.now)]
        capacity = Capacity(
            free=sum(desk.free(self.now) for desk in here),
            slots=sum(desk.worker.cap for desk in here),
            elapsed=tuple(
                timedelta(minutes=self.now - began)
                for desk in here
                for began in desk.began.values()
            ),
            usual=timedelta(minutes=(SHORTEST + LONGEST) / 2),
        )
        found = placed(
            self._waiting(),
            self.at(self.now),
            self.policy.rules,
            self._helpers(),
            capacity,
            self.at(self.evening.minutes),
        )
        return {place.conversation: place for place in found}

    def _list(self, desk: _Desk) -> list[Standing]:
        return order(
            self._waiting(),
            self.at(self.now),
            self.policy.rules,
            self._helpers(),
            viewer=desk.worker.number,
        )

    # --- Workers --------------------------------------------------------------------------------

    def _wake(self) -> None:
        """Whoever has a place looks at the queue, in a moment."""
        if not self.waiting:
            return
        for desk in sorted(self.desks.values(), key=lambda one: len(one.ends)):
            if desk.free(self.now) and not desk.is_reacting:
                desk.is_reacting = True
                self._do_at(self.now + self.random.uniform(*REACTION), self._reaction(desk))
        if self.policy.above_cap == "extra":
            self._ask_for_one_more()

    def _reaction(self, desk: _Desk) -> Callable[[], None]:
        def react() -> None:
            desk.is_reacting = False
            if not desk.free(self.now):
                return
            for standing in self._list(desk):
                one = self.waiting[standing.waiting.conversation]
                if standing.hold.is_held_from(desk.worker.number) or self._is_kept(one):
                    continue
                if "now" in desk.urgencies.values() and self._has_calmer_colleague(desk):
                    continue
                self._take(desk, one)
                break
            else:
                if self.waiting:
                    # Only people who are first for others, for a moment: look again.
                    self._do_at(self.now + 0.1, self._wake)
                return
            self._wake()

        return react

    def _is_kept(self, one: Young) -> bool:
        """Is the last free place kept for who needs help now?"""
        if self.policy.above_cap != "reserve" or one.urgency == "now":
            return False
        return sum(desk.free(self.now) for desk in self.desks.values()) <= self.policy.reserve

    def _has_calmer_colleague(self, desk: _Desk) -> bool:
        """No second chat beside one that needs all attention, while a colleague has a place."""
        return any(
            other is not desk and other.free(self.now) and "now" not in other.urgencies.values()
            for other in self.desks.values()
        )

    def _ask_for_one_more(self) -> None:
        """Ask workers at their cap, one by one, whether they can have one more who needs help now."""
        if any(desk.free(self.now) for desk in self.desks.values()):
            return
        for one in self.waiting.values():
            if one.urgency != "now":
                continue
            for desk in self.desks.values():
                key = desk.worker.number, one.name
                if key in self.asked or not self._may_have_one_more(desk):
                    continue
                self.asked.add(key)
                self._do_at(self.now + self.random.uniform(*CONSIDERS), self._answer(desk, one))

    def _may_have_one_more(self, desk: _Desk) -> bool:
        chats = len(desk.ends)
        return (
            desk.is_there(self.now)
            and desk.worker.cap <= chats < desk.worker.cap + EXTRA_PLACES
            and "now" not in desk.urgencies.values()
        )

    def _answer(self, desk: _Desk, one: Young) -> Callable[[], None]:
        def answer() -> None:
            says_yes = self.random.random() < self.policy.consent
            if says_yes and one.name in self.waiting and self._may_have_one_more(desk):
                self.outcome.extra_chats += 1
                self._take(desk, one)

        return answer

    def _take(self, desk: _Desk, one: Young) -> None:
        del self.waiting[one.name]
        self.outcome.waits[one.urgency].append(self.now - one.at)
        chats = self.outcome.chats
        chats[desk.worker.number] = chats.get(desk.worker.number, 0) + 1
        desk.ends[one.name] = self.now + one.length
        desk.began[one.name] = self.now
        desk.urgencies[one.name] = one.urgency
        if len(desk.ends) > desk.worker.cap:
            for name, end in desk.ends.items():
                desk.ends[name] = self.now + (end - self.now) * DRAG
        for name, end in desk.ends.items():
            self._do_at(end, self._end(desk, name, end))

    def _end(self, desk: _Desk, name: str, planned: float) -> Callable[[], None]:
        def end() -> None:
            # It may have become longer since.
            if desk.ends.get(name) != planned:
                return
            for kept in (desk.ends, desk.began, desk.urgencies):
                kept.pop(name, None)
            desk.rests_until = self.now + BREATHER
            self._do_at(desk.rests_until, self._wake)

        return end


def simulate(evenings: Iterable[Evening], policy: Policy) -> Outcome:
    """Return these evenings together under one policy."""
    total = Outcome()
    for evening in evenings:
        total += Simulation(evening, policy).run()
    return total
