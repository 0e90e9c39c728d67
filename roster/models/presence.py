"""Who is really at the desk."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils.translation import gettext_lazy as _

from institutions.models import User

# A lease on presence lasts this long and is renewed by the desk's heartbeat (every 20-25 s).
LEASE = timedelta(seconds=30)


class PresenceQuerySet(models.QuerySet["Presence"]):
    def at_the_desk(self, now: datetime) -> "PresenceQuerySet":
        """Whose lease runs now, available or paused."""
        return self.filter(seen_at__gt=now - LEASE, worker__is_active=True)


class Presence(models.Model):
    """A worker at the desk right now, by lease: never inferred from a socket that closed.

    `seen_at` is the last heartbeat, `ready_at` the last one while available, and `ready_since`
    when this unbroken stretch of readiness began.
    """

    class State(models.TextChoices):
        AVAILABLE = "available", _("beschikbaar")
        PAUSED = "paused", _("even pauze")

    worker = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="presence"
    )
    state = models.CharField(max_length=10, choices=State.choices, default=State.PAUSED)
    seen_at = models.DateTimeField(db_index=True)
    ready_at = models.DateTimeField(null=True)
    ready_since = models.DateTimeField(null=True)

    objects = PresenceQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.worker} {self.state}"

    @classmethod
    def renew(cls, worker_id: int, *, now: datetime, state: str | None = None) -> "Presence":
        """Renew the worker's lease; with `state`, also set whether new chats are welcome."""
        if not cls._renew([worker_id], now, state):
            cls.objects.get_or_create(worker_id=worker_id, defaults={"seen_at": now})
            cls._renew([worker_id], now, state)
        return cls.objects.get(worker_id=worker_id)

    @classmethod
    def renew_all(cls, workers: Collection[int], *, now: datetime) -> None:
        """Renew the leases of workers whose desks gave a sign of life; states stay as they are.

        Who was never there before is paused.
        """
        if cls._renew(workers, now, None) < len(set(workers)):
            # An account that is gone meanwhile takes nobody along.
            new = User.objects.filter(pk__in=workers, presence=None)
            Presence.objects.bulk_create(
                [Presence(worker=worker, seen_at=now) for worker in new], ignore_conflicts=True
            )

    @classmethod
    def _renew(cls, workers: Collection[int], now: datetime, state: str | None) -> int:
        """One UPDATE that reads and writes: the heartbeat of one window must not undo the pause
        that the same worker asks for in another.
        """
        changes: dict[str, Any] = {"seen_at": now}
        if state is not None:
            changes["state"] = state
        if state != cls.State.PAUSED:
            ready = Q(pk__isnull=False) if state else Q(state=cls.State.AVAILABLE)
            lapsed = Q(ready_at__isnull=True) | Q(ready_at__lte=now - LEASE)
            changes["ready_since"] = models.Case(
                models.When(ready & lapsed, then=models.Value(now)),
                default=models.F("ready_since"),
                output_field=models.DateTimeField(),
            )
            changes["ready_at"] = models.Case(
                models.When(ready, then=models.Value(now)),
                default=models.F("ready_at"),
                output_field=models.DateTimeField(),
            )
        return cls.objects.filter(worker_id__in=workers).update(**changes)

    def is_here(self, now: datetime) -> bool:
        return self.seen_at > now - LEASE
