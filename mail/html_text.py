"""HTML mail becomes text. Nothing of it is ever rendered, fetched or kept as HTML."""

import re

from lxml import etree
from lxml.html import HTMLParser, document_fromstring

MAX_HTML = 512 * 1024
# More of these inside each other is no mail of a person.
MAX_DEPTH = 200

SILENT = frozenset({"script", "style", "head", "title", "meta", "template", "noscript", "svg"})
# fmt: off
BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "dd", "div", "dl", "dt", "fieldset", "footer",
    "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p",
    "pre", "section", "table", "tr", "ul",
})
# fmt: on
# How mail programs mark what they quote: everything from here on is not the writer's.
QUOTES = re.compile(r"\b(gmail_quote|yahoo_quoted|moz-cite-prefix|protonmail_quote)\b")
QUOTES_AFTER = frozenset(
    {"appendonsend", "divRplyFwdMsg", "mail-editor-reference-message-container"}
)
SPACE = re.compile(r"[ \t\r\n\f\xa0\u200b]+")


def text_of(html: str, *, quotes: bool = True) -> str:
    """Return the text of an HTML mail; without `quotes`, without what its program quoted.

    Empty for what cannot be understood.
    """
    html = html[:MAX_HTML].replace("\x00", "")
    # An encoding that a document declares is wrong here: this is decoded already.
    html = re.sub(r"^\s*<\?xml[^>]*>", "", html)
    if not html.strip():
        return ""
    try:
        tree = document_fromstring(html, parser=HTMLParser(remove_comments=True, remove_pis=True))
    except (etree.LxmlError, ValueError, AssertionError):
        return ""
    lines: list[str] = [""]
    _walk(tree, lines, keeps_quotes=quotes)
    return "\n".join(line.strip() for line in lines).strip()


def _walk(tree: etree._Element, lines: list[str], *, keeps_quotes: bool) -> None:
    """Put the text of a tree in lines, without recursion: a document may be very deep."""
    todo: list[tuple[etree._Element, bool, int]] = [(tree, False, 0)]
    while todo:
        element, is_end, depth = todo.pop()
        tag = element.tag if isinstance(element.tag, str) else ""
        if is_end:
            if tag in BLOCKS:
                _break(lines, gap=tag in ("p", "blockquote"))
            _add(lines, element.tail)
            continue
        if not tag or tag in SILENT or depth > MAX_DEPTH:
            _add(lines, element.tail)
            continue
        if not keeps_quotes and _begins_quotes(element):
            if element.get("id") in QUOTES_AFTER:
                return
            _add(lines, element.tail)
            continue
        if tag in BLOCKS:
            _break(lines, gap=tag in ("p", "blockquote"))
        if tag == "br":
            lines.append("")
        elif tag == "li":
            lines[-1] += "- "
        _add(lines, element.text)
        todo.append((element, True, depth))
        todo += [(child, False, depth + 1) for child in reversed(element)]


def _begins_quotes(element: etree._Element) -> bool:
    if element.tag == "blockquote":
        return element.get("type") == "cite" or bool(QUOTES.search(element.get("class") or ""))
    if element.get("id") in QUOTES_AFTER:
        return True
    return bool(QUOTES.search(element.get("class") or ""))


def _break(lines: list[str], *, gap: bool) -> None:
    if lines[-1].strip():
        lines.append("")
    if gap and len(lines) > 1 and lines[-2].strip():
        lines.append("")


def _add(lines: list[str], text: str | None) -> None:
    if text:
        text = SPACE.sub(" ", text)
        lines[-1] += text.lstrip() if not lines[-1] else text
