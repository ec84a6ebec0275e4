"""CSV as spreadsheet programs read it (RFC 4180), with formulas neutralized."""

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from decimal import Decimal

from gateway.sheets.formulas import neutralized

# Without it, Excel reads UTF-8 as the code page of its computer.
BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# Numbers are written as they are, so that negative amounts stay numbers. A bool is an int, and None is empty.
Cell = str | int | Decimal | None


def lines(
    header: Sequence[str], rows: Iterable[Sequence[Cell]], *, byte_order_mark: bool = False
) -> Iterator[bytes]:
    """Yield a CSV file line by line, in UTF-8, beginning with its header."""
    if byte_order_mark:
        yield BYTE_ORDER_MARK
    yield line(header)
    for row in rows:
        yield line(row)


def line(cells: Sequence[Cell]) -> bytes:
    """Return one line of a CSV file."""
    return block([cells])


def block(rows: Iterable[Sequence[Cell]]) -> bytes:
    """Return lines of a CSV file."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerows([_text(cell) for cell in cells] for cells in rows)
    return text.getvalue().encode()


def _text(cell: Cell) -> str:
    if isinstance(cell, str):
        if not cell.isascii():
            # A lone surrogate, which no encoding has, must not end the download.
            cell = cell.encode(errors="replace").decode()
        return neutralized(cell)
    if isinstance(cell, Decimal):
        return f"{cell:f}"  # never with an exponent
    return "" if cell is None else str(cell)
