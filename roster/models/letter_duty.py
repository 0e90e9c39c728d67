"""Whose week it is to answer the letters that belong to no institution by themselves.

A letter of a young person from the region of an institution is that institution's. All others go, by
the week in which they come, to the institution on letter duty. Weeks are dealt by the share key of
their period, one at a time, and what everybody still has coming is carried on from week to week.
"""

from datetime import date, datetime, timedelta
from fractions import Fraction

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone

from institutions.models import Institution, Membership, User
from roster import fairness
from roster.models.acting import record, require_planner
from roster.models.ledger import keys_of, needs_of
from roster.models.line import ServiceLine
from roster.models.moves import RosterRefused
from roster.models.periods import RosterPeriod

# So many weeks are dealt ahead, the present one included.
WEEKS_AHEAD = 13


def monday_of(day: date) -> date:
    return day - timedelta(days=day.weekday())


class LetterDuty(models.Model):
    """The institution that answers the letters of one week of a line, from Monday to Sunday.

    `weights` are the shares (by institution) with which this week was dealt, so that what everybody
    has coming can be counted from these rows alone; a week that somebody gave to another institution
    counts for the one that has it. `given_by` None: dealt by the share key.
    """

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="letter_duties")
    week = models.DateField(help_text="Its Monday.")
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, related_name="letter_duties"
    )
    weights = models.JSONField()
    given_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["week", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["line", "week"], name="one_letter_duty_a_week"),
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.week}: {self.institution}"

    @property
    def last_day(self) -> date:
        return self.week + timedelta(days=6)

    # --- Verbs -----------------------------------------------------------------------------------

    @classmethod
    def on(cls, line: ServiceLine, now: datetime) -> Institution | None:
        """Who has letter duty at this moment; None only when no institution has a worker.

        An institution that was shut out or has no workers left is passed over at once.
        """
        week = monday_of(line.today(now))
        duty = cls.objects.filter(line=line, week=week).select_related("institution").first()
        if duty and able_to_answer(week).filter(pk=duty.institution_id).exists():
            return duty.institution
        cls.deal(line, week, weeks=1)
        duty = cls.objects.filter(line=line, week=week).select_related("institution").first()
        return duty.institution if duty else None

    @classmethod
    def deal(cls, line: ServiceLine, first: date, *, weeks: int = WEEKS_AHEAD) -> int:
        """Deal the weeks from this Monday on that nobody has, or nobody who can; return how many."""
        dealt = 0
        with transaction.atomic():
            # Two at once would both carry on from the same week.
            ServiceLine.objects.select_for_update(no_key=True).get(pk=line.pk)
            for number in range(weeks):
                week = first + timedelta(weeks=number)
                weights = weights_of(line, week)
                if not weights:
                    continue
                known = cls.objects.filter(line=line, week=week)
                if known.filter(institution__in=able_to_answer(week)).exists():
                    continue
                known.delete()
                cls.objects.create(
                    line=line,
                    week=week,
                    institution_id=fairness.turn(weights, cls.claims(line, week)),
                    weights={str(party): weight for party, weight in sorted(weights.items())},
                )
                dealt += 1
        return dealt

    @classmethod
    def deal_again(cls, line: ServiceLine, by: User, *, now: datetime | None = None) -> int:
        """Deal the weeks to come anew, but for those that somebody gave away; return how many.

        Raises RosterRefused: not_yours.
        """
        require_planner(by)
        first = monday_of(line.today(now or timezone.now())) + timedelta(weeks=1)
        with transaction.atomic():
            ServiceLine.objects.select_for_update(no_key=True).get(pk=line.pk)
            cls.objects.filter(line=line, week__gte=first, given_by=None).delete()
            return cls.deal(line, first, weeks=WEEKS_AHEAD - 1)

    def give(self, institution: Institution, by: User, *, now: datetime | None = None) -> None:
        """Give the week to another institution; letters that came already stay where they are.

        Raises RosterRefused: not_yours, past (the week is over), outside (it has no workers).
        """
        require_planner(by)
        now = now or timezone.now()
        if self.last_day < self.line.today(now):
            raise RosterRefused("past")
        if not able_to_answer(self.week).filter(pk=institution.pk).exists():
            raise RosterRefused("outside")
        with transaction.atomic():
            LetterDuty.objects.filter(pk=self.pk).update(
                institution=institution, given_by=by, at=now
            )
            record(by, "letter_duty", self.week, person=None, institution=institution)
        self.refresh_from_db()

    # --- Counting --------------------------------------------------------------------------------

    @classmethod
    def claims(cls, line: ServiceLine, before: date) -> dict[int, Fraction]:
        """What each institution (by id) has coming in weeks, after all weeks before this one."""
        rows = cls.objects.filter(line=line, week__lt=before).values_list("weights", "institution")
        return fairness.claims(
            ({int(party): weight for party, weight in weights.items()}, taken)
            for weights, taken in rows
        )


def able_to_answer(week: date) -> "models.QuerySet[Institution]":
    """The institutions that take part in this week and have somebody who can answer."""
    employers = Membership.objects.active().workers().values("institution")
    return Institution.objects.active_on(week).filter(pk__in=employers)


def weights_of(line: ServiceLine, week: date) -> dict[int, int]:
    """The share of each institution (by id) in the letters of a week.

    By the key of the period that holds its Monday, as far as they take part in that week; without
    a period or a key everybody bears the same.
    """
    able = set(able_to_answer(week).values_list("pk", flat=True))
    period = RosterPeriod.objects.on(week).filter(line=line).first()
    if period:
        keys = {party: key for party, key in keys_of(period).items() if party in able}
        need = sum(one.minutes for one in needs_of(period)) or 10_000
        if any(key.weight or key.minutes for key in keys.values()):
            try:
                found = fairness.shares(need, keys, week, week + timedelta(days=6))
            except ValueError:
                found = {}
            if weights := {party: part for party, part in found.items() if part}:
                return weights
    return dict.fromkeys(able, 1)
