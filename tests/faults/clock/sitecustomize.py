"""A clock that jumps, for server processes of these tests: Python loads this file by itself.

The file that KLIKVOOR_TEST_CLOCK names holds seconds to add. Nothing in the application knows of it.
"""

import datetime
import faulthandler
import os
import signal
import threading
import time
from pathlib import Path

import time_machine

# Where a process hangs that does not end: its log tells.
faulthandler.register(signal.SIGUSR1)
_file = Path(os.environ["KLIKVOOR_TEST_CLOCK"])


def _follow() -> None:
    shown, travel = 0.0, None
    while True:
        try:
            wanted = float(_file.read_text() or 0)
        except (OSError, ValueError):
            wanted = shown
        if wanted != shown:
            if travel is not None:
                travel.stop()
            shown, travel = wanted, None
            if wanted:
                there = datetime.datetime.now(datetime.UTC) + datetime.timedelta(seconds=wanted)
                travel = time_machine.travel(there, tick=True)
                travel.start()
        time.sleep(0.2)


threading.Thread(target=_follow, name="test clock", daemon=True).start()
