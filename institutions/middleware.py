"""Staff pages are for staff with a second factor."""

from collections.abc import Callable

from django.http import HttpRequest, HttpResponse

from institutions.access import staff_of


class StaffMiddleware:
    """Puts `request.staff` (institutions.access.Staff or None) on every request."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        request.staff = staff_of(request.user)  # type: ignore[attr-defined]
        return self.get_response(request)
