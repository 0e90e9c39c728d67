"""What a stolen copy surrenders and what not: the rows of docs/threat-model.md, one by one.

`test_private.py` searches what a real visit leaves in files, logs and Redis; here is planted what it does
not plant: secrets of staff, tokens, and what should be gone. Where something *is* found, the page says so.
"""

import base64
import re
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as real
from django.db import connection
from django.utils import timezone

from chat.jobs import scrub_log
from chat.models import Conversation, ConversationKey, Message, Note, ReturnCode
from institutions.models import Invitation, User
from institutions.sealing import DataKey
from klikvoor.tick import jobs
from roster.models import FeedToken, ServiceLine
from tests.chat.test_letters import a_letter, answer, take
from tests.klikvoor.test_backups import TEXT, back_up, write
from tests.people import PASSWORD, TOTP_SECRET, begin_visit, rights_of, sign_in

pytestmark = pytest.mark.django_db(transaction=True)

ADDRESS = "zeegroene@ongezien.example"


def everything_stored() -> str:
    """Every value in every table, as whoever has a copy of the database reads them."""
    found = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names():
            cursor.execute(f"SELECT * FROM {connection.ops.quote_name(table)}")
            for row in cursor.fetchall():
                found += [
                    value.tobytes().hex()
                    if isinstance(value, memoryview)
                    else value.hex()
                    if isinstance(value, bytes)
                    else str(value)
                    for value in row
                ]
    return "\n".join(found)


def files_of_the_database(kind: str) -> Iterator[Path]:
    name = connection.settings_dict["NAME"]
    if kind == "sqlite":
        yield from Path(name).parent.glob(f"{Path(name).name}*")
        return
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SHOW data_directory")
        [directory] = cursor.fetchone()
    yield from (path for path in Path(directory).rglob("*") if path.is_file())


def where(needle: bytes, kind: str) -> set[str]:
    """In which files of the database these bytes are: `base` or `pg_wal` of PostgreSQL, else names."""
    found = set()
    for path in files_of_the_database(kind):
        if needle in path.read_bytes():
            parts = path.parts
            found.add(next((one for one in ("base", "pg_wal") if one in parts), path.name))
    return found


def test_a_copy_of_the_database_opens_nothing_and_lets_nobody_in_but_for_a_shift(
    active_conversation: Conversation, brand: Any, line: ServiceLine, anna: User, dirk: User
) -> None:
    write(active_conversation)
    Note.add(active_conversation, anna, TEXT, client_id="1")
    letter = a_letter(begin_visit(brand), line, answer_by="mail", address=ADDRESS, text=TEXT)
    take(letter, anna)
    answer(letter, anna, TEXT)
    visitor = begin_visit(brand)
    token: str = visitor.token  # type: ignore[attr-defined]
    words = ReturnCode.make(visitor, token)
    _feed, feed = FeedToken.make(anna)
    _invitation, link = Invitation.invite(
        rights_of(dirk), email="x@example.org", name="X", chat_name="X", institution=None,
        role="coordinator",
    )  # fmt: skip
    session = sign_in(anna).session.session_key

    stored = everything_stored()

    assert active_conversation.pk in stored, "the search below would prove nothing"
    planted = {
        "words": TEXT,
        "the address": ADDRESS,
        "the token of a visit": token,
        "a return code": words,
        "a calendar address": feed,
        "the link of an invitation": link,
        "a password": PASSWORD,
        "the seed of a second factor": TOTP_SECRET,
        "a sealing key": real.SEALING_KEYS.partition(":")[2],
        "HASHING_KEY": real.HASHING_KEY,
    }
    for what, secret in planted.items():
        for spelling in (secret, secret.encode().hex(), base64.b64encode(secret.encode()).decode()):
            assert spelling not in stored, what
    # What it does surrender, and docs/threat-model.md says so: who works here, and a sign-in that
    # goes on at that moment.
    assert anna.email in stored
    assert session in stored
    assert timedelta(seconds=real.SESSION_COOKIE_AGE) <= timedelta(hours=12)


def test_a_copy_with_the_sealing_key_opens_what_was_not_erased(
    active_conversation: Conversation,
) -> None:
    """The other side of it: keys have to be kept apart."""
    message = write(active_conversation)
    key = ConversationKey.objects.get()

    opened = DataKey.unwrap(key.sealing_key, key.wrapped)

    place = (active_conversation.pk, message.seq, "visitor", "body")
    assert opened.unseal(message.body, *place) == TEXT


def test_erasing_leaves_nothing_in_the_files_of_sqlite(
    brand: Any, line: ServiceLine, kind_of_database: str
) -> None:
    if kind_of_database != "sqlite":
        pytest.skip("PostgreSQL is different: see below")
    letter = a_letter(begin_visit(brand), line, answer_by="mail", address=ADDRESS)
    letter.refresh_from_db()
    gone = {
        "the wrapped key": bytes(ConversationKey.objects.get().wrapped),
        "a message": bytes(Message.objects.get().body),
        "the address": bytes(letter.sealed_address or b""),
    }
    for what, needle in gone.items():
        assert where(needle, "sqlite"), f"{what}: the search below would prove nothing"

    assert letter.visitor
    letter.visitor.erase()
    assert scrub_log(timezone.now())

    for what, needle in gone.items():
        assert where(needle, "sqlite") == set(), what
    assert scrub_log in [job.run for job in jobs()]


def test_erasing_leaves_the_wrapped_key_in_postgresql_until_it_is_rewritten(
    brand: Any, line: ServiceLine, kind_of_database: str
) -> None:
    """Honestly: dead rows and the write-ahead log. Without the sealing key they open nothing."""
    if kind_of_database != "postgresql":
        pytest.skip("SQLite overwrites what is deleted: see above")
    letter = a_letter(begin_visit(brand), line)
    wrapped = bytes(ConversationKey.objects.get().wrapped)
    assert letter.visitor
    letter.visitor.erase()

    assert "pg_wal" in where(wrapped, "postgresql")
    with connection.cursor() as cursor:
        cursor.execute("VACUUM FULL chat_conversationkey")
    assert where(wrapped, "postgresql") == {"pg_wal"}
    assert where(TEXT.encode(), "postgresql") == set()


def test_a_backup_surrenders_less_than_the_database(
    active_conversation: Conversation, anna: User, tmp_path: Path
) -> None:
    write(active_conversation)
    session = sign_in(anna).session.session_key
    backup = back_up(tmp_path)

    everything = b"".join(path.read_bytes() for path in tmp_path.glob("klikvoor-*"))
    if backup.manifest()["kind"] == "sqlite":  # the other is compressed
        assert anna.email.encode() in everything
    assert session.encode() not in everything
    assert TEXT.encode() not in everything


def test_the_threat_model_names_tests_that_exist() -> None:
    root = Path(__file__).resolve().parent.parent.parent
    page = (root / "docs/threat-model.md").read_text()
    named = set(re.findall(r"`(test_\w+)`", page))
    there = {
        name
        for path in (root / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)\(", path.read_text())
    }

    assert len(named) > 30
    assert named - there == set()
