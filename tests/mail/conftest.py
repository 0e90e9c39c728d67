"""What tests of mail stand on."""

from typing import Any

import pytest

from chat.models import Conversation, Visitor
from institutions.models import User
from roster.models import ServiceLine
from tests.mail.letters import a_letter


@pytest.fixture(autouse=True)
def _mail_comes_in(settings: Any) -> None:
    settings.MAIL_REPLY_TO = "brief@klik.example"
    settings.MAIL_FROM = "post@klik.example"


@pytest.fixture
def letter(visitor: Visitor, line: ServiceLine, anna: User) -> Conversation:
    """A letter whose answers go by mail."""
    return a_letter(visitor, line)
