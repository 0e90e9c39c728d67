"""Who raised or lowered the urgency of a conversation, and why."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone

if TYPE_CHECKING:
    from chat.models.conversation import Conversation


class UrgencyChange(models.Model):
    """One change of a conversation's urgency by a worker. Made by `Conversation.change_urgency`.

    The reason is sealed with the conversation's data key and goes with it; that it was changed, by
    whom and when stays.
    """

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="urgency_changes"
    )
    old = models.CharField(max_length=6)
    new = models.CharField(max_length=6)
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    # Sealed at a place of its own, so that no two reasons can be swapped.
    place = models.CharField(max_length=22)
    sealed_reason = models.BinaryField(null=True)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.old} to {self.new}"

    @staticmethod
    def seal(conversation: "Conversation", place: str, reason: str) -> bytes:
        return conversation.data_key().seal(reason, conversation.pk, place, "urgency")

    def reason(self) -> str:
        """Why, in the worker's words; empty once the text was erased."""
        if self.sealed_reason is None:
            return ""
        key = self.conversation.data_key()
        return key.unseal(self.sealed_reason, self.conversation_id, self.place, "urgency")
