"""Is the chat open? One source for the page, the queue, the desk and "start chat".

`decide` is the whole rule and touches nothing; `look` loads its facts; `evaluate` also remembers
what it found and logs every change once. Open means: a consultation hour covers now, enough of its
seats are filled, and enough of those workers are really at their desks. Going open and dropping
out have different thresholds, so that a worker who reloads a page does not close the chat for
everybody. What is unknown counts as closed. Choices: docs/decisions/0005-opening.md.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import DatabaseError, models, transaction
from django.db.models import TextChoices
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, pgettext_lazy

from roster.models import (
    LEASE,
    ConsultationHour,
    Duty,
    OpeningLog,
    OpeningState,
    OpenOverride,
    Presence,
    ServiceLine,
)

log = logging.getLogger("klikvoor.roster")

# Enough workers, without a break this long, open the chat …
STEADY = timedelta(seconds=30)
# … and too few, this long, interrupt it.
GRACE = timedelta(seconds=90)
# So long before an hour the page says that it comes.
SOON_BEFORE = timedelta(minutes=15)
# A public sentence names hours further ahead than this with their day.
_SAME_NIGHT = timedelta(hours=12)
# Hours that are looked at: more than the longest chain of adjoining hours that matters.
_LOOK_AHEAD = 60


class State(TextChoices):
    CLOSED = "closed", pgettext_lazy("opening", "dicht")
    SOON = "soon", pgettext_lazy("opening", "gaat zo open")
    OPEN = "open", pgettext_lazy("opening", "open")
    BUSY = "busy", pgettext_lazy("opening", "vol")
    INTERRUPTED = "interrupted", pgettext_lazy("opening", "onderbroken")
    LAST_CALL = "last_call", pgettext_lazy("opening", "neemt niemand meer aan")
    FORCED = "forced", pgettext_lazy("opening", "met de hand gezet")


# Once in one of these, the lower threshold holds.
UNDERWAY = frozenset({State.OPEN, State.BUSY, State.LAST_CALL})


class Reason(TextChoices):
    """Why the state is what it is. The label is the sentence for staff."""

    NO_HOUR = "no_hour", gettext_lazy("Er is nu geen spreekuur.")
    TOO_FEW_ROSTERED = (
        "too_few_rostered",
        gettext_lazy("Er is nu een spreekuur, maar er zijn te weinig mensen ingeroosterd."),
    )
    STARTS_SOON = "starts_soon", gettext_lazy("Het spreekuur begint zo.")
    GETTING_READY = (
        "getting_ready",
        gettext_lazy("Het spreekuur is net begonnen. We wachten tot er genoeg mensen klaarzitten."),
    )
    STAFFED = "staffed", gettext_lazy("Er zitten genoeg mensen klaar.")
    NO_PLACE_FREE = (
        "no_place_free",
        gettext_lazy("Iedereen is in gesprek. Wie nu komt, wacht in de wachtrij."),
    )
    QUEUE_FULL = (
        "queue_full",
        gettext_lazy("De wachtrij is zo lang dat wie nu komt te laat aan de beurt zou zijn."),
    )
    CLOSING_TIME = "closing_time", gettext_lazy("Het spreekuur is bijna afgelopen.")
    WAIT_TOO_LONG = (
        "wait_too_long",
        gettext_lazy("De wachtrij is langer dan het spreekuur nog duurt."),
    )
    TOO_FEW_PRESENT = (
        "too_few_present",
        gettext_lazy("Er zitten te weinig ingeroosterde mensen klaar aan hun werkplek."),
    )
    SETTLING = (
        "settling",
        gettext_lazy(
            "Er zitten net weer genoeg mensen klaar. Na een halve minuut gaat de chat open."
        ),
    )
    FORCED_OPEN = "forced_open", gettext_lazy("Een coördinator heeft de chat open gezet.")
    FORCED_OPEN_NOBODY = (
        "forced_open_nobody",
        gettext_lazy(
            "Een coördinator heeft de chat open gezet, maar er zit niemand klaar. "
            "Daarom kan nog niemand beginnen."
        ),
    )
    FORCED_OPEN_FULL = (
        "forced_open_full",
        gettext_lazy("Een coördinator heeft de chat open gezet, maar de wachtrij is te lang."),
    )
    FORCED_OPEN_ENDING = (
        "forced_open_ending",
        gettext_lazy("Een coördinator heeft de chat open gezet, maar die tijd is bijna om."),
    )
    FORCED_CLOSED = "forced_closed", gettext_lazy("Een coördinator heeft de chat dicht gezet.")
    UNKNOWN = (
        "unknown",
        gettext_lazy("We kunnen nu niet zien wie er klaarzit. Daarom is de chat dicht."),
    )


@dataclass(frozen=True)
class Load:
    """What the chat knows: places nobody waits for, who waits, and the wait of who comes now."""

    free_places: int
    waiting: int
    wait_minutes: int


@dataclass(frozen=True)
class Hour:
    """A planned hour. `rostered`: active duties now, or at its start when it is still to come."""

    start: datetime
    end: datetime
    min_staff: int
    rostered: int

    @property
    def is_staffed(self) -> bool:
        return self.rostered >= self.min_staff

    def covers(self, now: datetime) -> bool:
        return self.start <= now < self.end


@dataclass(frozen=True)
class Override:
    is_open: bool
    until: datetime


@dataclass(frozen=True)
class Present:
    """Workers who are available with a running lease, counted in three ways.

    Only who is on duty counts, except in `anybody`. `steady`: for 30 s without a break.
    `lately`: now or until less than 90 s ago.
    """

    now: int
    steady: int
    lately: int
    anybody: int


@dataclass(frozen=True)
class Facts:
    """Everything that the decision rests on. None in `present` or `load`: could not be known."""

    now: datetime
    zone: ZoneInfo
    last_call: timedelta
    hours: tuple[Hour, ...] = ()
    present: Present | None = None
    load: Load | None = None
    override: Override | None = None
    was: str = ""
    short_since: datetime | None = None


@dataclass(frozen=True)
class Opening:
    """The answer. `admits`: may somebody who comes now join the queue?

    `until`: when this period ends, adjoining hours taken together. `next_start`: the next planned
    time with enough people on it; None when there is none, and then no text names a time.
    """

    state: str
    admits: bool
    until: datetime | None = None
    next_start: datetime | None = None
    reason: str = ""
    numbers: dict[str, int] = field(default_factory=dict)
    now: datetime = field(default_factory=timezone.now)
    zone: ZoneInfo = field(default_factory=lambda: ZoneInfo("Europe/Amsterdam"))
    # Set by `evaluate`: this call is the one that wrote the change.
    changed: bool = False

    def text(self) -> str:
        """The public sentence, in the active language and the line's own time."""
        match self.reason:
            case Reason.STAFFED:
                return self._open_until()
            case Reason.NO_PLACE_FREE | Reason.FORCED_OPEN:
                if self.numbers.get("free_places", 1) > 0:
                    return self._open_until()
                return self._open_until() + " " + _("Het is druk, dus je moet even wachten.")
            case Reason.GETTING_READY:
                return _("De chat gaat zo open.")
            case Reason.STARTS_SOON if self.next_start:
                return _("De chat opent %(when)s.") % {"when": self._when(self.next_start)}
            case Reason.TOO_FEW_PRESENT | Reason.SETTLING | Reason.FORCED_OPEN_NOBODY:
                return _(
                    "De chat is nu even niet open. Probeer het over een paar minuten nog eens."
                )
            case Reason.QUEUE_FULL | Reason.FORCED_OPEN_FULL | Reason.WAIT_TOO_LONG:
                sentence = _("Het is nu te druk in de chat. Er kan niemand meer bij.")
            case Reason.CLOSING_TIME | Reason.FORCED_OPEN_ENDING:
                sentence = _("De chat gaat zo dicht. Je kunt nu niet meer beginnen.")
            case _:
                sentence = _("De chat is nu dicht.")
        if self.next_start is None:
            return sentence
        return sentence + " " + _("De chat opent %(when)s.") % {"when": self._when(self.next_start)}

    def label(self) -> str:
        return label(self.state, self.reason)

    def why(self) -> str:
        return why(self.reason)

    def _open_until(self) -> str:
        if self.until is None:
            return _("De chat is open.")
        return _("De chat is open tot %(when)s.") % {"when": self._when(self.until, short=True)}

    def _when(self, moment: datetime, *, short: bool = False) -> str:
        """`vandaag om 19:00`, `morgen om 19:00`, `dinsdag 3 maart om 19:00`; short: `19:00`."""
        local, today = moment.astimezone(self.zone), self.now.astimezone(self.zone)
        time = f"{local:%H:%M}"
        if short and moment - self.now <= _SAME_NIGHT:
            return time
        if local.date() == today.date():
            return _("vandaag om %(time)s") % {"time": time}
        if local.date() == today.date() + timedelta(days=1):
            return _("morgen om %(time)s") % {"time": time}
        day = date_format(local, "l j F")
        return _("%(day)s om %(time)s") % {"day": day, "time": time}


