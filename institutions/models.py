"""Who runs the help: institutions, the sites they show, and their staff."""

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _


class Institution(models.Model):
    """Employs workers and owes hours."""

    name = models.CharField(_("naam"), max_length=100, unique=True)
    is_active = models.BooleanField(default=True)
    retention_days = models.PositiveSmallIntegerField(
        _("dagen bewaren"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text=_("Zo lang na het afsluiten is de tekst van een gesprek nog te lezen."),
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class BrandQuerySet(models.QuerySet["Brand"]):
    def for_host(self, host: str) -> "Brand | None":
        """Return the brand of a Host header (port ignored), else the default one, else None."""
        name = host.rsplit(":", 1)[0].lower()
        return self.filter(host=name).first() or self.filter(is_default=True).first()


class Brand(models.Model):
    """A public face: host name, texts, colours. Its questionnaire lives in triage."""

    host = models.CharField(max_length=100, unique=True, help_text="Without scheme or port.")
    name = models.CharField(max_length=60)
    neutral_title = models.CharField(
        max_length=40,
        default="Klik",
        help_text="The name of the tab; must not tell a bystander what the page is.",
    )
    welcome = models.CharField(max_length=200, blank=True)
    accent = models.CharField(max_length=7, default="#0b6b6b", help_text="#rrggbb")
    exit_url = models.URLField(
        default="https://www.knmi.nl/", help_text="Where the exit leads: something ordinary."
    )
    is_default = models.BooleanField(default=False, help_text="Serves hosts that no brand names.")

    objects = BrandQuerySet.as_manager()

    class Meta:
        ordering = ["host"]
        constraints = [
            models.UniqueConstraint(
                "is_default", condition=models.Q(is_default=True), name="one_default_brand"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: object) -> "User":
        user = self.model(email=self.normalize_email(email).lower(), **fields)
        user.set_password(password)
        user.save()
        return user

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username)


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
    is_active = models.BooleanField(default=True)
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


class AppendOnlyQuerySet(models.QuerySet["AuditEvent"]):
    def update(self, **changes: object) -> int:
        raise TypeError("the audit trail is append-only")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("the audit trail is append-only")


class AuditEvent(models.Model):
    """Who did what to which conversation, and when. Never holds a word of anybody.

    Outlives the text of the conversation, so it names it by its random id and not by a key.
    """

    class Verb(models.TextChoices):
        READ = "read", _("gelezen")
        CLAIM = "claim", _("aangenomen")
        HAND_OVER = "hand_over", _("overgedragen")
        CLOSE = "close", _("afgesloten")
        FORCE = "force", _("chat open of dicht gezet")
        INVITE = "invite", _("uitgenodigd")
        DISABLE = "disable", _("uitgezet")
        ENABLE = "enable", _("aangezet")
        RESET_MFA = "reset_mfa", _("tweede stap gewist")

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(User, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=12, choices=Verb.choices)
    conversation = models.CharField(max_length=22, blank=True, db_index=True)
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, null=True, related_name="+"
    )
    detail = models.CharField(max_length=60, blank=True, help_text="A code or a number.")

    objects = AppendOnlyQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_id} {self.verb} {self.conversation}"

    def save(self, *args: object, **kwargs: object) -> None:
        if self.pk is not None:
            raise TypeError("the audit trail is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: object, **kwargs: object) -> tuple[int, dict[str, int]]:
        raise TypeError("the audit trail is append-only")
