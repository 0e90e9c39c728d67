"""A coordinator looks after the people of their own institution, and of no other."""

import pytest
from allauth.mfa.models import Authenticator
from allauth.usersessions.models import UserSession
from django.core import mail
from django.test import Client

from institutions.access import staff_of_session
from institutions.models import AuditEvent, Institution, Invitation, Membership, Refused, User
from tests.people import make_user, rights_of, sign_in

DEEDS = ("disable", "enable", "end-sign-ins", "reset-second-factor")


@pytest.fixture
def zoe(zuid: Institution) -> User:
    """A coordinator of Zuid and of nothing else."""
    return make_user("Zoe", (zuid, "coordinator"))


@pytest.fixture
def both(zuid: Institution, maas: Institution) -> User:
    """Somebody who works for Zuid and for Maas."""
    return make_user("Bo", (zuid, "worker"), (maas, "worker"))


def do(by: User, person: User, deed: str):
    return sign_in(by).post(f"/staff/people/{person.pk}/{deed}/", follow=True)


def verbs() -> list[str]:
    return list(AuditEvent.objects.values_list("verb", flat=True))


# --- Who sees whom --------------------------------------------------------------------------------


def test_a_coordinator_sees_the_people_of_the_own_institution(zoe, anna, carla) -> None:
    page = sign_in(zoe).get("/staff/people/").text
    assert "Anna Voorbeeld" in page
    assert "Carla" not in page


def test_the_platform_sees_everybody_and_may_choose(dirk, anna, carla, maas) -> None:
    browser = sign_in(dirk)
    page = browser.get("/staff/people/").text
    assert "Anna Voorbeeld" in page
    assert "Carla Voorbeeld" in page
    page = browser.get("/staff/people/", {"institution": maas.pk}).text
    assert "Anna" not in page
    assert "Carla Voorbeeld" in page
    page = browser.get("/staff/people/", {"institution": "platform"}).text
    assert "Carla" not in page
    assert (
        browser.get("/staff/people/", {"institution": "x" * 400, "page": "-3"}).status_code == 200
    )


def test_a_filter_does_not_open_another_institution(zoe, carla, maas) -> None:
    page = sign_in(zoe).get("/staff/people/", {"institution": maas.pk}).text
    assert "Carla" not in page


def test_a_stranger_to_a_coordinator_is_not_found(zoe, carla, bilal) -> None:
    browser = sign_in(zoe)
    address = f"/staff/people/{carla.pk}/"
    assert browser.get(address).status_code == 404
    assert browser.post(address, {"form": "person", "name": "X"}).status_code == 404
    for deed in DEEDS:
        assert browser.post(f"{address}{deed}/").status_code == 404
    carla.refresh_from_db()
    assert carla.is_active
    assert carla.name == "Carla Voorbeeld"
    assert verbs() == []


@pytest.mark.parametrize("address", ["/staff/people/", "/staff/people/invite/", "/staff/audit/"])
def test_these_pages_are_for_coordinators(address, anna, zoe) -> None:
    assert sign_in(zoe).get(address).status_code == 200
    assert sign_in(anna).get(address).status_code == 403
    assert Client().get(address).url == f"/accounts/login/?next={address}"


def test_a_worker_does_nothing_to_anybody(anna, bilal) -> None:
    for deed in DEEDS:
        assert do(anna, bilal, deed).status_code == 403
    assert sign_in(anna).get(f"/staff/people/{bilal.pk}/").status_code == 403
    assert verbs() == []


# --- Shutting out -------------------------------------------------------------------------------


def test_disabling_shuts_out_at_once(zoe, anna) -> None:
    browser = sign_in(anna)
    key = browser.session.session_key
    assert staff_of_session(key)
    page = do(zoe, anna, "disable").text
    assert "is uitgezet en overal uitgelogd" in page
    assert staff_of_session(key) is None
    assert browser.get("/staff/me/").url.startswith("/accounts/login/")
    answer = Client().post("/accounts/login/", {"login": anna.email, "password": _password()})
    assert answer.url == "/accounts/inactive/"
    event = AuditEvent.objects.get()
    assert (event.verb, event.actor, event.person) == ("disable", zoe, anna)
    assert event.institution == anna.memberships.get().institution


def test_enabling_does_not_revive_an_old_sign_in(zoe, anna) -> None:
    key = sign_in(anna).session.session_key
    do(zoe, anna, "disable")
    do(zoe, anna, "enable")
    anna.refresh_from_db()
    assert anna.is_active
    assert staff_of_session(key) is None
    assert verbs() == ["disable", "enable"]


def test_doing_it_twice_says_so(zoe, anna) -> None:
    do(zoe, anna, "disable")
    assert "al veranderd" in do(zoe, anna, "disable").text
    assert verbs() == ["disable"]


def test_nobody_shuts_out_themselves(zoe, dirk) -> None:
    for person in (zoe, dirk):
        for deed in ("disable", "end-sign-ins", "reset-second-factor"):
            assert "niet bij jezelf" in do(person, person, deed).text
        person.refresh_from_db()
        assert person.is_active
    assert verbs() == []


