"""The sites that young people visit: host name, texts, colour, and which chat they lead to."""

from typing import Any

from django import forms
from django.contrib import messages
from django.core.validators import RegexValidator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods, require_safe

from institutions.access import Staff, platform_required
from institutions.models import AuditEvent, Brand
from roster.models import ServiceLine
from triage.models import DEFAULT, Questionnaire, default_data

HOST = RegexValidator(
    r"(?i)^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
    gettext_lazy("Alleen de naam, zonder https:// en zonder poort."),
)
COLOUR = RegexValidator(r"^#[0-9a-fA-F]{6}$", gettext_lazy("Kies een kleur."))


class SiteForm(forms.ModelForm):
    """A brand and the line that its chats go to; a new line when none is chosen."""

    host = forms.CharField(
        label=gettext_lazy("Adres"),
        max_length=100,
        validators=[HOST],
        help_text=gettext_lazy(
            "Bijvoorbeeld www.klikvoorhulp.nl. Zet het ook in ORIGINS van de server."
        ),
    )
    accent = forms.CharField(
        label=gettext_lazy("Kleur"),
        validators=[COLOUR],
        widget=forms.TextInput(attrs={"type": "color"}),
        help_text=gettext_lazy(
            "Te lichte kleuren maken we donkerder, zodat iedereen ze kan lezen."
        ),
    )
    exit_url = forms.URLField(
        label=gettext_lazy("Waar ‘Weg hier’ heen gaat"),
        assume_scheme="https",
        help_text=gettext_lazy("Een gewone pagina, zoals het weer."),
    )
    line = forms.ModelChoiceField(
        label=gettext_lazy("Chat"),
        queryset=ServiceLine.objects.all(),
        required=False,
        empty_label=gettext_lazy("een eigen wachtrij en rooster"),
        help_text=gettext_lazy("Sites met dezelfde chat delen de wachtrij en het rooster."),
    )

    questions = forms.ChoiceField(
        label=gettext_lazy("Vragen vooraf"),
        choices=[
            ("jongeren", gettext_lazy("voor jongeren")),
            ("ouders", gettext_lazy("voor ouders, over een kind")),
        ],
        required=False,
        help_text=gettext_lazy("Om mee te beginnen. Daarna verander je ze zoals je wilt."),
    )

    class Meta:
        model = Brand
        fields = (
            "name",
            "host",
            "neutral_title",
            "welcome",
            "accent",
            "exit_url",
            "mail_sender",
            "mail_subject",
            "institution",
            "is_default",
        )
        labels = {
            "name": gettext_lazy("Naam"),
            "neutral_title": gettext_lazy("Naam van het tabblad"),
            "welcome": gettext_lazy("Eerste zin"),
            "mail_sender": gettext_lazy("Afzender van mail aan jongeren"),
            "mail_subject": gettext_lazy("Onderwerp van mail aan jongeren"),
            "institution": gettext_lazy("Instelling die de vragen bijhoudt"),
            "is_default": gettext_lazy("Ook voor adressen die bij geen site horen"),
        }
        help_texts = {
            "neutral_title": gettext_lazy("Wie meekijkt mag niet zien wat voor pagina dit is."),
            "mail_sender": gettext_lazy(
                "Een neutrale naam. Leeg: de naam van het tabblad. Het adres staat in de inrichting van de server."
            ),
            "mail_subject": gettext_lazy(
                "Wie de mail in een lijst ziet staan, mag niet zien waar het over gaat. Leeg: ‘Er staat een bericht voor je klaar’."
            ),
            "institution": gettext_lazy(
                "Haar coördinatoren mogen dan de vragen vooraf van deze site veranderen. Die van het "
                "platform mogen dat altijd."
            ),
            "is_default": "",
        }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["institution"].empty_label = _("alleen het platform")  # type: ignore[attr-defined]
        if self.instance.pk:
            del self.fields["questions"]  # the site has its own by now
            self.fields["line"].initial = self.instance.lines.first()

    def clean_host(self) -> str:
        host: str = self.cleaned_data["host"]
        return host.lower()

    def clean_is_default(self) -> bool:
        is_default: bool = self.cleaned_data["is_default"]
        others = Brand.objects.filter(is_default=True).exclude(pk=self.instance.pk)
        if is_default and others.exists():
            raise forms.ValidationError(_("Een andere site is dat al. Zet het daar eerst uit."))
        return is_default

    def save(self, commit: bool = True) -> Brand:
        with transaction.atomic():
            brand: Brand = super().save(commit)
            line = self.cleaned_data["line"]
            if line is None:
                line = ServiceLine.objects.create(name=self._free_name(brand.name))
            brand.lines.set([line])
            if "questions" in self.cleaned_data:
                begin_with = default_data(self.cleaned_data["questions"] or DEFAULT)
                Questionnaire.publish(brand, begin_with)
        return brand

    def _free_name(self, name: str) -> str:
        """Lines have names of their own, and two sites may have the same."""
        taken = set(ServiceLine.objects.values_list("name", flat=True))
        number, free = 1, name
        while free in taken:
            number += 1
            free = f"{name[:55]} {number}"
        return free


@require_safe
@platform_required
def sites(request: HttpRequest) -> HttpResponse:
    found = Brand.objects.prefetch_related("lines").order_by("name", "host")
    return render(request, "triage/sites.html", {"sites": found})


@require_http_methods(["GET", "HEAD", "POST"])
@platform_required
def site(request: HttpRequest, pk: int | None = None) -> HttpResponse:
    """Add a site, or change one. A new one begins with questions that come along."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    known = get_object_or_404(Brand, pk=pk) if pk is not None else None
    form = SiteForm(request.POST or None, instance=known)
    if request.method == "POST" and form.is_valid():
        saved = form.save()
        AuditEvent.objects.create(
            actor=staff.user, verb=AuditEvent.Verb.SETTINGS, detail=f"site {saved.pk}"
        )
        messages.success(request, _("%(name)s is bewaard.") % {"name": saved.name})
        return redirect("sites")
    return render(request, "triage/site.html", {"form": form, "known": known})
