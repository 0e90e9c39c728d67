"""A real mail server to send to, that takes mail or answers what a test tells it to."""

import email
import os
from collections.abc import Iterator
from email.message import Message
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from django.db import connection

from tests.servers import free_port


class Postbox:
    """A mail server that takes mail, or answers what a test tells it to."""

    def __init__(self) -> None:
        self.taken: list[Message] = []
        # Address or "data" to the answers that come first.
        self.answers: dict[str, list[str]] = {}
        self.sessions = 0

    def _answer(self, about: str) -> str | None:
        answers = self.answers.get(about, [])
        return answers.pop(0) if answers else None

    async def handle_EHLO(
        self, server: Any, session: Any, envelope: Any, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        self.sessions += 1
        return responses

    async def handle_MAIL(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        answer = self._answer("sender")
        if answer is None:
            envelope.mail_from = address
        return answer or "250 OK"

    async def handle_RCPT(
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if answer := self._answer(address):
            return answer
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        if answer := self._answer("data"):
            return answer
        self.taken.append(email.message_from_bytes(envelope.content))
        return "250 OK"

    @property
    def ids(self) -> list[str]:
        return [str(message["Message-ID"]) for message in self.taken]


@pytest.fixture
def port() -> int:
    # Controller would take the kernel's choice too late to tell us.
    return free_port()


@pytest.fixture
def smtp(settings: Any, port: int) -> None:
    """Send to a mail server on this port, whether it is there or not."""
    settings.EMAIL_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    settings.EMAIL_HOST, settings.EMAIL_PORT = "127.0.0.1", port
    settings.EMAIL_HOST_USER = settings.EMAIL_HOST_PASSWORD = ""
    settings.EMAIL_USE_TLS = settings.EMAIL_USE_SSL = False
    settings.EMAIL_TIMEOUT = 5
    settings.DEFAULT_FROM_EMAIL = "Klikvoor <noreply@klikvoor.example>"


@pytest.fixture
def postbox(smtp: None, port: int) -> Iterator[Postbox]:
    box = Postbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box
    controller.stop()


def database_url() -> str:
    """Return where another process finds the database of this test."""
    name = str(connection.settings_dict["NAME"])
    url, _mark, options = os.environ["DATABASE_URL"].partition("?")
    url = f"sqlite:///{name}" if url.startswith("sqlite") else f"{url.rpartition('/')[0]}/{name}"
    return f"{url}?{options}" if options else url
