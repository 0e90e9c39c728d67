"""A process that puts young people in the queue of a site: `python -m tests.browser.queue_up`.

Each line that it reads is a list of urgencies; it answers each with a list of `[conversation,
token]`. The token is what the cookie of their browser holds.
"""

import json
import sys

import django


def queue_up(urgencies: list[str]) -> list[tuple[str, str]]:
    from chat.models import Conversation, Visitor
    from institutions.models import Brand

    brand = Brand.objects.get(is_default=True)
    line = brand.lines.get()
    made = []
    for urgency in urgencies:
        visitor, token = Visitor.begin(brand, "nl")
        intake = {
            "reasons": [f"Koos: {urgency}"],
            "answers": [{"question": "Waar gaat het over?", "answer": "Thuis"}],
        }
        conversation = Conversation.start(
            visitor=visitor, line=line, urgency=urgency, intake=json.dumps(intake)
        )
        made.append((conversation.pk, token))
    return made


if __name__ == "__main__":
    django.setup()
    for order in sys.stdin:
        print(json.dumps(queue_up(json.loads(order))), flush=True)  # noqa: T201
