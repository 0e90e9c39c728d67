"""What somebody who was invited sees."""

from allauth.account.internal.flows.login import perform_password_login
from allauth.account.models import Login
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from institutions.forms import AcceptForm
from institutions.models import Invitation, Refused

SESSION_KEY = "invitation"


@require_safe
def invitation_link(request: HttpRequest, token: str) -> HttpResponse:
    """Take the token out of the address, so that it is in no history and no referrer.

    Only looks: a mail scanner that follows the link uses nothing up.
    """
    invitation = Invitation.find(token)
    if invitation is None:
        return _gone(request, "unknown")
    # The hash, which opens nothing elsewhere; a renewed invitation has another one.
    request.session[SESSION_KEY] = invitation.token_hash
    return redirect("invitation")


@require_http_methods(["GET", "HEAD", "POST"])
@sensitive_post_parameters("password", "again")
def invitation(request: HttpRequest) -> HttpResponse:
    """Accept: with a new password, or signed in when the address is already somebody's."""
    found = (
        Invitation.objects.select_related("institution", "invited_by")
        .filter(token_hash=request.session.get(SESSION_KEY, ""))
        .first()
    )
    if found is None:
        return _gone(request, "unknown")
    if found.state != "open":
        return _gone(request, found.state)
    known = found.for_whom
    if known and not known.is_active:
        return _gone(request, "disabled")
    context: dict[str, object] = {"invitation": found}
    if request.user.is_authenticated and request.user != known:
        return render(request, "institutions/invitation_other.html", context)
    if known:
        if not request.user.is_authenticated:
            context["sign_in"] = f"{reverse('account_login')}?next={reverse('invitation')}"
            return render(request, "institutions/invitation_known.html", context)
        if request.needs_second_factor:  # type: ignore[attr-defined]
            return redirect("mfa_index")
        if request.method == "POST":
            try:
                found.accept(user=known)
            except Refused:
                return redirect("invitation")
            messages.success(request, _("Gelukt. De rol is erbij gekomen."))
            return redirect("staff_home")
        return render(request, "institutions/invitation_known.html", context)

    form = AcceptForm(request.POST or None, invitation=found)
    if request.method == "POST" and form.is_valid():
        data = form.cleaned_data
        try:
            user = found.accept(
                password=data["password"], name=data["name"], chat_name=data["chat_name"]
            )
        except Refused:
            return redirect("invitation")  # which says what happened meanwhile
        login = Login(user=user, redirect_url=reverse("mfa_index"))
        return perform_password_login(request, {"email": user.email}, login)
    return render(request, "institutions/invitation.html", context | {"form": form})


def _gone(request: HttpRequest, reason: str) -> HttpResponse:
    status = 404 if reason == "unknown" else 410
    return render(request, "institutions/invitation_gone.html", {"reason": reason}, status=status)
