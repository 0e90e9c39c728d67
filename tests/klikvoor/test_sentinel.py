"""Redis behind sentinels: the address, and what happens when the master is gone."""

import asyncio
import contextlib
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.core.cache import caches
from django.core.exceptions import ImproperlyConfigured
from redis.exceptions import RedisError

from klikvoor.sentinel import Sentinels
from tests.redis_sentinel import Sentinelled


def test_an_address_of_sentinels_is_read() -> None:
    found = Sentinels.at(
        "redis+sentinel://worker:p%40ss@one:1,two,[::1]:3/klikvoor/2?sentinel_password=s"
    )
    assert found is not None
    assert found.hosts == (("one", 1), ("two", 26379), ("::1", 3))
    assert found.name == "klikvoor"
    assert found.login == {"db": 2, "username": "worker", "password": "p@ss"}
    assert found.sentinel_login == {"password": "s"}


def test_other_addresses_are_left_to_redis() -> None:
    for url in ("redis://localhost", "rediss://a", "unix:///run/redis.sock"):
        assert Sentinels.at(url) is None


@pytest.mark.parametrize(
    "url",
    [
        "redis+sentinel://one:26379",
        "redis+sentinel:///klikvoor",
        "redis+sentinel://one:x/klikvoor",
        "redis+sentinel://one/klikvoor/first",
        "redis+sentinel://one/klikvoor?db=1",
    ],
)
def test_an_address_that_cannot_be_read_says_how_it_should_look(url: str) -> None:
    with pytest.raises(ImproperlyConfigured, match="REDIS_URL has to look like"):
        Sentinels.at(url)


@pytest.fixture
def sentinelled(tmp_path: Path) -> Iterator[Sentinelled]:
    here = Sentinelled(tmp_path)
    try:
        here.start()
        yield here
    finally:
        here.stop()


async def test_cache_and_doorbell_find_the_next_master(
    sentinelled: Sentinelled, settings: object
) -> None:
    settings.CACHES = {  # type: ignore[attr-defined]
        "default": {
            "BACKEND": "klikvoor.cache.Cache",
            "LOCATION": [sentinelled.url],
            "OPTIONS": {"socket_timeout": 1.0, "socket_connect_timeout": 1.0},
        }
    }
    cache = caches["default"]
    cache.set("count", 7)
    found = Sentinels.at(sentinelled.url)
    assert found is not None
    layer = RedisPubSubChannelLayer(hosts=[found.for_layer()])
    channel = await layer.new_channel()
    await layer.group_add("all", channel)

    gone = await asyncio.to_thread(sentinelled.master)
    assert await asyncio.to_thread(lambda: gone.ask().dbsize()) == 1
    gone.kill()
    # Nobody waits or fails while there is no master.
    began = time.monotonic()
    await asyncio.to_thread(cache.set, "while", "away")
    assert await asyncio.to_thread(cache.get, "while") == "away"
    assert time.monotonic() - began < 5

    await asyncio.to_thread(sentinelled.wait_for_another, gone)
    async with asyncio.timeout(10):
        while await asyncio.to_thread(cache.get, "count") != 7:
            await asyncio.sleep(0.1)
        hearing = asyncio.ensure_future(layer.receive(channel))
        while not hearing.done():
            with contextlib.suppress(RedisError):
                await layer.group_send("all", {"type": "ring"})
            await asyncio.wait([hearing], timeout=0.2)
    assert hearing.result() == {"type": "ring"}
    # The layer closes its own connections only, not those to the sentinels.
    manager = layer._shards[0]._redis.connection_pool.sentinel_manager
    await layer.flush()
    for client in manager.sentinels:
        await client.aclose()
