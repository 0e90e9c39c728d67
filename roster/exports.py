"""The roster as tables for a spreadsheet: duties, hours, ledger and costs, as CSV and XLSX.

What people typed may look like a formula, and a spreadsheet would run it. So text that could be one
is kept text: by an apostrophe in CSV, by its type in XLSX. Numbers stay numbers. Times are those
on the clock of the line.
"""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from django.utils.translation import gettext as _

from roster.balances import Balance
from roster.fairness import SlotClass
from roster.models import (
    CostLine,
    CostRun,
    Duty,
    HoursEntry,
    LedgerEntry,
    RosterPeriod,
    ServiceLine,
)
from roster.slots import NAMES, holidays_of, slot_of

if TYPE_CHECKING:
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.worksheet._write_only import WriteOnlyWorksheet

    from institutions.access import Staff

Value = str | int | float | date | datetime | None

# How a formula may begin, for one program or another; also after spaces, and in full width.
FORMULA = re.compile(r"\s*[=+\-@|%＝＋－＠]|[\t\r\n]")
# What XML cannot hold, and no person typed.
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufffe\uffff]|[\ud800-\udfff]")
# What the other programs than ours hold at most in a cell.
LONGEST = 32_000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
CSV = "text/csv; charset=utf-8"


@dataclass(frozen=True)
class Table:
    """A sheet: its name, what stands above the columns, and the rows."""

    name: str
    header: Sequence[str]
    rows: Sequence[Sequence[Value]]


def as_csv(table: Table) -> bytes:
    """The table as Dutch spreadsheets open it by a double click: UTF-8 with a mark, semicolons."""
    out = io.StringIO(newline="")
    writer = csv.writer(out, delimiter=";", lineterminator="\r\n")
    writer.writerow([_csv(name) for name in table.header])
    writer.writerows([_csv(value) for value in row] for row in table.rows)
    return out.getvalue().encode("utf-8-sig")


def as_xlsx(*tables: Table) -> bytes:
    """The tables as the sheets of a workbook, headers bold and always in sight."""
    # Takes long to import, and nobody who chats should wait for that when the server starts.
    from openpyxl import Workbook
    from openpyxl.utils import get_column_letter

    book = Workbook(write_only=True)
    names: set[str] = set()
    for table in tables:
        sheet = book.create_sheet(_sheet_name(table.name, names))
        sheet.freeze_panes = "A2"
        for number, name in enumerate(table.header, start=1):
            values = [str(row[number - 1]) for row in table.rows[:200]]
            widest = max(len(text) for text in (name, *values))
            sheet.column_dimensions[get_column_letter(number)].width = min(50, widest + 3)
        sheet.append([_cell(sheet, name, bold=True) for name in table.header])
        for row in table.rows:
            sheet.append([_cell(sheet, value) for value in row])
    out = io.BytesIO()
    book.save(out)
    return out.getvalue()


def _clean(text: str) -> str:
    return CONTROL.sub("", text)[:LONGEST]


def _csv(value: Value) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M}"
    if isinstance(value, float):
        return str(value).replace(".", ",")
    if isinstance(value, int | date):
        return str(value)
    text = _clean(value)
    return f"'{text}" if FORMULA.match(text) else text


def _cell(sheet: "WriteOnlyWorksheet", value: Value, *, bold: bool = False) -> "WriteOnlyCell":
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.styles import Font

    cell = WriteOnlyCell(sheet)
    if isinstance(value, str) and (text := _clean(value)):
        cell.value = text
        # Else what begins with "=" would be a formula, and "1e5" could be a number.
        cell.data_type = "s"
        if FORMULA.match(text):
            cell.quotePrefix = True
    elif not isinstance(value, str):
        cell.value = value
    if bold:
        cell.font = Font(bold=True)
    return cell


def _sheet_name(name: str, taken: set[str]) -> str:
    """A name that a workbook accepts and does not have yet."""
    plain = re.sub(r"[\\/*?:\[\]']", " ", _clean(name)).strip()[:28].strip() or "1"
    unique, number = plain, 1
    while unique.lower() in taken:
        number += 1
        unique = f"{plain} {number}"
    taken.add(unique.lower())
    return unique


# --- What stands in them -------------------------------------------------------------------------


def _local(moment: datetime, tz: str) -> datetime:
    """The wall time, without the zone: a spreadsheet knows none."""
    return moment.astimezone(ZoneInfo(tz)).replace(tzinfo=None)


def duties_table(line: ServiceLine, first: date, last: date, staff: "Staff") -> Table:
    """The duties on the dates from first to last of which this member of staff may know whose."""
    duties = (
        Duty.objects.visible_to(staff)
        .filter(hour__line=line, hour__local_date__gte=first, hour__local_date__lte=last)
        .select_related("hour", "seat", "seat__owed_by", "worker", "credited_to")
        .order_by("start", "seat__no", "pk")
    )
    holidays = holidays_of(line, first, last)
    rows: list[list[Value]] = [
        [
            duty.hour.local_date,
            _local(duty.start, duty.hour.tz),
            _local(duty.end, duty.hour.tz),
            str(NAMES[slot_of(duty.hour, holidays)]),
            duty.seat.no,
            duty.seat.owed_by.name if duty.seat.owed_by else "",
            duty.worker.name,
            duty.credited_to.name,
            duty.get_status_display(),
            duty.get_source_display(),
            duty.minutes,
        ]
        for duty in duties
    ]
    header = [
        _("Datum"),
        _("Begin"),
        _("Einde"),
        _("Soort"),
        _("Plek"),
        _("Plek van"),
        _("Hulpverlener"),
        _("Telt voor"),
        _("Status"),
        _("Hoe"),
        _("Minuten"),
    ]
    return Table(_("Diensten"), header, rows)


