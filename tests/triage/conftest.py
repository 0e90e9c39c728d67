"""Browsers of visitors, and a chat that closes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from chat import pressure
from chat.models import Conversation, Visitor
from institutions.models import User
from roster.models import ConsultationHour, Presence, ServiceLine
from tests.chat.test_letters import a_letter
from tests.people import visitor_browser
from tests.triage.forms import SAME_ORIGIN


@pytest.fixture
def newcomer() -> Client:
    """A browser that was never here before."""
    return Client(headers=SAME_ORIGIN)


@pytest.fixture
def closed(open_hour: ConsultationHour) -> Iterator[Any]:
    """Closes the chat from the moment that it is called."""

    def close() -> None:
        Presence.objects.update(seen_at=timezone.now() - timedelta(hours=1), ready_at=None)

    return close


@pytest.fixture(autouse=True)
def _no_pressure() -> Iterator[None]:
    yield
    pressure.letters.forget()
    pressure.wrong_codes.forget()


@pytest.fixture
def letter(visitor: Visitor, line: ServiceLine, anna: User) -> Conversation:
    return a_letter(visitor, line)


@pytest.fixture
def hers(letter: Conversation, visitor: Visitor) -> Client:
    """The young person's, who sent a letter."""
    return visitor_browser(visitor)
