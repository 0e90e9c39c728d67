"""For whom somebody who waits is first, for a short moment: own region, language, wishes.

Only while one of those is at the desk with a free place; nobody waits for who is not there. Somebody
who needs help now is everybody's at once, and so is who was in a talk already.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

from django.db.models import Count

from chat.models.queue_rules import QueueRules
from institutions.models import Membership
from roster.models import LEASE, Presence

if TYPE_CHECKING:
    from chat.models.conversation import Conversation


class Rules(Protocol):
    """What a coordinator may set; `QueueRules` holds it per line."""

    region_seconds: int
    wish_seconds: int
    soon_after_minutes: int
    first_after_minutes: int


@dataclass(frozen=True)
class Helper:
    """A worker who is ready now. `free`: places without a chat."""

    worker: int
    regions: frozenset[str] = frozenset()
    skills: frozenset[str] = frozenset()
    free: int = 1


@dataclass(frozen=True)
class Wants:
    """What matters for whose turn it is first. `wishes` holds the language when that is not Dutch."""

    region: str = ""
    wishes: frozenset[str] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.region or self.wishes)


@dataclass(frozen=True)
class Hold:
    """Until `until` only for `workers`; `because` is region, wish or both, empty when not held."""

    because: str = ""
    until: datetime | None = None
    workers: frozenset[int] = frozenset()

    def __bool__(self) -> bool:
        return bool(self.because)

    def is_held_from(self, worker: int | None) -> bool:
        return bool(self.because) and worker not in self.workers


NOBODY = Hold()


class Firsts:
    """For whom somebody is first at one moment, with these helpers."""

    def __init__(self, rules: Rules, helpers: Collection[Helper], now: datetime) -> None:
        self._now = now
        self._region = timedelta(seconds=rules.region_seconds)
        self._wish = timedelta(seconds=rules.wish_seconds)
        self._helpers = helpers
        self._groups: dict[tuple[str, frozenset[str]], tuple[str, frozenset[int]]] = {}
        # Who waits since before this is everybody's; the quick way out for a long queue.
        self.since = now - max(self._region, self._wish)

    def hold(self, wants: Wants, since: datetime) -> Hold:
        """Return for whom somebody is first who waits since `since`, if for anybody.

        Who suits both region and wishes comes before who only suits the wishes, and those before
        who only suits the region: two half matches never keep each other waiting.
        """
        region_until, wish_until = since + self._region, since + self._wish
        by_region = wants.region if self._now < region_until else ""
        by_wish = wants.wishes if self._now < wish_until else frozenset()
        known = self._groups.get((by_region, by_wish))
        if known is None:
            known = self._groups[by_region, by_wish] = self._group(by_region, by_wish)
        because, workers = known
        if not because:
            return NOBODY
        until = {"region": region_until, "wish": wish_until}.get(because)
        return Hold(because, until or min(region_until, wish_until), workers)

    def _group(self, region: str, wishes: frozenset[str]) -> tuple[str, frozenset[int]]:
        local = [one for one in self._helpers if region and region in one.regions]
        able = [one for one in self._helpers if wishes and wishes <= one.skills]
        both = [one for one in local if wishes and wishes <= one.skills]
        for because, group in (("both", both), ("wish", able), ("region", local)):
            if any(one.free > 0 for one in group):
                return because, frozenset(one.worker for one in group)
        return "", frozenset()


def hold_on(conversation: "Conversation", now: datetime) -> Hold:
    """The same for one stored conversation, asked inside the claim."""
    wants = wants_of(conversation)
    if not wants or is_everybodys(conversation.urgency, conversation.claimed_at is not None):
        return NOBODY
    rules = QueueRules.of(conversation.line)
    if conversation.waiting_since <= Firsts(rules, (), now).since:
        return NOBODY
    return Firsts(rules, helpers(now), now).hold(wants, conversation.waiting_since)


def is_everybodys(urgency: str, returned: bool) -> bool:
    return returned or urgency == "now"


def wants_of(conversation: "Conversation") -> Wants:
    return wants(conversation.region, conversation.wishes, conversation.language)


def wants(region: str, wishes: Iterable[str], language: str) -> Wants:
    found = frozenset(wishes)
    return Wants(region, found if language == "nl" else found | {language})


def helpers(now: datetime) -> list[Helper]:
    """The workers who are ready now, with what they offer; four queries however many there are."""
    from chat.models.conversation import Conversation

    ready = list(
        Presence.objects.filter(
            state=Presence.State.AVAILABLE, seen_at__gt=now - LEASE, worker__is_active=True
        ).values_list("worker_id", "worker__chat_cap", "worker__skills")
    )
    workers = [worker for worker, _cap, _skills in ready]
    regions: dict[int, set[str]] = {}
    for worker, municipalities in (
        Membership.objects.active()
        .workers()
        .filter(user__in=workers)
        .values_list("user_id", "institution__municipalities")
    ):
        regions.setdefault(worker, set()).update(municipalities or ())
    busy = dict(
        Conversation.objects.active()
        .filter(worker__in=workers)
        .values_list("worker_id")
        .annotate(count=Count("pk"))
        .values_list("worker_id", "count")
    )
    return [
        Helper(
            worker,
            frozenset(regions.get(worker, ())),
            frozenset(skills or ()),
            max(0, cap - busy.get(worker, 0)),
        )
        for worker, cap, skills in ready
    ]
