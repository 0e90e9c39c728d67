"""A lease on presence: renewed, never guessed."""

from datetime import timedelta

from django.utils import timezone

from institutions.models import User
from roster.models import LEASE, Presence

AVAILABLE, PAUSED = Presence.State.AVAILABLE, Presence.State.PAUSED
NOW = timezone.now()


def renew(worker: User, second: int, state: str | None = None) -> Presence:
    return Presence.renew(worker.pk, now=NOW + timedelta(seconds=second), state=state)


def test_who_comes_in_is_paused_until_they_say_otherwise(anna: User) -> None:
    presence = renew(anna, 0)
    assert (presence.state, presence.seen_at, presence.ready_at) == (PAUSED, NOW, None)


def test_ready_since_stays_while_the_lease_is_renewed(anna: User) -> None:
    renew(anna, 0, AVAILABLE)
    for second in (25, 50, 75):
        presence = renew(anna, second)
    assert presence.ready_since == NOW
    assert presence.ready_at == presence.seen_at == NOW + timedelta(seconds=75)


def test_a_lapsed_lease_starts_anew(anna: User) -> None:
    renew(anna, 0, AVAILABLE)
    back = LEASE.seconds
    assert renew(anna, back).ready_since == NOW + timedelta(seconds=back)


def test_a_pause_is_not_undone_by_a_heartbeat(anna: User) -> None:
    renew(anna, 0, AVAILABLE)
    renew(anna, 10, PAUSED)
    presence = renew(anna, 20)
    assert presence.state == PAUSED
    assert presence.ready_at == NOW
    assert presence.seen_at == NOW + timedelta(seconds=20)


def test_all_are_renewed_at_once_and_keep_their_state(anna: User, bilal: User) -> None:
    renew(anna, 0, AVAILABLE)
    renew(bilal, 0, PAUSED)
    Presence.renew_all({anna.pk, bilal.pk}, now=NOW + timedelta(seconds=20))
    assert list(Presence.objects.order_by("worker__name").values_list("state", "ready_at")) == [
        (AVAILABLE, NOW + timedelta(seconds=20)),
        (PAUSED, None),
    ]


def test_who_comes_to_the_desk_for_the_first_time_is_paused(anna: User, bilal: User) -> None:
    renew(anna, 0, AVAILABLE)
    Presence.renew_all({anna.pk, bilal.pk, 10**6}, now=NOW)
    states = dict(Presence.objects.values_list("worker_id", "state"))
    assert states == {anna.pk: AVAILABLE, bilal.pk: PAUSED}


def test_at_the_desk_is_who_has_a_running_lease(anna: User, bilal: User) -> None:
    renew(anna, 0, AVAILABLE)
    renew(bilal, 0, PAUSED)
    here = Presence.objects.at_the_desk
    assert here(NOW + LEASE - timedelta(seconds=1)).count() == 2
    assert here(NOW + LEASE).count() == 0
