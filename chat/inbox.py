"""Which letters a worker has before them, in which box, and in what order.

Read from the conversations alone: times, owners and numbers, never a word. The desk shows the counts
of what the page of the inbox lists, so both ask here.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db.models import Q
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from chat.models import Conversation, Draft, SecondReading
from institutions.models import Membership
from roster.workdays import half_of

# In the order of the page.
BOXES: dict[str, Promise] = {
    "new": _("Nieuw"),
    "mine": _("Van mij"),
    "waiting": _("Wacht op jongere"),
    "overdue": _("Te laat"),
    "institution": _("Van mijn instelling"),
    "asked": _("Meelezen"),
}
_RANK = {Conversation.Urgency.NOW: 0, Conversation.Urgency.SOON: 1, Conversation.Urgency.NORMAL: 2}


@dataclass(frozen=True)
class Letter:
    """A letter as the inbox lists it."""

    conversation: str
    line: int
    status: str
    urgency: str
    institution: int | None
    worker: int | None
    worker_name: str
    brand: str
    language: str
    since: datetime
    due_at: datetime | None
    zone: ZoneInfo
    unread: int
    to_register: bool
    now: datetime

    @property
    def is_waiting_for_visitor(self) -> bool:
        return self.due_at is None and not self.to_register

    @property
    def is_overdue(self) -> bool:
        return self.due_at is not None and self.due_at <= self.now

    @property
    def is_half_way(self) -> bool:
        return self.due_at is not None and half_of(self.due_at, self.zone) <= self.now

    @property
    def order(self) -> tuple[bool, bool, datetime, int, str]:
        """Who needs help now first, then what is promised soonest, then the more urgent."""
        return (
            self.urgency != Conversation.Urgency.NOW,
            self.due_at is None,
            self.due_at or self.since,
            _RANK[Conversation.Urgency(self.urgency)],
            self.conversation,
        )


class Inbox:
    """All letters that are going on, read in three queries for however many workers ask."""

    def __init__(self, now: datetime, institutions: Iterable[int] | None = None) -> None:
        """`institutions`: only what those own; None: everything."""
        self.now = now
        to_register = Q(status=Conversation.Status.CLOSED, contact_kind="", worker__isnull=False)
        to_register &= ~Q(closing_reason=Conversation.ClosingReason.ERASED)
        letters = Conversation.objects.letters().filter(
            Q(status__in=Conversation.LIVE) | to_register
        )
        if institutions is not None:
            letters = letters.filter(institution__in=institutions)
        rows = letters.select_related("worker", "brand", "line").defer("sealed_intake")
        self.letters = sorted((self._letter(one) for one in rows), key=lambda one: one.order)
        self.asked: dict[str, tuple[int | None, int]] = {}
        self.employed: dict[int, set[int]] = {}
        if not self.letters:
            return
        readings = SecondReading.objects.open().filter(
            conversation__in=[one.conversation for one in self.letters]
        )
        for conversation, reader, asked_by in readings.values_list(
            "conversation", "reader", "asked_by"
        ):
            self.asked[conversation] = (reader, asked_by)
        workers = Membership.objects.active().workers().exclude(institution=None)
        for worker, institution in workers.values_list("user", "institution"):
            self.employed.setdefault(worker, set()).add(institution or 0)

    def _letter(self, one: Conversation) -> Letter:
        return Letter(
            conversation=one.pk,
            line=one.line_id,
            status=one.status,
            urgency=one.urgency,
            institution=one.institution_id,
            worker=one.worker_id,
            worker_name=one.worker.name if one.worker else "",
            brand=one.brand.name,
            language=one.language,
            since=one.waiting_since,
            due_at=one.due_at,
            zone=one.line.zone,
            unread=max(0, one.last_seq - one.worker_seq),
            to_register=one.status == Conversation.Status.CLOSED,
            now=self.now,
        )

    def boxes(self, letter: Letter, worker: int) -> set[str]:
        """In which boxes of this worker a letter lies; none when it is not theirs to see."""
        mine = letter.worker == worker
        if not mine and letter.institution not in self.employed.get(worker, ()):
            return set()
        if letter.to_register:
            return {"mine"} if mine else set()
        found = {"institution"}
        if mine:
            found.add("mine")
        if letter.is_waiting_for_visitor:
            found.add("waiting")
        elif letter.status == Conversation.Status.WAITING:
            found.add("new")
        if letter.is_overdue:
            found.add("overdue")
        reader, asked_by = self.asked.get(letter.conversation, (0, worker))
        if asked_by != worker and reader in (None, worker):
            found.add("asked")
        return found

    def box(self, name: str, worker: int) -> list[Letter]:
        return [one for one in self.letters if name in self.boxes(one, worker)]

    def counts(self, worker: int) -> dict[str, int]:
        """How many letters lie in each box of this worker; `unread`: own ones with a new answer."""
        found = dict.fromkeys([*BOXES, "unread"], 0)
        for letter in self.letters:
            for name in self.boxes(letter, worker):
                found[name] += 1
            if letter.worker == worker and letter.unread:
                found["unread"] += 1
        return found


def draft_of(letter: Conversation) -> Draft | None:
    return Draft.objects.filter(conversation=letter).select_related("conversation__key").first()
