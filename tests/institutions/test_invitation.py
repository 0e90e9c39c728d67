"""The only way in: invited, once, within a week, by somebody who may."""

import re
from datetime import timedelta

import pytest
from allauth.mfa.models import Authenticator
from django.core import mail
from django.core.management import call_command
from django.test import Client
from django.utils import timezone

from institutions.models import AuditEvent, Institution, Invitation, Membership, Refused, User
from tests.people import add_second_factor, make_user, rights_of, sign_in

PASSWORD = "vier woorden achter elkaar"


@pytest.fixture
def zoe(zuid: Institution) -> User:
    """A coordinator of Zuid and of nothing else."""
    return make_user("Zoe", (zuid, "coordinator"))


def invite(by: User, institution: Institution | None, role: str = "worker", **more: str):
    fields = {"email": "eva@example.org", "name": "Eva Voorbeeld", "chat_name": "Eva"} | more
    return Invitation.invite(rights_of(by), institution=institution, role=role, **fields)


def link_in_mail() -> str:
    (message,) = mail.outbox
    found = re.search(r"http://testserver(/staff/invitation/\S+)", message.body)
    assert found, message.body
    return found[1]


def accept(client: Client, **more: str):
    data = {"name": "Eva de Boer", "chat_name": "Eef", "password": PASSWORD, "again": PASSWORD}
    return client.post("/staff/invitation/", data | more)


def invite_on_screen(by: User, **more: object):
    data = {"email": "Eva@Example.org", "name": "Eva Voorbeeld", "chat_name": "Eva"}
    return sign_in(by).post("/staff/people/invite/", data | more)


# --- Inviting -----------------------------------------------------------------------------------


def test_a_coordinator_invites_and_the_mail_brings_somebody_in(zoe, zuid) -> None:
    answer = invite_on_screen(zoe, institution=zuid.pk, role="worker")
    assert answer.status_code == 302
    (message,) = mail.outbox
    assert message.to == ["eva@example.org"]
    assert "Je bent uitgenodigd als hulpverlener bij Welzijn Zuid." in message.body
    assert message.content_subtype == "plain"

    browser = Client()
    answer = browser.get(link_in_mail())
    assert answer.status_code == 302
    assert answer.url == "/staff/invitation/"  # the token has left the address
    assert "Welkom, Eva Voorbeeld" in browser.get("/staff/invitation/").text
    before = browser.session.session_key
    answer = accept(browser)
    assert answer.url == "/accounts/2fa/"
    assert browser.session.session_key != before

    eva = User.objects.get(email="eva@example.org")
    assert eva.check_password(PASSWORD)
    assert (eva.name, eva.chat_name) == ("Eva de Boer", "Eef")
    assert [(m.institution, m.role) for m in eva.memberships.all()] == [(zuid, "worker")]
    assert browser.session["_auth_user_id"] == str(eva.pk)
    page = browser.get("/accounts/2fa/").text
    assert "Stel een tweede stap in" in page
    # The password was typed a moment ago: setting up does not ask for it again.
    assert browser.get("/accounts/2fa/totp/activate/").status_code == 200
    assert browser.get("/staff/me/").url == "/accounts/2fa/"


def test_the_token_is_not_in_the_database_and_not_in_the_trail(zoe, zuid) -> None:
    invitation, token = invite(zoe, zuid)
    invitation.refresh_from_db()
    assert token not in str(Invitation.objects.filter(pk=invitation.pk).values().get())
    assert AuditEvent.objects.get().detail == f"worker {invitation.pk}"
    assert Invitation.find(token) == invitation
    assert Invitation.find(token[:-1]) is None
    assert Invitation.find("") is None
    assert Invitation.find("x" * 5000) is None


def test_a_coordinator_of_an_institution_gives_no_role_elsewhere(zoe, zuid, maas) -> None:
    for institution, role in ((maas, "worker"), (maas, "coordinator"), (None, "coordinator")):
        with pytest.raises(Refused, match="not_yours"):
            invite(zoe, institution, role)
        answer = invite_on_screen(zoe, institution=institution.pk if institution else "", role=role)
        assert answer.status_code == 200
        assert 'class="field-error"' in answer.text
    assert not Invitation.objects.exists()
    assert mail.outbox == []


def test_a_coordinator_of_the_platform_invites_anywhere(dirk, maas) -> None:
    for institution, role in ((maas, "coordinator"), (None, "coordinator"), (maas, "worker")):
        invite(dirk, institution, role)
    assert Invitation.objects.count() == 3


def test_the_platform_has_no_workers(dirk) -> None:
    answer = invite_on_screen(dirk, institution="", role="worker")
    assert "alleen coördinatoren" in answer.text
    assert not Invitation.objects.exists()


