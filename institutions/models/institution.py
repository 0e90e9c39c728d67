"""Institutions, and the sites that they show."""

from datetime import date
from typing import TYPE_CHECKING

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

if TYPE_CHECKING:
    from institutions.access import Staff


class InstitutionQuerySet(models.QuerySet["Institution"]):
    def active_on(self, day: date) -> "InstitutionQuerySet":
        """Those that take part on this date."""
        return self.filter(
            Q(active_from__isnull=True) | Q(active_from__lte=day),
            Q(active_until__isnull=True) | Q(active_until__gte=day),
            is_active=True,
        )


class Institution(models.Model):
    """Employs workers and owes hours.

    `is_active` shuts an institution out at once, accounts too. `active_from` and `active_until`
    (first and last day, both included) only say in which time it owes hours.
    """

    class SchoolRegion(models.TextChoices):
        NOORD = "noord", _("Noord")
        MIDDEN = "midden", _("Midden")
        ZUID = "zuid", _("Zuid")

    name = models.CharField(_("naam"), max_length=100, unique=True)
    is_active = models.BooleanField(default=True)
    retention_days = models.PositiveSmallIntegerField(
        _("dagen bewaren"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(365)],
        help_text=_("Zo lang na het afsluiten is de tekst van een gesprek nog te lezen."),
    )

    active_from = models.DateField(_("doet mee vanaf"), null=True, blank=True)
    active_until = models.DateField(_("doet mee tot en met"), null=True, blank=True)
    school_region = models.CharField(
        _("regio van de schoolvakanties"),
        max_length=6,
        choices=SchoolRegion.choices,
        blank=True,
    )

    municipalities = models.JSONField(
        _("gemeenten"),
        default=list,
        blank=True,
        help_text=_("Jongeren uit deze gemeenten zijn even eerst voor deze instelling."),
    )

    objects = InstitutionQuerySet.as_manager()

    class Meta:
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(active_from__isnull=True)
                | Q(active_until__isnull=True)
                | Q(active_until__gte=F("active_from")),
                name="institution_ends_after_start",
            ),
        ]

    def __str__(self) -> str:
        return self.name


class BrandQuerySet(models.QuerySet["Brand"]):
    def for_host(self, host: str) -> "Brand | None":
        """Return the brand of a Host header (port ignored), else the default one, else None."""
        name = host.rsplit(":", 1)[0].lower()
        return self.filter(host=name).first() or self.filter(is_default=True).first()

    def coordinated_by(self, staff: "Staff") -> "BrandQuerySet":
        """The sites whose questions this coordinator keeps; the platform's: all."""
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(institution__in=staff.coordinator_of)


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
    mail_sender = models.CharField(
        max_length=40,
        blank=True,
        help_text="Who mail to young people is from; without it, the name of the tab.",
    )
    mail_subject = models.CharField(
        max_length=60,
        blank=True,
        help_text="Of every mail to young people; must not tell a bystander what it is.",
    )
    institution = models.ForeignKey(
        Institution,
        on_delete=models.SET_NULL,
        null=True,
        blank=True,
        related_name="+",
        help_text="Its coordinators keep the questions, beside those of the platform.",
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
