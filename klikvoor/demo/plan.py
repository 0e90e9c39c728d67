"""The timetable of the demonstration: a usual week, and an hour that is open right now."""

from datetime import date, datetime, time, timedelta

from klikvoor.demo.people import Cast
from roster.jobs import generate_hours
from roster.models import ConsultationHour, HoursRule, OpenOverride, RosterRefused

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
# Who takes which evening: pairs that shift by one at every hour.
PER_HOUR = 3


def make_plan(cast: Cast, now: datetime) -> ConsultationHour:
    """Make the week, fill it, and return the hour that is open now."""
    today = cast.line.today(now)
    for weekdays, start, end in WEEK:
        _rule(cast, weekdays, start, end, today)
    generate_hours(now)
    _fill_week(cast, now)
    OpenOverride.objects.holding(now).filter(line=cast.line).update(withdrawn_at=now)
    return _open_now(cast, now)


def _rule(cast: Cast, weekdays: list[int], start: time, end: time, today: date) -> None:
    same = {"line": cast.line, "weekdays": weekdays, "local_start": start, "local_end": end}
    if not HoursRule.objects.filter(**same).exists():
        rule = HoursRule(**same, **STAFFING, valid_from=today)
        rule.full_clean()
        rule.save()


def _fill_week(cast: Cast, now: datetime) -> None:
    """Put three people in every hour to come that nobody was in before."""
    names = list(cast.workers)
    empty = cast.line.hours.planned().filter(start__gt=now, duties__isnull=True)
    for hour in empty:
        first = hour.local_date.toordinal() % len(names)
        for step in range(PER_HOUR):
            _put(cast, hour, names[(first + 2 * step) % len(names)])


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
        if hour.start > max(reached, begin):
            _fill_gap(cast, reached, hour.start)
        reached = max(reached, hour.end)
    if reached < goal:
        _fill_gap(cast, reached, goal)
    hours = cast.line.hours.planned().overlapping(begin, goal)
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
        ConsultationHour.plan_extra(cast.line, start, end, **STAFFING)
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
        # Full, or on duty in an hour that overlaps: the plan stays as people made it.
        if refused.code not in ("full", "overlap"):
            raise


def _to_minute(moment: datetime) -> datetime:
    return moment.replace(second=0, microsecond=0)


def _to_half_hour(moment: datetime) -> datetime:
    """Round up; the zones of the world differ from UTC by whole quarters."""
    down = moment.replace(minute=moment.minute // 30 * 30, second=0, microsecond=0)
    return down if down == moment else down + timedelta(minutes=30)
