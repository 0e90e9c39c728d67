"""The secret address of a worker's calendar feed."""

import secrets
from datetime import datetime, timedelta

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from institutions.models import User
from institutions.sealing import keyed_hash

# When it was last used is written down this often, so that a poll is no write as a rule.
NOTED_EVERY = timedelta(minutes=10)


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

    @classmethod
    def make(cls, user: User, now: datetime | None = None) -> tuple["FeedToken", str]:
        """Give the worker a new token; the one before stops at once. Returns the secret as well."""
        now, secret = now or timezone.now(), secrets.token_urlsafe(32)
        with transaction.atomic():
            # Two windows at once: the row of the worker makes them come one after the other.
            User.objects.select_for_update().get(pk=user.pk)
            cls.revoke_all_of(user, now)
            token = cls.objects.create(user=user, token_hash=cls.hash(secret), created_at=now)
        return token, secret

    @classmethod
    def revoke_all_of(cls, user: User, now: datetime | None = None) -> bool:
        """Make the worker's calendar address stop working; False when there was none."""
        held = cls.objects.filter(user=user, revoked_at__isnull=True)
        return bool(held.update(revoked_at=now or timezone.now()))

    def note_use(self, now: datetime) -> None:
        """Remember about when it was last used."""
        long_ago = Q(last_used_at__isnull=True) | Q(last_used_at__lte=now - NOTED_EVERY)
        FeedToken.objects.filter(long_ago, pk=self.pk).update(last_used_at=now)
