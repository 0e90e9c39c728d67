"""What a coordinator may set about the order of a queue."""

from datetime import timedelta

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from roster.models import ServiceLine


class QueueRules(models.Model):
    """The order of one line's queue, as far as it can be set. `chat/queue.py` says what it does.

    A line without a row of its own has the defaults: ask through `of`.
    """

    line = models.OneToOneField(ServiceLine, on_delete=models.CASCADE, related_name="queue_rules")
    region_seconds = models.PositiveSmallIntegerField(
        _("eigen regio eerst, in seconden"),
        default=60,
        validators=[MaxValueValidator(300)],
        help_text=_(
            "Zo lang is een jongere eerst voor collega's uit de eigen regio, als daar iemand "
            "plaats heeft. 0 is nooit. Wie nu hulp nodig heeft, is meteen voor iedereen."
        ),
    )
    wish_seconds = models.PositiveSmallIntegerField(
        _("taal en wensen eerst, in seconden"),
        default=60,
        validators=[MaxValueValidator(300)],
        help_text=_("Hetzelfde voor wie Engels schrijft of iets vroeg wat niet iedereen kan."),
    )
    soon_after_minutes = models.PositiveSmallIntegerField(
        _("telt als ‘liefst snel’ na, in minuten"),
        default=15,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text=_("Wie zo lang wacht, laat wie later kwam en liefst snel wil niet meer voor."),
    )
    first_after_minutes = models.PositiveSmallIntegerField(
        _("gaat voor iedereen na, in minuten"),
        default=30,
        validators=[MinValueValidator(1), MaxValueValidator(240)],
        help_text=_("De bodem: wie zo lang wacht, laat niemand meer voor die later kwam."),
    )
    alert_seconds = models.PositiveSmallIntegerField(
        _("bericht aan coördinatoren na, in seconden"),
        default=60,
        validators=[MinValueValidator(10), MaxValueValidator(900)],
        help_text=_("Als iemand die nu hulp nodig heeft zo lang wacht."),
    )

    class Meta:
        ordering = ["line"]
        verbose_name_plural = "queue rules"
        constraints = [
            models.CheckConstraint(
                condition=Q(soon_after_minutes__lte=F("first_after_minutes")),
                name="queue_rules_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"queue of {self.line}"

    @classmethod
    def of(cls, line: ServiceLine) -> "QueueRules":
        """The rules that hold on this line; not stored when nobody changed them."""
        return cls.objects.filter(line=line).first() or cls(line=line)

    @property
    def alert_after(self) -> timedelta:
        return timedelta(seconds=self.alert_seconds)
