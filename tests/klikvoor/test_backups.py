"""A backup holds everything but the keys, is whole or refused, and opens in another database."""

import base64
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as real
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.db import connection
from django.utils import timezone

from chat.models import Conversation, ConversationKey, Epoch, Message, Visitor
from institutions.jobs import tell_of_late_jobs
from institutions.models import JobRun, StaffMail, User
from klikvoor.backups import dumping, last_backup_at, making
from klikvoor.backups.dumping import asking
from klikvoor.backups.files import Backup, BadBackup, all_in, newest_keys
from klikvoor.backups.making import make
from klikvoor.backups.rehearsing import ALIAS, name_in, restore_into, scratch
from klikvoor.backups.restoring import prepare
from klikvoor.startup import database_problems
from roster.models import ServiceLine
from tests.chat.test_letters import a_letter
from tests.people import be_present, begin_visit, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

TEXT = "Zij roept elke avond tegen mij."
OTHER_KEY = base64.urlsafe_b64encode(b"o" * 32).decode()


def write(conversation: Conversation, text: str = TEXT) -> Message:
    """Store a message of the young person as the writer does."""
    seq = conversation.last_seq = conversation.last_seq + 1
    Conversation.objects.filter(pk=conversation.pk).update(last_seq=seq)
    body = conversation.data_key().seal(text, conversation.pk, seq, "visitor", "body")
    return conversation.messages.create(
        seq=seq, client_id=str(seq), author="visitor", body=body, at=timezone.now()
    )


def back_up(directory: Path, *, ago: timedelta = timedelta(0), **kept: Any) -> Backup:
    """Make a backup; `ago` is how long it pretends to be made."""
    options = {"keep": 48, "keep_keys": timedelta(hours=24)} | kept
    return make(directory, timezone.now() - ago, **options).backup


@contextmanager
def restored(backup: Backup, keys: Path | None = None) -> Iterator[str]:
    """Restore by the real command into a new database; yield the alias under which it is asked."""
    with scratch() as url:
        restore_into(url, backup.manifest_file, keys)
        with asking(ALIAS, name_in(url)):
            yield ALIAS


def texts(alias: str, conversation: Conversation) -> list[str]:
    """The messages of a conversation in a restored database; empty if it has no key there."""
    key = ConversationKey.objects.using(alias).filter(pk=conversation.pk).first()
    if key is None:
        return []
    rows = Message.objects.using(alias).filter(conversation=conversation.pk).order_by("seq")
    return [
        key.open().unseal(row.body, conversation.pk, row.seq, row.author, "body") for row in rows
    ]


# --- What is in it --------------------------------------------------------------------------------


def test_a_backup_holds_all_rows_and_no_key(
    active_conversation: Conversation, anna: User, tmp_path: Path
) -> None:
    write(active_conversation)
    session = sign_in(anna).session.session_key
    token = base64.b64decode(real.SEALING_KEYS.partition(":")[2], altchars="-_")
    wrapped = bytes(ConversationKey.objects.get().wrapped)

    backup = back_up(tmp_path / "backups")

    files = {path.suffix: path for path in backup.directory.glob("klikvoor-*")}
    assert len(files) == 3
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files.values())
    assert stat.S_IMODE(backup.directory.stat().st_mode) == 0o700
    everything = b"".join(path.read_bytes() for path in files.values())
    for secret in (real.SECRET_KEY, real.HASHING_KEY, real.SEALING_KEYS.partition(":")[2], TEXT):
        assert secret.encode() not in everything
    assert token not in everything
    manifest = backup.manifest()
    assert manifest["sealing_keys"] == ["test"]
    assert manifest["rows"]["chat_message"] == 1
    assert "chat_conversationkey" not in manifest["rows"]
    # The keys are in one file only, and a sign-in is in none.
    rows = backup.check_rows(manifest).read_bytes()
    assert base64.b64encode(wrapped) in backup.keys_file.read_bytes()
    assert wrapped not in rows
    assert session.encode() not in everything


