"""The outbox of mail to staff: written with what it tells of, delivered by a job."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from institutions.models.outgoing import OutgoingMail, OutgoingQuerySet
from institutions.models.people import Membership, User

if TYPE_CHECKING:
    from institutions.access import Staff


class StaffMailQuerySet(OutgoingQuerySet["StaffMail"]):
    def visible_to(self, staff: "Staff") -> "StaffMailQuerySet":
        """A coordinator sees mail to the people of their own institutions, the platform's all."""
        if staff.is_platform_coordinator:
            return self.all()
        theirs = Membership.objects.filter(institution__in=staff.coordinator_of)
        return self.filter(to__in=theirs.values("user"))


class StaffMail(OutgoingMail):
    """One mail to one member of staff. Never holds a word of a conversation.

    Written by `put`, inside the transaction of the change that it tells of, so it is there if and
    only if the change is. Where to is looked up when it is sent.
    """

    to_whom = "staff"

    to = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="+")
    kind = models.CharField(max_length=30)
    dedupe_key = models.CharField(
        max_length=120, unique=True, help_text="Names the event and the person: told once."
    )
    subject = models.CharField(max_length=200)
    body = models.TextField()

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

    def drop(self, now: datetime) -> None:
        """Who left gets no mail; the row stays, so that somebody can see why."""
        StaffMail.objects.filter(pk=self.pk).update(given_up_at=now, last_error="Inactive")

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