def label(state: str, reason: str) -> str:
    """A few words for staff: the state, and which way when a hand set it."""
    if state == State.FORCED:
        return _("met de hand dicht") if reason == Reason.FORCED_CLOSED else _("met de hand open")
    return str(State(state).label)


def why(reason: str) -> str:
    """The sentence for staff that explains a reason; empty for a code of another version."""
    return str(Reason(reason).label) if reason in Reason.values else ""


# --- The rule ------------------------------------------------------------------------------------


def decide(facts: Facts) -> Opening:
    """Return whether the chat is open. Pure: the same facts give the same answer."""
    now, present, load, forced = facts.now, facts.present, facts.load, facts.override
    covering = [hour for hour in facts.hours if hour.covers(now)]
    staffed = [hour for hour in covering if hour.is_staffed]
    counted = staffed or covering
    needed = min((hour.min_staff for hour in counted), default=0)
    numbers = {"rostered": max((hour.rostered for hour in counted), default=0), "needed": needed}
    if present:
        numbers |= {"present": present.now, "present_anybody": present.anybody}
    if load:
        numbers |= {
            "free_places": load.free_places,
            "waiting": load.waiting,
            "wait_minutes": load.wait_minutes,
        }
    closed = Opening(
        state=State.CLOSED,
        admits=False,
        next_start=_next_start(facts.hours, now),
        reason=Reason.NO_HOUR,
        numbers=numbers,
        now=now,
        zone=facts.zone,
    )

    if forced and not forced.is_open:
        return replace(
            closed,
            state=State.FORCED,
            reason=Reason.FORCED_CLOSED,
            until=forced.until,
            next_start=_start_after(facts, forced.until),
        )
    if not staffed and not forced:
        if closed.next_start and closed.next_start - now <= SOON_BEFORE:
            return replace(closed, state=State.SOON, reason=Reason.STARTS_SOON)
        reason = Reason.TOO_FEW_ROSTERED if covering else Reason.NO_HOUR
        return replace(closed, reason=reason)
    if present is None or load is None:
        return replace(closed, reason=Reason.UNKNOWN, next_start=None)

    until = _chain(facts.hours, forced.until if forced else max(hour.end for hour in staffed))
    during = replace(closed, until=until, next_start=_next_start(facts.hours, until))
    if forced:
        return _forced_open(facts, during, present, load, until)

    if not _enough_present(facts, present, needed):
        began = min(hour.start for hour in staffed)
        if facts.was not in UNDERWAY and now - began < GRACE:
            return replace(during, state=State.SOON, reason=Reason.GETTING_READY)
        back = present.now >= needed
        return replace(
            during,
            state=State.INTERRUPTED,
            reason=Reason.SETTLING if back else Reason.TOO_FEW_PRESENT,
        )
    if now >= until - facts.last_call:
        return replace(during, state=State.LAST_CALL, reason=Reason.CLOSING_TIME)
    turn = now + timedelta(minutes=load.wait_minutes)
    if turn > until:
        return replace(during, state=State.LAST_CALL, reason=Reason.WAIT_TOO_LONG)
    if turn > until - facts.last_call:
        return replace(during, state=State.BUSY, reason=Reason.QUEUE_FULL)
    if load.free_places <= 0:
        return replace(during, state=State.BUSY, admits=True, reason=Reason.NO_PLACE_FREE)
    return replace(during, state=State.OPEN, admits=True, reason=Reason.STAFFED)


