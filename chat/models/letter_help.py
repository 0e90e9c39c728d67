"""What workers do around a letter: a draft, a second pair of eyes, another institution, a chat.

Each is a row of its own with the verbs that change it; the letter itself is a `Conversation`. All
words are sealed with the key of the letter, and go with it.
"""

from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Max, Min, Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat.models.refused import Refused
from chat.models.words import Message, Note
from institutions.models import AuditEvent, Institution, Membership
from roster.models import ConsultationHour, ServiceLine

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from institutions.access import Staff


def hours_to_invite_to(line: ServiceLine, now: datetime) -> "models.QuerySet[ConsultationHour]":
    """The published hours of a line that begin from now on, next one first."""
    hours: models.QuerySet[ConsultationHour] = line.hours.planned().published()
    return hours.filter(start__gt=now).order_by("start", "pk")


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def open(self) -> "InvitationQuerySet":
        """Not used and not withdrawn; the hour may be over."""
        return self.filter(used_at=None, withdrawn_at=None)


class Invitation(models.Model):
    """A place that is kept for the writer of a letter in one consultation hour, of their line.

    Made by the worker who has the letter. The visitor sees it beside the letter; starting the chat
    from it sets `used_at` (that chat `follows` the letter). One per letter is open at a time.
    """

    goes_with_words = True

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

    @classmethod
    def invite(cls, letter: "Conversation", staff: "Staff", hour: ConsultationHour) -> "Invitation":
        """Keep a place in an hour to come for the writer of an own letter; a new one replaces it.

        Raises Refused: forbidden (not the holder), outside (no published hour of this line, or over).
        """
        now = timezone.now()
        with transaction.atomic():
            letter.hold(staff)
            if not hours_to_invite_to(letter.line, now).filter(pk=hour.pk).exists():
                raise Refused("outside")
            letter.invitations.open().update(withdrawn_at=now)
            invitation = cls.objects.create(
                conversation=letter, hour=hour, made_by=staff.user, at=now
            )
            letter.audit(AuditEvent.Verb.LETTER, staff, f"invited {hour.pk}")
            letter.tell_inbox()
        return invitation

    def withdraw(self, staff: "Staff") -> None:
        """Keep the place no longer. Raises Refused: forbidden, wrong_state (it was used)."""
        with transaction.atomic():
            self.conversation.hold(staff)
            known = Invitation.objects.open().filter(pk=self.pk)
            if not known.update(withdrawn_at=timezone.now()):
                raise Refused("wrong_state")
            self.conversation.audit(AuditEvent.Verb.LETTER, staff, f"uninvited {self.hour_id}")
            self.conversation.tell_inbox()

    def holds(self, now: datetime) -> bool:
        """Whether it still keeps a place: open, and for an hour that goes on or is to come."""
        is_open = self.used_at is None and self.withdrawn_at is None
        return (
            is_open and self.hour.status == ConsultationHour.Status.PLANNED and self.hour.end > now
        )


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

    def words_held(self) -> list[str]:
        return [f"draft: {self.text()}"]

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

    def words_held(self) -> list[str]:
        return [f"note of a reader: {note}"] if (note := self.note_text()) else []

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
            letter.tell_inbox()
        return reading

    def withdraw(self, staff: "Staff") -> None:
        """Ask no longer. Raises Refused: forbidden, wrong_state (it was answered)."""
        with transaction.atomic():
            self.conversation.hold(staff)
            if not self._open().update(withdrawn_at=timezone.now()):
                raise Refused("wrong_state")
            self.conversation.audit(AuditEvent.Verb.LETTER, staff, "reader_withdrawn")
            self.conversation.tell_inbox()

    def answer(self, staff: "Staff", *, verdict: str, note: str = "") -> None:
        """Say what one thinks of the draft; the writer decides what happens with it.

        Raises Refused: forbidden (asked of somebody else), wrong_state (not asked any more),
        note_missing (a remark without words).
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
            letter.tell_inbox()
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
                condition=Q(ended_at=None, outcome="")
                | (Q(ended_at__isnull=False) & ~Q(outcome="")),
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

    def words_held(self) -> list[str]:
        return [f"note for another institution: {note}"] if (note := self.note_text()) else []

    # --- Verbs of the worker --------------------------------------------------------------------

    @classmethod
    def ask(
        cls, letter: "Conversation", staff: "Staff", to: Institution, note: str = ""
    ) -> "Transfer":
        """Ask the writer of an own letter whether another institution may answer it.

        Raises Refused: forbidden (not the holder), wrong_state (asked already), outside (that
        institution is this one, or has nobody to answer).
        """
        with transaction.atomic():
            letter.hold(staff)
            if letter.transfers.open().exists():
                raise Refused("wrong_state")
            if to.pk == letter.institution_id or not able_institutions().filter(pk=to.pk).exists():
                raise Refused("outside")
            transfer = cls.objects.create(
                conversation=letter, asked_by=staff.user, to_institution=to
            )
            if note:
                sealed = letter.data_key().seal(note, letter.pk, transfer.pk, "transfer")
                cls.objects.filter(pk=transfer.pk).update(note=sealed)
                transfer.note = sealed
            letter.audit(AuditEvent.Verb.LETTER, staff, "transfer_asked")
            letter.tell_inbox()
        return transfer

    def withdraw(self, staff: "Staff") -> None:
        """Ask no longer. Raises Refused: forbidden, wrong_state (she answered)."""
        with transaction.atomic():
            self.conversation.hold(staff)
            self._end(self.Outcome.WITHDRAWN)
            self.conversation.audit(AuditEvent.Verb.LETTER, staff, "transfer_withdrawn")

    # --- Verbs of the visitor -------------------------------------------------------------------

    def accept(self) -> None:
        """She says yes: the letter lies in the inbox of the other institution, with the note.

        What was promised stays promised. Raises Refused: wrong_state (not asked any more).
        """
        letter = self.conversation
        now = timezone.now()
        with transaction.atomic():
            letter.lock()
            self._end(self.Outcome.YES)
            letter.transfer_to(self.to_institution, by=self.asked_by, now=now)
            if note := self.note_text():
                Note.add(letter, self.asked_by, note, client_id=f"transfer-{self.pk}")

    def decline(self) -> None:
        """She says no: everything stays as it is. Raises Refused: wrong_state."""
        with transaction.atomic():
            self.conversation.lock()
            self._end(self.Outcome.NO)

    def _end(self, outcome: str) -> None:
        if (
            not Transfer.objects.open()
            .filter(pk=self.pk)
            .update(ended_at=timezone.now(), outcome=outcome)
        ):
            raise Refused("wrong_state")
        self.conversation.tell_inbox()
        self.refresh_from_db()


def able_institutions() -> "models.QuerySet[Institution]":
    """Those that have somebody who can answer letters."""
    employers = Membership.objects.active().workers().values("institution")
    return Institution.objects.filter(is_active=True, pk__in=employers)


class LetterAnswer(models.Model):
    """That a promised answer was given, and when: what the figures of letters are made of.

    Written with the answer, never changed, and without a word or a person; outlives the text.
    """

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="letter_answers"
    )
    institution = models.ForeignKey(Institution, on_delete=models.PROTECT, related_name="+")
    asked_at = models.DateTimeField(help_text="When the first words came that it answers.")
    due_at = models.DateTimeField()
    answered_at = models.DateTimeField(db_index=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"answer {self.pk}"

    @classmethod
    def note(cls, letter: "Conversation", now: datetime) -> None:
        """Note that the answer to a letter is given now. Part of the caller's transaction."""
        answered = letter.messages.filter(author=Message.Author.WORKER).aggregate(Max("seq"))
        asked = letter.messages.filter(seq__gt=answered["seq__max"] or 0).aggregate(Min("at"))
        cls.objects.create(
            conversation=letter,
            institution_id=letter.institution_id,
            asked_at=asked["at__min"] or letter.waiting_since,
            due_at=letter.due_at,
            answered_at=now,
        )


class LetterWarning(models.Model):
    """That somebody was warned of a promise: once for each letter, promise and stage."""

    class Stage(models.TextChoices):
        HALF = "half"
        END = "end"

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="letter_warnings"
    )
    due_at = models.DateTimeField()
    stage = models.CharField(max_length=4, choices=Stage.choices)
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "due_at", "stage"], name="one_warning_of_a_stage"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.stage} {self.pk}"
