"""Asking a colleague to take a duty over. The giver stays responsible until it is done."""

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster.models.duties import Duty
from roster.models.moves import Moving, StateChange

if TYPE_CHECKING:
    from institutions.access import Staff


class CoverRequestQuerySet(models.QuerySet["CoverRequest"]):
    def open(self) -> "CoverRequestQuerySet":
        """Those that may still be claimed."""
        return self.filter(state=CoverRequest.State.OPEN)

    def live(self) -> "CoverRequestQuerySet":
        return self.filter(state__in=CoverRequest.LIVE)

    def too_late(self, now: datetime) -> "CoverRequestQuerySet":
        """Live ones that nobody can do any more.

        The duty began; of somebody who is absent, it ended, because the rest of it can be covered.
        """
        absent = Q(duty__status=Duty.Status.SICK)
        return self.live().filter(Q(absent, duty__end__lte=now) | Q(~absent, duty__start__lte=now))

    def void(self, by: User | None, now: datetime) -> int:
        """End the live ones because their duty changed; returns how many. For other verbs.

        A duty for which cover was wanted is its worker's again. Takers and who was asked alone
        get a mail. Part of the caller's transaction.
        """
        raise NotImplementedError

    def visible_to(self, staff: "Staff") -> "CoverRequestQuerySet":
        """Those that a member of staff has a part in, may claim, or coordinates on either side.

        It shows the request and not whose it is: for that ask `Duty.objects.visible_to`.
        """
        if staff.is_platform_coordinator:
            return self.all()
        mine = (
            Q(duty__worker=staff.user)
            | Q(requested_by=staff.user)
            | Q(to_worker=staff.user)
            | Q(claimed_by=staff.user)
            | Q(duty__credited_to__in=staff.coordinator_of)
            | Q(claimed_for__in=staff.coordinator_of)
        )
        if staff.is_worker:
            mine |= Q(state=CoverRequest.State.OPEN, to_worker__isnull=True)
        return self.filter(mine)


