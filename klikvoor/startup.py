"""Refuse to start on unsafe settings, a wrong key or an outdated database, and say why.

Each sentence says what is wrong and how to mend it, for the person who reads the terminal. The
settings are judged by `manage.py check --deploy` as well.
"""

import fcntl
import logging
import pkgutil
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from django.apps import apps
from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.exceptions import ImproperlyConfigured, ValidationError
from django.core.management import CommandError
from django.core.validators import validate_email
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from institutions.sealing import keyring
from mail.fetching import BadMailbox, Mailbox
from mail.listener import BadListener, Place

LOCAL_HOSTS = frozenset({"localhost", "127.0.0.1", "::1", "testserver"})
ACCESS_LOGS = ("django.server", "uvicorn.access", "hypercorn.access", "daphne.access")
SQLITE = "django.db.backends.sqlite3"
SMTP = "django.core.mail.backends.smtp.EmailBackend"

# The open lock file of this process: closing it would give the lock away.
_alone: IO[str] | None = None


def refuse_unsafe() -> None:
    """Return if it is safe to serve; else raise the CommandError that says why it is not."""
    problems = [problem.msg for problem in settings_problems()] or list(database_problems())
    if problems:
        raise CommandError("\n".join(["Klikvoor does not start like this.", *problems]))
    if settings.DATABASES["default"]["ENGINE"] == SQLITE or not settings.REDIS_URL:
        be_alone()


# --- Settings -----------------------------------------------------------------------------------


