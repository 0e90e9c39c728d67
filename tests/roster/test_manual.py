"""docs/roster.md names what is on the screens by its own words."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
MANUAL = (ROOT / "docs" / "roster.md").read_text()
BOLD = sorted(
    {" ".join(words.split()) for words in re.findall(r"\*\*(.+?)\*\*", MANUAL, re.DOTALL)}
)


@pytest.fixture(scope="module")
def screens() -> str:
    pages = (*ROOT.glob("templates/**/*.html"), *ROOT.glob("roster/**/*.py"))
    return _plain("".join(page.read_text() for page in pages))


def _plain(text: str) -> str:
    return text.replace("’", "'")


@pytest.mark.parametrize("words", BOLD)
def test_what_is_bold_in_the_manual_is_on_a_screen(words: str, screens: str) -> None:
    assert f'"{_plain(words)}"' in screens or f">{_plain(words)}<" in screens


@pytest.mark.parametrize("link", sorted(set(re.findall(r"\]\(([^)#]+)\)", MANUAL))))
def test_what_the_manual_links_to_is_there(link: str) -> None:
    assert (ROOT / "docs" / link).is_file()
