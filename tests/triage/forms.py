"""How a browser without JavaScript acts in a visit."""

import re
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.conf import settings
from django.test import Client

from chat.models import Conversation, Message, Visitor
from tests.people import ORIGIN
from triage.models import Intake

COOKIE = settings.VISIT_COOKIE_NAME
SAME_ORIGIN = {"origin": ORIGIN, "sec-fetch-site": "same-origin"}


def act(browser: Client, action: str, **fields: object) -> Any:
    return browser.post("/", {"action": action, **fields})


def go(browser: Client, action: str, **fields: object) -> str:
    """Do something that must work, and return the page that it leads to."""
    response = act(browser, action, **fields)
    assert response.status_code == 303, text_of(response)
    assert response["Location"] in ("/", "/?start=1")
    return text_of(browser.get("/"))


def text_of(response: Any) -> str:
    """Return the words of a page, without tags and double spaces."""
    body = re.sub(r"<script.*?</script>|<[^>]+>", " ", response.content.decode(), flags=re.S)
    return " ".join(body.split())


@contextmanager
def nothing_changes() -> Iterator[None]:
    def state() -> list[Any]:
        return [
            list(model.objects.order_by("pk").values())
            for model in (Visitor, Intake, Conversation, Message)
        ]

    def without_time(rows: list[Any]) -> list[Any]:
        for table in rows:
            for row in table:
                row.pop("visitor_seen_at", None)
        return rows

    before = without_time(state())
    yield
    assert without_time(state()) == before


def ask(browser: Client) -> None:
    """Come as far as the first question."""
    assert "Waar wil je over praten?" in go(browser, "start")


# --- Letters --------------------------------------------------------------------------------------

LETTER = "Thuis is het niet fijn. Ik wil er graag over schrijven."


def send(browser: Client, action: str = "letter_send", **fields: object) -> Any:
    given = {"client_id": str(uuid.uuid4()), "text": LETTER, "answer_by": "code", **fields}
    return act(browser, action, **given)


def code_of(browser: Client) -> str:
    """What the page shows when the code is asked for."""
    return str(act(browser, "code").context["code"])


def another() -> Client:
    """Another browser."""
    return Client(headers=SAME_ORIGIN)
