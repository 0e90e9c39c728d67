"""The seats of an hour: which institution owes each, and how that goes from one to another."""

from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.utils import timezone

from institutions.models import Institution, User
from roster.models.acting import coordinators_of, record
from roster.models.moves import RosterRefused
from roster.models.people import Qualification
from roster.news import seat_given, seat_kept, seat_offered

if TYPE_CHECKING:
    from institutions.access import Staff
    from roster.models.hours import ConsultationHour


class SeatQuerySet(models.QuerySet["Seat"]):
    def free(self) -> "SeatQuerySet":
        """Seats in which nobody has an active duty, not even for a part."""
        from roster.models.duties import Duty

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
    offered_to = models.ForeignKey(
        Institution,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Asked to owe it from now on; only a coordinator of theirs says yes.",
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

    def give_to(
        self,
        institution: Institution | None,
        by: User,
        staff: "Staff",
        *,
        now: datetime | None = None,
    ) -> None:
        """Let another institution owe this seat, or nobody (free for all), while it is empty.

        `staff`: the rights of `by`, who coordinates the institution that takes it over, or gives
        an own one to nobody; the platform's coordinator may do all. To give it to one other
        institution is to `offer` it. The other coordinators of both are told. Balances do not
        change by it: they follow the shares.
        Raises RosterRefused: not_yours, began, cancelled, inactive (the institution takes no part
        on that day), occupied (somebody is on duty), changed.
        """
        now = now or timezone.now()
        # Nobody gets a burden by another's hand.
        bears = institution.pk if institution else self.owed_by_id
        if not staff.is_platform_coordinator and bears not in staff.coordinator_of:
            raise RosterRefused("not_yours")
        with transaction.atomic():
            hour = self._movable(institution, now)
            unchanged = Seat.objects.filter(pk=self.pk, owed_by=self.owed_by_id)
            if not unchanged.update(owed_by=institution, offered_to=None):
                raise RosterRefused("changed")
            old = self.owed_by
            if old != institution:
                record(by, "given", hour.local_date, person=None, institution=old or institution)
                seat_given(self._others(by, old, institution), self, hour, old, institution, now)
        self.refresh_from_db()

    def offer(
        self, institution: Institution, by: User, staff: "Staff", *, now: datetime | None = None
    ) -> None:
        """Ask another institution to owe this empty seat; until it says yes, nothing changes.

        `staff`: the rights of `by`, a coordinator of who owes it. The coordinators there are
        asked by mail: they take it with `give_to`, or say no with `decline`.
        Raises RosterRefused: not_yours, same (they owe it already, or were asked), and what
        `give_to` refuses.
        """
        now = now or timezone.now()
        if not self._is_owed_to(staff):
            raise RosterRefused("not_yours")
        with transaction.atomic():
            hour = self._movable(institution, now)
            if institution.pk in (self.owed_by_id, self.offered_to_id):
                raise RosterRefused("same")
            unchanged = Seat.objects.filter(pk=self.pk, owed_by=self.owed_by_id)
            if not unchanged.update(offered_to=institution):
                raise RosterRefused("changed")
            record(by, "offered", hour.local_date, person=None, institution=institution)
            seat_offered(coordinators_of([institution.pk]), self, hour, self.owed_by, now)
        self.refresh_from_db()

    def decline(self, by: User, staff: "Staff", *, now: datetime | None = None) -> None:
        """End the question, for who is asked and who asked alike; the other side is told.

        Raises RosterRefused: not_yours, wrong_state (nobody is asked, any more).
        """
        now = now or timezone.now()
        asked = self.offered_to
        is_asked = asked is not None and asked.pk in staff.coordinator_of
        if not is_asked and not self._is_owed_to(staff):
            raise RosterRefused("not_yours")
        with transaction.atomic():
            unchanged = Seat.objects.filter(pk=self.pk, owed_by=self.owed_by_id)
            if asked is None or not unchanged.filter(offered_to=asked).update(offered_to=None):
                raise RosterRefused("wrong_state")
            others = self._others(by, asked if not is_asked else None, self.owed_by)
            seat_kept(others, self, self.hour, self.owed_by, now)
        self.refresh_from_db()

    def _is_owed_to(self, staff: "Staff") -> bool:
        return self.owed_by_id is not None and (
            staff.is_platform_coordinator or self.owed_by_id in staff.coordinator_of
        )

    def _movable(self, institution: Institution | None, now: datetime) -> "ConsultationHour":
        """Lock the hour; raises RosterRefused when who owes this seat cannot change."""
        from roster.models.duties import Duty

        hours = type(self.hour).objects.select_for_update(of=("self",)).select_related("line")
        hour = hours.get(pk=self.hour_id)
        if hour.start <= now:
            raise RosterRefused("began")
        if hour.status == hour.Status.CANCELLED:
            raise RosterRefused("cancelled")
        active = Institution.objects.active_on(hour.local_date)
        if institution and not active.filter(pk=institution.pk).exists():
            raise RosterRefused("inactive")
        if Duty.objects.active().filter(seat=self.pk).exists():
            raise RosterRefused("occupied")
        return hour

    @staticmethod
    def _others(by: User, *institutions: Institution | None) -> list[User]:
        parties = {one.pk for one in institutions if one}
        return [one for one in coordinators_of(parties) if one.pk != by.pk]
