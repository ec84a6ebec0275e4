"""Reads an uploaded sheet into the rows of a batch, and finds the faults of each row."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from decimal import Decimal
from uuid import UUID

from gateway.sheets import columns, table
from gateway.sheets.columns import Column
from gateway.sheets.formulas import is_formula
from kit.errors import Failure, Kind
from kit.values import plain_text

# The provider's maximum for one order.
MAX_QUANTITY = 10
WHOLE = re.compile(r"[0-9]{1,4}")
DATA = re.compile(r"([0-9]{1,5}(?:[.,][0-9]{1,3})?)\s*(gb|mb)?", re.IGNORECASE)
UNLIMITED = frozenset({"unlimited", "∞"})
DAYS = re.compile(r"([0-9]{1,4})\s*(?:days?|d)?", re.IGNORECASE)
# The orders service uses the same code, but its message names rows instead of lines.
REPEATED = "TRAVELER_REPEATED"
TEXTS = (Column.NAME, Column.EMAIL, Column.REFERENCE)


@dataclass(frozen=True, slots=True)
class PlanId:
    """A plan by its id."""

    id: str


@dataclass(frozen=True, slots=True)
class BundleName:
    """A plan by the provider's bundle name."""

    name: str


@dataclass(frozen=True, slots=True)
class Criteria:
    """A plan by what it offers. `data_mb` is None for an unlimited plan."""

    country: str
    data_mb: int | None
    days: int


WantedPlan = PlanId | BundleName | Criteria


@dataclass(frozen=True, slots=True)
class Problem:
    """A fault of a row. `field` is empty for the row as a whole."""

    field: str
    code: str
    message: str


@dataclass(frozen=True, slots=True)
class SheetRow:
    """A row of a batch. If there are `errors`, it can't be bought."""

    line: int
    plan: WantedPlan | None
    quantity: int
    name: str
    email: str
    user_id: str
    reference: str
    esim_id: str
    errors: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


@dataclass(frozen=True, slots=True)
class BatchSheet:
    """A sheet as it was read. `ignored` are the headers of columns that are not read."""

    encoding: str
    delimiter: str
    ignored: tuple[str, ...]
    rows: tuple[SheetRow, ...]


@dataclass(slots=True)
class _Faults:
    errors: list[Problem] = field(default_factory=list)
    warnings: list[Problem] = field(default_factory=list)

    def error(self, column: str, code: str, message: str) -> None:
        self.errors.append(Problem(column, code, message))


def read(data: bytes, charset: str | None = None) -> BatchSheet:
    """Read a sheet; raise Failure INVALID if it can't be read at all, as `table.read` does.

    A missing column for the plan is SHEET_HEADER_MISSING, and a column that appears twice COLUMN_REPEATED.
    """
    found = table.read(data, columns.is_known, charset)
    places: dict[Column, int] = {}
    ignored = []
    for place, header in enumerate(found.header.cells):
        column = columns.column(header)
        if column is None:
            if header.strip():
                ignored.append(header.strip())
        elif column in places:
            raise Failure(
                Kind.INVALID,
                "COLUMN_REPEATED",
                f"Line {found.header.line} has two columns for {column}; remove one of them",
            )
        else:
            places[column] = place
    _require_plan(places, found.header.line)
    rows = [_row(row, places, len(found.header.cells)) for row in found.rows]
    if found.guessed:
        _warn_of_encoding(found, rows)
    return BatchSheet(found.encoding, found.delimiter, tuple(ignored), tuple(_with_repeated(rows)))


def _warn_of_encoding(found: table.Table, rows: list[SheetRow]) -> None:
    """Add a warning to the first row with a text that another encoding would change."""
    for place, row in enumerate(found.rows):
        for cell in row.cells:
            if not cell.isascii():
                message = (
                    f"The sheet is not UTF-8 and was read as {found.encoding}; check that"
                    f" {plain_text.quoted(cell)} is correct, or save the sheet as CSV in UTF-8"
                )
                warning = Problem("", "ENCODING_GUESSED", message)
                rows[place] = replace(rows[place], warnings=(*rows[place].warnings, warning))
                return


