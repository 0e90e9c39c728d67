"""The outbox of mail to staff: written with what it tells of, delivered by a job."""

from datetime import datetime

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from institutions.models.people import User


class StaffMailQuerySet(models.QuerySet["StaffMail"]):
    def due(self, now: datetime) -> "StaffMailQuerySet":
        """Those to deliver now, longest due first."""
        return self.filter(
            sent_at__isnull=True, given_up_at__isnull=True, due_at__lte=now
        ).order_by("due_at", "pk")

    def finished(self) -> "StaffMailQuerySet":
        return self.filter(Q(sent_at__isnull=False) | Q(given_up_at__isnull=False))


class StaffMail(models.Model):
    """One mail to one member of staff. Never holds a word of a conversation.

    Written by `put`, inside the transaction of the change that it tells of, so it is there if and
    only if the change is. The delivering job alone writes `sent_at`, `attempts`, `last_error`,
    `given_up_at`, and moves `due_at` on after a failure. Where to is looked up when it is sent.
    """

    to = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    dedupe_key = models.CharField(
        max_length=120, unique=True, help_text="Names the event and the person: told once."
    )
    subject = models.CharField(max_length=200)
    body = models.TextField()
    created_at = models.DateTimeField(default=timezone.now)
    due_at = models.DateTimeField(default=timezone.now)
    sent_at = models.DateTimeField(null=True, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    last_error = models.CharField(
        max_length=60, blank=True, help_text="The name of the error, never its text."
    )
    given_up_at = models.DateTimeField(null=True, blank=True)

    objects = StaffMailQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
                name="staff_mail_due",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True) | Q(given_up_at__isnull=True),
                name="mail_sent_or_given_up",
            ),
            models.CheckConstraint(condition=~Q(dedupe_key=""), name="mail_has_a_key"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} to {self.to_id}"

    @classmethod
    def put(
        cls,
        to: User,
        kind: str,
        key: str,
        *,
        subject: str,
        body: str,
        due_at: datetime | None = None,
    ) -> bool:
        """Put a mail in the outbox. False: this event was told to this person already.

        Part of the caller's transaction: rolled back with it.
        """
        with transaction.atomic():
            _mail, is_new = cls.objects.get_or_create(
                dedupe_key=key,
                defaults={
                    "to": to,
                    "kind": kind,
                    "subject": subject,
                    "body": body,
                    "due_at": due_at or timezone.now(),
                },
            )
        return is_new
