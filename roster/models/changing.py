"""What happens to seats, duties and requests for cover when an hour changes.

The verbs are those of `ConsultationHour`; rules, exceptions and whole days use the same steps, and
get back what there is to tell, so that nobody gets a mail per hour. Each step runs inside the
caller's transaction, which holds the `lock`: workers by id, then hours by id.
"""

from collections.abc import Collection
from datetime import date, datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, transaction
from django.db.models import F

from institutions.models import User
from roster.models import fitness
from roster.models.acting import record
from roster.models.cover import CoverRequest
from roster.models.duties import Duty
from roster.models.moves import RosterRefused
from roster.models.people import Absence, Qualification
from roster.models.periods import RosterPeriod
from roster.models.seats import Seat
from roster.news import News, Span, What

if TYPE_CHECKING:
    from roster.models.hours import ConsultationHour

# Who chose a duty knows of it before the plan is published.
_CHOSEN = (Duty.Source.SELF, Duty.Source.COVER, Duty.Source.ADHOC)


def lock(hours: "Collection[ConsultationHour]") -> None:
    """Wait for whoever changes these hours or their duties. Once, for all that will change."""
    pks = [hour.pk for hour in hours]
    on_duty = Duty.objects.active().filter(hour__in=pks).order_by()
    fitness.lock(on_duty.values_list("worker", flat=True), pks)


def cancel(
    hour: "ConsultationHour", by: User, now: datetime, reason: str, *, by_hand: bool
) -> list[News]:
    """Let the hour not go on. Cancelled late counts as worked, and so its duties are done.

    Raises RosterRefused: began, cancelled.
    """
    hour.refresh_from_db()
    if hour.start <= now:
        raise RosterRefused("began")
    if hour.status == hour.Status.CANCELLED:
        raise RosterRefused("cancelled")
    duties = _active(hour)
    news: list[News] = []
    _void(duties, by, now)
    is_late = (hour.start - now).total_seconds() < hour.line.late_cancel_hours * 3600
    for duty in duties:
        if _is_known(duty):
            news.append(News(duty.worker, What.CANCELLED, old=_span(duty), reason=reason))
        _record(by, "cancelled", duty)
    hour.duties.active().update(
        status=Duty.Status.DONE if is_late else Duty.Status.RELEASED, sequence=F("sequence") + 1
    )
    _write(
        hour,
        status=hour.Status.CANCELLED,
        cancelled_at=now,
        public_reason=reason,
        is_detached=hour.is_detached or by_hand,
    )
    return news


def reopen(hour: "ConsultationHour", now: datetime, *, by_hand: bool) -> list[News]:
    """Let a cancelled hour go on after all, with empty seats: people may have other plans now.

    Raises RosterRefused: began, wrong_state (not cancelled).
    """
    hour.refresh_from_db()
    if hour.start <= now:
        raise RosterRefused("began")
    if hour.status != hour.Status.CANCELLED:
        raise RosterRefused("wrong_state")
    let_go = hour.duties.filter(status__in=(Duty.Status.DONE, Duty.Status.RELEASED))
    news = {
        duty.worker_id: News(duty.worker, What.REOPENED, old=_span(duty))
        for duty in let_go.select_related("worker", "hour", "hour__period")
        if _is_known(duty)
    }
    # Done was what made the late cancelling count as worked; now it does not any more.
    hour.duties.filter(status=Duty.Status.DONE).update(status=Duty.Status.RELEASED)
    _write(
        hour,
        status=hour.Status.PLANNED,
        cancelled_at=None,
        public_reason="",
        is_detached=hour.is_detached or by_hand,
    )
    fit_seats(hour)
    return list(news.values())


def move(
    hour: "ConsultationHour",
    by: User,
    now: datetime,
    day: date,
    start: time,
    end: time,
    *,
    by_hand: bool,
) -> list[News]:
    """Give the hour other times. Its duties go along, unless their worker cannot be there then.

    On another day it leaves a cancelled hour behind, so that its rule makes no second one. A
    running hour may only end earlier or later. Raises RosterRefused: past, began, cancelled,
    no_time (the clock skips all of it).
    """
    hour.refresh_from_db()
    if hour.status == hour.Status.CANCELLED:
        raise RosterRefused("cancelled")
    if hour.end <= now:
        raise RosterRefused("past")
    old = (hour.local_date, hour.local_start, hour.local_end)
    if old == (day, start, end):
        return []
    if hour.start <= now and old[:2] != (day, start):
        raise RosterRefused("began")
    was = (hour.start, hour.end)
    hour.local_date, hour.local_start, hour.local_end = day, start, end
    new = hour._span()
    if new[1] <= new[0]:
        hour.refresh_from_db()
        raise RosterRefused("no_time")
    if new[1] <= now or (was[0] > now and new[0] <= now):
        hour.refresh_from_db()
        raise RosterRefused("past")
    duties = _active(hour)
    _void(duties, by, now)
    rule = hour.rule
    changes: dict[str, Any] = {"is_detached": hour.is_detached or by_hand}
    if day != old[0]:
        period = RosterPeriod.objects.filter(line=hour.line).on(day).first()
        changes |= {"rule": None, "period": period}
    hour.save(update_fields=["local_date", "local_start", "local_end"])
    _write(hour, **changes)
    if day != old[0] and rule is not None:
        _leave_behind(hour, rule, *old, now=now)
    return _take_along(duties, hour, was, by, now)


