"""What is staffed together."""

import zoneinfo
from datetime import date, datetime
from functools import cache
from typing import Any

from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.utils.translation import gettext_lazy as _

from institutions.models import AuditEvent, Brand, User


@cache
def zones() -> set[str]:
    """Every time zone there is. Looking for them reads hundreds of files."""
    return zoneinfo.available_timezones()


def is_zone(name: str) -> None:
    if name not in zones():
        raise ValidationError(_("Deze tijdzone bestaat niet."))


class ServiceLine(models.Model):
    """What is staffed together: one queue, one roster, shown by one or more brands."""

    class CoverPolicy(models.TextChoices):
        AUTOMATIC = "automatic", _("meteen goed")
        NOTICE = "notice", _("meteen goed, de coördinatoren horen het")
        APPROVAL = "approval", _("een coördinator keurt het goed")

    name = models.CharField(max_length=60, unique=True)
    brands = models.ManyToManyField(Brand, related_name="lines")
    tz = models.CharField(max_length=40, default="Europe/Amsterdam", validators=[is_zone])
    last_call_minutes = models.PositiveSmallIntegerField(
        default=15,
        validators=[MaxValueValidator(120)],
        help_text="This long before the end nobody new joins the queue.",
    )

    release_hours = models.PositiveSmallIntegerField(
        default=24, help_text="Until this long before a duty its worker may give it back alone."
    )
    late_cancel_hours = models.PositiveSmallIntegerField(
        default=24,
        help_text="An hour that is cancelled later than this before its start counts as worked.",
    )
    cover_policy = models.CharField(
        max_length=9,
        choices=CoverPolicy.choices,
        default=CoverPolicy.NOTICE,
        help_text="Cover by a worker of another institution; within one it is always automatic.",
    )
    short_rest_minutes = models.PositiveSmallIntegerField(
        default=0, help_text="At least this long between two duties of a worker; 0: any."
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def zone(self) -> zoneinfo.ZoneInfo:
        return zoneinfo.ZoneInfo(self.tz)

    # What coordinators of the platform agree on, on a screen.
    AGREED = (
        "cover_policy",
        "release_hours",
        "short_rest_minutes",
        "late_cancel_hours",
        "last_call_minutes",
    )

    def agree(self, by: User, **agreed: Any) -> None:
        """Give some of AGREED other values, from now on. Raises RosterRefused: not_yours."""
        from roster.models.acting import require_planner

        require_planner(by)
        for name in agreed:
            if name not in self.AGREED:
                raise ValueError(name)
            setattr(self, name, agreed[name])
        with transaction.atomic():
            self.full_clean()
            self.save(update_fields=agreed)
            AuditEvent.objects.create(actor=by, verb=AuditEvent.Verb.SETTINGS, detail="line")

    def today(self, now: datetime) -> date:
        """The date on the wall calendar of this line."""
        return now.astimezone(self.zone).date()
