"""The code keeps its shape: imports go down, files stay short, pages ask nothing of other sites."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
# Above may import from below, never the other way round.
APPS = ("klikvoor", "mail", "triage", "chat", "roster", "institutions")
# Inside an app likewise: the edges, then forms, then models, then what a model tells.
LAYERS = (
    {"consumers", "views", "urls", "routing", "admin", "management"},
    {"forms"},
    {"models"},
    {"events"},
)
# Wiring that everything may read; it imports nothing of ours.
FREE = {("klikvoor", "logs")}
MAX_LINES = 600


def sources() -> Iterator[Path]:
    for app in APPS:
        yield from sorted((ROOT / app).rglob("*.py"))


def imports(path: Path) -> Iterator[tuple[tuple[str, ...], bool]]:
    """Yield what a file imports, and whether that runs at import (types alone do not)."""
    tree = ast.parse(path.read_text())
    for_types = {
        id(node)
        for block in ast.walk(tree)
        if isinstance(block, ast.If) and ast.unparse(block.test) == "TYPE_CHECKING"
        for node in ast.walk(block)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: imports say their whole name"
            module = node.module or ""
            # `from chat import events` imports the module as well.
            names = [f"{module}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            yield tuple(name.split(".")), id(node) not in for_types


def layer(name: str) -> int | None:
    """Return the number of a module's layer; helpers between the layers have none."""
    for number, names in enumerate(LAYERS):
        if name in names:
            return number
    return None


def test_imports_go_down_only() -> None:
    climbing = []
    for path in sources():
        app, *rest = path.relative_to(ROOT).with_suffix("").parts
        for name, runs in imports(path):
            if name[0] not in APPS or name[:2] in FREE:
                continue
            if APPS.index(name[0]) < APPS.index(app):
                climbing.append(f"{path.relative_to(ROOT)} imports {'.'.join(name)}")
            elif name[0] == app and runs and len(name) > 1 and rest and rest[0] != "migrations":
                ours, theirs = layer(rest[0]), layer(name[1])
                if ours is not None and theirs is not None and theirs < ours:
                    climbing.append(f"{path.relative_to(ROOT)} imports {'.'.join(name)}")
    assert not climbing, "\n".join(climbing)


def test_nobody_imports_an_edge() -> None:
    """Views and consumers are at the end of the road: only addresses lead to them."""
    wrong = [
        f"{path.relative_to(ROOT)} imports {'.'.join(name)}"
        for path in sources()
        if path.stem not in {"urls", "routing", "accounts_urls"}
        for name, _runs in imports(path)
        if name[0] in APPS
        and len(name) > 1
        and name[1] in {"views", "consumers"}
        and path.relative_to(ROOT).parts[:2] != name[:2]
    ]
    assert not wrong, "\n".join(wrong)


def test_the_walk_sees_a_climb(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(f"{__name__}.ROOT", tmp_path)
    (tmp_path / "roster").mkdir()
    (tmp_path / "roster/models.py").write_text("def late():\n    from chat import queue\n")

    with pytest.raises(AssertionError, match=r"roster/models.py imports chat.queue"):
        test_imports_go_down_only()

    (tmp_path / "roster/models.py").write_text("from roster.views import today\n")

    with pytest.raises(AssertionError, match=r"roster/models.py imports roster.views"):
        test_imports_go_down_only()


def test_files_stay_short() -> None:
    patterns = ("tests/**/*.py", "bench/**/*.py", "static/**/*.js", "static/**/*.css")
    files = [*sources(), *(path for pattern in patterns for path in ROOT.glob(pattern))]
    long = {
        str(path.relative_to(ROOT)): lines
        for path in files
        if (lines := len(path.read_text().splitlines())) >= MAX_LINES
    }
    assert not long


# --- What reaches a browser ---------------------------------------------------------------------


def pages() -> Iterator[Path]:
    for pattern in ("templates/**/*.html", "static/**/*.js", "static/**/*.css", "static/**/*.svg"):
        yield from sorted(ROOT.glob(pattern))


# An address in a link is the reader's choice; anywhere else it is a request to somebody else.
ADDRESS = re.compile(r"(?:https?:)?//(?!www\.w3\.org/)[a-z0-9-]+(?:\.[a-z0-9-]+)+", re.IGNORECASE)
LINK = re.compile(r"<a\b[^>]*>|data-exit=\"[^\"]*\"", re.IGNORECASE | re.DOTALL)
COMMENT = re.compile(r"/\*.*?\*/|\{#.*?#\}|\{% comment %\}.*?\{% endcomment %\}", re.DOTALL)


def test_pages_ask_nothing_of_other_hosts() -> None:
    found = {
        str(path.relative_to(ROOT)): addresses
        for path in pages()
        if (addresses := ADDRESS.findall(LINK.sub("", COMMENT.sub("", path.read_text()))))
    }
    assert not found


FORBIDDEN_MARKUP = {
    "inline style": re.compile(r"<[^>]+\sstyle\s*=|<style\b", re.IGNORECASE),
    "inline script": re.compile(
        r"<script\b(?![^>]*\bsrc=)(?![^>]*application/json)|\son[a-z]+\s*=\s*[\"']|javascript:",
        re.IGNORECASE,
    ),
    "unescaped text": re.compile(r"\|\s*safe\b|\{%\s*autoescape\s+off"),
}
FORBIDDEN_SCRIPT = {
    "markup from text": re.compile(
        r"\b(?:inner|outer)HTML\b|insertAdjacentHTML|document\.write|DOMParser|\.srcdoc\b"
    ),
    "code from text": re.compile(r"\beval\s*\(|\bnew Function\b|setTimeout\(\s*[\"']"),
}
# A worker's own computer may remember whether the desk makes a sound; a visitor's nothing at all.
KEPT = re.compile(r"\b(?:local|session)Storage\b|\bindexedDB\b|document\.cookie|serviceWorker")


scripts_and_markup = [path for path in pages() if path.suffix != ".css"]


@pytest.mark.parametrize("path", scripts_and_markup, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_hold_nothing_that_their_policy_forbids(path: Path) -> None:
    rules = FORBIDDEN_SCRIPT if path.suffix == ".js" else FORBIDDEN_MARKUP
    if path.suffix == ".js" and not path.stem.startswith("desk"):
        rules = rules | {"something kept on the device": KEPT}
    text = COMMENT.sub("", path.read_text())
    found = {name: match[0] for name, rule in rules.items() if (match := rule.search(text))}
    assert not found
