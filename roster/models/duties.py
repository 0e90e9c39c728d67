"""Seats and the duties that fill them. Two at once in one place: `roster/guards.py`."""

import secrets
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.core.exceptions import ValidationError
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster.models.people import Qualification
from roster.time import minutes_between

if TYPE_CHECKING:
    from institutions.access import Staff
    from roster.models.cover import CoverRequest


class SeatQuerySet(models.QuerySet["Seat"]):
    def free(self) -> "SeatQuerySet":
        """Seats in which nobody has an active duty, not even for a part."""
        return self.exclude(pk__in=Duty.objects.active().values("seat"))

    def owed_by(self, institutions: Collection[int]) -> "SeatQuerySet":
        return self.filter(owed_by__in=institutions)


class Seat(models.Model):
    """One place in a consultation hour, owed by an institution (none: free for all).

    Made with its hour; who owes it is dealt by coordinators of the platform.
    """

    hour = models.ForeignKey(
        "roster.ConsultationHour", on_delete=models.CASCADE, related_name="seats"
    )
    no = models.PositiveSmallIntegerField()
    owed_by = models.ForeignKey(
        Institution, on_delete=models.PROTECT, null=True, blank=True, related_name="seats"
    )
    qualification = models.CharField(
        max_length=8,
        choices=Qualification.Kind.choices,
        blank=True,
        help_text="What it takes to fill it; empty: an ordinary duty.",
    )

    objects = SeatQuerySet.as_manager()

    class Meta:
        ordering = ["hour", "no"]
        constraints = [models.UniqueConstraint(fields=["hour", "no"], name="seats_are_numbered")]

    def __str__(self) -> str:
        return f"{self.hour} · {self.no}"

    @property
    def needs(self) -> str:
        """The kind of qualification that a worker must have to fill it."""
        return self.qualification or Qualification.Kind.DUTY


def duty_uid() -> str:
    return secrets.token_hex(16)


class DutyQuerySet(models.QuerySet["Duty"]):
    def active(self) -> "DutyQuerySet":
        return self.filter(status__in=Duty.ACTIVE)

    def covering(self, now: datetime) -> "DutyQuerySet":
        return self.filter(start__lte=now, end__gt=now)

    def overlapping(self, start: datetime, end: datetime) -> "DutyQuerySet":
        return self.filter(start__lt=end, end__gt=start)

    def covered(self) -> "DutyQuerySet":
        """Those that need nobody else: active, and no cover is asked for."""
        return self.filter(status__in=Duty.COVERED)

    def visible_to(self, staff: "Staff") -> "DutyQuerySet":
        """Those of which this member of staff may know whose they are.

        The own ones, those of the own institutions, and those in hours in which the worker has an
        active duty too; the platform's coordinator knows all.
        """
        if staff.is_platform_coordinator:
            return self.all()
        together = Duty.objects.active().filter(worker=staff.user)
        return self.filter(
            Q(worker=staff.user)
            | Q(credited_to__in=staff.worker_of | staff.coordinator_of)
            | Q(hour__in=together.values("hour"))
        )


