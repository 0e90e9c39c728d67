"""The people who stand ready in every test, and how they come in.

Anna and Bilal work for Zuid, Carla for Maas: to a chat that Anna took, Bilal is a colleague and
Carla a stranger. Dirk coordinates Zuid and the platform. The visitor is a young person.
"""

import json
from datetime import timedelta

import pytest
from django.conf import settings
from django.test import Client
from django.utils import timezone

from chat.models import Conversation, Visitor
from institutions.access import Staff, staff_of
from institutions.models import Brand, Institution, Membership, User
from roster.models import ConsultationHour, Duty, Presence, ServiceLine

PASSWORD = "een lang wachtwoord voor de test"
TOTP_SECRET = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP"
ORIGIN = "http://testserver"
INTAKE = {
    "reasons": [{"nl": "Je zei: ik voel me niet veilig", "en": "You said: I do not feel safe"}],
    "answers": [
        {
            "question": {"nl": "Waar gaat het over?", "en": "What is it about?"},
            "answer": {"nl": "Thuis", "en": "Home"},
        }
    ],
}


def make_user(
    name: str, *rights: tuple[Institution | None, str], second_factor: bool = True
) -> User:
    """Make a member of staff with a password, these memberships and, as a rule, a TOTP app."""
    user = User.objects.create_user(
        f"{name.lower()}@example.org", PASSWORD, name=f"{name} Voorbeeld", chat_name=name
    )
    for institution, role in rights:
        Membership.objects.create(user=user, institution=institution, role=role)
    if second_factor:
        add_second_factor(user)
    return user


def add_second_factor(user: User) -> None:
    from allauth.mfa.totp.internal.auth import TOTP

    TOTP.activate(user, TOTP_SECRET)


def rights_of(user: User) -> Staff:
    """Return the rights of somebody who has some."""
    staff = staff_of(user)
    assert staff is not None
    return staff


def sign_in(user: User, client: Client | None = None) -> Client:
    """Return a browser in which the user just signed in, with password and second factor."""
    client = client or Client()
    client.force_login(user)
    session = client.session
    now = timezone.now().timestamp()
    session["account_authentication_methods"] = [
        {"method": "password", "at": now, "email": user.email},
        {"method": "mfa", "at": now, "type": "totp"},
    ]
    session.save()
    return client


def staff_cookie(user: User) -> str:
    """Return the Cookie header of a browser in which the user signed in: `session=…`."""
    key = sign_in(user).session.session_key
    return f"{settings.SESSION_COOKIE_NAME}={key}"


def visit_cookie(visitor: Visitor) -> str:
    """Return the Cookie header of a visitor's browser: `visit=…`."""
    return f"{settings.VISIT_COOKIE_NAME}={visitor.token}"  # type: ignore[attr-defined]


def socket_headers(cookie: str = "", origin: str = ORIGIN) -> list[tuple[bytes, bytes]]:
    """Return the headers with which a browser opens a socket."""
    headers = [(b"host", b"testserver"), (b"origin", origin.encode())]
    if cookie:
        headers.append((b"cookie", cookie.encode()))
    return headers


def begin_visit(brand: Brand, language: str = "nl") -> Visitor:
    """Return a new visitor whose `token`, which only the browser knows, is still on it."""
    visitor, visitor.token = Visitor.begin(brand, language)  # type: ignore[attr-defined]
    return visitor


def visitor_browser(visitor: Visitor) -> Client:
    """Return the browser of this visit."""
    client = Client(headers={"origin": ORIGIN, "sec-fetch-site": "same-origin"})
    client.cookies[settings.VISIT_COOKIE_NAME] = visitor.token  # type: ignore[attr-defined]
    return client


def be_present(*workers: User, state: str = Presence.State.AVAILABLE) -> None:
    """Put workers at their desks, for as long as a lease lasts; there for ten minutes already."""
    now = timezone.now()
    for worker in workers:
        Presence.renew(worker.pk, now=now, state=state)
        if state == Presence.State.AVAILABLE:
            long_ago = now - timedelta(minutes=10)
            Presence.objects.filter(worker=worker).update(ready_since=long_ago)


def open_hour_for(line: ServiceLine, *workers: User, min_staff: int = 1) -> ConsultationHour:
    """Make a consultation hour, from an hour ago until two hours from now, with these on duty."""
    now = timezone.now().astimezone(line.zone).replace(second=0, microsecond=0)
    start, end = now - timedelta(hours=1), now + timedelta(hours=2)
    hour = ConsultationHour.objects.create(
        line=line,
        local_date=start.date(),
        local_start=start.time(),
        local_end=end.time(),
        tz=line.tz,
        min_staff=min_staff,
    )
    hour.make_seats()
    for seat, worker in zip(hour.seats.order_by("no"), workers, strict=False):
        membership = worker.memberships.workers().first()
        assert membership is not None
        assert membership.institution is not None
        Duty.objects.create(
            hour=hour,
            seat=seat,
            worker=worker,
            credited_to=membership.institution,
            start=hour.start,
            end=hour.end,
        )
    return hour


@pytest.fixture
def zuid(db: None) -> Institution:
    return Institution.objects.create(name="Welzijn Zuid")


@pytest.fixture
def maas(db: None) -> Institution:
    return Institution.objects.create(name="Maaskracht")


@pytest.fixture
def anna(zuid: Institution) -> User:
    """A worker of Zuid; what is claimed in tests, she claimed."""
    return make_user("Anna", (zuid, "worker"))


@pytest.fixture
def bilal(zuid: Institution) -> User:
    """A worker of Zuid: Anna's colleague."""
    return make_user("Bilal", (zuid, "worker"))


@pytest.fixture
def carla(maas: Institution) -> User:
    """A worker of Maas: a stranger to what Zuid owns."""
    return make_user("Carla", (maas, "worker"))


@pytest.fixture
def dirk(zuid: Institution) -> User:
    """The coordinator of Zuid and of the platform; no worker."""
    return make_user("Dirk", (zuid, "coordinator"), (None, "coordinator"))


@pytest.fixture
def edith(zuid: Institution) -> User:
    """The coordinator of Zuid, and of nothing else."""
    return make_user("Edith", (zuid, "coordinator"))


@pytest.fixture
def brand(db: None) -> Brand:
    return Brand.objects.create(host="testserver", name="Klikvoorhulp", is_default=True)


@pytest.fixture
def line(brand: Brand) -> ServiceLine:
    line = ServiceLine.objects.create(name="Klikvoorhulp")
    line.brands.add(brand)
    return line


@pytest.fixture
def open_hour(line: ServiceLine, anna: User, bilal: User) -> ConsultationHour:
    """A consultation hour that is going on, with Anna and Bilal on duty and at their desks."""
    hour = open_hour_for(line, anna, bilal)
    be_present(anna, bilal)
    return hour


@pytest.fixture
def visitor(brand: Brand) -> Visitor:
    """A young person's visit; `visitor.token` is in the cookie."""
    return begin_visit(brand)


@pytest.fixture
def waiting_conversation(visitor: Visitor, line: ServiceLine) -> Conversation:
    """The visitor's chat, in the queue."""
    return Conversation.start(
        visitor=visitor, line=line, urgency="normal", intake=json.dumps(INTAKE)
    )


@pytest.fixture
def active_conversation(
    waiting_conversation: Conversation, open_hour: ConsultationHour, anna: User
) -> Conversation:
    """The visitor's chat, taken by Anna."""
    waiting_conversation.claim(rights_of(anna))
    return waiting_conversation
