"""Backups: the rows in one file, the keys to them in another that does not live as long.

`files` knows how they are named, signed and kept; `dumping` writes and loads the rows; `living` is what
held at the moment of a backup; `restoring` makes a loaded database one that may be served.
docs/operations.md explains it to who runs it, docs/decisions/0020-backups.md says why.
"""

from datetime import datetime

# The name under which a backup that succeeded is written down.
JOB = "backup"


def last_backup_at() -> datetime | None:
    """Return when the newest backup of this database was made; None if there never was one."""
    from institutions.models import JobRun

    at: datetime | None = JobRun.objects.filter(name=JOB).values_list("ran_at", flat=True).first()
    return at