def test_who_has_the_role_or_an_invitation_is_not_invited_again(zoe, zuid, anna) -> None:
    answer = invite_on_screen(zoe, email=anna.email, institution=zuid.pk, role="worker")
    assert "heeft deze rol al" in answer.text
    invite(zoe, zuid)
    answer = invite_on_screen(zoe, institution=zuid.pk, role="worker")
    assert "al een uitnodiging" in answer.text


def test_a_mail_server_that_is_away_loses_no_invitation(zoe, zuid, monkeypatch) -> None:
    def away(*args: object, **kwargs: object) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr("django.core.mail.backends.locmem.EmailBackend.send_messages", away)
    browser = sign_in(zoe)
    data = {"email": "eva@example.org", "name": "Eva", "chat_name": "Eva", "role": "worker"}
    page = browser.post("/staff/people/invite/", data | {"institution": zuid.pk}, follow=True)
    assert "De mail kon niet weg" in page.text
    assert Invitation.objects.valid().count() == 1


def test_a_worker_and_a_visitor_cannot_invite(anna, zuid) -> None:
    data = {"email": "eva@example.org", "name": "E", "chat_name": "E", "institution": zuid.pk}
    assert invite_on_screen(anna, role="worker").status_code == 403
    answer = Client().post("/staff/people/invite/", data | {"role": "worker"})
    assert answer.url.startswith("/accounts/login/")
    assert not Invitation.objects.exists()


def test_there_is_no_open_sign_up(client, db) -> None:
    assert client.get("/accounts/signup/").status_code == 404


# --- Sending again, withdrawing -------------------------------------------------------------------


def test_sending_again_replaces_the_link(zoe, zuid) -> None:
    invitation, old = invite(zoe, zuid)
    Invitation.objects.update(expires_at=timezone.now() - timedelta(days=1))
    sign_in(zoe).post(f"/staff/people/invitations/{invitation.pk}/resend/")
    browser = Client()
    assert browser.get(f"/staff/invitation/{old}/").status_code == 404
    assert browser.get(link_in_mail(), follow=True).status_code == 200


def test_a_link_that_was_open_when_it_was_replaced_stops_working(zoe, zuid) -> None:
    invitation, token = invite(zoe, zuid)
    browser = Client()
    browser.get(f"/staff/invitation/{token}/")
    invitation.renew(rights_of(zoe))
    assert accept(browser).status_code == 404
    assert not User.objects.filter(email="eva@example.org").exists()


def test_a_stranger_cannot_touch_an_invitation(dirk, zoe, maas) -> None:
    invitation, token = invite(dirk, maas)
    browser = sign_in(zoe)
    for deed in ("resend", "withdraw"):
        address = f"/staff/people/invitations/{invitation.pk}/{deed}/"
        assert browser.post(address).status_code == 404
    with pytest.raises(Refused, match="not_yours"):
        invitation.withdraw(rights_of(zoe))
    with pytest.raises(Refused, match="not_yours"):
        invitation.renew(rights_of(zoe))
    assert Invitation.find(token) == invitation
    assert mail.outbox == []


def test_an_unknown_deed_is_not_found(zoe, zuid) -> None:
    invitation, _token = invite(zoe, zuid)
    browser = sign_in(zoe)
    assert browser.post(f"/staff/people/invitations/{invitation.pk}/nod/").status_code == 404
    assert browser.get(f"/staff/people/invitations/{invitation.pk}/withdraw/").status_code == 405


# --- Accepting ----------------------------------------------------------------------------------


def test_a_used_expired_or_withdrawn_invitation_says_so(zoe, zuid) -> None:
    now = timezone.now()
    for change, sentence in (
        ({"accepted_at": now}, "al gebruikt"),
        ({"accepted_at": None, "withdrawn_at": now}, "ingetrokken"),
        ({"withdrawn_at": None, "expires_at": now}, "verlopen"),
    ):
        if not Invitation.objects.exists():
            _invitation, token = invite(zoe, zuid)
        Invitation.objects.update(**change)
        browser = Client()
        for answer in (browser.get(f"/staff/invitation/{token}/", follow=True), accept(browser)):
            assert answer.status_code == 410
            assert sentence in answer.text
    assert not User.objects.filter(email="eva@example.org").exists()


def test_an_invitation_works_once(zoe, zuid) -> None:
    invitation, token = invite(zoe, zuid)
    stale = Invitation.objects.get(pk=invitation.pk)  # read before the first one won
    invitation.accept(password=PASSWORD)
    with pytest.raises(Refused, match="changed"):
        stale.accept(password="een heel ander wachtwoord")
    eva = User.objects.get(email="eva@example.org")
    assert eva.check_password(PASSWORD)
    assert eva.memberships.count() == 1
    browser = Client()
    assert browser.get(f"/staff/invitation/{token}/", follow=True).status_code == 410


