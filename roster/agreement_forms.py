"""What is agreed once: the rules of a line, and what each worker may do in it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from institutions.models import Membership, User
from roster.models import Qualification, ServiceLine

Kind = Qualification.Kind


def _number(label: Any, most: int, help_text: Any) -> forms.IntegerField:
    wrong = _("Vul een heel getal in.")
    return forms.IntegerField(
        label=label,
        help_text=help_text,
        min_value=0,
        max_value=most,
        widget=forms.NumberInput(attrs={"inputmode": "numeric"}),
        error_messages={"required": wrong, "invalid": wrong},
    )


class AgreementsForm(forms.Form):
    """Gives what `ServiceLine.agree` takes."""

    cover_policy = forms.ChoiceField(
        label=_("Overnemen tussen instellingen"),
        choices=ServiceLine.CoverPolicy.choices,
        help_text=_("Binnen één instelling is het altijd meteen goed."),
    )
    release_hours = _number(
        _("Teruggeven tot zoveel uur vooraf"),
        24 * 28,
        _("Daarna vraagt een hulpverlener vervanging, of meldt zich af."),
    )
    short_rest_hours = _number(
        _("Rust tussen twee diensten, in uren"), 48, _("0: twee diensten mogen op elkaar volgen.")
    )
    late_cancel_hours = _number(
        _("Laat afgezegd vanaf zoveel uur vooraf"),
        24 * 28,
        _("Vervalt een spreekuur later dan dat, dan telt het als gewerkt."),
    )
    last_call_minutes = _number(
        _("Zoveel minuten voor het einde niemand nieuw"), 120, _("Wie al praat, praat gewoon door.")
    )

    def __init__(self, *args: Any, line: ServiceLine, **kwargs: Any) -> None:
        initial = {name: getattr(line, name) for name in ServiceLine.AGREED}
        initial["short_rest_hours"] = -(-line.short_rest_minutes // 60)
        super().__init__(*args, **kwargs | {"initial": initial})

    def clean(self) -> dict[str, Any]:
        data: dict[str, Any] = super().clean() or {}
        if (hours := data.pop("short_rest_hours", None)) is not None:
            data["short_rest_minutes"] = hours * 60
        return data


# What somebody may do, by the word that the form sends.
TASKS: dict[str, tuple[Any, frozenset[str]]] = {
    "duty": (_("hulpverlener"), frozenset({Kind.DUTY})),
    "trainee": (_("in opleiding"), frozenset({Kind.TRAINEE})),
    "both": (_("hulpverlener en achterwacht"), frozenset({Kind.DUTY, Kind.BACKUP})),
    "backup": (_("alleen achterwacht"), frozenset({Kind.BACKUP})),
}


class TasksForm(forms.Form):
    """One choice for each worker; of many institutions, under the first that they work for.

    `chosen`: those that are changed, with their kinds.
    """

    def __init__(
        self, *args: Any, works: Iterable[Membership], by_institution: bool, **kwargs: Any
    ) -> None:
        super().__init__(*args, **kwargs)
        first: dict[int, Membership] = {}
        for work in works:
            first.setdefault(work.user_id, work)
        self.workers = [work.user for work in first.values()]
        self._names: dict[str, list[str]] = {}
        kinds = Qualification.of(list(first))
        words = {found: word for word, (_label, found) in TASKS.items()}
        for work in first.values():
            choices = [(word, label) for word, (label, _kinds) in TASKS.items()]
            now = words.get(kinds[work.user_id], "")
            if not now:  # of an import, or by hand: as it is
                choices = [("", "…"), *choices]
            name = f"w{work.user_id}"
            self.fields[name] = forms.ChoiceField(
                label=work.user.name, choices=choices, initial=now, required=bool(now)
            )
            group = str(work.institution) if by_institution else ""
            self._names.setdefault(group, []).append(name)

    @property
    def groups(self) -> list[tuple[str, list[forms.BoundField], bool]]:
        """Each institution, or "" for all, with its fields and whether one of them is wrong."""
        return [
            (group, [self[name] for name in names], not self.errors.keys().isdisjoint(names))
            for group, names in self._names.items()
        ]

    @property
    def chosen(self) -> list[tuple[User, frozenset[str]]]:
        return [
            (worker, TASKS[word][1])
            for worker in self.workers
            if (word := self.cleaned_data[f"w{worker.pk}"]) and f"w{worker.pk}" in self.changed_data
        ]
