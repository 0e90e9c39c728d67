"""The secret address of a worker's calendar feed."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from institutions.sealing import keyed_hash


class FeedTokenQuerySet(models.QuerySet["FeedToken"]):
    def valid(self) -> "FeedTokenQuerySet":
        return self.filter(revoked_at__isnull=True, user__is_active=True)

    def holding(self, token: str) -> "FeedTokenQuerySet":
        """The valid one of this secret token: one or none."""
        return self.valid().filter(token_hash=FeedToken.hash(token))


class FeedToken(models.Model):
    """Opens the own duties as a calendar, and nothing else. Made and revoked by the worker.

    The token itself is shown once; here is only its keyed hash. One per worker holds at a time.
    """

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="feed_tokens"
    )
    token_hash = models.CharField(max_length=64, unique=True)
    created_at = models.DateTimeField(default=timezone.now)
    last_used_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)

    objects = FeedTokenQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user"], condition=Q(revoked_at__isnull=True), name="one_feed_per_worker"
            ),
        ]

    def __str__(self) -> str:
        return f"feed {self.pk}"

    @staticmethod
    def hash(token: str) -> str:
        return keyed_hash("roster feed", token)
