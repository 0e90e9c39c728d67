"""Rules that the database itself keeps and that Django cannot say in `Meta.constraints`.

No worker is on duty twice at a time, no seat is filled twice at a time, no day of a line is in
two periods; and the ledger is only ever added to. An ExclusionConstraint does not migrate on
SQLite, so each guard is written here per vendor and installed after every `migrate`: on SQLite any
later change of a field rebuilds the table and silently drops its triggers. All of them speak up
as an IntegrityError. Spans are half-open, so back-to-back duties pass.

A trigger may name its own table only: else rebuilding the other one fails.
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper

from roster.models import Duty, LedgerEntry, RosterPeriod


@dataclass(frozen=True)
class Guard(ABC):
    name: str
    model: type[models.Model]

    # On PostgreSQL: the catalogue that knows it, and its column of names.
    catalogue: ClassVar[tuple[str, str]]

    @property
    def table(self) -> str:
        return self.model._meta.db_table

    @abstractmethod
    def triggers(self) -> dict[str, str]:
        """On SQLite: each trigger's name and what comes after `CREATE TRIGGER name`."""

    @abstractmethod
    def statement(self) -> str:
        """On PostgreSQL: what makes it."""


@dataclass(frozen=True)
class NoOverlap(Guard):
    """No two rows with the same `key` have spans that overlap, among those with a `status`."""

    key: str
    start: str
    end: str
    among: tuple[str, ...] = ()
    # Days, the last one included; else instants, half-open.
    is_days: bool = False

    catalogue: ClassVar[tuple[str, str]] = ("pg_constraint", "conname")

    def _is_among(self, row: str = "") -> str:
        statuses = ", ".join(f"'{status}'" for status in self.among)
        return f"{row}status IN ({statuses})" if self.among else "1 = 1"

    def triggers(self) -> dict[str, str]:
        before = "<=" if self.is_days else "<"
        # Times are compared as text; Django writes all of them in UTC in one format.
        body = f"""
            WHEN {self._is_among("NEW.")} BEGIN
                SELECT RAISE(ABORT, '{self.name}') WHERE EXISTS (
                    SELECT 1 FROM {self.table} other
                    WHERE other.{self.key} = NEW.{self.key}
                    AND {self._is_among("other.")}
                    AND other.id IS NOT NEW.id
                    AND other."{self.start}" {before} NEW."{self.end}"
                    AND NEW."{self.start}" {before} other."{self.end}"
                );
            END
        """  # noqa: S608  every name in it is a constant of this file
        return {
            f"{self.name}_{event.lower()}": f"BEFORE {event} ON {self.table} {body}"
            for event in ("INSERT", "UPDATE")
        }

    def statement(self) -> str:
        kind, bounds = ("daterange", "[]") if self.is_days else ("tstzrange", "[)")
        where = f"WHERE ({self._is_among()})" if self.among else ""
        # A range of one number, because GiST knows ranges without an extension.
        return f"""
            ALTER TABLE {self.table} ADD CONSTRAINT {self.name} EXCLUDE USING gist (
                int8range({self.key}, {self.key}, '[]') WITH =,
                {kind}("{self.start}", "{self.end}", '{bounds}') WITH &&
            ) {where}
        """


@dataclass(frozen=True)
class AppendOnly(Guard):
    """No row is changed or taken away. Emptying the whole table stays possible on PostgreSQL."""

    catalogue: ClassVar[tuple[str, str]] = ("pg_trigger", "tgname")

    def triggers(self) -> dict[str, str]:
        return {
            f"{self.name}_{event.lower()}": f"""
                BEFORE {event} ON {self.table} BEGIN SELECT RAISE(ABORT, '{self.name}'); END
            """
            for event in ("UPDATE", "DELETE")
        }

    def statement(self) -> str:
        return f"""
            CREATE OR REPLACE FUNCTION {self.name}() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                RAISE EXCEPTION '{self.name}' USING ERRCODE = 'integrity_constraint_violation';
            END $$;
            CREATE TRIGGER {self.name} BEFORE UPDATE OR DELETE ON {self.table}
            FOR EACH ROW EXECUTE FUNCTION {self.name}()
        """


WORKER = NoOverlap("no_worker_overlap", Duty, "worker_id", "start", "end", Duty.ACTIVE)
SEAT = NoOverlap("no_seat_overlap", Duty, "seat_id", "start", "end", Duty.ACTIVE)
PERIOD = NoOverlap(
    "no_period_overlap", RosterPeriod, "line_id", "first_date", "last_date", is_days=True
)
LEDGER = AppendOnly("ledger_is_append_only", LedgerEntry)
GUARDS: tuple[Guard, ...] = (WORKER, SEAT, PERIOD, LEDGER)


def install(connection: BaseDatabaseWrapper) -> None:
    """Make sure that the guards stand. Idempotent; does nothing for a table that is not there."""
    if connection.vendor not in ("sqlite", "postgresql"):
        raise NotImplementedError(f"No guards of the roster on {connection.vendor}.")
    tables = connection.introspection.table_names()
    for guard in GUARDS:
        if guard.table not in tables or stands(connection, guard):
            continue
        with connection.cursor() as cursor:
            if connection.vendor == "sqlite":
                for name, body in guard.triggers().items():
                    cursor.execute(f"CREATE TRIGGER IF NOT EXISTS {name} {body}")
            else:
                cursor.execute(guard.statement())


def lift(connection: BaseDatabaseWrapper, guard: Guard) -> None:
    """Take a guard away until the next `install`: for tests, which empty every table."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in guard.triggers():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
        elif isinstance(guard, AppendOnly):
            cursor.execute(f"DROP TRIGGER IF EXISTS {guard.name} ON {guard.table}")
        else:
            cursor.execute(f"ALTER TABLE {guard.table} DROP CONSTRAINT IF EXISTS {guard.name}")


def stands(connection: BaseDatabaseWrapper, guard: Guard) -> bool:
    """Return whether the guard is in this database."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(
                "SELECT name FROM sqlite_master WHERE type = 'trigger' AND tbl_name = %s",
                [guard.table],
            )
            return set(guard.triggers()) <= {name for (name,) in cursor.fetchall()}
        catalogue, column = guard.catalogue
        cursor.execute(
            f"SELECT count(*) FROM {catalogue} WHERE {column} = %s",  # noqa: S608  two constants
            [guard.name],
        )
        return bool(cursor.fetchone()[0])


def after_migrate(sender: object, using: str, **kwargs: Any) -> None:
    from django.db import connections

    install(connections[using])