def _with_repeated(rows: Iterable[SheetRow]) -> Iterator[SheetRow]:
    """Add a warning to each row whose traveler an earlier row has, by e-mail address or else by name."""
    lines: dict[str, int] = {}
    for row in rows:
        key = (row.email or row.name).casefold()
        first = lines.setdefault(key, row.line) if key else row.line
        if first == row.line:
            yield row
            continue
        message = f"The same traveler is on line {first}; remove this row unless both are wanted"
        repeated = Problem("traveler", REPEATED, message)
        yield replace(row, warnings=(*row.warnings, repeated))


def _require_plan(places: Mapping[Column, int], line: int) -> None:
    if Column.PLAN in places or Column.BUNDLE in places:
        return
    if not {Column.COUNTRY, Column.GB, Column.DAYS} <= places.keys():
        raise Failure(
            Kind.INVALID,
            "SHEET_HEADER_MISSING",
            f"Line {line} has no column for the plan; add the column plan, with the plan's id or"
            " bundle name, or the three columns country, gb and days",
        )


def _row(row: table.Row, places: Mapping[Column, int], width: int) -> SheetRow:
    faults = _Faults()

    def cell(column: Column) -> str:
        place = places.get(column)
        return row.cells[place].strip() if place is not None and place < len(row.cells) else ""

    if any(text.strip() for text in row.cells[width:]):
        faults.error(
            "",
            "TOO_MANY_CELLS",
            f"The row has {len(row.cells)} cells, and the header has {width}; put texts that"
            " contain the delimiter into quotes",
        )
    for column in TEXTS:
        if is_formula(cell(column)):
            message = "The text begins like a formula; it is used as plain text"
            faults.warnings.append(Problem(_field(column), "FORMULA", message))
    return SheetRow(
        row.line,
        _plan(cell, faults),
        _quantity(cell(Column.QUANTITY), faults),
        cell(Column.NAME),
        cell(Column.EMAIL),
        cell(Column.USER_ID),
        cell(Column.REFERENCE),
        cell(Column.ESIM_ID),
        tuple(faults.errors),
        tuple(faults.warnings),
    )


def _field(column: Column) -> str:
    return "reference" if column is Column.REFERENCE else f"traveler.{column}"


def _quantity(text: str, faults: _Faults) -> int:
    if not text:
        return 1
    quantity = int(text) if WHOLE.fullmatch(text) else 0
    if not 1 <= quantity <= MAX_QUANTITY:
        faults.error(
            "quantity",
            "INVALID",
            f"must be a whole number from 1 to {MAX_QUANTITY}, or empty for 1",
        )
        return 1
    return quantity


def _plan(cell: Callable[[Column], str], faults: _Faults) -> WantedPlan | None:
    plan, bundle = cell(Column.PLAN), cell(Column.BUNDLE)
    if plan and bundle and plan != bundle:
        faults.error("plan", "PLAN_AMBIGUOUS", "give the plan or the bundle, not both")
        return None
    if plan or bundle:
        return _by_name(plan or bundle)
    country, data, days = cell(Column.COUNTRY), cell(Column.GB), cell(Column.DAYS)
    if not (country or data or days):
        faults.error(
            "plan", "PLAN_MISSING", "give the plan's id or bundle name, or country, gb and days"
        )
        return None
    return _by_criteria(country, data, days, faults)


def _by_name(text: str) -> WantedPlan:
    try:
        return PlanId(str(UUID(text)))
    except ValueError:
        return BundleName(text)


def _by_criteria(country: str, data: str, days: str, faults: _Faults) -> Criteria | None:
    before = len(faults.errors)
    if not country:
        faults.error("country", "PLAN_MISSING", "must not be empty if gb or days is given")
    megabytes: int | None = None
    if data.casefold() not in UNLIMITED:
        megabytes = _megabytes(data)
        if megabytes is None:
            faults.error("gb", "INVALID", "must be an amount of data such as 1, 0.5 or unlimited")
    found = DAYS.fullmatch(days)
    if found is None or int(found[1]) == 0:
        faults.error("days", "INVALID", "must be a number of days, such as 7")
    if found is None or len(faults.errors) > before:
        return None
    return Criteria(country, megabytes, int(found[1]))


def _megabytes(text: str) -> int | None:
    found = DATA.fullmatch(text)
    if found is None:
        return None
    amount = Decimal(found[1].replace(",", "."))
    if (found[2] or "gb").casefold() == "gb":
        amount *= 1_000  # base 10, as the catalogue counts
    return int(amount) if amount == amount.to_integral_value() and amount > 0 else None
