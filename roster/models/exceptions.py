"""Days that differ from the rules. Dates are those of the line's wall calendar, the last included."""

from dataclasses import replace
from datetime import date, datetime
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import MaxValueValidator
from django.db import models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster.models import changing
from roster.models.acting import require_planner
from roster.models.hours import ConsultationHour
from roster.models.line import ServiceLine
from roster.models.moves import RosterRefused
from roster.models.rules import HoursRule, Wanted, conform, remove
from roster.models.staffing import is_mix
from roster.news import News, tell
from roster.time import days


class DateExceptionQuerySet(models.QuerySet["DateException"]):
    def confirmed(self) -> "DateExceptionQuerySet":
        return self.filter(state=DateException.State.CONFIRMED)

    def suggested(self) -> "DateExceptionQuerySet":
        return self.filter(state=DateException.State.SUGGESTED)

    def between(self, first: date, last: date) -> "DateExceptionQuerySet":
        """Those that touch a day from `first` to `last`, both included."""
        return self.filter(first_date__lte=last, last_date__gte=first)


class DateException(models.Model):
    """Days that differ from the rules: closed, other times or staffing, or an extra hour.

    Written by coordinators of the platform, and by the import of holidays as a suggestion. Only a
    confirmed one changes anything, and it changes rows of hours once, when it is confirmed: what
    a person changes in them afterwards stays.
    """

    class Kind(models.TextChoices):
        CLOSED = "closed", _("dicht")
        CHANGED = "changed", _("anders")
        EXTRA = "extra", _("extra spreekuur")

    class Source(models.TextChoices):
        MANUAL = "manual", _("met de hand")
        HOLIDAYS = "holidays", _("feestdagen en vakanties")

    class State(models.TextChoices):
        SUGGESTED = "suggested", _("voorstel")
        CONFIRMED = "confirmed", _("bevestigd")
        DISMISSED = "dismissed", _("niet overgenomen")

    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="exceptions")
    rule = models.ForeignKey(
        HoursRule,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="exceptions",
        help_text="Only the hours of this rule; empty: all hours of the line.",
    )
    kind = models.CharField(max_length=8, choices=Kind.choices, default=Kind.CLOSED)
    first_date = models.DateField()
    last_date = models.DateField(help_text="Included.")
    local_start = models.TimeField(null=True, blank=True)
    local_end = models.TimeField(
        null=True, blank=True, help_text="At or before the start: on the next day."
    )
    min_staff = models.PositiveSmallIntegerField(null=True, blank=True)
    target_staff = models.PositiveSmallIntegerField(null=True, blank=True)
    max_staff = models.PositiveSmallIntegerField(
        null=True, blank=True, validators=[MaxValueValidator(60)]
    )
    mix = models.JSONField(null=True, blank=True, validators=[is_mix])
    public_reason = models.CharField(max_length=200, blank=True)
    source = models.CharField(max_length=8, choices=Source.choices, default=Source.MANUAL)
    name = models.CharField(max_length=80, blank=True, help_text="Of the holiday.")
    region = models.CharField(
        max_length=6,
        choices=Institution.SchoolRegion.choices,
        blank=True,
        help_text="Of a school holiday; empty: the whole country.",
    )
    state = models.CharField(max_length=9, choices=State.choices, default=State.SUGGESTED)
    author = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Who confirmed or dismissed it; empty as long as nobody did.",
    )
    created_at = models.DateTimeField(default=timezone.now)

    objects = DateExceptionQuerySet.as_manager()

    class Meta:
        ordering = ["first_date", "pk"]
        indexes = [models.Index(fields=["line", "first_date"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_date__gte=F("first_date")), name="exception_ends_after_start"
            ),
            models.CheckConstraint(
                condition=Q(local_start__isnull=True, local_end__isnull=True)
                | Q(local_start__isnull=False, local_end__isnull=False),
                name="exception_has_both_times",
            ),
            models.CheckConstraint(
                condition=Q(
                    min_staff__isnull=True, target_staff__isnull=True, max_staff__isnull=True
                )
                | Q(
                    min_staff__gte=1,
                    min_staff__lte=F("target_staff"),
                    target_staff__lte=F("max_staff"),
                    min_staff__isnull=False,
                    target_staff__isnull=False,
                    max_staff__isnull=False,
                ),
                name="exception_min_target_max",
            ),
            models.CheckConstraint(
                condition=~Q(kind="closed") | Q(local_start__isnull=True, min_staff__isnull=True),
                name="closed_has_no_times",
            ),
            models.CheckConstraint(
                condition=~Q(kind="extra") | Q(local_start__isnull=False, min_staff__isnull=False),
                name="extra_has_times_and_staff",
            ),
            models.CheckConstraint(
                condition=~Q(kind="changed", state="confirmed")
                | Q(local_start__isnull=False)
                | Q(min_staff__isnull=False)
                | Q(mix__isnull=False),
                name="changed_changes_something",
            ),
            models.CheckConstraint(
                condition=Q(state="suggested") | Q(author__isnull=False),
                name="exception_has_an_author",
            ),
            # So the import may run again, and does not bring back what was dismissed.
            models.UniqueConstraint(
                fields=["line", "first_date", "name", "region"],
                condition=Q(source="holidays"),
                name="one_suggestion_per_holiday",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.line} {self.kind} {self.first_date} to {self.last_date}"

    def clean(self) -> None:
        super().clean()
        if self.kind == self.Kind.EXTRA and self.rule_id:
            raise ValidationError({"rule": _("Een extra spreekuur hoort niet bij een vaste tijd.")})

    def touches(self, rule: HoursRule, day: date) -> bool:
        """Whether it says something about the hour of a rule on a day."""
        return (
            self.kind != self.Kind.EXTRA
            and self.first_date <= day <= self.last_date
            and self.rule_id in (None, rule.pk)
        )

    def applied_to(self, wanted: Wanted) -> Wanted:
        """What is wanted of a day that it touches."""
        if self.kind == self.Kind.CLOSED:
            return replace(wanted, is_closed=True, reason=self.public_reason)
        changes: dict[str, Any] = {"is_closed": False, "reason": ""}
        if self.local_start is not None and self.local_end is not None:
            changes |= {"local_start": self.local_start, "local_end": self.local_end}
        return replace(wanted, **changes, staffing={**wanted.staffing, **self._numbers()})

    def _numbers(self) -> dict[str, Any]:
        names = ("min_staff", "target_staff", "max_staff", "mix")
        return {name: getattr(self, name) for name in names if getattr(self, name) is not None}

    # --- The verbs ------------------------------------------------------------------------------

    def confirm(self, by: User, *, now: datetime | None = None) -> int:
        """Let it hold, also one that was dismissed: hours to come change now, later ones obey it.

        Never changes what has begun or was changed by hand. Returns how many hours changed. Raises
        RosterRefused: not_yours, changed (confirmed already), incomplete (says nothing to change).
        """
        now = now or timezone.now()
        if self.kind == self.Kind.CHANGED and self.local_start is None and not self._numbers():
            raise RosterRefused("incomplete")
        return self._decide(by, now, self.State.CONFIRMED, {"suggested", "dismissed"})

    def dismiss(self, by: User) -> None:
        """Leave a suggestion aside; the import does not bring it back.

        Raises RosterRefused: not_yours, changed (no suggestion any more).
        """
        require_planner(by)
        suggested = DateException.objects.suggested().filter(pk=self.pk)
        if not suggested.update(state=self.State.DISMISSED, author=by):
            raise RosterRefused("changed")
        self.refresh_from_db()

    def withdraw(self, by: User, *, now: datetime | None = None) -> int:
        """Let a confirmed one hold no longer: hours to come are again what the rules say.

        Returns how many hours changed. Raises RosterRefused: not_yours, changed (not confirmed).
        """
        return self._decide(by, now or timezone.now(), self.State.DISMISSED, {"confirmed"})

    def _decide(self, by: User, now: datetime, state: str, old: set[str]) -> int:
        require_planner(by)
        with transaction.atomic():
            undecided = DateException.objects.filter(pk=self.pk, state__in=old)
            if not undecided.update(state=state, author=by):
                raise RosterRefused("changed")
            self.refresh_from_db()
            if self.kind == self.Kind.EXTRA:
                changed, news = self._give_or_take_extra(by, now)
            else:
                changed, news = self._conform_hours(by, now)
            # A suggestion may be confirmed, withdrawn and confirmed again: each is told.
            tell(news, "hours_changed", f"exception:{self.pk}:{state}:{now.timestamp():.0f}")
        return changed

    def _conform_hours(self, by: User, now: datetime) -> tuple[int, list[News]]:
        changed, news = 0, []
        hours = ConsultationHour.objects.filter(
            line=self.line,
            rule__isnull=False,
            local_date__range=(self.first_date, self.last_date),
            start__gt=now,
            is_detached=False,
        ).select_related("rule", "line")
        if self.rule_id:
            hours = hours.filter(rule=self.rule_id)
        exceptions = list(self.line.exceptions.confirmed().between(self.first_date, self.last_date))
        changing.lock(hours)
        for hour in hours.order_by("start"):
            if hour.rule is None:
                continue
            version = hour.version
            news += conform(hour, hour.rule.wants(hour.local_date, exceptions), by, now)
            changed += hour.version != version
        return changed, news

    def _give_or_take_extra(self, by: User, now: datetime) -> tuple[int, list[News]]:
        if self.local_start is None or self.local_end is None:
            return 0, []
        # Those that it made itself: outside the rules, and not changed by hand since.
        mine = ConsultationHour.objects.filter(
            line=self.line,
            rule=None,
            is_detached=False,
            local_date__range=(self.first_date, self.last_date),
            local_start=self.local_start,
            local_end=self.local_end,
            start__gt=now,
        )
        if self.state == self.State.DISMISSED:
            changed, news = 0, []
            changing.lock(mine)
            for hour in mine.select_related("line"):
                news += remove(hour, by, now, self.public_reason)
                changed += 1
            return changed, news
        made = 0
        known = set(mine.planned().values_list("local_date", flat=True))
        for day in days(self.first_date, self.last_date):
            hour = ConsultationHour(
                line=self.line,
                period=self.line.periods.on(day).first(),
                local_date=day,
                local_start=self.local_start,
                local_end=self.local_end,
                tz=self.line.tz,
                **self._numbers(),
            )
            start, end = hour._span()
            if day not in known and now < start < end:
                hour.save()
                hour.make_seats()
                made += 1
        return made, []
