"""Who gets in where: every address, for every kind of person.

The table refuses by default: a route without a row here fails, and so does a row for what is no
longer there. A refused request may not change anything. Commands of sockets:
`test_permissions_commands.py`.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from channels.testing import HttpCommunicator
from django.conf import settings
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from chat.models import Conversation, QuickReply, Visitor
from institutions.models import Institution, Invitation, User
from klikvoor import monitoring
from klikvoor.asgi import application
from roster.models import ServiceLine
from tests.chat.letters import own, write_letter
from tests.people import (
    ORIGIN,
    be_present,
    begin_visit,
    make_user,
    rights_of,
    sign_in,
    visit_cookie,
)
from triage.models import Questionnaire, QuestionnaireDraft

# Anna holds the visitor's chat, Bilal is her colleague, Carla a stranger. Edith and Greta coordinate
# Zuid and Maas, Dirk the platform. Hugo is a worker who was disabled after he signed in, Ines one
# who has no second factor yet.
WORKERS = ("anna", "bilal", "carla")
COORDINATORS = ("edith", "greta", "dirk")
VISITORS = ("visitor", "other")
PEOPLE = ("anonymous", *VISITORS, *WORKERS, *COORDINATORS, "hugo", "ines")


@dataclass
class World:
    """Everybody, the cookies of their browsers, and what they can want to reach."""

    cookies: dict[str, str]
    staff: dict[str, User]
    visitor: Visitor
    chat: Conversation
    other: Visitor
    queued: Conversation
    invitation: Invitation
    token: str
    line: ServiceLine
    reply: QuickReply
    letter: Conversation

    def browser(self, person: str) -> Client:
        client = Client(headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
        if cookie := self.cookies.get(person):
            name, _, value = cookie.partition("=")
            client.cookies[name] = value
        return client


@pytest.fixture
def world(
    zuid: Institution,
    maas: Institution,
    line: ServiceLine,
    anna: User,
    bilal: User,
    carla: User,
    dirk: User,
    visitor: Visitor,
    active_conversation: Conversation,
) -> World:
    edith = make_user("Edith", (zuid, "coordinator"))
    staff = {
        "anna": anna,
        "bilal": bilal,
        "carla": carla,
        "edith": edith,
        "greta": make_user("Greta", (maas, "coordinator")),
        "dirk": dirk,
        "hugo": make_user("Hugo", (zuid, "worker")),
        "ines": make_user("Ines", (zuid, "worker"), second_factor=False),
    }
    be_present(anna, bilal, carla)
    other = begin_visit(line.brands.get())
    queued = Conversation.start(visitor=other, line=line)
    invitation, token = Invitation.invite(
        rights_of(edith),
        email="new@example.org",
        name="Nieuw",
        chat_name="Nieuw",
        institution=zuid,
        role="worker",
    )
    cookies = {"visitor": visit_cookie(visitor), "other": visit_cookie(other)}
    for name, user in staff.items():
        cookies[name] = f"{settings.SESSION_COOKIE_NAME}={sign_in(user).session.session_key}"
    User.objects.filter(pk=staff["hugo"].pk).update(is_active=False)
    return World(
        cookies=cookies,
        staff=staff,
        visitor=visitor,
        chat=active_conversation,
        other=other,
        queued=queued,
        invitation=invitation,
        token=token,
        line=line,
        reply=QuickReply.objects.create(shortcut="Hello", text="Hello!"),
        letter=own(write_letter(line), zuid),
    )


# --- Addresses ----------------------------------------------------------------------------------


def row(default: str, **exceptions: str) -> dict[str, str]:
    """Return the outcome for each person; `workers`, `coordinators` and `visitors` are groups."""
    groups = {"workers": WORKERS, "coordinators": COORDINATORS, "visitors": VISITORS}
    outcomes = dict.fromkeys(PEOPLE, default)
    for name, outcome in exceptions.items():
        for person in groups.get(name, (name,)):
            assert person in outcomes
            outcomes[person] = outcome
    return outcomes


# What a request can end in. `in`: a page, a redirect after a deed, or a form with its errors.
EVERYBODY = row("in")
NOBODY = row("hidden")
NOT_LIKE_THIS = row("method")
STAFF = row("login", workers="in", coordinators="in", ines="mfa")
WORKER = row("login", workers="in", coordinators="no", ines="mfa")
COORDINATOR = row("login", workers="no", coordinators="in", ines="mfa")
PLATFORM = row("login", workers="no", coordinators="no", dirk="in", ines="mfa")
# The same, about something that is not there.
PLATFORM_NOTHING = PLATFORM | {"dirk": "hidden"}
# About somebody or something of Zuid; the coordinator of Maas does not hear that it exists.
OF_ZUID = COORDINATOR | {"greta": "hidden"}
# allauth's pages for whoever signed in with a second factor, or still has to make one.
SIGNED_IN = row("login", workers="in", coordinators="in", ines="in")
WITHOUT_HALF = EVERYBODY | {"ines": "mfa"}
# The pages of allauth that only show something turn other methods away after who may not see it.
STAFF_NOT_LIKE_THIS = row("login", workers="method", coordinators="method", ines="mfa")


@dataclass
class Address:
    get: dict[str, str]
    post: dict[str, str] = field(default_factory=lambda: NOT_LIKE_THIS)
    kwargs: Callable[[World], dict[str, Any]] = lambda world: {}
    data: Callable[[World], dict[str, Any]] = lambda world: {}


def about_anna(world: World) -> dict[str, Any]:
    return {"pk": world.staff["anna"].pk}


# A worker's own duty is theirs alone; a colleague does not hear that it exists.
ONLY_ANNAS = row("login", anna="in", bilal="hidden", carla="hidden", coordinators="no", ines="mfa")


def annas_duty(world: World) -> dict[str, Any]:
    return {"pk": world.staff["anna"].duties.get().pk}


def annas_hour(world: World) -> dict[str, Any]:
    return {"pk": world.staff["anna"].duties.get().hour_id}


# A letter of Zuid: its workers, and nobody of another institution.
LETTER_OF_ZUID = row("login", workers="in", carla="hidden", coordinators="no", ines="mfa")


def the_letter(world: World) -> dict[str, Any]:
    return {"pk": world.letter.pk}


def nothing(world: World) -> dict[str, Any]:
    return {"pk": 10**6}


# The questions of a site that no institution keeps.
OF_SITE = row("login", workers="no", coordinators="hidden", dirk="in", ines="mfa")


def site(world: World) -> dict[str, Any]:
    return {"pk": world.line.brands.get().pk}


def versioned(world: World) -> dict[str, Any]:
    return {**site(world), "number": Questionnaire.current(world.line.brands.get()).version}


def drafted(world: World) -> dict[str, Any]:
    """The same site, with a draft."""
    brand = world.line.brands.get()
    if not QuestionnaireDraft.objects.filter(brand=brand).exists():
        by = rights_of(world.staff["dirk"])
        QuestionnaireDraft.start(brand, by, Questionnaire.current(brand).data, from_version=1)
    return site(world)


ADDRESSES: dict[str, Address] = {
    # mail
    # Whoever has the link stops the mail; a wrong one looks as if that was done.
    "stop_mail": Address(EVERYBODY, EVERYBODY, kwargs=lambda world: {"token": "x" * 42}),
    # No mail came for this letter; who may read one: tests/mail/test_whole_mail.py.
    "letter_mail": Address(
        row("login", workers="hidden", coordinators="no", dirk="no", ines="mfa"),
        kwargs=lambda world: {**the_letter(world), "seq": 1},
    ),
    "undelivered": Address(COORDINATOR),
    "send_again": Address(
        NOT_LIKE_THIS,
        row("login", workers="no", coordinators="hidden", ines="mfa"),
        kwargs=lambda world: {"kind": "staff", "pk": 10**6},
    ),
    # triage
    "visit": Address(
        EVERYBODY, EVERYBODY, data=lambda world: {"action": "language", "language": "nl"}
    ),
    "privacy": Address(EVERYBODY),
    "come_back": Address(EVERYBODY, EVERYBODY, data=lambda world: {"words": "geen code"}),
    "brand_css": Address(EVERYBODY),
    "places": Address(EVERYBODY),
    "sites": Address(PLATFORM),
    "new_site": Address(PLATFORM, PLATFORM),
    "site": Address(PLATFORM, PLATFORM, kwargs=lambda world: {"pk": world.line.brands.get().pk}),
    # A coordinator of other sites does not hear which there are.
    "questions": Address(COORDINATOR),
    "questions_of": Address(OF_SITE, kwargs=site),
    "questions_version": Address(OF_SITE, kwargs=versioned),
    "questions_export": Address(OF_SITE, kwargs=versioned),
    "questions_start": Address(NOT_LIKE_THIS, OF_SITE, kwargs=site),
    "questions_discard": Address(NOT_LIKE_THIS, OF_SITE, kwargs=drafted),
    "questions_import": Address(OF_SITE, OF_SITE, kwargs=site),
    "questions_try": Address(OF_SITE, OF_SITE, kwargs=drafted),
    "questions_forget_example": Address(
        NOT_LIKE_THIS,
        OF_SITE | {"dirk": "hidden"},
        kwargs=lambda world: {**site(world), "example": 10**6},
    ),
    "questions_draft": Address(
        OF_SITE, OF_SITE, kwargs=drafted, data=lambda world: {"deed": "name", "name": "x"}
    ),
    "questions_export_draft": Address(OF_SITE, kwargs=drafted),
    "questions_differences": Address(OF_SITE, kwargs=drafted),
    "questions_publish": Address(OF_SITE, OF_SITE, kwargs=drafted),
    "questions_new_part": Address(
        OF_SITE, OF_SITE, kwargs=lambda world: {**drafted(world), "kind": "rule"}
    ),
    "questions_part": Address(
        OF_SITE, OF_SITE, kwargs=lambda world: {**drafted(world), "kind": "rule", "key": "0"}
    ),
    # chat
    "queue_rules": Address(PLATFORM, PLATFORM, kwargs=lambda world: {"pk": world.line.pk}),
    "desk": Address(WORKER, WORKER),
    # Staff look; the platform opens and closes by hand.
    "today": Address(STAFF, PLATFORM),
    "replies": Address(COORDINATOR),
    "new_reply": Address(COORDINATOR, COORDINATOR),
    "reply": Address(
        # The platform's own: other coordinators do not hear that it is there.
        row("login", workers="no", coordinators="hidden", dirk="in", ines="mfa"),
        row("login", workers="no", coordinators="hidden", dirk="in", ines="mfa"),
        kwargs=lambda world: {"pk": world.reply.pk},
    ),
    "letters": Address(WORKER),
    "letter": Address(LETTER_OF_ZUID, kwargs=the_letter),
    "letter_draft": Address(NOT_LIKE_THIS, LETTER_OF_ZUID, kwargs=the_letter),
    # Of its deeds, the one that everybody of the institution may; tests/chat/test_letter_page.py.
    "do_letter": Address(
        NOT_LIKE_THIS,
        LETTER_OF_ZUID,
        kwargs=lambda world: {**the_letter(world), "deed": "claim"},
    ),
    "letter_figures": Address(COORDINATOR),
    # roster
    "roster_letters": Address(PLATFORM, PLATFORM, data=lambda world: {"deed": "deal"}),
    "roster_week": Address(STAFF, STAFF_NOT_LIKE_THIS),
    "roster_month": Address(STAFF, STAFF_NOT_LIKE_THIS),
    "roster_gaps": Address(STAFF, STAFF_NOT_LIKE_THIS),
    # Of its deeds, one that is the platform's; tests/roster/test_hour_page.py has the others.
    "roster_hour": Address(
        STAFF,
        row("login", workers="no", coordinators="no", dirk="in", ines="mfa"),
        kwargs=lambda world: {"pk": world.line.hours.get().pk},
        data=lambda world: {"action": "cancel"},
    ),
    "roster_mine": Address(WORKER),
    "roster_free": Address(WORKER),
    "roster_my_hours": Address(WORKER),
    "roster_my_duty": Address(ONLY_ANNAS, kwargs=annas_duty),
    "roster_do_duty": Address(
        NOT_LIKE_THIS,
        ONLY_ANNAS,
        kwargs=lambda world: {**annas_duty(world), "deed": "cannot-come"},
    ),
    "roster_take": Address(NOT_LIKE_THIS, WORKER, kwargs=annas_hour),
    "roster_step_in": Address(NOT_LIKE_THIS, WORKER, kwargs=annas_hour),
    # Nobody asked this, and nobody hears whether somebody asked something else.
    "roster_do_request": Address(
        NOT_LIKE_THIS,
        row("login", workers="hidden", coordinators="no", ines="mfa"),
        kwargs=lambda world: {"pk": 10**6, "deed": "claim"},
    ),
    "roster_claim_hours": Address(
        NOT_LIKE_THIS,
        row("login", workers="hidden", coordinators="no", ines="mfa"),
        kwargs=lambda world: {"pk": 10**6},
    ),
    "roster_availability": Address(WORKER, WORKER),
    "roster_feed": Address(WORKER, WORKER),
    # Whoever has the secret address gets in, signed in or not; tests/roster/test_feed.py.
    "roster_feed_ics": Address(NOBODY, kwargs=lambda world: {"token": "x" * 43}),
    "roster_rules": Address(PLATFORM, PLATFORM),
    "roster_rule": Address(PLATFORM_NOTHING, PLATFORM_NOTHING, kwargs=nothing),
    "roster_exceptions": Address(PLATFORM, PLATFORM),
    "roster_days": Address(PLATFORM, PLATFORM),
    "roster_suggest_holidays": Address(NOT_LIKE_THIS, PLATFORM),
    "roster_change_exception": Address(
        NOT_LIKE_THIS, PLATFORM_NOTHING, kwargs=lambda world: {"pk": 10**6, "deed": "confirm"}
    ),
    "roster_periods": Address(PLATFORM, PLATFORM),
    "roster_period": Address(PLATFORM_NOTHING, kwargs=nothing),
    "roster_shares": Address(PLATFORM_NOTHING, PLATFORM_NOTHING, kwargs=nothing),
    "roster_carry": Address(NOT_LIKE_THIS, PLATFORM_NOTHING, kwargs=nothing),
    "roster_deal": Address(PLATFORM_NOTHING, PLATFORM_NOTHING, kwargs=nothing),
    "roster_proposals": Address(PLATFORM_NOTHING, PLATFORM_NOTHING, kwargs=nothing),
    "roster_proposal_line": Address(
        PLATFORM_NOTHING, PLATFORM_NOTHING, kwargs=lambda world: {"pk": 10**6, "line": 1}
    ),
    "roster_publish": Address(PLATFORM_NOTHING, PLATFORM_NOTHING, kwargs=nothing),
    "roster_move_period": Address(
        NOT_LIKE_THIS, PLATFORM_NOTHING, kwargs=lambda world: {"pk": 10**6, "deed": "signup"}
    ),
    "roster_costs": Address(PLATFORM, PLATFORM),
    "roster_agreements": Address(PLATFORM, PLATFORM),
    "roster_tasks": Address(COORDINATOR, COORDINATOR),
    "roster_cost_run": Address(PLATFORM_NOTHING, kwargs=nothing),
    "roster_export_costs": Address(
        PLATFORM_NOTHING, kwargs=lambda world: {"pk": 10**6, "form": "csv"}
    ),
    # Coordinators of institutions see what is of their own.
    "roster_ledger": Address(COORDINATOR),
    "roster_export": Address(COORDINATOR, kwargs=lambda world: {"what": "ledger", "form": "csv"}),
    "roster_post_entry": Address(NOT_LIKE_THIS, PLATFORM),
    "roster_reverse_entry": Address(NOT_LIKE_THIS, PLATFORM_NOTHING, kwargs=nothing),
    "roster_corrections": Address(COORDINATOR),
    "roster_decide": Address(
        NOT_LIKE_THIS,
        row("login", workers="no", coordinators="hidden", ines="mfa"),
        kwargs=nothing,
    ),
    # institutions
    "staff_home": Address(STAFF),
    "staff_me": Address(STAFF, STAFF),
    "end_other_sign_ins": Address(NOT_LIKE_THIS, STAFF),
    "end_sign_in": Address(
        NOT_LIKE_THIS,
        # Nobody has a sign-in of this number, and nobody hears whether somebody else has.
        row("login", workers="hidden", coordinators="hidden", ines="mfa"),
        kwargs=lambda world: {"pk": 10**6},
    ),
    "people": Address(COORDINATOR),
    "invite": Address(COORDINATOR, COORDINATOR),
    "change_invitation": Address(
        NOT_LIKE_THIS,
        OF_ZUID,
        kwargs=lambda world: {"pk": world.invitation.pk, "deed": "withdraw"},
    ),
    "person": Address(OF_ZUID, OF_ZUID, kwargs=about_anna),
    "do_to_person": Address(
        NOT_LIKE_THIS, OF_ZUID, kwargs=lambda world: {**about_anna(world), "deed": "disable"}
    ),
    "institutions": Address(PLATFORM),
    "new_institution": Address(PLATFORM, PLATFORM),
    "institution": Address(
        PLATFORM, PLATFORM, kwargs=lambda world: {"pk": world.chat.institution_id}
    ),
    "audit": Address(COORDINATOR),
    "invitation": Address(NOBODY, NOBODY),
    "invitation_link": Address(EVERYBODY, kwargs=lambda world: {"token": world.token}),
    # accounts
    "account_login": Address(EVERYBODY, EVERYBODY),
    # Leads to the sign-in page, whoever one was.
    "account_logout": Address(SIGNED_IN, row("login")),
    "account_inactive": Address(EVERYBODY),
    "demo_sign_in": Address(NOT_LIKE_THIS, NOBODY, kwargs=about_anna),
    "account_reauthenticate": Address(SIGNED_IN, SIGNED_IN),
    "account_change_password": Address(STAFF, STAFF),
    "account_set_password": Address(STAFF, STAFF),
    "account_reset_password": Address(WITHOUT_HALF, WITHOUT_HALF),
    "account_reset_password_done": Address(WITHOUT_HALF, NOT_LIKE_THIS | {"ines": "mfa"}),
    "account_reset_password_from_key": Address(
        WITHOUT_HALF,
        WITHOUT_HALF,
        kwargs=lambda world: {"uidb36": "1", "key": "wrong"},
    ),
    "account_reset_password_from_key_done": Address(WITHOUT_HALF, NOT_LIKE_THIS | {"ines": "mfa"}),
    "mfa_index": Address(SIGNED_IN, STAFF_NOT_LIKE_THIS | {"ines": "method"}),
    "mfa_authenticate": Address(STAFF, STAFF),
    "mfa_reauthenticate": Address(STAFF, STAFF),
    "mfa_activate_totp": Address(SIGNED_IN, SIGNED_IN),
    "mfa_deactivate_totp": Address(STAFF, STAFF),
    # Nobody has any yet.
    "mfa_view_recovery_codes": Address(
        row("login", workers="hidden", coordinators="hidden", ines="mfa"), STAFF_NOT_LIKE_THIS
    ),
    "mfa_generate_recovery_codes": Address(STAFF, STAFF),
    "mfa_list_webauthn": Address(STAFF, STAFF_NOT_LIKE_THIS),
    "mfa_add_webauthn": Address(SIGNED_IN, SIGNED_IN),
    "mfa_login_webauthn": Address(SIGNED_IN, SIGNED_IN),
    "mfa_reauthenticate_webauthn": Address(STAFF, STAFF),
    "mfa_remove_webauthn": Address(STAFF, STAFF, kwargs=lambda world: {"pk": 10**6}),
    "mfa_edit_webauthn": Address(STAFF, STAFF, kwargs=lambda world: {"pk": 10**6}),
}
# These run their database work in other threads; test_frames_without_a_socket has their table.
IN_THREADS = {"visit_frames", "desk_frames"}


def routes(patterns: list[Any]) -> Iterator[str]:
    for pattern in patterns:
        if isinstance(pattern, URLResolver):
            yield from routes(pattern.url_patterns)
        elif isinstance(pattern, URLPattern):
            assert pattern.name, f"{pattern} has no name, so nothing can be said about it"
            yield pattern.name


def test_every_address_has_a_row() -> None:
    assert set(routes(get_resolver().url_patterns)) == ADDRESSES.keys() | IN_THREADS


def outcome(response: HttpResponse) -> str:
    if response.status_code in (302, 303):
        path = response["Location"].partition("?")[0]
        if path == reverse("account_login"):
            return "login"
        return "mfa" if path == reverse("mfa_index") else "in"
    if response.status_code >= 500:
        return f"status {response.status_code}"
    return {403: "no", 404: "hidden", 405: "method"}.get(response.status_code, "in")


def changes(queries: CaptureQueriesContext) -> list[str]:
    """What was written, apart from sessions, which say nothing about anybody."""
    return [
        query["sql"]
        for query in queries.captured_queries
        if query["sql"].startswith(("INSERT", "UPDATE", "DELETE")) and "session" not in query["sql"]
    ]


@pytest.mark.parametrize("method", ["get", "post"])
def test_addresses_let_in_whom_they_should(world: World, method: str) -> None:
    wrong = []
    for name, address in ADDRESSES.items():
        url = reverse(name, kwargs=address.kwargs(world))
        for person, expected in getattr(address, method).items():
            browser = world.browser(person)
            browser.raise_request_exception = False
            point = transaction.savepoint()
            with CaptureQueriesContext(connection) as queries:
                response = getattr(browser, method)(url, address.data(world))
            transaction.savepoint_rollback(point)
            found = outcome(response)
            if found != expected:
                wrong.append(f"{person}, {name}: {expected} expected, {found} found")
            if found != "in" and changes(queries):
                wrong.append(f"{person}, {name}: refused, and changed something")

    assert not wrong, "\n".join(wrong)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("name", sorted(IN_THREADS))
def test_frames_without_a_socket(world: World, name: str) -> None:
    may = VISITORS if name == "visit_frames" else WORKERS
    hello: dict[str, Any] = {"type": "hello", "after": {}}
    for person in PEOPLE:
        if name == "visit_frames":
            own = world.queued if person == "other" else world.chat
            hello = {"type": "hello", "conversation": own.pk, "after": 0}
        browser = world.browser(person)

        response = browser.post(reverse(name), {"frames": [hello]}, content_type="application/json")

        assert response.status_code == (200 if person in may else 401), person
        if person in may:
            assert response.json()["frames"][0]["type"] == "hello"
        else:
            assert b"frames" not in response.content
        assert browser.get(reverse(name)).status_code in (401, 405)


# --- Before Django ------------------------------------------------------------------------------


BEFORE_DJANGO = ("/healthz", "/healthz/live", "/healthz/ready", "/metrics")


def test_every_address_before_django_has_a_row() -> None:
    assert set(BEFORE_DJANGO) == monitoring.PATHS


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", BEFORE_DJANGO)
async def test_what_monitoring_asks_is_hidden_from_everybody_who_visits_the_site(
    world: World, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who somebody is does not matter there; where they come from does. tests/klikvoor/test_health.py."""
    monkeypatch.setattr(settings, "ALLOWED_HOSTS", ["chat.example.org"])
    for person in PEOPLE:
        cookie = world.cookies.get(person, "")
        headers = [(b"host", b"chat.example.org"), (b"cookie", cookie.encode())]
        response = await HttpCommunicator(application, "GET", path, headers=headers).get_response()
        assert (response["status"], response["body"]) == (404, b""), person
