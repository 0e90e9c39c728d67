"""Drafts of a plan. Making one changes nothing; a person applies it, or not."""

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution
from roster.models.periods import RosterPeriod
from roster.models.seats import Seat


class Proposal(models.Model):
    """One filling of a period's seats, made by the solver from its inputs.

    `input_hash` is the SHA-256 of those inputs in hexadecimal: another one at the moment of
    applying means that the plan changed in between. The same hash, params and seed give the same
    lines. One per period is being made at a time.
    """

    class State(models.TextChoices):
        RUNNING = "running", _("wordt gemaakt")
        READY = "ready", _("klaar")
        APPLIED = "applied", _("overgenomen")
        DROPPED = "dropped", _("weggelegd")

    period = models.ForeignKey(RosterPeriod, on_delete=models.PROTECT, related_name="proposals")
    state = models.CharField(max_length=7, choices=State.choices, default=State.RUNNING)
    input_hash = models.CharField(max_length=64)
    seed = models.BigIntegerField(default=0)
    params = models.JSONField(default=dict)
    score = models.JSONField(default=dict)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    created_at = models.DateTimeField(default=timezone.now)
    ready_at = models.DateTimeField(null=True, blank=True)
    applied_at = models.DateTimeField(null=True, blank=True)
    applied_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["period"], condition=Q(state="running"), name="one_running_proposal"
            ),
            models.CheckConstraint(
                condition=Q(state="running", ready_at__isnull=True)
                | Q(state__in=("ready", "applied"), ready_at__isnull=False)
                | Q(state="dropped"),
                name="ready_proposal_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state="applied", applied_at__isnull=False, applied_by__isnull=False)
                | Q(
                    state__in=("running", "ready", "dropped"),
                    applied_at__isnull=True,
                    applied_by__isnull=True,
                ),
                name="applied_by_a_person",
            ),
        ]

    def __str__(self) -> str:
        return f"proposal {self.pk} for {self.period}"


class ProposalLine(models.Model):
    """Who a proposal puts on a seat, or nobody, with the reason. Written by the solver.

    `reason` is a code that the screens put into words, `why` its numbers: for an empty seat why
    each candidate fell out, for a filled one why this one was chosen. Ids only, no names.
    """

    proposal = models.ForeignKey(Proposal, on_delete=models.CASCADE, related_name="lines")
    seat = models.ForeignKey(Seat, on_delete=models.CASCADE, related_name="proposal_lines")
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    credited_to = models.ForeignKey(
        Institution, on_delete=models.PROTECT, null=True, blank=True, related_name="+"
    )
    previous_worker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who was on the seat when the proposal was made.",
    )
    reason = models.CharField(max_length=32)
    why = models.JSONField(default=dict)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["proposal", "seat"], name="one_line_per_seat_and_proposal"
            ),
            models.CheckConstraint(
                condition=Q(worker__isnull=True, credited_to__isnull=True)
                | Q(worker__isnull=False, credited_to__isnull=False),
                name="proposed_worker_is_credited",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.seat} {self.reason}"

    @property
    def is_change(self) -> bool:
        return self.worker_id != self.previous_worker_id
