"""What was really worked. Minutes are whole numbers; times are UTC and half-open."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from roster.models.duties import Duty
from roster.models.hours import ConsultationHour

if TYPE_CHECKING:
    from institutions.access import Staff


class DutyPresenceQuerySet(models.QuerySet["DutyPresence"]):
    def running(self) -> "DutyPresenceQuerySet":
        return self.filter(end__isnull=True)

    def overlapping(self, start: datetime, end: datetime) -> "DutyPresenceQuerySet":
        return self.filter(Q(end__isnull=True) | Q(end__gt=start), start__lt=end)


class DutyPresence(models.Model):
    """One stretch in which a worker was at the desk during an hour, in one state.

    Written from the leases of `Presence` by a job only. `duty` is empty for who was there without
    one. A worker has at most one that still runs (`end` empty).
    """

    class State(models.TextChoices):
        READY = "ready", _("beschikbaar")
        BUSY = "busy", _("in gesprek")
        PAUSED = "paused", _("even pauze")

    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="stretches"
    )
    hour = models.ForeignKey(ConsultationHour, on_delete=models.CASCADE, related_name="stretches")
    duty = models.ForeignKey(
        Duty, on_delete=models.PROTECT, null=True, blank=True, related_name="stretches"
    )
    state = models.CharField(max_length=6, choices=State.choices)
    start = models.DateTimeField()
    end = models.DateTimeField(null=True, blank=True)

    objects = DutyPresenceQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        indexes = [models.Index(fields=["worker", "start"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(end__isnull=True) | Q(end__gt=F("start")),
                name="stretch_ends_after_start",
            ),
            models.UniqueConstraint(
                fields=["worker"], condition=Q(end__isnull=True), name="one_running_stretch"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} {self.state} from {self.start:%Y-%m-%d %H:%M}"


class HoursEntryQuerySet(models.QuerySet["HoursEntry"]):
    def claimed(self) -> "HoursEntryQuerySet":
        """Those that wait for a coordinator."""
        return self.filter(state=HoursEntry.State.CLAIMED)

    def visible_to(self, staff: "Staff") -> "HoursEntryQuerySet":
        """The own ones, and those of duties for the institutions that somebody coordinates."""
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(
            Q(duty__worker=staff.user) | Q(duty__credited_to__in=staff.coordinator_of)
        )


class HoursEntry(models.Model):
    """How many minutes of a duty count. Measured by a job, corrected by the worker, approved.

    The claim and the decision are the only things that people write; planned and measured stay
    what they were. A claim has no text: why it differs is between the worker and the coordinator.
    """

    class State(models.TextChoices):
        MEASURED = "measured", _("gemeten")
        CLAIMED = "claimed", _("correctie gevraagd")
        APPROVED = "approved", _("goedgekeurd")
        REJECTED = "rejected", _("niet goedgekeurd")

    duty = models.OneToOneField(Duty, on_delete=models.PROTECT, related_name="hours_entry")
    state = models.CharField(max_length=8, choices=State.choices, default=State.MEASURED)
    planned_minutes = models.PositiveIntegerField()
    measured_minutes = models.PositiveIntegerField()
    claimed_minutes = models.PositiveIntegerField(null=True, blank=True)
    approved_minutes = models.PositiveIntegerField(null=True, blank=True)
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty on an approved one: nobody had to look at it.",
    )
    measured_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = HoursEntryQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(claimed_minutes__isnull=True, claimed_at__isnull=True)
                | Q(claimed_minutes__isnull=False, claimed_at__isnull=False),
                name="claim_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state="measured", claimed_at__isnull=True, decided_at__isnull=True)
                | Q(state="claimed", claimed_at__isnull=False, decided_at__isnull=True)
                | Q(state="approved", decided_at__isnull=False)
                | Q(state="rejected", claimed_at__isnull=False, decided_at__isnull=False),
                name="hours_state_has_its_times",
            ),
            models.CheckConstraint(
                condition=Q(state="approved", approved_minutes__isnull=False)
                | Q(
                    state__in=("measured", "claimed", "rejected"),
                    approved_minutes__isnull=True,
                ),
                name="approved_has_minutes",
            ),
            models.CheckConstraint(
                condition=~Q(state="rejected") | Q(approver__isnull=False),
                name="rejected_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.duty} {self.minutes} min"

    @property
    def minutes(self) -> int:
        """What counts: what was approved, else what was measured."""
        return self.measured_minutes if self.approved_minutes is None else self.approved_minutes