def staff(
    hour: "ConsultationHour",
    now: datetime,
    minimum: int,
    target: int,
    maximum: int,
    mix: dict[str, int] | None = None,
    *,
    by_hand: bool,
) -> None:
    """Give the hour other numbers of people. Filled seats stay.

    Raises RosterRefused: past, cancelled, numbers (not 1 <= minimum <= target <= maximum, or a
    mix that does not fit in it), filled (more people than that are on duty already).
    """
    hour.refresh_from_db()
    if hour.end <= now:
        raise RosterRefused("past")
    if hour.status == hour.Status.CANCELLED:
        raise RosterRefused("cancelled")
    mix = hour.mix if mix is None else mix
    if not 1 <= minimum <= target <= maximum <= 60 or sum(mix.values()) > maximum:
        raise RosterRefused("numbers")
    if taken(hour) > maximum:
        raise RosterRefused("filled")
    numbers = {"min_staff": minimum, "target_staff": target, "max_staff": maximum, "mix": mix}
    if numbers == hour.staffing:
        return
    _write(hour, **numbers, is_detached=hour.is_detached or by_hand)
    fit_seats(hour)


def taken(hour: "ConsultationHour") -> int:
    """How many seats have somebody on duty."""
    return len(_taken(hour))


def kinds_of(mix: dict[str, int], seats: int) -> list[str]:
    """What it takes to fill each seat, in order: the mix first, then ordinary duties (empty)."""
    kinds: list[str] = []
    for kind in Qualification.Kind.values:
        asked = "" if kind == Qualification.Kind.DUTY else kind
        kinds += [asked] * mix.get(kind, 0)
    return (kinds + [""] * seats)[:seats]


def fit_seats(hour: "ConsultationHour") -> None:
    """Make as many seats as the maximum says and give the free ones what the mix still misses."""
    seats, taken = list(hour.seats.order_by("no")), _taken(hour)
    surplus = max(0, len(seats) - hour.max_staff)
    dropped = [seat for seat in reversed(seats) if seat.pk not in taken][:surplus]
    if dropped:
        kept = next(seat for seat in seats if seat not in dropped)
        # What nobody does any more stays known, on a seat that stays.
        Duty.objects.filter(seat__in=dropped).update(seat=kept)
        Seat.objects.filter(pk__in=[seat.pk for seat in dropped]).delete()
    left = [seat for seat in seats if seat not in dropped]
    used = {seat.no for seat in left}
    numbers = [no for no in range(1, hour.max_staff + 1) if no not in used]
    left += [Seat(hour=hour, no=no) for no in numbers[: hour.max_staff - len(left)]]
    kinds = kinds_of(hour.mix, hour.max_staff)
    for seat in left:
        if seat.pk in taken:
            kind = "" if seat.needs == Qualification.Kind.DUTY else seat.qualification
            kinds.pop(kinds.index(kind) if kind in kinds else -1)
    free = sorted((seat for seat in left if seat.pk not in taken), key=lambda seat: seat.no)
    for seat, kind in zip(free, kinds, strict=True):
        if seat.pk is None or seat.qualification != kind:
            seat.qualification = kind
            seat.save()


# --- The steps below them ------------------------------------------------------------------------


def _active(hour: "ConsultationHour") -> list[Duty]:
    duties = hour.duties.active().select_related("worker", "credited_to", "hour", "hour__period")
    return list(duties.order_by("pk"))


def _taken(hour: "ConsultationHour") -> set[int]:
    return set(hour.duties.active().values_list("seat", flat=True))


def _is_known(duty: Duty) -> bool:
    """Whether the worker knows of this duty: the plan is public, or they chose it."""
    period = duty.hour.period
    return period is None or period.is_public or duty.source in _CHOSEN


