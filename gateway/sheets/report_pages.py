"""PDF of a report."""

from gateway.sheets.pdf import Align, Document
from gateway.sheets.report import Report, Table

# Millimeters: room for the labels of facts.
LABEL = 45.0


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
