"""Reads CSV whose delimiter is unknown into a header and rows with line numbers."""

import csv
import io
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from gateway.sheets import encodings
from gateway.sheets.formulas import restored
from kit.errors import Failure, Kind

# In the order in which they are preferred.
DELIMITERS = ",;\t|"
DECLARATION = re.compile(rf"sep=([{DELIMITERS}])(?:\r\n|\r|\n|$)", re.IGNORECASE)
MAX_BYTES = 2 * 2**20
MAX_ROWS = 1_000
MAX_COLUMNS = 100
# Characters. No field of a batch is longer than an e-mail address; a quote that is never closed swallows
# the rest.
MAX_CELL = 2_000
# The reader's own limit would come first, with an error that names no cause.
csv.field_size_limit(MAX_BYTES)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line of the file on which it begins, and its cells."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Table:
    """A sheet as it was read; `rows` are those below the header that have any text."""

    encoding: str
    # True if the encoding was neither declared nor recognized beyond doubt.
    guessed: bool
    delimiter: str
    header: Row
    rows: tuple[Row, ...]


def read(data: bytes, known: Callable[[str], bool], charset: str | None = None) -> Table:
    """Read a sheet. `known` says whether a text is the name of a column, by which the delimiter is found.

    Raises Failure INVALID: SHEET_TOO_LARGE, SHEET_UNREADABLE, SHEET_MALFORMED with the line,
    SHEET_HEADER_MISSING, SHEET_EMPTY or TOO_MANY_ROWS.
    """
    if len(data) > MAX_BYTES:
        raise too_large()
    decoded = encodings.decode(data, charset)
    declared, text, skipped = _declared_delimiter(decoded.text)
    delimiter = declared or _delimiter(text, known)
    rows = _rows(text, delimiter, skipped)
    header = next(rows, None)
    if header is None:
        raise _refused("SHEET_EMPTY", "The sheet is empty; it needs a header and at least one row")
    if not any(map(known, header.cells)):
        raise _refused(
            "SHEET_HEADER_MISSING",
            f"Line {header.line} names no known column; begin the sheet with a header such as"
            " plan,quantity,name,email,reference",
        )
    found: list[Row] = []
    for row in rows:
        if len(found) == MAX_ROWS:
            raise _refused(
                "TOO_MANY_ROWS",
                f"The sheet has more than {MAX_ROWS} rows, the next on line {row.line}; split it",
            )
        found.append(row)
    if not found:
        raise _refused("SHEET_EMPTY", "The sheet has a header but no rows; add at least one")
    return Table(decoded.encoding, decoded.guessed, delimiter, header, tuple(found))


def too_large() -> Failure:
    """Return the failure for a sheet with more than MAX_BYTES."""
    return _refused(
        "SHEET_TOO_LARGE", f"The sheet has more than {MAX_BYTES // 2**20} MiB; split it"
    )


def _declared_delimiter(text: str) -> tuple[str | None, str, int]:
    """Return the delimiter that Excel's line `sep=;` declares, the text after it, and the lines skipped."""
    found = DECLARATION.match(text)
    return (found[1], text[found.end() :], 1) if found else (None, text, 0)


def _delimiter(text: str, known: Callable[[str], bool]) -> str:
    """Return the delimiter that finds most known columns in the first line, then most cells."""

    def found(delimiter: str) -> tuple[int, int]:
        # The header's size is checked when the sheet is read: too many cells speak for a delimiter too.
        try:
            _, cells = next(_records(text, delimiter, 0), (0, []))
        except Failure:
            return 0, 0
        return sum(known(restored(cell)) for cell in cells), len(cells)

    return max(DELIMITERS, key=found)  # of equal ones, the first


def _rows(text: str, delimiter: str, skipped: int) -> Iterator[Row]:
    for line, cells in _records(text, delimiter, skipped):
        _check(cells, line)
        yield Row(line, tuple(map(restored, cells)))


def _records(text: str, delimiter: str, skipped: int) -> Iterator[tuple[int, list[str]]]:
    """Yield the line and the cells of each record that is not empty."""
    # Universal newlines are left to the reader, so that a cell keeps its own.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    line = 0
    while True:
        begins = line + skipped + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _refused(
                "SHEET_MALFORMED",
                f"Line {begins} is not valid CSV; close every quote, and write a quote inside a"
                " quoted cell twice",
            ) from error
        line = reader.line_num
        if any(cell.strip() for cell in cells):
            yield begins, cells


def _check(cells: Sequence[str], line: int) -> None:
    if len(cells) > MAX_COLUMNS:
        raise _refused(
            "SHEET_MALFORMED",
            f"Line {line} has {len(cells)} cells, and at most {MAX_COLUMNS} are allowed",
        )
    if any(len(cell) > MAX_CELL for cell in cells):
        raise _refused(
            "SHEET_MALFORMED",
            f"Line {line} has a cell of more than {MAX_CELL} characters; check that every quote is"
            " closed",
        )


def _refused(reason: str, message: str) -> Failure:
    return Failure(Kind.INVALID, reason, message)
