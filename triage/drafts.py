"""What coordinators work on before it is published: one draft for each site, and its examples.

Everybody who may edit a site's questions works on the same draft. Each change names the part that its
editor saw; who comes second hears it and loses nothing (`parts.Gone`). Published versions never
change: publishing makes a new one and ends the draft, in one transaction, and intakes that are
going on keep the version that they began with.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from chat.models import Conversation
from institutions.models import AuditEvent, Brand
from triage import parts

if TYPE_CHECKING:
    from institutions.access import Staff
    from triage.models import Questionnaire


class DraftRefused(Exception):
    """A deed with a draft that may not be done. The code says why: exists, changed, same."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class QuestionnaireDraft(models.Model):
    """The next version of a site's questions, as far as coordinators have come."""

    brand = models.OneToOneField(Brand, on_delete=models.CASCADE, related_name="draft")
    data = models.JSONField()
    revision = models.PositiveIntegerField(default=1, help_text="One higher with each change.")
    changed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.PROTECT, null=True, related_name="+"
    )
    changed_at = models.DateTimeField(default=timezone.now)
    from_version = models.PositiveIntegerField(null=True, help_text="NULL: from a file.")

    def __str__(self) -> str:
        return f"draft of {self.brand}"

    @property
    def token(self) -> str:
        """What a form says to tell which draft, in which revision, its editor saw."""
        return f"{self.pk}.{self.revision}"

    @classmethod
    def start(
        cls,
        brand: Brand,
        by: "Staff",
        data: dict[str, Any],
        *,
        from_version: int | None = None,
        instead_of: str = "",
    ) -> "QuestionnaireDraft":
        """Begin a draft. Where there is one: only `instead_of` what the editor saw (a `token`).

        Refuses: exists (there is one, or it is another one by now).
        """
        with transaction.atomic():
            there = cls.objects.select_for_update().filter(brand=brand).first()
            if there is not None and there.token == instead_of:
                there.delete()
            try:
                with transaction.atomic():
                    draft = cls.objects.create(
                        brand=brand,
                        data=parts.EMPTY | data,
                        from_version=from_version,
                        changed_by=by.user,
                    )
            except IntegrityError:
                raise DraftRefused("exists") from None
            deed = "questions_started" if from_version is not None else "questions_imported"
            audit(by, brand, deed)
        return draft

    def change(
        self, by: "Staff", deed: Callable[[dict[str, Any]], dict[str, Any]]
    ) -> "QuestionnaireDraft":
        """Apply one change to the draft as it is now. `deed` raises parts.Gone when it cannot.

        Refuses: changed (there is no draft any more).
        """
        with transaction.atomic():
            now = self._locked()
            data = deed(now.data)
            if data != now.data:
                now.data = data
                now.revision += 1
                now.changed_by = by.user
                now.changed_at = timezone.now()
                now.save()
                audit(by, now.brand, "questions_changed")
        return now

    def discard(self, by: "Staff", token: str) -> None:
        """Throw the draft away as the editor saw it. Refuses: changed."""
        with transaction.atomic():
            now = self._locked(token)
            audit(by, now.brand, "questions_discarded")
            now.delete()

    def publish(self, by: "Staff", token: str, over: int) -> "Questionnaire":
        """Make this the questionnaire of new visits, in place of version `over`; the draft ends.

        Refuses: changed (another draft, or another version, than the publisher saw) and same
        (nothing differs from what is published). Raises rules.Unsound if it cannot be one yet.
        """
        from triage.models import Questionnaire

        with transaction.atomic():
            # The same lock as Questionnaire.publish takes: versions come one after the other.
            brand = Brand.objects.select_for_update().get(pk=self.brand_id)
            now = self._locked(token)
            current = Questionnaire.objects.filter(brand=brand).first()
            if (current.version if current else 0) != over:
                raise DraftRefused("changed")
            published = Questionnaire.publish(brand, now.data, by=by.user)
            if published == current:
                raise DraftRefused("same")
            now.delete()
            audit(by, brand, "questions_published", published.version)
        return published

    def _locked(self, token: str = "") -> "QuestionnaireDraft":
        now = (
            QuestionnaireDraft.objects.select_for_update(of=("self",))
            .select_related("brand")
            .filter(pk=self.pk)
            .first()
        )
        if now is None or (token and now.token != token):
            raise DraftRefused("changed")
        return now


class QuestionnaireExample(models.Model):
    """Made-up answers, and how urgent they should be found. Tried on every draft."""

    MOST = 200

    brand = models.ForeignKey(Brand, on_delete=models.CASCADE, related_name="examples")
    name = models.CharField(max_length=80)
    answers = models.JSONField(default=dict)
    urgency = models.CharField(max_length=6, choices=Conversation.Urgency.choices)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        ordering = ["brand", "name", "pk"]
        constraints = [
            models.UniqueConstraint(fields=["brand", "name"], name="one_example_per_name")
        ]

    def __str__(self) -> str:
        return self.name

    @property
    def told(self) -> str:
        return str(Conversation.Urgency(self.urgency).label)

    @classmethod
    def keep(
        cls, brand: Brand, by: "Staff", *, name: str, answers: dict[str, Any], urgency: str
    ) -> "QuestionnaireExample":
        """Keep these answers under this name; one of the same name is replaced."""
        with transaction.atomic():
            example, _new = cls.objects.update_or_create(
                brand=brand, name=name, defaults={"answers": answers, "urgency": urgency}
            )
            audit(by, brand, "questions_example")
        return example

    def forget(self, by: "Staff") -> None:
        with transaction.atomic():
            audit(by, self.brand, "questions_example")
            self.delete()


def audit(by: "Staff", brand: Brand, deed: str, *numbers: int) -> None:
    detail = " ".join(map(str, (deed, brand.pk, *numbers)))
    AuditEvent.objects.create(
        actor=by.user,
        verb=AuditEvent.Verb.SETTINGS,
        institution_id=brand.institution_id,
        detail=detail,
    )