def _span(duty: Duty) -> Span:
    return Span(duty.start, duty.end, duty.hour.tz)


def _record(by: User, deed: str, duty: Duty) -> None:
    record(by, deed, duty.hour.local_date, person=duty.worker, institution=duty.credited_to)


def _write(hour: "ConsultationHour", **changes: Any) -> None:
    type(hour).objects.filter(pk=hour.pk).update(version=F("version") + 1, **changes)
    hour.refresh_from_db()


def _void(duties: list[Duty], by: User, now: datetime) -> None:
    """End every question about these duties; who had said yes is told. The giver keeps the duty.

    A question to all for which one of these duties was offered is open again.
    """
    pks = [duty.pk for duty in duties]
    CoverRequest.objects.filter(duty__in=pks).void(by, now)
    offered = CoverRequest.objects.live().filter(offered_duty__in=pks)
    offered.filter(to_worker__isnull=False).void(by, now)
    for request in offered.filter(to_worker__isnull=True).order_by("pk"):
        request.reopen(by, now)


def _leave_behind(
    hour: "ConsultationHour", rule: Any, day: date, start: time, end: time, *, now: datetime
) -> None:
    type(hour).objects.create(
        line=hour.line,
        rule=rule,
        period=RosterPeriod.objects.filter(line=hour.line).on(day).first(),
        local_date=day,
        local_start=start,
        local_end=end,
        tz=hour.tz,
        **hour.staffing,
        status=hour.Status.CANCELLED,
        cancelled_at=now,
        is_detached=True,
    )


def _take_along(
    duties: list[Duty],
    hour: "ConsultationHour",
    was: tuple[datetime, datetime],
    by: User,
    now: datetime,
) -> list[News]:
    """Give duties the new times of their hour, one by one; who cannot be there is let go.

    So is who would have too little rest, as nobody can be put there either; except from an hour
    that goes on, because they are there.
    """
    rest = timedelta(minutes=hour.line.short_rest_minutes if was[0] > now else 0)
    absent = set(
        Absence.objects.between(hour.local_date, hour.local_date)
        .filter(worker__in=[duty.worker_id for duty in duties])
        .values_list("worker", flat=True)
    )
    # All aside first: parts of one seat would bump into each other on their way.
    Duty.objects.filter(pk__in=[duty.pk for duty in duties]).update(
        status=Duty.Status.RELEASED, sequence=F("sequence") + 1
    )
    news = []
    for duty in duties:
        old = _span(duty)
        asked = duty.status == Duty.Status.COVER_WANTED
        start, end = _part(duty, hour, was)
        is_there = start < end and duty.worker_id not in absent
        what = _restore(duty, start, end, rest) if is_there else What.LOST
        comes = what == What.MOVED
        new = Span(start, end, hour.tz) if comes else None
        if _is_known(duty) and (new is None or new != old):
            news.append(News(duty.worker, what, old=old, new=new, lost_request=asked))
        record(
            by,
            "moved" if comes else "released",
            hour.local_date,
            person=duty.worker,
            institution=duty.credited_to,
        )
    return news


def _part(
    duty: Duty, hour: "ConsultationHour", was: tuple[datetime, datetime]
) -> tuple[datetime, datetime]:
    """The new times of a duty: ends that were the hour's stay so, the rest keeps its place."""
    shift = hour.start - was[0]
    is_stretched = hour.end - hour.start != was[1] - was[0]
    if is_stretched and abs(shift) < timedelta(hours=12):
        shift = timedelta()
    start = hour.start if duty.start == was[0] else max(duty.start + shift, hour.start)
    end = hour.end if duty.end == was[1] else min(duty.end + shift, hour.end)
    return start, end


def _restore(duty: Duty, start: datetime, end: datetime, rest: timedelta) -> What:
    """Let the duty hold again, at these times: moved. Else its worker is on duty elsewhere then
    (lost), or just before or after it in another hour (no rest)."""
    others = Duty.objects.active().filter(worker=duty.worker_id)
    if others.overlapping(start, end).exists():
        return What.LOST
    if others.exclude(hour=duty.hour_id).overlapping(start - rest, end + rest).exists():
        return What.NO_REST
    status = Duty.Status.CONFIRMED if duty.status == Duty.Status.COVER_WANTED else duty.status
    try:
        with transaction.atomic():
            Duty.objects.filter(pk=duty.pk).update(start=start, end=end, status=status)
    except IntegrityError:  # somebody was first, in another hour
        return What.LOST
    return What.MOVED
