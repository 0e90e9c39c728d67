from django.db import models
from django.utils import timezone


class Message(models.Model):
    """One line of a conversation, in the order of its primary key."""

    conversation = models.CharField(max_length=22, db_index=True)
    client_id = models.CharField(max_length=36)
    author = models.CharField(max_length=7)
    text = models.TextField()
    at = models.DateTimeField(default=timezone.now)

    def __str__(self) -> str:
        return f"{self.conversation} {self.pk}"
