"""A questionnaire as one file that people can read, change and send to another installation: YAML.

Reading trusts nothing. The parser's events are walked without building objects: no tags, no anchors
and no aliases (a small file could unfold into a huge one), no name twice in one place, limits on size and
depth. Words are text, whatever YAML thinks of `no` and `on`; only bare whole numbers and true and false
are something else. Whatever is wrong is told with its line.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml
from django.utils.translation import gettext as _

from triage import parts
from triage.checking import LANGUAGES, Problem, Unsound, check

MAX_BYTES = 256 * 1024
MAX_DEPTH = 12
# More than any sound questionnaire has.
MAX_VALUES = 60_000
WHOLE = re.compile(r"-?[0-9]{1,9}")
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

Way = tuple[str, ...]


class Unreadable(ValueError):
    """This file cannot become a draft. `told` is a list of sentences, each with its line."""

    def __init__(self, told: list[str]) -> None:
        super().__init__("\n".join(told))
        self.told = told


# The order in which a file tells things; PostgreSQL keeps none. Codes come as they are.
ORDER = (
    *("name", "contact_kind", "steps", "rules", "words", "routing", "wishes", "wish"),
    *("code", "kind", "question", "at_least", "chosen", "count", "weight", "topic"),
    *("urgency", "danger", "reason", "text", *LANGUAGES, "help", "is_sensitive"),
    *("options", "questions", "phrases", "except"),
)


def ordered(value: Any) -> Any:
    if isinstance(value, list):
        return [ordered(one) for one in value]
    if isinstance(value, dict):
        names = sorted(value, key=lambda name: ORDER.index(name) if name in ORDER else len(ORDER))
        return {name: ordered(value[name]) for name in names}
    return value


def write(data: dict[str, Any], heading: str = "") -> str:
    """Return the file of this questionnaire. Reading it gives the same data."""
    # The quicker dumper in C writes emoji as numbers.
    text = yaml.dump(
        ordered(data),
        Dumper=yaml.SafeDumper,
        allow_unicode=True,
        sort_keys=False,
        width=100,
        default_flow_style=False,
    )
    comment = "".join(f"# {' '.join(line.split())}\n" for line in heading.splitlines())
    return comment + str(text)


def read(content: bytes) -> dict[str, Any]:
    """Return the questionnaire of a file. Texts may be missing in a language, for it becomes a draft.

    Raises Unreadable with everything that is wrong.
    """
    data, lines = parse(content)
    try:
        check(data)
    except Unsound as unsound:
        wrong = [problem for problem in unsound.problems if not is_missing_text(data, problem)]
        if wrong:
            found = sorted(wrong, key=lambda problem: line_of(problem.place, lines))
            raise Unreadable(
                [_at(line_of(problem.place, lines), problem) for problem in found]
            ) from None
    questionnaire: dict[str, Any] = parts.EMPTY | data
    return questionnaire


def is_missing_text(data: Any, problem: Problem) -> bool:
    """Is this only a text that is still missing in one language?"""
    *way, last = problem.place.split(".")
    if last not in LANGUAGES:
        return False
    value = data
    for name in way:
        value = value[int(name)] if isinstance(value, list) else value.get(name)
    return isinstance(value, dict) and value.get(last) in (None, "")


def line_of(place: str, lines: dict[Way, int]) -> int:
    """The line of this place, or of the nearest thing around it."""
    way = tuple(place.split(".")) if place else ()
    while way not in lines and way:
        way = way[:-1]
    return lines.get(way, 1)


def _at(line: int, problem: object) -> str:
    return _("Regel %(line)s: %(problem)s") % {"line": line, "problem": problem}


# --- From text to data --------------------------------------------------------------------------


@dataclass
class Open:
    """A list or a mapping that is being read. `name` waits for its value."""

    value: Any
    way: Way
    name: str | None = None
    seen: set[str] = field(default_factory=set)


def parse(content: bytes) -> tuple[Any, dict[Way, int]]:
    """Return what the text says, and on which line each thing stands."""
    if len(content) > MAX_BYTES:
        raise Unreadable([_("Dit bestand is te groot: hoogstens 256 KiB.")])
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable([_("Dit is geen tekst in UTF-8.")]) from None
    try:
        return _Reader().read(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise Unreadable(
            [_at(mark.line + 1 if mark else 1, _("Dit is geen goede YAML."))]
        ) from None
    except yaml.YAMLError:
        raise Unreadable([_("Hier staan tekens in die niet in YAML mogen.")]) from None


class _Reader:
    def __init__(self) -> None:
        self.lines: dict[Way, int] = {}
        self.open: list[Open] = []
        self.whole: Any = None
        self.is_begun = False

    def read(self, text: str) -> tuple[Any, dict[Way, int]]:
        for event in yaml.parse(text, Loader=LOADER):
            self.line = event.start_mark.line + 1 if event.start_mark else 1
            match event:
                case yaml.ScalarEvent():
                    self.refuse_extras(event)
                    self.scalar(event)
                case yaml.MappingStartEvent():
                    self.refuse_extras(event)
                    self.begin({})
                case yaml.SequenceStartEvent():
                    self.refuse_extras(event)
                    self.begin([])
                case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                    self.open.pop()
                case yaml.AliasEvent():
                    self.stop(_("Verwijzingen (& en *) mogen niet in dit bestand."))
                case yaml.DocumentStartEvent() if self.is_begun:
                    self.stop(_("Er staat meer dan één document in dit bestand."))
        return self.whole, self.lines

    def stop(self, told: str) -> None:
        raise Unreadable([_at(self.line, told)])

    def refuse_extras(self, event: Any) -> None:
        if event.anchor is not None:
            self.stop(_("Verwijzingen (& en *) mogen niet in dit bestand."))
        # Text between quotes has the tag "!" for some parsers; that is none.
        if event.tag not in (None, "!"):
            self.stop(_("Typen (met !) mogen niet in dit bestand."))

    def begin(self, value: Any) -> None:
        if len(self.open) >= MAX_DEPTH:
            self.stop(_("Dit bestand is te diep genest."))
        if self.open and isinstance(self.open[-1].value, dict) and self.open[-1].name is None:
            self.stop(_("Hier hoort een naam te staan."))
        self.open.append(Open(value, self.place(value)))

    def scalar(self, event: Any) -> None:
        top = self.open[-1] if self.open else None
        if top and isinstance(top.value, dict) and top.name is None:
            if event.value in top.seen:
                self.stop(_("“%(name)s” staat hier twee keer.") % {"name": event.value[:40]})
            top.seen.add(event.value)
            top.name = event.value
            return
        value: Any = event.value
        if event.style in (None, "") and event.implicit[0]:
            if WHOLE.fullmatch(value):
                value = int(value)
            elif value in ("true", "false"):
                value = value == "true"
        self.place(value)

    def place(self, value: Any) -> Way:
        """Put a value where it belongs, and return the way to it."""
        self.is_begun = True
        if len(self.lines) > MAX_VALUES:
            self.stop(_("Er staat te veel in dit bestand."))
        way: Way = ()
        if not self.open:
            self.whole = value
        else:
            top = self.open[-1]
            if isinstance(top.value, list):
                way = (*top.way, str(len(top.value)))
                top.value.append(value)
            else:
                way = (*top.way, str(top.name))
                top.value[top.name] = value
                top.name = None
        self.lines[way] = self.line
        return way
