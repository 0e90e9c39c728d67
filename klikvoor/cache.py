"""The cache of the scaled shape: Redis, and while that is away a memory of this process's own.

It holds counters against guessing and codes that were used; nobody should have to wait, or see an
error, because these cannot be shared for a moment.
"""

from collections.abc import Callable
from typing import Any

from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache, RedisCacheClient
from redis.exceptions import ConnectionError as RedisAway
from redis.exceptions import TimeoutError as RedisHangs

from klikvoor.sentinel import Sentinels


def _or_locally(name: str) -> Callable[..., Any]:
    def method(self: "Cache", *args: Any, **kwargs: Any) -> Any:
        try:
            return getattr(super(Cache, self), name)(*args, **kwargs)
        except (RedisAway, RedisHangs):
            return getattr(self.own, name)(*args, **kwargs)

    return method


class _Client(RedisCacheClient):
    """Also finds a Redis that sentinels know."""

    _pools: dict[int, Any]
    _servers: list[str]
    _pool_options: dict[str, Any]

    def _get_connection_pool(self, write: bool) -> Any:
        if not self._pools and (sentinels := Sentinels.at(self._servers[0])):
            self._pools[0] = sentinels.pool(**self._pool_options)
        return super()._get_connection_pool(write)  # type: ignore[misc]  # the stubs leave it out


class Cache(RedisCache):
    """Counts by process while Redis is away: then limits are looser, and never gone."""

    def __init__(self, server: Any, params: dict[str, Any]) -> None:
        super().__init__(server, params)
        self._class = _Client
        self.own = LocMemCache("while-redis-is-away", {})

    add = _or_locally("add")
    get = _or_locally("get")
    set = _or_locally("set")
    touch = _or_locally("touch")
    delete = _or_locally("delete")
    get_many = _or_locally("get_many")
    has_key = _or_locally("has_key")
    incr = _or_locally("incr")
    set_many = _or_locally("set_many")
    delete_many = _or_locally("delete_many")
    clear = _or_locally("clear")
