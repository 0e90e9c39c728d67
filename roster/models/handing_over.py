"""What happens to the duties when cover is done or undone. The caller holds the locks.

Beside `CoverRequest`, whose verbs call it, because a file stays short.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.utils.translation import gettext_lazy as _

from institutions.models import User
from roster import notices
from roster.models.acting import coordinators_of
from roster.models.duties import Duty
from roster.models.line import ServiceLine
from roster.models.moves import RosterRefused

if TYPE_CHECKING:
    from roster.models.cover import CoverRequest

_RETURNED = _("Je collega gaf de dienst terug. Er wordt opnieuw om vervanging gevraagd.")
_EXCHANGED_BACK = _("De ruil is teruggedraaid. Er wordt opnieuw om vervanging gevraagd.")


def coordinators(request: "CoverRequest") -> list[User]:
    """Those of the giver's institution and of the taker's."""
    sides = (request.duty.credited_to_id, request.claimed_for_id)
    return coordinators_of({side for side in sides if side})


def offer(
    request: "CoverRequest", worker: User, duty: Duty | None, now: datetime
) -> dict[str, Any]:
    """What the request says of the taker's duty in an exchange. Raises RosterRefused: no_offer."""
    if request.kind != request.Kind.EXCHANGE:
        return {}
    mine = Duty.objects.filter(worker=worker, status=Duty.Status.CONFIRMED, start__gt=now)
    if duty is None or not mine.filter(pk=duty.pk, hour__status="planned").exists():
        raise RosterRefused("no_offer")
    return {"offered_duty": duty}


def require_fit(request: "CoverRequest", now: datetime) -> None:
    """Both sides may do what they get. Raises RosterRefused: what `claim` refuses."""
    taker, institution = request.taker
    duty, offered = request.duty, request.offered_duty
    start, end = request.span(now)
    if start >= end or (not request.is_urgent and start <= now):
        raise RosterRefused("past")
    if duty.hour.is_cancelled:
        raise RosterRefused("cancelled")
    if duty.status not in (Duty.Status.COVER_WANTED, Duty.Status.SICK):
        raise RosterRefused("changed")
    # The hour was moved, and who is absent did not go along.
    if not duty.hour.start <= start < end <= duty.hour.end:
        raise RosterRefused("changed")
    leaving = [offered.pk] if offered else []
    duty.require_fit(taker, institution, start, end, ignoring=leaving)
    if offered:
        offer(request, taker, offered, now)
        offered.require_fit(
            duty.worker, duty.credited_to, offered.start, offered.end, ignoring=[duty.pk]
        )


def waits_for_approval(request: "CoverRequest") -> bool:
    """Whether the line wants a coordinator's word first; who is absent cannot wait for that."""
    return (
        request.duty.hour.line.cover_policy == ServiceLine.CoverPolicy.APPROVAL
        and request.duty.credited_to_id != request.claimed_for_id
        and not request.is_urgent
    )


def finish(request: "CoverRequest", by: User, now: datetime, **fields: Any) -> None:
    """Pass the duty on, in an exchange the other one back, and tell both sides."""
    taker, institution = request.taker
    request._move(request.State.DONE, by=by, now=now, ended_at=now, **fields)
    duty, offered = request.duty, request.offered_duty
    source = Duty.Source.COVER
    if offered:
        # Both leave first, so that neither is in the other's way.
        type(request).objects.filter(duty=offered).void(by, now)
        Duty.objects.filter(pk__in=[duty.pk, offered.pk]).update(status=Duty.Status.REPLACED)
    new = duty.pass_on(taker, institution, *request.span(now), source=source)
    if duty.status == Duty.Status.COVER_WANTED:  # the part that stays
        Duty.objects.filter(pk=duty.pk).update(status=Duty.Status.CONFIRMED)
    if offered:
        back = offered.pass_on(
            duty.worker, duty.credited_to, offered.start, offered.end, source=source
        )
        notices.exchanged(request, back)
    request.refresh_from_db()
    notices.taken_over(request, new)
    policy = duty.hour.line.cover_policy
    if duty.credited_to_id != institution.pk and policy != ServiceLine.CoverPolicy.AUTOMATIC:
        notices.between_institutions(request, coordinators(request))


def give_back(request: "CoverRequest", by: User, now: datetime) -> None:
    """Undo it, and ask again. Raises RosterRefused: what `release` refuses."""
    taken, offered = request.taken, request.offered_duty
    if request.state != request.State.DONE or taken is None:
        raise RosterRefused("wrong_state")
    if request.duty.cover_requests.live().exists():
        raise RosterRefused("asked")
    live = type(request).objects
    live.filter(duty=taken).void(by, now)
    why = _RETURNED
    if request.is_urgent:
        taken.change(status=Duty.Status.RELEASED)
    else:
        # Both sides of an exchange go first, so that neither is in the other's way.
        returned = offered.replaced_by if offered else None
        if returned:
            if returned.status not in Duty.UNDERWAY or returned.start <= now:
                raise RosterRefused("changed")
            live.filter(duty=returned).void(by, now)
            returned.change(status=Duty.Status.RELEASED)
        taken.change(status=Duty.Status.RELEASED)
        request.duty.take_back(taken)
        if offered and returned:
            offered.take_back(returned)
            why = _EXCHANGED_BACK
    request.reopen(by, now)
    notices.still_yours(request, "returned", why=why)
    request.ask(now)
