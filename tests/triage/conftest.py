"""Browsers of visitors, and a chat that closes."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from roster.models import ConsultationHour, Presence
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
