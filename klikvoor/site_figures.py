"""What stands in the database, as totals of the whole installation, for a process that ticks.

Totals only: one number for all institutions and sites together. A count of one per institution, read
every few seconds, would tell who of a small institution talks with somebody at this moment.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime

from chat.models import Conversation
from institutions.models import JobRun, StaffMail
from mail.models import VisitorMail
from roster.models import OpeningState, Presence
from roster.opening import State

Status = Conversation.Status


@dataclass
class SiteFigures:
    chats: dict[str, int] = field(default_factory=dict)
    workers: dict[str, int] = field(default_factory=dict)
    openings: dict[str, int] = field(default_factory=dict)
    letters_live: int = 0
    letters_overdue: int = 0
    mail_waiting: dict[str, int] = field(default_factory=dict)
    mail_late: dict[str, float] = field(default_factory=dict)
    mail_given_up: dict[str, int] = field(default_factory=dict)
    watched_age: dict[str, float] = field(default_factory=dict)

    @classmethod
    def read(cls, now: datetime) -> "SiteFigures":
        """Read them in a dozen short queries; for a thread of the pool."""
        chats = Counter(Conversation.objects.chats().live().values_list("status", flat=True))
        present = Counter(Presence.objects.at_the_desk(now).values_list("state", flat=True))
        openings = Counter(OpeningState.objects.values_list("state", flat=True))
        letters = Conversation.objects.letters().live()
        figures = cls(
            chats={status: chats[status] for status in (Status.WAITING.value, Status.ACTIVE.value)},
            workers={state: present[state] for state in Presence.State.values},
            openings={state: openings[state] for state in State.values},
            letters_live=letters.count(),
            letters_overdue=letters.filter(due_at__lte=now).count(),
        )
        for to, outbox in (("staff", StaffMail.objects), ("visitor", VisitorMail.objects)):
            waiting = outbox.filter(sent_at__isnull=True, given_up_at__isnull=True)
            oldest = waiting.order_by("created_at").values_list("created_at", flat=True).first()
            figures.mail_waiting[to] = waiting.count()
            figures.mail_late[to] = (now - oldest).total_seconds() if oldest else 0.0
            figures.mail_given_up[to] = outbox.filter(given_up_at__isnull=False).count()
        for run in JobRun.objects.filter(is_watched=True):
            at = run.ran_at or run.first_tried_at
            figures.watched_age[run.name] = (now - at).total_seconds()
        return figures
