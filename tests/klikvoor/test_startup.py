"""Unsafe settings, a wrong key and an outdated database are refused, with a sentence that helps."""

import base64
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from allauth.mfa.models import Authenticator
from django.core.management import CommandError

from institutions.models import KeyCheck, User
from klikvoor import startup
from klikvoor.startup import database_problems, refuse_unsafe, settings_problems
from tests.servers import ROOT, Server, environment, free_port

SQLITE = {"default": {"ENGINE": startup.SQLITE, "NAME": "x"}}
POSTGRESQL = {"default": {"ENGINE": "django.db.backends.postgresql", "NAME": "x"}}
REAL = {
    "ORIGINS": ["https://chat.example.org"],
    "ALLOWED_HOSTS": ["chat.example.org"],
    "SECURE": True,
}
DEMO = {"DEMO": True, "DATABASES": SQLITE}
MAIL = {"EMAIL_BACKEND": startup.SMTP, "EMAIL_USE_TLS": False, "EMAIL_USE_SSL": False}
COMES_IN = {"MAIL_LISTEN": "lmtp://127.0.0.1:24", "MAIL_REPLY_TO": "post@example.org"}
KEY = base64.urlsafe_b64encode(b"k" * 32).decode()


class Settings:
    """The settings of a test, as startup sees them: changing DATABASES for real breaks tests."""

    def __init__(self, real: object, changes: dict[str, object]) -> None:
        self._real = real
        self.__dict__.update(changes)

    def __getattr__(self, name: str) -> object:
        return getattr(self._real, name)


def problems(monkeypatch: pytest.MonkeyPatch, **changes: object) -> str:
    monkeypatch.setattr(startup, "settings", Settings(startup.settings, changes))
    return "\n".join(problem.msg for problem in settings_problems())


@pytest.mark.parametrize(
    "changes",
    [
        {},
        REAL,
        DEMO,
        REAL | {"DATABASES": POSTGRESQL},
        COMES_IN | MAIL | {"EMAIL_HOST": "localhost"},
        COMES_IN | MAIL | {"EMAIL_HOST": "mail.example.org", "EMAIL_USE_TLS": True},
        COMES_IN | {"MAIL_LISTEN": "", "MAIL_FETCH_URL": "imaps://a:b@imap.example.org"},
    ],
)
def test_safe_settings_pass(monkeypatch: pytest.MonkeyPatch, changes: dict[str, object]) -> None:
    assert problems(monkeypatch, **changes) == ""


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"DEBUG": True}, "DEBUG is on"),
        ({"ORIGINS": []}, "ORIGINS is empty"),
        ({"ORIGINS": ["http://localhost/chat"]}, "scheme, host and port only"),
        ({"ORIGINS": ["localhost:8000"]}, "scheme, host and port only"),
        ({"ALLOWED_HOSTS": ["*"]}, "takes any host"),
        ({"ALLOWED_HOSTS": [".example.org"]}, "takes any host"),
        (REAL | {"ORIGINS": ["http://chat.example.org"], "SECURE": False}, "plain http"),
        (
            REAL | {"ORIGINS": ["https://chat.example.org", "http://localhost"], "SECURE": False},
            "plain http",
        ),
        (REAL | DEMO, "real host name (chat.example.org)"),
        (DEMO | {"DATABASES": POSTGRESQL}, "names a real database"),
        (DEMO | {"EMAIL_BACKEND": startup.SMTP}, "names a real mail server"),
        (MAIL | {"EMAIL_HOST": "mail.example.org"}, "unencrypted"),
        ({"MAIL_LISTEN": "lmtp://127.0.0.1:24"}, "MAIL_REPLY_TO does not say"),
        ({"MAIL_REPLY_TO": "post@example.org"}, "nothing takes that mail"),
        (COMES_IN | {"MAIL_REPLY_TO": "Post <post@example.org>"}, "an address alone"),
        (COMES_IN | {"MAIL_FROM": "post"}, "MAIL_FROM has to be an address"),
        (COMES_IN | {"MAIL_REPLY_TO": f"{'p' * 21}@example.org"}, "more than 20 characters"),
        (COMES_IN | {"MAIL_LISTEN": "8024"}, "MAIL_LISTEN has to look like"),
        (COMES_IN | {"MAIL_LISTEN": "lmtp://0.0.0.0:24"}, "anybody on the internet"),
        (COMES_IN | {"MAIL_FETCH_URL": "imap://a:b@imap.example.org"}, "unencrypted"),
        (COMES_IN | {"MAIL_FETCH_URL": "imaps://imap.example.org"}, "user and a password"),
        (COMES_IN | DEMO | {"MAIL_FETCH_URL": "imaps://a:b@imap.example.org"}, "real mailbox"),
        ({"SECRET_KEY": "short"}, "SECRET_KEY is too short"),
        ({"SECRET_KEY": "x" * 60}, "SECRET_KEY is too short or too simple"),
        ({"HASHING_KEY": "short"}, "HASHING_KEY is too short"),
    ],
)
def test_unsafe_settings_are_refused(
    monkeypatch: pytest.MonkeyPatch, changes: dict[str, object], words: str
) -> None:
    assert words in problems(monkeypatch, **changes)


