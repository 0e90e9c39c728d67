"""What is remembered about the opening; what it is, `roster/opening.py` decides."""

from datetime import datetime, timedelta

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import AuditEvent, User
from roster.models.line import ServiceLine

# A coordinator may hold the chat open or closed at most this long.
LONGEST_OVERRIDE = timedelta(hours=24)


class OpenOverrideQuerySet(models.QuerySet["OpenOverride"]):
    def holding(self, now: datetime) -> "OpenOverrideQuerySet":
        return self.filter(withdrawn_at__isnull=True, until__gt=now)


class OpenOverride(models.Model):
    """A coordinator holds the chat open or closed until a time, and says why."""

    line = models.ForeignKey(ServiceLine, on_delete=models.CASCADE, related_name="overrides")
    is_open = models.BooleanField()
    until = models.DateTimeField()
    reason = models.CharField(_("reden"), max_length=200)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    objects = OpenOverrideQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        indexes = [models.Index(fields=["line", "until"])]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(until__gt=models.F("created_at")), name="override_has_an_end"
            ),
            models.UniqueConstraint(
                fields=["line"],
                condition=models.Q(withdrawn_at__isnull=True),
                name="one_override_per_line",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {'open' if self.is_open else 'closed'} until {self.until:%H:%M}"

    @classmethod
    def force(
        cls, line: ServiceLine, *, is_open: bool, until: datetime, reason: str, author: User
    ) -> "OpenOverride":
        """Hold the line open or closed from now on. Takes the place of the override before."""
        now = timezone.now()
        if not now < until <= now + LONGEST_OVERRIDE:
            raise ValidationError({"until": _("Kies een tijd in de komende 24 uur.")})
        if not reason.strip():
            raise ValidationError({"reason": _("Schrijf kort op waarom.")})
        with transaction.atomic():
            # Two coordinators at once: the row of the line makes them come one after the other.
            ServiceLine.objects.select_for_update().get(pk=line.pk)
            line.overrides.filter(withdrawn_at__isnull=True).update(withdrawn_at=now)
            override = cls.objects.create(
                line=line,
                is_open=is_open,
                until=until,
                reason=reason.strip(),
                author=author,
                created_at=now,
            )
            override._audit(author, "open" if is_open else "closed")
        return override

    def withdraw(self, by: User) -> bool:
        """Let the roster decide again. False: it was withdrawn or had ended already."""
        now = timezone.now()
        with transaction.atomic():
            mine = OpenOverride.objects.filter(pk=self.pk).holding(now)
            if not mine.update(withdrawn_at=now):
                return False
            self._audit(by, "withdrawn")
        return True

    def _audit(self, actor: User, deed: str) -> None:
        AuditEvent.objects.create(
            actor=actor, verb=AuditEvent.Verb.FORCE, detail=f"line {self.line_id} {deed}"
        )


class OpeningState(models.Model):
    """What the last evaluation found: the memory that keeps the state from flapping.

    Written by `roster.opening.evaluate` only; `version` lets exactly one process write a change.
    """

    line = models.OneToOneField(ServiceLine, on_delete=models.CASCADE, related_name="opening")
    state = models.CharField(max_length=12)
    reason = models.CharField(max_length=24, blank=True)
    since = models.DateTimeField()
    short_since = models.DateTimeField(
        null=True, help_text="Since when an open chat has too few workers present."
    )
    version = models.PositiveIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.line} {self.state}"


class OpeningLog(models.Model):
    """Every change of the opening with its numbers: answers "why was it closed on Tuesday"."""

    line = models.ForeignKey(ServiceLine, on_delete=models.CASCADE, related_name="opening_log")
    at = models.DateTimeField()
    old = models.CharField(max_length=12)
    new = models.CharField(max_length=12)
    reason = models.CharField(max_length=24)
    numbers = models.JSONField()

    class Meta:
        ordering = ["-at", "-pk"]
        indexes = [models.Index(fields=["line", "at"])]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.old} to {self.new}: {self.reason}"
