"""Letters with an address, answers to them, and mails that come back."""

import uuid
from email.message import Message
from typing import Any

from django.db import transaction

from chat.models import Conversation, Visitor
from chat.reading import read_messages
from institutions.models import User
from mail.addresses import reply_address
from mail.models import Correspondence
from roster.models import ServiceLine
from tests.people import rights_of

ADDRESS = "sam.van.thuis@mailbox.example"
WORDS = "Ik durf het niet te vertellen aan mijn moeder."
ANSWER = "Dag, wat goed dat je schrijft.\n\nJe hoeft dit niet alleen te doen."


def new_id() -> str:
    return str(uuid.uuid4())


def a_letter(
    visitor: Visitor, line: ServiceLine, *, answer_by: str = "mail", address: str = ADDRESS
) -> Conversation:
    return Conversation.start_letter(
        visitor=visitor,
        line=line,
        text=WORDS,
        client_id=new_id(),
        answer_by=answer_by,
        address=address,
    )


def answer(letter: Conversation, worker: User, text: str = ANSWER) -> None:
    """Let a worker take a letter, if need be, and answer it."""
    letter.refresh_from_db()
    staff = rights_of(worker)
    if letter.status == Conversation.Status.WAITING:
        letter.claim_letter(staff)
    letter.answer_letter(staff, text, client_id=new_id(), seen=letter.last_seq)


def texts(letter: Conversation, author: str = "visitor") -> list[str]:
    return [one.text for one in read_messages(letter.pk, 0) if one.author == author]


def address_of(letter: Conversation) -> str:
    """Return where she can answer to; as if a mail had gone out."""
    with transaction.atomic():
        return reply_address(Correspondence.follow(letter).reference)


def text_of(message: Message) -> str:
    payload: Any = message.get_payload(decode=True)
    return payload.decode().replace("\r\n", "\n")


def a_reply(
    to: str, text: str = "Dank je, ik ga het proberen.", *, message_id: str = "", **headers: str
) -> bytes:
    lines = {
        "From": f"Sam <{ADDRESS}>",
        "To": to,
        "Subject": "Re: Er staat een bericht voor je klaar",
        "Message-ID": message_id or f"<{uuid.uuid4()}@mailbox.example>",
        "Content-Type": "text/plain; charset=utf-8",
        "Content-Transfer-Encoding": "8bit",
    } | {name.replace("_", "-"): value for name, value in headers.items()}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return (head + "\r\n").encode() + text.replace("\n", "\r\n").encode() + b"\r\n"