def test_invitations_of_who_is_shut_out_stop_working(zoe, dirk, zuid) -> None:
    invitation, _token = Invitation.invite(
        rights_of(zoe),
        email="eva@example.org",
        name="Eva",
        chat_name="Eva",
        institution=zuid,
        role="worker",
    )
    zoe.disable(rights_of(dirk))
    invitation.refresh_from_db()
    assert invitation.state == "withdrawn"


def test_the_platform_keeps_a_coordinator(dirk) -> None:
    other = make_user("Noor", (None, "coordinator"))
    rights = rights_of(other)
    dirk.disable(rights)
    # Noor's own rights were looked up before Dirk, in another window, took them.
    Membership.objects.filter(user=other).delete()
    User.objects.filter(pk=dirk.pk).update(is_active=True)
    with pytest.raises(Refused, match="last"):
        dirk.disable(rights)


# --- Who is not wholly theirs -----------------------------------------------------------------------


def test_an_account_that_others_share_is_not_touched(zoe, both, dirk, zuid) -> None:
    shared = (both, dirk)  # Dirk is of the platform as well
    for person in shared:
        for deed in ("disable", "end-sign-ins", "reset-second-factor"):
            assert "ook ergens anders" in do(zoe, person, deed).text
        data = {"form": "person", "name": "X", "chat_name": "X", "chat_cap": 6}
        page = sign_in(zoe).post(f"/staff/people/{person.pk}/", data).text
        assert "ook ergens anders" in page
        person.refresh_from_db()
        assert person.is_active
        assert person.name != "X"
        assert Authenticator.objects.filter(user=person).exists()
    assert verbs() == []


def test_the_platform_may(dirk, both) -> None:
    do(dirk, both, "disable")
    both.refresh_from_db()
    assert not both.is_active


# --- Signing out and resetting ----------------------------------------------------------------------


def test_ending_sign_ins_ends_them_all(zoe, anna) -> None:
    first, second = sign_in(anna), sign_in(anna)
    do(zoe, anna, "end-sign-ins")
    for browser in (first, second):
        assert browser.get("/staff/me/").url.startswith("/accounts/login/")
    assert not UserSession.objects.filter(user=anna).exists()
    assert sign_in(User.objects.get(pk=anna.pk)).get("/staff/me/").status_code == 200


def test_resetting_takes_every_second_factor_and_tells_the_person(zoe, anna) -> None:
    key = sign_in(anna).session.session_key
    do(zoe, anna, "reset-second-factor")
    assert not Authenticator.objects.filter(user=anna).exists()
    assert staff_of_session(key) is None
    (message,) = mail.outbox
    assert message.to == [anna.email]
    assert "Heb je hier niet om gevraagd?" in message.body
    browser = sign_in(User.objects.get(pk=anna.pk))
    assert browser.get("/desk/").url == "/accounts/2fa/"
    assert verbs() == ["reset_mfa"]


def test_a_get_does_nothing(zoe, anna) -> None:
    browser = sign_in(zoe)
    for deed in DEEDS:
        assert browser.get(f"/staff/people/{anna.pk}/{deed}/").status_code == 405
    assert browser.post(f"/staff/people/{anna.pk}/nod/").status_code == 404


def test_another_site_cannot_do_it(zoe, anna) -> None:
    browser = sign_in(zoe, Client(enforce_csrf_checks=True))
    assert browser.post(f"/staff/people/{anna.pk}/disable/").status_code == 403
    anna.refresh_from_db()
    assert anna.is_active


# --- Names, cap, roles ------------------------------------------------------------------------------


def test_changing_names_and_cap(zoe, anna) -> None:
    data = {"form": "person", "name": "Anna B", "chat_name": "An", "chat_cap": 3}
    answer = sign_in(zoe).post(f"/staff/people/{anna.pk}/", data)
    assert answer.status_code == 302
    anna.refresh_from_db()
    assert (anna.name, anna.chat_name, anna.chat_cap) == ("Anna B", "An", 3)
    event = AuditEvent.objects.get()
    assert event.detail == "chat_cap chat_name name"
    assert event.explanation == "gesprekken tegelijk, naam in de chat, naam"


@pytest.mark.parametrize(
    "change", [{"chat_cap": 0}, {"chat_cap": 7}, {"name": ""}, {"chat_name": "x" * 31}]
)
def test_a_wrong_value_changes_nothing(zoe, anna, change) -> None:
    data = {"form": "person", "name": "Anna B", "chat_name": "An", "chat_cap": 3} | change
    assert "field-error" in sign_in(zoe).post(f"/staff/people/{anna.pk}/", data).text
    anna.refresh_from_db()
    assert anna.name == "Anna Voorbeeld"
    assert verbs() == []


def roles(by: User, person: User, *wanted: str):
    data = {"form": "roles", "roles": wanted}
    return sign_in(by).post(f"/staff/people/{person.pk}/", data, follow=True)


def held(person: User) -> set[tuple[int | None, str]]:
    return set(person.memberships.values_list("institution_id", "role"))


