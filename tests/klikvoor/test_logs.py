"""Nothing that somebody wrote reaches a log, whoever logs it and however it goes wrong."""

import ast
import asyncio
import gc
import io
import json
import logging
import subprocess
import sys
import traceback
import warnings
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from klikvoor.logs import Handler, JSONFormatter, LineFormatter
from tests.klikvoor.test_architecture import APPS, ROOT
from tests.servers import environment

WORDS = "zeegroene giraffe"
ADDRESS = "203.0.113.77"


class Refused(Exception):
    """As PostgreSQL refuses: it quotes what it was given."""


def refuse() -> None:
    raise Refused(f"invalid value: {WORDS} from {ADDRESS}")


class Logs:
    def __init__(self, formatter: logging.Formatter) -> None:
        self.stream = io.StringIO()
        self.handler = Handler(self.stream)
        self.handler.setFormatter(formatter)

    @property
    def text(self) -> str:
        return self.stream.getvalue()


@pytest.fixture(params=[LineFormatter, JSONFormatter])
def logs(request: pytest.FixtureRequest) -> Any:
    """Everything that is logged, as it would be written."""
    logs = Logs(request.param())
    root = logging.getLogger()
    root.addHandler(logs.handler)
    yield logs
    root.removeHandler(logs.handler)


# --- Who logs what ------------------------------------------------------------------------------


def django_request() -> None:
    """django.utils.log.log_response, for a page that failed."""
    try:
        refuse()
    except Refused:
        logging.getLogger("django.request").error(
            "%s: %s",
            "Internal Server Error",
            f"/{WORDS}/",
            exc_info=sys.exc_info(),
            extra={"status_code": 500, "request": f"<Request {WORDS}>"},
        )


def daphne() -> None:
    """daphne/http_protocol.py: the traceback as the message."""
    try:
        refuse()
    except Refused:
        logging.getLogger("daphne.http_protocol").error(traceback.format_exc())


def daphne_application() -> None:
    """daphne/server.py."""
    error = Refused(WORDS)
    logging.getLogger("daphne.server").error("Exception inside application: %s\n%s", error, WORDS)


def twisted() -> None:
    """What nobody caught in a Deferred; autobahn's errors come the same way."""
    from twisted.logger import Logger, LogLevel, LogPublisher, STDLibLogObserver
    from twisted.python.failure import Failure

    try:
        refuse()
    except Refused:
        log = Logger(observer=LogPublisher(STDLibLogObserver()))
        log.failure("Unhandled error in {where}", Failure(), LogLevel.critical, where=WORDS)
        log.error(f"dropping connection to peer {ADDRESS}: {WORDS}")


def asyncio_task() -> None:
    """A task that failed, and that nobody asked how it went."""

    async def fail() -> None:
        refuse()

    async def forget() -> None:
        task = asyncio.ensure_future(fail())
        await asyncio.sleep(0)
        del task

    with asyncio.Runner() as runner:
        runner.run(forget())
        gc.collect()
        runner.get_loop().call_exception_handler(
            {"message": f"Fatal error on transport {ADDRESS}", "exception": Refused(WORDS)}
        )


def aiosmtpd() -> None:
    logging.getLogger("mail.log").critical("%r recip: %s", (ADDRESS, 25), WORDS)


def imap() -> None:
    logging.getLogger("imap_tools").warning("unexpected response %s", [WORDS, ADDRESS])


def redis() -> None:
    logging.getLogger("redis.connection").error(f"Error while reading {WORDS}")


def allauth() -> None:
    logging.getLogger("allauth.account.stages").warning("login of %(email)s", {"email": WORDS})


def a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        logging.captureWarnings(True)
        try:
            warnings.warn(f"naive datetime {WORDS}", stacklevel=1)
        finally:
            logging.captureWarnings(False)


def ours() -> None:
    try:
        refuse()
    except Refused as error:
        logging.getLogger("klikvoor.tick").error("the job %s failed", "settle", exc_info=error)


def an_object() -> None:
    logging.getLogger("elsewhere").error(Refused(WORDS))


def a_stack() -> None:
    logging.getLogger("elsewhere").error("here %s", WORDS, stack_info=True)


