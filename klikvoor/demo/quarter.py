"""The demonstration in its real size: 36 institutions, six weeks that were worked, seven to come.

Filled once for each period, from a seed. The hour that goes on is left to `plan.py`. Rows are made
in bulk where a verb would tell people who do not exist what they got.
"""

import random
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from django.conf import settings
from django.contrib.auth.hashers import make_password
from django.db import transaction

from institutions.models import Institution, Membership, StaffMail, User
from institutions.places import municipalities
from klikvoor.demo import names
from klikvoor.demo.people import Cast
from klikvoor.demo.plan import SHARES, WEEK
from roster import jobs
from roster.dealing import deal
from roster.models import (
    Absence,
    Availability,
    ConsultationHour,
    Duty,
    DutyPresence,
    HoursEntry,
    HoursRule,
    RosterPeriod,
    Seat,
    ShareKey,
)
from roster.time import to_utc

SEED = 36
WEEKS, WEEKS_BEFORE = 13, 6
# Beside the hours of the small demonstration, at other times.
MORE_HOURS = [
    ([0, 1, 3, 4], time(15), time(17)),
    ([4, 5], time(19), time(22)),
    ([5], time(13), time(16)),
]
# Room above the target, so that those who hold the desk open find a seat in every hour.
STAFFING = {"min_staff": 2, "target_staff": 4, "max_staff": 8}
WEIGHTS = (1, 1, 2, 2, 3)
# Which part of what they owe institutions do.
KEENNESS = (0.7, 0.85, 0.95, 1.0, 1.0, 1.0)
# One in so many hours to come has too few people, whatever was promised.
THIN_EVERY = 9
ABSENT, CHOOSY = 14, 40
# Some of the first weeks look for somebody else, or ask for a correction of their hours.
COVER_FROM, COVER_UNTIL, COVERS = timedelta(days=3), timedelta(days=20), 5
CLAIMS = 3


def fill_quarter(cast: Cast, now: datetime) -> None:
    """Make the quarter that holds today, unless it is there; let the hours since count as worked."""
    today = cast.line.today(now)
    period = cast.line.periods.on(today).first()
    # One commit: a start that is interrupted begins anew.
    with transaction.atomic():
        crowd = _bring_in(cast)
        is_new = period is None or not _is_filled(period, cast)
        if is_new:
            period = _open_period(cast, crowd, period, today, now)
            _take_days_off(crowd, today)
            _fill_seats(period, crowd, now)
        settle_as_worked(now)
        if period is not None and is_new:
            _ask(period, cast, now)


@dataclass
class Crowd:
    """Everybody who works for an institution, the demonstration's own cast included."""

    chance: random.Random
    workers: dict[int, list[User]]
    keenness: dict[int, float]
    duties: dict[int, int] = field(default_factory=lambda: defaultdict(int))
    days_off: dict[int, tuple[date, date]] = field(default_factory=dict)
    never_on: dict[int, int] = field(default_factory=dict)

    def pick(self, institution: int, day: date, taken: Iterable[int]) -> User | None:
        """Whoever of an institution did least so far and can come that day."""
        can = [
            one
            for one in self.workers[institution]
            if one.pk not in taken
            and self.never_on.get(one.pk) != day.weekday()
            and not self._is_off(one, day)
        ]
        return min(can, key=lambda one: (self.duties[one.pk], one.pk), default=None)

    def _is_off(self, worker: User, day: date) -> bool:
        first, last = self.days_off.get(worker.pk, (date.max, date.min))
        return first <= day <= last


def _is_filled(period: RosterPeriod, cast: Cast) -> bool:
    own = [worker.pk for worker in cast.workers.values()]
    return Duty.objects.filter(hour__period=period).exclude(worker__in=own).exists()


# --- Who ------------------------------------------------------------------------------------------


