"""What is agreed once: the rules of a line, and what each worker may do in it."""

from collections.abc import Iterable
from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from institutions.models import User
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
    """One choice for each worker. `chosen`: those that are changed, with their kinds."""

    def __init__(self, *args: Any, workers: Iterable[User], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.workers = list(workers)
        kinds = Qualification.of([worker.pk for worker in self.workers])
        words = {found: word for word, (_label, found) in TASKS.items()}
        for worker in self.workers:
            choices = [(word, label) for word, (label, _kinds) in TASKS.items()]
            now = words.get(kinds[worker.pk], "")
            if not now:  # of an import, or by hand: as it is
                choices = [("", "…"), *choices]
            self.fields[f"w{worker.pk}"] = forms.ChoiceField(
                label=worker.name, choices=choices, initial=now, required=bool(now)
            )

    @property
    def chosen(self) -> list[tuple[User, frozenset[str]]]:
        return [
            (worker, TASKS[word][1])
            for worker in self.workers
            if (word := self.cleaned_data[f"w{worker.pk}"]) and f"w{worker.pk}" in self.changed_data
        ]
