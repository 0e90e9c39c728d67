"""A worker's duties as a calendar (RFC 5545). Reads only.

It says when, and nothing else: a calendar is synchronised to phones and shown to colleagues, so
it names no colleague, no institution, and nothing that tells a bystander what the duty is for.
"""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Q
from django.utils import translation
from django.utils.translation import gettext as _

from institutions.models import User
from roster.models import ConsultationHour, Duty

if TYPE_CHECKING:
    from icalendar import Event

PAST = timedelta(days=30)
AHEAD = timedelta(days=180)
# Calendars that take a hint ask again after this long; most follow their own clock.
REFRESH = timedelta(hours=1)

# What a worker never saw in the calendar need not be cancelled there.
NEVER_SHOWN = (Duty.Status.PROPOSED,)
GONE = (Duty.Status.SICK, Duty.Status.RELEASED, Duty.Status.REPLACED)


def calendar_of(worker: User, now: datetime) -> bytes:
    """Return the duties of published plans, from 30 days ago until 180 days from now.

    A duty that is gone stays in it as cancelled, because calendars keep what merely disappears.
    Times are in UTC, which every calendar understands without a table of zones.
    """
    # Takes long to import, and nobody who chats should wait for that when the server starts.
    from icalendar import Calendar, vDuration

    with translation.override(worker.language):
        calendar = Calendar()
        calendar.add("prodid", "-//Klikvoor//Klikvoor//NL")
        calendar.add("version", "2.0")
        calendar.add("name", _("Diensten"))
        calendar.add("x-wr-calname", _("Diensten"))
        calendar.add("refresh-interval", vDuration(REFRESH), parameters={"value": "DURATION"})
        calendar.add("x-published-ttl", vDuration(REFRESH))
        for duty in shown(worker, now):
            calendar.add_component(_event(duty, now))
        return bytes(calendar.to_ical())


def shown(worker: User, now: datetime) -> list[Duty]:
    """The duties that the calendar has now, in order; one query."""
    published = Q(hour__in=ConsultationHour.objects.published().values("pk"))
    return list(
        Duty.objects.filter(published, worker=worker)
        .overlapping(now - PAST, now + AHEAD)
        .exclude(status__in=NEVER_SHOWN)
        .select_related("hour")
        .order_by("start", "pk")
    )


def _event(duty: Duty, now: datetime) -> "Event":
    from icalendar import Event

    is_gone = duty.status in GONE or duty.hour.status == ConsultationHour.Status.CANCELLED
    event = Event()
    event.add("uid", duty.uid)
    # Both only rise. The hour's own version makes sure that what happened to the hour is news too.
    event.add("sequence", duty.sequence + duty.hour.version - 1)
    event.add("dtstamp", now.replace(microsecond=0))
    event.add("dtstart", duty.start)
    event.add("dtend", duty.end)
    event.add("summary", _summary(duty, is_gone))
    event.add("status", "CANCELLED" if is_gone else "CONFIRMED")
    event.add("transp", "TRANSPARENT" if is_gone else "OPAQUE")
    event.add("class", "PRIVATE")
    return event


def _summary(duty: Duty, is_gone: bool) -> str:
    if is_gone:
        return _("Dienst vervallen")
    if duty.status == Duty.Status.COVER_WANTED:
        return _("Dienst (vervanging gevraagd)")
    return _("Dienst")
