"""`python -m tests.faults [--shape NAME] [--seconds 60] [--seed 1]`: runs, judged.

Without a shape one run of each, whatever becomes of the first; at the end a table of all. Exits with
1 when a promise was broken, or when the bars of docs/reliability.md were missed.
"""

import argparse
import asyncio
import base64
import os
import secrets
import shutil
import sys
import tempfile
import traceback
from collections.abc import Iterator
from pathlib import Path

from tests.faults.checker import Verdict
from tests.faults.shapes import SHAPES
from tests.faults.world import Plan, play

# The others need nginx, or a second PostgreSQL.
USUAL = ("embedded", "scaled")
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
    parser.add_argument(
        "--shape", choices=list(SHAPES), action="append", help="embedded and scaled without it"
    )
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=0, help="0: a new one")
    parser.add_argument("--every", type=float, default=8, help="seconds between two faults")
    parser.add_argument("--visitors", type=int, default=8)
    parser.add_argument(
        "--only", type=lambda text: text.split(","), default=[], metavar="KIND,…", help="of faults"
    )
    parser.add_argument("--keep", action="store_true", help="leave the logs where they are")
    options = parser.parse_args()
    seed = options.seed or secrets.randbelow(10**6)
    make_environment()
    done = []
    for shape in options.shape or USUAL:
        plan = Plan(
            shape,
            options.seconds,
            seed,
            options.every,
            options.visitors,
            only=tuple(options.only),
        )
        done.append((plan, run(plan, keep=options.keep)))
    print("\n".join(table(done)))
    return 0 if all(is_good(verdict) for _plan, verdict in done) else 1


def run(plan: Plan, *, keep: bool) -> Verdict | None:
    """None: the run itself failed; how is printed."""
    directory = Path(tempfile.mkdtemp(prefix="faults-"))
    directory.chmod(0o755)
    say(f"{plan.shape}, {plan.seconds:g} s, seed {plan.seed}")
    try:
        verdict = asyncio.run(play(plan, directory, say))
    except Exception:
        traceback.print_exc()
        return None
    finally:
        if keep:
            say(f"logs: {directory}")
        else:
            shutil.rmtree(directory, ignore_errors=True)
    print(f"{plan.shape}, {plan.seconds:g} s, a fault every {plan.every:g} s, seed {plan.seed}")
    print(verdict.summary(), flush=True)
    return verdict


def meets_bars(verdict: Verdict) -> bool:
    delivery = verdict.p95(verdict.delivered_in)
    return verdict.slowest_return <= RETURN_BAR and delivery <= DELIVERY_BAR


def is_good(verdict: Verdict | None) -> bool:
    return verdict is not None and verdict.is_safe and meets_bars(verdict)


HEAD = "{:<9} {:>7}  {:>5} {:>5}  {:>7} {:>7}  {:>8} {:>9}  {}"


def table(done: list[tuple[Plan, Verdict | None]]) -> Iterator[str]:
    """One line for each run, and what plays those again that were not good."""
    yield ""
    yield HEAD.format(
        "shape", "seed", "sent", "acked", "letters", "broken", "back", "delivered", "verdict"
    )
    for plan, verdict in done:
        if verdict is None:
            yield f"{plan.shape:<9} {plan.seed:>7}  the run itself failed"
            continue
        yield HEAD.format(
            plan.shape,
            plan.seed,
            verdict.sent,
            verdict.acknowledged,
            verdict.letters,
            len(verdict.violations),
            f"{verdict.slowest_return:.1f} s",
            f"{1000 * verdict.p95(verdict.delivered_in):.0f} ms",
            "a promise was BROKEN"
            if not verdict.is_safe
            else "good"
            if meets_bars(verdict)
            else "safe, bars MISSED",
        )
    for plan, verdict in done:
        if not is_good(verdict):
            only = f' ONLY="{",".join(plan.only)}"' if plan.only else ""
            yield (
                f"again: make faults SHAPE={plan.shape} SEED={plan.seed}"
                f" SECONDS={plan.seconds:g} EVERY={plan.every:g}{only}"
            )


if __name__ == "__main__":
    sys.exit(main())
