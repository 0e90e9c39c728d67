"""What institutions owe and did, in whole minutes. What that costs: `roster/models/costs.py`."""

import secrets
from collections import defaultdict
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q, Sum
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models import Institution, User
from roster import owing
from roster.fairness import ShareKey as Key
from roster.fairness import SlotClass
from roster.models.acting import require_planner
from roster.models.line import ServiceLine
from roster.models.moves import RosterRefused
from roster.models.periods import RosterPeriod
from roster.time import minutes_between

if TYPE_CHECKING:
    from institutions.access import Staff
    from roster.models.duties import Duty
    from roster.models.hours import ConsultationHour


def keys_of(period: RosterPeriod, *, with_closed: bool = False) -> dict[int, Key]:
    """What each institution (by id) bears of a period, within the days on which it takes part.

    An institution that was shut out is charged no further; `with_closed`: as if it was not.
    """
    keys = {}
    for share in period.shares.select_related("institution"):
        here = share.institution
        if not (here.is_active or with_closed):
            continue
        keys[here.pk] = Key(
            weight=share.weight or 0,
            minutes=share.fixed_minutes,
            first=max(filter(None, (share.joined, here.active_from)), default=None),
            last=min(filter(None, (share.left, here.active_until)), default=None),
        )
    return keys


def needs_of(period: RosterPeriod) -> list[owing.Need]:
    """What each hour of a period takes at its target; not of the cancelled ones."""
    hours = period.hours.planned().order_by("start", "pk")
    return [
        owing.Need(hour, day, target * minutes_between(start, end))
        for hour, day, target, start, end in hours.values_list(
            "pk", "local_date", "target_staff", "start", "end"
        )
    ]


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

    def live(self) -> "LedgerEntryQuerySet":
        """Those that stand: neither reversed nor a reversal. They add up to the same balance."""
        return self.filter(reverses__isnull=True, reversed_by__isnull=True)

    def of_duty(self, duty: int) -> "LedgerEntryQuerySet":
        """What was posted for the work in a duty (its id), corrections of it included."""
        source = f"duty:{duty}"
        return self.filter(
            Q(source=source) | Q(source__startswith=f"{source}/"), kind=LedgerEntry.Kind.WORKED
        )

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

    # --- What the clock posts ------------------------------------------------------------------

    @classmethod
    def charge(cls, hour: "ConsultationHour", slot: SlotClass, need: int) -> int:
        """Post what institutions owe of an hour that is over, by the share key of its period.

        They add up to `need`, in minutes. Posts nothing without a period or a key, for a period
        that is settled, and when it was posted before. Returns how many institutions were charged.
        """
        period, source = hour.period, f"hour:{hour.pk}"
        if period is None or period.state == RosterPeriod.State.SETTLED or not need:
            return 0
        posted = cls.objects.filter(
            period=period, kind=cls.Kind.OBLIGATION, reverses__isnull=True
        ).values_list("source", "institution", "minutes")
        charges: dict[str, dict[int, int]] = defaultdict(dict)
        charged: dict[int, int] = defaultdict(int)
        for name, institution, minutes in posted:
            charges[name][institution] = -minutes
            charged[institution] -= minutes
        if source in charges:
            return 0
        keys = keys_of(period)
        needs = [one for one in needs_of(period) if one.hour != hour.pk]
        days = dict(period.hours.values_list("pk", "local_date"))
        this = owing.Need(hour.pk, hour.local_date, need)
        parts = owing.owed(
            this,
            keys,
            ahead=owing.uncharged(
                keys, [this, *(one for one in needs if f"hour:{one.hour}" not in charges)]
            ),
            charged=charged,
            behind=owing.short_of(
                keys,
                [
                    (day, charges[f"hour:{pk}"])
                    for pk, day in days.items()
                    if f"hour:{pk}" in charges
                ],
            ),
        )
        rows = [
            LedgerEntry(
                line=hour.line,
                period=period,
                institution_id=institution,
                kind=cls.Kind.OBLIGATION,
                minutes=-minutes,
                weighted_minutes=-owing.weighted(minutes, slot),
                source=source,
            )
            for institution, minutes in parts.items()
            if minutes
        ]
        # Who was posted meanwhile by another process is left as it is.
        LedgerEntry.objects.bulk_create(rows, ignore_conflicts=True)
        return len(rows)

    @classmethod
    def credit(
        cls, duty: "Duty", minutes: int, slot: SlotClass, by: User | None = None
    ) -> "LedgerEntry | None":
        """Make the ledger say that this duty was worth so many minutes; `by` None is the clock.

        The first time it is posted. Later what stands is reversed and the new number posted, both
        in `by`'s name. Nothing happens if that is what it says already. Part of the caller's
        transaction, in which the hours entry of the duty is locked.
        """
        earlier = cls.objects.of_duty(duty.pk)
        standing = earlier.live().first()
        if (standing.minutes if standing else 0) == minutes:
            return standing
        if standing is not None:
            standing._reverse(by)
        if not minutes:
            return None
        posted = earlier.filter(reverses__isnull=True).count()
        entry, _is_new = cls.objects.get_or_create(
            kind=cls.Kind.WORKED,
            source=f"duty:{duty.pk}/{posted + 1}" if posted else f"duty:{duty.pk}",
            institution=duty.credited_to,
            defaults={
                "line": duty.hour.line,
                "period": duty.hour.period,
                "minutes": minutes,
                "weighted_minutes": owing.weighted(minutes, slot),
                "author": by,
            },
        )
        return entry

    # --- What coordinators of the platform post ---------------------------------------------------

    def reverse(self, by: User, text: str = "") -> "LedgerEntry":
        """Take back what was posted, by posting its opposite.

        Raises RosterRefused: not_yours, reversed (it was already, or is a reversal itself), settled.
        """
        require_planner(by)
        _require_unsettled(self.period)
        with transaction.atomic():
            return self._reverse(by, text)

    def _reverse(self, by: User | None, text: str = "") -> "LedgerEntry":
        if self.reverses_id is not None:
            raise RosterRefused("reversed")
        entry, is_new = LedgerEntry.objects.get_or_create(
            reverses=self,
            defaults={
                "line": self.line,
                "period": self.period,
                "institution": self.institution,
                "kind": self.kind,
                "minutes": -self.minutes,
                "weighted_minutes": -self.weighted_minutes,
                "source": f"entry:{self.pk}",
                "author": by,
                "text": text[:200],
            },
        )
        if not is_new:
            raise RosterRefused("reversed")
        return entry

    @classmethod
    def transfer(
        cls,
        line: ServiceLine,
        giver: Institution,
        taker: Institution,
        minutes: int,
        by: User,
        *,
        period: RosterPeriod | None = None,
        text: str = "",
        key: str = "",
    ) -> bool:
        """Hand minutes that were done from one institution to another; together it is zero.

        `key` names the deed (of a form, say): a second time with the same key nothing happens and
        False is returned. Raises RosterRefused: not_yours, minutes (not above zero), self (giver
        and taker are the same), settled (the period), outside (a period of another line), changed
        (the key was used for something else).
        """
        if minutes <= 0:
            raise RosterRefused("minutes")
        if giver.pk == taker.pk:
            raise RosterRefused("self")
        parts = {giver: -minutes, taker: minutes}
        return cls._post_by_hand(cls.Kind.TRANSFER, line, period, parts, by, text, key)

    @classmethod
    def waive(
        cls,
        line: ServiceLine,
        institution: Institution,
        minutes: int,
        by: User,
        *,
        period: RosterPeriod | None = None,
        text: str = "",
        key: str = "",
    ) -> bool:
        """Let an institution off so many minutes; nobody else owes them instead.

        `key` as for `transfer`. Raises RosterRefused: not_yours, minutes, settled, outside.
        """
        if minutes <= 0:
            raise RosterRefused("minutes")
        parts = {institution: minutes}
        return cls._post_by_hand(cls.Kind.WAIVER, line, period, parts, by, text, key)

    @classmethod
    def correct(
        cls,
        line: ServiceLine,
        institution: Institution,
        minutes: int,
        by: User,
        *,
        period: RosterPeriod | None = None,
        text: str = "",
        key: str = "",
    ) -> bool:
        """Add (or, negative, take) minutes for what no duty and no hour tells of.

        `key` as for `transfer`. Raises RosterRefused: not_yours, minutes (zero), settled, outside.
        """
        if not minutes:
            raise RosterRefused("minutes")
        parts = {institution: minutes}
        return cls._post_by_hand(cls.Kind.CORRECTION, line, period, parts, by, text, key)

    @classmethod
    def carry(cls, old: RosterPeriod, new: RosterPeriod, by: User, *, most: int) -> int:
        """Take the balances of a period that is over along to the next, at most so many minutes.

        What is carried leaves the old period and enters the new one, so each institution's sum
        over both stays the same; what is above `most` stays behind. Once per pair of periods: who
        was carried already is skipped. Returns how many institutions were carried.
        Raises RosterRefused: not_yours, wrong_state (the old one is not over), outside (not of one
        line, or the wrong way round), minutes, settled (the new one).
        """
        require_planner(by)
        if old.state not in (RosterPeriod.State.CLOSED, RosterPeriod.State.SETTLED):
            raise RosterRefused("wrong_state")
        if old.line_id != new.line_id or old.last_date >= new.first_date:
            raise RosterRefused("outside")
        if most < 0:
            raise RosterRefused("minutes")
        _require_unsettled(new)
        kind, carried = cls.Kind.CARRY, 0
        with transaction.atomic():
            # One at a time: else two would carry the same balance under the same name.
            RosterPeriod.objects.select_for_update().get(pk=old.pk)
            done = cls.objects.filter(kind=kind, source=f"out:{old.pk}").values("institution")
            ledger = cls.objects.filter(period=old).exclude(institution__in=done)
            for institution, balance in sorted(ledger.balances().items()):
                minutes = max(-most, min(most, balance))
                if not minutes:
                    continue
                for period, source, sign in ((old, f"out:{old.pk}", -1), (new, f"in:{old.pk}", 1)):
                    cls.objects.create(
                        line=old.line,
                        period=period,
                        institution_id=institution,
                        kind=kind,
                        minutes=sign * minutes,
                        weighted_minutes=sign * minutes,
                        source=source,
                        author=by,
                    )
                carried += 1
        return carried

    @classmethod
    def _post_by_hand(
        cls,
        kind: str,
        line: ServiceLine,
        period: RosterPeriod | None,
        parts: dict[Institution, int],
        by: User,
        text: str,
        key: str,
    ) -> bool:
        """Post all of the parts, or none when the key was used before."""
        require_planner(by)
        _require_unsettled(period)
        if period is not None and period.line_id != line.pk:
            raise RosterRefused("outside")
        source = f"hand:{key[:50] or secrets.token_hex(12)}"
        with transaction.atomic():
            # In a fixed order, so that two with the same key wait for each other.
            in_order = sorted(parts.items(), key=lambda part: part[0].pk)
            for number, (institution, minutes) in enumerate(in_order):
                _entry, is_new = cls.objects.get_or_create(
                    kind=kind,
                    source=source,
                    institution=institution,
                    defaults={
                        "line": line,
                        "period": period,
                        "minutes": minutes,
                        "weighted_minutes": minutes,
                        "author": by,
                        "text": text[:200],
                    },
                )
                if not is_new and number:
                    raise RosterRefused("changed")
                if not is_new:
                    return False
        return True


def _require_unsettled(period: RosterPeriod | None) -> None:
    if period is not None and period.state == RosterPeriod.State.SETTLED:
        raise RosterRefused("settled")
