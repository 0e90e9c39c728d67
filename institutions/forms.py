"""Every form that staff fill in."""

import re
from difflib import get_close_matches
from typing import Any, cast

from django import forms
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from institutions.access import Staff
from institutions.models import AuditEvent, Institution, Invitation, Membership, Skill, User
from institutions.models.people import Right
from institutions.places import codes_by_name, name_of, plain

PLATFORM = "platform"


class SkillsField(forms.MultipleChoiceField):
    """What somebody can beside what everybody can, as boxes to tick."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=_("Kan ook"),
            required=False,
            choices=Skill.choices,
            widget=forms.CheckboxSelectMultiple,
            help_text=_("Jongeren die hierom vragen, zijn even eerst voor wie dit kan."),
            **kwargs,
        )


class MunicipalitiesField(forms.CharField):
    """Names of municipalities, one a line, on the screen; their CBS codes in the data."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            label=_("Gemeenten"),
            required=False,
            widget=forms.Textarea(attrs={"rows": 6}),
            help_text=_(
                "Eén per regel. Jongeren uit deze gemeenten zijn even eerst voor deze instelling."
            ),
            **kwargs,
        )

    def prepare_value(self, value: Any) -> Any:
        """Names for a list of codes; what somebody typed stays as it is."""
        return "\n".join(map(name_of, value)) if isinstance(value, list) else value

    def clean(self, value: Any) -> list[str]:
        text: str = super().clean(value)
        by_name = codes_by_name()
        names = []
        for row in filter(None, map(str.strip, text.splitlines())):
            # One official name has a comma in it.
            parts = [row] if plain(row) in by_name else re.split("[,;]", row)
            names += [part.strip() for part in parts if part.strip()]
        unknown = [name for name in names if plain(name) not in by_name]
        if unknown:
            meant = get_close_matches(plain(unknown[0]), by_name, n=1)
            words = {
                "names": ", ".join(unknown),
                "meant": name_of(by_name[meant[0]]) if meant else "",
            }
            if meant:
                raise ValidationError(
                    gettext("Deze gemeenten kennen we niet: %(names)s. Bedoel je %(meant)s?")
                    % words
                )
            raise ValidationError(gettext("Deze gemeenten kennen we niet: %(names)s.") % words)
        return list(dict.fromkeys(by_name[plain(name)] for name in names))


class MeForm(forms.ModelForm):
    """One's own names, language, and how many chats at once."""

    skills = SkillsField()

    class Meta:
        model = User
        fields = ["name", "chat_name", "chat_cap", "language", "skills"]
        help_texts = {
            "chat_cap": _("Meer gesprekken tegelijk krijg je alleen als je dat zelf kiest."),
        }

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not staff.is_worker:
            del self.fields["chat_cap"]
            del self.fields["skills"]


class InstitutionForm(forms.ModelForm):
    """What the platform decides about an institution."""

    municipalities = MunicipalitiesField()

    class Meta:
        model = Institution
        fields = (
            "name",
            "retention_days",
            "municipalities",
            "school_region",
            "active_from",
            "active_until",
            "is_active",
        )
        labels = {
            "name": _("Naam"),
            "is_active": _("Doet mee"),
        }
        widgets = {
            "active_from": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "active_until": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
        }


class PersonForm(forms.ModelForm):
    """What a coordinator may change about a person."""

    skills = SkillsField()

    class Meta:
        model = User
        fields = ["name", "chat_name", "chat_cap", "skills"]
        help_texts = {
            "name": _("Zo zien collega's deze persoon."),
            "chat_name": _("Zo ziet een jongere deze persoon."),
            "chat_cap": "",
        }


def text_of(right: Right) -> str:
    institution, role = right
    return f"{institution or PLATFORM}:{role}"


def right_of(text: str) -> Right:
    institution, role = text.split(":")
    return (None if institution == PLATFORM else int(institution)), role