def _bring_in(cast: Cast) -> Crowd:
    """Make the institutions and workers that are missing."""
    chance = random.Random(SEED)  # noqa: S311  the same quarter every time
    wanted = list(names.people(chance, names.INSTITUTIONS))
    emails = {person.email for person in wanted}
    known = set(User.objects.filter(email__in=emails).values_list("email", flat=True))
    if emails - known:
        codes = list(municipalities())
        Institution.objects.bulk_create(
            (
                # Made-up places have real neighbours: each is there for a few municipalities.
                Institution(name=name, municipalities=codes[number :: len(names.INSTITUTIONS)])
                for number, name in enumerate(names.INSTITUTIONS)
            ),
            ignore_conflicts=True,
        )
        User.objects.bulk_create(
            User(
                email=one.email,
                name=one.name,
                chat_name=one.chat_name,
                password=make_password(None),
            )
            for one in wanted
            if one.email not in known
        )
        employers = {one.name: one for one in Institution.objects.all()}
        users = {one.email: one for one in User.objects.filter(email__in=emails)}
        Membership.objects.bulk_create(
            Membership(
                user=users[one.email],
                institution=employers[one.institution],
                role=Membership.Role.WORKER,
            )
            for one in wanted
            if one.email not in known
        )
    workers: dict[int, list[User]] = defaultdict(list)
    employed = Membership.objects.active().workers()
    employed = employed.filter(institution__name__in=[*names.INSTITUTIONS, *SHARES])
    for member in employed.select_related("user"):
        if member.institution_id is not None:  # for the types: a worker has one
            workers[member.institution_id].append(member.user)
    keenness = {institution: chance.choice(KEENNESS) for institution in sorted(workers)}
    return Crowd(chance, workers, keenness)


def _take_days_off(crowd: Crowd, today: date) -> None:
    """Let some be away for a while, and others say when they can never or would like to come."""
    everybody = [one for some in crowd.workers.values() for one in some]
    chosen = crowd.chance.sample(everybody, ABSENT + CHOOSY)
    for worker in chosen[:ABSENT]:
        first = today + timedelta(days=crowd.chance.randrange(1, 30))
        crowd.days_off[worker.pk] = (first, first + timedelta(days=crowd.chance.randrange(3, 13)))
    Absence.objects.bulk_create(
        Absence(worker_id=worker, first_date=first, last_date=last)
        for worker, (first, last) in crowd.days_off.items()
    )
    said = []
    for number, worker in enumerate(chosen[ABSENT:]):
        weekday = crowd.chance.randrange(7)
        kind, span = Availability.Kind.PREFERRED, (time(18), time(23))
        if number % 2:
            kind, span = Availability.Kind.UNAVAILABLE, (time(), time())
            crowd.never_on[worker.pk] = weekday
        said.append(
            Availability(
                worker=worker,
                kind=kind,
                weekday=weekday,
                local_start=span[0],
                local_end=span[1],
            )
        )
    Availability.objects.bulk_create(said)


# --- What is owed ---------------------------------------------------------------------------------


def _open_period(
    cast: Cast, crowd: Crowd, period: RosterPeriod | None, today: date, now: datetime
) -> RosterPeriod:
    """Publish a period with hours that everybody owes a part of, while nobody is in them."""
    first = today - timedelta(days=today.weekday(), weeks=WEEKS_BEFORE)
    if period is None:
        before = cast.line.periods.filter(last_date__lt=today).last()
        after = cast.line.periods.filter(first_date__gt=today).first()
        last = first + timedelta(weeks=WEEKS, days=-1)
        if before:
            first = max(first, before.last_date + timedelta(days=1))
        if after:
            last = min(last, after.first_date - timedelta(days=1))
        _make_rules(cast, first)
        period = RosterPeriod.plan(cast.line, first, last, cast.coordinator, now=now)
        for rule in cast.line.rules.all():
            rule.generate(first, today - timedelta(days=1))
    else:
        # A smaller demonstration may have an hour now that those of today would run into.
        _make_rules(cast, today + timedelta(days=1))
        period.generate(now)
    ShareKey.objects.bulk_create(
        (
            ShareKey(
                period=period,
                institution=one,
                weight=SHARES.get(one.name) or crowd.chance.choice(WEIGHTS),
            )
            for one in Institution.objects.filter(pk__in=crowd.workers).order_by("pk")
        ),
        ignore_conflicts=True,
    )
    deal(period, cast.coordinator, now=to_utc(period.first_date, time(), cast.line.zone))
    if period.state == RosterPeriod.State.DRAFT:
        period.open_signup(cast.coordinator)
        # That they may choose was told long ago.
        StaffMail.objects.filter(kind="signup_opened", sent_at=None).delete()
    if not period.is_public:
        # Before anybody is in it: publishing writes a mail to whoever is.
        period.publish(cast.coordinator, now=now)
    jobs.move_periods(now)
    return period


def _make_rules(cast: Cast, first: date) -> None:
    for weekdays, start, end in [*WEEK, *MORE_HOURS]:
        same = {"line": cast.line, "weekdays": weekdays, "local_start": start, "local_end": end}
        if not HoursRule.objects.filter(**same).exists():
            HoursRule.objects.create(**same, **STAFFING, valid_from=first)


# --- Who does it ----------------------------------------------------------------------------------


