"""Sentences of the roster for staff."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Why a verb refused, by the code of RosterRefused.
REFUSALS: dict[str, str | Promise] = {
    "wrong_state": _("Dat kan nu niet (meer). Kijk nog eens hoe het ervoor staat."),
    "changed": _("Dit was intussen al veranderd. Kijk nog eens."),
}
