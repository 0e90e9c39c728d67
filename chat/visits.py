"""The cookie of a visit, and requests that only our own pages may make.

A visitor has exactly one cookie. So there is no CSRF cookie beside it: posts must come from our own
pages, which browsers tell (`Sec-Fetch-Site`, else `Origin`), and the cookie is SameSite=Lax.
"""

from collections.abc import Callable
from functools import wraps
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.conf import settings
from django.http import HttpRequest, HttpResponse, HttpResponseForbidden
from django.views.decorators.csrf import csrf_exempt

from chat.models import Conversation, Refused, Visitor

UNSAFE = {"POST", "PUT", "PATCH", "DELETE"}


def visitor_of(request: HttpRequest) -> Visitor | None:
    """Return who this cookie belongs to; None without one, or once the visit was ended."""
    return Visitor.find(token_of(request))


def token_of(request: HttpRequest) -> str:
    """The secret of this visit, which only its browser has."""
    return request.COOKIES.get(settings.VISIT_COOKIE_NAME, "")


def set_visit_cookie(response: HttpResponse, token: str) -> None:
    response.set_cookie(
        settings.VISIT_COOKIE_NAME,
        token,
        secure=settings.SECURE,
        httponly=True,
        samesite="Lax",
        path="/",
    )


def drop_visit_cookie(response: HttpResponse) -> None:
    response.delete_cookie(settings.VISIT_COOKIE_NAME, path="/", samesite="Lax")


def is_same_origin(request: HttpRequest) -> bool:
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        return site == "same-origin"
    origin = request.headers.get("Origin")
    # Neither header: a browser from before 2020 on a same-origin form, or no browser at all, which
    # has no cookie of anybody to abuse.
    return origin is None or origin in settings.ORIGINS


def same_origin(view: Callable[..., Any]) -> Callable[..., Any]:
    """Refuse a changing request that another site's page makes; replaces the CSRF token."""
    if iscoroutinefunction(view):

        @wraps(view)
        async def async_guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            if request.method in UNSAFE and not is_same_origin(request):
                return HttpResponseForbidden()
            return await view(request, *args, **kwargs)

        return csrf_exempt(async_guarded)

    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
        if request.method in UNSAFE and not is_same_origin(request):
            return HttpResponseForbidden()
        return view(request, *args, **kwargs)

    return csrf_exempt(guarded)


def post_as_visitor(
    visitor: Visitor, conversation: Conversation, client_id: str, text: str
) -> None:
    """Post from a plain form; returns after the commit. Raises Refused with a protocol code."""
    from chat.commands import BadCommand, clean_text
    from chat.writer import Post, writer

    try:
        text = clean_text(text)
    except BadCommand as bad:
        raise Refused(bad.code) from None
    outcome = writer.post_and_wait(
        Post(
            conversation=conversation.pk,
            client_id=client_id,
            author="visitor",
            actor=visitor.pk,
            text=text,
        )
    )
    if outcome.code:
        raise Refused(outcome.code)
