"""Colleagues who keep the desk open in the demonstration.

The chat is open only while people are really at their desks; a rule that the demonstration keeps.
So two made-up colleagues are: they have a duty and a lease like everybody, renewed by this job
instead of by a browser. They never take a chat. Whoever tries the demo does that, as Anna.
"""

from datetime import datetime

from django.conf import settings

from roster.models import LEASE, Presence
from roster.opening import STEADY

EMAILS = ["els@demo.klikvoor.example", "farid@demo.klikvoor.example"]


def keep_colleagues_present(now: datetime) -> None:
    """Renew the leases of Els and Farid, who came in a moment before the demonstration began."""
    from institutions.models import User

    if not settings.DEMO:
        raise RuntimeError("made-up colleagues belong in a demonstration")
    for worker in User.objects.filter(email__in=EMAILS, is_active=True).values_list(
        "pk", flat=True
    ):
        before = Presence.objects.filter(worker=worker).first()
        # Paused by somebody who plays this colleague at a desk: they stay paused.
        if before and before.is_here(now) and before.state == Presence.State.PAUSED:
            continue
        goes_on = before and before.ready_at and before.ready_at > now - LEASE
        Presence.renew(worker, now=now, state=Presence.State.AVAILABLE)
        if not goes_on:
            # Nobody should wait half a minute for a demonstration to begin.
            Presence.objects.filter(worker=worker).update(ready_since=now - STEADY)
