"""Rehearse a restore: into a database of its own, by the real command, and see that it can be read."""

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

from allauth.mfa.models import Authenticator
from django.conf import settings
from django.db import DatabaseError, connection

from chat.models import Conversation, ConversationKey, Message
from institutions.sealing import DataKey, KeyMissing, SealBroken, unseal_secret
from klikvoor.backups.dumping import asking, kind_of_database
from klikvoor.backups.files import BadBackup
from klikvoor.wrapped import PURPOSE, SEALED_FIELDS

# Seals that are opened of each kind; every key is tried.
SAMPLE = 1000
ALIAS = "rehearsal"


@dataclass
class Found:
    """What a restored database holds, in figures, and what in it does not open."""

    figures: dict[str, int] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


@contextmanager
def scratch() -> Iterator[str]:
    """The address of a new, empty database beside the real one, which goes afterwards."""
    if kind_of_database() == "sqlite":
        with tempfile.TemporaryDirectory(prefix="klikvoor-rehearsal-") as directory:
            yield f"sqlite:///{directory}/rehearsal.sqlite3"
        return
    name = f"klikvoor_rehearsal_{secrets.token_hex(4)}"
    parts = urlsplit(settings.DATABASE_URL)
    path = f"{parts.path.rpartition('/')[0]}/{name}"
    with connection.cursor() as cursor:
        try:
            cursor.execute(f'CREATE DATABASE "{name}" TEMPLATE template0')
        except DatabaseError:
            raise BadBackup(
                "The user of the database may not make one to rehearse in. `ALTER ROLE … CREATEDB`"
                " lets it; or rehearse on another machine."
            ) from None
    try:
        yield urlunsplit(parts._replace(path=path))
    finally:
        with connection.cursor() as cursor:
            cursor.execute(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')


def restore_into(url: str, file: Path, keys: Path | None, *more: str) -> str:
    """Run the command as an operator would. Raises BadBackup with what it said."""
    arguments = [sys.executable, "manage.py", "restore", str(file.absolute()), *more]
    if keys:
        arguments += ["--keys", str(keys.absolute())]
    done = subprocess.run(
        arguments,
        cwd=settings.BASE_DIR,
        env=_environment(url),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise BadBackup(f"The restore failed. {done.stderr.strip()[-500:]}")
    return done.stdout


def _environment(url: str) -> dict[str, str]:
    """That of here, with another database and the same list of what was erased."""
    own = {"DATABASE_URL": url, "ERASED_LIST": settings.ERASED_LIST}
    # A file that names the real database would go before the address of the new one.
    files = {f"{name}_FILE" for name in own}
    return {name: value for name, value in os.environ.items() if name not in files} | own


def look_into(url: str) -> Found:
    """Open what lies in a restored database: all its keys, and some seals of each kind."""
    with asking(ALIAS, name_in(url)):
        return _look(ALIAS)


def name_in(url: str) -> str:
    """The name of the database in an address of `scratch`; of SQLite its file."""
    if kind_of_database() == "sqlite":
        return url.removeprefix("sqlite:///")
    return urlsplit(url).path.rpartition("/")[2]


def _look(alias: str) -> Found:
    found = Found()
    keys: dict[str, DataKey] = {}
    for row in ConversationKey.objects.using(alias).order_by("pk").iterator():
        with _noting(found, "a key of a conversation"):
            keys[row.pk] = row.open()
    opened = {"messages": 0, "answers before": 0, "addresses": 0, "second factors": 0}
    messages = Message.objects.using(alias).order_by("-at")[:SAMPLE]
    for conversation, seq, author, body in messages.values_list(
        "conversation", "seq", "author", "body"
    ):
        with _noting(found, "a message"):
            keys[conversation].unseal(body, conversation, seq, author, "body")
            opened["messages"] += 1
    newest = Conversation.objects.using(alias).filter(key__isnull=False).order_by("-created_at")
    for pk, intake, address in newest.values_list("pk", "sealed_intake", "sealed_address")[:SAMPLE]:
        for what, field_, sealed in (
            ("answers before", "intake", intake),
            ("addresses", "address", address),
        ):
            if sealed is not None:
                with _noting(found, what):
                    keys[pk].unseal(sealed, pk, field_)
                    opened[what] += 1
    for data in Authenticator.objects.using(alias).values_list("data", flat=True)[:SAMPLE]:
        for name in SEALED_FIELDS:
            if data.get(name):
                with _noting(found, "a second factor"):
                    unseal_secret(data[name], PURPOSE)
                    opened["second factors"] += 1
    found.figures = {
        "conversations": Conversation.objects.using(alias).count(),
        "messages": Message.objects.using(alias).count(),
        "keys that fit": len(keys),
    } | {f"{what} opened": count for what, count in opened.items()}
    return found


@contextmanager
def _noting(found: Found, what: str) -> Iterator[None]:
    try:
        yield
    except (KeyMissing, SealBroken, KeyError, json.JSONDecodeError) as error:
        found.broken.append(f"{what}: {type(error).__name__}")
