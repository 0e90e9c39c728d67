"""Eight weeks that the demonstration looks back on: worked, measured and settled.

A fresh demonstration begins today, so nobody is ahead or behind yet. For pictures only.
"""

from datetime import timedelta

from django.utils import timezone

from klikvoor.demo.people import bring_in
from klikvoor.demo.plan import SHARES
from roster import jobs
from roster.dealing import deal
from roster.models import Duty, DutyPresence, HoursRule, RosterPeriod, RosterRefused, ShareKey

WEEKS = 8
# Who comes in turn, three to an hour. Some come more often, so that there is something to see.
TURNS = ["Anna", "Els", "Carla", "Bilal", "Farid", "Anna", "Els", "Bilal", "Daan", "Farid", "Carla"]
PER_HOUR = 3
# Every so many duties somebody was there for a part only, and did not say so.
SHORT = 9
MISSED = timedelta(minutes=45)


def make() -> None:
    """Make them, before the week in which the demonstration began. Not to be run twice."""
    now = timezone.now()
    cast = bring_in()
    today = cast.line.today(now)
    monday = today - timedelta(days=today.weekday())
    first, last = monday - timedelta(weeks=WEEKS), monday - timedelta(days=1)
    then = now - timedelta(weeks=WEEKS + 2)
    HoursRule.objects.filter(line=cast.line).update(valid_from=first)
    period = RosterPeriod.plan(cast.line, first, last, cast.coordinator, now=then)
    for institution in {one.pk: one for one in cast.employers.values()}.values():
        ShareKey.objects.create(
            period=period, institution=institution, weight=SHARES[institution.name]
        )
    deal(period, cast.coordinator, now=then)
    period.open_signup(cast.coordinator)
    period.publish(cast.coordinator, now=then)
    for number, hour in enumerate(period.hours.order_by("start")):
        for step in range(PER_HOUR):
            name = TURNS[(PER_HOUR * number + step) % len(TURNS)]
            try:
                hour.fill(
                    cast.workers[name], cast.employers[name], now=hour.start - timedelta(hours=1)
                )
            except RosterRefused:
                # They have something else to do then; the seat stays empty.
                continue
    for number, duty in enumerate(Duty.objects.filter(hour__period=period).order_by("pk")):
        late = MISSED if number % SHORT == 0 else timedelta()
        DutyPresence.objects.create(
            worker=duty.worker,
            hour=duty.hour,
            duty=duty,
            state=DutyPresence.State.READY,
            start=duty.start + late,
            end=duty.end,
        )
    jobs.settle_hours(now)
    jobs.move_periods(now)
