"""A coordinator's pages about the people of their institution."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from institutions import mails
from institutions.access import Staff, coordinator_required
from institutions.forms import AuditFilterForm, InviteForm, PersonForm, RolesForm
from institutions.models import AuditEvent, Institution, Invitation, Membership, Refused, User

PER_PAGE = 50


def refusal_text(code: str) -> str:
    return {
        "not_yours": _(
            "Deze persoon werkt ook ergens anders. "
            "Alleen een coördinator van het platform kan dit doen."
        ),
        "self": _("Dit kun je niet bij jezelf doen. Vraag het een andere coördinator."),
        "last": _("Er moet minstens één coördinator van het platform blijven."),
        "no_role": _("Kies minstens één rol. Wil je iemand weghalen? Zet de persoon dan uit."),
        "changed": _("Dit was intussen al veranderd. Kijk nog eens."),
    }[code]


def factor_name(kind: str) -> str:
    """Our own words: allauth's are technical ones, and the same in every language."""
    return {
        Authenticator.Type.TOTP: _("app met codes"),
        Authenticator.Type.WEBAUTHN: _("passkey"),
    }[Authenticator.Type(kind)]


@require_safe
@coordinator_required
def people(request: HttpRequest) -> HttpResponse:
    staff: Staff = request.staff  # type: ignore[attr-defined]
    found = User.objects.coordinated_by(staff)
    invitations = Invitation.objects.coordinated_by(staff).open()
    institutions = Institution.objects.all()
    if not staff.is_platform_coordinator:
        institutions = institutions.filter(pk__in=staff.coordinator_of)
    chosen = request.GET.get("institution", "")
    if chosen == "platform" and staff.is_platform_coordinator:
        found = found.filter(memberships__institution=None)
        invitations = invitations.filter(institution=None)
    elif chosen.isdecimal() and (institution := institutions.filter(pk=int(chosen[:9])).first()):
        own = Membership.objects.filter(institution=institution)
        found = found.filter(pk__in=own.values("user"))
        invitations = invitations.filter(institution=institution)
    factors = Authenticator.objects.exclude(type=Authenticator.Type.RECOVERY_CODES)
    found = (
        found.annotate(has_second_factor=Exists(factors.filter(user=OuterRef("pk"))))
        .prefetch_related("memberships__institution")
        .order_by("-is_active", "name", "pk")
    )
    context = {
        "page": Paginator(found, PER_PAGE).get_page(request.GET.get("page")),
        "invitations": invitations.select_related("institution", "invited_by"),
        "institutions": institutions,
        "chosen": chosen,
        "may_choose": staff.is_platform_coordinator or len(staff.coordinator_of) > 1,
    }
    return render(request, "institutions/people.html", context)


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def invite(request: HttpRequest) -> HttpResponse:
    staff: Staff = request.staff  # type: ignore[attr-defined]
    form = InviteForm(request.POST or None, staff=staff)
    if request.method == "POST" and form.is_valid():
        try:
            invitation, token = Invitation.invite(staff, **form.cleaned_data)
        except Refused as refused:
            form.add_error(None, refusal_text(refused.code))
        else:
            _mail(request, invitation, token)
            return redirect("people")
    return render(request, "institutions/invite.html", {"form": form})