def test_withdrawing_what_was_accepted_is_refused(zoe, zuid) -> None:
    invitation, _token = invite(zoe, zuid)
    Invitation.objects.get(pk=invitation.pk).accept(password=PASSWORD)
    with pytest.raises(Refused, match="changed"):
        invitation.withdraw(rights_of(zoe))


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"password": "kort", "again": "kort"}, "12"),
        ({"password": "123456789012", "again": "123456789012"}, "field-error"),
        ({"password": "eva@example.org", "again": "eva@example.org"}, "field-error"),
        ({"again": "iets heel anders dan dat"}, "niet hetzelfde"),
        ({"name": ""}, "field-error"),
        ({"chat_name": "x" * 31}, "field-error"),
    ],
)
def test_a_form_that_is_not_right_uses_nothing_up(zoe, zuid, change, sentence) -> None:
    _invitation, token = invite(zoe, zuid)
    browser = Client()
    browser.get(f"/staff/invitation/{token}/")
    answer = accept(browser, **change)
    assert answer.status_code == 200
    assert sentence in answer.text
    assert Invitation.objects.valid().count() == 1
    assert accept(browser).status_code == 302


def test_a_link_without_an_invitation_says_so(client, db) -> None:
    assert client.get("/staff/invitation/").status_code == 404
    answer = client.get("/staff/invitation/nonsense/")
    assert answer.status_code == 404
    assert "Deze link werkt niet" in answer.text
    assert "_auth_user_id" not in client.session


def test_somebody_with_an_account_signs_in_first_and_gets_the_role(carla, zoe, zuid, maas) -> None:
    _invitation, token = invite(zoe, zuid, email=carla.email)
    browser = Client()
    page = browser.get(f"/staff/invitation/{token}/", follow=True).text
    assert "/accounts/login/?next=/staff/invitation/" in page
    assert "password" not in page  # nobody sets a password for an account that exists
    answer = accept(browser)
    assert answer.status_code == 200
    assert carla.memberships.count() == 1

    browser = sign_in(carla, browser)
    browser.get(f"/staff/invitation/{token}/")
    assert "Rol aannemen" in browser.get("/staff/invitation/").text
    assert accept(browser).url == "/staff/"
    assert {m.institution for m in carla.memberships.all()} == {zuid, maas}
    assert User.objects.filter(email=carla.email).count() == 1
    carla.refresh_from_db()
    assert not carla.check_password(PASSWORD)


def test_a_password_alone_does_not_accept_a_role(zoe, zuid, maas) -> None:
    eva = make_user("Eva", (maas, "worker"), second_factor=False)
    _invitation, token = invite(zoe, zuid)
    browser = sign_in(eva)
    browser.get(f"/staff/invitation/{token}/")
    assert accept(browser).url == "/accounts/2fa/"
    assert eva.memberships.count() == 1
    add_second_factor(eva)
    assert accept(browser).url == "/staff/"


def test_somebody_else_cannot_take_it(zoe, zuid, bilal, carla) -> None:
    invitation, token = invite(zoe, zuid, email=carla.email)
    browser = sign_in(bilal)
    page = browser.get(f"/staff/invitation/{token}/", follow=True)
    assert "voor iemand anders" in page.text
    accept(browser)
    assert Invitation.objects.valid().count() == 1
    with pytest.raises(Refused, match="not_yours"):
        invitation.accept(user=bilal)
    assert Invitation.objects.valid().count() == 1  # the refusal took nothing away


def test_a_disabled_person_does_not_come_back_by_an_invitation(zoe, zuid, carla) -> None:
    invitation, token = invite(zoe, zuid, email=carla.email)
    User.objects.filter(pk=carla.pk).update(is_active=False)
    browser = Client()
    page = browser.get(f"/staff/invitation/{token}/", follow=True)
    assert (page.status_code, "staat uit" in page.text) == (410, True)
    with pytest.raises(Refused, match="not_yours"):
        invitation.accept(password=PASSWORD)


def test_an_invitation_of_a_closed_institution_does_not_work(zoe, zuid) -> None:
    invitation, token = invite(zoe, zuid)
    zuid.is_active = False
    zuid.save()
    assert Client().get(f"/staff/invitation/{token}/", follow=True).status_code == 410
    with pytest.raises(Refused, match="changed"):
        invitation.accept(password=PASSWORD)


# --- The first coordinator ------------------------------------------------------------------------


def test_the_first_coordinator_is_invited_by_a_command(db, capsys) -> None:
    call_command("invite", "zij@example.org", "Noor Voorbeeld")
    link = re.search(r"http://testserver/staff/invitation/(\S+)/", capsys.readouterr().out)
    invitation = Invitation.find(link[1])
    user = invitation.accept(password=PASSWORD)
    assert user.chat_name == "Noor"
    assert rights_of(user).is_platform_coordinator
    assert Membership.objects.count() == 1
    assert not Authenticator.objects.exists()


def test_the_command_refuses_what_is_no_address(db) -> None:
    from django.core.management import CommandError

    with pytest.raises(CommandError, match="not an e-mail"):
        call_command("invite", "noor", "Noor")
    assert not Invitation.objects.exists()
