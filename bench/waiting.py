"""Let many people wait, and time what that costs: `python -m bench.waiting --count 10000`.

On the database that bench.prepare filled. Prints JSON: what → seconds, the median of five.
"""

import argparse
import os
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")

import django

django.setup()

import msgspec
from django.db import transaction
from django.utils import timezone

from chat import queue
from chat.models import Conversation, Visitor
from chat.reading import Desk
from chat.watch import read_desks
from institutions.access import staff_of
from institutions.models import User
from roster.models import Presence, ServiceLine

URGENCIES = ["normal"] * 7 + ["soon"] * 2 + ["now"]


def median(deed: Callable[[], Any], times: int = 5) -> float:
    found = []
    for _ in range(times):
        began = time.perf_counter()
        deed()
        found.append(time.perf_counter() - began)
    return statistics.median(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    line = ServiceLine.objects.get()
    brand = line.brands.get()
    with transaction.atomic():
        for number in range(options.count):
            visitor, _ = Visitor.begin(brand, "nl")
            Conversation.start(visitor=visitor, line=line, urgency=URGENCIES[number % 10])
    worker = User.objects.filter(memberships__role="worker").first()
    assert worker is not None
    staff = staff_of(worker)
    assert staff is not None
    staff.user.chat_cap = options.count
    now = timezone.now()
    Presence.renew(worker.pk, now=now, state=Presence.State.AVAILABLE)

    workers = set(User.objects.filter(memberships__role="worker").values_list("pk", flat=True))
    Presence.renew_all(workers, now=now)

    def desk() -> Desk:
        return Desk(line, timezone.now(), [worker.pk])

    next_ones = iter(queue.places(line, timezone.now(), None))

    def claim() -> None:
        first = next(next_ones).conversation
        Conversation.objects.get(pk=first).claim(staff, despite=True)

    read = desk()
    found = {
        "order and everybody's place": median(
            lambda: queue.places(line, timezone.now(), now + timedelta(hours=2))
        ),
        "the desk, read for a worker": median(desk),
        "the desk of one worker as a frame": median(
            lambda: msgspec.json.encode(read.frame(worker.pk, "nl"))
        ),
        f"the desks of {len(workers)} workers, as frames": median(
            lambda: read_desks(line.pk, dict.fromkeys(workers, "nl"))
        ),
        "a claim of the first": median(claim),
        "a place told to everybody, as frames": median(
            lambda: [
                msgspec.json.encode(
                    {"type": "queue.place", "place": one.place, "minutes": one.minutes}
                )
                for one in read.places
            ]
        ),
    }
    sys.stdout.write(msgspec.json.encode(found).decode())


if __name__ == "__main__":
    main()
