"""`python -m tests.faults [--shape NAME] [--seconds 60] [--seed 1]`: one run, judged.

Exits with 1 when a promise was broken, or when the bars of docs/reliability.md were missed.
"""

import argparse
import asyncio
import base64
import os
import secrets
import shutil
import sys
import tempfile
from pathlib import Path

from tests.faults.shapes import SHAPES
from tests.faults.world import Plan, play

RETURN_BAR = 10.0
DELIVERY_BAR = 2.0


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def make_environment() -> None:
    """Keys that are only good for a run."""
    key = base64.urlsafe_b64encode(bytes(range(32))).decode()
    os.environ |= {
        "SECRET_KEY": "only-for-tests-" + "s" * 40,
        "HASHING_KEY": key,
        "SEALING_KEYS": f"test:{key}",
    }
    os.environ.pop("KLIKVOOR_ENV_FILE", None)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--shape", choices=list(SHAPES), default="embedded")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one")
    parser.add_argument("--every", type=float, default=8, help="seconds between two faults")
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument("--only", action="append", default=[], metavar="KIND", help="of faults")
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    options = parser.parse_args()
    options.seed = options.seed or secrets.randbelow(10**6)
    make_environment()
    directory = Path(tempfile.mkdtemp(prefix="faults-"))
    directory.chmod(0o755)
    plan = Plan(
        options.shape,
        options.seconds,
        options.seed,
        options.every,
        options.visitors,
        only=tuple(options.only),
    )
    say(f"{plan.shape}, {plan.seconds:g} s, seed {plan.seed}")
    try:
        verdict = asyncio.run(play(plan, directory, say))
    finally:
        if options.keep:
            say(f"logs: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{plan.shape}, {plan.seconds:g} s, a fault every {plan.every:g} s, seed {plan.seed}")
    print(verdict.summary())
    delivery = verdict.p95(verdict.delivered_in)
    met = verdict.slowest_return <= RETURN_BAR and delivery <= DELIVERY_BAR
    print("bars:", "met" if met else "MISSED")
    return 0 if verdict.is_safe and met else 1


if __name__ == "__main__":
    sys.exit(main())
