"""How a thing of the roster changes its state: one table, one private `_move`, one row per change."""

from datetime import datetime
from typing import Any, ClassVar

from django.conf import settings
from django.db import models, transaction
from django.db.models import Q
from django.utils import timezone

from institutions.models import User


class RosterRefused(Exception):
    """A change of the roster that may not happen. `code` says why.

    Of a duty: full, overlap, outside, elsewhere. Of a state: wrong_state (the table does not know
    the move), changed (somebody else was first).
    """

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


class StateChange(models.Model):
    """One move of a state: history and figures in one. Holds no text; written by `_move` only."""

    old = models.CharField(max_length=20)
    new = models.CharField(max_length=20)
    by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        related_name="+",
        help_text="Empty: the clock.",
    )
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        abstract = True
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.old} to {self.new}"


class Moving(models.Model):
    """Something with a `state`, of which `TRANSITIONS` is the whole state machine.

    Nothing but `_move` writes `state`. A subclass gives the field its choices, and has `changes`.
    """

    TRANSITIONS: ClassVar[dict[str, frozenset[str]]]

    state = models.CharField(max_length=20)
    changes: Any

    class Meta:
        abstract = True

    def _move(
        self,
        to: str,
        *,
        by: User | None,
        only: Q | None = None,
        now: datetime | None = None,
        **fields: Any,
    ) -> None:
        """Change the state, and `fields` with it, if nobody was first. `by` None is the clock.

        One conditional UPDATE whose row count is the lock; `only` adds conditions to it. Raises
        RosterRefused: wrong_state, changed.
        """
        old = self.state
        if to not in self.TRANSITIONS[old]:
            raise RosterRefused("wrong_state")
        with transaction.atomic():
            unchanged = type(self)._default_manager.filter(only or Q(), pk=self.pk, state=old)
            if not unchanged.update(state=to, **fields):
                raise RosterRefused("changed")
            self.changes.create(old=old, new=to, by=by, at=now or timezone.now())
        self.refresh_from_db()
