"""Letters for tests: written by a young person, in the inbox of an institution."""

import json
import uuid
from datetime import datetime
from typing import Any

from chat.models import Conversation, Draft
from institutions.models import Brand, Institution, User
from roster.models import LetterDuty, ServiceLine, monday_of
from tests.people import INTAKE, begin_visit, rights_of


def new_id() -> str:
    return str(uuid.uuid4())


def put_on_duty(line: ServiceLine, institution: Institution, now: datetime) -> LetterDuty:
    """Let an institution have letter duty in this week."""
    week = monday_of(line.today(now))
    LetterDuty.objects.filter(line=line, week=week).delete()
    return LetterDuty.objects.create(
        line=line, week=week, institution=institution, weights={str(institution.pk): 1}
    )


def write_letter(
    line: ServiceLine, text: str = "Hoi, ik wil iets vragen.", **about: Any
) -> Conversation:
    """Return a letter of a new visitor; its owner is who has letter duty."""
    brand: Brand = line.brands.get()
    return Conversation.start_letter(
        visitor=begin_visit(brand),
        line=line,
        text=text,
        client_id=new_id(),
        intake=json.dumps(INTAKE),
        **about,
    )


def own(letter: Conversation, institution: Institution) -> Conversation:
    """Give a letter to an institution, whoever has letter duty."""
    Conversation.objects.filter(pk=letter.pk).update(institution=institution)
    letter.refresh_from_db()
    return letter


def held_by(worker: User, letter: Conversation, draft: str = "") -> Conversation:
    letter.claim_letter(rights_of(worker))
    if draft:
        Draft.keep(letter, rights_of(worker), draft, version=0)
    return letter


def texts(letter: Conversation) -> list[str]:
    key = letter.data_key()
    return [
        key.unseal(bytes(one.body), letter.pk, one.seq, one.author, "body")
        for one in letter.messages.all()
    ]
