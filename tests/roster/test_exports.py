"""What leaves as a spreadsheet opens as one, says the truth, and runs nothing."""

import csv
import io
import zipfile
from collections.abc import Callable
from datetime import date, datetime, timedelta
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openpyxl import load_workbook
from python_calamine import CalamineWorkbook

from institutions.models import Institution, User
from roster import exports
from roster.balances import balances
from roster.exports import Table, as_csv, as_xlsx
from roster.models import CostRun, HoursEntry, LedgerEntry, RosterPeriod, ServiceLine
from tests.people import make_user, rights_of
from tests.roster.making import MONDAY
from tests.roster.settling import LATER, hour_in, shared_period, worked

DANGEROUS = [
    "=1+1",
    "+31 6 1234",
    "-2+3+cmd|' /C calc'!A0",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "\t=1+1",
    "\r=1+1",
    "\n=1+1",
    '  =HYPERLINK("http://x","klik")',
    "＝1+1",
    "|calc",
    "%0A=1",
]


def read_csv(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter=";"))


def read_xlsx(content: bytes) -> dict[str, list[list[Any]]]:
    book = load_workbook(io.BytesIO(content))
    return {
        sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)]
        for sheet in book.worksheets
    }


# --- As a spreadsheet ----------------------------------------------------------------------------


@pytest.mark.parametrize("text", DANGEROUS, ids=repr)
def test_nothing_that_somebody_typed_becomes_a_formula(text: str) -> None:
    table = Table("Blad", ["Naam", text], [[text, 1]])
    for row in read_csv(as_csv(table)):
        assert all(not cell.strip().startswith(tuple("=+-@|%＝\t\r\n")) for cell in row)
    book = load_workbook(io.BytesIO(as_xlsx(table)))
    cell = book.worksheets[0].cell(2, 1)
    assert cell.data_type == "s"
    assert cell.quotePrefix
    assert str(cell.value).strip() == text.strip()


def test_another_program_reads_the_same() -> None:
    """openpyxl reads what openpyxl wrote; what it got wrong would pass unseen."""
    table = Table(
        "Diensten",
        ["Naam", "Minuten", "Uren", "Dag", "Begin", "Leeg"],
        [
            [text, -40, 12.5, date(2026, 3, 2), datetime(2026, 3, 2, 19, 0), None]
            for text in (*DANGEROUS, "0031", "1e5", "Zoë <b> & co", "x" * 40_000)
        ],
    )
    content = as_xlsx(table, Table("Grootboek", ["a"], [[1]]))
    book = CalamineWorkbook.from_filelike(io.BytesIO(content))
    assert book.sheet_names == ["Diensten", "Grootboek"]
    header, *rows = book.get_sheet_by_name("Diensten").to_python()
    assert header == list(table.header)
    for row, (text, *_rest) in zip(rows, table.rows, strict=True):
        assert str(row[0]).strip() == str(text).strip()[: exports.LONGEST]
        assert row[1:] == [-40.0, 12.5, date(2026, 3, 2), datetime(2026, 3, 2, 19, 0), ""]
    # Every part is well-formed, and the list of parts names what is there.
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        assert parts.testzip() is None
        for name in parts.namelist():
            ElementTree.fromstring(parts.read(name))
        listed = ElementTree.fromstring(parts.read("[Content_Types].xml"))
        named = {one.get("PartName", "").lstrip("/") for one in listed} - {""}
        assert named <= set(parts.namelist())


@given(st.text())
def test_any_text_survives_and_none_is_a_formula(text: str) -> None:
    table = Table("Blad", ["Tekst", "Getal"], [[text, 7]])
    (cell, number) = read_csv(as_csv(table))[1]
    plain = exports.CONTROL.sub("", text)
    assert cell == (f"'{plain}" if exports.FORMULA.match(plain) else plain)
    assert not cell.startswith(tuple("=+-@\t\r"))
    assert number == "7"
    row = load_workbook(io.BytesIO(as_xlsx(table))).worksheets[0][2]
    assert row[0].data_type == "s" or row[0].value is None
    assert row[1].value == 7


def test_numbers_and_dates_stay_what_they_are() -> None:
    moment = datetime(2026, 3, 2, 19, 0)
    table = Table("Blad", ["a", "b", "c", "d", "e"], [[-40, 12.5, date(2026, 3, 2), moment, None]])
    assert read_csv(as_csv(table))[1] == ["-40", "12,5", "2026-03-02", "2026-03-02 19:00", ""]
    assert read_xlsx(as_xlsx(table))["Blad"][1] == [
        -40,
        12.5,
        datetime(2026, 3, 2),
        moment,
        None,
    ]


def test_text_that_looks_like_a_number_stays_text() -> None:
    assert read_xlsx(as_xlsx(Table("B", ["a", "b"], [["0031", "1e5"]])))["B"][1] == ["0031", "1e5"]


def test_csv_opens_in_a_dutch_spreadsheet() -> None:
    content = as_csv(Table("Blad", ["Naam", "Zoë"], [["a;b", 'zij zei "ja"']]))
    assert content.startswith(b"\xef\xbb\xbf")
    assert content.count(b"\r\n") == 2
    assert read_csv(content) == [["Naam", "Zoë"], ["a;b", 'zij zei "ja"']]