class Duty(models.Model):
    """A worker filling a seat, for the whole hour or part of it.

    Start and end are UTC, whole minutes, half-open. Never says why somebody is absent. Several
    may share a seat, one after the other.
    """

    class Status(models.TextChoices):
        PROPOSED = "proposed", _("voorgesteld")
        CONFIRMED = "confirmed", _("bevestigd")
        COVER_WANTED = "cover_wanted", _("vervanging gevraagd")
        SICK = "sick", _("afwezig")
        RELEASED = "released", _("vrijgegeven")
        REPLACED = "replaced", _("overgenomen")
        DONE = "done", _("gedaan")
        NO_SHOW = "no_show", _("niet gekomen")

    class Source(models.TextChoices):
        SELF = "self", _("zelf gekozen")
        COORDINATOR = "coordinator", _("ingedeeld")
        PROPOSAL = "proposal", _("uit een voorstel")
        COVER = "cover", _("overgenomen van een collega")
        ADHOC = "adhoc", _("ingevallen")

    # The giver of a cover request stays responsible until somebody accepted.
    ACTIVE = (Status.CONFIRMED, Status.COVER_WANTED, Status.DONE)
    COVERED = (Status.CONFIRMED, Status.DONE)

    hour = models.ForeignKey(
        "roster.ConsultationHour", on_delete=models.PROTECT, related_name="duties"
    )
    seat = models.ForeignKey(Seat, on_delete=models.PROTECT, related_name="duties")
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="duties"
    )
    credited_to = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="duties", help_text="At that time."
    )
    start = models.DateTimeField()
    end = models.DateTimeField()
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.CONFIRMED)
    uid = models.CharField(max_length=32, unique=True, default=duty_uid, editable=False)
    sequence = models.PositiveIntegerField(
        default=0, help_text="Of the calendar feed: one higher at each change that it shows."
    )
    source = models.CharField(max_length=11, choices=Source.choices, default=Source.SELF)
    is_locked = models.BooleanField(
        default=False, help_text="Stays as it is when a proposal is made or applied."
    )
    assigned_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The coordinator who acted for the worker; empty: the worker did.",
    )
    replaced_by = models.ForeignKey(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="replaces"
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = DutyQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        indexes = [models.Index(fields=["worker", "start"])]
        constraints = [
            models.UniqueConstraint(
                # The start makes whole duties wait for each other; `guards` knows the parts.
                fields=["seat", "start"],
                condition=Q(status__in=["confirmed", "cover_wanted", "done"]),
                name="no_seat_filled_twice",
            ),
            models.CheckConstraint(condition=Q(end__gt=F("start")), name="duty_ends_after_start"),
            models.CheckConstraint(
                condition=Q(replaced_by__isnull=True) | Q(status="replaced"),
                name="only_replaced_has_a_successor",
            ),
            models.CheckConstraint(
                condition=Q(source="self", assigned_by__isnull=True)
                | Q(source="coordinator", assigned_by__isnull=False)
                | Q(source__in=("proposal", "cover", "adhoc")),
                name="assigned_by_a_coordinator",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} · {self.hour}"

    @property
    def minutes(self) -> int:
        """How long it really takes, in whole minutes; a change of the clock counts."""
        return minutes_between(self.start, self.end)

    def clean(self) -> None:
        if self.seat_id and self.seat.hour_id != self.hour_id:
            raise ValidationError({"seat": _("Deze plek hoort bij een ander spreekuur.")})
        if self.hour_id and not self.hour.start <= self.start < self.end <= self.hour.end:
            raise ValidationError(_("De dienst valt niet binnen het spreekuur."))

    # --- What its worker and coordinators do -------------------------------------------------------
    # `by` is the worker, or a coordinator of `credited_to` or of the platform: else `not_yours`.

    def release(self, by: User, now: datetime | None = None) -> None:
        """Give the seat back. A duty that came by cover goes back to who gave it away.

        Raises RosterRefused: not_yours, wrong_state (no longer active), past (it began), too_late
        (a worker alone, within the line's `release_hours`).
        """
        raise NotImplementedError

    def cannot_come(self, by: User, now: datetime | None = None) -> "CoverRequest":
        """The sick button, until the end of the duty: absent at once, and no reason is asked.

        What was worked before now stays a duty. Returns the call for somebody else; those who
        can come are asked at once when the hour falls below its target.
        Raises RosterRefused: not_yours, wrong_state (no longer active), past (it ended).
        """
        raise NotImplementedError

    def reassign(
        self, worker: User, institution: Institution, by: User, now: datetime | None = None
    ) -> "Duty":
        """Give this seat to another worker; the rest of it when it is going on.

        `by` coordinates both institutions, or the platform. Returns the new duty.
        Raises RosterRefused: not_yours, wrong_state, past, cancelled, elsewhere, absent, overlap,
        rest, qualification.
        """
        raise NotImplementedError

    def lock(self, by: User) -> None:
        """Keep it as it is when a proposal is made. Coordinators only. Raises: not_yours."""
        raise NotImplementedError

    def unlock(self, by: User) -> None:
        """Let proposals change it again. Coordinators only. Raises: not_yours."""
        raise NotImplementedError

    def ask_cover(
        self,
        by: User,
        *,
        kind: str,
        to_worker: User | None = None,
        offered_duty: "Duty | None" = None,
        part: tuple[datetime, datetime] | None = None,
        now: datetime | None = None,
    ) -> "CoverRequest":
        """Look for somebody else, all or one (`to_worker`). The giver stays responsible.

        `kind` is one of CoverRequest.Kind; `part` is the span of a part. For an exchange,
        `offered_duty` may say which duty of another worker is wanted: then it is asked of them.
        Raises RosterRefused: not_yours, wrong_state (not active), asked (there is a live request),
        past (it began), outside (the part), self, elsewhere (that worker is none, any more).
        """
        raise NotImplementedError
