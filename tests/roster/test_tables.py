"""Tables that are cards on a phone stay tables for who cannot see them."""

import re
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).parents[2] / "templates"
CARDS = re.compile(r"<table[^>]*plan-cards.*?</table>", re.DOTALL)
ROLES = {
    "table": {"table"},
    "thead": {"rowgroup"},
    "tbody": {"rowgroup"},
    "tfoot": {"rowgroup"},
    "tr": {"row"},
    "td": {"cell"},
    "th": {"columnheader", "rowheader"},
}


def tables() -> list[tuple[str, str]]:
    return [
        (path.name, table)
        for path in sorted(TEMPLATES.rglob("*.html"))
        for table in CARDS.findall(path.read_text())
    ]


@pytest.mark.parametrize(("name", "table"), tables(), ids=lambda value: value[:24])
def test_every_part_of_a_table_of_cards_says_what_it_is(name: str, table: str) -> None:
    """A style that changes `display` takes the role away, unless it is written down."""
    for tag, attributes in re.findall(r"<(table|thead|tbody|tfoot|tr|td|th)\b([^>]*)>", table):
        role = re.search(r'role="(\w+)"', attributes)
        assert role, f"<{tag}{attributes}> of {name}"
        assert role[1] in ROLES[tag]


def test_there_are_tables_of_cards() -> None:
    assert len(tables()) >= 6
