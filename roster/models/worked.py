"""What was really worked. Minutes are whole numbers; times are UTC and half-open."""

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Membership, StaffMail, User
from roster.fairness import SlotClass
from roster.hours_mail import APPROVED, CLAIMED, REJECTED, hours_mail
from roster.models.acting import coordinators_of, record
from roster.models.duties import Duty
from roster.models.hours import ConsultationHour
from roster.models.ledger import LedgerEntry
from roster.models.moves import RosterRefused
from roster.models.periods import RosterPeriod
from roster.models.presence import LEASE, Presence
from roster.slots import holidays_of, slot_of

if TYPE_CHECKING:
    from institutions.access import Staff

# Who missed no more than this of a duty (and no more than a sixth of it) was there all the time:
# signing in, a page that was loaded again, a hitch of the network.
CLOSE_ENOUGH = 10
# Nobody claims more than this beyond what was planned; a coordinator may approve a day.
MOST_EXTRA = 4 * 60
DAY = 24 * 60


class DutyPresenceQuerySet(models.QuerySet["DutyPresence"]):
    def running(self) -> "DutyPresenceQuerySet":
        return self.filter(end__isnull=True)

    def overlapping(self, start: datetime, end: datetime) -> "DutyPresenceQuerySet":
        return self.filter(Q(end__isnull=True) | Q(end__gt=start), start__lt=end)


