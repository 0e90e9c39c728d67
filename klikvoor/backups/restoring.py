"""Put a backup back, and make of it a database that may be served.

What was loaded is the past. Before anybody is served: what young people took back since then is taken
back again, no door opens that was closed, no mail goes out twice, everybody signs in anew, and every
window reloads. All of that in one transaction; the epoch, without which `serve` refuses to start, is
written in it.
"""

from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor
from django.db.models import Q
from django.urls import reverse
from django.utils import translation
from django.utils.translation import gettext as _

from chat import jobs as chat_jobs
from chat.erased import TakenBack
from chat.models import Conversation, ConversationKey, Epoch, Refused
from chat.models.erasing import end_keyless, erase_again
from institutions.models import StaffMail
from institutions.sealing import keyring
from klikvoor.backups import dumping
from klikvoor.backups.files import Backup, BadBackup, newest_keys
from klikvoor.backups.living import (
    Living,
    close_doors,
    end_sign_ins,
    forget_addresses,
    living_in,
    read_keys,
)
from klikvoor.startup import be_alone
from mail.jobs import tell_visitors
from mail.models import VisitorMail
from roster.models import Presence
from roster.models.acting import platform_coordinators

# A chat whose backup is older than this is not waited for: nobody sits in that window any more.
WAITED_FOR = timedelta(minutes=30)
RESTORED = "Restored"


@dataclass
class Plan:
    """A backup that was checked, with everything that goes with it."""

    backup: Backup
    manifest: dict[str, Any]
    rows: Path
    keys_file: Path
    living: Living
    taken_back: TakenBack


@dataclass
class Report:
    """What came of it, in figures."""

    counts: dict[str, int] = field(default_factory=dict)
    closed: dict[str, int] = field(default_factory=dict)
    aside: str = ""

    def lines(self) -> list[str]:
        told = [f"{what}: {count}" for what, count in self.counts.items()]
        return told + [f"closed again, {what}: {count}" for what, count in self.closed.items()]


# --- Before ---------------------------------------------------------------------------------------


def prepare(file: Path, *, keys: Path | None = None, erased: list[Path] | None = None) -> Plan:
    """Check a backup and what it needs, without touching any database. Raises BadBackup."""
    backup = Backup.of(file)
    manifest = backup.manifest()
    if manifest["kind"] != dumping.kind_of_database():
        raise BadBackup(
            f"This is a backup of {manifest['kind']}, and DATABASE_URL names another database."
        )
    rows = backup.check_rows(manifest)
    dumping.check_file(manifest["kind"], rows)
    known = {f"{app}.{name}" for app, name in MigrationExecutor(None).loader.disk_migrations}
    if set(manifest["migrations"]) - known:
        raise BadBackup("This backup was made by a newer Klikvoor. Use that one.")
    keys_file = keys or newest_keys(backup.directory)
    if keys_file is None:
        raise BadBackup(
            "There is no file of keys beside it, and without keys nothing can be read. `--keys` names"
            " one."
        )
    living = read_keys(keys_file)
    needed = {name for name, _wrapped in living.keys.values()} | set(manifest["sealed_rows"])
    if missing := needed - keyring().keys():
        raise BadBackup(f"SEALING_KEYS lacks what this backup needs: {', '.join(sorted(missing))}.")
    taken_back = TakenBack()
    own = Path(settings.ERASED_LIST)
    lists = {own} if own.exists() else set()
    for path in lists | set(backup.directory.glob("*.erased")) | set(erased or []):
        taken_back.read(path)
    return Plan(backup, manifest, rows, keys_file, living, taken_back)


def current() -> Living | None:
    """What holds in the database that is to be replaced; None if it cannot tell."""
    try:
        executor = MigrationExecutor(connection)
        if executor.migration_plan(executor.loader.graph.leaf_nodes()):
            return None
        return living_in()
    except DatabaseError:
        return None


# --- The deed -------------------------------------------------------------------------------------


def restore(plan: Plan, now: datetime, *, replace: bool, ask_current: bool = True) -> Report:
    """Load a backup in place of the database. Raises BadBackup, CommandError while others serve.

    A database with anything in it is moved aside, and only with `replace`. What that one knows of
    what was taken back holds, unless it shall not be asked.
    """
    dumping_is_sqlite = plan.manifest["kind"] == "sqlite"
    if dumping_is_sqlite:
        be_alone()
    elif others := dumping.others_at_postgresql():
        raise BadBackup(
            f"{others} connections to this database are open. Stop everything that uses it first."
        )
    is_empty = dumping.is_empty()
    if not is_empty and not replace:
        raise BadBackup(
            "The database is not empty. Name an empty one in DATABASE_URL, or say --replace: then"
            " this one is moved aside, and not thrown away."
        )
    living = plan.living
    if not is_empty and ask_current:
        if (newer := current()) is None:
            raise BadBackup(
                "The database that is there cannot say what was erased since the backup. If it is"
                " broken, say --ignore-current."
            )
        living = Living(
            keys=plan.living.keys | newer.keys,
            erased=plan.living.erased | newer.erased,
            facts=newer.facts,
        )
    aside = "" if is_empty else f"replaced_{now:%Y%m%dt%H%M%S}"
    report = Report(aside=aside)
    if dumping_is_sqlite:
        _restore_sqlite(plan, living, now, report)
    else:
        dumping.load_postgresql(plan.rows, aside)
        _make_ready(plan, living, now, report)
    return report


