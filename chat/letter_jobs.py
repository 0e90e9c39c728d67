"""What happens to letters by the clock: nobody's become somebody's, and promises are watched.

Each job finds its work by what is stored and acts conditionally, so a missed tick only delays it and
two processes that tick at once act once.
"""

from collections import defaultdict
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Exists, OuterRef, Subquery
from django.urls import reverse
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from chat.letters import due_at, owner_for
from chat.models import Conversation, LetterWarning, Message, Refused
from institutions.models import Membership, StaffMail, User
from roster.models.acting import coordinators_of, platform_coordinators
from roster.workdays import half_of

Stage = LetterWarning.Stage
# One longer than the longest stretch without a working day.
LONGEST_HALF = timedelta(days=14)


def return_lost_letters(now: datetime) -> int:
    """Give letters back to the inbox whose worker does not work for their institution any more."""
    returned = 0
    held = Conversation.objects.letters().filter(status=Conversation.Status.ACTIVE)
    works = Membership.objects.active().workers()
    works = works.filter(user=OuterRef("worker"), institution=OuterRef("institution"))
    for letter in held.filter(~Exists(works)).select_related("line"):
        try:
            letter.lose_letter()
        except Refused:  # somebody was first
            continue
        returned += 1
    return returned


def give_owners(now: datetime) -> int:
    """Give letters that nobody could own when they came to an institution; return how many.

    Also those of an institution that was shut out.
    """
    given = 0
    waiting = Conversation.objects.letters().filter(status=Conversation.Status.WAITING)
    for letter in waiting.filter(institution=None) | waiting.filter(institution__is_active=False):
        owner = owner_for(letter)
        if owner is None or owner.pk == letter.institution_id:
            continue
        with transaction.atomic():
            same = waiting.filter(pk=letter.pk, institution=letter.institution_id)
            if same.update(institution=owner):
                letter.tell_inbox()
                given += 1
    return given


def promise_again(now: datetime) -> int:
    """Promise an answer where she wrote last and none was promised; return how many.

    Her words are committed before the promise is. Whoever stops in between leaves a letter that
    looks answered, and this finds it.
    """
    hers = Message.objects.filter(conversation=OuterRef("pk")).order_by("-seq")
    silent = (
        Conversation.objects.letters()
        .live()
        .filter(due_at=None)
        .annotate(author=Subquery(hers.values("author")[:1]))
        .filter(author=Message.Author.VISITOR)
    )
    promised = 0
    for letter in silent.select_related("line"):
        same = silent.filter(pk=letter.pk, last_seq=letter.last_seq)
        with transaction.atomic():
            if same.update(
                due_at=due_at(letter, letter.messages.latest("seq").at),
                overdue_told_at=None,
                quiet_told_at=None,
            ):
                letter.tell_inbox()
                promised += 1
    return promised


def watch_promises(now: datetime) -> int:
    """Warn of promises at half and at their end, once each; return how many mails were written.

    To the worker who has the letter, else to the coordinators of the institution that owns it. What
    is too late climbs: the platform's coordinators hear of it as well. One mail for each person,
    with numbers and nothing of what was written.
    """
    promised = (
        Conversation.objects.letters()
        .live()
        .filter(due_at__isnull=False, due_at__lte=now + LONGEST_HALF)
        .select_related("line", "worker")
        .order_by("due_at", "pk")
    )
    told: dict[tuple[str, User], list[int]] = defaultdict(list)
    with transaction.atomic():
        # Most promises were warned of before: those cost nothing more.
        rows = LetterWarning.objects.filter(conversation__in=promised)
        warned = set(rows.values_list("conversation", "due_at", "stage"))
        for letter in promised:
            if letter.due_at and (stage := _stage(letter, now)):
                if (letter.pk, letter.due_at, stage) in warned:
                    continue
                warning, is_new = letter.letter_warnings.get_or_create(
                    due_at=letter.due_at, stage=stage, defaults={"at": now}
                )
                if is_new:
                    for person in _who(letter, stage):
                        told[stage, person].append(warning.pk)
        return sum(_tell(stage, person, rows) for (stage, person), rows in told.items())


def _stage(letter: Conversation, now: datetime) -> str:
    if letter.due_at is None:
        return ""
    if letter.due_at <= now:
        return Stage.END
    return Stage.HALF if half_of(letter.due_at, letter.line.zone) <= now else ""


def _who(letter: Conversation, stage: str) -> set[User]:
    platform = platform_coordinators()
    owners = [letter.worker] if letter.worker else []
    if not owners and letter.institution_id:
        owners = [*coordinators_of([letter.institution_id])]
    found = set(owners or platform)
    return found | set(platform) if stage == Stage.END else found


def _tell(stage: str, person: User, rows: list[int]) -> bool:
    with translation.override(person.language):
        works = Membership.objects.active().workers().filter(user=person).exists()
        page = reverse("letters" if works else "letter_figures")
        if stage == Stage.END:
            subject: str | Promise = _("Klikvoor: een brief is te laat")
            sentence = ngettext(
                "Er is %(n)s brief waarvan het beloofde antwoord te laat is.",
                "Er zijn %(n)s brieven waarvan het beloofde antwoord te laat is.",
                len(rows),
            )
        else:
            subject = _("Klikvoor: een brief wacht op antwoord")
            sentence = ngettext(
                "Er is %(n)s brief waarvan de helft van de beloofde tijd om is.",
                "Er zijn %(n)s brieven waarvan de helft van de beloofde tijd om is.",
                len(rows),
            )
        greeting = str(_("Dag %(name)s,")) % {"name": person.name}
        where = str(_("Je vindt dit op %(link)s")) % {"link": f"{settings.ORIGINS[0]}{page}"}
        body = f"{greeting}\n\n{sentence % {'n': len(rows)}}\n\n{where}\n"
        key = f"letters_{stage}:{person.pk}:{min(rows)}"
        return StaffMail.put(person, f"letters_{stage}", key, subject=str(subject), body=body)
