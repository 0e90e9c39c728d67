"""The database: does it keep what it said it keeps, and is it the one of this code and these keys?"""

import time
from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.utils import timezone

from chat.models import ConversationKey
from institutions.models import KeyCheck
from institutions.sealing import DataKey, KeyMissing, SealBroken, keyring, unseal_secret
from klikvoor.doctor import Line, note, well, wrong
from klikvoor.doctor.machine import file_system, is_network, private, processes
from klikvoor.wrapped import PURPOSE, SEALED_FIELDS
from triage.models import Intake

# The shortest statement that we give a database; jobs that tidy up take longer now and then.
STATEMENT_SECONDS = 30
CLOCK_SECONDS = 2.0
OLDEST_POSTGRESQL = 14
SQLITE_SYNC = {0: "OFF", 1: "NORMAL", 2: "FULL", 3: "EXTRA"}


def one(query: str) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(query)
        row = cursor.fetchone()
    return row[0] if row else None


def answers() -> Iterator[Line]:
    began = time.monotonic()
    path = Path(settings.DATABASES["default"]["NAME"])
    if connection.vendor == "sqlite" and not path.exists():
        # Asking would make an empty one.
        yield wrong(
            f"There is no database at {path}.",
            "Nothing can be read or stored.",
            "`python manage.py migrate` makes a new one; else look at DATABASE_URL.",
        )
        return
    try:
        one("SELECT 1")
    except DatabaseError as error:
        yield wrong(
            f"The database does not answer ({type(error).__name__}).",
            "Without it nothing can be read or stored: pages fail and messages are refused.",
            "Look whether it runs, whether this machine can reach it, and at user, password and name"
            " in DATABASE_URL.",
        )
        return
    yield well(
        f"The database ({connection.vendor}) answers in {(time.monotonic() - began) * 1000:.0f} ms."
    )
    yield from clock()
    yield from postgresql() if connection.vendor == "postgresql" else sqlite()


def clock() -> Iterator[Line]:
    """Leases and promises compare our clock with what others wrote down."""
    if connection.vendor != "postgresql":
        return
    before = timezone.now()
    theirs: datetime = one("SELECT clock_timestamp()")
    middle = before + (timezone.now() - before) / 2
    apart = abs((theirs - middle).total_seconds())
    if apart > CLOCK_SECONDS:
        yield wrong(
            f"The clock of the database is {apart:.0f} seconds from ours.",
            "Who is present is known by leases of 30 seconds: with wrong clocks people are called"
            " away who are there, and the chat opens or closes at wrong times.",
            "Let both machines set their clocks over the network (`timedatectl set-ntp true`).",
        )
    else:
        yield well(f"The clock of the database is {apart:.1f} seconds from ours.")


# --- PostgreSQL ---------------------------------------------------------------------------------


def postgresql() -> Iterator[Line]:
    version = connection.cursor().connection.info.server_version // 10000
    if version < OLDEST_POSTGRESQL:
        yield wrong(
            f"PostgreSQL {version} is too old.",
            "Django does not work with it, and it gets no repairs any more.",
            f"Move to PostgreSQL {OLDEST_POSTGRESQL} or newer.",
        )
    else:
        yield well(f"PostgreSQL {version}.")
    yield from keeps_what_it_says()
    yield from connections()
    yield from time_outs()
    yield from copies()
    if one("SHOW server_encoding") != "UTF8":
        yield wrong(
            "The database is not in UTF8.",
            "Messages with letters that it does not know are refused.",
            "Make a database with `CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0` and move.",
        )


def keeps_what_it_says() -> Iterator[Line]:
    lost = "A message that was acknowledged can be gone after a power cut."
    for name, bad in (
        ("fsync", {"off"}),
        ("full_page_writes", {"off"}),
        ("synchronous_commit", {"off"}),
    ):
        value = one(f"SHOW {name}")
        if value in bad:
            yield wrong(
                f"{name} is {value} in PostgreSQL.",
                lost,
                f"`ALTER SYSTEM SET {name} = on; SELECT pg_reload_conf();`, and look whether the"
                " database or the role sets it otherwise (`\\drds` in psql).",
            )
        else:
            yield well(f"{name} is {value}.")
    if one("SELECT pg_is_in_recovery()"):
        yield wrong(
            "This PostgreSQL is a copy that only reads.",
            "Nothing can be stored in it.",
            "Let DATABASE_URL name the one that writes.",
        )


def _count(rest: str) -> int:
    return int(one(f"SELECT count(*) FROM {rest}"))  # noqa: S608  our own words


