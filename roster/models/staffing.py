"""How many people an hour takes, and of which kinds."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from roster.models.people import Qualification


def is_mix(value: object) -> None:
    """Accept an object that gives kinds of qualification a whole number from 1."""
    if not isinstance(value, dict) or any(
        kind not in Qualification.Kind.values or type(count) is not int or count < 1
        for kind, count in value.items()
    ):
        raise ValidationError(_("Kies per soort hulpverlener hoeveel er nodig zijn."))


class Staffing(models.Model):
    """How many seats there are, and how many must be filled before the chat may open."""

    min_staff = models.PositiveSmallIntegerField(default=2, validators=[MinValueValidator(1)])
    target_staff = models.PositiveSmallIntegerField(default=3)
    max_staff = models.PositiveSmallIntegerField(default=6, validators=[MaxValueValidator(60)])

    mix = models.JSONField(
        default=dict,
        blank=True,
        validators=[is_mix],
        help_text="Kind of qualification to the number that must be there, within the minimum.",
    )

    class Meta:
        abstract = True

    def clean(self) -> None:
        if not self.min_staff <= self.target_staff <= self.max_staff:
            raise ValidationError(
                _("Het minimum mag niet boven het streven liggen, en dat niet boven het maximum.")
            )
        if isinstance(self.mix, dict) and sum(self.mix.values()) > self.max_staff:
            raise ValidationError({"mix": _("Er zijn minder plekken dan mensen nodig zijn.")})

    @property
    def staffing(self) -> dict[str, Any]:
        return {
            "min_staff": self.min_staff,
            "target_staff": self.target_staff,
            "max_staff": self.max_staff,
            "mix": self.mix,
        }
