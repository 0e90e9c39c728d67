"""Put young people in the queue of a site: `python -m tests.browser.queue_up now normal …`.

Prints `conversation token` for each. The token is what the cookie of their browser holds.
"""

import json
import sys

import django


def main(urgencies: list[str]) -> None:
    django.setup()
    from chat.models import Conversation, Visitor
    from institutions.models import Brand

    brand = Brand.objects.get(is_default=True)
    line = brand.lines.get()
    for urgency in urgencies:
        visitor, token = Visitor.begin(brand, "nl")
        intake = {
            "reasons": [f"Koos: {urgency}"],
            "answers": [{"question": "Waar gaat het over?", "answer": "Thuis"}],
        }
        conversation = Conversation.start(
            visitor=visitor, line=line, urgency=urgency, intake=json.dumps(intake)
        )
        print(conversation.pk, token)  # noqa: T201


if __name__ == "__main__":
    main(sys.argv[1:])
