"""What the roster knows of a worker: what they can do, when they can, what they would like.

Personal: only the worker, the coordinators of their institutions and those of the platform may
read it. Nothing here says why.
"""

from collections.abc import Collection
from datetime import date, datetime, time
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import F, Q
from django.utils.translation import gettext_lazy as _

from institutions.models import User
from roster.models.line import ServiceLine, is_zone
from roster.models.moves import RosterRefused

if TYPE_CHECKING:
    from institutions.access import Staff


# More than this of a kind is a mistake, and would make every page of candidates slow.
MOST = 100


def personal(staff: "Staff") -> Q:
    """The condition on `worker` for what only they and their coordinators may read."""
    return Q(worker=staff.user) | Q(worker__in=User.objects.coordinated_by(staff))


class Qualification(models.Model):
    """What a worker may do in an hour. Written by coordinators.

    Who has none is an ordinary duty worker, so nobody has to be registered before the first duty;
    ask through `of`, which knows that.
    """

    class Kind(models.TextChoices):
        DUTY = "duty", _("hulpverlener")
        TRAINEE = "trainee", _("in opleiding")
        BACKUP = "backup", _("achterwacht")

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="qualifications"
    )
    kind = models.CharField(max_length=8, choices=Kind.choices)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["user", "kind"], name="one_qualification_of_a_kind"),
        ]

    def __str__(self) -> str:
        return f"{self.user} · {self.get_kind_display()}"

    @classmethod
    def of(cls, workers: Collection[int]) -> dict[int, frozenset[str]]:
        """Return the kinds of each of these workers, at least one; one query."""
        kinds: dict[int, set[str]] = {worker: set() for worker in workers}
        for user, kind in cls.objects.filter(user__in=workers).values_list("user_id", "kind"):
            kinds[user].add(kind)
        return {worker: frozenset(some or {cls.Kind.DUTY}) for worker, some in kinds.items()}

    @classmethod
    def give(cls, worker: User, kinds: Collection[str], by: User, today: date) -> bool:
        """Let a worker have these kinds from now on; False: they had them. Duties to come stay.

        `by` coordinates an institution of theirs, or the platform. Raises RosterRefused: not_yours.
        """
        from roster.models.acting import record
        from roster.models.fitness import coordinates_one

        theirs = list(worker.memberships.active().workers().order_by("institution"))
        known = [one.institution_id for one in theirs if one.institution_id is not None]
        if not coordinates_one(by, *known):
            raise RosterRefused("not_yours")
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=worker.pk)
            if cls.of([worker.pk])[worker.pk] == frozenset(kinds or {cls.Kind.DUTY}):
                return False
            cls.objects.filter(user=worker).delete()
            for kind in sorted(set(kinds)):
                cls.objects.create(user=worker, kind=kind)
            record(by, "qualified", today, person=worker, institution=theirs[0].institution)
        return True


class WorkerWishesQuerySet(models.QuerySet["WorkerWishes"]):
    def visible_to(self, staff: "Staff") -> "WorkerWishesQuerySet":
        return self.filter(personal(staff))


class WorkerWishes(models.Model):
    """How much a worker would like to do. Written by the worker; weighs, never forbids.

    Numbers are duties; a week runs from Monday. Empty is no wish.
    """

    worker = models.OneToOneField(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="wishes"
    )
    max_per_week = models.PositiveSmallIntegerField(null=True, blank=True)
    min_per_period = models.PositiveSmallIntegerField(null=True, blank=True)
    max_per_period = models.PositiveSmallIntegerField(null=True, blank=True)
    preferred_line = models.ForeignKey(
        ServiceLine, on_delete=models.SET_NULL, null=True, blank=True, related_name="+"
    )

    objects = WorkerWishesQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(min_per_period__isnull=True)
                | Q(max_per_period__isnull=True)
                | Q(min_per_period__lte=F("max_per_period")),
                name="wishes_min_max",
            ),
        ]

    def __str__(self) -> str:
        return f"wishes of {self.worker}"


class AvailabilityQuerySet(models.QuerySet["Availability"]):
    def visible_to(self, staff: "Staff") -> "AvailabilityQuerySet":
        return self.filter(personal(staff))

    def still_holding(self, now: datetime, today: date) -> "AvailabilityQuerySet":
        """Those that say something about now or later."""
        return self.filter(
            Q(end__gt=now)
            | Q(weekday__isnull=False, valid_until__isnull=True)
            | Q(weekday__isnull=False, valid_until__gte=today)
        )

    def spans(self, start: datetime, end: datetime) -> "AvailabilityQuerySet":
        """The single spans that overlap [start, end)."""
        return self.filter(start__lt=end, end__gt=start)

    def weekly(self, first: date, last: date) -> "AvailabilityQuerySet":
        """The weekly patterns that hold on some day from `first` to `last`, both included."""
        return self.filter(
            Q(valid_from__isnull=True) | Q(valid_from__lte=last),
            Q(valid_until__isnull=True) | Q(valid_until__gte=first),
            weekday__isnull=False,
        )