def hours_table(line: ServiceLine, first: date, last: date, staff: "Staff") -> Table:
    """The registered hours on the dates from first to last that this member of staff may see."""
    entries = (
        HoursEntry.objects.visible_to(staff)
        .filter(
            duty__hour__line=line,
            duty__hour__local_date__gte=first,
            duty__hour__local_date__lte=last,
        )
        .select_related("duty__hour", "duty__worker", "duty__credited_to", "approver")
        .order_by("duty__start", "pk")
    )
    holidays = holidays_of(line, first, last)
    rows: list[list[Value]] = [
        [
            entry.duty.hour.local_date,
            _local(entry.duty.start, entry.duty.hour.tz),
            _local(entry.duty.end, entry.duty.hour.tz),
            str(NAMES[slot_of(entry.duty.hour, holidays)]),
            entry.duty.worker.name,
            entry.duty.credited_to.name,
            entry.planned_minutes,
            entry.measured_minutes,
            entry.claimed_minutes,
            entry.approved_minutes,
            entry.minutes,
            entry.get_state_display(),
            entry.approver.name if entry.approver else "",
        ]
        for entry in entries
    ]
    header = [
        _("Datum"),
        _("Begin"),
        _("Einde"),
        _("Soort"),
        _("Hulpverlener"),
        _("Telt voor"),
        _("Gepland"),
        _("Gemeten"),
        _("Gevraagd"),
        _("Goedgekeurd"),
        _("Telt"),
        _("Status"),
        _("Door"),
    ]
    return Table(_("Uren"), header, rows)


def ledger_table(line: ServiceLine, period: RosterPeriod | None, staff: "Staff") -> Table:
    """Every posting of a period (None: of the line) that this coordinator may see, oldest first."""
    entries = LedgerEntry.objects.visible_to(staff).filter(line=line)
    if period is not None:
        entries = entries.filter(period=period)
    rows: list[list[Value]] = [
        [
            entry.pk,
            _local(entry.at, line.tz),
            entry.institution.name,
            entry.get_kind_display(),
            entry.minutes,
            entry.weighted_minutes,
            entry.source,
            entry.reverses_id,
            entry.author.name if entry.author else "",
            entry.text,
        ]
        for entry in entries.select_related("institution", "author").order_by("pk")
    ]
    header = [
        _("Nummer"),
        _("Geboekt op"),
        _("Instelling"),
        _("Soort"),
        _("Minuten"),
        _("Gewogen minuten"),
        _("Bron"),
        _("Draait terug"),
        _("Door"),
        _("Toelichting"),
    ]
    return Table(_("Boekingen"), header, rows)


def balances_table(some: Iterable[Balance]) -> Table:
    """The balances of institutions, as they are given; who may see them is asked before."""
    rows: list[list[Value]] = [
        [
            one.institution.name,
            one.owed,
            one.worked,
            one.other,
            one.balance,
            None if one.index is None else round(one.index, 3),
            one.owed_ahead,
            one.planned,
            one.planned_balance,
            *(one.burden.get(slot, 0) for slot in SlotClass),
            one.weighted,
        ]
        for one in some
    ]
    header = [
        _("Instelling"),
        _("Te doen"),
        _("Gedaan"),
        _("Overig"),
        _("Saldo"),
        _("Gedaan per te doen"),
        _("Nog te doen"),
        _("Gepland"),
        _("Saldo met planning"),
        *(str(NAMES[slot]).capitalize() for slot in SlotClass),
        _("Gewogen saldo"),
    ]
    return Table(_("Saldo"), header, rows)


def costs_table(run: CostRun, staff: "Staff") -> Table:
    """The lines of a cost run that this coordinator may see, by institution; cents and euros."""
    lines = (
        CostLine.objects.visible_to(staff)
        .filter(run=run)
        .select_related("institution")
        .order_by("institution__name", "institution", "kind")
    )
    balances = run.inputs.get("balances", {})
    rows: list[list[Value]] = [
        [
            line.institution.name,
            line.get_kind_display(),
            line.cents,
            line.cents / 100,
            run.inputs.get("weights", {}).get(str(line.institution_id), 0),
            balances.get(str(line.institution_id), 0),
        ]
        for line in lines
    ]
    header = [
        _("Instelling"),
        _("Soort"),
        _("Centen"),
        _("Euro"),
        _("Aandeel in minuten"),
        _("Saldo in minuten"),
    ]
    return Table(_("Kosten"), header, rows)
