"""The clock: digests once a day on the line's own hour, and what presses at once."""

from datetime import timedelta

import pytest

from institutions.models import Institution, StaffMail, User
from roster import reminders
from roster.models import ConsultationHour, Duty, Qualification, ServiceLine
from tests.people import make_user
from tests.roster.making import HOUR, MONDAY, NOW, make_duty, make_hour, make_period

# Eight in the morning of the day of the hour, in Amsterdam.
MORNING = NOW.replace(hour=7)
DAY = timedelta(days=1)
MINUTE = timedelta(minutes=1)


def told(kind: str) -> list[str]:
    mails = StaffMail.objects.filter(kind=kind).order_by("pk")
    return [mail.to.chat_name for mail in mails.select_related("to")]


# --- Warnings ------------------------------------------------------------------------------------


@pytest.fixture
def empty(line: ServiceLine, anna: User, dirk: User) -> ConsultationHour:
    return make_hour(line)


@pytest.mark.parametrize(("days", "is_told"), [(14, 1), (13, 0), (7, 1), (3, 1), (2, 0), (1, 1)])
def test_too_few_people_is_told_fourteen_seven_three_and_one_days_before_once(
    empty: ConsultationHour, dirk: User, days: int, is_told: int
) -> None:
    early = MORNING - days * DAY - MINUTE
    assert reminders.warn_understaffed(early) == 0
    assert reminders.warn_understaffed(early + MINUTE) == is_told
    for later in (MINUTE, HOUR, 10 * HOUR):
        assert reminders.warn_understaffed(early + later) == 0
    assert told("short") == ["Dirk"] * is_told


def test_all_hours_of_a_day_are_one_mail_in_order(
    line: ServiceLine, empty: ConsultationHour, dirk: User
) -> None:
    make_hour(line, NOW - 3 * HOUR)
    make_hour(line, NOW - 11 * DAY)  # three days from now
    assert reminders.warn_understaffed(MORNING - 14 * DAY) == 1
    body = StaffMail.objects.get().body
    assert body.index("maandag 2 maart, 16:00") < body.index("maandag 2 maart, 19:00-21:00")
    assert body.index("donderdag 19 februari") < body.index("maandag 2 maart, 16:00")
    assert "0 van minstens 1" in body


def test_two_hours_before_it_is_told_at_once_and_once(empty: ConsultationHour, dirk: User) -> None:
    assert reminders.warn_understaffed(NOW - 2 * HOUR - MINUTE) == 0
    assert reminders.warn_understaffed(NOW - 2 * HOUR) == 1
    assert reminders.warn_understaffed(NOW - HOUR) == 0
    assert reminders.warn_understaffed(NOW) == 0
    assert told("short_last") == ["Dirk"]


def test_nobody_is_warned_of_what_is_cancelled_filled_or_not_public(
    line: ServiceLine, empty: ConsultationHour, anna: User, zuid: Institution, dirk: User
) -> None:
    def warned() -> int:
        both = (MORNING - DAY, NOW - HOUR)
        return sum(reminders.warn_understaffed(now) for now in both)

    ConsultationHour.objects.update(status="cancelled", cancelled_at=MORNING - 2 * DAY)
    assert warned() == 0
    ConsultationHour.objects.update(status="planned", cancelled_at=None)
    duty = empty.fill(anna, zuid, now=MORNING - 2 * DAY)
    assert warned() == 0
    # Who wants cover does not count as covered.
    Duty.objects.update(status="cover_wanted")
    period = make_period(line, state="signup")
    ConsultationHour.objects.update(period=period)
    assert warned() == 0
    ConsultationHour.objects.update(period=None)
    assert duty.hour_id == empty.pk
    assert warned() == 2


def test_an_institution_hears_of_its_own_seats_and_those_of_nobody(
    empty: ConsultationHour, zuid: Institution, maas: Institution
) -> None:
    make_user("Zoë", (zuid, "coordinator"))
    make_user("Max", (maas, "coordinator"))
    empty.seats.update(owed_by=maas)
    reminders.warn_understaffed(MORNING - 7 * DAY)
    assert told("short") == ["Dirk", "Max"]
    empty.seats.filter(no=2).update(owed_by=None)
    reminders.warn_understaffed(MORNING - 3 * DAY)
    assert told("short") == ["Dirk", "Max", "Dirk", "Zoë", "Max"]


def test_a_kind_that_is_missing_is_named(
    empty: ConsultationHour, anna: User, zuid: Institution
) -> None:
    empty.fill(anna, zuid, now=MORNING - 20 * DAY)
    ConsultationHour.objects.update(mix={"backup": 1})
    reminders.warn_understaffed(MORNING - 7 * DAY)
    assert "er ontbreekt: achterwacht" in StaffMail.objects.get().body
    Qualification.objects.create(user=anna, kind="backup")
    assert reminders.warn_understaffed(MORNING - 3 * DAY) == 0


def test_the_morning_is_the_lines_own_on_a_change_night(line: ServiceLine, dirk: User) -> None:
    """The clock goes forward on 29 March: eight o'clock is an hour earlier in UTC."""
    make_hour(line, NOW.replace(day=30))
    morning = MORNING.replace(day=29, hour=6)
    assert reminders.warn_understaffed(morning - MINUTE) == 0
    assert reminders.warn_understaffed(morning) == 1


