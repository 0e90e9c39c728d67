"""Make one backup while everybody works on."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.apps import apps
from django.db import connections
from django.db.migrations.recorder import MigrationRecorder
from django.db.models import Max

from chat.models import Conversation, Message
from institutions.models import JobRun
from klikvoor.backups import JOB
from klikvoor.backups.dumping import LEFT_OUT, check_file, kind_of_database, snapshot
from klikvoor.backups.files import (
    FORMAT,
    Backup,
    digest,
    finish_manifest,
    new_file,
    only_one,
    prune,
    settle,
)
from klikvoor.backups.living import write_keys
from klikvoor.wrapped import FACTORS, used_names


@dataclass
class Made:
    backup: Backup
    manifest: dict[str, Any]
    keys: int
    removed: list[str]


def make(directory: Path, now: datetime, *, keep: int, keep_keys: timedelta) -> Made:
    """Write a backup into a directory and remove the oldest ones. Raises BadBackup.

    It is there whole or not at all: the manifest comes last, when all the rest is on the disk.
    """
    kind = kind_of_database()
    with only_one(directory):
        backup = Backup.named(directory, now)
        rows = backup.rows_file(kind)
        partial = new_file(rows)
        with snapshot() as moment, moment.written(partial):
            manifest = _describe(moment.using) | {
                "format": FORMAT,
                "kind": kind,
                "made_at": backup.made_at.isoformat(),
            }
            keys = write_keys(backup, moment.using)
        check_file(kind, partial)
        manifest |= {"bytes": partial.stat().st_size, "sha256": digest(partial), "keys": keys}
        settle(partial, rows)
        finish_manifest(backup, manifest)
        removed = prune(directory, keep=keep, keep_keys=keep_keys, now=now)
    JobRun.succeeded(JOB, now, 1)
    return Made(backup, manifest, keys, removed)


def _describe(using: str) -> dict[str, Any]:
    newest = Message.objects.using(using).aggregate(at=Max("at"))["at"]
    applied = MigrationRecorder(connections[using]).applied_migrations()
    return {
        "newest_message_at": newest and newest.isoformat(),
        # Names only; keys are never in a backup.
        "sealing_keys": sorted(used_names(using)),
        "sealed_rows": sorted(FACTORS.count(using)),
        "migrations": sorted(f"{app}.{name}" for app, name in applied),
        "rows": count_rows(using),
        "live": Conversation.objects.using(using).live().count(),
    }


def count_rows(using: str = "default") -> dict[str, int]:
    """Return how many rows each table has, by its name; without what is left out."""
    return {
        model._meta.db_table: count
        for model in apps.get_models()
        if model not in LEFT_OUT
        if (count := model._base_manager.using(using).count())
    }
