"""A stretch of the calendar that is planned, published and settled as one."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster.models.acting import require_planner
from roster.models.duties import Duty
from roster.models.line import ServiceLine
from roster.models.moves import Moving, RosterRefused, StateChange
from roster.news import News, Span, What, signup_opened, tell

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

    def holds(self, day: date) -> bool:
        return self.first_date <= day <= self.last_date

    @property
    def is_public(self) -> bool:
        return self.state in self.PUBLIC

    # --- Making one ------------------------------------------------------------------------------

    @classmethod
    def plan(
        cls,
        line: ServiceLine,
        first_date: date,
        last_date: date,
        by: User,
        *,
        free_for_all_days: int = 14,
        now: datetime | None = None,
    ) -> "RosterPeriod":
        """Make a draft and the hours in it that the rules ask for.

        Hours to come that were in no period are in it from now on, so they are not public before
        it is published. Raises RosterRefused: not_yours, dates (ends before it starts), past (it is
        over), shared (another period of the line holds one of its days).
        """
        require_planner(by)
        now = now or timezone.now()
        if last_date < first_date:
            raise RosterRefused("dates")
        if last_date < line.today(now):
            raise RosterRefused("past")
        with transaction.atomic():
            try:
                with transaction.atomic():
                    period = cls.objects.create(
                        line=line,
                        first_date=first_date,
                        last_date=last_date,
                        free_for_all_days=free_for_all_days,
                        created_at=now,
                    )
            except IntegrityError:
                raise RosterRefused("shared") from None
            period.adopt(now)
            period.generate(now)
        return period

    def adopt(self, now: datetime) -> int:
        """Take in the hours to come on its days that are in no period; return how many."""
        days = (self.first_date, self.last_date)
        loose = self.line.hours.filter(period=None, local_date__range=days, start__gt=now)
        return loose.update(period=self)

    def generate(self, now: datetime) -> int:
        """Make the hours of all rules on its days from today that are missing; return how many."""
        first = max(self.first_date, self.line.today(now))
        return sum(
            rule.generate(first, self.last_date)
            for rule in self.line.rules.filter(valid_from__lte=self.last_date)
        )

    # --- Its states ------------------------------------------------------------------------------

    def open_signup(self, by: User) -> None:
        """Let workers take seats themselves. Who may is told so by one mail, the first time.

        Raises RosterRefused: not_yours, wrong_state, changed.
        """
        require_planner(by)
        with transaction.atomic():
            self._move(self.State.SIGNUP, by=by)
            signup_opened(self)

    def reopen_draft(self, by: User) -> None:
        """End the sign-up for now; who took a seat keeps it.

        Raises RosterRefused: not_yours, wrong_state, changed.
        """
        require_planner(by)
        self._move(self.State.DRAFT, by=by)

    def propose(self, by: User) -> None:
        """A proposal was applied: only coordinators change it until it is published.

        Raises RosterRefused: not_yours, wrong_state, changed.
        """
        require_planner(by)
        self._move(self.State.PROPOSED, by=by)

    def publish(self, by: User, *, now: datetime | None = None) -> "RosterVersion":
        """Make the plan public, and tell each person once what it means for them.

        The first time that is every duty to come. Published again, also while it runs: what a
        proposal changed since; other verbs told people when they changed something. When nothing
        changed there is no new version and no mail: the last version is returned.
        Raises RosterRefused: not_yours, wrong_state (closed), changed.
        """
        require_planner(by)
        now = now or timezone.now()
        with transaction.atomic():
            if self.is_public:
                RosterPeriod.objects.select_for_update(no_key=True).get(pk=self.pk)
                self.refresh_from_db()
                if self.state not in (self.State.PUBLISHED, self.State.RUNNING):
                    raise RosterRefused("wrong_state")
            else:
                self._move(self.State.PUBLISHED, by=by, now=now, published_at=now)
            self.adopt(now)
            last = self.versions.last()
            snapshot = self._snapshot()
            if last and last.snapshot == snapshot:
                return last
            news = self.news(now)
            version = RosterVersion.objects.create(
                period=self,
                number=last.number + 1 if last else 1,
                snapshot=snapshot,
                published_at=now,
                author=by,
            )
            kind = "republished" if last else "published"
            tell(news, kind, f"period:{self.pk}:{version.number}")
        return version

    def news(self, now: datetime | None = None) -> list[News]:
        """What publishing now would tell, one item for each duty: `worker` is to whom.

        What a worker or a coordinator did to a duty of a public plan was told when they did it.
        """
        now = now or timezone.now()
        last = self.versions.last()
        known = {item["duty"] for item in last.snapshot} if last else set()
        duties = (
            Duty.objects.filter(hour__period=self, hour__status="planned", end__gt=now)
            .select_related("worker", "hour")
            .order_by("start", "pk")
        )
        added = duties.active().exclude(pk__in=known)
        if last is None:
            return [News(duty.worker, What.ADDED, new=_span(duty)) for duty in added]
        applied = self.proposals.filter(state="applied", applied_at__gte=last.published_at)
        taken = set(applied.values_list("lines__seat", "lines__previous_worker"))
        lost = duties.filter(pk__in=known, status=Duty.Status.RELEASED)
        return [
            *(
                News(duty.worker, What.NEW, new=_span(duty))
                for duty in added.filter(source=Duty.Source.PROPOSAL)
            ),
            *(
                News(duty.worker, What.REMOVED, old=_span(duty))
                for duty in lost
                if (duty.seat_id, duty.worker_id) in taken
            ),
        ]

    def _snapshot(self) -> list[dict[str, Any]]:
        duties = Duty.objects.active().filter(hour__period=self, hour__status="planned")
        return [
            {
                "duty": duty.pk,
                "uid": duty.uid,
                "hour": duty.hour_id,
                "seat": duty.seat_id,
                "worker": duty.worker_id,
                "institution": duty.credited_to_id,
                "start": duty.start.astimezone(UTC).isoformat(),
                "end": duty.end.astimezone(UTC).isoformat(),
            }
            for duty in duties.order_by("start", "pk")
        ]

    def run(self, by: User | None = None, *, now: datetime | None = None) -> None:
        """Its first day has come. `by` None is the clock.

        Raises RosterRefused: not_yours, too_early, wrong_state, changed.
        """
        now = now or timezone.now()
        if by is not None:
            require_planner(by)
        if self.line.today(now) < self.first_date:
            raise RosterRefused("too_early")
        self._move(self.State.RUNNING, by=by, now=now)

    def close(self, by: User | None = None, *, now: datetime | None = None) -> None:
        """Its last day and its last hour are over. `by` None is the clock.

        Raises RosterRefused: not_yours, too_early, wrong_state, changed.
        """
        now = now or timezone.now()
        if by is not None:
            require_planner(by)
        goes_on = self.hours.filter(end__gt=now, status="planned").exists()
        if goes_on or self.line.today(now) <= self.last_date:
            raise RosterRefused("too_early")
        self._move(self.State.CLOSED, by=by, now=now)

    def settle(self, by: User, *, now: datetime | None = None) -> None:
        """The hours are counted and agreed: the period is history, and nothing is posted to it.

        Raises RosterRefused: not_yours, wrong_state, unmeasured (the clock still has to count some
        duties), claims (a correction waits for a coordinator), changed.
        """
        require_planner(by)
        duties = Duty.objects.filter(hour__period=self)
        if duties.active().filter(hours_entry=None).exists():
            raise RosterRefused("unmeasured")
        if duties.filter(hours_entry__state="claimed").exists():
            raise RosterRefused("claims")
        with transaction.atomic():
            self._charge_what_is_left()
            self._move(self.State.SETTLED, by=by, now=now)

    def _charge_what_is_left(self) -> None:
        """Post what is owed of hours that the clock did not come to yet; later it may not."""
        from roster.models.ledger import LedgerEntry
        from roster.models.worked import HoursEntry

        if not self.shares.exists():
            return
        posted = LedgerEntry.objects.filter(period=self, kind=LedgerEntry.Kind.OBLIGATION)
        charged = set(posted.values_list("source", flat=True))
        for hour in self.hours.planned().order_by("start", "pk"):
            if f"hour:{hour.pk}" not in charged:
                HoursEntry.settle(hour)


def _span(duty: Duty) -> Span:
    return Span(duty.start, duty.end, duty.hour.tz)


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

    @classmethod
    def agree(cls, period: RosterPeriod, by: User, parts: Mapping[int, Mapping[str, Any]]) -> None:
        """Write the whole key of a period: by institution, its weight or minutes and its days.

        Who is not named owes nothing. Raises RosterRefused: not_yours, wrong_state (it is over).
        """
        require_planner(by)
        with transaction.atomic():
            period = RosterPeriod.objects.select_for_update().get(pk=period.pk)
            if period.state in (RosterPeriod.State.CLOSED, RosterPeriod.State.SETTLED):
                raise RosterRefused("wrong_state")
            period.shares.exclude(institution__in=parts).delete()
            for institution, part in parts.items():
                cls.objects.update_or_create(
                    period=period, institution_id=institution, defaults=dict(part)
                )
