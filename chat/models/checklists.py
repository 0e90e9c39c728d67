"""The Meldcode and the crisis protocol beside a chat: which steps were taken, by whom, when."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models, transaction
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from chat import events
from chat.models.refused import Refused
from institutions.models import AuditEvent

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from institutions.access import Staff


class ChecklistTick(models.Model):
    """One step that was taken. A step that is not here was not (or it was ticked by mistake).

    Holds no words: those belong in the notes. The audit trail keeps every tick and every untick.
    """

    class Checklist(models.TextChoices):
        CRISIS = "crisis", _("Crisisprotocol")
        MELDCODE = "meldcode", _("Meldcode")

    # What each step asks, in order. Steps are numbered from 1; their number is what is stored.
    STEPS = {
        Checklist.CRISIS: (
            _("Vraag rechtstreeks of de jongere nu in gevaar is of aan zelfdoding denkt."),
            _("Vraag waar de jongere is, en wie er nu bij kan zijn."),
            _("Vraag of er een plan is, wanneer, en wat er al klaarligt."),
            _("Noem 112 bij direct gevaar, 113 (0800-0113) bij denken aan zelfdoding."),
            _("Laat een collega meelezen of bel de achterwacht."),
            _("Spreek samen af wat de jongere nu doet, en met wie."),
            _("Blijf tot er iemand is, of tot jullie samen afronden."),
        ),
        Checklist.MELDCODE: (
            _("Stap 1: breng in kaart wat je ziet en hoort."),
            _("Stap 2: overleg met een collega, en zo nodig met Veilig Thuis (0800-2000)."),
            _("Stap 3: praat erover met de jongere."),
            _("Stap 4: weeg hoe ernstig het is. Bij twijfel: altijd Veilig Thuis."),
            _("Stap 5: beslis. Is melden nodig? Kun je hulp bieden of regelen?"),
        ),
    }

    conversation = models.ForeignKey(
        "chat.Conversation", on_delete=models.CASCADE, related_name="ticks"
    )
    checklist = models.CharField(max_length=8, choices=Checklist.choices)
    step = models.PositiveSmallIntegerField()
    worker = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["checklist", "step"]
        constraints = [
            models.UniqueConstraint(
                fields=["conversation", "checklist", "step"], name="one_tick_per_step"
            )
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.checklist} {self.step}"

    @classmethod
    def put(
        cls, conversation: "Conversation", staff: "Staff", checklist: str, step: int, *, on: bool
    ) -> None:
        """Tick a step of an own conversation, or take the tick away. Twice the same changes nothing.

        Refuses: forbidden (not the worker who has it), not_understood (no such step).
        """
        from chat.models.conversation import Conversation

        steps = cls.STEPS.get(cls.Checklist(checklist), ())
        if not 1 <= step <= len(steps):
            raise Refused("not_understood")
        with transaction.atomic():
            # The row is held, so that a hand-over at the same moment comes before or after.
            mine = Conversation.objects.select_for_update().filter(
                pk=conversation.pk, worker=staff.user
            )
            if not mine.exists():
                raise Refused("forbidden")
            same = cls.objects.filter(conversation=conversation, checklist=checklist, step=step)
            if on == same.exists():
                return
            if on:
                cls.objects.create(
                    conversation=conversation, checklist=checklist, step=step, worker=staff.user
                )
            else:
                same.delete()
            AuditEvent.objects.create(
                actor=staff.user,
                verb=AuditEvent.Verb.CHECKLIST,
                conversation=conversation.pk,
                institution_id=staff.institution_id,
                detail=f"{checklist} {step} {'on' if on else 'off'}",
            )
            events.publish(events.ChecklistChanged(conversation=conversation.pk))