class RolesForm(forms.Form):
    """The roles of one person, as far as this coordinator gives them."""

    roles = forms.MultipleChoiceField(
        label=_("Rollen"), required=False, widget=forms.CheckboxSelectMultiple
    )

    def __init__(self, *args: Any, person: User, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        held = set(person.memberships.values_list("institution_id", "role"))
        institutions = Institution.objects.filter(pk__in={i for i, _role in held if i})
        choices = [
            (text_of((institution.pk, role)), f"{label}, {institution.name}")
            for institution in institutions
            for role, label in Membership.Role.choices
            if staff.gives((institution.pk, role))
        ]
        platform: Right = (None, Membership.Role.COORDINATOR)
        if staff.gives(platform):
            choices.append((text_of(platform), gettext("coördinator van het platform")))
        cast(forms.MultipleChoiceField, self.fields["roles"]).choices = choices
        self.within = {right_of(text) for text, _label in choices}
        self.initial["roles"] = [text_of(right) for right in held & self.within]

    def clean_roles(self) -> set[Right]:
        return {right_of(text) for text in self.cleaned_data["roles"]}


class InviteForm(forms.ModelForm):
    """Invite somebody for a role that this coordinator gives."""

    class Meta:
        model = Invitation
        fields = ["email", "name", "chat_name", "institution", "role"]
        help_texts = {
            "email": _(
                "Hier sturen we de uitnodiging naartoe. Hiermee logt deze persoon straks in."
            ),
            "name": _("Zo zien collega's deze persoon. Die kan dit later zelf veranderen."),
            "chat_name": _("Zo ziet een jongere deze persoon. Vaak de voornaam."),
            "institution": "",
        }
        labels = {"institution": _("Instelling")}

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        institution = cast("forms.ModelChoiceField[Institution]", self.fields["institution"])
        institutions = Institution.objects.filter(is_active=True)
        if staff.is_platform_coordinator:
            institution.empty_label = gettext("Het platform (alleen coördinator)")
            institution.required = False
        else:
            institutions = institutions.filter(pk__in=staff.coordinator_of)
            institution.empty_label = None
            institution.required = True
        institution.queryset = institutions
        # Most who come are workers; one institution needs no choice.
        self.initial.setdefault("role", Membership.Role.WORKER)
        self.initial.setdefault("institution", institutions.first())
        cast(forms.ChoiceField, self.fields["role"]).choices = Membership.Role.choices

    def clean_email(self) -> str:
        return str(self.cleaned_data["email"]).lower()

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if self.errors:
            return data
        institution, role = data.get("institution"), data["role"]
        if institution is None and role != Membership.Role.COORDINATOR:
            raise ValidationError(
                {"role": _("Het platform heeft alleen coördinatoren. Kies een instelling.")}
            )
        same = {"institution": institution, "role": role}
        if Membership.objects.filter(user__email=data["email"], **same).exists():
            raise ValidationError({"email": _("Deze persoon heeft deze rol al.")})
        if Invitation.objects.open().filter(email=data["email"], **same).exists():
            raise ValidationError(
                {"email": _("Er is al een uitnodiging. Je kunt die opnieuw sturen.")}
            )
        return data


class AcceptForm(forms.Form):
    """A new member of staff chooses a password, and may put the names right."""

    name = forms.CharField(label=_("Je naam"), max_length=80, help_text=_("Zo zien collega's je."))
    chat_name = forms.CharField(
        label=_("Je naam in de chat"), max_length=30, help_text=_("Zo ziet een jongere je.")
    )
    password = forms.CharField(
        label=_("Kies een wachtwoord"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text=_("Minstens 12 tekens. Een zin van een paar woorden is sterk en makkelijk."),
    )
    again = forms.CharField(
        label=_("Nog een keer je wachtwoord"),
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
    )

    def __init__(self, *args: Any, invitation: Invitation, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.invitation = invitation
        self.initial = {"name": invitation.name, "chat_name": invitation.chat_name}
        self.fields["name"].widget.attrs["autocomplete"] = "name"

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        password, again = data.get("password"), data.get("again")
        if password and again and password != again:
            self.add_error("again", _("De twee wachtwoorden zijn niet hetzelfde."))
        elif password:
            about = User(email=self.invitation.email, name=data.get("name", ""))
            try:
                validate_password(password, about)
            except ValidationError as error:
                self.add_error("password", error)
        return data


class AuditFilterForm(forms.Form):
    """What of the trail to show."""

    verb = forms.ChoiceField(label=_("Wat"), required=False)
    person = forms.ModelChoiceField(label=_("Wie"), queryset=User.objects.none(), required=False)

    def __init__(self, *args: Any, staff: Staff, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        verbs = cast(forms.ChoiceField, self.fields["verb"])
        verbs.choices = [("", _("Alles")), *AuditEvent.Verb.choices]
        person = cast("forms.ModelChoiceField[User]", self.fields["person"])
        person.queryset = User.objects.coordinated_by(staff)
        person.empty_label = gettext("Iedereen")
