"""What workers do with a letter: take it, answer it, give it back, close it.

Nobody has to be at the desk for this, and no consultation hour has to be open. Each verb locks the
row of the letter and asks again whose it is, so of an answer and a hand-over at the same moment one
happens whole and the other not at all.
"""

# Every `self` here is a Conversation, of which this is a base class.
# mypy: disable-error-code=misc

from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from chat import events, topics
from chat.models.letter_help import Draft, LetterAnswer, Transfer
from chat.models.refused import Refused
from chat.models.words import Message
from institutions.models import AuditEvent, Institution, Membership, User
from roster.workdays import promised

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from institutions.access import Staff

# Opening a letter again within this time is the same reading.
SAME_READING = timedelta(minutes=15)


class InboxVerbs(models.Model):
    """The verbs of workers on letters; `Conversation` inherits them. Each is one transaction."""

    class Meta:
        abstract = True

    def claim_letter(self: "Conversation", staff: "Staff") -> None:
        """Take this letter from the inbox, or take it over from a colleague of the same institution.

        Refuses: forbidden (another institution's, or no letter), taken (somebody was first),
        wrong_state (it has ended, or is theirs already).
        """
        if self.kind != self.Kind.LETTER or not staff.is_worker:
            raise Refused("forbidden")
        if self.institution_id is not None and self.institution_id not in staff.worker_of:
            raise Refused("forbidden")
        now = timezone.now()
        institution = self.institution_id or staff.institution_id
        with transaction.atomic():
            if self.status == self.Status.ACTIVE:
                if self.worker_id == staff.user.pk:
                    raise Refused("wrong_state")
                self._move(
                    self.Status.WAITING,
                    by="worker",
                    worker=staff.user,
                    reason="taken_over",
                    only=Q(worker=self.worker_id, institution=self.institution_id),
                    now=now,
                    changes={"worker": None},
                )
                self.end_asks(now)
            self._move(
                self.Status.ACTIVE,
                by="worker",
                worker=staff.user,
                only=Q(kind=self.Kind.LETTER, institution=self.institution_id),
                now=now,
                changes={
                    "worker": staff.user,
                    "institution_id": institution,
                    "claimed_at": self.claimed_at or now,
                    "worker_seq": models.F("last_seq"),
                },
            )
            self.audit(AuditEvent.Verb.CLAIM, staff)

    def answer_letter(
        self: "Conversation", staff: "Staff", text: str, *, client_id: str, seen: int
    ) -> None:
        """Send an answer: it is stored, the promise is kept, and the draft is gone, all at once.

        `text` was cleaned. `seen`: the highest number that its writer had read; when the young person
        wrote on in the meantime they read that first. The same `client_id` is stored once.
        Refuses: forbidden (not theirs any more), changed (something new came).
        """
        now = timezone.now()
        with transaction.atomic():
            self.hold(staff)
            if self.messages.filter(client_id=client_id).exists():
                return
            self._refuse_unread(seen)
            if self.due_at is not None:
                LetterAnswer.note(self, now)
            seq = Message.enclose(self, text, client_id=client_id, now=now, by=staff.user)
            Draft.objects.filter(conversation=self).delete()
            self.second_readings.open().update(withdrawn_at=now)
            type(self).objects.filter(pk=self.pk).update(worker_seq=seq)
            self.answered()
            self.audit(AuditEvent.Verb.LETTER, staff, "answered")
            events.publish(
                events.MessagePosted(
                    conversation=self.pk,
                    seq=seq,
                    client_id=client_id,
                    author=Message.Author.WORKER,
                    name=staff.user.chat_name,
                    text=text,
                    at=now.isoformat(timespec="milliseconds"),
                )
            )
        self.refresh_from_db()

    def return_letter(self: "Conversation", staff: "Staff") -> None:
        """Give an own letter back to the inbox; a draft stays for whoever takes it.

        Refuses: forbidden.
        """
        now = timezone.now()
        with transaction.atomic():
            self.hold(staff)
            self._move(
                self.Status.WAITING,
                by="worker",
                worker=staff.user,
                reason="returned",
                only=Q(worker=staff.user),
                now=now,
                changes={"worker": None},
            )
            self.end_asks(now)
            self.audit(AuditEvent.Verb.LETTER, staff, "returned")

    def close_letter(
        self: "Conversation",
        staff: "Staff",
        *,
        reason: str,
        contact_kind: str,
        topic: str,
        topic_detail: str = "",
        risk: str = "",
        seen: int,
    ) -> None:
        """End an own letter, with the minimum registration; she can still read it and write again.

        `seen`: the highest number that its worker had read, so that no words of hers lie unread in
        a letter that is closed. Refuses: forbidden, changed (something new came), or
        not_understood when the topic has no such subcategory.
        """
        if not topics.is_detail(topic, topic_detail):
            raise Refused("not_understood")
        now = timezone.now()
        with transaction.atomic():
            self.hold(staff)
            self._refuse_unread(seen)
            self._move(
                self.Status.CLOSED,
                by="worker",
                worker=staff.user,
                reason=reason,
                only=Q(worker=staff.user),
                now=now,
                changes={
                    "ended_at": now,
                    "closing_reason": reason,
                    "contact_kind": contact_kind,
                    "topic": topic,
                    "topic_detail": topic_detail,
                    "risk": risk,
                    "due_at": None,
                },
            )
            self.end_asks(now)
            Draft.objects.filter(conversation=self).delete()
            self.audit(AuditEvent.Verb.CLOSE, staff, reason)

    def lose_letter(self: "Conversation") -> None:
        """Give a letter back to the inbox whose worker does not work there any more."""
        now = timezone.now()
        with transaction.atomic():
            self._move(
                self.Status.WAITING,
                by="system",
                reason="worker_lost",
                only=Q(worker=self.worker_id, kind=self.Kind.LETTER),
                now=now,
                changes={"worker": None},
            )
            self.end_asks(now)

    def read_letter(self: "Conversation", staff: "Staff") -> None:
        """Note that its worker has seen everything that is there now."""
        mine = type(self).objects.letters().filter(pk=self.pk, worker=staff.user)
        with transaction.atomic():
            if mine.filter(worker_seq__lt=self.last_seq).update(worker_seq=self.last_seq):
                self.tell_inbox()

    def transfer_to(
        self: "Conversation", institution: Institution, *, by: User, now: datetime
    ) -> None:
        """Put a letter in the inbox of another institution; part of the caller's transaction.

        Refuses: wrong_state (nobody has it, or it has ended).
        """
        if self.status != self.Status.ACTIVE:
            raise Refused("wrong_state")
        owners = {self.institution_id, institution.pk}
        self._move(
            self.Status.WAITING,
            by="visitor",
            worker=by,
            reason="transferred",
            only=Q(kind=self.Kind.LETTER),
            now=now,
            changes={
                "worker": None,
                "institution": institution,
                "waiting_since": now,
                "due_at": self.due_at or promised(now, self.line.zone),
            },
        )
        self.end_asks(now)
        Draft.objects.filter(conversation=self).delete()
        # Both read in their own trail that it went from one to the other.
        for owner in owners:
            AuditEvent.objects.create(
                actor=by,
                verb=AuditEvent.Verb.HAND_OVER,
                conversation=self.pk,
                institution_id=owner,
                detail="transferred",
            )

    # --- What the verbs share -------------------------------------------------------------------

    def hold(self: "Conversation", staff: "Staff") -> None:
        """Lock this letter, if it is with this worker. Refuses: forbidden.

        Part of the caller's transaction, until whose end nobody else changes it.
        """
        held = type(self).objects.letters().filter(status=self.Status.ACTIVE, worker=staff.user)
        if not held.select_for_update(of=("self",)).filter(pk=self.pk).exists():
            raise Refused("forbidden")
        self.refresh_from_db()

    def _refuse_unread(self: "Conversation", seen: int) -> None:
        """Refuse with `changed` if she wrote on after this number: that is read first."""
        if self.messages.filter(seq__gt=seen, author=Message.Author.VISITOR).exists():
            raise Refused("changed")

    def note_reading(self: "Conversation", staff: "Staff", verb: str, detail: str = "") -> None:
        """Leave an audit row of reading; opening the same again soon is the same reading."""
        recently = AuditEvent.objects.filter(
            actor=staff.user,
            verb=verb,
            detail=detail,
            conversation=self.pk,
            at__gt=timezone.now() - SAME_READING,
        )
        if not recently.exists():
            self.audit(verb, staff, detail)

    def lock(self: "Conversation") -> None:
        """Lock this letter, whoever has it, until the end of the caller's transaction."""
        type(self).objects.select_for_update(of=("self",)).filter(pk=self.pk).first()
        self.refresh_from_db()

    def end_asks(self: "Conversation", now: datetime) -> None:
        """Withdraw what was asked of a colleague or of her: it is not with that worker any more."""
        self.second_readings.open().update(withdrawn_at=now)
        self.transfers.open().update(ended_at=now, outcome=Transfer.Outcome.WITHDRAWN)

    def colleagues(self: "Conversation", staff: "Staff") -> "models.QuerySet[User]":
        """Who may read this letter along: the other workers of the institution that owns it."""
        theirs = Membership.objects.active().workers().filter(institution=self.institution_id)
        return (
            User.objects.filter(pk__in=theirs.values("user"))
            .exclude(pk=staff.user.pk)
            .order_by("name", "pk")
        )

    def audit(self: "Conversation", verb: str, staff: "Staff", detail: str = "") -> None:
        self._audit(verb, staff, detail)

    def tell_inbox(self: "Conversation") -> None:
        """Ring at the desks, after the commit: something about a letter changed."""
        events.publish(events.DeskChanged(line=self.line_id))
