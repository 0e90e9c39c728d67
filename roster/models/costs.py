"""What it costs and who pays, in whole cents."""

from collections import Counter, defaultdict
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster import fairness
from roster.models.acting import require_planner
from roster.models.ledger import keys_of, needs_of
from roster.models.line import ServiceLine
from roster.models.moves import RosterRefused
from roster.models.periods import RosterPeriod

if TYPE_CHECKING:
    from institutions.access import Staff

# What the database holds.
MOST_CENTS = 2**31 - 1


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

    @classmethod
    def make(
        cls,
        line: ServiceLine,
        period: RosterPeriod,
        method: str,
        total_cents: int | None,
        tariff_cents: int | None,
        by: User,
    ) -> "CostRun":
        """Divide the costs of a period; the lines add up to `total_cents` of what is returned.

        By key: the total, by what each should bear of the period. By shortfall: what was owed and
        not done, at the tariff per hour; the total follows from that and is not asked. Mixed:
        shortfalls first, the rest of the total by key. When an earlier run of this line would come
        out otherwise today, the difference is in this run, as lines of kind correction.
        Raises RosterRefused: not_yours, outside (the period is another line's), wrong_state (not
        published yet), tariff (missing or negative), total (missing, negative, too large, or
        negative after corrections), no_key (nobody shares the costs).
        """
        require_planner(by)
        if period.line_id != line.pk:
            raise RosterRefused("outside")
        if not period.is_public:
            raise RosterRefused("wrong_state")
        if method == cls.Method.KEY:
            tariff_cents = None
        elif tariff_cents is None or tariff_cents < 0:
            raise RosterRefused("tariff")
        if method == cls.Method.SHORTFALL:
            total_cents = 0
        elif total_cents is None or not 0 <= total_cents <= MOST_CENTS:
            raise RosterRefused("total")
        with transaction.atomic():
            # One run of a line at a time: two would both make the same corrections.
            ServiceLine.objects.select_for_update().get(pk=line.pk)
            inputs = _inputs_of(period) | {"total_cents": total_cents}
            parts = _divide(method, inputs, tariff_cents)
            corrections = cls._corrections(line)
            for theirs in corrections.values():
                for institution, cents in theirs.items():
                    parts[institution, CostLine.Kind.CORRECTION] += cents
            total = sum(parts.values())
            if not 0 <= total <= MOST_CENTS:
                raise RosterRefused("total")
            run = cls.objects.create(
                line=line,
                period=period,
                method=method,
                total_cents=total,
                tariff_cents=tariff_cents,
                inputs=inputs
                | {
                    "corrections": {
                        str(earlier): {
                            str(institution): cents for institution, cents in some.items()
                        }
                        for earlier, some in corrections.items()
                    }
                },
                author=by,
            )
            CostLine.objects.bulk_create(
                CostLine(run=run, institution_id=institution, kind=kind, cents=cents)
                for (institution, kind), cents in sorted(parts.items())
                if cents
            )
        return run

    @classmethod
    def _corrections(cls, line: ServiceLine) -> dict[int, dict[int, int]]:
        """For each earlier run of a line, what each institution pays too little of it by now."""
        runs = list(cls.objects.filter(line=line).exclude(period=None).select_related("period"))
        charged: dict[int, Counter[int]] = defaultdict(Counter)
        for row in CostLine.objects.filter(run__in=runs).exclude(kind=CostLine.Kind.CORRECTION):
            charged[row.run_id][row.institution_id] += row.cents
        for run in runs:
            for earlier, theirs in run.inputs.get("corrections", {}).items():
                for institution, cents in theirs.items():
                    charged[int(earlier)][int(institution)] += cents
        today = {run.period_id: _inputs_of(run.period) for run in runs if run.period is not None}
        found = {}
        for run in runs:
            inputs = today[run.period_id] | {"total_cents": run.inputs["total_cents"]}
            try:
                parts = _divide(run.method, inputs, run.tariff_cents)
            except RosterRefused:
                # Nobody shares that period's costs any more; what was charged stands.
                continue
            owed: Counter[int] = Counter()
            for (institution, _kind), cents in parts.items():
                owed[institution] += cents
            owed.subtract(charged[run.pk])
            if differences := {who: cents for who, cents in owed.items() if cents}:
                found[run.pk] = differences
        return found


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


def _inputs_of(period: RosterPeriod) -> dict[str, Any]:
    """Every number that a division of a period's costs depends on, as JSON keeps it.

    "weights": the minutes that each institution (by id) should bear; "balances": what the ledger
    says, in minutes; "names" for who reads it later.
    """
    # Who was shut out since still had a part; else others would pay for it afterwards.
    keys = keys_of(period, with_closed=True)
    need = sum(one.minutes for one in needs_of(period))
    try:
        weights = fairness.shares(need, keys, period.first_date, period.last_date)
    except ValueError:  # nobody with a share takes part in these days
        weights = {}
    balances = period.ledger.all().balances()
    names = Institution.objects.filter(pk__in={*weights, *balances}).values_list("pk", "name")
    return {
        "first_date": str(period.first_date),
        "last_date": str(period.last_date),
        "need": need,
        "weights": {str(party): minutes for party, minutes in sorted(weights.items())},
        "balances": {str(party): minutes for party, minutes in sorted(balances.items())},
        "names": {str(party): name for party, name in names},
    }


def _divide(
    method: str, inputs: dict[str, Any], tariff_cents: int | None
) -> Counter[tuple[int, str]]:
    """Return the cents of each institution and kind of line."""
    total, tariff = inputs["total_cents"], tariff_cents or 0
    weights = {int(party): minutes for party, minutes in inputs["weights"].items()}
    short = {int(party): -minutes for party, minutes in inputs["balances"].items()}
    if method != CostRun.Method.SHORTFALL and not any(weights.values()):
        raise RosterRefused("no_key")
    if method == CostRun.Method.KEY:
        lines = fairness.costs_by_key(total, weights)
    elif method == CostRun.Method.SHORTFALL:
        lines = fairness.costs_by_shortfall(short, tariff)
    else:
        lines = fairness.costs_mixed(total, weights, short, tariff)
    parts: Counter[tuple[int, str]] = Counter()
    for line in lines:
        parts[line.party, line.kind.value] += line.cents
    return parts
