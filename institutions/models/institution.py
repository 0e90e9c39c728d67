"""Institutions, and the sites that they show."""

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
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