def connections() -> Iterator[Line]:
    most = int(one("SHOW max_connections")) - int(one("SHOW superuser_reserved_connections"))
    role = int(one("SELECT rolconnlimit FROM pg_roles WHERE rolname = current_user") or -1)
    if role >= 0:
        most = min(most, role)
    each = settings.DATABASE_POOL
    here = len(processes())
    if here * each > most:
        yield wrong(
            f"{here} processes here may each take {each} connections, and PostgreSQL has {most}.",
            "When they are used up, pages and messages wait, and then fail.",
            f"Set max_connections to {here * each + 20} or more (and restart PostgreSQL), or"
            f" DATABASE_POOL to {max(most // max(here, 1) - 1, 8)}.",
        )
    else:
        yield well(
            f"PostgreSQL has {most} connections, and a process takes {each} at most: room for"
            f" {most // each} processes on all machines together."
        )


def time_outs() -> Iterator[Line]:
    waits = one("SHOW synchronous_standby_names")
    for name in ("statement_timeout", "idle_in_transaction_session_timeout", "lock_timeout"):
        milliseconds = int(one(f"SELECT setting FROM pg_settings WHERE name = '{name}'"))  # noqa: S608
        if name == "statement_timeout" and milliseconds and waits:
            yield wrong(
                f"statement_timeout is {milliseconds / 1000:g} seconds, and commits wait for a copy.",
                "A commit that gives up waiting counts as done: a message that was acknowledged can be"
                " gone when this machine is.",
                "`ALTER ROLE … SET statement_timeout = 0` for the user in DATABASE_URL.",
            )
        elif name == "statement_timeout" and 0 < milliseconds < STATEMENT_SECONDS * 1000:
            yield wrong(
                f"statement_timeout is {milliseconds / 1000:g} seconds.",
                "Erasing what is due, figures and migrations may take longer, and would never end.",
                f"Set it to {STATEMENT_SECONDS} seconds or more, or to 0.",
            )
        elif milliseconds:
            yield note(f"{name} is {milliseconds / 1000:g} seconds.")


def copies() -> Iterator[Line]:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT state, sync_state, extract(epoch FROM coalesce(replay_lag, '0'))::float"
            " FROM pg_stat_replication"
        )
        rows = cursor.fetchall()
    names = one("SHOW synchronous_standby_names")
    if not one("SELECT pg_has_role('pg_read_all_stats', 'USAGE')"):
        if rows or names:
            yield note(
                "There are copies of the database, and our user may not see how they are.",
                "Nobody would hear that a copy is gone or far behind.",
                "`GRANT pg_read_all_stats TO …` for the user in DATABASE_URL.",
            )
    else:
        yield from _how_copies_are(rows, bool(names))
    stale = _count("pg_replication_slots WHERE NOT active")
    if stale:
        yield wrong(
            f"{stale} replication slots have no reader.",
            "PostgreSQL keeps everything for them until the disk is full.",
            "Bring the copy back, or `SELECT pg_drop_replication_slot('…');` (see"
            " `SELECT * FROM pg_replication_slots;`).",
        )


def _how_copies_are(rows: list[tuple[str, str, float]], is_waited_for: bool) -> Iterator[Line]:
    for state, _sync, lag in rows:
        say = well if state == "streaming" and lag < 60 else note
        yield say(f"A copy of the database is {state}, {lag:.0f} seconds behind.")
    is_waited_for = is_waited_for and one("SHOW synchronous_commit") not in ("off", "local")
    if is_waited_for and not any(sync in ("sync", "quorum") for _state, sync, _lag in rows):
        yield wrong(
            "PostgreSQL waits at every commit for a copy that is not there.",
            "Every message hangs until that copy is back.",
            "Bring the copy back, or empty synchronous_standby_names and reload.",
        )
    elif rows and not is_waited_for:
        yield note(
            "Commits do not wait for the copy of the database.",
            "When this machine is lost, so are messages that were acknowledged.",
            "Set synchronous_standby_names (docs/operations.md, A second PostgreSQL), unless that"
            " copy is for something else.",
        )


# --- SQLite -------------------------------------------------------------------------------------


