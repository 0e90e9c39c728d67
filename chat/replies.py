"""Ready sentences for the desk: coordinators keep them, the platform's and their institution's."""

from typing import Any, cast

from django import forms
from django.contrib import messages
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from chat.models import QuickReply
from institutions.access import Staff, coordinator_required
from institutions.models import AuditEvent, Institution


def replies_of(staff: Staff) -> QuerySet[QuickReply]:
    """The replies that this coordinator may change: all, or those of their own institutions."""
    replies = QuickReply.objects.select_related("institution")
    if staff.is_platform_coordinator:
        return replies
    return replies.filter(institution__in=staff.coordinator_of)


def replies_for(staff: Staff) -> list[dict[str, str]]:
    """The replies that this worker may use: the platform's, and their institution's."""
    replies = (
        QuickReply.objects.filter(Q(institution=None) | Q(institution__in=staff.worker_of))
        .select_related("institution")
        .order_by("institution", "shortcut", "pk")
    )
    return [
        {
            "shortcut": reply.shortcut,
            "text": reply.text,
            "scope": reply.institution.name if reply.institution else _("Iedereen"),
            "language": reply.language,
        }
        for reply in replies
    ]


class QuickReplyForm(forms.ModelForm):
    class Meta:
        model = QuickReply
        fields = ("shortcut", "text", "institution", "language")
        labels = {
            "shortcut": gettext_lazy("Korte naam"),
            "text": gettext_lazy("Zin"),
            "institution": gettext_lazy("Voor wie"),
            "language": gettext_lazy("Taal"),
        }
        help_texts = {
            "shortcut": gettext_lazy("Hierop zoekt een hulpverlener."),
            "text": gettext_lazy("De zin komt in het tekstvak en is dan nog te veranderen."),
        }
        widgets = {
            "text": forms.Textarea(attrs={"rows": 4}),
            "language": forms.Select(choices=[("nl", "Nederlands"), ("en", "English")]),
        }

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = cast("forms.ModelChoiceField[Institution]", self.fields["institution"])
        institutions = Institution.objects.filter(is_active=True)
        if staff.is_platform_coordinator:
            field.empty_label = _("iedereen")
        else:
            institutions = institutions.filter(pk__in=staff.coordinator_of)
            field.required = True
            field.empty_label = None
        field.queryset = institutions

    def clean_language(self) -> str:
        language: str = self.cleaned_data["language"]
        if language not in ("nl", "en"):
            raise forms.ValidationError(_("Kies een taal."))
        return language


@require_safe
@coordinator_required
def replies(request: HttpRequest) -> HttpResponse:
    staff: Staff = request.staff  # type: ignore[attr-defined]
    found = replies_of(staff).order_by("institution__name", "shortcut", "pk")
    return render(request, "chat/replies.html", {"replies": found})


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def reply(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Add a reply, change one, or take one away. Desks see it when they are opened next."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    known = get_object_or_404(replies_of(staff), pk=pk) if pk is not None else None
    if request.method == "POST" and known is not None and request.POST.get("action") == "delete":
        _audit(staff, known)
        known.delete()
        messages.success(request, _("Het snelle antwoord is weg."))
        return redirect("replies")
    form = QuickReplyForm(request.POST or None, instance=known, staff=staff)
    if request.method == "POST" and form.is_valid():
        _audit(staff, form.save())
        messages.success(request, _("Het snelle antwoord is bewaard."))
        return redirect("replies")
    return render(request, "chat/reply.html", {"form": form, "known": known})


def _audit(staff: Staff, reply: QuickReply) -> None:
    AuditEvent.objects.create(
        actor=staff.user,
        verb=AuditEvent.Verb.SETTINGS,
        institution=reply.institution,
        detail=f"reply {reply.pk}",
    )
