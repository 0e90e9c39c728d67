"""A stretch of the calendar that is planned, published and settled as one."""

from datetime import date
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution
from roster.models.line import ServiceLine
from roster.models.moves import Moving, StateChange

if TYPE_CHECKING:
    from institutions.access import Staff


class RosterPeriodQuerySet(models.QuerySet["RosterPeriod"]):
    def on(self, day: date) -> "RosterPeriodQuerySet":
        """Those that hold this date of the line's calendar: at most one per line."""
        return self.filter(first_date__lte=day, last_date__gte=day)

    def public(self) -> "RosterPeriodQuerySet":
        return self.filter(state__in=RosterPeriod.PUBLIC)

    def visible_to(self, staff: "Staff") -> "RosterPeriodQuerySet":
        """Coordinators see all of them; workers those in which there is something to do or know."""
        if staff.is_coordinator:
            return self.all()
        return self.exclude(state=RosterPeriod.State.DRAFT)


class RosterPeriod(Moving):
    """The plan of a line from `first_date` to `last_date`, both included.

    Made and moved by coordinators of the platform; from published on, the clock makes it running
    and closed. Periods of one line never share a day (`roster/guards.py`).
    """

    class State(models.TextChoices):
        DRAFT = "draft", _("in de maak")
        SIGNUP = "signup", _("inschrijven")
        PROPOSED = "proposed", _("voorstel")
        PUBLISHED = "published", _("gepubliceerd")
        RUNNING = "running", _("loopt")
        CLOSED = "closed", _("voorbij")
        SETTLED = "settled", _("afgerekend")

    TRANSITIONS = {
        State.DRAFT: frozenset({State.SIGNUP, State.PROPOSED, State.PUBLISHED}),
        State.SIGNUP: frozenset({State.DRAFT, State.PROPOSED, State.PUBLISHED}),
        State.PROPOSED: frozenset({State.SIGNUP, State.PUBLISHED}),
        State.PUBLISHED: frozenset({State.RUNNING}),
        State.RUNNING: frozenset({State.CLOSED}),
        State.CLOSED: frozenset({State.SETTLED}),
        State.SETTLED: frozenset(),
    }
    # What the public page and the calendar feeds may tell of.
    PUBLIC = (State.PUBLISHED, State.RUNNING, State.CLOSED, State.SETTLED)
    # In which workers choose seats themselves.
    TAKES_SIGNUPS = (State.SIGNUP, *PUBLIC)

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="periods")
    first_date = models.DateField()
    last_date = models.DateField(help_text="Included.")
    state = models.CharField(max_length=9, choices=State.choices, default=State.DRAFT)
    free_for_all_days = models.PositiveSmallIntegerField(
        default=14,
        help_text="This many days before an hour, its empty seats are everybody's.",
    )
    published_at = models.DateTimeField(null=True, blank=True, help_text="The first time.")
    created_at = models.DateTimeField(default=timezone.now)

    objects = RosterPeriodQuerySet.as_manager()

    class Meta:
        ordering = ["first_date", "pk"]
        indexes = [models.Index(fields=["line", "first_date"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_date__gte=F("first_date")), name="period_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=("draft", "signup", "proposed"),
                    published_at__isnull=True,
                )
                | Q(
                    state__in=("published", "running", "closed", "settled"),
                    published_at__isnull=False,
                ),
                name="published_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.first_date} to {self.last_date}"

    @property
    def is_public(self) -> bool:
        return self.state in self.PUBLIC


class PeriodChange(StateChange):
    """One move of a period."""

    period = models.ForeignKey(RosterPeriod, on_delete=models.CASCADE, related_name="changes")


class RosterVersion(models.Model):
    """What was published: a frozen copy, so that the next one can tell each person what changed.

    Written once by publishing, never changed. `snapshot` is a list of objects, one for each
    active duty: "duty", "uid", "hour", "seat", "worker" and "institution" (ids), "start" and
    "end" (ISO 8601, UTC).
    """

    period = models.ForeignKey(RosterPeriod, on_delete=models.PROTECT, related_name="versions")
    number = models.PositiveIntegerField(help_text="From 1, in the period.")
    snapshot = models.JSONField()
    published_at = models.DateTimeField(default=timezone.now)
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")

    class Meta:
        ordering = ["period", "number"]
        constraints = [
            models.UniqueConstraint(fields=["period", "number"], name="versions_are_numbered"),
            models.CheckConstraint(condition=Q(number__gte=1), name="versions_from_one"),
        ]

    def __str__(self) -> str:
        return f"{self.period} version {self.number}"


class ShareKey(models.Model):
    """What an institution owes in a period: a weight, or a fixed number of minutes.

    Fixed minutes are taken from the need first; the rest is split by weight. `joined` and `left`
    (first and last day, both included, empty: the whole period) make a weight count pro rata.
    Written by coordinators of the platform.
    """

    period = models.ForeignKey(RosterPeriod, on_delete=models.CASCADE, related_name="shares")
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="shares")
    weight = models.PositiveIntegerField(null=True, blank=True)
    fixed_minutes = models.PositiveIntegerField(null=True, blank=True)
    joined = models.DateField(null=True, blank=True)
    left = models.DateField(null=True, blank=True, help_text="Last day, included.")

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "institution"], name="one_share_per_institution"
            ),
            models.CheckConstraint(
                condition=Q(weight__isnull=False, fixed_minutes__isnull=True)
                | Q(weight__isnull=True, fixed_minutes__isnull=False),
                name="share_is_weight_or_minutes",
            ),
            models.CheckConstraint(
                condition=Q(joined__isnull=True) | Q(left__isnull=True) | Q(left__gte=F("joined")),
                name="share_left_after_joined",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.institution} in {self.period}"
