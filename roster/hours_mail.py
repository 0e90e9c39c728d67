"""The mails about registered hours: asked of a coordinator, decided for a worker."""

from typing import TYPE_CHECKING

from django.utils import translation
from django.utils.translation import gettext as _

from institutions.models import User
from roster.news import Span

if TYPE_CHECKING:
    from roster.models.worked import HoursEntry

CLAIMED, APPROVED, REJECTED = "hours_claimed", "hours_approved", "hours_rejected"


def hours_mail(entry: "HoursEntry", to: User, kind: str) -> tuple[str, str]:
    """Return subject and body, in the language of who gets it."""
    duty = entry.duty
    with translation.override(to.language):
        words = {
            "name": duty.worker.name,
            "duty": Span(duty.start, duty.end, duty.hour.tz).text(),
            "minutes": entry.minutes,
            "measured": entry.measured_minutes,
            "claimed": entry.claimed_minutes,
        }
        if kind == CLAIMED:
            subject = _("Uren om goed te keuren")
            said = _(
                "%(name)s vraagt om een correctie van geregistreerde uren.\n\n"
                "Dienst: %(duty)s\nGemeten: %(measured)s minuten\nGevraagd: %(claimed)s minuten\n\n"
                "Je vindt de vraag in Klikvoor, bij de uren."
            )
        elif kind == APPROVED:
            subject = _("Je uren zijn goedgekeurd")
            said = _("Dienst: %(duty)s\nDit telt nu: %(minutes)s minuten")
        else:
            subject = _("Je uren zijn niet aangepast")
            said = _(
                "Je coördinator heeft je correctie niet goedgekeurd.\n\n"
                "Dienst: %(duty)s\nDit telt: %(minutes)s minuten\n\n"
                "Klopt dat niet? Bespreek het met je coördinator."
            )
        return subject, said % words + "\n"
