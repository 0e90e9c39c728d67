"""Sentences of the roster for staff."""

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

# Why a verb refused, by the code of RosterRefused.
REFUSALS: dict[str, str | Promise] = {
    "wrong_state": _("Dat kan nu niet meer. Kijk nog eens hoe het ervoor staat."),
    "changed": _("Iemand anders heeft dit net veranderd. Kijk nog eens hoe het ervoor staat."),
    "not_yours": _("Daar ga jij niet over."),
    # Seats.
    "cancelled": _("Dit spreekuur gaat niet door."),
    "past": _("Dat is al begonnen of voorbij."),
    "outside": _("Die tijd valt niet binnen het spreekuur."),
    "not_open": _("Inschrijven kan nog niet voor dit spreekuur."),
    "elsewhere": _("Deze hulpverlener werkt niet voor die instelling."),
    "absent": _("Deze hulpverlener is die dag afwezig."),
    "overlap": _("Deze hulpverlener heeft dan al een dienst."),
    "rest": _("Er zit te weinig rust tussen twee diensten."),
    "qualification": _("Voor deze plek is een andere hulpverlener nodig."),
    "wave": _("De vrije plekken zijn nu nog van een andere instelling."),
    "full": _("Alle plekken zijn bezet."),
    "too_late": _("Teruggeven kan niet meer. Vraag vervanging, of meld dat je niet kunt komen."),
    # Changing hours.
    "began": _("Dit spreekuur is al begonnen."),
    "no_time": _("Die nacht slaat de klok dit hele spreekuur over."),
    "numbers": _("Kies eerst een minimum, dan een streven en dan een maximum."),
    "filled": _("Er zijn al meer hulpverleners ingedeeld dan dat."),
    # The plan: hours, rules, exceptions and periods.
    "occupied": _("Op deze plek is al iemand ingedeeld. Haal die er eerst af."),
    "nothing": _("Er is op deze dagen niets om te veranderen."),
    "ended": _("Dit vaste spreekuur is dan al gestopt."),
    "incomplete": _("Zeg eerst wat er die dagen anders is."),
    "dates": _("De laatste dag ligt voor de eerste."),
    "shared": _("Een van deze dagen zit al in een andere periode."),
    "too_early": _("Daar is het nog te vroeg voor."),
    "inactive": _("Deze instelling doet die dag niet mee."),
    # Cover.
    "asked": _("Voor deze dienst is al vervanging gevraagd."),
    "taken": _("Iemand anders was je net voor."),
    "not_asked": _("Dit is aan iemand anders gevraagd."),
    "self": _("Dat kan niet met jezelf."),
    "no_offer": _("Kies een dienst van jezelf om mee te ruilen."),
    # Hours, ledger and costs.
    "own": _("Over je eigen uren beslist een andere coördinator."),
    "minutes": _("Dit aantal minuten kan niet."),
    "same": _("Dit staat er al."),
    "settled": _("Deze periode is afgerekend. Er kan niets meer veranderen."),
    "unmeasured": _("Nog niet alle diensten van deze periode zijn geteld."),
    "claims": _("Er wacht nog een correctie van uren op een besluit."),
    "reversed": _("Deze boeking is al teruggedraaid."),
    "tariff": _("Vul een tarief per uur in."),
    "total": _("Dit bedrag kan niet verdeeld worden."),
    "no_key": _("Er is voor deze periode nog geen verdeelsleutel."),
}


def refusal(code: str) -> str:
    """The sentence for a code; a general one for a code that has none."""
    return str(REFUSALS.get(code, REFUSALS["wrong_state"]))


