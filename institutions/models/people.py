"""Members of staff, what they do for which institution, and what a coordinator may do to them.

Every verb asks again whether the coordinator may, is one transaction, and leaves an audit row.
Open sockets need no call from here: they look up the rights of their owner every few seconds.
"""

from collections.abc import Iterable
from typing import TYPE_CHECKING

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.sessions.models import Session
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models, transaction
from django.utils import timezone
from django.utils.crypto import salted_hmac
from django.utils.translation import gettext_lazy as _

from institutions.models.audit import AuditEvent
from institutions.models.institution import Institution

if TYPE_CHECKING:
    from institutions.access import Staff

# A role somewhere: the id of the institution (None is the platform) and the role.
Right = tuple[int | None, str]


class Refused(Exception):
    """A deed that may not be done. The code says why: not_yours, self, last, no_role, changed."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class UserQuerySet(models.QuerySet["User"]):
    def coordinated_by(self, staff: "Staff") -> "UserQuerySet":
        """The people of the institutions that this coordinator coordinates; the platform's: all."""
        if staff.is_platform_coordinator:
            return self.all()
        own = Membership.objects.filter(institution__in=staff.coordinator_of)
        return self.filter(pk__in=own.values("user"))


class UserManager(BaseUserManager["User"].from_queryset(UserQuerySet)):  # type: ignore[misc]
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


class Skill(models.TextChoices):
    """What a young person may wish for and not every worker offers; the codes of routing wishes."""

    ENGLISH = "en", _("chatten in het Engels")
    WOMAN = "woman", _("vrouw, voor wie liever met een vrouw praat")
    MAN = "man", _("man, voor wie liever met een man praat")
    SUICIDE = "suicide", _("gesprekken over zelfdoding")
    ABUSE = "abuse", _("gesprekken over seksueel geweld")
    QUEER = "queer", _("gesprekken over gender en op wie je valt")
    CHILDREN = "children", _("gesprekken met kinderen onder de 12")


