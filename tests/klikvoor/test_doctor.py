"""The doctor looks at deployments that are really broken, and says what, why and how to mend it."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections import namedtuple
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from django.db import connection
from django.utils import timezone

from chat.models import Conversation, ConversationKey, Visitor
from institutions.models import Brand, Institution, JobRun, KeyCheck, StaffMail, User
from institutions.models.keys import HASHING, PURPOSE
from institutions.sealing import keyed_hash, seal_secret
from klikvoor.backups import JOB as BACKUP
from klikvoor.doctor import NOTE, WELL, WRONG, Check, Line, database, look, machine, services
from klikvoor.running import TICK
from klikvoor.tick import jobs as all_jobs
from mail.listener import Listener, Place
from roster.models import ServiceLine
from tests import services as test_services
from tests.mail.test_fetching import box  # noqa: F401  a fixture
from tests.people import make_user
from tests.postbox import Postbox
from tests.servers import ROOT, Server, environment, free_port, manage

Room = namedtuple("Room", "total used free")  # as shutil.disk_usage has it


def doctor(env: dict[str, str], *arguments: str) -> tuple[int, dict[str, list[dict[str, str]]]]:
    """Run it as somebody does; return its exit code and the lines of each part."""
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--json", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert not done.stderr, done.stderr
    whole = json.loads(done.stdout)
    assert whole["well"] == (done.returncode == 0)
    return done.returncode, {part["part"]: part["lines"] for part in whole["parts"]}


def said(lines: list[dict[str, str]], level: str = WRONG) -> str:
    return "\n".join(line["what"] for line in lines if line["level"] == level)


def found(check: Check, level: str = WRONG) -> str:
    return "\n".join(line.what for line in look("x", check).lines if line.level == level)


# --- Whole deployments --------------------------------------------------------------------------


@pytest.fixture
def small(demo_database: Path, static_root: Path, tmp_path: Path) -> dict[str, str]:
    """The small shape as the manual puts it up."""
    path = tmp_path / "klikvoor.sqlite3"
    shutil.copy(demo_database, path)
    file = sqlite3.connect(path)
    with file:
        # As the first start writes them, with the keys of all tests.
        proofs = (("test", seal_secret("test", PURPOSE)), (HASHING, keyed_hash(PURPOSE, HASHING)))
        file.executemany("INSERT INTO institutions_keycheck (name, proof) VALUES (?, ?)", proofs)
    file.close()
    path.chmod(0o600)
    return environment(
        DEMO="1",
        DATABASE_URL=f"sqlite:///{path}",
        EMAIL_URL=f"filemail:///{tmp_path}/mail",
        STATIC_ROOT=str(static_root),
    )


def test_a_deployment_that_is_well_is_called_well(small: dict[str, str], tmp_path: Path) -> None:
    server = Server(tmp_path, small)
    server.start()
    try:
        deadline = timezone.now() + timedelta(seconds=20)
        while not server.rows("SELECT 1 FROM institutions_jobrun WHERE name = 'tick'"):
            assert timezone.now() < deadline
        assert server.process is not None
        assert machine.Process(server.process.pid, "serve") in machine.processes()
        code, parts = doctor(server.env, "--url", server.url)
    finally:
        server.stop()

    assert {part: said(lines) for part, lines in parts.items() if said(lines)} == {}
    assert code == 0
    assert "shows the first page" in said(parts["from outside"], WELL)
    assert "Sockets open" in said(parts["from outside"], WELL)
    assert "Static files come" in said(parts["from outside"], WELL)
    assert "The jobs run" in said(parts["jobs"], WELL)
    # Others of this checkout may run beside it: those of the browsers' tests.
    assert "of ours here, with enough files" in said(parts["limits"], WELL)


def test_everything_that_is_broken_is_named(small: dict[str, str], tmp_path: Path) -> None:
    """One bad day: nothing hides what else is wrong."""
    directory = tmp_path / "empty"
    directory.mkdir()
    secret = tmp_path / "secret_key"
    secret.write_text("s" * 20 + "abcdefghijklmnopqrstuvwxyz0123456789")
    secret.chmod(0o644)
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    closed = free_port()
    other = "dGhpcyBpcyBub3QgdGhlIGtleSBvZiB0aGUgdGVzdHM="
    broken = small | {
        "DEMO": "0",
        "SECRET_KEY_FILE": str(secret),
        "HASHING_KEY": "another key than the database was made with",
        "SEALING_KEYS": f"test:{other}",
        "STATIC_ROOT": str(directory),
        "REDIS_URL": f"unix://{tmp_path}/nobody.sock",
        "EMAIL_URL": f"smtp://localhost:{closed}",
        "MAIL_REPLY_TO": "post@klik.example",
        "MAIL_LISTEN": f"lmtp://127.0.0.1:{closed}",
        "MAIL_FETCH_URL": f"imap://user:words-of-somebody@localhost:{closed}",
    }
    del broken["SECRET_KEY"]

    code, parts = doctor(broken, "--url", f"http://localhost:{closed}")

    assert code == 1
    assert "Everybody on this machine may open" in said(parts["keys in files"])
    assert "Static files were not collected" in said(parts["files for browsers"])
    assert "Redis does not answer" in said(parts["Redis"])
    assert "The mailbox on localhost" in said(parts["mail in"])
    assert "Nobody takes mail at MAIL_LISTEN" in said(parts["mail in"])
    assert "does not answer (ConnectionRefusedError)" in said(parts["mail out"])
    assert "HASHING_KEY is not the one" in said(parts["keys"])
    assert "The key “test” is not the one" in said(parts["keys"])
    assert "The jobs never ran" in said(parts["jobs"])
    assert "does not answer (ConnectionRefusedError)" in said(parts["from outside"])
    assert "words-of-somebody" not in json.dumps(parts)
    for line in (line for lines in parts.values() for line in lines if line["level"] == WRONG):
        assert line["why"], line
        assert line["mend"], line


def test_a_database_that_is_behind_the_code_is_told(small: dict[str, str]) -> None:
    manage("migrate", "institutions", "0010", "--verbosity", "0", env=small)

    code, parts = doctor(small)

    assert code == 1
    assert "migrations were not done" in said(parts["migrations"])
    assert "keys" not in parts, "it would only stumble over columns that are not there"


def test_no_database_and_unsafe_settings_are_told_and_none_is_made(tmp_path: Path) -> None:
    env = environment(
        DATABASE_URL=f"sqlite:///{tmp_path}/none.sqlite3", ORIGINS="http://chat.example.org"
    )

    done = subprocess.run(
        [sys.executable, "manage.py", "doctor"],
        cwd=ROOT, env=env, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 1, done.stderr
    assert "WRONG  settings: ORIGINS holds a plain http address" in done.stdout
    assert "WRONG  database: There is no database at" in done.stdout
    assert "mend  `python manage.py migrate`" in done.stdout
    assert not (tmp_path / "none.sqlite3").exists()


def test_postgresql_that_is_away_is_told(tmp_path: Path) -> None:
    env = environment(DATABASE_URL=f"postgres://nobody:@/{tmp_path}/nothing")

    code, parts = doctor(env)

    assert code == 1
    assert "The database does not answer (" in said(parts["database"])


# --- The database -------------------------------------------------------------------------------


@pytest.mark.django_db
def test_a_database_that_forgets_is_told(kind_of_database: str) -> None:
    """Those of the tests do not wait for the disk."""
    told = found(database.answers)

    if kind_of_database == "postgresql":
        assert "fsync is off" in told
        assert "synchronous_commit is off" in told
        assert "full_page_writes is off" in told
    else:
        assert "synchronous is OFF, not FULL" in told


@pytest.mark.postgresql
@pytest.mark.django_db(transaction=True)
def test_postgresql_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "room for 8 processes" in found(database.connections, WELL)
    many = [machine.Process(number, "serve") for number in range(20)]
    monkeypatch.setattr(database, "processes", lambda: many)
    assert "20 processes here may each take 24" in found(database.connections)

    assert "seconds from ours" in found(database.clock, WELL)
    with connection.cursor() as cursor:
        cursor.execute("SET statement_timeout = '5s'")
        assert "statement_timeout is 5 seconds" in found(database.time_outs)
        cursor.execute("RESET statement_timeout")
        assert found(database.time_outs) == ""
        cursor.execute("SELECT pg_create_physical_replication_slot('left_behind')")
        try:
            assert "1 replication slots have no reader" in found(database.copies)
        finally:
            cursor.execute("SELECT pg_drop_replication_slot('left_behind')")
    assert found(database.copies) == ""


@pytest.mark.postgresql
@pytest.mark.django_db
def test_a_clock_that_is_wrong_is_told() -> None:
    with time_machine.travel(timezone.now() + timedelta(minutes=5)):
        told = found(database.clock)

    assert "is 300 seconds from ours" in told or "is 299 seconds from ours" in told


def test_a_database_on_a_network_is_told(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(
        "/dev/sda1 / ext4 rw 0 0\nnas:/x /mnt/nas nfs4 rw 0 0\nme@x: /mnt/ssh fuse.sshfs rw 0 0\n"
    )

    kinds = {
        place: machine.file_system(Path(place), mounts)
        for place in ("/var/lib/x.sqlite3", "/mnt/nas/x.sqlite3", "/mnt/nasty/x", "/mnt/ssh/x")
    }

    assert list(kinds.values()) == ["ext4", "nfs4", "ext4", "fuse.sshfs"]
    assert [machine.is_network(kind) for kind in kinds.values()] == [False, True, False, True]


@pytest.mark.django_db
def test_keys_are_counted_and_tried(waiting_conversation: Conversation, anna: User) -> None:
    KeyCheck.prove()
    # Of the chat and of Anna's app.
    assert "“test” is the newest. 2 things are sealed with it" in found(database.keys, WELL)
    assert found(database.keys) == ""

    ConversationKey.objects.update(wrapped=AESGCM.generate_key(128) + b"12345678" * 3)
    assert "1 things do not open with the key “test”" in found(database.keys)

    ConversationKey.objects.update(sealing_key="lost")
    assert "1 things are sealed with the key “lost”" in found(database.keys)


@pytest.mark.django_db
def test_a_key_that_nobody_needs_any_more_is_told(settings: Any) -> None:
    settings.SEALING_KEYS += " old:dGhpcyBpcyBub3QgdGhlIGtleSBvZiB0aGUgdGVzdHM="

    assert "“old” is not needed any more" in found(database.keys, "note")


@pytest.mark.django_db
def test_what_has_to_be_made_first_is_told(zuid: Institution) -> None:
    assert "has no coordinator" in found(services.beginning)

    make_user("Dirk", (None, "coordinator"))
    assert "There is no site yet" in found(services.beginning)

    Brand.objects.create(host="testserver", name="Klikvoorhulp", is_default=True)
    assert found(services.beginning) == ""


# --- Redis --------------------------------------------------------------------------------------


@pytest.fixture
def redis(tmp_path: Path, settings: Any) -> Iterator[Callable[[], None]]:
    """A Redis of this test's own; what stops it."""
    url, stop = test_services.start_redis(tmp_path)
    settings.REDIS_URL = url
    config = {"hosts": [url], "symmetric_encryption_keys": ["x" * 50]}
    backend = "channels_redis.pubsub.RedisPubSubChannelLayer"
    settings.CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
    yield stop
    stop()


