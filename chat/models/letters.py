"""What can happen to a conversation of kind letter, beside what every conversation can.

A letter is WAITING in the inbox of the institution that owns it, ACTIVE with one worker, CLOSED,
and WAITING again when the young person writes on. It has no presence and no queue: no window that
closes and no clock ends it. The verbs of workers are in the same style, in the file of the inbox.

`due_at` says until when an answer is promised; empty when it is the young person's turn. Whoever
answers a letter clears it (`answered`).
"""

# Every `self` here is a Conversation, of which this is a base class.
# mypy: disable-error-code=misc

import uuid
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.db import IntegrityError, models, transaction
from django.db.models import Q
from django.utils import timezone

from chat import erased, events
from chat.models.refused import Refused
from chat.models.visitor import Visitor
from chat.models.words import ConversationKey, Message
from institutions.sealing import DataKey

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from chat.models.letter_help import Invitation
    from roster.models import ServiceLine


class LetterVerbs(models.Model):
    """The verbs of letters; `Conversation` inherits them. Each is one transaction."""

    class Meta:
        abstract = True

    @classmethod
    def start_letter(
        cls,
        *,
        visitor: Visitor,
        line: "ServiceLine",
        text: str,
        client_id: str,
        answer_by: str = "code",
        address: str = "",
        urgency: str = "normal",
        intake: str = "",
        follows: "Conversation | None" = None,
        before: Sequence[str] = (),
        **about: Any,
    ) -> "Conversation":
        """Put a new letter with its first words in the inbox of the institution that will own it.

        Letter and words are stored together or not at all; `text` was cleaned. A visitor who has a
        live letter gets that one back, unchanged: a double click, a second tab. `follows` is the
        chat at whose end it was written; `before` what was written there and read by nobody.
        `about`: what triage knows (region, topic, …).
        """
        from chat.letters import due_at, owner_for
        from chat.models.conversation import Conversation

        with transaction.atomic():
            Visitor.objects.select_for_update(no_key=True).get(pk=visitor.pk)
            if live := visitor.conversations.letters().live().first():
                return live
            now = timezone.now()
            letter = Conversation(
                brand_id=visitor.brand_id,
                line=line,
                visitor=visitor,
                kind=Conversation.Kind.LETTER,
                language=visitor.language,
                urgency=urgency,
                follows=follows,
                answer_by=answer_by,
                created_at=now,
                waiting_since=now,
                visitor_seen_at=now,
                **about,
            )
            data_key = DataKey.new()
            if intake:
                letter.sealed_intake = data_key.seal(intake, letter.pk, "intake")
            if address:
                letter.sealed_address = data_key.seal(address, letter.pk, "address")
            letter.institution = owner_for(letter)
            letter.due_at = due_at(letter, now)
            letter.save(force_insert=True)
            ConversationKey.keep(letter.pk, data_key)
            for words in before:
                Message.enclose(letter, words, client_id=str(uuid.uuid4()), now=now)
            Message.enclose(letter, text, client_id=client_id, now=now)
            letter.changes.create(
                old="", new=Conversation.Status.WAITING, by="visitor", reason="letter", at=now
            )
            events.publish(events.DeskChanged(line=line.pk))
        return letter

    def become_letter(
        self: "Conversation",
        reason: str,
        *,
        text: str = "",
        client_id: str = "",
        answer_by: str = "code",
        address: str = "",
    ) -> None:
        """Turn this waiting chat into a waiting letter. Refuses: taken, wrong_state.

        `reason`: `chosen` (does not want to wait), `no_fit` (the turn would not come before the
        end), `closing_time`, `too_long`. What was written while waiting stays in it; `text` (was
        cleaned) comes after that. Who claims at the same moment, wins or loses whole.
        """
        from chat.letters import due_at, owner_for

        if self.kind != self.Kind.CHAT or self.visitor is None:
            raise Refused("wrong_state")
        now = timezone.now()
        with transaction.atomic():
            Visitor.objects.select_for_update(no_key=True).get(pk=self.visitor.pk)
            if self.visitor.conversations.letters().live().exists():
                raise Refused("wrong_state")
            owner = owner_for(self)
            if (
                not type(self)
                .objects.waiting()
                .filter(pk=self.pk)
                .update(
                    kind=self.Kind.LETTER,
                    institution=owner,
                    reserved_for=None,
                    reserved_until=None,
                    answer_by=answer_by,
                    sealed_address=self.seal_address(address) if address else None,
                    waiting_since=now,
                    due_at=due_at(self, now),
                )
            ):
                raise Refused("taken")
            if text:
                Message.enclose(self, text, client_id=client_id, now=now)
            self.changes.create(
                old=self.Status.WAITING,
                new=self.Status.WAITING,
                by="visitor" if reason in ("chosen", "no_fit") else "system",
                reason=reason,
                at=now,
            )
            self.refresh_from_db()
            events.publish(events.StatusChanged.of(self, reason="letter"))
            events.publish(events.DeskChanged(line=self.line_id))

    def reopen(self: "Conversation") -> None:
        """The young person writes again after the end: closed letter to waiting, same owner.

        Refuses: wrong_state (no letter, erased, another letter is going on), taken.
        """
        from chat.letters import due_at

        if self.kind != self.Kind.LETTER or self.status != self.Status.CLOSED:
            raise Refused("wrong_state")
        if not ConversationKey.objects.filter(pk=self.pk).exists():
            raise Refused("wrong_state")
        now = timezone.now()
        try:
            self._move(
                self.Status.WAITING,
                by="visitor",
                reason="wrote_again",
                only=Q(kind=self.Kind.LETTER, visitor__isnull=False),
                now=now,
                changes={
                    "worker": None,
                    "ended_at": None,
                    "closing_reason": "",
                    "waiting_since": now,
                    "due_at": due_at(self, now),
                    "overdue_told_at": None,
                    "quiet_told_at": None,
                },
            )
        except IntegrityError:  # one live letter per visitor
            raise Refused("wrong_state") from None

    def raise_urgency(self: "Conversation", urgency: str) -> None:
        """Her words ask for more haste; the caller knows that it is more. For a live letter only."""
        live = type(self).objects.letters().live().filter(pk=self.pk)
        with transaction.atomic():
            if live.update(urgency=urgency):
                self.changes.create(
                    old=self.status,
                    new=self.status,
                    by="visitor",
                    reason=f"urgent_{urgency}",
                    at=timezone.now(),
                )
                events.publish(events.DeskChanged(line=self.line_id))
        self.refresh_from_db()

    def expect_answer(self: "Conversation") -> None:
        """The young person wrote on in a live letter: promise an answer, if none was yet."""
        from chat.letters import due_at

        now = timezone.now()
        mine = type(self).objects.letters().live().filter(pk=self.pk)
        with transaction.atomic():
            mine.update(quiet_told_at=None)
            mine.filter(due_at=None).update(due_at=due_at(self, now), overdue_told_at=None)
            events.publish(events.DeskChanged(line=self.line_id))

    def answered(self: "Conversation") -> None:
        """A worker's answer was stored: nothing is promised any more until she writes again."""
        with transaction.atomic():
            type(self).objects.letters().filter(pk=self.pk).update(
                due_at=None, overdue_told_at=None, quiet_told_at=None
            )
            events.publish(events.DeskChanged(line=self.line_id))

    def end_letter(self: "Conversation", *, by: str, reason: str, seen: int | None = None) -> None:
        """Close a letter without a worker: the young person does (`by_visitor`), or the system,
        because nothing was heard for long (`quiet`). She can still read it, and write again.

        `seen`: only if nothing was written after this number. Refuses: wrong_state, taken.
        """
        if self.kind != self.Kind.LETTER:
            raise Refused("wrong_state")
        now = timezone.now()
        with transaction.atomic():
            self._move(
                self.Status.CLOSED,
                by=by,
                reason=reason,
                only=Q(kind=self.Kind.LETTER) & (Q() if seen is None else Q(last_seq=seen)),
                now=now,
                changes={"ended_at": now, "closing_reason": reason, "due_at": None},
            )
            self.end_asks(now)

    # --- How she hears of an answer -------------------------------------------------------------

    def choose_answer(self: "Conversation", answer_by: str, address: str = "") -> None:
        """Change how the answer comes. `address` was validated; empty: the one that is there.

        A new address takes the place of the old one at once; `code` keeps none. Refuses: wrong_state.
        """
        is_mail = answer_by != self.AnswerBy.CODE
        if self.kind != self.Kind.LETTER or (is_mail and not address and not self.sealed_address):
            raise Refused("wrong_state")
        sealed = self.sealed_address if is_mail else None
        if is_mail and address:
            sealed = self.seal_address(address)
        known = type(self).objects.letters().filter(pk=self.pk, visitor__isnull=False)
        changes: dict[str, Any] = {"answer_by": answer_by, "sealed_address": sealed}
        if address or not is_mail:
            changes["address_failed_at"] = None
        if self.sealed_address and (address or not is_mail):
            erased.note(erased.ADDRESS, self.pk)
        if not known.update(**changes):
            raise Refused("wrong_state")
        self.refresh_from_db()

    def address_failed(self: "Conversation", now: datetime) -> None:
        """Mail to the address came back for good. Both sides see it; she can give another one."""
        known = type(self).objects.letters().filter(pk=self.pk, sealed_address__isnull=False)
        with transaction.atomic():
            known.filter(address_failed_at=None).update(address_failed_at=now)
            events.publish(events.DeskChanged(line=self.line_id))

    def stop_mail(self: "Conversation") -> None:
        """Forget the address of this letter, whatever state it is in; the code still leads to it."""
        with transaction.atomic():
            erased.note(erased.ADDRESS, self.pk)
            type(self).objects.letters().filter(pk=self.pk).update(
                answer_by=self.AnswerBy.CODE, sealed_address=None, address_failed_at=None
            )
            events.publish(events.DeskChanged(line=self.line_id))

    def seal_address(self: "Conversation", address: str) -> bytes:
        return self.data_key().seal(address, self.pk, "address")

    def address(self: "Conversation") -> str:
        """The e-mail address, unsealed; empty if none was left."""
        if self.sealed_address is None:
            return ""
        return self.data_key().unseal(self.sealed_address, self.pk, "address")

    @property
    def can_be_read(self: "Conversation") -> bool:
        """Whether an answer can still reach her: by mail, with a code, or in the browser she has
        open. Somebody who had to go before she saw her code, and left no address, reads nothing."""
        if self.answer_by != self.AnswerBy.CODE:
            return True
        visitor = self.visitor
        if visitor is None:
            return False
        return visitor.token_hash is not None or hasattr(visitor, "return_code")

    # --- Whose turn it is -----------------------------------------------------------------------

    def invitation(self: "Conversation") -> "Invitation | None":
        """The place that a worker keeps for her in an hour that goes on or is to come, if any."""
        found = self.invitations.open().select_related("hour").first()
        return found if found and found.holds(timezone.now()) else None
