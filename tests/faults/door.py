"""The door of the site under test: brings in people, and reads out at the end what is stored.

A process beside the servers, on their database: `python -m tests.faults.door` reads one JSON order
a line and answers each with one line. It works through the models' own verbs, so that the rows are
those of real visits.
"""

import json
import os
import sys
import traceback
from datetime import time, timedelta
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "klikvoor.settings")

import django

django.setup()

from allauth.account.forms import default_token_generator
from allauth.account.utils import user_pk_to_url_str
from django.conf import settings
from django.core.management import call_command
from django.core.signing import BadSignature
from django.db import close_old_connections, connection
from django.test import RequestFactory
from django.urls import reverse
from django.utils import timezone

from chat import pressure
from chat.keys import data_keys
from chat.models import (
    Conversation,
    ConversationKey,
    Invitation,
    Message,
    Note,
    ReturnCode,
    StatusChange,
    Transfer,
    Visitor,
)
from institutions.access import staff_of
from institutions.models import AuditEvent, Brand, Institution, Membership, User
from institutions.places import municipalities
from mail.models import VisitorMail
from roster.jobs import deal_letter_duty
from roster.models import ConsultationHour, Presence, ServiceLine
from tests.chat.test_pressure import solve
from tests.people import add_second_factor, sign_in
from triage.models import Intake


def found(*, institutions: int, workers: int, answerers: int = 0) -> dict[str, Any]:
    """Make a site with so many institutions, and so many workers in each.

    `answerers` more of each institution answer letters, which come from its own municipality or by
    letter duty; there is an hour to invite to.
    """
    call_command("migrate", verbosity=0)
    brand = Brand.objects.create(host="localhost", name="Faults", is_default=True)
    line = ServiceLine.objects.create(name="Faults")
    line.brands.add(brand)
    people, for_letters, found = [], [], []
    for number in range(institutions):
        institution = Institution.objects.create(
            name=f"Institution {number}", municipalities=[region_of(number)]
        )
        found.append(institution.pk)
        for _ in range(workers):
            people.append(new_worker(institution, len(people)))
        for _ in range(answerers):
            for_letters.append(new_worker(institution, 100 + len(for_letters)))
    if answerers:
        hour_to_come(line)
        deal_letter_duty(timezone.now())
    return {"workers": people, "answerers": for_letters, "institutions": found}


def region_of(number: int) -> str:
    return list(municipalities())[number]


def hour_to_come(line: ServiceLine) -> None:
    """Later than the clock of the servers ever jumps."""
    start = timezone.now().astimezone(line.zone) + timedelta(days=3)
    ConsultationHour.objects.create(
        line=line,
        local_date=start.date(),
        local_start=time(12),
        local_end=time(14),
        tz=line.tz,
    )


def new_worker(institution: Institution, number: int) -> dict[str, Any]:
    user = User.objects.create(
        email=f"worker{number}@faults.example",
        name=f"Worker {number}",
        chat_name=f"Worker {number}",
        password="!",
    )
    Membership.objects.create(user=user, institution=institution, role=Membership.Role.WORKER)
    add_second_factor(user)
    session = sign_in(user).session
    # The clock of the servers jumps; a sign-in that ends by it would end the test, not the chat.
    session.set_expiry(timedelta(days=60))
    session.save()
    return {
        "id": user.pk,
        "institution": institution.pk,
        "cookie": f"{settings.SESSION_COOKIE_NAME}={session.session_key}",
    }


def visit(*, region: int | None = None) -> dict[str, Any]:
    """Let somebody new come in, and wait; `region`: from the municipality of that institution."""
    brand = Brand.objects.get()
    visitor, token = Visitor.begin(brand, "nl")
    conversation = Conversation.start(
        visitor=visitor,
        line=ServiceLine.objects.get(),
        region="" if region is None else region_of(region),
    )
    return {
        "conversation": conversation.pk,
        "cookie": f"{settings.VISIT_COOKIE_NAME}={token}",
    }


def sign(*, institution: int) -> dict[str, Any]:
    """Return all kinds of things that SECRET_KEY signs; the sign-in is that of somebody new."""
    new = new_worker(Institution.objects.get(pk=institution), User.objects.count())
    asked = pressure.ask("letter")
    link = reverse(
        "account_reset_password_from_key",
        kwargs={
            "uidb36": user_pk_to_url_str(User.objects.get(pk=new["id"])),
            "key": default_token_generator.make_token(User.objects.get(pk=new["id"])),
        },
    )
    return new | {"link": link, "work": solve(asked), "wait": asked["wait"]}