def sqlite() -> Iterator[Line]:
    path = Path(settings.DATABASES["default"]["NAME"])
    mode = one("PRAGMA journal_mode")
    if mode != "wal":
        yield wrong(
            f"journal_mode is {mode}, not wal.",
            "Whoever reads would hold up whoever writes.",
            "Leave OPTIONS of the database as they are in settings.py.",
        )
    sync = int(one("PRAGMA synchronous"))
    if sync < 2:
        yield wrong(
            f"synchronous is {SQLITE_SYNC.get(sync, sync)}, not FULL.",
            "A message that was acknowledged can be gone after a power cut.",
            "Leave OPTIONS of the database as they are in settings.py.",
        )
    if int(one("PRAGMA secure_delete")) != 1:
        yield wrong(
            "secure_delete is off.",
            "What was erased stays readable in the file.",
            "Leave OPTIONS of the database as they are in settings.py.",
        )
    if mode == "wal" and sync >= 2:
        yield well("SQLite writes as it should: journal_mode wal, synchronous FULL.")
    kind = file_system(path)
    if is_network(kind):
        yield wrong(
            f"The database lies on a network ({kind}).",
            "Locks do not hold there: the file breaks, and everything in it is lost.",
            "Put it on a disk of this machine, or use PostgreSQL.",
        )
    yield from private(path, "It holds who works here, who talked when, and what is sealed.")


# --- This code, these keys ----------------------------------------------------------------------


def migrations() -> Iterator[Line]:
    executor = MigrationExecutor(connection)
    plan = executor.migration_plan(executor.loader.graph.leaf_nodes())
    if plan:
        first = plan[0][0]
        yield wrong(
            f"{len(plan)} migrations were not done, beginning with {first.app_label} {first.name}.",
            "The code asks for columns that are not there. No process starts like this.",
            "`python manage.py migrate`.",
        )
    else:
        yield well("All migrations were done.")
    known = executor.loader.disk_migrations.keys()
    apps = {app for app, _name in known}
    ahead = [
        key for key in executor.loader.applied_migrations if key[0] in apps and key not in known
    ]
    if ahead:
        yield note(
            f"The database is ahead of this code: {ahead[0][0]} {ahead[0][1]}.",
            "A newer version ran here.",
            "Install that version again, unless you are going back on purpose.",
        )


def keys() -> Iterator[Line]:
    """Which keys are needed, and does each open all that lies under it? Writes nothing."""
    ring = keyring()
    for check in KeyCheck.objects.order_by("name"):
        if not check.holds():
            what = "HASHING_KEY" if check.name == "hashing" else f"The key “{check.name}”"
            yield wrong(
                f"{what} is not the one that this database was used with.",
                "Visits cannot be found back, or what was written cannot be opened. No process starts.",
                "Put the old value back. docs/operations.md, Keys, says what is left when it is lost for"
                " good.",
            )
    sealed, broken = _under_keys()
    for name in sorted(sealed.keys() - ring.keys()):
        yield wrong(
            f"{sealed[name]} things are sealed with the key “{name}”, which SEALING_KEYS lacks.",
            "Nobody can read them: talks, letters, second factors of staff.",
            "Put that key back, after the newest one.",
        )
    for name, count in sorted(broken.items()):
        yield wrong(
            f"{count} things do not open with the key “{name}”.",
            "Another key had that name when they were sealed, or the rows were changed.",
            "Look for the key of that time; if rows were changed, restore a backup.",
        )
    for position, name in enumerate(ring):
        count, what = sealed[name], f"The key “{name}”"
        if position == 0:
            yield well(f"{what} is the newest. {count} things are sealed with it.")
        elif count:
            yield well(f"{what} is still needed: {count} things are sealed with it.")
        else:
            yield note(f"{what} is not needed any more.", mend="Take it out of SEALING_KEYS.")


def _under_keys() -> tuple[Counter[str], Counter[str]]:
    """How many things lie under each key, and how many of them it does not open."""
    sealed: Counter[str] = Counter()
    broken: Counter[str] = Counter()
    for model in (ConversationKey, Intake):
        rows = model._default_manager.order_by().values_list("sealing_key", "wrapped")
        for name, wrapped in rows.iterator(chunk_size=5000):
            sealed[name] += 1
            try:
                DataKey.unwrap(name, wrapped)
            except KeyMissing:
                pass
            except SealBroken:
                broken[name] += 1
    for data in Authenticator.objects.values_list("data", flat=True):
        for field in SEALED_FIELDS:
            if not (secret := data.get(field)):
                continue
            name = secret.partition(":")[0]
            sealed[name] += 1
            try:
                unseal_secret(secret, PURPOSE)
            except KeyMissing:
                pass
            except (SealBroken, ValueError):
                broken[name] += 1
    return sealed, broken