def test_a_workbook_has_a_sheet_per_table_with_names_that_it_accepts() -> None:
    long = "Een heel erg lange naam van een blad [2026]"
    content = as_xlsx(*[Table(name, ["a"], [[1]]) for name in (long, long, "a/b*c?", "")])
    assert list(read_xlsx(content)) == [
        "Een heel erg lange naam van",
        "Een heel erg lange naam van 2",
        "a b c",
        "1",
    ]


def test_an_empty_table_is_its_header() -> None:
    table = Table("Leeg", ["a", "b"], [])
    assert read_csv(as_csv(table)) == [["a", "b"]]
    assert read_xlsx(as_xlsx(table)) == {"Leeg": [["a", "b"]]}


# --- What stands in it ---------------------------------------------------------------------------


@pytest.fixture
def period(line: ServiceLine, zuid: Institution, maas: Institution, anna: User) -> RosterPeriod:
    Institution.objects.filter(pk=zuid.pk).update(name='=HYPERLINK("http://x","Zuid")')
    period = shared_period(line, {zuid: 1, maas: 1})
    hour = hour_in(period)
    hour.seats.filter(no=1).update(owed_by=maas)
    worked(hour, anna)
    return period


def test_duties(line: ServiceLine, period: RosterPeriod, dirk: User) -> None:
    table = exports.duties_table(line, MONDAY, MONDAY, rights_of(dirk))
    (row,) = table.rows
    assert row == [
        MONDAY,
        datetime(2026, 3, 2, 19, 0),
        datetime(2026, 3, 2, 21, 0),
        "avond",
        1,
        "Maaskracht",
        "Anna Voorbeeld",
        '=HYPERLINK("http://x","Zuid")',
        "gedaan",
        "zelf gekozen",
        120,
    ]
    assert read_csv(as_csv(table))[1][7].startswith("'=")
    assert not exports.duties_table(line, MONDAY + timedelta(1), LATER.date(), rights_of(dirk)).rows


def test_hours(line: ServiceLine, period: RosterPeriod, anna: User, dirk: User) -> None:
    HoursEntry.objects.get().claim(anna, 130)
    HoursEntry.objects.get().approve(dirk)
    (row,) = exports.hours_table(line, MONDAY, MONDAY, rights_of(dirk)).rows
    assert row[6:] == [120, 120, 130, 130, 130, "goedgekeurd", "Dirk Voorbeeld"]


def test_ledger_and_balances(line: ServiceLine, period: RosterPeriod, dirk: User) -> None:
    LedgerEntry.objects.get(kind="worked").reverse(dirk, "@fout")
    table = exports.ledger_table(line, period, rights_of(dirk))
    assert sum(row[4] for row in table.rows if isinstance(row[4], int)) == -120
    assert table.rows[-1][7:] == [LedgerEntry.objects.get(kind="worked", minutes=120).pk] + [
        "Dirk Voorbeeld",
        "@fout",
    ]
    assert exports.ledger_table(line, None, rights_of(dirk)).rows == table.rows
    sums = exports.balances_table(balances(line, LATER, period=period))
    assert [row[1:5] for row in sums.rows] == [[60, 0, 0, -60], [60, 0, 0, -60]]
    assert all(len(row) == len(sums.header) for row in sums.rows)


def test_costs(line: ServiceLine, period: RosterPeriod, dirk: User) -> None:
    run = CostRun.make(line, period, "key", 1_001, None, dirk)
    table = exports.costs_table(run, rights_of(dirk))
    assert sum(row[2] for row in table.rows if isinstance(row[2], int)) == 1_001
    assert [row[3] for row in table.rows] in ([5.01, 5.0], [5.0, 5.01])


@pytest.mark.parametrize(
    "make",
    [
        lambda line, staff: exports.duties_table(line, MONDAY, MONDAY, staff),
        lambda line, staff: exports.hours_table(line, MONDAY, MONDAY, staff),
        lambda line, staff: exports.ledger_table(line, None, staff),
        lambda line, staff: exports.costs_table(CostRun.objects.get(), staff),
    ],
    ids=["duties", "hours", "ledger", "costs"],
)
def test_a_stranger_gets_nothing_of_others(
    line: ServiceLine, period: RosterPeriod, dirk: User, make: Callable[..., Table]
) -> None:
    CostRun.make(line, period, "key", 1_000, None, dirk)
    third = Institution.objects.create(name="Derde")
    stranger = make_user("Max", (third, "coordinator"))
    assert make(line, rights_of(dirk)).rows
    assert not make(line, rights_of(stranger)).rows


def test_every_row_is_as_wide_as_its_header(
    line: ServiceLine, period: RosterPeriod, dirk: User
) -> None:
    run = CostRun.make(line, period, "key", 1_000, None, dirk)
    staff = rights_of(dirk)
    tables = [
        exports.duties_table(line, MONDAY, MONDAY, staff),
        exports.hours_table(line, MONDAY, MONDAY, staff),
        exports.ledger_table(line, period, staff),
        exports.balances_table(balances(line, LATER)),
        exports.costs_table(run, staff),
    ]
    for table in tables:
        assert table.rows
        assert {len(row) for row in table.rows} == {len(table.header)}
    sheets = read_xlsx(as_xlsx(*tables))
    assert list(sheets) == ["Diensten", "Uren", "Boekingen", "Saldo", "Kosten"]