def is_taken(*, work: str, wait: str) -> dict[str, Any]:
    """Return whether these were signed with a key of ours."""
    request = RequestFactory().post("/", {"altcha": work})
    try:
        pressure._signer("letter").unsign(wait)
        is_wait_taken = True
    except BadSignature:
        is_wait_taken = False
    return {"work": pressure.is_proved(request, "letter"), "wait": is_wait_taken}


def talk(*, worker: int, messages: int = 0, letters: int = 0) -> dict[str, Any]:
    """Let somebody new come in and be taken by this worker, with so much written already."""
    new = visit()
    conversation = Conversation.objects.get(pk=new["conversation"])
    staff = staff_of(User.objects.get(pk=worker))
    assert staff is not None
    now = timezone.now()
    Presence.renew(worker, now=now, state=Presence.State.AVAILABLE)
    # However many there are already.
    staff.user.chat_cap = Conversation.objects.active().filter(worker=staff.user).count() + 1
    conversation.claim(staff, despite=True)
    key = data_keys.open(conversation.pk)
    Message.objects.bulk_create(
        Message(
            conversation=conversation,
            seq=seq,
            client_id=f"{seq:08x}-0000-4000-8000-000000000000",
            author="visitor",
            body=key.seal("x" * letters, conversation.pk, seq, "visitor", "body"),
            at=now,
        )
        for seq in range(1, messages + 1)
    )
    Conversation.objects.filter(pk=conversation.pk).update(last_seq=messages)
    return new


def read_out() -> dict[str, Any]:
    """Return everything that the checker compares with what people remember."""
    messages = []
    keys = set(ConversationKey.objects.values_list("pk", flat=True))
    for row in Message.objects.order_by("conversation", "seq").iterator():
        if row.conversation_id not in keys:  # erased, and killed before the rows went
            continue
        key = data_keys.open(row.conversation_id)
        text = key.unseal(bytes(row.body), row.conversation_id, row.seq, row.author, "body")
        messages.append(
            [row.conversation_id, row.seq, row.client_id, row.author, row.worker_id, text]
        )
    return {
        "messages": messages,
        "conversations": {
            one.pk: {
                "status": one.status,
                "top": one.last_seq,
                "worker": one.worker_id,
                "kind": one.kind,
                "institution": one.institution_id,
                # What somebody with all of our keys could still read, or lead to a person.
                "readable": one.pk in keys
                or bool(one.sealed_intake or one.sealed_address or one.visitor_id),
            }
            for one in Conversation.objects.all()
        },
        "changes": [
            [one.conversation_id, one.old, one.new, one.worker_id, one.reason, one.by]
            for one in StatusChange.objects.order_by("pk")
        ],
        "audit": [
            [one.verb, one.conversation, one.actor_id, one.detail]
            for one in AuditEvent.objects.order_by("pk")
        ],
        "notes": [[one.conversation_id, one.client_id] for one in Note.objects.all()],
        "transfers": [
            [one.conversation_id, one.asked_by_id, one.to_institution_id, one.outcome]
            for one in Transfer.objects.order_by("pk")
        ],
        "invitations": [[one.conversation_id, one.hour_id] for one in Invitation.objects.all()],
        "mails": [
            {
                "conversation": one.conversation_id,
                "kind": one.kind,
                "after": one.after,
                "seq": one.seq,
                "message_id": one.message_id,
                "is_sent": one.sent_at is not None,
                "attempts": one.attempts,
                "is_given_up": one.given_up_at is not None,
            }
            for one in VisitorMail.objects.order_by("pk")
        ],
        "untold": list(VisitorMail.untold().values_list("pk", flat=True)),
        # Answers to the questions before, and codes, of visits that nothing else belongs to.
        "left": {
            "intakes": Intake.objects.filter(visitor__token_hash=None).count(),
            "codes": ReturnCode.objects.filter(visitor__conversations=None).count(),
        },
    }


def mail_left() -> dict[str, Any]:
    """Return how many mails should go out and were not tried yet."""
    waiting = VisitorMail.objects.filter(sent_at=None, given_up_at=None, attempts=0)
    return {"left": VisitorMail.untold().count() + waiting.count()}


ORDERS = {
    "found": found,
    "visit": visit,
    "sign": sign,
    "is_taken": is_taken,
    "talk": talk,
    "read_out": read_out,
    "mail_left": mail_left,
}


def main() -> None:
    for line in sys.stdin:
        order = json.loads(line)
        try:
            close_old_connections()
            answer = ORDERS[order.pop("do")](**order)
        except Exception as error:
            connection.close()
            where = traceback.format_exc() if "DEBUG_DOOR" in os.environ else ""
            answer = {"error": f"{type(error).__name__} {where}"}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
