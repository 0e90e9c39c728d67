"""What is remembered beside a cover request: its moves, who was asked, who said no."""

from django.conf import settings
from django.db import models
from django.utils import timezone

from roster.models.moves import StateChange


class CoverChange(StateChange):
    """One move of a cover request."""

    request = models.ForeignKey(
        "roster.CoverRequest", on_delete=models.CASCADE, related_name="changes"
    )


class CoverAsk(models.Model):
    """Who was asked to cover, and when: nobody is asked twice, and the least asked first.

    Written when the asking mail is put in the outbox, in the same transaction.
    """

    request = models.ForeignKey(
        "roster.CoverRequest", on_delete=models.CASCADE, related_name="asks"
    )
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cover_asks"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["worker", "at"])]
        constraints = [
            models.UniqueConstraint(fields=["request", "worker"], name="asked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.worker} asked for {self.request}"


class CoverDecline(models.Model):
    """Who said no to a request, so that they are not asked again. Written by the worker."""

    request = models.ForeignKey(
        "roster.CoverRequest", on_delete=models.CASCADE, related_name="declines"
    )
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cover_declines"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["request", "worker"], name="declined_once"),
        ]

    def __str__(self) -> str:
        return f"{self.worker} declined {self.request}"
