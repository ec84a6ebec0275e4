"""Reports as PDF, such as statements: a title, facts, tables and notes."""

from collections.abc import Sequence
from dataclasses import dataclass

from gateway.sheets.pdf import Align, Document

# Millimeters: room for the labels of facts.
LABEL = 45.0


@dataclass(frozen=True, slots=True)
class Table:
    """A table. `widths` are in millimeters, 174 together; the columns in `numeric` are aligned right."""

    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    widths: Sequence[float]
    numeric: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Report:
    """The contents of a report, in the order in which they are printed."""

    title: str
    facts: Sequence[tuple[str, str]] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


def render(report: Report) -> bytes:
    """Return the file."""
    document = Document(report.title)
    document.page()
    document.text(report.title, size=20)
    document.gap(4)
    for label, value in report.facts:
        top = document.y
        document.text(label, gray=True, width=LABEL)
        below = document.y
        document.move(top)
        document.text(value, x=LABEL)
        document.move(max(below, document.y))
    for table in report.tables:
        document.gap(6)
        _table(document, table)
    document.gap(6)
    for note in report.notes:
        document.text(note)
        document.gap(1)
    return document.finish()


def _table(document: Document, table: Table) -> None:
    aligns: list[Align] = [
        "R" if column in table.numeric else "L" for column in range(len(table.widths))
    ]
    document.row(table.header, table.widths, aligns, gray=True)
    document.rule()
    for row in table.rows:
        document.row(row, table.widths, aligns)
    document.rule()
