"""Redis behind Sentinel: `REDIS_URL=redis+sentinel://:password@host:26379,host:26379/name`.

The sentinels say which Redis is the master now. They are asked at every new connection, so a
fail-over needs nothing but a connection that breaks, or is dropped (`chat/hub.py`).
"""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured
from redis.sentinel import Sentinel, SentinelConnectionPool

SCHEME = "redis+sentinel"
PORT = 26379
# A sentinel that hangs is passed over.
PATIENCE = {"socket_timeout": 1.0, "socket_connect_timeout": 1.0}


@dataclass(frozen=True)
class Sentinels:
    """Who knows the master, and what the master wants to hear."""

    hosts: tuple[tuple[str, int], ...]
    name: str
    login: dict[str, Any] = field(default_factory=dict)
    sentinel_login: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def at(cls, url: str) -> "Sentinels | None":
        """Return whom the address names; None when it is not one of sentinels."""
        if not url.startswith(f"{SCHEME}://"):
            return None
        # By hand: some versions of urlsplit take several hosts, one of them in brackets, for a fault.
        netloc, _, path = url.removeprefix(f"{SCHEME}://").partition("/")
        path, _, query = path.partition("?")
        user, _, places = netloc.rpartition("@")
        username, _, password = map(unquote, user.partition(":"))
        name, _, database = path.strip("/").partition("/")
        asked = parse_qs(query, keep_blank_values=True)
        sentinel_password = asked.pop("sentinel_password", [""])[0]
        try:
            hosts = tuple(_host(place) for place in places.split(","))
            db = int(database or 0)
        except ValueError:
            raise _unreadable() from None
        if not name or asked:
            raise _unreadable()
        login = {"db": db, "username": username or None, "password": password or None}
        sentinel_login = {"password": sentinel_password} if sentinel_password else {}
        return cls(hosts, name, login, sentinel_login)

    def for_layer(self) -> dict[str, Any]:
        """What channels_redis takes for a host."""
        return {
            "master_name": self.name,
            "sentinels": list(self.hosts),
            "sentinel_kwargs": PATIENCE | self.sentinel_login,
            "socket_connect_timeout": PATIENCE["socket_connect_timeout"],
            **self.login,
        }

    def pool(self, **options: Any) -> SentinelConnectionPool:
        """Connections to whoever is the master when they are made."""
        sentinel = Sentinel(list(self.hosts), sentinel_kwargs=PATIENCE | self.sentinel_login)
        return SentinelConnectionPool(self.name, sentinel, **self.login, **options)


def _host(place: str) -> tuple[str, int]:
    """Return name and port of `host`, `host:port` or `[::1]:port`."""
    parts = urlsplit(f"//{place}")
    if not parts.hostname:
        raise ValueError(place)
    return parts.hostname, parts.port or PORT


def _unreadable() -> ImproperlyConfigured:
    return ImproperlyConfigured(
        f"REDIS_URL has to look like {SCHEME}://:password@host:{PORT},host:{PORT}/name, with the name"
        " under which the sentinels know the master."
    )
