"""What workers do around a letter: a draft, a second pair of eyes, another institution, a chat.

Each is a row of its own with the verbs that change it; the letter itself is a `Conversation`. All
words are sealed with the key of the letter, and go with it.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.refused import Refused
from institutions.models import AuditEvent, Institution
from roster.models import ConsultationHour

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from institutions.access import Staff


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        """Not used and not withdrawn; the hour may be over."""
        return self.filter(used_at=None, withdrawn_at=None)


class Invitation(models.Model):
    """A place that is kept for the writer of a letter in one consultation hour, of their line.

    Made by the worker who has the letter. The visitor sees it beside the letter; starting the chat
    from it sets `used_at` (that chat `follows` the letter). One per letter is open at a time.
    """

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="invitations"
    )
    hour = models.ForeignKey(
        ConsultationHour, on_delete=models.CASCADE, related_name="letter_invitations"
    )
    made_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    at = models.DateTimeField(default=timezone.now)
    used_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)

    objects = InvitationQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(used_at=None, withdrawn_at=None),
                name="one_open_invitation_per_letter",
            ),
        ]

    def __str__(self) -> str:
        return f"invitation {self.pk}"

    def holds(self, now: datetime) -> bool:
        """Whether it still keeps a place: open, and for an hour that goes on or is to come."""
        is_open = self.used_at is None and self.withdrawn_at is None
        return is_open and self.hour.status == ConsultationHour.Status.PLANNED and self.hour.end > now


class Draft(models.Model):
    """The answer that somebody is writing to a letter: one per letter, gone once it is sent.

    `version` goes up with every saving, so that two computers do not overwrite each other.
    """

    conversation = models.OneToOneField(
        "chat.Conversation", on_delete=models.CASCADE, primary_key=True, related_name="draft"
    )
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    body = models.BinaryField()
    version = models.PositiveIntegerField(default=1)
    saved_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"draft for {self.pk}"

    def text(self) -> str:
        return self.conversation.data_key().unseal(self.body, self.conversation_id, "draft")

    @classmethod
    def keep(cls, letter: "Conversation", staff: "Staff", text: str, *, version: int) -> int:
        """Keep what the holder of a letter wrote so far, and return its new version.

        `version`: the one that was written on (0: there was none). An empty text takes the draft
        away. Raises Refused: forbidden (it is not theirs any more), changed (another window of
        theirs wrote on).
        """
        with transaction.atomic():
            letter.hold(staff)
            known = cls.objects.filter(conversation=letter).first()
            if (known.version if known else 0) != version:
                raise Refused("changed")
            if not text:
                if known:
                    known.delete()
                return 0
            body = letter.data_key().seal(text, letter.pk, "draft")
            now = timezone.now()
            cls.objects.update_or_create(
                conversation=letter,
                defaults={
                    "worker": staff.user,
                    "body": body,
                    "version": version + 1,
                    "saved_at": now,
                },
            )
        return version + 1


class SecondReadingQuerySet(models.QuerySet["SecondReading"]):
    def open(self) -> "SecondReadingQuerySet":
        return self.filter(answered_at=None, withdrawn_at=None)

    def asked_of(self, staff: "Staff") -> "SecondReadingQuerySet":
        """What this worker may read along: asked of them, or of anybody of their institution."""
        anybody = Q(reader=None, conversation__institution__in=staff.worker_of)
        return self.filter(Q(reader=staff.user) | anybody).exclude(asked_by=staff.user)


class SecondReading(models.Model):
    """A colleague is asked to read the draft of an answer before it is sent. The writer decides.

    `reader` None: whoever of the institution has time. Only workers of the institution that owns
    the letter are asked. `verdict` comes with the answer, of the draft in `version`.
    """

    class Verdict(models.TextChoices):
        AGREED = "agreed", _("akkoord")
        ADVICE = "advice", _("opmerking")

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="second_readings"
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    reader = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    asked_at = models.DateTimeField(default=timezone.now)
    answered_at = models.DateTimeField(null=True)
    withdrawn_at = models.DateTimeField(null=True)
    verdict = models.CharField(max_length=6, choices=Verdict.choices, blank=True)
    note = models.BinaryField(null=True)
    version = models.PositiveIntegerField(null=True, help_text="Of the draft that was read.")

    objects = SecondReadingQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(answered_at=None, withdrawn_at=None),
                name="one_open_reading_per_letter",
            ),
            models.CheckConstraint(
                condition=Q(answered_at=None) | (~Q(verdict="") & Q(reader__isnull=False)),
                name="read_by_somebody",
            ),
        ]

    def __str__(self) -> str:
        return f"second reading {self.pk}"

    def note_text(self) -> str:
        if self.note is None:
            return ""
        key = self.conversation.data_key()
        return key.unseal(self.note, self.conversation_id, self.pk, "second")

    @classmethod
    def ask(cls, letter: "Conversation", staff: "Staff", reader: Any = None) -> "SecondReading":
        """Ask a colleague, or anybody of the institution, to read the draft along.

        Raises Refused: forbidden (not the holder), wrong_state (asked already, or there is no
        draft), colleague_absent (works for another institution).
        """
        with transaction.atomic():
            letter.hold(staff)
            if not Draft.objects.filter(conversation=letter).exists():
                raise Refused("wrong_state")
            if letter.second_readings.open().exists():
                raise Refused("wrong_state")
            if reader is not None and not letter.colleagues(staff).filter(pk=reader.pk).exists():
                raise Refused("colleague_absent")
            reading = cls.objects.create(conversation=letter, asked_by=staff.user, reader=reader)
            letter.audit(AuditEvent.Verb.LETTER, staff, "reader_asked")
            letter.tell_inbox(staff.user.pk, reader.pk if reader else None)
        return reading

    def withdraw(self, staff: "Staff") -> None:
        """Ask no longer. Raises Refused: forbidden, wrong_state (it was answered)."""
        with transaction.atomic():
            self.conversation.hold(staff)
            if not self._open().update(withdrawn_at=timezone.now()):
                raise Refused("wrong_state")
            self.conversation.audit(AuditEvent.Verb.LETTER, staff, "reader_withdrawn")
            self.conversation.tell_inbox(self.asked_by_id, self.reader_id)

    def answer(self, staff: "Staff", *, verdict: str, note: str = "") -> None:
        """Say what one thinks of the draft; the writer decides what happens with it.

        Raises Refused: forbidden (asked of somebody else), wrong_state (not asked any more), choose
        (a remark without words).
        """
        if verdict == self.Verdict.ADVICE and not note:
            raise Refused("note_missing")
        with transaction.atomic():
            if not SecondReading.objects.asked_of(staff).filter(pk=self.pk).exists():
                raise Refused("forbidden")
            draft = Draft.objects.filter(conversation=self.conversation_id).first()
            letter = self.conversation
            done = self._open().update(
                answered_at=timezone.now(),
                reader=staff.user,
                verdict=verdict,
                version=draft.version if draft else None,
                note=letter.data_key().seal(note, letter.pk, self.pk, "second") if note else None,
            )
            if not done:
                raise Refused("wrong_state")
            detail = "reader_agreed" if verdict == self.Verdict.AGREED else "reader_advised"
            letter.audit(AuditEvent.Verb.LETTER, staff, detail)
            letter.tell_inbox(self.asked_by_id, staff.user.pk)
        self.refresh_from_db()

    def _open(self) -> SecondReadingQuerySet:
        return SecondReading.objects.open().filter(pk=self.pk)


class TransferQuerySet(models.QuerySet["Transfer"]):
    def open(self) -> "TransferQuerySet":
        return self.filter(ended_at=None)


class Transfer(models.Model):
    """A letter that should go to another institution, once its writer says yes.

    Until then it stays where it is. The holder may withdraw the question; the visitor answers it on
    the page of the letter, by `accept` or `decline`.
    """

    class Outcome(models.TextChoices):
        YES = "yes", _("ja")
        NO = "no", _("nee")
        WITHDRAWN = "withdrawn", _("ingetrokken")

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="transfers"
    )
    asked_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+"
    )
    to_institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="+")
    note = models.BinaryField(null=True, help_text="For the colleagues there, sealed.")
    asked_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True)
    outcome = models.CharField(max_length=9, choices=Outcome.choices, blank=True)

    objects = TransferQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation"],
                condition=Q(ended_at=None),
                name="one_open_transfer_per_letter",
            ),
            models.CheckConstraint(
                condition=Q(ended_at=None, outcome="") | (Q(ended_at__isnull=False) & ~Q(outcome="")),
                name="transfer_ends_with_an_outcome",
            ),
        ]

    def __str__(self) -> str:
        return f"transfer {self.pk}"

    def note_text(self) -> str:
        if self.note is None:
            return ""
        key = self.conversation.data_key()
        return key.unseal(self.note, self.conversation_id, self.pk, "transfer")
