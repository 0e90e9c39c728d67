"""Who may do what: asked by views, sockets and forms alike, and nowhere else decided."""

from dataclasses import dataclass

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.models import Session
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from institutions.models import Membership, User

# Set in the session by the demo's "continue as", which stands in for the second factor.
DEMO_SESSION_KEY = "demo"


@dataclass(frozen=True)
class Staff:
    """A signed-in member of staff with the rights that hold at this moment."""

    user: User
    worker_of: frozenset[int]
    coordinator_of: frozenset[int]
    is_platform_coordinator: bool

    @property
    def is_worker(self) -> bool:
        return bool(self.worker_of)

    @property
    def is_coordinator(self) -> bool:
        return bool(self.coordinator_of) or self.is_platform_coordinator

    @property
    def institution_id(self) -> int:
        """The institution that owns what this worker takes: the first that employs them."""
        return min(self.worker_of)


def staff_of(user: User) -> Staff | None:
    """Return the rights of an active user with at least one active membership, else None."""
    if not user.is_authenticated or not user.is_active:
        return None
    rights = list(
        Membership.objects.active().filter(user=user).values_list("role", "institution_id")
    )
    if not rights:
        return None
    return Staff(
        user=user,
        worker_of=frozenset(i for role, i in rights if role == Membership.Role.WORKER),
        coordinator_of=frozenset(
            i for role, i in rights if role == Membership.Role.COORDINATOR and i is not None
        ),
        is_platform_coordinator=(Membership.Role.COORDINATOR, None) in rights,
    )


def has_second_factor(user: User) -> bool:
    """A TOTP app or a passkey; recovery codes alone are no second factor."""
    from allauth.mfa.models import Authenticator

    return (
        Authenticator.objects.filter(user=user)
        .exclude(type=Authenticator.Type.RECOVERY_CODES)
        .exists()
    )


def staff_of_session(session_key: str) -> Staff | None:
    """Return who holds this session now, as a page request would see it, else None.

    For sockets: they outlive the request that opened them, so they ask again and again.
    """
    session = Session.objects.filter(
        session_key=session_key, expire_date__gt=timezone.now()
    ).first()
    if session is None:
        return None
    data = session.get_decoded()
    user = User.objects.filter(pk=data.get(SESSION_KEY), is_active=True).first()
    if user is None:
        return None
    if not constant_time_compare(data.get(HASH_SESSION_KEY, ""), user.get_session_auth_hash()):
        return None
    if not (settings.DEMO and data.get(DEMO_SESSION_KEY)) and not has_second_factor(user):
        return None
    return staff_of(user)
