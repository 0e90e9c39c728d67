"""Where staff begin, and what they can change about themselves."""

from allauth.account.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import translation
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from institutions.access import Staff, staff_required
from institutions.forms import MeForm
from institutions.models import User


@require_safe
@staff_required
def home(request: HttpRequest) -> HttpResponse:
    """Workers go to their desk at once; coordinators have more than one thing to do."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    if not staff.is_coordinator:
        return redirect("/desk/")
    return render(request, "institutions/home.html")


@require_http_methods(["GET", "HEAD", "POST"])
@staff_required
def me(request: HttpRequest) -> HttpResponse:
    staff: Staff = request.staff  # type: ignore[attr-defined]
    user = User.objects.get(pk=request.user.pk)
    form = MeForm(request.POST or None, instance=user, staff=staff)
    if request.method == "POST" and form.is_valid():
        # Only these columns: a coordinator may be changing the others at this moment.
        User.objects.filter(pk=user.pk).update(**form.cleaned_data)
        with translation.override(form.cleaned_data["language"]):
            messages.success(request, _("Opgeslagen."))
        return redirect("staff_me")
    factors = Authenticator.objects.filter(user=user)
    sign_ins = UserSession.objects.purge_and_list(user)
    sign_ins.sort(key=lambda sign_in: (not sign_in.is_current(), -sign_in.created_at.timestamp()))
    context = {
        "form": form,
        "roles": user.memberships.select_related("institution"),
        "has_totp": any(f.type == Authenticator.Type.TOTP for f in factors),
        "passkeys": [f.wrap().name for f in factors if f.type == Authenticator.Type.WEBAUTHN],
        "codes_left": next(
            (
                len(f.wrap().get_unused_codes())
                for f in factors
                if f.type == Authenticator.Type.RECOVERY_CODES
            ),
            0,
        ),
        "sign_ins": sign_ins,
    }
    return render(request, "institutions/me.html", context)


@require_POST
@staff_required
def end_sign_in(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of one's own sign-ins; this one too."""
    sign_in = get_object_or_404(UserSession, pk=pk, user_id=request.user.pk)
    is_current = sign_in.is_current()
    sign_in.end()
    if is_current:
        get_adapter().logout(request)
        return redirect("account_login")
    messages.success(request, _("Dat apparaat is uitgelogd."))
    return redirect("staff_me")


@require_POST
@staff_required
def end_other_sign_ins(request: HttpRequest) -> HttpResponse:
    """End all of one's own sign-ins but this one."""
    for sign_in in UserSession.objects.filter(user_id=request.user.pk):
        if not sign_in.is_current():
            sign_in.end()
    messages.success(request, _("Je bent nu alleen nog hier ingelogd."))
    return redirect("staff_me")