@require_POST
@coordinator_required
def change_invitation(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Send an invitation again, or withdraw it."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    invitation = get_object_or_404(Invitation.objects.coordinated_by(staff), pk=pk)
    try:
        if deed == "resend":
            _mail(request, invitation, invitation.renew(staff))
        elif deed == "withdraw":
            invitation.withdraw(staff)
            messages.success(request, _("De uitnodiging is ingetrokken."))
        else:
            raise Http404
    except Refused as refused:
        messages.error(request, refusal_text(refused.code))
    return redirect("people")


def _mail(request: HttpRequest, invitation: Invitation, token: str) -> None:
    link = request.build_absolute_uri(reverse("invitation_link", args=[token]))
    if mails.invite(invitation, link):
        messages.success(
            request, _("De uitnodiging is gestuurd naar %(email)s.") % {"email": invitation.email}
        )
    else:
        messages.error(
            request,
            _("De mail kon niet weg. De uitnodiging staat klaar: stuur die straks opnieuw."),
        )


@require_http_methods(["GET", "HEAD", "POST"])
@coordinator_required
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Names, cap and roles of one person; what else can be done stands below."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    found = get_object_or_404(User.objects.coordinated_by(staff), pk=pk)
    which = request.POST.get("form") if request.method == "POST" else None
    form = PersonForm(request.POST if which == "person" else None, instance=found)
    roles = RolesForm(request.POST if which == "roles" else None, person=found, staff=staff)
    try:
        if which == "person" and form.is_valid():
            User.objects.get(pk=pk).change(staff, **form.cleaned_data)
            messages.success(request, _("Opgeslagen."))
            return redirect("person", pk)
        if which == "roles" and roles.is_valid():
            found.set_roles(roles.cleaned_data["roles"], staff, within=roles.within)
            messages.success(request, _("De rollen zijn opgeslagen."))
            # Who took the last role here has no business on this page any more.
            still = User.objects.coordinated_by(staff).filter(pk=pk).exists()
            return redirect("person", pk) if still else redirect("people")
    except Refused as refused:
        (form if which == "person" else roles).add_error(None, refusal_text(refused.code))
    fresh = User.objects.get(pk=pk)  # a refused form has changed the other one
    factors = Authenticator.objects.filter(user=fresh)
    context: dict[str, Any] = {
        "person": fresh,
        "form": form,
        "roles": roles,
        "manages_account": staff.manages_account_of(fresh),
        "is_self": fresh == request.user,
        "factors": [
            factor_name(factor.type)
            for factor in factors.exclude(type=Authenticator.Type.RECOVERY_CODES)
        ],
    }
    return render(request, "institutions/person.html", context)


@require_POST
@coordinator_required
def do_to_person(request: HttpRequest, pk: int, deed: str) -> HttpResponse:
    """Disable, enable, end sign-ins, reset the second factor."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    found = get_object_or_404(User.objects.coordinated_by(staff), pk=pk)
    name = {"name": found.name}
    try:
        match deed:
            case "disable":
                found.disable(staff)
                done = _("%(name)s is uitgezet en overal uitgelogd.") % name
            case "enable":
                found.enable(staff)
                done = _("%(name)s kan weer inloggen.") % name
            case "end-sign-ins":
                found.end_sign_ins(staff)
                done = _("%(name)s is overal uitgelogd.") % name
            case "reset-second-factor":
                found.reset_second_factor(staff)
                mails.second_factor_reset(found)
                done = _("De tweede stap van %(name)s is gewist. Er is een mail gestuurd.") % name
            case _unknown:
                raise Http404
        messages.success(request, done)
    except Refused as refused:
        messages.error(request, refusal_text(refused.code))
    return redirect("person", pk)


@require_safe
@coordinator_required
def audit(request: HttpRequest) -> HttpResponse:
    """The audit trail of the own institution, newest first."""
    staff: Staff = request.staff  # type: ignore[attr-defined]
    form = AuditFilterForm(request.GET, staff=staff)
    found = AuditEvent.objects.visible_to(staff).select_related("actor", "person", "institution")
    if form.is_valid():
        if verb := form.cleaned_data["verb"]:
            found = found.filter(verb=verb)
        if about := form.cleaned_data["person"]:
            found = found.filter(actor=about) | found.filter(person=about)
    page = Paginator(found.order_by("-pk"), PER_PAGE).get_page(request.GET.get("page"))
    query = request.GET.copy()
    query.pop("page", None)
    context = {
        "page": page,
        "form": form,
        "query": query.urlencode(),
        "shows_institution": staff.is_platform_coordinator or len(staff.coordinator_of) > 1,
    }
    return render(request, "institutions/audit.html", context)
