"""What the doctor says about copies of the database, and about what hangs on them."""

import pytest
from django.db import connection

from klikvoor.doctor import NOTE, WELL, WRONG, database
from tests.klikvoor.test_doctor import found


@pytest.mark.postgresql
@pytest.mark.django_db
def test_copies_are_told_as_far_as_our_user_may_see_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who may not look sees rows without words; no reason to say that a copy is gone."""
    real = database.one
    names = {"SHOW synchronous_standby_names": "ANY 1 (ann)", "SHOW synchronous_commit": "on"}
    monkeypatch.setattr(database, "one", lambda query: names.get(query) or real(query))
    assert "waits at every commit for a copy that is not there" in found(database.copies)

    with connection.cursor() as cursor:
        cursor.execute("CREATE ROLE somebody")
        cursor.execute("SET ROLE somebody")
        assert found(database.copies) == ""
        assert "may not see how they are" in found(database.copies, NOTE)
        names.clear()
        assert found(database.copies, NOTE) == ""
        cursor.execute("RESET ROLE")

        names["SHOW synchronous_standby_names"] = "ann"
        cursor.execute("SET LOCAL statement_timeout = '60s'")
        assert "is 60 seconds, and commits wait for a copy" in found(database.time_outs)


@pytest.mark.parametrize(
    ("rows", "is_waited_for", "level", "words"),
    [
        ([("streaming", "quorum", 0.0)], True, WELL, "is streaming, 0 seconds behind"),
        ([("streaming", "async", 90.0)], True, WRONG, "for a copy that is not there"),
        ([("streaming", "async", 0.0)], False, NOTE, "Commits do not wait"),
        ([("catchup", "async", 0.0)], False, NOTE, "is catchup"),
    ],
)
def test_a_copy_is_told_with_what_hangs_on_it(
    monkeypatch: pytest.MonkeyPatch,
    rows: list[tuple[str, str, float]],
    is_waited_for: bool,
    level: str,
    words: str,
) -> None:
    monkeypatch.setattr(database, "one", lambda query: "on")

    assert words in found(lambda: database._how_copies_are(rows, is_waited_for), level)
