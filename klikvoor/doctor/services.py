"""What Klikvoor leans on beside the database: settings, Redis, mail, files for browsers, the jobs."""

import asyncio
import json
import secrets
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from email.utils import parseaddr
from pathlib import Path
from typing import Any

import redis
from channels_redis.pubsub import RedisPubSubChannelLayer
from django.conf import settings
from django.contrib.staticfiles.finders import get_finders
from django.core.mail import get_connection
from django.utils import timezone

from chat.models import Conversation
from institutions.models import Brand, JobRun, Membership, StaffMail
from klikvoor.backups import last_backup_at
from klikvoor.doctor import Line, note, well, wrong
from klikvoor.running import TICK
from klikvoor.sentinel import Sentinels
from klikvoor.startup import SMTP, SQLITE, settings_problems
from klikvoor.tick import jobs as all_jobs
from mail.fetching import Mailbox, MailboxAway
from mail.listener import BadListener, Place
from mail.models import VisitorMail

SECONDS = 5.0
# The last runs are written down once a minute.
SLACK = timedelta(minutes=3)
MAIL_LATE = timedelta(hours=1)
BACKUP_LATE = timedelta(hours=25)
OLDEST_REDIS = 6


def _seconds(age: timedelta) -> str:
    minutes = int(age.total_seconds() // 60)
    if minutes < 1:
        return f"{int(age.total_seconds())} seconds"
    if minutes < 120:
        return f"{minutes} minutes"
    return f"{minutes // 60} hours" if minutes < 48 * 60 else f"{minutes // 1440} days"


def safe_settings() -> Iterator[Line]:
    problems = list(settings_problems())
    for problem in problems:
        yield wrong(problem.msg, "No process starts like this.", "As it says.")
    if not problems:
        yield well("The settings are safe to serve with.")
    if settings.DEMO:
        yield note("This is the demonstration: anybody signs in as anybody.")
    elif settings.DATABASES["default"]["ENGINE"] != SQLITE and not settings.REDIS_URL:
        yield note(
            "There is no REDIS_URL: one process only.",
            "Processes on other machines would not hear of each other.",
        )


def beginning() -> Iterator[Line]:
    """What has to be made once, before anybody can come."""
    people = Membership.objects.active().coordinators().filter(institution=None)
    if not people.filter(user__is_active=True).exists():
        yield wrong(
            "The platform has no coordinator.",
            "Nobody can invite staff, or make institutions and sites.",
            "`python manage.py invite EMAIL NAME`.",
        )
    elif not Brand.objects.exists():
        yield wrong(
            "There is no site yet.",
            "Young people have nowhere to go.",
            "A coordinator of the platform makes one at /staff/sites/.",
        )
    else:
        yield well(f"{Brand.objects.count()} sites, and somebody who coordinates the platform.")


# --- Redis --------------------------------------------------------------------------------------


def doorbell() -> Iterator[Line]:
    if not settings.REDIS_URL:
        yield well("One process, without Redis.")
        return
    patience = {"socket_timeout": SECONDS, "socket_connect_timeout": SECONDS}
    if sentinels := Sentinels.at(settings.REDIS_URL):
        client = redis.Redis(connection_pool=sentinels.pool(**patience))
    else:
        client = redis.Redis.from_url(settings.REDIS_URL, **patience)
    try:
        info: dict[str, Any] = client.info()  # type: ignore[assignment]
    except redis.RedisError as error:
        yield wrong(
            f"Redis does not answer ({type(error).__name__}).",
            "All goes on, slower: what happens in one process is noticed by others within a second"
            " or two, and limits against guessing count for each process by itself.",
            "Start Redis, and look at REDIS_URL and at its password.",
        )
        return
    finally:
        with suppress(redis.RedisError):
            client.close()
    version = int(str(info["redis_version"]).partition(".")[0])
    if version < OLDEST_REDIS:
        yield note(f"Redis {info['redis_version']} is old.", mend="Move to Redis 7 or newer.")
    else:
        yield well(f"Redis {info['redis_version']} answers.")
    if int(info.get("maxmemory", 0)) and info.get("maxmemory_policy") == "noeviction":
        yield wrong(
            "Redis has a limit of memory and the policy noeviction.",
            "When it is full it refuses what is new, and staff cannot sign in.",
            "`CONFIG SET maxmemory-policy allkeys-lru`, also in redis.conf. Nothing in it has to last.",
        )
    if info.get("aof_enabled") or info.get("rdb_last_bgsave_status") == "err":
        yield note(
            "Redis writes to disk, or tried to.",
            "Nothing in it has to last, and a full disk would stop it.",
            'In redis.conf: `save ""` and `appendonly no`.',
        )
    try:
        asyncio.run(_round_trip())
    except Exception as error:
        yield wrong(
            f"What is told over Redis does not come back ({type(error).__name__}).",
            "Processes do not hear of each other.",
            "Give the user in REDIS_URL the right to publish and to subscribe (`ACL LIST`).",
        )
    else:
        yield well("What is told over Redis comes back.")


async def _round_trip() -> None:
    config: Any = settings.CHANNEL_LAYERS["default"]["CONFIG"]
    layer = RedisPubSubChannelLayer(**config)
    said = secrets.token_hex(8)
    group = f"klikvoor.doctor.{said}"
    try:
        async with asyncio.timeout(SECONDS):
            channel = await layer.new_channel()
            await layer.group_add(group, channel)
            await layer.group_send(group, {"type": "doctor", "said": said})
            if (await layer.receive(channel))["said"] != said:
                raise RuntimeError
    finally:
        await layer.flush()


# --- Mail ---------------------------------------------------------------------------------------


def mail_out() -> Iterator[Line]:
    if settings.EMAIL_BACKEND == SMTP:
        yield from _smtp()
    elif settings.DEMO:
        yield well("Mail is written to files, as in every demonstration.")
    else:
        yield wrong(
            "No mail server is set: mail goes nowhere.",
            "Nobody can be invited, and no answer to a letter is told of.",
            "Set EMAIL_URL (docs/mail-setup.md).",
        )
    yield from outbox()


def _smtp() -> Iterator[Line]:
    """The dialogue of a mail, up to the point where one would be sent."""
    where = f"mail server {settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
    why = "Mail waits in the database, and is tried again for two days."
    backend = get_connection(timeout=SECONDS)
    try:
        backend.open()
        server: smtplib.SMTP = backend.connection  # type: ignore[attr-defined]
        server.ehlo_or_helo_if_needed()
        for name, setting in (
            (settings.DEFAULT_FROM_EMAIL, "DEFAULT_FROM_EMAIL"),
            (settings.MAIL_FROM, "MAIL_FROM"),
        ):
            sender = parseaddr(name)[1]
            if sender:
                code, _text = server.mail(sender)
                server.rset()
                if code >= 400:
                    yield wrong(
                        f"The {where} takes no mail from the address in {setting} ({code}).",
                        why,
                        f"Use an address in {setting} that this server may send for.",
                    )
                    return
        is_sealed = isinstance(server.sock, ssl.SSLSocket)
        how = f"over {server.sock.version()}" if is_sealed else "unencrypted"  # type: ignore[union-attr]
        yield well(f"The {where} takes our mail, {how}.")
    except ssl.SSLError:
        yield wrong(
            f"The certificate of the {where} is not valid for that name.",
            why,
            "Use the name that stands in its certificate, or give it a new certificate.",
        )
    except smtplib.SMTPAuthenticationError as error:
        yield wrong(
            f"The {where} refuses user or password ({error.smtp_code}).",
            why,
            "Look at both in EMAIL_URL; signs such as @ and / in them need their %-form.",
        )
    except (OSError, smtplib.SMTPException) as error:
        yield wrong(
            f"The {where} does not answer ({type(error).__name__}).",
            why,
            "Look at host and port in EMAIL_URL, and whether a firewall lets this machine through.",
        )
    finally:
        with suppress(OSError, smtplib.SMTPException):
            backend.close()


def outbox() -> Iterator[Line]:
    now = timezone.now()
    for whom, mails in (("staff", StaffMail.objects), ("young people", VisitorMail.objects)):
        given_up = mails.filter(given_up_at__isnull=False).count()
        if given_up:
            yield note(
                f"{given_up} mails to {whom} were given up.",
                "An address is wrong, or the mail server was away for days.",
                "A coordinator looks at /staff/mail/, mends the address and sends them again.",
            )
        waiting = mails.filter(sent_at__isnull=True, given_up_at__isnull=True)
        late = waiting.filter(created_at__lt=now - MAIL_LATE, due_at__lt=now + MAIL_LATE).count()
        if late:
            yield wrong(
                f"{late} mails to {whom} wait for more than an hour.",
                "They hear of duties, or of their answer, too late.",
                "Look at the mail server (above), and whether the jobs run (below).",
            )


def mail_in() -> Iterator[Line]:
    if not settings.MAIL_LISTEN and not settings.MAIL_FETCH_URL:
        yield well("No mail comes in, and none is invited.")
    if settings.MAIL_FETCH_URL:
        yield from _mailbox()
    if settings.MAIL_LISTEN:
        yield from _listener()


def _mailbox() -> Iterator[Line]:
    mailbox = Mailbox.at(settings.MAIL_FETCH_URL)
    try:
        box = mailbox.open()
    except MailboxAway as away:
        yield wrong(
            f"The mailbox on {mailbox.host}:{mailbox.port} cannot be opened ({away}).",
            "What young people answer by mail stays there.",
            "Look at host, user, password and folder in MAIL_FETCH_URL, and at a firewall.",
        )
        return
    with suppress(Exception):  # it was open, which is all that was asked
        box.logout()
    yield well(f"The mailbox on {mailbox.host} opens.")


def _listener() -> Iterator[Line]:
    try:
        place = Place.at(settings.MAIL_LISTEN)
    except BadListener:
        return  # the check of the settings says so
    try:
        with _connect(place) as line:
            line.settimeout(SECONDS)
            greeting = line.recv(200)
            line.sendall(b"QUIT\r\n")
    except OSError as error:
        yield wrong(
            f"Nobody takes mail at MAIL_LISTEN ({type(error).__name__}).",
            "The mail server keeps what young people answer, and sends it back after some days.",
            "Start `manage.py serve`, which listens there; a socket has to be the mail server's to"
            " write to.",
        )
        return
    if greeting.startswith(b"220"):
        yield well("Mail is taken at MAIL_LISTEN.")
    else:
        yield wrong(
            "Something else answers at MAIL_LISTEN.",
            "Mail of young people is not taken.",
            "Choose another port, or stop what listens there.",
        )


def _connect(place: Place) -> socket.socket:
    if not place.path:
        return socket.create_connection((place.host, place.port), SECONDS)
    line = socket.socket(socket.AF_UNIX)
    line.settimeout(SECONDS)
    try:
        line.connect(place.path)
    except OSError:
        line.close()
        raise
    return line


# --- Files for browsers -------------------------------------------------------------------------


def static_files() -> Iterator[Line]:
    root = Path(settings.STATIC_ROOT)
    mend = "`python manage.py collectstatic --noinput`, then restart."
    why = "Pages fail, or come without their looks and without what makes them work."
    try:
        names: dict[str, str] = json.loads((root / "staticfiles.json").read_text())["paths"]
    except (OSError, ValueError, KeyError):
        yield wrong(f"Static files were not collected in {root}.", why, mend)
        return
    old, lost = [], []
    for name, source in _sources():
        hashed = names.get(name)
        if hashed is None or not (root / hashed).is_file():
            lost.append(name)
        elif not (root / name).is_file() or (root / name).read_bytes() != source.read_bytes():
            old.append(name)
    if lost:
        yield wrong(f"{len(lost)} static files are missing, such as {lost[0]}.", why, mend)
    if old:
        yield wrong(
            f"{len(old)} static files are of another version, such as {old[0]}.",
            "Browsers get pages of this version with scripts of another one.",
            mend,
        )
    if not lost and not old:
        yield well(f"{len(names)} static files are collected, of this version.")


def _sources() -> Iterator[tuple[str, Path]]:
    seen = set()
    for finder in get_finders():
        for name, storage in finder.list(["CVS", ".*", "*~"]):
            if name not in seen:
                seen.add(name)
                yield name, Path(storage.path(name))


# --- The jobs -----------------------------------------------------------------------------------


def jobs() -> Iterator[Line]:
    now = timezone.now()
    rows = {run.name: run for run in JobRun.objects.all()}
    tick = rows.get(TICK)
    start = "Start `manage.py jobs` (or `serve` without --no-jobs), and look at its log."
    why = (
        "The chat does not open or close, mail is not sent, lost chats do not come back, and nothing"
        " is erased."
    )
    if tick is None or tick.ran_at is None:
        yield wrong("The jobs never ran.", why, start)
        return
    age = now - tick.ran_at
    if age > SLACK:
        yield wrong(f"The jobs ran for the last time {_seconds(age)} ago.", why, start)
        return
    yield well(f"The jobs run; seen {_seconds(age)} ago.")
    for job in all_jobs():
        yield from _job(rows.get(job.run.__name__), job.seconds, now)


def _job(run: JobRun | None, every: float, now: datetime) -> Iterator[Line]:
    if run is None:  # it was not due since this version came
        return
    if run.failed_at is not None:
        yield wrong(
            f"The job {run.name} fails ({run.error}), {_seconds(now - run.failed_at)} ago for the"
            " last time.",
            "What it does is not done (klikvoor/tick.py names all of them).",
            f"Look in the log for “the job {run.name} failed”: it names the place in the code.",
        )
    elif run.ran_at is not None and now - run.ran_at > timedelta(seconds=3 * every) + SLACK:
        yield wrong(
            f"The job {run.name} ran {_seconds(now - run.ran_at)} ago, and is due every"
            f" {_seconds(timedelta(seconds=every))}.",
            "It hangs, or one before it does.",
            "Restart `manage.py jobs`. If it comes back, look at locks in the database.",
        )


# --- Backups ------------------------------------------------------------------------------------


def backups() -> Iterator[Line]:
    made_at = last_backup_at()
    if made_at is None:
        if not settings.DEMO:
            say = wrong if Conversation.objects.exists() else note
            yield say(
                "There was no backup yet.",
                "All that was written goes with the disk.",
                "`python manage.py backup DIRECTORY`, every hour (docs/operations.md, Backup and restore).",
            )
        return
    age = timezone.now() - made_at
    if age > BACKUP_LATE:
        yield wrong(
            f"The last backup was made {_seconds(age)} ago.",
            "What was written since then goes with the disk.",
            "Look why `manage.py backup` does not run: its timer, the room on the disk, the version of"
            " pg_dump.",
        )
    else:
        yield well(f"The last backup was made {_seconds(age)} ago.")
