"""Which tests have to see which database, and how it is emptied between them.

Two suites run the same tests, on SQLite and on PostgreSQL with Redis. What asks nothing of the
suite's database comes out alike in both, so it runs once, on SQLite: reading sources and texts,
arithmetic, and processes that bring a database of their own.
"""

import pytest
from django.db import transaction
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import TransactionTestCase

# Made by `migrate` and the same ever after, so that nothing has to make them again.
KEPT = {"django_content_type", "auth_permission"}


def asks_the_database(item: pytest.Item) -> bool:
    """Return whether what this test finds may depend on the suite's database.

    pytest-django opens it only to who asks for it, so nobody can use it and be missed here; and
    `kind_of_database` and the marker `postgresql` are for those that use its address or its kind.
    """
    a_class = getattr(item, "cls", None)
    return (
        not {"db", "kind_of_database"}.isdisjoint(getattr(item, "fixturenames", ()))
        or item.get_closest_marker("django_db") is not None
        or item.get_closest_marker("postgresql") is not None
        or (isinstance(a_class, type) and issubclass(a_class, TransactionTestCase))
    )


def empty(connection: BaseDatabaseWrapper) -> None:
    """Take away whatever a test committed, as Django's `flush` does, from the tables that hold it.

    `flush` asks every table, and then makes all types and permissions anew: a tenth of a second
    per test, where this takes some milliseconds. Guards and references are off meanwhile, and on
    again afterwards.
    """
    if filled := _filled(connection):
        if connection.vendor == "postgresql":
            _empty_postgresql(connection, filled)
        else:
            _empty_sqlite(connection, filled)


def _filled(connection: BaseDatabaseWrapper) -> list[str]:
    """Return the tables with rows in them."""
    quote = connection.ops.quote_name
    tables = set(connection.introspection.django_table_names(include_views=False)) - KEPT
    looks = [
        f"SELECT '{name}' WHERE EXISTS (SELECT 1 FROM {quote(name)})" for name in sorted(tables)
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(looks))
        return [name for (name,) in cursor.fetchall()]


def _empty_postgresql(connection: BaseDatabaseWrapper, tables: list[str]) -> None:
    with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
        # As a replica, it asks no trigger: not the ledger's guard, and none of the references.
        cursor.execute("SET LOCAL session_replication_role = replica")
        for name in tables:
            cursor.execute(f"DELETE FROM {connection.ops.quote_name(name)}")


def _empty_sqlite(connection: BaseDatabaseWrapper, tables: list[str]) -> None:
    from roster import guards

    if is_guarded := guards.LEDGER.table in tables:
        guards.lift(connection, guards.LEDGER)
    statements = [f"DELETE FROM {connection.ops.quote_name(name)}" for name in tables]
    with connection.constraint_checks_disabled():
        connection.ops.execute_sql_flush(statements)
    if is_guarded:
        guards.install(connection)
