"""Who raised or lowered the urgency of a conversation, and why."""

# Every `self` of the verbs is a Conversation, of which they are a base class.
# mypy: disable-error-code="arg-type,attr-defined,misc"

from datetime import datetime
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from chat import events
from chat.models.queue_rules import QueueRules
from chat.models.refused import Refused
from chat.models.visitor import random_id
from institutions.models import AuditEvent, Membership, StaffMail, User
from roster.models import Duty

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from institutions.access import Staff
    from roster.models import ServiceLine


def alert_due(line: "ServiceLine", urgency: str, now: datetime) -> datetime | None:
    """When coordinators hear of somebody who needs help now; None for who can wait."""
    return now + QueueRules.of(line).alert_after if urgency == "now" else None


class UrgencyVerbs(models.Model):
    """Raising, lowering, and the alert of somebody who needs help now; `Conversation` inherits it."""

    alert_due_at = models.DateTimeField(
        null=True,
        help_text="Needs help now, and coordinators hear of it if nobody answers by then.",
    )
    alerted_at = models.DateTimeField(null=True, help_text="When coordinators were told, once.")

    class Meta:
        abstract = True

    def change_urgency(self, staff: "Staff", *, urgency: str, reason: str) -> None:
        """Raise or lower the urgency, with a reason that is kept sealed; the queue orders itself anew.

        Of a chat that waits any worker may do so: they see its card. Else the worker who has it. Refuses: forbidden, wrong_state (ended), not_understood (no such urgency, or no
        reason), taken (somebody changed it just now, or it is so already).
        """
        from chat.models.conversation import Conversation

        if not staff.is_worker:
            raise Refused("forbidden")
        if self.status not in self.LIVE:
            raise Refused("wrong_state")
        if urgency not in self.Urgency.values or not reason:
            raise Refused("not_understood")
        if urgency == self.urgency:
            raise Refused("taken")
        now, old = timezone.now(), self.urgency
        with transaction.atomic():
            same = Conversation.objects.filter(
                Q(status=self.Status.WAITING, kind=self.Kind.CHAT)
                | Q(status=self.Status.ACTIVE, worker=staff.user),
                pk=self.pk,
                urgency=old,
            )
            if not same.update(urgency=urgency, alert_due_at=alert_due(self.line, urgency, now)):
                raise Refused("forbidden" if self.status == self.Status.ACTIVE else "taken")
            place = random_id()
            self.urgency_changes.create(
                old=old,
                new=urgency,
                worker=staff.user,
                place=place,
                sealed_reason=UrgencyChange.seal(self, place, reason),
                at=now,
            )
            self._audit(AuditEvent.Verb.URGENCY, staff, detail=f"{old} {urgency}")
            self.refresh_from_db()
            events.publish(events.UrgencyChanged(conversation=self.pk))
            events.publish(events.DeskChanged(line=self.line_id))

    def raise_by_words(self, urgency: str, *, danger: bool, intake: str) -> None:
        """Words of who waits ask for more haste, or for the help lines; this never lowers anything.

        `intake`: what triage tells now, with why. Refuses: taken (claimed, or changed just now).
        """
        from chat.models.conversation import Conversation

        now, levels = timezone.now(), list(self.Urgency.values)  # the most urgent first
        urgency = min(urgency, self.urgency, key=levels.index)
        is_raised = urgency != self.urgency
        changes = {"sealed_intake": self._sealed_intake(intake), "danger": danger or self.danger}
        if is_raised:
            changes |= {"urgency": urgency, "alert_due_at": alert_due(self.line, urgency, now)}
        with transaction.atomic():
            same = Conversation.objects.waiting().filter(pk=self.pk, urgency=self.urgency)
            if not same.update(**changes):
                raise Refused("taken")
            if is_raised:
                self.changes.create(
                    old=self.status,
                    new=self.status,
                    by="visitor",
                    reason=f"urgent_{urgency}",
                    at=now,
                )
            if danger and not self.danger:
                events.publish(events.DangerFound(conversation=self.pk))
            events.publish(events.DeskChanged(line=self.line_id))
        self.refresh_from_db()

    def retell(self, intake: str) -> None:
        """Seal what triage tells anew."""
        type(self).objects.filter(pk=self.pk).update(sealed_intake=self._sealed_intake(intake))
        self.refresh_from_db()

    def _sealed_intake(self, intake: str) -> bytes:
        return self.data_key().seal(intake, self.pk, "intake")

    def alert(self, now: datetime) -> bool:
        """Tell coordinators, once, that nobody answers. False: somebody did, or they were told.

        The platform's, and those of the institutions that are on duty now. Says nothing of anybody.
        """
        from chat.models.conversation import Conversation

        with transaction.atomic():
            unanswered = Conversation.objects.waiting().filter(
                pk=self.pk,
                urgency=Conversation.Urgency.NOW,
                alert_due_at__lte=now,
                alerted_at=None,
            )
            if not unanswered.update(alerted_at=now):
                return False
            for person in _coordinators_of(self.line, now):
                with translation.override(person.language):
                    StaffMail.put(
                        person,
                        "unanswered",
                        f"unanswered:{self.pk}:{person.pk}",
                        subject="Klikvoor: " + _("er wacht iemand in de chat"),
                        body=_(
                            "Dag %(name)s,\n\n"
                            "In de chat wacht iemand die nu hulp nodig heeft, en nog niemand heeft "
                            "geantwoord. Kun je iemand vragen die nu aanwezig is?\n\n"
                            "Zo staat het er nu voor: %(link)s\n"
                        )
                        % {"name": person.name, "link": f"{settings.ORIGINS[0]}/roster/today/"},
                    )
        return True


def _coordinators_of(line: "ServiceLine", now: datetime) -> list[User]:
    on_duty = Duty.objects.active().filter(hour__line=line, start__lte=now, end__gt=now)
    memberships = (
        Membership.objects.active()
        .coordinators()
        .filter(Q(institution=None) | Q(institution__in=on_duty.values("credited_to")))
        .select_related("user")
    )
    return list({membership.user_id: membership.user for membership in memberships}.values())


class UrgencyChange(models.Model):
    """One change of a conversation's urgency by a worker. Made by `Conversation.change_urgency`.

    The reason is sealed with the conversation's data key and goes with it; that it was changed, by
    whom and when stays.
    """

    # Only the reason does: see chat/models/erasing.py.
    goes_with_words = False

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

    def words_held(self) -> list[str]:
        return [f"urgency {self.new}: {reason}"] if (reason := self.reason()) else []