def test_giving_and_taking_a_role(zoe, anna, zuid) -> None:
    roles(zoe, anna, f"{zuid.pk}:worker", f"{zuid.pk}:coordinator")
    assert held(anna) == {(zuid.pk, "worker"), (zuid.pk, "coordinator")}
    roles(zoe, anna, f"{zuid.pk}:coordinator")
    assert held(anna) == {(zuid.pk, "coordinator")}
    assert [(e.verb, e.detail) for e in AuditEvent.objects.all()] == [
        ("roles", "+coordinator"),
        ("roles", "-worker"),
    ]


def test_a_role_out_of_reach_is_refused(zoe, anna, both, zuid, maas) -> None:
    for wanted in (f"{maas.pk}:worker", "platform:coordinator", "x", "1:2:3"):
        assert "field-error" in roles(zoe, anna, f"{zuid.pk}:worker", wanted).text
    assert held(anna) == {(zuid.pk, "worker")}
    with pytest.raises(Refused, match="not_yours"):
        anna.set_roles({(None, "coordinator")}, rights_of(zoe), within={(None, "coordinator")})
    # What Maas gave stays, whatever Zuid does.
    roles(zoe, both, f"{zuid.pk}:coordinator")
    assert held(both) == {(zuid.pk, "coordinator"), (maas.pk, "worker")}
    assert roles(zoe, both).redirect_chain[-1][0] == "/staff/people/"
    assert held(both) == {(maas.pk, "worker")}


def test_nobody_is_left_without_a_role(zoe, anna, zuid) -> None:
    assert "minstens één rol" in roles(zoe, anna).text
    assert held(anna) == {(zuid.pk, "worker")}


def test_a_coordinator_keeps_the_own_role(zoe, dirk, zuid) -> None:
    assert "niet bij jezelf" in roles(zoe, zoe, f"{zuid.pk}:worker").text
    assert "niet bij jezelf" in roles(dirk, dirk, f"{zuid.pk}:coordinator").text
    assert (None, "coordinator") in held(dirk)
    roles(zoe, zoe, f"{zuid.pk}:worker", f"{zuid.pk}:coordinator")
    assert held(zoe) == {(zuid.pk, "worker"), (zuid.pk, "coordinator")}


def test_the_platform_gives_its_own_role(dirk, zoe, zuid) -> None:
    roles(dirk, zoe, f"{zuid.pk}:coordinator", "platform:coordinator")
    assert rights_of(zoe).is_platform_coordinator
    roles(dirk, zoe, f"{zuid.pk}:coordinator")
    assert not rights_of(zoe).is_platform_coordinator


# --- The trail --------------------------------------------------------------------------------------


def test_a_coordinator_reads_the_trail_of_the_own_institution(zoe, dirk, anna, carla) -> None:
    zoe_does = rights_of(zoe)
    anna.end_sign_ins(zoe_does)
    carla.end_sign_ins(rights_of(dirk))
    page = sign_in(zoe).get("/staff/audit/").text
    assert "Anna Voorbeeld" in page
    assert "Carla" not in page
    page = sign_in(dirk).get("/staff/audit/").text
    assert "Anna Voorbeeld" in page
    assert "Carla Voorbeeld" in page


def test_the_trail_is_filtered_by_deed_and_person(dirk, anna, bilal, carla) -> None:
    rights = rights_of(dirk)
    anna.end_sign_ins(rights)
    bilal.disable(rights)
    browser = sign_in(dirk)

    def rows(**query: object) -> list[tuple[str, str]]:
        page = browser.get("/staff/audit/", query).context["page"]
        return [(event.verb, event.person.chat_name) for event in page]

    assert rows() == [("disable", "Bilal"), ("end_sign_ins", "Anna")]
    assert rows(verb="disable") == [("disable", "Bilal")]
    assert rows(person=anna.pk) == [("end_sign_ins", "Anna")]
    assert rows(person=dirk.pk, verb="end_sign_ins") == [("end_sign_ins", "Anna")]
    assert rows(person=carla.pk) == []
    assert (
        browser.get("/staff/audit/", {"verb": "x", "person": "x", "page": "x"}).status_code == 200
    )


def test_the_trail_is_cut_in_pages_and_keeps_its_filter(dirk, anna) -> None:
    AuditEvent.objects.bulk_create(
        AuditEvent(actor=dirk, verb="read", conversation=f"c{i}") for i in range(60)
    )
    browser = sign_in(dirk)
    first = browser.get("/staff/audit/", {"verb": "read"})
    assert len(first.context["page"]) == 50
    assert "verb=read&amp;page=2" in first.text
    assert len(browser.get("/staff/audit/", {"verb": "read", "page": 2}).context["page"]) == 10


def test_the_trail_is_append_only(dirk, anna) -> None:
    anna.end_sign_ins(rights_of(dirk))
    event = AuditEvent.objects.get()
    for attempt in (
        event.save,
        event.delete,
        AuditEvent.objects.all().delete,
        lambda: AuditEvent.objects.update(verb="read"),
    ):
        with pytest.raises(TypeError):
            attempt()
    assert AuditEvent.objects.count() == 1


def _password() -> str:
    from tests.people import PASSWORD

    return PASSWORD
