"""Who may do what: asked by views, sockets and forms alike, and nowhere else decided."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from functools import wraps
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth import HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.models import AnonymousUser
from django.contrib.auth.views import redirect_to_login
from django.contrib.sessions.models import Session
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from institutions.models import Membership, User

if TYPE_CHECKING:
    from allauth.mfa.models import Authenticator
    from django.db.models import QuerySet

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

    def gives(self, right: tuple[int | None, str]) -> bool:
        """Whether this coordinator may give and take this role of this institution or platform."""
        institution, _role = right
        return self.is_platform_coordinator or institution in self.coordinator_of

    def manages_account_of(self, person: User) -> bool:
        """Whether the whole person is theirs: nobody else's, and not the platform's."""
        if self.is_platform_coordinator:
            return True
        theirs = set(person.memberships.values_list("institution_id", flat=True))
        return bool(theirs) and theirs <= self.coordinator_of


def staff_of(user: User | AnonymousUser) -> Staff | None:
    """Return the rights of an active user with at least one active membership, else None."""
    if not isinstance(user, User) or not user.is_active:
        return None
    rights = _rights_of([user.pk]).get(user.pk)
    return _staff(user, rights) if rights else None


def second_factors(user: User) -> "QuerySet[Authenticator]":
    """TOTP apps and passkeys; recovery codes alone are no second factor."""
    from allauth.mfa.models import Authenticator

    return Authenticator.objects.filter(user=user).exclude(type=Authenticator.Type.RECOVERY_CODES)


def has_second_factor(user: User) -> bool:
    return second_factors(user).exists()


def is_demo_session(session: Any) -> bool:
    return settings.DEMO and bool(session.get(DEMO_SESSION_KEY))


def is_complete(request: HttpRequest) -> bool:
    """Whether this sign-in is one of a person who has a second factor, or of the demo.

    Who has one cannot have come in without it: allauth asks for it at every sign-in, and the
    session in which the first one was set up is the one that set it up.
    """
    if not isinstance(request.user, User):
        return False
    return is_demo_session(request.session) or has_second_factor(request.user)


def staff_of_session(session_key: str) -> Staff | None:
    """Return who holds this session now, as a page request would see it, else None.

    For sockets: they outlive the request that opened them, so they ask again and again.
    """
    return staff_of_sessions([session_key]).get(session_key)


def staff_of_sessions(session_keys: Collection[str]) -> dict[str, Staff]:
    """Return the staff who hold these sessions now; four queries however many there are.

    Left out: ended sessions, disabled people, changed passwords, and whoever lost the second
    factor or the last membership.
    """
    held: dict[str, dict[str, Any]] = {
        session.session_key: session.get_decoded()
        for session in Session.objects.filter(
            session_key__in=session_keys, expire_date__gt=timezone.now()
        )
    }
    users = User.objects.filter(is_active=True).in_bulk(
        {int(data[SESSION_KEY]) for data in held.values() if SESSION_KEY in data}
    )
    safe = _with_second_factor(users)
    rights = _rights_of(users)
    staff = {}
    for key, data in held.items():
        user = users.get(int(data.get(SESSION_KEY, 0)))
        if user is None or not rights.get(user.pk):
            continue
        if not _is_of(user, data.get(HASH_SESSION_KEY, "")):
            continue
        if user.pk in safe or (settings.DEMO and data.get(DEMO_SESSION_KEY)):
            staff[key] = _staff(user, rights[user.pk])
    return staff


def _is_of(user: User, session_hash: str) -> bool:
    """Whether a session with this hash is one of this person, and was not ended.

    While SECRET_KEY changes also one under its fallbacks, as Django has it for pages.
    """
    hashes = [user.get_session_auth_hash(), *user.get_session_auth_fallback_hash()]
    return any(constant_time_compare(session_hash, one) for one in hashes)


def _with_second_factor(users: Collection[int]) -> set[int]:
    from allauth.mfa.models import Authenticator

    return set(
        Authenticator.objects.filter(user__in=users)
        .exclude(type=Authenticator.Type.RECOVERY_CODES)
        .values_list("user_id", flat=True)
    )


def _rights_of(users: Collection[int]) -> dict[int, list[tuple[str, int | None]]]:
    rights: dict[int, list[tuple[str, int | None]]] = {}
    for user, role, institution in (
        Membership.objects.active()
        .filter(user__in=users)
        .values_list("user_id", "role", "institution_id")
    ):
        rights.setdefault(user, []).append((role, institution))
    return rights


def _staff(user: User, rights: list[tuple[str, int | None]]) -> Staff:
    coordinator = Membership.Role.COORDINATOR
    return Staff(
        user=user,
        worker_of=frozenset(i for role, i in rights if role == Membership.Role.WORKER and i),
        coordinator_of=frozenset(i for role, i in rights if role == coordinator and i),
        is_platform_coordinator=(coordinator, None) in rights,
    )


View = Callable[..., Any]


def _door(allows: Callable[[Staff], bool]) -> Callable[[View], View]:
    """Nobody: to the sign-in. Without a second factor: to setting one up. Wrong role: 403."""

    def decorate(view: View) -> View:
        if iscoroutinefunction(view):

            @wraps(view)
            async def guarded_async(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                if refusal := refuse(request, allows):
                    return refusal
                return await view(request, *args, **kwargs)

            return guarded_async

        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if refusal := refuse(request, allows):
                return refusal
            return view(request, *args, **kwargs)

        return guarded

    return decorate


def refuse(request: HttpRequest, allows: Callable[[Staff], bool]) -> HttpResponse | None:
    """Return where somebody must go first, None if they may pass; raises PermissionDenied.

    Needs no database: the middleware looked everything up. So async views may ask it too.
    """
    staff: Staff | None = request.staff  # type: ignore[attr-defined]
    if staff is not None and allows(staff):
        return None
    if not request.user.is_authenticated:
        return redirect_to_login(request.get_full_path())
    if request.needs_second_factor:  # type: ignore[attr-defined]
        return HttpResponseRedirect(reverse("mfa_index"))
    raise PermissionDenied


staff_required = _door(lambda staff: True)
worker_required = _door(lambda staff: staff.is_worker)
coordinator_required = _door(lambda staff: staff.is_coordinator)
platform_required = _door(lambda staff: staff.is_platform_coordinator)
