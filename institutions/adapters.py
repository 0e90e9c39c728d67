"""How allauth fits in: no open sign-up, sealed second factors, mails without addresses."""

import time
from typing import Any

from allauth.account import app_settings as account_settings
from allauth.account.adapter import DefaultAccountAdapter
from allauth.account.internal.flows.login import get_authentication_records
from allauth.core import context as allauth_context
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone, translation
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from institutions import mails
from institutions.access import second_factors
from institutions.models import User
from institutions.sealing import seal_secret, unseal_secret


class AccountAdapter(DefaultAccountAdapter):
    error_messages = DefaultAccountAdapter.error_messages | {
        "account_inactive": _("Dit account staat uit. Een coördinator kan het weer aanzetten."),
        "email_password_mismatch": _("Het e-mailadres of het wachtwoord klopt niet."),
        "enter_current_password": _("Dit is niet je wachtwoord van nu."),
        "incorrect_password": _("Dit wachtwoord klopt niet."),
        "invalid_password_reset": _("Deze link werkt niet meer."),
        "rate_limited": _("Dat waren veel pogingen. Wacht even en probeer het dan opnieuw."),
        "too_many_login_attempts": _(
            "Dat waren te veel pogingen. Wacht vijf minuten en probeer het dan opnieuw."
        ),
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False

    def is_reauthentication_required(self, *, app: str, **kwargs: Any) -> bool:
        """Setting up the first second factor, just after signing in, does not ask who you are again.

        That holds until its recovery codes were shown. Later changes ask again, as allauth does.
        """
        request = allauth_context.request
        records = get_authentication_records(request, request.user)
        signed_in_at = max((record["at"] for record in records), default=0)
        if time.time() - signed_in_at < account_settings.REAUTHENTICATION_TIMEOUT:
            first = second_factors(request.user).order_by("created_at").first()
            if first is None or first.created_at.timestamp() > signed_in_at:
                return False
        return super().is_reauthentication_required(app=app, **kwargs)

    def get_password_change_redirect_url(self, request: HttpRequest) -> str:
        return reverse("staff_me")

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        user = context.get("user")
        with translation.override(user.language if user else settings.LANGUAGE_CODE):
            message = self.render_mail(template_prefix, email, context)
        # After the commit: mail is slow, and a row that is locked meanwhile stops everybody.
        transaction.on_commit(lambda: mails.deliver(message))

    def send_notification_mail(
        self,
        template_prefix: str,
        user: User,
        context: dict[str, Any] | None = None,
        email: str | None = None,
    ) -> None:
        """Tell the person that something about their sign-in changed; never names an address."""
        details = {"user": user, "at": timezone.now(), **(context or {})}
        self.send_mail(template_prefix, email or user.email, details)


class MFAAdapter(DefaultMFAAdapter):
    """Seals TOTP secrets and recovery seeds, which allauth would store in clear."""

    error_messages = DefaultMFAAdapter.error_messages | {
        "cannot_delete_authenticator": _(
            "Dit is je laatste tweede stap. Voeg eerst een andere toe, dan kun je deze weghalen."
        ),
        "incorrect_code": _("Dit klopt niet. Staat er in je app al een nieuwe code?"),
    }

    def encrypt(self, text: str) -> str:
        return seal_secret(text, "mfa")

    def decrypt(self, encrypted_text: str) -> str:
        return unseal_secret(encrypted_text, "mfa")

    def can_delete_authenticator(self, authenticator: Authenticator) -> bool:
        """The last second factor stays: without one nobody works here."""
        return second_factors(authenticator.user).exclude(pk=authenticator.pk).exists()

    def generate_authenticator_name(self, user: User, type: Authenticator.Type) -> str:
        number = Authenticator.objects.filter(user=user, type=type).count() + 1
        return gettext("Passkey %(number)d") % {"number": number}

    def _get_site_name(self) -> str:
        return "Klikvoor"
