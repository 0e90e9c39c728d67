"""Questions that many windows ask at the same moment are asked once."""

import asyncio
from collections.abc import Collection, Iterator
from threading import Event, Lock

import pytest

from chat.database import close_pool
from chat.together import MOST, Together

BROKEN = 1_000_000


class Desk:
    """Answers numbers with their doubles, one call after another, when it is told to."""

    def __init__(self) -> None:
        self.calls: list[list[int]] = []
        self.may_answer = Event()
        self._lock = Lock()

    def __call__(self, numbers: Collection[int]) -> dict[int, int | Exception]:
        with self._lock:
            self.calls.append(list(numbers))
        assert self.may_answer.wait(5)
        if BROKEN in numbers:
            raise RuntimeError("nobody gets an answer")
        return {one: ValueError(one) if one < 0 else 2 * one for one in numbers if one}

    async def is_asked(self, times: int = 1) -> None:
        async with asyncio.timeout(5):
            while len(self.calls) < times:
                await asyncio.sleep(0.001)


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.may_answer.set()
    close_pool()


@pytest.mark.asyncio
async def test_what_is_asked_during_a_call_is_asked_in_the_next_one_together(desk: Desk) -> None:
    together = Together(desk)
    first = asyncio.create_task(together(1))
    await desk.is_asked()
    others = [asyncio.create_task(together(number)) for number in (2, 3, 1, 2)]
    await asyncio.sleep(0.01)
    desk.may_answer.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 2, 4]
    # The one that was asked again during the call gets no answer from before.
    assert desk.calls == [[1], [2, 3, 1]]


@pytest.mark.asyncio
async def test_a_crowd_is_answered_in_parts(desk: Desk) -> None:
    together = Together(desk)
    desk.may_answer.set()
    numbers = range(1, 2 * MOST + 2)
    assert await asyncio.gather(*map(together, numbers)) == [2 * number for number in numbers]
    assert [len(call) for call in desk.calls] == [MOST, MOST, 1]


@pytest.mark.asyncio
async def test_each_gets_an_own_answer_none_or_refusal(desk: Desk) -> None:
    together = Together(desk)
    desk.may_answer.set()
    answers = await asyncio.gather(together(0), together(-1), together(4), return_exceptions=True)
    assert answers[0] is None
    assert isinstance(answers[1], ValueError)
    assert answers[2] == 8


@pytest.mark.asyncio
async def test_a_call_that_fails_fails_for_those_who_asked_and_for_nobody_after(desk: Desk) -> None:
    together = Together(desk)
    desk.may_answer.set()
    answers = await asyncio.gather(together(BROKEN), together(5), return_exceptions=True)
    assert [type(answer) for answer in answers] == [RuntimeError, RuntimeError]
    assert await together(5) == 10


@pytest.mark.asyncio
async def test_who_gives_up_takes_nobody_along(desk: Desk) -> None:
    together = Together(desk)
    impatient, patient = (asyncio.create_task(together(6)) for _ in range(2))
    await desk.is_asked()
    impatient.cancel()
    await asyncio.sleep(0)
    desk.may_answer.set()
    assert await patient == 12
    assert impatient.cancelled()


def test_an_event_loop_that_is_gone_leaves_nobody_waiting(desk: Desk) -> None:
    together = Together(desk)

    async def ask_and_go() -> None:
        asyncio.create_task(together(7)).cancel()
        task = asyncio.create_task(together(7))
        await desk.is_asked()
        task.cancel()

    asyncio.run(ask_and_go())
    desk.may_answer.set()
    assert asyncio.run(together(8)) == 16
