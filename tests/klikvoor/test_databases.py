"""What runs on both databases, and that nothing of a test is left for the next one."""

import pytest
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import IntegrityError, connection
from django.test import SimpleTestCase, TestCase

from chat.models import Conversation
from institutions.models import Institution, Membership, User
from roster import guards
from roster.models import LedgerEntry, ServiceLine
from tests import databases
from tests.roster.making import refused
from tests.roster.test_models_ledger import post


@pytest.fixture
def runs_twice(request: pytest.FixtureRequest) -> bool:
    """Whether the test that asks this runs on SQLite and on PostgreSQL."""
    return databases.asks_the_database(request.node)


def test_without_the_database_a_test_runs_once(runs_twice: bool) -> None:
    assert not runs_twice


def test_who_did_not_ask_for_the_database_does_not_get_it(runs_twice: bool) -> None:
    assert not runs_twice
    with pytest.raises(RuntimeError, match="Database access not allowed"):
        User.objects.exists()


def test_with_people_a_test_runs_twice(runs_twice: bool, anna: User) -> None:
    assert runs_twice


async def test_with_windows_a_test_runs_twice(runs_twice: bool, db: None) -> None:
    assert runs_twice


@pytest.mark.django_db
def test_with_the_marker_a_test_runs_twice(runs_twice: bool) -> None:
    assert runs_twice


def test_who_asks_which_database_there_is_runs_twice(
    runs_twice: bool, kind_of_database: str, request: pytest.FixtureRequest
) -> None:
    assert runs_twice
    assert kind_of_database == "sqlite" or all(
        databases.asks_the_database(item) for item in request.session.items
    )


@pytest.mark.postgresql
def test_what_only_postgresql_can_have_runs_there(runs_twice: bool, kind_of_database: str) -> None:
    assert runs_twice
    assert kind_of_database == "postgresql"


@pytest.mark.usefixtures("_told_to_the_class")
class TestWithoutDatabase(SimpleTestCase):
    runs_twice: bool

    def test_runs_once(self) -> None:
        assert not self.runs_twice


@pytest.mark.usefixtures("_told_to_the_class")
class TestWithDatabase(TestCase):
    runs_twice: bool

    def test_runs_twice(self) -> None:
        assert self.runs_twice


@pytest.fixture
def _told_to_the_class(request: pytest.FixtureRequest, runs_twice: bool) -> None:
    request.cls.runs_twice = runs_twice


# --- Emptying it --------------------------------------------------------------------------------


def counts() -> dict[str, int]:
    with connection.cursor() as cursor:
        found = {}
        for name in connection.introspection.django_table_names(include_views=False):
            cursor.execute(f'SELECT count(*) FROM "{name}"')
            found[name] = cursor.fetchone()[0]
        return found


@pytest.mark.django_db(transaction=True)
def test_emptying_takes_everything_and_the_guards_stand_again(
    active_conversation: Conversation, line: ServiceLine, zuid: Institution
) -> None:
    post(line, zuid)
    before = counts()
    assert before[LedgerEntry._meta.db_table] == 1
    assert before[Conversation._meta.db_table] == 1
    kept = {model._meta.db_table: model.objects.count() for model in (ContentType, Permission)}
    assert set(kept) == databases.KEPT

    databases.empty(connection)

    assert {name: count for name, count in counts().items() if count} == kept
    assert all(guards.stands(connection, guard) for guard in guards.GUARDS)
    with pytest.raises(IntegrityError):
        Membership.objects.create(user_id=10**6, role="worker")
    databases.empty(connection)
    assert {name: count for name, count in counts().items() if count} == kept


@pytest.mark.django_db(transaction=True)
def test_after_emptying_the_ledger_is_only_added_to(line: ServiceLine, zuid: Institution) -> None:
    post(line, zuid)
    databases.empty(connection)
    again = ServiceLine.objects.create(name="Klikvoorhulp")
    post(again, Institution.objects.create(name="Welzijn Zuid"))

    table = LedgerEntry._meta.db_table
    for deed in (f"DELETE FROM {table}", f"UPDATE {table} SET minutes = 1"):
        with refused(guards.LEDGER.name), connection.cursor() as cursor:
            cursor.execute(deed)