def test_the_same_key_for_two_purposes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    key = startup.settings.SECRET_KEY

    assert "are the same" in problems(monkeypatch, HASHING_KEY=key)


@pytest.mark.parametrize(
    ("keys", "words"),
    [
        ("", "SEALING_KEYS is empty"),
        ("new", "32-byte keys"),
        ("new:c2hvcnQ=", "32-byte keys"),
        (f"{'n' * 17}:{KEY}", "32-byte keys"),
        (f"new:{KEY} old:{KEY}", "one key under two names"),
        (f"new:{KEY} new:{KEY}", "one name twice"),
    ],
)
def test_unusable_sealing_keys_are_refused(
    monkeypatch: pytest.MonkeyPatch, settings: object, keys: str, words: str
) -> None:
    settings.SEALING_KEYS = keys  # type: ignore[attr-defined]

    assert words in problems(monkeypatch)


def test_an_access_log_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup.logging.getLogger("uvicorn.access"), "level", 20)
    startup.logging.getLogger("uvicorn.access").manager._clear_cache()

    assert "uvicorn.access would keep people's addresses" in problems(monkeypatch)

    monkeypatch.undo()
    startup.logging.getLogger("uvicorn.access").manager._clear_cache()


def test_deployment_checks_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(startup, "settings", Settings(startup.settings, {"DEBUG": True}))

    assert [error.id for error in startup.settings_are_safe(None)] == ["E001"]


# --- Keys and the database ----------------------------------------------------------------------


def test_a_first_start_writes_its_proofs_and_a_second_one_finds_them(db: None) -> None:
    assert list(database_problems()) == []
    proofs = list(KeyCheck.objects.values_list("name", "proof"))

    assert list(database_problems()) == []
    assert {name for name, _proof in proofs} == {"test", "hashing"}
    assert list(KeyCheck.objects.values_list("name", "proof")) == proofs


def test_another_key_under_a_known_name_is_refused(db: None, settings: object) -> None:
    list(database_problems())

    settings.SEALING_KEYS = f"test:{KEY}"  # type: ignore[attr-defined]

    assert "The key “test” in SEALING_KEYS is not the one" in "".join(database_problems())


def test_an_old_key_that_changed_is_refused(db: None, settings: object) -> None:
    list(database_problems())
    other = base64.urlsafe_b64encode(b"o" * 32).decode()

    settings.SEALING_KEYS = f"new:{KEY} test:{other}"  # type: ignore[attr-defined]

    assert "The key “test” in SEALING_KEYS is not the one" in "".join(database_problems())


def test_rotation_is_no_problem(db: None, settings: object, waiting_conversation: object) -> None:
    list(database_problems())

    settings.SEALING_KEYS = f"new:{KEY} {settings.SEALING_KEYS}"  # type: ignore[attr-defined]

    assert list(database_problems()) == []
    assert KeyCheck.objects.filter(name="new").exists()


def test_a_key_that_nothing_needs_any_more_may_go(db: None, settings: object) -> None:
    list(database_problems())

    settings.SEALING_KEYS = f"new:{KEY}"  # type: ignore[attr-defined]

    assert list(database_problems()) == []


def test_a_key_that_a_conversation_needs_is_missed(
    waiting_conversation: object, settings: object
) -> None:
    settings.SEALING_KEYS = f"new:{KEY}"  # type: ignore[attr-defined]

    assert "SEALING_KEYS lacks: test" in "".join(database_problems())
    assert not KeyCheck.objects.exists(), "a refused start proves nothing"


def test_a_key_that_a_second_factor_needs_is_missed(anna: User, settings: object) -> None:
    assert Authenticator.objects.filter(user=anna).exists()

    settings.SEALING_KEYS = f"new:{KEY}"  # type: ignore[attr-defined]

    assert "SEALING_KEYS lacks: test" in "".join(database_problems())


def test_another_hashing_key_is_refused(db: None, settings: object) -> None:
    list(database_problems())

    settings.HASHING_KEY = KEY  # type: ignore[attr-defined]

    assert "HASHING_KEY is not the one" in "".join(database_problems())


# --- One process --------------------------------------------------------------------------------