class User(AbstractBaseUser, PermissionsMixin):
    """A member of staff. What they may do follows from their memberships."""

    email = models.EmailField(_("e-mailadres"), unique=True)
    name = models.CharField(_("naam"), max_length=80, help_text=_("Zo zien collega's je."))
    chat_name = models.CharField(
        _("naam in de chat"), max_length=30, help_text=_("Zo ziet een jongere je.")
    )
    language = models.CharField(
        _("taal"), max_length=2, choices=[("nl", "Nederlands"), ("en", "English")], default="nl"
    )
    chat_cap = models.PositiveSmallIntegerField(
        _("gesprekken tegelijk"),
        default=2,
        validators=[MinValueValidator(1), MaxValueValidator(6)],
    )
    skills = models.JSONField(
        _("kan ook"),
        default=list,
        blank=True,
        help_text=_("Jongeren die hierom vragen, zijn even eerst voor wie dit kan."),
    )
    is_active = models.BooleanField(default=True)
    sign_in_epoch = models.PositiveIntegerField(
        default=0, help_text="Part of every session's hash: one higher ends all sign-ins."
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = UserManager()

    USERNAME_FIELD = "email"
    EMAIL_FIELD = "email"
    REQUIRED_FIELDS = ["name", "chat_name"]

    class Meta:
        ordering = ["name", "pk"]

    def __str__(self) -> str:
        return self.name

    def get_full_name(self) -> str:
        return self.name

    def _get_session_auth_hash(self, secret: str | None = None) -> str:
        """Also holds the epoch, so that ending sign-ins needs no list of them."""
        return salted_hmac(
            "institutions.User.get_session_auth_hash",
            f"{self.sign_in_epoch}:{self.password}",
            secret=secret,
            algorithm="sha256",
        ).hexdigest()

    # --- What a coordinator may do ----------------------------------------------------------------

    def disable(self, by: "Staff") -> None:
        """Shut this person out, at once and everywhere. Refuses: not_yours, self, last, changed."""
        from institutions.models.invitation import Invitation

        with transaction.atomic():
            self._require_account(by)
            self._keep_a_platform_coordinator()
            if not User.objects.filter(pk=self.pk, is_active=True).update(is_active=False):
                raise Refused("changed")
            # Who is shut out must not come back in by a friend's name.
            Invitation.withdraw_all_of(self, by)
            self._forget_sign_ins()
            self._audit(AuditEvent.Verb.DISABLE, by)
        self.refresh_from_db()

    def enable(self, by: "Staff") -> None:
        """Let a person who was shut out sign in again. Refuses: not_yours, self, changed."""
        with transaction.atomic():
            self._require_account(by)
            if not User.objects.filter(pk=self.pk, is_active=False).update(is_active=True):
                raise Refused("changed")
            self._audit(AuditEvent.Verb.ENABLE, by)
        self.refresh_from_db()

    def end_sign_ins(self, by: "Staff") -> None:
        """Sign this person out everywhere. Refuses: not_yours, self."""
        with transaction.atomic():
            self._require_account(by)
            self._forget_sign_ins()
            self._audit(AuditEvent.Verb.END_SIGN_INS, by)
        self.refresh_from_db()

    def reset_second_factor(self, by: "Staff") -> None:
        """Forget every second factor, for who lost theirs. Refuses: not_yours, self.

        Also signs out everywhere: a password alone must not keep working where a second factor
        was shown before. The caller sends the notice to the person.
        """
        from allauth.mfa.models import Authenticator

        with transaction.atomic():
            self._require_account(by)
            Authenticator.objects.filter(user=self).delete()
            self._forget_sign_ins()
            self._audit(AuditEvent.Verb.RESET_MFA, by)
        self.refresh_from_db()

    def change(self, by: "Staff", **fields: object) -> None:
        """Set names or the cap of this person. Refuses: not_yours."""
        with transaction.atomic():
            if not by.manages_account_of(self):
                raise Refused("not_yours")
            changed = sorted(name for name, value in fields.items() if getattr(self, name) != value)
            if changed:
                User.objects.filter(pk=self.pk).update(**{name: fields[name] for name in changed})
                self._audit(AuditEvent.Verb.CHANGE, by, detail=" ".join(changed))
        self.refresh_from_db()

    def set_roles(self, wanted: Iterable[Right], by: "Staff", *, within: Iterable[Right]) -> None:
        """Give exactly the rights in `wanted`; rights that are not `within` stay as they are.

        Refuses: not_yours (a right outside the coordinator's reach), self (own coordinator's role),
        no_role (nothing would be left), last (the platform's last coordinator).
        """
        within, wanted = set(within), set(wanted)
        if not wanted <= within or not all(by.gives(right) for right in within):
            raise Refused("not_yours")
        with transaction.atomic():
            # Two coordinators at once: the row makes their changes come one after the other.
            User.objects.select_for_update().get(pk=self.pk)
            rights: set[Right] = set(self.memberships.values_list("institution_id", "role"))
            added, removed = wanted - rights, (rights & within) - wanted
            if not added and not removed:
                return
            if not (rights - removed) | added:
                raise Refused("no_role")
            if self.pk == by.user.pk and any(role == "coordinator" for _i, role in removed):
                raise Refused("self")
            if (None, Membership.Role.COORDINATOR) in removed:
                self._keep_a_platform_coordinator()
            for institution, role in removed:
                self.memberships.filter(institution=institution, role=role).delete()
                self._audit(AuditEvent.Verb.ROLES, by, institution, detail=f"-{role}")
            for institution, role in added:
                self.memberships.create(institution_id=institution, role=role)
                self._audit(AuditEvent.Verb.ROLES, by, institution, detail=f"+{role}")

    def _require_account(self, by: "Staff") -> None:
        if self.pk == by.user.pk:
            raise Refused("self")
        if not by.manages_account_of(self):
            raise Refused("not_yours")

    def _keep_a_platform_coordinator(self) -> None:
        # Locked, so that the last two cannot remove each other.
        platform = Membership.objects.select_for_update().filter(institution=None)
        active = {m.user_id for m in platform.select_related("user") if m.user.is_active}
        if active == {self.pk}:
            raise Refused("last")

    def _forget_sign_ins(self) -> None:
        """End every session of this person; the higher epoch is what counts, the rest is tidying."""
        from allauth.usersessions.models import UserSession

        User.objects.filter(pk=self.pk).update(sign_in_epoch=models.F("sign_in_epoch") + 1)
        known = UserSession.objects.filter(user=self)
        keys = list(known.values_list("session_key", flat=True))
        Session.objects.filter(session_key__in=keys).delete()
        known.delete()

    def _audit(self, verb: str, by: "Staff", *about: int | None, detail: str = "") -> None:
        """One row, in the trail of the institution that it is about: else the person's first."""
        institution: int | None
        if about:
            (institution,) = about
        else:
            theirs = self.memberships.exclude(institution=None).order_by("pk")
            institution = theirs.values_list("institution_id", flat=True).first()
        AuditEvent.objects.create(
            actor=by.user, verb=verb, person=self, institution_id=institution, detail=detail[:60]
        )


class MembershipQuerySet(models.QuerySet["Membership"]):
    def active(self) -> "MembershipQuerySet":
        return self.filter(user__is_active=True).filter(
            models.Q(institution__is_active=True) | models.Q(institution__isnull=True)
        )

    def workers(self) -> "MembershipQuerySet":
        return self.filter(role=Membership.Role.WORKER)

    def coordinators(self) -> "MembershipQuerySet":
        return self.filter(role=Membership.Role.COORDINATOR)


class Membership(models.Model):
    """What a person does for an institution. A coordinator without one is the platform's."""

    class Role(models.TextChoices):
        WORKER = "worker", _("hulpverlener")
        COORDINATOR = "coordinator", _("coördinator")

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="memberships", null=True, blank=True
    )
    role = models.CharField(_("rol"), max_length=12, choices=Role.choices)

    objects = MembershipQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["user", "institution", "role"], name="one_membership_per_role"
            ),
            # NULLs are distinct in SQLite, so the platform's role needs a rule of its own.
            models.UniqueConstraint(
                fields=["user"],
                condition=models.Q(institution__isnull=True),
                name="one_platform_membership",
            ),
            models.CheckConstraint(
                condition=models.Q(institution__isnull=False) | models.Q(role="coordinator"),
                name="worker_has_an_institution",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_role_display()} · {self.institution or 'platform'}"
