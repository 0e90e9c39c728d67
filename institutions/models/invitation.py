"""The only way in for staff: a coordinator invites, the link in the mail works once."""

import secrets
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models.audit import AuditEvent
from institutions.models.institution import Institution
from institutions.models.people import Membership, Refused, User
from institutions.sealing import keyed_hash

if TYPE_CHECKING:
    from institutions.access import Staff

VALID_FOR = timedelta(days=7)


def expiry() -> datetime:
    return timezone.now() + VALID_FOR


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        """Neither accepted nor withdrawn; it may have expired, and can be sent again."""
        return self.filter(accepted_at=None, withdrawn_at=None)

    def valid(self) -> "InvitationQuerySet":
        """Those whose link works now."""
        return (
            self.open()
            .filter(expires_at__gt=timezone.now())
            .filter(models.Q(institution=None) | models.Q(institution__is_active=True))
        )

    def coordinated_by(self, staff: "Staff") -> "InvitationQuerySet":
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(institution__in=staff.coordinator_of)


class Invitation(models.Model):
    """A role that waits for somebody. Only a keyed hash of the link's token is kept."""

    email = models.EmailField(_("e-mailadres"))
    name = models.CharField(_("naam"), max_length=80)
    chat_name = models.CharField(_("naam in de chat"), max_length=30)
    institution = models.ForeignKey(
        Institution,
        on_delete=models.CASCADE,
        null=True,
        blank=True,
        related_name="invitations",
        help_text="None: the platform.",
    )
    role = models.CharField(_("rol"), max_length=12, choices=Membership.Role.choices)
    token_hash = models.CharField(max_length=64, unique=True)
    invited_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.SET_NULL,
        null=True,
        related_name="invitations_sent",
        help_text="None: whoever installed Klikvoor.",
    )
    created_at = models.DateTimeField(default=timezone.now)
    expires_at = models.DateTimeField(default=expiry)
    accepted_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["-created_at", "-pk"]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(institution__isnull=False) | models.Q(role="coordinator"),
                name="invited_worker_has_an_institution",
            ),
            models.CheckConstraint(
                condition=models.Q(accepted_at=None) | models.Q(withdrawn_at=None),
                name="accepted_or_withdrawn",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"

    @property
    def state(self) -> str:
        """`open`, or why the link does not work: `accepted`, `withdrawn`, `expired`."""
        if self.accepted_at:
            return "accepted"
        if self.withdrawn_at or (self.institution and not self.institution.is_active):
            return "withdrawn"
        return "open" if self.expires_at > timezone.now() else "expired"

    @property
    def for_whom(self) -> User | None:
        """The member of staff who has this address already."""
        return User.objects.filter(email=self.email).first()

    @classmethod
    def find(cls, token: str) -> "Invitation | None":
        if not token or len(token) > 64:
            return None
        return cls.objects.filter(token_hash=keyed_hash("invitation", token)).first()

    @classmethod
    def invite(
        cls,
        by: "Staff | None",
        *,
        email: str,
        name: str,
        chat_name: str,
        institution: Institution | None,
        role: str,
    ) -> tuple["Invitation", str]:
        """Return a new invitation and the token for its link. Refuses: not_yours.

        The caller mails the link when this has returned, which is after the commit. Without
        `by` it comes from whoever runs the `invite` command.
        """
        where = institution.pk if institution else None
        if by is not None and not by.gives((where, role)):
            raise Refused("not_yours")
        token = secrets.token_urlsafe(32)
        with transaction.atomic():
            invitation = cls.objects.create(
                email=email.lower(),
                name=name,
                chat_name=chat_name,
                institution=institution,
                role=role,
                invited_by=by and by.user,
                token_hash=keyed_hash("invitation", token),
            )
            if by is not None:
                invitation._audit(AuditEvent.Verb.INVITE, by.user)
        return invitation, token

    def renew(self, by: "Staff") -> str:
        """Return a new token that is good for another week; the link before stops working.

        Refuses: not_yours, changed (accepted or withdrawn meanwhile).
        """
        self._require(by)
        token = secrets.token_urlsafe(32)
        with transaction.atomic():
            unused = Invitation.objects.open().filter(pk=self.pk)
            if not unused.update(
                token_hash=keyed_hash("invitation", token), expires_at=expiry(), invited_by=by.user
            ):
                raise Refused("changed")
            self._audit(AuditEvent.Verb.INVITE, by.user)
        self.refresh_from_db()
        return token

    def withdraw(self, by: "Staff") -> None:
        """Make the link stop working. Refuses: not_yours, changed."""
        self._require(by)
        with transaction.atomic():
            unused = Invitation.objects.open().filter(pk=self.pk)
            if not unused.update(withdrawn_at=timezone.now()):
                raise Refused("changed")
            self._audit(AuditEvent.Verb.WITHDRAW, by.user)
        self.refresh_from_db()

    @classmethod
    def withdraw_all_of(cls, sender: User, by: "Staff") -> None:
        """Withdraw what `sender` sent and nobody used: with the sender goes the invitation."""
        with transaction.atomic():
            sent = cls.objects.open().filter(invited_by=sender).select_for_update()
            for invitation in sent:
                cls.objects.filter(pk=invitation.pk).update(withdrawn_at=timezone.now())
                invitation._audit(AuditEvent.Verb.WITHDRAW, by.user)

    def accept(self, *, user: User | None = None, password: str = "", **names: str) -> User:
        """Give the role to the signed-in user, or to a new user with this password and names.

        Works once: the row count says whether we were first. Refuses: changed (used, withdrawn
        or expired meanwhile), not_yours (the address belongs to somebody else).
        """
        with transaction.atomic():
            usable = Invitation.objects.valid().filter(pk=self.pk)
            if not usable.update(accepted_at=timezone.now()):
                raise Refused("changed")
            known = self.for_whom
            if known != user or (known and not known.is_active):
                raise Refused("not_yours")
            if user is None:
                names = {"name": self.name, "chat_name": self.chat_name} | names
                user = User.objects.create_user(self.email, password, **names)
            Membership.objects.get_or_create(
                user=user, institution=self.institution, role=self.role
            )
            self._audit(AuditEvent.Verb.JOIN, user, person=user)
        self.refresh_from_db()
        return user

    def _require(self, by: "Staff") -> None:
        """Whoever may give the role may handle the invitation to it."""
        if not by.gives((self.institution_id, self.role)):
            raise Refused("not_yours")

    def _audit(self, verb: str, actor: User, person: User | None = None) -> None:
        # By its number: the address of somebody who never came has no place in the trail.
        AuditEvent.objects.create(
            actor=actor,
            verb=verb,
            person=person,
            institution=self.institution,
            detail=f"{self.role} {self.pk}",
        )