# --- Reminders of requests -----------------------------------------------------------------------


def ask(line: ServiceLine, anna: User, now: object = None) -> Duty:
    duty = make_duty(line, anna)
    duty.ask_cover(anna, kind="give_away", now=now or MORNING - 40 * DAY)
    return duty


@pytest.mark.parametrize(
    ("days", "is_told"), [(28, 1), (20, 0), (14, 1), (7, 1), (3, 1), (2, 1), (1, 1)]
)
def test_who_could_help_reads_of_it_on_the_ladder_once(
    line: ServiceLine, anna: User, bilal: User, carla: User, days: int, is_told: int
) -> None:
    ask(line, anna)
    early = MORNING - days * DAY - MINUTE
    assert reminders.remind_open_requests(early) == 0
    assert reminders.remind_open_requests(early + MINUTE) == 2 * is_told
    assert reminders.remind_open_requests(early + HOUR) == 0
    assert told("cover_digest") == ["Bilal", "Carla"] * is_told


def test_what_was_asked_since_yesterday_is_in_it_too(
    line: ServiceLine, anna: User, bilal: User
) -> None:
    ask(line, anna, MORNING - 20 * DAY + HOUR)
    assert reminders.remind_open_requests(MORNING - 20 * DAY + 2 * HOUR) == 0
    assert reminders.remind_open_requests(MORNING - 19 * DAY) == 1
    assert reminders.remind_open_requests(MORNING - 18 * DAY) == 0
    body = StaffMail.objects.get().body
    assert "maandag 2 maart, 19:00-21:00: Welzijn Zuid" in body
    assert "Anna" not in body


def test_who_said_no_or_cannot_is_not_reminded_and_one_who_is_asked_is(
    line: ServiceLine, anna: User, bilal: User, carla: User
) -> None:
    duty = ask(line, anna)
    duty.cover_requests.get().decline(bilal)
    make_duty(line, carla)
    assert reminders.remind_open_requests(MORNING - 7 * DAY) == 0
    duty.cover_requests.get().withdraw(anna)
    duty.ask_cover(anna, kind="give_away", to_worker=bilal, now=MORNING - 6 * DAY)
    assert reminders.remind_open_requests(MORNING - 3 * DAY) == 1
    assert told("cover_digest") == ["Bilal"]


def test_twelve_hours_before_it_is_told_once_more_and_never_of_what_ended(
    line: ServiceLine, anna: User, bilal: User
) -> None:
    duty = ask(line, anna)
    last = NOW - 12 * HOUR
    assert reminders.remind_open_requests(last - MINUTE) == 0
    assert reminders.remind_open_requests(last) == 1
    assert reminders.remind_open_requests(last + MINUTE) == 0
    assert told("cover_last") == ["Bilal"]
    duty.cover_requests.get().withdraw(anna)
    StaffMail.objects.all().delete()
    for days in (28, 14, 7, 3, 2, 1):
        assert reminders.remind_open_requests(MORNING - days * DAY) == 0
    assert reminders.remind_open_requests(last) == 0


def test_the_next_ones_are_asked_when_nobody_says_yes(
    line: ServiceLine, anna: User, zuid: Institution
) -> None:
    for number in range(12):
        make_user(f"Hulp{number}", (zuid, "worker"), second_factor=False)
    request = make_duty(line, anna).cannot_come(anna, NOW - HOUR)
    asked = set(request.asks.values_list("worker", flat=True))
    assert len(asked) == 10
    assert reminders.ask_further(NOW - HOUR + 14 * MINUTE) == 0
    # Who says no before being asked is not asked any more.
    spared = User.objects.filter(memberships__role="worker").exclude(pk__in={*asked, anna.pk})
    request.decline(spared[0])
    assert reminders.ask_further(NOW - HOUR + 15 * MINUTE) == 1
    assert reminders.ask_further(NOW) == 0
    assert StaffMail.objects.filter(kind="cover_asked").count() == 11


def test_nobody_else_is_asked_once_the_hour_has_enough_people(
    line: ServiceLine, anna: User, bilal: User, zuid: Institution
) -> None:
    for number in range(12):
        make_user(f"Hulp{number}", (zuid, "worker"), second_factor=False)
    duty = make_duty(line, anna)
    duty.cannot_come(anna, NOW - HOUR)
    # Somebody sits down on another seat: the call stays, the asking stops.
    other = duty.hour.seats.exclude(pk=duty.seat_id).first()
    duty.hour.fill(bilal, zuid, seat=other, now=NOW - HOUR)
    assert reminders.ask_further(NOW) == 0


def test_the_date_of_a_digest_is_the_days_own(line: ServiceLine, dirk: User) -> None:
    """An hour just after midnight belongs to its own date, not to that of UTC."""
    make_hour(line, NOW + timedelta(hours=5, minutes=30))  # 00:30 on Tuesday, 23:30 UTC on Monday
    assert ConsultationHour.objects.get().local_date == MONDAY + DAY
    assert reminders.warn_understaffed(MORNING - 7 * DAY) == 0
    assert reminders.warn_understaffed(MORNING - 6 * DAY) == 1
