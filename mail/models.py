"""Letters that also travel by e-mail: what goes out, what came in, and which address leads where.

Nothing here holds an address or a readable word. Outgoing mail is written at the moment of sending
from the sealed messages; what came in is sealed with the letter's own data key. All of it goes
with the letter's words (`chat.models.erasing`).
"""

import secrets
from datetime import datetime
from typing import TYPE_CHECKING

from django.db import models, transaction
from django.db.models import Exists, F, Max, OuterRef, Q
from django.db.models.functions import Coalesce, Greatest
from django.utils import timezone

from chat.models import Conversation, Invitation, Message, Transfer
from institutions.models.outgoing import OutgoingMail, OutgoingQuerySet
from institutions.sealing import keyed_hash
from mail.addresses import random_reference, sender_domain

if TYPE_CHECKING:
    from institutions.access import Staff


class CorrespondenceManager(models.Manager["Correspondence"]):
    def find(self, reference: str) -> "Correspondence | None":
        """Return the letter that a reference leads to, as long as mail may come and go there:
        not after erasing, and not after the address was taken back."""
        if not reference:
            return None
        return (
            self.filter(
                reference=reference,
                conversation__key__isnull=False,
                conversation__sealed_address__isnull=False,
            )
            .select_related("conversation__key", "conversation__brand", "conversation__line")
            .first()
        )


class Correspondence(models.Model):
    """The mail of one letter: how far it was told, and the reference that leads back to it."""

    goes_with_words = True

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, primary_key=True, related_name="correspondence"
    )
    reference = models.CharField(max_length=26, unique=True, default=random_reference)
    address_hash = models.CharField(max_length=64, help_text="Of the address, keyed; see `follow`.")
    told_seq = models.PositiveIntegerField(
        default=0, help_text="Answers up to this number have a row in the outbox."
    )

    objects = CorrespondenceManager()

    def __str__(self) -> str:
        return f"mail of {self.conversation_id}"

    @classmethod
    def follow(cls, letter: Conversation) -> "Correspondence":
        """Return the locked correspondence of a letter that has an address.

        Another address than before gets another reference: what went to the old one leads
        nowhere any more.
        """
        address_hash = keyed_hash("mail-address", f"{letter.pk}\x1f{letter.address()}")
        correspondence, _is_new = cls.objects.select_for_update().get_or_create(
            conversation=letter,
            defaults={"address_hash": address_hash, "told_seq": letter.visitor_seq},
        )
        if correspondence.address_hash != address_hash:
            correspondence.address_hash = address_hash
            correspondence.reference = random_reference()
            correspondence.save(update_fields=["address_hash", "reference"])
        return correspondence


# --- Out ----------------------------------------------------------------------------------------


def new_message_id() -> str:
    return f"<{secrets.token_hex(16)}@{sender_domain()}>"


class VisitorMailQuerySet(OutgoingQuerySet["VisitorMail"]):
    def visible_to(self, staff: "Staff") -> "VisitorMailQuerySet":
        """A coordinator sees mail of the letters of their institutions, the platform's all."""
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(conversation__institution__in=staff.coordinator_of)