def _fill_seats(period: RosterPeriod, crowd: Crowd, now: datetime) -> None:
    """Put people in the hours that are over and in those to come; not in one that goes on."""
    seats: dict[int, list[Seat]] = defaultdict(list)
    free = Seat.objects.free().filter(hour__period=period, owed_by__isnull=False)
    for seat in free.order_by("hour", "no"):
        seats[seat.hour_id].append(seat)
    taken: dict[int, set[int]] = defaultdict(set)
    for hour_id, worker in Duty.objects.filter(hour__period=period).values_list("hour", "worker"):
        taken[hour_id].add(worker)
    hours = period.hours.planned().order_by("start")
    duties: list[Duty] = []
    for number, hour in enumerate(hours.exclude(start__lte=now, end__gt=now)):
        is_thin = hour.start > now and number % THIN_EVERY == 0
        some = seats[hour.pk][: 1 if is_thin else None]
        duties += _fill(hour, some, crowd, taken[hour.pk], now)
    Duty.objects.bulk_create(duties)


def _fill(
    hour: ConsultationHour, seats: list[Seat], crowd: Crowd, taken: set[int], now: datetime
) -> Iterator[Duty]:
    """Let those come who owe these seats; what they leave, others may take. Somebody always comes."""
    weeks_ahead = max(timedelta(), hour.start - now) / timedelta(weeks=1)
    for seat in seats:
        institution = seat.owed_by_id
        if institution not in crowd.workers:
            continue
        # The further away, the fewer signed up.
        odds = crowd.keenness[institution] * min(1, 1.12 - 0.07 * weeks_ahead)
        if taken and crowd.chance.random() > odds:
            if crowd.chance.random() < 0.5:
                continue
            institution = crowd.chance.choice(sorted(crowd.workers))
        worker = crowd.pick(institution, hour.local_date, taken)
        if worker is None:
            continue
        taken.add(worker.pk)
        crowd.duties[worker.pk] += 1
        yield Duty(
            hour=hour,
            seat=seat,
            worker=worker,
            credited_to_id=institution,
            start=hour.start,
            end=hour.end,
            created_at=min(now, hour.start - timedelta(days=crowd.chance.randrange(8, 30))),
        )


def settle_as_worked(now: datetime) -> None:
    """Let people have been at their desks in the hours that are over, most of them; settle those.

    Also the clock's way of settling in a demonstration: made-up people have no browser, and would
    not have shown up in every hour that ends while it is served. Whoever was really seen counts
    as seen.
    """
    if not settings.DEMO:
        raise RuntimeError("made-up hours belong in a demonstration")
    stretches = []
    duties = Duty.objects.active().filter(
        hour__in=jobs.unsettled(now), hours_entry=None, stretches=None
    )
    for duty in duties.order_by("pk"):
        chance = random.Random(SEED + duty.pk)  # noqa: S311
        luck = chance.random()
        if luck < 0.03:  # did not come
            continue
        start, end = duty.start, duty.end
        # A part of the duty: one that only bridges two hours may last a minute.
        missed = (end - start) * chance.randrange(20, 45) // 100
        if luck < 0.08:  # came late
            start += missed
        elif luck < 0.12:  # left early
            end -= missed
        stretches.append(
            DutyPresence(
                worker_id=duty.worker_id,
                hour_id=duty.hour_id,
                duty=duty,
                state=DutyPresence.State.READY,
                start=start,
                end=end,
            )
        )
    DutyPresence.objects.bulk_create(stretches)
    jobs.settle_hours(now)


def _ask(period: RosterPeriod, cast: Cast, now: datetime) -> None:
    """Let some look for somebody else, and others say that they were there for longer."""
    duties = Duty.objects.filter(
        hour__period=period,
        status=Duty.Status.CONFIRMED,
        start__gt=now + COVER_FROM,
        start__lt=now + COVER_UNTIL,
    )
    # Not of the cast: whoever plays them finds their own duties as they were promised.
    own = [worker.pk for worker in cast.workers.values()]
    ahead = list(duties.exclude(worker__in=own).order_by("start", "pk"))
    for number, duty in enumerate(ahead[:: len(ahead) // COVERS + 1]):
        # One cannot come at all; still far away, so that nobody is called at once.
        if number == 1:
            duty.cannot_come(duty.worker, now=now)
        else:
            duty.ask_cover(duty.worker, kind="give_away", now=now)
    short = HoursEntry.objects.filter(duty__hour__period=period, measured_minutes__gt=0)
    for entry in short.order_by("-duty__start").select_related("duty__worker")[:200]:
        if entry.measured_minutes < entry.planned_minutes:
            entry.claim(entry.duty.worker, entry.planned_minutes, now=now)
            if HoursEntry.objects.claimed().count() >= CLAIMS:
                break
