"""What the room of institutions does by the clock. The tick calls these; each is safe to run twice."""

from datetime import datetime


def deliver_staff_mail(now: datetime) -> int:
    """Send the mails to staff that are due; return how many were accepted by the mail server."""
    raise NotImplementedError
