"""What every test stands on: settings, databases, and nothing left over for the next test.

The settings come from the environment, so it is arranged here, before Django reads it:
`pytest` alone runs on SQLite and the in-memory layer, `TEST_DATABASE=postgresql pytest` on
PostgreSQL and Redis that this process starts and stops itself. Every run has a directory of its
own, so that runs beside each other do not meet.
"""

import atexit
import base64
import inspect
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import django
import pytest
import pytest_asyncio
from hypothesis import settings as property_settings

from tests import databases, services

# How long an example takes says how busy the machine is, not whether it is right.
property_settings.register_profile("klikvoor", deadline=None)
property_settings.load_profile("klikvoor")

TEST_DATABASE = os.environ.get("TEST_DATABASE", "sqlite")
DIRECTORY = Path(tempfile.mkdtemp(prefix="klikvoor-test-"))
# Another user than root runs PostgreSQL, and has to pass.
DIRECTORY.chmod(0o755)
_stop: list[Callable[[], None]] = []


def _arrange_environment() -> None:
    services.runtime_directory(DIRECTORY)
    for name in ("KLIKVOOR_ENV_FILE", "DATABASE_URL", "REDIS_URL", "DEFAULT_FROM_EMAIL"):
        os.environ.pop(name, None)
    key = base64.urlsafe_b64encode(bytes(range(32))).decode()
    os.environ |= {
        "DJANGO_SETTINGS_MODULE": "klikvoor.settings",
        "SECRET_KEY": "only-for-tests-" + "s" * 40,
        "HASHING_KEY": key,
        "SEALING_KEYS": f"test:{key}",
        "DEMO": "0",
        "ORIGINS": "http://testserver,http://localhost,http://localhost:8000",
        "EMAIL_URL": "memorymail://",
        "STATIC_ROOT": str(DIRECTORY / "static"),
        "DATABASE_URL": f"sqlite:///{DIRECTORY / 'main.sqlite3'}",
        "ERASED_LIST": str(DIRECTORY / "erased"),
    }
    (DIRECTORY / "static").mkdir()
    if TEST_DATABASE == "postgresql":
        for variable, start in (
            ("DATABASE_URL", services.start_postgresql),
            ("REDIS_URL", services.start_redis),
        ):
            os.environ[variable], stop = start(DIRECTORY)
            _stop.append(stop)
        os.environ["PG_BIN"] = str(services.postgresql_programs())
    elif TEST_DATABASE != "sqlite":
        raise pytest.UsageError("TEST_DATABASE is sqlite or postgresql.")


def _clean_up() -> None:
    while _stop:
        _stop.pop()()
    shutil.rmtree(DIRECTORY, ignore_errors=True)


atexit.register(_clean_up)
_arrange_environment()
django.setup()  # the people below are made of models

pytest_plugins = ["tests.people", "tests.servers", "tests.postbox"]


def pytest_report_header() -> str:
    layer = "Redis" if "REDIS_URL" in os.environ else "in-memory layer"
    return f"klikvoor: {TEST_DATABASE} and {layer}"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    if TEST_DATABASE == "postgresql":
        elsewhere = [item for item in items if not databases.asks_the_database(item)]
        items[:] = [item for item in items if databases.asks_the_database(item)]
        config.hook.pytest_deselected(items=elsewhere)
    for item in items:
        function = getattr(item, "function", None)
        if inspect.iscoroutinefunction(function) and (
            item.get_closest_marker("django_db") or "db" in getattr(item, "fixturenames", ())
        ):
            # Async code uses the database in another thread than the one that holds the
            # transaction of a test, so that rolling back would neither isolate nor show anything.
            item.add_marker(pytest.mark.django_db(transaction=True), append=False)
        if item.get_closest_marker("postgresql") and TEST_DATABASE != "postgresql":
            reason = "only PostgreSQL can have this; TEST_DATABASE=postgresql runs it"
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture
def kind_of_database() -> str:
    """`sqlite` or `postgresql`."""
    return TEST_DATABASE


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> None:
    """Put the test database in this run's directory, and do not wait for the disk."""
    from django.db import connections

    settings = connections["default"].settings_dict
    if TEST_DATABASE == "sqlite":
        settings["TEST"]["NAME"] = str(DIRECTORY / "test.sqlite3")
        options = settings["OPTIONS"]
        options["init_command"] = options["init_command"].replace(
            "synchronous=FULL", "synchronous=OFF"
        )


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """It goes with this run's directory; dropping it here would wait for idle threads."""
    return True


@pytest.fixture(scope="session")
def django_db_setup(django_db_setup: None) -> None:
    """Keep the database as `migrate` left it, for tests that bring their own."""
    from django.db import connection

    from tests import migrated

    name = connection.settings_dict["NAME"]
    if TEST_DATABASE == "postgresql" and name == connection.settings_dict["TEST"]["NAME"]:
        migrated.keep_postgresql(os.environ["DATABASE_URL"].rpartition("/")[0] + f"/{name}")
    elif TEST_DATABASE == "sqlite" and (DIRECTORY / "test.sqlite3").exists():
        migrated.keep_sqlite(DIRECTORY / "test.sqlite3")


@pytest.fixture(scope="session", autouse=True)
def _quick_settings() -> Iterator[None]:
    from django.test import override_settings

    storages = {
        "default": {"BACKEND": "django.core.files.storage.InMemoryStorage"},
        # Without the manifest that collectstatic makes.
        "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
    }
    hashers = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    with override_settings(STORAGES=storages, PASSWORD_HASHERS=hashers):
        yield


@pytest.fixture(autouse=True)
def _connections_stay_open(monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers close old connections when they end, and the test's own would be among them."""
    monkeypatch.setattr("channels.db.close_old_connections", lambda **kwargs: None)


@pytest.fixture(autouse=True)
def _nothing_remembered(request: pytest.FixtureRequest) -> Iterator[None]:
    """What a process keeps of one test is not there for the next.

    Threads and windows end before the database is emptied, so that none of them is in between.
    """
    from django.core.cache import cache

    from chat import process
    from chat.keys import data_keys

    if "db" in request.fixturenames:
        request.getfixturevalue("db")
    yield
    process.stop()
    data_keys.forget_all()
    (DIRECTORY / "erased").unlink(missing_ok=True)
    cache.clear()


@pytest.fixture(scope="session", autouse=True)
def _emptied_quickly() -> Iterator[None]:
    """After a transactional test every table is emptied; Django has no other place to say how."""
    from django.db import connections
    from django.test import TransactionTestCase

    def empty(test: TransactionTestCase) -> None:
        for name in test._databases_names(include_mirrors=False):
            databases.empty(connections[name])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(TransactionTestCase, "_fixture_teardown", empty)
        yield


@pytest_asyncio.fixture(scope="session", autouse=True, loop_scope="session")
async def _close_connections_at_the_end() -> AsyncIterator[None]:
    from asgiref.sync import sync_to_async
    from django.db import connections

    yield
    await sync_to_async(connections.close_all)()


@pytest.fixture(scope="session", autouse=True)
def _close_pools_at_the_end(_close_connections_at_the_end: None) -> Iterator[None]:
    yield
    from django.db import connections

    for connection in connections.all(initialized_only=True):
        connection.close()
        if hasattr(connection, "close_pool"):
            connection.close_pool()
