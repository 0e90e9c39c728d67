"""A platform as large as the real one, with a quarter of hours: the same one for each seed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from institutions.models import Institution, Membership, User
from roster.models import (
    ConsultationHour,
    Duty,
    LedgerEntry,
    RosterPeriod,
    Seat,
    ServiceLine,
    ShareKey,
)
from roster.time import days

# When the chat is planned to be open, on weekdays and at weekends.
WEEKDAYS = ((15, 17), (17, 19), (19, 22))
WEEKENDS = ((13, 16), (19, 22))


@dataclass(frozen=True)
class Big:
    line: ServiceLine
    period: RosterPeriod
    institutions: list[Institution]
    workers: list[User]
    hours: list[ConsultationHour]


def make_big(
    line: ServiceLine,
    first: date,
    *,
    institutions: int = 36,
    workers: int = 200,
    length: int = 91,
    seed: int = 1,
    first_number: int = 0,
) -> Big:
    """Make institutions, workers, a published period of `length` days, and its hours.

    Every seat up to the target is owed by some institution, one in five by nobody, and about
    three in four are filled: some hours have too few people, some just enough. The names of
    institutions and people are numbered from `first_number`, so that more may be made.
    """
    chance = random.Random(seed)
    names = Institution.objects.bulk_create(
        Institution(name=_place(number))
        for number in range(first_number, first_number + institutions)
    )
    people = User.objects.bulk_create(
        User(
            email=f"w{number}@example.org",
            password="!",
            name=_person(number),
            chat_name=f"W{number}",
        )
        for number in range(first_number, first_number + workers)
    )
    employers = [names[number % institutions] for number in range(workers)]
    Membership.objects.bulk_create(
        Membership(user=worker, institution=institution, role="worker")
        for worker, institution in zip(people, employers, strict=True)
    )
    period = RosterPeriod.objects.create(
        line=line,
        first_date=first,
        last_date=first + timedelta(days=length - 1),
        state=RosterPeriod.State.PUBLISHED,
        published_at=_noon(first - timedelta(days=20)),
    )
    ShareKey.objects.bulk_create(
        ShareKey(period=period, institution=one, weight=chance.choice((10, 20, 30)))
        for one in names
    )
    hours = ConsultationHour.objects.bulk_create(_hours(line, period, chance))
    seats = Seat.objects.bulk_create(
        Seat(hour=hour, no=no, owed_by=_owing(hour, no, names, chance))
        for hour in hours
        for no in range(1, hour.max_staff + 1)
    )
    Duty.objects.bulk_create(_duties(hours, seats, people, employers, chance))
    LedgerEntry.objects.bulk_create(
        entry for number, one in enumerate(names) for entry in _ledger(line, one, number, chance)
    )
    return Big(line, period, names, people, hours)


def _place(number: int) -> str:
    kinds = ("Welzijn", "Jeugdteam", "Sociaal Werk", "Maatschappelijk Werk")
    places = ("Noord", "Oost", "Aa", "Vecht", "Dommel", "Peel", "Linge", "Berkel", "Amstel")
    return f"{kinds[number % 4]} {places[number // 4 % 9]}{'' if number < 36 else number}"


def _person(number: int) -> str:
    first = ("Sanne", "Youssef", "Femke", "Daan", "Aylin", "Ruben", "Noor", "Milan", "Eva", "Sem")
    last = ("de Vries", "Yılmaz", "Bakker", "van den Heuvel", "El Amrani", "Smit", "Kuipers")
    return f"{first[number % 10]} {last[number // 10 % 7]}{'' if number < 70 else f' {number}'}"


def _noon(day: date) -> datetime:
    return datetime.combine(day, time(12), tzinfo=UTC)


def _hours(
    line: ServiceLine, period: RosterPeriod, chance: random.Random
) -> Iterator[ConsultationHour]:
    for day in days(period.first_date, period.last_date):
        for start, end in WEEKENDS if day.weekday() > 4 else WEEKDAYS:
            least = chance.choice((2, 2, 3))
            hour = ConsultationHour(
                line=line,
                period=period,
                local_date=day,
                local_start=time(start),
                local_end=time(end),
                tz=line.tz,
                min_staff=least,
                target_staff=least + 2,
                max_staff=least + 3,
            )
            hour.start, hour.end = hour._span()
            yield hour


def _owing(
    hour: ConsultationHour, no: int, names: list[Institution], chance: random.Random
) -> Institution | None:
    if no > hour.target_staff or chance.random() < 0.2:
        return None
    return chance.choice(names)


def _duties(
    hours: list[ConsultationHour],
    seats: list[Seat],
    people: list[User],
    employers: list[Institution],
    chance: random.Random,
) -> Iterator[Duty]:
    of_hour: dict[int, list[Seat]] = {}
    for seat in seats:
        of_hour.setdefault(seat.hour_id, []).append(seat)
    for number, hour in enumerate(hours):
        # The further away, the fewer signed up.
        odds = 0.92 - 0.5 * number / len(hours)
        filled = [seat for seat in of_hour[hour.pk][:-1] if chance.random() < odds]
        for seat, who in zip(filled, chance.sample(range(len(people)), len(filled)), strict=True):
            wants_cover = chance.random() < 0.04
            yield Duty(
                hour=hour,
                seat=seat,
                worker=people[who],
                credited_to=employers[who],
                start=hour.start,
                end=hour.end,
                status=Duty.Status.COVER_WANTED if wants_cover else Duty.Status.CONFIRMED,
            )


def _ledger(
    line: ServiceLine, one: Institution, number: int, chance: random.Random
) -> Iterator[LedgerEntry]:
    owed = chance.randrange(1200, 3600)
    done = int(owed * chance.uniform(0.7, 1.2))
    for kind, minutes in (("obligation", -owed), ("worked", done)):
        yield LedgerEntry(
            line=line,
            institution=one,
            kind=kind,
            minutes=minutes,
            weighted_minutes=minutes,
            source=f"start:{number}",
        )
