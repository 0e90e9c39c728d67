"""How fast somebody may send commands: a bucket that fills evenly over ten seconds."""

import time
from collections import OrderedDict

SECONDS = 10.0
SIZE = 50_000


class Bucket:
    """Holds at most `size` commands and fills again within ten seconds."""

    __slots__ = ("_at", "_left", "_size")

    def __init__(self, size: int) -> None:
        self._size = self._left = float(size)
        self._at = time.monotonic()

    def take(self, count: int = 1) -> bool:
        """Take `count` commands; False, and nothing taken, when there are not so many."""
        now = time.monotonic()
        self._left = min(self._size, self._left + (now - self._at) * self._size / SECONDS)
        self._at = now
        if count > self._left:
            return False
        self._left -= count
        return True


class Budgets:
    """Buckets of people who come by request: in memory only, the longest unused forgotten first."""

    def __init__(self) -> None:
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, owner: str, count: int, size: int) -> bool:
        bucket = self._buckets.get(owner)
        if bucket is None:
            bucket = self._buckets[owner] = Bucket(size)
            if len(self._buckets) > SIZE:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(owner)
        return bucket.take(count)


budgets = Budgets()