def short_since(facts: Facts, opening: Opening) -> datetime | None:
    """Since when an open chat has had too few workers present; None while it has enough."""
    if opening.state not in UNDERWAY or facts.present is None:
        return None
    if facts.present.now >= opening.numbers["needed"]:
        return None
    return facts.short_since or facts.now


def _enough_present(facts: Facts, present: Present, needed: int) -> bool:
    if present.steady >= needed:
        return True
    # Underway. Two measures, because each has a hole: the memory stands still when no tick runs,
    # and the rows do not know whether two workers were ever present together.
    too_long = facts.short_since is not None and facts.now - facts.short_since >= GRACE
    return (
        facts.was in UNDERWAY
        and present.lately >= needed
        and (present.now >= needed or not too_long)
    )


def _forced_open(
    facts: Facts, during: Opening, present: Present, load: Load, until: datetime
) -> Opening:
    """Open by hand: no roster needed, but never without a worker, a place or the time."""
    turn = facts.now + timedelta(minutes=load.wait_minutes)
    if present.anybody < 1:
        reason, admits = Reason.FORCED_OPEN_NOBODY, False
    elif facts.now >= until - facts.last_call:
        reason, admits = Reason.FORCED_OPEN_ENDING, False
    elif turn > until - facts.last_call:
        reason, admits = Reason.FORCED_OPEN_FULL, False
    else:
        reason, admits = Reason.FORCED_OPEN, True
    return replace(during, state=State.FORCED, admits=admits, reason=reason)


def _chain(hours: Sequence[Hour], end: datetime) -> datetime:
    """Return when the chat closes: adjoining and overlapping staffed hours count as one."""
    for hour in sorted(hours, key=lambda hour: hour.start):
        if hour.is_staffed and hour.start <= end:
            end = max(end, hour.end)
    return end


