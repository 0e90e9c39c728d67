"""The calendar feed: the page on which a worker makes and revokes the address, and the address."""

from django.contrib import messages
from django.core.cache import cache
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from institutions.access import Staff, staff_of, worker_required
from roster.feed import calendar_of
from roster.models import FeedToken

# Calendars ask every quarter of an hour at most; more than this is a mistake or a nuisance.
REQUESTS, SECONDS = 20, 60


@worker_required
@require_http_methods(["GET", "HEAD", "POST"])
def feed(request: HttpRequest) -> HttpResponse:
    """The address is shown in the answer to the form that made it, and never again."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    address = ""
    if request.method == "POST":
        if request.POST.get("action") == "revoke":
            if FeedToken.revoke_all_of(staff.user):
                messages.success(request, _("Het adres werkt niet meer."))
            return redirect("roster_feed")
        _token, secret = FeedToken.make(staff.user)
        address = request.build_absolute_uri(reverse("roster_feed_ics", args=[secret]))
    context = {
        "token": FeedToken.objects.valid().filter(user=staff.user).first(),
        "address": address,
        # The scheme that opens a phone's own calendar.
        "subscribe": "webcal" + address.removeprefix("https").removeprefix("http"),
    }
    return render(request, "roster/feed.html", context)


@require_safe
def feed_ics(request: HttpRequest, token: str) -> HttpResponse:
    """The calendar of whoever has the secret address; nothing of it is logged.

    Counts by the token and not by who asks: calendars of many people share one server's address.
    A wrong token is one look in an index, and too long to be guessed.
    """
    now = timezone.now()
    held = FeedToken.objects.holding(token).select_related("user").first()
    staff = staff_of(held.user) if held else None
    if held is None or staff is None or not staff.is_worker:
        raise Http404
    if not _take(held):
        return HttpResponse(
            status=429, content_type="text/plain", headers={"Retry-After": str(SECONDS)}
        )
    held.note_use(now)
    return HttpResponse(
        calendar_of(held.user, now),
        content_type="text/calendar; charset=utf-8",
        headers={"Content-Disposition": 'inline; filename="diensten.ics"'},
    )


def _take(token: FeedToken) -> bool:
    """Count one request; False when there were too many in this minute."""
    key = f"roster-feed:{token.pk}"
    cache.add(key, 0, SECONDS)
    try:
        return cache.incr(key) <= REQUESTS
    except ValueError:  # it ran out in between
        return True