@pytest.fixture
def lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    path = tmp_path / "klikvoor.lock"
    monkeypatch.setattr(startup, "lock_file", lambda: path)
    monkeypatch.setattr(startup, "_alone", None)
    yield path
    if startup._alone:
        startup._alone.close()


def hold(path: Path) -> subprocess.Popen[str]:
    program = "import fcntl, sys; f = open(sys.argv[1], 'a'); fcntl.flock(f, 2); print(); input()"
    holder = subprocess.Popen(
        [sys.executable, "-c", program, path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout
    holder.stdout.readline()
    return holder


def test_a_second_process_on_one_database_is_refused(
    db: None, settings: object, lock: Path
) -> None:
    settings.REDIS_URL = ""  # type: ignore[attr-defined]
    with hold(lock) as holder:
        with pytest.raises(CommandError, match="Another process serves this database"):
            refuse_unsafe()

        holder.communicate("\n")

    refuse_unsafe()
    refuse_unsafe()


# --- As an operator sees it ---------------------------------------------------------------------


@pytest.fixture
def installation(tmp_path: Path) -> dict[str, str]:
    """The environment of an installation that has not been migrated yet."""
    return environment(
        DATABASE_URL=f"sqlite:///{tmp_path / 'klikvoor.sqlite3'}",
        EMAIL_URL=f"filemail:///{tmp_path / 'mail'}",
        STATIC_ROOT=str(tmp_path),
        ORIGINS="http://localhost",
    )


def serve(env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "serve", "--port", str(free_port())],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=30,
    )


@pytest.mark.parametrize("name", ["SECRET_KEY", "SEALING_KEYS", "HASHING_KEY"])
def test_serve_says_which_key_is_missing(installation: dict[str, str], name: str) -> None:
    del installation[name]

    refused = serve(installation)

    assert refused.returncode != 0
    assert f"{name} is not set" in refused.stderr


def test_what_the_environment_says_goes_before_a_file_that_the_file_of_settings_names(
    installation: dict[str, str], tmp_path: Path
) -> None:
    """Else `DATABASE_URL=… manage.py restore` would go to the database in use."""
    (tmp_path / "url").write_text("sqlite:////of/the/secret")
    (tmp_path / "redis").write_text("redis://of.the.secret")
    variables = tmp_path / "klikvoor.env"
    variables.write_text(f"DATABASE_URL_FILE={tmp_path}/url\nREDIS_URL_FILE={tmp_path}/redis\n")
    env = installation | {
        "KLIKVOOR_ENV_FILE": str(variables),
        "DATABASE_URL": "sqlite:////of/the/environment",
    }

    done = subprocess.run(
        [sys.executable, "-c", "from klikvoor.settings import *; print(DATABASE_URL, REDIS_URL)"],
        cwd=ROOT, env=env, capture_output=True, text=True, check=True,
    )  # fmt: skip

    assert done.stdout.split() == ["sqlite:////of/the/environment", "redis://of.the.secret"]


def test_a_file_of_settings_that_cannot_be_read_is_named(
    installation: dict[str, str], tmp_path: Path
) -> None:
    """Else the next sentence would advise new keys to who only used the wrong account."""
    refused = serve(installation | {"KLIKVOOR_ENV_FILE": str(tmp_path / "nothing.env")})

    assert refused.returncode != 0
    assert "nothing.env, which cannot be read (No such file or directory)" in refused.stderr


def test_serve_refuses_a_database_behind_its_migrations(installation: dict[str, str]) -> None:
    refused = serve(installation)

    assert refused.returncode != 0
    assert "Run `python manage.py migrate` first." in refused.stderr
    assert "Traceback" not in refused.stderr


def test_serve_refuses_the_demo_on_a_real_host(installation: dict[str, str]) -> None:
    refused = serve(installation | {"DEMO": "1", "ORIGINS": "https://chat.example.org"})

    assert refused.returncode != 0
    assert "DEMO is on, and ORIGINS holds a real host name" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_serve_refuses_a_database_that_does_not_answer(installation: dict[str, str]) -> None:
    url = "postgres://nobody:secret@127.0.0.1:1/nothing"

    refused = serve(installation | {"DATABASE_URL": url})

    assert refused.returncode != 0
    assert "The database does not answer" in refused.stderr
    assert "secret" not in refused.stderr


def test_a_second_serve_without_redis_is_refused(
    installation: dict[str, str], migrated_database: Path, tmp_path: Path
) -> None:
    shutil.copy(migrated_database, tmp_path / "klikvoor.sqlite3")
    first = Server(tmp_path, installation)
    first.start()
    try:
        refused = serve(installation)

        assert refused.returncode != 0
        assert "Another process serves this database already." in refused.stderr

        first.kill()
        first.start()  # a killed process does not keep its lock
    finally:
        first.stop()
