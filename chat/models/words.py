"""What was written in a conversation, sealed with its data key, and ready sentences."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import F
from django.utils import timezone

from chat import events
from chat.models.refused import Refused
from institutions.models import Institution, User
from institutions.sealing import DataKey

if TYPE_CHECKING:
    from chat.models.conversation import Conversation


class ConversationKey(models.Model):
    """The wrapped data key, in a table of its own: backups keep it apart, and shorter."""

    conversation = models.OneToOneField(
        "chat.Conversation", on_delete=models.CASCADE, primary_key=True, related_name="key"
    )
    sealing_key = models.CharField(max_length=16, db_index=True)
    wrapped = models.BinaryField()

    def __str__(self) -> str:
        return f"key of {self.pk}"

    @classmethod
    def keep(cls, conversation_id: str, data_key: DataKey) -> None:
        name, wrapped = data_key.wrap()
        cls.objects.create(conversation_id=conversation_id, sealing_key=name, wrapped=wrapped)

    def open(self) -> DataKey:
        return DataKey.unwrap(self.sealing_key, self.wrapped)


class Message(models.Model):
    """One numbered line; `body` opens at its own place only.

    Written by `chat/writer.py`. The one exception is `enclose`.
    """

    class Author(models.TextChoices):
        VISITOR = "visitor"
        WORKER = "worker"

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="messages", db_index=False
    )
    seq = models.PositiveIntegerField()
    client_id = models.CharField(max_length=36)
    author = models.CharField(max_length=7, choices=Author.choices)
    # Nobody looks for messages by their worker, and each index is one page more to write at each commit.
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        db_index=False,
    )
    body = models.BinaryField()
    at = models.DateTimeField()

    class Meta:
        ordering = ["conversation", "seq"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="one_message_per_number"),
            models.UniqueConstraint(
                fields=["conversation", "client_id"], name="one_message_per_client_id"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.seq}"

    def words_held(self) -> list[str]:
        key = self.conversation.data_key()
        text = key.unseal(self.body, self.conversation_id, self.seq, self.author, "body")
        return [f"{self.author}: {text}"]

    @classmethod
    def enclose(
        cls,
        conversation: "Conversation",
        text: str,
        *,
        client_id: str,
        now: datetime,
        by: "User | None" = None,
    ) -> int:
        """Store the words of a letter in the transaction of what they do to it; return their number.

        There, and not through the writer: a letter without its words must not lie in the inbox, an
        answer must not be stored while its promise stays open, and words must not be lost. The
        caller holds the row's lock; a `client_id` that is stored already changes nothing. `by`:
        the worker who answers, else they are the young person's.
        """
        if known := conversation.messages.filter(client_id=client_id).first():
            return known.seq
        row = type(conversation).objects.filter(pk=conversation.pk)
        row.update(last_seq=F("last_seq") + 1)
        seq = row.values_list("last_seq", flat=True).get()
        author = cls.Author.WORKER if by else cls.Author.VISITOR
        body = conversation.data_key().seal(text, conversation.pk, seq, author, "body")
        conversation.messages.create(
            seq=seq, client_id=client_id, author=author, worker=by, body=body, at=now
        )
        conversation.last_seq = seq
        return seq


class Note(models.Model):
    """What staff write for each other about a conversation; no visitor ever sees it."""

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="notes"
    )
    client_id = models.CharField(max_length=36)
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    body = models.BinaryField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "client_id"], name="one_note_per_client_id"
            )
        ]

    def __str__(self) -> str:
        return f"note {self.pk}"

    @classmethod
    def add(cls, conversation: "Conversation", worker: Any, text: str, *, client_id: str) -> "Note":
        """Store a note once per `client_id` and tell the workers who have the chat open."""
        with transaction.atomic():
            if known := conversation.notes.filter(client_id=client_id).first():
                if known.worker_id != worker.pk or known.text() != text:
                    raise Refused("id_reused")
                return known
            body = conversation.data_key().seal(text, conversation.pk, client_id, "note")
            note = conversation.notes.create(client_id=client_id, worker=worker, body=body)
            events.publish(events.NoteAdded(conversation=conversation.pk))
        return note

    def text(self) -> str:
        return self.conversation.data_key().unseal(
            self.body, self.conversation_id, self.client_id, "note"
        )

    def words_held(self) -> list[str]:
        return [f"note: {self.text()}"]


class QuickReply(models.Model):
    """A ready sentence at the desk: the platform's (no institution) or one institution's."""

    institution = models.ForeignKey(
        Institution, on_delete=models.CASCADE, null=True, blank=True, related_name="quick_replies"
    )
    shortcut = models.CharField(max_length=20)
    text = models.CharField(max_length=1000)
    language = models.CharField(max_length=2, default="nl")

    class Meta:
        ordering = ["institution", "shortcut", "pk"]
        verbose_name_plural = "quick replies"

    def __str__(self) -> str:
        return self.shortcut
