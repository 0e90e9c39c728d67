"""The timetable of the demonstration: a published period, and an hour that is open right now."""

from datetime import date, datetime, time, timedelta

from klikvoor.demo.people import Cast
from roster import jobs
from roster.dealing import deal
from roster.models import (
    ConsultationHour,
    Duty,
    HoursRule,
    OpenOverride,
    RosterPeriod,
    RosterRefused,
    ShareKey,
)

STAFFING = {"min_staff": 1, "target_staff": 3, "max_staff": 6}
# weekdays, start, end
WEEK = [
    ([0, 1, 2, 3], time(19), time(22)),
    ([2], time(14), time(17)),
    ([6], time(16), time(20)),
]
# How long, at least, the chat is still open for whoever starts the demonstration.
OPEN_FOR = timedelta(hours=2)
BEGAN = timedelta(minutes=5)
# On duty right now. Els and Farid keep the desk open (colleagues.py); Daan has a day off.
ON_DUTY = ["Els", "Farid", "Anna", "Bilal", "Carla"]
# Who takes which evening: people shift by one at every hour.
PER_HOUR = 3
# What is further away than this is not full yet: there is something left to do.
FULL_FOR = timedelta(days=14)
# What each institution bears, as weights.
SHARES = {"Welzijn Zuid": 3, "Maaskracht": 2, "Heuvelhulp": 2}
# The period goes on for three times as long as hours are made ahead anyway.
HORIZONS = 3
# Somebody in this hour or later looks for cover.
COVER_AFTER = timedelta(days=2)


def make_plan(cast: Cast, now: datetime) -> ConsultationHour:
    """Make the period, fill and publish it, and return the hour that is open now."""
    today = cast.line.today(now)
    for weekdays, start, end in WEEK:
        _rule(cast, weekdays, start, end, today)
    period = cast.line.periods.on(today).first()
    is_new = period is None
    if period is None:
        period = _period(cast, today, now)
    jobs.generate_hours(now)
    _fill_hours(cast, now)
    if not period.is_public:
        # Also one that somebody tried to make: what covers today must be public to be open.
        period.publish(cast.coordinator, now=now)
    if is_new:
        _ask_cover(cast, now)
    OpenOverride.objects.holding(now).filter(line=cast.line).update(withdrawn_at=now)
    return _open_now(cast, now)


def _rule(cast: Cast, weekdays: list[int], start: time, end: time, today: date) -> None:
    same = {"line": cast.line, "weekdays": weekdays, "local_start": start, "local_end": end}
    if not HoursRule.objects.filter(**same).exists():
        rule = HoursRule(**same, **STAFFING, valid_from=today)
        rule.full_clean()
        rule.save()


def _period(cast: Cast, today: date, now: datetime) -> RosterPeriod:
    """Make the period that holds today, beside those that somebody may have made."""
    first = today - timedelta(days=today.weekday())
    last = today + timedelta(days=HORIZONS * jobs.HORIZON_DAYS)
    before = cast.line.periods.filter(last_date__lt=today).last()
    after = cast.line.periods.filter(first_date__gt=today).first()
    if before:
        first = max(first, before.last_date + timedelta(days=1))
    if after:
        last = min(last, after.first_date - timedelta(days=1))
    period = RosterPeriod.plan(cast.line, first, last, cast.coordinator, now=now)
    for institution in {one.pk: one for one in cast.employers.values()}.values():
        ShareKey.objects.create(
            period=period, institution=institution, weight=SHARES[institution.name]
        )
    deal(period, cast.coordinator, now=now)
    period.open_signup(cast.coordinator)
    return period


def _fill_hours(cast: Cast, now: datetime) -> None:
    """Put people in every hour to come that nobody was in before: three, later on fewer."""
    names = list(cast.workers)
    empty = cast.line.hours.planned().filter(start__gt=now, duties__isnull=True)
    for hour in list(empty):
        first = hour.local_date.toordinal() % len(names)
        is_soon = hour.start < now + FULL_FOR
        people = PER_HOUR if is_soon else hour.local_date.toordinal() % (PER_HOUR + 1)
        for step in range(people):
            _put(cast, hour, names[(first + 2 * step) % len(names)])


def _ask_cover(cast: Cast, now: datetime) -> None:
    duties = Duty.objects.active().filter(hour__line=cast.line, start__gt=now + COVER_AFTER)
    duty = duties.exclude(worker=cast.workers["Anna"]).order_by("start", "pk").first()
    if duty:
        duty.ask_cover(duty.worker, kind="give_away", now=now)


def _open_now(cast: Cast, now: datetime) -> ConsultationHour:
    """Return the hour that covers now; hours without a gap go on for two hours at least.

    Hours that are planned anyway count; only what is missing between them is added, and an hour
    that an earlier start of the demonstration added grows instead of getting a small neighbour.
    """
    begin = _to_minute(now - BEGAN)
    goal = _to_half_hour(now + OPEN_FOR)
    planned = cast.line.hours.planned().overlapping(begin, goal)
    reached = begin
    for hour in list(planned.order_by("start", "pk")):
        if hour.start > max(reached, now):
            _fill_gap(cast, reached, hour.start)
        reached = max(reached, hour.end)
    if reached < goal:
        _fill_gap(cast, reached, goal)
    hours = cast.line.hours.planned().overlapping(now, goal)
    for hour in hours:
        for name in ON_DUTY:
            _put(cast, hour, name)
    running = hours.covering(now).first()
    if running is None:
        raise RuntimeError("the demonstration has no consultation hour now")
    return running


def _fill_gap(cast: Cast, start: datetime, end: datetime) -> None:
    before = cast.line.hours.planned().filter(rule=None, end=start, start__gt=end - _A_DAY).last()
    if before is None:
        period = cast.line.periods.on(cast.line.today(start)).first()
        ConsultationHour.plan_extra(cast.line, start, end, period=period, **STAFFING)
        return
    before.local_end = end.astimezone(cast.line.zone).time()
    before.save(update_fields=["local_end"])
    for duty in before.duties.active().filter(end=start):
        # A colleague may be on duty in the next hour already: then this one ends as it did.
        elsewhere = duty.worker.duties.active().filter(start__lt=before.end, end__gt=start)
        if not elsewhere.exclude(pk=duty.pk).exists():
            duty.end = before.end
            duty.save(update_fields=["end"])


# An hour is less than a day, because its wall times could not say so otherwise.
_A_DAY = timedelta(hours=23)


def _put(cast: Cast, hour: ConsultationHour, name: str) -> None:
    if hour.duties.active().filter(worker=cast.workers[name]).exists():
        return
    try:
        hour.fill(cast.workers[name], cast.employers[name])
    except RosterRefused as refused:
        # No seat, or something else to do at that time: the plan stays as people made it.
        if refused.code not in ("full", "overlap", "wave", "rest", "absent", "qualification"):
            raise


def _to_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _to_half_hour(moment: datetime) -> datetime:
    """Round up; the zones of the world differ from UTC by whole quarters."""
    down = moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)
    return down if down == moment else down + timedelta(minutes=30)
