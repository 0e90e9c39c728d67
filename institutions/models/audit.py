"""The audit trail: who did what to which conversation or person, and when."""

from typing import TYPE_CHECKING

from django.conf import settings
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from institutions.models.institution import Institution

if TYPE_CHECKING:
    from institutions.access import Staff

# What the codes in details are called on the screen.
ROLES = {"worker": _("hulpverlener"), "coordinator": _("coördinator")}
FIELDS = {
    "name": _("naam"),
    "chat_name": _("naam in de chat"),
    "chat_cap": _("gesprekken tegelijk"),
    "skills": _("kan ook"),
}
OPENINGS = {
    "open": _("open gezet"),
    "closed": _("dicht gezet"),
    "withdrawn": _("het rooster bepaalt weer"),
}
# What a coordinator did in the roster for somebody else; a date follows, of the hour.
ROSTER = {
    "cancelled": _("spreekuur vervallen"),
    "moved": _("spreekuur verplaatst"),
    "given": _("plek aan een instelling gegeven"),
    "offered": _("plek aan een instelling aangeboden"),
    "assigned": _("ingedeeld"),
    "proposed": _("ingedeeld met een voorstel"),
    "reassigned": _("dienst aan een ander gegeven"),
    "released": _("van een dienst gehaald"),
    "sick": _("afwezig gemeld"),
    "locked": _("dienst vastgezet"),
    "unlocked": _("dienst losgemaakt"),
    "cover_asked": _("vervanging gevraagd"),
    "cover_withdrawn": _("vraag om vervanging ingetrokken"),
    "cover_unclaimed": _("overname ingetrokken"),
    "cover_approved": _("vervanging goedgekeurd"),
    "cover_rejected": _("vervanging niet goedgekeurd"),
    "qualified": _("andere taak in het rooster"),
    "hours_approved": _("uren goedgekeurd"),
    "hours_rejected": _("uren niet goedgekeurd"),
    "letter_duty": _("briefdienst aan een instelling gegeven"),
}
SETTINGS = {
    "institution": _("instelling"),
    "site": _("site"),
    "reply": _("snel antwoord"),
    "line": _("afspraken van het rooster"),
    "questions_started": _("concept van de vragen vooraf begonnen"),
    "questions_imported": _("vragen vooraf uit een bestand gehaald"),
    "questions_changed": _("concept van de vragen vooraf veranderd"),
    "questions_discarded": _("concept van de vragen vooraf weggegooid"),
    "questions_published": _("vragen vooraf gepubliceerd"),
    "questions_example": _("voorbeeld bij de vragen vooraf veranderd"),
    "queue": _("wachtrij"),
}
URGENCIES = {"normal": _("gewoon"), "soon": _("liefst snel"), "now": _("nu hulp nodig")}
CHECKLISTS = {"meldcode": _("Meldcode"), "crisis": _("Crisisprotocol")}
# What a worker did with a letter; of an invitation the number of the hour follows.
LETTERS = {
    "answered": _("beantwoord"),
    "returned": _("terug in het postvak"),
    "draft_read": _("concept gelezen"),
    "mail_read": _("hele mail gelezen"),
    "reader_asked": _("gevraagd om mee te lezen"),
    "reader_withdrawn": _("vraag om mee te lezen ingetrokken"),
    "reader_agreed": _("meegelezen en akkoord"),
    "reader_advised": _("meegelezen en een opmerking gemaakt"),
    "transfer_asked": _("de jongere gevraagd of een andere instelling mag antwoorden"),
    "transfer_withdrawn": _("vraag om over te dragen ingetrokken"),
    "invited": _("uitgenodigd voor een spreekuur"),
    "uninvited": _("uitnodiging voor een spreekuur ingetrokken"),
}
# The reasons for closing are chat's, which stands above this room.
CONVERSATIONS = {
    "queue": _("terug naar de wachtrij"),
    "transferred": _("aan een andere instelling, met het ja van de jongere"),
    "registered": _("geregistreerd"),
    "finished": _("gesprek is klaar"),
    "referred": _("doorverwezen"),
    "visitor_left": _("jongere is weg"),
    "time": _("het spreekuur is voorbij"),
    "misuse": _("misbruik van de chat"),
}


class AuditEventQuerySet(models.QuerySet["AuditEvent"]):
    def visible_to(self, staff: "Staff") -> "AuditEventQuerySet":
        """A coordinator reads the trail of their own institutions, the platform's reads it all."""
        if staff.is_platform_coordinator:
            return self.all()
        return self.filter(institution__in=staff.coordinator_of)

    def update(self, **changes: object) -> int:
        raise TypeError("the audit trail is append-only")

    def delete(self) -> tuple[int, dict[str, int]]:
        raise TypeError("the audit trail is append-only")


