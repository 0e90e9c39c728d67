"""A minute of faults with a fixed seed; `make faults` runs longer, and holds the bars.

Here the promises count, which no busy machine may break. How soon everybody is back is judged with
patience, because other tests run beside this one.
"""

import time
from pathlib import Path

from tests.faults.world import Plan, play

PATIENCE = 40.0
# Seeds whose first four faults are the worst ones: kill -9, SIGTERM, a full disk and a jump of the
# clock; kill -9, PostgreSQL restarted, Redis paused, Redis away.
SEEDS = {"embedded": 46, "scaled": 2956}


async def test_no_fault_breaks_a_promise(tmp_path_factory: object, kind_of_database: str) -> None:
    import shutil
    import tempfile

    shape = "scaled" if kind_of_database == "postgresql" else "embedded"
    # Sockets need short paths.
    directory = Path(tempfile.mkdtemp(prefix="faults-"))
    directory.chmod(0o755)
    began = time.monotonic()

    def tell(text: str) -> None:
        print(text)

    plan = Plan(shape=shape, seconds=60, seed=SEEDS[shape], visitors=6)
    try:
        verdict = await play(plan, directory, tell)
    finally:
        shutil.rmtree(directory, ignore_errors=True)
    print(f"{time.monotonic() - began:.0f} s", verdict.summary())
    assert verdict.is_safe, f"seed {plan.seed}, {shape}\n{verdict.summary()}"
    assert verdict.acknowledged > 50
    assert verdict.slowest_return < PATIENCE
