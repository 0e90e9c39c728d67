"""What tests of the plan share: rules, exceptions, published periods and who was told what."""

from datetime import date, datetime, time, timedelta
from typing import Any

from institutions.models import Institution, StaffMail, User
from roster.models import (
    ConsultationHour,
    CoverRequest,
    DateException,
    Duty,
    HoursRule,
    RosterPeriod,
    ServiceLine,
)
from tests.roster.making import MONDAY, NOW

# The day before all of it.
BEFORE = NOW - timedelta(days=3)
STAFF = {"min_staff": 1, "target_staff": 2, "max_staff": 3}
EVENING = {"local_start": time(19), "local_end": time(21)}


def make_rule(line: ServiceLine, **fields: Any) -> HoursRule:
    """A rule on Mondays and Wednesdays from 19:00 to 21:00."""
    rule = HoursRule(
        **{"line": line, "weekdays": [0, 2], "valid_from": MONDAY, **EVENING, **STAFF, **fields}
    )
    rule.full_clean()
    rule.save()
    return rule


def make_exception(line: ServiceLine, day: date = MONDAY, **fields: Any) -> DateException:
    return DateException.objects.create(
        **{"line": line, "first_date": day, "last_date": day, **fields}
    )


def hour_on(line: ServiceLine, day: date) -> ConsultationHour:
    return line.hours.get(local_date=day)


def put_on(hour: ConsultationHour, worker: User, institution: Institution, **fields: Any) -> Duty:
    """Put somebody on the first seat that is free at that time, whatever the verbs would say."""
    fields = {"start": hour.start, "end": hour.end, **fields}
    taken = Duty.objects.active().overlapping(fields["start"], fields["end"])
    seat = fields.pop("seat", None) or hour.seats.exclude(pk__in=taken.values("seat")).first()
    return Duty.objects.create(
        hour=hour, seat=seat, worker=worker, credited_to=institution, **fields
    )


def publish(period: RosterPeriod, at: datetime = BEFORE) -> None:
    """Make a period public without telling anybody."""
    RosterPeriod.objects.filter(pk=period.pk).update(state="published", published_at=at)
    period.refresh_from_db()


def ask_cover(duty: Duty, **fields: Any) -> CoverRequest:
    Duty.objects.filter(pk=duty.pk).update(status=Duty.Status.COVER_WANTED)
    duty.refresh_from_db()
    return CoverRequest.objects.create(
        **{"duty": duty, "requested_by": duty.worker, "created_at": BEFORE, **fields}
    )


def mails_to(*people: User) -> list[str]:
    """The bodies of the mails to these people, in the order in which they were written."""
    return list(StaffMail.objects.filter(to__in=people).values_list("body", flat=True))
