"""What is staffed together."""

import zoneinfo
from datetime import date, datetime

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models
from django.utils.translation import gettext_lazy as _

from institutions.models import Brand


def is_zone(name: str) -> None:
    if name not in zoneinfo.available_timezones():
        raise ValidationError(_("Deze tijdzone bestaat niet."))


class ServiceLine(models.Model):
    """What is staffed together: one queue, one roster, shown by one or more brands."""

    name = models.CharField(max_length=60, unique=True)
    brands = models.ManyToManyField(Brand, related_name="lines")
    tz = models.CharField(max_length=40, default="Europe/Amsterdam", validators=[is_zone])
    last_call_minutes = models.PositiveSmallIntegerField(
        default=15,
        validators=[MaxValueValidator(120)],
        help_text="This long before the end nobody new joins the queue.",
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tz)

    def today(self, now: datetime) -> date:
        """The date on the wall calendar of this line."""
        return now.astimezone(self.zone).date()
