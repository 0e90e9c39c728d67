"""allauth's forms for second factors, where ours are stricter (settings.MFA_FORMS)."""

import struct
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from allauth.core import context
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.totp import forms as totp_forms
from allauth.mfa.totp.internal import auth as totp
from allauth.mfa.webauthn import forms as webauthn_forms
from django import forms
from django.utils.translation import gettext_lazy as _

from institutions.sealing import KeyMissing, SealBroken, seal_secret, unseal_secret


class ActivateTOTPForm(totp_forms.ActivateTOTPForm):
    """Seals the seed while it waits in the session for its first code."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.user = kwargs.pop("user")
        # Past allauth's own __init__, which puts the seed in the session in clear.
        forms.Form.__init__(self, *args, **kwargs)
        self.fields["code"].label = _("Code uit de app")
        self.fields["code"].widget.attrs |= {"placeholder": "", "inputmode": "numeric"}
        self.secret = self._secret()

    def _secret(self) -> str:
        session = context.request.session
        if self.is_bound and (sealed := session.get(totp.SECRET_SESSION_KEY)):
            try:
                return unseal_secret(sealed, "totp")
            except (KeyMissing, SealBroken, ValueError):
                pass  # the keys changed meanwhile: start anew, the code will not fit
        secret = totp.generate_totp_secret()
        session[totp.SECRET_SESSION_KEY] = seal_secret(secret, "totp")
        return secret


@contextmanager
def refusing_nonsense() -> Iterator[None]:
    """What no authenticator would send is a wrong answer, not an error of ours."""
    try:
        yield
    except (AttributeError, LookupError, TypeError, ValueError, struct.error):
        raise get_adapter().validation_error("incorrect_code") from None


class AddPasskeyForm(webauthn_forms.AddWebAuthnForm):
    name = forms.CharField(required=False, max_length=60)

    def clean(self) -> dict[str, Any]:
        with refusing_nonsense():
            return super().clean()


class RenamePasskeyForm(webauthn_forms.EditWebAuthnForm):
    name = forms.CharField(max_length=60)


class AuthenticatePasskeyForm(webauthn_forms.AuthenticateWebAuthnForm):
    def clean_credential(self) -> Authenticator:
        with refusing_nonsense():
            return super().clean_credential()


class LoginPasskeyForm(AuthenticatePasskeyForm, webauthn_forms.LoginWebAuthnForm):
    pass


class ReauthenticatePasskeyForm(AuthenticatePasskeyForm, webauthn_forms.ReauthenticateWebAuthnForm):
    pass
