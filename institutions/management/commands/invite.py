"""Invite the first coordinator of the platform, who invites everybody else."""

from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.core.validators import validate_email
from django.urls import reverse

from institutions import mails
from institutions.models import Invitation, Membership


class Command(BaseCommand):
    help = "Invite a coordinator of the platform: mails a link, and prints it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")
        parser.add_argument("name")

    def handle(self, *args: Any, email: str, name: str, **options: Any) -> None:
        try:
            validate_email(email)
        except ValidationError:
            raise CommandError(f"{email} is not an e-mail address.") from None
        if not name.strip() or len(name) > 80:
            raise CommandError("The name needs 1 to 80 characters.")
        invitation, token = Invitation.invite(
            None,
            email=email,
            name=name,
            chat_name=name.split()[0][:30],
            institution=None,
            role=Membership.Role.COORDINATOR,
        )
        link = settings.ORIGINS[0] + reverse("invitation_link", args=[token])
        if not mails.invite(invitation, link):
            self.stderr.write("The mail could not be sent; give them the link yourself.")
        self.stdout.write(f"Good for seven days, works once: {link}")
