"""What `/metrics` tells, for Prometheus: one process, and what it counted since it began.

Numbers and fixed words only; docs/operations.md explains each of them and what was left out.
Everything is counted in plain numbers elsewhere and put in Prometheus' form when somebody asks, so
that a message pays for an addition and not for a library.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Iterable, Mapping

from django.conf import settings
from django.db import connections
from django.utils import timezone
from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from chat import database
from chat.counts import Spread, counts
from chat.hub import hub
from chat.texts import REFUSALS
from chat.writer import writer
from klikvoor.health import OK, Health, readiness
from klikvoor.pulse import pulse
from klikvoor.running import runs
from klikvoor.site_figures import SiteFigures

log = logging.getLogger("klikvoor.metrics")

SITE_SECONDS = 3.0
# Why the writer does not store a message (chat/writer.py).
NOT_STORED = ("forbidden", "wrong_state", "id_reused", "unavailable")
# How the two kinds of windows are called here; the code calls them by who writes in them.
KINDS = {"visitor": "visitor", "worker": "desk"}
Values = Mapping[str, float]


async def render(accept: str) -> tuple[bytes, str]:
    """Return the text that Prometheus reads, and its type. Raises nothing."""
    health = await readiness.ask()
    site = await _site() if runs.is_ticking else None
    registry = CollectorRegistry()
    registry.register(ProcessCollectors(health, site))
    ProcessCollector(registry=registry)
    encode, kind = choose_encoder(accept)
    return encode(registry), kind


async def _site() -> SiteFigures | None:
    """The totals of the installation; None when they cannot be read now."""
    try:
        async with asyncio.timeout(SITE_SECONDS):
            return await database.in_pool(SiteFigures.read, timezone.now())
    except Exception as error:  # the database is away; the other numbers say so
        log.warning("the figures of the site could not be read: %s", type(error).__name__)
        return None


def _gauge(name: str, about: str, value: float) -> Metric:
    return GaugeMetricFamily(f"klikvoor_{name}", about, value=value)


def _gauges(name: str, about: str, label: str, values: Values) -> Metric:
    family = GaugeMetricFamily(f"klikvoor_{name}", about, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def _counter(name: str, about: str, value: float) -> Metric:
    return CounterMetricFamily(f"klikvoor_{name}", about, value=value)


def _counters(name: str, about: str, label: str, values: Values) -> Metric:
    family = CounterMetricFamily(f"klikvoor_{name}", about, labels=[label])
    for word, value in values.items():
        family.add_metric([word], value)
    return family


def _spread(name: str, about: str, spread: Spread) -> Metric:
    """Prometheus wants to know how many values were at most each bound."""
    family = HistogramMetricFamily(f"klikvoor_{name}", about)
    below, buckets = 0, []
    bounds = [*(str(float(bound)) for bound in spread.bounds), "+Inf"]
    for bound, count in zip(bounds, spread.counts, strict=True):
        below += count
        buckets.append((bound, float(below)))
    family.add_metric([], buckets, sum_value=spread.total)
    return family


class ProcessCollectors(Collector):
    """Everything that this process can tell at this moment."""

    def __init__(self, health: Health, site: SiteFigures | None) -> None:
        self.health = health
        self.site = site

    def collect(self) -> Iterable[Metric]:
        yield from self._health()
        yield from self._messages()
        yield from self._writer()
        yield from self._windows()
        yield from self._machinery()
        if runs.is_ticking:
            yield from self._jobs()
            yield _gauge(
                "site_figures_read",
                "Whether the totals of the installation could be read.",
                self.site is not None,
            )
        if self.site is not None:
            yield from self._totals(self.site)

    def _health(self) -> Iterable[Metric]:
        yield _gauge("ready", "Whether people may be sent here.", self.health.is_ready)
        yield _gauges(
            "part_well",
            "Whether each part that /healthz/ready asks about is ok.",
            "part",
            {part: word == OK for part, word in self.health.parts.items()},
        )

    def _messages(self) -> Iterable[Metric]:
        yield _counters(
            "messages_acknowledged",
            "Messages that were stored, and ones that came again and were stored already.",
            "outcome",
            {"stored": counts.stored, "repeated": counts.repeated},
        )
        yield _counters(
            "messages_refused",
            "Messages that were not stored, by the code that their writer was told.",
            "code",
            dict.fromkeys(NOT_STORED, 0) | counts.refused,
        )
        yield _counters(
            "commands_refused",
            "Commands of windows that changed nothing, by the code that was answered.",
            "code",
            {code: counts.commands_refused.get(code, 0) for code in REFUSALS},
        )
        yield _counters(
            "messages_sent",
            "Messages that left for a window: told at once, or read from the database.",
            "road",
            {"doorbell": counts.rung, "database": counts.read},
        )
        yield _counter(
            "messages_missed",
            "Windows that the watch found behind what is stored: doorbells that were lost.",
            counts.missed,
        )

    def _writer(self) -> Iterable[Metric]:
        since = writer.busy_since
        yield _spread("writer_batch_size", "Posts and marks per transaction.", counts.batch_sizes)
        yield _spread(
            "writer_batch_seconds",
            "Time of a transaction, from its first statement to its commit.",
            counts.batch_seconds,
        )
        yield _gauge("writer_waiting", "Posts and marks that wait.", writer.waiting)
        yield _gauge(
            "writer_busy_seconds",
            "How long the batch of this moment takes already.",
            time.monotonic() - since if since else 0.0,
        )

    def _windows(self) -> Iterable[Metric]:
        now = Counter(KINDS[peer.author] for peer in hub.peers)
        yield _gauges(
            "windows", "Open windows.", "kind", {kind: now[kind] for kind in KINDS.values()}
        )
        yield _counters(
            "windows_opened",
            "Sockets that were let in.",
            "kind",
            {kind: counts.opened.get(author, 0) for author, kind in KINDS.items()},
        )
        yield _counters(
            "windows_closed",
            "Sockets that were closed from our side, by close code (docs/protocol.md).",
            "code",
            {str(code): count for code, count in sorted(counts.closed.items())},
        )
        yield _counter("windows_cut_off", "Windows that did not read.", counts.cut_off)

    def _machinery(self) -> Iterable[Metric]:
        yield _spread("loop_late_seconds", "How late the event loop was.", pulse.late)
        yield _spread("gc_pause_seconds", "Stops for the garbage collector.", pulse.pauses)
        yield _gauge(
            "database_calls", "Calls that run or wait for a database thread.", database.asked
        )
        yield _gauge("database_threads", "Database threads.", settings.DATABASE_THREADS)
        if stats := _pool_stats():
            free = stats.get("pool_available", 0)
            yield _gauges(
                "database_connections",
                "Connections to PostgreSQL that this process holds.",
                "state",
                {"used": stats.get("pool_size", 0) - free, "free": free},
            )
            yield _gauge(
                "database_connections_most",
                "Connections to PostgreSQL that this process may hold.",
                stats.get("pool_max", 0),
            )
            yield _gauge(
                "database_connections_wanted",
                "Threads that wait for a connection.",
                stats.get("requests_waiting", 0),
            )
        if settings.REDIS_URL:
            yield _gauge("doorbell_heard", "Whether other processes are heard.", not hub.is_deaf)

    def _jobs(self) -> Iterable[Metric]:
        jobs = dict(runs.jobs)
        if runs.turned_at is not None:
            yield _gauge(
                "tick_age_seconds",
                "Since the clock went round the last time.",
                time.monotonic() - runs.turned_at,
            )
        yield _gauges(
            "job_every_seconds",
            "How often it is due.",
            "name",
            {n: r.every for n, r in jobs.items()},
        )
        yield _gauges(
            "job_succeeded_timestamp_seconds",
            "When it succeeded last in this process.",
            "name",
            {n: r.succeeded_at.timestamp() for n, r in jobs.items() if r.succeeded_at},
        )
        yield _counters(
            "job_seconds",
            "Time that it took, all runs.",
            "name",
            {n: r.seconds for n, r in jobs.items()},
        )
        family = CounterMetricFamily(
            "klikvoor_job_runs", "How often it ran.", labels=["name", "outcome"]
        )
        for name, run in jobs.items():
            family.add_metric([name, "succeeded"], run.succeeded)
            family.add_metric([name, "failed"], run.failed)
        yield family

    def _totals(self, site: SiteFigures) -> Iterable[Metric]:
        yield _gauges("chats", "Chats that wait or go on.", "status", site.chats)
        yield _gauges("workers_present", "Workers at their desks.", "state", site.workers)
        yield _gauges("openings", "Lines by the state of their chat.", "state", site.openings)
        yield _gauge("letters_live", "Letters that are not closed.", site.letters_live)
        yield _gauge("letters_overdue", "Letters past their promise.", site.letters_overdue)
        yield _gauges("mail_waiting", "Mails in the outboxes.", "to", site.mail_waiting)
        yield _gauges(
            "mail_oldest_seconds", "How long the oldest of them waits.", "to", site.mail_late
        )
        yield _gauges(
            "mail_given_up", "Mails that need a person to look.", "to", site.mail_given_up
        )
        yield _gauges(
            "watched_job_age_seconds",
            "Since a job that promises erasing succeeded last, in any process.",
            "name",
            site.watched_age,
        )


def _pool_stats() -> dict[str, int]:
    """What the pool of connections counts; nothing on SQLite, or before its first connection."""
    pools: dict[str, object] = getattr(connections["default"], "_connection_pools", {})
    pool = pools.get("default")
    return pool.get_stats() if pool is not None else {}  # type: ignore[attr-defined]
