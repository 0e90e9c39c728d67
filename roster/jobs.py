"""What the roster does by the clock. The tick calls these; each is safe to run twice."""

from datetime import datetime, timedelta

from roster.models import HoursRule, OpeningLog

# Concrete hours exist this many days ahead, so that people can sign up and visitors see the next.
HORIZON_DAYS = 28
KEEP_LOG = timedelta(days=365)


def generate_hours(now: datetime) -> int:
    """Make the consultation hours of every rule that is valid in the horizon; return how many."""
    made = 0
    for rule in HoursRule.objects.select_related("line"):
        first = rule.line.today(now)
        last = first + timedelta(days=HORIZON_DAYS)
        if rule.valid_from <= last and (rule.valid_until is None or rule.valid_until >= first):
            made += rule.generate(first, last)
    return made


def purge_opening_log(now: datetime) -> int:
    """Forget why the chat opened and closed more than a year ago; return how many rows."""
    return OpeningLog.objects.filter(at__lt=now - KEEP_LOG).delete()[0]
