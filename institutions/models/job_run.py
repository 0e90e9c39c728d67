"""When the jobs of the clock ran last."""

from datetime import datetime, timedelta

from django.db import models
from django.db.models import Q
from django.utils import timezone

# A job that is watched runs every few minutes; after this long somebody has to look.
LATE = timedelta(hours=25)
# Run by the clock of whoever keeps the installation, and watched there (docs/operations.md).
NOT_OURS = ("backup",)


class JobRunQuerySet(models.QuerySet["JobRun"]):
    def late(self, now: datetime) -> "JobRunQuerySet":
        """Watched ones that did not succeed for a day and an hour, or never since the first try."""
        long_ago = now - LATE
        return (
            self.filter(is_watched=True)
            .exclude(name__in=NOT_OURS)
            .filter(Q(ran_at__lt=long_ago) | Q(ran_at__isnull=True, first_tried_at__lt=long_ago))
        )


class JobRun(models.Model):
    """One row per job of the clock: the last success, and what came of it.

    Of a job that is watched, written by its own run; of the others once a minute for all together
    (`klikvoor/running.py`), without the counts.
    """

    name = models.CharField(max_length=60, primary_key=True)
    is_watched = models.BooleanField(
        default=True, help_text="Coordinators are told when it does not succeed for a day."
    )
    first_tried_at = models.DateTimeField(default=timezone.now)
    ran_at = models.DateTimeField(null=True, help_text="The last time that it succeeded.")
    count = models.PositiveIntegerField(default=0, help_text="How many it did that time.")
    total = models.PositiveBigIntegerField(default=0, help_text="How many since the beginning.")
    failed_at = models.DateTimeField(null=True, help_text="The last failure, if after ran_at.")
    error = models.CharField(max_length=60, blank=True, help_text="Its name, never its text.")

    objects = JobRunQuerySet.as_manager()

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @classmethod
    def succeeded(cls, name: str, now: datetime, count: int) -> None:
        run, _is_new = cls.objects.get_or_create(name=name, defaults={"first_tried_at": now})
        cls.objects.filter(pk=run.pk).update(
            ran_at=now,
            count=count,
            total=models.F("total") + count,
            failed_at=None,
            error="",
        )

    @classmethod
    def failed(cls, name: str, now: datetime, error: BaseException) -> None:
        run, _is_new = cls.objects.get_or_create(name=name, defaults={"first_tried_at": now})
        cls.objects.filter(pk=run.pk).update(failed_at=now, error=type(error).__name__[:60])
