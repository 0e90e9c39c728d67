"""Minutes and cents as people read them, and the widths of bars."""

from django import template
from django.utils.formats import number_format
from django.utils.translation import gettext as _

register = template.Library()


@register.filter
def as_hours(minutes: int | None) -> str:
    """Whole minutes as hours and minutes: `12 u 30`; a minus in front of less than nothing."""
    if minutes is None:
        return "–"
    hours, rest = divmod(abs(minutes), 60)
    sign = "−" if minutes < 0 else ""
    if rest:
        return sign + _("%(hours)s u %(minutes)02d") % {
            "hours": number_format(hours, force_grouping=True),
            "minutes": rest,
        }
    return sign + _("%(hours)s u") % {"hours": number_format(hours, force_grouping=True)}


@register.filter
def signed_hours(minutes: int | None) -> str:
    """The same, with a plus in front of more than nothing."""
    text = as_hours(minutes)
    return f"+{text}" if minutes and minutes > 0 else text


@register.filter
def as_euros(cents: int) -> str:
    """Cents as `€ 1.234,50`."""
    amount = number_format(f"{abs(cents) // 100}", force_grouping=True, use_l10n=True)
    sign = "−" if cents < 0 else ""
    return f"{sign}€ {amount},{abs(cents) % 100:02d}"


@register.filter
def part_of(number: float, whole: float) -> str:
    """How many of 200 units of a bar's width; never outside the bar."""
    share = 0.0 if not whole else min(1.0, max(0.0, number / whole))
    return f"{200 * share:.1f}"


@register.filter
def absolute(number: int) -> int:
    return abs(number)
