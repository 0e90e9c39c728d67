"""The order of a queue, for the platform's coordinators: how long own region comes first, the floor."""

from typing import Any

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from chat.events import DeskChanged, publish
from chat.models import QueueRules
from institutions.access import Staff, platform_required
from institutions.models import AuditEvent
from roster.models import ServiceLine


class QueueRulesForm(forms.ModelForm):
    class Meta:
        model = QueueRules
        fields = (
            "region_seconds",
            "wish_seconds",
            "soon_after_minutes",
            "first_after_minutes",
            "alert_seconds",
        )

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        soon, first = data.get("soon_after_minutes"), data.get("first_after_minutes")
        if soon and first and soon > first:
            self.add_error(
                "first_after_minutes",
                _("Kies hier minstens zoveel minuten als bij ‘telt als liefst snel’."),
            )
        return data


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def queue_rules(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the rules of a line's queue, or change them; desks are told at once."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    line = get_object_or_404(ServiceLine, pk=pk)
    form = QueueRulesForm(request.POST or None, instance=QueueRules.of(line))
    if request.method == "POST" and form.is_valid():
        with transaction.atomic():
            form.save()
            AuditEvent.objects.create(
                actor=staff.user, verb=AuditEvent.Verb.SETTINGS, detail=f"queue {line.pk}"
            )
            publish(DeskChanged(line=line.pk))
        messages.success(request, _("De wachtrij van %(name)s is bewaard.") % {"name": line.name})
        return redirect("sites")
    return render(request, "chat/queue_rules.html", {"form": form, "queue_line": line})
