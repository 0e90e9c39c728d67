"""A conversation and everything that can happen to it.

`Conversation.TRANSITIONS` is the whole state machine and `_move` the only writer of `status`: one
conditional UPDATE whose row count says whether we were first. Each verb is a method, and runs in
its own transaction, leaves a `StatusChange`, and tells the open windows after the commit.
Messages are the exception: they go through `chat/writer.py`, which groups them.
"""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat import events, topics
from chat.models import first
from chat.models.inbox import InboxVerbs
from chat.models.letters import LetterVerbs
from chat.models.refused import Refused
from chat.models.urgency import UrgencyVerbs, alert_due
from chat.models.visitor import Visitor, random_id
from chat.models.words import ConversationKey, Note
from institutions.models import AuditEvent, Brand, Institution
from institutions.sealing import DataKey
from roster.models import LEASE, Presence, ServiceLine

if TYPE_CHECKING:
    from institutions.access import Staff

# A worker whose lease ended this long ago is lost: the young person goes back to the queue.
WORKER_LOST = timedelta(seconds=90)
# Somebody who waits and shows no sign of life for this long has gone.
VISITOR_LOST = timedelta(seconds=120)
# A chat that was handed to one colleague is everybody's after this long.
RESERVED = timedelta(seconds=90)
# Above the cap there is this much, for somebody who needs help now and only when the worker says so
# (docs/decisions/0011-a-place-above-the-cap.md).
EXTRA_PLACES = 1


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def chats(self) -> "ConversationQuerySet":
        return self.filter(kind=Conversation.Kind.CHAT)

    def letters(self) -> "ConversationQuerySet":
        return self.filter(kind=Conversation.Kind.LETTER)

    def live(self) -> "ConversationQuerySet":
        """What has not ended, chats and letters."""
        return self.filter(status__in=Conversation.LIVE)

    def waiting(self) -> "ConversationQuerySet":
        """The queue: chats. Letters wait in the inbox."""
        return self.chats().filter(status=Conversation.Status.WAITING)

    def active(self) -> "ConversationQuerySet":
        """Chats that somebody has. A letter that a worker has takes no place and needs no window."""
        return self.chats().filter(status=Conversation.Status.ACTIVE)

    def visible_to(self, staff: "Staff") -> "ConversationQuerySet":
        """What a worker may read: what they hold, and what their own institution owns."""
        if not staff.is_worker:
            return self.none()
        return self.filter(Q(worker=staff.user) | Q(institution__in=staff.worker_of))


