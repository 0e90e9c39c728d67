"""Staff pages are for staff with a second factor."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils import translation

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
