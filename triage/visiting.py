"""What the pages of a visit have in common: whose visit it is, and how a page is shown."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.utils import timezone, translation
from django.utils.translation import gettext_lazy as _

from chat import queue
from chat.models import Conversation, Visitor
from chat.visits import drop_visit_cookie, visitor_of
from institutions.models import Brand, Institution
from roster.models import ServiceLine
from roster.opening import Opening
from triage.models import Intake

ADDRESS = "/"
# Where the first answer with a cookie leads; tells whether the browser kept it.
BEGUN = "/?start=1"

TEXTS = {
    "unknown": _("Dat begreep de site niet. Er is niets veranderd."),
    "no_visit": _("Je bezoek is voorbij. Je kunt gewoon opnieuw beginnen."),
    "no_cookie": _(
        "Je browser onthoudt deze site niet. Daardoor kunnen we het gesprek niet bij je houden. "
        "Zet cookies aan, of gebruik een andere browser."
    ),
    "stale": _("Je was al verder dan de pagina die je zag. Dit is waar je nu bent."),
    "ended": _("Dit gesprek is al afgelopen."),
    "no_letter": _("Deze brief is er niet meer. Misschien is hij gewist."),
    "still_busy": _("Je gesprek loopt nog. Stop het eerst als je opnieuw wilt beginnen."),
}


class Refusal(Exception):
    """Show the page as it is now, with this text. `context` is for what somebody had typed."""

    def __init__(self, text: object, status: int = 409, **context: Any) -> None:
        super().__init__()
        self.text = text
        self.status = status
        self.context = context


@dataclass
class Visit:
    """What one request knows about the visit that it belongs to."""

    request: HttpRequest
    brand: Brand
    visitor: Visitor | None
    now: datetime

    @cached_property
    def line(self) -> ServiceLine | None:
        return self.brand.lines.first()

    @cached_property
    def opening(self) -> Opening | None:
        """None when this brand has no chat at all."""
        return queue.opening_of(self.line, self.now) if self.line else None

    @cached_property
    def conversation(self) -> Conversation | None:
        return self.visitor.conversation() if self.visitor else None

    @property
    def live(self) -> Conversation | None:
        """The chat that goes on; a letter that does is no reason to wait for it."""
        one = self.conversation
        return one if one is not None and one.is_live_chat else None

    @cached_property
    def letter(self) -> Conversation | None:
        """The letter of this visit, live or closed."""
        return self.visitor.letter() if self.visitor else None

    @property
    def intake(self) -> Intake | None:
        return Intake.objects.filter(visitor=self.visitor).first() if self.visitor else None

    def needs_visitor(self) -> Visitor:
        if self.visitor is None:
            raise Refusal(TEXTS["no_visit"])
        return self.visitor

    def needs_intake(self) -> Intake:
        self.needs_visitor()
        intake = self.intake
        if intake is None:
            raise Refusal(TEXTS["stale"])
        return intake


def visit_of(request: HttpRequest) -> Visit:
    brand = Brand.objects.for_host(request.get_host())
    if brand is None:
        raise Http404
    visitor = visitor_of(request)
    if visitor is not None and visitor.brand_id != brand.pk:
        brand = visitor.brand
    return Visit(request, brand, visitor, timezone.now())


def language_of(visitor: Visitor | None) -> str:
    return visitor.language if visitor else settings.LANGUAGE_CODE


def retention_days() -> int:
    """Return how long a text may be kept at most: before a chat nobody knows whose it will be."""
    longest = Institution.objects.filter(is_active=True).aggregate(Max("retention_days"))
    return longest["retention_days__max"] or 30


def page(here: Visit, template: str, status: int = 200, **context: Any) -> HttpResponse:
    context |= {
        "visitor": here.visitor,
        "brand": here.brand,
        "languages": settings.LANGUAGES,
        "visit_language": translation.get_language(),
    }
    response = render(here.request, template, context, status=status)
    # Also when something in front of us has other ideas: nothing of a visit stays in a cache.
    response["Cache-Control"] = "no-store"
    if here.visitor is None and settings.VISIT_COOKIE_NAME in here.request.COOKIES:
        drop_visit_cookie(response)
    return response


def go_on() -> HttpResponse:
    response = HttpResponseRedirect(ADDRESS)
    response.status_code = 303
    return response