class Conversation(UrgencyVerbs, LetterVerbs, InboxVerbs):
    """One contact between a visitor and workers."""

    class Kind(models.TextChoices):
        CHAT = "chat", _("chat")
        LETTER = "letter", _("brief")

    class Status(models.TextChoices):
        WAITING = "waiting", _("wacht")
        ACTIVE = "active", _("bezig")
        CLOSED = "closed", _("afgesloten")
        ABANDONED = "abandoned", _("weggegaan")

    class Urgency(models.TextChoices):
        NOW = "now", _("nu")
        SOON = "soon", _("snel")
        NORMAL = "normal", _("gewoon")

    class ClosingReason(models.TextChoices):
        FINISHED = "finished", _("gesprek is klaar")
        REFERRED = "referred", _("doorverwezen")
        VISITOR_LEFT = "visitor_left", _("jongere is weg")
        TIME = "time", _("het spreekuur is voorbij")
        MISUSE = "misuse", _("misbruik van de chat")
        BY_VISITOR = "by_visitor", _("jongere stopte het gesprek")
        QUIET = "quiet", _("lang niets gehoord")
        ERASED = "erased", _("jongere wiste alles")

    class AnswerBy(models.TextChoices):
        CODE = "code", _("met de terugkomcode")
        NOTICE = "notice", _("een seintje per e-mail")
        MAIL = "mail", _("het antwoord per e-mail")

    class ContactKind(models.TextChoices):
        ABOUT_SELF = "about_self", _("over zichzelf")
        ABOUT_CHILD = "about_child", _("over een ander kind of jongere")
        SILENT = "silent", _("zei niets")
        TEST = "test", _("test")
        PRANK = "prank", _("grap")
        ABUSIVE = "abusive", _("beledigend")
        THANKS = "thanks", _("bedankje")
        WRONG_PLACE = "wrong_place", _("verkeerde plek")
        EMERGENCY = "emergency", _("noodgeval")

    class Risk(models.TextChoices):
        # Five steps, as triage scales of mental health care have them, and "heard none".
        EMERGENCY = "a", _("A: noodgeval, meteen ingrijpen")
        VERY_HIGH = "b", _("B: zeer hoog, er dreigt nu iets ergs")
        HIGH = "c", _("C: hoog")
        MODERATE = "d", _("D: matig")
        LOW = "e", _("E: laag")
        NONE = "none", _("geen risico gehoord")

    class Topic(models.TextChoices):
        # The ten groups of Child Helpline International, and "unknown" for contacts without one.
        MISSING = "missing", _("weg van huis of vermist")
        VIOLENCE = "violence", _("geweld of misbruik")
        MENTAL_HEALTH = "mental_health", _("gevoel")
        PHYSICAL_HEALTH = "physical_health", _("lijf en gezondheid")
        ACCESS = "access", _("hulp of geld nodig")
        DISCRIMINATION = "discrimination", _("buitengesloten worden")
        FAMILY = "family", _("thuis en familie")
        PEERS = "peers", _("vrienden en verkering")
        EDUCATION = "education", _("school en werk")
        SEXUALITY = "sexuality", _("seks en identiteit")
        UNKNOWN = "unknown", _("iets anders")

    LIVE = (Status.WAITING, Status.ACTIVE)
    # By kind. Between the kinds there is one way: a waiting chat becomes a waiting letter.
    TRANSITIONS: dict[str, dict[str, frozenset[str]]] = {
        Kind.CHAT: {
            Status.WAITING: frozenset({Status.ACTIVE, Status.ABANDONED}),
            Status.ACTIVE: frozenset({Status.WAITING, Status.CLOSED}),
            Status.CLOSED: frozenset(),
            Status.ABANDONED: frozenset(),
        },
        Kind.LETTER: {
            Status.WAITING: frozenset({Status.ACTIVE, Status.CLOSED}),
            Status.ACTIVE: frozenset({Status.WAITING, Status.CLOSED}),
            Status.CLOSED: frozenset({Status.WAITING}),
            Status.ABANDONED: frozenset(),
        },
    }

    id = models.CharField(primary_key=True, max_length=22, default=random_id, editable=False)
    brand = models.ForeignKey(Brand, on_delete=models.PROTECT, related_name="+")
    line = models.ForeignKey(ServiceLine, on_delete=models.PROTECT, related_name="+")
    visitor = models.ForeignKey(
        Visitor, on_delete=models.SET_NULL, null=True, related_name="conversations"
    )
    kind = models.CharField(max_length=6, choices=Kind.choices, default=Kind.CHAT)
    status = models.CharField(max_length=9, choices=Status.choices, default=Status.WAITING)
    urgency = models.CharField(max_length=6, choices=Urgency.choices, default=Urgency.NORMAL)
    # JSON {"reasons": [sentence], "answers": [{"question", "answer"}]}, made by triage.
    sealed_intake = models.BinaryField(null=True)
    language = models.CharField(max_length=2, default="nl")
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, null=True, related_name="+", help_text="Owns it."
    )
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reserved_for = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    reserved_until = models.DateTimeField(null=True)
    last_seq = models.PositiveIntegerField(default=0)
    visitor_seq = models.PositiveIntegerField(default=0, help_text="Seen by the visitor.")
    worker_seq = models.PositiveIntegerField(default=0, help_text="Seen by the worker.")
    visitor_seen_at = models.DateTimeField(default=timezone.now, help_text="Last heartbeat.")
    created_at = models.DateTimeField(default=timezone.now)
    waiting_since = models.DateTimeField(default=timezone.now)
    claimed_at = models.DateTimeField(null=True, help_text="The first time.")
    ended_at = models.DateTimeField(null=True)
    closing_reason = models.CharField(max_length=12, choices=ClosingReason.choices, blank=True)
    contact_kind = models.CharField(max_length=12, choices=ContactKind.choices, blank=True)
    topic = models.CharField(max_length=16, choices=Topic.choices, blank=True)
    topic_detail = models.CharField(max_length=16, blank=True, help_text="A subcategory.")
    # What triage tells the queue, in codes; the words are in `sealed_intake`.
    region = models.CharField(max_length=6, blank=True, help_text="CBS code of a municipality.")
    age_band = models.CharField(max_length=16, blank=True)
    wishes = models.JSONField(default=list, help_text="Codes of what the worker should be able to.")
    danger = models.BooleanField(default=False, help_text="Was shown the help lines at once.")
    risk = models.CharField(max_length=4, choices=Risk.choices, blank=True)
    # Of which conversation this one is the next: a letter after a chat, a chat after a letter.
    follows = models.ForeignKey(
        "self", on_delete=models.SET_NULL, null=True, related_name="followed_by"
    )
    keeps_place = models.BooleanField(
        default=False, help_text="Was invited from a letter: goes ahead in the queue."
    )
    is_put_away = models.BooleanField(
        default=False, help_text="She saw the end of this chat and went on to her letter."
    )
    # Letters only.
    answer_by = models.CharField(
        max_length=6, choices=AnswerBy.choices, default=AnswerBy.CODE, help_text="Of a letter."
    )
    sealed_address = models.BinaryField(null=True)
    address_failed_at = models.DateTimeField(
        null=True, help_text="Mail to that address came back: nothing goes there any more."
    )
    due_at = models.DateTimeField(null=True, help_text="An answer is promised until then.")
    overdue_told_at = models.DateTimeField(null=True)
    quiet_told_at = models.DateTimeField(
        null=True, help_text="She was told that the letter closes unless she writes."
    )
    feedback_heard = models.PositiveSmallIntegerField(null=True, help_text="1 to 5.")
    feedback_better = models.PositiveSmallIntegerField(null=True, help_text="1 to 5.")

    objects = ConversationQuerySet.as_manager()

    class Meta:
        ordering = ["created_at", "pk"]
        indexes = [
            models.Index(fields=["line", "status", "kind"]),
            models.Index(fields=["worker", "status"]),
            models.Index(
                fields=["institution", "status"],
                condition=Q(kind="letter"),
                name="letters_of_an_institution",
            ),
        ]
        constraints = [
            models.CheckConstraint(
                condition=~Q(status="active") | Q(worker__isnull=False),
                name="active_has_a_worker",
            ),
            models.CheckConstraint(
                condition=~Q(status="waiting") | Q(worker__isnull=True),
                name="waiting_has_no_worker",
            ),
            models.CheckConstraint(
                condition=Q(status__in=("waiting", "active"), ended_at__isnull=True)
                | Q(status__in=("closed", "abandoned"), ended_at__isnull=False),
                name="ended_has_a_time",
            ),
            models.UniqueConstraint(
                fields=["visitor", "kind"],
                condition=Q(status__in=("waiting", "active")),
                name="one_live_chat_and_letter_each",
            ),
            models.CheckConstraint(
                condition=~Q(kind="letter") | ~Q(status="abandoned"),
                name="letter_is_never_abandoned",
            ),
            models.CheckConstraint(
                condition=~Q(answer_by="code") | Q(sealed_address__isnull=True),
                name="no_address_without_a_reason",
            ),
        ]

    def __str__(self) -> str:
        return f"conversation {self.pk}"

    # --- Verbs: the only ways in which a conversation changes -----------------------------------

    @classmethod
    def start(
        cls,
        *,
        visitor: Visitor,
        line: ServiceLine,
        urgency: str = Urgency.NORMAL,
        intake: str = "",
        topic: str = "",
        topic_detail: str = "",
        region: str = "",
        age_band: str = "",
        wishes: Iterable[str] = (),
        danger: bool = False,
        follows: "Conversation | None" = None,
        keeps_place: bool = False,
    ) -> "Conversation":
        """Put a visitor in the queue. The caller asked first whether the chat is open.

        A visitor who has a live chat gets that one back: a double click, a second tab. `follows`
        is the letter that led here; `keeps_place` when it holds an invitation, which is then used.
        """
        with transaction.atomic():
            Visitor.objects.select_for_update(no_key=True).get(pk=visitor.pk)
            if live := visitor.conversations.chats().live().first():
                return live
            now = timezone.now()
            if keeps_place:
                used = follows is not None and follows.invitations.open().update(used_at=now)
                keeps_place = bool(used)
            conversation = cls(
                brand_id=visitor.brand_id,
                line=line,
                visitor=visitor,
                language=visitor.language,
                urgency=urgency,
                topic=topic,
                topic_detail=topic_detail,
                region=region,
                age_band=age_band,
                wishes=list(wishes),
                danger=danger,
                follows=follows,
                keeps_place=keeps_place,
                created_at=now,
                waiting_since=now,
                visitor_seen_at=now,
                alert_due_at=alert_due(line, urgency, now),
            )
            data_key = DataKey.new()
            if intake:
                conversation.sealed_intake = data_key.seal(intake, conversation.pk, "intake")
            conversation.save(force_insert=True)
            ConversationKey.keep(conversation.pk, data_key)
            conversation.changes.create(old="", new=cls.Status.WAITING, by="visitor", at=now)
            events.publish(events.DeskChanged(line=line.pk))
        return conversation

    def claim(self, staff: "Staff", *, despite: bool = False) -> None:
        """Take this waiting chat.

        Refuses: taken, cap, extra, urgent, first_others, not_available, forbidden.

        `despite`: the worker knows of an urgent chat of their own, or that this one needs help now
        and would be one more than their cap, and takes it all the same. That is one chat at most,
        and never for anybody who can wait.
        """
        if not staff.is_worker:
            raise Refused("forbidden")
        if self.status != self.Status.WAITING or self.kind != self.Kind.CHAT:
            raise Refused("taken")
        now = timezone.now()
        with transaction.atomic():
            # Two windows of one worker: the row makes their claims come one after the other.
            presence = Presence.objects.select_for_update().filter(worker=staff.user).first()
            if presence is None or now - presence.seen_at > LEASE:
                raise Refused("not_available")
            own = list(
                Conversation.objects.active()
                .filter(worker=staff.user)
                .values_list("urgency", flat=True)
            )
            only = Q(kind=self.Kind.CHAT) & (
                Q(reserved_for=None) | Q(reserved_for=staff.user) | Q(reserved_until__lte=now)
            )
            above = len(own) - staff.user.chat_cap
            if above >= 0:
                if self.urgency != self.Urgency.NOW or above >= EXTRA_PLACES:
                    raise Refused("cap")
                if not despite:
                    raise Refused("extra")
                # Lowered at this moment: then it can wait, and there is no place for it.
                only &= Q(urgency=self.Urgency.NOW)
            if self.Urgency.NOW in own and not despite:
                raise Refused("urgent")
            if first.hold_on(self, now).is_held_from(staff.user.pk):
                raise Refused("first_others")
            self._move(
                self.Status.ACTIVE,
                by="worker",
                worker=staff.user,
                only=only,
                now=now,
                changes={
                    "worker": staff.user,
                    "institution_id": staff.institution_id,
                    "claimed_at": self.claimed_at or now,
                    "reserved_for": None,
                    "reserved_until": None,
                },
            )
            self._audit(AuditEvent.Verb.CLAIM, staff)

    def hand_over(self, staff: "Staff", *, to_worker_id: int | None = None, note: str = "") -> None:
        """Give an own chat back to the queue, or to one present colleague, with a note for them."""
        now = timezone.now()
        with transaction.atomic():
            changes: dict[str, Any] = {
                "worker": None,
                "waiting_since": now,
                "alert_due_at": alert_due(self.line, self.urgency, now),
            }
            if to_worker_id is not None:
                present = Presence.objects.filter(
                    worker_id=to_worker_id,
                    worker__is_active=True,
                    worker__memberships__role="worker",
                    state=Presence.State.AVAILABLE,
                    seen_at__gt=now - LEASE,
                ).exclude(worker=staff.user)
                if not present.exists():
                    raise Refused("colleague_absent")
                changes |= {"reserved_for_id": to_worker_id, "reserved_until": now + RESERVED}
            if note:
                Note.add(self, staff.user, note, client_id=random_id())
            self._move(
                self.Status.WAITING,
                by="worker",
                worker=staff.user,
                reason="handed_over",
                only=Q(worker=staff.user),
                now=now,
                changes=changes,
            )
            self._audit(AuditEvent.Verb.HAND_OVER, staff, detail=str(to_worker_id or "queue"))

    def close(
        self,
        staff: "Staff",
        *,
        reason: str,
        contact_kind: str,
        topic: str,
        topic_detail: str = "",
        risk: str = "",
    ) -> None:
        """End an own chat, with the minimum registration."""
        if not topics.is_detail(topic, topic_detail):
            raise Refused("not_understood")
        with transaction.atomic():
            self._move(
                self.Status.CLOSED,
                by="worker",
                worker=staff.user,
                reason=reason,
                only=Q(worker=staff.user),
                changes={
                    "ended_at": timezone.now(),
                    "closing_reason": reason,
                    "contact_kind": contact_kind,
                    "topic": topic,
                    "topic_detail": topic_detail,
                    "risk": risk,
                },
            )
            self._audit(AuditEvent.Verb.CLOSE, staff, detail=reason)

    def abandon(self, *, reason: str) -> None:
        """The visitor leaves: `left`, `closed` (ended the chat), `lost`, or `closing_time`.

        Out of the queue that is abandoned; out of a chat it is closed, and the worker still
        registers it.
        """
        if self.kind != self.Kind.CHAT:
            raise Refused("wrong_state")
        waiting = self.status == self.Status.WAITING
        self._move(
            self.Status.ABANDONED if waiting else self.Status.CLOSED,
            by="system" if reason in ("lost", "closing_time") else "visitor",
            reason=reason,
            only=Q(kind=self.Kind.CHAT),
            changes={
                "ended_at": timezone.now(),
                "closing_reason": ""
                if waiting
                else self.ClosingReason.BY_VISITOR
                if reason == "closed"
                else self.ClosingReason.VISITOR_LEFT,
            },
        )

    def lose_worker(self) -> None:
        """Give a chat whose worker is lost back to the queue, in its old place."""
        now = timezone.now()
        self._move(
            self.Status.WAITING,
            by="system",
            reason="worker_lost",
            only=Q(worker=self.worker),
            now=now,
            changes={"worker": None, "alert_due_at": alert_due(self.line, self.urgency, now)},
        )

    def register(
        self,
        staff: "Staff",
        *,
        contact_kind: str,
        topic: str,
        topic_detail: str = "",
        risk: str = "",
    ) -> None:
        """Registration of a chat that the visitor ended; the text stays as it is."""
        if not topics.is_detail(topic, topic_detail):
            raise Refused("not_understood")
        found = {
            "contact_kind": contact_kind,
            "topic": topic,
            "topic_detail": topic_detail,
            "risk": risk,
        }
        mine = Conversation.objects.filter(
            pk=self.pk, worker=staff.user, status=self.Status.CLOSED, contact_kind=""
        )
        with transaction.atomic():
            if not mine.update(**found):
                raise Refused("wrong_state")
            self._audit(AuditEvent.Verb.CLOSE, staff, detail="registered")
            events.publish(events.DeskChanged(line=self.line_id))

    def put_away(self) -> None:
        """The visit is about the letter again, and no longer about this chat that ended."""
        ended = (self.Status.CLOSED, self.Status.ABANDONED)
        mine = Conversation.objects.chats().filter(pk=self.pk, status__in=ended)
        mine.update(is_put_away=True)

    def rate(self, *, heard: int | None, better: int | None) -> None:
        """Keep the visitor's feedback, 1 to 5; the last answer counts."""
        answers = {"feedback_heard": heard, "feedback_better": better}
        Conversation.objects.filter(pk=self.pk, status=self.Status.CLOSED).update(
            **{field: value for field, value in answers.items() if value is not None}
        )

    def _move(
        self,
        to: str,
        *,
        by: str,
        changes: dict[str, Any],
        worker: Any = None,
        reason: str = "",
        only: Q | None = None,
        now: datetime | None = None,
    ) -> None:
        """Change the status if nobody was first; raises Refused("wrong_state") or ("taken")."""
        old = self.status
        if to not in self.TRANSITIONS[self.kind][old]:
            raise Refused("wrong_state")
        with transaction.atomic():
            unchanged = Conversation.objects.filter(only or Q(), pk=self.pk, status=old)
            if not unchanged.update(status=to, **changes):
                raise Refused("taken")
            self.changes.create(
                old=old, new=to, by=by, worker=worker, reason=reason, at=now or timezone.now()
            )
            self.refresh_from_db()
            events.publish(events.StatusChanged.of(self, reason=reason))
            events.publish(events.DeskChanged(line=self.line_id))

    def _audit(self, verb: str, staff: "Staff", detail: str = "") -> None:
        AuditEvent.objects.create(
            actor=staff.user,
            verb=verb,
            conversation=self.pk,
            institution_id=staff.institution_id,
            detail=detail,
        )

    def read_by(self, staff: "Staff") -> None:
        """Leave the audit row of a worker who opens this conversation."""
        self._audit(AuditEvent.Verb.READ, staff)

    # --- What was written -----------------------------------------------------------------------

    def data_key(self) -> DataKey:
        """Raises ConversationKey.DoesNotExist once the text was erased."""
        return self.key.open()

    def intake(self) -> str:
        """The summary of the questions before, unsealed; empty if there was none."""
        if self.sealed_intake is None:
            return ""
        return self.data_key().unseal(self.sealed_intake, self.pk, "intake")

    @property
    def is_live_chat(self) -> bool:
        return self.kind == self.Kind.CHAT and self.status in self.LIVE

    @property
    def visitor_is_present(self) -> bool:
        return timezone.now() - self.visitor_seen_at <= LEASE


class StatusChange(models.Model):
    """One row per change of status: history, figures and audit in one. Holds no text."""

    conversation = models.ForeignKey(Conversation, on_delete=models.CASCADE, related_name="changes")
    old = models.CharField(max_length=9, blank=True)
    new = models.CharField(max_length=9)
    by = models.CharField(max_length=7, help_text="visitor, worker or system")
    worker = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    reason = models.CharField(max_length=12, blank=True)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.old} to {self.new}"
