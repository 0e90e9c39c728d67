"""A young person's visit, and what the whole site shares with every browser."""

import secrets
from collections.abc import Collection
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.utils import timezone

from chat import events
from chat.models.refused import Refused
from institutions.models import Brand
from institutions.sealing import keyed_hash

if TYPE_CHECKING:
    from chat.models.conversation import Conversation


def random_id() -> str:
    """Return 128 random bits as 22 letters, digits, - and _: says nothing, cannot be guessed."""
    return secrets.token_urlsafe(16)


class Epoch(models.Model):
    """One row with a random value that a restored backup gets anew, so that browsers reload."""

    value = models.CharField(max_length=22, default=random_id)

    def __str__(self) -> str:
        return self.value

    @classmethod
    def current(cls) -> str:
        return cls.objects.get_or_create(pk=1)[0].value


class Visitor(models.Model):
    """A young person's visit: a random token in a cookie, of which only a keyed hash is here."""

    token_hash = models.CharField(max_length=64, unique=True, null=True)
    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="+")
    language = models.CharField(max_length=2, default="nl")
    created_at = models.DateTimeField(default=timezone.now)
    token_at = models.DateTimeField(
        default=timezone.now, help_text="When the token was given: by beginning, or by a code."
    )

    def __str__(self) -> str:
        return f"visitor {self.pk}"

    @classmethod
    def begin(cls, brand: Brand, language: str) -> tuple["Visitor", str]:
        """Return a new visitor and the token for the cookie (256 random bits)."""
        token = secrets.token_urlsafe(32)
        visitor = cls.objects.create(
            brand=brand, language=language, token_hash=keyed_hash("visit", token)
        )
        return visitor, token

    @classmethod
    def find(cls, token: str) -> "Visitor | None":
        """Return whose token this is, None when it is nobody's any more."""
        return cls.find_all([token]).get(token)

    @classmethod
    def find_all(cls, tokens: Collection[str]) -> "dict[str, Visitor]":
        """Return whose these tokens are; those that are nobody's are left out."""
        token_of = {keyed_hash("visit", token): token for token in tokens if 0 < len(token) <= 64}
        found = cls.objects.filter(token_hash__in=token_of) if token_of else ()
        return {token_of[visitor.token_hash]: visitor for visitor in found if visitor.token_hash}

    @classmethod
    def that_go_on(cls, visitors: Collection[int]) -> set[int]:
        """Return which of these visits have not ended."""
        going_on = cls.objects.filter(pk__in=visitors, token_hash__isnull=False)
        return set(going_on.values_list("pk", flat=True))

    def conversation(self) -> "Conversation | None":
        """The one that this visit is about: the live chat, else the newest not put away."""
        return _each_visits(self.conversations.all()).get(self.pk)

    @classmethod
    def conversations_of(cls, visitors: Collection[int]) -> "dict[int, Conversation]":
        """The one that each of these visits is about, with its worker, by the visitor's number."""
        from chat.models.conversation import Conversation

        return _each_visits(
            Conversation.objects.filter(visitor__in=visitors).select_related("worker")
        )

    def letter(self) -> "Conversation | None":
        """The letter that this visit leads to: the live one, else the newest."""
        newest = self.conversations.letters().order_by("-created_at", "-pk")
        return newest.live().first() or newest.first()

    def come_back(self) -> str:
        """Return a new token for the browser in which a return code was given.

        The one before it is worth nothing any more: its windows end.
        """
        token = secrets.token_urlsafe(32)
        with transaction.atomic():
            events.publish(events.VisitEnded(visitor=self.pk))
            Visitor.objects.filter(pk=self.pk).update(
                token_hash=keyed_hash("visit", token), token_at=timezone.now()
            )
        return token

    def leave(self) -> None:
        """End the visit: nothing leads from the browser to the conversation any more.

        A chat ends with it. A letter does not: its code, or its address, leads back to it.
        """
        with transaction.atomic():
            # The visitor before the conversation, as everybody does: so nobody waits in a circle.
            # `no_key`: who only points at the visitor (PostgreSQL looks whether it is there) passes.
            Visitor.objects.select_for_update(no_key=True).filter(pk=self.pk).first()
            for conversation in self.conversations.chats().live():
                try:
                    conversation.abandon(reason="left")
                except Refused:  # claimed or handed over in the same moment: so out of the chat
                    conversation.refresh_from_db()
                    if conversation.status in conversation.LIVE:
                        conversation.abandon(reason="left")
            Visitor.objects.filter(pk=self.pk).update(token_hash=None)
            self.forget_words()
            events.publish(events.VisitEnded(visitor=self.pk))

    def forget_words(self) -> None:
        """The return code cannot be shown any more; it still leads here."""
        from chat.models.return_code import ReturnCode

        ReturnCode.objects.filter(visitor=self.pk).update(sealed_words=None)

    def erase(self) -> int:
        """Erase all that this young person left behind, now and for good; see `erasing.py`."""
        from chat.models.erasing import erase_visit

        return erase_visit(self)


def _each_visits(conversations: "models.QuerySet[Conversation]") -> "dict[int, Conversation]":
    found: dict[int, Conversation] = {}
    for one in conversations.filter(is_put_away=False).order_by("created_at", "pk"):
        if one.visitor_id is None:
            continue
        known = found.get(one.visitor_id)
        if known is None or one.is_live_chat or not known.is_live_chat:
            found[one.visitor_id] = one
    return found
