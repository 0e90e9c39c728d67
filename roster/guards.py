"""The database's own rule that nobody is on duty twice at the same time.

Django cannot say this in `Meta.constraints` on both databases: an ExclusionConstraint does not
migrate on SQLite. So it is written here per vendor, and installed after every `migrate`: on SQLite
any later change of a field rebuilds the table and silently drops its triggers. Both speak up as an
IntegrityError. Spans are half-open, so back-to-back duties pass.
"""

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from roster.models import Duty

NAME = "no_worker_overlap"
_ACTIVE = ", ".join(f"'{status.value}'" for status in Duty.ACTIVE)
_EVENTS = {"insert": "INSERT", "update": "UPDATE"}


def install(connection: BaseDatabaseWrapper) -> None:
    """Make sure that the guard stands. Idempotent; does nothing before the table exists."""
    table = Duty._meta.db_table
    if table not in connection.introspection.table_names():
        return
    if connection.vendor == "sqlite":
        _install_on_sqlite(connection, table)
    elif connection.vendor == "postgresql":
        _install_on_postgresql(connection, table)
    else:
        raise NotImplementedError(f"No guard against overlapping duties on {connection.vendor}.")


def stands(connection: BaseDatabaseWrapper) -> bool:
    """Return whether the guard is in this database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT count(*) FROM sqlite_master WHERE type = 'trigger' AND name IN (%s, %s)",
                [f"{NAME}_{event}" for event in _EVENTS],
            )
            return bool(cursor.fetchone()[0] == len(_EVENTS))
        cursor.execute("SELECT count(*) FROM pg_constraint WHERE conname = %s", [NAME])
        return bool(cursor.fetchone()[0])


def _install_on_sqlite(connection: BaseDatabaseWrapper, table: str) -> None:
    with connection.cursor() as cursor:
        for event, sql in _EVENTS.items():
            # Datetimes are compared as text; Django writes all of them in UTC in one format.
            cursor.execute(
                f"""
                CREATE TRIGGER IF NOT EXISTS {NAME}_{event} BEFORE {sql} ON {table}
                WHEN NEW.status IN ({_ACTIVE}) BEGIN
                    SELECT RAISE(ABORT, '{NAME}') WHERE EXISTS (
                        SELECT 1 FROM {table} other
                        WHERE other.worker_id = NEW.worker_id
                        AND other.status IN ({_ACTIVE})
                        AND other.id IS NOT NEW.id
                        AND other.start < NEW."end" AND other."end" > NEW.start
                    );
                END
                """  # noqa: S608  every name in it is a constant of this file
            )


def _install_on_postgresql(connection: BaseDatabaseWrapper, table: str) -> None:
    if stands(connection):
        return
    with connection.cursor() as cursor:
        # A range of one number, because GiST knows ranges without an extension.
        cursor.execute(
            f"""
            ALTER TABLE {table} ADD CONSTRAINT {NAME} EXCLUDE USING gist (
                int8range(worker_id, worker_id, '[]') WITH =, tstzrange(start, "end", '[)') WITH &&
            ) WHERE (status IN ({_ACTIVE}))
            """
        )


def after_migrate(sender: object, using: str, **kwargs: Any) -> None:
    from django.db import connections

    install(connections[using])
