"""Signing in: password and second factor, no address kept, nothing in clear."""

import re
import time
from functools import partial

import pytest
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import format_hotp_value, hotp_value
from allauth.usersessions.models import UserSession
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client, override_settings

from institutions.access import DEMO_SESSION_KEY, staff_of_session
from institutions.models import Institution, User
from institutions.sign_ins import device
from tests.people import PASSWORD, TOTP_SECRET, add_second_factor, make_user, sign_in

FIREFOX = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:128.0) Gecko/20100101 Firefox/128.0"
ADDRESS = "203.0.113.77"


def code(secret: str = TOTP_SECRET) -> str:
    return format_hotp_value(hotp_value(secret, int(time.time()) // 30))


def type_password(client: Client, user: User, password: str = PASSWORD, **more: str):
    data = {"login": user.email, "password": password} | more
    return client.post("/accounts/login/", data, REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=FIREFOX)


def type_code(client: Client, what: str):
    return client.post(
        "/accounts/2fa/authenticate/",
        {"code": what},
        REMOTE_ADDR=ADDRESS,
        HTTP_USER_AGENT=FIREFOX,
    )


def sign_in_fully(user: User) -> Client:
    client = Client()
    assert type_password(client, user).url == "/accounts/2fa/authenticate/"
    assert type_code(client, code()).url == "/staff/"
    return client


@pytest.fixture
def commit(django_capture_on_commit_callbacks):
    """`with commit():` does what waits for a commit, such as mail."""
    return partial(django_capture_on_commit_callbacks, execute=True)


@pytest.fixture
def eva(zuid: Institution) -> User:
    """A worker of Zuid who has a password and no second factor yet."""
    return make_user("Eva", (zuid, "worker"), second_factor=False)


# --- The way in -----------------------------------------------------------------------------------


def test_password_and_code_bring_a_worker_to_the_desk(anna) -> None:
    client = Client()
    client.get("/accounts/login/")
    assert type_password(client, anna).url == "/accounts/2fa/authenticate/"
    before = client.session.session_key
    assert "_auth_user_id" not in client.session
    assert client.get("/desk/").url.startswith("/accounts/login/")
    assert type_code(client, code()).url == "/staff/"
    assert client.session.session_key != before  # a fresh key: nobody can plant one
    assert staff_of_session(client.session.session_key).user == anna
    assert client.get("/staff/").url == "/desk/"


def test_the_page_that_was_asked_for_comes_after_signing_in(dirk) -> None:
    client = Client()
    assert client.get("/staff/audit/").url == "/accounts/login/?next=/staff/audit/"
    type_password(client, dirk, next="/staff/audit/")
    assert type_code(client, code()).url == "/staff/audit/"


def test_the_way_in_leads_nowhere_else(dirk) -> None:
    client = Client()
    type_password(client, dirk, next="https://elsewhere.example/")
    assert type_code(client, code()).url == "/staff/"


def test_a_wrong_password_or_code_says_so_and_lets_nobody_in(anna) -> None:
    client = Client()
    assert "klopt niet" in type_password(client, anna, "een heel ander wachtwoord").text
    type_password(client, anna)
    page = type_code(client, "000000")
    assert "Dit klopt niet." in page.text
    assert "_auth_user_id" not in client.session


def test_an_unknown_address_gets_the_same_answer(anna, db) -> None:
    stranger = User(email="niemand@example.org")
    known = type_password(Client(), anna, "een heel ander wachtwoord").text
    unknown = type_password(Client(), stranger, "een heel ander wachtwoord").text

    def neutral(page: str) -> str:
        page = re.sub(r'name="csrfmiddlewaretoken" value="\w+"', "", page)
        return page.replace(anna.email, "").replace(stranger.email, "")

    assert neutral(known) == neutral(unknown)


def test_a_code_works_once(anna) -> None:
    now = code()
    first, second = Client(), Client()
    type_password(first, anna)
    type_password(second, anna)
    assert type_code(first, now).status_code == 302
    assert type_code(second, now).status_code == 200
    assert "_auth_user_id" not in second.session


def test_guessing_is_slowed_down(anna) -> None:
    client = Client()
    for _attempt in range(5):
        type_password(client, anna, "een heel ander wachtwoord")
    assert "te veel pogingen" in type_password(client, anna).text
    assert "_auth_user_id" not in client.session


@override_settings(ALLAUTH_TRUSTED_PROXY_COUNT=1)
def test_behind_a_proxy_one_guesser_does_not_lock_out_all(anna, bilal) -> None:
    def attempt(address: str, user: User, password: str):
        return Client().post(
            "/accounts/login/",
            {"login": user.email, "password": password},
            REMOTE_ADDR="10.0.0.1",
            HTTP_X_FORWARDED_FOR=f"9.9.9.9, {address}",
        )

    for number in range(12):  # ten a minute and address are allowed
        someone = User(email=f"iemand{number}@example.org")
        attempt("198.51.100.1", someone, "een heel ander wachtwoord")
    assert "te veel pogingen" in attempt("198.51.100.1", anna, PASSWORD).text
    assert attempt("198.51.100.2", bilal, PASSWORD).status_code == 302


# --- Without a second factor ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    ["/desk/", "/staff/", "/staff/me/", "/accounts/password/change/", "/accounts/2fa/webauthn/"],
)
def test_a_password_alone_leads_to_setting_up_a_second_factor(eva, address) -> None:
    client = Client()
    type_password(client, eva)
    assert client.get(address).url == "/accounts/2fa/"
    assert staff_of_session(client.session.session_key) is None
    page = client.get("/accounts/2fa/").text
    assert "Stel een tweede stap in" in page
    assert "Uitloggen" in page
    assert "/desk/" not in page


def test_every_other_account_page_is_closed_without_a_second_factor(eva) -> None:
    from django.urls import reverse

    from institutions.accounts_urls import urlpatterns
    from institutions.middleware import BEFORE_SECOND_FACTOR

    client = sign_in(eva)
    arguments = {
        "account_reset_password_from_key": ["1", "set-password"],
        "mfa_remove_webauthn": [1],
        "mfa_edit_webauthn": [1],
        "demo_sign_in": [1],
    }
    names = {pattern.name for pattern in urlpatterns}
    assert names >= BEFORE_SECOND_FACTOR
    for name in names - BEFORE_SECOND_FACTOR:
        address = reverse(name, args=arguments.get(name, []))
        for answer in (client.get(address), client.post(address)):
            assert (answer.status_code, answer.url) == (302, "/accounts/2fa/"), name


def test_recovery_codes_alone_are_no_second_factor(eva) -> None:
    RecoveryCodes.activate(eva)
    client = sign_in(eva)
    assert client.get("/staff/me/").url == "/accounts/2fa/"
    assert staff_of_session(client.session.session_key) is None


def test_setting_up_an_app_ends_with_recovery_codes(eva, commit) -> None:
    client = Client()
    type_password(client, eva)
    page = client.get("/accounts/2fa/totp/activate/").text
    secret = re.search(r'<code class="key">(\w+)</code>', page)[1]
    assert stored_sessions().count(secret) == 0  # sealed while it waits
    wrong = client.post("/accounts/2fa/totp/activate/", {"code": "000000"})
    assert secret in wrong.text  # the same picture stays good
    with commit():
        answer = client.post("/accounts/2fa/totp/activate/", {"code": code(secret)})
    assert answer.url == "/accounts/2fa/recovery-codes/"
    codes = re.findall(r"<li><code>(\d{8})</code></li>", client.get(answer.url).text)
    assert len(codes) == 10
    assert codes[0] not in client.get(answer.url).text  # shown once
    assert client.get("/staff/").url == "/desk/"
    assert any("app met codes" in message.subject for message in mail.outbox)

    dump = stored_authenticators()
    for clear in (secret, *codes):
        assert clear not in dump

    another = Client()
    type_password(another, eva)
    assert type_code(another, codes[3]).url == "/staff/"
    again = Client()
    type_password(again, eva)
    assert type_code(again, codes[3]).status_code == 200  # each works once


def test_an_app_is_sealed_in_the_database(anna) -> None:
    RecoveryCodes.activate(anna)
    dump = stored_authenticators()
    assert TOTP_SECRET not in dump
    assert dump.count("test:") == 2  # the name of the key that sealed, twice


def stored_authenticators() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT data FROM mfa_authenticator")
        return str(cursor.fetchall())


def stored_sessions() -> str:
    return str([session.get_decoded() for session in Session.objects.all()])


# --- The last second factor stays -------------------------------------------------------------------


def just_proved(client: Client) -> Client:
    """A browser in which the password was typed again a moment ago."""
    answer = client.post("/accounts/reauthenticate/", {"password": PASSWORD})
    assert answer.status_code == 302
    return client


def passkey(user: User) -> Authenticator:
    data = {"name": "Laptop", "credential": {}}
    return Authenticator.objects.create(user=user, type="webauthn", data=data)


def test_changing_a_second_factor_asks_who_you_are(anna) -> None:
    client = sign_in_fully(anna)
    answer = client.get("/accounts/2fa/totp/deactivate/")
    assert answer.url.startswith("/accounts/reauthenticate/")
    page = client.post("/accounts/reauthenticate/", {"password": "niet dit"})
    assert "klopt niet" in page.text


def test_the_last_second_factor_cannot_be_removed(anna) -> None:
    client = just_proved(sign_in_fully(anna))
    page = client.get("/accounts/2fa/totp/deactivate/").text
    assert "laatste tweede stap" in page
    assert client.post("/accounts/2fa/totp/deactivate/").status_code == 200
    assert Authenticator.objects.filter(user=anna, type="totp").exists()


def test_the_last_passkey_cannot_be_removed(zuid) -> None:
    eva = make_user("Eva", (zuid, "worker"), second_factor=False)
    key = passkey(eva)
    RecoveryCodes.activate(eva)
    client = just_proved(sign_in(eva))
    address = f"/accounts/2fa/webauthn/keys/{key.pk}/remove/"
    assert "laatste tweede stap" in client.get(address).text
    assert "laatste tweede stap" in client.post(address, follow=True).text
    assert Authenticator.objects.filter(pk=key.pk).exists()


def test_one_of_two_can_be_removed(anna) -> None:
    key = passkey(anna)
    client = just_proved(sign_in_fully(anna))
    assert client.post("/accounts/2fa/totp/deactivate/").url == "/accounts/2fa/"
    assert list(Authenticator.objects.filter(user=anna)) == [key]


def test_a_passkey_of_somebody_else_is_not_found(anna, bilal) -> None:
    key = passkey(bilal)
    client = just_proved(sign_in_fully(anna))
    for deed in ("remove", "edit"):
        address = f"/accounts/2fa/webauthn/keys/{key.pk}/{deed}/"
        assert client.get(address).status_code == 404
        assert client.post(address, {"name": "x"}).status_code == 404


@pytest.mark.parametrize(
    "credential",
    [
        "",
        "x",
        "[]",
        "{}",
        "null",
        "1",
        '"x"',
        '{"id": 1}',
        '{"response": {"userHandle": 5}}',
        '{"id":"a","rawId":"a","type":"public-key","response":{"clientDataJSON":"","authenticatorData":"","signature":"","userHandle":"!!"}}',
    ],
)
def test_nonsense_instead_of_a_passkey_is_refused(anna, credential) -> None:
    client = Client()
    client.get("/accounts/2fa/webauthn/login/", HTTP_ACCEPT="application/json")
    answer = client.post("/accounts/2fa/webauthn/login/", {"credential": credential})
    assert answer.url == "/accounts/login/"
    assert "_auth_user_id" not in client.session
    type_password(client, anna)
    answer = client.post("/accounts/2fa/authenticate/", {"credential": credential})
    assert answer.status_code == 200
    client = just_proved(sign_in_fully(anna))
    answer = client.post("/accounts/2fa/webauthn/add/", {"credential": credential, "name": "x"})
    assert answer.status_code == 200
    assert not Authenticator.objects.filter(type="webauthn").exists()


# --- Password -----------------------------------------------------------------------------------


def test_a_new_password_ends_the_other_sign_ins(anna, commit) -> None:
    here, there = sign_in_fully(anna), sign_in(anna)
    new = "vijf nieuwe woorden in een zin"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    with commit():
        assert here.post("/accounts/password/change/", data).url == "/staff/me/"
    assert "Je wachtwoord is veranderd" in here.get("/staff/me/").text
    assert there.get("/staff/me/").url.startswith("/accounts/login/")
    (message,) = mail.outbox
    assert "Je wachtwoord voor Klikvoor is veranderd." in message.body


def test_a_weak_or_wrong_password_changes_nothing(anna) -> None:
    client = sign_in_fully(anna)
    for old, new in ((PASSWORD, "kort"), ("niet dit", "vijf nieuwe woorden in een zin")):
        data = {"oldpassword": old, "password1": new, "password2": new}
        assert "field-error" in client.post("/accounts/password/change/", data).text
    anna.refresh_from_db()
    assert anna.check_password(PASSWORD)


def test_a_forgotten_password_still_needs_the_second_factor(anna, commit) -> None:
    elsewhere = sign_in(anna)
    client = Client()
    with commit():
        client.post("/accounts/password/reset/", {"email": anna.email})
    (message,) = mail.outbox
    assert message.to == [anna.email]
    link = re.search(r"http://testserver(\S+)", message.body)[1]
    address = client.get(link).url
    assert "set-password" in address
    new = "vijf nieuwe woorden in een zin"
    answer = client.post(address, {"password1": new, "password2": new})
    assert answer.url == "/accounts/password/reset/key/done/"
    assert "_auth_user_id" not in client.session
    assert elsewhere.get("/staff/me/").url.startswith("/accounts/login/")
    assert type_password(client, anna, new).url == "/accounts/2fa/authenticate/"
    assert "werkt niet meer" in Client().get(link).text


def test_an_address_that_nobody_has_gets_no_mail_and_the_same_page(db) -> None:
    answer = Client().post("/accounts/password/reset/", {"email": "niemand@example.org"})
    assert answer.url == "/accounts/password/reset/done/"
    assert mail.outbox == []


# --- One's own sign-ins -------------------------------------------------------------------------------


def test_no_address_and_no_user_agent_is_kept(anna, commit) -> None:
    client = sign_in_fully(anna)
    new = "vijf nieuwe woorden in een zin"
    data = {"oldpassword": PASSWORD, "password1": new, "password2": new}
    with commit():
        client.post(
            "/accounts/password/change/", data, REMOTE_ADDR=ADDRESS, HTTP_USER_AGENT=FIREFOX
        )
    assert len(mail.outbox) == 1
    with connection.cursor() as cursor:
        cursor.execute("SELECT * FROM usersessions_usersession")
        dump = str(cursor.fetchall()) + stored_sessions() + str([m.body for m in mail.outbox])
    assert ADDRESS not in dump
    assert "Gecko" not in dump
    assert UserSession.objects.filter(user=anna).last().user_agent == "Firefox · Windows"
    assert "Firefox · Windows" in client.get("/staff/me/").text


@pytest.mark.parametrize(
    ("user_agent", "words"),
    [
        (FIREFOX, "Firefox · Windows"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605 Version/17.5 Safari/604.1",
            "Safari · iPhone",
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/126.0 Mobile Safari/537.36",
            "Chrome · Android",
        ),
        ("Mozilla/5.0 (Windows NT 10.0) Chrome/126.0 Safari/537.36 Edg/126.0", "Edge · Windows"),
        ("curl/8.0", ""),
        ("", ""),
    ],
)
def test_a_device_is_two_words(user_agent, words) -> None:
    assert device(user_agent) == words


def test_ending_another_sign_in(anna) -> None:
    here, there = sign_in_fully(anna), Client()
    type_password(there, anna)
    from django.core.cache import cache

    cache.clear()  # or the same code would be refused within its half minute
    type_code(there, code())
    other = UserSession.objects.get(session_key=there.session.session_key)
    assert here.post(f"/staff/me/sign-ins/{other.pk}/end/").url == "/staff/me/"
    assert there.get("/staff/me/").url.startswith("/accounts/login/")
    assert here.get("/staff/me/").status_code == 200


def test_ending_all_others_keeps_this_one(anna) -> None:
    here = sign_in_fully(anna)
    other = Client()
    other.force_login(anna)
    UserSession.objects.create(
        user=anna, session_key=other.session.session_key, ip=ADDRESS, user_agent=FIREFOX
    )
    here.post("/staff/me/sign-ins/end-others/")
    assert other.get("/staff/me/").url.startswith("/accounts/login/")
    assert here.get("/staff/me/").status_code == 200


def test_a_sign_in_of_somebody_else_is_not_found(anna, bilal) -> None:
    sign_in_fully(bilal)
    theirs = UserSession.objects.get(user=bilal)
    assert sign_in(anna).post(f"/staff/me/sign-ins/{theirs.pk}/end/").status_code == 404
    assert UserSession.objects.filter(pk=theirs.pk).exists()


def test_changing_oneself(anna, carla) -> None:
    client = sign_in(anna)
    data = {"name": "Anna B", "chat_name": "An", "chat_cap": 1, "language": "en"}
    client.post("/staff/me/", data | {"is_superuser": "1", "email": carla.email})
    anna.refresh_from_db()
    assert (anna.name, anna.chat_name, anna.chat_cap, anna.language) == ("Anna B", "An", 1, "en")
    assert anna.email == "anna@example.org"
    assert not anna.is_superuser
    assert '<html lang="en">' in client.get("/staff/me/").text
    assert "field-error" in client.post("/staff/me/", data | {"chat_cap": 9}).text


def test_who_does_not_chat_has_no_number_of_chats(dirk) -> None:
    client = sign_in(dirk)
    data = {"name": "Dirk S", "chat_name": "Dirk", "chat_cap": 6, "language": "nl"}
    assert client.post("/staff/me/", data).status_code == 302
    dirk.refresh_from_db()
    assert (dirk.name, dirk.chat_cap) == ("Dirk S", 2)


def test_signing_out(anna) -> None:
    client = sign_in_fully(anna)
    key = client.session.session_key
    assert "Uitloggen?" in client.get("/accounts/logout/").text
    assert client.post("/accounts/logout/").url == "/accounts/login/"
    assert staff_of_session(key) is None


# --- Who has no role ----------------------------------------------------------------------------------


def test_without_a_role_every_door_is_closed(zuid) -> None:
    nobody = make_user("Nora")
    client = sign_in(nobody)
    for address in ("/staff/", "/staff/me/", "/staff/people/", "/staff/audit/", "/desk/"):
        assert client.get(address).status_code == 403
    assert staff_of_session(client.session.session_key) is None


def test_coordinators_choose_and_workers_go_to_their_desk(anna, dirk) -> None:
    assert sign_in(anna).get("/staff/").url == "/desk/"
    page = sign_in(dirk).get("/staff/").text
    assert "/roster/today/" in page
    assert "Logboek" in page


# --- The demo -------------------------------------------------------------------------------------


@pytest.fixture
def demo_anna(zuid: Institution) -> User:
    anna = make_user("Annabel", (zuid, "worker"), second_factor=False)
    anna.email, anna.chat_name = "anna@demo.klikvoor.example", "Anna"
    anna.save()
    return anna


def test_in_the_demo_one_continues_as_somebody(demo_anna, settings) -> None:
    settings.DEMO = True
    client = Client()
    assert "Ga verder als Anna" in client.get("/accounts/login/").text
    assert client.post(f"/accounts/demo/{demo_anna.pk}/").url == "/staff/"
    assert client.get("/staff/").url == "/desk/"
    key = client.session.session_key
    assert staff_of_session(key).user == demo_anna
    # The mark is worth nothing outside the demo.
    settings.DEMO = False
    assert staff_of_session(key) is None
    assert client.get("/staff/me/").url == "/accounts/2fa/"
    assert client.session[DEMO_SESSION_KEY]


def test_outside_the_demo_nobody_does(demo_anna) -> None:
    client = Client()
    assert "Ga verder als" not in client.get("/accounts/login/").text
    assert client.post(f"/accounts/demo/{demo_anna.pk}/").status_code == 404
    assert "_auth_user_id" not in client.session


def test_in_the_demo_only_people_of_the_demo(anna, demo_anna, settings) -> None:
    settings.DEMO = True
    client = Client()
    assert client.post(f"/accounts/demo/{anna.pk}/").status_code == 404
    assert client.get(f"/accounts/demo/{demo_anna.pk}/").status_code == 405
    User.objects.filter(pk=demo_anna.pk).update(is_active=False)
    assert client.post(f"/accounts/demo/{demo_anna.pk}/").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    assert strict.post(f"/accounts/demo/{demo_anna.pk}/").status_code == 403


def test_a_second_factor_that_is_set_up_later_opens_the_doors(eva) -> None:
    client = sign_in(eva)
    assert client.get("/staff/me/").url == "/accounts/2fa/"
    add_second_factor(eva)
    assert client.get("/staff/me/").status_code == 200
