"""For whom somebody who waits is first, for a short moment: own region, language, wishes.

Only while one of those is at the desk with a free place; nobody waits for who is not there. Somebody
who needs help now is everybody's at once, and so is who was in a talk already.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from django.db.models import Count

from institutions.models import Membership
from roster.models import LEASE, Presence

if TYPE_CHECKING:
    from chat.models.conversation import Conversation
    from chat.models.queue_rules import QueueRules


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


def hold(
    wants: Wants, since: datetime, now: datetime, rules: "QueueRules", helpers: Collection[Helper]
) -> Hold:
    """Return for whom somebody is first who waits since `since`, if for anybody.

    Who suits both region and wishes comes before who only suits the wishes, and those before who
    only suits the region: two half matches never keep each other waiting.
    """
    region_until = since + timedelta(seconds=rules.region_seconds)
    wish_until = since + timedelta(seconds=rules.wish_seconds)
    by_region = wants.region if now < region_until else ""
    by_wish = wants.wishes if now < wish_until else frozenset()
    local = {one for one in helpers if by_region and by_region in one.regions}
    able = {one for one in helpers if by_wish and by_wish <= one.skills}
    for because, group, until in (
        ("both", local & able, min(region_until, wish_until)),
        ("wish", able, wish_until),
        ("region", local, region_until),
    ):
        if any(one.free > 0 for one in group):
            return Hold(because, until, frozenset(one.worker for one in group))
    return NOBODY


def hold_on(conversation: "Conversation", now: datetime) -> Hold:
    """The same for one stored conversation, asked inside the claim."""
    from chat.models.queue_rules import QueueRules

    wants = wants_of(conversation)
    if not wants or is_everybodys(conversation.urgency, conversation.claimed_at is not None):
        return NOBODY
    rules = QueueRules.of(conversation.line)
    longest = timedelta(seconds=max(rules.region_seconds, rules.wish_seconds))
    if now >= conversation.waiting_since + longest:
        return NOBODY
    return hold(wants, conversation.waiting_since, now, rules, helpers(now))


def is_everybodys(urgency: str, returned: bool) -> bool:
    return returned or urgency == "now"


def wants_of(conversation: "Conversation") -> Wants:
    return wants(
        getattr(conversation, "region", ""),
        getattr(conversation, "wishes", ()),
        conversation.language,
    )


def wants(region: str, wishes: Iterable[str] | None, language: str) -> Wants:
    found = frozenset(wishes or ())
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
        .filter(worker__in=workers, kind=Conversation.Kind.CHAT)
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
