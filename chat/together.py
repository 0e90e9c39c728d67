"""What many windows ask of the database at the same moment is asked once, for all of them.

When a process comes back, thousands of windows open within seconds and each asks who it is, what it
follows and how far that is. One at a time that took six milliseconds each; together it is a handful of
queries for as many as wait. An idle system waits for nothing: there is no timer.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Generic, TypeVar

from chat.database import in_pool

K = TypeVar("K")
R = TypeVar("R")

# So many questions at most in one round.
MOST = 200


class Together(Generic[K, R]):
    """Calls of `ask`, which runs in a pool thread and answers several questions at once.

    Awaiting `together(question)` returns its answer, or None when `ask` gave none; an answer that is
    an exception is raised. Nothing is answered with what was read before it was asked.
    """

    def __init__(self, ask: Callable[[Collection[K]], Mapping[K, R | Exception]]) -> None:
        self._ask = ask
        self._waiting: dict[K, list[asyncio.Future[R | None]]] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._asking: asyncio.Task[None] | None = None

    async def __call__(self, question: K) -> R | None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:  # the one before was closed, and all who waited on it are gone
            self._loop, self._waiting, self._asking = loop, {}, None
        answer: asyncio.Future[R | None] = loop.create_future()
        self._waiting.setdefault(question, []).append(answer)
        if self._asking is None:
            self._asking = loop.create_task(self._go_round())
        return await answer

    async def _go_round(self) -> None:
        try:
            while self._waiting:
                asked = {key: self._waiting.pop(key) for key in list(self._waiting)[:MOST]}
                found: Mapping[K, R | Exception]
                try:
                    found = await in_pool(self._ask, list(asked))
                except Exception as error:
                    found = dict.fromkeys(asked, error)
                for question, answers in asked.items():
                    for answer in answers:
                        _settle(answer, found.get(question))
        finally:
            self._asking = None


def _settle(answer: "asyncio.Future[R | None]", found: R | Exception | None) -> None:
    if answer.done():  # who asked gave up
        return
    if isinstance(found, Exception):
        answer.set_exception(found)
    else:
        answer.set_result(found)
