"""Writes an export as CSV."""

from collections.abc import Iterable, Sequence
from datetime import date, datetime
from typing import IO, Any

from gateway.sheets import writing
from gateway.sheets.exports.columns import Column
from gateway.sheets.writing import Cell
from kit.values import timestamps


class CSVFile:
    """A CSV file, whose rows are written as they arrive."""

    def __init__(self, output: IO[bytes], columns: Sequence[Column], *, bom: bool) -> None:
        """Write the header, after a byte order mark if `bom` is set."""
        self._output = output
        self._readers = [column.read for column in columns]
        header = [column.name for column in columns]
        output.writelines(writing.lines(header, (), byte_order_mark=bom))
        output.flush()

    def add(self, rows: Iterable[Any]) -> None:
        """Write rows."""
        cells = ([_cell(read(row)) for read in self._readers] for row in rows)
        self._output.write(writing.block(cells))
        self._output.flush()

    def finish(self) -> None:
        """A CSV file has no end that could be written."""


def _cell(value: Any) -> Cell:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        return timestamps.to_text(value)
    if isinstance(value, date):
        return value.isoformat()
    cell: Cell = value
    return cell
