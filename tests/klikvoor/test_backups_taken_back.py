"""What was erased, closed or taken back since a backup does not come back with it."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from allauth.mfa.models import Authenticator
from django.utils import timezone

from chat import erased
from chat.models import Conversation, ConversationKey, Message, ReturnCode, Visitor
from institutions.models import Institution, Invitation, Membership, StaffMail, User
from klikvoor.backups import dumping, restoring
from klikvoor.backups.dumping import asking
from klikvoor.backups.files import BadBackup
from klikvoor.backups.living import living_in
from klikvoor.backups.rehearsing import ALIAS, name_in, restore_into, scratch
from klikvoor.backups.restoring import prepare
from mail.models import VisitorMail
from roster.models import FeedToken, ServiceLine
from tests.chat.test_letters import a_letter, answer, take
from tests.klikvoor.test_backups import TEXT, back_up, restored, texts, write
from tests.people import begin_visit, make_user, rights_of

pytestmark = pytest.mark.django_db(transaction=True)

HOUR = timedelta(hours=1)


def a_mailed_letter(brand: Any, line: ServiceLine) -> Conversation:
    return a_letter(begin_visit(brand), line, answer_by="mail", address="ik@example.org")


def test_what_was_taken_back_before_a_newer_backup_stays_so(
    brand: Any,
    line: ServiceLine,
    anna: User,
    bilal: User,
    carla: User,
    dirk: User,
    maas: Institution,
    tmp_path: Path,
) -> None:
    """Old rows with the newest keys: everything that is not among those is closed."""
    gone, kept, stopped = (a_mailed_letter(brand, line) for _ in range(3))
    left, stays = begin_visit(brand), begin_visit(brand)
    ReturnCode.make(left, left.token)  # type: ignore[attr-defined]
    ReturnCode.make(stays, stays.token)  # type: ignore[attr-defined]
    _token, _secret = FeedToken.make(anna)
    invitation, _link = Invitation.invite(
        rights_of(dirk), email="x@example.org", name="X", chat_name="X", institution=None,
        role="coordinator",
    )  # fmt: skip
    new = make_user("Gijs", (maas, "worker"))
    Authenticator.objects.create(user=new, type="recovery_codes", data={"seed": "", "used_mask": 0})
    old_password = User.objects.get(pk=dirk.pk).password
    old = back_up(tmp_path, ago=HOUR)

    assert gone.visitor
    gone.visitor.erase()
    stopped.stop_mail()
    left.leave()
    ReturnCode.objects.filter(visitor=left).delete()
    bilal.disable(rights_of(dirk))
    dirk.set_password("een ander lang wachtwoord")
    dirk.save()
    Membership.objects.create(user=carla, institution=None, role="coordinator")
    Membership.objects.get(user=carla, institution=maas).delete()
    Authenticator.objects.filter(user=anna).delete()
    Authenticator.objects.filter(type="recovery_codes").update(data={"seed": "", "used_mask": 1})
    FeedToken.revoke_all_of(anna)
    invitation.withdraw(rights_of(dirk))
    Institution.objects.filter(pk=maas.pk).update(is_active=False)
    erased_list = Path(restoring.settings.ERASED_LIST)
    erased_list.unlink()  # the newest keys alone are enough
    back_up(tmp_path)

    with restored(old) as there:
        assert texts(there, gone) == []
        row = Conversation.objects.using(there).get(pk=gone.pk)
        assert (row.visitor, row.sealed_address, row.status) == (None, None, "closed")
        assert row.changes.using(there).filter(reason="erased").count() == 1
        assert not Visitor.objects.using(there).filter(pk=gone.visitor.pk).exists()
        assert len(texts(there, kept)) == 1
        conversations = Conversation.objects.using(there)
        assert conversations.get(pk=kept.pk).sealed_address is not None
        assert conversations.get(pk=stopped.pk).sealed_address is None
        assert conversations.get(pk=stopped.pk).answer_by == "code"
        visits = Visitor.objects.using(there)
        assert visits.get(pk=left.pk).token_hash is None
        assert visits.get(pk=stays.pk).token_hash is not None
        codes = ReturnCode.objects.using(there)
        assert set(codes.values_list("visitor", flat=True)) == {stays.pk}
        users = User.objects.using(there)
        assert not users.get(pk=bilal.pk).is_active
        assert users.get(pk=anna.pk).is_active
        password = users.get(pk=dirk.pk).password
        assert password.startswith("!"), "the one before may have been known to somebody"
        assert password != old_password
        roles = Membership.objects.using(there)
        assert not roles.filter(user=carla.pk).exists()
        assert roles.filter(user=anna.pk).exists()
        factors = Authenticator.objects.using(there).filter(user=anna.pk)
        assert not factors.exists()
        assert not Authenticator.objects.using(there).filter(type="recovery_codes").exists()
        assert not FeedToken.objects.using(there).filter(revoked_at=None).exists()
        assert Invitation.objects.using(there).get().withdrawn_at
        assert not Institution.objects.using(there).get(pk=maas.pk).is_active


def test_what_was_taken_back_after_the_last_backup_stays_so_by_the_list(
    brand: Any, line: ServiceLine, anna: User, tmp_path: Path
) -> None:
    gone, kept, stopped, moved = (a_mailed_letter(brand, line) for _ in range(4))
    moved.choose_answer("mail", "eerst@example.org")
    backup = back_up(tmp_path, ago=HOUR)
    assert gone.visitor
    gone.visitor.erase()
    stopped.stop_mail()
    moved.choose_answer("mail", "veilig@example.org")

    with restored(backup) as there:
        conversations = Conversation.objects.using(there)
        assert texts(there, gone) == []
        assert not Message.objects.using(there).filter(conversation=gone.pk).exists()
        assert conversations.get(pk=gone.pk).changes.using(there).last().reason == "erased"
        assert conversations.get(pk=stopped.pk).sealed_address is None
        assert conversations.get(pk=moved.pk).sealed_address is None, "never the one before"
        assert conversations.get(pk=kept.pk).sealed_address is not None
        assert len(texts(there, kept)) == 1


def test_without_its_key_nobody_reads_an_old_backup(
    brand: Any, line: ServiceLine, tmp_path: Path
) -> None:
    """Not with all our keys either: the data key is in no file any more."""
    letter = a_mailed_letter(brand, line)
    wrapped = bytes(ConversationKey.objects.get().wrapped)
    old = back_up(tmp_path, ago=HOUR, keep_keys=timedelta(0))
    assert letter.visitor
    letter.visitor.erase()

    back_up(tmp_path, keep_keys=timedelta(0))

    rows = old.check_rows(old.manifest())
    everything = b"".join(path.read_bytes() for path in tmp_path.glob("klikvoor-*"))
    assert letter.pk.encode() in rows.read_bytes() or rows.suffix == ".pgdump"
    assert not old.keys_file.exists()
    import base64

    assert wrapped not in everything
    assert base64.b64encode(wrapped) not in everything


def test_an_answer_that_may_have_been_mailed_waits_for_a_person(
    brand: Any, line: ServiceLine, anna: User, tmp_path: Path
) -> None:
    """Whether there was a row for it at the time or not."""
    from mail.jobs import tell_visitors

    in_outbox, untold = (a_mailed_letter(brand, line) for _ in range(2))
    for letter in (in_outbox, untold):
        take(letter, anna)
    answer(in_outbox, anna)
    tell_visitors(timezone.now())
    answer(untold, anna)
    backup = back_up(tmp_path)

    with restored(backup) as there:
        mails = VisitorMail.objects.using(there).order_by("conversation")
        assert {mail.conversation_id for mail in mails} == {in_outbox.pk, untold.pk}
        assert all(mail.given_up_at and mail.last_error == "Restored" for mail in mails)
    assert not StaffMail.objects.filter(kind="restored").exists()


def test_what_is_there_is_replaced_only_when_told_kept_aside_and_asked_what_was_erased(
    brand: Any, line: ServiceLine, anna: User, dirk: User, tmp_path: Path
) -> None:
    gone, kept = (a_mailed_letter(brand, line) for _ in range(2))
    backup = back_up(tmp_path)

    with scratch() as url:
        restore_into(url, backup.manifest_file, None)
        with asking(ALIAS, name_in(url)):
            # Erased there, and on no list here: only the database that is replaced knows.
            Conversation.objects.using(ALIAS).get(pk=gone.pk).changes.create(
                old="waiting", new="closed", by="visitor", reason="erased", at=timezone.now()
            )
            ConversationKey.objects.using(ALIAS).filter(pk=gone.pk).delete()
            User.objects.using(ALIAS).filter(pk=anna.pk).update(is_active=False)
        with pytest.raises(BadBackup, match="The database is not empty"):
            restore_into(url, backup.manifest_file, None)
        said = restore_into(url, backup.manifest_file, None, "--replace")

        with asking(ALIAS, name_in(url)):
            assert texts(ALIAS, gone) == []
            assert len(texts(ALIAS, kept)) == 1
            assert not User.objects.using(ALIAS).get(pk=anna.pk).is_active
        assert "closed again, account: 1" in said
        assert "is kept as replaced_" in said


def test_nothing_is_replaced_while_somebody_serves(
    anna: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind_of_database: str
) -> None:
    if kind_of_database == "sqlite":
        pytest.skip("there it is the lock of the only process: test_startup.py")
    plan = prepare(back_up(tmp_path).manifest_file)
    loaded: list[object] = []
    monkeypatch.setattr(dumping, "load_postgresql", lambda *given: loaded.append(given))
    from django.db import connections

    other = connections["default"].copy("other")
    other.ensure_connection()
    try:
        with pytest.raises(BadBackup, match="connections to this database are open"):
            restoring.restore(plan, timezone.now(), replace=True)
    finally:
        other.close()
        other.close_pool()
    assert loaded == []


# --- The list -------------------------------------------------------------------------------------


def test_the_list_says_numbers_and_verbs_only(
    brand: Any, line: ServiceLine, settings: Any, tmp_path: Path
) -> None:
    settings.ERASED_LIST = str(tmp_path / "new" / "list")
    letter = a_mailed_letter(brand, line)
    letter.choose_answer("notice")
    letter.choose_answer("notice", "nieuw@example.org")
    assert letter.visitor
    letter.visitor.erase()

    lines = Path(settings.ERASED_LIST).read_text().splitlines()

    assert [line.split()[1:] for line in lines] == [["address", letter.pk], ["erased", letter.pk]]
    read = erased.TakenBack()
    read.read(Path(settings.ERASED_LIST))
    assert read.erased == {letter.pk}
    assert set(read.addresses) == {letter.pk}


def test_a_list_that_cannot_be_written_stops_nobody(
    brand: Any, line: ServiceLine, settings: Any, tmp_path: Path, caplog: Any
) -> None:
    (tmp_path / "file").write_text("")
    settings.ERASED_LIST = str(tmp_path / "file" / "list")
    letter = a_mailed_letter(brand, line)

    assert letter.visitor
    letter.visitor.erase()

    assert not ConversationKey.objects.exists()
    assert "cannot be written: FileExistsError" in caplog.text
    assert letter.pk not in caplog.text


def test_a_broken_line_hides_no_other(tmp_path: Path) -> None:
    path = tmp_path / "list"
    good = "A" * 22
    path.write_text(f"2026-11-25T10:00:00+00:00 erased {good}\nnonsense\n2026-1 addr")
    read = erased.TakenBack()
    read.read(path)

    assert read.erased == {good}
    assert read.addresses == {}


def test_what_lives_now_closes_nothing(
    active_conversation: Conversation, anna: User, dirk: User
) -> None:
    from klikvoor.backups.living import close_doors

    write(active_conversation, TEXT)
    facts = living_in().facts
    assert facts

    assert close_doors(facts) == {}
