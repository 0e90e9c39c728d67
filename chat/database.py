"""A bounded pool of database threads for everything on sockets but posting.

Channels' own helper sends all sockets of a process through one shared thread, so that one slow
query delays everybody (channels #2132). These threads keep their connection, and a slow query
delays only whoever asked.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from threading import Barrier
from typing import ParamSpec, TypeVar

from django.conf import settings
from django.db import connection

P = ParamSpec("P")
R = TypeVar("R")

_pool: ThreadPoolExecutor | None = None
# How many calls run or wait for a thread now; on the event loop only.
asked = 0


def _call(function: Callable[[], R]) -> R:
    # A connection that failed once may be dead (the database restarted): start a new one.
    if connection.errors_occurred:
        connection.close()
    return function()


async def in_pool(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function that uses the database in a pool thread and return what it returns."""
    global _pool, asked
    if _pool is None:
        _pool = ThreadPoolExecutor(settings.DATABASE_THREADS, thread_name_prefix="database")
    loop = asyncio.get_running_loop()
    asked += 1
    try:
        return await loop.run_in_executor(_pool, _call, partial(function, *args, **kwargs))
    finally:
        asked -= 1


def close_pool() -> None:
    """Close the connections and end the threads; the next call starts new ones."""
    global _pool
    pool, _pool = _pool, None
    if pool is None:
        return
    # The barrier makes each thread take exactly one of these, so that none keeps its connection.
    together = Barrier(settings.DATABASE_THREADS)

    def close() -> None:
        connection.close()
        together.wait(10)

    for _ in range(settings.DATABASE_THREADS):
        pool.submit(close)
    pool.shutdown(wait=True)
