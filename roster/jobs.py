"""What the roster does by the clock. The tick calls these; each is safe to run twice."""

from datetime import date, datetime, timedelta

from roster.models import HoursRule, OpeningLog, RosterPeriod, RosterRefused

# Concrete hours exist this many days ahead, so that people can sign up and visitors see the next.
HORIZON_DAYS = 28
KEEP_LOG = timedelta(days=365)
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
    due = {RosterPeriod.State.PUBLISHED: "run", RosterPeriod.State.RUNNING: "close"}
    for state, verb in due.items():
        for period in RosterPeriod.objects.filter(state=state).select_related("line"):
            try:
                getattr(period, verb)(now=now)
                moved += 1
            except RosterRefused as refused:
                # Not yet, or another process was first.
                if refused.code not in ("too_early", "changed"):
                    raise
    return moved


def purge_opening_log(now: datetime) -> int:
    """Forget why the chat opened and closed more than a year ago; return how many rows."""
    return OpeningLog.objects.filter(at__lt=now - KEEP_LOG).delete()[0]
