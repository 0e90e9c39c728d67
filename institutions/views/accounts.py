"""allauth's pages where ours differ, and the demo's way in."""

from typing import Any

from allauth.account.internal.flows.login import record_authentication
from allauth.account.views import LoginView
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp.views import DeactivateTOTPView
from allauth.mfa.webauthn.internal.auth import begin_registration
from allauth.mfa.webauthn.views import AddWebAuthnView, RemoveWebAuthnView
from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import login
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from institutions.access import DEMO_SESSION_KEY
from institutions.models import User

DEMO_DOMAIN = "@demo.klikvoor.example"
DEMO_FIRST = ("anna", "dirk")
# The others whom one may be. A demonstration in its real size has many more people.
DEMO_OTHERS = ("bilal", "carla", "daan", "els", "farid")


def demo_people() -> list[User]:
    """The cast of the demo, Anna and Dirk first; outside the demo nobody."""
    if not settings.DEMO:
        return []
    places = [f"{name}{DEMO_DOMAIN}" for name in (*DEMO_FIRST, *DEMO_OTHERS)]
    people = User.objects.filter(email__in=places, is_active=True)
    people = people.prefetch_related("memberships__institution")
    return sorted(people, key=lambda user: places.index(user.email))


class SignInView(LoginView):
    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        people = demo_people()
        first = len(DEMO_FIRST)
        return super().get_context_data(
            demo_first=people[:first], demo_others=people[first:], **kwargs
        )


@require_POST
def demo_sign_in(request: HttpRequest, pk: int) -> HttpResponse:
    """Continue as one of the people of the demo; the start-up check keeps DEMO out of real use."""
    if not settings.DEMO:
        raise Http404
    user = get_object_or_404(User, pk=pk, email__endswith=DEMO_DOMAIN, is_active=True)
    login(request, user)
    request.session[DEMO_SESSION_KEY] = True
    record_authentication(request, user, method="demo")
    UserSession.objects.create_from_request(request)
    return redirect("staff_home")


class AddPasskeyView(AddWebAuthnView):
    """Always a passkey: bound to fingerprint, face or PIN, so that it can sign in alone."""

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context = super().get_context_data(**kwargs)
        context["js_data"] = {"creation_options": begin_registration(self.request.user, True)}
        return context


class LastOneStaysMixin:
    """Removing the last second factor is refused, also from two windows at once."""

    request: HttpRequest

    def factor(self) -> Authenticator:
        raise NotImplementedError

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        may_remove = get_adapter().can_delete_authenticator(self.factor())
        return super().get_context_data(may_remove=may_remove, **kwargs)  # type: ignore[misc]

    def form_valid(self, form: Any) -> HttpResponse:
        with transaction.atomic():
            # The row of the person makes two removals come one after the other.
            User.objects.select_for_update().get(pk=self.request.user.pk)
            if get_adapter().can_delete_authenticator(self.factor()):
                return super().form_valid(form)  # type: ignore[misc]
        refusal = get_adapter().error_messages["cannot_delete_authenticator"]
        messages.error(self.request, refusal)
        return redirect("mfa_index")


class RemoveTOTPView(LastOneStaysMixin, DeactivateTOTPView):
    def factor(self) -> Authenticator:
        return self.authenticator


class RemovePasskeyView(LastOneStaysMixin, RemoveWebAuthnView):
    def factor(self) -> Authenticator:
        return self.get_object()
