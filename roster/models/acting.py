"""Acting as a coordinator: who may plan, and the trail of what was done to somebody's duty."""

from collections.abc import Iterable
from datetime import date

from django.db.models import Q

from institutions.models import AuditEvent, Institution, Membership, User
from roster.models.moves import RosterRefused


def require_planner(by: User) -> None:
    """Only an active coordinator of the platform plans. Raises RosterRefused: not_yours."""
    plans = Membership.objects.active().coordinators().filter(user=by, institution=None)
    if not by.is_active or not plans.exists():
        raise RosterRefused("not_yours")


def coordinators_of(institutions: Iterable[int]) -> list[User]:
    """The active coordinators of these institutions, each once, by id."""
    theirs = Membership.objects.active().coordinators().filter(institution__in=institutions)
    return list(User.objects.filter(Q(pk__in=theirs.values("user")), is_active=True).order_by("pk"))


def platform_coordinators() -> list[User]:
    """The active coordinators of the platform, by id."""
    theirs = Membership.objects.active().coordinators().filter(institution=None)
    return list(User.objects.filter(pk__in=theirs.values("user"), is_active=True).order_by("pk"))


def record(
    by: User, deed: str, day: date, *, person: User | None, institution: Institution | None
) -> None:
    """Leave an audit row of a deed on somebody else's duty or an institution's seat.

    `deed` is a key of `institutions.models.audit.ROSTER`. Part of the caller's transaction.
    """
    if person is not None and person.pk == by.pk:
        return
    AuditEvent.objects.create(
        actor=by,
        verb=AuditEvent.Verb.ROSTER,
        person=person,
        institution=institution,
        detail=f"{deed} {day}",
    )
