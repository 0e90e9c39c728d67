"""What institutions owe and did, in minutes, and what that costs, in cents. Whole numbers only."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution
from roster.models.line import ServiceLine
from roster.models.periods import RosterPeriod

if TYPE_CHECKING:
    from institutions.access import Staff


class LedgerEntryQuerySet(models.QuerySet["LedgerEntry"]):
    def visible_to(self, staff: "Staff") -> "LedgerEntryQuerySet":
        """A coordinator reads what is of their own institutions, the platform's reads it all."""
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(institution__in=staff.coordinator_of)

    def balance(self) -> int:
        """Minutes credited minus minutes owed, in all of these together."""
        return self.aggregate(sum=Sum("minutes", default=0))["sum"]

    def balances(self) -> dict[int, int]:
        """The balance of each institution (by id) that has an entry among these; one query."""
        rows = self.order_by().values("institution").annotate(sum=Sum("minutes"))
        return {row["institution"]: row["sum"] for row in rows}

    def update(self, **changes: object) -> int:
        raise TypeError("the ledger is append-only")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("the ledger is append-only")


class LedgerEntry(models.Model):
    """One posting of minutes to an institution; never changed and never taken away.

    What was wrong is reversed by an entry with the opposite minutes that names it in `reverses`.
    `minutes` is signed: owed is negative, done is positive, so the sum is the balance.
    `weighted_minutes` is the same posting with evenings and holidays weighed; it is shown beside
    the minutes and never added to them. `source` names what it was posted for ("hour:12",
    "duty:7", "entry:3"): posting the same kind for the same source to the same institution again
    is refused, so a job may run twice. The database refuses changes too (`roster/guards.py`).
    """

    class Kind(models.TextChoices):
        OBLIGATION = "obligation", _("te doen")
        WORKED = "worked", _("gedaan")
        CARRY = "carry", _("meegenomen")
        TRANSFER = "transfer", _("overgedragen")
        CORRECTION = "correction", _("correctie")
        WAIVER = "waiver", _("kwijtgescholden")

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="ledger")
    period = models.ForeignKey(
        RosterPeriod, on_delete=models.PROTECT, null=True, blank=True, related_name="ledger"
    )
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="ledger")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    minutes = models.IntegerField()
    weighted_minutes = models.IntegerField()
    source = models.CharField(max_length=60)
    reverses = models.OneToOneField(
        "self", on_delete=models.PROTECT, null=True, blank=True, related_name="reversed_by"
    )
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty: the clock.",
    )
    text = models.CharField(max_length=200, blank=True)
    at = models.DateTimeField(default=timezone.now)

    objects = LedgerEntryQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["line", "institution", "at"])]
        constraints = [
            models.UniqueConstraint(fields=["kind", "source", "institution"], name="posted_once"),
            models.CheckConstraint(condition=~Q(source=""), name="posting_has_a_source"),
            models.CheckConstraint(
                condition=Q(reverses__isnull=False)
                | (~Q(kind="obligation") | Q(minutes__lte=0, weighted_minutes__lte=0))
                & (~Q(kind="worked") | Q(minutes__gte=0, weighted_minutes__gte=0)),
                name="owed_is_negative",
            ),
            models.CheckConstraint(
                condition=~Q(kind__in=("transfer", "correction", "waiver"))
                | Q(author__isnull=False),
                name="correction_has_an_author",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.institution} {self.kind} {self.minutes:+d} min"

    def save(self, *args: object, **kwargs: object) -> None:
        if self.pk is not None:
            raise TypeError("the ledger is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: object, **kwargs: object) -> tuple[int, dict[str, int]]:
        raise TypeError("the ledger is append-only")


class CostRun(models.Model):
    """One division of costs over institutions. Written once; a correction is in the next run.

    `inputs` holds every number that it was computed from, so that it can be explained and
    computed again after everything else has changed. The lines add up to the total exactly.
    """

    class Method(models.TextChoices):
        KEY = "key", _("naar verdeelsleutel")
        SHORTFALL = "shortfall", _("naar tekort")
        MIXED = "mixed", _("allebei")

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="cost_runs")
    period = models.ForeignKey(
        RosterPeriod, on_delete=models.PROTECT, null=True, blank=True, related_name="cost_runs"
    )
    method = models.CharField(max_length=9, choices=Method.choices)
    total_cents = models.PositiveIntegerField()
    tariff_cents = models.PositiveIntegerField(
        null=True, blank=True, help_text="Per hour of shortfall."
    )
    inputs = models.JSONField()
    author = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(method="key") | Q(tariff_cents__isnull=False),
                name="shortfall_has_a_tariff",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.total_cents} cents"


class CostLineQuerySet(models.QuerySet["CostLine"]):
    def visible_to(self, staff: "Staff") -> "CostLineQuerySet":
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(institution__in=staff.coordinator_of)


class CostLine(models.Model):
    """What one institution pays (or gets back: negative) in a run, in cents. Written with it."""

    class Kind(models.TextChoices):
        KEY = "key", _("verdeelsleutel")
        SHORTFALL = "shortfall", _("tekort")
        CORRECTION = "correction", _("correctie")

    run = models.ForeignKey(CostRun, on_delete=models.CASCADE, related_name="lines")
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="cost_lines"
    )
    kind = models.CharField(max_length=10, choices=Kind.choices)
    cents = models.IntegerField()

    objects = CostLineQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["run", "institution", "kind"], name="one_cost_line_of_a_kind"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.institution} {self.kind} {self.cents} cents"