# Why somebody is high or low among the candidates, by the code of `Candidate`. A code of
# `REFUSALS` means that they cannot.
REASONS: dict[str, str | Promise] = {
    "unavailable": _("geeft aan dan niet te kunnen"),
    "prefers": _("wil dan graag"),
    "possible": _("geeft aan dan te kunnen"),
    "owes_seat": _("de plek is van deze instelling"),
    "behind": _("deze instelling deed tot nu toe minder dan haar deel"),
    "ahead": _("deze instelling deed tot nu toe meer dan haar deel"),
    "week_full": _("heeft die week al genoeg diensten"),
    "near": _("heeft kort ervoor of erna een dienst"),
    "asked_lately": _("is pas nog gevraagd"),
}
# In the list of candidates there is less room, and it is about somebody else.
OBSTACLES: dict[str, str | Promise] = {
    "elsewhere": _("werkt nergens als hulpverlener"),
    "absent": _("is die dag afwezig"),
    "overlap": _("heeft dan al een dienst"),
    "rest": _("zou te weinig rust hebben"),
    "qualification": _("mag deze plek niet vullen"),
    "wave": _("de plek is nog van een andere instelling"),
    "full": _("alle plekken zijn bezet"),
    "cancelled": _("het spreekuur gaat niet door"),
    "past": _("het spreekuur is voorbij"),
}


def reason(code: str) -> str:
    """A few words about a candidate."""
    return str(OBSTACLES.get(code) or REASONS.get(code) or REFUSALS.get(code, code))


# To somebody about themselves: the sentences above are about another.
OWN_REFUSALS: dict[str, str | Promise] = {
    "elsewhere": _("Je werkt niet meer voor die instelling."),
    "absent": _("Je hebt opgegeven dat je die dag afwezig bent."),
    "overlap": _("Je hebt dan al een dienst."),
    "rest": _("Je hebt dan te weinig rust tussen twee diensten."),
    "qualification": _("Deze plek is voor een andere soort hulpverlener."),
    "minutes": _("Dat kan niet kloppen. Vul in hoe lang je werkte."),
    "same": _("Zo lang staat er al."),
    "settled": _("Deze periode is al afgerekend. Overleg met je coördinator."),
}


def own_refusal(code: str) -> str:
    """The sentence for who is refused something about themselves."""
    return str(OWN_REFUSALS.get(code) or refusal(code))


# --- Proposals ------------------------------------------------------------------------------------

REFUSALS |= {
    "nothing_to_fill": _("Er is niets te verdelen: er zijn geen spreekuren of geen hulpverleners."),
    "proposal_running": _("Er wordt al een voorstel gemaakt."),
    "outdated": _(
        "Het rooster of wat mensen opgaven is intussen veranderd. Maak een nieuw voorstel."
    ),
    "breaks_rule": _(
        "Dat kan niet: deze hulpverlener heeft dan al een dienst of te weinig rust, "
        "kan dan niet, of mag deze plek niet vullen."
    ),
    # Rules, exceptions, periods.
    "ended": _("Dit vaste spreekuur is dan al gestopt."),
    "incomplete": _("Vul in wat er anders is: de tijd of de bezetting."),
    "dates": _("De laatste dag ligt voor de eerste."),
    "shared": _("Een deel van deze dagen zit al in een periode."),
    "too_early": _("Dat kan nog niet: de periode is nog niet zover."),
    "no_key": _("Spreek eerst de verdeelsleutel af."),
    # Hours and costs.
    "minutes": _("Zoveel tijd kan dat niet zijn. Kijk nog eens."),
    "same": _("Dat staat er al."),
    "settled": _("Deze periode is afgerekend. Er verandert niets meer aan."),
    "reversed": _("Deze regel is al teruggedraaid."),
    "tariff": _("Vul een tarief per uur in."),
    "total": _("Vul een bedrag in dat kan. Ook na correcties mag het niet onder nul komen."),
}
# Why a proposal puts somebody on a seat, or leaves it empty.
PROPOSED: dict[str, str | Promise] = {
    "kept": _("had deze dienst al"),
    "owed": _("deze plek is van de eigen instelling"),
    "liked": _("wil dan graag"),
    "turn": _("de instelling is aan de beurt"),
    "can": _("kan dan"),
    "adjusted": _("met de hand aangepast"),
    "nobody": _("niemand kan"),
    "enough": _("wie nog kan, zou meer doen dan het deel van de instelling"),
}
# How many fell out, and why.
FELL_OUT: dict[str, str | Promise] = {
    "unavailable": _("kunnen dan niet"),
    "overlap": _("hebben dan al een dienst"),
    "rest": _("zouden te weinig rust hebben"),
    "qualification": _("mogen deze plek niet vullen"),
    "week_full": _("hebben die week al genoeg"),
    "period_full": _("hebben deze periode al genoeg"),
}
