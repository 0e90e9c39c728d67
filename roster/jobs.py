"""What the roster does by the clock. The tick calls these; each is safe to run twice."""

import logging
from collections.abc import Callable, Collection
from datetime import date, datetime, timedelta

from django.db.models import CharField, Exists, OuterRef, Q, Value
from django.db.models.functions import Cast, Concat

from roster.models import (
    ConsultationHour,
    Duty,
    DutyPresence,
    HoursEntry,
    HoursRule,
    LedgerEntry,
    LetterDuty,
    OpeningLog,
    RosterPeriod,
    RosterRefused,
    ServiceLine,
    ShareKey,
    monday_of,
)

log = logging.getLogger("klikvoor.roster.jobs")

# Concrete hours exist this many days ahead, so that people can sign up and visitors see the next.
HORIZON_DAYS = 28
KEEP_LOG = timedelta(days=365)
# When somebody sat at the desk is kept as long as hours may still be discussed; then the minutes do.
KEEP_STRETCHES = timedelta(days=90)
_OVER = (RosterPeriod.State.CLOSED, RosterPeriod.State.SETTLED)


def generate_hours(now: datetime) -> int:
    """Make the consultation hours of every rule that is valid in the horizon; return how many.

    Hours are also made to the end of every period that is planned, however far ahead that is.
    """
    made = 0
    planned: dict[int, date] = {}
    for period in RosterPeriod.objects.exclude(state__in=_OVER):
        known = planned.get(period.line_id, period.last_date)
        planned[period.line_id] = max(known, period.last_date)
    for rule in HoursRule.objects.select_related("line"):
        first = rule.line.today(now)
        last = first + timedelta(days=HORIZON_DAYS)
        last = max(last, planned.get(rule.line_id, last))
        if rule.valid_from <= last and (rule.valid_until is None or rule.valid_until >= first):
            made += rule.generate(first, last)
    return made


def move_periods(now: datetime) -> int:
    """Let published periods run from their first day, and close them after their last hour."""
    moved = 0
    periods = RosterPeriod.objects.select_related("line")
    for period in periods.filter(state=RosterPeriod.State.PUBLISHED):
        moved += _moves(period.run, now)
    for period in periods.filter(state=RosterPeriod.State.RUNNING):
        moved += _moves(period.close, now)
    return moved


def _moves(verb: Callable[..., None], now: datetime) -> bool:
    try:
        verb(now=now)
    except RosterRefused as refused:
        if refused.code in ("too_early", "changed"):  # not yet, or another process was first
            return False
        raise
    return True


def deal_letter_duty(now: datetime) -> int:
    """Deal the weeks of letter duty to come that nobody has yet; return how many."""
    return sum(
        LetterDuty.deal(line, monday_of(line.today(now))) for line in ServiceLine.objects.all()
    )


def purge_opening_log(now: datetime) -> int:
    """Forget why the chat opened and closed more than a year ago; return how many rows."""
    return OpeningLog.objects.filter(at__lt=now - KEEP_LOG).delete()[0]


def follow_presence(now: datetime, busy: Collection[int] = ()) -> int:
    """Register who is at the desk in the hours that go on; return how much changed.

    `busy`: workers in a conversation. Judges leases, so it waits until people could renew theirs.
    """
    return DutyPresence.follow(now, busy)


def settle_hours(now: datetime) -> int:
    """Measure the duties of hours that ended and post what was worked and owed; return how many.

    An hour waits until nobody's stretch in it runs any more: `follow_presence` ends those.
    """
    settled = 0
    for hour in unsettled(now):
        try:
            HoursEntry.settle(hour)
        except Exception as error:
            # One that cannot be settled must not keep the others waiting for ever.
            log.error("hour %s was not settled", hour.pk, exc_info=error)
        else:
            settled += 1
    return settled


def unsettled(now: datetime) -> list[ConsultationHour]:
    """The hours that ended and of which something is not measured or not charged, oldest first."""
    source = Concat(Value("hour:"), Cast(OuterRef("pk"), CharField()))
    charged = LedgerEntry.objects.filter(kind=LedgerEntry.Kind.OBLIGATION, source=source)
    unmeasured = Duty.objects.active().filter(hour=OuterRef("pk"), hours_entry=None)
    shared = ShareKey.objects.filter(period=OuterRef("period"))
    worked = Duty.objects.active().filter(hour=OuterRef("pk"))
    running = DutyPresence.objects.running().filter(hour=OuterRef("pk"))
    takes_place = Q(status=ConsultationHour.Status.PLANNED) | Q(Exists(worked))
    return list(
        ConsultationHour.objects.filter(
            Q(Exists(unmeasured))
            | Q(Exists(shared), ~Exists(charged), ~Q(period__state=RosterPeriod.State.SETTLED)),
            takes_place,
            ~Exists(running),
            end__lte=now,
        ).order_by("start", "pk")
    )


def purge_stretches(now: datetime) -> int:
    """Forget when people were at the desk in hours long ago; return how many rows.

    What was measured from it stays. Hours that are not settled yet are left alone.
    """
    measured = DutyPresence.objects.filter(Q(duty=None) | Q(duty__hours_entry__isnull=False))
    return measured.filter(end__lt=now - KEEP_STRETCHES).delete()[0]