class DutyPresence(models.Model):
    """One stretch in which a worker was at the desk during an hour, in one state.

    Written from the leases of `Presence` by a job only. `duty` is empty for who was there without
    one. A worker has at most one that still runs (`end` empty).
    """

    class State(models.TextChoices):
        READY = "ready", _("beschikbaar")
        BUSY = "busy", _("in gesprek")
        PAUSED = "paused", _("even pauze")

    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="stretches"
    )
    hour = models.ForeignKey(ConsultationHour, on_delete=models.CASCADE, related_name="stretches")
    duty = models.ForeignKey(
        Duty, on_delete=models.PROTECT, null=True, blank=True, related_name="stretches"
    )
    state = models.CharField(max_length=6, choices=State.choices)
    start = models.DateTimeField()
    end = models.DateTimeField(null=True, blank=True)

    objects = DutyPresenceQuerySet.as_manager()

    class Meta:
        ordering = ["start", "pk"]
        indexes = [models.Index(fields=["worker", "start"])]
        constraints = [
            models.CheckConstraint(
                condition=Q(end__isnull=True) | Q(end__gt=F("start")),
                name="stretch_ends_after_start",
            ),
            models.UniqueConstraint(
                fields=["worker"], condition=Q(end__isnull=True), name="one_running_stretch"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.worker} {self.state} from {self.start:%Y-%m-%d %H:%M}"

    @classmethod
    def follow(cls, now: datetime, busy: Collection[int] = ()) -> int:
        """Make the stretches say who is at the desk now, in which hour and how.

        `busy`: the ids of workers in a conversation, which the roster cannot know. A stretch ends
        with its hour, with its duty, or when the lease ran out: that is when it ends, however late
        this runs. Returns how many began or ended; run again at once, it changes nothing.
        """
        running = {
            one.worker_id: one for one in cls.objects.running().select_related("hour", "duty")
        }
        leases = dict(Presence.objects.filter(worker__in=running).values_list("worker", "seen_at"))
        changed = 0
        wanted = cls._wanted(now, busy)
        for worker, stretch in running.items():
            want = wanted.pop(worker, None)
            if want is not None and stretch._is_like(want):
                continue
            if stretch._stop(min(now, leases.get(worker, stretch.start) + LEASE)):
                changed += 1
            if want is not None:
                wanted[worker] = want
        # Another process may have seen the same; a worker has one stretch that runs.
        DutyPresence.objects.bulk_create(wanted.values(), ignore_conflicts=True)
        return changed + len(wanted)

    @classmethod
    def _wanted(cls, now: datetime, busy: Collection[int]) -> dict[int, "DutyPresence"]:
        """The stretch that each worker at a desk should be in; nothing while no hour goes on."""
        hours = list(ConsultationHour.objects.planned().covering(now))
        if not hours:
            return {}
        present = list(Presence.objects.at_the_desk(now))
        duties = {
            duty.worker_id: duty
            for duty in Duty.objects.active().covering(now).filter(hour__in=hours)
        }
        wanted = {}
        for presence in present:
            duty = duties.get(presence.worker_id)
            state = cls.State.READY
            if presence.worker_id in busy:
                state = cls.State.BUSY
            elif presence.state == Presence.State.PAUSED:
                state = cls.State.PAUSED
            wanted[presence.worker_id] = DutyPresence(
                worker_id=presence.worker_id,
                hour_id=duty.hour_id if duty else hours[0].pk,
                duty=duty,
                state=state,
                start=now,
            )
        return wanted

    def _is_like(self, other: "DutyPresence") -> bool:
        return (self.hour_id, self.duty_id, self.state) == (
            other.hour_id,
            other.duty_id,
            other.state,
        )

    def _stop(self, end: datetime) -> bool:
        """End it, at the latest with its hour and duty; forget it if that leaves nothing."""
        end = min(end, self.hour.end, self.duty.end if self.duty else end)
        mine = DutyPresence.objects.running().filter(pk=self.pk)
        if end <= self.start:
            return bool(mine.delete()[0])
        return bool(mine.update(end=end))


class HoursEntryQuerySet(models.QuerySet["HoursEntry"]):
    def claimed(self) -> "HoursEntryQuerySet":
        """Those that wait for a coordinator."""
        return self.filter(state=HoursEntry.State.CLAIMED)

    def visible_to(self, staff: "Staff") -> "HoursEntryQuerySet":
        """The own ones, and those of duties for the institutions that somebody coordinates."""
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(
            Q(duty__worker=staff.user) | Q(duty__credited_to__in=staff.coordinator_of)
        )


class HoursEntry(models.Model):
    """How many minutes of a duty count. Measured by a job, corrected by the worker, approved.

    The claim and the decision are the only things that people write; planned and measured stay
    what they were. A claim has no text: why it differs is between the worker and the coordinator.
    """

    class State(models.TextChoices):
        MEASURED = "measured", _("gemeten")
        CLAIMED = "claimed", _("correctie gevraagd")
        APPROVED = "approved", _("goedgekeurd")
        REJECTED = "rejected", _("niet goedgekeurd")

    duty = models.OneToOneField(Duty, on_delete=models.PROTECT, related_name="hours_entry")
    state = models.CharField(max_length=8, choices=State.choices, default=State.MEASURED)
    planned_minutes = models.PositiveIntegerField()
    measured_minutes = models.PositiveIntegerField()
    claimed_minutes = models.PositiveIntegerField(null=True, blank=True)
    approved_minutes = models.PositiveIntegerField(null=True, blank=True)
    approver = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Empty on an approved one: nobody had to look at it.",
    )
    measured_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    decided_at = models.DateTimeField(null=True, blank=True)

    objects = HoursEntryQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.CheckConstraint(
                condition=Q(claimed_minutes__isnull=True, claimed_at__isnull=True)
                | Q(claimed_minutes__isnull=False, claimed_at__isnull=False),
                name="claim_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(state="measured", claimed_at__isnull=True, decided_at__isnull=True)
                | Q(state="claimed", claimed_at__isnull=False, decided_at__isnull=True)
                | Q(state="approved", decided_at__isnull=False)
                | Q(state="rejected", claimed_at__isnull=False, decided_at__isnull=False),
                name="hours_state_has_its_times",
            ),
            models.CheckConstraint(
                condition=Q(state="approved", approved_minutes__isnull=False)
                | Q(
                    state__in=("measured", "claimed", "rejected"),
                    approved_minutes__isnull=True,
                ),
                name="approved_has_minutes",
            ),
            models.CheckConstraint(
                condition=~Q(state="rejected") | Q(approver__isnull=False),
                name="rejected_by_somebody",
            ),
        ]

    # A claim may be changed until it is decided. A decision may be made without a claim, and again.
    MAY_CLAIM = (State.MEASURED, State.CLAIMED)
    NOT_SEEN = (Duty.Status.NO_SHOW, Duty.Status.SICK)

    def __str__(self) -> str:
        return f"{self.duty} {self.minutes} min"

    @property
    def minutes(self) -> int:
        """What counts: what was approved, else what was measured."""
        return self.measured_minutes if self.approved_minutes is None else self.approved_minutes

    # --- By the clock ----------------------------------------------------------------------------

    @classmethod
    def settle(cls, hour: ConsultationHour) -> int:
        """Measure the duties of an hour that is over, and post what was worked and what was owed.

        Who was seen has done the duty, who was not did not show up. An hour that was cancelled
        late counts as worked by those who were left: their duties are done. Institutions owe the
        hour at its target; a cancelled one as far as it was worked. Idempotent, one transaction.
        Returns how many duties were measured.
        """
        with transaction.atomic():
            hour = (
                ConsultationHour.objects.select_for_update(of=("self",))
                .select_related("line", "period")
                .get(pk=hour.pk)
            )
            slot = slot_of(hour, holidays_of(hour.line, hour.local_date, hour.local_date))
            duties = list(
                hour.duties.active()
                .filter(hours_entry=None)
                .select_related("credited_to")
                .order_by("pk")
            )
            for duty in duties:
                duty.hour = hour
                cls._measure(duty, slot)
            need = hour.target_staff * hour.minutes
            if hour.status == ConsultationHour.Status.CANCELLED:
                need = sum(duty.minutes for duty in hour.duties.active())
            LedgerEntry.charge(hour, slot, need)
        return len(duties)

    @classmethod
    def _measure(cls, duty: Duty, slot: SlotClass) -> None:
        planned = duty.minutes
        if duty.hour.status == ConsultationHour.Status.CANCELLED:
            measured = planned
        else:
            measured = measured_minutes(duty)
        cls.objects.create(duty=duty, planned_minutes=planned, measured_minutes=measured)
        status = Duty.Status.DONE
        if not measured:
            # Who said so just after it began was not there either: absent, and no more than that.
            said_so = duty.hour.duties.filter(
                worker=duty.worker_id, start=duty.end, status=Duty.Status.SICK
            )
            status = Duty.Status.SICK if said_so.exists() else Duty.Status.NO_SHOW
        Duty.objects.filter(pk=duty.pk).update(status=status)
        LedgerEntry.credit(duty, measured, slot)

    # --- By people ---------------------------------------------------------------------------------

    def claim(self, worker: User, minutes: int, now: datetime | None = None) -> None:
        """Say that it was another number of minutes; the coordinators are asked by mail.

        Raises RosterRefused: not_yours, minutes (negative or far above what was planned), same
        (that is what it says), wrong_state (decided already), settled (the period), changed.
        """
        now = now or timezone.now()
        if self.duty.worker_id != worker.pk:
            raise RosterRefused("not_yours")
        if not 0 <= minutes <= self.planned_minutes + MOST_EXTRA:
            raise RosterRefused("minutes")
        if minutes == self.minutes:
            raise RosterRefused("same")
        if self.state not in self.MAY_CLAIM:
            raise RosterRefused("wrong_state")
        self._require_unsettled()
        with transaction.atomic():
            self._change(state=self.State.CLAIMED, claimed_minutes=minutes, claimed_at=now)
            for coordinator in coordinators_of([self.duty.credited_to_id]):
                if coordinator.pk != worker.pk:
                    self._tell(coordinator, CLAIMED, now)

    def withdraw(self, worker: User) -> None:
        """Take a claim back before it is decided.

        Raises RosterRefused: not_yours, wrong_state (no claim waits), changed.
        """
        if self.duty.worker_id != worker.pk:
            raise RosterRefused("not_yours")
        if self.state != self.State.CLAIMED:
            raise RosterRefused("wrong_state")
        self._change(state=self.State.MEASURED, claimed_minutes=None, claimed_at=None)

    def approve(self, by: User, minutes: int | None = None, now: datetime | None = None) -> None:
        """Decide how many minutes count: those given, else those claimed, else those measured.

        Also without a claim, and again when it turns out otherwise. What the ledger says is
        reversed and posted anew, in the name of `by`; the worker gets a mail. `by` is a coordinator
        of the institution that is credited, or of the platform, and not the worker.
        Raises RosterRefused: not_yours, own, minutes (negative or more than a day), wrong_state
        (approved already, and no other number is given), settled, overlap (who was not seen was
        on duty elsewhere), changed.
        """
        now = now or timezone.now()
        self._require_judge(by)
        self._require_unsettled()
        if minutes is None:
            if self.state == self.State.APPROVED:
                raise RosterRefused("wrong_state")
            claimed = self.claimed_minutes
            minutes = self.measured_minutes if claimed is None else claimed
        if not 0 <= minutes <= DAY:
            raise RosterRefused("minutes")
        duty = self.duty
        with transaction.atomic():
            self._change(
                state=self.State.APPROVED, approved_minutes=minutes, approver=by, decided_at=now
            )
            if minutes and duty.status in self.NOT_SEEN:
                self._did_show_up()
            hour = duty.hour
            slot = slot_of(hour, holidays_of(hour.line, hour.local_date, hour.local_date))
            LedgerEntry.credit(duty, minutes, slot, by)
            self._record(by, "hours_approved")
            self._tell(duty.worker, APPROVED, now)

    def reject(self, by: User, now: datetime | None = None) -> None:
        """Leave it at what was measured. The worker gets a mail.

        Raises RosterRefused: not_yours, own, wrong_state (no claim waits), settled, changed.
        """
        now = now or timezone.now()
        self._require_judge(by)
        self._require_unsettled()
        if self.state != self.State.CLAIMED:
            raise RosterRefused("wrong_state")
        with transaction.atomic():
            self._change(state=self.State.REJECTED, approver=by, decided_at=now)
            self._record(by, "hours_rejected")
            self._tell(self.duty.worker, REJECTED, now)

    def _require_judge(self, by: User) -> None:
        """A coordinator of the institution or the platform, and never of the own hours."""
        theirs = Membership.objects.active().coordinators().filter(user=by)
        if not theirs.filter(
            Q(institution=self.duty.credited_to_id) | Q(institution=None)
        ).exists():
            raise RosterRefused("not_yours")
        if self.duty.worker_id == by.pk:
            raise RosterRefused("own")

    def _require_unsettled(self) -> None:
        period = self.duty.hour.period
        if period is not None and period.state == RosterPeriod.State.SETTLED:
            raise RosterRefused("settled")

    def _change(self, **fields: Any) -> None:
        """Write it if nobody decided or claimed otherwise meanwhile: the row count is the lock."""
        unchanged = HoursEntry.objects.filter(
            pk=self.pk,
            state=self.state,
            claimed_minutes=self.claimed_minutes,
            approved_minutes=self.approved_minutes,
        )
        if not unchanged.update(**fields):
            raise RosterRefused("changed")
        for name, value in fields.items():
            setattr(self, name, value)

    def _did_show_up(self) -> None:
        duty = self.duty
        try:
            with transaction.atomic():
                Duty.objects.filter(pk=duty.pk, status__in=self.NOT_SEEN).update(
                    status=Duty.Status.DONE
                )
        except IntegrityError:
            raise RosterRefused("overlap") from None
        duty.status = Duty.Status.DONE

    def _record(self, by: User, deed: str) -> None:
        duty = self.duty
        record(by, deed, duty.hour.local_date, person=duty.worker, institution=duty.credited_to)

    def _tell(self, to: User, kind: str, now: datetime) -> None:
        subject, body = hours_mail(self, to, kind)
        key = f"{kind}:{self.pk}:{now:%Y%m%d%H%M%S%f}:{to.pk}"
        StaffMail.put(to, kind, key, subject=subject, body=body)


def measured_minutes(duty: Duty) -> int:
    """Whole minutes that the worker was at the desk in a duty; nearly all of it is all of it.

    At the desk is also pausing, and being in a conversation. Only stretches that ended count.
    """
    stretches = (
        DutyPresence.objects.overlapping(duty.start, duty.end)
        .filter(worker=duty.worker_id, end__isnull=False)
        .values_list("start", "end")
    )
    there = sum(
        (min(end, duty.end) - max(start, duty.start) for start, end in stretches if end),
        timedelta(),
    )
    minutes = int((there.total_seconds() + 30) // 60)
    planned = duty.minutes
    missed = planned - minutes
    is_all = there and missed <= min(CLOSE_ENOUGH, planned // 6)
    return planned if is_all else minutes