def _restore_sqlite(plan: Plan, living: Living, now: datetime, report: Report) -> None:
    """Make it ready in a file of its own, which takes its place when all is done."""
    database = Path(connection.settings_dict["NAME"])
    new = database.with_name(database.name + ".restoring")
    connection.close()
    for leftover in database.parent.glob(f"{new.name}*"):
        leftover.unlink()
    dumping.load_sqlite(plan.rows, new)
    connection.settings_dict["NAME"] = str(new)
    try:
        _make_ready(plan, living, now, report)
        with connection.cursor() as cursor:
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        connection.close()
        connection.settings_dict["NAME"] = str(database)
    # What is moved aside is one file, if it is still a database.
    with suppress(DatabaseError), connection.cursor() as cursor:
        cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()
    for suffix in ("", "-wal", "-shm"):
        old = database.with_name(database.name + suffix)
        if not old.exists():
            continue
        if report.aside:
            old.rename(database.with_name(f"{database.name}.{report.aside}{suffix}"))
        else:
            old.unlink()
    new.rename(database)


def _make_ready(plan: Plan, living: Living, now: datetime, report: Report) -> None:
    _compare(plan.manifest["rows"])
    call_command("migrate", verbosity=0)
    with transaction.atomic():
        counts = report.counts
        counts["keys"] = _put_keys(living, plan.taken_back.erased)
        counts["erased again"] = erase_again(plan.taken_back.erased | living.erased)
        if living.facts is not None:
            report.closed = close_doors(living.facts)
        made_at = plan.backup.made_at
        since = [pk for pk, at in plan.taken_back.addresses.items() if at > made_at]
        counts["addresses taken back"] = forget_addresses(since)
        counts["erased because their time is over"] = _erase_old(now)
        counts["live without a key, ended"] = end_keyless(now)
        while chat_jobs.remove_keyless():
            pass
        counts["staff who sign in anew"] = end_sign_ins()
        Presence.objects.all().delete()
        _settle_chats(now, now - made_at > WAITED_FOR, counts)
        counts["mails that wait for a person"] = _hold_mail(now)
        _tell_coordinators(made_at, now)
        # Last, and new: every window that still knows the old one reloads.
        Epoch.objects.all().delete()
        Epoch.current()


def _compare(rows: dict[str, int]) -> None:
    """Every table holds as many rows as were written. Raises BadBackup."""
    with connection.cursor() as cursor:
        for table, count in rows.items():
            cursor.execute(f"SELECT count(*) FROM {connection.ops.quote_name(table)}")  # noqa: S608
            [found] = cursor.fetchone()
            if found != count:
                raise BadBackup(f"{table} has {found} rows, and {count} were written.")


def _put_keys(living: Living, erased: set[str]) -> int:
    gone = erased | living.erased
    there = Conversation.objects.order_by().values_list("pk", flat=True)
    keys = [
        ConversationKey(conversation_id=pk, sealing_key=name, wrapped=wrapped)
        for pk in there.iterator()
        if pk not in gone and (found := living.keys.get(pk))
        for name, wrapped in [found]
    ]
    ConversationKey.objects.bulk_create(keys, batch_size=500)
    return len(keys)


def _erase_old(now: datetime) -> int:
    total = 0
    while erased := chat_jobs.erase_old_texts(now):
        total += erased
    return total


def _settle_chats(now: datetime, is_old: bool, counts: dict[str, int]) -> None:
    """Nobody is at a desk. Who was in a chat waits again, in the old place, as when a worker is lost;
    who is not back within the usual time is gone. After an old backup nobody is waited for."""
    counts["chats back in the queue"] = counts["chats that are over"] = 0
    for chat in Conversation.objects.active():
        with suppress(Refused):
            chat.lose_worker()
            counts["chats back in the queue"] += 1
    if not is_old:
        # From now on they have as long to come back as everybody else.
        Conversation.objects.waiting().update(visitor_seen_at=now)
        return
    for chat in Conversation.objects.waiting():
        with suppress(Refused):
            chat.abandon(reason="lost")
            counts["chats that are over"] += 1


def _hold_mail(now: datetime) -> int:
    """Give up every mail that may have gone out since the backup; the page of mail shows them.

    Also those that were never written down in it: a person says of each whether it goes.
    """
    while tell_visitors(now):
        pass
    held = 0
    for model in (VisitorMail, StaffMail):
        waiting = model._default_manager.filter(sent_at__isnull=True, given_up_at__isnull=True)
        perhaps_gone = Q(due_at__lte=now) | Q(attempts__gt=0)
        held += waiting.filter(perhaps_gone).update(given_up_at=now, last_error=RESTORED)
    return held


def _tell_coordinators(made_at: datetime, now: datetime) -> None:
    for person in platform_coordinators():
        with translation.override(person.language):
            StaffMail.put(
                person,
                "restored",
                f"restored/{now:%Y%m%dT%H%M%S}/{person.pk}",
                subject=str(_("Klikvoor is teruggezet uit een reservekopie")),
                body=str(
                    _(
                        "Klikvoor is teruggezet naar hoe het was op %(then)s. Wat daarna gebeurde, is"
                        " weg: %(minutes)d minuten aan gesprekken, brieven, diensten en"
                        " veranderingen.\n\n"
                        "Kijk na wie je sinds die tijd hebt uitgezet of andere rollen hebt gegeven, en"
                        " doe dat nog eens. Iedereen moet opnieuw inloggen. Mail die misschien al weg"
                        " was, wacht op de pagina met mail: %(link)s\n"
                    )
                )
                % {
                    "then": f"{made_at.astimezone(now.tzinfo):%d-%m-%Y %H:%M} UTC",
                    "minutes": max(1, round((now - made_at).total_seconds() / 60)),
                    "link": f"{settings.ORIGINS[0]}{reverse('undelivered')}",
                },
            )
