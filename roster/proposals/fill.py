"""The first answer: what was published, then the hardest hour first, then chains for the gaps.

A chain fills a gap with somebody who has a duty already, whose seat goes to another, and so on,
until somebody comes in who was free. Nobody moves twice in one chain, so each step can be judged
by itself.
"""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from roster.proposals.board import NOBODY, Board


def fill(board: Board) -> None:
    """Fill the seats of an empty board as far as greed and chains reach."""
    keep_published(board)
    for goal in (minima(board), targets(board)):
        fill_greedily(board, goal)
    for _round in range(3):
        before = board.cost()
        mend_minima(board)
        mend_targets(board)
        if board.cost() >= before:
            break


def minima(board: Board) -> list[int]:
    """How many must be placed in each hour so that it can open."""
    return _goals(board, [hour.min_staff for hour in board.tables.hours])


def targets(board: Board) -> list[int]:
    return _goals(board, [hour.target_staff for hour in board.tables.hours])


def _goals(board: Board, wanted: list[int]) -> list[int]:
    tables = board.tables
    return [
        max(0, min(want - base, room))
        for want, base, room in zip(wanted, tables.base, tables.room, strict=True)
    ]


def keep_published(board: Board) -> None:
    for seat, number in sorted(board.tables.standing.items()):
        if board.is_possible(seat, number):
            board.put(seat, number)


def fill_greedily(board: Board, goals: list[int]) -> None:
    """Fill up to the goals: first the hour with the fewest candidates for each seat it needs."""
    tables = board.tables
    hardness = []
    for hour, goal in enumerate(goals):
        if (need := goal - board.count[hour]) > 0:
            candidates = {
                board.worker[number]
                for seat in tables.seats_of[hour]
                for number in tables.options[seat]
            }
            hardness.append((len(candidates) / need, hour, need))
    for _hardness, hour, need in sorted(hardness):
        for _seat in range(need):
            if (best := _first_in_turn(board, hour)) is None:
                break
            board.put(*best)


def _first_in_turn(board: Board, hour: int) -> tuple[int, int] | None:
    """The seat and choice with the lowest index of the institution, own load and burden."""
    ranked = (
        (
            board.index(board.institution[number]),
            board.load[board.worker[number]],
            board.burden[seat][number],
            seat,
            number,
        )
        for seat in board.tables.seats_of[hour]
        if board.holder[seat] == NOBODY
        for number in board.tables.options[seat]
        if board.is_possible(seat, number) and board.is_within_limits(seat, number)
    )
    best = min(ranked, default=None)
    return best and best[-2:]


def mend_minima(board: Board) -> None:
    """Bring hours to their minimum, at the price of targets elsewhere and at last of own limits."""
    for hour, goal in enumerate(minima(board)):
        while board.count[hour] < goal and _mend(board, hour, Chain()):
            pass
        before = board.holder.copy()
        while board.count[hour] < goal:
            if not _mend(board, hour, Chain(may_rob=True)) and not _mend(
                board, hour, Chain(may_rob=True, may_exceed=True)
            ):
                # One more in an hour that stays closed is not worth a seat elsewhere.
                board.restore(before)
                break


def mend_targets(board: Board) -> None:
    for hour, goal in enumerate(targets(board)):
        while board.count[hour] < goal and _mend(board, hour, Chain()):
            pass


@dataclass(frozen=True, slots=True)
class Chain:
    """How far a chain may go: take a seat from an hour that stays open; exceed own limits."""

    may_rob: bool = False
    may_exceed: bool = False


@dataclass(frozen=True, slots=True)
class _Step:
    """Somebody moves to `seat`. `after`: the step that needs the place they leave."""

    seat: int
    number: int
    after: "_Step | None"

    def workers(self, board: Board) -> Iterator[int]:
        step: _Step | None = self
        while step:
            yield board.worker[step.number]
            step = step.after


def _mend(board: Board, hour: int, chain: Chain) -> bool:
    """Place one person more in an hour by the shortest chain there is. False: there is none."""
    tables = board.tables
    empty = [seat for seat in tables.seats_of[hour] if board.holder[seat] == NOBODY]
    seen = set(empty)
    # Seats to fill, each with the step that empties it.
    queue: deque[tuple[int, _Step | None]] = deque((seat, None) for seat in empty)
    while queue:
        seat, after = queue.popleft()
        moved = set(after.workers(board)) if after else set()
        for number in tables.options[seat]:
            if board.worker[number] in moved:
                continue
            step = _Step(seat, number, after)
            for left in _places_to_leave(board, seat, number, chain):
                if left is None or (chain.may_rob and _can_spare(board, left, hour)):
                    _carry_out(board, step, left)
                    return True
                if left not in seen:
                    seen.add(left)
                    queue.append((left, step))
    return False


def _places_to_leave(board: Board, seat: int, number: int, chain: Chain) -> Iterator[int | None]:
    """Which one seat a choice could leave to come to this one; None when there is no need."""
    tables = board.tables
    worker, hour = board.worker[number], tables.hour_of[seat]
    clashing = board.busy[worker] & tables.clash[hour]
    week_full = board.in_week[worker][tables.week_of[hour]] >= board.week_limit[worker]
    period_full = board.load[worker] >= board.period_limit[worker]
    if chain.may_exceed:
        week_full = period_full = False
    if not clashing and not week_full and not period_full:
        yield None
        return
    for left in board.seats_with(worker):
        other = tables.hour_of[left]
        if (
            not clashing & ~(1 << other)
            and (not week_full or tables.week_of[other] == tables.week_of[hour])
            # Somebody above their limit already stays above it.
            and (
                chain.may_exceed
                or (
                    board.in_week[worker][tables.week_of[hour]] <= board.week_limit[worker]
                    and board.load[worker] <= board.period_limit[worker]
                )
            )
        ):
            yield left


def _can_spare(board: Board, seat: int, gap: int) -> bool:
    """Whether the hour of a seat stays open without one, or is closed anyhow."""
    hour = board.tables.hour_of[seat]
    there = board.tables.base[hour] + board.count[hour]
    return hour != gap and there != board.tables.hours[hour].min_staff


def _carry_out(board: Board, last: _Step, left: int | None) -> None:
    """Let everybody of a chain stand up, and then sit down one place further."""
    steps = []
    step: _Step | None = last
    while step:
        steps.append(step)
        step = step.after
    for seat in [left, *(step.seat for step in steps)]:
        if seat is not None and board.holder[seat] != NOBODY:
            board.take(seat)
    for step in steps:
        board.put(step.seat, step.number)