def test_redis_is_looked_at_by_a_real_round_trip(
    redis: Callable[[], None], settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis as client

    monkeypatch.setattr(services, "SECONDS", 1.0)

    assert "What is told over Redis comes back" in found(services.doorbell, WELL)
    assert found(services.doorbell) == ""

    there = client.Redis.from_url(settings.REDIS_URL)
    there.config_set("maxmemory", "10mb")
    there.config_set("maxmemory-policy", "noeviction")
    assert "policy noeviction" in found(services.doorbell)

    there.execute_command("ACL", "SETUSER", "default", "-subscribe")
    there.close()
    assert "does not come back" in found(services.doorbell)

    redis()
    assert "Redis does not answer" in found(services.doorbell)

    settings.REDIS_URL = f"redis+sentinel://127.0.0.1:{free_port()}/name"
    assert "Redis does not answer (MasterNotFoundError)" in found(services.doorbell)


# --- Mail ---------------------------------------------------------------------------------------


@pytest.mark.django_db
def test_the_mail_server_is_asked_and_nothing_is_sent(postbox: Postbox) -> None:
    assert "takes our mail, unencrypted" in found(services.mail_out, WELL)
    assert found(services.mail_out) == ""
    assert postbox.taken == []

    postbox.answers["sender"] = ["550 not yours"]
    assert "takes no mail from the address in DEFAULT_FROM_EMAIL (550)" in found(services.mail_out)


@pytest.mark.django_db
@pytest.mark.usefixtures("smtp")
def test_a_mail_server_that_is_away_is_told() -> None:
    assert "does not answer (ConnectionRefusedError)" in found(services.mail_out)


@pytest.mark.django_db
def test_without_a_mail_server_nobody_hears_anything() -> None:
    assert "No mail server is set" in found(services.mail_out)


def test_the_mailbox_is_opened_and_left_alone(box: Any, settings: Any) -> None:  # noqa: F811
    box.put(b"words of somebody")
    settings.MAIL_FETCH_URL = box.url
    assert "opens" in found(services.mail_in, WELL)
    assert len(box.kept) == 1
    assert not any("FETCH" in command.upper() for command in box.commands)

    settings.MAIL_FETCH_URL = box.url.replace("geheim", "verkeerd")
    told = found(services.mail_in)
    assert "cannot be opened (MailboxLoginError)" in told
    assert "verkeerd" not in told


def test_whoever_takes_mail_is_greeted(settings: Any, tmp_path: Path) -> None:
    settings.MAIL_LISTEN = f"lmtp://{tmp_path}/lmtp"
    assert "Nobody takes mail at MAIL_LISTEN" in found(services.mail_in)

    listener = Listener(Place.at(settings.MAIL_LISTEN))
    listener.start()
    try:
        assert "Mail is taken at MAIL_LISTEN" in found(services.mail_in, WELL)
    finally:
        listener.stop()


@pytest.mark.django_db
def test_mail_that_stays_is_told(anna: User) -> None:
    long_ago = timezone.now() - timedelta(hours=3)
    StaffMail.put(anna, "news", "one", subject="x", body="x")
    assert found(services.outbox) == ""

    StaffMail.objects.update(created_at=long_ago)
    assert "1 mails to staff wait for more than an hour" in found(services.outbox)

    StaffMail.objects.update(given_up_at=long_ago)
    assert found(services.outbox) == ""
    assert "1 mails to staff were given up" in found(services.outbox, "note")


# --- Files and jobs -----------------------------------------------------------------------------


def test_static_files_of_another_version_are_told(
    static_root: Path, tmp_path: Path, settings: Any
) -> None:
    root = tmp_path / "static"
    shutil.copytree(static_root, root)
    settings.STATIC_ROOT = str(root)
    assert "of this version" in found(services.static_files, WELL)

    [script, *_others] = sorted(root.glob("js/chat/*.js"))
    script.write_text("// of yesterday")
    (root / "css" / "base.css").unlink(missing_ok=True)
    assert "static files are of another version" in found(services.static_files)

    names = json.loads((root / "staticfiles.json").read_text())["paths"]
    gone = next(name for name in names if name.endswith(".css"))
    (root / names[gone]).unlink()
    assert f"1 static files are missing, such as {gone}" in found(services.static_files)


@pytest.mark.django_db
def test_jobs_that_do_not_run_are_told() -> None:
    now = timezone.now()
    assert "never ran" in found(services.jobs)

    tick = JobRun.objects.create(name=TICK, is_watched=False, ran_at=now)
    JobRun.objects.create(name="evaluate_openings", is_watched=False, ran_at=now)
    assert found(services.jobs) == ""

    late = now - timedelta(hours=1)
    JobRun.objects.filter(name="evaluate_openings").update(ran_at=late)
    assert "The job evaluate_openings ran 60 minutes ago" in found(services.jobs)

    JobRun.objects.filter(name="evaluate_openings").update(failed_at=now, error="ValueError")
    assert "The job evaluate_openings fails (ValueError)" in found(services.jobs)

    JobRun.objects.filter(pk=tick.pk).update(ran_at=now - timedelta(days=3))
    assert found(services.jobs) == "The jobs ran for the last time 3 days ago."


@pytest.mark.django_db
def test_a_job_that_is_no_more_is_not_missed() -> None:
    now = timezone.now()
    JobRun.objects.create(name=TICK, is_watched=False, ran_at=now)
    JobRun.objects.create(name="of_an_older_version", ran_at=now - timedelta(days=300))

    assert "of_an_older_version" not in {job.run.__name__ for job in all_jobs()}
    assert found(services.jobs) == ""


@pytest.mark.django_db
def test_a_backup_that_was_not_made_is_told(visitor: Visitor, line: ServiceLine) -> None:
    now = timezone.now()
    assert "no backup yet" in found(services.backups, NOTE), "nothing can be lost yet"
    Conversation.start(visitor=visitor, line=line, urgency="normal", intake="{}")
    [told] = look("x", services.backups).lines
    assert (told.level, told.what) == (WRONG, "There was no backup yet.")
    assert "manage.py backup" in told.mend

    run = JobRun.objects.create(name=BACKUP, ran_at=now - timedelta(hours=2))
    assert found(services.backups) == ""

    JobRun.objects.filter(pk=run.pk).update(ran_at=now - timedelta(hours=26))
    assert found(services.backups) == "The last backup was made 26 hours ago."


# --- The machine --------------------------------------------------------------------------------


def test_few_files_and_little_memory_are_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    script = "import resource as r, time; r.setrlimit(r.RLIMIT_NOFILE, (256, 256)); time.sleep(60)"
    other = subprocess.Popen(
        # Looks like ours: the words and the folder are what it is known by.
        [sys.executable, "-c", script, "manage.py", "serve"],
        cwd=ROOT,
    )
    try:
        while machine.Process(other.pid, "serve").files != 256:
            assert other.poll() is None
        assert f"Process {other.pid} (serve) may open 256 files" in found(machine.limits)
    finally:
        other.kill()
        other.wait()

    info = tmp_path / "meminfo"
    info.write_text("MemTotal: 900000 kB\nMemAvailable:      1024 kB\n")
    free = machine.available_memory(info)
    monkeypatch.setattr(machine, "available_memory", lambda: free)
    assert "Only 1 MiB of memory is free" in found(machine.memory)


def test_a_file_of_keys_is_for_its_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "klikvoor.env"
    path.write_text("SECRET_KEY=x")
    monkeypatch.setenv("KLIKVOOR_ENV_FILE", str(path))
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    for mode, is_wrong in ((0o600, False), (0o640, False), (0o660, True), (0o644, True)):
        path.chmod(mode)
        assert bool(found(machine.files_of_keys)) == is_wrong, oct(mode)

    tmp_path.chmod(0o700)
    assert found(machine.files_of_keys) == "", "nobody else gets as far as that"
    path.unlink()
    assert "cannot be looked at" in found(machine.files_of_keys)


def test_little_room_is_told_wherever_we_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, settings: Any
) -> None:
    settings.STATIC_ROOT, settings.ERASED_LIST = str(tmp_path), str(tmp_path / "x.erased")
    monkeypatch.setattr(shutil, "disk_usage", lambda place: Room(0, 0, 1024**2))

    told = found(machine.disks, NOTE) + found(machine.disks)

    assert "Only 1 MiB is free where static files are kept" in told
    assert "Only 1 MiB is free where what was erased is noted" in told


