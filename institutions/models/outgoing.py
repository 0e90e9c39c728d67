"""What every outbox has: mails that wait in the database, and how their delivery goes."""

from datetime import datetime, timedelta
from typing import ClassVar, TypeVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

M = TypeVar("M", bound="OutgoingMail")

# Clocks differ by less than this.
CLOCK_STEP = timedelta(minutes=1)


class OutgoingQuerySet(models.QuerySet[M]):
    def due(self, now: datetime) -> "OutgoingQuerySet[M]":
        """Those to deliver now, longest due first.

        What was written while the clock was ahead would wait until it is that late again: that was
        not tried yet, and is due as well.
        """
        is_due = Q(due_at__lte=now) | Q(attempts=0, created_at__gt=now + CLOCK_STEP)
        waiting = self.filter(is_due, sent_at__isnull=True, given_up_at__isnull=True)
        return waiting.order_by("due_at", "pk")

    def finished(self) -> "OutgoingQuerySet[M]":
        return self.filter(Q(sent_at__isnull=False) | Q(given_up_at__isnull=False))

    def given_up(self) -> "OutgoingQuerySet[M]":
        """Those that need a person to look at them, newest first."""
        return self.filter(given_up_at__isnull=False).order_by("-given_up_at", "-pk")


class OutgoingMail(models.Model):
    """One mail to one person, delivered by `institutions.delivery`.

    Only the delivery writes `sent_at`, `attempts`, `last_error` and `given_up_at`, and moves
    `due_at` on after a failure; only `try_again` takes a mail back that was given up.
    """

    # For the log, which may not say to whom exactly.
    to_whom: ClassVar[str]

    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(
        max_length=60, blank=True, help_text="The name of the error, never its text."
    )
    given_up_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def drop(self, now: datetime) -> None:
        """Nobody needs this mail any more, or nobody is there to read it."""
        raise NotImplementedError

    def address_refused(self, now: datetime) -> None:
        """The mail server said that there is no such address."""

    def try_again(self, now: datetime) -> bool:
        """Put a mail that was given up in the outbox anew; False: it was not given up (any more)."""
        given_up = type(self)._default_manager.filter(pk=self.pk, given_up_at__isnull=False)
        return bool(given_up.update(given_up_at=None, attempts=0, due_at=now, last_error=""))
