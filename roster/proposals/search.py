"""From an answer to a better one: simulated annealing over moves of one, two or three duties.

While it is hot, a move that costs an hour off quota is often accepted; when it is cold, one that
costs a single wish hardly ever. What remains is the best answer that was seen on the way.
"""

import math
import random
from collections.abc import Callable

from roster.proposals.board import NOBODY, Board

# Steps between two looks at the clock.
PACE = 256
# A move that costs this many times the temperature would be accepted once in 22,000 times.
HOPELESS = 10
COLDEST = 2.5
# So many seats are looked at to find one that is worth a move.
LOOKS = 4
LOOKS_FOR_A_WISH = 10

# Seats with their new holders.
Changes = list[tuple[int, int]]
Move = Callable[[int], Changes | None]


class Search:
    """Improves a board. The same board, seed and steps give the same answer."""

    def __init__(self, board: Board, seed: int) -> None:
        self.board = board
        self.random = random.Random(seed).random  # noqa: S311 - must be repeatable, is no secret
        tables = board.tables
        self.seats = [seat for seat, options in enumerate(tables.options) if options]
        # Per choice: the seats it may have, and those that cost nothing more than being filled.
        self.fits: list[list[int]] = [[] for _choice in tables.choices]
        self.likes: list[list[int]] = [[] for _choice in tables.choices]
        # Per seat: its choices of each institution.
        self.of: list[dict[int, list[int]]] = [{} for _seat in tables.seats]
        for seat, options in enumerate(tables.options):
            for number in options:
                self.fits[number].append(seat)
                if board.burden[seat][number] <= 0:
                    self.likes[number].append(seat)
                self.of[seat].setdefault(board.institution[number], []).append(number)
        self.staff: list[list[int]] = [[] for _institution in tables.institutions]
        for number, institution in enumerate(board.institution):
            self.staff[institution].append(number)
        self.cost = self.best = board.cost()
        self.best_holder = board.holder.copy()
        self.temperature = COLDEST
        self.hopeless = COLDEST * HOPELESS
        # Ten of each, so that one random number chooses.
        self.hot: list[Move] = [*[self.replace] * 3, *[self.exchange] * 3, *[self.trade] * 4]
        self.cold: list[Move] = [
            *[self.replace_by_colleague] * 2,
            *[self.exchange] * 2,
            *[self.please] * 5,
            self.trade,
        ]

    def anneal(self, steps: int, hottest: float, is_late: Callable[[], bool]) -> int:
        """Take so many steps while it cools down, fewer when it gets late; return how many."""
        if not self.seats:
            return 0
        moves, seats, rand = self.hot, self.seats, self.random
        fairness = self.board.tables.weights.off_quota
        taken = 0
        while taken < steps:
            if taken % PACE == 0:
                if is_late():
                    break
                self.temperature = hottest * (COLDEST / hottest) ** (taken / steps)
                self.hopeless = self.temperature * HOPELESS
                moves = self.hot if self.temperature > fairness else self.cold
            if changes := moves[int(rand() * 10)](seats[int(rand() * len(seats))]):
                self.attempt(changes)
            taken += 1
        self.board.restore(self.best_holder)
        self.cost = self.best
        return taken

    def attempt(self, changes: Changes) -> None:
        """Make changes if the rules allow it, and keep them if they are worth it, or by chance."""
        board, tables, holder = self.board, self.board.tables, self.board.holder
        before = [(seat, holder[seat]) for seat, _number in changes]
        for seat, number in before:
            if number != NOBODY:
                board.take(seat)
        placed = 0
        for seat, number in changes:
            if number != NOBODY:
                hour = tables.hour_of[seat]
                if (
                    board.busy[board.worker[number]] & tables.clash[hour]
                    or board.count[hour] >= tables.room[hour]
                ):
                    break
                board.put(seat, number)
            placed += 1
        else:
            cost = board.cost()
            worse = cost - self.cost
            if worse <= 0 or self.random() < math.exp(-worse / self.temperature):
                self.cost = cost
                if cost < self.best:
                    self.best = cost
                    self.best_holder = holder.copy()
                return
        for seat, number in changes[:placed]:
            if number != NOBODY:
                board.take(seat)
        for seat, number in before:
            if number != NOBODY:
                board.put(seat, number)

    def relieve(self) -> None:
        """Let go whoever costs more than an empty seat, until nobody does.

        No move does that by itself: most of the time an empty seat is worse than anything.
        """
        board = self.board
        is_better = True
        while is_better:
            is_better = False
            for seat in self.seats:
                if (number := board.holder[seat]) == NOBODY:
                    continue
                board.take(seat)
                if (cost := board.cost()) < self.cost:
                    self.cost = cost
                    is_better = True
                else:
                    board.put(seat, number)
        if self.cost < self.best:
            self.best = self.cost
            self.best_holder = board.holder.copy()

    # --- What moves ask --------------------------------------------------------------------------

    def pick(self, numbers: list[int]) -> int:
        return numbers[int(self.random() * len(numbers))]

    def pick_uneven(self, seat: int) -> int:
        """Of a few seats the one whose institution is furthest off its quota."""
        board, best, furthest = self.board, seat, -1
        for _look in range(LOOKS):
            number = board.holder[seat]
            if number != NOBODY and (off := abs(board.off[board.institution[number]])) > furthest:
                best, furthest = seat, off
            seat = self.seats[int(self.random() * len(self.seats))]
        return best

    def pick_burdened(self, seat: int) -> int:
        """A seat whose holder would rather be elsewhere, if a few looks find one."""
        board = self.board
        for _look in range(LOOKS_FOR_A_WISH):
            number = board.holder[seat]
            if number != NOBODY and board.burden[seat][number] > 0:
                break
            seat = self.seats[int(self.random() * len(self.seats))]
        return seat

    def is_hopeless(self, giver: int, taker: int, minutes: int) -> bool:
        """Whether so many minutes more for the taker and less for the giver cost too much."""
        a, b = self.board.off[giver], self.board.off[taker]
        worse = abs(a - minutes) - abs(a) + abs(b + minutes) - abs(b)
        return worse * self.board.tables.weights.off_quota > self.hopeless

    def can_move(self, number: int, seat: int, to: int) -> bool:
        """Whether the rules let somebody go from one seat to another."""
        board, tables = self.board, self.board.tables
        others = board.busy[board.worker[number]] & ~(1 << tables.hour_of[seat])
        return not others & tables.clash[tables.hour_of[to]]

    # --- Moves: each returns the changes that it thinks of, if any ---------------------------------

    def replace(self, seat: int) -> Changes | None:
        """Somebody else on a seat, or somebody on an empty one."""
        board, tables = self.board, self.board.tables
        if board.holder[seat] != NOBODY:
            seat = self.pick_uneven(seat)
        number, holder = self.pick(tables.options[seat]), board.holder[seat]
        hour = tables.hour_of[seat]
        if number == holder:
            return None
        if board.busy[board.worker[number]] & tables.clash[hour]:
            # The same person may be there for another of their institutions.
            is_same = holder != NOBODY and board.worker[number] == board.worker[holder]
            return [(seat, number)] if is_same else None
        if holder != NOBODY:
            giver, taker = board.institution[holder], board.institution[number]
            if giver != taker and self.is_hopeless(giver, taker, tables.minutes[hour]):
                return None
        return [(seat, number)]

    def replace_by_colleague(self, seat: int) -> Changes | None:
        """Somebody else of the same institution."""
        board, tables = self.board, self.board.tables
        holder = board.holder[seat]
        if holder == NOBODY:
            return self.replace(seat)
        number = self.pick(self.of[seat][board.institution[holder]])
        if (
            number == holder
            or board.busy[board.worker[number]] & tables.clash[tables.hour_of[seat]]
        ):
            return None
        return [(seat, number)]

    def exchange(self, seat: int) -> Changes | None:
        """Two people exchange seats, or one moves to a seat that is empty."""
        board, tables = self.board, self.board.tables
        if self.temperature > tables.weights.off_quota:
            seat = self.pick_uneven(seat)
        holder = board.holder[seat]
        if holder == NOBODY:
            return None
        to = self.pick(self.fits[holder])
        other = board.holder[to]
        if other == NOBODY:
            return [(seat, NOBODY), (to, holder)]
        if other == holder or other not in board.burden[seat]:
            return None
        if not self.can_move(holder, seat, to) or not self.can_move(other, to, seat):
            return None
        minutes = tables.minutes[tables.hour_of[seat]] - tables.minutes[tables.hour_of[to]]
        giver, taker = board.institution[holder], board.institution[other]
        if minutes and giver != taker and self.is_hopeless(giver, taker, minutes):
            return None
        return [(seat, other), (to, holder)]

    def trade(self, seat: int) -> Changes | None:
        """Two institutions exchange seats, each with whom it likes."""
        board, tables = self.board, self.board.tables
        seat = self.pick_uneven(seat)
        holder = board.holder[seat]
        if holder == NOBODY:
            return None
        number = self.pick(tables.options[seat])
        giver, taker = board.institution[holder], board.institution[number]
        hour = tables.hour_of[seat]
        if giver == taker or board.busy[board.worker[number]] & tables.clash[hour]:
            return None
        back = self.pick(self.staff[taker])
        if not board.busy[board.worker[back]]:
            return None
        other_hour = self.pick_hour(board.busy[board.worker[back]])
        other_seat = board.seat_at(board.worker[back], other_hour)
        others = self.of[other_seat].get(giver)
        if not others or board.institution[board.holder[other_seat]] != taker:
            return None
        if self.is_hopeless(giver, taker, tables.minutes[hour] - tables.minutes[other_hour]):
            return None
        return [(seat, number), (other_seat, self.pick(others))]

    def please(self, seat: int) -> Changes | None:
        """Somebody gets a seat that they like; who was there takes theirs, or a third one does."""
        board, tables = self.board, self.board.tables
        seat = self.pick_burdened(seat)
        first = board.holder[seat]
        if first == NOBODY or not self.likes[first]:
            return None
        second_seat = self.pick(self.likes[first])
        second = board.holder[second_seat]
        minutes = tables.minutes[tables.hour_of[seat]]
        if (
            second_seat == seat
            or second == NOBODY
            or minutes != tables.minutes[tables.hour_of[second_seat]]
            or not self.can_move(first, seat, second_seat)
        ):
            return None
        if second in board.burden[seat] and self.random() < 0.5:
            if not self.can_move(second, second_seat, seat):
                return None
            return [(second_seat, first), (seat, second)]
        if not self.likes[second]:
            return None
        third_seat = self.pick(self.likes[second])
        third = board.holder[third_seat]
        if (
            third_seat in (seat, second_seat)
            or third not in board.burden[seat]
            or minutes != tables.minutes[tables.hour_of[third_seat]]
            or not self.can_move(second, second_seat, third_seat)
            or not self.can_move(third, third_seat, seat)
        ):
            return None
        return [(second_seat, first), (third_seat, second), (seat, third)]

    def pick_hour(self, hours: int) -> int:
        """A random one of the bits that are set."""
        for _skipped in range(int(self.random() * hours.bit_count())):
            hours &= hours - 1
        return (hours & -hours).bit_length() - 1