class AuditEvent(models.Model):
    """One deed of a member of staff. Never holds a word of anybody.

    Outlives the text of the conversation, so it names it by its random id and not by a key.
    """

    class Verb(models.TextChoices):
        READ = "read", _("gesprek gelezen")
        CLAIM = "claim", _("gesprek aangenomen")
        HAND_OVER = "hand_over", _("gesprek overgedragen")
        CLOSE = "close", _("gesprek afgesloten")
        URGENCY = "urgency", _("urgentie veranderd")
        CHECKLIST = "checklist", _("stap van een protocol afgevinkt")
        FORCE = "force", _("chat open of dicht gezet")
        INVITE = "invite", _("uitgenodigd")
        WITHDRAW = "withdraw", _("uitnodiging ingetrokken")
        JOIN = "join", _("uitnodiging aangenomen")
        ROLES = "roles", _("rollen veranderd")
        CHANGE = "change", _("gegevens veranderd")
        DISABLE = "disable", _("uitgezet")
        ENABLE = "enable", _("aangezet")
        END_SIGN_INS = "end_sign_ins", _("overal uitgelogd")
        RESET_MFA = "reset_mfa", _("tweede stap gewist")
        SETTINGS = "settings", _("inrichting veranderd")
        ROSTER = "roster", _("rooster veranderd")
        LETTER = "letter", _("brief")
        MAIL = "mail", _("mail opnieuw verstuurd")

    at = models.DateTimeField(default=timezone.now, db_index=True)
    actor = models.ForeignKey(settings.AUTH_USER_MODEL, on_delete=models.PROTECT, related_name="+")
    verb = models.CharField(max_length=12, choices=Verb.choices)
    conversation = models.CharField(max_length=22, blank=True, db_index=True)
    person = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        on_delete=models.PROTECT,
        null=True,
        blank=True,
        related_name="+",
        help_text="The member of staff to whom it was done.",
    )
    institution = models.ForeignKey(
        Institution, on_delete=models.PROTECT, null=True, related_name="+"
    )
    detail = models.CharField(max_length=60, blank=True, help_text="A code or a number.")

    objects = AuditEventQuerySet.as_manager()

    class Meta:
        ordering = ["pk"]

    def __str__(self) -> str:
        return f"{self.at:%Y-%m-%d %H:%M} {self.actor_id} {self.verb} {self.conversation}"

    @property
    def explanation(self) -> str:
        """The detail in words; a code of another version as it is."""
        words = self.detail.split()
        if self.verb == self.Verb.ROLES and len(words) == 1:
            role = ROLES.get(self.detail[1:], self.detail[1:])
            change = _("erbij: %(role)s") if self.detail[0] == "+" else _("eraf: %(role)s")
            return str(change) % {"role": role}
        if self.verb in (self.Verb.INVITE, self.Verb.WITHDRAW, self.Verb.JOIN) and len(words) == 2:
            role, number = words
            sentence = _("als %(role)s, uitnodiging %(number)s")
            return str(sentence) % {"role": ROLES.get(role, role), "number": number}
        if self.verb == self.Verb.SETTINGS and words:
            return str(SETTINGS.get(words[0], self.detail))
        if self.verb == self.Verb.CHANGE:
            return ", ".join(str(FIELDS.get(word, word)) for word in words)
        if self.verb == self.Verb.FORCE and len(words) == 3:
            _line, number, deed = words
            sentence = _("chat %(number)s: %(deed)s")
            return str(sentence) % {"number": number, "deed": OPENINGS.get(deed, deed)}
        if self.verb == self.Verb.ROSTER and len(words) == 2:
            deed, day = words
            return f"{ROSTER.get(deed, deed)}, {day}"
        if self.verb == self.Verb.URGENCY and len(words) == 2:
            old, new = (URGENCIES.get(word, word) for word in words)
            return f"{old} → {new}"
        if self.verb == self.Verb.CHECKLIST and len(words) == 3:
            checklist, step, on = words
            sentence = (
                _("%(list)s, stap %(step)s")
                if on == "on"
                else _("%(list)s, stap %(step)s: vinkje weg")
            )
            return str(sentence) % {"list": CHECKLISTS.get(checklist, checklist), "step": step}
        if self.verb == self.Verb.LETTER and words:
            return str(LETTERS.get(words[0], self.detail))
        if self.verb == self.Verb.HAND_OVER and self.detail.isdecimal():
            return str(_("aan een collega"))
        return str(CONVERSATIONS.get(self.detail, self.detail))

    def save(self, *args: object, **kwargs: object) -> None:
        if self.pk is not None:
            raise TypeError("the audit trail is append-only")
        super().save(*args, **kwargs)

    def delete(self, *args: object, **kwargs: object) -> tuple[int, dict[str, int]]:
        raise TypeError("the audit trail is append-only")