class CoverRequest(Moving):
    """One duty for which somebody else is sought; bound to the duty, not to a time.

    At most one live one per duty. Made by the worker, or by a coordinator for them
    (`requested_by`). Times are UTC. Of a duty that is `sick` nobody stays responsible: it is the
    call for who can come now.
    """

    class Kind(models.TextChoices):
        GIVE_AWAY = "give_away", _("weggeven")
        EXCHANGE = "exchange", _("ruilen")
        PART = "part", _("een deel weggeven")

    class State(models.TextChoices):
        OPEN = "open", _("gevraagd")
        CLAIMED = "claimed", _("iemand wil")
        AWAITING_APPROVAL = "awaiting_approval", _("wacht op akkoord")
        DONE = "done", _("overgenomen")
        WITHDRAWN = "withdrawn", _("ingetrokken")
        DECLINED = "declined", _("afgewezen")
        EXPIRED = "expired", _("te laat")
        VOID = "void", _("vervallen")

    # Done to open: the taker gives it back in time and the giver is responsible again.
    TRANSITIONS = {
        State.OPEN: frozenset(
            {State.CLAIMED, State.WITHDRAWN, State.DECLINED, State.EXPIRED, State.VOID}
        ),
        State.CLAIMED: frozenset(
            {
                State.AWAITING_APPROVAL,
                State.DONE,
                State.OPEN,
                State.WITHDRAWN,
                State.EXPIRED,
                State.VOID,
            }
        ),
        State.AWAITING_APPROVAL: frozenset(
            {
                State.DONE,
                State.OPEN,
                State.WITHDRAWN,
                State.DECLINED,
                State.EXPIRED,
                State.VOID,
            }
        ),
        State.DONE: frozenset({State.OPEN}),
        State.WITHDRAWN: frozenset(),
        State.DECLINED: frozenset(),
        State.EXPIRED: frozenset(),
        State.VOID: frozenset(),
    }
    LIVE = (State.OPEN, State.CLAIMED, State.AWAITING_APPROVAL)

    duty = models.ForeignKey(Duty, on_delete=models.PROTECT, related_name="cover_requests")
    kind = models.CharField(max_length=9, choices=Kind.choices, default=Kind.GIVE_AWAY)
    state = models.CharField(max_length=17, choices=State.choices, default=State.OPEN)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    to_worker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cover_asked",
        help_text="Empty: everybody who may.",
    )
    offered_duty = models.ForeignKey(
        Duty,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cover_offered",
        help_text="Of an exchange: the taker's duty that the giver gets, known once claimed.",
    )
    part_start = models.DateTimeField(null=True, blank=True)
    part_end = models.DateTimeField(null=True, blank=True)
    claimed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="cover_claimed",
    )
    claimed_for = models.ForeignKey(
        Institution,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="Which of the taker's institutions gets the minutes.",
    )
    approved_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
    )
    created_at = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, blank=True)
    ended_at = models.DateTimeField(null=True, blank=True)

    objects = CoverRequestQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["state", "duty"])]
        constraints = [
            models.UniqueConstraint(
                fields=["duty"],
                condition=Q(state__in=["open", "claimed", "awaiting_approval"]),
                name="one_live_cover_request_per_duty",
            ),
            models.UniqueConstraint(
                fields=["offered_duty"],
                condition=Q(state__in=["claimed", "awaiting_approval"]),
                name="one_exchange_per_offered_duty",
            ),
            models.CheckConstraint(
                condition=Q(offered_duty__isnull=True) | Q(kind="exchange"),
                name="only_exchange_offers_a_duty",
            ),
            models.CheckConstraint(
                condition=~Q(kind="exchange", state__in=("claimed", "awaiting_approval", "done"))
                | Q(offered_duty__isnull=False),
                name="claimed_exchange_has_a_duty",
            ),
            models.CheckConstraint(
                condition=Q(offered_duty__isnull=True) | ~Q(offered_duty=F("duty")),
                name="exchange_is_of_two_duties",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind="part",
                    part_start__isnull=False,
                    part_end__isnull=False,
                    part_end__gt=F("part_start"),
                )
                | Q(
                    kind__in=("give_away", "exchange"),
                    part_start__isnull=True,
                    part_end__isnull=True,
                ),
                name="part_has_a_span",
            ),
            models.CheckConstraint(
                condition=Q(
                    state="open",
                    claimed_by__isnull=True,
                    claimed_for__isnull=True,
                    claimed_at__isnull=True,
                )
                | Q(
                    state__in=("claimed", "awaiting_approval", "done"),
                    claimed_by__isnull=False,
                    claimed_for__isnull=False,
                    claimed_at__isnull=False,
                )
                | Q(state__in=("withdrawn", "declined", "expired", "void")),
                name="claimed_has_a_taker",
            ),
            models.CheckConstraint(
                condition=Q(
                    state__in=("open", "claimed", "awaiting_approval"), ended_at__isnull=True
                )
                | Q(
                    state__in=("done", "withdrawn", "declined", "expired", "void"),
                    ended_at__isnull=False,
                ),
                name="ended_cover_has_a_time",
            ),
        ]

    def __str__(self) -> str:
        return f"cover request {self.pk} {self.state}"

    # --- Verbs -----------------------------------------------------------------------------------

    def claim(
        self,
        worker: User,
        institution: Institution,
        now: datetime | None = None,
        *,
        by: User | None = None,
        offered_duty: Duty | None = None,
    ) -> None:
        """Take the duty over; of many at once, one wins. `by`: a coordinator of `institution`.

        Done at once within one institution, and for who is absent; else as the line's
        `cover_policy` says: then it may wait for approval. Of an exchange that leaves it open,
        `offered_duty` is the taker's duty that the giver gets.
        Raises RosterRefused: not_yours, wrong_state or changed (not open any more), not_asked (it
        is asked of somebody else), self, past, cancelled, no_offer (an exchange without a duty),
        elsewhere, absent, overlap, rest, qualification.
        """
        raise NotImplementedError

    def approve(self, by: User, now: datetime | None = None) -> None:
        """Let a claim that waits happen. `by`: a coordinator of either institution or the platform.

        Raises RosterRefused: not_yours, self (giver and taker do not decide), wrong_state, changed,
        and what `claim` refuses.
        """
        raise NotImplementedError

    def reject(self, by: User, now: datetime | None = None) -> None:
        """Refuse a claim that waits: others may claim it; asked of one, it has ended.

        Raises RosterRefused: not_yours, self, wrong_state, changed.
        """
        raise NotImplementedError

    def decline(self, worker: User, now: datetime | None = None) -> None:
        """Say no: never asked again for this one. Asked of this worker alone, it has ended.

        Raises RosterRefused: wrong_state, changed, not_asked (it is asked of somebody else).
        """
        raise NotImplementedError

    def withdraw(self, by: User, now: datetime | None = None) -> None:
        """Stop asking: the giver does it after all. `by`: the giver or a coordinator of theirs.

        Raises RosterRefused: not_yours, wrong_state, changed.
        """
        raise NotImplementedError

    def release(self, by: User, now: datetime | None = None) -> None:
        """Give back what was taken over, so that the giver is responsible and it is asked again.

        `by`: the taker, or a coordinator of theirs. Raises RosterRefused: not_yours, wrong_state,
        past, too_late (a taker within the line's `release_hours`), changed (the duty was changed
        since), overlap (the giver is on duty elsewhere by now).
        """
        raise NotImplementedError


class CoverChange(StateChange):
    """One move of a cover request."""

    request = models.ForeignKey(CoverRequest, on_delete=models.CASCADE, related_name="changes")


class CoverAsk(models.Model):
    """Who was asked to cover, and when: nobody is asked twice, and the least asked first.

    Written when the asking mail is put in the outbox, in the same transaction.
    """

    request = models.ForeignKey(CoverRequest, on_delete=models.CASCADE, related_name="asks")
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cover_asks"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        indexes = [models.Index(fields=["worker", "at"])]
        constraints = [
            models.UniqueConstraint(fields=["request", "worker"], name="asked_once"),
        ]

    def __str__(self) -> str:
        return f"{self.worker} asked for {self.request}"


class CoverDecline(models.Model):
    """Who said no to a request, so that they are not asked again. Written by the worker."""

    request = models.ForeignKey(CoverRequest, on_delete=models.CASCADE, related_name="declines")
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="cover_declines"
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["request", "worker"], name="declined_once"),
        ]

    def __str__(self) -> str:
        return f"{self.worker} declined {self.request}"
