"""Keep people out of the logs.

Nothing that somebody wrote, no address and no secret is worth a line in a log, so what is written is
put together here from what is known to be ours: the time, the level, the name of the logger, our
own messages, and of an error its kind and its place in the code. The text of an error may quote a
message that PostgreSQL refused; a library may put a whole traceback, or somebody's address, into its
message. Of those only the sentence that stands in the library's code is kept.
"""

import json
import linecache
import logging
import re
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

OURS = "klikvoor"
# They speak of our own machines and never of a row or a request: why a connection cannot be made.
TRUSTED = frozenset({"psycopg.pool"})
TRUSTED_SENTENCES = frozenset({"Listen failure: %s"})
FOLDER = f"{Path(__file__).resolve().parent.parent}/"
PLACEHOLDER = re.compile(r"%(?:\(\w+\))?[#0\- +]*(?:\d+|\*)?(?:\.\d+)?[a-zA-Z]|%%")
HIDDEN = "…"

Raised = tuple[type[BaseException], BaseException, TracebackType | None]


class Handler(logging.StreamHandler[Any]):
    """To stderr. A record that cannot be written is told as such; Python would print its words."""

    def handleError(self, record: logging.LogRecord) -> None:
        sys.stderr.write(f"a log record of {record.name} could not be written\n")


def facts(record: logging.LogRecord) -> dict[str, Any]:
    """Return what may be written of a record."""
    found: dict[str, Any] = {
        "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
        "level": record.levelname,
        "logger": record.name,
        "message": _message(record),
    }
    if isinstance(status := getattr(record, "status_code", None), int):
        found["status"] = status
    if raised := _raised(record):
        kind, _error, trace = raised
        found["error"] = kind.__name__
        found |= _places(trace)
    return found


def _is_ours(record: logging.LogRecord) -> bool:
    return record.name == OURS or record.name.startswith(f"{OURS}.")


def _message(record: logging.LogRecord) -> str:
    if _is_ours(record) or record.name in TRUSTED or record.msg in TRUSTED_SENTENCES:
        return record.getMessage()
    if isinstance(record.msg, str) and (record.args or _stands_in_code(record)):
        return PLACEHOLDER.sub(HIDDEN, record.msg)
    # Put together before it came here: anything may be in it.
    return f"{HIDDEN} ({_short(record.pathname)}:{record.lineno})"


def _stands_in_code(record: logging.LogRecord) -> bool:
    """Whether this very sentence is in the library's code, where it was logged."""
    lines = linecache.getlines(record.pathname)[max(record.lineno - 3, 0) : record.lineno + 5]
    return str(record.msg) in "".join(lines)


def _raised(record: logging.LogRecord) -> Raised | None:
    """The error that a record is about; also if a library only wrote it into its message."""
    raised = record.exc_info
    if raised is None and not _is_ours(record):
        raised = sys.exc_info()
    if not isinstance(raised, tuple) or raised[0] is None or raised[1] is None:
        return None
    return raised[0], raised[1], raised[2]


def _places(trace: TracebackType | None) -> dict[str, str]:
    """Where it was raised, and the last place in our own code on the way there."""
    places: dict[str, str] = {}
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{_short(code.co_filename)}:{trace.tb_lineno} in {code.co_name}"
        places["at"] = place
        if _is_our_code(code.co_filename):
            places["from"] = place
        trace = trace.tb_next
    if places.get("at") == places.get("from"):
        places.pop("from", None)
    return places


def _is_our_code(path: str) -> bool:
    return path.startswith(FOLDER) and "/site-packages/" not in path


def _short(path: str) -> str:
    if "/site-packages/" in path:
        return path.rpartition("/site-packages/")[2]
    if path.startswith(FOLDER):
        return path.removeprefix(FOLDER)
    return "/".join(path.split("/")[-2:])


class LineFormatter(logging.Formatter):
    """One line for people."""

    def format(self, record: logging.LogRecord) -> str:
        found = facts(record)
        line = "{time} {level} {logger} {message}".format(**found)
        if "status" in found:
            line += f" [{found['status']}]"
        if "error" in found:
            line += f": {found['error']}"
            line += "".join(f" {word} {found[word]}" for word in ("at", "from") if word in found)
        return line.replace("\n", " ")


class JSONFormatter(logging.Formatter):
    """One line for programs: LOG_FORMAT=json."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps(facts(record), ensure_ascii=False)


# --- What does not come by a logger -------------------------------------------------------------


def catch_uncaught() -> None:
    """Log errors that nobody caught; Python would print their text, in a thread or at the end."""
    log = logging.getLogger(f"{OURS}.uncaught")

    def at_the_end(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if not issubclass(kind, KeyboardInterrupt):
            log.critical("the process ends", exc_info=(kind, error, trace))

    def in_thread(told: threading.ExceptHookArgs) -> None:
        if told.exc_value is not None:
            raised = (told.exc_type, told.exc_value, told.exc_traceback)
            log.error("a thread ended", exc_info=raised)

    def in_passing(told: "sys.UnraisableHookArgs") -> None:
        if told.exc_value is not None:
            raised = (told.exc_type, told.exc_value, told.exc_traceback)
            log.error("something failed where nothing could be done", exc_info=raised)

    sys.excepthook = at_the_end
    threading.excepthook = in_thread
    sys.unraisablehook = in_passing


def catch_twisted() -> None:
    """Log errors of Twisted as all others. Daphne sends what Twisted logs nowhere, errors too."""
    from twisted.logger import (
        FilteringLogObserver,
        LogLevel,
        LogLevelFilterPredicate,
        STDLibLogObserver,
        globalLogPublisher,
    )

    # Their types are interfaces of zope, which mypy does not know.
    observer: Any = STDLibLogObserver()
    errors: Any = LogLevelFilterPredicate(defaultLogLevel=LogLevel.error)
    filtered: Any = FilteringLogObserver(observer, [errors])
    globalLogPublisher.addObserver(filtered)