def test_a_restored_backup_is_read_and_everybody_comes_in_anew(
    active_conversation: Conversation, anna: User, dirk: User, tmp_path: Path
) -> None:
    write(active_conversation)
    Epoch.current()
    sign_in(anna)
    StaffMail.put(anna, "test", "due", subject="s", body="b")
    later = timezone.now() + timedelta(hours=1)
    StaffMail.put(anna, "test", "later", subject="s", body="b", due_at=later)
    backup = back_up(tmp_path, ago=timedelta(minutes=5))

    with restored(backup) as there:
        assert texts(there, active_conversation) == [TEXT]
        assert Epoch.objects.using(there).get().value != Epoch.current()
        assert not Session.objects.using(there).exists()
        assert User.objects.using(there).get(pk=anna.pk).sign_in_epoch == anna.sign_in_epoch + 1
        # Nobody is at a desk; she keeps her place, and has time to come back.
        chat = Conversation.objects.using(there).get()
        assert (chat.status, chat.worker) == ("waiting", None)
        assert chat.changes.using(there).get(reason="worker_lost").by == "system"
        assert timezone.now() - chat.visitor_seen_at < timedelta(minutes=1)
        # What may have gone out waits for a person; what was not due then goes when it is.
        mails = {mail.dedupe_key: mail for mail in StaffMail.objects.using(there)}
        assert mails["due"].last_error == "Restored"
        assert mails["due"].given_up_at
        assert mails["later"].given_up_at is None
        [told] = StaffMail.objects.using(there).filter(kind="restored")
        assert told.to_id == dirk.pk
        assert "5 minuten" in told.body
        assert told.given_up_at is None


def test_after_an_old_backup_nobody_is_waited_for_and_what_is_too_old_is_erased(
    active_conversation: Conversation, brand: Any, line: ServiceLine, tmp_path: Path
) -> None:
    waiting, too_old = (
        Conversation.start(visitor=begin_visit(brand), line=line, intake="{}") for _ in range(2)
    )
    write(waiting)
    write(too_old)
    too_old.abandon(reason="left")
    long_ago = timezone.now() - timedelta(days=31)
    Conversation.objects.filter(pk=too_old.pk).update(ended_at=long_ago, created_at=long_ago)
    backup = back_up(tmp_path, ago=timedelta(hours=2))

    with restored(backup) as there:
        chats = Conversation.objects.using(there)
        assert {chat.status for chat in chats} == {"abandoned"}
        for chat in (waiting, active_conversation):
            assert chats.get(pk=chat.pk).changes.using(there).last().reason == "lost"
        assert texts(there, waiting) == [TEXT]
        assert texts(there, too_old) == []
        assert not Message.objects.using(there).filter(conversation=too_old.pk).exists()
        assert chats.get(pk=too_old.pk).sealed_intake is None


# --- When it is refused -----------------------------------------------------------------------------


def refusal(backup: Backup, **options: Any) -> str:
    with pytest.raises(CommandError) as refused:
        call_command("restore", str(backup.manifest_file), **options)
    return str(refused.value)


