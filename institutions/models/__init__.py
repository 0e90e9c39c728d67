"""Who runs the help: institutions, the sites they show, their staff, and what staff did."""

from institutions.models.audit import AuditEvent
from institutions.models.institution import Brand, Institution
from institutions.models.invitation import Invitation
from institutions.models.job_run import JobRun
from institutions.models.keys import KeyCheck
from institutions.models.people import Membership, Refused, Skill, User
from institutions.models.staff_mail import StaffMail

__all__ = [
    "AuditEvent",
    "Brand",
    "Institution",
    "Invitation",
    "JobRun",
    "KeyCheck",
    "Membership",
    "Refused",
    "Skill",
    "StaffMail",
    "User",
]
