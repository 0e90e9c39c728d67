"""Measure how long it takes to order a queue: `python -m bench.queue [--waiting 10000]`.

Best of five, in one process, without a database: the common order, the list of one worker with own
regions to mind, and all of it with places, waits and what each visitor is told.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import django

BAR_MS = 100


def best_ms(work: Callable[[], object]) -> float:
    spent = []
    for _ in range(5):
        began = time.perf_counter()
        work()
        spent.append(time.perf_counter() - began)
    return 1000 * min(spent)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--waiting", type=int, default=10_000)
    count = parser.parse_args().waiting
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")
    django.setup()
    from chat.models import QueueRules
    from chat.models.first import Helper, Wants
    from chat.queue import LEVEL_OF, Capacity, Waiting, order, placed

    draw = random.Random(1)
    now = datetime.now(UTC)
    rules = QueueRules()
    helpers = [Helper(number, frozenset({f"GM{number % 50:04}"})) for number in range(200)]
    waiting = [
        Waiting(
            f"{number:05}",
            draw.choice(list(LEVEL_OF)),
            now - timedelta(seconds=draw.uniform(0, 3600)),
            wants=Wants(f"GM{draw.randrange(100):04}"),
        )
        for number in range(count)
    ]
    capacity = Capacity(free=5, slots=400, elapsed=(timedelta(minutes=10),) * 395)
    figures = {
        "the order": best_ms(lambda: order(waiting, now, rules)),
        "one worker's list": best_ms(lambda: order(waiting, now, rules, helpers, viewer=1)),
        "with places and waits": best_ms(
            lambda: placed(waiting, now, rules, helpers, capacity, None)
        ),
    }
    for name, spent in figures.items():
        print(f"{count} waiting, {name:22} {spent:7.1f} ms")
    return 0 if figures["the order"] < BAR_MS * max(1, count / 10_000) else 1


if __name__ == "__main__":
    sys.exit(main())
