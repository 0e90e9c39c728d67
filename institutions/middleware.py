"""Who asks: sign-ins, and that staff pages are for staff with a second factor."""

from collections.abc import Callable
from typing import Any

from django.contrib.auth.middleware import AuthenticationMiddleware, get_user
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation
from django.utils.functional import SimpleLazyObject

from institutions.access import is_complete, staff_of
from institutions.models import User

# What somebody with no more than a password can reach of the account pages: setting up a second
# factor, typing the password again for that, and leaving.
BEFORE_SECOND_FACTOR = frozenset(
    {
        "account_login",
        "account_logout",
        "account_inactive",
        "account_reauthenticate",
        "demo_sign_in",
        "mfa_index",
        "mfa_activate_totp",
        "mfa_add_webauthn",
        "mfa_login_webauthn",
    }
)


class SignInMiddleware(AuthenticationMiddleware):
    """Django's, but a sign-in that moves to a new SECRET_KEY keeps the key of its session.

    Django gives it another one. A request that was sent with the old one a moment before then finds
    nothing, and its answer takes the new cookie away: signed out, in the middle of a chat. And a desk
    that is open knows only the key that it was opened with.
    """

    def process_request(self, request: HttpRequest) -> None:
        super().process_request(request)
        request.user = SimpleLazyObject(lambda: _user_of(request))  # type: ignore[assignment]


def _user_of(request: HttpRequest) -> Any:
    session: Any = request.session
    session.keeps_key = True
    try:
        return get_user(request)
    finally:
        session.keeps_key = False


class StaffMiddleware:
    """Puts `request.staff` (institutions.access.Staff or None) on every request, in their language.

    It is None as long as the second factor is missing, so that every other page treats such a
    person as a stranger; `request.needs_second_factor` tells the two apart.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.staff = None  # type: ignore[attr-defined]
        request.needs_second_factor = False  # type: ignore[attr-defined]
        if not isinstance(request.user, User) or not request.user.is_authenticated:
            return self.get_response(request)
        if is_complete(request):
            request.staff = staff_of(request.user)  # type: ignore[attr-defined]
        else:
            request.needs_second_factor = True  # type: ignore[attr-defined]
        with translation.override(request.user.language):
            request.LANGUAGE_CODE = request.user.language
            return self.get_response(request)

    def process_view(
        self, request: HttpRequest, view: Any, args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        if (
            request.needs_second_factor  # type: ignore[attr-defined]
            and match is not None
            and match.route.startswith("accounts/")
            and match.url_name not in BEFORE_SECOND_FACTOR
        ):
            return HttpResponseRedirect(reverse("mfa_index"))
        return None