@pytest.mark.parametrize(
    "say",
    [
        *(django_request, daphne, daphne_application, twisted, asyncio_task, aiosmtpd, imap),
        *(redis, allauth, a_warning, ours, an_object, a_stack),
    ],
    ids=lambda say: say.__name__,
)
def test_no_word_of_anybody_is_written(
    logs: Logs, say: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # As loud as can be: levels must not be what keeps people out.
    for name in ("django.request", "mail.log"):
        monkeypatch.setattr(logging.getLogger(name), "level", logging.DEBUG)
        logging.getLogger(name).manager._clear_cache()

    say()

    assert logs.text, "the search below would prove nothing"
    for word in (*WORDS.split(), ADDRESS):
        assert word not in logs.text


def test_what_stays_helps(logs: Logs) -> None:
    django_request()
    ours()
    daphne()

    lines = logs.text.splitlines()
    assert len(lines) == 3
    assert "… at" not in logs.text
    for words in (
        "Refused",
        "in refuse",
        "tests/klikvoor/test_logs.py:",
        "the job settle failed",
        "…: …",
        "daphne.http_protocol",
    ):
        assert words in logs.text
    assert str(ROOT) not in logs.text, "places are short"


def test_a_sentence_of_a_library_that_says_nothing_of_anybody_stays(logs: Logs) -> None:
    logging.getLogger("elsewhere").warning("the connection was closed")

    assert "the connection was closed" in logs.text


def test_json_is_one_object_a_line() -> None:
    logs = Logs(JSONFormatter())
    log = logging.getLogger("klikvoor.test")
    log.addHandler(logs.handler)
    try:
        log.warning("two\nlines of %d", 2)
        try:
            json.loads("{")
        except ValueError:
            log.exception("it failed", extra={"status_code": 500, "request": WORDS})
    finally:
        log.removeHandler(logs.handler)

    first, second = (json.loads(line) for line in logs.text.splitlines())
    assert set(first) == {"time", "level", "logger", "message"}
    assert first["message"] == "two\nlines of 2"
    assert datetime.fromisoformat(first["time"]).utcoffset() is not None
    assert (second["error"], second["status"]) == ("JSONDecodeError", 500)
    assert second["at"].startswith("json/decoder.py:")
    assert "test_json_is_one_object_a_line" in second["from"]


def test_text_is_one_line_too(logs: Logs) -> None:
    logging.getLogger("klikvoor.test").warning("two\nlines")

    assert len(logs.text.splitlines()) == 1


def test_a_record_that_cannot_be_written_says_nothing_else(
    logs: Logs, capsys: pytest.CaptureFixture[str]
) -> None:
    # pytest's own handlers would raise.
    logs.handler.handle(
        logging.LogRecord("klikvoor.test", logging.ERROR, "x.py", 1, "%d people", (WORDS,), None)
    )

    told = capsys.readouterr().err
    assert "a log record of klikvoor.test could not be written" in told
    assert "giraffe" not in told + logs.text


# --- What does not come by a logger -------------------------------------------------------------


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_what_nobody_caught_is_logged_without_its_text(log_format: str) -> None:
    script = f"""
import django, threading
django.setup()
from klikvoor.logs import catch_twisted, catch_uncaught
catch_uncaught()
catch_twisted()
def fail(): raise ValueError("{WORDS} {ADDRESS}")
class Last:
    def __del__(self): fail()
thread = threading.Thread(target=fail)
thread.start()
thread.join()
Last()
from twisted.internet.defer import Deferred
from twisted.logger import globalLogBeginner
# As Daphne does when it starts.
globalLogBeginner.beginLoggingTo([lambda _: None], redirectStandardIO=False, discardBuffer=True)
Deferred().addCallback(lambda found: fail()).callback(None)
fail()
"""
    env = environment(
        DATABASE_URL="sqlite:///none", DJANGO_SETTINGS_MODULE="klikvoor.settings",
        LOG_FORMAT=log_format,
    )  # fmt: skip

    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, env=env, capture_output=True, text=True
    )

    assert done.returncode == 1
    assert "giraffe" not in done.stderr
    assert ADDRESS not in done.stderr
    assert done.stderr.count("ValueError") == 4, done.stderr
    for words in ("a thread ended", "where nothing could be done", "twisted", "the process ends"):
        assert words in done.stderr
    if log_format == "json":
        assert all(json.loads(line) for line in done.stderr.splitlines())


def test_an_unknown_format_is_refused() -> None:
    done = subprocess.run(
        [sys.executable, "-c", "import klikvoor.settings"],
        cwd=ROOT,
        env=environment(LOG_FORMAT="xml"),
        capture_output=True,
        text=True,
    )

    assert f"{ImproperlyConfigured.__name__}: LOG_FORMAT is text or json." in done.stderr


# --- Our own sentences --------------------------------------------------------------------------


def log_calls(path: Path) -> list[tuple[ast.Call, set[str]]]:
    """Every call of a logger in a file, with the names of errors that are caught around it."""
    found = []

    def walk(node: ast.AST, errors: set[str]) -> None:
        if isinstance(node, ast.ExceptHandler) and node.name:
            errors = errors | {node.name}
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and isinstance(node.func.value, ast.Name)
            and node.func.value.id in ("log", "logger")
        ):
            found.append((node, errors))
        for child in ast.iter_child_nodes(node):
            walk(child, errors)

    walk(ast.parse(path.read_text()), set())
    return found


def test_our_own_sentences_are_fixed_and_quote_no_error() -> None:
    """They are written as they are, so nothing of a person may be put into them."""
    calls, wrong = 0, []
    for app in APPS:
        for path in sorted((ROOT / app).rglob("*.py")):
            for call, errors in log_calls(path):
                calls += 1
                where = f"{path.relative_to(ROOT)}:{call.lineno}"
                if not isinstance(call.args[0], ast.Constant):
                    wrong.append(f"{where}: the sentence is put together")
                wrong += [
                    f"{where}: the text of an error"
                    for argument in call.args[1:]
                    if isinstance(argument, ast.Name) and argument.id in errors
                ]
    assert calls > 30
    assert not wrong, "\n".join(wrong)