@register("klikvoor", deploy=True)
def settings_are_safe(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
    return list(settings_problems())


def settings_problems() -> Iterator[Error]:
    """Yield what is unsafe in the settings; asks no database."""
    real_hosts = [host for host in map(_host, settings.ORIGINS) if host not in LOCAL_HOSTS]

    if settings.DEBUG:
        yield Error(
            "DEBUG is on: error pages would show what people wrote. Turn it off.", id="E001"
        )
    yield from _origin_problems(real_hosts)
    if settings.DEMO:
        yield from _demo_problems(real_hosts)
    yield from _key_problems()
    yield from mail_problems()
    if settings.METRICS_TOKEN and len(settings.METRICS_TOKEN) < 20:
        yield Error(
            "METRICS_TOKEN is too short to keep a secret: use 20 characters or more, made by chance.",
            id="E014",
        )
    for name in ACCESS_LOGS:
        if logging.getLogger(name).isEnabledFor(logging.INFO):
            yield Error(
                f"The log {name} would keep people's addresses. Raise it to WARNING in LOGGING.",
                id="E009",
            )


def _host(origin: str) -> str:
    return urlsplit(origin).hostname or ""


def _origin_problems(real_hosts: list[str]) -> Iterator[Error]:
    if not settings.ORIGINS:
        yield Error("ORIGINS is empty: set it to the address of the site.", id="E002")
    for origin in settings.ORIGINS:
        parts = urlsplit(origin)
        bare = f"{parts.scheme}://{parts.netloc}"
        if parts.scheme not in ("http", "https") or not parts.hostname or origin != bare:
            yield Error(
                f"ORIGINS holds “{origin}”, and needs scheme, host and port only, such as"
                " https://chat.example.org.",
                id="E002",
            )
    if any(host == "*" or host.startswith(".") for host in settings.ALLOWED_HOSTS):
        yield Error(
            "ORIGINS takes any host, so anybody's site could pose as ours. Name each address.",
            id="E003",
        )
    if real_hosts and not settings.SECURE:
        yield Error(
            "ORIGINS holds a plain http address beside a real host name, so cookies and words would"
            " travel unencrypted. Use https:// addresses only.",
            id="E004",
        )


def _demo_problems(real_hosts: list[str]) -> Iterator[Error]:
    """In the demo anybody signs in as anybody."""
    if real_hosts:
        yield Error(
            f"DEMO is on, and ORIGINS holds a real host name ({real_hosts[0]}). Set DEMO=0, or use"
            " http://localhost.",
            id="E005",
        )
    if settings.DATABASES["default"]["ENGINE"] != SQLITE:
        yield Error(
            "DEMO is on, and DATABASE_URL names a real database. Set DEMO=0, or leave"
            " DATABASE_URL out.",
            id="E005",
        )
    if settings.EMAIL_BACKEND == SMTP:
        yield Error(
            "DEMO is on, and EMAIL_URL names a real mail server. Set DEMO=0, or leave EMAIL_URL"
            " out.",
            id="E005",
        )


def mail_problems() -> Iterator[Error]:
    """Letters of young people travel in this mail."""
    encrypted = settings.EMAIL_USE_TLS or settings.EMAIL_USE_SSL
    if settings.EMAIL_BACKEND == SMTP and not encrypted and not _is_near(settings.EMAIL_HOST):
        yield Error(
            "EMAIL_URL sends mail to another machine unencrypted. Use smtp+tls:// or smtp+ssl://, or"
            " a mail server on this machine.",
            id="E010",
        )
    incoming = settings.MAIL_LISTEN or settings.MAIL_FETCH_URL
    if incoming and not settings.MAIL_REPLY_TO:
        yield Error("Mail can come in, and MAIL_REPLY_TO does not say at which address.", id="E011")
    if settings.MAIL_REPLY_TO and not incoming:
        yield Error(
            "MAIL_REPLY_TO invites young people to answer by mail, and nothing takes that mail. Set"
            " MAIL_LISTEN or MAIL_FETCH_URL, or leave MAIL_REPLY_TO out.",
            id="E011",
        )
    for name in ("MAIL_REPLY_TO", "MAIL_FROM"):
        value = getattr(settings, name)
        if value and not _is_bare_address(value):
            yield Error(f"{name} has to be an address alone, such as post@example.org.", id="E011")
    if len(settings.MAIL_REPLY_TO.rpartition("@")[0]) > 20:
        yield Error(
            "The name in MAIL_REPLY_TO has more than 20 characters: with the token that comes after"
            " it, mail servers would refuse the address.",
            id="E011",
        )
    yield from _listener_problems()
    yield from _mailbox_problems()


def _listener_problems() -> Iterator[Error]:
    if not settings.MAIL_LISTEN:
        return
    try:
        place = Place.at(settings.MAIL_LISTEN)
    except BadListener as error:
        yield Error(str(error), id="E012")
        return
    if place.is_public:
        yield Error(
            "MAIL_LISTEN would take mail from anybody on the internet. Let a mail server stand in"
            " front, and name an address that only it can reach.",
            id="E012",
        )


def _mailbox_problems() -> Iterator[Error]:
    if not settings.MAIL_FETCH_URL:
        return
    if settings.DEMO:
        yield Error(
            "DEMO is on, and MAIL_FETCH_URL names a real mailbox. Set DEMO=0, or leave"
            " MAIL_FETCH_URL out.",
            id="E005",
        )
    try:
        mailbox = Mailbox.at(settings.MAIL_FETCH_URL)
    except BadMailbox as error:
        yield Error(str(error), id="E013")
        return
    if not mailbox.is_encrypted and not _is_near(mailbox.host):
        yield Error(
            "MAIL_FETCH_URL fetches mail from another machine unencrypted. Use imaps://.", id="E013"
        )


def _is_near(host: str | None) -> bool:
    return not host or host in LOCAL_HOSTS


def _is_bare_address(value: str) -> bool:
    try:
        validate_email(value)
    except ValidationError:
        # A name without a dot is fine inside one's own walls.
        return bool(re.fullmatch(r"[A-Za-z0-9._-]+@[A-Za-z0-9.-]+", value))
    return True


def _key_problems() -> Iterator[Error]:
    for name, shortest in (("SECRET_KEY", 50), ("HASHING_KEY", 32)):
        value = getattr(settings, name)
        if len(value) < shortest or len(set(value)) < 10:
            yield Error(
                f"{name} is too short or too simple. `python -m klikvoor.newkeys` prints a good one.",
                id="E006",
            )
    if settings.HASHING_KEY == settings.SECRET_KEY:
        yield Error("HASHING_KEY and SECRET_KEY are the same. They need to differ.", id="E006")
    try:
        ring = keyring()
    except ImproperlyConfigured as error:
        yield Error(f"{error} `python -m klikvoor.newkeys` prints a good one.", id="E007")
        return
    if len(set(ring.values())) < len(ring):
        yield Error("SEALING_KEYS holds one key under two names.", id="E007")
    if len(ring) < len(settings.SEALING_KEYS.split()):
        yield Error("SEALING_KEYS holds one name twice.", id="E007")


# --- The database -------------------------------------------------------------------------------


def database_problems() -> Iterator[str]:
    """Yield why this database cannot be served with these keys."""
    try:
        if not _is_migrated():
            yield "The database is behind the code. Run `python manage.py migrate` first."
            return
        if _is_half_restored():
            yield "The last restore was not finished. Run it again, with --replace."
            return
        yield from _wrong_keys()
    except DatabaseError as error:
        yield (
            f"The database does not answer ({type(error).__name__}). Look at DATABASE_URL, and"
            " whether the database runs."
        )


def _is_half_restored() -> bool:
    """Whether rows of a backup were loaded, and what has to come after that was not done."""
    from chat.models import Conversation, ConversationKey, Epoch

    if Epoch.objects.exists() or ConversationKey.objects.exists():
        return False
    return Conversation.objects.exists()


def _is_migrated() -> bool:
    """Whether the database has every migration that there is.

    Their names tell most of the time. Only when one is missing they are imported, all of them, to
    see whether others stand for it.
    """
    applied = MigrationRecorder(connection).applied_migrations().keys()
    if _names_of_migrations() <= applied:
        return True
    executor = MigrationExecutor(connection)
    return not executor.migration_plan(executor.loader.graph.leaf_nodes())


def _names_of_migrations() -> set[tuple[str, str]]:
    names = set()
    for app in apps.get_app_configs():
        package, _is_named = MigrationLoader.migrations_module(app.label)
        if package and (folder := Path(app.path, "migrations")).is_dir():
            if package != f"{app.name}.migrations":  # elsewhere: let Django look there
                names.add((app.label, ""))
            names |= {
                (app.label, module.name)
                for module in pkgutil.iter_modules([str(folder)])
                if module.name[0] not in "_~"
            }
    return names


def _wrong_keys() -> Iterator[str]:
    from institutions.models import KeyCheck
    from institutions.models.keys import HASHING
    from klikvoor.wrapped import used_names

    # Before the proofs, which are written at the first start with a new key.
    if missing := used_names() - keyring().keys():
        yield (
            "The database holds text that is sealed with a key that SEALING_KEYS lacks:"
            f" {', '.join(sorted(missing))}. Put the old key back, after the newest one."
        )
        return
    for name in KeyCheck.prove():
        if name == HASHING:
            yield (
                "HASHING_KEY is not the one that this database was used with, so no visit could be"
                " found back. Restore it. If it is lost for good, delete the row “hashing” of the"
                " table institutions_keycheck: every open visit is lost then."
            )
        else:
            yield (
                f"The key “{name}” in SEALING_KEYS is not the one that this database was used"
                " with. Restore it; a new key needs a new name and comes before the old one."
            )


# --- One process --------------------------------------------------------------------------------


def be_alone() -> None:
    """Hold the lock of the only process until this one ends, however it ends.

    SQLite has one writer, and without Redis no process hears what another one did. On PostgreSQL
    without Redis only processes on this machine can be noticed (docs/settings.md).
    """
    global _alone
    if _alone is not None:
        return
    path = lock_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    lock = path.open("a")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.close()
        raise CommandError(
            "Klikvoor does not start like this.\nAnother process serves this database already."
            " More than one needs PostgreSQL (DATABASE_URL) and Redis (REDIS_URL)."
        ) from None
    _alone = lock


def lock_file() -> Path:
    """Beside a SQLite database; for another database, in `var`."""
    database = settings.DATABASES["default"]
    if database["ENGINE"] == SQLITE:
        return Path(f"{database['NAME']}.lock")
    return Path(settings.BASE_DIR) / "var/klikvoor.lock"
