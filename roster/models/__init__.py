"""The duty roster: when help is offered, which seats that takes, who fills them, who is there."""

from roster.models.line import ServiceLine, is_zone
from roster.models.opening import LONGEST_OVERRIDE, OpeningLog, OpeningState, OpenOverride
from roster.models.plan import (
    ConsultationHour,
    Duty,
    HoursRule,
    RosterRefused,
    Seat,
    are_weekdays,
    duty_uid,
)
from roster.models.presence import LEASE, Presence

__all__ = [
    "LEASE",
    "LONGEST_OVERRIDE",
    "ConsultationHour",
    "Duty",
    "HoursRule",
    "OpenOverride",
    "OpeningLog",
    "OpeningState",
    "Presence",
    "RosterRefused",
    "Seat",
    "ServiceLine",
    "are_weekdays",
    "duty_uid",
    "is_zone",
]
