#!/usr/bin/env python
"""Run a management command of Klikvoor; see `manage.py help`."""

import gc
import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")
    if sys.argv[1:2] == ["serve"]:
        # What start-up makes stays, so looking through it again and again finds nothing, and takes
        # a fifth of the time. It works again from when `serve` serves.
        gc.disable()
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
