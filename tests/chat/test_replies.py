"""Ready sentences: who keeps which, and that desks show them."""

import pytest

from chat.models import QuickReply
from institutions.models import AuditEvent, Institution, User
from tests.people import make_user, sign_in

pytestmark = pytest.mark.django_db

GOOD = {"shortcut": "Hoi", "text": "Hoi, fijn dat je er bent.", "language": "nl"}


def test_the_platforms_reply_is_on_every_desk(dirk: User, anna: User, carla: User) -> None:
    sign_in(dirk).post("/desk/replies/new/", GOOD | {"institution": ""})
    for worker in (anna, carla):
        assert "Hoi, fijn dat je er bent." in sign_in(worker).get("/desk/").content.decode()


def test_an_institutions_reply_is_on_its_own_desks_only(
    zuid: Institution, anna: User, carla: User
) -> None:
    browser = sign_in(make_user("Edith", (zuid, "coordinator")))
    assert browser.post("/desk/replies/new/", GOOD | {"institution": zuid.pk}).status_code == 302
    assert "fijn dat je er bent" in sign_in(anna).get("/desk/").content.decode()
    assert "fijn dat je er bent" not in sign_in(carla).get("/desk/").content.decode()


def test_a_reply_is_changed_and_taken_away(dirk: User) -> None:
    reply = QuickReply.objects.create(shortcut="Hoi", text="Hoi!")
    browser = sign_in(dirk)
    browser.post(f"/desk/replies/{reply.pk}/", GOOD | {"text": "Dag!"})
    reply.refresh_from_db()
    assert reply.text == "Dag!"
    browser.post(f"/desk/replies/{reply.pk}/", {"action": "delete"})
    assert not QuickReply.objects.exists()
    assert AuditEvent.objects.filter(verb="settings", detail__startswith="reply").count() == 2


def test_a_coordinator_keeps_the_replies_of_the_own_institution_only(
    zuid: Institution, maas: Institution
) -> None:
    browser = sign_in(make_user("Edith", (zuid, "coordinator")))
    theirs = QuickReply.objects.create(shortcut="Maas", text="Van Maas", institution=maas)
    platform = QuickReply.objects.create(shortcut="Allen", text="Van allen")
    assert "Van Maas" not in browser.get("/desk/replies/").content.decode()
    for reply in (theirs, platform):
        assert browser.get(f"/desk/replies/{reply.pk}/").status_code == 404
        browser.post(f"/desk/replies/{reply.pk}/", {"action": "delete"})
    for institution in ("", maas.pk):
        response = browser.post("/desk/replies/new/", GOOD | {"institution": institution})
        assert response.status_code == 200
    assert set(QuickReply.objects.all()) == {theirs, platform}


@pytest.mark.parametrize("wrong", [{"text": ""}, {"shortcut": "x" * 21}, {"language": "de"}])
def test_a_wrong_reply_is_refused(dirk: User, wrong: dict[str, str]) -> None:
    response = sign_in(dirk).post("/desk/replies/new/", GOOD | wrong)
    assert "field-error" in response.content.decode()
    assert not QuickReply.objects.exists()
