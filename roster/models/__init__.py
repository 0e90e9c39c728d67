"""The duty roster: when help is offered, which seats that takes, who fills them, who is there."""

from roster.models.asks import CoverAsk, CoverChange, CoverDecline
from roster.models.costs import CostLine, CostRun
from roster.models.cover import CoverRequest
from roster.models.duties import Duty, duty_uid
from roster.models.exceptions import DateException
from roster.models.feeds import FeedToken
from roster.models.hours import ConsultationHour
from roster.models.ledger import LedgerEntry
from roster.models.letter_duty import WEEKS_AHEAD, LetterDuty, able_to_answer, monday_of
from roster.models.line import ServiceLine, is_zone
from roster.models.moves import RosterRefused
from roster.models.opening import LONGEST_OVERRIDE, OpeningLog, OpeningState, OpenOverride
from roster.models.people import Absence, Availability, Qualification, WorkerWishes
from roster.models.periods import PeriodChange, RosterPeriod, RosterVersion, ShareKey
from roster.models.presence import LEASE, Presence
from roster.models.proposals import Proposal, ProposalLine
from roster.models.rules import HoursRule, are_weekdays
from roster.models.seats import Seat
from roster.models.staffing import is_mix
from roster.models.worked import DutyPresence, HoursEntry

__all__ = [
    "LEASE",
    "LONGEST_OVERRIDE",
    "WEEKS_AHEAD",
    "Absence",
    "Availability",
    "ConsultationHour",
    "CostLine",
    "CostRun",
    "CoverAsk",
    "CoverChange",
    "CoverDecline",
    "CoverRequest",
    "DateException",
    "Duty",
    "DutyPresence",
    "FeedToken",
    "HoursEntry",
    "HoursRule",
    "LedgerEntry",
    "LetterDuty",
    "OpenOverride",
    "OpeningLog",
    "OpeningState",
    "PeriodChange",
    "Presence",
    "Proposal",
    "ProposalLine",
    "Qualification",
    "RosterPeriod",
    "RosterRefused",
    "RosterVersion",
    "Seat",
    "ServiceLine",
    "ShareKey",
    "WorkerWishes",
    "able_to_answer",
    "are_weekdays",
    "duty_uid",
    "is_mix",
    "is_zone",
    "monday_of",
]
