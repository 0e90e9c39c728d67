"""The questions before a chat, and the answers of a visit until its chat begins."""

import json
from collections.abc import Callable, Collection
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

from django.db import models, transaction
from django.utils import timezone

from chat.models import Conversation, Visitor
from institutions.models import Brand, User
from institutions.sealing import DataKey
from roster.models import ServiceLine
from triage import rules
from triage.drafts import QuestionnaireDraft, QuestionnaireExample
from triage.told import tell

__all__ = [
    "Decision",
    "Intake",
    "Questionnaire",
    "QuestionnaireDraft",
    "QuestionnaireExample",
    "Stale",
    "Weighing",
    "default_data",
    "forget_old",
]

DIRECTORY = Path(__file__).parent / "questionnaires"
DEFAULT = "jongeren"
# Answers of somebody who never came to chatting are gone after this.
KEPT = timedelta(hours=24)


class Stale(Exception):
    """The page that asks this shows an older state of the visit."""


@cache
def default_data(name: str = DEFAULT) -> dict[str, Any]:
    data: dict[str, Any] = json.loads((DIRECTORY / f"{name}.json").read_text(encoding="utf-8"))
    return data


class Questionnaire(models.Model):
    """One published version of a brand's questions, texts and rules. Never changed: published anew."""

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="questionnaires")
    version = models.PositiveIntegerField()
    data = models.JSONField()
    published_at = models.DateTimeField(default=timezone.now)
    published_by = models.ForeignKey(
        User, on_delete=models.PROTECT, null=True, related_name="+", help_text="NULL: set up."
    )

    class Meta:
        ordering = ["brand", "-version"]
        constraints = [
            models.UniqueConstraint(
                fields=["brand", "version"], name="one_questionnaire_per_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.brand} {self.version}"

    @classmethod
    def publish(cls, brand: Brand, data: dict[str, Any], by: User | None = None) -> "Questionnaire":
        """Make this the questionnaire of new visits. Publishing the same twice changes nothing."""
        rules.check(data)
        with transaction.atomic():
            Brand.objects.select_for_update().get(pk=brand.pk)
            current = cls.objects.filter(brand=brand).first()
            if current and current.data == data:
                return current
            version = current.version + 1 if current else 1
            return cls.objects.create(brand=brand, version=version, data=data, published_by=by)

    @classmethod
    def publish_default(cls, brand: Brand) -> "Questionnaire":
        return cls.publish(brand, default_data())

    @classmethod
    def current(cls, brand: Brand) -> "Questionnaire":
        """The newest; a brand that has none yet gets the default one."""
        return cls.objects.filter(brand=brand).first() or cls.publish_default(brand)

    @property
    def steps(self) -> list[dict[str, Any]]:
        steps: list[dict[str, Any]] = self.data["steps"]
        return steps


class Intake(models.Model):
    """The answers so far of one visit, sealed under a key of their own.

    They move into the conversation when it starts, and this row goes.
    """

    visitor = models.OneToOneField(Visitor, on_delete=models.CASCADE, related_name="intake")
    questionnaire = models.ForeignKey(Questionnaire, on_delete=models.PROTECT, related_name="+")
    is_letter = models.BooleanField(default=False, help_text="Leads to a letter, not to a chat.")
    step = models.PositiveSmallIntegerField(default=0, help_text="Beyond the last: all asked.")
    sealing_key = models.CharField(max_length=16, db_index=True)
    wrapped = models.BinaryField()
    sealed_answers = models.BinaryField()
    created_at = models.DateTimeField(default=timezone.now, db_index=True)

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"intake of {self.visitor}"

    @classmethod
    def begin(cls, visitor: Visitor, *, is_letter: bool = False) -> "Intake":
        """Return the visit's intake; a double click gets the same one."""
        data_key = DataKey.new()
        name, wrapped = data_key.wrap()
        intake, _is_new = cls.objects.get_or_create(
            visitor=visitor,
            defaults={
                "questionnaire": Questionnaire.current(visitor.brand),
                "is_letter": is_letter,
                "sealing_key": name,
                "wrapped": wrapped,
                "sealed_answers": data_key.seal("{}", visitor.pk, "intake"),
            },
        )
        return intake

    @property
    def is_done(self) -> bool:
        return self.step >= len(self.questionnaire.steps)

    def answers(self) -> dict[str, rules.Answer]:
        """Code of the question: code of the option, of several options, or own words."""
        data_key = DataKey.unwrap(self.sealing_key, self.wrapped)
        answers: dict[str, rules.Answer] = json.loads(
            data_key.unseal(self.sealed_answers, self.visitor_id, "intake")
        )
        return answers

    def words_held(self) -> list[str]:
        return [f"{question}: {answer}" for question, answer in self.answers().items()]

    def assess(self) -> rules.Assessment:
        return rules.assess(self.questionnaire.data, self.answers())

    def danger(self, before: int | None = None) -> bool:
        """Do the answers point to danger? With `before`: did those to the earlier steps?"""
        answers = self.answers()
        if before is not None:
            for step in self.questionnaire.steps[max(before, 0) :]:
                for question in step["questions"]:
                    answers.pop(question["code"], None)
        return rules.assess(self.questionnaire.data, answers).danger

    def answer(self, step: int, given: rules.Answers) -> None:
        """Keep the answers of one step (without answers: skip it) and go to the next.

        The same answers to the step before are a double click and change nothing.
        """
        with transaction.atomic():
            now = self._locked()
            answers = now.answers()
            codes = [question["code"] for question in now.questionnaire.steps[step]["questions"]]
            if step == now.step - 1 and dict(given) == {
                code: answers[code] for code in codes if code in answers
            }:
                return
            if step != now.step:
                raise Stale
            for code in codes:
                answers.pop(code, None)
            now._save(step + 1, answers | dict(given))

    def keep(self, step: int, given: rules.Answers, wrong: Collection[str] = ()) -> None:
        """Keep what is filled in so far, and stay; of what is `wrong` what was. Of another step than
        this one, which was on its way too long, nothing."""
        with transaction.atomic():
            now = self._locked()
            if step != now.step:
                return
            codes = [question["code"] for question in now.questionnaire.steps[step]["questions"]]
            answers = now.answers()
            for code in codes:
                if code not in wrong:
                    answers.pop(code, None)
            now._save(step, answers | dict(given))

    def back(self, step: int, given: rules.Answers | None = None) -> None:
        """To the step before. What is filled in here is kept; without anything filled in, what was."""
        with transaction.atomic():
            now = self._locked()
            if step != now.step:
                raise Stale
            now._save(max(0, step - 1), now.answers() | dict(given or {}))

    def skip_rest(self, step: int | None = None, given: rules.Answers | None = None) -> None:
        """To the end. What is filled in at this step is kept."""
        with transaction.atomic():
            now = self._locked()
            more = dict(given or {}) if step == now.step else {}
            now._save(len(now.questionnaire.steps), now.answers() | more)

    def choose(self, *, is_letter: bool) -> None:
        """To a letter instead of a chat, or the other way round; the answers stay."""
        Intake.objects.filter(pk=self.pk).update(is_letter=is_letter)

    def start_conversation(self, line: ServiceLine) -> Conversation:
        """Hand answers, urgency and reasons over to chat, and forget them here.

        The caller asked whether the chat is open.
        """
        return self._start(Conversation.start, line)

    def start_letter(
        self, line: ServiceLine, *, text: str, client_id: str, answer_by: str, address: str
    ) -> Conversation:
        """The same for a letter with these first words, which needs no open chat."""
        return self._start(
            Conversation.start_letter,
            line,
            text=text,
            client_id=client_id,
            answer_by=answer_by,
            address=address,
        )

    def _start(
        self, start: Callable[..., Conversation], line: ServiceLine, **more: Any
    ) -> Conversation:
        with transaction.atomic():
            now = self._locked()
            assessment = now.assess()
            told = tell(
                now.questionnaire.data, now.questionnaire.version, now.answers(), assessment
            )
            conversation = start(
                visitor=now.visitor,
                line=line,
                urgency=assessment.urgency,
                danger=assessment.danger,
                intake=told.as_json(),
                **told.codes(),
                **more,
            )
            Decision.keep(conversation, now.questionnaire, assessment)
            now.delete()
        return conversation

    def _locked(self) -> "Intake":
        """The row as it is now, held until the transaction ends: two tabs come one by one."""
        try:
            return (
                Intake.objects.select_for_update(of=("self",))
                .select_related("questionnaire", "visitor")
                .get(pk=self.pk)
            )
        except Intake.DoesNotExist:
            raise Stale from None

    def _save(self, step: int, answers: dict[str, rules.Answer]) -> None:
        data_key = DataKey.unwrap(self.sealing_key, self.wrapped)
        self.step = step
        self.sealed_answers = data_key.seal(json.dumps(answers), self.visitor_id, "intake")
        self.save(update_fields=["step", "sealed_answers"])


class Assessed(models.Model):
    """How urgent, by which rules of which version. No words: those are sealed in the conversation."""

    questionnaire = models.ForeignKey(Questionnaire, on_delete=models.PROTECT, related_name="+")
    rules_version = models.PositiveSmallIntegerField(help_text="How the rules were read.")
    urgency = models.CharField(max_length=6, choices=Conversation.Urgency.choices)
    danger = models.BooleanField()
    at = models.DateTimeField(default=timezone.now)

    # Codes only: it stays for the figures when the words are erased.
    goes_with_words = False

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.urgency}"  # type: ignore[attr-defined]

    @staticmethod
    def facts(questionnaire: Questionnaire, assessment: rules.Assessment) -> dict[str, Any]:
        """Return the fields that say how it was assessed."""
        return {
            "questionnaire": questionnaire,
            "rules_version": rules.VERSION,
            "urgency": assessment.urgency,
            "danger": assessment.danger,
            "reasons": list(assessment.holding),
        }


class Decision(Assessed):
    """How urgent a conversation was at its start."""

    conversation = models.OneToOneField(
        Conversation, on_delete=models.CASCADE, related_name="decision"
    )
    reasons = models.JSONField(default=list, help_text="Places in the questionnaire: rules.3.")
    weighed_seq = models.PositiveIntegerField(
        default=0, help_text="Up to where the messages of who waits were weighed as well."
    )

    @classmethod
    def keep(
        cls,
        conversation: Conversation,
        questionnaire: Questionnaire,
        assessment: rules.Assessment,
    ) -> None:
        """Store it once; who gets a live conversation back has its decision already."""
        cls.objects.get_or_create(
            conversation=conversation,
            defaults=cls.facts(questionnaire, assessment),
        )


class Weighing(Assessed):
    """What the word lists found in words that came after the questions: of who waits, or in a letter."""

    conversation = models.ForeignKey(
        Conversation, on_delete=models.CASCADE, related_name="weighings"
    )
    reasons = models.JSONField(default=list, help_text="Places in the questionnaire: words.3.")

    @classmethod
    def keep(
        cls,
        conversation: Conversation,
        questionnaire: Questionnaire,
        assessment: rules.Assessment,
    ) -> None:
        cls.objects.create(conversation=conversation, **cls.facts(questionnaire, assessment))


def forget_old(now: datetime) -> int:
    """Erase answers, and visits, that never became a conversation. Returns how many visits."""
    before = now - KEPT
    Intake.objects.filter(created_at__lt=before).delete()
    gone = Visitor.objects.filter(created_at__lt=before, conversations=None, intake=None)
    count, _by_model = gone.delete()
    return count