def test_a_list_of_what_was_erased_that_cannot_be_written_is_told(
    tmp_path: Path, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.ERASED_LIST = str(tmp_path / "new/folder/klikvoor.erased")
    assert found(machine.erased_list) == ""

    # Root may write everywhere.
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    assert "cannot be written" in found(machine.erased_list)


def test_a_list_of_what_was_erased_outlives_a_version(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "_is_sqlite", lambda: False)
    settings.ERASED_LIST = str(Path(settings.BASE_DIR) / "var/klikvoor.erased")

    assert "among the files of this version" in found(machine.erased_list, NOTE)


# --- Itself -------------------------------------------------------------------------------------


def test_a_check_that_fails_says_so_without_words_of_anybody() -> None:
    def breaks() -> Iterator[Line]:
        yield Line(WELL, "one")
        raise ValueError("words of somebody")

    result = look("x", breaks)

    assert result.is_wrong
    assert [line.what for line in result.lines] == [
        "one",
        "This check could not be done: ValueError.",
    ]


def test_the_address_has_to_be_one() -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", "doctor", "--url", "chat.example.org"],
        cwd=ROOT,
        env=environment(DATABASE_URL=os.environ["DATABASE_URL"]),
        capture_output=True,
        text=True,
    )

    assert done.returncode == 1
    assert "--url needs an address" in done.stderr
