"""Fill an empty database of Klikvoor with chats that are going on: `python -m bench.prepare`.

Through the models' own verbs, so that the rows are those of real visits: sealed, numbered, audited.
Prints the seats (bench/load.py) as JSON.
"""

import argparse
import os
import sys
from collections.abc import Iterator
from datetime import timedelta

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")

import django

django.setup()

import msgspec
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.core.management import call_command
from django.db import transaction
from django.utils import timezone

from bench.load import Seat
from chat.models import Conversation, Visitor
from institutions.access import Staff, staff_of
from institutions.models import Brand, Institution, Membership, User
from institutions.sessions import SessionStore
from roster.models import Presence, ServiceLine

# The holders of idle chats have no desk open; this keeps the jobs from giving their chats back.
AWAY_SECONDS = 3600
CHATS_PER_ABSENT_WORKER = 25


def new_worker(institution: Institution, number: int, chat_cap: int) -> Staff:
    user = User.objects.create(
        email=f"worker{number}@bench.klikvoor.example",
        name=f"Worker {number}",
        chat_name=f"Worker {number}",
        chat_cap=chat_cap,
        password="!",
    )
    Membership.objects.create(user=user, institution=institution, role=Membership.Role.WORKER)
    TOTP.activate(user, generate_totp_secret())
    Presence.renew(
        user.pk,
        now=timezone.now() + timedelta(seconds=AWAY_SECONDS),
        state=Presence.State.AVAILABLE,
    )
    staff = staff_of(user)
    assert staff is not None
    return staff


def sign_in(staff: Staff) -> str:
    """Return the cookie of a worker who gave both factors."""
    session = SessionStore()
    session[SESSION_KEY] = str(staff.user.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = staff.user.get_session_auth_hash()
    session.create()
    return f"{settings.SESSION_COOKIE_NAME}={session.session_key}"


def new_chat(line: ServiceLine, brand: Brand, staff: Staff) -> tuple[str, Seat]:
    """Let a visitor start a conversation and the worker take it."""
    visitor, token = Visitor.begin(brand, "nl")
    conversation = Conversation.start(visitor=visitor, line=line)
    conversation.claim(staff)
    return conversation.pk, Seat(
        path="/ws/visit/",
        cookie=f"{settings.VISIT_COOKIE_NAME}={token}",
        hello=f'{{"type":"hello","conversation":"{conversation.pk}","after":0}}',
        ready="hello",
    )


def desk(conversation: str, cookie: str) -> Seat:
    return Seat(
        path="/ws/desk/",
        cookie=cookie,
        hello=f'{{"type":"hello","after":{{"{conversation}":0}}}}',
        ready="opened",
        conversation=conversation,
    )


def prepare(chats: int, idle: int) -> Iterator[tuple[Seat, Seat] | tuple[Seat]]:
    """Yield the two seats of every chat, then the visitor's seat of every idle one."""
    brand = Brand.objects.create(host="127.0.0.1", name="Bench", is_default=True)
    line = ServiceLine.objects.create(name="Bench")
    line.brands.add(brand)
    institution = Institution.objects.create(name="Bench")
    for number in range(chats):
        staff = new_worker(institution, number, 1)
        conversation, visitor = new_chat(line, brand, staff)
        yield visitor, desk(conversation, sign_in(staff))
    for number in range(idle):
        if number % CHATS_PER_ABSENT_WORKER == 0:
            absent = new_worker(institution, chats + number, CHATS_PER_ABSENT_WORKER)
        yield (new_chat(line, brand, absent)[1],)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--chats", type=int, required=True)
    parser.add_argument("--idle", type=int, required=True)
    options = parser.parse_args()
    call_command("migrate", verbosity=0)
    with transaction.atomic():
        seats = list(prepare(options.chats, options.idle))
    sys.stdout.write(msgspec.json.encode(seats).decode())


if __name__ == "__main__":
    main()
