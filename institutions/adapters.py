"""How allauth fits in: no open sign-up, sealed second factors."""

from allauth.account.adapter import DefaultAccountAdapter
from allauth.mfa.adapter import DefaultMFAAdapter
from django.http import HttpRequest

from institutions.sealing import seal_secret, unseal_secret


class AccountAdapter(DefaultAccountAdapter):
    def is_open_for_signup(self, request: HttpRequest) -> bool:
        return False


class MFAAdapter(DefaultMFAAdapter):
    """Seals TOTP secrets and recovery seeds, which allauth would store in clear."""

    def encrypt(self, text: str) -> str:
        return seal_secret(text, "mfa")

    def decrypt(self, encrypted_text: str) -> str:
        return unseal_secret(encrypted_text, "mfa")
