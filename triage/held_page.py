"""What we hold, in sentences for who asks: one for each table that has something about them."""

from collections.abc import Callable

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from chat.held import HeldConversation
from institutions.places import name_of


def _messages(n: int) -> str:
    return ngettext("%(n)s bericht, op slot", "%(n)s berichten, op slot", n)


def _notes(n: int) -> str:
    return ngettext(
        "%(n)s aantekening van hulpverleners, op slot",
        "%(n)s aantekeningen van hulpverleners, op slot",
        n,
    )


def _trail(n: int) -> str:
    return ngettext(
        "Welke hulpverlener het opende of er iets mee deed, en wanneer: %(n)s regel zonder tekst",
        "Welke hulpverlener het opende of er iets mee deed, en wanneer: %(n)s regels zonder tekst",
        n,
    )


def _mails_in(n: int) -> str:
    return ngettext(
        "%(n)s mail van jou, op slot. Foto’s en bestanden niet.",
        "%(n)s mails van jou, op slot. Foto’s en bestanden niet.",
        n,
    )


def _mails_out(n: int) -> str:
    return ngettext(
        "Dat er %(n)s mail aan jou was, zonder de tekst",
        "Dat er %(n)s mails aan jou waren, zonder de tekst",
        n,
    )


# By the table. What has an empty sentence says nothing that the others do not.
SENTENCES: dict[str, Callable[[int], str]] = {
    "chat.Message": _messages,
    "chat.Note": _notes,
    "chat.Draft": lambda n: _("Een antwoord dat nog niet af is, op slot"),
    "chat.SecondReading": lambda n: _("Dat een collega meeleest, en wat die ervan vond, op slot"),
    "chat.Transfer": lambda n: _("Dat we vroegen of iemand anders je mag antwoorden"),
    "chat.Invitation": lambda n: _("Dat je bent uitgenodigd om te chatten, en wanneer"),
    "chat.UrgencyChange": lambda n: _(
        "Dat een hulpverlener veranderde hoe dringend het is, op slot"
    ),
    "chat.ChecklistTick": lambda n: _(
        "Welke stappen een hulpverlener zette om je veilig te houden"
    ),
    "chat.StatusChange": lambda n: _("Wanneer het begon, wie het aannam, en wanneer het stopte"),
    "chat.LetterAnswer": lambda n: _("Wanneer we je antwoordden, en of dat op tijd was"),
    "chat.LetterWarning": lambda n: _(
        "Dat we onszelf waarschuwden omdat je antwoord bijna te laat was"
    ),
    "institutions.AuditEvent": _trail,
    "mail.IncomingMail": _mails_in,
    "mail.VisitorMail": _mails_out,
    "triage.Decision": lambda n: _("Welke regel van de vragen bepaalde hoe dringend het is"),
    "triage.Weighing": lambda n: _("Dat we keken of je woorden dringend waren, zonder die woorden"),
    "chat.Conversation": lambda n: "",  # the chat or letter that it goes on from: listed itself
    "chat.ConversationKey": lambda n: "",  # the lock
    "mail.Correspondence": lambda n: "",  # where mail comes back to: goes with the address
    "chat.ReturnCode": lambda n: "",  # said above the list
    "triage.Intake": lambda n: _("Je antwoorden op de vragen vooraf tot nu toe, op slot"),
}


def sentences(rows: dict[str, int]) -> list[str]:
    """Say what each table holds; one that nobody gave a sentence is named rather than left out."""
    said = []
    for label, say in SENTENCES.items():
        if (n := rows.get(label, 0)) and (sentence := say(n)):
            said.append(sentence % {"n": n})
    return said + [f"{label}: {n}" for label, n in rows.items() if label not in SENTENCES]


def about(held: HeldConversation) -> list[str]:
    """Say what a chat or letter itself tells of somebody, without its text."""
    one = held.conversation
    said = []
    if held.answers:
        text = ngettext(
            "%(n)s antwoord op de vragen vooraf, op slot",
            "%(n)s antwoorden op de vragen vooraf, op slot",
            held.answers,
        )
        said.append(text % {"n": held.answers})
    if one.sealed_address:
        said.append(_("Je e-mailadres, op slot"))
    if one.institution:
        text = _("Wie het kan lezen: hulpverleners van %(name)s")
        said.append(text % {"name": one.institution.name})
    if one.region:
        said.append(_("Je gemeente: %(name)s") % {"name": name_of(one.region)})
    if one.age_band:
        said.append(_("Hoe oud je ongeveer bent"))
    if one.wishes:
        said.append(_("Wat je graag wilde van een hulpverlener"))
    if one.feedback_heard or one.feedback_better:
        said.append(_("Wat je van het gesprek vond"))
    said.append(_("Hoe dringend het was, en waar het over ging in één woord"))
    return said