class Availability(models.Model):
    """When a worker can, cannot, or would like to be on duty. Written by the worker.

    Either one span (`start`, `end`: UTC, half-open) or a weekly pattern: a weekday (Monday is 0)
    with wall times in `tz`, from `valid_from` to `valid_until`, both included, both may be empty.
    An end at or before the start is on the next day, so 00:00 to 00:00 is the whole day.
    """

    class Kind(models.TextChoices):
        UNAVAILABLE = "unavailable", _("kan niet")
        POSSIBLE = "possible", _("kan")
        PREFERRED = "preferred", _("graag")

    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="availabilities"
    )
    kind = models.CharField(max_length=11, choices=Kind.choices)
    start = models.DateTimeField(null=True, blank=True)
    end = models.DateTimeField(null=True, blank=True)
    weekday = models.PositiveSmallIntegerField(null=True, blank=True)
    local_start = models.TimeField(null=True, blank=True)
    local_end = models.TimeField(null=True, blank=True)
    tz = models.CharField(max_length=40, default="Europe/Amsterdam", validators=[is_zone])
    valid_from = models.DateField(null=True, blank=True)
    valid_until = models.DateField(null=True, blank=True)

    objects = AvailabilityQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["worker", "start"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(
                    start__isnull=False,
                    end__isnull=False,
                    weekday__isnull=True,
                    local_start__isnull=True,
                    local_end__isnull=True,
                    valid_from__isnull=True,
                    valid_until__isnull=True,
                )
                | Q(
                    start__isnull=True,
                    end__isnull=True,
                    weekday__isnull=False,
                    local_start__isnull=False,
                    local_end__isnull=False,
                ),
                name="availability_span_or_weekly",
            ),
            models.CheckConstraint(
                condition=Q(start__isnull=True) | Q(end__gt=F("start")),
                name="availability_ends_after_start",
            ),
            models.CheckConstraint(
                condition=Q(weekday__isnull=True) | Q(weekday__lte=6),
                name="availability_weekday",
            ),
            models.CheckConstraint(
                condition=Q(valid_from__isnull=True)
                | Q(valid_until__isnull=True)
                | Q(valid_until__gte=F("valid_from")),
                name="availability_valid_in_order",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} {self.kind}"

    @property
    def is_whole_day(self) -> bool:
        """Of a weekly pattern: from midnight to midnight."""
        return self.local_start == self.local_end == time()

    @classmethod
    def add_weekly(
        cls,
        worker: User,
        kind: str,
        weekdays: Collection[int],
        local_start: time,
        local_end: time,
        *,
        tz: str,
        valid_from: date | None = None,
        valid_until: date | None = None,
    ) -> int:
        """Say the same of each of these weekdays; return how many were new. Refuses: too_many."""
        with transaction.atomic():
            cls._leave_room_for(worker, len(weekdays))
            made = [
                cls.objects.get_or_create(
                    worker=worker,
                    kind=kind,
                    weekday=weekday,
                    local_start=local_start,
                    local_end=local_end,
                    tz=tz,
                    valid_from=valid_from,
                    valid_until=valid_until,
                )[1]
                for weekday in sorted(weekdays)
            ]
        return sum(made)

    @classmethod
    def add_span(cls, worker: User, kind: str, start: datetime, end: datetime) -> "Availability":
        """Say something about one stretch of time. Refuses: too_many."""
        with transaction.atomic():
            cls._leave_room_for(worker, 1)
            span, _is_new = cls.objects.get_or_create(
                worker=worker, kind=kind, start=start, end=end
            )
        return span

    @classmethod
    def _leave_room_for(cls, worker: User, count: int) -> None:
        if cls.objects.filter(worker=worker).count() + count > MOST:
            raise RosterRefused("too_many")


class AbsenceQuerySet(models.QuerySet["Absence"]):
    def visible_to(self, staff: "Staff") -> "AbsenceQuerySet":
        return self.filter(personal(staff))

    def between(self, first: date, last: date) -> "AbsenceQuerySet":
        """Those that touch a day from `first` to `last`, both included."""
        return self.filter(first_date__lte=last, last_date__gte=first)


class Absence(models.Model):
    """Days on which a worker is not there, leave or otherwise: it has no place for a reason.

    Written by the worker or a coordinator for them. Dates are compared with an hour's
    `local_date`; the last one is included.
    """

    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="absences"
    )
    first_date = models.DateField()
    last_date = models.DateField(help_text="Included.")

    objects = AbsenceQuerySet.as_manager()

    class Meta:
        ordering = ["first_date", "pk"]
        indexes = [models.Index(fields=["worker", "first_date"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(last_date__gte=F("first_date")), name="absence_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} {self.first_date} to {self.last_date}"

    @classmethod
    def add(cls, worker: User, first_date: date, last_date: date) -> "Absence":
        """Be away on these days, both included. Duties stay as they are. Refuses: too_many."""
        with transaction.atomic():
            if cls.objects.filter(worker=worker).count() >= MOST:
                raise RosterRefused("too_many")
            absence, _is_new = cls.objects.get_or_create(
                worker=worker, first_date=first_date, last_date=last_date
            )
        return absence