class VisitorMail(OutgoingMail):
    """One event that a young person is told of by mail. Holds no address and no text."""

    class Kind(models.TextChoices):
        ANSWER = "answer"
        INVITATION = "invitation"
        QUESTION = "question"
        QUIET = "quiet"

    goes_with_words = True
    to_whom = "a young person"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="mails")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    after = models.PositiveIntegerField(default=0, help_text="Tells of answers after this number,")
    seq = models.PositiveBigIntegerField(
        help_text="… up to this one. Or the number of the invitation, of the question, or of the last "
        "message before a long silence."
    )
    # Fixed before the first attempt, so that a mail program shows a doubled mail once.
    message_id = models.CharField(max_length=200, unique=True, default=new_message_id)

    objects = VisitorMailQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]
        indexes = [
            models.Index(
                fields=["due_at"],
                condition=Q(sent_at__isnull=True, given_up_at__isnull=True),
                name="visitor_mail_due",
            ),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "kind", "seq"], name="told_once_per_event"
            ),
            models.CheckConstraint(
                condition=Q(sent_at__isnull=True) | Q(given_up_at__isnull=True),
                name="visitor_mail_sent_or_given_up",
            ),
        ]

    def __str__(self) -> str:
        return f"mail {self.pk} about {self.conversation_id}"

    @classmethod
    def untold(cls) -> models.QuerySet[Conversation]:
        """Return the letters of which something should be told, and no row says so yet.

        Answers that were read with the code meanwhile need no mail.
        """
        invitations, questions = (
            Exists(
                model.objects.open()
                .filter(conversation=OuterRef("pk"))
                .exclude(
                    pk__in=cls.objects.filter(
                        kind=kind, conversation=OuterRef("conversation")
                    ).values("seq")
                )
            )
            for model, kind in ((Invitation, cls.Kind.INVITATION), (Transfer, cls.Kind.QUESTION))
        )
        # A silence is told of by the message after which it came: another message, another silence.
        silence = Q(status__in=Conversation.LIVE, quiet_told_at__isnull=False) & ~Exists(
            cls.objects.filter(
                kind=cls.Kind.QUIET, conversation=OuterRef("pk"), seq=OuterRef("last_seq")
            )
        )
        known = Greatest(Coalesce("correspondence__told_seq", 0), F("visitor_seq"))
        answers = Message.objects.filter(
            conversation=OuterRef("pk"), author=Message.Author.WORKER, seq__gt=OuterRef("known")
        )
        return (
            Conversation.objects.letters()
            .filter(sealed_address__isnull=False, address_failed_at__isnull=True, key__isnull=False)
            .annotate(known=known)
            .filter(
                Q(last_seq__gt=F("known")) & Exists(answers) | invitations | questions | silence
            )
        )

    @classmethod
    def put(cls, letter: Conversation, now: datetime) -> int:
        """Put a row in the outbox for each thing of a letter that is not told yet; return how many.

        Two processes that do this at once tell it once.
        """
        with transaction.atomic():
            correspondence = Correspondence.follow(letter)
            put = 0
            after = max(correspondence.told_seq, letter.visitor_seq)
            answers = letter.messages.filter(author=Message.Author.WORKER, seq__gt=after)
            newest = answers.aggregate(newest=Max("seq"))["newest"]
            if newest is not None:
                letter.mails.create(kind=cls.Kind.ANSWER, after=after, seq=newest, due_at=now)
                correspondence.told_seq = newest
                correspondence.save(update_fields=["told_seq"])
                put += 1
            for kind, asked in (
                (cls.Kind.INVITATION, letter.invitations.open()),
                (cls.Kind.QUESTION, letter.transfers.open()),
            ):
                for pk in asked.values_list("pk", flat=True):
                    _mail, is_new = letter.mails.get_or_create(
                        kind=kind, seq=pk, defaults={"due_at": now}
                    )
                    put += is_new
            # Read anew, because somebody may have written this very moment.
            if silent := Conversation.objects.filter(
                pk=letter.pk, status__in=Conversation.LIVE, quiet_told_at__isnull=False
            ).first():
                _mail, is_new = letter.mails.get_or_create(
                    kind=cls.Kind.QUIET, seq=silent.last_seq, defaults={"due_at": now}
                )
                put += is_new
        return put

    def drop(self, now: datetime) -> None:
        """It was read with the code, or the address or the letter is gone: nothing to keep."""
        self.delete()

    def address_refused(self, now: datetime) -> None:
        self.conversation.address_failed(now)


# --- In -----------------------------------------------------------------------------------------


class IncomingMail(models.Model):
    """A mail that came in for a letter: so that it counts once, and can be looked at again.

    Written by `mail.incoming.take`, before its words stand in the letter; `posted_at` says that
    they do. Of automatic mail and bounces only the fact is kept.
    """

    class Kind(models.TextChoices):
        REPLY = "reply"
        AUTOMATIC = "automatic"
        BOUNCE = "bounce"

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="mail_in")
    id_hash = models.CharField(
        max_length=64, help_text="Keyed hash of the Message-ID, or of the content without one."
    )
    kind = models.CharField(max_length=9, choices=Kind.choices)
    at = models.DateTimeField(default=timezone.now)
    sealed_message_id = models.BinaryField(null=True)
    # As it came, but never with the files that came along (docs/decisions/0013).
    sealed_original = models.BinaryField(null=True)
    files = models.PositiveSmallIntegerField(default=0, help_text="Not kept.")
    posted_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(fields=["conversation", "id_hash"], name="taken_once"),
        ]

    def __str__(self) -> str:
        return f"mail {self.pk} for {self.conversation_id}"

    def _unseal(self, field: str, sealed: bytes | memoryview | None) -> str:
        if sealed is None:
            return ""
        key = self.conversation.data_key()
        return key.unseal(sealed, self.conversation_id, self.id_hash, field)

    def original(self) -> str:
        """The mail as it came, each byte one character. Raises ConversationKey.DoesNotExist."""
        return self._unseal("mail-original", self.sealed_original)

    @classmethod
    def behind(cls, letter: Conversation, seq: int) -> "IncomingMail | None":
        """Return the mail from which a message of a letter came; None when it came by the page.

        It may have been sent to another letter of hers, that was closed.
        """
        message = letter.messages.filter(seq=seq, client_id__startswith="mail-").first()
        if message is None:
            return None
        same = Q(conversation=letter)
        if letter.visitor_id is not None:
            same |= Q(conversation__visitor=letter.visitor_id)
        _mail, id_hash, _piece = message.client_id.split("-")
        found = cls.objects.filter(same, id_hash__startswith=id_hash)
        return found.select_related("conversation__key").first()

    def words_held(self) -> list[str]:
        return [f"mail: {original}"] if (original := self.original()) else []

    def message_id(self) -> str:
        return self._unseal("mail-id", self.sealed_message_id)