@pytest.mark.parametrize("suffix", [".json", ".keys", "rows"])
def test_a_damaged_or_changed_backup_is_refused(anna: User, tmp_path: Path, suffix: str) -> None:
    backup = back_up(tmp_path)
    kind = backup.manifest()["kind"]
    path = backup.rows_file(kind) if suffix == "rows" else tmp_path / f"{backup.stem}{suffix}"
    content = bytearray(path.read_bytes())
    if suffix == ".json":
        content = bytearray(content.replace(b'"institutions_user": 1', b'"institutions_user": 2'))
    else:
        content[len(content) // 2] ^= 1
    path.write_bytes(content)

    with pytest.raises(BadBackup, match=r"damaged|changed"):
        prepare(backup.manifest_file)


def test_a_backup_needs_the_keys_that_made_it(
    waiting_conversation: Conversation, settings: Any, tmp_path: Path
) -> None:
    backup = back_up(tmp_path)

    settings.SEALING_KEYS = f"new:{OTHER_KEY}"
    assert "SEALING_KEYS lacks what this backup needs: test" in refusal(backup)
    settings.HASHING_KEY = OTHER_KEY
    assert "made with another HASHING_KEY" in refusal(backup)


def test_a_backup_that_was_never_finished_is_none(anna: User, tmp_path: Path) -> None:
    backup = back_up(tmp_path)
    backup.manifest_file.unlink()

    assert "never finished" in refusal(backup)
    assert all_in(tmp_path) == []
    assert newest_keys(tmp_path) is None


def test_a_backup_of_a_newer_version_is_refused(
    anna: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from klikvoor.backups import making

    describe = making._describe
    more = {"migrations": ["chat.9999_to_come"]}
    monkeypatch.setattr(making, "_describe", lambda using: describe(using) | more)

    assert "made by a newer Klikvoor" in refusal(back_up(tmp_path))


def test_serve_refuses_what_a_restore_left_half_done(
    waiting_conversation: Conversation, settings: Any
) -> None:
    ConversationKey.objects.all().delete()
    assert "The last restore was not finished" in "".join(database_problems())

    Epoch.current()
    assert list(database_problems()) == []


# --- How long it stays ------------------------------------------------------------------------------


def test_old_backups_go_and_keys_go_sooner(anna: User, tmp_path: Path) -> None:
    hours = (30, 26, 20, 2, 0)
    made = [back_up(tmp_path, ago=timedelta(hours=n), keep=4) for n in hours]

    assert [backup.stem for backup in all_in(tmp_path)] == [one.stem for one in made[:0:-1]]
    assert not list(tmp_path.glob(f"{made[0].stem}*"))
    assert not made[1].keys_file.exists(), "older than a day"
    assert all(one.keys_file.exists() for one in made[2:])
    assert prepare(made[1].manifest_file).keys_file == made[4].keys_file


def test_the_newest_keys_stay_however_old(anna: User, tmp_path: Path) -> None:
    only = back_up(tmp_path, ago=timedelta(days=9), keep=1)

    assert only.keys_file.exists()


def test_what_a_killed_backup_left_behind_goes(anna: User, tmp_path: Path) -> None:
    left = tmp_path / "klikvoor-20200101T000000Z.sqlite3.partial"
    left.write_bytes(b"keys")

    back_up(tmp_path)

    assert not left.exists()


def test_a_backup_that_fails_leaves_nothing(
    anna: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from klikvoor.backups import making

    def fail(*args: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(making, "check_file", fail)
    with pytest.raises(OSError, match="disk full"):
        back_up(tmp_path)

    assert [path.name for path in tmp_path.iterdir() if "sqlite3" in path.name] == []
    assert all_in(tmp_path) == []
    assert last_backup_at() is None


def test_it_is_known_when_the_last_one_was_made_and_no_mail_nags(
    dirk: User, tmp_path: Path
) -> None:
    assert last_backup_at() is None

    back_up(tmp_path, ago=timedelta(days=3))

    at = last_backup_at()
    assert at
    assert timedelta(days=2, hours=23) < timezone.now() - at < timedelta(days=3, hours=1)
    assert JobRun.objects.filter(name="backup").exists()
    assert tell_of_late_jobs(timezone.now()) == 0


# --- Commands -----------------------------------------------------------------------------------------


def told(command: str, *arguments: str, **options: Any) -> str:
    out = StringIO()
    call_command(command, *arguments, stdout=out, **options)
    return out.getvalue()


def test_the_command_tells_what_it_made_and_verifies_it(
    waiting_conversation: Conversation, tmp_path: Path
) -> None:
    write(waiting_conversation)

    out = told("backup", str(tmp_path))

    assert "1 conversations, 1 messages" in out
    assert "needs HASHING_KEY, and of SEALING_KEYS: test" in out
    [backup] = all_in(tmp_path)
    assert "Whole, and its keys are beside it." in told("backup", verify=backup.keys_file)
    with pytest.raises(CommandError, match="Name a directory"):
        told("backup")


def test_a_database_that_is_behind_the_code_is_told_without_its_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(using: str) -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT words_of_somebody FROM institutions_user")
        return {}

    monkeypatch.setattr(making, "count_rows", missing)

    with pytest.raises(CommandError, match="could not be read") as refused:
        told("backup", str(tmp_path))

    assert "words_of_somebody" not in str(refused.value)
    assert all_in(tmp_path) == []


def test_a_rehearsal_opens_everything_and_touches_nothing(
    visitor: Visitor, line: ServiceLine, anna: User, tmp_path: Path
) -> None:
    letter = a_letter(visitor, line, answer_by="mail", address="ik@example.org", intake="{}")
    be_present(anna)
    backup = back_up(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.glob("klikvoor-*")}

    out = told("rehearse", str(backup.manifest_file))

    for figure in ("keys that fit: 1", "messages opened: 1", "addresses opened: 1", "answers"):
        assert figure in out
    assert re.search(r"A restore works; it took \d+\.\d s\.", out)
    assert "second factors opened: 1" in out
    assert "ik@example.org" not in out
    letter.refresh_from_db()
    assert letter.address() == "ik@example.org"
    assert {path: path.read_bytes() for path in before} == before


def test_a_rehearsal_stays_away_from_a_database_that_a_file_names(
    anna: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the manual puts it up: the address of the real database stands in a file of secrets."""
    backup = back_up(tmp_path)
    file = tmp_path / "database_url"
    file.write_text("postgres://nobody:secret@127.0.0.1:1/the-real-one\n")
    variables = tmp_path / "klikvoor.env"
    variables.write_text(f"DATABASE_URL_FILE={file}\n")
    monkeypatch.setenv("DATABASE_URL_FILE", str(file))
    monkeypatch.setenv("KLIKVOOR_ENV_FILE", str(variables))

    assert "A restore works" in told("rehearse", str(backup.manifest_file))


def test_postgresql_s_programs_go_where_klikvoor_goes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """To the server that takes writes, by the same certificates, and with no word in their arguments."""
    asked = {
        "dbname": "klikvoor",
        "host": "one,two",
        "password": "secret",
        "target_session_attrs": "read-write",
        "sslrootcert": "/ca.pem",
        "cursor_factory": object(),
    }
    monkeypatch.setattr(dumping.connection, "get_connection_params", lambda: asked)
    tool = tmp_path / "pg_dump"
    tool.write_text(f'#!/bin/sh\nenv > {tmp_path}/env; echo "$@" > {tmp_path}/arguments\n')
    tool.chmod(0o700)
    monkeypatch.setattr(dumping, "find_tool", lambda name: dumping.Tool(tool, 17))
    monkeypatch.setenv("PGHOST", "another")

    dumping.run_tool("pg_dump", "--schema=public")

    given = dict(line.split("=", 1) for line in (tmp_path / "env").read_text().splitlines())
    assert {name: value for name, value in given.items() if name.startswith("PG")} == {
        "PGDATABASE": "klikvoor",
        "PGHOST": "one,two",
        "PGPASSWORD": "secret",
        "PGTARGETSESSIONATTRS": "read-write",
        "PGSSLROOTCERT": "/ca.pem",
    }
    assert "secret" not in (tmp_path / "arguments").read_text()


def test_a_rehearsal_finds_what_does_not_open(
    waiting_conversation: Conversation, tmp_path: Path
) -> None:
    message = write(waiting_conversation)
    Message.objects.filter(pk=message.pk).update(body=b"x" * 40)
    backup = back_up(tmp_path)

    with pytest.raises(CommandError, match=r"1 seals do not open:\n  a message: SealBroken"):
        told("rehearse", str(backup.manifest_file))