def _next_start(hours: Sequence[Hour], after: datetime) -> datetime | None:
    """Return the start of the first hour after a moment that has enough people on it."""
    return min(
        (hour.start for hour in hours if hour.is_staffed and hour.start > after), default=None
    )


def _start_after(facts: Facts, until: datetime) -> datetime | None:
    """Return when the chat opens once it is no longer held closed: perhaps in mid-hour."""
    running = [hour.end for hour in facts.hours if hour.is_staffed and hour.covers(until)]
    if running and until < _chain(facts.hours, max(running)) - facts.last_call:
        return until
    return _next_start(facts.hours, until)


# --- Facts, memory and log -----------------------------------------------------------------------


def look(line: ServiceLine, load: Load | None, now: datetime) -> Opening:
    """Return whether the chat of this line is open. A constant number of queries, writes nothing.

    When the database does not answer, the answer is closed.
    """
    try:
        return decide(_facts(line, load, now, OpeningState.objects.filter(line=line).first()))
    except DatabaseError:
        log.exception("opening of line %s is unknown", line.pk)
        return Opening(State.CLOSED, admits=False, reason=Reason.UNKNOWN, now=now, zone=line.zone)


def evaluate(line: ServiceLine, load: Load | None, now: datetime) -> Opening:
    """Look, remember, and log a change with its numbers: exactly once over all processes.

    The version of the memory is the lock: who finds it changed was second, and another look in a
    moment will say what is left to say.
    """
    memory, _is_new = OpeningState.objects.get_or_create(
        line=line, defaults={"state": State.CLOSED, "since": now}
    )
    facts = _facts(line, load, now, memory)
    found = decide(facts)
    short = short_since(facts, found)
    is_change = (memory.state, memory.reason) != (found.state, found.reason)
    if not is_change and memory.short_since == short:
        return found
    with transaction.atomic():
        unchanged = OpeningState.objects.filter(pk=memory.pk, version=memory.version)
        if not unchanged.update(
            state=found.state,
            reason=found.reason,
            since=memory.since if memory.state == found.state else now,
            short_since=short,
            version=memory.version + 1,
        ):
            return found
        if is_change:
            OpeningLog.objects.create(
                line=line,
                at=now,
                old=memory.state,
                new=found.state,
                reason=found.reason,
                numbers=found.numbers,
            )
    return replace(found, changed=is_change)


def _last_call(line: ServiceLine) -> timedelta:
    return timedelta(minutes=line.last_call_minutes)


def _facts(
    line: ServiceLine, load: Load | None, now: datetime, memory: OpeningState | None
) -> Facts:
    override = OpenOverride.objects.holding(now).filter(line=line).first()
    hours = (
        ConsultationHour.objects.planned()
        .published()
        .filter(line=line, end__gt=now)
        .with_rostered(now)
        # An hour to come that has too few people neither opens the chat nor may be promised.
        .exclude(start__gt=now, rostered__lt=models.F("min_staff"))  # type: ignore[misc]
        .order_by("start", "pk")
        .values_list("start", "end", "min_staff", "rostered")[:_LOOK_AHEAD]
    )
    return Facts(
        now=now,
        zone=line.zone,
        last_call=_last_call(line),
        hours=tuple(Hour(*row) for row in hours),
        present=_present(line, now),
        load=load,
        override=Override(override.is_open, override.until) if override else None,
        was=memory.state if memory else "",
        short_since=memory.short_since if memory else None,
    )


def _present(line: ServiceLine, now: datetime) -> Present:
    # Whose duty ended just now still counts as lately present: a change of shift closes nothing.
    duties = Duty.objects.active().filter(
        hour__in=ConsultationHour.objects.planned().published().filter(line=line),
        start__lte=now,
        end__gt=now - GRACE,
    )
    on_duty: dict[int, datetime] = {}
    for worker_id, end in duties.values_list("worker_id", "end"):
        on_duty[worker_id] = max(end, on_duty.get(worker_id, end))
    ready = Presence.objects.filter(
        ready_at__gt=now - LEASE - GRACE,
        worker__is_active=True,
        worker__memberships__role="worker",
        worker__memberships__institution__is_active=True,
    )
    present = steady = lately = anybody = 0
    for worker_id, state, ready_at, ready_since in ready.values_list(
        "worker_id", "state", "ready_at", "ready_since"
    ).distinct():
        is_ready = (
            state == Presence.State.AVAILABLE and ready_at is not None and ready_at > now - LEASE
        )
        anybody += is_ready
        if worker_id not in on_duty:
            continue
        lately += 1
        if is_ready and on_duty[worker_id] > now:
            present += 1
            steady += ready_since is not None and now - ready_since >= STEADY
    return Present(now=present, steady=steady, lately=lately, anybody=anybody)
